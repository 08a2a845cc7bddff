"""Late events of both lanes, across midnight and where clocks change, as many as come: all once.

Recounter and exporter are the real ones, each on the AWS of its own tests, with one ledger and one
queue. The sealer is what it promises: a note of each export of which more was counted than the
archive has. Readers are the package's and DuckDB with the documents' macro.
"""

import io
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import pytest
from services.exporter.tests.conftest import Plan, export_request
from services.recounter.tests.conftest import Account
from services.recounter.tests.conftest import World as Counted
from tests.chaos.recounted import Objects
from tests.chaos.simulated import Groups

from exporter.direct import Event
from exporter.telemetry import logger as exporters_logger
from logferry.checkout import ROOT
from logferry_contracts.archive import events_of_object
from logferry_contracts.export import Lane, export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_key import LACKING_NOTES, recount_key, seal_note_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import stream_in_key
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.message import epoch_ms
from logferry_contracts.recount import Recount
from logferry_contracts.window import Window
from logferry_contracts.wire import parse
from recounter.aws.control import Control
from recounter.aws.corrections import Corrections
from recounter.aws.requests import Requests
from recounter.correcting import LONGEST_WAIT, Correcting
from recounter.recounting import Recounting
from recounter.turn import Turn

BERLIN = ZoneInfo("Europe/Berlin")
SHORT, LONG, USUAL = (
    datetime(*date, tzinfo=BERLIN) for date in [(2027, 3, 28), (2027, 10, 31), (2027, 11, 21)]
)
MACRO = (ROOT / "examples/duckdb/events.sql").read_text()
LANES: dict[str, Lane] = {"/app/direct": "direct", "/app/slot": "slot"}
STREAMS = ("web/1", "web-1", "agent/a", "b@c")
"""Two of them share a folder of the archive."""
HOUR = timedelta(hours=1)
EXPORTED = HOUR / 2
COMES = (
    *(EXPORTED + HOUR / 4, timedelta(hours=2.5), timedelta(days=1)),  # before, at and after a count
    *(timedelta(days=3, hours=each) for each in (1, 3)),  # around each later look
    *(timedelta(days=8), timedelta(days=12, hours=20), timedelta(days=13, hours=22)),
)
"""How long after their window's end late events come in."""
TAKEN_FOR = timedelta(days=14)
"""CloudWatch Logs takes events that are not older.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""
PAGE = 10_000
IN_TIME = "in time"
LARGE = 30_000_000
"""More than is counted by pages."""

type Found = Counter[tuple[int, str, str]]
"""How often there is an event: its time, text, and log stream's folder."""


class Late(NamedTuple):
    """An event that comes in late."""

    at: datetime
    name: str
    event: Event


