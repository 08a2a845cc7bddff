"""What Lambda invokes: a request by a schedule. Clients are made once, at first use."""

import json
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from logferry_contracts.recount_request import RecountRequest
from logferry_contracts.wire import parse
from logferry_deliveries.calls import CLIENT_CONFIG
from logferry_deliveries.errors import RetryError
from logferry_deliveries.metrics import emit
from recounter.aws.bucket import Bucket
from recounter.aws.control import Control
from recounter.aws.corrections import Corrections
from recounter.aws.requests import Requests
from recounter.aws.source_account import assume
from recounter.correcting import LONGEST_WAIT, Correcting
from recounter.metrics import DAMAGED
from recounter.recounting import Recounting
from recounter.settings import Settings
from recounter.turn import Turn

RESERVE_MS = 30_000
"""Nothing is begun with less time left: a page, or a look at a query, takes some."""
THREADS = 8
"""Of S3's calls: what one boto3 client does at once, by its own CPU time."""

logger = Logger()


def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """Have added what the archive lacks of the source, and count what is due.

    Args:
        event: A RecountRequest: ``{"specversion": "1.0", "type": "logferry.recount.requested.v1",
            "data": {}, ...}``.
        context: Says how much time is left.

    Raises:
        SettingsError: The environment is unusable.
        ContractError: The event is none.
        RetryError: Something could not be counted; the next invocation tries again.
    """
    parse(RecountRequest, json.dumps(event))
    counts: Counter[str] = Counter()
    errors: list[RetryError] = []
    settings, s3, *_ = _made()
    bucket = Bucket(s3, settings.control_bucket)
    try:
        with ThreadPoolExecutor(THREADS) as threads:
            turn = Turn(
                clock=lambda: datetime.now(UTC),
                has_time=lambda: context.get_remaining_time_in_millis() > RESERVE_MS,
                sleep=time.sleep,
                counts=counts,
                mapped=threads.map,
            )
            for work in (correcting(bucket), recounting(bucket)):
                try:
                    work.look(turn)
                except RetryError as error:
                    errors.append(error)
    finally:
        if bucket.damaged:
            counts[DAMAGED] = len(bucket.damaged)
        emit(counts)
    if errors:
        raise errors[0]


def correcting(bucket: Bucket) -> Correcting:
    """Return what has added what the archive lacks."""
    settings, *_, sqs = _made()
    return Correcting(
        control=Control(bucket, settings.source),
        corrections=Corrections(bucket, settings.source),
        requests=Requests(sqs, settings.source),
        source=settings.source.name,
        most_bytes=1_000_000 * settings.added_mb,
        stop_share=settings.stop_share,
        since=max(LONGEST_WAIT, settings.look_back),
    )


def recounting(bucket: Bucket) -> Recounting:
    """Return what counts: the session in the source's account is as old as an invocation."""
    settings, _, sts, sqs = _made()
    return Recounting(
        control=Control(bucket, settings.source),
        requests=Requests(sqs, settings.source),
        reach=lambda: assume(sts, settings.source),
        share=settings.share,
        lag=settings.lag,
        look_back=settings.look_back,
        open_after=settings.open_after,
        revisit_days=settings.revisit_days,
        revisit_share=settings.revisit_share,
        calls_per_second=settings.calls_per_second,
    )


@cache
def _made() -> tuple[Settings, Any, Any, Any]:
    """Return the container's settings and clients."""
    settings = Settings.from_env(os.environ)
    logger.append_keys(artifact=settings.artifact)
    return (
        settings,
        boto3.client("s3", config=CLIENT_CONFIG),
        boto3.client("sts", config=CLIENT_CONFIG),
        boto3.client("sqs", config=CLIENT_CONFIG),
    )
