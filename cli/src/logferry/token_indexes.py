"""Indexes of tokens, one for each source and month: in a folder or a bucket, written and asked.

They may be deleted at any time. Whoever can write there can hide what a search by them would find,
and change nothing of what it shows.
"""

import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple, Protocol

from logferry_contracts.chain import ChainName
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.retrieval.reading import Events, Outcome, read
from logferry_contracts.retrieval.search import Report
from logferry_contracts.retrieval.streams import Stated, Stream
from logferry_contracts.retrieval.token_index import (
    DamagedIndexError,
    Pairs,
    Read,
    TokenIndex,
    Unit,
)
from logferry_contracts.retrieval.tokens import slots
from logferry_contracts.seal_key import StatementName
from logferry_contracts.verification.findings import Finding, Unchecked
from logferry_contracts.verification.store import Store, Unreadable
from logferry_contracts.window import Window

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
    return _name(ChainName.of(stream.source), stream.window)


def _name(chain: ChainName, window: Window) -> str:
    return f"{chain}/{from_epoch_ms(window.from_ms):%Y-%m}.tokens"


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
        if (known := self._at(name_of(stream))) is None:
            return False
        index, having = known
        number = index.number(unit)
        return number is not None and number not in having

    def objects_of(self, chain: ChainName, statement: StatementName) -> int | None:
        """Return how many objects a statement has, if none of them need be read; otherwise None."""
        if not self._slots or (known := self._at(_name(chain, statement.window))) is None:
            return None
        index, having = known
        stated = index.statements.get(bytes.fromhex(statement.sha256))
        return stated.objects if stated and having.isdisjoint(stated.units) else None

    def _at(self, name: str) -> tuple[TokenIndex, set[int]] | None:
        if name not in self._known:
            self._known[name] = self._of(name)
        return self._known[name]

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
            # What has an end that cannot be read is opened, so that each search says so.
            if outcome.found is not None and not any(map(_is_unread, outcome.findings)):
                pairs.add(unit, outcome.found)
        stated = [pairs.add_statement(*each) for each in fresh.statements(pairs.units)]
        size_bytes = _written(kept, name, pairs) if report.streams or any(stated) else None
    finally:
        pairs.close()
    return Month(name, report.streams, fresh.known, size_bytes, report)


def _is_unread(finding: Finding) -> bool:
    return isinstance(finding, Unchecked)


class _Fresh:
    """Streams that an index does not know, each once.

    Attributes:
        known: How many it knew.
    """

    def __init__(self, index: TokenIndex | None) -> None:
        self._index = index
        self._seen: set[Unit] = set()
        self._stated: dict[Stated, list[Unit]] = {}
        self._objects: Counter[Stated] = Counter()
        """Those with events that were seen."""
        self.known = 0

    def of(self, streams: Iterable[Stream]) -> Iterator[tuple[Stream, Unit]]:
        for stream in streams:
            unit = unit_of(stream)
            if unit is None:
                continue
            known = self._known(unit)
            self._state(stream, known or unit)
            if unit in self._seen:
                continue
            self._seen.add(unit)
            if known:
                self.known += 1
            else:
                yield stream, unit

    def _known(self, unit: Unit) -> Unit | None:
        """Return what the index has of it, which may be more."""
        if self._index is None or (number := self._index.number(unit)) is None:
            return None
        return self._index.units[number]

    def _state(self, stream: Stream, unit: Unit) -> None:
        if stream.stated is not None:
            self._stated.setdefault(stream.stated, []).append(unit)
            self._objects[stream.stated] += sum(bool(each.events) for each in stream.pieces)

    def statements(self, units: Container[Unit]) -> Iterator[tuple[bytes, int, list[Unit]]]:
        """Yield those of which all objects with events are in units, with these."""
        for stated, own in self._stated.items():
            if self._objects[stated] == stated.objects and all(each in units for each in own):
                yield bytes.fromhex(stated.sha256), stated.objects, own


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
