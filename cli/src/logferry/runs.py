"""Events on disk, sorted, and merged again: however many there are, few are in memory.

An event is a line, or several, that begins with its time: sorting by the first letters sorts by
time. What happened in the same millisecond stays in the order in which it was written.

Time is cut into slices, and every file knows where those that it has begin in it: slices are merged
one by one, in any order or side by side. Years are thousands of files, each of a few slices.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import NamedTuple

from logferry_contracts.log_line import STAMP_LENGTH, event_before, stamp, whole_events

RUN_BYTES = 8 * 1024 * 1024
"""Of events that are sorted at a time."""
_SLICE_BYTES = 1024 * 1024
"""About how much of what is stored a slice has, if it is spread evenly: several MB of lines."""
_MOST_SLICES = 256
_MERGED_BYTES = 16 * 1024 * 1024
"""Of events that are merged at a time, of all runs together."""
_LEAST_BYTES = 32 * 1024
_NEWLINE = b"\n"
_AT = itemgetter(slice(STAMP_LENGTH))

type Cuts = list[bytes]
"""The times that slices begin at, but the first one, which has all that is before."""


class Run(NamedTuple):
    """A file of sorted events.

    Attributes:
        first: The number of the slice that it begins in.
        places: Where each slice from that one on begins in it, and where the last one that it has
            ends.
    """

    path: Path
    first: int
    places: list[int]

    @property
    def is_whole(self) -> bool:
        """Whether the file is as long as it was written."""
        try:
            return self.path.stat().st_size == self.places[-1]
        except FileNotFoundError:
            return False


class Part(NamedTuple):
    """A slice of a run, which is not empty."""

    path: Path
    begin: int
    end: int


def cuts_of(from_ms: int, to_ms: int, stored_bytes: int) -> Cuts:
    """Return where to cut a time: evenly, the more often the more there is.

    Args:
        from_ms: Inclusive.
        to_ms: Exclusive.
        stored_bytes: Of objects of that time.
    """
    slices = min(stored_bytes // _SLICE_BYTES + 1, _MOST_SLICES)
    return [stamp(from_ms + (to_ms - from_ms) * n // slices) for n in range(1, slices)]


def write_run(path: Path, events: list[bytes], cuts: Cuts) -> Run:
    """Sort events into a file.

    Args:
        path: Of the file.
        events: At least one, each without the newline that ends it.
        cuts: Where time is cut.
    """
    events.sort(key=_AT)
    first, last = (bisect_right(cuts, _AT(each)) for each in (events[0], events[-1]))
    begins = (bisect_left(events, cut, key=_AT) for cut in cuts[first:last])
    begun = [0, *begins, len(events)]
    places = [0]
    with path.open("wb") as file:
        for begin, end in pairwise(begun):
            text = _NEWLINE.join(events[begin:end]) + _NEWLINE if begin < end else b""
            file.write(text)
            places.append(places[-1] + len(text))
    return Run(path, first, places)


def parts_of(runs: Iterable[Run], number: int) -> list[Part]:
    """Return what runs have of a slice."""
    of = ((run, number - run.first) for run in runs)
    having = ((run, n) for run, n in of if 0 <= n < len(run.places) - 1)
    parts = (Part(run.path, run.places[n], run.places[n + 1]) for run, n in having)
    return [part for part in parts if part.begin < part.end]


def merged(parts: Sequence[Part]) -> Iterator[list[bytes]]:
    """Yield the events of a slice in the order of time, many at once.

    Args:
        parts: What happened in one millisecond is of the first one first.
    """
    if sum(part.end - part.begin for part in parts) <= _MERGED_BYTES:
        some = [event for part in parts for event in whole_events(_text(part))]
        some.sort(key=_AT)
        if some:
            yield some
        return
    reading = [_Reading(number, part) for number, part in enumerate(parts)]
    for each in reading:
        each.advance(_block_bytes(reading))
    while reading:
        reached = min((each.reached for each in reading if each.reached), default=None)
        some = [event for each in reading for event in each.taken_before(reached)]
        some.sort(key=_AT)
        if some:
            yield some
        for each in reading:
            if each.reached == reached:
                each.advance(_block_bytes(reading))
        reading = [each for each in reading if not each.is_done]
        reading.sort(key=attrgetter("number"))


def _text(part: Part) -> bytes:
    with part.path.open("rb") as file:
        file.seek(part.begin)
        return file.read(part.end - part.begin)


def _block_bytes(reading: Sequence[object]) -> int:
    return max(_MERGED_BYTES // len(reading), _LEAST_BYTES)


class _Reading:
    """A part that is being read.

    Attributes:
        number: Its place among the parts.
        reached: All events before this time are known; None: all events are.
    """

    def __init__(self, number: int, part: Part) -> None:
        self.number = number
        self._part = part
        self._rest = b""
        self._events: list[bytes] = []
        self._taken = 0
        self.reached: bytes | None = b""

    @property
    def is_done(self) -> bool:
        """Whether nothing more comes."""
        return self.reached is None and self._taken == len(self._events)

    def taken_before(self, reached: bytes | None) -> Sequence[bytes]:
        """Return what happened before a time, and forget it; None: everything."""
        begin, end = self._taken, len(self._events)
        if reached is not None:
            end = bisect_left(self._events, reached, lo=begin, key=_AT)
        self._taken = end
        return self._events[begin:end]

    def advance(self, block_bytes: int) -> None:
        """Read on until a later time is reached, or the end."""
        del self._events[: self._taken]
        self._taken = 0
        while self.reached is not None and not (
            self._events and _AT(self._events[-1]) > self.reached
        ):
            path, begin, end = self._part
            block = _text(Part(path, begin, min(begin + block_bytes, end)))
            self._part = Part(path, begin + len(block), end)
            text = self._rest + block
            at = max(event_before(text, len(text)), 0) if block else len(text)
            self._events += whole_events(text[:at]) if at else []
            self._rest = text[at:]
            if not block:
                self.reached = None
        if self.reached is not None:
            self.reached = _AT(self._events[-1])
