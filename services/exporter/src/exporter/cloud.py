"""AWS as the steps need it: its adapters are in `aws`, and there are simulated ones beside them.

What any of these may raise besides: `TransientError` for what passes, and `CallRefusedError` for a
refusal that is not the export's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from exporter.direct import Event, Slice
from exporter.task import Task
from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest, ManifestLocation
from logferry_contracts.reads import Reader
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError

TRIES = "tries"
"""The attribute of a message that was sent to the tail: how often that was for an error."""


class SourceAccount(Protocol):
    """The export tasks of one account and Region."""

    def create_task(self, record: LedgerRecord) -> str:
        """Create the export task of an export, named after it, and return the task's id.

        Raises:
            SlotBusyError: Another task is active.
            ExportRefusedError: A person has to mend something first.
            TransientError: AWS did not say whether there is a task now.
        """

    def task(self, task_id: str) -> Task | None:
        """Return a task, or None when AWS does not know it.

        Raises:
            ExportRefusedError: The role may not look.
        """

    def newest_tasks(self, since: datetime) -> list[Task]:
        """Return the newest tasks, newest first: enough to find one created after ``since``.

        Raises:
            ExportRefusedError: The role may not look.
        """

    def cancel_task(self, task_id: str) -> None:
        """Ask a task to stop; one that has ended, or is forgotten, stays as it is.

        Raises:
            ExportRefusedError: The role may not cancel.
        """

    def log_group_created_ms(self, name: str) -> int | None:
        """Return when the log group of a name was created, or None when there is none.

        Raises:
            ExportRefusedError: The role may not look.
        """

    def events(
        self,
        record: LedgerRecord,
        part: Slice,
        next_token: str | None,
        streams: Sequence[str] = (),
    ) -> tuple[list[Event], str | None]:
        """Return a page of the events in a part of an export's window, and the next page's token.

        A page may be empty and yet not the last: only one without a token is.

        Args:
            record: The export.
            part: Of its window.
            next_token: Of the part's page before; None for the first page.
            streams: Of these log streams alone, up to 100; of all where there are none.

        Raises:
            NotForDirectLaneError: The log group's events cannot be read in this way.
            ExportRefusedError: A person has to mend something first.
        """


class SourceAccounts(Protocol):
    """The accounts whose logs are exported."""

    def account(self, source: Source, now: datetime) -> SourceAccount:
        """Return a source's account.

        Raises:
            ExportRefusedError: Its role cannot be assumed.
        """


class Archive(Protocol):
    """The archive buckets, each in its source's Region."""

    def objects(self, region: str, bucket: str, folder: str) -> list[ArchivedObject]:
        """Return the current version of every object below ``folder``.

        Raises:
            ObjectsRemovedError: Some have been removed.
        """

    def sizes(self, region: str, bucket: str, folder: str) -> dict[str, int]:
        """Return the size in bytes of every object below ``folder``, by its key.

        Raises:
            ObjectsRemovedError: Some have been removed.
        """

    def folders(self, region: str, bucket: str, prefix: str) -> list[str]:
        """Return the names of the folders right below a prefix, which are ids of export tasks."""

    def texts(self, region: str, bucket: str, archived: ArchivedObject) -> Iterator[bytes]:
        """Yield what an object unpacks to, in pieces.

        Raises:
            NotAddedError: It is not there, or damaged.
        """

    def put(self, region: str, bucket: str, key: str, path: Path) -> ArchivedObject:
        """Write an object in one piece, unless an earlier try has written the very same.

        Raises:
            ExportRefusedError: A person has to mend something first.
        """

    def remove(self, region: str, bucket: str, folder: str) -> list[str]:
        """Remove every object version below ``folder``, a task's own.

        Returns:
            What could not be removed because it is locked or held: ``<key>@<version id>: why``.
        """

    def region_of(self, region: str, bucket: str) -> str | None:
        """Return the Region that a bucket is in, or None when it does not show itself.

        Args:
            region: Where it should be.
            bucket: Its name.
        """


@dataclass(frozen=True)
class LedgerEntry:
    """A ledger record as it was read or written, and the ETag to change it by."""

    record: LedgerRecord
    etag: str


class Ledger(Protocol):
    """The ledger's records, changed by compare-and-swap only."""

    def read(self, source: SourceName, window: Window, export_id: str) -> LedgerEntry | None:
        """Return a record, or None when there is none.

        Raises:
            ContractError: The record breaks its contract.
        """

    def keys(self, source: SourceName, windows: Sequence[Window]) -> list[str]:
        """Return the keys of all records of some windows, which are in the order of time."""

    def read_keys(self, keys: Sequence[str]) -> list[tuple[str, LedgerRecord | ContractError]]:
        """Return each key with its record, or with what is wrong with one that is damaged."""

    def windows(self, source: SourceName, since_ms: int, until_ms: int) -> Iterable[Window]:
        """Return the windows of a source that have records, by their start: both inclusive."""

    def create(self, record: LedgerRecord) -> LedgerEntry:
        """Write a new record.

        Raises:
            LedgerConflictError: There is one already, or somebody else is writing it.
        """

    def replace(self, entry: LedgerEntry, record: LedgerRecord) -> LedgerEntry:
        """Write a record in place of what was read.

        Raises:
            LedgerConflictError: It is not what was read any more.
        """

    def close_day(self, planned: DayPlanned) -> None:
        """Remove the note that the end of a date is still to be told."""

    def note_reading(self, source: SourceName, reader: Reader, body: bytes) -> None:
        """Note that somebody reads log events of a source now."""

    def reading(self, source: SourceName) -> Mapping[str, datetime]:
        """Return who reads log events of a source, and when each of them has noted it."""

    def put_manifest(self, record: LedgerRecord, manifest: Manifest) -> ManifestLocation:
        """Write a manifest beside the ledger; the same manifest gives the same object."""


class Queue(Protocol):
    """The queue of the slot, that of the direct lane, and the dead-letter queue of both."""

    def send(self, event: ExportRequested, *, asked_by: str) -> None:
        """Put a request at the end of its slot, once for each message that asks for it."""

    def send_beside(self, event: ExportRequested, *, asked_by: str) -> None:
        """Put a request into the direct lane's queue, as `send`."""

    def send_to_the_tail(self, event: ExportRequested, *, instead_of: str, tries: int) -> None:
        """Put a request at the end of its slot that is there already, at the head.

        Args:
            event: The request.
            instead_of: The id of the message that is at the head.
            tries: How often that was done for an error.
        """

    @property
    def retention(self) -> timedelta:
        """How long the slot's queue keeps a message."""

    def give_back(
        self, queue_arn: str, receipt_handles: Sequence[str], interval_s: int
    ) -> list[str]:
        """Let messages of a batch, at most 10, be received again after ``interval_s``.

        Returns:
            What the queue did not take: those messages come back when its own visibility timeout
            is over.
        """

    def dead_letter(
        self, body: str, *, group_id: str, message_id: str, reason: str, detail: str
    ) -> None:
        """Keep a message as it came, and why it is here."""


class Topic(Protocol):
    """The topic for events."""

    def publish(self, event: ExportCompleted | ExportFailed | DayCompleted) -> None:
        """Publish an event, with the attributes that filter policies read."""
