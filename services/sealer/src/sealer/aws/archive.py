"""Reading the archive: the statements `ReadTheArchive` and `SeeVersions`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from logferry_contracts.manifest import Checksum
from logferry_contracts.measure import measure
from logferry_contracts.window import Window
from logferry_deliveries.calls import calling
from logferry_deliveries.errors import AwsError
from sealer.differences import ListedVersion, ReadObject
from sealer.errors import OfflineError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHECKSUM = "Checksum"


class _GoneError(AwsError):
    """There is no such version: it was removed."""


_GONE: dict[str, type[AwsError]] = dict.fromkeys(
    ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404", "405"), _GoneError
)
"""S3's words for a version that is not there, or is a delete marker.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""


_MEANT = _GONE | {"InvalidObjectState": OfflineError}
"""The other is S3's word for an object in GLACIER or DEEP_ARCHIVE."""


class Archive:
    """What is in the archive bucket. Nothing here changes an object."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Read from ``bucket`` alone."""
        self._s3 = s3
        self.bucket = bucket

    def measured(self, key: str, version_id: str, window: Window) -> ReadObject | None:
        """Read a version from its beginning to its end; None when it is not there.

        Raises:
            OfflineError: It has to be restored first.
            AwsError: It cannot be read, or its download broke off.
        """
        found: Any = None

        def opened() -> Any:
            nonlocal found
            found = self._s3.get_object(
                Bucket=self.bucket, Key=key, VersionId=version_id, ChecksumMode="ENABLED"
            )
            return found["Body"]

        try:
            with calling("GetObject", f"{key} (version {version_id})", _MEANT):
                read = measure(opened, window)
        except _GoneError:
            return None
        return ReadObject(
            key=key,
            version_id=version_id,
            etag=found["ETag"].strip('"'),
            checksum=_checksum(found),
            measured=read,
        )

    def versions(self, prefix: str) -> Iterator[ListedVersion]:
        """Yield every version, and every delete marker, whose key begins so."""
        with calling("ListObjectVersions", prefix):
            pages = self._s3.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            for page in pages:
                for each in page.get("Versions", []):
                    yield ListedVersion(
                        key=each["Key"],
                        version_id=each["VersionId"],
                        is_latest=each["IsLatest"],
                        size_bytes=each["Size"],
                    )
                for marker in page.get("DeleteMarkers", []):
                    yield ListedVersion(
                        key=marker["Key"],
                        version_id=marker["VersionId"],
                        is_latest=marker["IsLatest"],
                        size_bytes=None,
                    )


def _checksum(found: Any) -> Checksum | None:
    """Return the checksum of the whole object that S3 keeps with it."""
    if found.get("ChecksumType") == "COMPOSITE":
        return None
    for name, value in found.items():
        if name.startswith(_CHECKSUM) and name != "ChecksumType" and "-" not in value:
            return Checksum(algorithm=name.removeprefix(_CHECKSUM), value=value)
    return None
