"""A function dies between two of its AWS calls, or gets an error, exactly where it is told to."""

import base64
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import boto3
import pytest

pytestmark = pytest.mark.localstack

SITE_PACKAGES = str(Path(boto3.__file__).parents[1])

SENDER = f"""
import sys
sys.path.append({SITE_PACKAGES!r})
import boto3
sqs = boto3.client("sqs")

def handler(event, context):
    for number in range(event["messages"]):
        sqs.send_message(QueueUrl=event["queue"], MessageBody=str(number))
        print("sent", number)
    return "done"
"""


class Faults:
    def __init__(self, localstack: str) -> None:
        self._url = f"{localstack}/_devstack/faults"

    def arm(self, **fault: Any) -> dict[str, Any]:
        return self._ask("POST", json.dumps(fault).encode())

    def reset(self, *names: str) -> dict[str, Any]:
        """Other tests have faults of their own meanwhile."""
        return self._ask("DELETE", query=urlencode([("function", name) for name in names]))

    def calls_of(self, name: str) -> list[str]:
        calls = self._ask("GET")["functions"][name]["calls"]
        return [f"{call['service']}.{call['operation']}" for call in calls]

    def kills_of(self, name: str) -> int:
        kills: int = self._ask("GET")["functions"][name]["kills"]
        return kills

    def _ask(self, method: str, body: bytes | None = None, query: str = "") -> dict[str, Any]:
        url = f"{self._url}?{query}"
        request = urllib.request.Request(url, body, method=method)  # noqa: S310  loopback
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request) as response:
            answer: dict[str, Any] = json.load(response)
            return answer


@pytest.fixture
def faults(localstack: str) -> Faults:
    return Faults(localstack)


class Sender:
    """A function that sends messages 0, 1, 2... to a queue of its own."""

    def __init__(self, name: str, client: Any, queue: Any) -> None:
        self.name = name
        self._client = client
        self._queue = queue

    def send(self, number: int) -> tuple[Any, str]:
        """Has it send so many; its answer and its log."""
        event = json.dumps({"messages": number, "queue": self._queue.url}).encode()
        response = self._client.invoke(FunctionName=self.name, Payload=event, LogType="Tail")
        return json.load(response["Payload"]), base64.b64decode(response["LogResult"]).decode()

    def arrived(self) -> list[str]:
        return sorted(self._queue.take_bodies())


@pytest.fixture
def sender(aws: Callable[..., Any], deploy: Callable[..., str], queue) -> Sender:
    return Sender(deploy(SENDER, Timeout=30), aws("lambda"), queue())


@pytest.mark.parametrize("drop_answer", [True, False])
@pytest.mark.parametrize("call", [1, 3])
def test_the_function_dies_exactly_after_its_nth_call(
    faults: Faults, sender: Sender, call: int, drop_answer
):
    faults.arm(function=sender.name, kill_after_call=call, drop_answer=drop_answer)
    answer, log = sender.send(3)
    assert answer["errorType"] == "Runtime.ExitError"
    assert answer["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert sender.arrived() == [str(number) for number in range(call)]
    assert log.count("sent") == call - drop_answer
    assert faults.calls_of(sender.name) == ["sqs.SendMessage"] * call
    assert faults.kills_of(sender.name) == 1


def test_the_function_lives_again_after_it_was_killed(faults: Faults, sender: Sender):
    faults.arm(function=sender.name, kill_after_call=1)
    sender.send(3)
    assert sender.send(3)[0] == "done"
    assert sender.arrived() == ["0", "0", "1", "2"]


def test_the_function_dies_again_and_again(faults: Faults, sender: Sender):
    faults.arm(function=sender.name, kill_after_call=2, repeat=True)
    assert [sender.send(3)[0]["errorType"] for _ in range(2)] == ["Runtime.ExitError"] * 2
    assert sender.arrived() == ["0", "0", "1", "1"]
    assert faults.kills_of(sender.name) == 2


def test_only_the_named_operation_counts(faults: Faults, sender: Sender):
    faults.arm(function=sender.name, kill_after_call=1, operation="sqs.DeleteQueue")
    assert sender.send(2)[0] == "done"
    assert faults.kills_of(sender.name) == 0


def test_other_functions_and_callers_are_left_alone(faults: Faults, sender: Sender, aws):
    faults.arm(function="another", kill_after_call=1)
    aws("sqs").list_queues()
    assert sender.send(1)[0] == "done"
    assert faults.calls_of(sender.name) == ["sqs.SendMessage"]


def test_an_error_is_answered_and_the_call_not_executed(faults: Faults, sender: Sender):
    # The SDK tries again, as it does with AWS.
    faults.arm(function=sender.name, error={"code": "ThrottlingException"})
    assert sender.send(1)[0] == "done"
    assert sender.arrived() == ["0"]
    assert faults.calls_of(sender.name) == ["sqs.SendMessage"] * 2


def test_an_error_is_answered_although_the_call_was_executed(faults: Faults, sender: Sender):
    error = {"code": "InternalError", "status": 500}
    faults.arm(function=sender.name, operation="sqs.SendMessage", error=error, executed=True)
    assert sender.send(1)[0] == "done"
    assert sender.arrived() == ["0", "0"]


def test_an_error_may_be_for_everybody(faults: Faults, aws):
    kms = aws("kms")
    error = {"code": "AccessDeniedException", "message": "not today"}
    faults.arm(operation="kms.ListKeys", error=error)
    with pytest.raises(kms.exceptions.ClientError, match=r"AccessDeniedException.*not today"):
        kms.list_keys()
    assert kms.list_keys()["Keys"] == []


def test_what_is_no_fault_is_refused(faults: Faults):
    with pytest.raises(HTTPError) as caught:
        faults.arm(function="any")
    assert caught.value.status == 400
    assert json.load(caught.value) == {"message": "a fault has either kill_after_call or error"}


def test_a_reset_disarms(faults: Faults, sender: Sender):
    faults.arm(function=sender.name, kill_after_call=1)
    faults.arm(function=f"another-{sender.name}", kill_after_call=1)
    left = faults.reset(sender.name)
    armed = {each["function"] for each in left["armed"]}
    assert (sender.name in armed, f"another-{sender.name}" in armed) == (False, True)
    assert sender.name not in left["functions"]
    assert sender.send(1)[0] == "done"
    faults.reset(f"another-{sender.name}")
