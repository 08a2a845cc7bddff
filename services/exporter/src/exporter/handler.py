"""Lambda entry point: messages of a source's FIFO queue in, what is to be redelivered out."""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor

from exporter import patience, waiting
from exporter.aws import (
    CLIENT_CONFIG,
    DEAD_LETTER_REASON,
    TRIES,
    Archive,
    Ledger,
    Queue,
    SourceAccounts,
    Topic,
    problem_of,
)
from exporter.day_end import DayEnd
from exporter.errors import NotFinishedError, WrongSourceError
from exporter.export import Delivery, Export, Wiring, dead_letter, log_keys, logger, metrics
from exporter.settings import Settings
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.message import Message, from_epoch_ms
from logferry_contracts.source import SourceName
from logferry_contracts.wire import ContractError, parse

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_s3 import S3Client

_TIME_RESERVE = timedelta(seconds=15)
"""What an invocation keeps of its time when it waits: to look once more, list and publish.

A function with a shorter timeout than that still spends half of it on waiting.
"""

_MESSAGE_KEYS = ("export_id", "log_group", "generation", "task_id", "date")
"""What log lines carry of one message, and must not of the next."""


@cache
def _wiring() -> Wiring:
    """Build the collaborators once per Lambda environment, not at import."""
    settings = Settings.from_env(os.environ)
    sqs = boto3.client("sqs", config=CLIENT_CONFIG)
    return Wiring(
        settings=settings,
        ledger=Ledger(boto3.client("s3", config=CLIENT_CONFIG), settings.control_bucket),
        accounts=SourceAccounts(boto3.client("sts", config=CLIENT_CONFIG)),
        archive=Archive(_s3_in),
        queue=Queue(sqs, settings.queue_url, settings.dead_letter_queue_url),
        topic=Topic(boto3.client("sns", config=CLIENT_CONFIG), settings.topic_arn),
        clock=lambda: datetime.now(UTC),
        sleep=time.sleep,
    )


@cache
def _s3_in(region: str) -> "S3Client":
    return boto3.client("s3", region_name=region, config=CLIENT_CONFIG)


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: "LambdaContext") -> "PartialItemFailureResponse":
    """Take the export of each message one step forward, or see whether a date's have ended.

    Args:
        event: ``{"Records": [{"messageId", "receiptHandle", "body": an ExportRequested or a
            DayPlanned,
            "eventSourceARN": the slot's queue or the direct lane's,
            "attributes": {"ApproximateReceiveCount", "MessageGroupId", ...}}, ...]}``
        context: Says how much time is left.

    Returns:
        ``{"batchItemFailures": [{"itemIdentifier": <messageId>}, ...]}``: of each message group
        the first message that is not done with, and all after it, so that none overtakes another.
    """
    return work(_wiring(), event, context)


def work(
    wiring: Wiring, event: dict[str, Any], context: "LambdaContext"
) -> "PartialItemFailureResponse":
    """Work on a batch of messages, and say when the rest is to come back."""
    logger.append_keys(artifact=wiring.settings.artifact)
    remaining = timedelta(milliseconds=context.get_remaining_time_in_millis())
    left = remaining - min(_TIME_RESERVE, remaining / 2)
    longest = timedelta(seconds=wiring.settings.wait_in_invocation_s)
    now = wiring.clock()
    wait_until, work_until = now + min(left, longest), now + left
    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    # A message that waits is the normal case, and no error of the function.
    processor.raise_on_entire_batch_failure = False
    with processor(
        event["Records"], lambda record: _work_on(wiring, record, wait_until, work_until)
    ):
        processor.process()
    answer = processor.response()
    given_back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    failed = [record for record in event["Records"] if record["messageId"] in given_back]
    errors = [error for _, error, _ in processor.exceptions]
    by_group: dict[str, list[tuple[dict[str, Any], BaseException | None]]] = {}
    for record, error in zip(failed, errors, strict=True):
        by_group.setdefault(record["attributes"]["MessageGroupId"], []).append((record, error))
    for of_group in by_group.values():
        _give_back(wiring, [record for record, _ in of_group], of_group[0][1])
    return answer


def _work_on(
    wiring: Wiring, record: "SQSRecord", wait_until: datetime, work_until: datetime
) -> None:
    delivery = _delivery(record, wait_until, work_until)
    logger.remove_keys(_MESSAGE_KEYS)
    logger.append_keys(message_id=delivery.message_id)
    asked: Export | DayEnd | None = None
    try:
        if _is_day(delivery.body):
            asked = DayEnd(wiring, parse(DayPlanned, delivery.body), delivery)
            _check_source(wiring, asked.planned.data.source)
            logger.append_keys(date=asked.planned.data.date)
            asked.announce()
        else:
            request = _as_sent(parse(ExportRequested, delivery.body).data, delivery.group_id)
            _check_source(wiring, request.source)
            asked = Export(wiring, request, delivery)
            logger.append_keys(**log_keys(request))
            _measure_queue_age(record, wiring.clock())
            asked.advance()
    except ContractError as error:
        dead_letter(wiring, delivery, "contract", str(error))
    except WrongSourceError as error:
        dead_letter(wiring, delivery, "wrong_source", str(error))
    except NotFinishedError:
        wiring.erring.pop(delivery.group_id, None)
        raise
    except Exception as error:
        problem = problem_of(error)
        if problem.is_passing:
            logger.warning("met an error", detail=problem.message)
        else:
            logger.exception("met an unexpected error")
        if _is_tried_again(wiring, asked, delivery, problem):
            raise
        _end(wiring, asked, delivery, problem)
    else:
        wiring.erring.pop(delivery.group_id, None)
    finally:
        _flush_metrics(asked.request.lane if isinstance(asked, Export) else None)


