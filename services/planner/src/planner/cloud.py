"""AWS as a plan needs it: its adapters are in `aws`, and there are simulated ones beside them.

What any of these may raise besides: `AwsError` where AWS refuses or fails a call.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from logferry_contracts.backfill import Asked, Fed
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.execution_variables import QueueOptions
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_key import OPEN_DAY
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_completed import InfrastructureChange, PlanCompleted
from logferry_contracts.plan_continued import PlanContinued
from logferry_contracts.plan_request import TagFilter
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from planner.retention import RetentionPolicy


@dataclass(frozen=True)
class UnreadableLogGroup:
    """A log group that the contract has no words for, such as for a retention of a century.

    Attributes:
        problem: What keeps it from being described in a message.
        log_group: As far as it can be described; None where not even its name can.
    """

    name: str
    problem: str
    log_group: LogGroup | None = None


class SourceAccount(Protocol):
    """One account and Region whose logs are collected.

    What a plan cannot do without is refused when its permission is missing. What only makes a
    plan shorter is not: there, each doubt ends in an export, and a warning says what to add.
    """

    def log_groups(self) -> Iterator[LogGroup | UnreadableLogGroup]:
        """Yield every log group of all classes, by name.

        Raises:
            PlanRefusedError: The role may not list log groups.
        """

    def tagged(self, tag_filters: Sequence[TagFilter]) -> frozenset[str]:
        """Return the ARNs of the log groups that match every filter.

        Raises:
            PlanRefusedError: The role may not look for tags.
        """

    def incoming_log_events(
        self, names: Iterable[str], since: datetime, until: datetime
    ) -> Mapping[str, int]:
        """Return how many events log groups took in, by name, as far as it is known.

        The counts may include some hours before ``since`` and the hour after ``until``. A group
        that is not in the mapping may have taken in any number.

        Args:
            names: Of log groups; as many as there are.
            since: Aware; inclusive.
            until: Aware; now, or not long ago.
        """

    def has_events(self, log_group: LogGroup, window: Window) -> bool:
        """Return whether a log group has an event in a window, and True when in doubt."""

    def retention_policies(self) -> tuple[RetentionPolicy, ...]:
        """Return the account's retention policies, as far as they can be seen and understood."""


class SourceAccounts(Protocol):
    """The accounts whose logs are collected."""

    def open(self, source: Source) -> SourceAccount:
        """Return a source's account, for as long as a plan takes.

        Raises:
            PlanRefusedError: The role cannot be assumed.
        """

    def leave(self) -> None:
        """Say of all accounts that no more events of them are read."""


class Infrastructure(Protocol):
    """The planner's own account, as far as exporters are provisioned in it."""

    def ensure(self, source: Source, options: QueueOptions) -> list[InfrastructureChange]:
        """Make a source's queues, function and event source mapping what its options say.

        Returns:
            Each change, in the order in which they were made.

        Raises:
            PlanRefusedError: A person has to mend something first.
            InfrastructureBusyError: Others were changing it all the time.
        """


class Archive(Protocol):
    """The archive buckets."""

    def check(self, bucket: str, region: str) -> None:
        """Make sure that exports of a Region can go to a bucket, as far as can be seen from here.

        Raises:
            PlanRefusedError: There is no such bucket, or it is in another Region.
        """


@dataclass(frozen=True)
class DamagedRecord:
    """A ledger record that breaks its contract. It costs its own export, and no other.

    Attributes:
        problem: Which record, and what is wrong with it.
        is_later: Whether it is of a later major, which a later release can read.
    """

    problem: str
    is_later: bool


class Ledger(Protocol):
    """The ledger's records, which the planner reads and creates."""

    def known(self, source: SourceName, windows: Sequence[Window]) -> Iterator[tuple[Window, str]]:
        """Yield the window and the export id of every record of some windows.

        Args:
            source: Whose records.
            windows: In the order of time.
        """

    def is_empty(self, source: SourceName) -> bool:
        """Whether it has no record of a source's account and Region."""

    def lacking(self, source: SourceName) -> int:
        """Return of how many windows the newest seals say that CloudWatch Logs has more events."""

    def windows(self, source: SourceName, due: Sequence[Window]) -> list[Window]:
        """Return the windows with records that may overlap some, which are in the order of time."""

    def read(self, keys: Iterable[str]) -> list[LedgerRecord | DamagedRecord | None]:
        """Return the records of some keys, in their order; None where there is none."""

    def take_over(self, record: LedgerRecord, mine: LedgerRecord) -> bool:
        """Write a record over another one of its key, unless that has changed since it was read."""

    def create(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord | DamagedRecord]:
        """Write new records, and return the ones that are there now, in their order.

        One is not the one to write when somebody else was faster: decide again by what it says.

        Raises:
            LedgerBusyError: Others were writing one all the time.
        """


@dataclass(frozen=True)
class NoteThere:
    """A note in the outbox, or of a date.

    Attributes:
        written_at: By S3's clock.
    """

    key: str
    written_at: datetime

    @property
    def is_sent(self) -> bool:
        """Whether it is of a date that the exporter has been sent."""
        return self.key.endswith(OPEN_DAY)

    @property
    def planned_id(self) -> str:
        """The id of the DayPlanned that a note of a date is."""
        return self.key.rpartition("/")[2].removesuffix(OPEN_DAY).removesuffix(".json")


