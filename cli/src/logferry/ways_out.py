"""What a person does about an export that is not in the archive: the same words everywhere."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from logferry_contracts.ledger_record import LedgerRecord

WAYS_BACK = "docs/ways-back.md"
GONE = "Nobody can export it any more: answer for it."
AGAIN = "Mend what it names, then ask for its date again; or answer for it."
LATE = f"See what holds it up ({WAYS_BACK}), or ask for its date again."
_NO_OTHER_TRY = ("log_group_deleted", "created_after_window")
"""Why an export has failed that no other try can do."""


def not_over(on: date, zone: ZoneInfo, now: datetime) -> str | None:
    """Return what to do about a date that is not over in its zone; None where it is.

    Nobody can ask for it: the planner refuses what may still grow.
    """
    if on < now.astimezone(zone).date():
        return None
    return f"Wait until it is over in {zone.key}: it is planned by itself then."


def is_gone(record: LedgerRecord) -> bool:
    """Whether an export has failed for what no other try can mend."""
    return record.failed is not None and record.failed.reason in _NO_OTHER_TRY
