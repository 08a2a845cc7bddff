"""The ledger in the control bucket."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from exporter.aws.calls import calling
from exporter.cloud import LedgerEntry
from exporter.errors import LedgerConflictError
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.ledger_key import (
    is_past,
    ledger_key,
    ledger_prefix,
    manifest_key,
    open_day_key,
    reading_prefix,
    source_prefix,
    split_key,
    starting_at,
    windows_of,
)
from logferry_contracts.ledger_object import record_at
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import Manifest, ManifestLocation
from logferry_contracts.open_exports import is_open, note_key
from logferry_contracts.reads import Reader, reading_key, who_reads
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_OVERTAKEN = dict.fromkeys(
    ("PreconditionFailed", "ConditionalRequestConflict"), LedgerConflictError
)
"""What S3 says of a conditional write when somebody else has written, or is writing."""
LEDGER_READERS = 8
"""Fewer than the client's ten connections."""


class Ledger:
    """The ledger's records in the control bucket, changed by compare-and-swap only.

    And the notes of those that are open, see `open_exports`.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._s3 = s3
        self._bucket = bucket

    def read(self, source: SourceName, window: Window, export_id: str) -> LedgerEntry | None:
        """Return a record, or None when there is none.

        Raises:
            ContractError: The record breaks its contract.
        """
        key = ledger_key(source, window, export_id)
        with calling("GetObject", key):
            try:
                found = self._s3.get_object(Bucket=self._bucket, Key=key)
            except self._s3.exceptions.NoSuchKey:
                return None
            body = found["Body"].read()
        return LedgerEntry(record_at(key, body), found["ETag"])

    def keys(self, source: SourceName, windows: Sequence[Window]) -> list[str]:
        """Return the keys of all records of some windows; a thousand cost one call.

        Args:
            source: Whose records.
            windows: In the order of time; what lies between the first and the last is listed.
        """
        prefixes = [ledger_prefix(source, window) for window in windows]
        found = []
        pages = self._pages(Prefix=source_prefix(source), StartAfter=prefixes[0])
        for key in (each["Key"] for page in pages for each in page.get("Contents", [])):
            prefix, _ = split_key(key)
            if is_past(prefix, prefixes[-1]):
                break
            if prefix in prefixes:
                found.append(key)
        return found

    def read_keys(self, keys: Sequence[str]) -> list[tuple[str, LedgerRecord | ContractError]]:
        """Return each key with its record, read side by side.

        In the place of a record that breaks its contract is what is wrong with it.
        """
        with ThreadPoolExecutor(LEDGER_READERS) as readers:
            return list(zip(keys, readers.map(self._read_key, keys), strict=True))

    def _read_key(self, key: str) -> LedgerRecord | ContractError:
        with calling("GetObject", key):
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        try:
            return record_at(key, body)
        except ContractError as error:
            return error

    def windows(self, source: SourceName, since_ms: int, until_ms: int) -> Iterator[Window]:
        """Yield the windows of a source that have records, by their start: both inclusive."""
        pages = self._pages(
            Prefix=source_prefix(source),
            Delimiter="/",
            StartAfter=starting_at(source, max(since_ms, 0)),
        )
        there = (each["Prefix"] for page in pages for each in page.get("CommonPrefixes", []))
        return takewhile(lambda each: each.from_ms <= until_ms, windows_of(there))

    def create(self, record: LedgerRecord) -> LedgerEntry:
        """Write a new record.

        Raises:
            LedgerConflictError: There is one already, or somebody else is writing it.
        """
        self._note(record)
        return self._put(record, IfNoneMatch="*")

    def replace(self, entry: LedgerEntry, record: LedgerRecord) -> LedgerEntry:
        """Write a record in place of what was read.

        Raises:
            LedgerConflictError: It is not what was read any more.
        """
        was_open = is_open(entry.record)
        if not was_open:
            self._note(record)
        written = self._put(record, IfMatch=entry.etag)
        if was_open and not is_open(record):
            self._remove(note_key(record))
        return written

    def close_day(self, planned: DayPlanned) -> None:
        """Remove the note that the end of a date is still to be told."""
        self._remove(open_day_key(planned.data.source, planned.id))

    def note_reading(self, source: SourceName, reader: Reader, body: bytes) -> None:
        """Note that somebody reads log events of a source now; see `logferry_contracts.reads`."""
        self._put_object(reading_key(source, reader), body)

    def reading(self, source: SourceName) -> dict[str, datetime]:
        """Return who reads log events of a source, and when each of them has noted it."""
        pages = self._pages(Prefix=reading_prefix(source))
        listed = (each for page in pages for each in page.get("Contents", []))
        return who_reads(source, listed)

    def put_manifest(self, record: LedgerRecord, manifest: Manifest) -> ManifestLocation:
        """Write a manifest beside the ledger; the same manifest gives the same object."""
        body = emit(manifest).encode()
        key = manifest_key(record.source, record.window, record.export_id)
        self._put_object(key, body)
        return ManifestLocation(
            bucket=self._bucket,
            key=key,
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )

    def _note(self, record: LedgerRecord) -> None:
        """Note that an export is open, if it is, before its record says so."""
        if is_open(record):
            self._put_object(note_key(record), b"")

    def _remove(self, key: str) -> None:
        with calling("DeleteObject", key):
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def _put(self, record: LedgerRecord, **condition: Any) -> LedgerEntry:
        return LedgerEntry(record, self._put_object(record.key, emit(record).encode(), **condition))

    def _put_object(self, key: str, body: bytes, **condition: Any) -> str:
        with calling("PutObject", key, kinds=_OVERTAKEN):
            written = self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                **condition,
            )
        return written["ETag"]

    def _pages(self, **where: Any) -> Iterator[Any]:
        """Yield pages of the bucket's keys below a ``Prefix``."""
        with calling("ListObjectsV2", where["Prefix"]):
            paginator = self._s3.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self._bucket, **where)
