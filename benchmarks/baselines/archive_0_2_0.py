"""`logferry_contracts.archive` of 0.2.0, as it was: what `reader.over_0_2_0` is measured against.

Read what an export put into the archive, event by event, whatever opens the files.

Give `events` an `ExportCompleted`'s data and a function that opens an S3 object. With boto3::

    def open_object(bucket: str, key: str, version_id: str | None) -> Readable:
        version = {"VersionId": version_id} if version_id else {}
        return s3.get_object(Bucket=bucket, Key=key, **version)["Body"]

Only a piece of one object is in memory at a time.
"""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple, Protocol, cast

from logferry_contracts.export_completed import ExportCompletedData
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.wire import parse

_KEY = re.compile(r"(?P<prefix>.+)/(?P<task_id>[^/]+)/(?P<stream>[^/]+)/(?P<number>[0-9]{6,})\.gz")
_BEGINS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z ")
_STAMP_LENGTH = len("2026-11-22T06:00:00.000Z")


class Readable(Protocol):
    """A file opened for reading bytes, such as the ``Body`` of boto3's ``get_object``."""

    def read(self, amount: int = -1, /) -> bytes:
        """Return up to so many bytes, none at the end."""

    def close(self) -> None:
        """Give it up."""


type Open = Callable[[str, str, str | None], Readable]
"""``(bucket, key, version id)``; None for the version id means the current version."""


class ArchiveError(Exception):
    """What is in the archive is not what the manifest says, or not as CloudWatch Logs writes it.

    The text names the object. Trying again may help where a file was cut off on its way.
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
        return datetime.fromtimestamp(self.at_ms // 1000, UTC).replace(
            microsecond=self.at_ms % 1000 * 1000
        )


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


def stream_in_key(stream_name: str) -> str:
    """Return how a log stream's name stands in keys: CloudWatch Logs writes a slash as a dash.

    There is no way back: ``web/1`` and ``web-1`` share a folder.
    """
    return stream_name.replace("/", "-")


def events(
    completed: ExportCompletedData, open_object: Open, *, with_end: bool = False
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
    lines = _lines(completed.destination.bucket, objects, open_object)
    for event in _put_together(lines):
        if with_end or event.at_ms != completed.window.to_ms:
            yield event


def events_of_object(key: str, file: Readable) -> Iterator[LogEvent]:
    """Yield every event of one object, such as one that was downloaded.

    Raises:
        ArchiveError: It is cut off, or is not what CloudWatch Logs writes.
    """
    return _put_together((key, line) for line in _text(key, file))


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
        body = file.read()
    if (len(body), hashlib.sha256(body).hexdigest()) != (location.size_bytes, location.sha256):
        raise ArchiveError(f"{location.key}: not the {location.size_bytes} bytes that were written")
    return parse(Manifest, body)


def _lines(
    bucket: str, objects: Iterable[ArchivedObject], open_object: Open
) -> Iterator[tuple[str, str]]:
    """Yield ``(key, line)``, each object once, a stream's objects after each other."""
    once = {(each.key, each.version_id): each for each in objects}
    for _, each in sorted(once.items()):
        with closing(open_object(bucket, each.key, each.version_id)) as file:
            counted = _Counted(file)
            for line in _text(each.key, counted):
                yield each.key, line
        if counted.size_bytes != each.size_bytes:
            raise ArchiveError(
                f"{each.key}: {counted.size_bytes} bytes, of {each.size_bytes} in the manifest"
            )


def _text(key: str, file: Readable) -> Iterator[str]:
    """Yield the lines of a gzip file, each with the newline that ends it."""
    # Only "\n" ends a line: a message may hold "\r". No byte of a message stops the others.
    unpacked = gzip.GzipFile(fileobj=cast("BinaryIO", file), mode="rb")  # only read() is called
    lines = io.TextIOWrapper(unpacked, "utf-8", errors="backslashreplace", newline="\n")
    try:
        yield from lines
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ArchiveError(f"{key}: {error}") from error


def _put_together(lines: Iterable[tuple[str, str]]) -> Iterator[LogEvent]:
    """Join the lines of each message: one without a time goes on with the line before it."""
    at_ms, of_key, message = 0, "", ""
    for key, line in lines:
        begins_at_ms = _begins_at_ms(line)
        if begins_at_ms is None:
            if _folder(key) != _folder(of_key):
                raise ArchiveError(f"{key}: its first line has no time")
            message += line
            continue
        if of_key:
            yield _event(at_ms, message, of_key)
        at_ms, of_key, message = begins_at_ms, key, line[_STAMP_LENGTH + 1 :]
    if of_key:
        yield _event(at_ms, message, of_key)


def _begins_at_ms(line: str) -> int | None:
    """Return the time that a line begins with; None where a message goes on."""
    if not _BEGINS.match(line):
        return None
    try:
        return round(datetime.fromisoformat(line[:_STAMP_LENGTH]).timestamp() * 1000)
    except ValueError:  # the 30th of February
        return None


def _event(at_ms: int, message: str, key: str) -> LogEvent:
    return LogEvent(at_ms, message.removesuffix("\n"), _folder(key).rpartition("/")[2], key)


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


class _Counted:
    """A file that counts what has been read of it."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self.size_bytes = 0

    def read(self, amount: int = -1, /) -> bytes:
        piece = self._file.read(amount)
        self.size_bytes += len(piece)
        return piece

    def close(self) -> None:
        self._file.close()
