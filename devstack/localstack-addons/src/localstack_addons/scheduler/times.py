"""When EventBridge Scheduler's schedules are due: knows neither LocalStack nor the clock.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import calendar
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOG = logging.getLogger(__name__)

MOMENT = timedelta(microseconds=1)

LAST_DAY = date(2199, 12, 31)
"""The last year a cron expression can name.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based"""

MAX_CHARACTERS = 256
"""https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html"""

_EVER = datetime(1970, 1, 1, tzinfo=UTC)

MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}

type DayRule = Callable[[date], bool]


class ScheduleError(ValueError):
    """An expression that AWS does not know: the schedule is never due."""


@dataclass(frozen=True)
class Schedule:
    """What decides when a schedule is due.

    Attributes:
        arn: Which schedule it is.
        expression: `rate(...)`, `cron(...)` or `at(...)`.
        zone: The name of the time zone that cron and at are in.
        modified: When it was created or last updated.
        start: Not due before it; for a rate, the first time it is due.
        end: Not due after it; None for never ending.
        enabled: Whether it is due at all.
    """

    arn: str
    expression: str
    zone: str
    modified: datetime
    start: datetime
    end: datetime | None = None
    enabled: bool = True

    def next_due(self, after: datetime) -> datetime | None:
        """When it is due for the first time after a moment; None for never again.

        Raises:
            ScheduleError: the expression or the time zone is none.
        """
        try:
            zone = ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ScheduleError(f"not a time zone: {self.zone}") from error
        kind, opening, argument = self.expression.partition("(")
        if not (opening and argument.endswith(")")):
            raise ScheduleError(f"not a schedule expression: {self.expression}")
        argument = argument.removesuffix(")")
        match kind:
            case "at":
                found = _at(argument, zone, after)
            case "rate":
                found = _rate(argument, self.start, after)
            case "cron":
                found = _cron(argument, zone, max(after, self.start - MOMENT))
            case _:
                raise ScheduleError(f"not a schedule expression: {self.expression}")
        return None if found and self.end and found > self.end else found


def check(expression: str) -> None:
    """Look whether AWS takes an expression.

    Raises:
        ScheduleError: It does not, or the schedule would never be due.
    """
    schedule = Schedule("", expression, "UTC", modified=_EVER, start=_EVER)
    if len(expression) > MAX_CHARACTERS or schedule.next_due(_EVER) is None:
        raise ScheduleError(f"never due: {expression}")


class Timetable:
    """When each of the schedules that there are is due next."""

    def __init__(self) -> None:
        self._next: dict[str, tuple[Schedule, datetime | None]] = {}

    def due(self, schedules: Iterable[Schedule], now: datetime) -> list[tuple[Schedule, datetime]]:
        """Those that have become due since the last time this was asked, and when.

        `schedules` are all there are: one that is missing is forgotten, one that differs from the
        last time is due by what it says now. One that AWS would not have taken is never due.
        """
        before, self._next = self._next, {}
        found = []
        for schedule in schedules:
            known, due = before.get(schedule.arn, (None, None))
            if known != schedule:
                due = _first_due(schedule)
            if due and due <= now:
                if schedule.enabled:
                    found.append((schedule, due))
                due = schedule.next_due(now)
            self._next[schedule.arn] = (schedule, due)
        return found

    def completed(self, schedule: Schedule) -> bool:
        """Whether it will never be due again."""
        return self._next.get(schedule.arn) == (schedule, None)


def _first_due(schedule: Schedule) -> datetime | None:
    try:
        return schedule.next_due(schedule.modified - MOMENT)
    except ScheduleError as error:
        LOG.warning("%s is never due: %s", schedule.arn, error)
        return None


def _at(text: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", text):
        raise ScheduleError(f"not a date and time: {text}")
    try:
        due = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
    except ValueError as error:
        raise ScheduleError(f"not a date and time: {text}") from error
    return due if due > after else None


def _rate(text: str, start: datetime, after: datetime) -> datetime:
    found = re.fullmatch(r"([1-9][0-9]*) (minute|hour|day)(s?)", text)
    if not found or (found[1] != "1" and not found[3]):
        raise ScheduleError(f"not a rate: {text}")
    step = int(found[1]) * UNITS[found[2]]
    if after < start:
        return start
    return start + ((after - start) // step + 1) * step


def _cron(text: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    fields = text.split()
    if len(fields) != 6:  # noqa: PLR2004  minutes hours day-of-month month day-of-week year
        raise ScheduleError(f"a cron expression has six fields: {text}")
    minutes = sorted(_values(fields[0], 0, 59))
    hours = sorted(_values(fields[1], 0, 23))
    is_day = _day_rule(*fields[2:])
    for day in _days_from(after.astimezone(zone).date()):
        if is_day(day):
            times = (time(hour, minute) for hour in hours for minute in minutes)
            for due in _instants(day, times, zone):
                if due > after:
                    return due
    return None


def _days_from(day: date) -> Iterator[date]:
    while day <= LAST_DAY:
        yield day
        day += timedelta(days=1)


def _instants(day: date, times: Iterable[time], zone: ZoneInfo) -> Iterator[datetime]:
    """The instants of wall-clock times: one that a change of the clocks skips has none, one that it
    repeats has the first.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time
    """  # noqa: D205  one sentence
    for wall_time in times:
        instant = datetime.combine(day, wall_time, zone).astimezone(UTC)
        if instant.astimezone(zone).time() == wall_time:
            yield instant


def _day_rule(day_of_month: str, month: str, day_of_week: str, year: str) -> DayRule:
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ScheduleError("either day-of-month or day-of-week has to be ?")
    months = _values(month, 1, 12, MONTHS)
    years = _values(year, 1970, LAST_DAY.year)
    in_month = _month_day_rule(day_of_month) if day_of_week == "?" else _week_day_rule(day_of_week)
    return lambda day: day.month in months and day.year in years and in_month(day)


def _month_day_rule(text: str) -> DayRule:
    if text == "L":
        return lambda day: day.day == _days_in_month(day)
    if nearest := re.fullmatch(r"([0-9]+)W", text):
        _values(nearest[1], 1, 31)
        return lambda day: day.day == _nearest_workday(day, int(nearest[1]))
    days = _values(text, 1, 31)
    return lambda day: day.day in days


def _week_day_rule(text: str) -> DayRule:
    if nth := re.fullmatch(r"(\w+)#([1-5])", text):
        (weekday,) = _values(nth[1], 1, 7, WEEKDAYS)
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 == int(nth[2]) - 1
    if last := re.fullmatch(r"(\w+)L", text):
        (weekday,) = _values(last[1], 1, 7, WEEKDAYS)
        return lambda day: _weekday(day) == weekday and day.day > _days_in_month(day) - 7
    if text == "L":
        text = "SAT"
    if "/" in text:
        raise ScheduleError(f"a day of the week has no steps: {text}")
    weekdays = _values(text, 1, 7, WEEKDAYS)
    return lambda day: _weekday(day) in weekdays


def _weekday(day: date) -> int:
    """1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1


def _days_in_month(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_workday(month: date, wanted: int) -> int:
    """The Monday to Friday nearest to a day of the month, without leaving the month."""
    last = _days_in_month(month)
    wanted = min(wanted, last)
    match month.replace(day=wanted).isoweekday():
        case 6:
            return wanted - 1 if wanted > 1 else wanted + 2
        case 7:
            return wanted + 1 if wanted < last else wanted - 2
        case _:
            return wanted


def _values(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """The numbers that a field such as `*`, `1,15`, `MON-FRI` or `0/5` means."""
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            bounds = (low, high)
        else:
            begin = _number(first, names)
            bounds = (begin, _number(last, names) if dash else high if slash else begin)
        if not low <= bounds[0] <= bounds[1] <= high or (
            slash and not re.fullmatch("[1-9][0-9]*", step)
        ):
            raise ScheduleError(f"not between {low} and {high}: {part}")
        values.update(range(bounds[0], bounds[1] + 1, int(step) if slash else 1))
    return frozenset(values)


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text.upper() in names:
        return names[text.upper()]
    if not re.fullmatch("[0-9]+", text):
        raise ScheduleError(f"not a number: {text}")
    return int(text)
