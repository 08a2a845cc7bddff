"""Read the archived version of objects, whatever lies over it, and hash it on the way."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from typing import NamedTuple

from logferry_contracts.archive import LogFile, Readable
from logferry_contracts.gunzip import Gunzip
from logferry_contracts.log_line import STAMP_LENGTH, event_after, event_before
from logferry_contracts.retrieval.streams import Piece, Stream, place_of
from logferry_contracts.verification.findings import (
    Finding,
    Note,
    ObjectChangedError,
    ObjectMissingError,
    Unchecked,
)
from logferry_contracts.verification.store import Frozen, Missing, Store, Unreadable
from logferry_contracts.verification.stored import Found, Reading, Sort, locate

_PIECE_BYTES = 256 * 1024
"""What is read at a time."""
_UNPACKED_BYTES = 256 * 1024
"""Of lines that are searched at a time: as much as a processor's own memory holds."""
_LONGEST_BYTES = 64 * 1024 * 1024
"""An event has at most 1 MiB. What is longer is none, and is not taken into memory.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""
_OBJECTS = Sort(ObjectMissingError, ObjectChangedError)

type Versions = dict[str, str | None]
"""Where the archived bytes of a key are, where they are not in the version that was stated."""


@dataclass
class Outcome[T]:
    """What came of reading a stream.

    Attributes:
        found: What was found in it; None where not all of it is what was archived.
        objects: How many were read to their ends.
        size_bytes: Of them, as they are stored.
        hashed: How many of them are what was archived by their hashes.
        findings: What is wrong with others, or was told of these.
        frozen: The objects that have to be restored first.
    """

    found: T | None = None
    objects: int = 0
    size_bytes: int = 0
    hashed: int = 0
    findings: list[Finding] = field(default_factory=list)
    frozen: list[str] = field(default_factory=list)


class Events(NamedTuple):
    """Whole events of a stream, in the order in which they were written.

    Attributes:
        piece: The object in which they begin.
        text: Has their lines.
        begin: Where the first one's time begins.
        end: Where the next event begins, or the text ends, with a newline or without.
    """

    piece: Piece
    text: bytes
    begin: int
    end: int

    @classmethod
    def of(cls, piece: Piece, text: bytes) -> "Events":
        """Return those of a text that has nothing else."""
        return cls(piece, text, 0, len(text))


class _ElsewhereError(Exception):
    """The version that was read is not the one that was archived."""

    def __init__(self, piece: Piece) -> None:
        super().__init__(piece.key)
        self.piece = piece


def read[T](store: Store, stream: Stream, scan: Callable[[Iterator[Events]], T]) -> Outcome[T]:
    """Read a stream to its end, and return what a scan has found in it.

    Args:
        store: The archive.
        stream: What to read.
        scan: Is given its events; called again where an object lies in another version than it was
            archived as. What it returns counts for nothing unless all that it was given is what
            was archived.
    """
    outcome: Outcome[T] = Outcome()
    versions: Versions = {}
    while True:
        pieces = _Pieces(store, stream, versions)
        try:
            outcome.found = scan(pieces.events())
        except _ElsewhereError as error:
            found = _found(store, error.piece)
            if found is None or error.piece.key in versions:
                outcome.findings.append(_gone(error.piece))
            elif found.is_there:
                versions[error.piece.key] = found.version_id
                outcome.findings += [Note(e.thing, _told(e)) for e in found.findings]
                continue
            else:
                outcome.findings += found.findings
        except Frozen as error:
            outcome.frozen.append(str(error))
        except Unreadable as error:
            told = Unchecked(pieces.key, str(error), "Make it readable, and ask again")
            outcome.findings.append(told)
        outcome.objects, outcome.size_bytes = pieces.objects, pieces.size_bytes
        outcome.hashed = pieces.hashed
        outcome.findings += pieces.findings
        return outcome


class _Pieces:
    """Reads the objects of a stream one after the other, and counts them.

    Attributes:
        key: Of the object that is being read.
    """

    def __init__(self, store: Store, stream: Stream, versions: Versions) -> None:
        self._store = store
        self._stream = stream
        self._versions = versions
        self.key = stream.pieces[0].key
        self.objects = self.size_bytes = self.hashed = 0
        self.findings: list[Finding] = []

    def events(self) -> Iterator[Events]:
        """Yield all events: what goes on in a next object is put to the event that it is of."""
        last: tuple[Piece, bytes] | None = None
        for piece in self._stream.pieces:
            self.key = piece.key
            texts = self._texts(piece)
            head, rest = _parted(texts)
            if last is not None:
                goes_on = head if _is_next(last[0], piece) else b""
                yield Events.of(last[0], last[1] + goes_on)
            elif head and LogFile.of(piece.key).number == 0:
                told = "its first line has no time: what goes before the first event is of none"
                self.findings.append(Unchecked(piece.key, told, "Look at it by itself"))
            # Otherwise lines go on with an event of another time, in an object that is not read.
            last = yield from self._of(piece, chain([rest], texts))
        if last is not None:
            yield Events.of(*last)

    def _of(
        self, piece: Piece, texts: Iterator[bytes]
    ) -> Generator[Events, None, tuple[Piece, bytes] | None]:
        """Yield an object's events but the last one, which may go on; return that, if there is one.

        Nothing is copied but what is around the place where one text ends and the next one begins.
        """
        waiting = b""
        for text in texts:
            newline = text.find(b"\n") if waiting else -1
            begin = event_after(text, newline + 1) if newline >= 0 or not waiting else -1
            if begin < 0:
                waiting += text
                if len(waiting) > _LONGEST_BYTES:
                    raise Unreadable(f"{piece.key}: an event of more than {_LONGEST_BYTES} bytes")
                continue
            if waiting:
                yield Events.of(piece, waiting + text[:begin])
            end = event_before(text, len(text))
            if end > begin:
                yield Events(piece, text, begin, end)
            waiting = text[end:]
        return (piece, waiting) if waiting else None

    def _texts(self, piece: Piece) -> Iterator[bytes]:
        """Yield what an object unpacks to, in pieces."""
        gunzip, hashed, size_bytes = Gunzip(_UNPACKED_BYTES), sha256(), 0
        with closing(self._open(piece)) as file:
            reading = Reading(file)
            while read := reading.read(_PIECE_BYTES):
                hashed.update(read)
                size_bytes += len(read)
                yield from gunzip.texts(read)
        self._check(piece, size_bytes, hashed.hexdigest())
        if fault := gunzip.fault():
            told = f"as it was archived it is {fault}: nothing after that can be read"
            self.findings.append(Unchecked(piece.key, told, "See what its statement says of it"))

    def _open(self, piece: Piece) -> Readable:
        if piece.key in self._versions:
            return self._store.open(piece.key, self._versions[piece.key])
        try:
            return self._store.open(piece.key, piece.version_id)
        except Missing:
            pass
        try:  # a folder has no versions, and the enforcer's copies are others
            return self._store.open(piece.key, None)
        except Missing:
            raise _ElsewhereError(piece) from None

    def _check(self, piece: Piece, size_bytes: int, digest: str) -> None:
        if size_bytes != piece.size_bytes or piece.sha256 not in {None, digest}:
            raise _ElsewhereError(piece)
        self.objects += 1
        self.size_bytes += size_bytes
        self.hashed += piece.sha256 is not None


def _is_next(before: Piece, piece: Piece) -> bool:
    """Whether an object follows another one: none of another time between them was left out."""
    folder, number, _ = place_of(before)
    return place_of(piece)[:2] == (folder, number + 1)


def _parted(texts: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Return what an object begins with up to its first event, and the text from there on."""
    text = b""
    for each in texts:
        text += each
        at = event_after(text) if len(text) > STAMP_LENGTH else -1
        if at >= 0:
            return text[:at], text[at:]
        if len(text) > _LONGEST_BYTES:
            raise Unreadable(f"more than {_LONGEST_BYTES} bytes without a time")
    at = event_after(text)
    return (text[:at], text[at:]) if at >= 0 else (text, b"")


def _found(store: Store, piece: Piece) -> Found | None:
    """Return which version has the archived bytes; None where nobody knows their hash."""
    return None if piece.sha256 is None else locate(store, piece.key, piece.sha256, _OBJECTS)


def _gone(piece: Piece) -> Finding:
    told = f"the version {piece.version_id}, of {piece.size_bytes} bytes, is not there any more"
    return Unchecked(piece.key, told, "Search for it again once its date is sealed")


def _told(finding: Finding) -> str:
    """Return what is wrong with what was got anyway."""
    return f"{getattr(finding, 'what', finding)}: read was what was archived"
