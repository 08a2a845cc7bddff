"""What to do next for one export: rules only.

``decide`` takes the ledger record and what CloudWatch Logs says now, and returns one step. A step
that changes the record leads to the next one, until it is `Done` or has to `Wait`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from logferry_contracts.export import Lane, export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import untold

COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
PENDING_CANCEL = "PENDING_CANCEL"
SLOT_HOLDERS = frozenset({"PENDING", "RUNNING"})
"""The states in which AWS says that a task holds the slot. ``PENDING_CANCEL`` may or may not.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateExportTask.html
"""
LEDGER_RECORD_DAMAGED = "ledger_record_damaged"
NOT_AS_RECORDED = "not_as_recorded"
OBJECT_MISSING = "object_missing"
PARENT_UNKNOWN = "parent_unknown"
TASK_EMPTY = "task_empty"
FAILURES = {FAILED: "task_failed", CANCELLED: "task_cancelled"}
"""Reason codes of the states in which a task has ended without its objects."""

_UNDER_WAY = frozenset({"requested", "submitted"})

APPEARANCE = timedelta(minutes=15)
"""How long a created task may stay unknown: AWS does not promise that it is listed at once."""

SPLIT_AFTER = timedelta(hours=22)
"""The age at which a task is given up: after 24 hours AWS ends it, finished or not.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html
"""
CLOCK_SKEW = timedelta(minutes=1)
"""How far AWS's services may be apart in what time it is."""

BACKOFF = timedelta(minutes=1)
MAX_BACKOFF = timedelta(minutes=15)
"""A next generation that is the first of its slot keeps the slot idle while it waits."""
EMPTY_PAUSE = timedelta(hours=6)
"""After a task without objects for events that are there: "log data can take up to 12 hours to
become available for export". https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html
"""


@dataclass(frozen=True, kw_only=True)
class Task:
    """An export task as DescribeExportTasks shows it.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ExportTask.html

    Attributes:
        name: ``taskName``; None for tasks that others created without one.
        bucket: ``destination``.
        prefix: ``destinationPrefix``.
        status: ``status.code``.
        message: ``status.message``; empty when there is none.
        created_ms: ``executionInfo.creationTime``.
        completed_ms: ``executionInfo.completionTime``; None until it has ended.
    """

    task_id: str
    name: str | None
    bucket: str
    prefix: str
    status: str
    message: str
    created_ms: int | None
    completed_ms: int | None

    @property
    def holds_slot(self) -> bool:
        """Whether no other task can be created now."""
        return self.status in SLOT_HOLDERS

    @property
    def took_s(self) -> float | None:
        """How long it ran; None while it runs, or when AWS does not say."""
        if self.created_ms is None or self.completed_ms is None:
            return None
        return (self.completed_ms - self.created_ms) / 1000

    def age_s(self, now: datetime) -> float | None:
        """Return how long ago it was created."""
        return None if self.created_ms is None else now.timestamp() - self.created_ms / 1000


@dataclass(frozen=True)
class Done:
    """Nothing is left to do: acknowledge the message."""

    why: str


@dataclass(frozen=True)
class Publish:
    """Publish the event that the record's state calls for, and record that it was."""


@dataclass(frozen=True)
class TellAddenda:
    """Publish what was added to a completed export and was not announced, and record that."""


@dataclass(frozen=True)
class Create:
    """Create the export task and record its id."""


@dataclass(frozen=True)
class Take:
    """Both lanes are asked for the export and neither has begun: record that this one has."""


@dataclass(frozen=True)
class ReadDirectly:
    """Read the events themselves and write them to the archive, without a task."""


@dataclass(frozen=True)
class LeaveDirectLane:
    """Record that the export is the slot's from now on."""

    why: str


@dataclass(frozen=True)
class AskSlot:
    """Ask the slot for the export, in its own queue, which may have been done already."""


@dataclass(frozen=True)
class Adopt:
    """Record a task that an earlier try created before it could record its id."""

    task: Task


@dataclass(frozen=True)
class Wait:
    """Look again later.

    Attributes:
        age_s: How old the task is that is waited for; None when it cannot be seen.
        is_foreign: Whether it is the task of another export, or of somebody else.
    """

    age_s: float | None
    is_foreign: bool


@dataclass(frozen=True)
class Postpone:
    """Look again when the pause between two generations is over."""

    until: datetime


@dataclass(frozen=True)
class Cancel:
    """The task will not end before AWS ends it: stop it, then look again."""

    task: Task


@dataclass(frozen=True)
class Split:
    """The window is too much for one task: ask for its halves, each as an export of its own.

    Attributes:
        task_id: As in `Retry`.
    """

    task_id: str | None


@dataclass(frozen=True)
class AskAgain:
    """It failed for good, and somebody put it back into the queue: ask for the next generation."""


@dataclass(frozen=True)
class Complete:
    """List the task's objects and record them."""

    task: Task