class Source:
    """A source whose agents come back late, its two lanes, its recounter and its archive.

    Attributes:
        late: What comes in late, the last first.
        asked: What is to be exported, by when.
    """

    def __init__(self, chance: random.Random, date: datetime, count: int) -> None:
        self.cloud = Groups()
        self.counted = Counted(listed_after=chance.choice([timedelta(0), timedelta(minutes=50)]))
        self.counted.streams = list(STREAMS)
        self.objects = Objects(self.cloud, lambda _: None)
        self.source = export_request().source
        self.control = Control(self.objects, self.source)
        days = [date + timedelta(days=each) for each in range(3)]  # by the clock on the wall
        self.windows = [Window.between(*map(_utc, days[n : n + 2])) for n in (0, 1)]
        self.asked = [
            (window.end + EXPORTED, request(name, lane, window, chance.choice([0, LARGE])))
            for window in self.windows
            for name, lane in LANES.items()
        ]
        for name in LANES:
            in_time = [_event(chance, each, IN_TIME) for each in self.windows * 3]
            self._have(name, in_time)
            self.counted.events[name] = [each.timestamp_ms for each in in_time]
        self.late = sorted(self._late(chance, count), key=lambda each: each.at, reverse=True)
        self._read: dict[str, list[tuple[int, str, str]]] = {}
        self.cloud.now = self.windows[0].end

    def _late(self, chance: random.Random, count: int) -> Iterator[Late]:
        for n in range(count):
            window, name = chance.choice(self.windows), chance.choice([*LANES])
            at = window.end + chance.choice(COMES)
            event = _event(chance, window, f"late {n % 50}", not_before=at - TAKEN_FOR)
            yield Late(at, name, event)

    def live(self) -> None:
        """Let all happen until the last look is over, and what it has found was added."""
        while self.cloud.now < self.windows[1].end + timedelta(days=15):
            self._export()
            self._let_come()
            self._look()
            self.cloud.work_for(2)
            self._seal()
        assert (self.late, self.asked, self.cloud.dead_letters) == ([], [], [])

    def _let_come(self) -> None:
        come: dict[tuple[str, str], list[Event]] = {}
        while self.late and self.late[-1].at <= self.cloud.now:
            _, name, event = self.late.pop()
            come.setdefault((name, event.stream_name), []).append(event)
        self.counted.now = self.cloud.now
        for (name, stream), events in come.items():
            self._have(name, events)
            self.counted.late(name, *(each.timestamp_ms for each in events), stream=stream)

    def _have(self, name: str, events: list[Event]) -> None:
        """Put events into CloudWatch Logs, which has them in the order of time."""
        there = [*self.events(name), *events]
        there.sort(key=lambda each: each.timestamp_ms)
        self.cloud.pages[name] = [there[n : n + PAGE] for n in range(0, len(there), PAGE)]

    def events(self, name: str) -> list[Event]:
        """Return what CloudWatch Logs has of a log group."""
        return [each for page in self.cloud.pages.get(name, []) for each in page]

    def _export(self) -> None:
        due = [data for at, data in self.asked if at <= self.cloud.now]
        self.asked = [each for each in self.asked if each[0] > self.cloud.now]
        for data in due:
            streams = {each.stream_name for each in self._in(data.log_group.name, data.window)}
            keys = (f"{stream_in_key(each)}/000000.gz" for each in sorted(streams))
            self.cloud.plans[data.log_group.name] = Plan(keys=tuple(dict.fromkeys(keys)))
            self.cloud.put_record(data.first_record(self.cloud.now))
            self.cloud.request(data, is_planned=False)
            self.cloud.work_for(0)

    def _in(self, name: str, window: Window) -> list[Event]:
        events = self.events(name)
        return [each for each in events if window.from_ms <= each.timestamp_ms < window.to_ms]

    def _look(self) -> None:
        until = self.cloud.now + timedelta(minutes=14)
        turn = Turn(
            clock=lambda: self.cloud.now,
            has_time=lambda: self.cloud.now < until,
            sleep=self._sleep,
        )
        requests = Requests(self, self.source)  # type: ignore[arg-type]  # as SQS it is enough
        Correcting(
            control=self.control,
            corrections=Corrections(self.objects, self.source),
            requests=requests,
            source=self.source.name,
            most_bytes=1_000_000_000,
            stop_share=20,
            since=LONGEST_WAIT,
        ).look(turn)
        Recounting(
            control=self.control,
            requests=requests,
            reach=lambda: Account(self.counted),
            share=10,
            lag=2 * HOUR,
            look_back=timedelta(days=7),
            open_after=timedelta(days=3),
            revisit_days=(3, 14),
        ).look(turn)

    def _sleep(self, seconds: float) -> None:
        self.cloud.now += timedelta(seconds=seconds)
        self.counted.now = self.cloud.now

    def get_queue_url(self, **_queue: str) -> dict[str, str]:
        return {"QueueUrl": "direct"}

    def send_message(self, **message: str) -> None:
        self.cloud.enqueue(message["MessageBody"], message["MessageGroupId"])

    def _seal(self) -> None:
        for each in self.cloud.records():
            told = recount_key(each.source, each.window, each.export_id)
            if each.completed is None or told not in self.objects.own:
                continue
            counted = parse(Recount, self.objects.own[told][0]).recount.events or 0
            name, is_lacking = each.log_group.name, counted > self._sealed(each)
            where = self.source.account_id, self.source.region, each.window, name
            key = seal_note_key(LACKING_NOTES, *where)
            self.objects.own[key] = name.encode() if is_lacking else b"", "sealed"

    def _sealed(self, record: LedgerRecord) -> int:
        return of_window(self.recorded(record), record.window).total()

    # -- what readers find --------------------------------------------------------------------

    def recorded(self, record: LedgerRecord) -> Found:
        """Return what the package reads of an export's objects."""
        assert record.completed is not None
        objects = record.completed.manifest.objects or []
        return Counter(e for each in objects for e in self._read_version(each))

    def _read_version(self, archived: ArchivedObject) -> list[tuple[int, str, str]]:
        version_id = archived.version_id
        if version_id not in self._read:
            [body] = [e.body for e in self.cloud.archive if e.version_id == version_id]
            events = events_of_object(archived.key, io.BytesIO(body))
            self._read[version_id] = [(e.at_ms or 0, e.message, e.stream) for e in events]
        return self._read[version_id]

    def copy(self, folder: Path) -> list[str]:
        """Copy the archive, as `aws s3 sync` does; return its keys."""
        keys = [each.key for each in self.cloud.archive]
        for each in self.cloud.archive:
            (folder / each.key).parent.mkdir(parents=True, exist_ok=True)
            (folder / each.key).write_bytes(each.body)
        return keys

    def expected(self, record: LedgerRecord) -> Found:
        """Return what CloudWatch Logs has of an export's window."""
        return found(self._in(record.log_group.name, record.window))


