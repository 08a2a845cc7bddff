"""What is not in the archive as the ledger says is not announced, and comes back, as deployed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_record import Completed, Submitted
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.wire import emit

pytestmark = pytest.mark.localstack

PROFILE = "beta"
TOLD = {"published_at": "2026-11-22T06:00:00.000Z"}


def completed_with(*objects: ArchivedObject, **changes: Any) -> Completed:
    manifest = Manifest(
        object_count=len(objects),
        stream_count=len(objects),
        total_bytes=sum(each.size_bytes for each in objects),
        objects=list(objects),
    )
    return Completed(at=timestamp(datetime.now(UTC)), manifest=manifest, **changes)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("nothing", TOLD),
        pytest.param("nothing", {}, marks=pytest.mark.deep),
        ("what is not there", {}),
        pytest.param("what is not there", TOLD, marks=pytest.mark.deep),
    ],
)
def test_completed_written_over_a_request_is_not_announced_and_the_window_is_exported(
    suite, tap, name, records, some_logs, lines, request_of, write, send, letters, names, told
):
    """Also where it says that it was announced."""
    some_logs(PROFILE, name)
    request = request_of(PROFILE, name)
    key = f"{request.destination.prefix}/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10/web/000000.gz"
    there = ArchivedObject(key=key, version_id="v1", size_bytes=9, etag="e")
    write(
        request,
        state="completed",
        completed=completed_with(*([] if names == "nothing" else [there]), **told),
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
    request = request_of(PROFILE, name)
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
    # Named in the record: for three seconds an exporter goes by the list of tasks that it has seen.
    submitted = Submitted(task_id=task_id, at=timestamp(datetime.now(UTC)))
    write(request, state="submitted", submitted=submitted)
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
    request = request_of(PROFILE, name)
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
