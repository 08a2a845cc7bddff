from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localstack_addons.scheduler.times import Schedule, ScheduleError, Timetable

CREATED = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


def schedule(expression: str, zone: str = "UTC", **changes) -> Schedule:
    made = Schedule("arn", expression, zone, modified=CREATED, start=CREATED)
    return replace(made, **changes)


def times(made: Schedule, after: datetime = CREATED) -> Iterator[str]:
    """The times it is due, in UTC."""
    due = made.next_due(after)
    while due:
        yield due.strftime("%Y-%m-%d %H:%M:%S")
        due = made.next_due(due)


def first(number: int, expression: str, zone: str = "UTC", after: str = "2026-01-01") -> list[str]:
    since = datetime.fromisoformat(after).replace(tzinfo=UTC)
    return list(islice(times(schedule(expression, zone, start=since), since), number))


def test_a_rate_is_due_from_its_start_on():
    made = schedule("rate(5 minutes)")
    before = CREATED - timedelta(microseconds=1)
    assert list(islice(times(made, before), 3)) == [
        "2026-01-01 12:00:30",
        "2026-01-01 12:05:30",
        "2026-01-01 12:10:30",
    ]


def test_a_rate_waits_for_its_start_date():
    made = schedule("rate(1 hour)", start=CREATED + timedelta(days=1))
    assert list(islice(times(made), 2)) == ["2026-01-02 12:00:30", "2026-01-02 13:00:30"]


