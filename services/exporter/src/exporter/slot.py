"""The steps on the account's one slot: its tasks are looked for, created and followed to an end."""

from datetime import datetime

from exporter import failure, pausing, proof, publication, sharing, split, task
from exporter.cloud import LedgerEntry
from exporter.errand import After, Errand
from exporter.errors import (
    ExportRefusedError,
    LedgerConflictError,
    ObjectsRemovedError,
    SlotBusyError,
)
from exporter.telemetry import count, logger
from logferry_contracts.ledger_record import Completed, LedgerRecord, Submitted
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp

MAX_FOLDERS = 10
"""How many folders of unknown tasks are looked into; more than a few are a case for a person."""


def look(errand: Errand, record: LedgerRecord) -> list[task.Task]:
    """Return the tasks that matter in this state.

    Raises:
        ExportRefusedError: The role may not look.
    """
    # What has to be taken first has no task yet, and what was split has none any more.
    is_without = record.is_untaken or record.split is not None
    if is_without or not task.is_slots(record, errand.request.lane):
        return []
    if record.state == "requested":
        delivery = errand.delivery
        known = errand.wiring.slot.seen(
            errand.now(), record.export_id, delivery.began_at, is_first=delivery.is_first
        )
        if known is not None:
            return known
        tasks = _newest_tasks(errand, _earliest_try(errand, record))
        if delivery.is_first or task.is_explained(record, tasks):
            return tasks
        return [*tasks, *_tasks_by_folder(errand, record)]
    if record.submitted is not None and task.has_task(record):
        return _own_task(errand, record.submitted)
    return []


def _newest_tasks(errand: Errand, since: datetime) -> list[task.Task]:
    tasks = errand.account().newest_tasks(since=since)
    errand.wiring.slot.see(tasks, errand.now())
    return tasks


def _own_task(errand: Errand, submitted: Submitted) -> list[task.Task]:
    """Return the export's task, by the list that serves the next export as well."""
    tasks = _newest_tasks(errand, datetime.fromisoformat(submitted.at))
    own = [each for each in tasks if each.task_id == submitted.task_id]
    if own:
        return own
    found = errand.account().task(submitted.task_id)
    return [] if found is None else [found]


def _earliest_try(errand: Errand, record: LedgerRecord) -> datetime:
    """Return since when a task of the export may have been created."""
    if errand.delivery.tries:
        return datetime.fromisoformat(record.requested_at)
    return errand.delivery.first_received_at


def _tasks_by_folder(errand: Errand, record: LedgerRecord) -> list[task.Task]:
    """Return the tasks that have written below the export's prefix, as far as AWS knows them.

    A task that an earlier try created may be too long ago for the list of the newest ones.
    What it has written says its id, and only AWS says what it is worth: a folder whose task AWS
    does not know is left alone, and the export is done again.
    """
    destination, region = record.destination, record.source.region
    folders = errand.wiring.archive.folders(region, destination.bucket, destination.prefix)
    found = {folder: _task_of(errand, folder) for folder in folders[:MAX_FOLDERS]}
    unknown = [folder for folder, each in found.items() if each is None]
    if unknown:
        logger.warning("below the export's prefix are folders of no known task", folders=unknown)
    return [each for each in found.values() if each is not None]


def _task_of(errand: Errand, folder: str) -> task.Task | None:
    try:
        return errand.account().task(folder)
    except ExportRefusedError:
        # No name of a task: the role may look, as it has listed the newest ones just now.
        return None


