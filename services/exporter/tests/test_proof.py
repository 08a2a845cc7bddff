"""What another invocation has completed, or somebody has written, is announced if it is so."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exporter.direct import folder_name
from exporter.errors import ExportRefusedError, NotForDirectLaneError
from logferry_contracts.export import export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import (
    Completed,
    Disposed,
    LedgerRecord,
    Secured,
    Submitted,
)
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]

LOG_GROUP = "/aws/lambda/orders"
NOTHING = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])


def manifest_of(*keys: str, size_bytes: int = 100) -> Manifest:
    objects = [
        ArchivedObject(key=key, version_id="version-x", size_bytes=size_bytes, etag="e")
        for key in keys
    ]
    return Manifest(
        object_count=len(keys),
        stream_count=len(keys),
        total_bytes=size_bytes * len(keys),
        objects=objects,
    )


def overwrite(
    cloud: "Cloud", manifest: Manifest, task_id: str | None = None, **changes: Any
) -> None:
    """Write ``completed`` over the record, as an administrator may."""
    at = timestamp(cloud.now)
    submitted = None if task_id is None else Submitted(task_id=task_id, at=at)
    update = {
        "state": "completed",
        "revision": 7,
        "submitted": submitted,
        "completed": Completed(at=at, manifest=manifest),
        **changes,
    }
    cloud.put_record(cloud.record().model_copy(update=update))


def next_generation(request_for: RequestFor, **changes: Any) -> ExportRequestedData:
    return request_for(generation=2, **changes)


def assert_is_exported_again(cloud: "Cloud", request_for: RequestFor) -> None:
    """The record was not believed, somebody hears of it, and the window is in the archive."""
    failed = cloud.record()
    assert failed.failed is not None
    assert (failed.state, failed.failed.reason) == ("failed", "not_as_recorded")
    assert failed.completed is None
    second = next_generation(request_for)
    assert failed.failed.next_export_id == second.export_id
    assert [(event.id, event.data.will_be_retried) for event in cloud.failed_events()] == [
        (failed.export_id, True)
    ]
    (letter,) = cloud.dead_letters
    assert letter.reason == "not_as_recorded"
    assert failed.export_id in letter.detail
    (event,) = cloud.completed_events()
    assert event.id == second.export_id
    assert event.data.manifest.object_count > 0


# -- records that nothing bears out ------------------------------------------------------------


@pytest.mark.parametrize("keys", [(), ("shop/aws/lambda/orders/2026/11/21/00/task-9/a/000000.gz",)])
@pytest.mark.parametrize("task_id", [None, "task-9"])
def test_completed_written_over_requested_is_not_announced(
    cloud: "Cloud", request_for: RequestFor, task_id: str | None, keys: tuple[str, ...]
) -> None:
    cloud.request()
    overwrite(cloud, manifest_of(*keys), task_id)
    cloud.run()
    assert_is_exported_again(cloud, request_for)


def test_neither_is_secured_written_over_requested(cloud: "Cloud", request_for: RequestFor) -> None:
    cloud.request()
    secured = Secured(at=timestamp(cloud.now))
    overwrite(cloud, NOTHING, "task-9", state="secured", secured=secured)
    cloud.run()
    assert_is_exported_again(cloud, request_for)


def test_a_task_that_still_runs_has_completed_nothing(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    job = cloud.start_job(request_for())
    overwrite(cloud, NOTHING, job.task_id)
    cloud.run()
    assert_is_exported_again(cloud, request_for)


@pytest.mark.parametrize("state", ["submitted", "completed"])
def test_the_task_of_another_export_has_completed_nothing(
    cloud: "Cloud", request_for: RequestFor, state: str
) -> None:
    cloud.request()
    job = cloud.start_job(request_for("/other"), running_s=0.0)
    overwrite(cloud, NOTHING, job.task_id, state=state)
    if state == "submitted":
        cloud.put_record(cloud.record().model_copy(update={"completed": None}))
    cloud.run()
    assert_is_exported_again(cloud, request_for)


@pytest.mark.parametrize(
    ("manifest", "what"),
    [
        (NOTHING, "is not in its manifest"),
        (manifest_of("elsewhere/a/000000.gz"), "is not in its manifest"),
    ],
)
def test_a_manifest_without_the_tasks_objects_is_not_announced(
    cloud: "Cloud", request_for: RequestFor, manifest: Manifest, what: str
) -> None:
    cloud.request()
    job = cloud.start_job(request_for(), running_s=0.0)
    overwrite(cloud, manifest, job.task_id)
    cloud.run()
    assert_is_exported_again(cloud, request_for)
    assert what in cloud.dead_letters[0].detail


def test_an_object_of_another_size_is_not_announced(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    job = cloud.start_job(request_for(), running_s=0.0, keys=("a/000000.gz",))
    overwrite(
        cloud,
        manifest_of(f"{job.prefix}/{job.task_id}/a/000000.gz", size_bytes=99),
        job.task_id,
    )
    cloud.run()
    assert_is_exported_again(cloud, request_for)


def test_an_object_outside_of_the_tasks_folder_is_not_announced(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    job = cloud.start_job(request_for(), running_s=0.0, keys=())
    overwrite(cloud, manifest_of("shop/other/000000.gz"), job.task_id)
    cloud.run()
    assert_is_exported_again(cloud, request_for)


def test_an_empty_direct_reading_is_not_announced_where_there_are_events(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request(request_for(lane="direct"))
    overwrite(cloud, NOTHING)
    cloud.run()
    assert_is_exported_again(cloud, request_for)


def test_a_direct_reading_of_what_is_not_there_is_not_announced(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    data = request_for(lane="direct")
    cloud.request(data)
    folder = f"{data.destination.prefix}/{folder_name(data.export_id)}"
    overwrite(cloud, manifest_of(f"{folder}/a/000000.gz"))
    cloud.run()
    assert_is_exported_again(cloud, request_for)


def test_a_record_that_nobody_can_check_is_not_announced(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request(request_for(lane="direct"))
    overwrite(cloud, NOTHING)
    cloud.unreadable = NotForDirectLaneError("AccessDeniedException")
    cloud.run()
    assert_is_exported_again(cloud, request_for)


def test_the_last_generation_fails_for_good(
    new_cloud: Callable[..., "Cloud"], request_for: RequestFor
) -> None:
    cloud = new_cloud(max_generations=1)
    cloud.request()
    overwrite(cloud, NOTHING)
    cloud.run()
    (event,) = cloud.failed_events()
    assert not event.data.will_be_retried
    assert [letter.reason for letter in cloud.dead_letters] == ["not_as_recorded"]
    cloud.redrive()
    cloud.run()
    assert [event.id for event in cloud.completed_events()] == [
        next_generation(request_for).export_id
    ]


def test_the_dead_letter_of_what_was_exported_again_is_acknowledged_when_it_is_put_back(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    overwrite(cloud, NOTHING)
    cloud.run()
    events = list(cloud.events)
    cloud.redrive()
    cloud.run()
    assert (cloud.events, cloud.dead_letters) == (events, [])


# -- records that say that they were announced --------------------------------------------------


def announced(cloud: "Cloud", manifest: Manifest) -> Completed:
    at = timestamp(cloud.now)
    return Completed(at=at, manifest=manifest, published_at=at)


def assert_is_taken_back(cloud: "Cloud", request_for: RequestFor) -> None:
    """The window is in the archive as the next generation, and somebody hears of it."""
    (failed,) = cloud.failed_events()
    first, second = request_for(), next_generation(request_for)
    assert failed.id == f"{first.export_id}-lost"
    assert (failed.data.reason, failed.data.will_be_retried) == ("not_as_recorded", True)
    assert [event.id for event in cloud.completed_events()] == [second.export_id]
    assert [letter.reason for letter in cloud.dead_letters] == ["not_as_recorded"]


@pytest.mark.parametrize("lane", ["slot", "direct"])
@pytest.mark.parametrize("state", ["completed", "secured"])
@pytest.mark.parametrize("manifest", [NOTHING, manifest_of("elsewhere/a/000000.gz")])
def test_what_claims_to_be_announced_and_was_not_is_exported_again(
    cloud: "Cloud", request_for: RequestFor, lane: str, state: str, manifest: Manifest
) -> None:
    cloud.request(request_for(lane=lane))
    changes: dict[str, Any] = {"state": state, "completed": announced(cloud, manifest)}
    if state == "secured":
        changes["secured"] = Secured(at=timestamp(cloud.now))
    cloud.put_record(cloud.record().model_copy(update=changes))
    cloud.run()
    assert_is_taken_back(cloud, request_for)


@pytest.mark.parametrize("whose", ["still runs", "another's", "has objects"])
def test_what_claims_to_be_announced_by_a_task_that_says_otherwise_is_exported_again(
    cloud: "Cloud", request_for: RequestFor, whose: str
) -> None:
    cloud.request()
    other = request_for("/other") if whose == "another's" else request_for()
    job = cloud.start_job(other) if whose == "still runs" else cloud.start_job(other, running_s=0.0)
    record = cloud.record().as_submitted(job.task_id, at=cloud.now)
    cloud.put_record(record.as_completed(announced(cloud, NOTHING)))
    cloud.run()
    assert_is_taken_back(cloud, request_for)


@pytest.mark.parametrize("lane", ["slot", "direct"])
@pytest.mark.parametrize("content", ["events", "nothing"])
@pytest.mark.parametrize("later", ["as it was", "its task is forgotten", "its role is gone"])
def test_the_message_of_what_was_announced_is_acknowledged_when_it_comes_again(
    cloud: "Cloud",
    request_for: RequestFor,
    plan: "type[Plan]",
    lane: str,
    content: str,
    later: str,
) -> None:
    if content == "nothing":
        cloud.plans[LOG_GROUP] = plan(keys=())
        cloud.pages[LOG_GROUP] = [[], []]
    cloud.request(request_for(lane=lane))
    cloud.run()
    before, events = cloud.record(), list(cloud.events)
    if later == "its task is forgotten":
        for job in cloud.jobs:
            job.is_lost = True
        cloud.now += timedelta(days=20)
    if later == "its role is gone":

        def refuse(name: str) -> None:
            if name.startswith("logs."):
                raise ExportRefusedError("access_denied", "AssumeRole: AccessDenied")

        cloud.interrupt = refuse
    cloud.request(request_for(lane=lane), is_planned=False)
    cloud.run()
    assert (cloud.record(), cloud.events, cloud.dead_letters) == (before, events, [])


def split_up(cloud: "Cloud", plan: "type[Plan]", lane: str, request_for: RequestFor) -> None:
    """Export a window in parts, by tasks or in the direct lane."""
    if lane == "slot":
        cloud.plans[LOG_GROUP] = plan(running_s=25 * 3600)
        cloud.request()
    else:
        cloud.request(request_for(lane=lane, estimated_bytes=1_800_000_000))
    cloud.run(deliveries=5000)
    assert cloud.record().split is not None


def make_again(cloud: "Cloud", **changes: Any) -> LedgerRecord:
    """Leave of the ledger what `logferry ledger rebuild` makes of a split export's statement."""
    rebuilt = cloud.record().model_copy(update={"split": None, "submitted": None, **changes})
    cloud.ledger.clear()
    cloud.put_record(rebuilt)
    return rebuilt


