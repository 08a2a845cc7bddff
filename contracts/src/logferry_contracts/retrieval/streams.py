"""Objects that may hold what was asked for: those of a log stream in a window, in their order."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from logferry_contracts.archive import ArchiveError, LogFile
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.source import SourceName
from logferry_contracts.statement import StatedObject, Statement
from logferry_contracts.window import Window


class Piece(NamedTuple):
    """One object.

    Attributes:
        version_id: Of the version that was archived, where it has not been copied since.
        sha256: Of its stored bytes; None of what is not sealed yet.
        first_ms: Of its earliest event; None where that is not known, or there is none.
        last_ms: Of its latest.
        events: How many it has; None where that is not known.
        lines: How many it has; None where that is not known.
    """

    key: str
    version_id: str
    size_bytes: int
    sha256: str | None = None
    first_ms: int | None = None
    last_ms: int | None = None
    events: int | None = None
    lines: int | None = None

    @property
    def folder(self) -> str:
        """What its key has in common with those of the same stream and export."""
        return self.key.rpartition("/")[0]

    @property
    def may_go_on(self) -> bool:
        """Whether its first lines may go on with an event of the object before it."""
        return self.lines is None or self.lines != self.events

    def may_have(self, asked: Asked) -> bool:
        """Whether it may have an event of the time that was asked for."""
        if self.events is None:
            return True
        if self.first_ms is None or self.last_ms is None:
            return False
        return self.first_ms < asked.to_ms and self.last_ms >= asked.from_ms


class Stated(NamedTuple):
    """A statement that is all that was said of a window.

    Attributes:
        sha256: Of its bytes as they are stored.
        objects: How many it has with events.
    """

    sha256: str
    objects: int


class Stream(NamedTuple):
    """Objects of one log stream, as one export has written them.

    Attributes:
        pieces: In the order in which they were written.
        first_ms: No event of theirs is earlier, as far as that is known.
        last_ms: No event of theirs is later.
        skipped_ms: The time of events that are left to the next window; None: none are.
        stated: Which statement they are of; None where there is none that they are archived, or
            more was said.
    """

    source: SourceName
    log_group_name: str
    window: Window
    pieces: tuple[Piece, ...]
    first_ms: int
    last_ms: int
    skipped_ms: int | None
    stated: Stated | None = None

    @property
    def name(self) -> str:
        """The log stream as its key has it."""
        return self.pieces[0].folder.rpartition("/")[2]

    @property
    def size_bytes(self) -> int:
        """How many bytes are stored."""
        return sum(each.size_bytes for each in self.pieces)


class Export(NamedTuple):
    """What a log group's window has put into the archive.

    Attributes:
        goes_on: Whether the next window of the log group is in the archive as well, so that the
            events of the millisecond between them are left to that one.
        sha256: Of the bytes of the statement that it is archived; None where there is none, or more
            was said.
    """

    source: SourceName
    log_group_name: str
    window: Window
    pieces: tuple[Piece, ...]
    goes_on: bool = False
    sha256: str | None = None

    @classmethod
    def of(cls, statement: Statement, sha256: str | None = None) -> "Export":
        """Return what a statement says, which has this hash if nothing else was said."""
        pieces = tuple(map(_stated, statement.objects or []))
        head = (statement.source, statement.log_group.name, statement.window)
        return cls(*head, pieces, sha256=sha256)

    @property
    def stated(self) -> Stated | None:
        """Which statement it is of; None where there is none, or more was said."""
        objects = sum(bool(each.events) for each in self.pieces)
        return None if self.sha256 is None else Stated(self.sha256, objects)


def listed(each: ArchivedObject) -> Piece:
    """Return an object of a manifest, of which nobody has said yet what is in it."""
    return Piece(each.key, each.version_id, each.size_bytes)


def streams_of(export: Export, asked: Asked) -> Iterator[Stream]:
    """Yield the streams of an export that may have what was asked for."""
    skipped_ms = export.window.to_ms if export.goes_on else None
    if skipped_ms is not None and skipped_ms <= asked.from_ms:
        return
    stated = export.stated
    pieces = sorted(export.pieces, key=place_of)
    for folder, group in groupby(pieces, key=lambda each: each.folder):
        if not asked.has_stream(folder.rpartition("/")[2]):
            continue
        if found := tuple(_wanted(group, asked)):
            first_ms = min(_or(each.first_ms, export.window.from_ms) for each in found)
            last_ms = max(_or(each.last_ms, export.window.to_ms) for each in found)
            head = (export.source, export.log_group_name, export.window)
            yield Stream(*head, found, first_ms, last_ms, skipped_ms, stated)


class Joints:
    """Says of each export whether its log group goes on in the next window."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, str], list[Export]] = {}
        """Exports of which that is not known yet, by account, Region and log group."""

    def add(self, export: Export) -> Iterator[Export]:
        """Take in an export, those of a log group in order; yield those of which it is known."""
        of = export.source.account_id, export.source.region, export.log_group_name
        held = self._waiting.setdefault(of, [])
        held.append(export)
        known = [each for each in held if each.window.to_ms <= export.window.from_ms]
        yield from (_joined(each, held) for each in known)
        if known:
            self._waiting[of] = [each for each in held if each not in known]

    def rest(self) -> Iterator[Export]:
        """Yield the others: nothing more comes."""
        for held in self._waiting.values():
            yield from (_joined(each, held) for each in held)
        self._waiting.clear()


def _joined(export: Export, others: Iterable[Export]) -> Export:
    end_ms = export.window.to_ms
    goes_on = any(each.window.from_ms <= end_ms < each.window.to_ms for each in others)
    return export._replace(goes_on=goes_on)


def _wanted(pieces: Iterable[Piece], asked: Asked) -> Iterator[Piece]:
    """Yield the objects of a stream that may have events of a time, or go on with one of these."""
    is_before_wanted = False
    for piece in pieces:
        goes_on = is_before_wanted and piece.may_go_on
        is_before_wanted = piece.may_have(asked) or (goes_on and not piece.events)
        if is_before_wanted or goes_on:
            yield piece


def place_of(piece: Piece) -> tuple[str, int, str]:
    """Return what objects of a stream are ordered by: the folder, the number in it, the key."""
    try:
        return piece.folder, LogFile.of(piece.key).number, piece.key
    except ArchiveError:
        return piece.folder, 0, piece.key


def _or(known_ms: int | None, otherwise_ms: int) -> int:
    return otherwise_ms if known_ms is None else known_ms


def _stated(each: StatedObject) -> Piece:
    span = (each.first_ms, each.last_ms)
    return Piece(
        each.key, each.version_id, each.size_bytes, each.sha256, *span, each.events, each.lines
    )