class Outbox(Protocol):
    """Notes of what is being sent.

    A note is there before the first of its records is, and until the last of its messages is
    with SQS. So a record that no note names has been sent, without having to be read.
    """

    def put(self, source: SourceName, keys: Sequence[str]) -> str:
        """Write a note that nobody else writes, and return its key."""

    def notes(self, source: SourceName) -> list[NoteThere]:
        """Return a source's notes: there are some while it is planned, and after a crash."""

    def read(self, key: str) -> list[str]:
        """Return the keys of a note's records; none when the note is not there any more."""

    def remove(self, key: str) -> None:
        """Remove a note whose messages are all with SQS."""


class DayNotes(Protocol):
    """Notes of dates whose end is to be told: each is a DayPlanned."""

    def put(self, planned: DayPlanned, *, is_sent: bool = False) -> None:
        """Write a note; the same one again makes it a new one."""

    def there(self, source: SourceName) -> list[NoteThere]:
        """Return the notes of a source's account and Region."""

    def read(self, key: str) -> DayPlanned | None:
        """Return a note; None when it is not there any more.

        Raises:
            LedgerUnreadableError: It breaks its contract.
        """

    def remove(self, key: str) -> None:
        """Remove a note that is not needed any more."""


class PartNotes(Protocol):
    """Notes of windows of which only some log groups were planned."""

    def put(self, source: SourceName, windows: Iterable[Window]) -> None:
        """Write a note for each of some windows."""

    def there(self, source: SourceName) -> list[Window]:
        """Return the windows that have a note."""

    def remove(self, source: SourceName, windows: Iterable[Window]) -> None:
        """Remove the notes of windows that were planned as a whole since."""


class OpenNotes(Protocol):
    """The notes of open exports, which the ledger puts, see `logferry_contracts.open_exports`."""

    def there(self, source: SourceName) -> list[NoteThere]:
        """Return the notes of a source's account and Region, and what says that they are whole."""

    def mark_whole(self, source: SourceName) -> None:
        """Say that every open export has a note."""

    def remove(self, key: str) -> None:
        """Remove a note."""


class Backfills(Protocol):
    """What people want of backfills, and how far each is."""

    def there(self) -> list[str]:
        """Return what the keys of each begin with: one for an account and Region."""

    def asked(self, prefix: str) -> Asked | None:
        """Return what is wanted; None when nobody has asked.

        Raises:
            LedgerUnreadableError: It breaks its contract.
        """

    def fed(self, prefix: str) -> tuple[Fed, str] | None:
        """Return how far it is, and the ETag of that; None when nothing has been done.

        Raises:
            LedgerUnreadableError: It breaks its contract.
        """

    def write(self, prefix: str, fed: Fed, etag: str | None) -> bool:
        """Write how far it is; False when somebody else was faster.

        Args:
            prefix: Of the keys.
            fed: How far it is.
            etag: Of what was read; None when there was nothing.
        """


class PlanFiles(Protocol):
    """Files of a plan in the control bucket."""

    @property
    def bucket(self) -> str:
        """The control bucket."""

    def put(self, path: Path, key: str) -> None:
        """Keep a file."""

    def get(self, key: str, path: Path) -> bool:
        """Fetch a file into ``path``; False when it is not there any more."""

    def remove(self, key: str) -> None:
        """Remove a file that nobody will ask for."""


class Inventories(Protocol):
    """Which log groups there are, as each plan has listed them."""

    def is_there(self, source: SourceName, plan_id: str, *, since_ms: int) -> bool:
        """Return whether a plan has one that it began to list at that time or later."""

    def put(self, path: Path, source: SourceName, plan_id: str, *, planned_at_ms: int) -> None:
        """Keep a file as the inventory of a plan."""


class ExportQueues(Protocol):
    """The FIFO queues of the sources' exporters."""

    def urls(self, source: Source, *, direct: bool) -> dict[Lane, str]:
        """Return the URLs of a source's queues, by lane; the direct lane need not have one.

        Args:
            source: Whose queues.
            direct: Whether to look for the direct lane's queue at all.

        Raises:
            PlanRefusedError: There is no queue for the export slot.
        """

    def check(self, source: Source) -> None:
        """Make sure that the queue of a source's profile is its account's and Region's.

        Raises:
            PlanRefusedError: It is another source's: whoever reads it can do nothing for this one.
        """

    def is_of(self, source: SourceName) -> bool | None:
        """Return whether a source's queue is that source's; None where it does not say."""

    def send(
        self,
        queue_url: str,
        events: Sequence[ExportRequested | DayPlanned],
        *,
        again_by: str | None = None,
    ) -> None:
        """Send messages.

        Args:
            queue_url: Where to.
            events: What to send.
            again_by: The run that sends them once more, and wants them to arrive; None where one
                that is there already is as good.

        Raises:
            MessagesNotSentError: Some were not taken.
        """


class Continuations(Protocol):
    """The planner's own function, which goes on with plans that need more than one invocation."""

    def send(self, function_arn: str, event: PlanContinued) -> None:
        """Have a plan gone on with; Lambda keeps the event until then."""


class Topic(Protocol):
    """The topic for events."""

    def publish(self, event: PlanCompleted) -> None:
        """Publish an event, with the attributes that filter policies read."""


class DeadLetters(Protocol):
    """The queue of what the planner was asked and cannot do."""

    def put(self, body: str, *, reason: str, detail: str) -> None:
        """Keep a request as it came, and why it is here."""
