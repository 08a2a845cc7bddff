"""The windows of a source: days and hours of an IANA time zone, as ranges of UTC milliseconds.

Windows are half-open and follow each other without gap or overlap, through every change of the
clock: one window's end is the next one's start.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logferry_contracts.window import Window, WindowRule
from planner.errors import PlanRefusedError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DATE = date(1970, 1, 2)
"""The first date that starts after the epoch in every time zone; AWS's times are not negative."""
_HOURS = range(24)
_DATES_LOOKED_AT = 3
"""Today, of which only hours can be over; yesterday; and one more, as yesterday may never have
been: Samoa went from 29 to 31 December 2011."""


def due_windows(
    rule: WindowRule, collect_date: str | None, *, now: datetime, default_settle: timedelta
) -> list[Window]:
    """Return the windows to plan, oldest first.

    Without ``collect_date`` that is the newest window that is due; with it, such as
    ``2026-11-22``, every window of that date that is due. A window is due once its end and the
    settle time after it have passed.

    Raises:
        PlanRefusedError: The time zone is unknown; or ``collect_date`` is not over, or is
            before 1970-01-02.
    """
    zone = zone_named(rule.time_zone)
    settle = (
        default_settle if rule.settle_minutes is None else timedelta(minutes=rule.settle_minutes)
    )
    settled = now - settle
    if collect_date is None:
        return [newest_window(rule.unit, zone, ended_by=settled)]
    day = _date_that_is_over(collect_date, zone, now)
    return _ended(windows_of_date(rule.unit, zone, day), by=settled)


def newest_window(unit: Literal["day", "hour"], zone: ZoneInfo, *, ended_by: datetime) -> Window:
    """Return the newest window whose end is not after ``ended_by``."""
    today = ended_by.astimezone(zone).date()
    dates = (today - timedelta(days=back) for back in reversed(range(_DATES_LOOKED_AT)))
    candidates = [window for day in dates for window in windows_of_date(unit, zone, day)]
    return _ended(candidates, by=ended_by)[-1]


def windows_of_date(unit: Literal["day", "hour"], zone: ZoneInfo, day: date) -> list[Window]:
    """Return the windows that together are one date of the zone, oldest first.

    A date is 23 or 25 hours long, or another length, where the clock changes. A new hour begins
    whenever the clock shows a full one of that date: twice for an hour that is repeated, never
    for one that is left out. Empty for a date that the zone left out as a whole.
    """
    from_ms = _start_of(zone, day)
    to_ms = _start_of(zone, day + timedelta(days=1))
    within = _full_hours(zone, day) if unit == "hour" else set()
    edges = sorted({from_ms, to_ms} | {ms for ms in within if from_ms < ms < to_ms})
    return [Window(from_ms=start, to_ms=end) for start, end in pairwise(edges)]


def date_path(window: Window, zone: ZoneInfo) -> str:
    """Return when a window starts on the zone's clock, as a path such as ``2026/11/22/00``."""
    start = _EPOCH + timedelta(milliseconds=window.from_ms)
    return f"{start.astimezone(zone):%Y/%m/%d/%H}"


def zone_named(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        PlanRefusedError: There is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PlanRefusedError("time_zone", name, "is not an IANA time zone") from error


def epoch_ms(at: datetime) -> int:
    """Return an aware time as milliseconds since the epoch, rounded down."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _start_of(zone: ZoneInfo, day: date) -> int:
    """Return the instant at which a date begins: its midnight, or its first one of two.

    Where the clock skips midnight, zoneinfo takes the offset from before the change (fold 0),
    which gives the instant of the change. https://peps.python.org/pep-0495/
    """
    return epoch_ms(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))


def _full_hours(zone: ZoneInfo, day: date) -> set[int]:
    """Return every instant at which the clock shows a full hour of the date."""
    instants = set()
    for hour in _HOURS:
        for fold in (0, 1):
            shown = datetime(day.year, day.month, day.day, hour, tzinfo=zone, fold=fold)
            instant = shown.astimezone(UTC)
            if instant.astimezone(zone).replace(tzinfo=None) == shown.replace(tzinfo=None):
                instants.add(epoch_ms(instant))
    return instants


def _ended(windows: Iterable[Window], *, by: datetime) -> list[Window]:
    by_ms = epoch_ms(by)
    return [window for window in windows if window.to_ms <= by_ms]


def _date_that_is_over(text: str, zone: ZoneInfo, now: datetime) -> date:
    day = date.fromisoformat(text)
    if day >= now.astimezone(zone).date():
        raise PlanRefusedError("collect_date", text, f"is not over yet in {zone.key}")
    if day < _FIRST_DATE:
        raise PlanRefusedError("collect_date", text, f"is before {_FIRST_DATE}")
    return day