def _is_tried_again(
    wiring: Wiring, asked: Export | DayEnd | None, delivery: Delivery, problem: patience.Problem
) -> bool:
    """Return whether a message that met an error is given back, to the head of its group."""
    now = wiring.clock()
    if isinstance(asked, DayEnd):
        return now - delivery.sent_at < patience.LONGEST_DAY
    message_id, since = wiring.erring.get(delivery.group_id, (None, now))
    if message_id != delivery.message_id:
        since = now
    wiring.erring[delivery.group_id] = delivery.message_id, since
    return patience.is_tried_again_at_the_head(
        problem, receive_count=delivery.receive_count, lasts=now - since, tries=delivery.tries
    )


def _end(
    wiring: Wiring, asked: Export | DayEnd | None, delivery: Delivery, problem: patience.Problem
) -> None:
    """Let the messages behind this one go on: send it to their end, or end it."""
    pause = patience.pause(problem, delivery.tries)
    if not isinstance(asked, Export):
        dead_letter(wiring, delivery, problem.reason, problem.message)
    elif asked.request.lane == "direct":
        asked.ask_slot()
    elif pause is None:
        asked.give_up(problem)
    else:
        asked.put_off(wiring.clock() + pause, delivery.tries + 1)
        metrics.add_metric("ExportsPutOff", MetricUnit.Count, 1)
    wiring.erring.pop(delivery.group_id, None)


def _check_source(wiring: Wiring, source: SourceName) -> None:
    """Make sure that a message is of the source that this exporter was deployed for.

    Raises:
        WrongSourceError: Its permissions, queue and ledger are another's.
    """
    objection = wiring.settings.objection(source)
    if objection is not None:
        raise WrongSourceError(f"asked for {objection}")


class _Typed(Message):
    """As much of any message as says what it is."""

    type: str | None = None


def _is_day(body: str) -> bool:
    try:
        return parse(_Typed, body).type == DayPlanned.TYPE
    except ContractError:
        return False  # whoever reads it as a request says what is wrong


def _as_sent(request: ExportRequestedData, group_id: str) -> ExportRequestedData:
    """Return a request as one for the slot when it was sent to the slot.

    A planner of the first release, which knows no other lane, sends what the ledger has for the
    direct lane there, and does not say so.
    """
    is_slots = group_id == request.source.slot
    return request.model_copy(update={"lane": "slot"}) if is_slots else request


def _measure_queue_age(record: "SQSRecord", now: datetime) -> None:
    """Measure how long a message was in the queue before anybody worked on it."""
    attributes = record.attributes
    goes_round = TRIES in (record.get("messageAttributes") or {})
    if attributes.approximate_receive_count == "1" and not goes_round:
        age_s = now.timestamp() - int(attributes.sent_timestamp) / 1000
        metrics.add_metric("QueueAgeSeconds", MetricUnit.Seconds, max(age_s, 0))


def _flush_metrics(lane: str | None) -> None:
    """Emit what one message was measured by, for its lane; a message that is none has no lane."""
    if metrics.metric_set:
        if lane is not None:
            metrics.add_dimension("lane", lane)
        metrics.flush_metrics()


def _give_back(
    wiring: Wiring, records: list[dict[str, Any]], first_error: BaseException | None
) -> None:
    """Let messages come back together, when the first of them should."""
    if isinstance(first_error, NotFinishedError):
        interval_s = first_error.interval_s
    else:
        receive_count = int(records[0]["attributes"]["ApproximateReceiveCount"])
        interval_s = waiting.error_interval_s(receive_count)
    handles = [record["receiptHandle"] for record in records]
    not_taken = wiring.queue.give_back(records[0]["eventSourceARN"], handles, interval_s)
    if not_taken:
        logger.warning("messages stay invisible for the queue's own time", problems=not_taken)


def _delivery(record: "SQSRecord", wait_until: datetime, work_until: datetime) -> Delivery:
    attributes, own = record.attributes, record.get("messageAttributes") or {}
    return Delivery(
        body=record.body,
        message_id=record.message_id,
        group_id=attributes.message_group_id or "",
        receive_count=int(attributes.approximate_receive_count),
        first_received_at=from_epoch_ms(int(attributes.approximate_first_receive_timestamp)),
        sent_at=from_epoch_ms(int(attributes.sent_timestamp)),
        wait_until=wait_until,
        work_until=work_until,
        is_redriven=DEAD_LETTER_REASON in own,
        tries=_number(own.get(TRIES, {}).get("stringValue")),
    )


def _number(text: str | None) -> int:
    """Return an attribute's number; 0 for what somebody else has put there."""
    return int(text) if text is not None and re.fullmatch("[0-9]{1,9}", text) else 0
