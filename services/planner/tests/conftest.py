import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from moto.logs.responses import LogsResponse
from services.planner.tests.fakes import World

from devstack.pytest_backends import Backend
from planner import handler, telemetry

ARRIVAL_S = 5


@pytest.fixture
def take(backend: Backend) -> Callable[..., list[Any]]:
    """Takes everything from a queue: at least ``expected`` messages, which may be on their way."""
    sqs = backend.client("sqs")

    def taken(queue_url: str, *, expected: int = 0) -> list[Any]:
        messages: list[Any] = []
        while batch := sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=ARRIVAL_S if len(messages) < expected else 0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages"):
            messages += batch
            for message in batch:
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    return taken


@pytest.fixture
def bucket(backend: Backend) -> str:
    """A bucket of the backend's account: no other one of LocalStack has its name."""
    name = f"planner-{backend.account_id}"
    backend.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": backend.region}
    )
    return name


@pytest.fixture(autouse=True)
def _no_account_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto answer what it does not know: that an account has no retention policies."""
    monkeypatch.setattr(
        LogsResponse,
        "describe_account_policies",
        lambda _: json.dumps({"accountPolicies": []}),
        raising=False,
    )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """The planner among fakes."""
    world = World()
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    return world


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What is logged; the metrics go to stdout."""
    stream = StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", stream)
    return stream
