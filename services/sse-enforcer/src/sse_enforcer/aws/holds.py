"""The one thing that the statement `PlaceHolds` is for."""

from typing import TYPE_CHECKING

from logferry_deliveries.calls import calling
from sse_enforcer.verdict import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Holds:
    """Places legal holds. It lifts none and removes nothing."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self._bucket = bucket

    def place(self, version: ObjectVersion) -> None:
        """Put a version on legal hold; once more is harmless.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html
        """
        with calling("PutObjectLegalHold", version.name):
            self._s3.put_object_legal_hold(
                Bucket=self._bucket,
                Key=version.key,
                VersionId=version.version_id,
                LegalHold={"Status": "ON"},
            )
