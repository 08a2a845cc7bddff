"""The ledger's records in the control bucket, which the planner reads and creates."""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import TYPE_CHECKING

from logferry_contracts.ledger_key import (
    LACKING_NOTES,
    is_past,
    ledger_prefix,
    seal_notes_prefix,
    source_prefix,
    split_key,
    starting_at,
    windows_of,
)
from logferry_contracts.ledger_object import copied
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.open_exports import is_open, note_key, notes_before
from logferry_contracts.source import SourceName
from logferry_contracts.window import LONGEST_WINDOW_MS, Window
from planner.aws.calls import THREADS
from planner.aws.control import ControlBucket
from planner.cloud import DamagedRecord
from planner.errors import LedgerBusyError, LedgerUnreadableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CREATE_ATTEMPTS = 3
"""How often a record is tried to be created while others are at it."""

LATER_MAJOR = re.compile(rb'"schema":\s*"urn:logferry:schema:ledger-record:(?!1\.)[0-9]+\.[0-9]+"')
"""What a record says that a later release has written."""


class Ledger:
    """The ledger's records in the control bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)

    def known(self, source: SourceName, windows: Sequence[Window]) -> Iterator[tuple[Window, str]]:
        """Yield the window and the export id of every record of some windows.

        A thousand records cost one call, whatever windows they are of.

        Args:
            source: Whose records.
            windows: Which; what lies between the first and the last is listed.
        """
        window_of = {ledger_prefix(source, window): window for window in windows}
        if not window_of:
            return
        first, last = min(window_of), max(window_of)
        pages = self._control.pages(source_prefix(source), StartAfter=first)
        for key in (entry["Key"] for page in pages for entry in page.get("Contents", [])):
            prefix, export_id = split_key(key)
            if is_past(prefix, last):
                return
            if prefix in window_of:
                yield window_of[prefix], export_id

    def is_empty(self, source: SourceName) -> bool:
        """Whether it has no record of a source's account and Region."""
        [page] = self._control.pages(source_prefix(source), PaginationConfig={"MaxItems": 1})
        return not page.get("Contents")

    def lacking(self, source: SourceName) -> int:
        """Return of how many windows the newest seals say that CloudWatch Logs has more events.

        A note that is over is empty.
        """
        prefix = seal_notes_prefix(LACKING_NOTES, source.account_id, source.region)
        pages = self._control.pages(prefix)
        return sum(each["Size"] > 0 for page in pages for each in page.get("Contents", []))

    def windows(self, source: SourceName, due: Sequence[Window]) -> list[Window]:
        """Return the windows with records that may overlap some, a thousand a call.

        Args:
            source: Whose records.
            due: In the order of time.
        """
        if not due:
            return []
        from_ms = max(0, due[0].from_ms - LONGEST_WINDOW_MS)
        pages = self._control.pages(
            source_prefix(source), Delimiter="/", StartAfter=starting_at(source, from_ms)
        )
        there = (each["Prefix"] for page in pages for each in page.get("CommonPrefixes", []))
        return list(takewhile(lambda each: each.from_ms < due[-1].to_ms, windows_of(there)))

    def read(self, keys: Iterable[str]) -> list[LedgerRecord | DamagedRecord | None]:
        """Return the records of some keys, in their order; None where there is none."""
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(self._read, keys))

    def take_over(self, record: LedgerRecord, mine: LedgerRecord) -> bool:
        """Write a record over another one of its key, unless that has changed since it was read."""
        found = self._control.read_with_etag(record.key, LedgerRecord)
        if found is None or found[0] != record:
            return False
        self._note(mine)
        return self._control.write(mine.key, mine, IfMatch=found[1])

    def create(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord | DamagedRecord]:
        """Write new records, and return the ones that are there now, in their order.

        One is not the one to write when somebody else was faster: decide again by what it says.

        Raises:
            LedgerBusyError: Others were writing one all the time.
        """
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(self._create, records))

    def _create(self, record: LedgerRecord) -> LedgerRecord | DamagedRecord:
        self._note(record)
        for _ in range(CREATE_ATTEMPTS):
            if self._control.write(record.key, record, IfNoneMatch="*"):
                for key in notes_before(record):
                    self._control.remove(key)
                return record
            there = self._read(record.key)
            if there is not None:  # a conflict is told before the other write is done
                return there
        raise LedgerBusyError(
            f"{self._control.uri(record.key)} was in conflict {CREATE_ATTEMPTS} times"
        )

    def _note(self, record: LedgerRecord) -> None:
        """Note that an export is open, if it is, before its record says so."""
        if is_open(record):
            self._control.put(note_key(record), b"")

    def _read(self, key: str) -> LedgerRecord | DamagedRecord | None:
        try:
            found = self._control.read(key, LedgerRecord)
        except LedgerUnreadableError as error:
            return DamagedRecord(str(error), is_later=bool(LATER_MAJOR.search(error.body)))
        if found is not None and (copy := copied(key, found)) is not None:
            return DamagedRecord(f"{self._control.uri(key)} is {copy}", is_later=False)
        return found
