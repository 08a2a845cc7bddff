"""One export taken forward: does what the rules decide, and survives a crash after any of it.

Every step may be done again. A step first does its work and then records it, so that a crash in
between repeats the work and never skips it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from exporter import (
    addendum,
    direct_lane,
    failure,
    halves,
    pausing,
    publication,
    sharing,
    slot,
    split,
    task,
)
from exporter.cloud import LedgerEntry
from exporter.errand import After, Errand, Parts, Relative, retry_conflicts
from exporter.errors import (
    ExportRefusedError,
    HalfDamagedError,
)
from exporter.parts import PartByPart
from exporter.patience import Problem
from exporter.telemetry import about, logger, measure
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.wire import ContractError

type Step = task.Step | split.SplitStep


def _acknowledge(_errand: Errand, _entry: LedgerEntry, step: task.Done) -> None:
    logger.info("acknowledged", why=step.why)


STEPS: Mapping[type[Step], Callable[[Errand, LedgerEntry, Any], After]] = {
    task.Adopt: slot.adopt,
    task.AskAgain: failure.ask_again,
    task.AskSlot: direct_lane.ask_slot,
    task.Cancel: slot.cancel,
    task.Complete: slot.complete,
    task.Create: slot.create,
    task.Done: _acknowledge,
    task.Fail: failure.fail,
    task.LeaveDirectLane: direct_lane.leave,
    task.Postpone: pausing.postpone,
    task.Publish: publication.publish_recorded,
    task.ReadDirectly: direct_lane.read,
    task.Retry: failure.retry,
    task.Split: halves.cut,
    task.Take: sharing.take,
    task.TellAddenda: addendum.tell,
    task.Wait: pausing.wait,
    split.GoOn: sharing.go_on,
    split.Merge: halves.merge,
    split.Revive: halves.revive,
}
"""What does each step."""


@dataclass(frozen=True)
class Turn:
    """One export that is to be taken forward now.

    Attributes:
        begin: What comes before its next step.
    """

    errand: Errand
    begin: Callable[[], After]

    @classmethod
    def of(cls, errand: Errand) -> "Turn":
        """Return an export's turn from the start."""
        return cls(errand, partial(_begin, errand))


def advance(errand: Errand) -> None:
    """Take the export as far as it goes now. On return its message is done with.

    Where it ends, another one may end with it: that one is taken forward first, and then the rest
    of this one.

    Raises:
        NotFinishedError: A task has to be waited for.
        TransientError: AWS was busy, or others kept changing the ledger record.
        ContractError: The ledger record breaks its contract, or belongs to another export.
    """
    worklist = [Turn.of(errand)]
    while worklist:
        turn = worklist.pop()
        with about(turn.errand.request):
            worklist += _take(turn)


def give_up(errand: Errand, problem: Problem) -> None:
    """Let the export fail by an error that has no other end; its message is done with then."""
    try:
        entry = errand.read_or_create()
        # What was split is left to its halves, which may complete it yet.
        if task.is_under_way(entry.record) and entry.record.split is None:
            step = task.Fail(reason=problem.reason, message=problem.message)
            after = publication.publish(errand, failure.fail(errand, entry, step))
            if isinstance(after, Relative):
                advance(after.errand)
                after.then()
            return
    except Exception:
        # Whatever it is, the message holds up nobody any longer, and nothing is lost.
        logger.exception("could not be recorded as failed")
    errand.delivery.dead_letter(errand.wiring.queue, problem.reason, problem.message)


def _take(turn: Turn) -> list[Turn]:
    """Take an export as far as it goes, and return whose turn it is then: the last one's first."""
    errand = turn.errand
    return retry_conflicts(
        lambda: _follow(errand, turn.begin()), again=lambda: _follow(errand, _begin(errand))
    )


def _begin(errand: Errand) -> After:
    not_before = errand.request.not_before
    if not_before is not None and not pausing.is_time(errand, datetime.fromisoformat(not_before)):
        return None
    try:
        entry = errand.read_or_create()
    except ContractError as error:
        return _without_record(errand, error)
    return publication.as_told(errand, entry)


def _without_record(errand: Errand, error: ContractError) -> Relative:
    """Let the export learn of it of which this is a half, whose record is damaged.

    Raises:
        ContractError: It is a half of none.
    """

    def then() -> None:
        raise error

    half = errand.request.first_record(errand.now())
    parent = None if half.parent_export_id is None else errand.wiring.family.parent(half)
    if parent is None:
        raise error
    return Relative(errand.of_relative(parent), then)


def _follow(errand: Errand, after: After) -> list[Turn]:
    """Do step after step, until all is done or a relative comes first."""
    while isinstance(after, LedgerEntry):
        after = _step(errand, after)
    if after is None:
        return []
    if isinstance(after, Parts):
        PartByPart(after.errand, after.record, advance).read()
        return [Turn(errand, errand.read_or_create)]
    return [Turn(errand, after.then), Turn.of(after.errand)]


def _step(errand: Errand, entry: LedgerEntry) -> After:
    """Do one step."""
    try:
        tasks = slot.look(errand, entry.record)
    except ExportRefusedError as error:
        return failure.fail(errand, entry, failure.refused(errand, entry.record, error))
    step = _decide(errand, entry.record, tasks)
    after = STEPS[type(step)](errand, entry, step)
    still_has_task = isinstance(after, LedgerEntry) and task.has_task(after.record)
    if task.has_task(entry.record) and not still_has_task:
        for took_s in (ended.took_s for ended in tasks if ended.took_s is not None):
            measure("SlotBusySeconds", MetricUnit.Seconds, took_s)
    return after


def _decide(errand: Errand, record: LedgerRecord, tasks: list[task.Task]) -> Step:
    is_undecided = record.state in {"requested", "submitted", "failed"} and not record.is_lost
    if record.split is not None and is_undecided:
        return _decide_split(errand, record)
    settings = errand.wiring.settings
    return task.decide(
        record,
        tasks,
        now=errand.now(),
        max_generations=settings.max_generations,
        asked=errand.request.lane,
        is_offer=bool(errand.request.offered),
        split_after=settings.split_after,
        is_redriven=errand.delivery.is_redriven,
    )


def _decide_split(errand: Errand, record: LedgerRecord) -> Step:
    try:
        part = errand.part(record)
        # While a part is left nobody has to know how far the others are: each look reads less.
        goes_on = part is not None and record.failed is None
        newest = [] if goes_on else errand.wiring.family.halves(record)
    except HalfDamagedError as error:
        if record.failed is not None:
            return split.decide(record, ())
        reason, most = task.LEDGER_RECORD_DAMAGED, errand.wiring.settings.max_generations
        return task.untrue(record, reason, str(error), max_generations=most)
    return split.decide(record, newest, part)
