"""A thousand random schedules of people's mistakes, kills and faults, in memory.

People purge queues, delete, cut off and falsify ledger records, delete objects and forbid exports,
while processes die and AWS throttles. Then what was forbidden is allowed again, and the date is
planned as operators plan it: each window is in the archive, whole and announced.
"""

import random
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest
from tests.chaos.simulated import Schedule

from exporter.telemetry import logger as exporter_logger
from planner import handler as planner_handler

SCHEDULES = 1_000
STEPS = 30


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Nobody reads the log lines of thousands of schedules."""
    loggers = exporter_logger, planner_handler.logger
    levels = [logger.log_level for logger in loggers]
    for logger in loggers:
        logger.setLevel("CRITICAL")
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("_quiet")
def test_whatever_people_do_every_window_ends_whole_and_announced(
    rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "logferry")
    seed = rng.random()
    for number in range(SCHEDULES):
        schedule = Schedule(random.Random(f"{seed} {number}"))  # noqa: S311  (to be repeatable)
        monkeypatch.setattr(planner_handler, "_wiring", schedule.planner.wiring)
        with redirect_stdout(None):
            schedule.run(STEPS)
        assert list(schedule.problems()) == [], f"schedule {number}: {schedule.told}"
