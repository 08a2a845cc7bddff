"""An AWS of plain Python: one slot, export tasks that take their time, and calls that can crash.

It keeps the rules that the exporter has to live with: one active task per account and Region
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateExportTask.html),
PENDING first, no token that makes CreateExportTask safe to repeat, conditional writes, FIFO order
with a locked message group, and at-least-once delivery.
"""

import gzip
import io
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest

from exporter.cloud import LedgerEntry
from exporter.direct import Event, Slice
from exporter.errors import (
    CallRefusedError,
    ExportRefusedError,
    LedgerConflictError,
    ObjectsRemovedError,
    SlotBusyError,
    TransientError,
)
from exporter.handler import work
from exporter.settings import Settings
from exporter.task import Task
from exporter.telemetry import logger, metrics
from exporter.wiring import Wiring
from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.day_planned import DayPlanned, DayPlannedData
from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_key import (
    ledger_key,
    ledger_prefix,
    manifest_key,
    split_key,
    windows_of,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import MOST_LOG_STREAMS, LogGroup
from logferry_contracts.manifest import ArchivedObject, Manifest, ManifestLocation
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse

if TYPE_CHECKING:
    import logging

BUCKET = "amzn-s3-demo-archive"
CONTROL_BUCKET = "amzn-s3-demo-control"
START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
VISIBILITY_TIMEOUT = timedelta(minutes=12)
DEDUPLICATION = timedelta(minutes=5)
FUNCTION_MS = 120_000


class Crash(BaseException):
    """The process is gone: nothing catches it, and nothing after it happens."""


def lost_answer(name: str) -> Exception:
    """What a call says that was made and whose answer did not arrive.

    botocore repeats a conditional write, and then finds that somebody has written: itself.
    """
    unconditional = {
        "ledger.note_reading",
        "ledger.read",
        "ledger.reading",
        "ledger.windows",
        "ledger.keys",
        "ledger.read_keys",
    }
    if name.startswith("ledger.") and name not in unconditional:
        return LedgerConflictError(name)
    return TransientError(f"{name}: read timeout")


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "control_bucket": CONTROL_BUCKET,
        "topic_arn": "arn:aws:sns:eu-west-1:999988887777:log-export-events",
        "queue_url": "https://sqs.eu-west-1.amazonaws.com/999988887777/log-sqs-shop-collect.fifo",
        "dead_letter_queue_url": (
            "https://sqs.eu-west-1.amazonaws.com/999988887777/log-sqs-shop-collect-dlq.fifo"
        ),
        "wait_in_invocation_s": 20,
        "max_generations": 3,
        "retry_backoff": timedelta(seconds=60),
        "split_after": timedelta(hours=22),
        "direct_lane_max_bytes": 3_334,
        "direct_lane_calls_per_second": 5,
        "profile": "shop",
        "slot": "111122223333.eu-west-1",
        "role_arn": "arn:aws:iam::111122223333:role/logferry-source",
        "artifact": "0.2.0-1a2b3c4d5e6f",
    }
    return Settings(**values | changes)


def export_request(
    name: str = "/aws/lambda/orders",
    *,
    generation: int = 1,
    profile: str = "shop",
    lane: Literal["slot", "direct"] = "slot",
    estimated_bytes: int = 0,
) -> ExportRequestedData:
    source = Source(
        profile=profile,
        account_id="111122223333",
        region="eu-west-1",
        role_arn="arn:aws:iam::111122223333:role/logferry-source",
    )
    window = Window(from_ms=1_795_215_600_000, to_ms=1_795_302_000_000)
    return ExportRequestedData(
        export_id=export_id(source, name, window, generation),
        generation=generation,
        source=source,
        log_group=LogGroup(
            name=name,
            arn=f"arn:aws:logs:eu-west-1:111122223333:log-group:{name}",
            log_group_class="STANDARD",
            created_ms=1_741_944_413_589,
        ),
        window=window,
        destination=Destination(bucket=BUCKET, prefix=f"{profile}/{name.strip('/')}/2026/11/21/00"),
        lane=lane,
        estimated_bytes=estimated_bytes,
    )


def one_by_one(jobs: Sequence[Callable[[], None]]) -> None:
    """Instead of threads, so that calls have an order."""
    for job in jobs:
        job()


def part_of_a_day(window: Window) -> float:
    return (window.to_ms - window.from_ms) / 86_400_000


