"""What the tests of the recounter share: a source whose logs, ledger and clock are in memory."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from logferry_contracts.documents import examples
from logferry_contracts.export import export_id
from logferry_contracts.insights import Answer
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import next_export_id
from logferry_contracts.reads import READING, Reader
from logferry_contracts.recount import Recount
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from logferry_deliveries.errors import AwsError
from recounter.aws.control import FIRST, Control
from recounter.aws.requests import Requests
from recounter.aws.source_account import SourceAccount, Streams
from recounter.due import is_news
from recounter.errors import BusyError, CannotCountError, OvertakenError, UndecidedError
from recounter.note import Note
from recounter.recounting import Recounting
from recounter.turn import Turn

DAY = 86_400_000
FROM = 1_795_215_600_000
WINDOW = Window(from_ms=FROM, to_ms=FROM + DAY)
NOW = datetime.fromtimestamp((FROM + 2 * DAY) / 1000, UTC)

_SECURED = next(
    each.document
    for each in examples("accept", "ledger-record")
    if each.document["state"] == "completed" and each.document["lane"] == "slot"
)


def record(
    name: str,
    *,
    size: int | None = 1000,
    lane: str = "direct",
    log_group_class: str = "STANDARD",
    window: Window = WINDOW,
    **log_group: Any,
) -> LedgerRecord:
    """A completed export."""
    document = json.loads(json.dumps(_SECURED))
    source = document["source"]
    arn = f"arn:aws:logs:{source['region']}:{source['account_id']}:log-group:{name}"
    document["log_group"] = {
        "name": name,
        "arn": arn,
        "log_group_class": log_group_class,
        "created_ms": window.from_ms - DAY,
        **log_group,
    }
    document["window"] = window.model_dump()
    document["lane"] = lane
    document["requested_at"] = at(datetime.fromtimestamp(window.to_ms / 1000, UTC))
    document["submitted"]["at"] = document["requested_at"]
    document.pop("estimated_bytes", None)
    if size is not None:
        document["estimated_bytes"] = size
    made = parse(LedgerRecord, json.dumps(document))
    name_of = export_id(made.source, name, window, made.generation)
    return made.model_copy(update={"export_id": name_of})


def skipped(name: str, *, reason: str = "empty", **more: Any) -> LedgerRecord:
    """A window that need not be exported."""
    made = record(name, **more)
    document = json.loads(emit(made))
    for each in ("submitted", "completed", "secured"):
        document.pop(each, None)
    said = {"reason": reason, "at": document["requested_at"]}
    return parse(LedgerRecord, json.dumps(document | {"state": "skipped", "skipped": said}))


class Killed(BaseException):
    """The process died."""


@dataclass
class World:
    """What outlives a process.

    Attributes:
        events: Of each log group, by their times.
        expired: Those that were deleted since, as somebody has shortened the retention.
        came: Those that came in late: log stream, time, and when.
        streams: Log streams that each log group has had from the beginning.
        listed_after: How long after that log streams are listed as written to.
        late_notes: What is noted of late events that no look has counted, by export.
        undecided: Log groups of too many log streams.
        endless: Log streams of too many pages.
        filled: What an exporter was asked for, as its window is not empty any more.
        found: What a query has found, as of its start, and filtering a window, by log group.
        before: Called before each call of AWS, with its name; raises what becomes of the call.
    """

    records: dict[str, LedgerRecord] = field(default_factory=dict)
    recounts: dict[str, Recount] = field(default_factory=dict)
    looks_at: dict[tuple[str, int], Recount] = field(default_factory=dict)
    notes: dict[tuple[Window, int], tuple[Note, str]] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    reading: dict[str, datetime] = field(default_factory=dict)
    events: dict[str, list[int]] = field(default_factory=dict)
    event_bytes: int = 100
    expired: dict[str, list[int]] = field(default_factory=dict)
    came: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    streams: list[str] = field(default_factory=list)
    listed_after: timedelta = timedelta(0)
    late_notes: dict[str, Recount] = field(default_factory=dict)
    undecided: set[str] = field(default_factory=set)
    endless: set[str] = field(default_factory=set)
    filled: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    queries: dict[str, tuple[tuple[str, ...], Window]] = field(default_factory=dict)
    found: dict[str, dict[str, int]] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    status: Callable[[str, int], str] = lambda _, looks: "Complete" if looks > 1 else "Running"
    looks: Counter[str] = field(default_factory=Counter)
    before: Callable[[str], None] = lambda _: None
    now: datetime = NOW
    paid_bytes: int = 0
    calls: list[str] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=count)

    def add(self, made: LedgerRecord, events: Sequence[int] = ()) -> LedgerRecord:
        """Put an export, and events of its log group."""
        self.records[made.export_id] = made
        self.events.setdefault(made.log_group.name, []).extend(events)
        return made

    def late(self, name: str, *events: int, stream: str = "agent") -> None:
        """Let events come in now."""
        at_ms = round(self.now.timestamp() * 1000)
        self.events.setdefault(name, []).extend(events)
        self.came.setdefault(name, []).extend((stream, each, at_ms) for each in events)

    def shorten(self, name: str, kept_from_ms: int) -> None:
        """Let somebody shorten a log group's retention: what is older is deleted at once."""
        there = self.events.get(name, [])
        self.events[name] = [each for each in there if each >= kept_from_ms]
        self.expired.setdefault(name, []).extend(each for each in there if each < kept_from_ms)
        came = self.came.get(name, [])
        self.came[name] = [each for each in came if each[1] >= kept_from_ms]

    def counted(self, name: str, window: Window) -> int:
        """How many events CloudWatch has now."""
        return sum(window.from_ms <= each < window.to_ms for each in self.events.get(name, []))

    def call(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)


