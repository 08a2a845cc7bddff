"""What a plan works with, and the invocation that it runs in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from planner.cloud import (
    Archive,
    Backfills,
    Continuations,
    DayNotes,
    DeadLetters,
    ExportQueues,
    Infrastructure,
    Inventories,
    Ledger,
    OpenNotes,
    Outbox,
    PartNotes,
    PlanFiles,
    SourceAccounts,
    Topic,
)
from planner.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Control:
    """The control bucket, by what is kept there."""

    ledger: Ledger
    outbox: Outbox
    day_notes: DayNotes
    part_notes: PartNotes
    open_notes: OpenNotes
    files: PlanFiles
    inventories: Inventories
    backfills: Backfills


@dataclass(frozen=True, kw_only=True)
class Messages:
    """Whom a plan tells something: the exporters, the topic, the planner itself, and people."""

    queues: ExportQueues
    topic: Topic
    continuations: Continuations
    dead_letters: DeadLetters


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What a plan works with.

    Attributes:
        clock: Gives aware times.
        pause: Waits for some seconds.
    """

    settings: Settings
    accounts: SourceAccounts
    infrastructure: Infrastructure
    archive: Archive
    control: Control
    messages: Messages
    clock: Callable[[], datetime]
    pause: Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One invocation of the function.

    Attributes:
        request_id: The same when Lambda tries it again.
        remaining_ms: How long it may still take.
    """

    function_arn: str
    request_id: str
    remaining_ms: Callable[[], int]

    @property
    def account_id(self) -> str:
        """The account that logferry's functions run in."""
        return self.function_arn.split(":")[4]
