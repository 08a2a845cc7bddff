"""When to look at an export task again: rules only.

A task says nothing when it ends, so it has to be looked at. Each look costs a call, and one that
comes too late leaves the slot empty. Most tasks are short, and most of the slot's time goes to a
few long ones: so looks get rarer with the square root of the task's age, and the first one waits
until such a task may well have ended, by what the tasks before it took. ``make bench`` measures
what that comes to.
"""

from collections.abc import Sequence
from math import ceil, sqrt
from statistics import median
from typing import NamedTuple

QUICK_TASK = 3
"""The first look comes when one in so many of the account's last tasks had ended."""
FAST_BYTES_PER_S = 30e6
"""Faster than tasks are expected to export, so that the first look is seldom too late."""
FIRST_LOOK_CEILING_S = 120.0
"""However wrong the planner's estimate and unlike the last tasks were, this late and no later."""

REMEMBERED = 50
"""So many tasks of late say how long the next ones may take."""
LARGE_BYTES = 200_000_000
"""The time of a task of so many bytes is mostly that of its bytes."""
FEWEST_LARGE = 3
FASTER = 2.5
"""So many times faster than those before it a task may be, at the most."""
LOOKS = 5
"""Of each task, that all together may have; where most are short, long ones may have more."""
UNSURE_SHARE = 0.6
"""The part of a task's time in which it may end, and is looked at."""
LEAST_COST_S = 0.3
MOST_COST_S = 1.0
"""What a look is worth of the slot's time. A lane of long tasks alone has more than five looks a
task all the same: a tenth of each task's time is too much for the rest."""

PAUSE_FLOOR_S = 0.5
"""Between two looks of one invocation.

Two looks a second leave room in AWS's five DescribeExportTasks a second.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""
BLIND_PAUSE_S = 1.0
"""The same, when the task that is in the way does not show itself."""

INTERVAL_FLOOR_S = 1
INTERVAL_CEILING_S = 300
ERROR_CEILING_S = 60

ROUND_S = 60
"""A message that is early and alone in its slot goes round no more often than once in so long."""
EARLY_FLOOR_S = 5
"""The least pause of each one that goes round, so that many of them do not hold others up."""

MAX_RECEIVES = 1000
"""After so many, SQS itself moves a message to the dead-letter queue, and says no reason.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html
"""
RECEIVE_GROWTH = 1.02
"""What each receive adds, so that a slot which others hold again and again, each time with a young
task, does not use the receives up."""
LATE_RECEIVES = 600
LATE_CEILING_S = 3600
"""From the 600th receive on a message waits by the hour: the remaining 400 receives then last
longer than the 14 days that a queue keeps a message at most.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""


class Ended(NamedTuple):
    """A task that has completed: what it was estimated at, and how long it took in seconds."""

    estimated_bytes: int
    took_s: float


def first_look_s(
    took_s: Sequence[float], estimated_bytes: int, ended: Sequence[Ended] = ()
) -> float:
    """Return at what age a new task is worth its first look.

    Args:
        took_s: How long the account's last tasks took, in seconds, of any size.
        estimated_bytes: What the task exports, as far as anybody knows; 0 if nobody does.
        ended: Tasks of late whose estimates are known as well.
    """
    quick_s = sorted(took_s)[len(took_s) // QUICK_TASK] if took_s else 0.0
    paces = [
        each.estimated_bytes / each.took_s for each in ended if each.estimated_bytes >= LARGE_BYTES
    ]
    if len(paces) >= FEWEST_LARGE and estimated_bytes >= LARGE_BYTES:
        return estimated_bytes / (FASTER * median(paces))
    return min(quick_s + estimated_bytes / FAST_BYTES_PER_S, FIRST_LOOK_CEILING_S)


def look_cost_s(ended: Sequence[Ended]) -> float:
    """Return how many seconds of the slot's time a look is worth, by the tasks of late."""
    if not ended:
        return MOST_COST_S
    root_s = sum(sqrt(each.took_s) for each in ended) / len(ended)
    return min(max((UNSURE_SHARE * root_s / LOOKS) ** 2, LEAST_COST_S), MOST_COST_S)


def pause_s(age_s: float | None, first_look_s: float = 0.0, cost_s: float = MOST_COST_S) -> float:
    """Return how many seconds to wait inside an invocation before the next look.

    Args:
        age_s: The age of the task that is waited for, None when it cannot be seen.
        first_look_s: The least age at which to look.
        cost_s: What a look is worth, as by `look_cost_s`.
    """
    if age_s is None:
        return BLIND_PAUSE_S
    return max(PAUSE_FLOOR_S, _next_look_s(age_s, first_look_s, cost_s))


def interval_s(
    age_s: float | None,
    receive_count: int,
    first_look_s: float = 0.0,
    cost_s: float = MOST_COST_S,
) -> int:
    """Return for how many seconds to give a message back that waits for a task.

    The arguments are those of `pause_s`.
    """
    by_receives = RECEIVE_GROWTH ** min(receive_count, MAX_RECEIVES)
    by_age = 0.0 if age_s is None else _next_look_s(age_s, first_look_s, cost_s)
    return _bounded(max(by_age, by_receives), receive_count, INTERVAL_CEILING_S)


def early_interval_s(left_s: float, age_s: float, receive_count: int) -> int | None:
    """Return for how many seconds to give a message back whose time has not come.

    None lets the others go first: it has to be sent to the tail instead.

    Args:
        left_s: Until its time comes.
        age_s: How long the message has been in its queue.
        receive_count: How often it was received.
    """
    if left_s <= INTERVAL_CEILING_S:
        return ceil(left_s)
    if receive_count > 1:
        return None
    return ceil(min(max(ROUND_S - age_s, EARLY_FLOOR_S), ROUND_S))


def error_interval_s(receive_count: int) -> int:
    """Return for how many seconds to give a message back after something went wrong."""
    doubled = 2.0 ** min(receive_count - 1, MAX_RECEIVES)
    return _bounded(doubled, receive_count, ERROR_CEILING_S)


def _bounded(seconds: float, receive_count: int, ceiling_s: int) -> int:
    if receive_count >= LATE_RECEIVES:
        ceiling_s = LATE_CEILING_S
    return round(min(max(seconds, INTERVAL_FLOOR_S), ceiling_s))


def _next_look_s(age_s: float, first_look_s: float, cost_s: float) -> float:
    # A clock that is behind makes an age negative.
    age_s = max(age_s, 0.0)
    return max(sqrt(cost_s * age_s), first_look_s - age_s)
