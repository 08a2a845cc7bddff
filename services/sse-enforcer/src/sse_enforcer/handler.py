"""The Lambda function: a batch of SQS messages in, the ids of those to be redelivered out."""

import json
import os
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

from logferry_contracts.export_completed import ExportCompleted, ExportCompletedData
from logferry_contracts.object_created import ObjectCreated, ObjectCreatedDetail
from logferry_contracts.wire import ContractError, parse
from sse_enforcer.aws import (
    Archive,
    ControlBucket,
    DeadLetters,
    Holds,
    KmsKeyParameter,
    Removals,
    Topic,
)
from sse_enforcer.enforcer import COPIED_BYTES, LEFT_ALONE, Enforcer, Wanted
from sse_enforcer.errors import KmsKeyError, OutOfTimeError, RefusedError
from sse_enforcer.exports import WORKERS, Exports
from sse_enforcer.layout import Kind, kind
from sse_enforcer.settings import Hold, Settings

TIME_RESERVE_MS = 20_000
"""No object is begun with less time left. One takes a handful of calls of some milliseconds each;
if a long copy is cut off all the same, the next attempt goes on from there."""

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
    dead_letters: DeadLetters
    key: KmsKeyParameter


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message as it was delivered this time.

    Attributes:
        is_first: Whether nobody has received it before, so that no earlier attempt can have
            changed something and died before it said so.
        has_time: Whether there is time to begin something.
    """

    body: str
    is_first: bool
    now: datetime
    has_time: Callable[[], bool]


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


def process(
    service: Service, event: dict[str, Any], context: LambdaContext
) -> PartialItemFailureResponse:
    """Deal with a batch of messages by means of ``service``."""
    counts: Counter[str] = Counter()

    def deal_with(record: SQSRecord) -> None:
        delivery = Delivery(
            body=record.body,
            is_first=record.attributes.approximate_receive_count == "1",
            now=datetime.now(UTC),
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


@cache
def service() -> Service:
    """Return the container's one service, made at its first invocation."""
    return wire(Settings.from_env(os.environ), _client)


def wire(settings: Settings, client: Callable[[str], Any]) -> Service:
    """Put the service together; ``client`` makes the client of an AWS service."""
    s3 = client("s3")
    archive = Archive(s3, settings.archive_bucket)
    holds = Holds(s3, settings.archive_bucket)
    removals = Removals(s3, settings.archive_bucket)
    control = ControlBucket(s3, settings.control_bucket)
    topic = Topic(client("sns"), settings.topic_arn)
    enforcer = Enforcer(archive, holds, removals, control)
    return Service(
        settings=settings,
        enforcer=enforcer,
        exports=Exports(
            enforcer=enforcer,
            control=control,
            topic=topic,
            archive_bucket=settings.archive_bucket,
        ),
        topic=topic,
        dead_letters=DeadLetters(client("sqs"), settings.dead_letter_queue_url),
        key=KmsKeyParameter(
            client("ssm"), settings.kms_key_parameter, settings.kms_key_ttl_seconds
        ),
    )


def _client(name: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # one overload for each service
        name,
        config=Config(
            retries={"mode": "standard", "max_attempts": 5},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=WORKERS,
        ),
    )


def _deal_with(service: Service, delivery: Delivery, counts: Counter[str]) -> None:
    """Deal with one message: it is done when this returns and comes back when it raises."""
    try:
        _dispatch(service, delivery, counts)
    except RefusedError as error:
        _dead_letter(service, delivery, error.reason, error.detail, counts)
    except ContractError as error:
        _dead_letter(service, delivery, "contract", str(error), counts)
    except OutOfTimeError as error:
        logger.info("message returned", reason=str(error))
        raise
    except KmsKeyError:
        counts[KEY_PROBLEM] += 1
        logger.exception("message returned: no key to encrypt with")
        raise
    except Exception:
        logger.exception("message returned")
        raise


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
    key, version_id = created.object.key, created.object.version_id
    what = kind(key)
    if what is Kind.UNKNOWN:
        logger.info("left alone: not in the archive's layout")
        counts[LEFT_ALONE] += 1
        return
    if version_id is None:
        raise RefusedError("not_versioned", f"{key} has no version id: nothing is safe to change")
    if what is Kind.WRITE_TEST:
        counts.update(service.enforcer.remove_write_test(key, version_id, delivery.now))
        return
    secured = service.enforcer.secure(
        key,
        version_id,
        Wanted(
            key_arn=service.key.key_arn(),
            hold=service.settings.hold is Hold.ON_CREATION,
            may_copy=created.reason != "CopyObject",
            now=delivery.now,
        ),
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
        key_arn=service.key.key_arn(),
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
        return json.loads(body)
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
