"""The planner as a whole, with AWS's doubles instead of fakes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from services.planner.tests.fakes import plan_request

from devstack.pytest_backends import Backend
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.wire import parse
from planner import handler
from planner.aws.messages import Continuations

STARTED = datetime.now(UTC)
# Where it is noon: no midnight comes between this and what the tests do, however late that is.
TIME_ZONE = f"Etc/GMT{STARTED.hour - 12:+}"
# A day after the end of today there, of which half settles, so that today is the newest window.
CLOCK = STARTED + timedelta(hours=36)


@dataclass(frozen=True)
class Context:
    """What Lambda says about an invocation."""

    invoked_function_arn: str
    function_name: str = "logferry-planner"
    memory_limit_in_mb: int = 256
    aws_request_id: str = "request-1"
    remaining_ms: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


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
    days: list[Any] = field(default_factory=list)

    def plan(self, **changes: Any) -> dict[str, Any]:
        return self.invoke(
            {
                "loggingBucketName": self.archive,
                "roleArn": f"arn:aws:iam::{self.source_account_id}:role/CollectCloudWatchLogsRole",
                "Prefix": "Dev",
                **changes,
            }
        )

    def invoke(self, event: dict[str, Any], *, remaining_ms: int = 900_000) -> dict[str, Any]:
        context = Context(
            f"arn:aws:lambda:eu-west-1:{self.backend.account_id}:function:logferry-planner",
            remaining_ms=remaining_ms,
        )
        answer: dict[str, Any] = handler.handle(event, cast("Any", context))
        return answer

    def log_groups(self, *names: str, empty: Sequence[str] = ()) -> None:
        """Create log groups, those of ``names`` with an event of today."""
        for name in (*names, *empty):
            self.logs.create_log_group(logGroupName=name)
        for name in names:
            self.logs.create_log_stream(logGroupName=name, logStreamName="main")
            self.logs.put_log_events(
                logGroupName=name,
                logStreamName="main",
                logEvents=[{"timestamp": round(STARTED.timestamp() * 1000), "message": "hello"}],
            )

    def records(self) -> list[LedgerRecord]:
        s3 = self.backend.client("s3")
        listed = s3.list_objects_v2(Bucket=self.control, Prefix="ledger/").get("Contents", [])
        return [
            parse(LedgerRecord, s3.get_object(Bucket=self.control, Key=each["Key"])["Body"].read())
            for each in listed
        ]

    def requests(self, *, expected: int) -> list[ExportRequested]:
        messages = self.take(self.queue_url, expected=expected)
        self.days.extend(each for each in messages if DayPlanned.TYPE in each["Body"])
        return [parse(ExportRequested, each["Body"]) for each in messages if each not in self.days]


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
        "LOOKBACK_DAYS": "1",
        "TIME_ZONE": TIME_ZONE,
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


def test_a_hundred_and_twenty_groups_are_recorded_and_those_with_events_requested(
    aws: Aws,
) -> None:
    names = [f"/app/group-{number:03}" for number in range(10)] + ["/app/up-per", "/app/upper"]
    empty = [f"/app/idle-{number:03}" for number in range(108)]
    aws.log_groups(*names, empty=empty)

    answer = aws.plan()

    requests = aws.requests(expected=13)
    assert sorted(request.data.log_group.name for request in requests) == names
    assert len({request.id for request in requests}) == 12
    states = {record.export_id: record.state for record in aws.records()}
    assert len(states) == 120
    assert {id_ for id_, state in states.items() if state == "requested"} == {
        request.id for request in requests
    }
    (day,) = aws.days
    planned = parse(DayPlanned, day["Body"])
    assert day["Attributes"]["MessageGroupId"] == planned.data.source.day_group(planned.data.date)
    assert [window.model_dump() for window in planned.data.windows] == answer["data"]["windows"]
    (event,) = aws.take(aws.events_queue_url, expected=1)
    completed = parse(PlanCompleted, event["Body"])
    assert json.loads(event["Body"]) == answer
    assert completed.data.source.account_id == aws.source_account_id
    assert (completed.data.found, completed.data.requested) == (120, 12)
    assert completed.data.skipped == {"empty": 108}
    assert event["MessageAttributes"]["profile"]["StringValue"] == "Dev"


def test_a_finished_plan_that_is_run_again_lists_and_sends_nothing(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The planner's clock is days before that of S3, by which notes are old.
    monkeypatch.setattr("planner.days.OPEN_FOR_LONG", timedelta(days=9))
    monkeypatch.setattr("planner.open_notes.LEFT_AFTER", timedelta(days=9))
    aws.log_groups("/app/a", empty=["/app/b"])
    aws.plan()
    assert len(aws.requests(expected=2)) == 1
    s3 = handler._wiring().control.ledger._control._s3  # type: ignore[attr-defined]
    calls: list[str] = []
    s3.meta.events.register("before-call.s3", lambda model, **_call: calls.append(model.name))

    answer = aws.plan()

    assert answer["data"]["already_in_ledger"] == 2
    assert aws.requests(expected=0) == []
    # The archive bucket; the ledger's windows, that it was looked through for this profile, the
    # outbox, the ledger and, twice, the notes of dates: of those that are open, and of those that
    # have not been sent; the notes of open exports, of windows that are planned in part, and of
    # those that lack events; and that the plan has written its inventory.
    assert sorted(calls) == ["GetObject", "HeadBucket", *["ListObjectsV2"] * 9]


def test_what_a_purged_queue_had_arrives_again_within_five_minutes(aws: Aws) -> None:
    """The planner's clock is days before that of S3, by which the note of the date is old."""
    aws.log_groups("/app/a", empty=["/app/b"])
    aws.plan()
    sqs = handler._wiring().messages.queues._sqs  # type: ignore[attr-defined]
    url = sqs.get_queue_url(QueueName="log-sqs-dev-collect.fifo")["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)

    answer = aws.plan()

    assert (answer["data"]["requested"], answer["data"]["asked_again"]) == (0, 1)
    (request,) = aws.requests(expected=2)
    assert request.data.log_group.name == "/app/a"
    assert len(aws.days) == 1


def test_a_plan_that_was_cut_before_the_queue_is_finished_by_the_next(aws: Aws) -> None:
    aws.log_groups("/app/a", "/app/b")
    sqs = handler._wiring().messages.queues._sqs  # type: ignore[attr-defined]

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

    assert {request.id for request in aws.requests(expected=3)} == {
        record.export_id for record in aws.records()
    }
    assert len(aws.take(aws.events_queue_url, expected=1)) == 1


def test_a_plan_goes_on_in_the_next_invocation_where_the_first_has_left_it(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.log_groups("/app/a", "/app/b", empty=["/app/c"])
    wiring, invoked = handler._wiring(), []
    functions = SimpleNamespace(invoke=lambda **request: invoked.append(request))
    messages = replace(wiring.messages, continuations=Continuations(cast("Any", functions)))
    continued = replace(wiring, messages=messages)
    monkeypatch.setattr(handler, "_wiring", lambda: continued)
    monkeypatch.setattr("planner.requesting.EXPORTS_AT_ONCE", 1)
    aws.logs.create_log_group(logGroupName="/app/ignored")
    source = {
        "profile": "dev",
        "account_id": aws.source_account_id,
        "region": aws.backend.region,
        "role_arn": f"arn:aws:iam::{aws.source_account_id}:role/CollectCloudWatchLogsRole",
    }
    request = plan_request(
        source=source, bucket=aws.archive, selection={"exclude": ["/app/ignored"]}
    )
    request["data"]["window_rule"] = {"unit": "day", "time_zone": TIME_ZONE}

    answer, parts = aws.invoke(request, remaining_ms=0), 1
    while answer.get("status") == "continued":
        parts += 1
        event = json.loads(invoked[-1]["Payload"])
        answer = aws.invoke(event, remaining_ms=0 if parts < 3 else 900_000)

    assert (answer["data"]["found"], answer["data"]["requested"]) == (4, 2)
    assert answer["data"]["skipped"] == {"empty": 1, "excluded": 1}
    assert parts == len(invoked) + 1 == 3
    assert len(aws.requests(expected=3)) == 2
    assert len(aws.take(aws.events_queue_url, expected=1)) == 1
    left = aws.backend.client("s3").list_objects_v2(Bucket=aws.control).get("Contents", [])
    notes = [each["Key"] for each in left if not each["Key"].startswith("ledger/")]
    assert [key for key in notes if "/looked-through/" not in key and key.endswith(".sent.json")]
    assert len([key for key in notes if key.startswith("inventories/")]) == 1
    assert len([key for key in notes if key.startswith("open/")]) == 3  # two, and that it is whole
    assert len([key for key in notes if key.startswith("reading/")]) == 1  # by who has read
    assert len(notes) == 7


def test_a_request_that_nothing_can_be_done_with_is_a_dead_letter(aws: Aws) -> None:
    answer = aws.plan(Prefix="prd")
    (letter,) = aws.take(aws.dead_letter_queue_url, expected=1)
    assert answer["reason"] == letter["MessageAttributes"]["reason"]["StringValue"]
    assert answer["reason"] == "refused_queue"
    assert letter["MessageAttributes"]["service"]["StringValue"] == "planner"
    assert json.loads(letter["Body"])["Prefix"] == "prd"
    assert aws.records() == []
