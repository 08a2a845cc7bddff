"""Log events on their way from a reader to the archive: on disk, so that memory stays flat."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from threading import Lock

from isal import isal_zlib

from exporter import direct

GZIP_LEVEL = 3
"""ISA-L's smallest: 2 to 7 % more bytes than zlib's level 6, in a fifth to a tenth of its time."""
GZIP_WBITS = 31
"""zlib's word for gzip's own header and end."""
READ_BYTES = 256 * 1024
LONGEST_INVOCATION_S = 900
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


def remove_leftovers(folder: Path) -> None:
    """Remove the folders of invocations that were killed: /tmp outlives them.

    Args:
        folder: Just made, beside the others, whose names begin like its own up to the last hyphen.
            What is so much older that no invocation can be at it is left over. A message that was
            being worked on stays invisible for longer, so the next try finds room.
    """
    pattern = f"{folder.name.rpartition('-')[0]}-*"
    for other in folder.parent.glob(pattern):
        # Somebody else may be removing it as well.
        with suppress(OSError):
            if other.stat().st_mtime < folder.stat().st_mtime - LONGEST_INVOCATION_S:
                shutil.rmtree(other)


class Spool:
    """The lines of each log stream, in a file for each slice, in the order in which they come.

    Readers of different slices may add pages at the same time.

    Attributes:
        folder: With all of it.
        size_bytes: Of all lines, uncompressed.
    """

    def __init__(self, folder: Path) -> None:
        """Use an empty folder."""
        self.folder = folder
        self._files: dict[str, dict[int, Path]] = {}
        self._numbers = count()
        self._lock = Lock()
        self.size_bytes = 0

    @property
    def stream_names(self) -> list[str]:
        """The log streams that have events."""
        with self._lock:
            return list(self._files)

    def add(self, events: Iterable[direct.Event], slice_number: int = 0) -> None:
        """Add a page of a slice's events; the slices' numbers are in the order of time.

        Raises:
            OSError: The disk is full.
        """
        for stream_name, lines in direct.lines(events).items():
            # Opened for each page: there may be more streams than files may be open.
            with self._file(stream_name, slice_number).open("ab") as file:
                file.write(lines)
            with self._lock:
                self.size_bytes += len(lines)

    def keep(self, stream_name: str, events: Iterable[bytes]) -> None:
        """Add events of a stream as they are, each without the newline that ends it.

        Raises:
            OSError: The disk is full.
        """
        some = iter(events)
        first = next(some, None)
        if first is None:
            return
        with self._file(stream_name, 0).open("ab") as file:
            for event in chain([first], some):
                file.write(event + b"\n")

    def size_of(self, stream_name: str) -> int:
        """Return the size of a stream's lines, uncompressed."""
        return sum(part.stat().st_size for part in self._files[stream_name].values())

    def texts(self, stream_name: str) -> Iterator[bytes]:
        """Yield a stream's lines, in pieces and in their order."""
        for _, part in sorted(self._files[stream_name].items()):
            with part.open("rb") as lines:
                while some := lines.read(READ_BYTES):
                    yield some

    def _file(self, stream_name: str, slice_number: int) -> Path:
        """Return the file of a stream and slice; only the slice's reader writes to it."""
        with self._lock:
            files = self._files.setdefault(stream_name, {})
            if slice_number not in files:
                files[slice_number] = self.folder / f"{next(self._numbers)}.log"
            return files[slice_number]

    def compressed(self, stream_name: str) -> Path:
        """Return a stream's gzip file, which stays until the next stream is asked for.

        The same lines give the same bytes. They are removed, to make room for others.

        Raises:
            OSError: The disk is full.
        """
        path = self.folder / "compressed.gz"
        # Without a name and a time in the header, which would differ at each try.
        packer = isal_zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WBITS)
        with path.open("wb") as packed:
            for _, part in sorted(self._files[stream_name].items()):
                with part.open("rb") as lines:
                    while some := lines.read(READ_BYTES):
                        packed.write(packer.compress(some))
                part.unlink()
            packed.write(packer.flush())
        return path
