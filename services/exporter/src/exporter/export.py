"""One export taken forward: does what the rules decide, and survives a crash after any of it.

Every step may be done again. A step first does its work and then records it, so that a crash in
between repeats the work and never skips it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from exporter import announcement, day, direct, refusal, split, task, waiting
from exporter.aws import Archive, Ledger, LedgerEntry, Queue, SourceAccount, SourceAccounts, Topic
from exporter.errors import (
    ExportRefusedError,
    LedgerConflictError,
    NotFinishedError,
    NotForDirectLaneError,
    ObjectsRemovedError,
    SlotBusyError,
    TransientError,
)
from exporter.family import Family
from exporter.patience import Problem
from exporter.proof import Proof, sees_events
from exporter.reading import Reading, Together, side_by_side
from exporter.settings import Settings
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import Completed, Failed, Half, LedgerRecord
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.wire import ContractError

SERVICE = "exporter"
METRICS_NAMESPACE = "logferry"
MESSAGE_CHARACTERS = 4096
"""The contracts' limit for what AWS said."""
MAX_FOLDERS = 10
"""How many folders of unknown tasks are looked into; more than a few are a case for a person."""
LEDGER_READS = 10
"""How often a record may change under one invocation before it gives up for a while."""

logger = Logger(service=SERVICE)
metrics = Metrics(namespace=METRICS_NAMESPACE, service=SERVICE)


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
    together: Together = side_by_side

    @cached_property
    def budget(self) -> direct.Budget:
        """What all exports in the direct lane may take of the account's API quota together."""
        return direct.Budget(self.settings.direct_lane_calls_per_second)

    @cached_property
    def family(self) -> Family:
        """The exports in the ledger that belong together."""
        return Family(self.ledger)

    @cached_property
    def erring(self) -> dict[str, tuple[str, datetime]]:
        """The message that meets nothing but errors, and since when, by its message group."""
        return {}

    @cached_property
    def ended(self) -> dict[str, day.Ended]:
        """Exports of dates that are waited for, by the keys of their records."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery of a message.

    Attributes:
        group_id: The slot, the direct lane beside it, or a date.
        receive_count: 1 for the first delivery.
        sent_at: When it was put into its queue.
        wait_until: Until when this invocation may wait for a task.
        work_until: Until when it may do anything that can be done again from the start.
        is_redriven: Whether it was a dead letter that somebody has put back.
        tries: How often it was sent to the tail of its slot for an error.
    """

    body: str
    message_id: str
    group_id: str
    receive_count: int
    first_received_at: datetime
    sent_at: datetime
    wait_until: datetime
    work_until: datetime
    is_redriven: bool
    tries: int

    @property
    def is_first(self) -> bool:
        """Whether no earlier delivery can have created a task."""
        return self.receive_count == 1 and self.tries == 0 and not self.is_redriven


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
    metrics.add_metric("DeadLetters", MetricUnit.Count, 1)


