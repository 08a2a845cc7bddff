"""Sweeps meet errors of any code that AWS may answer, at any call, and are cut off by the clock."""

import importlib
import random
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from datetime import UTC, datetime, timedelta

import pytest
from tests.chaos.check_errors import ENFORCERS_CALLS, Objects

from logferry_deliveries.errors import KmsKeyError, NotDoneError
from sse_enforcer.sweep.slice import Time

enforcers = importlib.import_module("services.sse-enforcer.tests.conftest")
Sweeping = importlib.import_module("services.sse-enforcer.tests.test_sweep").Sweeping

SCHEDULES = 30
EVERY = timedelta(days=2)
MOST_SWEEPS = 4
"""After AWS answers again: what was put off by a request that was under way is done by the next."""
LISTINGS = ("list_object_versions", "list_objects_v2", "list_multipart_uploads")
CALLS = {
    method: service
    for method, service in ENFORCERS_CALLS.items()
    if method not in {"send_message", "change_message_visibility"}
} | dict.fromkeys(LISTINGS, "s3")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody reads the log lines and metrics of all schedules."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "logferry")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "chaos")
    with redirect_stdout(None):
        yield


class Archive(Objects):
    """Objects of one export that nobody told the sse-enforcer of, before its sweeps."""

    CALLS = CALLS
    STEPS = 12

    def begin(self) -> None:
        """Put the objects there, and let the export be completed."""
        world = self.world
        self.sweeping = Sweeping(world, enforcers.AsAws)
        self.sweeping.restart(**self.SMALL)
        self.now = datetime.now(UTC)
        for key in self.keys:
            world.put(key, **{"body": b"lines"} | self.rng.choice(self.KINDS))
        world.completed(*self.keys)

    def work(self) -> None:
        """Invoke the function on schedule, a while later; its time may be up at any look at it."""
        self.now += EVERY
        left = self.rng.choice([10**6, self.rng.randint(1, 20)])
        looks = iter(range(left))
        time = Time(lambda: True, lambda: next(looks, None) is not None)
        with suppress(NotDoneError, KmsKeyError):
            self.sweeping.sweep(run="schedule", now=self.now, time=time)

    def come_to_rest(self) -> None:
        """Let AWS answer, start the function anew, and the schedule go on."""
        self.mend()
        self.sweeping.restart()
        for _ in range(MOST_SWEEPS):
            self.now += EVERY
            report = self.sweeping.sweep(run="schedule", now=self.now)
            if report.is_complete and report.open_count == 0:
                return
        raise AssertionError((self.trouble.told, report.found, report.examples))

    def check(self) -> None:
        """See the same, and that no export has failed."""
        super().check()
        assert [event["type"] for event in self.world.published].count(
            "logferry.export.failed.v1"
        ) == 0


def test_whatever_errors_meet_sweeps_what_they_are_for_is_done_in_the_end(
    rng: random.Random,
) -> None:
    seed, met = rng.random(), 0
    for number in range(SCHEDULES):
        archive = Archive(random.Random(f"{seed} {number}"))  # noqa: S311  (to be repeatable)
        archive.run()
        archive.come_to_rest()
        archive.check()
        met += archive.trouble.met
    assert met > SCHEDULES // 2
