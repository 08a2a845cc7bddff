"""Log events got back whole: what log groups logged in a time, merged in the order of time.

Streams are read side by side into sorted files of a folder beside the output, which are merged
into it. The folder remembers which are read, so that a fetch which was stopped goes on.
"""

import hashlib
import json
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from logferry.errors import ConfigError
from logferry.runs import RUN_BYTES, Cuts, Part, Run, cuts_of, merged, parts_of, write_run
from logferry_contracts.log_line import STAMP_LENGTH, stamp, whole_events
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.reading import Events, Outcome, read
from logferry_contracts.retrieval.search import Report
from logferry_contracts.retrieval.streams import Piece, Stream
from logferry_contracts.verification.findings import Unchecked
from logferry_contracts.verification.store import Mapped, Store

_TOGETHER_BYTES = 2 * 1024 * 1024
"""Of streams, as they are stored, that are read into one file."""
_AT = slice(STAMP_LENGTH)
_STATE = "fetched.jsonl"
_SOURCES = "sources"
_TAG_LETTERS = 12
TAG = slice(STAMP_LENGTH + 1, STAMP_LENGTH + 1 + _TAG_LETTERS)
"""Where a line says from which object its event is, between its time and its message."""
_IDENTITY_LETTERS = 32
_COUNTED = ("streams", "objects", "size_bytes", "hashed", "matches")
_TOLD = "Look at it by itself"


class Got(NamedTuple):
    """What was read of a stream.

    Attributes:
        runs: Files that were written, as there was much of it.
        rest: Events that are in none of them.
        events: How many there are.
    """

    runs: list[Run]
    rest: list[bytes]
    events: int


class Batch(NamedTuple):
    """Streams that are read into files of their own, which have its number in their names."""

    number: int
    streams: list[Stream]


class Folder:
    """Where sorted files are until they are merged, and what is remembered of them.

    Attributes:
        begun: Is in the names of all files that are written from now on, and of no others.
        done: The streams that are read, see `identity`.
        runs: The sorted files of these.
        cuts: Where time is cut in all of them.
        report: What came of them.
    """

    def __init__(self, path: Path, task: str, plan: Plan) -> None:
        """Begin, or go on.

        Args:
            path: Of the folder.
            task: What is fetched, in words; another one does not go on.
            plan: What to read. It may be in another order than the one that was begun with, and
                have more: a seal says more of an object than the ledger does. What was read has to
                be in it.

        Raises:
            ConfigError: Something else was begun there, or it cannot be written.
        """
        self.path = path
        self.cuts = cuts_of(*plan.span, plan.size_bytes)
        self.begun = secrets.token_hex(4)
        self.done: set[str] = set()
        self.runs: list[Run] = []
        self.report = Report()
        self._lock = threading.Lock()
        try:
            path.mkdir(parents=True, exist_ok=True)
            state, sources = path / _STATE, path / _SOURCES
            if state.exists() and sources.exists():
                self._read(state, task, plan)
            else:  # where events are from is in both
                head = {"task": task, "cuts": [each.decode() for each in self.cuts]}
                state.write_text(f"{json.dumps(head)}\n", encoding="utf-8")
            self._sources = sqlite3.connect(sources, check_same_thread=False, autocommit=True)
            self._sources.execute("CREATE TABLE IF NOT EXISTS sources (document TEXT)")
        except (OSError, ValueError, KeyError, TypeError, sqlite3.Error) as error:
            raise ConfigError(str(path), [f"not the folder of a fetch: {error!r}"]) from error

    def close(self) -> None:
        """Keep it for the next time."""
        self._sources.close()

    def remove(self) -> None:
        """Forget everything."""
        self.close()
        shutil.rmtree(self.path)

    def add(self, streams: Iterable[Stream], runs: Sequence[Run], report: Report) -> None:
        """Remember that streams are read, and what came of them."""
        read = list(map(identity, streams))
        self.done.update(read)
        self.runs += runs
        line = {
            "read": read,
            "runs": [[run.path.name, run.first, run.places] for run in runs],
            "told": [[each.thing, each.why] for each in report.unchecked],
            **{name: getattr(report, name) for name in _COUNTED},
        }
        with (self.path / _STATE).open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(line)}")

    def source_id(self, document: dict[str, Any]) -> int:
        """Remember where events are from, and return its number."""
        with self._lock:
            added = self._sources.execute("INSERT INTO sources VALUES (?)", (json.dumps(document),))
            return added.lastrowid or 0

    def source(self, number: int) -> dict[str, Any]:
        """Return where events are from."""
        rows = self._sources.execute("SELECT document FROM sources WHERE rowid = ?", (number,))
        found: dict[str, Any] = json.loads(rows.fetchone()[0])
        return found

    def slices(self) -> Iterator[list[Part]]:
        """Yield what there is of each slice of time, from the oldest on."""
        return (parts_of(self.runs, number) for number in range(len(self.cuts) + 1))

    def _read(self, state: Path, task: str, plan: Plan) -> None:
        first, *lines = state.read_text(encoding="utf-8").strip().splitlines()
        head = json.loads(first)
        if head["task"] != task:
            raise self._of_another("it is of another fetch")
        self.cuts = [each.encode() for each in head["cuts"]]
        for line in filter(None, lines):
            try:
                said = json.loads(line)
            except ValueError:
                continue  # it was cut off while it was written
            if not self.done.isdisjoint(said["read"]):
                continue  # by another fetch that went on beside: each event counts once
            runs = [Run(self.path / name, *rest) for name, *rest in said["runs"]]
            if not all(each.is_whole for each in runs):
                continue  # cut off by a machine that went down, or removed: it is read again
            self.done.update(said["read"])
            self.runs += runs
            for name in _COUNTED:
                setattr(self.report, name, getattr(self.report, name) + said[name])
            self.report.findings += [Unchecked(thing, why, _TOLD) for thing, why in said["told"]]
        if self.done and not self.done.issubset(map(identity, plan.streams())):
            raise self._of_another("not all that it has is to be read any more")

    def _of_another(self, told: str) -> ConfigError:
        return ConfigError(str(self.path), [f"{told}: name another file, or remove this folder"])