def group_of(data: ExportRequestedData) -> str:
    return data.source.direct_slot if data.lane == "direct" else data.source.slot


@dataclass
class Plan:
    """How the export tasks of one log group go.

    Attributes:
        running_s: Of a task for a whole day; half a day takes half of it.
        outcomes: Of its tasks in turn; the last one goes on.
        keys: What a task that completes writes below its folder; one that fails, the first half.
    """

    pending_s: float = 0.5
    running_s: float = 1.0
    outcomes: tuple[str, ...] = ("COMPLETED",)
    keys: tuple[str, ...] = ("stream-a/000000.gz", "stream-b/000000.gz", "stream-b/000001.gz")
    refusal: tuple[str, str] | None = None


@dataclass
class Job:
    """An export task as AWS has it inside."""

    task_id: str
    name: str | None
    bucket: str
    prefix: str
    created: datetime
    pending_s: float
    running_s: float
    outcome: str
    keys: tuple[str, ...]
    window: Window | None = None
    cancelling_s: float = 0
    is_called_off: bool = False
    is_lost: bool = False
    is_out_of_the_list: bool = False
    has_written: bool = False

    @property
    def ends(self) -> datetime:
        return self.created + timedelta(seconds=self.pending_s + self.running_s + self.cancelling_s)

    def status(self, now: datetime) -> str:
        if now < self.created + timedelta(seconds=self.pending_s):
            return "PENDING"
        if now >= self.ends:
            return self.outcome
        return "RUNNING" if self.cancelling_s == 0 else "PENDING_CANCEL"

    def end_after(self, seconds: float) -> None:
        """AWS ends a task that runs for too long."""
        if self.pending_s + self.running_s > seconds:
            self.outcome, self.running_s = "FAILED", seconds - self.pending_s


@dataclass
class Version:
    """An object version; of what a task wrote nobody looks at the body."""

    key: str
    version_id: str
    is_locked: bool = False
    body: bytes = b""
    is_hidden: bool = False

    @property
    def size_bytes(self) -> int:
        return len(self.body) or 100


@dataclass
class Letter:
    """A message in a queue."""

    message_id: str
    body: str
    group_id: str
    receive_count: int = 0
    first_received: datetime | None = None
    visible_at: datetime = START
    sent_at: datetime = START
    attributes: dict[str, str] = field(default_factory=dict)
    is_moved: bool = False
    """Into the slot's queue, by a person."""


@dataclass
class DeadLetter:
    body: str
    group_id: str
    message_id: str
    reason: str
    detail: str


