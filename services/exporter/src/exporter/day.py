"""When a date's exports have all ended, and what is told of them then: rules only."""

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from logferry_contracts.day_completed import DayCompleted, DayCompletedData
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export import export_id
from logferry_contracts.ledger_key import split_key, window_of
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import next_export_id
from logferry_contracts.window import Window

LOOKS_BEFORE_THE_END = 2
"""A message is given up so many looks before its queue drops it without a word."""

type Outcome = Literal["completed", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A try that has ended, as far as its date is concerned. It stays as it is.

    Attributes:
        at: When it ended.
        reason: Why it was skipped; otherwise None.
        next_export_id: The next try, where this one knows it; otherwise None.
        is_half: Whether it is a part of an export that was split, which alone counts.
        is_damaged: Whether its record cannot be read, so that nothing but its id is known.
    """

    export_id: str
    log_group_name: str
    window: Window
    generation: int
    outcome: Outcome
    at: datetime
    reason: str | None = None
    object_count: int = 0
    total_bytes: int = 0
    next_export_id: str | None = None
    is_half: bool = False
    is_damaged: bool = False


def ended(record: LedgerRecord) -> Ended | None:
    """Return what a record says; None while it is under way, or its end has not been told."""
    skipped, failed, completed = record.skipped, record.failed, record.completed
    if failed is not None and failed.published_at is None:
        return None  # whatever it was before
    if skipped is not None:
        return _of(record, "skipped", skipped.at, reason=skipped.reason)
    if failed is not None and failed.published_at is not None:
        return _of(record, "failed", failed.at, next_export_id=failed.next_export_id)
    if completed is not None and completed.published_at is not None:
        manifest = completed.manifest
        return _of(
            record,
            "completed",
            completed.at,
            object_count=manifest.object_count,
            total_bytes=manifest.total_bytes,
        )
    return None


def superseded(record: LedgerRecord, export_ids: Container[str]) -> Ended | None:
    """Return what a try that has not ended counts for where a next one is there; otherwise None.

    The last try counts. Should the message of an earlier one be gone, it never ends.
    """
    is_next_there = next_export_id(record) in export_ids
    return _of(record, "failed", record.requested_at) if is_next_there else None


def damaged(key: str) -> Ended:
    """Return what is told of the record of a key that cannot be read: an export that failed.

    Its window may be in the archive or not; it is not said to be what nobody can see.
    """
    prefix, export_id_ = split_key(key)
    return Ended(
        export_id=export_id_,
        log_group_name=export_id_,
        window=window_of(prefix),
        generation=1,
        outcome="failed",
        at=datetime.fromtimestamp(0, UTC),
        is_damaged=True,
    )


def missing_tries(tries: Iterable[Ended]) -> set[str]:
    """Return the ids of next tries that were asked for and are not among these."""
    there, asked = set(), set()
    for each in tries:
        there.add(each.export_id)
        if each.next_export_id is not None:
            asked.add(each.next_export_id)
    return asked - there


def is_to_be_given_up(waited: timedelta, retention: timedelta, interval_s: int) -> bool:
    """Return whether a message may be gone by the look after the next one.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html

    Args:
        waited: How long it has been in its queue.
        retention: How long its queue keeps it.
        interval_s: Until the next look.
    """
    return waited + LOOKS_BEFORE_THE_END * timedelta(seconds=interval_s) >= retention


def day_completed(planned: DayPlanned, tries: Iterable[Ended]) -> DayCompleted:
    """Return the event of a date whose exports have ended. The same tries give the same event.

    Args:
        planned: What asked for it.
        tries: All tries of the date's exports, of which the last ones count.
    """
    tries = list(tries)
    followed = _followed(planned, tries)
    last: dict[tuple[str, int], Ended] = {}
    for each in sorted(tries, key=lambda each: each.generation):
        if not each.is_half and not (each.is_damaged and each.export_id in followed):
            last[each.log_group_name, each.window.from_ms] = each
    exports = last.values()
    outcomes = Counter(each.outcome for each in exports)
    at = max([datetime.fromisoformat(planned.time), *(each.at for each in exports)])
    data = DayCompletedData(
        **dict(planned.data),
        completed=outcomes["completed"],
        failed=outcomes["failed"],
        skipped=dict(Counter(each.reason for each in exports if each.reason is not None)),
        object_count=sum(each.object_count for each in exports),
        total_bytes=sum(each.total_bytes for each in exports),
        completed_at=timestamp(at),
    )
    return DayCompleted.of(data, id=planned.id, source=planned.data.source.exporter_urn, time=at)


def _followed(planned: DayPlanned, tries: Iterable[Ended]) -> set[str]:
    """Return the ids of the tries that have a next one."""
    return {
        export_id(planned.data.source, each.log_group_name, each.window, each.generation - 1)
        for each in tries
        if each.generation > 1
    }


def _of(record: LedgerRecord, outcome: Outcome, at: str, **details: Any) -> Ended:
    return Ended(
        export_id=record.export_id,
        log_group_name=record.log_group.name,
        window=record.window,
        generation=record.generation,
        is_half=record.parent_export_id is not None,
        outcome=outcome,
        at=datetime.fromisoformat(at),
        **details,
    )
