"""Writing what belongs to seals, below ``!seals/`` in the archive. The statement `WriteSeals`.

Nothing is written over, removed or freed. What was written is read back before anything rests on
it. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from logferry_contracts.chain import ChainName
from logferry_contracts.seal_key import leaves_key, seal_key, seals_prefix, sequence_of
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.wire import parse
from logferry_deliveries.calls import calling
from logferry_deliveries.errors import AwsError
from sealer.aws.calls import OVERTAKEN
from sealer.errors import NotAsWrittenError, OvertakenError
from sealer.head import StoredSeal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class _ThereAlreadyError(AwsError):
    """S3 writes nothing over what is there."""


class _GoneError(AwsError):
    """There is no such key."""


_GONE: dict[str, type[AwsError]] = {"NoSuchKey": _GoneError}
_THERE: dict[str, type[AwsError]] = dict.fromkeys(OVERTAKEN, _ThereAlreadyError)


class Seals:
    """Seals, their lists of leaves, and statements."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Write to the archive bucket ``bucket``."""
        self._s3 = s3
        self.bucket = bucket

    def put(self, key: str, text: bytes) -> None:
        """Write what is named for its content, and read it back; it may be there already.

        Raises:
            NotAsWrittenError: What is there is something else.
        """
        with suppress(_ThereAlreadyError):
            self._put(key, text)
        self._check(key, None, hashlib.sha256(text).hexdigest())

    def put_file(self, key: str, path: Path, sha256: str) -> None:
        """Write a file that is named for its content; as `put`."""
        with path.open("rb") as body, suppress(_ThereAlreadyError):
            self._put(key, body, sha256)
        self._check(key, None, sha256)

    def append(self, chain: ChainName, sequence: int, envelope: bytes) -> StoredSeal:
        """Write the next seal of a chain with its hold, and read it back.

        Raises:
            OvertakenError: There is a seal of this sequence already.
            NotAsWrittenError: What is there is something else.
        """
        key = seal_key(chain, sequence)
        try:
            version_id = self._put(key, envelope, ObjectLockLegalHoldStatus="ON")
        except _ThereAlreadyError as error:
            raise OvertakenError(f"there is a seal {sequence} of {chain} already") from error
        self._check(key, version_id, hashlib.sha256(envelope).hexdigest())
        return StoredSeal(sequence=sequence, key=key, version_id=version_id, is_alone=True)

    def after(self, chain: ChainName, sequence: int) -> list[StoredSeal]:
        """Return the seals of a chain after a sequence, in its order, without what they say.

        Of a key that has several versions it is the first one that was written: who covers a seal
        does not replace it.
        """
        found: dict[int, StoredSeal] = {}
        with calling("ListObjectVersions", seals_prefix(chain)):
            pages = self._s3.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket,
                Prefix=seals_prefix(chain),
                **cast("Any", {"KeyMarker": seal_key(chain, sequence)} if sequence else {}),
            )
            entries: list[Any] = [
                each
                for page in pages
                for each in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ]
        for each in sorted(entries, key=lambda each: each["LastModified"]):
            try:
                number = sequence_of(chain, each["Key"])
            except ValueError:
                continue
            before = found.get(number)
            if before is not None:
                found[number] = replace(before, is_alone=False)
            elif "Size" in each:
                found[number] = StoredSeal(
                    sequence=number, key=each["Key"], version_id=each["VersionId"], is_alone=True
                )
        return [found[number] for number in sorted(found)]

    def read(self, seal: StoredSeal) -> bytes:
        """Return a seal's envelope as it is stored."""
        which = {"VersionId": seal.version_id}
        with calling("GetObject", seal.key), self._open(seal.key, which) as body:
            text: bytes = body.read()
        return text

    def statement(self, key: str) -> bytes | None:
        """Return a statement as it is stored; None where somebody has removed it."""
        try:
            with calling("GetObject", key, _GONE), self._open(key, {}) as body:
                text: bytes = body.read()
        except _GoneError:
            return None
        return text

    def leaves(self, chain: ChainName, sha256: str) -> Iterator[Leaf]:
        """Yield the leaves of a list, a piece of it at a time."""
        key = leaves_key(chain, sha256)
        with calling("GetObject", key), self._open(key, {}) as body:
            for line in body.iter_lines(chunk_size=64 * 1024):
                yield parse(Leaf, line)

    def _put(self, key: str, body: Any, sha256: str | None = None, **more: Any) -> str:
        digest = sha256 or hashlib.sha256(body).hexdigest()
        with calling("PutObject", key, _THERE):
            return self._s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(digest)).decode(),
                IfNoneMatch="*",
                **more,
            )["VersionId"]

    def _check(self, key: str, version_id: str | None, sha256: str) -> None:
        digest = hashlib.sha256()
        which: Any = {} if version_id is None else {"VersionId": version_id}
        with calling("GetObject", key), self._open(key, which) as body:
            for piece in body.iter_chunks(256 * 1024):
                digest.update(piece)
        if digest.hexdigest() != sha256:
            raise NotAsWrittenError(f"{key} has the SHA-256 {digest.hexdigest()}, not {sha256}")

    def _open(self, key: str, which: Any) -> Any:
        # A body by itself would hand out the stream below it, which has not its methods.
        return closing(self._s3.get_object(Bucket=self.bucket, Key=key, **which)["Body"])
