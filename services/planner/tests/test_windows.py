from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logferry_contracts.window import Window, WindowRule
from planner.errors import PlanRefusedError
from planner.windows import (
    date_path,
    due_windows,
    epoch_ms,
    newest_window,
    windows_of_date,
    zone_named,
)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY = timedelta(days=1)
Unit = Literal["day", "hour"]

SEOUL = ZoneInfo("Asia/Seoul")
BERLIN = ZoneInfo("Europe/Berlin")
APIA = ZoneInfo("Pacific/Apia")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")

# "localtime" is the machine's own, "Factory" is no place.
zones = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})).map(ZoneInfo)
dates = st.dates(min_value=date(1970, 1, 3), max_value=date(2100, 12, 30))
units = st.sampled_from(get_args(Unit))
moments = st.datetimes(
    min_value=datetime(1970, 1, 10),  # noqa: DTZ001  (timezones= makes them aware)
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
# The first call for a zone reads a file, which takes as long as it takes.
relaxed = settings(deadline=None)


def ms(text: str) -> int:
    return epoch_ms(datetime.fromisoformat(text))


def lengths_ms(windows: list[Window]) -> list[int]:
    return [window.to_ms - window.from_ms for window in windows]


@given(zone=zones, day=dates, unit=units)
@example(zone=APIA, day=date(2011, 12, 29), unit="day")
@example(zone=APIA, day=date(2011, 12, 29), unit="hour")
@example(zone=LORD_HOWE, day=date(2026, 4, 5), unit="hour")
@example(zone=ZoneInfo("America/St_Johns"), day=date(2010, 11, 6), unit="hour")
@example(zone=ZoneInfo("America/Havana"), day=date(2025, 11, 2), unit="hour")
@example(zone=ZoneInfo("America/Sao_Paulo"), day=date(2018, 11, 4), unit="hour")
@relaxed
def test_windows_of_successive_dates_follow_each_other_without_gap_or_overlap(
    zone: ZoneInfo, day: date, unit: Unit
) -> None:
    windows = [
        window
        for days in range(4)
        for window in windows_of_date(unit, zone, day + timedelta(days=days))
    ]
    assert windows
    for earlier, later in pairwise(windows):
        assert earlier.to_ms == later.from_ms


@given(zone=zones, day=dates)
@example(zone=APIA, day=date(2011, 12, 30))
@example(zone=LORD_HOWE, day=date(2026, 10, 4))
@relaxed
def test_the_hours_of_a_date_are_exactly_its_day(zone: ZoneInfo, day: date) -> None:
    hours = windows_of_date("hour", zone, day)
    assert windows_of_date("day", zone, day) == [
        Window(from_ms=first.from_ms, to_ms=last.to_ms)
        for first, last in zip(hours[:1], hours[-1:], strict=True)
    ]


@given(zone=zones, day=dates)
@example(zone=ZoneInfo("America/St_Johns"), day=date(1988, 10, 30))  # 00:01 became 22:01
@relaxed
def test_an_hour_window_never_holds_more_than_two_hours(zone: ZoneInfo, day: date) -> None:
    assert all(length <= 2 * HOUR_MS for length in lengths_ms(windows_of_date("hour", zone, day)))


@given(zone=zones, moment=moments, unit=units)
@example(zone=APIA, moment=datetime(2011, 12, 30, 12, tzinfo=UTC), unit="day")
@relaxed
def test_the_newest_window_has_ended_and_the_one_after_it_has_not(
    zone: ZoneInfo, moment: datetime, unit: Unit
) -> None:
    newest = newest_window(unit, zone, ended_by=moment)
    assert newest.to_ms <= epoch_ms(moment)
    today = moment.astimezone(zone).date()
    following = next(
        window
        for days in (-1, 0, 1, 2)
        for window in windows_of_date(unit, zone, today + timedelta(days=days))
        if window.from_ms == newest.to_ms
    )
    assert following.to_ms > epoch_ms(moment)


@given(zone=zones, day=dates, unit=units)
@relaxed
def test_a_window_is_in_the_folder_of_its_own_date(zone: ZoneInfo, day: date, unit: Unit) -> None:
    for window in windows_of_date(unit, zone, day):
        assert date_path(window, zone).startswith(f"{day:%Y/%m/%d}/")


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, date(2026, 3, 28), 24),
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (SEOUL, date(2026, 3, 29), 24),
        (ZoneInfo("America/Sao_Paulo"), date(2018, 11, 4), 23),
        (ZoneInfo("America/Sao_Paulo"), date(2018, 2, 17), 25),
        (ZoneInfo("America/Havana"), date(2025, 11, 2), 25),
    ],
    ids=str,
)
def test_a_date_on_which_the_clock_changes_has_23_or_25_hours(
    zone: ZoneInfo, day: date, hours: int
) -> None:
    assert lengths_ms(windows_of_date("day", zone, day)) == [hours * HOUR_MS]
    assert lengths_ms(windows_of_date("hour", zone, day)) == [HOUR_MS] * hours


def test_the_hour_that_is_repeated_has_two_windows_in_one_folder() -> None:
    windows = windows_of_date("hour", BERLIN, date(2026, 10, 25))
    assert [(window.from_ms, date_path(window, BERLIN)) for window in windows[1:5]] == [
        (ms("2026-10-24T23:00:00Z"), "2026/10/25/01"),
        (ms("2026-10-25T00:00:00Z"), "2026/10/25/02"),
        (ms("2026-10-25T01:00:00Z"), "2026/10/25/02"),
        (ms("2026-10-25T02:00:00Z"), "2026/10/25/03"),
    ]


