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
from logferry_contracts.export_completed import ExportCompleted, ExportCompletedData
from logferry_contracts.object_created import ObjectCreated, ObjectCreatedDetail
from logferry_contracts.wire import ContractError, parse
from sse_enforcer.errors import (
    AwsError,
    CopyUnderWayError,
    KmsKeyError,
    OutOfTimeError,
    RefusedError,
    RetryError,
)
from sse_enforcer.layout import Kind, kind
from sse_enforcer.metrics import KEY_PROBLEM, LEFT_ALONE, REFUSED, emit
from sse_enforcer.settings import Hold
from sse_enforcer.verdict import NULL_VERSION, Wanted
from sse_enforcer.wiring import Service

TIME_RESERVE_MS = 20_000
"""No object, and no part of one, is begun with less time left. Most take some calls of a few
milliseconds each; if a long copy is cut off all the same, the next attempt goes on from there."""

FIRST_PAUSE_S = 30
LONGEST_PAUSE_S = 3 * 60 * 60
"""After a failed attempt, doubling with each: 20 of them take a day and a half."""

MAX_RECEIVES = 20
"""The queue's ``maxReceiveCount``: after so many, SQS moves a message itself, and says no reason.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html"""

MAYBE_COPIED = frozenset({"CopyObject", "CompleteMultipartUpload"})
"""The reasons of Object Created by which a copy of ours may have come.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message as it was delivered this time.

    Attributes:
        receipt_handle: What SQS knows this delivery by.
        receive_count: How often it was delivered, this time included.
        has_time: Whether there is time to begin something.
    """

    body: str
    receipt_handle: str
    receive_count: int
    now: datetime
    has_time: Callable[[], bool]

    @property
    def is_first(self) -> bool:
        """Whether no earlier attempt can have changed something and died before it said so."""
        return self.receive_count == 1


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

    def deal_with(record: SQSRecord) -> None:
        delivery = Delivery(
            body=record.body,
            receipt_handle=record.receipt_handle,
            receive_count=int(record.attributes.approximate_receive_count),
            now=clock(),
            has_time=lambda: context.get_remaining_time_in_millis() > TIME_RESERVE_MS,
        )
        _deal_with(service, delivery, counts)

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    try:
        with processor(event["Records"], deal_with):
            processor.process()
    finally:
        emit(counts)
    return processor.response()


def _deal_with(service: Service, delivery: Delivery, counts: Counter[str]) -> None:
    """Deal with one message: it is done when this returns and comes back when it raises."""
    try:
        _dispatch(service, delivery, counts)
    except RefusedError as error:
        _dead_letter(service, delivery, error.reason, error.detail, counts)
    except ContractError as error:
        _dead_letter(service, delivery, "contract", str(error), counts)
    except (OutOfTimeError, CopyUnderWayError) as error:
        logger.info("message returned", reason=str(error))
        if not _is_ended(service, delivery, error.reason, str(error), counts):
            _give_back(service, delivery, error.pause_s)
            raise
    except RetryError as error:
        if isinstance(error, KmsKeyError):
            counts[KEY_PROBLEM] += 1
        logger.exception("message returned", reason=str(error))
        if not _is_ended(service, delivery, error.reason, str(error), counts):
            _give_back(service, delivery, error.pause_s)
            raise
    except Exception as error:
        logger.exception("message returned")
        detail = f"{type(error).__name__}: {error}"
        if not _is_ended(service, delivery, "unexpected_error", detail, counts):
            _give_back(service, delivery)
            raise


def _is_ended(
    service: Service, delivery: Delivery, reason: str, detail: str, counts: Counter[str]
) -> bool:
    """Make the message a dead letter if this was its last attempt: SQS would not say why."""
    if delivery.receive_count < MAX_RECEIVES:
        return False
    _dead_letter(service, delivery, reason, detail, counts)
    return True


