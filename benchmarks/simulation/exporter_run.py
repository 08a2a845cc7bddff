"""The exporter's own code, draining its queue in an AWS of plain Python with a clock of its own.

Nothing fails here but what `Outages` ask for: what the exporter does then is for its tests. Every
call takes its time, the slot has room for one task, the queue hands over one message after the
other, and all is counted.
"""

import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from botocore.exceptions import ClientError

from benchmarks.simulation.clock import Clock
from benchmarks.simulation.outages import Outages, Pattern
from benchmarks.simulation.unused import Unused
from benchmarks.simulation.usage import Usage
from benchmarks.simulation.workload import LogGroup
from exporter import direct
from exporter.cloud import LedgerEntry
from exporter.direct import Event, Slice
from exporter.errors import LedgerConflictError, SlotBusyError, TransientError
from exporter.handler import work
from exporter.settings import Settings
from exporter.task import COMPLETED, Task
from exporter.telemetry import logger
from exporter.waiting import Ended
from exporter.wiring import Wiring
from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.export import Destination, Lane, export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup as NamedLogGroup
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.reads import Reader
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
TASKS_PER_PAGE = 50
SLOT_MEMORY_MB = 512
"""Of the slot's function, as deploy/exporter.yaml has it."""
MB_PER_VCPU = 1769
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
BYTES_PER_PAGE = 700_000
"""Of FilterLogEvents: what is left of its limit of 1 MB when pages are not always full.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""
QUEUE_VISIBILITY_S = 720
"""Of the slot's queue, as deploy/exporter.yaml has it, from when a message cannot be given back."""
HOURS = 24
LINE_START_BYTES = len("2026-11-21T15:00:00.000Z \n")
PAGE_CPU_S = 0.012
"""Of a whole vCPU, to take in a page of 1 MB and to write its lines; the most that
benchmarks/direct_lane.py measured."""
PACK_CPU_S_PER_BYTE = 0.004e-6
"""Of a whole vCPU, to compress lines; the most that benchmarks/direct_lane.py measured."""
PACKED_AT_ONCE_BYTES = 4_000_000
"""After which the function's other threads have their turn at the CPU; it is often less."""
PUT_BYTES_PER_S = 300e6
"""Of lines, that are a seventh of that when they are sent."""
SCALE = 1000
"""The direct lane reads real lines: a thousandth of the bytes."""
BUSY_HOURS_SIGMA = 1.0
"""How unevenly a log group's events are spread over the 24 hours."""
SOURCE = Source(
    profile="shop",
    account_id="111122223333",
    region="eu-west-1",
    role_arn="arn:aws:iam::111122223333:role/logferry-source",
)
WINDOW = Window(from_ms=1_795_215_600_000, to_ms=1_795_302_000_000)
QUEUE_ARNS: dict[Lane, str] = {
    "slot": "arn:aws:sqs:eu-west-1:999988887777:log-sqs-shop-collect.fifo",
    "direct": "arn:aws:sqs:eu-west-1:999988887777:log-sqs-shop-direct.fifo",
}
BATCH_SIZES: dict[Lane, int] = {"slot": 1, "direct": 10}
"""As deploy/exporter.yaml has them."""
IDLE_S = 1.0
"""How often a lane whose queue is empty sees whether the other one has sent it something."""
ENVIRONMENT = {
    "CONTROL_BUCKET": "amzn-s3-demo-control",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:999988887777:log-export-events",
    "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/999988887777/log-sqs-shop-collect.fifo",
    "DEAD_LETTER_QUEUE_URL": (
        "https://sqs.eu-west-1.amazonaws.com/999988887777/log-sqs-shop-collect-dlq.fifo"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """How long AWS takes.

    Attributes:
        call_s: For one API call.
        hand_off_s: From when a message is visible until the function has it.
        work_s: For the function's own work in one invocation.
        page_s: Until FilterLogEvents has answered.
        cold_start_s: Before the first invocation.
    """

    call_s: float = 0.08
    hand_off_s: float = 0.15
    work_s: float = 0.02
    page_s: float = 0.6
    cold_start_s: float = 0.6


@dataclass(frozen=True, kw_only=True)
class Function:
    """How the function is set up, by default the slot's.

    Attributes:
        memory_mb: Which is its share of a CPU as well.
        settings: By name, where they are not its defaults.
        known: What it remembers of tasks that have ended before.
    """

    timeout_s: int = 120
    memory_mb: int = SLOT_MEMORY_MB
    settings: Mapping[str, Any] = field(default_factory=dict)
    known: Sequence[Ended] = ()


@dataclass(frozen=True)
class Job:
    """An export task as AWS has it inside; times are the simulation's, in seconds."""

    task_id: str
    record: LedgerRecord
    created_s: float
    ends_s: float


@dataclass
class Letter:
    """A message in a lane's queue.

    Attributes:
        visible_at_s: When it is handed over at the earliest.
    """

    body: str
    receive_count: int = 0
    first_received_s: float = 0.0
    visible_at_s: float = 0.0


def drain(
    groups: Iterable[LogGroup],
    *,
    lane: Lane = "slot",
    latencies: Latencies | None = None,
    function: Function | None = None,
    pattern: Pattern | None = None,
) -> Usage:
    """Let an exporter work on one request per log group until the last one is done with.

    Args:
        groups: In the order of the queue.
        lane: Which way all of them take.
        latencies: How long AWS takes.
        function: The exporter's.
        pattern: When AWS answers with an error, and how often it is asked again; None: never.
    """
    functions: dict[Lane, Function] = {"slot": Function(), "direct": Function()}
    functions[lane] = function or Function()
    aws = SimulatedAws(latencies or Latencies(), functions, pattern)
    for group in groups:
        aws.ask(group, lane)
    return aws.work_off()


def drain_both(
    groups: Sequence[LogGroup],
    *,
    least_bytes: int,
    most_bytes: int,
    latencies: Latencies,
    functions: Mapping[Lane, Function],
) -> Usage:
    """Let both lanes work side by side, as the planner asks them.

    Args:
        groups: In the order of the direct lane's queue; the slot's has the opposite one.
        least_bytes: What is estimated at less, the direct lane alone is asked for.
        most_bytes: What is estimated at as much or more, the slot alone is asked for.
        latencies: How long AWS takes.
        functions: The exporter's, by lane.
    """
    aws = SimulatedAws(latencies, functions)
    for group in groups:
        if group.estimated_bytes < most_bytes:
            aws.ask(group, "direct", is_offer=group.estimated_bytes >= least_bytes)
        else:
            aws.ask(group, "slot")
    for group in reversed(groups):
        if least_bytes <= group.estimated_bytes < most_bytes:
            aws.ask(group, "slot", is_offer=True)
    return aws.work_off()


@contextmanager
def _silence() -> Iterator[None]:
    """Keep back a line for each decision and each message's metrics, which nobody reads."""
    level = logger.log_level
    logger.setLevel("CRITICAL")
    try:
        with redirect_stdout(None):
            yield
    finally:
        logger.setLevel(level)


class SimulatedAws(Unused):
    """One source with its lanes: all of the adapters that its exporter works with, in one."""

    def __init__(
        self,
        latencies: Latencies,
        functions: Mapping[Lane, Function],
        pattern: Pattern | None = None,
    ) -> None:
        """Start the clock before the functions' first environments are there."""
        self.usage = Usage()
        self._clock = Clock(latencies.cold_start_s)
        self.outages = Outages(pattern, self._clock, latencies.call_s / 2)
        self._latencies = latencies
        self._functions = functions
        self._vcpus = min(functions["direct"].memory_mb / MB_PER_VCPU, 1.0)
        self._cpu_free_s = 0.0
        self._read_bytes: Counter[str] = Counter()
        self._queues: dict[Lane, deque[Letter]] = {"slot": deque(), "direct": deque()}
        self._sent: set[str] = set()
        self._groups: dict[str, LogGroup] = {}
        self._records: dict[str, LedgerRecord] = {}
        self._reading: dict[str, datetime] = {}
        self._newest: deque[Job] = deque(maxlen=TASKS_PER_PAGE)
        self._wirings = {lane: self._wiring(each) for lane, each in functions.items()}

    def _wiring(self, function: Function) -> Wiring:
        wiring = Wiring(
            settings=Settings.from_env(ENVIRONMENT).model_copy(update=function.settings),
            ledger=self,
            accounts=self,
            archive=self,
            queue=self,
            topic=self,
            clock=lambda: _time(self.now_s),
            sleep=self._pass,
            together=lambda jobs: self._clock.side_by_side(jobs, at_once=len(jobs)),
        )
        wiring.slot.ended.extend(function.known)
        return wiring

    @property
    def now_s(self) -> float:
        """The time, in seconds."""
        return self._clock.now_s

    def ask(self, group: LogGroup, lane: Lane, *, is_offer: bool = False) -> None:
        """Put the request of a log group at the end of a lane's queue, and into the ledger."""
        request = _request(group, lane, is_offer=is_offer)
        record = request.first_record(START)
        self._records.setdefault(record.key, record)
        self._groups[group.name] = group
        self._enqueue(lane, request)

    def _enqueue(self, lane: Lane, request: ExportRequestedData) -> None:
        event = ExportRequested.of(request, id=request.export_id, source="urn:planner", time=START)
        self._queues[lane].append(Letter(emit(event)))

    def work_off(self) -> Usage:
        """Let each lane work until both are done, and return what that took."""
        lanes = [lane for lane in self._functions if self._queues[lane]]
        busy = set(lanes)

        def work_off(lane: Lane) -> None:
            queue = self._queues[lane]
            while queue or busy - {lane}:
                if not queue:
                    busy.discard(lane)
                    self._pass(IDLE_S)
                    continue
                busy.add(lane)
                self._deliver(lane, queue)
            busy.discard(lane)

        with _silence(), self.outages:
            jobs = [partial(work_off, lane) for lane in lanes]
            self._clock.side_by_side(jobs, at_once=len(jobs))
        return self.usage

    def _deliver(self, lane: Lane, queue: deque[Letter]) -> None:
        """Invoke the function once the first message is visible; what is done with is deleted."""
        function, at_s = self._functions[lane], max(queue[0].visible_at_s, self.now_s)
        self._pass(at_s - self.now_s + self._latencies.hand_off_s)
        batch = list(islice(queue, BATCH_SIZES[lane]))
        began_s = self.now_s
        for letter in batch:
            letter.first_received_s = letter.first_received_s or began_s
            letter.receive_count += 1
        self._pass(self._latencies.work_s * len(batch))
        ends_s = began_s + function.timeout_s
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: int((ends_s - self.now_s) * 1000)
        )
        event = {"Records": [_as_record(lane, letter) for letter in batch]}
        answer = work(self._wirings[lane], event, context)  # type: ignore[arg-type]
        left = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for letter in batch:
            if _message_id(letter) not in left:
                queue.remove(letter)
        self.usage.gb_s += (self.now_s - began_s) * function.memory_mb / 1024
        self.usage.calls.update(["lambda.Invoke", "sqs.ReceiveMessage", "sqs.DeleteMessage"])

    # -- the ledger ---------------------------------------------------------------------------

    def read(self, source: SourceName, window: Window, export_id: str) -> LedgerEntry | None:
        """Return a record as it is now."""
        with self._call("s3.GetObject"):
            found = self._records.get(ledger_key(source, window, export_id))
            return None if found is None else self._entry(found)

    def windows(self, _source: SourceName, since_ms: int, until_ms: int) -> list[Window]:
        """Return the windows that have records."""
        with self._call("s3.ListObjectsV2"):
            found = {record.window for record in self._records.values()}
            near = [window for window in found if since_ms <= window.from_ms <= until_ms]
            return sorted(near, key=lambda window: (window.from_ms, window.to_ms))

    def note_reading(self, _source: SourceName, reader: Reader, _body: bytes) -> None:
        """Note who reads."""
        with self._call("s3.PutObject"):
            self._reading[reader] = _time(self.now_s)

    def reading(self, _source: SourceName) -> dict[str, datetime]:
        """Return who reads."""
        with self._call("s3.ListObjectsV2"):
            return dict(self._reading)

    def create(self, record: LedgerRecord) -> LedgerEntry:
        """Write the record of a half."""
        with self._call("s3.PutObject"):
            if record.key in self._records:
                raise LedgerConflictError(record.key)
            self._records[record.key] = record
            return self._entry(record)

    def replace(self, entry: LedgerEntry, record: LedgerRecord) -> LedgerEntry:
        """Change a record that nobody else has changed."""
        with self._call("s3.PutObject"):
            if self._records[record.key].revision != entry.record.revision:
                raise LedgerConflictError(record.key)
            self._records[record.key] = record
            return self._entry(record)

    def _entry(self, record: LedgerRecord) -> LedgerEntry:
        return LedgerEntry(record, str(record.revision))

    # -- the source's account -----------------------------------------------------------------

    def account(self, _source: Source, _now: datetime) -> "SimulatedAws":
        """Return this account."""
        return self

    def create_task(self, record: LedgerRecord) -> str:
        """Create the task of a log group, unless another one is active."""
        with self._call("logs.CreateExportTask"):
            if self._newest and self.now_s < self._newest[0].ends_s:
                raise SlotBusyError("LimitExceededException")
            ends_s = self.now_s + self._task_s(record)
            job = Job(f"task-{self.usage.tasks.total()}", record, self.now_s, ends_s)
            self._newest.appendleft(job)
            self.usage.tasks[record.export_id] += 1
            return job.task_id

    def _task_s(self, record: LedgerRecord) -> float:
        """Return how long the task of a window, or of a part of it, takes."""
        group = self._groups[record.log_group.name]
        share = _bytes_in(group, record.window) / group.size_bytes if group.size_bytes else 1.0
        return group.fixed_s + (group.task_s - group.fixed_s) * share

    def task(self, task_id: str) -> Task | None:
        """Return a task, if it is one of the newest."""
        with self._call("logs.DescribeExportTasks"):
            return next((self._shown(job) for job in self._newest if job.task_id == task_id), None)

    def newest_tasks(self, since: datetime) -> list[Task]:  # noqa: ARG002  (the first page has it)
        """Return a page of tasks."""
        with self._call("logs.DescribeExportTasks"):
            return [self._shown(job) for job in self._newest]

    def _shown(self, job: Job) -> Task:
        has_ended = self.now_s >= job.ends_s
        return Task(
            task_id=job.task_id,
            name=job.record.export_id,
            bucket=job.record.destination.bucket,
            prefix=job.record.destination.prefix,
            status=COMPLETED if has_ended else "RUNNING",
            message="",
            created_ms=_ms(job.created_s),
            completed_ms=_ms(job.ends_s) if has_ended else None,
        )

    def events(
        self,
        record: LedgerRecord,
        part: Slice,
        next_token: str | None,
        _streams: Sequence[str] = (),
    ) -> tuple[list[Event], str | None]:
        """The direct lane's page: one line of a thousandth of its bytes."""
        self.usage.calls["logs.FilterLogEvents"] += 1
        self._wait_out("logs.FilterLogEvents")
        self._pass(self._latencies.page_s)
        group = self._groups[record.log_group.name]
        window = Window(from_ms=part.start_ms, to_ms=part.end_ms + 1)
        left = int(next_token or _bytes_in(group, window))
        size = min(left, BYTES_PER_PAGE)
        self._compute(PAGE_CPU_S)
        # As the exporter would see it, had the lines their size.
        self._read_bytes[record.export_id] += size
        max_bytes = self._wirings["direct"].settings.direct_lane_max_bytes
        limit_bytes = direct.most_bytes(max_bytes)
        direct.check_size(self._read_bytes[record.export_id], 1, max_bytes=limit_bytes)
        line = Event("stream", part.start_ms, "x" * max(size // SCALE - LINE_START_BYTES, 0))
        return [line], str(left - size) if left > size else None

    # -- the archive, the queue and the topic -------------------------------------------------

    def objects(self, _region: str, _bucket: str, folder: str) -> list[ArchivedObject]:
        """Return what a task has written."""
        with self._call("s3.ListObjectVersions"):
            found = _object(f"{folder}stream/000000.gz")
        with self._call("s3.HeadObject"):
            return [found]

    def folders(self, _region: str, _bucket: str, _prefix: str) -> list[str]:
        """Return the ids of tasks that have written: none that the first page would not have."""
        with self._call("s3.ListObjectVersions"):
            return []

    def put(self, _region: str, _bucket: str, key: str, _path: Path) -> ArchivedObject:
        """Write an object of the direct lane, once it is compressed."""
        size_bytes = self._read_bytes[UUID(key.split("/")[-3]).hex]
        for packed_bytes in range(0, size_bytes, PACKED_AT_ONCE_BYTES):
            now_bytes = min(PACKED_AT_ONCE_BYTES, size_bytes - packed_bytes)
            self._compute(now_bytes * PACK_CPU_S_PER_BYTE)
        self._pass(size_bytes / PUT_BYTES_PER_S)
        with self._call("s3.PutObject"):
            return _object(key)

    def sizes(self, _region: str, _bucket: str, folder: str) -> dict[str, int]:
        """Return the size of what is below a folder: of one log stream."""
        with self._call("s3.ListObjectVersions"):
            return {f"{folder}stream/000000.gz": 1}

    def send(self, request: ExportRequested, *, asked_by: str) -> None:
        """Of the direct lane, to the slot: halves, or what was too much after all."""
        with self._call("sqs.SendMessage"):
            deduplication_id = f"{request.id}-{asked_by}"
            if deduplication_id not in self._sent:
                self._sent.add(deduplication_id)
                self._enqueue("slot", request.data)

    def give_back(
        self, queue_arn: str, receipt_handles: Sequence[str], interval_s: int
    ) -> list[str]:
        """Let messages come back later."""
        queue = self._queues["direct" if queue_arn == QUEUE_ARNS["direct"] else "slot"]
        letters = [letter for letter in queue if _message_id(letter) in receipt_handles]
        try:
            with self._call("sqs.ChangeMessageVisibility"):
                visible_at_s = self.now_s + interval_s
        except TransientError as error:
            visible_at_s = self.now_s + QUEUE_VISIBILITY_S
            return [str(error)]
        finally:
            for letter in letters:
                letter.visible_at_s = visible_at_s
        return []

    def publish(self, event: ExportCompleted | ExportFailed | DayCompleted) -> None:
        """Count an export as announced."""
        with self._call("sns.Publish"):
            self.usage.announced.add(event.id)
        # What is left in a queue then, of exports that the other lane has done, holds up nobody.
        self.usage.makespan_s = self.now_s

    # -- the clock ----------------------------------------------------------------------------

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        """Take a call's time; what it does happens in the middle of it."""
        self.usage.calls[operation] += 1
        self._wait_out(operation)
        self._pass(self._latencies.call_s / 2)
        yield
        self._pass(self._latencies.call_s / 2)

    def _wait_out(self, operation: str) -> None:
        """Come through an outage as botocore does, or fail as the exporter's adapters do."""
        try:
            self.outages.wait_out(operation)
        except ClientError as error:
            self.usage.given_up[operation] += 1
            raise TransientError(str(error)) from error

    def _compute(self, cpu_s: float) -> None:
        """Take the function's CPU, of which it has a share, and which its threads take turns at."""
        self._cpu_free_s = max(self._cpu_free_s, self.now_s) + cpu_s / self._vcpus
        self._pass(self._cpu_free_s - self.now_s)

    def _pass(self, seconds: float) -> None:
        self._clock.let_pass(seconds)


def _message_id(letter: Letter) -> str:
    return f"message-{id(letter)}"


def _as_record(lane: Lane, letter: Letter) -> dict[str, Any]:
    """Return a message as Lambda hands it over."""
    attributes = {
        "SentTimestamp": str(_ms(0)),
        "ApproximateFirstReceiveTimestamp": str(_ms(letter.first_received_s)),
        "ApproximateReceiveCount": str(letter.receive_count),
        "MessageGroupId": SOURCE.direct_slot if lane == "direct" else SOURCE.slot,
    }
    return {
        "messageId": _message_id(letter),
        "receiptHandle": _message_id(letter),
        "body": letter.body,
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARNS[lane],
        "attributes": attributes,
    }


def _bytes_in(group: LogGroup, window: Window) -> int:
    return _bytes_until(group, window.to_ms) - _bytes_until(group, window.from_ms)


def _bytes_until(group: LogGroup, at_ms: int) -> int:
    """Return how many of a log group's bytes in the window are older; its hours differ in load."""
    loads = _loads(group.name)
    at = min((at_ms - WINDOW.from_ms) / (WINDOW.to_ms - WINDOW.from_ms), 1.0) * HOURS
    before = sum(load * min(max(at - hour, 0.0), 1.0) for hour, load in enumerate(loads))
    return round(group.size_bytes * before / sum(loads))


@cache
def _loads(name: str) -> tuple[float, ...]:
    rng = random.Random(name)  # noqa: S311  (reproducible, and no secret)
    return tuple(rng.lognormvariate(0, BUSY_HOURS_SIGMA) for _ in range(HOURS))


def _time(at_s: float) -> datetime:
    return START + timedelta(seconds=at_s)


def _ms(at_s: float) -> int:
    return int(_time(at_s).timestamp() * 1000)


def _object(key: str) -> ArchivedObject:
    return ArchivedObject(key=key, version_id="version", size_bytes=1, etag="etag")


def _request(group: LogGroup, lane: Lane, *, is_offer: bool) -> ExportRequestedData:
    return ExportRequestedData(
        export_id=export_id(SOURCE, group.name, WINDOW, 1),
        generation=1,
        source=SOURCE,
        log_group=NamedLogGroup(
            name=group.name,
            arn=f"arn:aws:logs:eu-west-1:111122223333:log-group:{group.name}",
            log_group_class="STANDARD",
            created_ms=WINDOW.from_ms,
        ),
        window=WINDOW,
        destination=Destination(bucket="amzn-s3-demo-archive", prefix=f"shop{group.name}"),
        lane=lane,
        estimated_bytes=group.estimated_bytes,
        offered=is_offer or None,
    )
