"""The steps beside the slot: an export without a task, or handed over to the slot."""

from exporter import direct, failure, publication, task
from exporter.cloud import LedgerEntry
from exporter.errand import After, Errand
from exporter.errors import ExportRefusedError, NotForDirectLaneError
from exporter.reading import Reading
from exporter.telemetry import count, logger
from logferry_contracts.ledger_record import Completed
from logferry_contracts.message import timestamp


def read(errand: Errand, entry: LedgerEntry, _step: task.ReadDirectly) -> After:
    """Export without a task; where that is not the way, hand the export over to the slot."""
    receive_count = errand.delivery.receive_count
    tried_for = errand.now() - errand.delivery.first_received_at
    if receive_count > direct.MAX_RECEIVES or tried_for > direct.TRIED_FOR:
        return _leave(errand, entry, f"received {receive_count} times in {tried_for}")
    try:
        objects = _reading(errand).objects(entry.record, errand.request.estimated_bytes)
    except NotForDirectLaneError as error:
        return _leave(errand, entry, str(error))
    except ExportRefusedError as error:
        return failure.fail(errand, entry, failure.refused(errand, entry.record, error))
    completed = Completed(at=timestamp(errand.now()), manifest=task.manifest(objects))
    return publication.archived(errand, entry, completed)


def leave(errand: Errand, entry: LedgerEntry, step: task.LeaveDirectLane) -> LedgerEntry:
    """Record that an export is the slot's from now on."""
    return _leave(errand, entry, step.why)


def ask_slot(errand: Errand, _entry: LedgerEntry, _step: task.AskSlot) -> None:
    """Leave an export to the slot, which is then all that is left to do of this message."""
    hand_over(errand)


def hand_over(errand: Errand) -> None:
    """Send the request to the slot: once more does no harm, and not at all would."""
    errand.send(errand.request.model_copy(update={"lane": "slot"}))
    logger.info("asked the slot")


def _leave(errand: Errand, entry: LedgerEntry, why: str) -> LedgerEntry:
    entry = errand.wiring.ledger.replace(entry, entry.record.as_lane("slot"))
    logger.info("left the direct lane", why=why)
    count("ExportsLeftDirectLane")
    return entry


def _reading(errand: Errand) -> Reading:
    wiring = errand.wiring
    return Reading(
        account=errand.account(),
        archive=wiring.archive,
        budget=wiring.budget,
        max_bytes=wiring.settings.direct_lane_max_bytes,
        until=errand.delivery.work_until,
        clock=wiring.clock,
        sleep=wiring.sleep,
        together=wiring.together,
    )
