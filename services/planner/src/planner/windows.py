"""The windows of a source: days and hours of an IANA time zone, as ranges of UTC milliseconds.

Windows are half-open and follow each other without gap or overlap, through every change of the
clock: one window's end is the next one's start. They also follow those that the ledger has, through
every change of the zone's rules, and of a source's zone or unit.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from logferry_contracts import zones
from logferry_contracts.message import epoch_ms
from logferry_contracts.plan_request import PlanRequestData
from logferry_contracts.window import Window
from planner.errors import PlanRefusedError

MAX_WINDOWS = 4000
"""Of one plan. PlanCompleted names them all, and an SNS message has 256 KiB.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

_FIRST_DATE = date(1970, 1, 2)
"""The first date that starts after the epoch in every time zone; AWS's times are not negative."""
_DAY = timedelta(days=1)
_HOURS = range(24)
_DATES_LOOKED_AT = 3
"""Today, of which only hours can be over; yesterday; and one more, as yesterday may never have
been: Samoa went from 29 to 31 December 2011."""


def is_explicit(request: PlanRequestData) -> bool:
    """Return whether a request names the dates to plan, instead of asking for what is due."""
    return request.collect_date is not None or request.collect_from is not None


def due_windows(
    request: PlanRequestData,
    *,
    now: datetime,
    default_settle: timedelta,
    default_lookback_days: int,
) -> list[Window]:
    """Return the windows to plan, oldest first; a window follows the one before without a gap.

    Without dates those are the newest window that is due and the ones before it, as far as the
    lookback reaches: N calendar days on the zone's clock. With dates, all due windows of these
    dates. A window is due once its end and the settle time after it have passed.

    Raises:
        PlanRefusedError: The time zone is unknown; a date is not over, or is before 1970-01-02;
            the range is reversed or incomplete; or there are more windows than one plan may have.
    """
    rule = request.window_rule
    zone = zone_named(rule.time_zone)
    settled = now - settle_of(request, default=default_settle)
    dates = _dates_asked_for(request, zone, now=now, settled=settled)
    if dates is not None:
        first, last = dates
        field = "collect_date" if request.collect_date else "collect_from"
        _refuse_too_many(field, str(first), rule.unit, (last - first).days + 1)
        return _ended(_windows_of_dates(rule.unit, zone, first, last), by=settled)
    days = rule.lookback_days or default_lookback_days
    _refuse_too_many("lookback_days", str(days), rule.unit, days)
    return _looked_back(rule.unit, zone, newest_window(rule.unit, zone, ended_by=settled), days)


def as_recorded(due: Sequence[Window], recorded: Iterable[Window]) -> list[Window]:
    """Return the windows of the same time, or more, that continue those of the ledger.

    A window that the ledger has stays as it is, whatever the rule says today; what lies between
    those is cut by the rule. So a change of the zone's rules, or of the zone or unit that is asked
    for, opens neither gap nor overlap: the next window begins where the ledger's last one ended.

    Args:
        due: The windows of today's rule, which follow each other; oldest first.
        recorded: What the ledger has of their time and the days before: also halves of windows,
            and what a change has left overlapping up to 0.2.0.
    """
    if not due:
        return []
    from_ms, to_ms = due[0].from_ms, due[-1].to_ms
    kept = [each for each in _kept(due, recorded) if each.from_ms < to_ms and from_ms < each.to_ms]
    starts = [each.from_ms for each in kept]
    edges = {edge for each in kept for edge in (each.from_ms, each.to_ms)}
    for edge in (from_ms, *(window.to_ms for window in due)):
        before = bisect_left(starts, edge) - 1
        if before < 0 or kept[before].to_ms <= edge:
            edges.add(edge)
    return [Window(from_ms=start, to_ms=end) for start, end in pairwise(sorted(edges))]


def not_too_many(request: PlanRequestData, windows: list[Window]) -> list[Window]:
    """Return the windows, or the newest ones where another rule has left too many in a lookback.

    Raises:
        PlanRefusedError: The dates that the request names have more than one plan may have.
    """
    if len(windows) > MAX_WINDOWS and is_explicit(request):
        named = request.collect_date or request.collect_from or ""
        raise PlanRefusedError(
            "collect_from",
            named,
            f"has {len(windows)} windows in the ledger, and a plan at most {MAX_WINDOWS}",
        )
    return windows[-MAX_WINDOWS:]


def settle_of(request: PlanRequestData, *, default: timedelta) -> timedelta:
    """Return how long after its end a window is due."""
    minutes = request.window_rule.settle_minutes
    return default if minutes is None else timedelta(minutes=minutes)


def overdue(
    unplanned: Sequence[Window], due: Sequence[Window], *, settle: timedelta, at: datetime
) -> timedelta:
    """Return for how long the oldest window that no run has planned has been due; zero for none.

    The first plan of a source finds that none of its windows have been planned, which is no gap:
    then the newest one alone counts.

    Args:
        unplanned: Of those that are due, oldest first.
        due: All of them.
        settle: How long after its end a window is due.
        at: When the plan began.
    """
    if not unplanned:
        return timedelta(0)
    oldest = unplanned[-1] if len(unplanned) == len(due) else unplanned[0]
    return at - settle - oldest.end


