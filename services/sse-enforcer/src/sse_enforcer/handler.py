"""The Lambda function: a batch of SQS messages in, the ids of those to be redelivered out."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from logferry_contracts import json_text
from logferry_contracts.export_completed import ExportCompleted, ExportCompletedData
from logferry_contracts.object_created import ObjectCreated, ObjectCreatedDetail
from logferry_contracts.wire import ContractError, parse
from sse_enforcer.archive_key import KeyScheme
from sse_enforcer.aws import (
    CLIENT_CONFIG,
    Archive,
    ControlBucket,
    DeadLetters,
    Holds,
    KmsKeys,
    Listing,
    Queue,
    Removals,
    Reports,
    Topic,
)
from sse_enforcer.enforcer import COPIED_BYTES, LEFT_ALONE, Copies, Enforcer
from sse_enforcer.errors import (
    AwsError,
    CopyUnderWayError,
    KmsKeyError,
    OutOfTimeError,
    RefusedError,
    RetryError,
)
from sse_enforcer.exports import WORKERS, Exports
from sse_enforcer.layout import Kind, kind
from sse_enforcer.multipart import PART_WORKERS
from sse_enforcer.pace import Pace
from sse_enforcer.report import SweepRequest
from sse_enforcer.settings import Hold, Settings
from sse_enforcer.sweep import sweep as go_on_with_sweep
from sse_enforcer.sweep_slice import Time
from sse_enforcer.sweep_slice import Wiring as SweepWiring
from sse_enforcer.verdict import NULL_VERSION, Wanted

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

SWEEP_RESERVE_MS = 120_000
"""No object of a sweep is begun with less time left; its report is stored in it, too."""

REFUSED = "Refused"
KEY_PROBLEM = "KeyProblem"

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that messages are dealt with by."""

    settings: Settings
    enforcer: Enforcer
    exports: Exports
    topic: Topic
    queue: Queue
    dead_letters: DeadLetters
    key: KmsKeys


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


def handle(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Deal with a batch of messages.

    Each body is an EventBridge event ``{"detail-type": "Object Created", "source": "aws.s3",
    "detail": {...}}`` or an ExportCompleted ``{"specversion": "1.0", "type":
    "logferry.export.completed.v1", "data": {...}}``. The answer is ``{"batchItemFailures":
    [{"itemIdentifier": "<message id>"}]}``: those go back to the queue, all others are done.

    Raises:
        SettingsError: The environment is unusable.
    """
    return process(service(), event, context)


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
        _emit(counts)
    return processor.response()


def sweep(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Go on with a sweep of the archive, or begin one.

    The event is a `SweepRequest`: ``{"run": "schedule"}``, or ``{"run": "now", "dry_run": true,
    "full": false, "report_key": "sweeps/....json", "limit_s": 20}``. The answer is the report so
    far, as `Report.answer` has it, or ``{"is_due": false}``.

    Raises:
        SettingsError: The environment is unusable.
        ValidationError: The event is no request.
        EnforcerError: The sweep could not go on. The next invocation does.
    """
    request = SweepRequest.model_validate(event)
    per_second = service().settings.sweep_objects_per_second
    pace = Pace(per_second, time.monotonic, time.sleep)
    wiring = sweep_wiring(service(), _client("s3"), pace)
    return sweep_by(wiring, request, context.get_remaining_time_in_millis)


def sweep_by(
    wiring: SweepWiring, request: SweepRequest, remaining_ms: Callable[[], int]
) -> dict[str, Any]:
    """Go on with a sweep, or begin one, by means of ``wiring``."""
    counts: Counter[str] = Counter()
    limit_ms = SWEEP_RESERVE_MS
    if request.limit_s is not None:
        limit_ms = max(limit_ms, remaining_ms() - request.limit_s * 1000)
    limits = Time(
        is_enough=lambda: remaining_ms() > limit_ms,
        is_left=lambda: remaining_ms() > SWEEP_RESERVE_MS,
    )
    try:
        report = go_on_with_sweep(
            wiring, request, now=datetime.now(UTC), time=limits, counts=counts
        )
    except KmsKeyError:
        counts[KEY_PROBLEM] += 1
        raise
    finally:
        _emit(counts)
    return {"is_due": False} if report is None else report.answer()


@cache
def service() -> Service:
    """Return the container's one service, made at its first invocation."""
    settings = Settings.from_env(os.environ)
    logger.append_keys(artifact=settings.artifact)
    return wire(settings, _client)


def wire(settings: Settings, client: Callable[[str], Any]) -> Service:
    """Put the service together; ``client`` makes the client of an AWS service."""
    s3 = client("s3")
    archive = Archive(s3, settings.archive_bucket)
    holds = Holds(s3, settings.archive_bucket)
    removals = Removals(s3, settings.archive_bucket)
    control = ControlBucket(s3, settings.control_bucket)
    topic = Topic(client("sns"), settings.topic_arn)
    copies = Copies(limit_bytes=settings.copy_limit_bytes, part_bytes=settings.copy_part_bytes)
    enforcer = Enforcer(archive, holds, removals, control, copies)
    key = KmsKeys(
        client("ssm"),
        client("kms"),
        KeyScheme(
            parameter=settings.kms_key_parameter,
            account_id=settings.account_id,
            region=settings.region,
        ),
        settings.kms_key_ttl_seconds,
    )
    sqs = client("sqs")
    return Service(
        settings=settings,
        enforcer=enforcer,
        exports=Exports(
            enforcer=enforcer,
            control=control,
            topic=topic,
            key=key,
            archive_bucket=settings.archive_bucket,
        ),
        topic=topic,
        queue=Queue(sqs, settings.queue_url),
        dead_letters=DeadLetters(sqs, settings.dead_letter_queue_url),
        key=key,
    )


def sweep_wiring(service: Service, s3: Any, pace: Pace) -> SweepWiring:
    """Put together what one invocation of a sweep works with."""
    settings = service.settings
    return SweepWiring(
        settings=settings,
        archive=Archive(s3, settings.archive_bucket),
        enforcer=service.enforcer,
        exports=service.exports,
        control=ControlBucket(s3, settings.control_bucket),
        topic=service.topic,
        keys=service.key,
        listing=Listing(s3, settings.archive_bucket, settings.control_bucket),
        reports=Reports(s3, settings.control_bucket),
        turn=pace.take,
    )


def _client(name: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # one overload for each service
        name,
        config=CLIENT_CONFIG.merge(Config(max_pool_connections=WORKERS * PART_WORKERS)),
    )


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
    service.dead_letters.send(delivery.body, reason=reason, detail=detail)
    counts[REFUSED] += 1
    logger.error("dead-lettered", reason=reason, detail=detail)


def _emit(counts: Counter[str]) -> None:
    metrics = Metrics()
    for name, value in counts.items():
        unit = MetricUnit.Bytes if name == COPIED_BYTES else MetricUnit.Count
        metrics.add_metric(name, unit, value)
    if counts:
        metrics.flush_metrics()
