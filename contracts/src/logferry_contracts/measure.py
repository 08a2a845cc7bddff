"""Measure one archived object while it is read once: its hash, its lines and events, its end.

What is wrong with an object is a fact of it like its size, and nothing is raised for it. Only a
piece of the object is in memory at a time, however long it, or a line of it, is.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from logferry_contracts.gunzip import HAS_ISAL, Gunzip
from logferry_contracts.log_line import (
    STAMP_IN_BEGINNING,
    STAMP_LENGTH,
    begun,
    has_pointer,
    stamp,
    stamp_ms,
)
from logferry_contracts.window import Window

PIECE_BYTES = 256 * 1024
"""What is read at a time."""
_UNPACKED_BYTES = 256 * 1024
"""What is counted at a time."""


class Source(Protocol):
    """A file opened for reading bytes, such as the ``Body`` of boto3's ``get_object``."""

    def read(self, amount: int, /) -> bytes:
        """Return up to so many bytes, none at the end. What it raises is left to its opener."""

    def close(self) -> None:
        """Give it up."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one object is.

    Attributes:
        sha256: Of the bytes as they are stored, in hexadecimal.
        size_bytes: How many those are.
        lines: How many lines it has, the last one also if no newline ends it.
        events: How many of them begin an event.
        first_ms: The earliest time of an event, in milliseconds since 1970; None without events.
        last_ms: The latest.
        events_outside_window: How many events are before the window, or at its end or after it.
        pointer_lines: How many lines hold `log_line.POINTER`.
        gzip_members: How many whole gzip files stand in it, one after the other.
        gzip_fault: What is wrong with it as gzip, such as ``cut off``; None: nothing. What is
            counted is then what could be unpacked.
    """

    sha256: str
    size_bytes: int
    lines: int
    events: int
    first_ms: int | None
    last_ms: int | None
    events_outside_window: int
    pointer_lines: int
    gzip_members: int
    gzip_fault: str | None

    @property
    def is_gzip_complete(self) -> bool:
        """Whether it is gzip to its last byte, and as long as its checksums say."""
        return self.gzip_fault is None


def measure(open_file: Callable[[], Source], window: Window) -> Measured:
    """Read an object to its end and say what it is.

    Args:
        open_file: Opens the object. It is opened again where it is damaged: how much of that can be
            unpacked has to be the same everywhere, and is what zlib makes of it.
        window: The export's, half-open.
    """
    with closing(open_file()) as file:
        found = _measure(file, window, Gunzip(_UNPACKED_BYTES))
    if found.is_gzip_complete or not HAS_ISAL:
        return found
    with closing(open_file()) as file:
        return _measure(file, window, Gunzip(_UNPACKED_BYTES, by_zlib=True))


def _measure(file: Source, window: Window, gunzip: Gunzip) -> Measured:
    sha256, size_bytes, lines = hashlib.sha256(), 0, _Lines(window)
    while piece := _read(file, PIECE_BYTES):
        sha256.update(piece)
        size_bytes += len(piece)
        for text in gunzip.texts(piece):
            lines.add(text)
    return Measured(
        sha256=sha256.hexdigest(),
        size_bytes=size_bytes,
        lines=lines.count,
        events=lines.events,
        first_ms=_begun_ms(lines.first),
        last_ms=_begun_ms(lines.last),
        events_outside_window=lines.events_outside,
        pointer_lines=lines.with_pointer,
        gzip_members=gunzip.members,
        gzip_fault=gunzip.fault(),
    )


def _begun_ms(beginning: bytes | None) -> int | None:
    return None if beginning is None else stamp_ms(beginning[STAMP_IN_BEGINNING].decode())


def _read(file: Source, amount: int) -> bytes:
    """Read so many bytes where there are so many, however a download hands them out.

    What is counted of a damaged object depends on nothing but the object.
    """
    piece = file.read(amount)
    while 0 < len(piece) < amount and (more := file.read(amount - len(piece))):
        piece += more
    return piece


class _Lines:
    """Counts lines in text that comes in pieces, without taking it apart."""

    def __init__(self, window: Window) -> None:
        self._from, self._to = (b"\n" + stamp(at) for at in (window.from_ms, window.to_ms))
        self._tail = b"\n"
        """The end of what was seen: too short for a time with the newline and space around it."""
        self._is_pointer_counted = False
        """Whether the line that the text so far ends with holds a pointer."""
        self._newlines = 0
        self.events = 0
        self.events_outside = 0
        self.with_pointer = 0
        self.first: bytes | None = None
        self.last: bytes | None = None

    @property
    def count(self) -> int:
        return self._newlines + (not self._tail.endswith(b"\n"))

    def add(self, text: bytes) -> None:
        # The text itself is not copied. Of what begins in it the edge has nothing.
        edge = self._tail + text[: STAMP_LENGTH + 1].replace(b"\n", b"\0")
        self._add_events(begun(edge).beginnings)
        newlines, beginnings = begun(text)
        self._newlines += newlines
        self._add_events(beginnings)
        if has_pointer(text) or has_pointer(edge):
            self._add_pointers(self._tail + text)
        elif newlines:
            self._is_pointer_counted = False
        self._tail = (self._tail + text[-STAMP_LENGTH - 1 :])[-STAMP_LENGTH - 1 :]

    def _add_events(self, beginnings: list[bytes]) -> None:
        """Count what `begun` has found, the earliest first."""
        if not beginnings:
            return
        first, last = beginnings[0], beginnings[-1]
        self.events += len(beginnings)
        if first < self._from or last >= self._to:
            before = bisect_left(beginnings, self._from)
            self.events_outside += (
                before + len(beginnings) - bisect_left(beginnings, self._to, before)
            )
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)

    def _add_pointers(self, seen: bytes) -> None:
        """Count each line that holds a pointer once; one that is in the tail was counted."""
        goes_on, *begun = seen[self._tail.rfind(b"\n") + 1 :].split(b"\n")
        self.with_pointer += has_pointer(goes_on) and not self._is_pointer_counted
        self.with_pointer += sum(map(has_pointer, begun))
        last = begun[-1] if begun else goes_on
        self._is_pointer_counted = has_pointer(last) or (not begun and self._is_pointer_counted)
