"""Lambda entry point: messages of a source's FIFO queue in, what is to be redelivered out."""

import os
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from exporter import intake, waiting
from exporter.aws.archive import Archive
from exporter.aws.clients import CLIENT_CONFIG
from exporter.aws.ledger import Ledger
from exporter.aws.messages import Queue, Topic
from exporter.aws.source_account import SourceAccounts
from exporter.delivery import Delivery, Times
from exporter.errors import NotFinishedError
from exporter.settings import Settings
from exporter.telemetry import logger
from exporter.turns import Turn
from exporter.wiring import Wiring

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_s3 import S3Client

DIRECT_GROUP = ".direct"
"""What the message groups of the direct lane end in."""
_TIME_RESERVE = timedelta(seconds=15)
"""What an invocation keeps of its time when it waits: to look once more, list and publish.

A function with a shorter timeout than that still spends half of it on waiting.
"""


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
    times = _times(wiring, context)
    records: list[dict[str, Any]] = event["Records"]
    if all(_group(record).endswith(DIRECT_GROUP) for record in records):
        return _side_by_side(wiring, records, times)
    return _one_by_one(wiring, records, times)


def _one_by_one(
    wiring: Wiring, records: list[dict[str, Any]], times: Times
) -> "PartialItemFailureResponse":
    """Work on messages in their order, those of a group after one that is not done with left."""

    def work_on(record: "SQSRecord") -> None:
        intake.work_on(wiring, Delivery.of(record, times, Turn(wiring.sleep)))

    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    # A message that waits is the normal case, and no error of the function.
    processor.raise_on_entire_batch_failure = False
    with processor(records, work_on):
        processor.process()
    answer = processor.response()
    given_back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    failed = [record for record in records if record["messageId"] in given_back]
    by_group: dict[str, list[tuple[dict[str, Any], BaseException | None]]] = {}
    for record, (_, error, _) in zip(failed, processor.exceptions, strict=True):
        by_group.setdefault(_group(record), []).append((record, error))
    for of_group in by_group.values():
        _give_back(wiring, [record for record, _ in of_group], of_group[0][1])
    return answer


def _side_by_side(
    wiring: Wiring, records: list[dict[str, Any]], times: Times
) -> "PartialItemFailureResponse":
    """Work on messages of the direct lane at once: none of them waits for another's end."""
    first, todo, failed = Turn(wiring.sleep), deque(records), dict[str, BaseException]()

    def work_on_next() -> None:
        with first.next() as turn:
            record = todo.popleft()  # whose turn it is, not who was begun first
            try:
                intake.work_on(wiring, Delivery.of(SQSRecord(record), times, turn))
            except Exception as error:  # noqa: BLE001  (logged, and given back below)
                failed[record["messageId"]] = error

    wiring.together([work_on_next] * len(records))
    given_back = [record for record in records if record["messageId"] in failed]
    for record in given_back:
        _give_back(wiring, [record], failed[record["messageId"]])
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in given_back]}


def _group(record: dict[str, Any]) -> str:
    """Return a message's group; what was sent by hand may have none."""
    return str(record["attributes"].get("MessageGroupId", ""))


def _times(wiring: Wiring, context: "LambdaContext") -> Times:
    """Return until when an invocation may wait for tasks, and until when it may work."""
    remaining = timedelta(milliseconds=context.get_remaining_time_in_millis())
    left = remaining - min(_TIME_RESERVE, remaining / 2)
    longest = timedelta(seconds=wiring.settings.wait_in_invocation_s)
    now = wiring.clock()
    return Times(now, now + min(left, longest), now + left)


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