@dataclass(frozen=True, kw_only=True)
class Retry:
    """This generation failed: ask for the next one, then record the failure.

    Attributes:
        task_id: The task whose objects are worthless and to be removed; None when there is no
            task, when it is not this export's, or when nobody knows what its objects are worth.
    """

    reason: str
    message: str
    task_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fail:
    """The export failed for good: record it.

    Attributes:
        task_id: As in `Retry`.
    """

    reason: str
    message: str
    task_id: str | None = None


type Step = (
    Done
    | Publish
    | TellAddenda
    | Create
    | Adopt
    | Wait
    | Postpone
    | Cancel
    | Split
    | Complete
    | Retry
    | Fail
    | AskAgain
    | Take
    | ReadDirectly
    | LeaveDirectLane
    | AskSlot
)


def decide(  # noqa: PLR0913  (all that the step depends on, and nothing else)
    record: LedgerRecord,
    tasks: Sequence[Task],
    *,
    now: datetime,
    max_generations: int,
    asked: Lane = "slot",
    is_offer: bool = False,
    split_after: timedelta = SPLIT_AFTER,
    is_redriven: bool = False,
) -> Step:
    """Return the next step for an export.

    Args:
        record: What the ledger says of it.
        tasks: When ``requested``, the newest tasks of the account and Region, newest first; when
            ``submitted``, the task of the recorded id, or none if AWS does not know it; none in
            the direct lane.
        now: The time of the look.
        max_generations: How many generations a window may have.
        asked: The lane that the message asks for, which may not be the record's any more.
        is_offer: Whether the message asks for what the other lane is asked for as well.
        split_after: At which age a task is given up.
        is_redriven: Whether the message comes out of the dead-letter queue.
    """
    if record.is_untaken:
        return Take()
    if record.state in _UNDER_WAY and not is_slots(record, asked):
        return _beside_the_slot(record, asked, is_offer=is_offer)
    match record.state:
        case "requested":
            return _start(record, tasks, now)
        case "submitted":
            return _follow(record, tasks, now, max_generations, split_after)
        case "skipped":
            return Done("skipped")
    return _conclude(record, is_redriven=is_redriven)


def _conclude(record: LedgerRecord, *, is_redriven: bool) -> Step:
    outcome = record.outcome
    if outcome is not None and outcome.published_at is None:
        return Publish()
    if untold(record):
        return TellAddenda()
    if is_redriven and record.failed is not None and record.failed.next_export_id is None:
        return AskAgain()
    return Done(f"{record.state} and published")


def is_slots(record: LedgerRecord, asked: Lane) -> bool:
    """Return whether a message that asks for a lane is to work with export tasks.

    A message for the direct lane never does: the one for the slot is the lock on it.
    """
    return asked == "slot" and _is_for_a_task(record)


def _is_for_a_task(record: LedgerRecord) -> bool:
    """Return whether an export is not to be read directly.

    The first release knew no direct lane: after a rollback to it, what was for the lane has a task.
    """
    return record.lane == "slot" or record.submitted is not None


def is_taken_by_another(record: LedgerRecord, asked: Lane) -> bool:
    """Return whether the other lane has begun with what both are asked for, and goes on with it."""
    is_taken = record.offered is not None and not record.is_untaken
    return is_taken and is_under_way(record) and record.lane != asked


def _beside_the_slot(record: LedgerRecord, asked: Lane, *, is_offer: bool) -> Step:
    if is_offer and is_taken_by_another(record, asked):
        return Done(f"the lane {record.lane} has taken it")
    if _is_for_a_task(record):
        return AskSlot()
    if asked == "slot":
        return LeaveDirectLane("the slot was asked for it")
    return ReadDirectly()


def _start(record: LedgerRecord, tasks: Sequence[Task], now: datetime) -> Step:
    own = [task for task in tasks if is_of(record, task)]
    if own:
        return Adopt(min(own, key=_preference))
    if record.not_before is not None and now < datetime.fromisoformat(record.not_before):
        return Postpone(datetime.fromisoformat(record.not_before))
    holder = next((task for task in tasks if task.holds_slot), None)
    if holder is not None:
        return Wait(holder.age_s(now), is_foreign=True)
    return Create()


def _follow(
    record: LedgerRecord,
    tasks: Sequence[Task],
    now: datetime,
    max_generations: int,
    split_after: timedelta,
) -> Step:
    assert record.submitted is not None  # noqa: S101  (the contract says so of this state)
    task_id, submitted_at = record.submitted.task_id, datetime.fromisoformat(record.submitted.at)
    task = next((task for task in tasks if task.task_id == task_id), None)
    may_retry = record.generation < max_generations
    if task is None:
        return _miss(task_id, now - submitted_at, may_retry=may_retry)
    if task.status not in FAILURES and not is_of(record, task):
        message = f"Export {record.export_id}: task {task_id} is not this export's"
        return untrue(record, NOT_AS_RECORDED, message, max_generations=max_generations)
    if task.status == COMPLETED:
        return Complete(task)
    is_too_old = _lifetime(task, submitted_at, now) >= split_after - CLOCK_SKEW
    if task.status in FAILURES:
        return _give_up(record, task, may_retry=may_retry, is_too_old=is_too_old)
    if task.holds_slot and is_too_old and record.window.halves is not None:
        return Cancel(task)
    is_ending = task.status == PENDING_CANCEL
    return Wait(None if is_ending else task.age_s(now), is_foreign=False)


