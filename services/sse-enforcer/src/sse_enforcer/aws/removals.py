"""The one thing that the statement `RemoveReplaced` is for."""

from typing import TYPE_CHECKING

from logferry_deliveries.calls import calling
from sse_enforcer.errors import RemovalRefusedError
from sse_enforcer.verdict import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Removals:
    """Removes versions for good, each by its id. It lifts no hold and bypasses no retention."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self._bucket = bucket

    def remove(self, version: ObjectVersion) -> None:
        """Remove a version; once more is harmless.

        Raises:
            RemovalRefusedError: S3 denies it, as for any version that Object Lock protects.
                https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
        """
        with calling("DeleteObject", version.name, {"AccessDenied": RemovalRefusedError}):
            self._s3.delete_object(
                Bucket=self._bucket, Key=version.key, VersionId=version.version_id
            )