def create(errand: Errand, entry: LedgerEntry, _step: task.Create) -> LedgerEntry:
    """Create the export's task, record its id and wait for it.

    What both lanes share and is too much for one task to have alone is left to its halves.
    """
    calls_per_second = errand.wiring.settings.direct_lane_calls_per_second
    if split.is_shared_out(entry.record, errand.request.estimated_bytes, calls_per_second):
        return sharing.halve(errand, entry)
    errand.wiring.slot.forget()
    try:
        task_id = errand.account().create_task(entry.record)
    except SlotBusyError:
        return pausing.wait(errand, entry, task.Wait(None, is_foreign=True))
    except ExportRefusedError as error:
        return failure.fail(errand, entry, failure.refused(errand, entry.record, error))
    try:
        submitted = _submit(errand, entry, task_id, "created")
    except LedgerConflictError:
        _cancel_if_redundant(errand, task_id)
        raise
    return pausing.wait(errand, submitted, task.Wait(0.0, is_foreign=False))


def adopt(errand: Errand, entry: LedgerEntry, step: task.Adopt) -> LedgerEntry:
    """Record the id of a task that an earlier try has created."""
    return _submit(errand, entry, step.task.task_id, "adopted")


def _submit(errand: Errand, entry: LedgerEntry, task_id: str, how: str) -> LedgerEntry:
    record = entry.record.as_submitted(task_id, at=errand.now())
    submitted = errand.wiring.ledger.replace(entry, record)
    logger.thread_safe_append_keys(task_id=task_id)
    logger.info("submitted", how=how)
    return submitted


def _cancel_if_redundant(errand: Errand, task_id: str) -> None:
    """Stop a task that was created while another delivery of the message did the export."""
    entry = errand.read()
    if entry is not None and task.is_redundant(entry.record, task_id):
        errand.account().cancel_task(task_id)
        logger.warning(
            "cancelled a second task of the export; what it wrote is in no manifest",
            redundant_task_id=task_id,
            folder=task.folder(entry.record, task_id),
        )


def cancel(errand: Errand, entry: LedgerEntry, step: task.Cancel) -> LedgerEntry:
    """Stop a task that is too slow. If that is not allowed, AWS will do it."""
    running = step.task
    try:
        errand.account().cancel_task(running.task_id)
    except ExportRefusedError as error:
        logger.warning("the task cannot be cancelled", detail=str(error))
        wait = task.Wait(running.age_s(errand.now()), is_foreign=False)
        return pausing.wait(errand, entry, wait)
    logger.warning("cancelled a task that is too slow", age_s=running.age_s(errand.now()))
    return pausing.wait(errand, entry, task.Wait(None, is_foreign=False))


def complete(errand: Errand, entry: LedgerEntry, step: task.Complete) -> After:
    """Record and publish what a task has written, unless something of it is missing."""
    record, ended = entry.record, step.task
    errand.wiring.slot.end(errand.request.estimated_bytes, ended.took_s)
    try:
        objects = _objects(errand, record, ended.task_id)
    except ObjectsRemovedError as error:
        return failure.export_again(errand, entry, task.OBJECT_MISSING, str(error))
    if not objects:
        empty = f"Task {ended.task_id} is COMPLETED without objects, and"
        gone = proof.gone(errand.account(), record)
        if gone is not None:
            return failure.gone(errand, entry, f"{empty} {gone}.")
        if _sees_events(errand, record):
            message = f"{empty} there are events."
            return failure.export_again(errand, entry, task.TASK_EMPTY, message)
    completed = Completed(
        at=timestamp(errand.now()),
        manifest=Manifest.of(objects),
        task_created_ms=ended.created_ms,
        task_completed_ms=ended.completed_ms,
    )
    return publication.archived(errand, entry, completed)


def _objects(errand: Errand, record: LedgerRecord, task_id: str) -> list[ArchivedObject]:
    region, bucket = record.source.region, record.destination.bucket
    return errand.wiring.archive.objects(region, bucket, task.folder(record, task_id))


def _sees_events(errand: Errand, record: LedgerRecord) -> bool:
    """Return whether a window that its task found empty has events, as far as that shows."""
    sees = proof.sees_events(errand.account(), record, errand.may_read)
    if sees is None:
        logger.warning("nobody saw whether there are events: the task's word counts")
        count("EmptyUnproven")
    return bool(sees)
