"""What to do next for one export: rules only.

``decide`` takes the ledger record and what CloudWatch Logs says now, and returns one step. A step
that changes the record leads to the next one, until it is `Done` or has to `Wait`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from logferry_contracts.export import export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LEDGER_SCHEMA, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp

COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
SLOT_HOLDERS = frozenset({"PENDING", "RUNNING"})
"""The states in which AWS says that a task holds the slot. ``PENDING_CANCEL`` may or may not.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateExportTask.html
"""
FAILURES = {FAILED: "task_failed", CANCELLED: "task_cancelled"}
"""Reason codes of the states in which a task has ended without its objects."""

APPEARANCE = timedelta(minutes=15)
"""How long a created task may stay unknown: AWS does not promise that it is listed at once."""


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
class Create:
    """Create the export task and record its id."""


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
class Complete:
    """List the task's objects and record them."""

    task: Task


@dataclass(frozen=True, kw_only=True)
class Retry:
    """This generation failed: ask for the next one, then record the failure.

    Attributes:
        task_id: The task whose objects are worthless and to be removed; None when there is no
            task, or when nobody knows what its objects are worth.
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


type Step = Done | Publish | Create | Adopt | Wait | Complete | Retry | Fail


def decide(
    record: LedgerRecord, tasks: Sequence[Task], *, now: datetime, max_generations: int
) -> Step:
    """Return the next step for an export.

    Args:
        record: What the ledger says of it.
        tasks: When ``requested``, the newest tasks of the account and Region, newest first; when
            ``submitted``, the task of the recorded id, or none if AWS does not know it.
        now: The time of the look.
        max_generations: How many generations a window may have.
    """
    match record.state:
        case "requested":
            return _start(record, tasks, now)
        case "submitted":
            return _follow(record, tasks, now, max_generations)
        case "skipped":
            return Done("skipped")
    outcome = record.completed or record.failed
    if outcome is not None and outcome.published_at is None:
        return Publish()
    return Done(f"{record.state} and published")


def _start(record: LedgerRecord, tasks: Sequence[Task], now: datetime) -> Step:
    own = [task for task in tasks if _is_of(record, task)]
    if own:
        return Adopt(min(own, key=_preference))
    holder = next((task for task in tasks if task.holds_slot), None)
    if holder is not None:
        return Wait(holder.age_s(now), is_foreign=True)
    return Create()


def _follow(
    record: LedgerRecord, tasks: Sequence[Task], now: datetime, max_generations: int
) -> Step:
    assert record.submitted is not None  # noqa: S101  (the contract says so of this state)
    task_id, submitted_at = record.submitted.task_id, datetime.fromisoformat(record.submitted.at)
    task = next((task for task in tasks if task.task_id == task_id), None)
    outcome = Retry if record.generation < max_generations else Fail
    if task is None:
        if now - submitted_at < APPEARANCE:
            return Wait((now - submitted_at).total_seconds(), is_foreign=False)
        return outcome(
            reason="task_lost", message=f"DescribeExportTasks does not know task {task_id}."
        )
    if task.status == COMPLETED:
        return Complete(task)
    if task.status in FAILURES:
        return outcome(reason=FAILURES[task.status], message=task.message, task_id=task_id)
    return Wait(task.age_s(now), is_foreign=False)


def is_redundant(record: LedgerRecord, task_id: str) -> bool:
    """Return whether the export is taken care of without this task of its name."""
    recorded = record.submitted.task_id if record.submitted is not None else None
    return record.state != "requested" and recorded != task_id


def folder(record: LedgerRecord, task_id: str) -> str:
    """Return what the keys of all objects of a task begin with, and those of no other task."""
    return f"{record.destination.prefix}/{task_id}/"


def manifest(objects: Sequence[ArchivedObject]) -> Manifest:
    """Return the manifest of a task's objects; each log stream has a folder of its own."""
    ordered = sorted(objects, key=lambda each: each.key)
    return Manifest(
        object_count=len(ordered),
        stream_count=len({each.key.rpartition("/")[0] for each in ordered}),
        total_bytes=sum(each.size_bytes for each in ordered),
        objects=ordered,
    )


def requested_record(request: ExportRequestedData, at: datetime) -> LedgerRecord:
    """Return the first record of an export."""
    return LedgerRecord.model_validate(
        {
            "schema": LEDGER_SCHEMA,
            "revision": 1,
            "state": "requested",
            "export_id": request.export_id,
            "generation": request.generation,
            "source": request.source.name,
            "log_group": request.log_group,
            "window": request.window,
            "destination": request.destination,
            "lane": request.lane,
            "requested_at": timestamp(at),
        }
    )


def next_generation(request: ExportRequestedData, record: LedgerRecord) -> ExportRequestedData:
    """Return the request for the next try of the same window."""
    generation = record.generation + 1
    return request.model_copy(
        update={
            "export_id": export_id(record.source, record.log_group.name, record.window, generation),
            "generation": generation,
            "destination": record.destination,
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


def _is_of(record: LedgerRecord, task: Task) -> bool:
    ours = (record.export_id, record.destination.bucket, record.destination.prefix)
    return (task.name, task.bucket, task.prefix) == ours


def _preference(task: Task) -> int:
    """Of several tasks of one export, one that completed is best, and one that failed is last."""
    if task.status == COMPLETED:
        return 0
    return 2 if task.status in FAILURES else 1
