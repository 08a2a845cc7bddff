"""A backfill beside the daily work: the planner's own code, and lanes that take their time.

The planner works among the fakes of its own tests. Each lane takes one message after the other, for
as long as its bytes need; a clock that nothing but these calls moves.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

from services.planner.tests.fakes import World, log_group, plan_request

from logferry_contracts.backfill import ENDED, Asked, Forecast
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.feed_request import FeedRequest
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import is_open, note_key
from logferry_contracts.plan_request import PlanRequestData
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.activity import DIRECT_BYTES_PER_S, DIRECT_FIXED_S, EVENT_BYTES, Fit
from planner.cloud import NoteThere

NOTHING = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])
TICK = timedelta(minutes=15)
"""Of the schedule that has backfills fed."""


def feed_request() -> dict[str, Any]:
    """Return what the schedule asks for."""
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "urn:logferry:schedule:backfill",
        "type": FeedRequest.TYPE,
        "time": "2026-11-23T06:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": FeedRequest.SCHEMA,
        "data": {},
    }


def asked(first: str, last: str, **changes: object) -> Asked:
    """Return a backfill that is to run, of the source that the planner's tests have."""
    data = plan_request(collect_from=first, collect_to=last)["data"]
    return Asked.model_validate(
        {
            "id": "0" * 31 + "1",
            "request": PlanRequestData.model_validate(data),
            "wanted": "run",
            "by": "arn:aws:iam::999999999999:user/ops",
            "at": "2026-11-23T06:00:00.000Z",
            "forecast": Forecast(exports=0, estimated_bytes=0, slot_s=0, direct_s=0),
        }
        | changes
    )


@dataclass
class Work:
    """One message that a lane has worked on.

    Attributes:
        took_s: How long it kept the lane busy; 0 where there was nothing to do.
    """

    event: ExportRequested
    began: datetime
    took_s: float


@dataclass
class LaneOfSource:
    """One of the exporter's lanes: its queue, and what it has done."""

    name: Lane
    waiting: deque[ExportRequested] = field(default_factory=deque)
    done: list[Work] = field(default_factory=list)
    now: Work | None = None


def ended_at(work: Work) -> datetime:
    """Return when a lane was, or is to be, done with a message."""
    return work.began + timedelta(seconds=work.took_s)


class Surroundings:
    """The planner among fakes, whose messages two lanes work off.

    Attributes:
        world: The fakes.
        sizes: The bytes of each log group's date.
        noise: By how much a task may take longer or shorter than its bytes say.
    """

    def __init__(self, world: World, sizes: Mapping[str, int], *, seed: int, noise: float) -> None:
        """Have log groups of these sizes, and lanes that are idle."""
        self.world, self.sizes, self.noise = world, sizes, noise
        self.lanes: dict[str, LaneOfSource] = {}
        self._random = random.Random(seed)  # noqa: S311  (no secret)
        world.queues.has_direct_lane = True
        world.queues.before_send = self._send
        world.open_notes = _OpenNotes(self)  # type: ignore[assignment]
        world.account.incoming_log_events = self._incoming  # type: ignore[method-assign]
        world.at_pause = lambda: self.advance(world.now)

    def _incoming(self, names: Iterable[str], since: datetime, until: datetime) -> dict[str, int]:
        """Say how many events came in, day by day alike."""
        days = (until - since) / timedelta(days=1)
        return {name: round(self.sizes[name] / EVENT_BYTES * days) for name in names}

    def _send(self, events: Sequence[ExportRequested]) -> None:
        for event in events:
            lane = event.data.lane
            self.lanes.setdefault(lane, LaneOfSource(lane)).waiting.append(event)

    def advance(self, until: datetime) -> None:
        """Let the lanes work until a time."""
        for lane in self.lanes.values():
            at = until
            while lane.now is not None or lane.waiting:
                if lane.now is None:
                    self._begin(lane, at)
                elif ended_at(lane.now) > until:
                    break
                else:
                    at = ended_at(lane.now)
                    self._end(lane)

    def _begin(self, lane: LaneOfSource, at: datetime) -> None:
        event = lane.waiting.popleft()
        record = self._record(event)
        is_to_do = record is not None and record.state == "requested" and record.split is None
        size_bytes = self.size_of(event.data.log_group.name, event.data.window)
        took_s = Fit().seconds(size_bytes)
        if lane.name == "direct":
            took_s = DIRECT_FIXED_S + size_bytes / DIRECT_BYTES_PER_S
        took_s *= 1 + self.noise * (2 * self._random.random() - 1)
        lane.now = Work(event, at, took_s if is_to_do else 0)

    def _end(self, lane: LaneOfSource) -> None:
        work = lane.now
        assert work is not None  # noqa: S101  (the caller has looked)
        lane.done.append(work)
        lane.now = None
        record = self._record(work.event)
        if record is not None and record.state == "requested" and work.took_s:
            self._complete(record)

    def _complete(self, record: LedgerRecord) -> None:
        objects, at = self.world.ledger.objects, self.world.now
        done = record
        if record.lane == "slot" and record.split is None:
            done = record.as_submitted(record.export_id, at=at)
        completed = Completed(at=timestamp(at), manifest=NOTHING)
        objects[record.key] = done.as_completed(completed).as_published(at=at)
        parents = [] if record.parent_export_id is None else list(objects.values())
        for parent in parents:
            if parent.split is not None and parent.export_id == record.parent_export_id:
                halves = [half.export_id for half in parent.split.halves]
                states = [each.state for each in objects.values() if each.export_id in halves]
                if states == ["completed", "completed"]:
                    self._complete(parent)

    def _record(self, event: ExportRequested) -> LedgerRecord | None:
        data = event.data
        return self.world.ledger.objects.get(ledger_key(data.source, data.window, event.id))

    def size_of(self, log_group_name: str, window: Window) -> int:
        """Return the bytes of a window, spread evenly over its date."""
        return round(self.sizes[log_group_name] * (window.to_ms - window.from_ms) / 86_400_000)


