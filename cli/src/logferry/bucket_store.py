"""The archive bucket itself, with every version, delete marker and hold that is in it."""

import threading
from collections.abc import Iterator
from functools import cache
from itertools import chain as chained
from itertools import filterfalse
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from logferry.aws_errors import AWS_ERRORS
from logferry.workers import READERS
from logferry_contracts.archive import Readable
from logferry_contracts.chain import ChainName
from logferry_contracts.seal_key import SEALS, chain_of
from logferry_contracts.verification.store import Denied, Frozen, Missing, Unreadable, Version
from logferry_ledger.ledger import CLIENT_CONFIG

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OPENED = 5
"""How often a download that broke off is gone on with before it counts as unreadable."""
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_NOT_THERE = frozenset({"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"})
"""The last one is said of a delete marker that is named by its version."""
_NOT_HELD = "NoSuchObjectLockConfiguration"
_NO_HOLDS = frozenset({"InvalidRequest", "ObjectLockConfigurationNotFoundError"})
"""The bucket has no Object Lock, such as one that the archive was copied into."""
_FROZEN = "InvalidObjectState"
_DENIED = frozenset({"AccessDenied", "403"})


class BucketStore:
    """An S3 bucket, of which nothing is changed."""

    def __init__(self, s3: "S3Client", bucket: str, *, are_logs_held: bool = True) -> None:
        """Read a bucket.

        Args:
            s3: A client of several threads.
            bucket: Its name.
            are_logs_held: False where the sse-enforcer is set to hold nothing: then only seals are.
        """
        self._s3 = s3
        self._bucket = bucket
        self._are_logs_held = are_logs_held
        self._opened = threading.local()
        """What a thread has opened last, and is on legal hold."""

    def __str__(self) -> str:
        return f"s3://{self._bucket}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Be the same bucket in another process, with a client of the default session there."""
        return _elsewhere, (self._s3.meta.region_name, self._bucket, self._are_logs_held)

    @property
    def readers(self) -> int:
        """How many objects are well read side by side by one process: each has to be waited for."""
        return READERS

    def chains(self) -> list[ChainName]:
        """Return the chains that there is anything of, in order.

        Raises:
            ClientError: There is no such bucket, or it may not be listed.
        """
        regions = chained.from_iterable(map(self._folders, self._folders(SEALS)))
        return list(map(chain_of, filter(_is_chain, regions)))

    def outside(self) -> Iterator[str]:
        """Yield each key below ``!seals/`` that belongs to no chain, and is not deleted.

        Raises:
            Unreadable: They cannot be listed.
        """
        for account in self.folders(SEALS):
            for prefix in filterfalse(_is_chain, self.folders(account)):
                yield from self._there(prefix)
            yield from self._there(account, Delimiter="/")
        yield from self._there(SEALS, Delimiter="/")

    def _there(self, prefix: str, **how: Any) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, **how
        )
        try:
            for page in pages:
                yield from (each["Key"] for each in page.get("Contents", []))
        except AWS_ERRORS as error:
            raise Unreadable(f"ListObjectsV2 of {prefix}: {error}") from error

    def versions(self, prefix: str) -> Iterator[Version]:
        """See `Store.versions`."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        try:
            for page in pages:
                yield from _versions(page)
        except AWS_ERRORS as error:
            raise Unreadable(f"ListObjectVersions of {prefix}: {error}") from error

    def open(self, key: str, version_id: str | None) -> Readable:
        """See `Store.open`."""
        which = {"Key": key} if version_id is None else {"Key": key, "VersionId": version_id}
        download = _Download(self._s3, {"Bucket": self._bucket, **which})
        self._opened.held = (key, version_id) if download.is_held else None
        return download

    def is_held(self, key: str, version_id: str | None) -> bool | None:
        """See `Store.is_held`.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html

        GetObject tells it as well, to those who may know: of what was opened nobody has to ask.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        if not (self._are_logs_held or key.startswith(SEALS)):
            return None
        held, self._opened.held = getattr(self._opened, "held", None), None
        if held == (key, version_id):
            return True
        which: Any = {} if version_id is None else {"VersionId": version_id}
        try:
            found = self._s3.get_object_legal_hold(Bucket=self._bucket, Key=key, **which)
        except ClientError as error:
            if error.response["Error"]["Code"] == _NOT_HELD:
                return False
            if error.response["Error"]["Code"] in _NO_HOLDS:
                return None
            raise _said(error, key) from error
        except AWS_ERRORS as error:
            raise Unreadable(f"{key}: {error}") from error
        return found["LegalHold"].get("Status") == "ON"

    def folders(self, prefix: str) -> list[str]:
        """Return what the keys that begin with a prefix have up to the next slash, with it.

        Raises:
            Unreadable: They cannot be listed.
        """
        try:
            return self._folders(prefix)
        except AWS_ERRORS as error:
            raise Unreadable(f"ListObjectVersions of {prefix}: {error}") from error

    def _folders(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix, Delimiter="/"
        )
        return [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]


