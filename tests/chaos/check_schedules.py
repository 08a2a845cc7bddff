"""Random schedules of people's mistakes, kills and faults, in memory.

People purge queues and make them again, delete, cut off and falsify ledger records, delete objects,
forbid exports and ask for another source's profile, while processes die and AWS throttles and
breaks. Then what was forbidden is allowed again, and the date is planned as operators plan it: each
window is in the archive, whole and announced, and no export has kept the others for an hour.

The date before is archived by a backfill, which people pause, and ask for again.

Meanwhile and for days afterwards events come in late, a recounter looks, and what it notes is cut
off. After its last look each of them is in the archive once, and every addendum is announced.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout

import pytest
from services.exporter.tests.aws_errors import OPERATIONS, codes, error_of, raise_as_adapters_do
from services.exporter.tests.conftest import Plan, export_request
from tests.chaos.accidents import BUSY
from tests.chaos.schedule import LONGEST_HOLD, Schedule
from tests.chaos.simulated import MOVES, Groups

from exporter.telemetry import logger as exporter_logger
from logferry_contracts.export import Lane
from planner import handler as planner_handler
from planner.telemetry import logger as planner_logger

SCHEDULES = 50
STEPS = 30
BAD, GOOD = "/bad", "/good"
FOR_EVER, FOR_A_WHILE = 100_000, 8
"""So many times a call fails; those without which no message can make room do for a while."""
CALLS_OF_THE_DIRECT_LANE = {"archive.put", "logs.events"}
PLANS = (Plan(), Plan(outcomes=("FAILED", "COMPLETED")), Plan(running_s=100_000.0))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody reads the log lines and metrics of thousands of schedules."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "logferry")
    loggers = exporter_logger, planner_logger
    levels = [logger.log_level for logger in loggers]
    for logger in loggers:
        logger.setLevel("CRITICAL")
    with redirect_stdout(None):
        yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_whatever_happens_all_ends_whole_and_announced_with_late_events_and_nobody_waits_an_hour(
    rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, met, added, damaged = rng.random(), 0, 0, 0
    for number in range(SCHEDULES):
        schedule = Schedule(random.Random(f"{seed} {number}"))  # noqa: S311  (to be repeatable)
        monkeypatch.setattr(planner_handler, "_wiring", schedule.planner.wiring)
        schedule.run(STEPS)
        assert list(schedule.late_problems()) == [], f"schedule {number}: {schedule.told}"
        met += schedule.faults.trouble.met
        added += schedule.recounts.added
        damaged += len(schedule.recounts.objects.damaged)
    assert met > SCHEDULES // 5  # of the planner's calls
    assert added > SCHEDULES // 5  # addenda
    assert damaged > SCHEDULES // 20  # of the recounter's notes, written anew


def kinds_of(call: str) -> dict[str, list[str]]:
    """Return all codes that a call may meet, by what the exporter is told of them."""
    found: dict[str, list[str]] = {}
    for code in codes(call):
        if (call, code) != BUSY:
            found.setdefault(_told(call, code), []).append(code)
    return found


def _told(call: str, code: str) -> str:
    try:
        raise_as_adapters_do(call, "it", error_of(call, code))
    except Exception as error:  # noqa: BLE001  (whatever it is)
        return f"{type(error).__name__} {getattr(error, 'reason', '')}"
    raise AssertionError(f"{code} is no error of {call}")


@pytest.mark.parametrize("call", sorted(OPERATIONS))
def test_an_export_that_meets_any_error_of_aws_costs_the_others_no_hour(
    call: str, rng: random.Random
) -> None:
    lane: Lane = "direct" if call in CALLS_OF_THE_DIRECT_LANE else "slot"
    for some in kinds_of(call).values():
        check_others(call, rng.choice(some), lane, rng.choice(PLANS))


def check_others(call: str, code: str, lane: Lane, plan: Plan) -> None:
    """Let a call for one export meet an error, and see that those behind it end soon."""
    cloud = Groups()
    cloud.warm = cloud.wiring()
    cloud.plans[BAD] = plan
    bad = export_request(BAD, lane=lane)
    others = [export_request(f"{GOOD}/{n}", lane=each) for n, each in enumerate((lane, "slot"))]
    for each in (bad, *others):
        cloud.request(each)
    cloud.interrupt = failing(cloud, call, code)
    # A task of 28 hours is given up in its day, and what it leaves to others meets the error again.
    cloud.work_for(hours=96)
    assert [cloud.record(each).state for each in others] == ["completed"] * 2, (call, code)
    assert max(cloud.held.values()) <= LONGEST_HOLD.total_seconds(), (call, code, cloud.held)
    letters = "".join(letter.body for letter in cloud.dead_letters)
    assert cloud.record(bad).state in {"completed", "failed"} or bad.export_id in letters


def failing(cloud: Groups, call: str, code: str) -> Callable[[str], None]:
    """Return what lets a call fail as long as the bad export is worked on."""
    left = iter(range(FOR_A_WHILE if call in MOVES else FOR_EVER))

    def fail(operation: str) -> None:
        if operation == call and cloud.works_on(BAD) and next(left, None) is not None:
            raise_as_adapters_do(call, BAD, error_of(call, code))

    return fail
