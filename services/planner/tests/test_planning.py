"""The planner as a whole, with AWS's doubles instead of fakes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import boto3
import pytest

from devstack.pytest_backends import Backend
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.wire import parse
from planner import handler

# Later than the groups that the tests create, so that yesterday is a window they were there for.
CLOCK = datetime.now(UTC) + timedelta(days=3)


@dataclass(frozen=True)
class Context:
    """What Lambda says about an invocation."""

    invoked_function_arn: str
    function_name: str = "logferry-planner"
    memory_limit_in_mb: int = 256
    aws_request_id: str = "request-1"


@dataclass(frozen=True)
class Aws:
    """An account with the planner, and one with log groups."""

    backend: Backend
    source_account_id: str
    queue_url: str
    dead_letter_queue_url: str
    events_queue_url: str
    archive: str
    control: str
    logs: Any
    take: Callable[..., list[Any]]

    def plan(self, **changes: Any) -> dict[str, Any]:
        context = Context(
            f"arn:aws:lambda:eu-west-1:{self.backend.account_id}:function:logferry-planner"
        )
        answer: dict[str, Any] = handler.handle(
            {
                "loggingBucketName": self.archive,
                "roleArn": f"arn:aws:iam::{self.source_account_id}:role/CollectCloudWatchLogsRole",
                "Prefix": "Dev",
                **changes,
            },
            cast("Any", context),
        )
        return answer

    def records(self) -> list[LedgerRecord]:
        s3 = self.backend.client("s3")
        listed = s3.list_objects_v2(Bucket=self.control, Prefix="ledger/").get("Contents", [])
        return [
            parse(LedgerRecord, s3.get_object(Bucket=self.control, Key=each["Key"])["Body"].read())
            for each in listed
        ]

    def requests(self, *, expected: int) -> list[ExportRequested]:
        messages = self.take(self.queue_url, expected=expected)
        return [parse(ExportRequested, message["Body"]) for message in messages]


@pytest.fixture
def aws(backend: Backend, take: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch) -> Aws:
    s3, sqs, sns = (backend.client(service) for service in ("s3", "sqs", "sns"))
    buckets = {name: f"{name}-{backend.account_id}" for name in ("archive", "control")}
    for bucket in buckets.values():
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": backend.region}
        )
    dead_letters = sqs.create_queue(QueueName="logferry-planner-dlq")["QueueUrl"]
    events = sqs.create_queue(QueueName="events")["QueueUrl"]
    topic_arn = sns.create_topic(Name="log-export-events")["TopicArn"]
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{backend.region}:{backend.account_id}:events",
        Attributes={"RawMessageDelivery": "true"},
    )
    for name, value in {
        "AWS_REGION": backend.region,
        "CONTROL_BUCKET": buckets["control"],
        "TOPIC_ARN": topic_arn,
        "DEAD_LETTER_QUEUE_URL": dead_letters,
        "SETTLE_MINUTES": "720",
    }.items():
        monkeypatch.setenv(name, value)
    handler._wiring.cache_clear()
    wiring = replace(handler._wiring(), clock=lambda: CLOCK)
    monkeypatch.setattr(handler, "_wiring", lambda: wiring)

    source_account_id = str(int(backend.account_id) ^ 1).rjust(12, "0")
    credentials = backend.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{source_account_id}:role/CollectCloudWatchLogsRole",
        RoleSessionName="test-data",
    )["Credentials"]
    return Aws(
        backend=backend,
        source_account_id=source_account_id,
        queue_url=sqs.create_queue(
            QueueName="log-sqs-dev-collect.fifo", Attributes={"FifoQueue": "true"}
        )["QueueUrl"],
        dead_letter_queue_url=dead_letters,
        events_queue_url=events,
        archive=buckets["archive"],
        control=buckets["control"],
        logs=boto3.client(
            "logs",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        ),
        take=take,
    )


def test_a_hundred_and_twenty_groups_are_requested_recorded_and_announced(aws: Aws) -> None:
    names = [f"/app/group-{number:03}" for number in range(118)] + ["/app/up-per", "/app/upper"]
    for name in names:
        aws.logs.create_log_group(logGroupName=name)

    answer = aws.plan()

    requests = aws.requests(expected=120)
    assert [request.data.log_group.name for request in requests] == names
    assert len({request.id for request in requests}) == 120
    assert {record.export_id for record in aws.records()} == {request.id for request in requests}
    (event,) = aws.take(aws.events_queue_url, expected=1)
    completed = parse(PlanCompleted, event["Body"])
    assert json.loads(event["Body"]) == answer
    assert completed.data.source.account_id == aws.source_account_id
    assert (completed.data.found, completed.data.requested) == (120, 120)
    assert event["MessageAttributes"]["profile"]["StringValue"] == "Dev"


def test_a_plan_that_was_cut_before_the_queue_is_finished_by_the_next(aws: Aws) -> None:
    for name in ("/app/a", "/app/b"):
        aws.logs.create_log_group(logGroupName=name)
    sqs = handler._wiring().queues._sqs

    def cut(**_request: Any) -> None:
        raise ConnectionError("cut")

    sqs.meta.events.register("before-call.sqs.SendMessageBatch", cut)
    with pytest.raises(ConnectionError):
        aws.plan()
    sqs.meta.events.unregister("before-call.sqs.SendMessageBatch", cut)
    assert [record.state for record in aws.records()] == ["requested"] * 2
    assert aws.requests(expected=0) == []
    assert aws.take(aws.events_queue_url) == []

    aws.plan()

    assert {request.id for request in aws.requests(expected=2)} == {
        record.export_id for record in aws.records()
    }
    assert len(aws.take(aws.events_queue_url, expected=1)) == 1


def test_a_request_that_nothing_can_be_done_with_is_a_dead_letter(aws: Aws) -> None:
    answer = aws.plan(Prefix="prd")
    (letter,) = aws.take(aws.dead_letter_queue_url, expected=1)
    assert answer["reason"] == letter["MessageAttributes"]["reason"]["StringValue"]
    assert answer["reason"] == "refused_queue"
    assert letter["MessageAttributes"]["service"]["StringValue"] == "planner"
    assert json.loads(letter["Body"])["Prefix"] == "prd"
    assert aws.records() == []