@dataclass(frozen=True)
class Reader:
    """Reads streams into sorted files. Without `source_id` it can be pickled.

    Attributes:
        files: What the paths of the files begin with.
        cuts: Where time is cut in them.
        source_id: Remembers where events are from, which each then says by a number; None: none do.
    """

    store: Store
    asked: Asked
    files: Path
    cuts: Cuts
    source_id: Callable[[dict[str, Any]], int] | None

    def __call__(self, batch: Batch) -> tuple[Batch, list[Outcome[Got]], list[Run]]:
        """Return what came of each stream, and the files with their events."""
        outcomes: list[Outcome[Got]] = []
        runs: list[Run] = []
        waiting: list[bytes] = []
        waiting_bytes = 0
        names = (Path(f"{self.files}-{batch.number}-{n}") for n in count())
        for stream in batch.streams:
            outcome = read(self.store, stream, partial(self._scan, stream, names))
            outcomes.append(outcome)
            if outcome.found is not None:
                runs += outcome.found.runs
                waiting += outcome.found.rest
                waiting_bytes += sum(map(len, outcome.found.rest))
                outcome.found.rest.clear()
            if waiting_bytes > RUN_BYTES:
                runs.append(write_run(next(names), waiting, self.cuts))
                waiting, waiting_bytes = [], 0
        if waiting:
            runs.append(write_run(next(names), waiting, self.cuts))
        return batch, outcomes, runs

    def _scan(self, stream: Stream, names: Iterator[Path], some: Iterable[Events]) -> Got:
        wanted = _wanted(self.asked, stream)
        got, size_bytes = Got([], [], 0), 0
        rest: list[bytes] = []
        events = 0
        tags: dict[Piece, int] = {}
        for piece, text, begin, end in some:
            found = wanted(whole_events(text[begin:end]))
            events += len(found)
            if self.source_id is not None:
                number = tags.get(piece) or self.source_id(_source(stream, piece))
                tag = b" %0*x" % (_TAG_LETTERS, tags.setdefault(piece, number))
                found = [each[_AT] + tag + each[STAMP_LENGTH:] for each in found]
            rest += found
            size_bytes += end - begin
            if size_bytes > RUN_BYTES and rest:
                got.runs.append(write_run(next(names), rest, self.cuts))
                rest, size_bytes = [], 0
        return got._replace(rest=rest, events=events)


def _source(stream: Stream, piece: Piece) -> dict[str, Any]:
    return {
        "account_id": stream.source.account_id,
        "region": stream.source.region,
        "profile": stream.source.profile,
        "log_group": stream.log_group_name,
        "stream": stream.name,
        "key": piece.key,
        "version_id": piece.version_id,
        "sha256": piece.sha256,
    }


