"""The steps by which an export is left to its halves, and by which both lanes share the work."""

from exporter import split, task
from exporter.cloud import LedgerEntry
from exporter.errand import Errand, Parts, Relative
from exporter.errors import NotFinishedError
from exporter.telemetry import count, logger
from logferry_contracts.ledger_record import Half


def halve(errand: Errand, entry: LedgerEntry) -> LedgerEntry:
    """Ask for both halves of the window, before the record says that they have been."""
    record = entry.record
    requests = [
        errand.wiring.family.add_half(errand.request, record, window, errand.now())
        for window in record.window.halves or ()
    ]
    for request in requests:
        errand.send(request)
    first, second = (Half(export_id=each.export_id, window=each.window) for each in requests)
    was_split = record.as_split((first, second), at=errand.now())
    entry = errand.wiring.ledger.replace(entry, was_split)
    logger.info("split", halves=[first.export_id, second.export_id])
    count("ExportsSplit")
    return entry


def take(errand: Errand, entry: LedgerEntry, _step: task.Take) -> LedgerEntry:
    """Record that this lane has begun; whoever comes second finds that.

    Raises:
        NotFinishedError: There is no time to begin.
    """
    lane = errand.request.lane
    if lane == "direct":
        errand.check_time()
    entry = errand.wiring.ledger.replace(entry, entry.record.as_taken(lane, at=errand.now()))
    if lane == "slot":
        errand.wiring.slot.take(entry.record.export_id, errand.delivery.began_at)
    logger.info("taken", lane=lane)
    return entry


def go_on(errand: Errand, entry: LedgerEntry, step: split.GoOn) -> Relative | Parts:
    """Take the next part forward, or in the direct lane one after the other, and then look again.

    Raises:
        NotFinishedError: The next invocation has more time for it.
    """
    if errand.request.lane == "direct":
        return Parts(errand, entry.record)
    if errand.delivery.is_late(errand.now()):
        raise NotFinishedError(0)
    return Relative(errand.of_part(step.part), then=errand.read_or_create)
