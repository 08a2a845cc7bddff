"""Events on disk, sorted, and merged again: however many there are, few are in memory.

An event is a line, or several, that begins with its time: sorting by the first letters sorts by
time. What happened in the same millisecond stays in the order in which it was written.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import NamedTuple

from logferry_contracts.log_line import STAMP_LENGTH, event_before, whole_events

RUN_BYTES = 8 * 1024 * 1024
"""Of events that are sorted at a time."""
_MERGED_BYTES = 16 * 1024 * 1024
"""Of events that are merged at a time, of all runs together."""
_LEAST_BYTES = 32 * 1024
_NEWLINE = b"\n"
_AT = itemgetter(slice(STAMP_LENGTH))


class Run(NamedTuple):
    """A file of sorted events.

    Attributes:
        first: The time of the first one, as lines have it.
    """

    path: Path
    first: bytes


def write_run(path: Path, events: list[bytes]) -> Run:
    """Sort events into a file.

    Args:
        path: Of the file.
        events: At least one, each without the newline that ends it.
    """
    events.sort(key=_AT)
    with path.open("wb") as file:
        file.write(_NEWLINE.join(events) + _NEWLINE)
    return Run(path, _AT(events[0]))


def merged(runs: Iterable[Run]) -> Iterator[list[bytes]]:
    """Yield the events of runs in the order of time, many at once."""
    waiting = deque(sorted(enumerate(runs), key=lambda each: each[1].first))
    reading: list[_Reading] = []
    while waiting or reading:
        while waiting and (
            not reading or waiting[0][1].first <= max(each.last for each in reading)
        ):
            reading.append(_Reading(*waiting.popleft()))
            reading[-1].advance(_block_bytes(reading))
        # What happened in one millisecond is of the run that was written first.
        reading.sort(key=attrgetter("number"))
        reached = min((each.reached for each in reading if each.reached), default=None)
        some = [event for each in reading for event in each.taken_before(reached)]
        some.sort(key=_AT)
        if some:
            yield some
        for each in reading:
            if each.reached == reached:
                each.advance(_block_bytes(reading))
        reading = [each for each in reading if not each.is_done]


def _block_bytes(reading: Sequence[object]) -> int:
    return max(_MERGED_BYTES // len(reading), _LEAST_BYTES)


class _Reading:
    """A run that is being read.

    Attributes:
        number: Its place among the runs.
        reached: All events before this time are known; None: all events are.
    """

    def __init__(self, number: int, run: Run) -> None:
        self.number = number
        self._path = run.path
        self._at = 0
        self._rest = b""
        self._events: list[bytes] = []
        self.reached: bytes | None = run.first

    @property
    def last(self) -> bytes:
        """The time of the last event that is known."""
        return self._events[-1][:STAMP_LENGTH]

    @property
    def is_done(self) -> bool:
        """Whether nothing more comes."""
        return self.reached is None and not self._events

    def taken_before(self, reached: bytes | None) -> Sequence[bytes]:
        """Return what happened before a time, and forget it; None: everything."""
        end = len(self._events)
        if reached is not None:
            end = bisect_left(self._events, reached, key=_AT)
        taken, self._events = self._events[:end], self._events[end:]
        return taken

    def advance(self, block_bytes: int) -> None:
        """Read on until a later time is reached, or the end."""
        while self.reached is not None and not (self._events and self.last > self.reached):
            with self._path.open("rb") as file:
                file.seek(self._at)
                block = file.read(block_bytes)
            self._at += len(block)
            text = self._rest + block
            end = max(event_before(text, len(text)), 0) if block else len(text)
            self._events += whole_events(text[:end]) if end else []
            self._rest = text[end:]
            if not block:
                self.reached = None
        if self.reached is not None:
            self.reached = self.last
