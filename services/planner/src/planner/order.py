"""In which order windows are asked for: a source's export slot takes them one after another.

1. What retention deletes soon, its own or one that an account-level policy makes shorter soon, by
   when it does.
2. Then window by window, the oldest first, and in each of them:
   a. what has events, the smallest first: all are done at the same time as in any other order, and
      the average one much sooner; what is of unknown size comes in the middle. The slot is asked
      for what both lanes may do once all is asked for, the largest first, so that they meet;
   b. what seems to be empty, as each of these has to be looked at;
   c. what need not be exported at all.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

from logferry_contracts.message import epoch_ms
from planner.plan import STANDARD, Candidate, Plan, skip_reason
from planner.retention import FAR_MS, deadline_ms

SOON = timedelta(days=3)
"""A slot that is behind by less than that loses nothing that was asked for at once."""


class Kind(IntEnum):
    """What a candidate is expected to be, in the order of 2."""

    ACTIVE = 0
    SEEMS_EMPTY = 1
    SKIPPED = 2


@dataclass(frozen=True)
class Place:
    """A candidate's place, but for its size.

    Attributes:
        deadline_ms: When retention deletes its first events; `FAR_MS` unless that is soon.
    """

    deadline_ms: int
    kind: Kind


def place(plan: Plan, candidate: Candidate) -> Place:
    """Return where a candidate belongs."""
    if skip_reason(plan, candidate.log_group, candidate.window) is not None:
        return Place(FAR_MS, Kind.SKIPPED)
    # The events of other classes cannot be looked at, so that they are exported in any case.
    is_looked_at = candidate.seems_empty and candidate.log_group.log_group_class == STANDARD
    deadline = deadline_ms(candidate.log_group, candidate.window, plan.policies, now=plan.now)
    return Place(
        deadline if deadline <= epoch_ms(plan.now + SOON) else FAR_MS,
        Kind.SEEMS_EMPTY if is_looked_at else Kind.ACTIVE,
    )
