"""Times as people type them: a date, a time, ``yesterday``, or ``-2h``."""

import re
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from logferry.errors import ConfigError
from logferry_contracts.message import epoch_ms
from logferry_contracts.zones import zone_named

_AGO = re.compile(r"-([0-9]{1,6})(s|m|h|d|w)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAYS_AGO = {"today": 0, "yesterday": 1}
_FORMS = "such as 2026-11-21, 2026-11-21T09:12, 2026-11-21T09:12:00.500Z, yesterday, now or -2h"


def time_given(option: Literal["--from", "--to"], text: str, zone: ZoneInfo, now: datetime) -> int:
    """Return a time in milliseconds since 1970.

    Args:
        option: Which end of a time it is. A date is its first millisecond as the beginning, and the
            one after its last as the exclusive end.
        text: What was said for it.
        zone: Whose days they are, and whose clock where the text names none.
        now: Aware.

    Raises:
        ConfigError: It is no time.
    """
    if text == "now":
        return epoch_ms(now)
    try:
        if (ago := _AGO.fullmatch(text)) is not None:
            return epoch_ms(now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]]))
        if (on := _date(text, zone, now)) is not None:
            day = on if option == "--from" else on + timedelta(days=1)
            return epoch_ms(datetime(day.year, day.month, day.day, tzinfo=zone))
        at = datetime.fromisoformat(text)
        return epoch_ms(at if at.tzinfo else at.replace(tzinfo=zone))
    except (ValueError, OverflowError) as error:
        raise ConfigError("the times", [f"{option} {text}: {error}: {_FORMS}"]) from error


def zone_given(name: str) -> ZoneInfo:
    """Return the zone of ``--time-zone``.

    Raises:
        ConfigError: There is none of this name.
    """
    try:
        return zone_named(name)
    except ValueError as error:
        raise ConfigError("--time-zone", [str(error)]) from error


def _date(text: str, zone: ZoneInfo, now: datetime) -> date | None:
    """Return the date that was meant; None where it is a time."""
    if text in _DAYS_AGO:
        return now.astimezone(zone).date() - timedelta(days=_DAYS_AGO[text])
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
