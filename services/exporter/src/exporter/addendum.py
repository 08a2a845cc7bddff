"""The steps by which what is missing of a completed export is added, and told.

Each may be done again: what was read anew is compared with what the archive has by then.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from aws_lambda_powertools.metrics import MetricUnit

from exporter import adding, proof, task, waiting
from exporter.adding import Adding
from exporter.cloud import LedgerEntry
from exporter.direct_lane import reading
from exporter.errand import Errand, retry_conflicts
from exporter.errors import (
    ExportRefusedError,
    NotAddedError,
    NotFinishedError,
    NotForDirectLaneError,
    ObjectsRemovedError,
    OutOfTimeError,
)
from exporter.telemetry import count, logger, measure
from logferry_contracts.addendum import Addendum, addendum_folder
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import untold

AGAIN_S = 60
"""After which it is looked again whether the other message of an export has been done with."""
TRIED_FOR = timedelta(minutes=45)
"""For how long what an invocation has no time for is tried again: others' messages, or their calls,
may have taken it. What takes more than a whole one is told, as all that cannot be added."""


def add(errand: Errand) -> None:
    """Add what CloudWatch Logs has more of than the archive. On return the message is done with.

    Where that cannot be, the export stays as it is: who has counted tells that it differs. Of
    whatever queue a person has put it into, the direct lane's function alone adds.

    Raises:
        NotFinishedError: Another message adds to it just now, or there was no time for it.
        TransientError: AWS was busy, or others kept changing the ledger record.
        ContractError: The ledger record breaks its contract, or belongs to another export.
    """
    request, delivery = errand.request, errand.delivery
    if delivery.queue_name != request.source.direct_queue_name:
        asked = request.model_copy(update={"lane": "direct"})
        errand.wiring.queue.send_beside(errand.requested(asked), asked_by=delivery.message_id)
        logger.info("asked the direct lane")
        return
    if errand.read() is None:
        _leave("the ledger has no such export")
        return
    with _alone(errand):
        retry_conflicts(lambda: _add(errand, errand.read_or_create()))


@contextmanager
def _alone(errand: Errand) -> Iterator[None]:
    """Let no other message add to the export meanwhile.

    Both would take the same number. The slower one would find the record changed, and write what it
    had already written into that number's folder into the next one's, too. All addenda of a source
    are messages of one queue and group, of which one invocation at a time has some. So this process
    is the only one, and what it remembers is enough.

    Raises:
        NotFinishedError: Another one does.
    """
    export_id, mine, adding_to = errand.request.export_id, object(), errand.wiring.adding_to
    if adding_to.setdefault(export_id, mine) is not mine:
        raise NotFinishedError(AGAIN_S)
    try:
        yield
    finally:
        del adding_to[export_id]


def tell(errand: Errand, entry: LedgerEntry, _step: task.TellAddenda) -> LedgerEntry | None:
    """Announce what another invocation has added and left unannounced, if it is in the archive.

    What is not, or what somebody has written into the record, is left to the sweep.
    """
    for each in untold(entry.record):
        denial = proof.objection_to_addendum(errand.wiring.archive, entry.record, each)
        if denial is not None:
            _leave(f"addendum {each.number} is not announced: {denial}")
            return None
        entry = _announced(errand, entry, each)
    return entry


def _add(errand: Errand, entry: LedgerEntry) -> None:
    told = tell(errand, entry, task.TellAddenda())
    if told is None:
        return
    entry = told
    asked_at = errand.request.recounted_at
    if any(each.recounted_at == asked_at for each in entry.record.addenda or ()):
        return
    try:
        _check(entry)
        _add_what_is_missing(errand, entry)
    except OutOfTimeError as error:
        _try_again(errand, str(error))
    except (NotAddedError, NotForDirectLaneError, ObjectsRemovedError) as error:
        _leave(str(error))
    except ExportRefusedError as error:
        errand.delivery.dead_letter(errand.wiring.queue, error.reason, str(error))


def _add_what_is_missing(errand: Errand, entry: LedgerEntry) -> None:
    record, recounted_at = entry.record, errand.request.recounted_at
    assert recounted_at is not None  # noqa: S101  (that is what is asked)
    whole = replace(reading(errand), most_streams=adding.MOST_STREAMS)
    objects = Adding(reading=whole, check=lambda: _check(errand.read())).objects(record)
    if not objects:
        logger.info("nothing is missing")
        return
    addendum = Addendum(
        number=adding.next_number(record),
        recounted_at=recounted_at,
        at=timestamp(errand.now()),
    )
    entry = errand.wiring.ledger.replace(entry, record.as_added(objects, addendum))
    added_bytes = sum(each.size_bytes for each in objects)
    logger.info("added what was missing", objects=len(objects), total_bytes=added_bytes)
    count("AddendaMade")
    measure("BytesAdded", MetricUnit.Bytes, added_bytes)
    _announced(errand, entry, addendum)


def _check(entry: LedgerEntry | None) -> None:
    """Make sure that something may be added to an export.

    Args:
        entry: The export's; None where it is gone.

    Raises:
        NotAddedError: It may not; nothing was written.
    """
    why = "its record is gone" if entry is None else adding.objection(entry.record)
    if why is not None:
        raise NotAddedError(why)


def _announced(errand: Errand, entry: LedgerEntry, addendum: Addendum) -> LedgerEntry:
    """Publish an addendum, and record that: until then, a crash does both once more."""
    errand.wiring.topic.publish(_event(errand, entry.record, addendum))
    return errand.wiring.ledger.replace(entry, entry.record.as_told(addendum, at=errand.now()))


def _event(errand: Errand, record: LedgerRecord, addendum: Addendum) -> ExportCompleted:
    """Return the event, without the list of objects where that makes it too long."""
    event = ExportCompleted.of_addendum(record, addendum)
    if not event.is_too_long:
        return event
    # Beside the export's own list, which somebody may still read.
    name = UUID(addendum_folder(record.export_id, addendum.number)).hex
    named = record.model_copy(update={"export_id": name})
    location = errand.wiring.ledger.put_manifest(named, event.data.manifest)
    return event.with_objects_at(location)


def _try_again(errand: Errand, why: str) -> None:
    """Leave it to the next invocation, unless several had no time for it.

    Raises:
        NotFinishedError: It is to come back in a moment.
    """
    delivery = errand.delivery
    if errand.now() - delivery.first_received_at > TRIED_FOR:
        _leave(f"{why}, received {delivery.receive_count} times")
        return
    interval_s = waiting.error_interval_s(delivery.receive_count)
    logger.info("given back", waits_for="an invocation's time", why=why, interval_s=interval_s)
    raise NotFinishedError(interval_s)


def _leave(why: str) -> None:
    logger.warning("nothing was added", why=why)
    count("AddendaRefused")
