"""Events that were read compared with those that are there, on disk.

The digests of both sides go into files by their first byte, so that those that are alike are in
files of the same number. Each two files are compared by themselves: that takes the same memory
however much was read.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from exporter.missing import DIGEST_BYTES
from logferry_contracts.log_line import STAMP_LENGTH

EVENTS_AT_ONCE = 200_000
"""That are remembered: they take some 30 MB of the function's 256, which compares four windows."""
_LEAST_EVENT_BYTES = STAMP_LENGTH + 2
_MOST_FILES = 256
_NUMBER_BYTES = 6


class Numbers:
    """Numbers of events, in a bit for each."""

    def __init__(self, count: int) -> None:
        """Have room for so many, and none of them."""
        self._bits = bytearray(count // 8 + 1)
        self.count = 0

    def add(self, number: int) -> None:
        """Have another one."""
        self._bits[number >> 3] |= 1 << (number & 7)
        self.count += 1

    def __contains__(self, number: int) -> bool:
        """Whether it was added."""
        return bool(self._bits[number >> 3] & 1 << (number & 7))


class Comparison:
    """Finds which of the events that were read are not there, as often as they were read.

    Attributes:
        there_count: How many are there.
    """

    def __init__(self, folder: Path, read_bytes: int) -> None:
        """Use an empty folder.

        Args:
            folder: For 40 bytes of each event.
            read_bytes: How much was read, as lines: so few events it can be at most.
        """
        most_events = read_bytes // _LEAST_EVENT_BYTES
        self._files = min(_MOST_FILES, 1 + most_events // EVENTS_AT_ONCE)
        self._folder = folder
        self.there_count = 0

    def put_there(self, digests: Iterable[bytes]) -> None:
        """Say what is there.

        Raises:
            OSError: The disk is full.
        """
        with ExitStack() as opened:
            files = [opened.enter_context(path.open("wb")) for path in self._paths("there")]
            for digest in digests:
                files[digest[0] % self._files].write(digest)
                self.there_count += 1

    def missing(
        self, digests: Iterable[bytes], check_time: Callable[[], None] = lambda: None
    ) -> tuple[Numbers, int]:
        """Return which of those that were read are not there, and how many that are were not read.

        The first ones of several alike are taken for those that are there. Where fewer were read
        than are there, nothing but that is said.

        Args:
            digests: Of what was read, each as often as it was; their places are their numbers.
            check_time: Called before some of them are compared, as often as there are files; raises
                where there is no time for it.

        Raises:
            OSError: The disk is full.
        """
        count = 0
        with ExitStack() as opened:
            files = [opened.enter_context(path.open("wb")) for path in self._paths("read")]
            for digest in digests:
                number = count.to_bytes(_NUMBER_BYTES)
                files[digest[0] % self._files].write(digest + number)
                count += 1
        numbers, left = Numbers(count), 0
        if self.there_count > count:  # each file has as few as are remembered only of what was read
            return numbers, self.there_count - count
        for there_path, read_path in zip(self._paths("there"), self._paths("read"), strict=True):
            check_time()
            there = Counter(_records(there_path, DIGEST_BYTES))
            for each in _records(read_path, DIGEST_BYTES + _NUMBER_BYTES):
                digest = each[:DIGEST_BYTES]
                if there[digest] > 1:
                    there[digest] -= 1
                elif not there.pop(digest, 0):
                    numbers.add(int.from_bytes(each[DIGEST_BYTES:]))
            left += there.total()
        return numbers, left

    def _paths(self, side: str) -> list[Path]:
        return [self._folder / f"{side}-{n}" for n in range(self._files)]


def _records(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while each := file.read(size):
            yield each
