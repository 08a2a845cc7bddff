"""What became of a log group's window, by the ledger or an inventory: rules only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logferry_contracts.inventory import EXCLUDED as NOT_SELECTED
from logferry_contracts.inventory import SELECTED, ListedLogGroup
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.statement import (
    ARCHIVED,
    EXCLUDED,
    FAILED,
    OPEN,
    REFUSED,
    SKIPPED,
    WAIVED,
    StatedExport,
    StatedLogGroup,
    Waiver,
)
from logferry_contracts.window import Window

NOT_PLANNED = "not_planned"
CREATED_AFTER_WINDOW = "created_after_window"
REFUSALS = frozenset({"destination_prefix_too_long", "log_group_unreadable"})
"""Reasons by which nobody can export a log group before somebody has changed something."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of it, as a statement has it.

    Attributes:
        is_ended: Whether it stays so, unless somebody asks for it again.
        waiver: Who answers for it that it is not in the archive; None while nobody does.
    """

    outcome: str
    is_ended: bool
    reason: str | None = None
    detail: str | None = None
    waiver: Waiver | None = None


def of_tries(tries: Sequence[LedgerRecord]) -> Outcome:
    """Return what became of a window by its tries, of which the last one counts."""
    last = max(tries, key=lambda each: each.generation)
    if last.waived is not None:
        return Outcome(
            outcome=WAIVED,
            is_ended=True,
            reason=getattr(last.skipped or last.failed, "reason", None),
            waiver=Waiver(by=last.waived.by, why=last.waived.reason, at=last.waived.at),
        )
    if last.skipped is not None:
        return Outcome(outcome=SKIPPED, is_ended=True, reason=last.skipped.reason)
    if last.failed is not None:
        return Outcome(
            outcome=REFUSED if last.failed.reason in REFUSALS else FAILED,
            is_ended=last.failed.next_export_id is None,
            reason=last.failed.reason,
            detail=last.failed.message or None,
        )
    if last.completed is not None and last.completed.published_at is not None:
        return Outcome(outcome=ARCHIVED, is_ended=True)
    # What nobody has announced its exporter checks before it does: somebody may have written it.
    return Outcome(outcome=OPEN, is_ended=False, reason=last.state)


def of_listing(listed: ListedLogGroup, window: Window) -> Outcome:
    """Return what became of the window of a log group of which the ledger has nothing."""
    if listed.verdict == NOT_SELECTED:
        return Outcome(outcome=EXCLUDED, is_ended=True)
    if listed.verdict != SELECTED:
        return Outcome(outcome=REFUSED, is_ended=True, reason=listed.verdict)
    if listed.log_group.created_ms >= window.to_ms:
        return Outcome(outcome=SKIPPED, is_ended=True, reason=CREATED_AFTER_WINDOW)
    return Outcome(outcome=OPEN, is_ended=False, reason=NOT_PLANNED)


def stated_log_group(log_group: LogGroup) -> StatedLogGroup:
    """Return a log group as a statement has it."""
    return StatedLogGroup(**dict(log_group))


def stated_exports(
    tries: Sequence[LedgerRecord], task_ids: Callable[[LedgerRecord], list[str]]
) -> list[StatedExport]:
    """Return a window's tries as a statement has them.

    Args:
        tries: All of them.
        task_ids: Returns what follows the prefix of the destination in the keys of one.
    """
    return [
        StatedExport(
            export_id=each.export_id,
            generation=each.generation,
            lane=each.lane,
            destination=each.destination,
            task_ids=task_ids(each),
            requested_at=each.requested_at,
            ended_at=_ended_at(each),
        )
        for each in sorted(tries, key=lambda each: each.generation)
    ]


def _ended_at(record: LedgerRecord) -> str | None:
    ended = record.skipped or record.failed or record.completed
    return None if ended is None else ended.at
