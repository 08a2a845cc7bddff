"""What several tests on LocalStack need: functions made of a few lines, and waiting."""

import io
import json
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

ROLE = "arn:aws:iam::{account}:role/any"


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """Calls a function until its result is true, and returns that."""

    def wait_for(ask: Callable[[], Any], limit_s: float = 60) -> Any:
        deadline = time.monotonic() + limit_s
        while not (found := ask()):
            assert time.monotonic() < deadline, f"still {found!r} after {limit_s} s"
            time.sleep(0.05)
        return found

    return wait_for


@pytest.fixture
def seed(localstack: str, account: str) -> Callable[..., dict[str, int]]:
    """Makes log groups with a past, and returns how many of what there are."""

    def seed(*log_groups: dict[str, Any]) -> dict[str, int]:
        document = {"account": account, "region": "eu-west-1", "log_groups": log_groups}
        request = urllib.request.Request(  # noqa: S310
            f"{localstack}/_devstack/logs",
            json.dumps(document).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - a loopback address
            counts: dict[str, int] = json.load(answer)
            return counts

    return seed


@pytest.fixture
def zipped() -> Callable[[dict[str, str]], bytes]:
    """Makes a zip of texts by their file names: the same bytes of the same texts."""

    def zipped(files: dict[str, str]) -> bytes:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as content:
            for name, text in files.items():
                content.writestr(zipfile.ZipInfo(name), text)
        return archive.getvalue()

    return zipped


@pytest.fixture
def deploy(
    aws: Callable[..., Any], account: str, zipped: Callable[[dict[str, str]], bytes]
) -> Iterator[Callable[..., str]]:
    """Makes a Lambda function of the source of its module and other files, and returns its name."""
    client, names = aws("lambda"), []

    def deploy(source: str, *, files: Mapping[str, str] = {}, **parameters: Any) -> str:
        name = f"test-{uuid4().hex[:8]}"
        parameters = {"Runtime": "python3.13", "Timeout": 10} | parameters
        client.create_function(
            FunctionName=name,
            Handler="app.handler",
            Role=ROLE.format(account=account),
            Code={"ZipFile": zipped({"app.py": source, **files})},
            **parameters,
        )
        names.append(name)
        client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )
        return name

    yield deploy
    for name in names:
        # Or the test has deleted it.
        with suppress(client.exceptions.ResourceNotFoundException):
            client.delete_function(FunctionName=name)


class Queue:
    """An SQS queue."""

    def __init__(self, client: Any, url: str, arn: str) -> None:
        self._client = client
        self.url = url
        self.arn = arn

    def take(self) -> list[dict[str, Any]]:
        """Takes the messages that are in it now."""
        found: list[dict[str, Any]] = self._client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        for message in found:
            self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def take_bodies(self) -> list[str]:
        """Takes the messages that are in it now: their bodies."""
        return [message["Body"] for message in self.take()]


@pytest.fixture
def queue(aws: Callable[..., Any], account: str) -> Callable[..., Queue]:
    """Makes a queue with attributes."""
    client = aws("sqs")

    def queue(**attributes: str) -> Queue:
        suffix = ".fifo" if "FifoQueue" in attributes else ""
        name = f"test-{uuid4().hex[:8]}{suffix}"
        url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return Queue(client, url, f"arn:aws:sqs:eu-west-1:{account}:{name}")

    return queue
