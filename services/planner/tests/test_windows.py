from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logferry_contracts.message import epoch_ms
from logferry_contracts.plan_request import PlanRequestData
from logferry_contracts.source import Source
from logferry_contracts.window import Window, WindowRule
from logferry_contracts.zones import zone_names
from planner.errors import PlanRefusedError
from planner.windows import (
    MAX_WINDOWS,
    as_recorded,
    date_path,
    day_of,
    due_windows,
    is_explicit,
    newest_window,
    not_too_many,
    overdue,
    windows_of_date,
    zone_named,
)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY = timedelta(days=1)
Unit = Literal["day", "hour"]

SEOUL = zone_named("Asia/Seoul")
BERLIN = zone_named("Europe/Berlin")
APIA = zone_named("Pacific/Apia")
LORD_HOWE = zone_named("Australia/Lord_Howe")

# "localtime" is the machine's own, "Factory" is no place.
zones = st.sampled_from(sorted(zone_names() - {"Factory"})).map(zone_named)
dates = st.dates(min_value=date(1970, 1, 3), max_value=date(2100, 12, 30))
units = st.sampled_from(get_args(Unit))
moments = st.datetimes(
    min_value=datetime(1970, 1, 10),  # noqa: DTZ001  (timezones= makes them aware)
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def request(rule: WindowRule, **dates: str) -> PlanRequestData:
    source = Source(
        profile="dev",
        account_id="111111111111",
        region="eu-west-1",
        role_arn="arn:aws:iam::111111111111:role/logferry-source",
    )
    return PlanRequestData.model_validate(
        {"source": source, "bucket": "acme-log-archive", "window_rule": rule, **dates}
    )


def due(
    rule: WindowRule,
    *,
    now: datetime,
    settle: timedelta = DAY,
    lookback_days: int = 1,
    **dates: str,
) -> list[Window]:
    return due_windows(
        request(rule, **dates),
        now=now,
        default_settle=settle,
        default_lookback_days=lookback_days,
    )


def ms(text: str) -> int:
    return epoch_ms(datetime.fromisoformat(text))


def lengths_ms(windows: list[Window]) -> list[int]:
    return [window.to_ms - window.from_ms for window in windows]


@given(zone=zones, day=dates, unit=units)
@example(zone=APIA, day=date(2011, 12, 29), unit="day")
@example(zone=APIA, day=date(2011, 12, 29), unit="hour")
@example(zone=LORD_HOWE, day=date(2026, 4, 5), unit="hour")
@example(zone=zone_named("America/St_Johns"), day=date(2010, 11, 6), unit="hour")
@example(zone=zone_named("America/Havana"), day=date(2025, 11, 2), unit="hour")
@example(zone=zone_named("America/Sao_Paulo"), day=date(2018, 11, 4), unit="hour")
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
def test_the_hours_of_a_date_are_exactly_its_day(zone: ZoneInfo, day: date) -> None:
    hours = windows_of_date("hour", zone, day)
    assert windows_of_date("day", zone, day) == [
        Window(from_ms=first.from_ms, to_ms=last.to_ms)
        for first, last in zip(hours[:1], hours[-1:], strict=True)
    ]


@given(zone=zones, day=dates)
@example(zone=zone_named("America/St_Johns"), day=date(1988, 10, 30))  # 00:01 became 22:01
def test_an_hour_window_never_holds_more_than_two_hours(zone: ZoneInfo, day: date) -> None:
    assert all(length <= 2 * HOUR_MS for length in lengths_ms(windows_of_date("hour", zone, day)))


@given(zone=zones, moment=moments, unit=units)
@example(zone=APIA, moment=datetime(2011, 12, 30, 12, tzinfo=UTC), unit="day")
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
        (zone_named("America/Sao_Paulo"), date(2018, 11, 4), 23),
        (zone_named("America/Sao_Paulo"), date(2018, 2, 17), 25),
        (zone_named("America/Havana"), date(2025, 11, 2), 25),
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
    zone = zone_named("America/Sao_Paulo")
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
    (before,) = due(rule, now=due_at - timedelta(milliseconds=1))
    (after,) = due(rule, now=due_at)
    assert date_path(before, SEOUL) == "2026/11/21/00"
    assert date_path(after, SEOUL) == "2026/11/22/00"


def test_a_rule_without_a_settle_time_waits_for_the_default() -> None:
    rule = WindowRule(unit="hour", time_zone="UTC")
    now = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    assert due(rule, now=now, settle=timedelta(hours=12))[-1].to_ms == ms("2026-11-23T00:00:00Z")


def test_a_settle_time_of_zero_is_not_taken_for_an_absent_one() -> None:
    rule = WindowRule(unit="hour", time_zone="UTC", settle_minutes=0)
    now = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    assert due(rule, now=now)[-1].to_ms == ms("2026-11-23T12:00:00Z")


# --- lookback


@given(zone=zones, moment=moments, unit=units, days=st.integers(1, 20))
@example(zone=APIA, moment=datetime(2011, 12, 31, 12, tzinfo=UTC), unit="day", days=1)
@example(zone=APIA, moment=datetime(2011, 12, 31, 12, tzinfo=UTC), unit="hour", days=1)
@example(zone=BERLIN, moment=datetime(2026, 10, 25, 3, tzinfo=UTC), unit="hour", days=1)
@example(zone=LORD_HOWE, moment=datetime(2026, 4, 6, tzinfo=UTC), unit="hour", days=2)
def test_due_windows_follow_each_other_without_gap_or_overlap_up_to_the_newest(
    zone: ZoneInfo, moment: datetime, unit: Unit, days: int
) -> None:
    rule = WindowRule(unit=unit, time_zone=zone.key, settle_minutes=0, lookback_days=days)
    windows = due(rule, now=moment)
    assert windows[-1] == newest_window(unit, zone, ended_by=moment)
    assert all(earlier.to_ms == later.from_ms for earlier, later in pairwise(windows))
    longer = rule.model_copy(update={"lookback_days": days + 1})
    assert due(longer, now=moment)[-len(windows) :] == windows


@given(
    zone=zones,
    moment=moments,
    unit=units,
    days=st.integers(2, 15),
    late=st.timedeltas(timedelta(), timedelta(days=15)),
)
@example(
    zone=APIA,
    moment=datetime(2011, 12, 29, 12, tzinfo=UTC),
    unit="day",
    days=2,
    late=timedelta(days=1),
)
def test_a_run_that_comes_late_makes_up_every_window_since_the_last_one(
    zone: ZoneInfo, moment: datetime, unit: Unit, days: int, late: timedelta
) -> None:
    rule = WindowRule(unit=unit, time_zone=zone.key, settle_minutes=0, lookback_days=days)
    last, next_ = due(rule, now=moment), due(rule, now=moment + min(late, (days - 1) * DAY))
    planned = sorted({*last, *next_}, key=lambda window: window.from_ms)
    assert all(earlier.to_ms == later.from_ms for earlier, later in pairwise(planned))


@pytest.mark.parametrize(("days", "dates"), [(1, [21]), (2, [20, 21]), (14, list(range(8, 22)))])
def test_the_lookback_counts_the_newest_due_day(days: int, dates: list[int]) -> None:
    rule = WindowRule(unit="day", time_zone="Europe/Berlin", lookback_days=days)
    windows = due(rule, now=datetime(2026, 11, 23, 6, tzinfo=UTC))
    assert [day_of(window, BERLIN) for window in windows] == [
        f"2026-11-{date:02}" for date in dates
    ]


def test_a_lookback_of_a_day_has_25_hours_when_the_clock_is_set_back() -> None:
    rule = WindowRule(unit="hour", time_zone="Europe/Berlin", settle_minutes=0, lookback_days=1)
    windows = due(rule, now=datetime(2026, 10, 25, 9, 30, tzinfo=BERLIN))
    assert len(windows) == 25
    assert date_path(windows[0], BERLIN) == "2026/10/24/09"


def test_a_rule_without_a_lookback_has_the_default() -> None:
    rule = WindowRule(unit="day", time_zone="UTC")
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert len(due(rule, now=now, lookback_days=5)) == 5


# --- dates


def test_a_collect_date_gives_every_window_of_that_date() -> None:
    rule = WindowRule(unit="hour", time_zone="Europe/Berlin")
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert due(rule, now=now, collect_date="2026-10-25") == windows_of_date(
        "hour", BERLIN, date(2026, 10, 25)
    )


def test_a_collect_date_that_is_over_but_not_settled_gives_only_the_hours_that_are() -> None:
    rule = WindowRule(unit="hour", time_zone="UTC")
    now = datetime(2026, 11, 23, 3, tzinfo=UTC)
    hours = due(rule, now=now, collect_date="2026-11-22")
    assert [date_path(hour, zone_named("UTC")) for hour in hours] == [
        "2026/11/22/00",
        "2026/11/22/01",
        "2026/11/22/02",
    ]
    days = WindowRule(unit="day", time_zone="UTC")
    assert due(days, now=now, collect_date="2026-11-22") == []


@given(zone=zones, first=dates, length=st.integers(0, 40), unit=units)
@example(zone=APIA, first=date(2011, 12, 29), length=2, unit="day")
def test_a_range_is_the_windows_of_its_first_to_its_last_date(
    zone: ZoneInfo, first: date, length: int, unit: Unit
) -> None:
    last = first + timedelta(days=length)
    windows = due(
        WindowRule(unit=unit, time_zone=zone.key),
        now=datetime(2101, 3, 1, tzinfo=UTC),
        collect_from=str(first),
        collect_to=str(last),
    )
    assert all(earlier.to_ms == later.from_ms for earlier, later in pairwise(windows))
    asked = {window for day in (first, last) for window in windows_of_date(unit, zone, day)}
    assert asked - set(windows) == set()
    assert {day_of(window, zone) for window in windows} <= {
        str(first + timedelta(days=days)) for days in range(length + 1)
    }


@pytest.mark.parametrize("unit", get_args(Unit))
def test_a_range_without_an_end_goes_up_to_the_newest_due_window(unit: Unit) -> None:
    rule = WindowRule(unit=unit, time_zone="Europe/Berlin", settle_minutes=90)
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    windows = due(rule, now=now, collect_from="2026-11-20")
    assert day_of(windows[0], BERLIN) == "2026-11-20"
    assert windows[-1] == due(rule, now=now)[-1]


def test_a_range_that_begins_after_the_newest_due_window_is_empty() -> None:
    rule = WindowRule(unit="day", time_zone="UTC", settle_minutes=20_160)
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert due(rule, now=now, collect_from="2026-11-20") == []


@pytest.mark.parametrize(
    ("dates", "refusal"),
    [
        ({"collect_date": "2026-11-23"}, "collect_date 2026-11-23 is not over yet in Asia/Seoul"),
        ({"collect_date": "9999-12-31"}, "collect_date 9999-12-31 is not over yet in Asia/Seoul"),
        ({"collect_date": "1970-01-01"}, "collect_date 1970-01-01 is before 1970-01-02"),
        ({"collect_from": "2026-11-23"}, "collect_from 2026-11-23 is not over yet in Asia/Seoul"),
        (
            {"collect_from": "2026-11-20", "collect_to": "2026-11-23"},
            "collect_to 2026-11-23 is not over yet in Asia/Seoul",
        ),
        (
            {"collect_from": "1969-12-31", "collect_to": "2026-11-20"},
            "collect_from 1969-12-31 is before 1970-01-02",
        ),
        (
            {"collect_from": "2026-11-20", "collect_to": "2026-11-19"},
            "collect_from 2026-11-20 is after collect_to 2026-11-19",
        ),
        ({"collect_to": "2026-11-19"}, "collect_to 2026-11-19 needs collect_from"),
        (
            {"collect_date": "2026-11-19", "collect_to": "2026-11-19"},
            "collect_date 2026-11-19 excludes collect_from and collect_to",
        ),
        (
            {"collect_from": "2014-01-01"},
            "collect_from 2014-01-01 makes 4709 windows of a plan, which has at most 4000",
        ),
    ],
)
def test_dates_that_cannot_be_planned_are_refused_by_field_value_and_rule(
    dates: dict[str, str], refusal: str
) -> None:
    now = datetime(2026, 11, 23, 23, 59, 59, tzinfo=SEOUL)
    with pytest.raises(PlanRefusedError) as refused:
        due(WindowRule(unit="day", time_zone="Asia/Seoul"), now=now, **dates)  # type: ignore[arg-type]
    assert str(refused.value) == refusal
    assert refused.value.reason == f"refused_{refusal.split(maxsplit=1)[0]}"


def test_a_lookback_of_more_windows_than_a_plan_has_is_refused() -> None:
    rule = WindowRule(unit="hour", time_zone="UTC", lookback_days=400)
    with pytest.raises(PlanRefusedError, match="lookback_days 400 makes 9600 windows"):
        due(rule, now=datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("dates", "explicit"),
    [({}, False), ({"collect_date": "2026-11-01"}, True), ({"collect_from": "2026-11-01"}, True)],
)
def test_a_request_with_dates_is_explicit(dates: dict[str, str], *, explicit: bool) -> None:
    assert is_explicit(request(WindowRule(unit="day", time_zone="UTC"), **dates)) is explicit


@pytest.mark.parametrize("name", ["Europe/Berln", "Europe", "/etc/passwd", "a//b", "../UTC"])
def test_a_time_zone_that_does_not_exist_is_refused_by_name(name: str) -> None:
    with pytest.raises(PlanRefusedError) as refused:
        zone_named(name)
    assert str(refused.value) == f"time_zone {name} is not an IANA time zone"
    assert refused.value.reason == "refused_time_zone"


THREE_DAYS = [Window(from_ms=n * 24 * HOUR_MS, to_ms=(n + 1) * 24 * HOUR_MS) for n in range(3)]


@pytest.mark.parametrize(
    ("unplanned", "hours"),
    [
        pytest.param([], 0, id="nothing is missing"),
        pytest.param(THREE_DAYS[2:], 3, id="the newest one is what the run is for"),
        pytest.param(THREE_DAYS[1:], 27, id="a run was missed"),
        pytest.param(THREE_DAYS[1:2], 27, id="a window in between was missed"),
        pytest.param(THREE_DAYS, 3, id="a source's first plan"),
    ],
)
def test_the_oldest_window_that_no_run_has_planned_is_overdue(
    unplanned: list[Window], hours: int
) -> None:
    at = datetime(1970, 1, 5, 3, tzinfo=UTC)
    found = overdue(unplanned, THREE_DAYS, settle=DAY, at=at)
    assert found == timedelta(hours=hours)


# --- after the ledger's


class Planned:
    """A source that is planned by one rule after another, each time all that is due is recorded."""

    def __init__(self) -> None:
        self.recorded: set[Window] = set()

    def plan(self, rule: WindowRule, now: datetime, *, upto: int | None = None) -> list[Window]:
        """Plan, and record the first windows: those before a crash."""
        windows = [
            each
            for each in as_recorded(due(rule, now=now), self.recorded)
            if each.to_ms <= epoch_ms(now)
        ]
        self.recorded |= set(windows[:upto])
        return windows


rules = st.builds(
    WindowRule,
    unit=units,
    time_zone=st.sampled_from(["Asia/Seoul", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]),
    settle_minutes=st.just(0),
    # A day that is not over, a pause of 40 hours, and what the zones differ by.
    lookback_days=st.integers(4, 7),
)


def follow_each_other(windows: Iterable[Window]) -> bool:
    ordered = sorted(windows, key=lambda window: window.from_ms)
    return all(earlier.to_ms == later.from_ms for earlier, later in pairwise(ordered))


@given(
    moment=moments,
    changes=st.lists(st.tuples(rules, st.integers(1, 40)), min_size=1, max_size=6),
)
@example(
    moment=datetime(2026, 11, 23, tzinfo=UTC),
    changes=[
        (WindowRule(unit="day", time_zone="Asia/Seoul", settle_minutes=0, lookback_days=3), 24),
        (WindowRule(unit="day", time_zone="Europe/Berlin", settle_minutes=0, lookback_days=3), 30),
        (WindowRule(unit="hour", time_zone="UTC", settle_minutes=0, lookback_days=3), 1),
    ],
)
def test_a_change_of_zone_or_unit_opens_neither_gap_nor_overlap(
    moment: datetime, changes: list[tuple[WindowRule, int]]
) -> None:
    source, now = Planned(), moment
    for rule, hours in changes:
        now += timedelta(hours=hours)
        windows = source.plan(rule, now)
        assert follow_each_other(windows)
        newest = newest_window(rule.unit, zone_named(rule.time_zone), ended_by=now)
        assert newest.to_ms <= max(window.to_ms for window in source.recorded)
        assert follow_each_other(source.recorded)


@given(moment=moments, before=rules, after=rules, written=st.integers(0, 50))
def test_a_plan_that_is_cut_and_tried_again_has_the_same_windows(
    moment: datetime, before: WindowRule, after: WindowRule, written: int
) -> None:
    source = Planned()
    source.plan(before, moment)
    now = moment + timedelta(hours=30)
    first = source.plan(after, now, upto=written)
    assert source.plan(after, now) == first


def test_the_next_window_begins_where_the_ledgers_last_one_ended() -> None:
    source = Planned()
    seoul = WindowRule(unit="day", time_zone="Asia/Seoul", settle_minutes=0, lookback_days=1)
    berlin = WindowRule(unit="day", time_zone="Europe/Berlin", settle_minutes=0, lookback_days=2)
    [last] = source.plan(seoul, datetime(2026, 11, 22, 15, tzinfo=UTC))
    windows = source.plan(berlin, datetime(2026, 11, 23, 23, tzinfo=UTC))
    assert windows[0] == last
    assert [(each.from_ms, each.to_ms) for each in windows[1:]] == [
        (last.to_ms, ms("2026-11-22T23:00:00Z")),
        (ms("2026-11-22T23:00:00Z"), ms("2026-11-23T23:00:00Z")),
    ]


def test_without_a_record_windows_are_those_of_the_rule() -> None:
    days = windows_of_date("day", BERLIN, date(2026, 11, 22))
    assert as_recorded(days, []) == days
    assert as_recorded([], days) == []


def test_halves_of_a_recorded_window_and_a_plan_by_a_wrong_rule_move_nothing() -> None:
    days = [
        window
        for day in (20, 21, 22)
        for window in windows_of_date("day", BERLIN, date(2026, 11, day))
    ]
    middle_ms = (days[0].from_ms + days[0].to_ms) // 2
    halves = [
        Window(from_ms=days[0].from_ms, to_ms=middle_ms),
        Window(from_ms=middle_ms, to_ms=days[0].to_ms),
    ]
    wrong = windows_of_date("day", SEOUL, date(2026, 11, 22))
    assert as_recorded(days, [*halves, *wrong, *days]) == days


def test_what_only_touches_the_time_of_a_plan_adds_no_window_to_it() -> None:
    before, day, after = (
        window
        for day in (20, 21, 22)
        for window in windows_of_date("day", BERLIN, date(2026, 11, day))
    )
    assert as_recorded([day], [before, after]) == [day]


def test_a_recorded_window_of_another_rule_stays_and_is_due_once_it_has_settled() -> None:
    source = Planned()
    seoul = WindowRule(unit="day", time_zone="Asia/Seoul", settle_minutes=0, lookback_days=2)
    [*_, last] = source.plan(seoul, datetime(2026, 11, 22, 15, tzinfo=UTC))
    hours = WindowRule(unit="hour", time_zone="UTC", settle_minutes=0, lookback_days=1)
    early = source.plan(hours, datetime(2026, 11, 22, 12, tzinfo=UTC))
    late = source.plan(hours, datetime(2026, 11, 22, 16, tzinfo=UTC))
    assert last not in early
    assert late[-2:] == [
        last,
        Window(from_ms=last.to_ms, to_ms=ms("2026-11-22T16:00:00Z")),
    ]
    assert follow_each_other(late)


def test_more_windows_than_a_plan_may_have_are_its_newest_ones_or_refused_by_date() -> None:
    rule = WindowRule(unit="hour", time_zone="UTC")
    hours = [Window(from_ms=at, to_ms=at + 1) for at in range(MAX_WINDOWS + 2)]
    assert not_too_many(request(rule), hours) == hours[2:]
    with pytest.raises(PlanRefusedError, match="4002 windows in the ledger"):
        not_too_many(request(rule, collect_from="2026-01-01"), hours)
