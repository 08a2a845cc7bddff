"""What a plan has come to, as PlanCompleted tells it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from planner.worklist.tally import Total

DAY_S = 86_400
"""What the export slot of an account and Region has for each day's windows."""


@dataclass(frozen=True)
class Summary:
    """The counts of a plan.

    Attributes:
        skipped: By reason; what was refused is among it.
        refused: How many somebody has to look at.
        estimated_bytes: Of all that was requested.
        slot_s: For how long the export slot will be busy.
        overcommitted: By day, the seconds of the slot that the windows of each day need which
            needs more than a day.
    """

    requested: int
    already_in_ledger: int
    skipped: Mapping[str, int]
    refused: int
    estimated_bytes: int
    slot_s: int
    overcommitted: Mapping[str, int]


def summarize(totals: Sequence[Total]) -> Summary:
    """Add up what became of the rows."""
    outcomes: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    slot_s: Counter[str] = Counter()
    for total in totals:
        outcomes[total.outcome] += total.exports
        if total.reason is not None:
            skipped[total.reason] += total.exports
        slot_s[total.day] += ceil(total.slot_s)
    return Summary(
        requested=outcomes["requested"],
        already_in_ledger=outcomes["already_in_ledger"],
        skipped=skipped,
        refused=outcomes["refused"],
        estimated_bytes=sum(total.estimated_bytes for total in totals),
        slot_s=slot_s.total(),
        overcommitted={day: seconds for day, seconds in slot_s.items() if seconds > DAY_S},
    )