def newest_window(unit: Literal["day", "hour"], zone: ZoneInfo, *, ended_by: datetime) -> Window:
    """Return the newest window whose end is not after ``ended_by``."""
    today = ended_by.astimezone(zone).date()
    first = today - (_DATES_LOOKED_AT - 1) * _DAY
    return _ended(_windows_of_dates(unit, zone, first, today), by=ended_by)[-1]


def windows_of_date(unit: Literal["day", "hour"], zone: ZoneInfo, day: date) -> list[Window]:
    """Return the windows that together are one date of the zone, oldest first.

    A date is 23 or 25 hours long, or another length, where the clock changes. A new hour begins
    whenever the clock shows a full one of that date: twice for an hour that is repeated, never
    for one that is left out. Empty for a date that the zone left out as a whole.
    """
    from_ms = _start_of(zone, day)
    to_ms = _start_of(zone, day + _DAY)
    within = _full_hours(zone, day) if unit == "hour" else set()
    edges = sorted({from_ms, to_ms} | {ms for ms in within if from_ms < ms < to_ms})
    return [Window(from_ms=start, to_ms=end) for start, end in pairwise(edges)]


def date_path(window: Window, zone: ZoneInfo) -> str:
    """Return when a window starts on the zone's clock, as a path such as ``2026/11/22/00``."""
    return f"{window.start.astimezone(zone):%Y/%m/%d/%H}"


def day_of(window: Window, zone: ZoneInfo) -> str:
    """Return the date on which a window starts on the zone's clock, such as ``2026-11-22``."""
    return f"{window.start.astimezone(zone):%Y-%m-%d}"


def zone_named(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        PlanRefusedError: There is no such zone.
    """
    try:
        return zones.zone_named(name)
    except ValueError as error:
        raise PlanRefusedError("time_zone", name, "is not an IANA time zone") from error


def _kept(due: Sequence[Window], recorded: Iterable[Window]) -> list[Window]:
    """Return recorded windows without overlap, oldest first.

    Those of the rule come first, so that a plan by a wrong rule moves no other; then a whole comes
    before its halves, which begin with it or after.
    """
    of_rule = set(due)
    kept: list[Window] = []
    for window in sorted(
        recorded, key=lambda each: (each not in of_rule, each.from_ms, -each.to_ms)
    ):
        place = bisect_left(kept, window.from_ms, key=lambda each: each.from_ms)
        follows = place == 0 or kept[place - 1].to_ms <= window.from_ms
        if follows and (place == len(kept) or window.to_ms <= kept[place].from_ms):
            kept.insert(place, window)
    return kept


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


def _looked_back(
    unit: Literal["day", "hour"], zone: ZoneInfo, newest: Window, days: int
) -> list[Window]:
    """Return the windows that end later than the newest one's end, moved back by some days."""
    end = newest.end.astimezone(zone)
    # The clock's own arithmetic: the same time of day, whatever the clock did in between. A zone
    # that left a date out has the moved end where the newest window ends, or even after.
    moved_back = epoch_ms((end.replace(fold=0) - days * _DAY).astimezone(UTC))
    after_ms = min(moved_back, newest.from_ms)
    first = max(_FIRST_DATE, end.date() - (days + 1) * _DAY)
    windows = _windows_of_dates(unit, zone, first, end.date())
    return [window for window in windows if after_ms < window.to_ms <= newest.to_ms]


def _windows_of_dates(
    unit: Literal["day", "hour"], zone: ZoneInfo, first: date, last: date
) -> Iterator[Window]:
    for back in range((last - first).days + 1):
        yield from windows_of_date(unit, zone, first + back * _DAY)


def _ended(windows: Iterable[Window], *, by: datetime) -> list[Window]:
    by_ms = epoch_ms(by)
    return [window for window in windows if window.to_ms <= by_ms]


def _dates_asked_for(
    request: PlanRequestData, zone: ZoneInfo, *, now: datetime, settled: datetime
) -> tuple[date, date] | None:
    """Return the first and the last date of a request that names dates; both are included."""
    if request.collect_date is not None:
        if request.collect_from is not None or request.collect_to is not None:
            raise PlanRefusedError(
                "collect_date", request.collect_date, "excludes collect_from and collect_to"
            )
        day = _date_that_is_over("collect_date", request.collect_date, zone, now)
        return day, day
    if request.collect_from is None:
        if request.collect_to is not None:
            raise PlanRefusedError("collect_to", request.collect_to, "needs collect_from")
        return None
    first = _date_that_is_over("collect_from", request.collect_from, zone, now)
    if request.collect_to is None:
        return first, max(first, settled.astimezone(zone).date())
    last = _date_that_is_over("collect_to", request.collect_to, zone, now)
    if last < first:
        raise PlanRefusedError(
            "collect_from", request.collect_from, f"is after collect_to {request.collect_to}"
        )
    return first, last


def _date_that_is_over(field: str, text: str, zone: ZoneInfo, now: datetime) -> date:
    day = date.fromisoformat(text)
    if day >= now.astimezone(zone).date():
        raise PlanRefusedError(field, text, f"is not over yet in {zone.key}")
    if day < _FIRST_DATE:
        raise PlanRefusedError(field, text, f"is before {_FIRST_DATE}")
    return day


def _refuse_too_many(field: str, value: str, unit: Literal["day", "hour"], days: int) -> None:
    windows = days * (1 if unit == "day" else len(_HOURS))
    if windows > MAX_WINDOWS:
        raise PlanRefusedError(
            field, value, f"makes {windows} windows of a plan, which has at most {MAX_WINDOWS}"
        )
