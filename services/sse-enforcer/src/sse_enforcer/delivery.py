"""One message as it was delivered: what kind it is, and what is done about it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from logferry_contracts import json_text
from logferry_contracts.export_completed import ExportCompleted, ExportCompletedData
from logferry_contracts.object_created import ObjectCreated, ObjectCreatedDetail
from logferry_contracts.wire import parse
from logferry_deliveries.delivery import Consumer, Delivery, utc_now, work_off
from logferry_deliveries.errors import KmsKeyError, RefusedError
from sse_enforcer.layout import Kind, kind
from sse_enforcer.metrics import KEY_PROBLEM, LEFT_ALONE, REFUSED
from sse_enforcer.settings import Hold
from sse_enforcer.verdict import NULL_VERSION, Wanted
from sse_enforcer.wiring import Service

MAYBE_COPIED = frozenset({"CopyObject", "CompleteMultipartUpload"})
"""The reasons of Object Created by which a copy of ours may have come.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

logger = Logger()


def process(
    service: Service,
    event: dict[str, Any],
    context: LambdaContext,
    clock: Callable[[], datetime] = utc_now,
) -> PartialItemFailureResponse:
    """Deal with a batch of messages by means of ``service``."""

    def deal_with(delivery: Delivery) -> None:
        try:
            _dispatch(service, delivery)
        except KmsKeyError:
            delivery.counts[KEY_PROBLEM] += 1
            raise

    consumer = Consumer(
        deal_with=deal_with,
        queue=service.queue,
        dead_letters=service.dead_letters,
        dead_metric=REFUSED,
    )
    return work_off(consumer, event, context, clock)


def _dispatch(service: Service, delivery: Delivery) -> None:
    delivery.check_time()
    match _fields(delivery.body):
        case {"detail-type": _}:
            created = parse(ObjectCreated, delivery.body).detail
            with logger.append_context_keys(
                bucket=created.bucket.name,
                object_key=created.object.key,
                version_id=created.object.version_id,
            ):
                _object_created(service, created, delivery)
        case {"specversion": _}:
            completed = parse(ExportCompleted, delivery.body).data
            with logger.append_context_keys(
                bucket=completed.destination.bucket, export_id=completed.export_id
            ):
                _export_completed(service, completed, delivery)
        case _:
            raise RefusedError("contract", "neither an EventBridge event nor a CloudEvent in JSON")


def _object_created(service: Service, created: ObjectCreatedDetail, delivery: Delivery) -> None:
    _check_bucket(service, created.bucket.name)
    key, version_id = created.object.key, created.object.version_id or NULL_VERSION
    what = kind(key)
    if what is Kind.SEAL:
        return
    if what is Kind.UNKNOWN:
        logger.info("left alone: not in the archive's layout")
        delivery.counts[LEFT_ALONE] += 1
        return
    if what is Kind.WRITE_TEST:
        delivery.counts.update(service.enforcer.remove_write_test(key, version_id, delivery.now))
        return
    secured = service.enforcer.secure(
        key,
        version_id,
        Wanted(
            key_arn=service.key.key_arn(key),
            hold=service.settings.hold is Hold.ON_CREATION,
            may_copy=created.reason not in MAYBE_COPIED,
            now=delivery.now,
            unless_disposed=True,
        ),
        has_time=delivery.has_time,
    )
    if secured is None:
        logger.info("gone")
        return
    delivery.counts.update(secured.counts)
    if secured.is_changed or not delivery.is_first:
        service.topic.publish(secured.event(service.settings.archive_bucket, None, delivery.now))


def _export_completed(service: Service, completed: ExportCompletedData, delivery: Delivery) -> None:
    _check_bucket(service, completed.destination.bucket)
    wanted = Wanted(
        key_arn=service.key.key_arn(f"{completed.destination.prefix}/"),
        hold=service.settings.hold is not Hold.OFF,
        may_copy=True,
        now=delivery.now,
    )
    service.exports.secure(completed, wanted, has_time=delivery.has_time, counts=delivery.counts)


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
