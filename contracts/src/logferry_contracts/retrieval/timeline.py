"""Things of many streams in the order of time, given out as soon as nothing can come before them.

What has to wait is kept in memory up to a limit, and in files beyond it.
"""

import pickle
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush, heapreplace
from operator import itemgetter
from tempfile import TemporaryFile
from typing import IO, Any, Protocol

KEPT_BYTES = 64 * 1024 * 1024
"""Of what waits in memory, as far as messages go."""
_TOGETHER_BYTES = 64 * 1024
"""Of what is read at a time of each file: things that have much in common take less together."""


class Timed(Protocol):
    """Something that happened."""

    @property
    def at_ms(self) -> int:
        """When, in milliseconds since 1970."""

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""


type _Place = tuple[int, int]
"""When, and in which order it was taken in."""


class Timeline[T: Timed]:
    """Sorts what is taken in, from the oldest on or from the newest back."""

    def __init__(self, *, newest_first: bool, kept_bytes: int = KEPT_BYTES) -> None:
        """Begin with nothing."""
        self._sign = -1 if newest_first else 1
        self._kept_bytes = kept_bytes
        self._waiting: list[tuple[_Place, T]] = []
        self._waiting_bytes = self._taken = 0
        """A heap."""
        self._runs: list[tuple[_Place, T, Iterator[tuple[_Place, T]]]] = []
        """What is in files, with the next thing of each: another heap."""

    def add(self, things: Iterable[T]) -> None:
        """Take in things of one stream; those of one millisecond stay in their order."""
        for each in things:
            heappush(self._waiting, ((self._sign * each.at_ms, self._taken), each))
            self._taken += 1
            self._waiting_bytes += each.size_bytes
            if self._waiting_bytes > self._kept_bytes:
                self._write()

    def until(self, at_ms: int | None) -> Iterator[T]:
        """Give out what comes before anything of a time; None: everything."""
        limit = None if at_ms is None else (self._sign * at_ms, -1)
        while (heap := self._next_heap()) and (limit is None or heap[0][0] < limit):
            yield self._given() if heap is self._waiting else self._given_of_run()

    def _next_heap(self) -> Sequence[tuple[_Place, Any, *tuple[Any, ...]]]:
        """Return that of the two which has what comes next; an empty one where there is nothing."""
        if not self._waiting or (self._runs and self._runs[0][0] < self._waiting[0][0]):
            return self._runs
        return self._waiting

    def _given(self) -> T:
        _, thing = heappop(self._waiting)
        self._waiting_bytes -= thing.size_bytes
        return thing

    def _given_of_run(self) -> T:
        _, thing, rest = self._runs[0]
        following = next(rest, None)
        if following is None:
            heappop(self._runs)
        else:
            heapreplace(self._runs, (*following, rest))
        return thing

    def _write(self) -> None:
        """Put what waits into a file."""
        self._waiting.sort(key=itemgetter(0))
        file = TemporaryFile()  # noqa: SIM115  (it is open as long as something is in it)
        count = 0
        for some in _together(self._waiting):
            pickle.dump(some, file)
            count += 1
        file.seek(0)
        rest = _loaded(file, count)
        self._waiting, self._waiting_bytes = [], 0
        heappush(self._runs, (*next(rest), rest))


def _together[T: Timed](things: Iterable[tuple[_Place, T]]) -> Iterator[list[tuple[_Place, T]]]:
    some: list[tuple[_Place, T]] = []
    size_bytes = 0
    for each in things:
        some.append(each)
        size_bytes += each[1].size_bytes
        if size_bytes > _TOGETHER_BYTES:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some


def _loaded(file: IO[bytes], count: int) -> Iterator[Any]:
    with file:
        for _ in range(count):
            yield from pickle.load(file)  # noqa: S301  (ours)