def of_window(there: Found, window: Window) -> Found:
    """Leave out what is the next window's as well: of its first millisecond, if it came in time."""
    of_next = {each for each in there if each[0] == window.to_ms}
    assert all(message == IN_TIME for _, message, _ in of_next)
    return Counter({each: times for each, times in there.items() if each not in of_next})


def read_by_duckdb(folder: Path) -> Found:
    """Return what DuckDB reads of all objects in a folder."""
    with duckdb.connect() as database:
        database.execute(MACRO)
        asked = "SELECT epoch_ms(at_utc), message, stream FROM log_events(?)"
        return Counter(database.execute(asked, [f"{folder}/**/*.gz"]).fetchall())


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def found(events: list[Event]) -> Found:
    """Return events as readers of the archive find them."""
    return Counter(
        (each.timestamp_ms, each.message, stream_in_key(each.stream_name)) for each in events
    )


def _event(
    chance: random.Random, window: Window, text: str, not_before: datetime | None = None
) -> Event:
    """Return an event of a window, often at one of its ends."""
    first_ms = window.from_ms
    if not_before is not None:
        first_ms = max(first_ms, epoch_ms(not_before))
    inside = chance.randrange(first_ms, window.to_ms)
    at_ms = chance.choice([first_ms, window.to_ms - 1, inside, inside])
    return Event(chance.choice(STREAMS), at_ms, text)


def request(name: str, lane: Lane, window: Window, estimated_bytes: int) -> ExportRequestedData:
    """Return the request for a window in the log group's lane."""
    asked = export_request(name, lane=lane, estimated_bytes=estimated_bytes)
    date = window.start.astimezone(BERLIN)
    prefix = f"shop{name}/{date:%Y/%m/%d/%H}"
    return asked.model_copy(
        update={
            "window": window,
            "export_id": export_id(asked.source, name, window, 1),
            "destination": asked.destination.model_copy(update={"prefix": prefix}),
        }
    )


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    level = exporters_logger.log_level
    exporters_logger.setLevel("CRITICAL")
    with redirect_stdout(None):  # nobody reads metrics
        yield
    exporters_logger.setLevel(level)


@pytest.mark.parametrize(
    ("date", "hours", "count"),
    [
        (LONG, 25, 100),
        pytest.param(SHORT, 23, 1, marks=pytest.mark.deep),
        pytest.param(USUAL, 24, 1_000, marks=pytest.mark.deep),
        pytest.param(SHORT, 23, 100_000, marks=pytest.mark.deep),
        pytest.param(LONG, 25, 100_000, marks=pytest.mark.deep),
    ],
)
def test_late_events_are_in_the_archive_once_for_every_reader_whenever_they_come_in(
    date: datetime, hours: int, count: int, tmp_path: Path
) -> None:
    chance = random.Random(f"{date} {count}")  # noqa: S311  (reproducible, and no secret)
    source = Source(chance, date, count)
    first = source.windows[0]
    assert first.to_ms - first.from_ms == hours * 3_600_000
    source.live()

    records = source.cloud.records()
    assert {(each.log_group.name, each.lane, each.window) for each in records} == {
        (name, lane, window) for name, lane in LANES.items() for window in source.windows
    }
    wanted = {each.export_id: source.expected(each) for each in records}
    assert sum(each.total() for each in wanted.values()) == 2 * 6 + count
    keys = source.copy(tmp_path)
    listed = [e.key for each in records for e in each.completed.manifest.objects]  # type: ignore[union-attr]
    assert sorted(keys) == sorted(listed)
    for each in records:
        expected = wanted[each.export_id]
        assert of_window(source.recorded(each), each.window) == expected
        by_prefix = read_by_duckdb(tmp_path / each.destination.prefix)
        assert of_window(by_prefix, each.window) == expected
    assert any(each.addenda for each in records)
