"""How long daily windows wait for a backfill, by the planner's own code and lanes with a clock.

The largest log groups' dates take hours of the slot: they are fed in parts.
"""

import os
from contextlib import redirect_stdout
from datetime import timedelta
from io import StringIO
from statistics import median
from unittest.mock import patch

from rich.console import Console
from services.planner.tests.fakes import World

from benchmarks.simulation import backfill
from planner import handler
from planner.telemetry import logger

SEEDS = range(2)
SIZES = {
    **{f"/small/{number}": 1_000_000 for number in range(60)},
    **{f"/middle/{number}": 200_000_000 for number in range(10)},
    **{f"/large/{number}": 30_000_000_000 for number in range(2)},
}
DATES = ("2026-10-01", "2026-10-02")
DAILY = [timedelta(minutes=minutes) for minutes in (3, 133, 271)]
LIMITS = {"backfill.daily_delay_tasks": 1.0, "backfill.longest_task_over_15_min": 1.0}


def run() -> dict[str, float]:
    """Print what daily windows waited for; return the worst of it."""
    console = Console()
    found = [_simulated(seed) for seed in SEEDS]
    waited_s = [each for delays in found for each in delays.seconds]
    numbers = {
        "backfill.daily_delay_tasks": float(max(max(delays.tasks) for delays in found)),
        "backfill.longest_task_over_15_min": max(delays.longest_s for delays in found) / 900,
    }
    console.print(f"daily windows waited {median(waited_s):.0f} s, at most {max(waited_s):.0f} s")
    return numbers


def _simulated(seed: int) -> backfill.Delays:
    worlds: list[World] = []
    logger.setLevel("CRITICAL")

    def begun(**settings: str) -> World:
        worlds.append(World(**settings))
        return worlds[-1]

    with (
        redirect_stdout(StringIO()),
        patch.dict(os.environ, {"POWERTOOLS_METRICS_DISABLED": "true"}),
        patch.object(backfill, "World", begun),
        patch.object(handler, "_wiring", lambda: worlds[-1].wiring()),  # noqa: PLW0108
    ):
        delays, _ = backfill.simulate(SIZES, dates=DATES, daily=DAILY, seed=seed)
    return delays
