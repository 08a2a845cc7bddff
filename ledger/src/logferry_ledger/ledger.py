"""The ledger as the operator's commands read it: windows, and the records of one."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from itertools import takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from logferry_contracts.addendum import addendum_folder
from logferry_contracts.ledger_key import (
    ledger_prefix,
    source_prefix,
    split_key,
    starting_at,
    windows_of,
)
from logferry_contracts.ledger_object import copied
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import epoch_ms
from logferry_contracts.open_exports import is_open, note_key, open_prefix
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse
from logferry_contracts.zones import zone_named
from logferry_ledger.errors import LedgerError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READERS = 16
"""Records that are read side by side."""
ADDENDA = 10
"""By the events of so many an export is found: each look adds one, and each witness asks thrice."""
WRITES = 5
"""How often a record is read and written anew because somebody else was quicker."""
CLIENT_CONFIG = ClientConfig(
    retries={"mode": "legacy", "total_max_attempts": 6}, max_pool_connections=READERS
)
"""As the services': docs/adr/0029-retries-without-a-budget.md."""
OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
"""S3's answers to a conditional write that came too late.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""

AROUND_MS = 86_400_000
"""No time zone's clock is a day from UTC."""

type Read = tuple[str, LedgerRecord | LedgerError]
"""A record's key, and the record, or what is wrong with it."""
type Listed = tuple[str, str]
"""A record's key and ETag."""


def in_utc(window: Window) -> str:
    """Return a window as an operator reads it: ``2026-11-21 23:00 to 2026-11-22 23:00``."""
    return f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}"


def date_of(window: Window, zone: ZoneInfo) -> date:
    """Return the date on which a window starts in a time zone."""
    return window.start.astimezone(zone).date()


def last_tries(read: Iterable[Read]) -> dict[str, tuple[str, LedgerRecord]]:
    """Return the last try of each log group in a window, with its key; by name.

    A half counts with its whole, and what cannot be read with nothing.
    """
    last: dict[str, tuple[str, LedgerRecord]] = {}
    for key, record in read:
        if isinstance(record, LedgerError) or record.parent_export_id is not None:
            continue
        name = record.log_group.name
        if name not in last or record.generation >= last[name][1].generation:
            last[name] = key, record
    return last


def last_tries_on(
    ledger: "Ledger", source: SourceName, time_zone: str, log_group: str, on: date
) -> Iterator[tuple[str, LedgerRecord]]:
    """Yield the last try of each window of a log group that starts on a date, oldest first."""
    zone = zone_named(time_zone)
    for window in ledger.windows_on(source, zone, on, on):
        found = last_tries(ledger.records(ledger_prefix(source, window))).get(log_group)
        if found is not None:
            yield found