@dataclass
class _OpenNotes:
    """The notes of what the ledger says is open."""

    around: Surroundings

    def there(self, source: SourceName) -> list[NoteThere]:
        records = self.around.world.ledger.objects.values()
        return [
            NoteThere(note_key(each), datetime.fromisoformat(each.requested_at))
            for each in records
            if is_open(each) and each.source == source
        ]

    def mark_whole(self, source: SourceName) -> None:
        """Say nothing: nobody asks."""

    def remove(self, key: str) -> None:
        """Leave it: it goes with its record."""


@dataclass
class Delays:
    """How daily windows fared.

    Attributes:
        tasks: For each time that daily windows came in, the tasks of the backfill that the first
            of them in the slot waited for.
        seconds: How long it waited.
        longest_s: The longest forecast of a task.
    """

    tasks: list[int]
    seconds: list[float]
    longest_s: float


def simulate(
    sizes: Mapping[str, int], *, dates: tuple[str, str], daily: Sequence[timedelta], seed: int
) -> tuple[Delays, Surroundings]:
    """Run a backfill to its end, with a daily plan now and then; return how these fared.

    Args:
        sizes: The bytes of a date, by log group.
        dates: The first and the last one of the backfill.
        daily: When daily plans come, from the beginning.
        seed: Of how long tasks take.
    """
    world = World(LOOKBACK_DAYS="1")
    around = Surroundings(world, sizes, seed=seed, noise=0.3)
    world.account.groups = [log_group(name) for name in sizes]
    world.backfills.wanted = asked(*dates)
    began = world.now
    due = deque(began + each for each in daily)
    arrivals: list[tuple[datetime, set[str]]] = []

    def pause() -> None:
        around.advance(world.now)
        if due and due[0] <= world.now:
            due.popleft()
            arrivals.append((world.now, _plan_daily(world, len(arrivals))))

    world.at_pause = pause
    run_until_ended(world, between=pause)
    return _delays(around, arrivals), around


def run_until_ended(world: World, *, between: Callable[[], None], ticks: int = 100_000) -> None:
    """Invoke the planner every quarter of an hour until the backfill has ended."""
    for number in range(ticks):
        tick_at = world.now + TICK
        world.run(feed_request(), request_id=f"tick-{number}")
        now = world.backfills.now
        if now is not None and now.state in ENDED:
            return
        while world.now < tick_at:
            world.pause(5)
            between()
    raise AssertionError(f"has not ended: {world.backfills.now}")


def _plan_daily(world: World, number: int) -> set[str]:
    """Plan one more date; return the ids of what was asked for."""
    before = len(world.queues.sent)
    world.run(plan_request(collect_date=f"2026-11-{number + 1:02}"), request_id=f"daily-{number}")
    return {event.id for event in world.queues.sent[before:]}


def _delays(around: Surroundings, arrivals: list[tuple[datetime, set[str]]]) -> Delays:
    tasks, seconds = [], []
    worked = [work for work in around.lanes["slot"].done if work.took_s]
    daily = set().union(*(ids for _, ids in arrivals))
    for at, ids in arrivals:
        after = [each for each in worked if ended_at(each) > at]
        before = list(takewhile(partial(_is_none_of, ids), after))
        if len(before) == len(after):
            continue  # the direct lane had them all
        tasks.append(sum(each.event.id not in daily for each in before))
        seconds.append((after[len(before)].began - at).total_seconds())
    forecasts_s = [
        Fit().seconds(each.event.data.estimated_bytes)
        for each in worked
        if each.event.id not in daily
    ]
    return Delays(tasks, seconds, max(forecasts_s, default=0.0))


def _is_none_of(ids: set[str], work: Work) -> bool:
    return work.event.id not in ids
