"""The planner's notes and files in the control bucket: ``outbox/``, ``plans/``, ``reading/``."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from logferry_contracts.backfill import ASKED, BACKFILL, FED, Asked, Fed
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.ledger_key import days_prefix, open_day_key, reading_prefix, windows_of
from logferry_contracts.message import Message
from logferry_contracts.open_exports import open_prefix, whole_key
from logferry_contracts.reads import Reader, reading_key, who_reads
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError
from planner.aws.calls import calling
from planner.aws.control import ControlBucket
from planner.cloud import NoteThere
from planner.errors import LedgerUnreadableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILE_CHUNK_BYTES = 1_048_576


class Note(Message):
    """Ledger records that may have been written without their messages having been sent.

    Attributes:
        keys: The records' keys.
    """

    keys: list[str]


class ReadingNotes:
    """Notes of who reads log events of a source now; see `logferry_contracts.reads`."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)

    def put(self, source: SourceName, reader: Reader, body: bytes) -> None:
        """Write a reader's note anew."""
        self._control.put(reading_key(source, reader), body)

    def seen(self, source: SourceName) -> dict[str, datetime]:
        """Return when each empty note was written, by whose it is."""
        pages = self._control.pages(reading_prefix(source))
        return who_reads(source, (each for page in pages for each in page.get("Contents", [])))


class Outbox:
    """Notes of what is being sent, in the control bucket.

    A note is there before the first of its records is, and until the last of its messages is
    with SQS. So a record that no note names has been sent, without having to be read.
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)

    def put(self, source: SourceName, keys: Sequence[str]) -> str:
        """Write a note that nobody else writes, and return its key."""
        key = f"{_outbox(source)}{uuid.uuid4()}.json"
        self._control.write(key, Note(keys=list(keys)))
        return key

    def notes(self, source: SourceName) -> list[NoteThere]:
        """Return a source's notes: there are some while it is planned, and after a crash."""
        return _notes(self._control, _outbox(source))

    def read(self, key: str) -> list[str]:
        """Return the keys of a note's records; none when the note is not there any more."""
        note = self._control.read(key, Note)
        return [] if note is None else note.keys

    def remove(self, key: str) -> None:
        """Remove a note whose messages are all with SQS."""
        self._control.remove(key)


class DayNotes:
    """Notes of dates whose end is to be told, in the control bucket: each is a DayPlanned.

    There is one until the date is sent, and then another one until the exporter has told its end:
    an index of what is open, so that no other record has to be read to find what is stuck.
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)

    def put(self, planned: DayPlanned, *, is_sent: bool = False) -> None:
        """Write a note; the same one again makes it a new one."""
        source = planned.data.source
        to_be_sent = f"{days_prefix(source)}{planned.id}.json"
        key = open_day_key(source, planned.id) if is_sent else to_be_sent
        self._control.write(key, planned)

    def there(self, source: SourceName) -> list[NoteThere]:
        """Return the notes of a source's account and Region."""
        return _notes(self._control, days_prefix(source))

    def read(self, key: str) -> DayPlanned | None:
        """Return a note; None when it is not there any more.

        Raises:
            LedgerUnreadableError: It breaks its contract.
        """
        return self._control.read(key, DayPlanned)

    def remove(self, key: str) -> None:
        """Remove a note that is not needed any more."""
        self._control.remove(key)


class PartNotes:
    """Notes of windows of which only some log groups were planned, in the control bucket.

    They go after 30 days, as all that is there of plans.
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)

    def put(self, source: SourceName, windows: Iterable[Window]) -> None:
        """Write a note for each of some windows."""
        for window in windows:
            self._control.put(_part_key(source, window), b"")

    def there(self, source: SourceName) -> list[Window]:
        """Return the windows that have a note."""
        return list(windows_of(f"{note.key}/" for note in _notes(self._control, _parts(source))))

    def remove(self, source: SourceName, windows: Iterable[Window]) -> None:
        """Remove the notes of windows that were planned as a whole since."""
        for window in windows:
            self._control.remove(_part_key(source, window))


class OpenNotes:
    """Notes of open exports, in the control bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)

    def there(self, source: SourceName) -> list[NoteThere]:
        """Return the notes of a source's account and Region, and what says that they are whole."""
        return _notes(self._control, open_prefix(source))

    def mark_whole(self, source: SourceName) -> None:
        """Say that every open export has a note."""
        self._control.put(whole_key(source), b"")

    def remove(self, key: str) -> None:
        """Remove a note."""
        self._control.remove(key)


class Backfills:
    """The two notes of each backfill, in the control bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)

    def there(self) -> list[str]:
        """Return what the keys of each begin with: one for an account and Region."""
        keys = (note.key for note in _notes(self._control, BACKFILL))
        return [key.removesuffix(ASKED) for key in keys if key.endswith(f"/{ASKED}")]

    def asked(self, prefix: str) -> Asked | None:
        """Return what is wanted; None when nobody has asked.

        Raises:
            LedgerUnreadableError: It breaks its contract.
        """
        return self._control.read(f"{prefix}{ASKED}", Asked)

    def fed(self, prefix: str) -> tuple[Fed, str] | None:
        """Return how far it is, and the ETag of that; None when nothing has been done.

        Raises:
            LedgerUnreadableError: It breaks its contract.
        """
        key = f"{prefix}{FED}"
        try:
            return self._control.read_with_etag(key, Fed)
        except ContractError as error:
            raise LedgerUnreadableError(f"{self._control.uri(key)} is {error}", b"") from error

    def write(self, prefix: str, fed: Fed, etag: str | None) -> bool:
        """Write how far it is; False when somebody else was faster.

        Args:
            prefix: Of the keys.
            fed: How far it is.
            etag: Of what was read; None when there was nothing.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        return self._control.write(f"{prefix}{FED}", fed, **condition)


class PlanFiles:
    """Files of a plan in the control bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)
        self.bucket = bucket

    def put(self, path: Path, key: str) -> None:
        """Keep a file."""
        with path.open("rb") as body:
            self._control.put(key, body)

    def get(self, key: str, path: Path) -> bool:
        """Fetch a file into ``path``; False when it is not there any more."""
        found = self._control.get(key)
        if found is None:
            return False
        with calling("GetObject", self._control.uri(key)), path.open("wb") as file:
            for chunk in found["Body"].iter_chunks(FILE_CHUNK_BYTES):
                file.write(chunk)
        return True

    def remove(self, key: str) -> None:
        """Remove a file that nobody will ask for."""
        self._control.remove(key)


def _outbox(source: SourceName) -> str:
    return f"outbox/{source.account_id}/{source.region}/"


def _parts(source: SourceName) -> str:
    return f"plans/{source.account_id}/{source.region}/parts/"


def _part_key(source: SourceName, window: Window) -> str:
    return f"{_parts(source)}{window.in_keys}"


def _notes(control: ControlBucket, prefix: str) -> list[NoteThere]:
    return [
        NoteThere(entry["Key"], entry["LastModified"])
        for page in control.pages(prefix)
        for entry in page.get("Contents", [])
    ]