class Ledger:
    """The ledger of all sources."""

    def __init__(self, s3: "S3Client", control_bucket: str) -> None:
        """Read it with ``s3``, a client of `CLIENT_CONFIG`."""
        self._s3 = s3
        self.bucket = control_bucket

    def windows(self, source: SourceName) -> list[tuple[str, Window]]:
        """Return the windows that it knows, each with its records' prefix, oldest first."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket,
            Prefix=source_prefix(source),
            Delimiter="/",
        )
        there = (each["Prefix"] for page in pages for each in page.get("CommonPrefixes", []))
        return [(ledger_prefix(source, window), window) for window in windows_of(there)]

    def windows_from(self, source: SourceName, from_ms: int, until_ms: int) -> Iterator[Window]:
        """Yield the windows that start in a time, half-open, oldest first: pages as are needed."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket,
            Prefix=source_prefix(source),
            StartAfter=starting_at(source, max(from_ms, 0)),
            Delimiter="/",
        )
        there = (each["Prefix"] for page in pages for each in page.get("CommonPrefixes", []))
        return takewhile(lambda window: window.from_ms < until_ms, windows_of(there))

    def windows_on(
        self, source: SourceName, zone: ZoneInfo, first: date, last: date
    ) -> Iterator[Window]:
        """Yield the windows that start on dates in a time zone, the last one inclusive.

        Only the few around these dates are listed, oldest first.
        """
        since, until = (epoch_ms(datetime.combine(on, time(), UTC)) for on in (first, last))
        for window in self.windows_from(source, since - AROUND_MS, until + 2 * AROUND_MS):
            if first <= date_of(window, zone) <= last:
                yield window

    def key_of(self, source: SourceName, event_id: str) -> str | None:
        """Return the key of an export's record; None where a source has no such export.

        A key begins with its window, which an id does not say: all of the source's are listed, a
        thousand with each call.

        Args:
            source: Whose export it may be.
            event_id: The export's, or that of the event of one of its first addenda.
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=source_prefix(source)
        )
        keys = (each["Key"] for page in pages for each in page.get("Contents", []))
        numbers = range(1, ADDENDA + 1) if "-" in event_id else ()
        for key in keys:
            _, name = split_key(key)
            if event_id == name or any(event_id == addendum_folder(name, n) for n in numbers):
                return key
        return None

    def records(self, prefix: str) -> list[Read]:
        """Return the records of a window with their keys.

        In the place of one that breaks its contract is what is wrong with it.
        """
        return self.read_listed(self.listed(prefix))

    def listed(self, prefix: str) -> list[Listed]:
        """Return the keys and ETags of the records of a window, in the order of their keys."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        there = (each for page in pages for each in page.get("Contents", []))
        return [(each["Key"], each["ETag"]) for each in there]

    def read_listed(self, listed: Iterable[Listed]) -> list[Read]:
        """Return records that are listed, with their keys."""
        keys = [key for key, _ in listed]
        with ThreadPoolExecutor(READERS) as readers:
            return list(zip(keys, readers.map(self._read, keys), strict=True))

    def _read(self, key: str) -> LedgerRecord | LedgerError:
        try:
            return self.read(key)
        except LedgerError as error:
            return error

    def notes(self, source: SourceName) -> list[str]:
        """Return the keys of the notes of a source's open exports, see `open_exports`."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=open_prefix(source)
        )
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def put_note(self, key: str, body: bytes = b"") -> None:
        """Put a note, or what says that all are there."""
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def note(self, key: str) -> bytes | None:
        """Return what a note says; None where there is none."""
        try:
            return self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None

    def remove_note(self, key: str) -> None:
        """Remove a note."""
        self._s3.delete_object(Bucket=self.bucket, Key=key)

    def read_some(self, keys: Iterable[str]) -> list[LedgerRecord | LedgerError | None]:
        """Return records side by side, in the order of their keys; None where there is none."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self._read_if_there, keys))

    def _read_if_there(self, key: str) -> LedgerRecord | LedgerError | None:
        try:
            return self._read(key)
        except self._s3.exceptions.NoSuchKey:
            return None

    def read(self, key: str) -> LedgerRecord:
        """Return one record.

        Raises:
            LedgerError: It breaks its contract, or is another one's, which somebody has copied.
        """
        return self._read_with_etag(key)[0]

    def change(self, key: str, changed: Callable[[LedgerRecord], LedgerRecord]) -> LedgerRecord:
        """Change one record by compare-and-swap, and return it as it is then.

        Args:
            key: Of the record.
            changed: Returns what it becomes; is called again where it was changed meanwhile.

        Raises:
            LedgerError: It breaks its contract, or others change it without end.
        """
        for _ in range(WRITES):
            record, etag = self._read_with_etag(key)
            after = changed(record)
            try:
                self._s3.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=emit(after).encode(),
                    ContentType="application/json",
                    IfMatch=etag,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in OVERTAKEN:
                    raise
            else:
                if is_open(record) and not is_open(after):
                    self.remove_note(note_key(record))
                return after
        raise LedgerError(
            f"s3://{self.bucket}/{key} was changed by others {WRITES} times: try again"
        )

    def _read_with_etag(self, key: str) -> tuple[LedgerRecord, str]:
        found = self._s3.get_object(Bucket=self.bucket, Key=key)
        try:
            record = parse(LedgerRecord, found["Body"].read())
        except ContractError as error:
            raise LedgerError(f"s3://{self.bucket}/{key} is {error}") from error
        if (copy := copied(key, record)) is not None:
            raise LedgerError(f"s3://{self.bucket}/{key} is {copy}")
        return record, found["ETag"]
