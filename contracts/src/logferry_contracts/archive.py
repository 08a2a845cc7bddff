"""Read what an export put into the archive, event by event, whatever opens the files.

Give `events` an `ExportCompleted`'s data and a function that opens an S3 object. With boto3::

    def open_object(bucket: str, key: str, version_id: str | None) -> Readable:
        version = {"VersionId": version_id} if version_id else {}
        return s3.get_object(Bucket=bucket, Key=key, **version)["Body"]

Only a piece of one object is in memory at a time.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from logferry_contracts.gunzip import Gunzip
from logferry_contracts.log_group import stream_in_key as stream_in_key  # noqa: PLC0414  (readers have it here)
from logferry_contracts.log_line import parted
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.wire import parse

if TYPE_CHECKING:  # who searches the archive does not wait for what the ledger has
    from logferry_contracts.export_completed import ExportCompletedData

_KEY = re.compile(r"(?P<prefix>.+)/(?P<task_id>[^/]+)/(?P<stream>[^/]+)/(?P<number>[0-9]{6,})\.gz")

_PIECE_BYTES = 64 * 1024
"""What is read at a time."""
_UNPACKED_BYTES = 64 * 1024
"""Of lines; their events take several times as much memory."""


class Readable(Protocol):
    """A file opened for reading bytes, such as the ``Body`` of boto3's ``get_object``."""

    def read(self, amount: int = -1, /) -> bytes:
        """Return up to so many bytes, none at the end. What it raises becomes an `ArchiveError`."""

    def close(self) -> None:
        """Give it up."""


type Open = Callable[[str, str, str | None], Readable]
"""``(bucket, key, version id)``; None for the version id means the current version."""


class ArchiveError(Exception):
    """What is in the archive is not what the manifest says, or not as CloudWatch Logs writes it.

    Or it could not be read to its end: what the file raised is the cause (``__cause__``). The text
    names the object. Trying again may help where a file was cut off on its way.
    """


class LogEvent(NamedTuple):
    """One log event.

    Attributes:
        at_ms: When it happened, in milliseconds since 1970-01-01T00:00:00Z.
        message: Without the newline that ends it in the archive. A message of several lines has
            the others.
        stream: The log stream as its key has it, see `stream_in_key`.
        key: The object it was read from.
    """

    at_ms: int
    message: str
    stream: str
    key: str

    @property
    def at(self) -> datetime:
        """When it happened, in UTC."""
        return from_epoch_ms(self.at_ms)


@dataclass(frozen=True)
class LogFile:
    """What the key of an object says: ``<prefix>/<task id>/<stream>/<number>.gz``.

    Attributes:
        prefix: The export's ``destination.prefix``.
        task_id: CloudWatch Logs' id of the export task; ``direct`` where there was none.
        stream: See `stream_in_key`.
        number: From 0 on, in the order in which the objects of a stream were written.
    """

    prefix: str
    task_id: str
    stream: str
    number: int

    @classmethod
    def of(cls, key: str) -> "LogFile":
        """Read a key as manifests and EventBridge have it.

        S3's own notifications have it URL-encoded: ``urllib.parse.unquote_plus`` it first.

        Raises:
            ArchiveError: It is not the key of a log file.
        """
        found = _KEY.fullmatch(key)
        if found is None:
            raise ArchiveError(f"{key}: not <prefix>/<task id>/<stream>/<number>.gz")
        return cls(found["prefix"], found["task_id"], found["stream"], int(found["number"]))


def events(
    completed: "ExportCompletedData", open_object: Open, *, with_end: bool = False
) -> Iterator[LogEvent]:
    """Yield every event of an export, stream by stream, each in the order it was written in.

    CloudWatch Logs does not promise that to be the order of time.

    Args:
        completed: The data of an `ExportCompleted`.
        open_object: Opens the objects, and the manifest where that is a file of its own.
        with_end: Yield also events of the millisecond ``to_ms``, which CloudWatch Logs may export
            with this window and with the next. Leave it off where days are added up.

    Raises:
        ArchiveError: An object is cut off, or is not what CloudWatch Logs writes. Events of it
            may have been yielded before that shows.
        ContractError: The manifest's file breaks its contract.
    """
    objects = whole_manifest(completed.manifest, open_object).objects or []
    reading = _Reading()
    for event in _all_events(reading, completed.destination.bucket, objects, open_object):
        if with_end or event.at_ms != completed.window.to_ms:
            yield event


def events_of_object(key: str, file: Readable) -> Iterator[LogEvent]:
    """Yield every event of one object, such as one that was downloaded.

    Raises:
        ArchiveError: It is cut off, or is not what CloudWatch Logs writes.
    """
    reading = _Reading()
    yield from reading.events(_Whole(key, file))
    yield from reading.last()


