"""How much of the slot's time looks cost at least, by the best times that there can be for them.

``python -m benchmarks.simulation.looks`` prints the table of ADR 60. A task's time is lognormal
around what is expected of it, and the looks at it come where they cost least, which is calculated
backwards from its longest time; a rule that knows no more of a task can do no better.
"""

from math import exp
from statistics import NormalDist, median

from benchmarks.simulation.exporter_run import BYTES_PER_PAGE
from benchmarks.simulation.workload import (
    LogGroup,
    active,
    log_groups,
    two_ended_s,
    two_lane_optimum_s,
)

NORMAL = NormalDist()
STEP = 0.05
DEVIATIONS = [-4 + STEP * number for number in range(round(8.5 / STEP))]
"""Where looks may come, in standard deviations of the logarithm of a task's time."""


def looks_and_idle(spread: float, cost: float) -> tuple[float, float]:
    """Return how many looks a task has, and the share of its time that the slot is empty after it.

    Args:
        spread: The standard deviation of the logarithm of a task's time.
        cost: What a look is worth, in medians of a task's time.
    """
    ages = [exp(spread * at) for at in DEVIATIONS]
    ended = [NORMAL.cdf(at) for at in DEVIATIONS]
    took = [exp(spread**2 / 2) * NORMAL.cdf(at - spread) for at in DEVIATIONS]
    # Of a task that is under way at each age: looks from there on, and idle time.
    looks, idle = [0.0] * len(ages), [0.0] * len(ages)

    def after(now: int, then: int) -> tuple[float, float]:
        lasts, goes_on = 1 - ended[now], 1 - ended[then]
        late = ages[then] * (ended[then] - ended[now]) - (took[then] - took[now])
        return 1 + goes_on * looks[then] / lasts, (late + goes_on * idle[then]) / lasts

    for now in reversed(range(len(ages) - 1)):
        looks[now], idle[now] = min(
            (after(now, then) for then in range(now + 1, len(ages))),
            key=lambda found: cost * found[0] + found[1],
        )
    return looks[0], idle[0] / exp(spread**2 / 2)


def by_estimates_s(groups: list[LogGroup], bytes_per_s: float) -> float:
    """Return what both lanes take without a pause, each from its end of the list by estimates.

    So it is where nobody knows before how fast the tasks of a log group are.
    """
    ordered = sorted(active(groups), key=lambda group: -group.estimated_bytes)
    return two_ended_s(ordered, bytes_per_s)


if __name__ == "__main__":
    for spread in (0.5, 0.3, 0.2):
        for cost in (0.003, 0.0125, 0.04):
            looks, idle = looks_and_idle(spread, cost)
            print(f"spread {spread}: {looks:4.1f} looks, idle {idle:.3f}")  # noqa: T201
    for calls_per_s in (5, 10, 25):
        of_all = [log_groups(1000, t0_s=10.0, seed=seed) for seed in range(5)]
        bytes_per_s = calls_per_s * BYTES_PER_PAGE
        ratios = [
            by_estimates_s(groups, bytes_per_s) / two_lane_optimum_s(groups, bytes_per_s)
            for groups in of_all
        ]
        print(f"{calls_per_s} calls a second: from both ends {median(ratios):.3f}")  # noqa: T201
