"""What Lambda invokes: a batch of SQS messages. Clients are made once, at first use."""

import os
import secrets
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from sealer.aws.calls import CLIENT_CONFIG
from sealer.delivery import process
from sealer.settings import Settings
from sealer.wiring import Service, wire

SALT_BYTES = 16

logger = Logger()


def handle(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Deal with a batch of messages.

    Each body is an event in JSON, such as ``{"specversion": "1.0", "type":
    "logferry.export.completed.v1", "data": {...}}``. The answer is ``{"batchItemFailures":
    [{"itemIdentifier": "<message id>"}]}``: those go back to the queue, all others are done.

    Raises:
        SettingsError: The environment is unusable.
    """
    return process(service(), event, context)


@cache
def service() -> Service:
    """Return the container's one service, made at its first invocation."""
    settings = Settings.from_env(os.environ)
    logger.append_keys(artifact=settings.artifact)
    return wire(settings, _client, _salt, Path(tempfile.mkdtemp(prefix="sealer-")))


def _client(name: str) -> Any:
    return boto3.client(name, config=CLIENT_CONFIG)  # type: ignore[call-overload]  # one for each service


def _salt() -> str:
    return secrets.token_hex(SALT_BYTES)
