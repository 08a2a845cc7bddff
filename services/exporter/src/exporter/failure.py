"""The steps of an export that fails, and of its next generation, which is asked for first."""

from datetime import datetime

from exporter import refusal, task
from exporter.cloud import LedgerEntry
from exporter.errand import Errand
from exporter.errors import ExportRefusedError, LedgerConflictError
from exporter.telemetry import count, logger
from logferry_contracts.ledger_record import Failed, LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.wire import ContractError

MESSAGE_CHARACTERS = 4096
"""The contracts' limit for what AWS said."""


def fail(errand: Errand, entry: LedgerEntry, step: task.Fail) -> LedgerEntry:
    """Record that an export has failed for good."""
    remove_objects(errand, entry.record, step.task_id)
    return _record(errand, entry, step, next_export_id=None)


def retry(errand: Errand, entry: LedgerEntry, step: task.Retry) -> LedgerEntry:
    """Ask for the next generation, and then record that this one has failed."""
    remove_objects(errand, entry.record, step.task_id)
    first = errand.wiring.settings.retry_backoff
    pause = task.backoff(first, entry.record.generation, step.reason)
    count("ExportsRetried")
    next_export_id = _request_generation(errand, entry.record, errand.now() + pause)
    return _record(errand, entry, step, next_export_id)


def ask_again(errand: Errand, entry: LedgerEntry, _step: task.AskAgain) -> LedgerEntry:
    """Ask for the next generation of an export whose dead letter was put back."""
    entry = record_next(errand, entry, _request_generation(errand, entry.record, None))
    count("ExportsRedriven")
    return entry


def export_again(errand: Errand, entry: LedgerEntry, reason: str, message: str) -> LedgerEntry:
    """Take back what is not in the archive as it should be, and ask for the next generation."""
    max_generations = errand.wiring.settings.max_generations
    step = task.untrue(entry.record, reason, message, max_generations=max_generations)
    if isinstance(step, task.Retry):
        return retry(errand, entry, step)
    return fail(errand, entry, step)


def record_next(errand: Errand, entry: LedgerEntry, next_export_id: str) -> LedgerEntry:
    """Record that a failed export's next generation was asked for after all."""
    asked_again = entry.record.as_asked_again(next_export_id)
    entry = errand.wiring.ledger.replace(entry, asked_again)
    logger.info("the next generation was asked for", next_export_id=next_export_id)
    return entry


def gone(errand: Errand, entry: LedgerEntry, message: str) -> LedgerEntry:
    """Record that what was to be exported is not there any more, which no other try mends."""
    return fail(errand, entry, task.Fail(reason=refusal.LOG_GROUP_DELETED, message=message))


def refused(errand: Errand, record: LedgerRecord, error: ExportRefusedError) -> task.Fail:
    """Return the failure, with the reason that AWS's words may hide."""
    reason, region = error.reason, record.source.region
    if refusal.may_be_the_region(reason):
        actual = errand.wiring.archive.region_of(region, record.destination.bucket)
        if actual not in {None, region}:
            reason = "bucket_region"
    return task.Fail(reason=reason, message=str(error))


def remove_objects(errand: Errand, record: LedgerRecord, task_id: str | None) -> None:
    """Remove what a task has written that ended without all of its objects.

    AWS says that the task is this export's and has failed. No manifest can name its folder
    then; should one do so all the same, nothing is touched.
    """
    if task_id is None:
        return
    folder = task.folder(record, task_id)
    others = errand.wiring.family.other_generations(record)
    try:
        is_named = any(task.names_folder(other, folder) for other in others)
    except ContractError as error:  # a damaged record may name anything
        logger.warning("a failed task's objects were left", folder=folder, detail=str(error))
        return
    if is_named:
        logger.error("a manifest names what a failed task has written", folder=folder)
        return
    left = errand.wiring.archive.remove(record.source.region, record.destination.bucket, folder)
    if left:
        logger.warning("locked objects of a failed task were left", left=left)


def _request_generation(errand: Errand, record: LedgerRecord, not_before: datetime | None) -> str:
    data = task.next_generation(errand.request, record, not_before)
    try:
        errand.wiring.ledger.create(data.first_record(errand.now()))
    except LedgerConflictError:
        logger.info("the next generation is in the ledger already")
    errand.send(data)
    return data.export_id


def _record(
    errand: Errand, entry: LedgerEntry, step: task.Retry | task.Fail, next_export_id: str | None
) -> LedgerEntry:
    failed = Failed(
        reason=step.reason,
        message=step.message[:MESSAGE_CHARACTERS],
        at=timestamp(errand.now()),
        next_export_id=next_export_id,
    )
    record, told = entry.record, entry.record.completed
    was_told = told is not None and told.published_at is not None
    entry = errand.wiring.ledger.replace(
        entry, record.as_lost(failed) if was_told else record.as_failed(failed)
    )
    logger.warning("failed", reason=step.reason, detail=step.message, next_export_id=next_export_id)
    if next_export_id is None and entry.record.parent_export_id is None:
        count("ExportsFailed")
    return entry
