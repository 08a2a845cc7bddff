"""The steps that wait: here if there is time, back in the queue, or at the tail of the slot."""

from datetime import datetime, timedelta

from exporter import task, waiting
from exporter.cloud import LedgerEntry
from exporter.errand import Errand
from exporter.errors import NotFinishedError
from exporter.telemetry import count, logger
from logferry_contracts.message import timestamp


def wait(errand: Errand, entry: LedgerEntry, step: task.Wait) -> LedgerEntry:
    """Wait a little here if there is time, and look again; else give the message back.

    Raises:
        NotFinishedError: There is no time.
    """
    count("ForeignWaits" if step.is_foreign else "Waits")
    delivery = errand.delivery
    expected = (
        None if step.is_foreign else errand.wiring.slot.outlook(errand.request.estimated_bytes)
    )
    pause_s = waiting.pause_s(step.age_s, expected)
    if errand.now() + timedelta(seconds=pause_s) <= delivery.wait_until:
        errand.wiring.sleep(pause_s)
        return entry
    interval_s = waiting.interval_s(step.age_s, delivery.receive_count, expected)
    logger.info(
        "given back",
        waits_for="another task" if step.is_foreign else "its task",
        age_s=step.age_s,
        interval_s=interval_s,
    )
    raise NotFinishedError(interval_s)


def postpone(errand: Errand, entry: LedgerEntry, step: task.Postpone) -> LedgerEntry | None:
    """Wait for the time of a next generation; None when that is left to a message at the tail."""
    return entry if is_time(errand, step.until) else None


def is_time(errand: Errand, until: datetime) -> bool:
    """Wait for a time, here if there is time; False when the message was sent to the tail.

    Raises:
        NotFinishedError: There is no time, and it will not be long.
    """
    delivery = errand.delivery
    left_s = (until - errand.now()).total_seconds()
    if left_s <= 0:
        return True
    count("Waits")
    if until <= delivery.wait_until:
        errand.wiring.sleep(left_s)
        return True
    age_s = (errand.now() - delivery.sent_at).total_seconds()
    interval_s = waiting.early_interval_s(left_s, age_s, delivery.receive_count)
    if interval_s is None:
        put_off(errand, until, delivery.tries)
        return False
    logger.info("given back", waits_for="its time", interval_s=interval_s)
    raise NotFinishedError(interval_s)


def put_off(errand: Errand, until: datetime, tries: int) -> None:
    """Send the request to the tail of its slot, so that others go on meanwhile.

    Args:
        errand: The export and its delivery.
        until: Before when it is not to be looked at.
        tries: How often that was done for an error.
    """
    data = errand.request.model_copy(update={"lane": "slot", "not_before": timestamp(until)})
    errand.wiring.queue.send_to_the_tail(
        errand.requested(data), instead_of=errand.delivery.message_id, tries=tries
    )
    logger.info("sent to the tail", not_before=data.not_before, tries=tries)