@pytest.mark.parametrize("lane", ["slot", "direct"])
@pytest.mark.parametrize("later", ["as it was", "its tasks are forgotten"])
def test_the_message_of_a_split_export_of_a_ledger_made_again_is_acknowledged(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor, lane: str, later: str
) -> None:
    split_up(cloud, plan, lane, request_for)
    rebuilt, events = make_again(cloud), list(cloud.events)
    for job in cloud.jobs:
        job.is_lost = later == "its tasks are forgotten"
    cloud.request(request_for(lane=lane), is_planned=False)
    cloud.run()
    assert (cloud.records(), cloud.events, cloud.dead_letters) == ([rebuilt], events, [])


@pytest.mark.parametrize("what", ["gone", "failed", "elsewhere"])
def test_what_contradicts_a_split_export_of_a_ledger_made_again_takes_it_back(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor, what: str
) -> None:
    split_up(cloud, plan, "slot", request_for)
    make_again(cloud)
    cloud.events.clear()
    cloud.plans[LOG_GROUP] = plan()
    if what == "gone":
        del cloud.archive[0]
    for job in cloud.jobs:
        if what == "failed":
            job.outcome = "FAILED"
        if what == "elsewhere":
            job.prefix = "shop/other"
    cloud.request(is_planned=False)
    cloud.run(deliveries=5000)
    assert_is_taken_back(cloud, request_for)