def log_keys(request: ExportRequestedData) -> dict[str, str | int]:
    """Return what log lines carry of one export, and must not of the next."""
    return {
        "export_id": request.export_id,
        "log_group": request.log_group.name,
        "generation": request.generation,
    }


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
        not_before = self.request.not_before
        if not_before is not None and not self._is_time(datetime.fromisoformat(not_before)):
            return
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

    def put_off(self, until: datetime, tries: int) -> None:
        """Send the request to the tail of its slot, so that others go on meanwhile.

        Args:
            until: Before when it is not to be looked at.
            tries: How often that was done for an error.
        """
        data = self.request.model_copy(update={"lane": "slot", "not_before": timestamp(until)})
        event = self._requested(data)
        self.wiring.queue.send_to_the_tail(event, instead_of=self.delivery.message_id, tries=tries)
        logger.info("sent to the tail", not_before=data.not_before, tries=tries)

    def give_up(self, problem: Problem) -> None:
        """Let the export fail by an error that has no other end; its message is done with then."""
        try:
            entry = self._read_or_create()
            # What was split is left to its halves, which may complete it yet.
            if task.is_under_way(entry.record) and entry.record.split is None:
                failed = task.Fail(reason=problem.reason, message=problem.message)
                self._publish(self._fail(entry, failed))
                return
        except Exception:
            # Whatever it is, the message holds up nobody any longer, and nothing is lost.
            logger.exception("could not be recorded as failed")
        dead_letter(self.wiring, self.delivery, problem.reason, problem.message)

    def _read_or_create(self) -> LedgerEntry:
        request = self.request
        entry = self.wiring.ledger.read(request.source, request.window, request.export_id)
        if entry is None:
            # The planner writes it before it sends; should it be gone, the message has it all.
            logger.warning("no ledger record: created from the message")
            return self.wiring.ledger.create(request.first_record(self._now()))
        if not task.is_about(entry.record, request):
            raise ContractError(
                "ExportRequested", ["data.export_id: the ledger has another export of this id"]
            )
        return entry

    def _step(self, entry: LedgerEntry) -> LedgerEntry | None:
        """Do one step; return the ledger entry as it is then, or None when all is done."""
        try:
            tasks = self._look(entry.record)
        except ExportRefusedError as error:
            return self._execute(entry, self._refused(entry.record, error))
        after = self._execute(entry, self._decide(entry.record, tasks))
        if after is not None and task.has_task(entry.record) and not task.has_task(after.record):
            for took_s in (ended.took_s for ended in tasks if ended.took_s is not None):
                metrics.add_metric("SlotBusySeconds", MetricUnit.Seconds, took_s)
        return after

    def _decide(self, record: LedgerRecord, tasks: list[task.Task]) -> task.Step | split.SplitStep:
        is_undecided = record.state in {"submitted", "failed"} and not record.is_lost
        if record.split is not None and is_undecided:
            return split.decide(record, self.wiring.family.halves(record))
        settings = self.wiring.settings
        return task.decide(
            record,
            tasks,
            now=self._now(),
            max_generations=settings.max_generations,
            asked=self.request.lane,
            split_after=settings.split_after,
            is_redriven=self.delivery.is_redriven,
        )

    def _execute(  # noqa: PLR0911  (one for each group of steps)
        self, entry: LedgerEntry, step: task.Step | split.SplitStep
    ) -> LedgerEntry | None:
        match step:
            case task.Done():
                logger.info("acknowledged", why=step.why)
                return None
            case task.Publish():
                return self._publish_recorded(entry)
            case task.Wait() | task.Postpone() | task.Cancel():
                return self._execute_waiting(entry, step)
            case task.Create() | task.Adopt() | task.Complete():
                return self._execute_task(entry, step)
            case task.Retry() | task.Fail() | task.AskAgain():
                return self._execute_failure(entry, step)
            case task.Split() | split.Merge() | split.Revive():
                return self._execute_split(entry, step)
            case task.ReadDirectly() | task.LeaveDirectLane() | task.AskSlot():
                return self._execute_beside_the_slot(entry, step)

    def _execute_waiting(
        self, entry: LedgerEntry, step: task.Wait | task.Postpone | task.Cancel
    ) -> LedgerEntry | None:
        match step:
            case task.Wait():
                return self._wait(entry, step)
            case task.Postpone():
                return self._postpone(entry, step.until)
            case task.Cancel():
                return self._cancel(entry, step.task)

    def _execute_task(
        self, entry: LedgerEntry, step: task.Create | task.Adopt | task.Complete
    ) -> LedgerEntry:
        match step:
            case task.Create():
                return self._create(entry, step)
            case task.Adopt():
                return self._submit(entry, step.task.task_id, "adopted")
            case task.Complete():
                return self._complete(entry, step.task)

    def _execute_failure(
        self, entry: LedgerEntry, step: task.Retry | task.Fail | task.AskAgain
    ) -> LedgerEntry:
        match step:
            case task.Retry():
                return self._fail(entry, step, next_export_id=self._request_next(entry, step))
            case task.Fail():
                return self._fail(entry, step)
            case task.AskAgain():
                return self._ask_again(entry)

    def _execute_split(
        self, entry: LedgerEntry, step: task.Split | split.Merge | split.Revive
    ) -> LedgerEntry | None:
        match step:
            case task.Split():
                return self._split(entry, step)
            case split.Merge():
                return self._merge(entry, step)
            case split.Revive():
                return self._revive(entry)

    def _execute_beside_the_slot(
        self, entry: LedgerEntry, step: task.ReadDirectly | task.LeaveDirectLane | task.AskSlot
    ) -> LedgerEntry | None:
        match step:
            case task.ReadDirectly():
                return self._read_directly(entry)
            case task.LeaveDirectLane():
                return self._leave_direct_lane(entry, step.why)
            case task.AskSlot():
                self.ask_slot()
                return None

    def _look(self, record: LedgerRecord) -> list[task.Task]:
        """Return the tasks that matter in this state."""
        if not task.is_slots(record, self.request.lane):
            return []
        if record.state == "requested":
            tasks = self._account().newest_tasks(since=self._earliest_try(record))
            if self.delivery.is_first or task.is_explained(record, tasks):
                return tasks
            return [*tasks, *self._tasks_by_folder(record)]
        if record.submitted is not None and task.has_task(record):
            found = self._account().task(record.submitted.task_id)
            return [] if found is None else [found]
        return []

    def _earliest_try(self, record: LedgerRecord) -> datetime:
        """Return since when a task of the export may have been created."""
        if self.delivery.tries:
            return datetime.fromisoformat(record.requested_at)
        return self.delivery.first_received_at

    def _tasks_by_folder(self, record: LedgerRecord) -> list[task.Task]:
        """Return the tasks that have written below the export's prefix, as far as AWS knows them.

        A task that an earlier try created may be too long ago for the list of the newest ones.
        What it has written says its id, and only AWS says what it is worth: a folder whose task AWS
        does not know is left alone, and the export is done again.
        """
        destination, region = record.destination, record.source.region
        folders = self.wiring.archive.folders(region, destination.bucket, destination.prefix)
        found = {folder: self._task_of(folder) for folder in folders[:MAX_FOLDERS]}
        unknown = [folder for folder, each in found.items() if each is None]
        if unknown:
            logger.warning(
                "below the export's prefix are folders of no known task", folders=unknown
            )
        return [each for each in found.values() if each is not None]

    def _task_of(self, folder: str) -> task.Task | None:
        try:
            return self._account().task(folder)
        except ExportRefusedError:
            # No name of a task: the role may look, as it has listed the newest ones just now.
            return None

    def _wait(self, entry: LedgerEntry, step: task.Wait) -> LedgerEntry:
        """Wait a little here if there is time, and look again; else give the message back.

        Raises:
            NotFinishedError: There is no time.
        """
        metrics.add_metric("ForeignWaits" if step.is_foreign else "Waits", MetricUnit.Count, 1)
        pause_s = waiting.pause_s(step.age_s, step.first_look_s)
        if self._now() + timedelta(seconds=pause_s) <= self.delivery.wait_until:
            self.wiring.sleep(pause_s)
            return entry
        interval_s = waiting.interval_s(step.age_s, self.delivery.receive_count, step.first_look_s)
        logger.info(
            "given back",
            waits_for="another task" if step.is_foreign else "its task",
            age_s=step.age_s,
            interval_s=interval_s,
        )
        raise NotFinishedError(interval_s)

    def _postpone(self, entry: LedgerEntry, until: datetime) -> LedgerEntry | None:
        return entry if self._is_time(until) else None

    def _is_time(self, until: datetime) -> bool:
        """Wait for a time, here if there is time; False when the message was sent to the tail.

        Raises:
            NotFinishedError: There is no time, and it will not be long.
        """
        left_s = (until - self._now()).total_seconds()
        if left_s <= 0:
            return True
        metrics.add_metric("Waits", MetricUnit.Count, 1)
        if until <= self.delivery.wait_until:
            self.wiring.sleep(left_s)
            return True
        age_s = (self._now() - self.delivery.sent_at).total_seconds()
        interval_s = waiting.early_interval_s(left_s, age_s, self.delivery.receive_count)
        if interval_s is None:
            self.put_off(until, self.delivery.tries)
            return False
        logger.info("given back", waits_for="its time", interval_s=interval_s)
        raise NotFinishedError(interval_s)

    def _cancel(self, entry: LedgerEntry, running: task.Task) -> LedgerEntry:
        """Stop a task that is too slow. If that is not allowed, AWS will do it."""
        try:
            self._account().cancel_task(running.task_id)
        except ExportRefusedError as error:
            logger.warning("the task cannot be cancelled", detail=str(error))
            return self._wait(entry, task.Wait(running.age_s(self._now()), is_foreign=False))
        logger.warning("cancelled a task that is too slow", age_s=running.age_s(self._now()))
        return self._wait(entry, task.Wait(None, is_foreign=False))

    def _split(self, entry: LedgerEntry, step: task.Split) -> LedgerEntry:
        """Ask for both halves of the window, before the record says that they have been."""
        record = entry.record
        self._remove_objects(record, step.task_id)
        requests = [
            self.wiring.family.add_half(self.request, record, window, self._now())
            for window in task.halved(record) or ()
        ]
        for request in requests:
            self._send(request)
        first, second = (Half(export_id=each.export_id, window=each.window) for each in requests)
        entry = self.wiring.ledger.replace(entry, record.as_split((first, second), at=self._now()))
        logger.info("split", halves=[first.export_id, second.export_id])
        metrics.add_metric("ExportsSplit", MetricUnit.Count, 1)
        return entry

    def _merge(self, entry: LedgerEntry, step: split.Merge) -> LedgerEntry:
        for half in step.halves:
            objection = self._objection(half)
            if objection is not None:
                return self._export_again(entry, task.NOT_AS_RECORDED, objection)
        return self._record_completion(entry, split.merged(step.halves, self._now()))

    def _revive(self, entry: LedgerEntry) -> LedgerEntry | None:
        """Take the next generation forward, unless somebody has asked for one of the whole window.

        The halves find it through the failed one's record, so that says so first.
        """
        failed = entry.record
        revived = failed.as_revived(at=self._now())
        try:
            self.wiring.ledger.create(revived)
        except LedgerConflictError:
            logger.info("the next generation is in the ledger already")
        if failed.failed is not None and failed.failed.next_export_id is None:
            entry = self._record_next(entry, revived.export_id)
        known = self.wiring.ledger.read(revived.source, revived.window, revived.export_id)
        if known is not None and known.record.split == failed.split:
            self._advance_relative(known.record)
        return None

    def _advance_relative(self, record: LedgerRecord) -> None:
        """Take forward an export that this one's end may be the end of."""
        request = ExportRequestedData.of_record(record, self.request.source)
        logger.append_keys(**log_keys(request))
        relative = replace(self.delivery, is_redriven=False)
        try:
            Export(self.wiring, request, relative).advance()
        finally:
            logger.append_keys(**log_keys(self.request))

    def _create(self, entry: LedgerEntry, step: task.Create) -> LedgerEntry:
        try:
            task_id = self._account().create_task(entry.record)
        except SlotBusyError:
            return self._wait(entry, task.Wait(None, is_foreign=True))
        except ExportRefusedError as error:
            return self._fail(entry, self._refused(entry.record, error))
        try:
            submitted = self._submit(entry, task_id, "created")
        except LedgerConflictError:
            self._cancel_if_redundant(task_id)
            raise
        first_look_s = waiting.first_look_s(step.took_s, self.request.estimated_bytes)
        return self._wait(submitted, task.Wait(0.0, is_foreign=False, first_look_s=first_look_s))

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
        region, bucket = record.source.region, record.destination.bucket
        try:
            objects = self.wiring.archive.objects(
                region, bucket, task.folder(record, ended.task_id)
            )
        except ObjectsRemovedError as error:
            return self._export_again(entry, task.OBJECT_MISSING, str(error))
        if not objects and self._sees_events(record):
            message = f"Task {ended.task_id} is COMPLETED without objects, and there are events."
            return self._export_again(entry, task.TASK_EMPTY, message)
        manifest = task.manifest(objects)
        completed = Completed(
            at=timestamp(self._now()),
            manifest=manifest,
            task_created_ms=ended.created_ms,
            task_completed_ms=ended.completed_ms,
        )
        metrics.add_metric("BytesArchived", MetricUnit.Bytes, manifest.total_bytes)
        return self._record_completion(entry, completed)

    def _sees_events(self, record: LedgerRecord) -> bool:
        """Return whether a window that its task found empty has events, as far as that shows."""
        sees = sees_events(self._account(), record, self._may_read_on)
        if sees is None:
            logger.warning("nobody saw whether there are events: the task's word counts")
            metrics.add_metric("EmptyUnproven", MetricUnit.Count, 1)
        return bool(sees)

    def _may_read_on(self) -> bool:
        """Wait for a turn at FilterLogEvents; False when there is no time for a call."""
        self.wiring.sleep(self.wiring.budget.take(self._now()))
        return self._now() < self.delivery.work_until

    def _record_completion(self, entry: LedgerEntry, completed: Completed) -> LedgerEntry:
        """Record what was seen just now, and publish it at once: it needs no other proof."""
        manifest = completed.manifest
        entry = self.wiring.ledger.replace(entry, entry.record.as_completed(completed))
        logger.info("completed", objects=manifest.object_count, total_bytes=manifest.total_bytes)
        if entry.record.parent_export_id is None:
            metrics.add_metric("ExportsCompleted", MetricUnit.Count, 1)
            if manifest.object_count == 0:
                metrics.add_metric("ExportsEmpty", MetricUnit.Count, 1)
        return self._publish(entry)

    def _read_directly(self, entry: LedgerEntry) -> LedgerEntry:
        """Export without a task; where that is not the way, hand the export over to the slot."""
        receive_count = self.delivery.receive_count
        tried_for = self._now() - self.delivery.first_received_at
        if receive_count > direct.MAX_RECEIVES or tried_for > direct.TRIED_FOR:
            why = f"received {receive_count} times in {tried_for}"
            return self._leave_direct_lane(entry, why)
        try:
            objects = self._reading().objects(entry.record, self.request.estimated_bytes)
        except NotForDirectLaneError as error:
            return self._leave_direct_lane(entry, str(error))
        except ExportRefusedError as error:
            return self._fail(entry, self._refused(entry.record, error))
        manifest = task.manifest(objects)
        completed = Completed(at=timestamp(self._now()), manifest=manifest)
        metrics.add_metric("BytesArchived", MetricUnit.Bytes, manifest.total_bytes)
        return self._record_completion(entry, completed)

    def _reading(self) -> Reading:
        wiring = self.wiring
        return Reading(
            account=self._account(),
            archive=wiring.archive,
            budget=wiring.budget,
            max_bytes=wiring.settings.direct_lane_max_bytes,
            until=self.delivery.work_until,
            clock=wiring.clock,
            sleep=wiring.sleep,
            together=wiring.together,
        )

    def _leave_direct_lane(self, entry: LedgerEntry, why: str) -> LedgerEntry:
        entry = self.wiring.ledger.replace(entry, entry.record.as_lane("slot"))
        logger.info("left the direct lane", why=why)
        metrics.add_metric("ExportsLeftDirectLane", MetricUnit.Count, 1)
        return entry

    def ask_slot(self) -> None:
        """Send the request to the slot: once more does no harm, and not at all would."""
        self._send(self.request.model_copy(update={"lane": "slot"}))
        logger.info("asked the slot")

    def _request_next(self, entry: LedgerEntry, step: task.Retry) -> str:
        """Ask for the next generation, before this one's record says that it has been."""
        self._remove_objects(entry.record, step.task_id)
        first = self.wiring.settings.retry_backoff
        pause = task.backoff(first, entry.record.generation, step.reason)
        metrics.add_metric("ExportsRetried", MetricUnit.Count, 1)
        return self._request_generation(entry.record, self._now() + pause)

    def _ask_again(self, entry: LedgerEntry) -> LedgerEntry:
        """Ask for the next generation of an export whose dead letter was put back."""
        entry = self._record_next(entry, self._request_generation(entry.record, None))
        metrics.add_metric("ExportsRedriven", MetricUnit.Count, 1)
        return entry

    def _request_generation(self, record: LedgerRecord, not_before: datetime | None) -> str:
        data = task.next_generation(self.request, record, not_before)
        try:
            self.wiring.ledger.create(data.first_record(self._now()))
        except LedgerConflictError:
            logger.info("the next generation is in the ledger already")
        self._send(data)
        return data.export_id

    def _record_next(self, entry: LedgerEntry, next_export_id: str) -> LedgerEntry:
        entry = self.wiring.ledger.replace(entry, entry.record.as_asked_again(next_export_id))
        logger.info("the next generation was asked for", next_export_id=next_export_id)
        return entry

    def _send(self, data: ExportRequestedData) -> None:
        self.wiring.queue.send(self._requested(data), asked_by=self.delivery.message_id)

    def _requested(self, data: ExportRequestedData) -> ExportRequested:
        urn = data.source.exporter_urn
        return ExportRequested.of(data, id=data.export_id, source=urn, time=self._now())

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
        if next_export_id is None and entry.record.parent_export_id is None:
            metrics.add_metric("ExportsFailed", MetricUnit.Count, 1)
        return entry

    def _remove_objects(self, record: LedgerRecord, task_id: str | None) -> None:
        """Remove what a task has written that ended without all of its objects.

        AWS says that the task is this export's and has failed. No manifest can name its folder
        then; should one do so all the same, nothing is touched.
        """
        if task_id is None:
            return
        folder = task.folder(record, task_id)
        others = self.wiring.family.other_generations(record)
        try:
            is_named = any(task.names_folder(other, folder) for other in others)
        except ContractError as error:  # a damaged record may name anything
            logger.warning("a failed task's objects were left", folder=folder, detail=str(error))
            return
        if is_named:
            logger.error("a manifest names what a failed task has written", folder=folder)
            return
        left = self.wiring.archive.remove(record.source.region, record.destination.bucket, folder)
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

    def _publish_recorded(self, entry: LedgerEntry) -> LedgerEntry:
        """Publish what another invocation, or nobody of ours, has recorded, if nothing denies it.

        A failure is told as it is recorded: to believe it costs another try at most.
        """
        if entry.record.state != "failed":
            objection = self._objection(entry.record)
            if objection is not None:
                return self._export_again(entry, task.NOT_AS_RECORDED, objection)
        return self._publish(entry)

    def _objection(self, record: LedgerRecord) -> str | None:
        """Return what denies that an export is completed as its record says; None for nothing."""
        wiring = self.wiring
        try:
            proof = Proof(account=self._account(), archive=wiring.archive, family=wiring.family)
            objection = proof.objection(record)
        except (ExportRefusedError, NotForDirectLaneError, ObjectsRemovedError) as error:
            objection = str(error)
        return None if objection is None else f"Export {record.export_id}: {objection}"

    def _export_again(self, entry: LedgerEntry, reason: str, message: str) -> LedgerEntry:
        """Take back what is not in the archive as it should be, and ask for the next generation."""
        max_generations = self.wiring.settings.max_generations
        step = task.untrue(entry.record, reason, message, max_generations=max_generations)
        return self._execute_failure(entry, step)

    def _publish(self, entry: LedgerEntry) -> LedgerEntry:
        """Publish what the record says, and dead-letter what nobody will try again.

        The publication is recorded last: until then, a crash does all of it once more.
        """
        record = entry.record
        will_be_retried = record.failed is not None and record.failed.next_export_id is not None
        if record.parent_export_id is None:
            self._announce(record)
        elif not will_be_retried:
            parent = self.wiring.family.parent(record)
            if parent is not None:
                self._advance_relative(parent)
            elif record.state != "failed":
                message = (
                    f"The ledger has no export {record.parent_export_id} of which it is a half."
                )
                return self._fail(entry, task.Fail(reason=task.PARENT_UNKNOWN, message=message))
        self._dead_letter_failure(record)
        return self._record_publication(entry)

    def _dead_letter_failure(self, record: LedgerRecord) -> None:
        """Keep the message of a failure that nobody will try again, or that a person has to see.

        What was split fails by the failure of a half, which has a dead letter.
        """
        failed = record.failed
        if failed is None or (
            failed.reason not in task.FOR_A_PERSON
            and (failed.next_export_id is not None or record.split is not None)
        ):
            return
        dead_letter(self.wiring, self.delivery, failed.reason, failed.message)

    def _announce(self, record: LedgerRecord) -> None:
        if record.state != "failed" and record.completed is not None:
            self.wiring.topic.publish(self._completed_event(record, record.completed.manifest))
        else:
            role_arn = self.request.source.role_arn
            self.wiring.topic.publish(announcement.failed(record, role_arn))

    def _record_publication(self, entry: LedgerEntry) -> LedgerEntry:
        """Record it in whatever the record has become: who hears of an export may change it."""
        outcome = entry.record.outcome
        for _ in range(LEDGER_READS):
            try:
                published = entry.record.as_published(at=self._now(), outcome=outcome)
                entry = self.wiring.ledger.replace(entry, published)
            except LedgerConflictError:
                entry = self._read_or_create()
            else:
                logger.info("published")
                return entry
        raise TransientError(f"the ledger record changed {LEDGER_READS} times")

    def _completed_event(self, record: LedgerRecord, manifest: Manifest) -> ExportCompleted:
        """Return the event, without the list of objects where that makes it too long."""
        event = ExportCompleted.of_record(record, self.wiring.family.task_ids(record))
        if not event.is_too_long:
            return event
        return event.with_objects_at(self.wiring.ledger.put_manifest(record, manifest))

    def _account(self) -> SourceAccount:
        return self.wiring.accounts.account(self.request.source, self._now())

    def _now(self) -> datetime:
        return self.wiring.clock()
