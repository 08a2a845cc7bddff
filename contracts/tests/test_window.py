"""Windows and their times."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logferry_contracts.message import epoch_ms, from_epoch_ms
from logferry_contracts.window import Window

LAST_MS = 253_402_300_799_999
MILLISECOND = timedelta(milliseconds=1)


def test_a_window_has_its_edges_as_times_in_utc() -> None:
    window = Window(from_ms=1795215600000, to_ms=1795302000001)

    assert window.start == datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert window.end == datetime(2026, 11, 21, 23, 0, 0, 1000, tzinfo=UTC)
    assert window.start.tzinfo is window.end.tzinfo is UTC


@given(from_ms=st.integers(0, LAST_MS - 1), length_ms=st.integers(1, LAST_MS))
@example(from_ms=0, length_ms=LAST_MS)
def test_a_window_is_the_one_between_its_edges(from_ms: int, length_ms: int) -> None:
    window = Window(from_ms=from_ms, to_ms=min(from_ms + length_ms, LAST_MS))

    assert Window.between(window.start, window.end) == window


def test_a_window_lies_between_times_of_any_zone() -> None:
    zone = ZoneInfo("Asia/Seoul")
    start, end = datetime(2026, 11, 21, tzinfo=zone), datetime(2026, 11, 22, tzinfo=zone)

    assert Window.between(start, end) == Window.between(start.astimezone(UTC), end.astimezone(UTC))


@pytest.mark.parametrize("length", [timedelta(0), -MILLISECOND, timedelta(microseconds=999)])
def test_no_window_lies_between_times_that_are_not_a_millisecond_apart(length: timedelta) -> None:
    start = datetime(2026, 11, 21, tzinfo=UTC)

    with pytest.raises(ValueError, match="is not before"):
        Window.between(start, start + length)


@given(at_ms=st.integers(-62_135_596_800_000, LAST_MS))
def test_milliseconds_of_the_epoch_are_a_time_and_back(at_ms: int) -> None:
    assert epoch_ms(from_epoch_ms(at_ms)) == at_ms


@given(at=st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_rounded_down_to_its_millisecond(at: datetime) -> None:
    assert timedelta(0) <= at - from_epoch_ms(epoch_ms(at)) < MILLISECOND


def test_halves_of_halves_are_parts_of_a_window_and_others_are_not() -> None:
    day = Window(from_ms=1_795_215_600_000, to_ms=1_795_302_000_000)
    first, second = day.halves or (day, day)
    assert (first.from_ms, first.to_ms, second.to_ms) == (day.from_ms, second.from_ms, day.to_ms)
    third, fourth = second.halves or (day, day)
    assert all(each.is_part_of(day) for each in (first, second, third, fourth))
    assert third.is_part_of(second)
    assert not third.is_part_of(first)
    assert not day.is_part_of(day)
    assert not day.is_part_of(first)
    hour = Window(from_ms=day.from_ms, to_ms=day.from_ms + 3_600_000)
    assert not hour.is_part_of(day)
    assert Window(from_ms=7, to_ms=8).halves is None
