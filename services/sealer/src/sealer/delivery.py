"""One message as it was delivered: what kind it is, and what is done about it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
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
from logferry_deliveries.delivery import Consumer, Delivery, utc_now, work_off
from logferry_deliveries.errors import RefusedError
from sealer.metrics import DEAD
from sealer.sealing import Again
from sealer.turn import Turn
from sealer.wiring import Service

logger = Logger()


def process(
    service: Service,
    event: dict[str, Any],
    context: LambdaContext,
    clock: Callable[[], datetime] = utc_now,
) -> PartialItemFailureResponse:
    """Deal with a batch of messages by means of ``service``."""
    consumer = Consumer(
        deal_with=lambda delivery: _dispatch(service, delivery),
        queue=service.queue,
        dead_letters=service.dead_letters,
        dead_metric=DEAD,
    )
    return work_off(consumer, event, context, clock)


def _dispatch(service: Service, delivery: Delivery) -> None:
    delivery.check_time()
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
    service.stating.measure(record, _turn(delivery))


def _look(service: Service, delivery: Delivery, asked: SealRequestData) -> None:
    """Look at one chain, or give each its turn."""
    if asked.chain is None:
        for chain in service.ledger.chains():
            data = asked.model_copy(update={"chain": chain})
            service.queue.send(
                SealRequest.of(
                    data, id=f"{delivery.id}-{chain}", source=SEALER_URN, time=delivery.now
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
        service.sealing.look(asked.chain, _turn(delivery), again)


def _type(body: str) -> Any:
    try:
        fields = json_text.read(body)
    except ValueError:
        return None
    return fields.get("type") if isinstance(fields, dict) else None


def _turn(delivery: Delivery) -> Turn:
    return Turn(now=delivery.now, has_time=delivery.has_time, counts=delivery.counts)
