"""Measure one archived object while it is read once: its hash, its lines and events, its end.

What is wrong with an object is a fact of it like its size, and nothing is raised for it. Only a
piece of the object is in memory at a time, however long it, or a line of it, is.
"""

import hashlib
import zlib
from dataclasses import dataclass
from typing import Protocol

from logferry_contracts.log_line import POINTER, STAMP_LENGTH, stamp, stamp_ms, stamps_in
from logferry_contracts.window import Window

PIECE_BYTES = 256 * 1024
"""What is read at a time."""

_UNPACKED_BYTES = 1024 * 1024
"""What is unpacked at a time: a piece may hold a thousand times as much as its own size."""

_GZIP = 31
"""``wbits`` of a gzip file with its header and checksum. https://docs.python.org/3/library/zlib.html"""


class Source(Protocol):
    """A file opened for reading bytes, such as the ``Body`` of boto3's ``get_object``."""

    def read(self, amount: int, /) -> bytes:
        """Return up to so many bytes, none at the end. What it raises is left to its opener."""


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
        pointer_lines: How many lines hold `POINTER`.
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


def measure(file: Source, window: Window) -> Measured:
    """Read an object to its end and say what it is.

    Args:
        file: The object. It is not closed.
        window: The export's, half-open.
    """
    sha256, size_bytes = hashlib.sha256(), 0
    lines, unpacking = _Lines(window), _Unpacking()
    while piece := _read(file, PIECE_BYTES):
        sha256.update(piece)
        size_bytes += len(piece)
        unpacking.add(piece, lines)
    return Measured(
        sha256=sha256.hexdigest(),
        size_bytes=size_bytes,
        lines=lines.count,
        events=lines.events,
        first_ms=None if lines.first is None else stamp_ms(lines.first.decode()),
        last_ms=None if lines.last is None else stamp_ms(lines.last.decode()),
        events_outside_window=lines.events_outside,
        pointer_lines=lines.with_pointer,
        gzip_members=unpacking.members,
        gzip_fault=unpacking.fault(),
    )


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
        self._from, self._to = stamp(window.from_ms), stamp(window.to_ms)
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
        self._newlines += text.count(b"\n")
        seen = self._tail + text
        self._add_events(stamps_in(seen))
        self._add_pointers(seen)
        self._tail = seen[-STAMP_LENGTH - 1 :]

    def _add_events(self, stamps: list[bytes]) -> None:
        if not stamps:
            return
        first, last = min(stamps), max(stamps)
        self.events += len(stamps)
        if first < self._from or last >= self._to:
            self.events_outside += sum(not self._from <= each < self._to for each in stamps)
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)

    def _add_pointers(self, seen: bytes) -> None:
        """Count each line that holds a pointer once; one that is in the tail was counted."""
        if POINTER not in seen:
            self._is_pointer_counted &= seen.find(b"\n", len(self._tail)) < 0
            return
        goes_on, *begun = seen[self._tail.rfind(b"\n") + 1 :].split(b"\n")
        self.with_pointer += POINTER in goes_on and not self._is_pointer_counted
        self.with_pointer += sum(POINTER in line for line in begun)
        last = begun[-1] if begun else goes_on
        self._is_pointer_counted = POINTER in last or (not begun and self._is_pointer_counted)


class _Unpacking:
    """Unpacks gzip that comes in pieces, as far as it goes."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._is_begun = False
        """Whether a byte of `_member` was seen."""
        self._fault: str | None = None
        self.members = 0

    def add(self, piece: bytes, lines: _Lines) -> None:
        while piece and self._fault is None:
            if not self._is_begun and not (piece := self._without_padding(piece)):
                return
            piece = self._next(piece, lines)

    def fault(self) -> str | None:
        if self._fault is None and self._is_begun:
            return "cut off"
        return self._fault if self.members or self._fault else "0 bytes"

    def _without_padding(self, piece: bytes) -> bytes:
        """Remove zeros after a member, which are no part of anything."""
        return piece.lstrip(b"\x00") if self.members else piece

    def _next(self, piece: bytes, lines: _Lines) -> bytes:
        """Unpack some of a piece and return what is left of it."""
        self._is_begun = True
        try:
            lines.add(self._member.decompress(piece, _UNPACKED_BYTES))
        except zlib.error as error:
            self._fault = f"after member {self.members}: {error}" if self.members else str(error)
            return b""
        if not self._member.eof:
            return self._member.unconsumed_tail
        self.members += 1
        rest = self._member.unused_data
        self._member, self._is_begun = zlib.decompressobj(_GZIP), False
        return rest
