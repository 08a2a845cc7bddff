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

from logferry_contracts.wire import ContractError
from logferry_deliveries.errors import AwsError, OutOfTimeError, RefusedError, RetryError
from logferry_deliveries.metrics import emit
from logferry_deliveries.queues import DeadLetters, Queue

TIME_RESERVE_S = 20
"""Nothing is begun with less time left: to end it, or to note how far it got, takes some."""

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
        now: When it was begun to be dealt with.
        left_s: How much of the invocation's time is left.
        counts: What is done, by metric, also where an error ends it.
    """

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    now: datetime
    left_s: Callable[[], float]
    counts: Counter[str]

    @property
    def is_first(self) -> bool:
        """Whether no earlier attempt can have changed something and died before it said so."""
        return self.receive_count == 1

    def has_time(self, needed_s: float = 0) -> bool:
        """Whether there is time to begin something that takes ``needed_s``."""
        return self.left_s() > TIME_RESERVE_S + needed_s

    def check_time(self) -> None:
        """Make sure that there is time to begin at all.

        Raises:
            OutOfTimeError: There is none.
        """
        if not self.has_time():
            raise OutOfTimeError("the invocation's time is up")


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """How a service works its queue off.

    Attributes:
        deal_with: Deals with one message, which is done when this returns. By what it raises the
            message comes back or becomes a dead letter: `logferry_deliveries.errors`.
        dead_metric: What a dead letter counts as.
    """

    deal_with: Callable[[Delivery], None]
    queue: Queue
    dead_letters: DeadLetters
    dead_metric: str


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def work_off(
    consumer: Consumer,
    event: dict[str, Any],
    context: LambdaContext,
    clock: Callable[[], datetime] = utc_now,
) -> PartialItemFailureResponse:
    """Deal with a batch of messages; returns those that come back, as Lambda wants it."""
    counts: Counter[str] = Counter()

    def deal_with(record: SQSRecord) -> None:
        delivery = Delivery(
            id=record.message_id,
            body=record.body,
            receipt_handle=record.receipt_handle,
            receive_count=int(record.attributes.approximate_receive_count),
            now=clock(),
            left_s=lambda: context.get_remaining_time_in_millis() / 1000,
            counts=counts,
        )
        _deal_with(consumer, delivery)

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


def _deal_with(consumer: Consumer, delivery: Delivery) -> None:
    """Deal with one message: it is done when this returns and comes back when it raises."""
    try:
        consumer.deal_with(delivery)
    except RefusedError as error:
        _dead_letter(consumer, delivery, error.reason, error.detail)
    except ContractError as error:
        _dead_letter(consumer, delivery, "contract", str(error))
    except RetryError as error:
        (logger.info if error.is_usual else logger.exception)("message returned", reason=str(error))
        if not _is_ended(consumer, delivery, error.reason, str(error)):
            _give_back(consumer, delivery, error.pause_s)
            raise
    except Exception as error:
        logger.exception("message returned")
        detail = f"{type(error).__name__}: {error}"
        if not _is_ended(consumer, delivery, "unexpected_error", detail):
            _give_back(consumer, delivery)
            raise


def _is_ended(consumer: Consumer, delivery: Delivery, reason: str, detail: str) -> bool:
    """Make the message a dead letter if this was its last attempt: SQS would not say why."""
    if delivery.receive_count < MAX_RECEIVES:
        return False
    _dead_letter(consumer, delivery, reason, detail)
    return True


def _give_back(consumer: Consumer, delivery: Delivery, after_s: int | None = None) -> None:
    """Say when the message is to be tried again; if that fails, the queue's own time counts."""
    wait_s = pause_s(delivery.receive_count) if after_s is None else after_s
    try:
        consumer.queue.give_back(delivery.receipt_handle, wait_s)
    except AwsError as error:
        logger.warning("pause not set", reason=str(error))


def _dead_letter(consumer: Consumer, delivery: Delivery, reason: str, detail: str) -> None:
    try:
        consumer.dead_letters.send(delivery.body, reason=reason, detail=detail)
    except Exception:
        logger.exception("not dead-lettered", reason=reason, detail=detail)
        raise
    delivery.counts[consumer.dead_metric] += 1
    logger.error("dead-lettered", reason=reason, detail=detail)
