"""What is not in the archive as the ledger says is not announced, and comes back, as deployed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from devstack.organisation import previous_day
from devstack.suite import EXTERNAL_ID, TIME_ZONE, Suite
from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LEDGER_SCHEMA, Completed, LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.source import Source
from logferry_contracts.wire import emit
from logferry_contracts.zones import zone_named

pytestmark = pytest.mark.localstack

PROFILE = "beta"


@pytest.fixture
def request_of(suite: Suite) -> Callable[[str], ExportRequestedData]:
    """The request for the previous day of a log group, as the planner sends it."""

    def request(name: str) -> ExportRequestedData:
        source = suite.source(PROFILE)
        window = previous_day(datetime.now(zone_named(TIME_ZONE)))
        prefix = f"{PROFILE}{name}/2026/11/21/00"
        return ExportRequestedData(
            export_id=export_id(source, name, window, 1),
            generation=1,
            source=Source(
                **source.model_dump(),
                role_arn=f"arn:aws:iam::{source.account_id}:role/logferry-source",
                external_id=EXTERNAL_ID,
            ),
            log_group=LogGroup(
                name=name,
                arn=f"arn:aws:logs:{source.region}:{source.account_id}:log-group:{name}",
                log_group_class="INFREQUENT_ACCESS",
                created_ms=window.from_ms - 1,
            ),
            window=window,
            destination=Destination(bucket=suite.archive_bucket, prefix=prefix),
            lane="slot",
            estimated_bytes=0,
        )

    return request


@pytest.fixture
def write(suite: Suite) -> Callable[..., LedgerRecord]:
    """Write a ledger record, as an administrator can."""

    def put(request: ExportRequestedData, **changes: Any) -> LedgerRecord:
        shared = ("export_id", "generation", "log_group", "window", "destination", "lane")
        record = LedgerRecord.model_validate(
            {
                "schema": LEDGER_SCHEMA,
                "revision": 1,
                "state": "requested",
                "source": request.source.name,
                "requested_at": timestamp(datetime.now(UTC)),
                **{name: getattr(request, name) for name in shared},
                **changes,
            }
        )
        suite.client("s3").put_object(
            Bucket=suite.config.control_bucket, Key=record.key, Body=emit(record).encode()
        )
        return record

    return put


@pytest.fixture
def send(suite: Suite) -> Callable[[ExportRequestedData], None]:
    """Send a request to the slot."""

    def put(request: ExportRequestedData) -> None:
        event = ExportRequested.of(
            request, id=request.export_id, source="urn:test", time=datetime.now(UTC)
        )
        suite.client("sqs").send_message(
            QueueUrl=suite.queue_url(request.source.queue_name),
            MessageBody=emit(event),
            MessageGroupId=request.source.slot,
            MessageDeduplicationId=event.id,
        )

    return put


@pytest.fixture
def letters(suite: Suite) -> Iterator[Callable[[str], list[str]]]:
    """Take dead letters out of a queue; return their reasons."""

    def take(queue_name: str) -> list[str]:
        sqs, url = suite.client("sqs"), suite.queue_url(queue_name)
        found = sqs.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=20, MaxNumberOfMessages=10
        ).get("Messages", [])
        for letter in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
        return [letter["MessageAttributes"]["reason"]["StringValue"] for letter in found]

    yield take
    take(suite.source(PROFILE).dead_letter_queue_name)


def completed_with(*objects: ArchivedObject, **changes: Any) -> Completed:
    manifest = Manifest(
        object_count=len(objects),
        stream_count=len(objects),
        total_bytes=sum(each.size_bytes for each in objects),
        objects=list(objects),
    )
    return Completed(at=timestamp(datetime.now(UTC)), manifest=manifest, **changes)


@pytest.mark.parametrize("names", ["nothing", "what is not there"])
def test_completed_written_over_a_request_is_not_announced_and_the_window_is_exported(
    suite, tap, name, records, some_logs, lines, request_of, write, send, letters, names
):
    some_logs(PROFILE, name)
    request = request_of(name)
    key = f"{request.destination.prefix}/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10/web/000000.gz"
    there = ArchivedObject(key=key, version_id="v1", size_bytes=9, etag="e")
    write(
        request,
        state="completed",
        completed=completed_with(*([] if names == "nothing" else [there])),
    )
    send(request)
    tap.until(lambda: [r.state for r in records(name)] == ["failed", "secured"] and tap.idle())

    [failed] = tap.of("export.failed", name)
    assert (failed["reason"], failed["will_be_retried"]) == ("not_as_recorded", True)
    [completed] = tap.of("export.completed", name)
    assert completed["generation"] == 2
    assert len(lines(completed["manifest"])) == 20
    assert letters(request.source.dead_letter_queue_name) == ["not_as_recorded"]


def test_a_window_of_which_an_object_was_removed_before_it_was_listed_is_exported_again(
    suite, tap, name, records, some_logs, lines, request_of, write, send, letters
):
    some_logs(PROFILE, name)
    request = request_of(name)
    write(request)
    logs = suite.client("logs", request.source.account_id)
    task_id = logs.create_export_task(
        taskName=request.export_id,
        logGroupName=name,
        fromTime=request.window.from_ms,
        to=request.window.to_ms,
        destination=request.destination.bucket,
        destinationPrefix=request.destination.prefix,
    )["taskId"]

    def status() -> str:
        return logs.describe_export_tasks(taskId=task_id)["exportTasks"][0]["status"]["code"]

    tap.until(lambda: status() == "COMPLETED")
    s3, bucket = suite.client("s3"), suite.archive_bucket
    folder = f"{request.destination.prefix}/{task_id}/"
    first, *_ = s3.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]
    s3.delete_object(Bucket=bucket, Key=first["Key"])
    send(request)
    tap.until(lambda: [r.state for r in records(name)] == ["failed", "secured"] and tap.idle())

    [failed] = tap.of("export.failed", name)
    assert failed["reason"] == "object_missing"
    assert first["Key"] in failed["message"]
    [completed] = tap.of("export.completed", name)
    assert len(lines(completed["manifest"])) == 20
    assert letters(request.source.dead_letter_queue_name) == ["object_missing"]


def test_an_export_that_has_lost_an_object_is_exported_again_by_the_documented_command(
    suite, tap, name, records, some_logs, lines, request_of, write, letters, plan
):
    some_logs(PROFILE, name)
    request = request_of(name)
    key = f"{request.destination.prefix}/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10/web/000000.gz"
    gone = ArchivedObject(key=key, version_id="v1", size_bytes=9, etag="e")
    told_at = timestamp(datetime.now(UTC))
    record = write(request, state="completed", completed=completed_with(gone, published_at=told_at))
    suite.client("sns").publish(
        TopicArn=suite.config.topic_arn,
        Message=emit(ExportCompleted.of_record(record)),
        MessageAttributes={
            "type": {"DataType": "String", "StringValue": ExportCompleted.TYPE},
        },
    )
    tap.until(lambda: [r.state for r in records(name)] == ["failed"] and tap.idle())
    [failed] = tap.of("export.failed", name)
    assert (failed["reason"], failed["will_be_retried"]) == ("object_missing", False)
    assert letters("logferry-sse-enforcer-dlq") == ["object_missing"]

    plan(PROFILE, name, by_date=True)
    tap.until(lambda: [r.state for r in records(name)] == ["failed", "secured"] and tap.idle())
    _, completed = tap.of("export.completed", name)
    assert completed["generation"] == 2
    assert len(lines(completed["manifest"])) == 20
