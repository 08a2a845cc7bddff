"""The control bucket: objects by key. What they are for is said by those who use it."""

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from logferry_contracts.message import Message
from logferry_contracts.wire import ContractError, emit, parse
from planner.aws.calls import calling, code_of
from planner.errors import LedgerUnreadableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ListObjectsV2OutputTypeDef

_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""Somebody else has written the object, or is at it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""


class ControlBucket:
    """The objects of the control bucket.

    Every method raises AwsError when its call fails.
    """

    def __init__(self, s3: "S3Client", name: str) -> None:
        """Use ``s3`` for every call."""
        self._s3 = s3
        self.name = name

    def uri(self, key: str) -> str:
        """Return the name of an object for people."""
        return f"s3://{self.name}/{key}"

    def pages(self, prefix: str, **how: Any) -> Iterator["ListObjectsV2OutputTypeDef"]:
        """Yield the pages of a listing, of a thousand keys each."""
        with calling("ListObjectsV2", self.uri(prefix)):
            yield from self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, **how
            )

    def get(self, key: str) -> "GetObjectOutputTypeDef | None":
        """Return an object; None when there is none."""
        with calling("GetObject", self.uri(key)):
            try:
                return self._s3.get_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if code_of(error) == "NoSuchKey":
                    return None
                raise

    def read[M: Message](self, key: str, message: type[M]) -> M | None:
        """Return what an object says; None when there is none.

        Raises:
            LedgerUnreadableError: It breaks its contract.
        """
        found = self.get(key)
        if found is None:
            return None
        body = self._read(key, found)
        try:
            return parse(message, body)
        except ContractError as error:
            raise LedgerUnreadableError(f"{self.uri(key)} is {error}", body) from error

    def read_with_etag[M: Message](self, key: str, message: type[M]) -> tuple[M, str] | None:
        """Return what an object says, and its ETag; None when there is none.

        Raises:
            ContractError: It breaks its contract.
        """
        found = self.get(key)
        return None if found is None else (parse(message, self._read(key, found)), found["ETag"])

    def write(self, key: str, message: Message, **condition: Any) -> bool:
        """Write a message; False when somebody else was faster, where that is a condition."""
        return self.put(key, emit(message).encode(), ContentType="application/json", **condition)

    def put(self, key: str, body: bytes | IO[bytes], **how: Any) -> bool:
        """Write an object; False when somebody else was faster, where that is a condition."""
        with calling("PutObject", self.uri(key)):
            try:
                self._s3.put_object(Bucket=self.name, Key=key, Body=body, **how)
            except ClientError as error:
                if code_of(error) not in _TAKEN:
                    raise
                return False
        return True

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        with calling("DeleteObject", self.uri(key)):
            self._s3.delete_object(Bucket=self.name, Key=key)

    def _read(self, key: str, found: "GetObjectOutputTypeDef") -> bytes:
        with calling("GetObject", self.uri(key)):
            return found["Body"].read()