class Bucket(Control):
    """The control bucket in memory."""

    def __init__(self, world: World) -> None:
        self._world = world

    def windows(self, since_ms: int) -> Iterator[tuple[Window, list[str]]]:
        self._world.call("ListLedger")
        found: dict[Window, list[str]] = {}
        for each in self._world.records.values():
            found.setdefault(each.window, []).append(each.export_id)
        for window in sorted(found, key=lambda each: each.from_ms):
            if window.from_ms >= since_ms:
                yield window, sorted(found[window])

    def there(self, window: Window) -> frozenset[str]:
        self._world.call("ListLedger")
        return frozenset(k for k, each in self._world.records.items() if each.window == window)

    def open_windows(self) -> set[str]:
        return self._world.opened

    def note_reading(self, reader: Reader, body: bytes) -> None:
        self._world.reading.pop(reader, None)
        if body == READING:
            self._world.reading[reader] = self._world.now

    def reading(self) -> dict[str, datetime]:
        self._world.call("ListReading")
        return dict(self._world.reading)

    def prefix(self, window: Window) -> str:
        return f"{window.from_ms}-{window.to_ms}/"

    def read(self, window: Window, export_id: str) -> LedgerRecord | None:
        return self._world.records.get(export_id)

    def counted(self, window: Window, look: int) -> set[str]:
        looks = self._world.looks_at.items()
        return {key for (key, of), each in looks if each.window == window and of == look}

    def put(self, recount: Recount, look: int) -> None:
        self._world.call("PutRecount")
        self._world.looks_at.setdefault((recount.export_id, look), recount)
        if look == FIRST:
            self._world.recounts.setdefault(recount.export_id, recount)
        self._world.call("PutRecount done")

    def recount(self, window: Window, export_id: str) -> Recount | None:
        return self._world.recounts.get(export_id)

    def correct(self, recount: Recount, *, only_more: bool) -> bool:
        before = self._world.recounts.get(recount.export_id)
        if not is_news(before, recount, only_more=only_more):
            return False
        self._world.call("CorrectRecount")
        self._world.recounts[recount.export_id] = recount
        self._world.call("CorrectRecount done")
        return before is not None

    def note_late(self, recount: Recount) -> None:
        self._world.call("PutLate")
        self._world.late_notes[recount.export_id] = recount
        self._world.call("PutLate done")

    def note(self, window: Window, look: int) -> tuple[Note, str | None]:
        return self._world.notes.get((window, look), (Note(), None))

    def keep(self, window: Window, look: int, note: Note, etag: str | None) -> str:
        self._world.call("PutNote")
        if self.note(window, look)[1] != etag:
            raise OvertakenError("somebody was faster")
        kept = str(next(self._world.ids))
        read = Note.model_validate_json(note.model_dump_json(exclude_none=True))
        self._world.notes[window, look] = read, kept
        self._world.call("PutNote done")
        return kept