def test_what_is_named_beside_an_exports_own_folder_does_not_stand_for_what_is_in_it(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request(request_for(lane="direct"))
    cloud.run()
    (one, *_) = cloud.archive
    beside = one.key.replace(folder_name(cloud.record().export_id), "beside")
    manifest = manifest_of(*(each.key for each in cloud.archive), beside)
    cloud.archive[:] = [replace(one, key=beside)]
    cloud.put_record(cloud.record().model_copy(update={"completed": announced(cloud, manifest)}))
    cloud.events.clear()
    cloud.request(request_for(lane="direct"), is_planned=False)
    cloud.run()
    assert_is_taken_back(cloud, request_for)


@pytest.mark.parametrize("lane", ["slot", "direct"])
def test_the_message_of_what_was_disposed_of_since_is_acknowledged(
    cloud: "Cloud", request_for: RequestFor, lane: str
) -> None:
    cloud.request(request_for(lane=lane))
    cloud.run()
    disposed = Disposed(
        at=timestamp(cloud.now), by="arn:aws:iam::1:role/o", reason="art. 17", statement="a" * 64
    )
    cloud.put_record(cloud.record().as_disposed(disposed))
    cloud.archive.clear()
    before, events = cloud.records(), list(cloud.events)
    cloud.request(request_for(lane=lane), is_planned=False)
    cloud.run()
    assert (cloud.records(), cloud.events, cloud.dead_letters) == (before, events, [])


# -- records that are true ---------------------------------------------------------------------


def unpublished(record: LedgerRecord) -> LedgerRecord:
    assert record.completed is not None
    silent = record.completed.model_copy(update={"published_at": None})
    return record.model_copy(update={"completed": silent})


@pytest.mark.parametrize("lane", ["slot", "direct"])
@pytest.mark.parametrize("content", ["events", "nothing"])
def test_what_an_earlier_try_has_completed_is_announced(
    cloud: "Cloud", request_for: RequestFor, plan: "type[Plan]", lane: str, content: str
) -> None:
    if content == "nothing":
        cloud.plans[LOG_GROUP] = plan(keys=())
        cloud.pages[LOG_GROUP] = [[], []]
    data = request_for(lane=lane)
    cloud.request(data)
    cloud.run()
    announced = cloud.events.pop()
    cloud.put_record(unpublished(cloud.record()))
    cloud.request(data, is_planned=False)
    cloud.run()
    assert cloud.events == [announced]
    assert not cloud.dead_letters


def test_a_task_that_aws_has_forgotten_does_not_take_its_objects_back(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    announced = cloud.events.pop()
    cloud.put_record(unpublished(cloud.record()))
    cloud.jobs[0].is_lost = True
    cloud.now += timedelta(days=30)
    cloud.request(is_planned=False)
    cloud.run()
    assert cloud.events == [announced]


def test_a_verified_copy_stands_for_the_version_of_the_manifest(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    before = cloud.record()
    cloud.put_record(unpublished(before))
    cloud.archive[0].version_id = "version-of-the-copy"
    cloud.events.clear()
    cloud.checks_versions = False
    cloud.request(is_planned=False)
    cloud.run()
    assert [event.id for event in cloud.completed_events()] == [before.export_id]


def test_what_an_invocation_completes_itself_costs_no_other_look(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    assert "archive.sizes" not in cloud.calls
    after = cloud.calls[cloud.calls.index("ledger.completed") + 1 :]
    assert after == ["topic.publish", "ledger.completed"]


def test_a_role_that_is_refused_just_now_is_no_reason_to_announce(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    cloud.run()
    cloud.events.clear()
    cloud.put_record(unpublished(cloud.record()))

    def refuse(name: str) -> None:
        if name == "logs.task":
            cloud.interrupt = lambda _name: None
            raise ExportRefusedError("access_denied", "AssumeRole: AccessDenied")

    cloud.interrupt = refuse
    cloud.request(is_planned=False)
    cloud.run()
    assert_is_exported_again(cloud, request_for)


# -- windows that were split -------------------------------------------------------------------


def test_a_half_that_nothing_bears_out_is_not_merged(cloud: "Cloud", plan: "type[Plan]") -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=25 * 3600)
    cloud.request()

    def write(name: str) -> None:
        if name != "queue.send":
            return
        halves = [each for each in cloud.records() if each.parent_export_id is not None]
        if len(halves) == 2 and halves[1].state == "requested":
            at = timestamp(cloud.now)
            done = Completed(at=at, manifest=NOTHING, published_at=at)
            cloud.put_record(halves[1].model_copy(update={"state": "completed", "completed": done}))

    cloud.interrupt = write
    cloud.run(deliveries=5000)
    reasons = [letter.reason for letter in cloud.dead_letters]
    assert reasons == ["not_as_recorded"]
    (event,) = cloud.completed_events()
    assert event.data.generation == 2
    assert event.data.manifest.object_count == 6


def test_a_whole_that_an_earlier_try_has_merged_is_announced(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=25 * 3600)
    cloud.request()
    cloud.run()
    announced = cloud.events.pop()
    cloud.put_record(unpublished(cloud.record()))
    cloud.request(is_planned=False)
    cloud.run()
    assert cloud.events == [announced]


def test_a_whole_with_another_manifest_than_its_halves_is_not_announced(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=25 * 3600)
    cloud.request()
    cloud.run()
    cloud.events.clear()
    at = timestamp(cloud.now)
    record = cloud.record().model_copy(update={"completed": Completed(at=at, manifest=NOTHING)})
    cloud.put_record(record)
    cloud.plans[LOG_GROUP] = plan()
    cloud.request(is_planned=False)
    cloud.run()
    assert [event.data.reason for event in cloud.failed_events()] == ["not_as_recorded"]
    assert [event.data.generation for event in cloud.completed_events()] == [2]


# -- objects that were removed before they were listed -----------------------------------------


def remove_once(cloud: "Cloud") -> None:
    """Put a delete marker over an object as soon as its task has written it."""

    def remove(_name: str) -> None:
        if cloud.archive:
            cloud.archive[0].is_hidden = True

    cloud.interrupt = remove


def test_a_window_of_which_an_object_was_removed_is_exported_again(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    remove_once(cloud)
    cloud.run()
    failed = cloud.record()
    assert failed.failed is not None
    assert failed.failed.reason == "object_missing"
    (event,) = cloud.completed_events()
    assert event.id == next_generation(request_for).export_id
    assert event.data.manifest.object_count == 3
    assert [letter.reason for letter in cloud.dead_letters] == ["object_missing"]
    assert [event.data.will_be_retried for event in cloud.failed_events()] == [True]


def test_what_is_left_of_a_window_of_which_an_object_was_removed_stays(cloud: "Cloud") -> None:
    cloud.request()
    remove_once(cloud)
    cloud.run()
    assert len(cloud.archive) == 6


def test_a_window_of_which_an_object_is_removed_each_time_fails_for_good(cloud: "Cloud") -> None:
    cloud.request()

    def remove(_name: str) -> None:
        for version in cloud.archive:
            version.is_hidden = True

    cloud.interrupt = remove
    cloud.run()
    assert not cloud.completed_events()
    assert [event.data.will_be_retried for event in cloud.failed_events()] == [True, True, False]
    assert [letter.reason for letter in cloud.dead_letters] == ["object_missing"] * 3
    cloud.interrupt = lambda _name: None
    cloud.redrive()
    cloud.run()
    assert [event.data.generation for event in cloud.completed_events()] == [4]


def test_an_object_of_a_completed_export_that_is_removed_before_it_is_announced_is_noticed(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    cloud.run()
    cloud.events.clear()
    cloud.put_record(unpublished(cloud.record()))
    cloud.archive[0].is_hidden = True
    cloud.request(is_planned=False)
    cloud.run()
    assert_is_exported_again(cloud, request_for)


def test_ids_of_next_generations_are_as_they_are_computed(request_for: RequestFor) -> None:
    data = request_for(generation=2)
    assert data.export_id == export_id(data.source, LOG_GROUP, data.window, 2)
