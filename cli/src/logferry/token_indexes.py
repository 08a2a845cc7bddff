"""Indexes of tokens, one for each source and month: in a folder or a bucket, written and asked.

They may be deleted at any time. Whoever can write there can hide what a search by them would find,
and change nothing of what it shows.
"""

import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple, Protocol

from logferry_contracts.message import from_epoch_ms
from logferry_contracts.retrieval.reading import Events, Outcome, read
from logferry_contracts.retrieval.search import Report
from logferry_contracts.retrieval.streams import Stream
from logferry_contracts.retrieval.token_index import (
    DamagedIndexError,
    Pairs,
    Read,
    TokenIndex,
    Unit,
)
from logferry_contracts.retrieval.tokens import slots
from logferry_contracts.verification.store import Store, Unreadable

_S3 = "s3://"

type Reading = Callable[[Iterable[Stream]], Iterable[Outcome[array[int]]]]


class Kept(Protocol):
    """Where indexes are."""

    def opened(self, name: str) -> Read | None:
        """Return what reads an index; None: there is none.

        Raises:
            OSError: It cannot be read; so does what is returned.
            Unreadable: The same.
        """

    def write(self, name: str, file: IO[bytes]) -> None:
        """Put an index there, in the place of one that is."""


def kept_at(place: str) -> Kept:
    """Return a folder, or a part of a bucket: ``s3://<bucket>/<prefix>``."""
    if not place.startswith(_S3):
        return Folder(Path(place))
    # Who has a folder does not wait for AWS's SDK.
    from logferry.token_indexes_in_s3 import bucket_of  # noqa: PLC0415

    bucket, _, prefix = place.removeprefix(_S3).partition("/")
    return bucket_of(bucket, prefix.rstrip("/"))


@dataclass(frozen=True)
class Folder:
    """A folder with indexes."""

    root: Path

    def opened(self, name: str) -> Read | None:
        """See `Kept.opened`."""
        path = self.root / name
        return _of_file(path) if path.exists() else None

    def write(self, name: str, file: IO[bytes]) -> None:
        """See `Kept.write`."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.with_name(f"{path.name}.begun")
        with begun.open("wb") as to:
            shutil.copyfileobj(file, to)
        begun.replace(path)


def _of_file(path: Path) -> Read:
    def read(begin: int, count: int) -> bytes:
        with path.open("rb") as file:
            file.seek(begin)
            return file.read(count)

    return read


def name_of(stream: Stream) -> str:
    """Return the name of the index that has a stream: of the month, in UTC, of its window."""
    month = f"{from_epoch_ms(stream.window.from_ms):%Y-%m}"
    return f"{stream.source.account_id}/{stream.source.region}/{month}.tokens"


def unit_of(stream: Stream) -> Unit | None:
    """Return what an index calls a stream; None of one that is not sealed yet."""
    hashes = [each.sha256 for each in stream.pieces]
    return tuple(bytes.fromhex(each) for each in hashes if each) if all(hashes) else None


class RulingOut:
    """Says which streams cannot have an id, by indexes. What none of them knows is to be read."""

    def __init__(self, kept: Kept, text: str, tell: Callable[[str], None]) -> None:
        """Rule nothing out yet.

        Args:
            kept: Where the indexes are.
            text: The id.
            tell: Told of each index that cannot be used.
        """
        self._kept = kept
        self._tell = tell
        self._slots = slots(text.encode())
        self._known: dict[str, tuple[TokenIndex, set[int]] | None] = {}
        if not self._slots:
            tell("no index helps: this is no address, and has no nine letters and digits in a row")

    def __call__(self, stream: Stream) -> bool:
        """Whether a stream need not be read."""
        unit = unit_of(stream) if self._slots else None
        if unit is None:
            return False
        name = name_of(stream)
        if name not in self._known:
            self._known[name] = self._of(name)
        if (known := self._known[name]) is None:
            return False
        index, having = known
        number = index.number(unit)
        return number is not None and number not in having

    def _of(self, name: str) -> tuple[TokenIndex, set[int]] | None:
        """Return an index, and the units that may have the id."""
        try:
            opened = self._kept.opened(name)
            if opened is None:
                return None
            index = TokenIndex(opened)
            return index, set.intersection(*map(index.having, self._slots))
        except (DamagedIndexError, Unreadable, OSError) as error:
            self._tell(f"{name} is not used: {error}")
            return None


class Month(NamedTuple):
    """What was done to an index.

    Attributes:
        added: How many streams it did not know.
        known: How many it did.
        size_bytes: Of the index; None where nothing was written.
        report: What came of reading those that it did not know.
    """

    name: str
    added: int
    known: int
    size_bytes: int | None
    report: Report


def write_month(
    kept: Kept, name: str, streams: Iterable[Stream], reading: Reading, *, again: bool
) -> Month:
    """Put into an index the streams of its month that it does not know.

    Args:
        kept: Where it is.
        name: Of the index.
        streams: Whole ones, all of its month.
        reading: Reads `tokens_of` several streams, in order.
        again: Whether to forget what it knows.

    Raises:
        OSError: It cannot be read or written.
        Unreadable: The same.
    """
    pairs, report = Pairs(), Report()
    try:
        fresh = _Fresh(None if again else _usable(kept.opened(name), pairs))
        given, named = tee(fresh.of(streams))
        for (_, unit), outcome in zip(named, reading(each for each, _ in given), strict=True):
            report.add(outcome, 0)
            if outcome.found is not None:
                pairs.add(unit, outcome.found)
        size_bytes = _written(kept, name, pairs) if report.streams else None
    finally:
        pairs.close()
    return Month(name, report.streams, fresh.known, size_bytes, report)


class _Fresh:
    """Streams that an index does not know, each once.

    Attributes:
        known: How many it knew.
    """

    def __init__(self, index: TokenIndex | None) -> None:
        self._index = index
        self._seen: set[Unit] = set()
        self.known = 0

    def of(self, streams: Iterable[Stream]) -> Iterator[tuple[Stream, Unit]]:
        for stream in streams:
            unit = unit_of(stream)
            if unit is None or unit in self._seen:
                continue
            self._seen.add(unit)
            if self._index is not None and self._index.number(unit) is not None:
                self.known += 1
            else:
                yield stream, unit


def _usable(opened: Read | None, pairs: Pairs) -> TokenIndex | None:
    """Return an index whose pairs are taken in; None where there is none that can be used."""
    if opened is None:
        return None
    try:
        index = TokenIndex(opened)
        for _ in index.pairs():
            pass
    except DamagedIndexError:
        return None
    pairs.add_index(index)
    return index


def _written(kept: Kept, name: str, pairs: Pairs) -> int:
    with TemporaryFile() as file:
        pairs.write(file)
        size_bytes = file.tell()
        file.seek(0)
        kept.write(name, file)
    return size_bytes


def tokens_of(store: Store, stream: Stream) -> Outcome[array[int]]:
    """Return what stands for the tokens of a stream, where all of it is what was archived."""
    return read(store, stream, _slots)


def _slots(some: Iterator[Events]) -> array[int]:
    found = set[int]()
    for _, text, begin, end in some:
        found |= slots(text[begin:end])
    return array("I", found)
