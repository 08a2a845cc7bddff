"""The steps by which an export that has ended is told, and recorded as told.

A half is told to nobody: its parent is taken forward instead, as the half's end may be its end.
"""

from functools import partial

from aws_lambda_powertools.metrics import MetricUnit

from exporter import announcement, failure, task
from exporter.cloud import LedgerEntry
from exporter.errand import LEDGER_READS, After, Errand, Relative
from exporter.errors import (
    ExportRefusedError,
    HalfDamagedError,
    LedgerConflictError,
    NotForDirectLaneError,
    ObjectsRemovedError,
    TransientError,
)
from exporter.proof import Proof
from exporter.telemetry import count, logger, measure
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import Manifest

FOR_A_PERSON = frozenset({task.LEDGER_RECORD_DAMAGED, task.NOT_AS_RECORDED, task.OBJECT_MISSING})
"""Reasons that somebody has to hear of, although the next generation was asked for: whoever has
removed an object, or written into the ledger, may do it again."""


def archived(errand: Errand, entry: LedgerEntry, completed: Completed) -> After:
    """Record and publish what has come into the archive by this export."""
    measure("BytesArchived", MetricUnit.Bytes, completed.manifest.total_bytes)
    return complete(errand, entry, completed)


def complete(errand: Errand, entry: LedgerEntry, completed: Completed) -> After:
    """Record what was seen just now, and publish it at once: it needs no other proof."""
    manifest = completed.manifest
    entry = errand.wiring.ledger.replace(entry, entry.record.as_completed(completed))
    logger.info("completed", objects=manifest.object_count, total_bytes=manifest.total_bytes)
    if entry.record.parent_export_id is None:
        count("ExportsCompleted")
        if manifest.object_count == 0:
            count("ExportsEmpty")
    return publish(errand, entry)


def publish_recorded(errand: Errand, entry: LedgerEntry, _step: task.Publish) -> After:
    """Publish what another invocation, or nobody of ours, has recorded, if nothing denies it.

    A failure is told as it is recorded: to believe it costs another try at most.
    """
    if entry.record.state != "failed":
        message = objection(errand, entry.record)
        if message is not None:
            return failure.export_again(errand, entry, task.NOT_AS_RECORDED, message)
    return publish(errand, entry)


def as_told(errand: Errand, entry: LedgerEntry) -> LedgerEntry:
    """Take back what a message finds announced, if that is contradicted; return the entry then.

    Messages come twice, and somebody may have written that an export was told that nobody made.
    """
    message = _contradiction(errand, entry.record)
    if message is None:
        return entry
    return failure.export_again(errand, entry, task.NOT_AS_RECORDED, message)


def _contradiction(errand: Errand, record: LedgerRecord) -> str | None:
    completed = record.completed
    was_told = completed is not None and completed.published_at is not None
    if record.state == "failed" or not was_told or record.parent_export_id is not None:
        return None
    try:
        found = _proof(errand).contradiction(record, errand.may_read)
    except (ExportRefusedError, NotForDirectLaneError):
        return None  # nobody may look any more, as of a source that is gone
    except ObjectsRemovedError as error:
        found = str(error)
    return None if found is None else f"Export {record.export_id}: {found}"


def objection(errand: Errand, record: LedgerRecord) -> str | None:
    """Return what denies that an export is completed as its record says; None for nothing."""
    try:
        found = _proof(errand).objection(record)
    except (
        ExportRefusedError,
        HalfDamagedError,
        NotForDirectLaneError,
        ObjectsRemovedError,
    ) as error:
        found = str(error)
    return None if found is None else f"Export {record.export_id}: {found}"


def _proof(errand: Errand) -> Proof:
    wiring = errand.wiring
    return Proof(
        account=errand.account(),
        archive=wiring.archive,
        family=wiring.family,
        ended=partial(_ended, errand),
    )


def _ended(errand: Errand, task_id: str) -> task.Task | None:
    """Return a task, which is not asked for again once AWS has said that it is completed.

    Each half of a window is looked at again when both have ended, and once more with its parent's.
    """
    memory = errand.wiring.slot
    known = memory.completed(task_id)
    if known is not None:
        return known
    found = errand.account().task(task_id)
    memory.keep([] if found is None else [found])
    return found


def publish(errand: Errand, entry: LedgerEntry) -> After:
    """Publish what the record says; of a half, return its parent to be taken forward first."""
    record = entry.record
    if record.parent_export_id is None:
        _announce(errand, record)
    elif record.failed is None or record.failed.next_export_id is None:
        parent = errand.wiring.family.parent(record)
        if parent is not None:
            return Relative(errand.of_relative(parent), then=partial(_conclude, errand, entry))
        if record.state != "failed":
            message = f"The ledger has no export {record.parent_export_id} of which it is a half."
            step = task.Fail(reason=task.PARENT_UNKNOWN, message=message)
            return failure.fail(errand, entry, step)
    return _conclude(errand, entry)


def _announce(errand: Errand, record: LedgerRecord) -> None:
    topic = errand.wiring.topic
    if record.state != "failed" and record.completed is not None:
        topic.publish(_completed_event(errand, record, record.completed.manifest))
    else:
        topic.publish(announcement.failed(record, errand.request.source.role_arn))


def _completed_event(errand: Errand, record: LedgerRecord, manifest: Manifest) -> ExportCompleted:
    """Return the event, without the list of objects where that makes it too long."""
    event = ExportCompleted.of_record(record, errand.wiring.family.task_ids(record))
    if not event.is_too_long:
        return event
    return event.with_objects_at(errand.wiring.ledger.put_manifest(record, manifest))


def _conclude(errand: Errand, entry: LedgerEntry) -> LedgerEntry:
    """Dead-letter what nobody will try again, and record the publication.

    That comes last: until then, a crash does all of it once more.
    """
    _dead_letter_failure(errand, entry.record)
    return _record_publication(errand, entry)


def _dead_letter_failure(errand: Errand, record: LedgerRecord) -> None:
    """Keep the message of a failure that nobody will try again, or that a person has to see.

    What was split fails by the failure of a half, which has a dead letter.
    """
    failed = record.failed
    if failed is None or (
        failed.reason not in FOR_A_PERSON
        and (failed.next_export_id is not None or record.split is not None)
    ):
        return
    errand.delivery.dead_letter(errand.wiring.queue, failed.reason, failed.message)


def _record_publication(errand: Errand, entry: LedgerEntry) -> LedgerEntry:
    """Record it in whatever the record has become: who hears of an export may change it."""
    outcome = entry.record.outcome
    for _ in range(LEDGER_READS):
        try:
            published = entry.record.as_published(at=errand.now(), outcome=outcome)
            entry = errand.wiring.ledger.replace(entry, published)
        except LedgerConflictError:
            entry = errand.read_or_create()
        else:
            logger.info("published")
            return entry
    raise TransientError(f"the ledger record changed {LEDGER_READS} times")
