"""The steps beside the slot: an export without a task, or handed over to the slot."""

from datetime import datetime

from exporter import direct, failure, proof, publication, sharing, task
from exporter.cloud import LedgerEntry
from exporter.errand import After, Errand
from exporter.errors import (
    ExportRefusedError,
    NotForDirectLaneError,
    TooMuchForDirectLaneError,
)
from exporter.reading import Reading
from exporter.telemetry import count, logger
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp


def read(errand: Errand, entry: LedgerEntry, _step: task.ReadDirectly) -> After:
    """Export without a task; where that is not the way, hand the export over to the slot.

    What is too much for one reading is read in parts.
    """
    in_vain = _tried_in_vain(errand, entry.record)
    if in_vain is not None:
        return _leave(errand, entry, in_vain)
    try:
        objects = reading(errand).objects(entry.record, errand.request.estimated_bytes)
    except TooMuchForDirectLaneError as error:
        if entry.record.window.halves is None:
            return _leave(errand, entry, str(error))
        logger.info("read in parts", why=str(error))
        return sharing.halve(errand, entry)
    except NotForDirectLaneError as error:
        return _leave(errand, entry, str(error))
    except ExportRefusedError as error:
        return failure.fail(errand, entry, failure.refused(errand, entry.record, error))
    return _complete(errand, entry, objects)


def _complete(errand: Errand, entry: LedgerEntry, objects: list[ArchivedObject]) -> After:
    """Record and publish what was read, unless there is nothing as its log group is gone."""
    gone = None if objects else proof.gone(errand.account(), entry.record)
    if gone is not None:
        return failure.gone(errand, entry, f"FilterLogEvents shows no event, and {gone}.")
    completed = Completed(at=timestamp(errand.now()), manifest=Manifest.of(objects))
    return publication.archived(errand, entry, completed)


def leave(errand: Errand, entry: LedgerEntry, step: task.LeaveDirectLane) -> LedgerEntry:
    """Record that an export is the slot's from now on."""
    return _leave(errand, entry, step.why)


def ask_slot(errand: Errand, _entry: LedgerEntry, _step: task.AskSlot) -> None:
    """Leave an export to the slot, which is then all that is left to do of this message."""
    hand_over(errand)


def hand_over(errand: Errand) -> None:
    """Send the request to the slot: once more does no harm, and not at all would."""
    errand.send(errand.request.model_copy(update={"lane": "slot", "offered": None}))
    logger.info("asked the slot")


def _tried_in_vain(errand: Errand, record: LedgerRecord) -> str | None:
    """Return how often and for how long an export was tried, where that is too much.

    What both lanes are asked for counts from when it was taken: its message comes as often as
    others before it, and the parts of its window, take an invocation's time.
    """
    delivery, since = errand.delivery, errand.delivery.first_received_at
    offered = record.offered
    if offered is not None and offered.taken_at is not None:
        since = max(since, datetime.fromisoformat(offered.taken_at))
    tried_for = errand.now() - since
    is_too_often = offered is None and delivery.receive_count > direct.MAX_RECEIVES
    if is_too_often or tried_for > direct.TRIED_FOR:
        return f"received {delivery.receive_count} times in {tried_for}"
    return None


def _leave(errand: Errand, entry: LedgerEntry, why: str) -> LedgerEntry:
    entry = errand.wiring.ledger.replace(entry, entry.record.as_lane("slot"))
    logger.info("left the direct lane", why=why)
    count("ExportsLeftDirectLane")
    return entry


def reading(errand: Errand) -> Reading:
    """Return what reads a window's events, for as long as the message's invocation works."""
    wiring = errand.wiring
    return Reading(
        account=errand.account(),
        archive=wiring.archive,
        wait=wiring.reads(errand.request).wait,
        max_bytes=wiring.settings.direct_lane_max_bytes,
        until=errand.delivery.work_until,
        clock=wiring.clock,
        streams=errand.request.streams or (),
        readers=direct.readers(wiring.settings.direct_lane_calls_per_second),
        together=wiring.together,
        turn=errand.delivery.turn,
        check_time=errand.check_time,
    )
