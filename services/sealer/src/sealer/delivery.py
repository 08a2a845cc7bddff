"""One message as it was delivered: what is done about it, and where it goes if that fails."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from logferry_contracts import json_text
from logferry_contracts.chain import ChainName
from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.day_sealed import SEALER_URN
from logferry_contracts.export_completed import ExportCompleted, ExportCompletedData
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.seal_request import SealRequest, SealRequestData
from logferry_contracts.wire import ContractError, parse
from sealer.errors import AwsError, OutOfTimeError, OvertakenError, RefusedError, RetryError
from sealer.metrics import DEAD, emit
from sealer.sealing import Again
from sealer.turn import Turn
from sealer.wiring import Service

TIME_RESERVE_S = 20
"""Nothing is begun with less time left: to note how far it got takes some of it."""

FIRST_PAUSE_S = 30
LONGEST_PAUSE_S = 3 * 60 * 60
"""After a failed attempt, doubling with each: 20 of them take a day and a half."""

MAX_RECEIVES = 20
"""The queue's ``maxReceiveCount``: after so many, SQS moves a message itself, and says no reason.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html"""

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message as it was delivered this time.

    Attributes:
        receipt_handle: What SQS knows this delivery by.
        receive_count: How often it was delivered, this time included.
        turn: When, and how much time it has.
    """

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    turn: Turn


def _utc_now() -> datetime:
    return datetime.now(UTC)


def process(
    service: Service,
    event: dict[str, Any],
    context: LambdaContext,
    clock: Callable[[], datetime] = _utc_now,
) -> PartialItemFailureResponse:
    """Deal with a batch of messages by means of ``service``."""
    counts: Counter[str] = Counter()

    def has_time(needed_s: float) -> bool:
        return context.get_remaining_time_in_millis() / 1000 > TIME_RESERVE_S + needed_s

    def deal_with(record: SQSRecord) -> None:
        delivery = Delivery(
            id=record.message_id,
            body=record.body,
            receipt_handle=record.receipt_handle,
            receive_count=int(record.attributes.approximate_receive_count),
            turn=Turn(now=clock(), has_time=has_time, counts=counts),
        )
        _deal_with(service, delivery)

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    try:
        with processor(event["Records"], deal_with):
            processor.process()
    finally:
        emit(counts)
    return processor.response()


def pause_s(receive_count: int) -> int:
    """Return how long a message waits after it failed for the ``receive_count``-th time."""
    doublings = min(receive_count - 1, LONGEST_PAUSE_S.bit_length())
    return min(FIRST_PAUSE_S << doublings, LONGEST_PAUSE_S)


def _deal_with(service: Service, delivery: Delivery) -> None:
    """Deal with one message: it is done when this returns and comes back when it raises."""
    try:
        _dispatch(service, delivery)
    except RefusedError as error:
        _dead_letter(service, delivery, error.reason, error.detail)
    except ContractError as error:
        _dead_letter(service, delivery, "contract", str(error))
    except RetryError as error:
        is_usual = isinstance(error, OutOfTimeError | OvertakenError)
        (logger.info if is_usual else logger.exception)("message returned", reason=str(error))
        if not _is_ended(service, delivery, error.reason, str(error)):
            _give_back(service, delivery, error.pause_s)
            raise
    except Exception as error:
        logger.exception("message returned")
        detail = f"{type(error).__name__}: {error}"
        if not _is_ended(service, delivery, "unexpected_error", detail):
            _give_back(service, delivery)
            raise


def _is_ended(service: Service, delivery: Delivery, reason: str, detail: str) -> bool:
    """Make the message a dead letter if this was its last attempt: SQS would not say why."""
    if delivery.receive_count < MAX_RECEIVES:
        return False
    _dead_letter(service, delivery, reason, detail)
    return True


def _give_back(service: Service, delivery: Delivery, after_s: int | None = None) -> None:
    """Say when the message is to be tried again; if that fails, the queue's own time counts."""
    try:
        service.queue.give_back(
            delivery.receipt_handle,
            pause_s(delivery.receive_count) if after_s is None else after_s,
        )
    except AwsError as error:
        logger.warning("pause not set", reason=str(error))


def _dispatch(service: Service, delivery: Delivery) -> None:
    delivery.turn.check("the message is still to be looked at")
    match _type(delivery.body):
        case ExportCompleted.TYPE:
            completed = parse(ExportCompleted, delivery.body).data
            with logger.append_context_keys(export_id=completed.export_id):
                _export_completed(service, completed, delivery)
        case DayCompleted.TYPE:
            data = parse(DayCompleted, delivery.body).data
            chain = ChainName.of(data.source)
            service.links.note_zone(chain, data.time_zone)
            _look(service, delivery, SealRequestData(chain=chain))
        case PlanCompleted.TYPE:
            planned = parse(PlanCompleted, delivery.body).data
            _look(service, delivery, SealRequestData(chain=ChainName.of(planned.source)))
        case SealRequest.TYPE:
            _look(service, delivery, parse(SealRequest, delivery.body).data)
        case other:
            raise RefusedError("contract", f"no event that is known here: type {other!r}")


def _export_completed(service: Service, completed: ExportCompletedData, delivery: Delivery) -> None:
    """Measure what an export has put into the archive, so that its date need not."""
    if completed.destination.bucket != service.settings.archive_bucket:
        raise RefusedError("wrong_bucket", f"{completed.destination.bucket} is not the archive")
    key = ledger_key(completed.source, completed.window, completed.export_id)
    record = service.ledger.record(key)
    if isinstance(record, ContractError):
        raise record
    if record is None:
        raise RefusedError("not_in_ledger", f"export {completed.export_id} has no record {key}")
    if record.state not in ("completed", "secured"):
        logger.info("not completed any more", state=record.state)
        return
    service.stating.measure(record, delivery.turn)


def _look(service: Service, delivery: Delivery, asked: SealRequestData) -> None:
    """Look at one chain, or give each its turn."""
    if asked.chain is None:
        for chain in service.ledger.chains():
            data = asked.model_copy(update={"chain": chain})
            service.queue.send(
                SealRequest.of(
                    data, id=f"{delivery.id}-{chain}", source=SEALER_URN, time=delivery.turn.now
                )
            )
        return
    again = None
    if asked.seal_from is not None:
        again = Again(
            first=asked.seal_from,
            last=asked.seal_to or asked.seal_from,
            log_group_name=asked.log_group_name,
        )
    with logger.append_context_keys(chain=str(asked.chain)):
        service.sealing.look(asked.chain, delivery.turn, again)


def _type(body: str) -> Any:
    try:
        fields = json_text.read(body)
    except ValueError:
        return None
    return fields.get("type") if isinstance(fields, dict) else None


def _dead_letter(service: Service, delivery: Delivery, reason: str, detail: str) -> None:
    try:
        service.dead_letters.send(delivery.body, reason=reason, detail=detail)
    except Exception:
        logger.exception("not dead-lettered", reason=reason, detail=detail)
        raise
    delivery.turn.counts[DEAD] += 1
    logger.error("dead-lettered", reason=reason, detail=detail)
