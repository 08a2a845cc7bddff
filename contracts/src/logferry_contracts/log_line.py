"""What CloudWatch Logs writes into the archive: lines, of which an event's first has its time.

A line ends with a newline and with nothing else, as a message may hold a carriage return. What
begins without a time goes on with the message before it.
"""

import re
from datetime import datetime

from logferry_contracts.message import epoch_ms, from_epoch_ms, timestamp

STAMP_LENGTH = len("2026-11-22T06:00:00.000Z")

POINTER = b"@ptr.$["
"""Stands in a line for content that CloudWatch Logs keeps elsewhere, as an event was too long.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogObject.html"""

_DATE_LENGTH = len("2026-11-22")
_STAMP = (
    "[1-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9][0-9][0-9]Z"
)
_BEGINS = re.compile(f"{_STAMP} ")
_BEGIN = re.compile(f"\n({_STAMP}) ".encode())


def begins_at_ms(line: str) -> int | None:
    """Return the time that a line begins with; None where a message goes on."""
    if not _BEGINS.match(line) or not _is_in_the_calendar(line):
        return None
    return stamp_ms(line[:STAMP_LENGTH])


def stamps_in(text: bytes) -> list[bytes]:
    """Return the times that lines begin with, such as ``b"2026-11-22T06:00:00.000Z"``.

    Compared as they are, they are in the order of time.

    Args:
        text: With the newline before each line. What is before the first one is not looked at.
    """
    found = _BEGIN.findall(text)
    # Nearly always all are of one date, and the calendar need be asked but once.
    if found and min(found)[:_DATE_LENGTH] == max(found)[:_DATE_LENGTH]:
        return found if _is_in_the_calendar(found[0].decode()) else []
    return [each for each in found if _is_in_the_calendar(each.decode())]


def stamp(at_ms: int) -> bytes:
    """Return a time as lines begin with it."""
    return timestamp(from_epoch_ms(at_ms)).encode()


def stamp_ms(text: str) -> int:
    """Return what a time that a line begins with is in milliseconds since 1970."""
    return epoch_ms(datetime.fromisoformat(text))


def _is_in_the_calendar(text: str) -> bool:
    """Whether there is such a day: the 30th of February is none."""
    try:
        datetime.fromisoformat(text[:_DATE_LENGTH])
    except ValueError:
        return False
    return True