class Cloud:
    """All of AWS that the exporter sees, and the queue that drives it."""

    def __init__(self, **changes: Any) -> None:
        self.now = START
        self.settings = settings(**changes)
        self.calls: list[str] = []
        self.calls_by_delivery: list[int] = []
        self.crash: Callable[[int, Literal["before", "after", "lost"]], bool] = lambda _n, _how: (
            False
        )
        self.interrupt: Callable[[str], None] = lambda _name: None
        self.plans: dict[str, Plan] = {}
        self.task_limit_s: float = 86_400
        self.cancel_s: float = 0
        self.pages: dict[str, list[list[Event]]] = {}
        self.checks_versions = True
        self.forgotten: dict[str, tuple[str, str]] = {}
        self.unreadable: Exception | None = None
        self.created_ms: dict[str, int | None] = {}
        """Of log groups that are not those which were planned; None is gone."""
        self.unwritable: Exception | None = None
        self.jobs: list[Job] = []
        self.archive: list[Version] = []
        self.bucket_region: str | None = "eu-west-1"
        self.ledger: dict[str, tuple[str, str]] = {}
        self.manifests: dict[str, bytes] = {}
        self.reading: dict[str, datetime] = {}
        self.on_closed_day: Callable[[DayPlanned], None] = lambda _: None
        self.letters: list[Letter] = []
        self.sent: dict[str, datetime] = {}
        self.dead_letters: list[DeadLetter] = []
        self.retention = timedelta(days=14)
        self.keys_read: list[str] = []
        self.warm: Wiring | None = None
        self.events: list[ExportCompleted | ExportFailed | DayCompleted] = []
        self.refused_handles: list[str] = []
        self.given_back_to: list[str] = []
        self.is_everything_sent_twice = False
        self.numbers = itertools.count(1)

    # -- what tests do ------------------------------------------------------------------------

    def request(self, data: ExportRequestedData | None = None, *, is_planned: bool = True) -> str:
        """Send a request as the planner does: the ledger record first."""
        data = data or export_request()
        record = LedgerRecord.model_validate(
            {
                "schema": "urn:logferry:schema:ledger-record:1.0",
                "revision": 1,
                "state": "requested",
                "requested_at": "2026-11-23T05:00:00.000Z",
                "source": data.source.name,
                **({"offered": {}} if data.offered else {}),
                **{
                    name: getattr(data, name)
                    for name in (
                        "export_id",
                        "generation",
                        "log_group",
                        "window",
                        "destination",
                        "lane",
                    )
                },
            }
        )
        if is_planned:
            self.put_record(record)
        event = ExportRequested.of(
            data, id=data.export_id, source="urn:logferry:planner", time=self.now
        )
        self.enqueue(emit(event), group_of(data))
        return data.export_id

    def request_day(self, *windows: Window, run: str = "run-1") -> str:
        """Send a date's DayPlanned, as the planner does once it has sent all requests."""
        source = export_request().source
        planned = DayPlanned.of(
            DayPlannedData(
                source=source.name,
                date="2026-11-21",
                time_zone="Europe/Berlin",
                windows=list(windows) or [export_request().window],
            ),
            id=f"{run}-2026-11-21",
            source="urn:logferry:planner",
            time=START,
        )
        self.enqueue(emit(planned), planned.group)
        return planned.id

    def enqueue(
        self,
        body: str,
        group_id: str = "111122223333.eu-west-1",
        attributes: dict[str, str] | None = None,
    ) -> None:
        for _ in range(2 if self.is_everything_sent_twice else 1):
            message_id = f"message-{next(self.numbers)}"
            letter = Letter(message_id, body, group_id, sent_at=self.now)
            letter.attributes = attributes or {}
            self.letters.append(letter)

    def redrive(self) -> None:
        """Move every dead letter back, as StartMessageMoveTask does: as a new message, with all
        that the letter has. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
        """
        for letter in self.dead_letters:
            attributes = {"reason": letter.reason, "detail": letter.detail}
            self.enqueue(letter.body, letter.group_id, attributes)
            self.letters[-1].is_moved = True
        self.dead_letters.clear()

    def put_record(self, record: LedgerRecord) -> None:
        self.ledger[record.key] = (emit(record), f'"{next(self.numbers)}"')

    def record(self, data: ExportRequestedData | None = None) -> LedgerRecord:
        data = data or export_request()
        body, _ = self.ledger[ledger_key(data.source, data.window, data.export_id)]
        return parse(LedgerRecord, body)

    def records(self) -> list[LedgerRecord]:
        return [parse(LedgerRecord, body) for body, _ in self.ledger.values()]

    def start_job(self, data: ExportRequestedData | None = None, **changes: Any) -> Job:
        """A task that is not the exporter's doing; without ``data``, somebody else's."""
        values: dict[str, Any] = {
            "task_id": f"task-{next(self.numbers)}",
            "name": data.export_id if data else None,
            "bucket": data.destination.bucket if data else "their-bucket",
            "prefix": data.destination.prefix if data else "exportedlogs",
            "created": self.now,
            "pending_s": 0.0,
            "running_s": 30.0,
            "outcome": "COMPLETED",
            "keys": Plan.keys if data else (),
        }
        job = Job(**values | changes)
        self.jobs.append(job)
        return job

    def wiring(self, **changes: Any) -> Wiring:
        wiring = Wiring(
            settings=self.settings,
            ledger=FakeLedger(self),
            accounts=FakeAccounts(self),
            archive=FakeArchive(self),
            queue=FakeQueue(self),
            topic=FakeTopic(self),
            clock=lambda: self.now,
            sleep=self.sleep,
            together=one_by_one,
        )
        return replace(wiring, **changes)

    def deliver(self, batch_size: int = 1, remaining_ms: int = FUNCTION_MS) -> dict[str, Any]:
        """Wait for the first message to be visible, and hand it over with those behind it."""
        batch = self.letters[:batch_size]
        self.now = max([self.now, *(letter.visible_at for letter in self.letters)])
        for letter in batch:
            letter.receive_count += 1
            letter.first_received = letter.first_received or self.now
            letter.visible_at = self.now + VISIBILITY_TIMEOUT
        answer = self.invoke(batch, remaining_ms)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self.letters = [
            letter for letter in self.letters if letter not in batch or letter.message_id in failed
        ]
        return answer

    def invoke(self, batch: list[Letter], remaining_ms: int = FUNCTION_MS) -> dict[str, Any]:
        context = cast("Any", SimpleNamespace(get_remaining_time_in_millis=lambda: remaining_ms))
        event = {"Records": [self.as_record(letter) for letter in batch]}
        before = len(self.calls)
        try:
            return cast("dict[str, Any]", work(self.warm or self.wiring(), event, context))
        finally:
            self.calls_by_delivery.append(len(self.calls) - before)

    def run(self, batch_size: int = 1, deliveries: int = 1500) -> int:
        """Deliver until the queue is empty; a crash is followed by the next delivery."""
        for delivery in range(deliveries):
            if not self.letters:
                return delivery
            try:
                self.deliver(batch_size)
            except Crash:
                self.now += timedelta(seconds=1)
        raise AssertionError(f"the queue is not empty after {deliveries} deliveries")

    def as_record(self, letter: Letter) -> dict[str, Any]:
        first_received = letter.first_received or self.now
        return {
            "messageId": letter.message_id,
            "receiptHandle": letter.message_id,
            "body": letter.body,
            "eventSource": "aws:sqs",
            "eventSourceARN": (
                "arn:aws:sqs:eu-west-1:999988887777:log-sqs-shop-direct.fifo"
                if letter.group_id.endswith(".direct") and not letter.is_moved
                else "arn:aws:sqs:eu-west-1:999988887777:log-sqs-shop-collect.fifo"
            ),
            "attributes": {
                "SentTimestamp": str(int(letter.sent_at.timestamp() * 1000)),
                "ApproximateReceiveCount": str(letter.receive_count),
                "ApproximateFirstReceiveTimestamp": str(int(first_received.timestamp() * 1000)),
                "MessageGroupId": letter.group_id,
            },
            "messageAttributes": {
                name: {"dataType": "String", "stringValue": value}
                for name, value in letter.attributes.items()
            },
        }

    # -- what AWS does ------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        self.interrupt(name)
        self.calls.append(name)
        number = len(self.calls)
        self.now += timedelta(milliseconds=20)
        self.write()
        if self.crash(number, "before"):
            raise Crash(name)
        yield
        if self.crash(number, "after"):
            raise Crash(name)
        if self.crash(number, "lost"):
            raise lost_answer(name)

    def write(self) -> None:
        """Put into the archive what tasks that have ended by now have written."""
        for job in self.jobs:
            if not job.has_written and self.now >= job.ends:
                job.has_written = True
                count = len(job.keys) if job.outcome == "COMPLETED" else len(job.keys) // 2
                self.archive += [
                    Version(f"{job.prefix}/{job.task_id}/{key}", f"version-{next(self.numbers)}")
                    for key in job.keys[:count]
                ]

    def tasks_of(self, data: ExportRequestedData | None = None) -> list[Job]:
        name = (data or export_request()).export_id
        return [job for job in self.jobs if job.name == name]

    def completed_events(self) -> list[ExportCompleted]:
        return [event for event in self.events if isinstance(event, ExportCompleted)]

    def day_events(self) -> list[DayCompleted]:
        return [event for event in self.events if isinstance(event, DayCompleted)]

    def failed_events(self) -> list[ExportFailed]:
        return [event for event in self.events if isinstance(event, ExportFailed)]