class Account(SourceAccount):
    """A source's account in memory."""

    def __init__(self, world: World) -> None:
        self._world = world

    def start(self, log_group_names: Sequence[str], window: Window) -> str:
        self._world.call("StartQuery")
        for name in log_group_names:
            if name in self._world.refused:
                raise CannotCountError("StartQuery", name, self._world.refused[name], "no")
        query_id = f"query-{next(self._world.ids)}"
        self._world.queries[query_id] = tuple(log_group_names), window
        now = {name: self._world.counted(name, window) for name in log_group_names}
        self._world.found[query_id] = now
        self._world.paid_bytes += self._scanned(query_id)
        self._world.call("StartQuery done")
        return query_id

    def answer(self, query_id: str) -> Answer:
        self._world.call("GetQueryResults")
        self._world.looks[query_id] += 1
        status = self._world.status(query_id, self._world.looks[query_id])
        rows: list[Mapping[str, str]] = [
            {"@log": f"111122223333:{name}", "events": str(events)}
            for name, events in self._world.found.get(query_id, {}).items()
            if events
        ]
        return Answer(
            status=status,
            scanned_bytes=self._scanned(query_id),
            rows=rows if status == "Complete" else [],
        )

    def stop(self, query_id: str) -> None:
        self._world.call("StopQuery")
        self._world.stopped.add(query_id)

    def filtered(self, log_group_name: str, window: Window, next_page: Callable[[], None]) -> int:
        next_page()
        self._world.call("FilterLogEvents")
        events = self._world.counted(log_group_name, window)
        self._world.found.setdefault(f"{window}", {})[log_group_name] = events
        return events

    def streams(self, log_group_name: str, window: Window, since_ms: int) -> Streams:
        self._world.call("DescribeLogStreams")
        if log_group_name in self._world.undecided:
            raise UndecidedError(log_group_name)
        came = self._world.came.get(log_group_name, [])
        listed_ms = round((self._world.now - self._world.listed_after).timestamp() * 1000)
        written = {stream for stream, _, at_ms in came if since_ms <= at_ms <= listed_ms}
        others = {*self._world.streams, *(stream for stream, _, _ in came)} - written
        return Streams(sorted(written), sorted(others))

    def ingested(
        self,
        log_group_name: str,
        window: Window,
        streams: Iterable[str],
        next_page: Callable[[], None],
    ) -> Iterator[tuple[str, int]]:
        for stream in streams:
            next_page()
            self._world.call("FilterLogEvents")
            if stream in self._world.endless:
                raise UndecidedError(stream)
            for each, event_ms, at_ms in self._world.came.get(log_group_name, []):
                if each == stream and window.from_ms <= event_ms < window.to_ms:
                    yield stream, at_ms

    def _scanned(self, query_id: str) -> int:
        names, window = self._world.queries[query_id]
        return sum(self._world.counted(name, window) for name in names) * self._world.event_bytes


class Asked(Requests):
    """The exporter's queue in memory, for windows that were empty."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ask_again(self, record: LedgerRecord, now: datetime) -> None:
        self._world.call("SendMessage")
        self._world.filled.append(next_export_id(record))
        self._world.call("SendMessage done")


def look(
    world: World,
    *,
    share: int = 10,
    seconds: float = 800,
    revisit_days: Sequence[int] = (),
    revisit_share: int = 0,
) -> Counter[str]:
    """Let an invocation count what is due; returns what it counted."""
    until = world.now + timedelta(seconds=seconds)

    def sleep(for_s: float) -> None:
        world.now += timedelta(seconds=for_s)

    turn = Turn(clock=lambda: world.now, has_time=lambda: world.now < until, sleep=sleep)
    Recounting(
        control=Bucket(world),
        requests=Asked(world),
        reach=lambda: Account(world),
        share=share,
        lag=timedelta(hours=2),
        look_back=timedelta(days=7),
        open_after=timedelta(days=3),
        revisit_days=revisit_days,
        revisit_share=revisit_share,
    ).look(turn)
    return turn.counts


def busy(operation: str) -> AwsError:
    """What AWS says when there is too much of something."""
    return BusyError(operation, "it", "LimitExceededException", "too many")


def said(world: World, made: LedgerRecord) -> tuple[str, object]:
    """By what an export was counted, and how many events; or why not."""
    found = world.recounts[made.export_id].recount
    return found.by, found.events if found.reason is None else found.reason


def at(moment: datetime) -> str:
    """A time as recounts have it."""
    return timestamp(moment)