def _miss(task_id: str, since_creation: timedelta, *, may_retry: bool) -> Step:
    if since_creation < APPEARANCE:
        return Wait(since_creation.total_seconds(), is_foreign=False)
    outcome = Retry if may_retry else Fail
    return outcome(reason="task_lost", message=f"DescribeExportTasks does not know task {task_id}.")


def untrue(
    record: LedgerRecord, reason: str, message: str, *, max_generations: int
) -> Retry | Fail:
    """Return the step for what is not in the archive as it was recorded: it is exported again.

    Objects stay where they are: nobody knows what they are worth.
    """
    outcome = Retry if record.generation < max_generations else Fail
    return outcome(reason=reason, message=message)


def _give_up(record: LedgerRecord, task: Task, *, may_retry: bool, is_too_old: bool) -> Step:
    worthless = task.task_id if is_of(record, task) else None
    if is_too_old and record.window.halves is not None:
        return Split(worthless)
    if is_too_old:
        message = f"The task of a window of one millisecond took {task.took_s} s: {task.message}"
        return Fail(reason="window_indivisible", message=message, task_id=worthless)
    outcome = Retry if may_retry else Fail
    return outcome(reason=FAILURES[task.status], message=task.message, task_id=worthless)


def _lifetime(task: Task, submitted_at: datetime, now: datetime) -> timedelta:
    """Return how long a task has run, or ran.

    That is all there is to tell a task that was too slow from one that broke: AWS does not say
    what state and message it gives to those that it ends after 24 hours.
    """
    began_s = submitted_at.timestamp() if task.created_ms is None else task.created_ms / 1000
    ended_s = now.timestamp() if task.completed_ms is None else task.completed_ms / 1000
    return timedelta(seconds=ended_s - began_s)


def backoff(first: timedelta, generation: int, reason: str) -> timedelta:
    """Return the pause after a failed generation: ``first``, and twice as long each time."""
    if reason == TASK_EMPTY:
        return EMPTY_PAUSE
    return min(first * (1 << min(generation - 1, 10)), MAX_BACKOFF)


def is_under_way(record: LedgerRecord) -> bool:
    """Return whether an export has not ended."""
    return record.state in _UNDER_WAY


def has_task(record: LedgerRecord) -> bool:
    """Return whether a task does an export, or did when the record was written."""
    return record.state == "submitted" and record.split is None


def is_explained(record: LedgerRecord, tasks: Sequence[Task]) -> bool:
    """Return whether the newest tasks say all there is to know about a requested export."""
    return any(task.holds_slot or is_of(record, task) for task in tasks)


def is_redundant(record: LedgerRecord, task_id: str) -> bool:
    """Return whether the export is taken care of without this task of its name."""
    recorded = record.submitted.task_id if record.submitted is not None else None
    return record.state != "requested" and recorded != task_id


def folder(record: LedgerRecord, task_id: str) -> str:
    """Return what the keys of all objects of a task begin with, and those of no other task."""
    return f"{record.destination.prefix}/{task_id}/"


def names_folder(record: LedgerRecord, key_prefix: str) -> bool:
    """Return whether the ledger record of a completed export has objects of a folder in it."""
    objects = record.completed.manifest.objects if record.completed is not None else None
    return any(each.key.startswith(key_prefix) for each in objects or ())


def next_generation(
    request: ExportRequestedData, record: LedgerRecord, not_before: datetime | None = None
) -> ExportRequestedData:
    """Return the request for the next try of the same window."""
    generation = record.generation + 1
    return request.model_copy(
        update={
            "export_id": export_id(record.source, record.log_group.name, record.window, generation),
            "generation": generation,
            "destination": record.destination,
            "lane": "slot",  # where the message goes, and where anything can be exported
            "offered": None,
            "parent_export_id": record.parent_export_id,
            "not_before": None if not_before is None else timestamp(not_before),
        }
    )


def is_about(record: LedgerRecord, request: ExportRequestedData) -> bool:
    """Return whether a record and a request of the same id mean the same export."""
    return (
        record.export_id == request.export_id
        and record.source.slot == request.source.slot
        and record.log_group.name == request.log_group.name
        and record.window == request.window
        and record.generation == request.generation
    )


def is_of(record: LedgerRecord, task: Task) -> bool:
    """Return whether a task was created for an export, as it says itself."""
    ours = (record.export_id, record.destination.bucket, record.destination.prefix)
    return (task.name, task.bucket, task.prefix) == ours


def _preference(task: Task) -> int:
    """Of several tasks of one export, one that completed is best, and one that failed is last."""
    if task.status == COMPLETED:
        return 0
    return 2 if task.status in FAILURES else 1