@dataclass
class FakeLedger:
    cloud: Cloud

    def read(self, source: SourceName, window: Window, export_id: str) -> LedgerEntry | None:
        with self.cloud.call("ledger.read"):
            found = self.cloud.ledger.get(ledger_key(source, window, export_id))
            return None if found is None else LedgerEntry(parse(LedgerRecord, found[0]), found[1])

    def keys(self, source: SourceName, windows: Sequence[Window]) -> list[str]:
        with self.cloud.call("ledger.keys"):
            prefixes = tuple(ledger_prefix(source, window) for window in windows)
            return sorted(key for key in self.cloud.ledger if key.startswith(prefixes))

    def read_keys(self, keys: Sequence[str]) -> list[tuple[str, LedgerRecord | ContractError]]:
        with self.cloud.call("ledger.read_keys"):
            self.cloud.keys_read += keys
            return [(key, self._read_key(key)) for key in keys]

    def _read_key(self, key: str) -> LedgerRecord | ContractError:
        try:
            return parse(LedgerRecord, self.cloud.ledger[key][0])
        except ContractError as error:
            return error

    def windows(self, source: SourceName, since_ms: int, until_ms: int) -> list[Window]:
        with self.cloud.call("ledger.windows"):
            # By their keys alone, as AWS lists them: a record may be damaged.
            there = windows_of(sorted({split_key(key)[0] for key in self.cloud.ledger}))
            return [window for window in there if since_ms <= window.from_ms <= until_ms]

    def create(self, record: LedgerRecord) -> LedgerEntry:
        return self._put(record, expected=None)

    def replace(self, entry: LedgerEntry, record: LedgerRecord) -> LedgerEntry:
        return self._put(record, expected=entry.etag)

    def close_day(self, planned: DayPlanned) -> None:
        with self.cloud.call("ledger.close_day"):
            self.cloud.on_closed_day(planned)

    def note_reading(self, source: SourceName, reader: str, body: bytes) -> None:
        with self.cloud.call("ledger.note_reading"):
            self.cloud.reading[reader] = self.cloud.now

    def reading(self, source: SourceName) -> dict[str, datetime]:
        with self.cloud.call("ledger.reading"):
            return dict(self.cloud.reading)

    def put_manifest(self, record: LedgerRecord, manifest: Manifest) -> ManifestLocation:
        with self.cloud.call("ledger.put_manifest"):
            key = manifest_key(record.source, record.window, record.export_id)
            self.cloud.manifests[key] = emit(manifest).encode()
            return ManifestLocation(
                bucket=CONTROL_BUCKET,
                key=key,
                size_bytes=len(self.cloud.manifests[key]),
                sha256="0" * 64,
            )

    def _put(self, record: LedgerRecord, expected: str | None) -> LedgerEntry:
        with self.cloud.call(f"ledger.{record.state}"):
            etag = self.cloud.ledger.get(record.key, (None, None))[1]
            if etag != expected:
                raise LedgerConflictError(record.key)
            self.cloud.put_record(record)
            return LedgerEntry(record, self.cloud.ledger[record.key][1])