def test_the_hour_that_is_left_out_has_no_window() -> None:
    windows = windows_of_date("hour", BERLIN, date(2026, 3, 29))
    assert [date_path(window, BERLIN) for window in windows[1:4]] == [
        "2026/03/29/01",
        "2026/03/29/03",
        "2026/03/29/04",
    ]


def test_a_clock_that_changes_by_half_an_hour_makes_one_window_of_90_minutes() -> None:
    back = windows_of_date("hour", LORD_HOWE, date(2026, 4, 5))
    forward = windows_of_date("hour", LORD_HOWE, date(2026, 10, 4))
    assert lengths_ms(back).count(90 * MINUTE_MS) == 1
    assert sum(lengths_ms(back)) == 24.5 * HOUR_MS
    assert lengths_ms(forward).count(90 * MINUTE_MS) == 1
    assert sum(lengths_ms(forward)) == 23.5 * HOUR_MS


def test_a_date_that_a_zone_left_out_has_no_windows() -> None:
    assert windows_of_date("day", APIA, date(2011, 12, 30)) == []
    assert windows_of_date("hour", APIA, date(2011, 12, 30)) == []


def test_a_date_without_a_midnight_begins_when_the_clock_changes() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    (window,) = windows_of_date("day", zone, date(2018, 11, 4))
    assert window.from_ms == ms("2018-11-04T03:00:00Z")
    assert date_path(window, zone) == "2018/11/04/01"


def test_the_last_second_of_the_day_is_in_the_window() -> None:
    """aws-logs-export-to-s3 ends its day at 23:59:59.000 and loses what comes after."""
    (window,) = windows_of_date("day", SEOUL, date(2022, 10, 20))
    its_end_ms = ms("2022-10-20T23:59:59+09:00")
    assert window == Window(
        from_ms=ms("2022-10-20T00:00:00+09:00"), to_ms=ms("2022-10-21T00:00:00+09:00")
    )
    lost_ms = range(its_end_ms + 1, window.to_ms)
    assert len(lost_ms) == 999


def test_a_window_becomes_due_the_moment_its_settle_time_is_over() -> None:
    rule = WindowRule(unit="day", time_zone="Asia/Seoul", settle_minutes=60)
    due_at = datetime(2026, 11, 23, 1, tzinfo=SEOUL)
    (before,) = due_windows(
        rule, None, now=due_at - timedelta(milliseconds=1), default_settle=timedelta()
    )
    (after,) = due_windows(rule, None, now=due_at, default_settle=timedelta())
    assert date_path(before, SEOUL) == "2026/11/21/00"
    assert date_path(after, SEOUL) == "2026/11/22/00"


def test_a_rule_without_a_settle_time_waits_for_the_default() -> None:
    rule = WindowRule(unit="hour", time_zone="UTC")
    now = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    (window,) = due_windows(rule, None, now=now, default_settle=timedelta(hours=12))
    assert window.to_ms == ms("2026-11-23T00:00:00Z")


def test_a_settle_time_of_zero_is_not_taken_for_an_absent_one() -> None:
    rule = WindowRule(unit="hour", time_zone="UTC", settle_minutes=0)
    now = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    (window,) = due_windows(rule, None, now=now, default_settle=DAY)
    assert window.to_ms == ms("2026-11-23T12:00:00Z")


def test_a_collect_date_gives_every_window_of_that_date() -> None:
    rule = WindowRule(unit="hour", time_zone="Europe/Berlin")
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert due_windows(rule, "2026-10-25", now=now, default_settle=DAY) == windows_of_date(
        "hour", BERLIN, date(2026, 10, 25)
    )


def test_a_collect_date_that_is_over_but_not_settled_gives_only_the_hours_that_are() -> None:
    rule = WindowRule(unit="hour", time_zone="UTC")
    now = datetime(2026, 11, 23, 3, tzinfo=UTC)
    hours = due_windows(rule, "2026-11-22", now=now, default_settle=timedelta(hours=24))
    assert [date_path(hour, ZoneInfo("UTC")) for hour in hours] == [
        "2026/11/22/00",
        "2026/11/22/01",
        "2026/11/22/02",
    ]
    days = WindowRule(unit="day", time_zone="UTC")
    assert due_windows(days, "2026-11-22", now=now, default_settle=timedelta(hours=24)) == []


@pytest.mark.parametrize(
    ("collect_date", "rule"),
    [
        ("2026-11-23", "is not over yet in Asia/Seoul"),
        ("9999-12-31", "is not over yet in Asia/Seoul"),
        ("1970-01-01", "is before 1970-01-02"),
    ],
)
def test_a_collect_date_that_cannot_be_planned_is_refused(collect_date: str, rule: str) -> None:
    now = datetime(2026, 11, 23, 23, 59, 59, tzinfo=SEOUL)
    with pytest.raises(PlanRefusedError) as refused:
        due_windows(
            WindowRule(unit="day", time_zone="Asia/Seoul"),
            collect_date,
            now=now,
            default_settle=DAY,
        )
    assert str(refused.value) == f"collect_date {collect_date} {rule}"
    assert refused.value.reason == "refused_collect_date"


@pytest.mark.parametrize("name", ["Europe/Berln", "Europe", "/etc/passwd", "a//b", "../UTC"])
def test_a_time_zone_that_does_not_exist_is_refused_by_name(name: str) -> None:
    with pytest.raises(PlanRefusedError) as refused:
        zone_named(name)
    assert str(refused.value) == f"time_zone {name} is not an IANA time zone"
    assert refused.value.reason == "refused_time_zone"
