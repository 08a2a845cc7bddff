"""Bringing an object under a key in one call: in place, or by a copy onto its own key."""

from typing import TYPE_CHECKING, Any, cast

from logferry_deliveries.calls import calling
from logferry_deliveries.errors import AwsError
from sse_enforcer.errors import EncryptionRefusedError, EncryptionUnsupportedError
from sse_enforcer.verdict import (
    NULL_VERSION,
    SSE_KMS,
    ObjectVersion,
    Retention,
    copys_encryption,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

IN_PLACE_REFUSALS: dict[str, type[AwsError]] = {
    "AccessDenied": EncryptionRefusedError,
    "InvalidRequest": EncryptionUnsupportedError,
    "MethodNotAllowed": EncryptionUnsupportedError,
    "NotImplemented": EncryptionUnsupportedError,
}
"""What S3 says when it will not encrypt in place.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html"""

COPY_CHECKSUMS = ("CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256")
"""What a copy's checksum can be made with; the first where the original's tells nothing."""


class Encryption:
    """Encrypts archived objects. It removes none, and covers up none that is newer."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self._bucket = bucket

    def reencrypt(self, version: ObjectVersion, key_arn: str) -> None:
        """Encrypt a version in place: it stays the version it is.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html

        Raises:
            EncryptionRefusedError: S3 denies it.
            EncryptionUnsupportedError: S3 has no way to do it to this version.
        """
        with calling("UpdateObjectEncryption", version.name, IN_PLACE_REFUSALS):
            self._s3.update_object_encryption(
                Bucket=self._bucket,
                Key=version.key,
                VersionId=version.version_id,
                ObjectEncryption={"SSEKMS": {"KMSKeyArn": key_arn, "BucketKeyEnabled": True}},
            )

    def copy(self, version: ObjectVersion, key_arn: str, retention: Retention | None) -> str:
        """Copy the current version onto its own key, under ``key_arn``; return the new version id.

        The copy is made only if the current version's ETag is still this version's, so that
        nothing newer is covered up and no second worker makes a second copy.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
        """
        request = {
            "CopySourceIfMatch": version.etag,
            "IfMatch": version.etag,
            "MetadataDirective": "COPY",
            "TaggingDirective": "COPY",
            "ChecksumAlgorithm": _copy_checksum(version),
            **kept(version, key_arn, retention),
        }
        # The one header that S3 does not copy.
        if "WebsiteRedirectLocation" in version.headers:
            request["WebsiteRedirectLocation"] = version.headers["WebsiteRedirectLocation"]
        with calling("CopyObject", version.name):
            copied = self._s3.copy_object(
                Bucket=self._bucket,
                Key=version.key,
                CopySource=source_of(version, self._bucket),
                **cast("Any", request),
            )
        return copied.get("VersionId", NULL_VERSION)


def source_of(version: ObjectVersion, bucket: str) -> "CopySourceTypeDef":
    """Return what a copy names as its source: exactly this version."""
    return {"Bucket": bucket, "Key": version.key, "VersionId": version.version_id}


def kept(version: ObjectVersion, key_arn: str, retention: Retention | None) -> dict[str, Any]:
    """Return what a copy of either kind has to be told so that it is like its original."""
    encryption = copys_encryption(version)
    request: dict[str, Any] = {
        "ServerSideEncryption": encryption,
        "SSEKMSKeyId": key_arn,
        "StorageClass": version.storage_class,
    }
    # Two layers of encryption take no Bucket Key.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    if encryption == SSE_KMS:
        request["BucketKeyEnabled"] = True
    if retention is not None:
        request["ObjectLockMode"] = retention.mode
        request["ObjectLockRetainUntilDate"] = retention.until
    if version.legal_hold:
        request["ObjectLockLegalHoldStatus"] = "ON"
    return request


def _copy_checksum(version: ObjectVersion) -> str:
    return next((name for name in COPY_CHECKSUMS if name in version.checksums), COPY_CHECKSUMS[0])