@dataclass
class FakeAccounts:
    cloud: Cloud

    def account(self, source: Source, now: datetime) -> "FakeAccount":
        return FakeAccount(self.cloud)


@dataclass
class FakeAccount:
    cloud: Cloud

    def create_task(self, record: LedgerRecord) -> str:
        cloud = self.cloud
        with cloud.call("logs.create_task"):
            plan = cloud.plans.get(record.log_group.name, Plan())
            if plan.refusal is not None:
                raise ExportRefusedError(*plan.refusal)
            if any(cloud.now < job.ends for job in cloud.jobs):
                raise SlotBusyError("LimitExceededException: Resource limit exceeded.")
            same_prefix = [j for j in cloud.jobs if j.prefix == record.destination.prefix]
            earlier = sum(not job.is_called_off for job in same_prefix)
            job = Job(
                task_id=f"task-{next(cloud.numbers)}",
                name=record.export_id,
                bucket=record.destination.bucket,
                prefix=record.destination.prefix,
                created=cloud.now,
                pending_s=plan.pending_s,
                running_s=plan.running_s * part_of_a_day(record.window),
                outcome=plan.outcomes[min(earlier, len(plan.outcomes) - 1)],
                keys=plan.keys,
                window=record.window,
            )
            job.end_after(cloud.task_limit_s)
            cloud.jobs.append(job)
            return job.task_id

    def task(self, task_id: str) -> Task | None:
        with self.cloud.call("logs.task"):
            found = [job for job in self.cloud.jobs if job.task_id == task_id and not job.is_lost]
            return self._shown(found[0]) if found else None

    def newest_tasks(self, since: datetime) -> list[Task]:
        with self.cloud.call("logs.newest_tasks"):
            return [
                self._shown(job)
                for job in reversed(self.cloud.jobs)
                if not job.is_lost and not job.is_out_of_the_list
            ]

    def events(
        self,
        record: LedgerRecord,
        part: Slice,
        next_token: str | None,
        streams: Sequence[str] = (),
    ) -> tuple[list[Event], str | None]:
        cloud = self.cloud
        with cloud.call("logs.events"):
            if cloud.unreadable is not None:
                raise cloud.unreadable
            assert len(streams) <= MOST_LOG_STREAMS
            pages, number = cloud.pages.get(record.log_group.name, PAGES), int(next_token or 0)
            page = [
                e
                for e in pages[number]
                if part.start_ms <= e.timestamp_ms <= part.end_ms
                if not streams or e.stream_name in streams
            ]
            return page, str(number + 1) if number + 1 < len(pages) else None

    def log_group_created_ms(self, name: str) -> int | None:
        with self.cloud.call("logs.log_group"):
            return self.cloud.created_ms.get(name, 0)

    def cancel_task(self, task_id: str) -> None:
        with self.cloud.call("logs.cancel_task"):
            for job in self.cloud.jobs:
                if job.task_id == task_id and self.cloud.now < job.ends:
                    if job.status(self.cloud.now) == "PENDING":
                        job.keys, job.is_called_off = (), True
                    age_s = (self.cloud.now - job.created).total_seconds()
                    job.outcome, job.pending_s, job.running_s = "CANCELLED", 0, age_s
                    job.cancelling_s = self.cloud.cancel_s

    def _shown(self, job: Job) -> Task:
        status = job.status(self.cloud.now)
        has_ended = self.cloud.now >= job.ends
        return Task(
            task_id=job.task_id,
            name=job.name,
            bucket=job.bucket,
            prefix=job.prefix,
            status=status,
            message="The task broke." if status == "FAILED" else "",
            created_ms=int(job.created.timestamp() * 1000),
            completed_ms=int(job.ends.timestamp() * 1000) if has_ended else None,
        )


