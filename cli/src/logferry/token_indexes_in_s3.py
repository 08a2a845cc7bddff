"""Indexes of tokens in a bucket of anybody's."""

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from logferry.aws_errors import AWS_ERRORS
from logferry_contracts.retrieval.token_index import Read
from logferry_contracts.verification.store import Unreadable
from logferry_ledger.ledger import CLIENT_CONFIG

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_NOT_THERE = frozenset({"NoSuchKey", "404"})
_AFTER_THE_END = "InvalidRange"


def bucket_of(name: str, prefix: str) -> "Bucket":
    """Return a bucket by its name."""
    return Bucket(boto3.Session().client("s3", config=CLIENT_CONFIG), name, prefix)


@dataclass(frozen=True)
class Bucket:
    """A part of a bucket.

    Attributes:
        prefix: Of the keys, without the slash that ends it.
    """

    s3: "S3Client"
    name: str
    prefix: str

    def opened(self, name: str) -> Read | None:
        """See `Kept.opened`."""
        key = f"{self.prefix}/{name}".lstrip("/")
        try:
            self.s3.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_THERE:
                return None
            raise Unreadable(str(error)) from error
        except AWS_ERRORS as error:
            raise Unreadable(str(error)) from error
        return lambda begin, count: self._read(key, begin, count)

    def write(self, name: str, file: IO[bytes]) -> None:
        """See `Kept.write`."""
        self.s3.upload_fileobj(file, self.name, f"{self.prefix}/{name}".lstrip("/"))

    def _read(self, key: str, begin: int, count: int) -> bytes:
        if not count:
            return b""
        span = f"bytes={begin}-{begin + count - 1}"
        try:
            return self.s3.get_object(Bucket=self.name, Key=key, Range=span)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == _AFTER_THE_END:
                return b""
            raise Unreadable(str(error)) from error
        except AWS_ERRORS as error:
            raise Unreadable(str(error)) from error
