"""The adapters, on AWS's doubles; what they do not model is faked where it is tested."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError

from devstack.pytest_backends import Backend
from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LEDGER_SCHEMA, LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_completed import PlanCompleted, PlanCompletedData
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from planner.aws import (
    BATCH_BYTES,
    RESEND_WAITS_S,
    Archive,
    DeadLetters,
    ExportQueues,
    Ledger,
    SourceAccounts,
    Topic,
)
from planner.errors import (
    LedgerBusyError,
    LedgerUnreadableError,
    MessagesNotSentError,
    PlanRefusedError,
)

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
WINDOW = Window(from_ms=1_795_186_800_000, to_ms=1_795_273_200_000)


def source_of(account_id: str = "111111111111", **values: object) -> Source:
    return Source.model_validate(
        {
            "profile": "dev",
            "account_id": account_id,
            "region": "eu-west-1",
            "role_arn": f"arn:aws:iam::{account_id}:role/CollectCloudWatchLogsRole",
            **values,
        }
    )


SOURCE = source_of()


def log_group(name: str) -> LogGroup:
    return LogGroup(
        name=name,
        arn=f"arn:aws:logs:eu-west-1:111111111111:log-group:{name}",
        log_group_class="STANDARD",
        created_ms=0,
    )


def record(name: str = "/app/web", window: Window = WINDOW) -> LedgerRecord:
    return LedgerRecord.model_validate(
        {
            "schema": LEDGER_SCHEMA,
            "revision": 1,
            "state": "requested",
            "export_id": export_id(SOURCE, name, window, 1),
            "generation": 1,
            "source": SOURCE.name,
            "log_group": log_group(name),
            "window": window,
            "destination": Destination(bucket="acme-log-archive", prefix="dev/app/web"),
            "lane": "slot",
            "requested_at": "2026-11-23T06:00:00.000Z",
        }
    )


def message(name: str = "/app/web") -> ExportRequested:
    return ExportRequested.of(
        ExportRequestedData(
            export_id=record(name).export_id,
            generation=1,
            source=SOURCE,
            log_group=log_group(name),
            window=WINDOW,
            destination=record(name).destination,
            lane="slot",
            estimated_bytes=0,
        ),
        id=record(name).export_id,
        source="urn:logferry:planner",
        time=NOW,
    )


def client_error(operation: str, code: str, text: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, operation)


# --- log groups


def logs_of_account(backend: Backend, source: Source) -> Any:
    """A client of the source's account: both doubles make one by AssumeRole."""
    credentials = backend.client("sts").assume_role(
        RoleArn=source.role_arn, RoleSessionName="test-data"
    )["Credentials"]
    return boto3.client(
        "logs",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def another_account(backend: Backend) -> str:
    return str(int(backend.account_id) ^ 1).rjust(12, "0")


def test_every_page_of_the_source_accounts_groups_is_read(backend: Backend) -> None:
    source = source_of(another_account(backend))
    logs = logs_of_account(backend, source)
    names = [f"/app/group-{number:03}" for number in range(120)]
    for name in names:
        logs.create_log_group(logGroupName=name)
    backend.client("logs").create_log_group(logGroupName="/of-another-account")

    found = SourceAccounts(backend.client("sts")).log_groups(source)

    assert [group.name for group in found.readable] == names
    assert found.unreadable == {}


def test_a_group_is_described_in_the_contracts_words(backend: Backend) -> None:
    source = source_of(another_account(backend))
    logs = logs_of_account(backend, source)
    logs.create_log_group(logGroupName="/app/cold", logGroupClass="INFREQUENT_ACCESS")
    logs.put_retention_policy(logGroupName="/app/cold", retentionInDays=7)
    logs.create_log_group(logGroupName="/app/web")

    cold, web = SourceAccounts(backend.client("sts")).log_groups(source).readable

    if backend.name != "moto":  # moto keeps no class and returns none
        assert cold.log_group_class == "INFREQUENT_ACCESS"
    assert cold.retention_days == 7
    assert cold.arn == f"arn:aws:logs:eu-west-1:{source.account_id}:log-group:/app/cold"
    assert cold.created_ms > 0
    assert web.log_group_class == "STANDARD"
    assert web.retention_days is None


class FakeSts:
    """AssumeRole as AWS refuses it; neither double looks at roles or trust policies."""

    def __init__(self, error: str | None = None) -> None:
        self.error = error
        self.asked: list[dict[str, Any]] = []

    def assume_role(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error:
            raise client_error("AssumeRole", self.error, "not authorized")
        return {"Credentials": {"AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t"}}


class FakeLogs:
    """DescribeLogGroups with answers of later years, which no double gives."""

    def __init__(self, *groups: dict[str, Any], error: str | None = None) -> None:
        self.groups = groups
        self.error = error

    def get_paginator(self, _operation: str) -> "FakeLogs":
        return self

    def paginate(self, **_options: Any) -> Any:
        if self.error:
            raise client_error("DescribeLogGroups", self.error)
        yield {"logGroups": list(self.groups)}


def accounts_with(
    monkeypatch: pytest.MonkeyPatch, logs: FakeLogs, sts: FakeSts | None = None
) -> SourceAccounts:
    monkeypatch.setattr("planner.aws.boto3.client", lambda *_args, **_options: logs)
    return SourceAccounts(cast("Any", sts or FakeSts()))


def test_the_role_is_assumed_with_the_external_id_for_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sts = FakeSts()
    source = source_of(profile="p" * 32, external_id="acme-1")
    accounts_with(monkeypatch, FakeLogs(), sts).log_groups(source)
    assert sts.asked == [
        {
            "RoleArn": source.role_arn,
            "RoleSessionName": f"logferry-planner-{'p' * 32}",
            "DurationSeconds": 3600,
            "ExternalId": "acme-1",
        }
    ]


def test_without_an_external_id_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sts = FakeSts()
    accounts_with(monkeypatch, FakeLogs(), sts).log_groups(SOURCE)
    assert "ExternalId" not in sts.asked[0]


def test_a_role_that_cannot_be_assumed_is_refused_with_what_aws_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accounts = accounts_with(monkeypatch, FakeLogs(), FakeSts("AccessDenied"))
    with pytest.raises(PlanRefusedError, match=r"cannot be assumed: .*not authorized") as refused:
        accounts.log_groups(SOURCE)
    assert refused.value.reason == "refused_role_arn"
    assert refused.value.value == SOURCE.role_arn


def test_a_role_that_may_not_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = accounts_with(monkeypatch, FakeLogs(error="AccessDeniedException"))
    with pytest.raises(PlanRefusedError, match="may not call logs:DescribeLogGroups"):
        accounts.log_groups(SOURCE)


@pytest.mark.parametrize("code", ["Throttling", "ServiceUnavailable"])
def test_an_error_that_may_pass_is_not_taken_for_a_refusal(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    with pytest.raises(ClientError):
        accounts_with(monkeypatch, FakeLogs(), FakeSts(code)).log_groups(SOURCE)
    with pytest.raises(ClientError):
        accounts_with(monkeypatch, FakeLogs(error=code)).log_groups(SOURCE)


def described(name: str, **values: object) -> dict[str, Any]:
    arn = f"arn:aws:logs:eu-west-1:111111111111:log-group:{name}"
    return {"logGroupName": name, "arn": f"{arn}:*", "creationTime": 1, **values}


def test_a_group_of_a_class_that_is_new_is_found_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs = FakeLogs(described("/new", logGroupClass="FROZEN"))
    (group,) = accounts_with(monkeypatch, logs).log_groups(SOURCE).readable
    assert group.log_group_class == "FROZEN"


def test_a_group_without_a_class_is_a_standard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    (group,) = accounts_with(monkeypatch, FakeLogs(described("/old"))).log_groups(SOURCE).readable
    assert group == LogGroup(
        name="/old",
        arn="arn:aws:logs:eu-west-1:111111111111:log-group:/old",
        log_group_class="STANDARD",
        created_ms=1,
    )


def test_a_group_that_the_contract_has_no_words_for_is_named_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs = FakeLogs(described("/new", retentionInDays=36_500), described("/old", storedBytes=0))
    found = accounts_with(monkeypatch, logs).log_groups(SOURCE)
    assert [group.name for group in found.readable] == ["/old"]
    assert found.readable[0].stored_bytes == 0
    assert list(found.unreadable) == ["/new"]
    assert "retention_days" in found.unreadable["/new"]
    assert found.found == 2


# --- archive bucket


def create_bucket(backend: Backend, name: str) -> str:
    bucket = f"{name}-{backend.account_id}"
    backend.client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": backend.region}
    )
    return bucket


def test_a_bucket_of_the_sources_region_passes(backend: Backend) -> None:
    bucket = create_bucket(backend, "archive")
    Archive(backend.client("s3")).check(bucket, backend.region)


def test_a_bucket_of_another_region_is_refused(backend: Backend) -> None:
    bucket = create_bucket(backend, "archive")
    with pytest.raises(PlanRefusedError, match=f"is in {backend.region}; exports from us-east-1"):
        Archive(backend.client("s3")).check(bucket, "us-east-1")


def test_a_bucket_that_does_not_exist_is_refused(backend: Backend) -> None:
    with pytest.raises(PlanRefusedError, match="bucket no-such-bucket-1 does not exist") as refused:
        Archive(backend.client("s3")).check("no-such-bucket-1", backend.region)
    assert refused.value.reason == "refused_bucket"


@pytest.mark.parametrize(("code", "raised"), [("403", None), ("503", ClientError)])
def test_a_bucket_that_denies_the_look_passes_and_other_errors_do_not(
    code: str, raised: type[Exception] | None
) -> None:
    def head_bucket(**_asked: Any) -> None:
        raise client_error("HeadBucket", code)

    archive = Archive(cast("Any", SimpleNamespace(head_bucket=head_bucket)))
    if raised is None:
        archive.check("acme-log-archive", "eu-west-1")
    else:
        with pytest.raises(raised):
            archive.check("acme-log-archive", "eu-west-1")


# --- ledger


@pytest.fixture
def bucket(backend: Backend) -> str:
    return create_bucket(backend, "control")


def test_a_record_that_was_created_is_read_back(backend: Backend, bucket: str) -> None:
    ledger = Ledger(backend.client("s3"), bucket)
    new = record()
    assert ledger.create(new) == new
    assert ledger.records(SOURCE, WINDOW) == {new.export_id: new}
    body = backend.client("s3").get_object(Bucket=bucket, Key=new.key)["Body"].read()
    assert parse(LedgerRecord, body) == new


def test_the_first_record_stays_and_the_second_writer_is_told_what_it_says(
    backend: Backend, bucket: str
) -> None:
    ledger = Ledger(backend.client("s3"), bucket)
    first = record().as_submitted("task-1", at=NOW)
    ledger.create(first)
    assert ledger.create(record()) == first
    assert ledger.records(SOURCE, WINDOW) == {first.export_id: first}


def test_only_records_of_the_window_are_returned(backend: Backend, bucket: str) -> None:
    ledger = Ledger(backend.client("s3"), bucket)
    later = Window(from_ms=WINDOW.to_ms, to_ms=WINDOW.to_ms + 1)
    one, other, of_later = record("/a"), record("/b"), record("/a", later)
    for each in (one, other, of_later):
        ledger.create(each)
    assert ledger.records(SOURCE, WINDOW) == {one.export_id: one, other.export_id: other}


def test_a_record_that_breaks_its_contract_is_named(backend: Backend, bucket: str) -> None:
    key = record().key
    backend.client("s3").put_object(Bucket=bucket, Key=key, Body=b'{"state": "lost"}')
    ledger = Ledger(backend.client("s3"), bucket)
    with pytest.raises(LedgerUnreadableError, match=f"s3://{bucket}/{key} is not a valid"):
        ledger.records(SOURCE, WINDOW)


class ContestedS3:
    """Two writers at once: S3 answers 409 until one of them is done. No double does so.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    def __init__(
        self,
        *answers: str | None,
        there: bytes | None = None,
        get_error: str = "NoSuchKey",
    ) -> None:
        self.answers = list(answers)
        self.there = there
        self.get_error = get_error

    def put_object(self, **_asked: Any) -> None:
        answer = self.answers.pop(0)
        if answer:
            raise client_error("PutObject", answer)

    def get_object(self, **_asked: Any) -> dict[str, Any]:
        if self.there is None:
            raise client_error("GetObject", self.get_error)
        there = self.there
        return {"Body": SimpleNamespace(read=lambda: there)}


def test_a_conflict_whose_other_writer_failed_is_tried_again() -> None:
    s3 = ContestedS3("ConditionalRequestConflict", None)
    assert Ledger(cast("Any", s3), "control").create(record()) == record()
    assert s3.answers == []


def test_a_conflict_whose_other_writer_was_done_gives_its_record() -> None:
    other = record().as_submitted("task-1", at=NOW)
    s3 = ContestedS3("ConditionalRequestConflict", there=emit(other).encode())
    assert Ledger(cast("Any", s3), "control").create(record()) == other


def test_a_conflict_without_end_is_an_error() -> None:
    s3 = ContestedS3(*["ConditionalRequestConflict"] * 3)
    with pytest.raises(LedgerBusyError, match="was in conflict 3 times"):
        Ledger(cast("Any", s3), "control").create(record())


def test_another_error_of_s3_is_not_taken_for_a_conflict_nor_for_an_absent_record() -> None:
    with pytest.raises(ClientError, match="SlowDown"):
        Ledger(cast("Any", ContestedS3("SlowDown")), "control").create(record())
    denied = ContestedS3("PreconditionFailed", get_error="AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        Ledger(cast("Any", denied), "control").create(record())


# --- queues and topic


def create_queue(backend: Backend, name: str) -> str:
    attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    url: str = backend.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


type Take = Callable[..., list[Any]]


def test_messages_arrive_in_order_in_the_slots_group(backend: Backend, take: Take) -> None:
    create_queue(backend, SOURCE.queue_name)
    queues = ExportQueues(backend.client("sqs"))
    sent = [message(f"/app/{number:02}") for number in range(23)]
    url = queues.url(SOURCE)
    queues.send(url, sent)
    messages = take(url, expected=len(sent))
    assert [parse(ExportRequested, taken["Body"]) for taken in messages] == sent
    for taken, event in zip(messages, sent, strict=True):
        assert taken["Attributes"]["MessageGroupId"] == "111111111111.eu-west-1"
        assert taken["Attributes"]["MessageDeduplicationId"] == event.id


def test_a_message_that_is_sent_twice_at_once_arrives_once(backend: Backend, take: Take) -> None:
    url = create_queue(backend, SOURCE.queue_name)
    queues = ExportQueues(backend.client("sqs"))
    queues.send(url, [message()])
    queues.send(url, [message()])
    assert len(take(url, expected=1)) == 1


def test_a_queue_that_does_not_exist_is_refused_by_name(backend: Backend) -> None:
    with pytest.raises(PlanRefusedError) as refused:
        ExportQueues(backend.client("sqs")).url(SOURCE)
    assert str(refused.value) == "queue log-sqs-dev-collect.fifo does not exist"
    assert refused.value.reason == "refused_queue"


def test_a_dead_letter_says_why_it_is_there(backend: Backend, take: Take) -> None:
    url = create_queue(backend, "logferry-planner-dlq")
    detail = "line one\nline\x00two " + "x" * 2000
    DeadLetters(backend.client("sqs"), url).put('{"a": 1}', reason="refused_queue", detail=detail)
    (letter,) = take(url, expected=1)
    assert letter["Body"] == '{"a": 1}'
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes == {
        "reason": "refused_queue",
        "detail": ("line one line two " + "x" * 2000)[:1000],
        "service": "planner",
    }


def test_an_event_is_published_with_the_attributes_that_filters_read(
    backend: Backend, take: Take
) -> None:
    sns = backend.client("sns")
    topic_arn = sns.create_topic(Name="log-export-events")["TopicArn"]
    url = create_queue(backend, "team")
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{backend.region}:{backend.account_id}:team",
        Attributes={
            "RawMessageDelivery": "true",
            "FilterPolicy": json.dumps({"type": ["logferry.plan.completed.v1"]}),
        },
    )
    event = PlanCompleted.of(
        PlanCompletedData(
            source=SOURCE.name,
            windows=[WINDOW],
            found=1,
            requested=0,
            already_in_ledger=0,
            skipped={"excluded": 1},
        ),
        id="0" * 32,
        source="urn:logferry:planner",
        time=NOW,
    )
    Topic(sns, topic_arn).publish(event)
    (taken,) = take(url, expected=1)
    assert parse(PlanCompleted, taken["Body"]) == event
    attributes = {name: value["StringValue"] for name, value in taken["MessageAttributes"].items()}
    assert attributes == event.attributes


class FailingSqs:
    """SendMessageBatch that takes a part of a batch only. No double does so.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_BatchResultErrorEntry.html
    """

    def __init__(self, failures: Sequence[dict[str, bool]] = ()) -> None:
        """Take ``failures``, one per call: SenderFault by entry id."""
        self.failures = list(failures)
        self.taken: list[str] = []
        self.batches: list[list[dict[str, str]]] = []

    def send_message_batch(self, **asked: Any) -> dict[str, Any]:
        entries = asked["Entries"]
        self.batches.append(entries)
        failures = self.failures.pop(0) if self.failures else {}
        failed = [
            {"Id": id_, "SenderFault": fault, "Code": "InternalError", "Message": "try again"}
            for id_, fault in failures.items()
        ]
        self.taken += [entry["Id"] for entry in entries if entry["Id"] not in failures]
        return {"Successful": [], **({"Failed": failed} if failed else {})}


EVENTS = [message(f"/app/{number:02}") for number in range(23)]
IDS = [event.id for event in EVENTS]


def send(sqs: FailingSqs, events: Sequence[ExportRequested] = EVENTS) -> list[float]:
    """Send, and return the waits that were asked for."""
    waits: list[float] = []
    ExportQueues(cast("Any", sqs), waits.append).send("url", events)
    return waits


def test_a_batch_has_at_most_ten_messages() -> None:
    sqs = FailingSqs()
    assert send(sqs) == []
    assert [len(batch) for batch in sqs.batches] == [10, 10, 3]
    assert sqs.taken == IDS


def test_no_message_makes_no_call() -> None:
    sqs = FailingSqs()
    send(sqs, [])
    assert sqs.batches == []


def test_a_batch_has_at_most_one_mebibyte() -> None:
    # Far longer than the contract allows, so that three of them are too many for one batch.
    long = [event.model_copy(update={"source": "x" * 400_000}) for event in EVENTS[:5]]
    sqs = FailingSqs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("planner.aws.emit", lambda event: event.model_dump_json())
        send(sqs, long)
    assert [len(batch) for batch in sqs.batches] == [2, 2, 1]
    for batch in sqs.batches:
        assert sum(len(entry["MessageBody"].encode()) for entry in batch) <= BATCH_BYTES


def test_only_the_messages_that_were_not_taken_are_sent_again() -> None:
    sqs = FailingSqs([{IDS[1]: False, IDS[4]: False}, {IDS[4]: False}])
    waits = send(sqs)
    assert [[entry["Id"] for entry in batch] for batch in sqs.batches[:3]] == [
        IDS[:10],
        [IDS[1], IDS[4]],
        [IDS[4]],
    ]
    assert waits == list(RESEND_WAITS_S[:2])
    assert sorted(sqs.taken) == sorted(IDS)


def test_messages_that_are_never_taken_end_in_an_error_that_names_them() -> None:
    sqs = FailingSqs([{IDS[0]: False}] * 5)
    waits: list[float] = []
    with pytest.raises(MessagesNotSentError, match=f"export {IDS[0]}: InternalError try again"):
        ExportQueues(cast("Any", sqs), waits.append).send("url", EVENTS)
    assert waits == list(RESEND_WAITS_S)


def test_a_message_at_fault_is_named_and_not_sent_again_while_the_others_go_out() -> None:
    sqs = FailingSqs([{IDS[0]: True, IDS[1]: False}])
    with pytest.raises(MessagesNotSentError, match=f"refuses export {IDS[0]}: InternalError"):
        send(sqs)
    assert sorted(sqs.taken) == sorted(IDS[1:])
    assert sum(entry["Id"] == IDS[0] for batch in sqs.batches for entry in batch) == 1
