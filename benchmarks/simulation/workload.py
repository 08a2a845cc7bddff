"""What has to be exported: log groups, and how long the export task of each takes.

AWS says of an export task's time only "anywhere from a few seconds to a few hours"; the figures are
assumptions between what users report, and the benchmark varies the one that matters most, t0.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp
from statistics import NormalDist

IDLE_SHARE = 0.8
"""Of all log groups, those without an event in the window."""
MEDIAN_BYTES = 8e6
BYTES_SIGMA = 3.0
MOST_BYTES = 300e9
BYTES_PER_S = 10e6
"""What an export task moves in a second, at the median."""
BYTES_PER_S_SIGMA = 0.4
FIXED_SIGMA = 0.5
ESTIMATE_SIGMA = 0.3
"""How far off the planner's estimates are: metrics count bytes at ingestion, not at the event."""


@dataclass(frozen=True)
class LogGroup:
    """One log group's window.

    Attributes:
        size_bytes: Of its events; 0 when it is idle.
        estimated_bytes: The same as the planner guesses it.
        task_s: How long its export task takes.
        fixed_s: How much of that it would take without an event.
    """

    name: str
    size_bytes: int
    estimated_bytes: int
    task_s: float
    fixed_s: float = 0.0


def log_groups(count: int, *, t0_s: float, seed: int) -> list[LogGroup]:
    """Return log groups whose tasks take ``t0_s`` at the median when there is nothing to export.

    Sizes have a heavy tail: half of the active groups have less than 8 MB a day, and a few have
    most of all bytes. They are the middles of equal parts of the distribution, as one size drawn
    too many or too few at its end would decide a run.
    """
    rng = random.Random(seed)  # noqa: S311  (reproducible, and no secret)
    sizes = [0] * round(count * IDLE_SHARE)
    parts = count - len(sizes)
    sizes += [_size_at((part + 0.5) / parts) for part in range(parts)]
    rng.shuffle(sizes)
    return [_log_group(number, size, t0_s, rng) for number, size in enumerate(sizes)]


def _size_at(quantile: float) -> int:
    return round(min(MEDIAN_BYTES * exp(NormalDist(0, BYTES_SIGMA).inv_cdf(quantile)), MOST_BYTES))


def _log_group(number: int, size_bytes: int, t0_s: float, rng: random.Random) -> LogGroup:
    fixed_s = t0_s * exp(rng.gauss(0, FIXED_SIGMA))
    moving_s = size_bytes / (BYTES_PER_S * exp(rng.gauss(0, BYTES_PER_S_SIGMA)))
    return LogGroup(
        name=f"/service/{number}",
        size_bytes=size_bytes,
        estimated_bytes=round(size_bytes * exp(rng.gauss(0, ESTIMATE_SIGMA))),
        task_s=fixed_s + moving_s,
        fixed_s=fixed_s,
    )


def active(groups: Iterable[LogGroup]) -> list[LogGroup]:
    """Return the log groups that have something to export."""
    return [group for group in groups if group.size_bytes]


def serial_bound_s(groups: Iterable[LogGroup]) -> float:
    """Return how long the tasks take with not a moment between them: what one slot allows."""
    return sum(group.task_s for group in groups)


def two_lane_optimum_s(groups: Iterable[LogGroup], bytes_per_s: float) -> float:
    """Return the least time in which an export slot and a reader together do all log groups.

    As if every task's time were known before and nothing took any besides: the reader takes those
    that spare the slot most for each byte, and of one of them a part, so that both end together.

    Args:
        groups: All of them; the idle ones are nobody's work.
        bytes_per_s: The reader's.
    """
    by_time = sorted(active(groups), key=lambda group: group.task_s / group.size_bytes)
    return two_ended_s(by_time, bytes_per_s)


def two_ended_s(ordered: Sequence[LogGroup], bytes_per_s: float) -> float:
    """Return what both lanes take without a pause, each from its end of a list.

    Args:
        ordered: The slot's end first, and active ones only.
        bytes_per_s: The reader's.
    """
    read_s, slot_s = 0.0, serial_bound_s(ordered)
    for group in reversed(ordered):
        takes_s = group.size_bytes / bytes_per_s
        if read_s + takes_s > slot_s - group.task_s:
            return read_s + (slot_s - read_s) / (takes_s + group.task_s) * takes_s
        read_s, slot_s = read_s + takes_s, slot_s - group.task_s
    return read_s
