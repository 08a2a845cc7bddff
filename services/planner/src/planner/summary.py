"""What a plan has come to, as PlanCompleted tells it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from planner.worklist.tally import Total, Work

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
        direct_s: For how long the direct lane will be.
        overcommitted: By day, the seconds of the slot that the windows of each day need which
            needs more than a day.
    """

    requested: int
    already_in_ledger: int
    skipped: Mapping[str, int]
    refused: int
    estimated_bytes: int
    slot_s: int
    direct_s: int
    overcommitted: Mapping[str, int]


def balanced(work: Work) -> tuple[float, float]:
    """Return how long slot and direct lane are busy, as they share what both are asked for.

    Whoever is free takes the next one, so that both end together, if one alone is not the longer.
    """
    shared_s = work.shared_slot_s + work.shared_direct_s
    ahead_s = work.direct_s + work.shared_direct_s - work.slot_s
    slots = min(max(ahead_s / shared_s, 0.0), 1.0) if shared_s else 0.0
    return (
        work.slot_s + slots * work.shared_slot_s,
        work.direct_s + (1 - slots) * work.shared_direct_s,
    )


def summarize(totals: Sequence[Total], work: Mapping[str, Work]) -> Summary:
    """Add up what became of the rows.

    Args:
        totals: Of all days.
        work: What is asked for, by day.
    """
    outcomes: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for total in totals:
        outcomes[total.outcome] += total.exports
        if total.reason is not None:
            skipped[total.reason] += total.exports
    slot_s = {day: ceil(balanced(each)[0]) for day, each in work.items()}
    all_s = balanced(_sum(work.values()))
    return Summary(
        requested=outcomes["requested"],
        already_in_ledger=outcomes["already_in_ledger"],
        skipped=skipped,
        refused=outcomes["refused"],
        estimated_bytes=sum(total.estimated_bytes for total in totals),
        slot_s=ceil(all_s[0]),
        direct_s=ceil(all_s[1]),
        overcommitted={day: seconds for day, seconds in slot_s.items() if seconds > DAY_S},
    )


def _sum(work: Iterable[Work]) -> Work:
    days = list(work)
    return Work(
        slot_s=sum(each.slot_s for each in days),
        direct_s=sum(each.direct_s for each in days),
        shared_slot_s=sum(each.shared_slot_s for each in days),
        shared_direct_s=sum(each.shared_direct_s for each in days),
    )