def test_a_rate_of_days_is_one_of_twenty_four_hours():
    made = schedule("rate(1 days)", "Europe/Berlin", start=datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert list(islice(times(made), 3)) == [
        "2026-03-28 12:00:00",
        "2026-03-29 12:00:00",
        "2026-03-30 12:00:00",
    ]


def test_nothing_is_due_after_the_end_date():
    made = schedule("rate(5 minutes)", end=CREATED + timedelta(minutes=10))
    assert list(times(made)) == ["2026-01-01 12:05:30", "2026-01-01 12:10:30"]


def test_a_cron_is_not_due_before_its_start_date():
    made = schedule("cron(0 6 * * ? *)", start=datetime(2026, 2, 1, 6, tzinfo=UTC))
    assert next(times(made)) == "2026-02-01 06:00:00"


def test_at_is_due_once_in_its_zone():
    assert list(times(schedule("at(2026-07-01T09:00:00)", "Asia/Tokyo"))) == ["2026-07-01 00:00:00"]


def test_at_in_the_past_is_never_due():
    assert list(times(schedule("at(2025-07-01T09:00:00)"))) == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(15 10 * * ? *)", ["2026-01-01 10:15:00", "2026-01-02 10:15:00"]),
        ("cron(0/20 8 * * ? *)", ["2026-01-01 08:00:00", "2026-01-01 08:20:00"]),
        ("cron(5,35 14 * * ? *)", ["2026-01-01 14:05:00", "2026-01-01 14:35:00"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-01-01 18:00:00", "2026-01-02 18:00:00"]),
        ("cron(0 18 ? * 7,1 *)", ["2026-01-03 18:00:00", "2026-01-04 18:00:00"]),
        ("cron(0 8 1 * ? *)", ["2026-01-01 08:00:00", "2026-02-01 08:00:00"]),
        ("cron(0 8 L * ? *)", ["2026-01-31 08:00:00", "2026-02-28 08:00:00"]),
        ("cron(0 8 29 2 ? *)", ["2028-02-29 08:00:00", "2032-02-29 08:00:00"]),
        ("cron(0 8 ? * L *)", ["2026-01-03 08:00:00", "2026-01-10 08:00:00"]),
        ("cron(0 8 ? * 6L *)", ["2026-01-30 08:00:00", "2026-02-27 08:00:00"]),
        ("cron(0 8 ? * TUE#1 *)", ["2026-01-06 08:00:00", "2026-02-03 08:00:00"]),
        ("cron(0 8 ? jan,MAR 5 *)", ["2026-01-01 08:00:00", "2026-01-08 08:00:00"]),
        # 1 February 2026 is a Sunday and 15 August a Saturday.
        ("cron(0 8 1W FEB ? 2026)", ["2026-02-02 08:00:00"]),
        ("cron(0 8 15W AUG ? 2026)", ["2026-08-14 08:00:00"]),
        # 31 May 2026 is a Sunday and 1 August a Saturday: the nearest in the same month.
        ("cron(0 8 31W MAY ? 2026)", ["2026-05-29 08:00:00"]),
        ("cron(0 8 1W AUG ? 2026)", ["2026-08-03 08:00:00"]),
        ("cron(0 8 1 1 ? 2027-2028)", ["2027-01-01 08:00:00", "2028-01-01 08:00:00"]),
        ("cron(0 8 1 1 ? 2025)", []),
    ],
)
def test_a_cron_is_due_when_its_fields_say(expression, expected):
    assert first(2, expression) == expected


def test_a_cron_is_in_its_zone():
    assert first(2, "cron(30 0 * * ? *)", "Asia/Tokyo") == [
        "2026-01-01 15:30:00",
        "2026-01-02 15:30:00",
    ]


def test_a_cron_keeps_its_wall_clock_time_over_a_change_of_the_clocks():
    assert first(3, "cron(0 12 * * ? *)", "Europe/Berlin", after="2026-03-28") == [
        "2026-03-28 11:00:00",
        "2026-03-29 10:00:00",
        "2026-03-30 10:00:00",
    ]


def test_a_wall_clock_time_that_is_skipped_in_spring_is_not_due():
    # Berlin's clocks go from 02:00 to 03:00 on 29 March.
    assert first(2, "cron(30 2 * * ? *)", "Europe/Berlin", after="2026-03-28") == [
        "2026-03-28 01:30:00",
        "2026-03-30 00:30:00",
    ]


def test_a_wall_clock_time_that_is_repeated_in_autumn_is_due_once():
    # Berlin's clocks go back from 03:00 to 02:00 on 25 October.
    assert first(3, "cron(30 2 * * ? *)", "Europe/Berlin", after="2026-10-24") == [
        "2026-10-24 00:30:00",
        "2026-10-25 00:30:00",
        "2026-10-26 01:30:00",
    ]


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    zone=st.sampled_from(
        ["UTC", "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]
    ),
    after=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_daily_cron_is_due_in_order_and_at_most_two_days_apart(minute, hour, zone, after):
    made = schedule(f"cron({minute} {hour} * * ? *)", zone, start=after)
    due = [after]
    for _ in range(4):
        due.append(made.next_due(due[-1]) or after)
    # Two days where the clocks skip it, and one hour more or less.
    assert all(
        timedelta() < later - earlier <= timedelta(hours=49) for earlier, later in pairwise(due)
    )


@pytest.mark.parametrize(
    "expression",
    [
        "every day",
        "rate(0 minutes)",
        "rate(1 week)",
        "rate(5 minutes",
        "at(tomorrow)",
        "daily(6)",
        "cron(0 6 * * *)",
        "cron(0 6 * * * *)",
        "cron(0 6 ? * ? *)",
        "cron(60 6 * * ? *)",
        "cron(0 6 * 13 ? *)",
        "cron(0 6 * * ? 2200)",
        "cron(x 6 * * ? *)",
        "cron(0 6 5-1 * ? *)",
        "cron(0/x 6 * * ? *)",
    ],
)
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(ScheduleError):
        schedule(expression).next_due(CREATED)


def test_what_is_no_time_zone_is_refused():
    with pytest.raises(ScheduleError, match="not a time zone: Mars/Base"):
        schedule("cron(0 6 * * ? *)", "Mars/Base").next_due(CREATED)


def minutes(number: float) -> datetime:
    return CREATED + timedelta(minutes=number)


def test_a_schedule_is_due_once_each_time():
    table, every_five = Timetable(), schedule("rate(5 minutes)")
    assert table.due([every_five], minutes(0.1)) == [(every_five, minutes(0))]
    assert table.due([every_five], minutes(4.9)) == []
    assert table.due([every_five], minutes(5)) == [(every_five, minutes(5))]
    assert table.due([every_five], minutes(5.1)) == []


def test_times_that_went_by_unwatched_are_due_once():
    table, every_five = Timetable(), schedule("rate(5 minutes)")
    table.due([every_five], minutes(0))
    assert table.due([every_five], minutes(60)) == [(every_five, minutes(5))]
    assert table.due([every_five], minutes(61)) == []


def test_an_updated_schedule_is_due_by_what_it_says_now():
    table, at_first = Timetable(), schedule("rate(5 minutes)")
    table.due([at_first], minutes(0))
    updated = replace(at_first, expression="rate(60 minutes)", modified=minutes(1))
    assert table.due([updated], minutes(5)) == []
    assert table.due([updated], minutes(60)) == [(updated, minutes(60))]


def test_a_deleted_schedule_is_not_due():
    table, every_five = Timetable(), schedule("rate(5 minutes)")
    table.due([every_five], minutes(0))
    assert table.due([], minutes(5)) == []


def test_a_schedule_made_anew_under_its_name_starts_anew():
    table, every_five = Timetable(), schedule("rate(5 minutes)")
    table.due([every_five], minutes(0))
    table.due([], minutes(1))
    again = replace(every_five, modified=minutes(2), start=minutes(2))
    assert table.due([again], minutes(2)) == [(again, minutes(2))]


def test_a_disabled_schedule_is_not_due_and_does_not_catch_up():
    table, disabled = Timetable(), schedule("rate(5 minutes)", enabled=False)
    assert table.due([disabled], minutes(6)) == []
    enabled = replace(disabled, enabled=True, modified=minutes(7))
    assert table.due([enabled], minutes(8)) == []
    assert table.due([enabled], minutes(10)) == [(enabled, minutes(10))]


def test_one_schedule_that_is_wrong_does_not_keep_the_others():
    table = Timetable()
    wrong, right = schedule("cron(nonsense)", arn="wrong"), schedule("rate(5 minutes)", arn="right")
    assert table.due([wrong, right], minutes(0)) == [(right, minutes(0))]
    assert table.due([wrong, right], minutes(5)) == [(right, minutes(5))]


def test_a_schedule_is_completed_when_it_is_never_due_again():
    table, once = Timetable(), schedule("at(2026-01-01T12:05:00)")
    table.due([once], minutes(0))
    assert not table.completed(once)
    assert len(table.due([once], minutes(5))) == 1
    assert table.completed(once)
