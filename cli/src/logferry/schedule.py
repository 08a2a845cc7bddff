"""EventBridge Scheduler's expressions, as its pages say what they are.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html

The Terraform module has `PATTERN` as its own; what a pattern cannot see is checked after it.
"""

import re
from datetime import datetime
from itertools import pairwise

MAX_CHARACTERS = 256
"""https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html"""


def _list_of(value: str, *, steps: bool = True) -> str:
    """Return the pattern of `*`, values and ranges, with commas between them."""
    step = "(/[1-9][0-9]*)?" if steps else ""
    part = rf"(\*|{value}(-{value})?){step}"
    return f"{part}(,{part})*"


_DAY = "(0?[1-9]|[12][0-9]|3[01])"
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_WEEKDAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_WEEKDAY = f"([1-7]|(?i:{_WEEKDAYS}))"
_FIELDS = {
    "minutes": _list_of("[0-5]?[0-9]"),
    "hours": _list_of("([01]?[0-9]|2[0-3])"),
    "day of month": rf"L|{_DAY}W|{_list_of(_DAY)}",
    "month": _list_of(f"(0?[1-9]|1[0-2]|(?i:{_MONTHS}))"),
    "day of week": rf"L|{_WEEKDAY}L|{_WEEKDAY}#[1-5]|{_list_of(_WEEKDAY, steps=False)}",
    "year": _list_of("(19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9])"),
}
"""Of cron, in their order; one of the days is ? instead."""
_DAYS = (
    rf"(({_FIELDS['day of month']}) +({_FIELDS['month']}) +\?"
    rf"|\? +({_FIELDS['month']}) +({_FIELDS['day of week']}))"
)
_RATE = r"rate\((1 (minute|hour|day)s?|([2-9]|[1-9][0-9]+) (minute|hour|day)s)\)"
_AT = (
    r"at\([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\)"
)
_CRON = rf"cron\({_FIELDS['minutes']} +{_FIELDS['hours']} +{_DAYS} +{_FIELDS['year']}\)"
PATTERN = f"^({_RATE}|{_AT}|{_CRON})$"
"""In the syntax that Python and Terraform have in common."""

_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NUMBERS = {
    **{name: number for number, name in enumerate(_MONTHS.split("|"), 1)},
    **{name: number for number, name in enumerate(_WEEKDAYS.split("|"), 1)},
}


def problem_of(expression: str) -> str | None:
    """Return why EventBridge Scheduler has no use for an expression; None where it has."""
    if len(expression) > MAX_CHARACTERS:
        return f"longer than {MAX_CHARACTERS} characters"
    found = re.fullmatch(r"(cron|rate|at)\((.*)\)", expression)
    if found is None:
        return "not cron(...), rate(...) or at(...)"
    if found[1] == "cron":
        return _cron_problem(found[2].split(" "))
    if re.fullmatch(PATTERN, expression) is None:
        return (
            "not rate(<whole number from 1> <minutes, hours or days>)"
            if found[1] == "rate"
            else "not at(yyyy-mm-ddThh:mm:ss), which is in schedule_time_zone"
        )
    return _date_problem(found[2]) if found[1] == "at" else None


def _date_problem(text: str) -> str | None:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        return f"not a date: {error}"
    return None


def _cron_problem(split: list[str]) -> str | None:
    texts = [text for text in split if text]
    if len(texts) != len(_FIELDS):
        return f"cron needs {len(_FIELDS)} fields: minutes hours day month weekday year"
    fields = dict(zip(_FIELDS, texts, strict=True))
    days = [name for name in ("day of month", "day of week") if fields[name] != "?"]
    if len(days) != 1:
        return "cron needs a ? for the day of month or the day of week, and not for both"
    for name in ("minutes", "hours", *days, "month", "year"):
        text = fields[name]
        if re.fullmatch(_FIELDS[name], text) is None:
            return f"cron has no {name} {text}"
        if _is_backwards(text):
            return f"cron's {name} {text} ends before it begins"
    return _never(fields)


def _is_backwards(text: str) -> bool:
    ranges = (part.partition("/")[0].split("-") for part in text.split(","))
    return any(_number(a) > _number(b) for each in ranges for a, b in pairwise(each))


def _never(fields: dict[str, str]) -> str | None:
    """Return why a day of month never comes: the month is too short, in every year."""
    days, months = fields["day of month"], fields["month"]
    if "*" in months or "/" in months or not days.replace(",", "").isdigit():
        return None
    if min(map(int, days.split(","))) > max(map(_longest, months.split(","))):
        return f"cron's day {days} never comes in month {months}"
    return None


def _longest(months: str) -> int:
    """Return how many days the longest month of a range has."""
    first, _, last = months.partition("-")
    return max(_LONGEST_MONTHS[_number(first) - 1 : _number(last or first)])


def _number(text: str) -> int:
    return _NUMBERS.get(text.upper()) or int(text)