def _is_chain(prefix: str) -> bool:
    try:
        chain_of(prefix)
    except ValueError:
        return False
    return True


@cache
def _client(region: str) -> "S3Client":
    return boto3.Session().client("s3", region_name=region, config=CLIENT_CONFIG)


def _elsewhere(region: str, bucket: str, are_logs_held: bool) -> BucketStore:  # noqa: FBT001  (pickled)
    return BucketStore(_client(region), bucket, are_logs_held=are_logs_held)


class _Download:
    """A version that is being read; it goes on where a connection has broken off."""

    def __init__(self, s3: "S3Client", which: dict[str, Any]) -> None:
        self._s3 = s3
        self._which = which
        self._at = 0
        self._opened = 0
        self._etag = ""
        self._open()

    def read(self, amount: int = -1, /) -> bytes:
        """Return up to so many bytes, none at the end.

        Raises:
            Unreadable: It broke off again and again.
        """
        while True:
            try:
                piece: bytes = self._body.read(None if amount < 0 else amount)
            except AWS_ERRORS as error:
                if self._opened == OPENED:
                    told = f"broke off after {self._at} bytes, {OPENED} times"
                    raise Unreadable(f"{self._which['Key']} {told}: {error}") from error
                self._open()
            else:
                self._at += len(piece)
                return piece

    def close(self) -> None:
        """Give it up."""
        self._body.close()

    def _open(self) -> None:
        self._opened += 1
        rest: Any = {"Range": f"bytes={self._at}-", "IfMatch": self._etag} if self._at else {}
        key = self._which["Key"]
        try:
            found = self._s3.get_object(**self._which, **rest)
        except ClientError as error:
            raise _said(error, key) from error
        except AWS_ERRORS as error:
            raise Unreadable(f"{key}: {error}") from error
        self._etag, self._body = found["ETag"], found["Body"]
        self.is_held = found.get("ObjectLockLegalHoldStatus") == "ON"


def _versions(page: Any) -> list[Version]:
    """Return the versions and delete markers of a page, which S3 lists apart."""
    listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    listed.sort(
        key=lambda each: (
            each["Key"].encode(),
            not each["IsLatest"],
            -each["LastModified"].timestamp(),
        )
    )
    return [
        Version(
            each["Key"],
            each["VersionId"],
            each["IsLatest"],
            "Size" not in each,
            each.get("Size", 0),
        )
        for each in listed
    ]


def _said(error: ClientError, key: str) -> Exception:
    """Return what S3's answer means."""
    code = error.response["Error"]["Code"]
    if code in _NOT_THERE:
        return Missing(f"{key}: {error}")
    if code == _FROZEN:
        where = error.response.get("StorageClass", "GLACIER or DEEP_ARCHIVE")
        return Frozen(f"{key} is in {where}: restore it, and check again")
    return (Denied if code in _DENIED else Unreadable)(f"{key}: {error}")
