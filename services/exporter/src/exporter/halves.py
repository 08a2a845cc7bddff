"""The steps of an export whose window is exported in halves."""

from exporter import failure, publication, sharing, split, task
from exporter.cloud import LedgerEntry
from exporter.errand import After, Errand, Relative
from exporter.errors import LedgerConflictError
from exporter.telemetry import logger


def cut(errand: Errand, entry: LedgerEntry, step: task.Split) -> LedgerEntry:
    """Leave the window to its halves, after a task for which it was too much."""
    failure.remove_objects(errand, entry.record, step.task_id)
    return sharing.halve(errand, entry)


def merge(errand: Errand, entry: LedgerEntry, step: split.Merge) -> After:
    """Record and publish the objects of both halves as the export's, if nothing denies them."""
    for half in step.halves:
        objection = publication.objection(errand, half)
        if objection is not None:
            return failure.export_again(errand, entry, task.NOT_AS_RECORDED, objection)
    return publication.complete(errand, entry, split.merged(step.halves, errand.now()))


def revive(errand: Errand, entry: LedgerEntry, _step: split.Revive) -> Relative | None:
    """Leave the rest to the next generation, unless somebody has asked for the whole window again.

    The halves find it through the failed one's record, so that says so first.
    """
    failed, ledger = entry.record, errand.wiring.ledger
    revived = failed.as_revived(at=errand.now())
    try:
        ledger.create(revived)
    except LedgerConflictError:
        logger.info("the next generation is in the ledger already")
    if failed.failed is not None and failed.failed.next_export_id is None:
        failure.record_next(errand, entry, revived.export_id)
    known = ledger.read(revived.source, revived.window, revived.export_id)
    if known is None or known.record.split != failed.split:
        return None
    return Relative(errand.of_relative(known.record))
