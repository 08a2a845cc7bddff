"""What Lambda invokes: a batch of SQS messages, or a sweep. Clients are made once, at first use."""

import os
import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from logferry_deliveries.calls import CLIENT_CONFIG
from sse_enforcer.delivery import process
from sse_enforcer.exports import WORKERS
from sse_enforcer.multipart import PART_WORKERS
from sse_enforcer.settings import Settings
from sse_enforcer.sweep.invocation import sweep_by
from sse_enforcer.sweep.pace import Pace
from sse_enforcer.sweep.report import SweepRequest
from sse_enforcer.wiring import Service, wire, wire_sweep

logger = Logger()


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


def sweep(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Go on with a sweep of the archive, or begin one.

    The event is a `SweepRequest`: ``{"run": "schedule"}``, or ``{"run": "now", "dry_run": true,
    "full": false, "report_key": "sweeps/....json", "limit_s": 20}``. The answer is the report so
    far, as `Report.answer` has it, or ``{"is_due": false}``.

    Raises:
        SettingsError: The environment is unusable.
        ValidationError: The event is no request.
        NotDoneError: The sweep could not go on. The next invocation does.
    """
    request = SweepRequest.model_validate(event)
    per_second = service().settings.sweep_objects_per_second
    pace = Pace(per_second, time.monotonic, time.sleep)
    wiring = wire_sweep(service(), _client("s3"), pace)
    return sweep_by(wiring, request, context.get_remaining_time_in_millis)


@cache
def service() -> Service:
    """Return the container's one service, made at its first invocation."""
    settings = Settings.from_env(os.environ)
    logger.append_keys(artifact=settings.artifact)
    return wire(settings, _client)


def _client(name: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # one overload for each service
        name,
        config=CLIENT_CONFIG.merge(Config(max_pool_connections=WORKERS * PART_WORKERS)),
    )
