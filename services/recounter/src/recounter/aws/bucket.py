"""The control bucket's objects: listed, read, and written by conditions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from logferry_deliveries.calls import calling
from logferry_deliveries.errors import AwsError
from recounter.errors import OvertakenError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


logger = Logger()


class TooLateError(AwsError):
    """Somebody else has written since it was read."""


_KINDS: dict[str, type[AwsError]] = dict.fromkeys(
    ("PreconditionFailed", "ConditionalRequestConflict"), TooLateError
)
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""


class Bucket:
    """One bucket.

    Attributes:
        damaged: Keys of objects that nobody can read, as far as that was seen.
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use ``s3`` for every call."""
        self._s3 = s3
        self._bucket = bucket
        self.damaged = set[str]()

    def keys(self, **which: Any) -> Iterator[str]:
        """Yield the keys below a ``Prefix``, in their order.

        Raises:
            AwsError: S3 did not answer.
        """
        yield from (each["Key"] for each in self.listed(**which))

    def listed(self, **which: Any) -> Iterator[Any]:
        """Yield what ListObjectsV2 says of each object below a ``Prefix``."""
        with calling("ListObjectsV2", which["Prefix"]):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **which)
            for page in pages:
                yield from page.get("Contents", [])

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's content and ETag; None where there is none.

        Raises:
            AwsError: S3 did not answer.
        """
        with calling("GetObject", key):
            try:
                found = self._s3.get_object(Bucket=self._bucket, Key=key)
                return found["Body"].read(), found["ETag"]
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    return None
                raise

    def tell_damaged(self, key: str, error: Exception) -> None:
        """Tell that nobody can read what an object says."""
        logger.error("a note is damaged, and written anew", key=key, detail=str(error))
        self.damaged.add(key)

    def put(self, key: str, body: bytes, **condition: Any) -> str:
        """Write an object, and return its ETag.

        Raises:
            TooLateError: The condition does not hold any more.
            AwsError: S3 did not answer.
        """
        with calling("PutObject", key, _KINDS):
            return self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                **condition,
            )["ETag"]

    def replace(self, key: str, body: bytes, etag: str | None) -> str:
        """Write an object over what was read of it, and return its new ETag.

        Raises:
            OvertakenError: Somebody else has written, since.
            AwsError: S3 did not answer.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            return self.put(key, body, **condition)
        except TooLateError as error:
            raise OvertakenError(str(error)) from error
