"""Lambda entry point: messages of a source's FIFO queue in, what is to be redelivered out."""

import os
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor

from exporter import waiting
from exporter.aws import CLIENT_CONFIG, Archive, Ledger, Queue, SourceAccounts, Topic
from exporter.errors import NotFinishedError, TransientError
from exporter.export import Delivery, Export, Wiring, dead_letter, logger, metrics
from exporter.settings import Settings
from logferry_contracts.export_requested import ExportRequested
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

_EXPORT_KEYS = ("export_id", "log_group", "generation", "task_id")
"""What log lines carry of one export, and must not of the next."""


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
    """Take the export of each message one step forward.

    Args:
        event: ``{"Records": [{"messageId", "receiptHandle", "body": an ExportRequested,
            "attributes": {"ApproximateReceiveCount", "MessageGroupId", ...}}, ...]}``
        context: Says how much time is left.

    Returns:
        ``{"batchItemFailures": [{"itemIdentifier": <messageId>}, ...]}``: the first message that
        is not done with, and all after it, so that none overtakes another.
    """
    try:
        return work(_wiring(), event, context)
    finally:
        if metrics.metric_set:
            metrics.flush_metrics()


def work(
    wiring: Wiring, event: dict[str, Any], context: "LambdaContext"
) -> "PartialItemFailureResponse":
    """Work on a batch of messages, and say when the rest is to come back."""
    remaining = timedelta(milliseconds=context.get_remaining_time_in_millis())
    left = remaining - min(_TIME_RESERVE, remaining / 2)
    longest = timedelta(seconds=wiring.settings.wait_in_invocation_s)
    wait_until = wiring.clock() + min(left, longest)
    processor = SqsFifoPartialProcessor()
    # A message that waits is the normal case, and no error of the function.
    processor.raise_on_entire_batch_failure = False
    with processor(event["Records"], lambda record: _work_on(wiring, record, wait_until)):
        processor.process()
    answer = processor.response()
    if answer["batchItemFailures"]:
        given_back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        _give_back(
            wiring,
            [record for record in event["Records"] if record["messageId"] in given_back],
            processor.exceptions[0][1],
        )
    return answer


def _work_on(wiring: Wiring, record: "SQSRecord", wait_until: datetime) -> None:
    delivery = _delivery(record, wait_until)
    logger.remove_keys(_EXPORT_KEYS)
    logger.append_keys(message_id=delivery.message_id)
    try:
        request = parse(ExportRequested, delivery.body).data
        logger.append_keys(
            export_id=request.export_id,
            log_group=request.log_group.name,
            generation=request.generation,
        )
        Export(wiring, request, delivery).advance()
    except ContractError as error:
        dead_letter(wiring, delivery, "contract", str(error))
    except NotFinishedError:
        raise
    except TransientError as error:
        logger.warning("given back", detail=str(error))
        raise
    except Exception:
        logger.exception("given back after an unexpected error")
        raise


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
    not_taken = wiring.queue.give_back(handles, interval_s)
    if not_taken:
        logger.warning("messages stay invisible for the queue's own time", problems=not_taken)


def _delivery(record: "SQSRecord", wait_until: datetime) -> Delivery:
    attributes = record.attributes
    first_received_ms = int(attributes.approximate_first_receive_timestamp)
    return Delivery(
        body=record.body,
        message_id=record.message_id,
        group_id=attributes.message_group_id or "",
        receive_count=int(attributes.approximate_receive_count),
        first_received_at=datetime.fromtimestamp(first_received_ms / 1000, UTC),
        wait_until=wait_until,
    )
