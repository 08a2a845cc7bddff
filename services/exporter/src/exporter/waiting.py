"""When to look at an export task again: rules only.

A task says nothing when it ends, so it has to be looked at. Each look costs a call, and one that
comes too late leaves the slot empty. The tasks of late say how long the next one may take. With so
many looks the slot is empty for the shortest time when the time between two of them is that of the
inverse root of how likely the task is to end just now. Most tasks are short, and most of the slot's
time goes to a few long ones: so those have more looks. ``make bench`` measures what that comes to.
"""

from collections.abc import Sequence
from math import ceil, erfc, exp, log, pi, sqrt
from statistics import median
from typing import NamedTuple

REMEMBERED = 1000
"""Tasks of late, by which looks are shared out."""
LEARNT_FROM = 35
"""So many of them say how long the next one may take."""
FEWEST = 3
"""Of a kind, to learn from."""

FIXED_S = 3.0
BYTES_PER_S = 10e6
SPREAD = 0.6
"""What a task takes without an event, what it moves in a second, and the standard deviation of the
logarithm of its time, before any was seen."""
SPREAD_WEIGHT = 3
"""So many tasks count as much as what was thought of their spread before."""
SPREAD_FLOOR = 0.1
LEAST_S = 0.5
"""That any task takes without an event."""

LOOKS = 4.75
"""Of each task, that all together should have."""
MOST_COST = 0.06
"""Of the slot's time, in seconds, that a look is worth at most for each root of what tasks take:
where all are long, they have more looks, and not as many more as they take longer."""
NORMAL_ROOT = 1.42
"""The root of the normal distribution's density and of what lies beyond, over all of it."""
SOONEST = -4.0
"""In standard deviations: before that a task does not end."""
TAIL = 1.5
"""From there on nobody has foreseen how long it takes: it ends as likely with each tenth of its age
as with the one before."""
STEP = 0.02
"""By which the next look is searched for."""
AGE_SHARE = 0.02
"""Of a task's age, the least time between two looks, so that one of a day has no thousand."""

