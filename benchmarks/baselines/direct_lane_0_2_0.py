"""The direct lane of 0.2.0, from the answer to the gzip file."""

import gzip
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

GZIP_LEVEL = 6


class Event(NamedTuple):
    """One log event."""

    stream_name: str
    timestamp_ms: int
    message: str


def events(logs: "CloudWatchLogsClient") -> list[Event]:
    """Return a page's events, parsed by botocore."""
    page = logs.filter_log_events(logGroupName="/shop/orders", startTime=0, endTime=1)
    return [
        Event(event["logStreamName"], event["timestamp"], event["message"])
        for event in page["events"]
    ]


def line(event: Event) -> bytes:
    """Return an event's line, its time formatted for itself."""
    seconds, milliseconds = divmod(event.timestamp_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z {event.message}\n".encode()


class Spool:
    """The lines of each log stream, in a file."""

    def __init__(self, folder: Path) -> None:
        """Use an empty folder."""
        self._folder = folder
        self._files: dict[str, Path] = {}

    def add(self, page: Iterable[Event]) -> None:
        """Add a page's events."""
        lines: defaultdict[str, list[bytes]] = defaultdict(list)
        for event in page:
            lines[event.stream_name].append(line(event))
        for stream_name, some in lines.items():
            path = self._files.setdefault(stream_name, self._folder / f"{len(self._files)}.log")
            with path.open("ab") as file:
                file.writelines(some)

    def compressed(self) -> Iterator[Path]:
        """Yield each log stream's gzip file, which stays until the next."""
        path = self._folder / "compressed.gz"
        for lines_path in self._files.values():
            with (
                path.open("wb") as file,
                gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed,
                lines_path.open("rb") as lines,
            ):
                shutil.copyfileobj(lines, packed)
            yield path