PAGES = [
    [Event("web/1", 1_795_215_600_000, "first"), Event("web/2", 1_795_215_600_000, "second")],
    [Event("web/1", 1_795_215_600_001, "third")],
]
"""Of a log group in the direct lane."""


@dataclass
class FakeArchive:
    cloud: Cloud

    def put(self, region: str, bucket: str, key: str, path: Path) -> ArchivedObject:
        cloud = self.cloud
        with cloud.call("archive.put"):
            if cloud.unwritable is not None:
                raise cloud.unwritable
            body = path.read_bytes()
            there = [version for version in cloud.archive if version.key == key]
            if not there or there[-1].body != body:
                there.append(Version(key, f"version-{next(cloud.numbers)}", body=body))
                cloud.archive.append(there[-1])
            return ArchivedObject(
                key=key, version_id=there[-1].version_id, size_bytes=len(body), etag="e"
            )

    def texts(self, region: str, bucket: str, archived: ArchivedObject) -> Iterator[bytes]:
        with self.cloud.call("archive.texts"):
            there = {each.version_id: each.body for each in self.cloud.archive}
            yield gzip.decompress(there[archived.version_id])

    def objects(self, region: str, bucket: str, folder: str) -> list[ArchivedObject]:
        with self.cloud.call("archive.objects"):
            return [
                ArchivedObject(
                    key=version.key,
                    version_id=version.version_id,
                    size_bytes=version.size_bytes,
                    etag="e",
                )
                for version in self._current(folder)
            ]

    def sizes(self, region: str, bucket: str, folder: str) -> dict[str, int]:
        with self.cloud.call("archive.sizes"):
            return {version.key: version.size_bytes for version in self._current(folder)}

    def _current(self, folder: str) -> list[Version]:
        below = [each for each in reversed(self.cloud.archive) if each.key.startswith(folder)]
        if any(version.is_hidden for version in below):
            raise ObjectsRemovedError(f"below {folder}")
        newest = {each.key: each for each in reversed(below)}
        return [each for each in below if newest[each.key] is each]

    def folders(self, region: str, bucket: str, prefix: str) -> list[str]:
        with self.cloud.call("archive.folders"):
            below = [v.key for v in self.cloud.archive if v.key.startswith(f"{prefix}/")]
            return sorted({key.removeprefix(f"{prefix}/").split("/")[0] for key in below})

    def remove(self, region: str, bucket: str, folder: str) -> list[str]:
        with self.cloud.call("archive.remove"):
            below = [v for v in self.cloud.archive if v.key.startswith(folder)]
            self.cloud.archive = [v for v in self.cloud.archive if v not in below or v.is_locked]
            return [version.key for version in below if version.is_locked]

    def region_of(self, region: str, bucket: str) -> str | None:
        with self.cloud.call("archive.region_of"):
            return self.cloud.bucket_region


