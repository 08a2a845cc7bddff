"""Which exports are counted, how, and why not: rules only."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from logferry_contracts.addendum import MOST_ADDED_BYTES, MOST_NAMED_BYTES, guessed_bytes
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import epoch_ms
from logferry_contracts.recount import FILTER, Recount
from logferry_contracts.window import Window
from recounter.budget import INGESTION, Candidate

MOST_FILTERED_BYTES = 20_000_000
"""Read page by page, which costs nothing but calls: 20 to 80 of them."""
DAY_MS = 86_400_000
STANDARD = "STANDARD"
LIMIT = "add_mb_per_day"
"""Larger than what may be read again on a day: a higher limit has it added."""
EMPTY = "empty"
"""The planner's reason to skip a window whose events it could look for."""


def is_due(
    window: Window, now: datetime, lag: timedelta, open_after: timedelta, *, is_open: bool
) -> bool:
    """Whether a window is counted now: its exports have ended, or were waited for too long."""
    since = timedelta(milliseconds=epoch_ms(now) - window.to_ms)
    return since >= lag and (not is_open or since >= open_after)


def later_look(
    window: Window, now: datetime, lag: timedelta, revisit_days: Iterable[int]
) -> int | None:
    """Return which look at a window is due after the first one: the newest; None for none yet.

    What comes in on the last of these days is not listed at once: so each look waits for the lag.
    """
    since = timedelta(milliseconds=epoch_ms(now) - window.to_ms) - lag
    return max((days for days in revisit_days if since >= timedelta(days=days)), default=None)


def is_countable(record: LedgerRecord) -> bool:
    """Whether an export is in the archive, as far as the ledger knows. A half is in its whole."""
    is_there = record.state in ("completed", "secured") and record.completed is not None
    is_given_up = record.waived is not None or record.disposed is not None
    return is_there and record.parent_export_id is None and not is_given_up


def is_empty(record: LedgerRecord) -> bool:
    """Whether a window was skipped as nobody saw an event in it, and may have some by now."""
    return record.skipped is not None and record.skipped.reason == EMPTY and record.waived is None


def objection_to_adding(
    record: LedgerRecord, recount: Recount, now: datetime, most_bytes: int
) -> str | None:
    """Return why what a witness says is missing of an export is left to a person; None: it is not.

    What is too large is read again by no invocation with certainty, unless it is known of which log
    streams something is missing.

    Args:
        record: The export's.
        recount: What the witness says.
        now: The time.
        most_bytes: How much may be read again on a day. What is more would keep all others waiting.

    Returns:
        ``log_group_class``, ``size``, `LIMIT` or ``expired``.
    """
    if record.log_group.log_group_class != STANDARD:
        return "log_group_class"
    if recount.late_streams is None and size_bytes(record) > MOST_ADDED_BYTES:
        return "size"
    if read_bytes(record, recount) > most_bytes:
        return LIMIT
    return objection(record, now)


def is_added(record: LedgerRecord, recount: Recount) -> bool:
    """Whether something was added to an export since a witness said that it lacks something."""
    return any(each.recounted_at >= recount.recount.at for each in record.addenda or ())


def read_bytes(record: LedgerRecord, recount: Recount) -> int:
    """Return how much is read at most to add what is missing, as far as anybody has guessed."""
    size = size_bytes(record)
    return size if recount.late_streams is None else min(size, MOST_NAMED_BYTES)


def objection(record: LedgerRecord, now: datetime) -> str | None:
    """Return why nobody can count an export's window; None where somebody can."""
    log_group = record.log_group
    if log_group.log_group_class not in INGESTION:
        return "log_group_class"
    if log_group.retention_days is not None:
        kept_from_ms = epoch_ms(now) - (log_group.retention_days - 1) * DAY_MS
        if record.window.from_ms < kept_from_ms:
            return "expired"
    return None


def objection_to_queries(record: LedgerRecord) -> str | None:
    """Return why no query can count an export's window; None where one can.

    StartQuery refuses what ended before the log group was created. Events may be there, of an agent
    that sent old ones, and FilterLogEvents reads them.
    """
    is_before = record.log_group.created_ms >= record.window.to_ms
    return "before_creation" if is_before else None


def is_filtered(record: LedgerRecord, *, is_first: bool) -> bool:
    """Whether an export is counted by FilterLogEvents.

    What the direct lane read by that very call, a query has to count: it would be the same witness
    twice. But a later look for what came in since may take it, see `is_same_witness`.
    """
    is_small = size_bytes(record) <= MOST_FILTERED_BYTES
    is_standard = record.log_group.log_group_class == STANDARD
    return is_small and is_standard and (record.lane == "slot" or not is_first)


def is_same_witness(record: LedgerRecord, by: str) -> bool:
    """Whether an export was counted as it was read: that shows that more came, and no more."""
    return record.lane != "slot" and by == FILTER


def is_news(before: Recount | None, now: Recount, *, only_more: bool) -> bool:
    """Whether what a later look has counted replaces what was counted before.

    So it does where it names log streams with late events that nobody had named: by these what is
    missing is added. Fewer events take nothing back: those that are gone, as somebody has shortened
    the retention, were there, and what the archive lacks of them it lacks for good.

    Args:
        before: None where nobody can read it.
        now: By the later look.
        only_more: Whether nothing but more events does, also of none that were counted.
    """
    known = None if before is None else before.recount.events
    events = now.recount.events
    if events is None or is_fewer(before, now):
        return False
    if only_more:
        return known is not None and events > known
    named = None if before is None else before.late_streams
    return events != known or now.late_streams not in (None, named)


def is_fewer(before: Recount | None, now: Recount) -> bool:
    """Whether a later look has counted fewer events than there were, where that is known."""
    known = None if before is None else before.recount.events
    events = now.recount.events
    return known is not None and events is not None and events < known


def size_bytes(record: LedgerRecord) -> int:
    """Return how large the events of an export's window are, as far as anybody has guessed."""
    assert record.completed is not None  # noqa: S101  (only asked of a completed export)
    return guessed_bytes(record.estimated_bytes, record.completed.manifest)


def candidate(record: LedgerRecord) -> Candidate:
    """Return an export as a query may count it."""
    return Candidate(
        export_id=record.export_id,
        log_group_name=record.log_group.name,
        log_group_class=record.log_group.log_group_class,
        size_bytes=size_bytes(record),
    )
