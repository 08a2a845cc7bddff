"""An export whose window is too much for one task, or is read in parts: rules only.

It is left to two exports, one of each half of its window, which name it as their parent. They
announce nothing: when both have ended, it has ended, with one manifest. A half may be split again.
What no task has begun with is split so that both lanes can work on it: its halves are offered to
both, as an export may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.task import Done, Fail, Publish, is_taken_by_another
from logferry_contracts.export import Lane, export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError

TASK_BYTES = 40_000_000_000
"""The most that a task is asked for of what both lanes share, divided by the direct lane's calls a
second: it can take nothing out of a task that runs, and each task takes its time to begin."""
LEAST_TASK_BYTES = 4_000_000_000
MOST_TASK_BYTES = 8_000_000_000


@dataclass(frozen=True)
class Merge:
    """Both halves are in the archive: record the objects of both as the export's."""

    halves: Sequence[LedgerRecord]


@dataclass(frozen=True)
class GoOn:
    """A part of it is this lane's to take, or to go on with."""

    part: LedgerRecord


@dataclass(frozen=True)
class Revive:
    """Both halves are in the archive after all, after the export failed for one of them.

    A failed export stays failed; its next generation has what it needs already.
    """


type SplitStep = Done | Publish | Fail | GoOn | Merge | Revive


def decide(
    record: LedgerRecord, halves: Sequence[LedgerRecord], part: LedgerRecord | None = None
) -> SplitStep:
    """Return the next step for an export that was split and has not ended, or ``failed``.

    Args:
        record: What the ledger says of it.
        halves: What the ledger says of the newest generation of each half; of those that it knows.
        part: What is left to do for the lane at hand; None for nothing.
    """
    if record.failed is not None and record.failed.published_at is None:
        return Publish()
    if record.failed is None and part is not None:
        return GoOn(part)
    if are_completed(halves):
        return Merge(halves) if record.failed is None else Revive()
    if record.failed is not None:
        return Done("failed and published")
    for half in halves:
        if half.failed is not None and half.failed.next_export_id is None:
            what = f"The half from {half.window.from_ms} to {half.window.to_ms}"
            return Fail(reason=half.failed.reason, message=f"{what}: {half.failed.message}")
    return Done("its halves have not ended")


def are_completed(halves: Sequence[LedgerRecord]) -> bool:
    """Return whether both halves are in the archive."""
    return len(halves) > 1 and all(half.completed is not None for half in halves)


def is_left(part: LedgerRecord, asked: Lane, *, is_offer: bool) -> bool:
    """Return whether a part is a lane's to take or to go on with, until its end is told.

    One that is not offered has a message of its own, and so has one whose task was split.

    Args:
        part: Of an export that was split.
        asked: The lane.
        is_offer: Whether the other lane is asked as well, and goes on with what it has taken.
    """
    if part.offered is None:
        return False
    if part.outcome is not None:
        return part.outcome.published_at is None
    return part.split is None and not (is_offer and is_taken_by_another(part, asked))


def is_shared_out(record: LedgerRecord, estimated_bytes: int, calls_per_second: float) -> bool:
    """Return whether an export is to have halves before it has a task.

    Args:
        record: The export's; nobody has begun with it.
        estimated_bytes: What it has, as far as anybody knows.
        calls_per_second: The direct lane's.
    """
    most_bytes = min(max(TASK_BYTES / calls_per_second, LEAST_TASK_BYTES), MOST_TASK_BYTES)
    is_too_much = estimated_bytes > most_bytes and record.window.halves is not None
    return record.offered is not None and is_too_much


def half_request(
    request: ExportRequestedData, record: LedgerRecord, window: Window, generation: int
) -> ExportRequestedData:
    """Return the request for one half of an export's window.

    Args:
        request: What asked for the export.
        record: The export's.
        window: The half.
        generation: Of the half.
    """
    return request.model_copy(
        update={
            "export_id": export_id(record.source, record.log_group.name, window, generation),
            "generation": generation,
            "window": window,
            "destination": record.destination,
            "lane": record.lane,
            "offered": True if record.state == "requested" else None,
            "estimated_bytes": (record.estimated_bytes or 0) // 2,
            "parent_export_id": record.export_id,
            "not_before": None,
        }
    )


def may_be_parent(window: Window, half: LedgerRecord) -> bool:
    """Return whether an export of this window may be the one of which this is a half."""
    return (
        window != half.window
        and window.from_ms <= half.window.from_ms
        and half.window.to_ms <= window.to_ms
    )


def merged(halves: Sequence[LedgerRecord], at: datetime) -> Completed:
    """Return what both halves have put into the archive, and when their tasks ran.

    Raises:
        ContractError: A half's record does not list its objects.
    """
    parts = [half.completed for half in halves if half.completed is not None]
    objects = []
    for part in parts:
        if part.manifest.objects is None:
            raise ContractError("LedgerRecord", ["completed.manifest.objects: missing in a half"])
        objects += part.manifest.objects
    began = [part.task_created_ms for part in parts if part.task_created_ms is not None]
    ended = [part.task_completed_ms for part in parts if part.task_completed_ms is not None]
    return Completed(
        at=timestamp(at),
        manifest=Manifest.of(objects),
        task_created_ms=min(began, default=None),
        task_completed_ms=max(ended, default=None),
    )
