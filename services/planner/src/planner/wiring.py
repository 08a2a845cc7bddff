"""What a plan works with, and the invocation that it runs in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from planner.aws.archive import Archive
from planner.aws.infrastructure import Infrastructure
from planner.aws.ledger import Ledger
from planner.aws.messages import Continuations, DeadLetters, Topic
from planner.aws.notes import DayNotes, Outbox, PlanFiles
from planner.aws.queues import ExportQueues
from planner.aws.source_account import SourceAccounts
from planner.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What a plan works with."""

    settings: Settings
    accounts: SourceAccounts
    infrastructure: Infrastructure
    archive: Archive
    ledger: Ledger
    outbox: Outbox
    day_notes: DayNotes
    files: PlanFiles
    queues: ExportQueues
    continuations: Continuations
    topic: Topic
    dead_letters: DeadLetters
    clock: Callable[[], datetime]


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