def whole_manifest(manifest: Manifest, open_object: Open) -> Manifest:
    """Return a manifest with its objects, read from where they are if they are not in the event.

    Raises:
        ArchiveError: What is there is not what the event says.
        ContractError: It is no manifest.
    """
    location = manifest.location
    if location is None:
        return manifest
    with closing(open_object(location.bucket, location.key, None)) as file:
        body = _Whole(location.key, file).read()
    if (len(body), hashlib.sha256(body).hexdigest()) != (location.size_bytes, location.sha256):
        raise ArchiveError(f"{location.key}: not the {location.size_bytes} bytes that were written")
    return parse(Manifest, body)


def _all_events(
    reading: "_Reading", bucket: str, objects: Iterable[ArchivedObject], open_object: Open
) -> Iterator[LogEvent]:
    """Yield the events of each object, each read once, a stream's objects after each other."""
    once = {(each.key, each.version_id): each for each in objects}
    for _, each in sorted(once.items()):
        with closing(open_object(bucket, each.key, each.version_id)) as file:
            whole = _Whole(each.key, file)
            yield from reading.events(whole)
        if whole.size_bytes != each.size_bytes:
            raise ArchiveError(
                f"{each.key}: {whole.size_bytes} bytes, of {each.size_bytes} in the manifest"
            )
    yield from reading.last()


class _Reading:
    """Puts the events of objects together: a line without a time goes on with the one before it.

    The last event is held back, as it may go on in the next object of its stream.
    """

    def __init__(self) -> None:
        self._at_ms = 0
        self._key = ""
        """Of the object in which the last event began; of none so far."""
        self._message: list[str] = []
        """What there is of its message."""
        self._is_line_ended = True
        """Whether a newline has ended the last line."""

    def events(self, file: "_Whole") -> Iterator[LogEvent]:
        """Yield the events of an object, but for its last one."""
        rest: list[bytes] = []
        for text in _texts(file):
            begun, newline, last = text.rpartition(b"\n")
            if newline:
                yield from self._of(file.key, b"".join([*rest, begun]))
                rest.clear()
            rest.append(last)
        if unended := b"".join(rest):
            yield from self._of(file.key, unended)
            self._is_line_ended = False

    def last(self) -> Iterator[LogEvent]:
        """Yield the last event, where there is one."""
        if self._key:
            yield LogEvent(self._at_ms, "".join(self._message), _stream(self._key), self._key)

    def _of(self, key: str, lines: bytes) -> Iterator[LogEvent]:
        """Take in lines, without the newline that ends the last one."""
        goes_on, times_ms, messages = parted(lines.decode("utf-8", "backslashreplace"))
        if goes_on:
            self._go_on(key, goes_on)
        self._is_line_ended = True
        if times_ms:
            yield from self.last()
            self._at_ms, self._key, self._message = times_ms.pop(), key, [messages.pop()]
            yield from map(_event, zip(times_ms, messages, repeat(_stream(key)), repeat(key)))

    def _go_on(self, key: str, lines: str) -> None:
        if _folder(key) != _folder(self._key):
            raise ArchiveError(f"{key}: its first line has no time")
        self._message.append(lines if self._is_line_ended else lines.removeprefix("\n"))


_event = cast("Callable[[tuple[int, str, str, str]], LogEvent]", partial(tuple.__new__, LogEvent))
"""Makes an event of its fields. The class itself calls Python code to do that, for each."""


def _texts(file: "_Whole") -> Iterator[bytes]:
    """Yield what an object unpacks to, in pieces."""
    gunzip = Gunzip(_UNPACKED_BYTES)
    while piece := file.read(_PIECE_BYTES):
        yield from gunzip.texts(piece)
    if fault := gunzip.fault():
        raise ArchiveError(f"{file.key}: {fault}")


def _stream(key: str) -> str:
    return _folder(key).rpartition("/")[2]


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


class _Whole:
    """A file that counts what has been read of it, and says of which object it breaks off."""

    def __init__(self, key: str, file: Readable) -> None:
        self._file = file
        self.key = key
        self.size_bytes = 0

    def read(self, amount: int = -1, /) -> bytes:
        try:
            piece = self._file.read(amount)
        except Exception as error:  # each SDK has its own for a download that broke
            told = f"cut off after {self.size_bytes} bytes: {type(error).__name__}: {error}"
            raise ArchiveError(f"{self.key}: {told}") from error
        self.size_bytes += len(piece)
        return piece
