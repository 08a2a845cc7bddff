"""What CloudWatch Logs writes into the archive: lines, of which an event's first has its time.

A line ends with a newline and with nothing else, as a message may hold a carriage return. What
begins without a time goes on with the message before it.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import batched
from operator import add
from typing import NamedTuple

from logferry_contracts.message import epoch_ms, from_epoch_ms, timestamp

STAMP_LENGTH = len("2026-11-22T06:00:00.000Z")

POINTER = b"@ptr.$["
"""Stands in a line for content that CloudWatch Logs keeps elsewhere, as an event was too long.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogObject.html"""

_DATE_LENGTH = len("2026-11-22")
_MOST_SECONDS = 1024
_SECOND = "[1-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_MILLISECOND = r"\.[0-9][0-9][0-9]Z"
# What lines begin with is looked at for many at once: to match it line by line takes a fourth more.
_BEGIN = re.compile(rb"\n[^\n]{0,25}+")
_BEGIN_LENGTH = 1 + STAMP_LENGTH + 1
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_FORM = b"\n0000-00-00T00:00:00.000Z "
_TENS_OF_MINUTES, _TENS_OF_SECONDS = (slice(at, None, _BEGIN_LENGTH) for at in (15, 18))
_TENS = b"012345"
_BEGUN = re.compile(f"\n{_SECOND}{_MILLISECOND} ".encode())
STAMP_IN_BEGINNING = slice(1, 1 + STAMP_LENGTH)
_DATE = slice(1, 1 + _DATE_LENGTH)
_HOUR = slice(2 + _DATE_LENGTH, 4 + _DATE_LENGTH)
_LAST_HOUR = b"23"
_BEGINNING = re.compile(f"{_SECOND}{_MILLISECOND} ".encode())
_BETWEEN_EVENTS = re.compile(f"\n(?={_SECOND}{_MILLISECOND} )".encode())
_BEGIN_IN_TWO = re.compile(f"\n({_SECOND})({_MILLISECOND}) ")
_MILLISECONDS = {f".{ms:03d}Z": ms for ms in range(1000)}


class Begun(NamedTuple):
    """What begins in a text.

    Attributes:
        newlines: How many there are.
        beginnings: Of the lines that begin with a time: that, after a newline and before a space.
            Sorted as they are, they are in the order of time.
    """

    newlines: int
    beginnings: list[bytes]


def begun(text: bytes) -> Begun:
    """Return what lines begin with.

    Args:
        text: With the newline before each line. What is before the first one is not looked at.
    """
    found = _BEGIN.findall(text)
    newlines = len(found)
    if found and len(found[-1]) < _BEGIN_LENGTH:
        found.pop()  # the text ends before it is told what the line begins with
    found.sort()
    found = found[bisect_left(found, b"\n1") : bisect_left(found, b"\n:")]  # with a digit but 0
    if found and not _are_begun_on_a_day(found):
        found = [each for each in found if _BEGUN.match(each) and _is_day(each[_DATE])]
    return Begun(newlines, found)


def _are_begun_on_a_day(found: Sequence[bytes]) -> bool:
    """Whether all begin with a time of one day, as nearly always. No may also mean two days.

    Args:
        found: Sorted, so that they have the earliest and the latest date and hour at the ends.
    """
    text, last = b"".join(found), found[-1]
    return (
        text.translate(_DIGITS) == _FORM * len(found)
        and not (text[_TENS_OF_MINUTES] + text[_TENS_OF_SECONDS]).translate(None, _TENS)
        and found[0][_DATE] == last[_DATE]
        and last[_HOUR] <= _LAST_HOUR
        and _is_day(last[_DATE])
    )


class Parted(NamedTuple):
    """What a text has of events.

    Attributes:
        goes_on: Lines, with the newline before each, that go on with what was before the text.
        times_ms: When each event happened, in milliseconds since 1970.
        messages: What each has as its message.
    """

    goes_on: str
    times_ms: list[int]
    messages: list[str]


def parted(lines: str) -> Parted:
    """Take lines apart into events. The last one is without its newline."""
    goes_on, *found = _BEGIN_IN_TWO.split(f"\n{lines}")
    seconds, milliseconds, messages = found[::3], found[1::3], found[2::3]
    seconds_ms = list(map(_seconds_ms().__getitem__, seconds))
    if None in seconds_ms:
        return _parted_by_the_calendar(goes_on, found)
    times_ms = map(add, seconds_ms, map(_MILLISECONDS.__getitem__, milliseconds))
    return Parted(goes_on, list(times_ms), messages)


def _parted_by_the_calendar(text: str, found: Iterable[str]) -> Parted:
    """Put what begins with a day that there is not to what is before it."""
    texts, times_ms = [text], list[int]()
    for second, millisecond, message in batched(found, 3, strict=True):
        second_ms = _seconds_ms()[second]
        if second_ms is None:
            texts[-1] += f"\n{second}{millisecond} {message}"
        else:
            times_ms.append(second_ms + _MILLISECONDS[millisecond])
            texts.append(message)
    return Parted(texts[0], times_ms, texts[1:])


def begins_event(text: bytes, at: int) -> bool:
    """Whether a line that begins at a place of a text begins an event."""
    found = _BEGINNING.match(text, at)
    return found is not None and _is_day(found[0][:_DATE_LENGTH])


def event_before(text: bytes, at: int) -> int:
    """Return where the last event begins whose line begins before a place; -1: there is none."""
    while at > 0:
        newline = text.rfind(b"\n", 0, at)
        if begins_event(text, newline + 1):
            return newline + 1
        at = newline
    return -1


def event_after(text: bytes, at: int = 0) -> int:
    """Return where the next event begins, from the beginning of a line on; -1: there is none."""
    while not begins_event(text, at):
        newline = text.find(b"\n", at)
        if newline < 0:
            return -1
        at = newline + 1
    return at


def whole_events(text: bytes) -> list[bytes]:
    """Return the events of a text that has nothing else, each without the newline that ends it."""
    events = _BETWEEN_EVENTS.split(text.removesuffix(b"\n"))
    if all(map(_is_day, {each[:_DATE_LENGTH] for each in events})):
        return events
    found: list[bytes] = []
    for each in events:  # what begins with a day that there is not goes on with what is before it
        if _is_day(each[:_DATE_LENGTH]):
            found.append(each)
        else:
            found[-1] += b"\n" + each
    return found


def event_ms(text: bytes, at: int) -> int:
    """Return when an event happened that begins at a place, in milliseconds since 1970."""
    return stamp_ms(text[at : at + STAMP_LENGTH].decode())


def has_pointer(text: bytes) -> bool:
    """Whether `POINTER` is in a text: single bytes are looked for so much faster than several."""
    return b"@" in text and b"$" in text and POINTER in text


def stamp(at_ms: int) -> bytes:
    """Return a time as lines begin with it."""
    return timestamp(from_epoch_ms(at_ms)).encode()


def stamp_ms(text: str) -> int:
    """Return what a time that a line begins with is in milliseconds since 1970."""
    return epoch_ms(datetime.fromisoformat(text))


class _Seconds(dict[str, int | None]):
    """What seconds are in milliseconds since 1970; None where there is no such day."""

    def __missing__(self, second: str) -> int | None:
        found = stamp_ms(f"{second}Z") if _is_in_the_calendar(second) else None
        self[second] = found
        return found


_SECONDS_MS = _Seconds()


def _seconds_ms() -> _Seconds:
    """Return seconds that are known: most have many events, and next to each other."""
    if len(_SECONDS_MS) > _MOST_SECONDS:
        _SECONDS_MS.clear()
    return _SECONDS_MS


@lru_cache(1024)
def _is_day(date: bytes) -> bool:
    return _is_in_the_calendar(date.decode())


def _is_in_the_calendar(text: str) -> bool:
    """Whether there is such a day: the 30th of February is none."""
    try:
        datetime.fromisoformat(text[:_DATE_LENGTH])
    except ValueError:
        return False
    return True
