"""One source's trouble is its own: the function goes on with the others', warm as it is."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from devstack.pytest_backends import Backend
from planner import handler

pytestmark = pytest.mark.parametrize("backend", ["moto"], indirect=True)

LOCKED, OPEN = "111111111111", "222222222222"


@dataclass(frozen=True)
class Context:
    """What Lambda says about an invocation."""

    aws_request_id: str
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:999999999999:function:logferry-planner"
    function_name: str = "logferry-planner"
    memory_limit_in_mb: int = 256

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def archive(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> str:
    """The planner's environment, in which one source's role lets nobody in."""
    s3, sqs = backend.client("s3"), backend.client("sqs")
    for name in ("archive-of-all", "control-of-all"):
        s3.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": backend.region}
        )
    for name in ("locked", "open"):
        sqs.create_queue(QueueName=f"log-sqs-{name}-collect.fifo", Attributes={"FifoQueue": "true"})
    for name, value in {
        "AWS_REGION": backend.region,
        "CONTROL_BUCKET": "control-of-all",
        "TOPIC_ARN": backend.client("sns").create_topic(Name="events")["TopicArn"],
        "DEAD_LETTER_QUEUE_URL": sqs.create_queue(QueueName="planner-dlq")["QueueUrl"],
    }.items():
        monkeypatch.setenv(name, value)
    handler._wiring.cache_clear()

    def deny(params: dict[str, Any], **_about: Any) -> None:
        if LOCKED in params["RoleArn"]:
            error = {"Code": "AccessDenied", "Message": "not authorized"}
            raise ClientError({"Error": cast("Any", error)}, "AssumeRole")

    wiring = handler._wiring()
    wiring.accounts._sts.meta.events.register("provide-client-params.sts.AssumeRole", deny)  # type: ignore[attr-defined]
    monkeypatch.setattr(handler, "_wiring", lambda: wiring)
    return "archive-of-all"


def test_a_source_that_is_refused_stops_no_other_sources_plan(archive: str) -> None:
    answers = [
        handler.handle(
            {
                "loggingBucketName": archive,
                "roleArn": f"arn:aws:iam::{account_id}:role/CollectCloudWatchLogsRole",
                "Prefix": profile,
            },
            cast("Any", Context(f"request-{number}")),
        )
        for number, (profile, account_id) in enumerate(
            [("locked", LOCKED), ("open", OPEN), ("locked", LOCKED), ("open", OPEN)]
        )
    ]
    locked, opened, locked_again, opened_again = answers
    assert locked["reason"] == locked_again["reason"] == "refused_role_arn"
    assert LOCKED in locked["detail"]
    for answer in (opened, opened_again):
        assert answer["data"]["source"]["account_id"] == OPEN
