"""Which of the windows that the ledger has are windows of their own."""

from collections.abc import Sequence

from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.cloud import Ledger
from planner.windows import as_recorded


def recorded_windows(
    ledger: Ledger, source: SourceName, due: Sequence[Window], listed: Sequence[Window]
) -> list[Window]:
    """Return the windows with records that may overlap some, but for those of halves alone.

    A half lies within its whole. Where the whole's record was removed, nobody may take its halves
    for the date's windows: the log group would count as exported, and never as a whole again. Nor
    may a key that is no record's.

    Args:
        ledger: Where the records are read of windows in doubt.
        source: Whose records.
        due: The windows of the rule.
        listed: What the ledger lists of their time, each of which can be a plan's.
    """
    recorded = list(listed)
    while halves := _of_halves_alone(ledger, source, due, recorded):
        recorded = [each for each in recorded if each not in halves]
    return recorded


def _of_halves_alone(
    ledger: Ledger, source: SourceName, due: Sequence[Window], recorded: Sequence[Window]
) -> set[Window]:
    """Return the windows that would be planned, and are no whole's; most plans read nothing."""
    doubtful = {*as_recorded(due, recorded)} & {*recorded} - {*due}
    if not doubtful:
        return doubtful
    ordered = sorted(doubtful, key=lambda each: each.from_ms)
    for window, export_id in ledger.known(source, ordered):
        if window in doubtful:
            [record] = ledger.read([ledger_key(source, window, export_id)])
            is_half = isinstance(record, LedgerRecord) and record.parent_export_id is not None
            if record is not None and not is_half:
                doubtful.discard(window)
    return doubtful
