"""The rules: what to do next, from what the ledger and CloudWatch Logs say."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter import task
from exporter.task import Adopt, Complete, Create, Done, Fail, Publish, Retry, Task, Wait, decide
from logferry_contracts.export import export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import Completed, Failed, LedgerRecord, Skipped
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
LONG_AGO = NOW - timedelta(days=2)

type RequestFor = Callable[..., ExportRequestedData]


@pytest.fixture
def requested(request_for: RequestFor) -> LedgerRecord:
    return request_for().first_record(NOW)


@pytest.fixture
def submitted(requested: LedgerRecord) -> LedgerRecord:
    return requested.as_submitted("task-1", at=NOW - timedelta(minutes=1))


@pytest.fixture
def completed(submitted: LedgerRecord) -> LedgerRecord:
    return submitted.as_completed(Completed(at=timestamp(NOW), manifest=Manifest.of([])))


def a_task(record: LedgerRecord, **changes: Any) -> Task:
    values: dict[str, Any] = {
        "task_id": "task-1",
        "name": record.export_id,
        "bucket": record.destination.bucket,
        "prefix": record.destination.prefix,
        "status": "RUNNING",
        "message": "",
        "created_ms": NOW_MS - 60_000,
        "completed_ms": None,
    }
    return Task(**values | changes)


def a_foreign_task(record: LedgerRecord, **changes: Any) -> Task:
    values = {"task_id": "task-9", "name": "nightly", "bucket": "theirs", "prefix": "exportedlogs"}
    return a_task(record, **values | changes)


def next_step(record: LedgerRecord, *tasks: Task, generations: int = 3) -> task.Step:
    return decide(record, tasks, now=NOW, max_generations=generations)


def test_a_request_creates_its_task_when_the_slot_is_free(requested: LedgerRecord) -> None:
    assert next_step(requested) == Create()
    assert next_step(requested, a_foreign_task(requested, status="COMPLETED")) == Create()


def test_a_request_waits_while_somebody_elses_task_holds_the_slot(requested: LedgerRecord) -> None:
    for status in ("PENDING", "RUNNING"):
        holder = a_foreign_task(requested, status=status)
        assert next_step(requested, holder) == Wait(60.0, is_foreign=True)


def test_a_task_that_is_being_cancelled_does_not_keep_from_trying(requested: LedgerRecord) -> None:
    assert next_step(requested, a_foreign_task(requested, status="PENDING_CANCEL")) == Create()


@pytest.mark.parametrize(
    "status", ["PENDING", "RUNNING", "PENDING_CANCEL", "COMPLETED", "FAILED", "CANCELLED"]
)
def test_a_task_of_the_exports_name_is_adopted_whatever_became_of_it(
    requested: LedgerRecord, status: str
) -> None:
    own = a_task(requested, status=status)
    foreign = a_foreign_task(requested, status="COMPLETED")
    assert next_step(requested, foreign, own) == Adopt(own)


def test_an_own_task_is_adopted_while_another_one_runs(requested: LedgerRecord) -> None:
    own = a_task(requested, status="COMPLETED")
    assert next_step(requested, a_foreign_task(requested), own) == Adopt(own)


def test_of_several_own_tasks_the_one_that_completed_is_adopted(requested: LedgerRecord) -> None:
    failed = a_task(requested, task_id="task-3", status="FAILED")
    running = a_task(requested, task_id="task-2", status="RUNNING")
    complete = a_task(requested, task_id="task-1", status="COMPLETED")
    assert next_step(requested, failed, running, complete) == Adopt(complete)
    assert next_step(requested, failed, running) == Adopt(running)


@pytest.mark.parametrize("change", [{"bucket": "other-bucket"}, {"prefix": "other/prefix"}])
def test_a_task_that_wrote_elsewhere_is_not_the_exports(
    requested: LedgerRecord, change: dict[str, str]
) -> None:
    assert next_step(requested, a_task(requested, status="COMPLETED", **change)) == Create()


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "A_NEW_STATUS"])
def test_a_task_that_has_not_ended_is_waited_for(submitted: LedgerRecord, status: str) -> None:
    step = next_step(submitted, a_task(submitted, status=status))
    assert step == Wait(60.0, is_foreign=False)


def test_a_task_that_completed_completes_the_export(submitted: LedgerRecord) -> None:
    ended = a_task(submitted, status="COMPLETED")
    assert next_step(submitted, ended) == Complete(ended)


@pytest.mark.parametrize(
    ("status", "reason"), [("FAILED", "task_failed"), ("CANCELLED", "task_cancelled")]
)
def test_a_failed_task_is_tried_again_as_the_next_generation(
    submitted: LedgerRecord, status: str, reason: str
) -> None:
    ended = a_task(submitted, status=status, message="Internal failure")
    retry = Retry(reason=reason, message="Internal failure", task_id="task-1")
    assert next_step(submitted, ended) == retry


def test_the_last_generation_fails_for_good(submitted: LedgerRecord) -> None:
    ended = a_task(submitted, status="FAILED")
    step = next_step(submitted, ended, generations=1)
    assert step == Fail(reason="task_failed", message="", task_id="task-1")


def test_a_task_that_is_not_listed_yet_is_waited_for(submitted: LedgerRecord) -> None:
    assert next_step(submitted) == Wait(60.0, is_foreign=False)


def test_a_task_that_stays_unknown_is_lost_and_its_objects_are_left(
    requested: LedgerRecord,
) -> None:
    submitted = requested.as_submitted("task-1", at=LONG_AGO)
    step = next_step(submitted)
    assert isinstance(step, Retry)
    assert step.reason == "task_lost"
    assert step.task_id is None


def test_a_completed_export_is_published_once(completed: LedgerRecord) -> None:
    assert next_step(completed) == Publish()
    assert isinstance(next_step(completed.as_published(at=NOW)), Done)


def test_a_secured_export_is_still_published_if_it_was_not(completed: LedgerRecord) -> None:
    secured = completed.as_secured(at=NOW)
    assert next_step(secured) == Publish()
    assert isinstance(next_step(secured.as_published(at=NOW)), Done)


def test_a_failed_export_is_published_once(submitted: LedgerRecord) -> None:
    failed = submitted.as_failed(Failed(reason="task_failed", message="", at=timestamp(NOW)))
    assert next_step(failed) == Publish()
    assert isinstance(next_step(failed.as_published(at=NOW)), Done)


def test_a_skipped_export_is_left_alone(requested: LedgerRecord) -> None:
    section = Skipped(reason="empty", at=timestamp(NOW))
    skipped = requested.model_copy(update={"state": "skipped", "skipped": section})
    assert next_step(skipped) == Done("skipped")


def test_the_next_generation_asks_for_the_same_window_under_its_own_id(
    request_for: RequestFor, requested: LedgerRecord
) -> None:
    asked = request_for()
    following = task.next_generation(asked, requested)
    assert following.generation == 2
    assert following.export_id == export_id(asked.source, asked.log_group.name, asked.window, 2)
    same = {"export_id": asked.export_id, "generation": 1}
    assert following.model_copy(update=same) == asked


@pytest.mark.parametrize(
    "change",
    [
        {"export_id": "0" * 32},
        {"generation": 2},
    ],
)
def test_a_record_of_another_export_is_not_about_the_request(
    request_for: RequestFor, requested: LedgerRecord, change: dict[str, Any]
) -> None:
    assert task.is_about(requested, request_for())
    assert not task.is_about(requested, request_for().model_copy(update=change))
    assert not task.is_about(requested, request_for("/aws/lambda/refunds"))


def test_only_a_task_that_the_ledger_does_not_name_is_redundant(
    requested: LedgerRecord, submitted: LedgerRecord, completed: LedgerRecord
) -> None:
    assert not task.is_redundant(requested, "task-2")
    assert not task.is_redundant(submitted, "task-1")
    assert not task.is_redundant(completed, "task-1")
    assert task.is_redundant(submitted, "task-2")
    assert task.is_redundant(completed, "task-2")


def test_the_manifest_counts_streams_objects_and_bytes_in_key_order() -> None:
    keys = ["p/t/b/000000.gz", "p/t/a/000001.gz", "p/t/a/000000.gz"]
    manifest = Manifest.of(
        [ArchivedObject(key=key, version_id="v", size_bytes=7, etag="e") for key in keys]
    )
    assert (manifest.object_count, manifest.stream_count, manifest.total_bytes) == (3, 2, 21)
    assert [each.key for each in manifest.objects or []] == sorted(keys)


def test_the_manifest_of_an_empty_window_is_empty() -> None:
    manifest = Manifest.of([])
    assert (manifest.object_count, manifest.stream_count, manifest.total_bytes) == (0, 0, 0)
    assert manifest.objects == []


def test_a_folder_does_not_reach_into_that_of_a_task_with_a_longer_id(
    requested: LedgerRecord,
) -> None:
    assert not task.folder(requested, "task-11").startswith(task.folder(requested, "task-1"))
