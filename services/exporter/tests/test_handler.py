"""What the handler does with messages, against an AWS of plain Python."""

import json
from collections.abc import Callable
from copy import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exporter import handler, waiting
from exporter.errors import CallRefusedError, ExportRefusedError, TransientError
from exporter.task import CLOCK_SKEW
from exporter.telemetry import metrics
from logferry_contracts.environment import SettingsError
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import epoch_ms
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]

LOG_GROUP = "/aws/lambda/orders"


# -- one export, from request to announcement --------------------------------------------------


def test_a_small_export_is_done_in_one_delivery(cloud: "Cloud") -> None:
    export_id = cloud.request()
    assert cloud.run() == 1
    record = cloud.record()
    assert record.state == "completed"
    assert record.completed is not None
    assert record.completed.published_at is not None
    (event,) = cloud.completed_events()
    assert event.id == export_id
    assert event.source == "urn:logferry:exporter:shop"
    assert event.data.manifest == record.completed.manifest
    assert not cloud.dead_letters


def test_the_manifest_lists_what_the_task_wrote(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    (job,) = cloud.jobs
    (event,) = cloud.completed_events()
    manifest = event.data.manifest
    assert [each.key for each in manifest.objects or []] == [
        f"shop/aws/lambda/orders/2026/11/21/00/{job.task_id}/{key}"
        for key in ("stream-a/000000.gz", "stream-b/000000.gz", "stream-b/000001.gz")
    ]
    assert (manifest.object_count, manifest.stream_count, manifest.total_bytes) == (3, 2, 300)
    assert event.data.task_id == job.task_id


def test_the_ledger_keeps_when_the_task_began_and_ended(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    (job,) = cloud.jobs
    completed = cloud.record().completed
    assert completed is not None
    assert completed.task_created_ms == int(job.created.timestamp() * 1000)
    assert completed.task_completed_ms == int(job.ends.timestamp() * 1000)


def test_an_empty_window_completes_with_an_empty_manifest(
    cloud: "Cloud", plan: "type[Plan]", emitted: Callable[[str], list[float]]
) -> None:
    cloud.plans[LOG_GROUP] = plan(keys=())
    cloud.pages[LOG_GROUP] = [[]]
    cloud.request()
    cloud.run()
    (event,) = cloud.completed_events()
    assert event.data.manifest.objects == []
    assert emitted("ExportsEmpty") == [1]


def test_a_long_task_is_waited_for_by_giving_the_message_back(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=79_000)
    cloud.request()
    deliveries = cloud.run()
    assert 100 < deliveries < 1000
    assert cloud.record().state == "completed"
    assert len(cloud.jobs) == 1


def test_the_message_comes_back_the_later_the_older_the_task_is(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=79_000)
    cloud.request()
    for _ in range(30):
        cloud.deliver()
    (job,) = cloud.jobs
    wait_s = (cloud.letters[0].visible_at - cloud.now).total_seconds()
    age_s = (cloud.now - job.created).total_seconds()
    assert wait_s == pytest.approx(waiting.interval_s(age_s, 30, waiting.outlook(0)), abs=1)
    assert wait_s > 10


def test_an_invocation_with_little_time_left_waits_for_half_of_it_at_most(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=60)
    cloud.request()
    before = cloud.now
    answer = cloud.deliver(remaining_ms=10_000)
    assert answer["batchItemFailures"]
    last_look = timedelta(seconds=0.1)
    assert timedelta(0) < cloud.now - before <= timedelta(seconds=5) + last_look


def test_waiting_in_an_invocation_can_be_switched_off(
    new_cloud: Callable[..., "Cloud"],
) -> None:
    cloud = new_cloud(wait_in_invocation_s=0)
    cloud.request()
    assert cloud.deliver()["batchItemFailures"]
    cloud.run()
    assert cloud.record().state == "completed"


def test_a_task_that_was_just_created_is_not_looked_at(
    new_cloud: Callable[..., "Cloud"],
) -> None:
    cloud = new_cloud(wait_in_invocation_s=0)
    cloud.request()
    assert cloud.deliver()["batchItemFailures"]
    assert len(cloud.jobs) == 1
    assert cloud.calls.count("logs.newest_tasks") == 1


def test_the_first_look_comes_when_a_task_like_the_last_ones_may_have_ended(
    cloud: "Cloud", plan: "type[Plan]", request_for: Callable[..., ExportRequestedData]
) -> None:
    for _ in range(3):
        job = cloud.start_job(running_s=40.0)
        cloud.now = job.ends
    cloud.plans[LOG_GROUP] = plan(running_s=41.0)
    cloud.request()
    cloud.deliver()
    job, visible_at = cloud.jobs[-1], cloud.letters[0].visible_at
    assert timedelta(seconds=20) < visible_at - job.created < timedelta(seconds=40)


def test_a_missing_ledger_record_is_written_from_the_message(cloud: "Cloud") -> None:
    cloud.request(is_planned=False)
    cloud.run()
    assert cloud.record().state == "completed"
    assert len(cloud.completed_events()) == 1


# -- duplicates and records that are further already -------------------------------------------


def test_a_second_message_of_a_completed_export_changes_nothing(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    record = cloud.record()
    cloud.request(is_planned=False)
    cloud.run()
    assert cloud.record() == record
    assert len(cloud.jobs) == 1
    assert len(cloud.events) == 1


def test_a_completed_export_that_was_not_announced_is_announced(cloud: "Cloud") -> None:
    export_id = cloud.request()
    cloud.run()
    announced = cloud.events.pop()
    record = cloud.record()
    assert record.completed is not None
    silent = record.completed.model_copy(update={"published_at": None})
    cloud.put_record(record.model_copy(update={"completed": silent}))
    cloud.request(is_planned=False)
    cloud.run()
    (event,) = cloud.events
    assert event.id == export_id
    assert event == announced
    assert cloud.record().completed is not None


def test_a_skipped_export_is_acknowledged_without_a_task(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    skipped = {"state": "skipped", "skipped": {"reason": "empty", "at": "2026-11-23T05:00:00Z"}}
    record = cloud.record().model_dump(by_alias=True, exclude_none=True)
    cloud.put_record(LedgerRecord.model_validate(record | skipped))
    assert cloud.run() == 1
    assert not cloud.jobs
    assert not cloud.events


def test_an_event_goes_out_once_although_its_reader_changes_the_record_at_once(
    cloud: "Cloud",
) -> None:
    cloud.request()

    def secure(name: str) -> None:
        if name == "ledger.completed" and cloud.events and cloud.record().state == "completed":
            cloud.put_record(cloud.record().as_secured(at=cloud.now))

    cloud.interrupt = secure
    cloud.run()
    record = cloud.record()
    assert record.state == "secured"
    assert record.completed is not None
    assert record.completed.published_at is not None
    assert len(cloud.events) == 1


def test_the_task_of_an_earlier_try_is_adopted_while_it_runs(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    job = cloud.start_job(request_for(), running_s=5)
    cloud.run()
    assert cloud.jobs == [job]
    record = cloud.record()
    assert record.submitted is not None
    assert record.submitted.task_id == job.task_id
    assert record.state == "completed"


def test_the_task_of_an_earlier_try_is_adopted_after_it_has_completed(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    job = cloud.start_job(request_for(), running_s=1)
    cloud.start_job(running_s=2)
    cloud.now += timedelta(minutes=5)
    cloud.run()
    assert cloud.tasks_of() == [job]
    assert cloud.record().state == "completed"


def test_the_failed_task_of_an_earlier_try_counts_as_this_generations_try(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    job = cloud.start_job(request_for(), outcome="FAILED", running_s=0)
    cloud.run()
    assert cloud.tasks_of() == [job]
    assert cloud.record().state == "failed"
    assert cloud.record(request_for(generation=2)).state == "completed"


# -- the slot is not free ----------------------------------------------------------------------


def test_somebody_elses_task_is_waited_for_and_is_no_failure(
    cloud: "Cloud", emitted: Callable[[str], list[float]]
) -> None:
    cloud.start_job(running_s=4_000)
    cloud.request()
    deliveries = cloud.run()
    assert 1 < deliveries < 200
    assert cloud.record().state == "completed"
    assert not cloud.failed_events()
    assert len(emitted("ForeignWaits")) > 1


def test_no_task_is_created_while_a_task_is_seen_in_the_slot(cloud: "Cloud") -> None:
    cloud.start_job(running_s=600)
    cloud.request()
    cloud.deliver()
    assert "logs.create_task" not in cloud.calls


def test_a_slot_that_fills_between_look_and_creation_is_waited_for(cloud: "Cloud") -> None:
    cloud.request()

    def occupy(name: str) -> None:
        if name == "logs.create_task" and not cloud.jobs:
            cloud.start_job(running_s=3)

    cloud.interrupt = occupy
    assert cloud.run() == 1
    assert cloud.record().state == "completed"
    assert not cloud.failed_events()


# -- tasks that fail ---------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["FAILED", "CANCELLED"])
def test_a_failed_task_is_followed_by_the_next_generation(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor, outcome: str
) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=(outcome, "COMPLETED"))
    cloud.request()
    cloud.run()
    first, second = cloud.record(), cloud.record(request_for(generation=2))
    assert first.failed is not None
    assert first.failed.next_export_id == second.export_id
    assert second.state == "completed"
    (failed,) = cloud.failed_events()
    assert failed.data.will_be_retried
    assert failed.data.generation == 1
    assert [event.id for event in cloud.completed_events()] == [second.export_id]
    assert not cloud.dead_letters


def test_what_a_failed_task_has_written_is_removed_and_nothing_else(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED", "COMPLETED"))
    neighbour = cloud.start_job(keys=("stream/000000.gz",), running_s=0, prefix="shop/neighbour")
    cloud.request()
    cloud.run()
    _, failed, completed = cloud.jobs
    keys = [version.key for version in cloud.archive]
    assert not any(f"/{failed.task_id}/" in key for key in keys)
    assert sum(f"/{completed.task_id}/" in key for key in keys) == 3
    assert sum(f"/{neighbour.task_id}/" in key for key in keys) == 1


def test_a_locked_object_of_a_failed_task_stays_and_holds_nothing_up(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED", "COMPLETED"))
    cloud.request()

    def lock(_name: str) -> None:
        for version in cloud.archive:
            version.is_locked = True

    cloud.interrupt = lock
    cloud.run()
    assert any(f"/{cloud.jobs[0].task_id}/" in version.key for version in cloud.archive)
    assert cloud.record(request_for(generation=2)).state == "completed"


def test_a_window_whose_tasks_keep_failing_ends_in_the_dead_letter_queue(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED",))
    cloud.request()
    cloud.run()
    assert len(cloud.jobs) == 3
    assert [event.data.will_be_retried for event in cloud.failed_events()] == [True, True, False]
    last = cloud.record(request_for(generation=3))
    assert last.failed is not None
    assert last.failed.next_export_id is None
    (letter,) = cloud.dead_letters
    assert letter.reason == "task_failed"
    assert letter.detail == "The task broke."
    assert last.export_id in letter.body
    assert not cloud.archive


def test_a_lost_task_is_tried_again_and_its_objects_stay(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=30)
    cloud.request()
    cloud.deliver()
    (job,) = cloud.jobs
    job.is_lost = True
    cloud.run()
    first = cloud.record()
    assert first.failed is not None
    assert first.failed.reason == "task_lost"
    assert cloud.record(request_for(generation=2)).state == "completed"
    assert sum(f"/{job.task_id}/" in version.key for version in cloud.archive) == 3


def test_a_task_that_is_unknown_for_a_moment_is_not_lost(cloud: "Cloud") -> None:
    cloud.request()

    def hide_for_a_minute(_name: str) -> None:
        for job in cloud.jobs:
            job.is_lost = cloud.now - job.created < timedelta(minutes=1)

    cloud.interrupt = hide_for_a_minute
    cloud.run()
    assert cloud.record().state == "completed"
    assert len(cloud.jobs) == 1


# -- refusals that a person has to mend --------------------------------------------------------


@pytest.mark.parametrize("reason", ["log_group_deleted", "bucket_policy", "access_denied"])
def test_a_refusal_fails_at_once_with_the_words_that_mend_it(
    cloud: "Cloud", plan: "type[Plan]", reason: str
) -> None:
    cloud.plans[LOG_GROUP] = plan(refusal=(reason, "What AWS said."))
    export_id = cloud.request()
    assert cloud.run() == 1
    (event,) = cloud.failed_events()
    assert event.id == export_id
    assert event.data.reason == reason
    assert event.data.message == "What AWS said."
    assert "111122223333" in event.data.mend or "amzn-s3-demo-archive" in event.data.mend
    assert not event.data.will_be_retried
    (letter,) = cloud.dead_letters
    assert (letter.reason, letter.detail) == (reason, "What AWS said.")
    record = cloud.record()
    assert record.failed is not None
    assert record.failed.published_at is not None
    assert not cloud.jobs


def test_the_export_behind_a_refused_one_goes_on(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans[LOG_GROUP] = plan(refusal=("log_group_deleted", "gone"))
    other = request_for("/aws/lambda/refunds")
    cloud.request()
    cloud.request(other)
    cloud.run()
    assert cloud.record().state == "failed"
    assert cloud.record(other).state == "completed"


def test_a_refusal_that_hides_a_bucket_in_another_region_names_the_region(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(refusal=("bucket_policy", "GetBucketAcl call failed"))
    cloud.bucket_region = "eu-north-1"
    cloud.request()
    cloud.run()
    assert [event.data.reason for event in cloud.failed_events()] == ["bucket_region"]


def test_a_bucket_that_does_not_show_its_region_is_taken_at_awss_word(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(refusal=("bucket_policy", "GetBucketAcl call failed"))
    cloud.bucket_region = None
    cloud.request()
    cloud.run()
    assert [event.data.reason for event in cloud.failed_events()] == ["bucket_policy"]


def test_a_role_that_may_not_look_at_tasks_fails_the_export_at_once(cloud: "Cloud") -> None:
    cloud.request()

    def deny(name: str) -> None:
        if name == "logs.newest_tasks":
            raise ExportRefusedError("access_denied", "DescribeExportTasks: AccessDenied: no")

    cloud.interrupt = deny
    assert cloud.run() == 1
    assert [event.data.reason for event in cloud.failed_events()] == ["access_denied"]
    assert [letter.reason for letter in cloud.dead_letters] == ["access_denied"]


def test_a_throttled_creation_comes_back_soon_and_is_no_failure(cloud: "Cloud") -> None:
    cloud.request()
    errors = iter([TransientError("ThrottlingException"), TransientError("a timeout")])

    def throttle(name: str) -> None:
        if name == "logs.create_task":
            for error in errors:
                raise error

    cloud.interrupt = throttle
    assert cloud.deliver()["batchItemFailures"]
    assert cloud.letters[0].visible_at - cloud.now <= timedelta(seconds=1)
    cloud.run()
    assert cloud.record().state == "completed"
    assert not cloud.failed_events()


def test_a_creation_whose_answer_was_lost_makes_no_second_task(cloud: "Cloud") -> None:
    cloud.request()
    lost = iter([TransientError("read timeout")])

    def lose_the_answer(name: str) -> None:
        if name == "ledger.submitted":
            for error in lost:
                raise error

    cloud.interrupt = lose_the_answer
    cloud.run()
    assert len(cloud.jobs) == 1
    assert cloud.record().state == "completed"


def test_a_record_that_never_stays_the_same_gives_the_message_back(cloud: "Cloud") -> None:
    cloud.request()

    def change(name: str) -> None:
        if name == "ledger.submitted":
            record = cloud.record()
            cloud.put_record(record.model_copy(update={"revision": record.revision + 1}))

    cloud.interrupt = change
    assert cloud.deliver()["batchItemFailures"]
    cloud.interrupt = lambda _name: None
    cloud.run()
    assert len(cloud.jobs) == 1
    assert cloud.record().state == "completed"


# -- messages that are no requests -------------------------------------------------------------


def test_a_message_that_breaks_the_contract_is_dead_lettered_with_every_problem(
    cloud: "Cloud",
) -> None:
    cloud.enqueue('{"specversion": "1.0", "data": {}}')
    assert cloud.run() == 1
    (letter,) = cloud.dead_letters
    assert letter.reason == "contract"
    assert letter.body == '{"specversion": "1.0", "data": {}}'
    assert letter.group_id == "111122223333.eu-west-1"
    assert letter.message_id == "message-1"
    assert "data.export_id" in letter.detail
    assert "data.window" in letter.detail


def test_a_message_that_cannot_be_dead_lettered_comes_back_and_the_log_says_why(
    cloud: "Cloud", logged: Callable[[], list[dict[str, Any]]]
) -> None:
    def refuse(operation: str) -> None:
        if operation == "queue.dead_letter":
            raise CallRefusedError("access_denied", "SendMessage of the queue: AccessDenied: no")

    cloud.interrupt = refuse
    cloud.enqueue("not JSON")
    cloud.deliver()
    assert len(cloud.letters) == 1
    (error,) = [line for line in logged() if line["level"] == "ERROR"]
    assert (error["message"], error["reason"]) == ("not dead-lettered", "contract")
    assert "AccessDenied" in error["exception"]


def test_a_message_whose_id_belongs_to_another_export_is_dead_lettered(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    cloud.run()
    stolen = {"export_id": request_for().export_id}
    cloud.request(request_for("/aws/lambda/refunds").model_copy(update=stolen), is_planned=False)
    cloud.run()
    (letter,) = cloud.dead_letters
    assert letter.reason == "contract"
    assert len(cloud.completed_events()) == 1


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"profile": "beta"}, "profile beta, not shop"),
        ({"profile": "Shop"}, "profile Shop, not shop"),
        ({"account_id": "222233334444"}, "slot 222233334444.eu-west-1, not"),
        ({"region": "eu-central-1"}, "slot 111122223333.eu-central-1, not"),
        ({"role_arn": "arn:aws:iam::111122223333:role/another"}, "role/another, not"),
    ],
)
def test_a_request_for_another_source_is_dead_lettered_before_anything_is_read(
    cloud: "Cloud", request_for: RequestFor, changes: dict[str, str], what: str
) -> None:
    data = request_for()
    source = data.source.model_copy(update=changes)
    cloud.request(data.model_copy(update={"source": source}))
    before = dict(cloud.ledger)
    cloud.run()
    (letter,) = cloud.dead_letters
    assert letter.reason == "wrong_source"
    assert what in letter.detail
    assert cloud.calls == ["queue.dead_letter"]
    assert cloud.ledger == before


@pytest.mark.parametrize("is_long", [True, False], ids=["long", "not over"])
def test_a_window_that_no_plan_has_is_dead_lettered_before_it_gets_a_record(
    cloud: "Cloud", request_for: RequestFor, *, is_long: bool
) -> None:
    data = request_for()
    now_ms, day_ms = epoch_ms(cloud.now), 86_400_000
    from_ms, to_ms = (0, now_ms - day_ms) if is_long else (now_ms, now_ms + day_ms)
    window = Window(from_ms=from_ms, to_ms=to_ms)
    cloud.request(data.model_copy(update={"window": window}), is_planned=False)
    before = dict(cloud.ledger)
    cloud.run()
    (letter,) = cloud.dead_letters
    assert letter.reason == "contract"
    assert "is longer than a plan's, or not over" in letter.detail
    assert cloud.ledger == before


def test_a_request_for_what_another_profile_has_taken_over_is_dead_lettered_and_left_to_it(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    data = request_for()
    record = data.first_record(cloud.now)
    theirs = record.as_of(record.source.model_copy(update={"profile": "store"}), record.destination)
    cloud.put_record(theirs)
    cloud.request(data, is_planned=False)
    cloud.run()
    (letter,) = cloud.dead_letters
    assert letter.reason == "wrong_source"
    assert letter.detail == "asked for profile shop; the ledger has it for store"
    assert cloud.record() == theirs


def test_the_date_of_another_source_is_dead_lettered(
    new_cloud: Callable[..., "Cloud"],
) -> None:
    cloud = new_cloud(profile="beta")
    cloud.request_day()
    cloud.run()
    assert [letter.reason for letter in cloud.dead_letters] == ["wrong_source"]


def test_a_broken_ledger_record_is_dead_lettered_and_left_as_it_is(cloud: "Cloud") -> None:
    cloud.request()
    (key,) = cloud.ledger
    cloud.ledger[key] = ('{"state": "odd"}', '"1"')
    cloud.run()
    assert [letter.reason for letter in cloud.dead_letters] == ["contract"]
    assert "LedgerRecord" in cloud.dead_letters[0].detail
    assert cloud.ledger[key] == ('{"state": "odd"}', '"1"')


def test_a_message_returns_when_the_dead_letter_queue_does_not_take_it(cloud: "Cloud") -> None:
    cloud.enqueue("not JSON")
    failing = {"queue.dead_letter"}

    def fail(name: str) -> None:
        if name in failing:
            raise RuntimeError("no permission")

    cloud.interrupt = fail
    assert cloud.deliver()["batchItemFailures"] == [{"itemIdentifier": "message-1"}]
    failing.clear()
    cloud.run()
    assert len(cloud.dead_letters) == 1


# -- batches -----------------------------------------------------------------------------------


def test_the_first_message_given_back_takes_all_later_ones_with_it(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    names = ["/one", "/two", "/three", "/four"]
    cloud.plans["/two"] = plan(running_s=300)
    for name in names:
        cloud.request(request_for(name))
    later = cloud.letters[1:]
    answer = cloud.deliver(batch_size=4)
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == [
        letter.message_id for letter in later
    ]
    assert cloud.record(request_for("/one")).state == "completed"
    assert [cloud.record(request_for(name)).state for name in names[2:]] == ["requested"] * 2


def test_messages_given_back_together_come_back_together(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans["/one"] = plan(running_s=300)
    for name in ("/one", "/two", "/three"):
        cloud.request(request_for(name))
    cloud.deliver(batch_size=3)
    assert len({letter.visible_at for letter in cloud.letters}) == 1
    assert cloud.letters[0].visible_at - cloud.now < timedelta(seconds=5)


@pytest.mark.parametrize(
    "batch_size",
    [pytest.param(n, marks=() if n in {1, 4, 10} else pytest.mark.deep) for n in range(1, 11)],
)
@pytest.mark.parametrize("slow", [0, 3, 6])
def test_exports_of_a_slot_run_one_after_the_other_in_order_whatever_the_batch(
    cloud: "Cloud",
    plan: "type[Plan]",
    request_for: RequestFor,
    batch_size: int,
    slow: int,
) -> None:
    names = [f"/group/{number}" for number in range(7)]
    cloud.plans[names[slow]] = plan(running_s=900)
    for name in names:
        cloud.request(request_for(name))
    cloud.run(batch_size)
    assert [event.data.log_group_name for event in cloud.completed_events()] == names
    assert [job.name for job in cloud.jobs] == [request_for(name).export_id for name in names]


def test_an_unexpected_error_gives_its_message_back_and_says_why(
    cloud: "Cloud", logged: Callable[[], list[dict[str, Any]]]
) -> None:
    cloud.request()
    failures = iter([RuntimeError("S3 is out of order")])

    def fail_once(name: str) -> None:
        if name == "archive.objects":
            for error in failures:
                raise error

    cloud.interrupt = fail_once
    assert cloud.deliver()["batchItemFailures"]
    assert cloud.letters[0].visible_at - cloud.now <= timedelta(seconds=1)
    (error,) = [line for line in logged() if line["level"] == "ERROR"]
    assert "S3 is out of order" in error["exception"]
    assert "Traceback" in error["exception"]
    cloud.run()
    assert cloud.record().state == "completed"


def test_an_empty_answer_when_every_message_is_done(cloud: "Cloud") -> None:
    cloud.request()
    assert cloud.deliver() == {"batchItemFailures": []}


# -- announcements that are too long -----------------------------------------------------------


def test_a_manifest_too_long_for_an_event_is_announced_by_its_place(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    keys = tuple(f"stream-{number:06d}/000000.gz" for number in range(10_000))
    cloud.plans[LOG_GROUP] = plan(keys=keys)
    cloud.request()
    cloud.run()
    (event,) = cloud.completed_events()
    manifest = event.data.manifest
    assert manifest.objects is None
    assert manifest.object_count == 10_000
    assert len(emit(event).encode()) < 256 * 1024
    assert manifest.location is not None
    assert manifest.location.key in cloud.manifests
    record = cloud.record()
    assert record.completed is not None
    assert len(record.completed.manifest.objects or []) == 10_000


# -- the entry point ---------------------------------------------------------------------------


class Context:
    """What the handler and its logger read of a Lambda context."""

    function_name = "log-sqs-shop-collect-fifoSQSConsumer"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:eu-west-1:999988887777:function:exporter"
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


def test_the_entry_point_answers_and_emits_its_metrics(
    cloud: "Cloud", monkeypatch: pytest.MonkeyPatch, emitted: Callable[[str], list[float]]
) -> None:
    monkeypatch.setattr(handler, "_wiring", cloud.wiring)
    cloud.request()
    event = {"Records": [cloud.as_record(cloud.letters[0])]}
    context: Any = Context()
    assert handler.handle(event, context) == {"batchItemFailures": []}
    assert not metrics.metric_set
    assert emitted("ExportsCompleted") == [1]


def test_without_settings_every_invocation_fails_and_names_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CONTROL_BUCKET", "TOPIC_ARN", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    context: Any = Context()
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"CONTROL_BUCKET.*QUEUE_URL"):
            handler.handle({"Records": []}, context)


def test_messages_that_sqs_does_not_take_back_are_reported_in_the_log(
    cloud: "Cloud", plan: "type[Plan]", logged: Callable[[], list[dict[str, Any]]]
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=600)
    cloud.request()
    cloud.refused_handles = ["ReceiptHandleIsInvalid"]
    assert cloud.deliver()["batchItemFailures"]
    (warning,) = [line for line in logged() if line["level"] == "WARNING"]
    assert warning["problems"] == ["ReceiptHandleIsInvalid"]


# -- what it tells its operators ---------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["COMPLETED", "FAILED"])
def test_how_long_the_slot_was_busy_is_measured_whatever_became_of_it(
    cloud: "Cloud", plan: "type[Plan]", emitted: Callable[[str], list[float]], outcome: str
) -> None:
    cloud.plans[LOG_GROUP] = plan(pending_s=0.5, running_s=7.5, outcomes=(outcome, "COMPLETED"))
    cloud.request()
    cloud.run()
    assert emitted("SlotBusySeconds") == [8.0] * len(cloud.jobs)


def test_how_long_a_request_was_in_the_queue_is_measured_once(
    cloud: "Cloud", plan: "type[Plan]", emitted: Callable[[str], list[float]]
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=300)
    cloud.request()
    cloud.now += timedelta(minutes=7)
    assert cloud.run() > 1
    assert emitted("QueueAgeSeconds") == [pytest.approx(420, abs=1)]


def test_metrics_are_those_of_a_lane(
    cloud: "Cloud", request_for: RequestFor, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.request()
    cloud.request(request_for("/direct", lane="direct"))
    cloud.run()
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lanes = {d["lane"] for d in documents if "_aws" in d and "ExportsCompleted" in d}
    assert lanes == {"slot", "direct"}


def test_the_metrics_of_a_message_that_is_no_request_have_no_lane(
    cloud: "Cloud", capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.enqueue("not JSON")
    cloud.run()
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metric,) = [document for document in documents if "_aws" in document]
    assert metric["DeadLetters"] == [1]
    assert "lane" not in metric


@pytest.mark.parametrize(
    ("name", "values"), [("ExportsCompleted", [1]), ("BytesArchived", [300]), ("ExportsFailed", [])]
)
def test_bytes_and_exports_are_counted(
    cloud: "Cloud", emitted: Callable[[str], list[float]], name: str, values: list[float]
) -> None:
    cloud.request()
    cloud.run()
    assert emitted(name) == values


@pytest.mark.parametrize(
    ("name", "values"),
    [("ExportsRetried", [1, 1]), ("ExportsFailed", [1]), ("DeadLetters", [1])],
)
def test_tries_are_counted_apart_from_exports_that_failed_for_good(
    cloud: "Cloud",
    plan: "type[Plan]",
    emitted: Callable[[str], list[float]],
    name: str,
    values: list[float],
) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED",))
    cloud.request()
    cloud.run()
    assert emitted(name) == values


@pytest.mark.parametrize(
    ("name", "values"),
    [("ExportsSplit", [1]), ("ExportsCompleted", [1]), ("BytesArchived", [300, 300])],
)
def test_a_split_export_counts_as_one_and_its_bytes_once(
    cloud: "Cloud",
    plan: "type[Plan]",
    emitted: Callable[[str], list[float]],
    name: str,
    values: list[float],
) -> None:
    cloud.settings = replace(cloud.settings, split_after=CLOCK_SKEW + timedelta(seconds=2))  # type: ignore[arg-type]
    cloud.plans[LOG_GROUP] = plan(running_s=2.8)
    cloud.request()
    cloud.run()
    assert emitted(name) == values


def test_log_lines_carry_the_export_and_its_task(
    cloud: "Cloud", logged: Callable[[], list[dict[str, Any]]]
) -> None:
    export_id = cloud.request()
    cloud.run()
    (completed,) = [line for line in logged() if line["message"] == "completed"]
    assert completed["export_id"] == export_id
    assert completed["log_group"] == LOG_GROUP
    assert completed["generation"] == 1
    assert completed["task_id"] == cloud.jobs[0].task_id


def test_every_line_names_the_artifact(
    cloud: "Cloud", logged: Callable[[], list[dict[str, Any]]]
) -> None:
    cloud.request()
    cloud.enqueue("not JSON")
    cloud.run()
    assert {line["artifact"] for line in logged()} == {"0.2.0-1a2b3c4d5e6f"}


def test_a_function_that_is_not_told_its_artifact_logs_none(
    new_cloud: Callable[..., "Cloud"], logged: Callable[[], list[dict[str, Any]]]
) -> None:
    cloud = new_cloud(artifact=None)
    cloud.request()
    cloud.run()
    assert all("artifact" not in line for line in logged())


def test_a_message_does_not_carry_the_keys_of_the_one_before(
    cloud: "Cloud", logged: Callable[[], list[dict[str, Any]]]
) -> None:
    cloud.request()
    cloud.enqueue("not JSON")
    cloud.run(batch_size=2)
    (dead_lettered,) = [line for line in logged() if line["message"] == "dead-lettered"]
    assert not {"export_id", "log_group", "generation", "task_id"} & set(dead_lettered)


def test_an_export_that_follows_at_once_needs_no_look_for_a_task_of_its_own(
    cloud: "Cloud", request_for: Callable[..., ExportRequestedData]
) -> None:
    """The list that shows the end of the one before shows as well that there is none."""
    cloud.warm = cloud.wiring()
    for log_group in (LOG_GROUP, "/aws/lambda/payments"):
        cloud.request(request_for(log_group))
    cloud.run()
    first, second = [n for n, call in enumerate(cloud.calls) if call == "logs.create_task"]
    found = cloud.calls.index("archive.objects")
    assert "logs.newest_tasks" in cloud.calls[first:found]
    assert "logs.newest_tasks" not in cloud.calls[found:second]


@pytest.fixture
def other(cloud: "Cloud", request_for: Callable[..., ExportRequestedData]) -> ExportRequestedData:
    """Another export than the one that a warm environment has just done."""
    cloud.warm = cloud.wiring()
    cloud.request()
    cloud.run()
    return request_for("/aws/lambda/payments")


def test_what_was_seen_a_while_ago_does_not_say_that_there_is_no_task(
    cloud: "Cloud", other: ExportRequestedData
) -> None:
    cloud.now += timedelta(seconds=4)
    orphan = cloud.start_job(other, running_s=1.0)
    cloud.now = orphan.ends
    cloud.request(other)
    cloud.run()
    assert len(cloud.jobs) == 2
    submitted = cloud.record(other).submitted
    assert submitted is not None
    assert submitted.task_id == orphan.task_id


def test_a_task_that_could_not_be_recorded_is_found_by_another_message_for_it(
    cloud: "Cloud", other: ExportRequestedData
) -> None:
    """Although the list of a moment ago does not have it."""
    cloud.request(other)
    cloud.request(other, is_planned=False)

    def crash(name: str) -> None:
        if name == "ledger.submitted":
            raise KeyboardInterrupt

    cloud.interrupt = crash
    with pytest.raises(KeyboardInterrupt):
        cloud.deliver()
    cloud.interrupt = lambda _name: None
    cloud.letters.pop(0)
    cloud.run()
    assert len(cloud.jobs) == 2
    assert cloud.record(other).state == "completed"
