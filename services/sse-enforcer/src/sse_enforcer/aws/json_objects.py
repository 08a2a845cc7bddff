"""JSON objects in the control bucket, which several invocations may write at the same time.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from logferry_deliveries.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
"""S3's answers to a conditional write that came too late."""

IN_ANY_CASE: Mapping[str, str] = {}
"""The condition of a write that has none."""


def if_still(etag: str | None) -> Mapping[str, str]:
    """Return the condition that an object is the one that was read; None: that there is none."""
    return {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}


class JsonObjects:
    """The JSON objects of one bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self.bucket = bucket

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's content and its ETag, or None when there is none."""
        with calling("GetObject", key):
            try:
                found = self._s3.get_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    return None
                raise
            return found["Body"].read(), found["ETag"]

    def write(self, key: str, text: str, condition: Mapping[str, str]) -> str | None:
        """Write an object and return its new ETag; None when somebody was faster."""
        with calling("PutObject", key):
            try:
                return self._s3.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=text.encode(),
                    ContentType="application/json",
                    **cast("Any", condition),
                )["ETag"]
            except ClientError as error:
                if condition and error.response["Error"]["Code"] in OVERTAKEN:
                    return None
                raise