def pause_s(receive_count: int) -> int:
    """Return how long a message waits after it failed for the ``receive_count``-th time."""
    doublings = min(receive_count - 1, LONGEST_PAUSE_S.bit_length())
    return min(FIRST_PAUSE_S << doublings, LONGEST_PAUSE_S)


def _give_back(service: Service, delivery: Delivery, after_s: int | None = None) -> None:
    """Say when the message is to be tried again; if that fails, the queue's own time counts."""
    try:
        service.queue.give_back(
            delivery.receipt_handle,
            pause_s(delivery.receive_count) if after_s is None else after_s,
        )
    except AwsError as error:
        logger.warning("pause not set", reason=str(error))


def _dispatch(service: Service, delivery: Delivery, counts: Counter[str]) -> None:
    if not delivery.has_time():
        raise OutOfTimeError("the invocation's time is up")
    match _fields(delivery.body):
        case {"detail-type": _}:
            created = parse(ObjectCreated, delivery.body).detail
            with logger.append_context_keys(
                bucket=created.bucket.name,
                object_key=created.object.key,
                version_id=created.object.version_id,
            ):
                _object_created(service, created, delivery, counts)
        case {"specversion": _}:
            completed = parse(ExportCompleted, delivery.body).data
            with logger.append_context_keys(
                bucket=completed.destination.bucket, export_id=completed.export_id
            ):
                _export_completed(service, completed, delivery, counts)
        case _:
            raise RefusedError("contract", "neither an EventBridge event nor a CloudEvent in JSON")


def _object_created(
    service: Service, created: ObjectCreatedDetail, delivery: Delivery, counts: Counter[str]
) -> None:
    _check_bucket(service, created.bucket.name)
    key, version_id = created.object.key, created.object.version_id or NULL_VERSION
    what = kind(key)
    if what is Kind.SEAL:
        return
    if what is Kind.UNKNOWN:
        logger.info("left alone: not in the archive's layout")
        counts[LEFT_ALONE] += 1
        return
    if what is Kind.WRITE_TEST:
        counts.update(service.enforcer.remove_write_test(key, version_id, delivery.now))
        return
    secured = service.enforcer.secure(
        key,
        version_id,
        Wanted(
            key_arn=service.key.key_arn(key),
            hold=service.settings.hold is Hold.ON_CREATION,
            may_copy=created.reason not in MAYBE_COPIED,
            now=delivery.now,
        ),
        has_time=delivery.has_time,
    )
    if secured is None:
        logger.info("gone")
        return
    counts.update(secured.counts)
    if secured.is_changed or not delivery.is_first:
        service.topic.publish(secured.event(service.settings.archive_bucket, None, delivery.now))


def _export_completed(
    service: Service, completed: ExportCompletedData, delivery: Delivery, counts: Counter[str]
) -> None:
    _check_bucket(service, completed.destination.bucket)
    wanted = Wanted(
        key_arn=service.key.key_arn(f"{completed.destination.prefix}/"),
        hold=service.settings.hold is not Hold.OFF,
        may_copy=True,
        now=delivery.now,
    )
    service.exports.secure(completed, wanted, has_time=delivery.has_time, counts=counts)


def _check_bucket(service: Service, bucket: str) -> None:
    if bucket != service.settings.archive_bucket:
        raise RefusedError(
            "wrong_bucket", f"{bucket} is not the archive, {service.settings.archive_bucket}"
        )


def _fields(body: str) -> Any:
    try:
        return json_text.read(body)
    except ValueError:
        return None


def _dead_letter(
    service: Service, delivery: Delivery, reason: str, detail: str, counts: Counter[str]
) -> None:
    try:
        service.dead_letters.send(delivery.body, reason=reason, detail=detail)
    except Exception:
        logger.exception("not dead-lettered", reason=reason, detail=detail)
        raise
    counts[REFUSED] += 1
    logger.error("dead-lettered", reason=reason, detail=detail)
