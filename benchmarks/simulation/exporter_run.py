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
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError

from benchmarks.simulation.clock import Clock
from benchmarks.simulation.outages import Outages, Pattern
from benchmarks.simulation.unused import Unused
from benchmarks.simulation.usage import Usage
from benchmarks.simulation.workload import LogGroup
from exporter import direct
from exporter.cloud import LedgerEntry
from exporter.direct import Event, Slice
from exporter.errors import SlotBusyError, TransientError
from exporter.handler import work
from exporter.settings import Settings
from exporter.task import COMPLETED, Task
from exporter.telemetry import logger
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
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
TASKS_PER_PAGE = 50
SLOT_MEMORY_MB = 512
DIRECT_MEMORY_MB = 640
"""Of the two functions, as deploy/exporter.yaml has them. What the second one's disk has beyond the
512 MB that cost nothing is a third of a percent of its price, and left out."""
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
QUEUE_ARN = "arn:aws:sqs:eu-west-1:999988887777:log-sqs-shop-collect.fifo"
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
        readers: How many slices of a window it reads at once in the direct lane.
        settings: By name, where they are not its defaults.
    """

    timeout_s: int = 120
    memory_mb: int = SLOT_MEMORY_MB
    readers: int = direct.READERS
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """An export task as AWS has it inside; times are the simulation's, in seconds."""

    task_id: str
    record: LedgerRecord
    created_s: float
    ends_s: float


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
    aws = SimulatedAws(lane, latencies or Latencies(), function or Function(), pattern)
    with _silence(), aws.outages:
        for group in groups:
            aws.export(group)
    aws.usage.makespan_s = aws.now_s
    return aws.usage


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
    """One source with its slot: all of the adapters that its exporter works with, in one."""

    def __init__(
        self,
        lane: Lane,
        latencies: Latencies,
        function: Function,
        pattern: Pattern | None = None,
    ) -> None:
        """Start the clock before the function's first environment is there."""
        self.usage = Usage()
        self._clock = Clock(latencies.cold_start_s)
        self.outages = Outages(pattern, self._clock, latencies.call_s / 2)
        self._lane: Lane = lane
        self._latencies = latencies
        self._timeout_s = function.timeout_s
        self._memory_gb = function.memory_mb / 1024
        self._vcpus = min(function.memory_mb / MB_PER_VCPU, 1.0)
        self._cpu_free_s = 0.0
        self._read_bytes: Counter[str] = Counter()
        self._visible_at_s = 0.0
        self._groups: dict[str, LogGroup] = {}
        self._records: dict[str, LedgerRecord] = {}
        self._newest: deque[Job] = deque(maxlen=TASKS_PER_PAGE)
        self._wiring = Wiring(
            settings=Settings.from_env(ENVIRONMENT).model_copy(update=function.settings),
            ledger=self,
            accounts=self,
            archive=self,
            queue=self,
            topic=self,
            clock=lambda: _time(self.now_s),
            sleep=self._pass,
            together=lambda jobs: self._clock.side_by_side(jobs, at_once=function.readers),
        )

    @property
    def now_s(self) -> float:
        """The time, in seconds."""
        return self._clock.now_s

    def export(self, group: LogGroup) -> None:
        """Deliver the request of one log group until it is done with."""
        request = _request(group, self._lane)
        record = request.first_record(START)
        self._records[record.key] = record
        self._groups[request.export_id] = group
        event = ExportRequested.of(request, id=request.export_id, source="urn:planner", time=START)
        message = {
            "messageId": "message",
            "receiptHandle": "receipt",
            "body": emit(event),
            "eventSource": "aws:sqs",
            "eventSourceARN": QUEUE_ARN,
        }
        attributes = {
            "SentTimestamp": str(_ms(0)),
            "ApproximateFirstReceiveTimestamp": str(_ms(self.now_s + self._latencies.hand_off_s)),
            "MessageGroupId": SOURCE.direct_slot if self._lane == "direct" else SOURCE.slot,
        }
        receives, is_done = 0, False
        while not is_done:
            receives += 1
            received = attributes | {"ApproximateReceiveCount": str(receives)}
            is_done = self._deliver(message | {"attributes": received})

    def _deliver(self, message: Mapping[str, Any]) -> bool:
        """Invoke the function once the message is visible; return whether it is done with."""
        self._pass(max(self._visible_at_s - self.now_s, 0.0) + self._latencies.hand_off_s)
        began_s = self.now_s
        self._read_bytes.clear()
        self._pass(self._latencies.work_s)
        ends_s = began_s + self._timeout_s
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: int((ends_s - self.now_s) * 1000)
        )
        answer = work(self._wiring, {"Records": [dict(message)]}, cast("Any", context))
        is_done = not answer["batchItemFailures"]
        self.usage.gb_s += (self.now_s - began_s) * self._memory_gb
        self.usage.calls.update(["lambda.Invoke", "sqs.ReceiveMessage"])
        self.usage.calls["sqs.DeleteMessage"] += is_done
        return is_done

    # -- the ledger ---------------------------------------------------------------------------

    def read(self, source: SourceName, window: Window, export_id: str) -> LedgerEntry | None:
        """Return a record as it is now."""
        with self._call("s3.GetObject"):
            return self._entry(self._records[ledger_key(source, window, export_id)])

    def replace(self, entry: LedgerEntry, record: LedgerRecord) -> LedgerEntry:
        """Change a record that nobody else has changed."""
        with self._call("s3.PutObject"):
            assert self._records[record.key].revision == entry.record.revision  # noqa: S101
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
            ends_s = self.now_s + self._groups[record.export_id].task_s
            job = Job(f"task-{self.usage.tasks.total()}", record, self.now_s, ends_s)
            self._newest.appendleft(job)
            self.usage.tasks[record.export_id] += 1
            return job.task_id

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
        self, record: LedgerRecord, part: Slice, next_token: str | None
    ) -> tuple[list[Event], str | None]:
        """The direct lane's page: one line of a thousandth of its bytes."""
        self.usage.calls["logs.FilterLogEvents"] += 1
        self._wait_out("logs.FilterLogEvents")
        self._pass(self._latencies.page_s)
        group = self._groups[record.export_id]
        left = int(
            next_token or _bytes_until(group, part.end_ms + 1) - _bytes_until(group, part.start_ms)
        )
        size = min(left, BYTES_PER_PAGE)
        self._compute(PAGE_CPU_S)
        # As the exporter would see it, had the lines their size.
        self._read_bytes[group.name] += size
        limit_bytes = self._wiring.settings.direct_lane_max_bytes
        direct.check_size(self._read_bytes[group.name], 1, max_bytes=limit_bytes)
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
        size_bytes = self._read_bytes.total()
        self._compute(size_bytes * PACK_CPU_S_PER_BYTE)
        self._pass(size_bytes / PUT_BYTES_PER_S)
        with self._call("s3.PutObject"):
            return _object(key)

    def send(self, request: ExportRequested, *, asked_by: str) -> None:  # noqa: ARG002
        """Of the direct lane, to the slot: it was too much after all."""
        with self._call("sqs.SendMessage"):
            self.usage.left_for_slot.append(self._groups[request.id])

    def give_back(
        self, _queue_arn: str, _receipt_handles: Sequence[str], interval_s: int
    ) -> list[str]:
        """Let the message come back later."""
        try:
            with self._call("sqs.ChangeMessageVisibility"):
                self._visible_at_s = self.now_s + interval_s
        except TransientError as error:
            self._visible_at_s = self.now_s + QUEUE_VISIBILITY_S
            return [str(error)]
        return []

    def publish(self, event: ExportCompleted | ExportFailed | DayCompleted) -> None:
        """Count an export as announced."""
        with self._call("sns.Publish"):
            self.usage.announced.add(event.id)

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


def _bytes_until(group: LogGroup, at_ms: int) -> int:
    """Return how many of a log group's bytes in the window are older; its hours differ in load."""
    rng = random.Random(group.name)  # noqa: S311  (reproducible, and no secret)
    loads = [rng.lognormvariate(0, BUSY_HOURS_SIGMA) for _ in range(HOURS)]
    at = min((at_ms - WINDOW.from_ms) / (WINDOW.to_ms - WINDOW.from_ms), 1.0) * HOURS
    before = sum(load * min(max(at - hour, 0.0), 1.0) for hour, load in enumerate(loads))
    return round(group.size_bytes * before / sum(loads))


def _time(at_s: float) -> datetime:
    return START + timedelta(seconds=at_s)


def _ms(at_s: float) -> int:
    return int(_time(at_s).timestamp() * 1000)


def _object(key: str) -> ArchivedObject:
    return ArchivedObject(key=key, version_id="version", size_bytes=1, etag="etag")


def _request(group: LogGroup, lane: Lane) -> ExportRequestedData:
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
    )
