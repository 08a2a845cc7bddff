"""One export taken forward: does what the rules decide, and survives a crash after any of it.

Every step may be done again. A step first does its work and then records it, so that a crash in
between repeats the work and never skips it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from exporter import refusal, task, waiting
from exporter.aws import Archive, Ledger, LedgerEntry, Queue, SourceAccount, SourceAccounts, Topic
from exporter.errors import (
    ExportRefusedError,
    LedgerConflictError,
    NotFinishedError,
    SlotBusyError,
    TransientError,
)
from exporter.settings import Settings
from logferry_contracts.export_completed import ExportCompleted, ExportCompletedData
from logferry_contracts.export_failed import ExportFailed, ExportFailedData
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import Completed, Failed, LedgerRecord
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.wire import ContractError, emit

SERVICE = "exporter"
MAX_EVENT_BYTES = 240 * 1024
"""Of an event's text; its message attributes and it may have 256 KiB together.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""
MESSAGE_CHARACTERS = 4096
"""The contracts' limit for what AWS said."""
LEDGER_READS = 10
"""How often a record may change under one invocation before it gives up for a while."""

logger = Logger(service=SERVICE)
metrics = Metrics(namespace="logferry", service=SERVICE)


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What an export works with."""

    settings: Settings
    ledger: Ledger
    accounts: SourceAccounts
    archive: Archive
    queue: Queue
    topic: Topic
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery of a message.

    Attributes:
        group_id: The slot.
        receive_count: 1 for the first delivery.
        wait_until: Until when this invocation may wait for a task.
    """

    body: str
    message_id: str
    group_id: str
    receive_count: int
    first_received_at: datetime
    wait_until: datetime


def dead_letter(wiring: Wiring, delivery: Delivery, reason: str, detail: str) -> None:
    """Keep a message where a person will find it, and why."""
    wiring.queue.dead_letter(
        delivery.body,
        group_id=delivery.group_id,
        message_id=delivery.message_id,
        reason=reason,
        detail=detail,
    )
    logger.error("dead-lettered", reason=reason, detail=detail)