def task_of(archive: str, asked: Asked, form: str) -> str:
    """Return what is fetched, in words that are the same for the same."""
    return f"{archive} {asked.log_groups} {asked.streams} {asked.from_ms} {asked.to_ms} {form}"


def identity(stream: Stream) -> str:
    """Return what is the same for the same events, whoever says where they are.

    Not the times and the hash of an object, which are known once it is sealed.
    """
    objects = [(each.key, each.version_id) for each in stream.pieces]
    digest = hashlib.sha256(repr((objects, stream.skipped_ms)).encode())
    return digest.hexdigest()[:_IDENTITY_LETTERS]


def fetch(  # noqa: PLR0913  (each from another place)
    store: Store,
    plan: Plan,
    folder: Folder,
    *,
    is_named: bool,
    mapped: Mapped = map,
    watch: Callable[[int], None] = lambda _: None,
) -> Report:
    """Read what is not read yet of a plan into a folder, and return what came of all of it.

    Args:
        store: The archive; may be read by several threads, or, where no event is named, pickled.
        plan: What to read.
        folder: Where to.
        is_named: Whether each event has to say where it is from.
        mapped: Reads several batches, such as with threads or processes.
        watch: Told how many bytes were read, batch by batch.
    """
    source_id = folder.source_id if is_named else None
    reader = Reader(store, plan.asked, folder.path / folder.begun, folder.cuts, source_id)
    report = folder.report
    for batch, outcomes, runs in mapped(reader, _batches(plan, frozenset(folder.done))):
        whole: list[Stream] = []
        of_batch = Report()
        for stream, outcome in zip(batch.streams, outcomes, strict=True):
            events = 0 if outcome.found is None else outcome.found.events
            report.add(outcome, events)
            if outcome.found is not None:
                of_batch.add(outcome, events)
                whole.append(stream)
        folder.add(whole, runs, of_batch)
        watch(sum(stream.size_bytes for stream in batch.streams))
    return report


@dataclass(frozen=True)
class SliceWriter:
    """Writes slices of lines to their places in one file, in any order."""

    path: Path

    def __call__(self, at: tuple[int, list[Part]]) -> None:
        """Write one slice to its place."""
        place, parts = at
        with self.path.open("r+b") as file:
            file.seek(place)
            for events in merged(parts):
                file.write(b"\n".join(events) + b"\n")


def write_lines(folder: Folder, path: Path, mapped: Mapped = map) -> None:
    """Write the lines of a folder into a file, from the oldest on.

    Args:
        folder: Where they are.
        path: Of the file.
        mapped: Writes several slices, such as with processes.
    """
    path.write_bytes(b"")
    for _ in mapped(SliceWriter(path), _placed(folder.slices())):
        pass


def _placed(slices: Iterable[list[Part]]) -> Iterator[tuple[int, list[Part]]]:
    """Yield each slice with where it begins in the file."""
    place = 0
    for parts in slices:
        yield place, parts
        place += sum(part.end - part.begin for part in parts)


def _batches(plan: Plan, done: Collection[str]) -> Iterator[Batch]:
    numbers = count()
    streams: list[Stream] = []
    size_bytes = 0
    for stream in plan.streams():
        if done and identity(stream) in done:
            continue
        streams.append(stream)
        size_bytes += stream.size_bytes
        if size_bytes > _TOGETHER_BYTES:
            yield Batch(next(numbers), streams)
            streams, size_bytes = [], 0
    if streams:
        yield Batch(next(numbers), streams)


def _wanted(asked: Asked, stream: Stream) -> Callable[[list[bytes]], list[bytes]]:
    """Return what keeps those of a stream's events that were asked for."""
    first, end = stamp(asked.from_ms), stamp(asked.to_ms)
    skipped = None if stream.skipped_ms is None else stamp(stream.skipped_ms)
    is_known = all(piece.events is not None for piece in stream.pieces)
    is_within = asked.from_ms <= stream.first_ms and stream.last_ms < asked.to_ms
    has_skipped = stream.skipped_ms is not None and stream.last_ms >= stream.skipped_ms
    if is_known and is_within and not has_skipped:
        return list
    return lambda events: [
        each for each in events if first <= each[_AT] < end and each[_AT] != skipped
    ]
