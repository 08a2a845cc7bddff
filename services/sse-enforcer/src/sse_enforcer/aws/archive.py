"""Looking at archived objects: the statements `LookAtObjects` and `TellMissingFromForbidden`."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from logferry_deliveries.calls import calling
from logferry_deliveries.errors import RefusedError
from sse_enforcer.verdict import OFFLINE_STORAGE_CLASSES, ObjectVersion, Retention

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BAD_REQUEST = 400
NOT_FOUND = 404
NOT_ALLOWED = 405
"""HeadObject of a version that is a delete marker.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html"""

CONTENT_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "ExpiresString",
    "WebsiteRedirectLocation",
)

UNREADABLE = ("InvalidRequest", "InvalidArgument", "400")
"""What S3 says of an object under a customer's own key, or of a version id that is none."""


class Archive:
    """What is in the archive bucket. Nothing here changes an object."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self.bucket = bucket

    def describe(self, key: str, version_id: str) -> ObjectVersion | None:
        """Return one version, or None when it is not there or is a delete marker."""
        return self._head(key, {"VersionId": version_id})

    def describe_current(self, key: str) -> ObjectVersion | None:
        """Return the current version, or None when there is none or it is a delete marker."""
        return self._head(key, {})

    def keeps_versions(self) -> bool:
        """Whether a copy becomes a version of its own instead of overwriting another one.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
        """
        with calling("GetBucketVersioning", self.bucket):
            return self._s3.get_bucket_versioning(Bucket=self.bucket).get("Status") == "Enabled"

    def first_part_bytes(self, version: ObjectVersion) -> int:
        """Return the size of the first part that an object was uploaded in."""
        with calling("HeadObject", version.name):
            return self._s3.head_object(
                Bucket=self.bucket, Key=version.key, VersionId=version.version_id, PartNumber=1
            )["ContentLength"]

    def tags(self, version: ObjectVersion) -> list[tuple[str, str]]:
        """Return a version's tags by name and value; one that has none is not asked for."""
        if not version.tag_count:
            return []
        with calling("GetObjectTagging", version.name):
            tags = self._s3.get_object_tagging(
                Bucket=self.bucket, Key=version.key, VersionId=version.version_id
            )["TagSet"]
        return [(tag["Key"], tag["Value"]) for tag in tags]

    def _head(self, key: str, which: Mapping[str, str]) -> ObjectVersion | None:
        subject = f"{key} (version {which.get('VersionId', 'current')})"
        with calling("HeadObject", subject):
            try:
                head = self._s3.head_object(
                    Bucket=self.bucket, Key=key, ChecksumMode="ENABLED", **cast("Any", which)
                )
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status in (NOT_FOUND, NOT_ALLOWED):
                    return None
                if status == BAD_REQUEST:
                    self._explain(key, which)
                raise
        return _version(key, cast("Mapping[str, Any]", head))

    def _explain(self, key: str, which: Mapping[str, str]) -> None:
        """Ask S3 again in a way that it may give reasons for: HeadObject's answer has no body.

        Raises:
            ClientError: With S3's reason, such as ``KMS.DisabledException``.
            RefusedError: ``unreadable``: nobody can read the version without what we do not have.
        """
        try:
            self._s3.get_object(
                Bucket=self.bucket, Key=key, Range="bytes=0-0", **cast("Any", which)
            )
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code not in UNREADABLE:
                raise
            raise RefusedError(
                "unreadable",
                f"{key} (version {which.get('VersionId', 'current')}): {code}: {message}; an "
                "object under SSE-C is left to those who have its key",
            ) from error


def _version(key: str, head: Mapping[str, Any]) -> ObjectVersion:
    storage_class = head.get("StorageClass", "STANDARD")
    return ObjectVersion(
        key=key,
        version_id=head.get("VersionId", "null"),
        size_bytes=head["ContentLength"],
        etag=head["ETag"],
        encryption=head.get("ServerSideEncryption"),
        kms_key_arn=head.get("SSEKMSKeyId"),
        bucket_key_enabled=head.get("BucketKeyEnabled", False),
        storage_class=storage_class,
        offline=(storage_class in OFFLINE_STORAGE_CLASSES or "ArchiveStatus" in head)
        and 'ongoing-request="false"' not in head.get("Restore", ""),
        retention=_retention(head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")),
        legal_hold=head.get("ObjectLockLegalHoldStatus") == "ON",
        event_hold=head.get("ObjectLockEventHold") == "ON",
        checksums=_checksums(head, of_parts=False),
        part_checksums=_checksums(head, of_parts=True),
        headers={name: head[name] for name in CONTENT_HEADERS if name in head},
        metadata=head["Metadata"],
        missing_metadata=head.get("MissingMeta", 0),
        tag_count=head.get("TagCount", 0),
        last_modified=head.get("LastModified"),
    )


def _retention(mode: str | None, until: datetime | None) -> Retention | None:
    return Retention(mode, until) if mode is not None and until is not None else None


def _checksums(head: Mapping[str, Any], *, of_parts: bool) -> dict[str, str]:
    """Return the checksums of the whole object, or those of its parts' checksums.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    is_composite = head.get("ChecksumType") == "COMPOSITE"
    return {
        name.removeprefix("Checksum"): value
        for name, value in head.items()
        if name.startswith("Checksum")
        and name != "ChecksumType"
        and (is_composite or "-" in value) is of_parts
    }
