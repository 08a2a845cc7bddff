"""A run's date is one date, whatever the hour it begins at."""

from datetime import UTC, datetime, timedelta

import pytest

from devstack.suite import date_of, far_from_midnight, yesterday
from logferry_contracts.zones import zone_named

LONGEST_RUN = timedelta(hours=9, minutes=59)


@pytest.mark.parametrize("minute", [0, 30, 59])
@pytest.mark.parametrize("hour", range(24))
def test_no_run_that_begins_today_ends_tomorrow(hour: int, minute: int) -> None:
    began = datetime(2026, 11, 23, hour, minute, tzinfo=UTC)
    zone = zone_named(far_from_midnight(began))
    ends = began + LONGEST_RUN
    assert began.astimezone(zone).date() == ends.astimezone(zone).date()


def test_a_plan_by_date_is_of_the_day_that_a_plan_is_for() -> None:
    window = yesterday()
    assert window.end - window.start == timedelta(days=1)
    assert date_of(window) == date_of(yesterday())
    assert timedelta(0) < datetime.now(UTC) - window.end < timedelta(days=1)