@dataclass
class FakeQueue:
    cloud: Cloud

    def send(self, event: ExportRequested, *, asked_by: str) -> None:
        with self.cloud.call("queue.send"):
            self._enqueue_once(event, group_of(event.data), f"{event.id}-{asked_by}")

    def send_beside(self, event: ExportRequested, *, asked_by: str) -> None:
        group = event.data.source.direct_slot
        with self.cloud.call("queue.send_beside"):
            self._enqueue_once(event, group, f"beside-{event.id}-{asked_by}")

    def _enqueue_once(self, event: ExportRequested, group: str, deduplication_id: str) -> None:
        cloud = self.cloud
        sent = cloud.sent.get(deduplication_id)
        if sent is None or cloud.now - sent > DEDUPLICATION:
            cloud.sent[deduplication_id] = cloud.now
            cloud.enqueue(emit(event), group)

    def send_to_the_tail(self, event: ExportRequested, *, instead_of: str, tries: int) -> None:
        cloud = self.cloud
        with cloud.call("queue.send_to_the_tail"):
            deduplication_id = f"{event.id}.{instead_of}"
            sent = cloud.sent.get(deduplication_id)
            if sent is None or cloud.now - sent > DEDUPLICATION:
                cloud.sent[deduplication_id] = cloud.now
                cloud.enqueue(emit(event), group_of(event.data), {"tries": str(tries)})

    @property
    def retention(self) -> timedelta:
        with self.cloud.call("queue.retention"):
            return self.cloud.retention

    def give_back(
        self, queue_arn: str, receipt_handles: Sequence[str], interval_s: int
    ) -> list[str]:
        try:
            with self.cloud.call("queue.give_back"):
                self.cloud.given_back_to.append(queue_arn.rpartition(":")[2])
                for letter in self.cloud.letters:
                    if letter.message_id in receipt_handles:
                        letter.visible_at = self.cloud.now + timedelta(seconds=interval_s)
        except (CallRefusedError, TransientError) as error:
            return [str(error)]
        return self.cloud.refused_handles

    def dead_letter(
        self, body: str, *, group_id: str, message_id: str, reason: str, detail: str
    ) -> None:
        with self.cloud.call("queue.dead_letter"):
            self.cloud.dead_letters.append(DeadLetter(body, group_id, message_id, reason, detail))


@dataclass
class FakeTopic:
    cloud: Cloud
    announced: set[str] = field(default_factory=set)

    def publish(self, event: ExportCompleted | ExportFailed | DayCompleted) -> None:
        with self.cloud.call("topic.publish"):
            emit(event)
            if isinstance(event, ExportCompleted):
                there = {version.version_id for version in self.cloud.archive}
                for each in event.data.manifest.objects or []:
                    if not self.cloud.checks_versions:
                        break
                    assert each.version_id in there, "announced, and not in the archive"
            self.cloud.events.append(event)


@pytest.fixture
def quiet() -> Iterator[None]:
    """The log lines and metrics of a thousand runs are read by nobody."""
    level = logger.log_level
    logger.setLevel("CRITICAL")
    with redirect_stdout(None):
        yield
    logger.setLevel(level)


@pytest.fixture
def new_cloud() -> Callable[..., Cloud]:
    """Makes an AWS with other settings."""
    return Cloud


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def plan() -> type[Plan]:
    return Plan


@pytest.fixture
def request_for() -> Callable[..., ExportRequestedData]:
    return export_request


@pytest.fixture
def emitted(capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[float]]:
    """Returns all values of a metric, as CloudWatch would get them."""

    def values(name: str) -> list[float]:
        if metrics.metric_set:
            metrics.flush_metrics()
        found: list[float] = []
        for line in capsys.readouterr().out.splitlines():
            document = json.loads(line)
            if "_aws" in document:
                found += document.get(name, [])
        return found

    return values


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Returns the log lines so far."""
    stream = io.StringIO()
    handler = cast("logging.StreamHandler[Any]", logger.registered_handler)
    stream_before = handler.setStream(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    handler.setStream(stream_before)


@pytest.fixture(autouse=True)
def _no_metrics_left() -> Iterator[None]:
    yield
    metrics.provider.clear_metrics()