@dataclass(frozen=True)
class Export:
    """One export and the delivery that asks for it."""

    wiring: Wiring
    request: ExportRequestedData
    delivery: Delivery

    def advance(self) -> None:
        """Take the export as far as it goes now. On return its message is done with.

        Raises:
            NotFinishedError: A task has to be waited for.
            TransientError: AWS was busy, or others kept changing the ledger record.
            ContractError: The ledger record breaks its contract, or belongs to another export.
        """
        for _ in range(LEDGER_READS):
            try:
                entry: LedgerEntry | None = self._read_or_create()
                while entry is not None:
                    entry = self._step(entry)
            except LedgerConflictError:
                logger.info("the ledger record was changed by somebody else")
            else:
                return
        raise TransientError(f"the ledger record changed {LEDGER_READS} times")

    def _read_or_create(self) -> LedgerEntry:
        request = self.request
        entry = self.wiring.ledger.read(request.source, request.window, request.export_id)
        if entry is None:
            # The planner writes it before it sends; should it be gone, the message has it all.
            logger.warning("no ledger record: created from the message")
            return self.wiring.ledger.create(task.requested_record(request, self._now()))
        if not task.is_about(entry.record, request):
            raise ContractError(
                "ExportRequested", ["data.export_id: the ledger has another export of this id"]
            )
        return entry

    def _step(self, entry: LedgerEntry) -> LedgerEntry | None:
        """Do one step; return the ledger entry as it is then, or None when all is done."""
        try:
            step = task.decide(
                entry.record,
                self._look(entry.record),
                now=self._now(),
                max_generations=self.wiring.settings.max_generations,
            )
        except ExportRefusedError as error:
            step = self._refused(entry.record, error)
        return self._execute(entry, step)

    def _execute(  # noqa: PLR0911  (one for each kind of step)
        self, entry: LedgerEntry, step: task.Step
    ) -> LedgerEntry | None:
        match step:
            case task.Done():
                logger.info("acknowledged", why=step.why)
                return None
            case task.Wait():
                return self._wait(entry, step)
            case task.Create():
                return self._create(entry)
            case task.Adopt():
                return self._submit(entry, step.task.task_id, "adopted")
            case task.Complete():
                return self._complete(entry, step.task)
            case task.Publish():
                return self._publish(entry)
            case task.Retry():
                return self._fail(entry, step, next_export_id=self._request_next(entry, step))
            case task.Fail():
                return self._fail(entry, step)

    def _look(self, record: LedgerRecord) -> list[task.Task]:
        """Return the tasks that matter in this state."""
        if record.state == "requested":
            return self._account().newest_tasks(since=self.delivery.first_received_at)
        if record.submitted is not None and record.state == "submitted":
            found = self._account().task(record.submitted.task_id)
            return [] if found is None else [found]
        return []

    def _wait(self, entry: LedgerEntry, step: task.Wait) -> LedgerEntry:
        """Wait a little here if there is time, and look again; else give the message back.

        Raises:
            NotFinishedError: There is no time.
        """
        metrics.add_metric("ForeignWaits" if step.is_foreign else "Waits", MetricUnit.Count, 1)
        pause_s = waiting.pause_s(step.age_s)
        if self._now() + timedelta(seconds=pause_s) <= self.delivery.wait_until:
            self.wiring.sleep(pause_s)
            return entry
        interval_s = waiting.interval_s(step.age_s, self.delivery.receive_count)
        logger.info(
            "given back",
            waits_for="another task" if step.is_foreign else "its task",
            age_s=step.age_s,
            interval_s=interval_s,
        )
        raise NotFinishedError(interval_s)

    def _create(self, entry: LedgerEntry) -> LedgerEntry:
        try:
            task_id = self._account().create_task(entry.record)
        except SlotBusyError:
            return self._wait(entry, task.Wait(None, is_foreign=True))
        except ExportRefusedError as error:
            return self._fail(entry, self._refused(entry.record, error))
        try:
            return self._submit(entry, task_id, "created")
        except LedgerConflictError:
            self._cancel_if_redundant(task_id)
            raise

    def _submit(self, entry: LedgerEntry, task_id: str, how: str) -> LedgerEntry:
        submitted = self.wiring.ledger.replace(
            entry, entry.record.as_submitted(task_id, at=self._now())
        )
        logger.append_keys(task_id=task_id)
        logger.info("submitted", how=how)
        return submitted

    def _cancel_if_redundant(self, task_id: str) -> None:
        """Stop a task that was created while another delivery of the message did the export."""
        request = self.request
        entry = self.wiring.ledger.read(request.source, request.window, request.export_id)
        if entry is not None and task.is_redundant(entry.record, task_id):
            self._account().cancel_task(task_id)
            logger.warning(
                "cancelled a second task of the export; what it wrote is in no manifest",
                redundant_task_id=task_id,
                folder=task.folder(entry.record, task_id),
            )

    def _complete(self, entry: LedgerEntry, ended: task.Task) -> LedgerEntry:
        record = entry.record
        manifest = task.manifest(
            self.wiring.archive.objects(
                record.source.region,
                record.destination.bucket,
                task.folder(record, ended.task_id),
            )
        )
        completed = Completed(
            at=timestamp(self._now()),
            manifest=manifest,
            task_created_ms=ended.created_ms,
            task_completed_ms=ended.completed_ms,
        )
        entry = self.wiring.ledger.replace(entry, record.as_completed(completed))
        logger.info("completed", objects=manifest.object_count, total_bytes=manifest.total_bytes)
        metrics.add_metric("ExportsCompleted", MetricUnit.Count, 1)
        metrics.add_metric("BytesArchived", MetricUnit.Bytes, manifest.total_bytes)
        if manifest.object_count == 0:
            metrics.add_metric("ExportsEmpty", MetricUnit.Count, 1)
        if ended.created_ms is not None and ended.completed_ms is not None:
            task_s = (ended.completed_ms - ended.created_ms) / 1000
            metrics.add_metric("TaskSeconds", MetricUnit.Seconds, task_s)
        return entry

    def _request_next(self, entry: LedgerEntry, step: task.Retry) -> str:
        """Ask for the next generation, before this one's record says that it has been."""
        self._remove_objects(entry.record, step.task_id)
        data = task.next_generation(self.request, entry.record)
        try:
            self.wiring.ledger.create(task.requested_record(data, self._now()))
        except LedgerConflictError:
            logger.info("the next generation is in the ledger already")
        self.wiring.queue.send(
            ExportRequested.of(data, id=data.export_id, source=self._urn(), time=self._now())
        )
        return data.export_id

    def _fail(
        self, entry: LedgerEntry, step: task.Retry | task.Fail, next_export_id: str | None = None
    ) -> LedgerEntry:
        if isinstance(step, task.Fail):
            self._remove_objects(entry.record, step.task_id)
        failed = Failed(
            reason=step.reason,
            message=step.message[:MESSAGE_CHARACTERS],
            at=timestamp(self._now()),
            next_export_id=next_export_id,
        )
        entry = self.wiring.ledger.replace(entry, entry.record.as_failed(failed))
        logger.warning(
            "failed", reason=step.reason, detail=step.message, next_export_id=next_export_id
        )
        metrics.add_metric("ExportsFailed", MetricUnit.Count, 1)
        return entry

    def _remove_objects(self, record: LedgerRecord, task_id: str | None) -> None:
        if task_id is None:
            return
        left = self.wiring.archive.remove(
            record.source.region, record.destination.bucket, task.folder(record, task_id)
        )
        if left:
            logger.warning("locked objects of a failed task were left", left=left)

    def _refused(self, record: LedgerRecord, error: ExportRefusedError) -> task.Fail:
        """Return the failure, with the reason that AWS's words may hide."""
        reason, region = error.reason, record.source.region
        if refusal.may_be_the_region(reason):
            actual = self.wiring.archive.region_of(region, record.destination.bucket)
            if actual not in {None, region}:
                reason = "bucket_region"
        return task.Fail(reason=reason, message=str(error))

    def _publish(self, entry: LedgerEntry) -> LedgerEntry | None:
        """Publish what the record says, and dead-letter what nobody will try again.

        The publication is recorded last: until then, a crash does all of it once more.
        """
        record = entry.record
        if record.completed is not None:
            self.wiring.topic.publish(self._completed_event(record, record.completed))
        elif record.failed is not None:
            self.wiring.topic.publish(self._failed_event(record, record.failed))
            if record.failed.next_export_id is None:
                dead_letter(self.wiring, self.delivery, record.failed.reason, record.failed.message)
        return self._record_publication(entry)

    def _record_publication(self, entry: LedgerEntry) -> LedgerEntry:
        """Record it in whatever the record has become: who hears of an export may change it."""
        for _ in range(LEDGER_READS):
            try:
                entry = self.wiring.ledger.replace(entry, entry.record.as_published(at=self._now()))
            except LedgerConflictError:
                entry = self._read_or_create()
            else:
                logger.info("published")
                return entry
        raise TransientError(f"the ledger record changed {LEDGER_READS} times")

    def _completed_event(self, record: LedgerRecord, completed: Completed) -> ExportCompleted:
        """Return the event, without the list of objects where that makes it too long."""
        event = self._completed_event_of(record, completed, completed.manifest)
        if completed.manifest.objects is None or len(emit(event).encode()) <= MAX_EVENT_BYTES:
            return event
        short = completed.manifest.model_copy(
            update={
                "objects": None,
                "location": self.wiring.ledger.put_manifest(record, completed.manifest),
            }
        )
        return self._completed_event_of(record, completed, short)

    def _completed_event_of(
        self, record: LedgerRecord, completed: Completed, manifest: Manifest
    ) -> ExportCompleted:
        data = ExportCompletedData(
            export_id=record.export_id,
            generation=record.generation,
            source=record.source,
            log_group_name=record.log_group.name,
            window=record.window,
            destination=record.destination,
            lane=record.lane,
            task_id=None if record.submitted is None else record.submitted.task_id,
            manifest=manifest,
            requested_at=record.requested_at,
            completed_at=completed.at,
        )
        return ExportCompleted.of(
            data,
            id=record.export_id,
            source=self._urn(),
            time=datetime.fromisoformat(completed.at),
        )

    def _failed_event(self, record: LedgerRecord, failed: Failed) -> ExportFailed:
        data = ExportFailedData(
            export_id=record.export_id,
            generation=record.generation,
            source=record.source,
            log_group_name=record.log_group.name,
            window=record.window,
            destination=record.destination,
            reason=failed.reason,
            message=failed.message,
            mend=refusal.mend(record, self.request.source.role_arn),
            will_be_retried=failed.next_export_id is not None,
            failed_at=failed.at,
        )
        return ExportFailed.of(
            data,
            id=record.export_id,
            source=self._urn(),
            time=datetime.fromisoformat(failed.at),
        )

    def _account(self) -> SourceAccount:
        return self.wiring.accounts.account(self.request.source, self._now())

    def _urn(self) -> str:
        return f"urn:logferry:exporter:{self.request.source.profile}"

    def _now(self) -> datetime:
        return self.wiring.clock()
