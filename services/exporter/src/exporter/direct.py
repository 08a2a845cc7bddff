"""The direct lane: rules for what is read with FilterLogEvents instead of exported by a task.

What it writes is what an export task writes: the same keys, but for the folder of the task, and the
same lines. Whatever is too much for it goes to the slot, which takes anything.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NamedTuple

import msgspec

from exporter.errors import NotForDirectLaneError, TooMuchForDirectLaneError
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import stream_in_key
from logferry_contracts.window import Window

READABLE_CLASS = "STANDARD"
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html"""
MAX_STREAMS = 500
"""Each log stream is an upload of its own, about a tenth of a second."""
MAX_RECEIVES = 10
"""A request that was received more often goes to the slot: whatever is in the way here may not be
in the way there."""
TRIED_FOR = timedelta(minutes=45)
"""The same, of one that was first received so long ago: tries that die take a function's whole
time each, and others wait behind it."""
MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

PART_SHARE = 0.6
"""A window that is estimated at more than this share of what is read at once is read in parts. Each
part is in the archive by itself, and the slot may take one."""
MOST_OVER = 3
"""So much more than is read at once may turn up: a part has its share of the window's estimate, and
a log group's hours differ. What has been read when it is too much is read again in parts."""
LEAST_READ_BYTES = 64_000_000
"""What an invocation has read at least when more time is all that it needs."""

PAGE_BYTES = 700_000
"""Of lines, that a call of FilterLogEvents brings: its limit is 1 MB, with what is around them."""
TIME_OVER = 2.5
"""So many times the estimate's time has to be left to begin in the second half of an invocation."""

LEAST_READERS = 4
READERS_PER_CALL = 0.8
"""Slices of a window that are read at once, for each call a second: a page takes 0.6 seconds, so
that one reader alone would use less than two of five calls a second."""
SLICE_BYTES = 4_000_000
"""About six pages of FilterLogEvents. Each slice costs a call for a page that is not full."""
SLICES_PER_READER = 2
"""Of what is left, so that slices get shorter: a log group has busy hours, and whoever is done
early takes the next one, until all are done at about the same time."""


class Slice(NamedTuple):
    """A part of a window; both ends are inclusive, as those of FilterLogEvents' range."""

    start_ms: int
    end_ms: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """One log event, as FilterLogEvents has it."""

    stream_name: str = msgspec.field(name="logStreamName")
    timestamp_ms: int = msgspec.field(name="timestamp")
    message: str


def most_bytes(max_bytes: int) -> int:
    """Return how much may turn up where so much is read at once."""
    return MOST_OVER * max_bytes


def reading_time(estimated_bytes: int, calls_per_second: float) -> timedelta | None:
    """Return in what time a window is read, even if there is more of it; None: nobody knows."""
    if estimated_bytes == 0:
        return None
    return timedelta(seconds=TIME_OVER * estimated_bytes / (calls_per_second * PAGE_BYTES))


def readers(calls_per_second: float) -> int:
    """Return how many slices of a window are read at once."""
    return max(LEAST_READERS, ceil(calls_per_second * READERS_PER_CALL))


def slices(
    window: Window,
    estimated_bytes: int,
    readers: int = LEAST_READERS,
    *,
    with_end: bool = True,
) -> list[Slice]:
    """Return the parts in which to read a window, in the order of time; a small one is one part.

    They hold each millisecond of the window once.

    Args:
        window: Which.
        estimated_bytes: What is in it, as far as anybody knows; 0 if nobody does.
        readers: How many are read at once.
        with_end: Whether its end is read as well, as an export task does it.
    """
    length_ms = window.to_ms - window.from_ms
    least_ms = max(1, length_ms * SLICE_BYTES // max(estimated_bytes, 1))
    starts_ms, left_ms = [window.from_ms], length_ms
    while left_ms >= 2 * least_ms:
        slice_ms = max(least_ms, left_ms // (SLICES_PER_READER * readers))
        starts_ms.append(starts_ms[-1] + slice_ms)
        left_ms -= slice_ms
    end_ms = window.to_ms if with_end else window.to_ms - 1
    ends_ms = [start_ms - 1 for start_ms in starts_ms[1:]] + [end_ms]
    return list(map(Slice, starts_ms, ends_ms))


def reads_end(record: LedgerRecord) -> bool:
    """Whether an export has the millisecond that its window ends with, as an export task may.

    That of a half is the next one's, which is in the same manifest.
    """
    return record.parent_export_id is None


def folder_name(export_id: str) -> str:
    """Return what stands for the task id in the keys: the export's id in the form of a task's.

    It is the same for each try of an export, and another one for its next generation.
    """
    return str(uuid.UUID(hex=export_id))


def lines(events: Iterable[Event]) -> dict[str, bytes]:
    r"""Return events as they stand in the objects, such as ``2026-11-21T15:00:00.000Z hello\n``.

    AWS does not specify the format; export tasks were seen to write it.

    Returns:
        The lines of each log stream, in the order of its events, by the stream's name.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    known_s, moment = None, ""
    for event in events:
        at_s, milliseconds = divmod(event.timestamp_ms, 1000)
        # Events come in the order of time, and to format a time is most of the work.
        if at_s != known_s:
            known_s, moment = at_s, f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}"
        found[event.stream_name].append(f"{moment}.{milliseconds:03d}Z {event.message}\n")
    return {stream_name: "".join(some).encode() for stream_name, some in found.items()}


def keys(folder: str, stream_names: Iterable[str]) -> dict[str, str]:
    """Return the key of each log stream's object, by the stream's name.

    Streams whose names differ by a slash alone share a folder, as they do in an export task's.

    Args:
        folder: What all of them begin with, ending in a slash.
        stream_names: Of the streams that have events.

    Raises:
        NotForDirectLaneError: A key would be longer than S3 takes.
    """
    taken: Counter[str] = Counter()
    found = {}
    for stream_name in sorted(stream_names):
        stream_folder = f"{folder}{stream_in_key(stream_name)}"
        found[stream_name] = key = f"{stream_folder}/{taken[stream_folder]:06d}.gz"
        taken[stream_folder] += 1
        if len(key.encode()) > MAX_KEY_BYTES:
            raise NotForDirectLaneError(f"the key of log stream {stream_name} would be too long")
    return found


def check_size(
    size_bytes: int, stream_count: int, *, max_bytes: int, max_streams: int = MAX_STREAMS
) -> None:
    """Check what has been read so far.

    Args:
        size_bytes: Of the lines, uncompressed.
        stream_count: Of the streams that have events.
        max_bytes: The most that this lane may take.
        max_streams: Of so many log streams.

    Raises:
        TooMuchForDirectLaneError: It is too much, and its parts may not be.
        NotForDirectLaneError: It is of too many log streams.
    """
    if size_bytes > max_bytes:
        raise TooMuchForDirectLaneError(f"more than {max_bytes} bytes")
    if stream_count > max_streams:
        raise NotForDirectLaneError(f"more than {max_streams} log streams")