PAUSE_FLOOR_S = 0.5
"""Between two looks of one invocation.

Two looks a second leave room in AWS's five DescribeExportTasks a second.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""
BLIND_PAUSE_S = 1.0
"""The same, when the task that is in the way does not show itself."""

INTERVAL_FLOOR_S = 1
INTERVAL_CEILING_S = 300
LOOK_CEILING_S = 600
"""Until the next look at a task, however sure it seems that it does not end before: an estimate may
be wrong altogether."""
TASK_CEILING_S = 900
"""Of tasks that are hours old."""
ERROR_CEILING_S = 60

ROUND_S = 60
"""A message that is early and alone in its slot goes round no more often than once in so long, and
holds those behind it up for no longer."""
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


class Outlook(NamedTuple):
    """What is expected of a task, and what a look at it is worth.

    Attributes:
        median_s: By that age it has ended as likely as not.
        spread: The standard deviation of the logarithm of its time.
        cost_s: Of the slot's time, that a look is worth.
    """

    median_s: float
    spread: float
    cost_s: float

    def next_look_s(self, age_s: float) -> float:
        """Return in how many seconds to look again at a task of so many seconds."""
        at, left = SOONEST, sqrt(2 * self.cost_s)
        if age_s > 0:
            at = max(at, log(age_s / self.median_s) / self.spread)
        while left > 0:
            # Likelihood is by the second here, and there by the standard deviation.
            left -= sqrt(_likelihood(min(at, TAIL)) * self.spread * self._age_s(at)) * STEP
            at += STEP
        return max(min(self._age_s(at) - age_s, LOOK_CEILING_S), AGE_SHARE * age_s)

    def _age_s(self, deviation: float) -> float:
        return self.median_s * exp(self.spread * deviation)


def outlook(
    estimated_bytes: int, ended: Sequence[Ended] = (), listed_s: Sequence[float] = ()
) -> Outlook:
    """Return what to expect of a task.

    Args:
        estimated_bytes: What it exports, as far as anybody knows; 0 if nobody does.
        ended: Tasks of late, the newest last.
        listed_s: How long tasks of the account took of whose bytes nothing is known, in seconds.
    """
    newest = ended[-LEARNT_FROM:]
    if estimated_bytes == 0:
        newest = [Ended(0, each.took_s) for each in newest]
    fixed_s, bytes_per_s = _pace(newest, listed_s)
    errors = [log(each.took_s / (fixed_s + each.estimated_bytes / bytes_per_s)) for each in newest]
    bias = sum(errors) / (len(errors) + 1)
    squares = sum((error - bias) ** 2 for error in errors) + SPREAD_WEIGHT * SPREAD**2
    spread = max(sqrt(squares / (len(errors) + SPREAD_WEIGHT)), SPREAD_FLOOR)
    median_s = (fixed_s + estimated_bytes / bytes_per_s) * exp(bias)
    roots = [sqrt(each.took_s) for each in ended] + [sqrt(median_s)]
    root = sum(roots) / len(roots)
    cost_s = (NORMAL_ROOT * root / LOOKS) ** 2 * spread / 2
    return Outlook(median_s, spread, min(cost_s, MOST_COST * root))


def _pace(ended: Sequence[Ended], listed_s: Sequence[float]) -> tuple[float, float]:
    """Return what tasks take without an event, in seconds, and the bytes that they move in one."""
    fixed_s, bytes_per_s = FIXED_S, BYTES_PER_S
    if not ended and len(listed_s) >= FEWEST:
        fixed_s = sorted(listed_s)[len(listed_s) // 3]
    for _ in range(3):
        small = [
            each.took_s - each.estimated_bytes / bytes_per_s
            for each in ended
            if each.estimated_bytes <= fixed_s * bytes_per_s
        ]
        if len(small) >= FEWEST:
            fixed_s = max(median(small), LEAST_S)
        large = [
            each.estimated_bytes / (each.took_s - fixed_s)
            for each in ended
            if each.estimated_bytes > fixed_s * bytes_per_s and each.took_s > fixed_s
        ]
        if len(large) >= FEWEST:
            bytes_per_s = median(large)
    return fixed_s, bytes_per_s


def pause_s(age_s: float | None, expected: Outlook | None = None) -> float:
    """Return how many seconds to wait inside an invocation before the next look.

    Args:
        age_s: The age of the task that is waited for, None when it cannot be seen.
        expected: What is expected of it; None of somebody else's.
    """
    if age_s is None:
        return BLIND_PAUSE_S
    return max(PAUSE_FLOOR_S, _next_look_s(age_s, expected))


def interval_s(age_s: float | None, receive_count: int, expected: Outlook | None = None) -> int:
    """Return for how many seconds to give a message back that waits for a task.

    Args:
        age_s: As in `pause_s`.
        receive_count: How often the message was received.
        expected: As in `pause_s`.
    """
    by_receives_s = RECEIVE_GROWTH ** min(receive_count, MAX_RECEIVES)
    by_age_s = 0.0 if age_s is None else _next_look_s(age_s, expected)
    ceiling_s = INTERVAL_CEILING_S if expected is None else TASK_CEILING_S
    return max(
        _bounded(by_receives_s, receive_count, INTERVAL_CEILING_S),
        _bounded(by_age_s, receive_count, ceiling_s),
    )


def early_interval_s(left_s: float, age_s: float, receive_count: int) -> int | None:
    """Return for how many seconds to give a message back whose time has not come.

    None lets the others go first: it has to be sent to the tail instead.

    Args:
        left_s: Until its time comes.
        age_s: How long the message has been in its queue.
        receive_count: How often it was received.
    """
    if left_s <= ROUND_S:
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


def _next_look_s(age_s: float, expected: Outlook | None) -> float:
    # A clock that is behind makes an age negative.
    age_s = max(age_s, 0.0)
    return sqrt(age_s) if expected is None else expected.next_look_s(age_s)


def _likelihood(deviation: float) -> float:
    """Return how likely what is normally distributed ends there, if it has not before."""
    lasts = erfc(deviation / sqrt(2)) / 2
    return exp(-(deviation**2) / 2) / sqrt(2 * pi) / lasts
