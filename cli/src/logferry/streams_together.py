"""Streams that processes read, several for each way there and back."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from logferry.workers import Processes
from logferry_contracts.retrieval.streams import Stream

_TOGETHER_BYTES = 1024 * 1024
"""Of streams, as they are stored."""


def streams_together(
    processes: Processes,
    watch: Callable[[int], None],
    work: Callable[[Stream], Any],
    streams: Iterable[Stream],
    /,
) -> Iterator[Any]:
    """Yield what the work returns of each stream, in order.

    Args:
        processes: Do the work, which can be pickled.
        watch: Told how many bytes were read.
        work: What to do with each stream.
        streams: Taken ahead a few MB at a time.
    """
    for size_bytes, outcomes in processes.mapped(_Each(work), _together(streams)):
        watch(size_bytes)
        yield from outcomes


@dataclass(frozen=True)
class _Each:
    """Does the work on each of some streams."""

    work: Callable[[Stream], Any]

    def __call__(self, streams: list[Stream]) -> tuple[int, list[Any]]:
        """Return how many bytes they are, and what came of each."""
        return sum(each.size_bytes for each in streams), list(map(self.work, streams))


def _together(streams: Iterable[Stream]) -> Iterator[list[Stream]]:
    some: list[Stream] = []
    size_bytes = 0
    for stream in streams:
        some.append(stream)
        size_bytes += stream.size_bytes
        if size_bytes >= _TOGETHER_BYTES:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some
