"""What the handler does with exports in the direct lane, against an AWS of plain Python."""

import gzip
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from exporter import direct, patience
from exporter.direct import Event
from exporter.errors import ExportRefusedError, NotForDirectLaneError, TransientError
from logferry_contracts import reads
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud

type RequestFor = Callable[..., ExportRequestedData]

LOG_GROUP = "/aws/lambda/orders"
SLOT_CALLS = {"logs.create_task", "logs.newest_tasks", "logs.task", "logs.cancel_task"}


@pytest.fixture
def wanted(request_for: RequestFor) -> ExportRequestedData:
    return request_for(lane="direct")


def set_lane(cloud: "Cloud", record: LedgerRecord) -> None:
    cloud.put_record(record.as_lane("slot"))


def test_a_small_export_is_read_and_written_in_one_delivery(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    export_id = cloud.request(wanted)
    assert cloud.run() == 1
    (event,) = cloud.completed_events()
    assert (event.id, event.data.lane, event.data.task_id) == (export_id, "direct", None)
    folder = f"{wanted.destination.prefix}/{direct.folder_name(export_id)}"
    bodies = {version.key: gzip.decompress(version.body) for version in cloud.archive}
    assert bodies == {
        f"{folder}/web-1/000000.gz": (
            b"2026-11-20T23:00:00.000Z first\n2026-11-20T23:00:00.001Z third\n"
        ),
        f"{folder}/web-2/000000.gz": b"2026-11-20T23:00:00.000Z second\n",
    }
    manifest = event.data.manifest
    assert [each.key for each in manifest.objects or []] == sorted(bodies)
    assert (manifest.object_count, manifest.stream_count) == (2, 2)
    completed = cloud.record(wanted).completed
    assert completed is not None
    assert (completed.manifest, completed.task_created_ms) == (manifest, None)


def test_the_slot_is_neither_looked_at_nor_waited_for(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.start_job(running_s=4_000)
    cloud.request(wanted)
    assert cloud.run() == 1
    assert cloud.record(wanted).state == "completed"
    assert not SLOT_CALLS & set(cloud.calls)


@pytest.mark.parametrize("created_ms", [None, 1_795_215_600_001], ids=["gone", "made again"])
def test_nothing_read_of_a_log_group_that_is_gone_is_no_empty_window(
    cloud: "Cloud", wanted: ExportRequestedData, created_ms: int | None
) -> None:
    """Whoever makes it again under its name leaves nothing to be read, and no refusal either."""
    cloud.pages[LOG_GROUP] = [[]]
    cloud.created_ms[LOG_GROUP] = created_ms
    cloud.request(wanted)
    cloud.run()
    assert not cloud.completed_events()
    assert [event.data.reason for event in cloud.failed_events()] == ["log_group_deleted"]


def test_a_window_without_events_completes_with_an_empty_manifest(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.pages[LOG_GROUP] = [[], []]
    cloud.request(wanted)
    cloud.run()
    (event,) = cloud.completed_events()
    assert event.data.manifest.objects == []


def test_calls_of_all_exports_together_stay_within_the_budget(
    new_cloud: Callable[..., "Cloud"], request_for: RequestFor
) -> None:
    cloud = new_cloud(direct_lane_calls_per_second=1)
    at = []
    cloud.interrupt = lambda name: at.append(cloud.now) if name == "logs.events" else None
    wiring = cloud.wiring()
    cloud.wiring = lambda: wiring  # type: ignore[assignment, method-assign, misc]  # a warm Lambda environment
    for name in ("/one", "/two", "/three"):
        cloud.request(request_for(name, lane="direct"))
    cloud.run()
    assert len(at) == 6
    assert all(after - before >= timedelta(seconds=1) for before, after in pairwise(at))


# -- back to the slot --------------------------------------------------------------------------


def test_what_turns_out_to_have_too_many_streams_is_exported_by_a_task(
    new_cloud: Callable[..., "Cloud"], wanted: ExportRequestedData
) -> None:
    cloud = new_cloud(direct_lane_max_bytes=100_000)
    streams = range(direct.MAX_STREAMS + 1)
    cloud.pages[LOG_GROUP] = [[Event(f"{each}", 1_795_215_600_000, "") for each in streams]]
    export_id = cloud.request(wanted)
    cloud.run()
    (event,) = cloud.completed_events()
    (job,) = cloud.tasks_of(wanted)
    assert (event.id, event.data.lane, event.data.task_id) == (export_id, "slot", job.task_id)
    assert {version.key.split("/")[-3] for version in cloud.archive} == {job.task_id}
    assert not cloud.dead_letters


def test_a_millisecond_that_is_too_much_is_exported_by_a_task_and_the_rest_is_read(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.pages[LOG_GROUP] = [[Event("web", wanted.window.to_ms - 1, "x" * 10_000)]]
    export_id = cloud.request(wanted)
    cloud.run()
    (event,) = cloud.completed_events()
    assert event.id == export_id
    (of_task,) = [record for record in cloud.records() if record.submitted is not None]
    # Not the one before as well, which ends with it: parts read their ends once.
    window = wanted.window
    assert (of_task.window.from_ms, of_task.window.to_ms) == (window.to_ms - 1, window.to_ms)
    assert not cloud.dead_letters


def test_a_log_group_that_cannot_be_read_is_exported_by_a_task(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.unreadable = NotForDirectLaneError("FilterLogEvents: of class INFREQUENT_ACCESS")
    cloud.request(wanted)
    cloud.run()
    assert cloud.record(wanted).lane == "slot"
    assert len(cloud.completed_events()) == 1
    assert not cloud.failed_events()


def test_what_keeps_failing_is_exported_by_a_task_at_last(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.unwritable = RuntimeError("nobody knows")
    cloud.request(wanted)
    for _ in range(patience.RECEIVES):
        cloud.deliver()
        assert cloud.record(wanted).lane == "direct"
    cloud.run()
    assert cloud.record(wanted).state == "completed"
    assert len(cloud.tasks_of(wanted)) == 1


def test_an_invocation_with_too_little_time_leaves_it_to_the_slot(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.pages[LOG_GROUP] = [[]] * 100
    cloud.request(wanted)
    before = cloud.now
    cloud.deliver(remaining_ms=10_000)
    assert cloud.now - before < timedelta(seconds=6)
    assert cloud.record(wanted).lane == "slot"
    (letter,) = cloud.letters
    assert letter.group_id == wanted.source.slot


@pytest.mark.parametrize("state", ["requested", "submitted"])
def test_a_message_of_an_export_that_is_the_slots_asks_the_slot_and_does_not_touch_it(
    cloud: "Cloud", wanted: ExportRequestedData, state: str
) -> None:
    """It may be all that is left of a try that died before it could ask."""
    cloud.request(wanted)
    set_lane(cloud, cloud.record(wanted))
    if state == "submitted":
        job = cloud.start_job(wanted)
        cloud.put_record(cloud.record(wanted).as_submitted(job.task_id, at=cloud.now))
    cloud.deliver()
    assert not SLOT_CALLS & set(cloud.calls)
    (letter,) = cloud.letters
    assert letter.group_id == wanted.source.slot
    assert '"lane":"slot"' in letter.body
    cloud.run()
    assert cloud.record(wanted).state == "completed"
    assert len(cloud.tasks_of(wanted)) == 1


def test_a_message_for_the_slot_takes_an_export_out_of_the_direct_lane(
    cloud: "Cloud", wanted: ExportRequestedData, request_for: RequestFor
) -> None:
    cloud.request(wanted)
    cloud.letters.clear()
    cloud.request(request_for(lane="slot"), is_planned=False)
    cloud.run()
    record = cloud.record(wanted)
    assert (record.state, record.lane) == ("completed", "slot")
    assert "logs.events" not in cloud.calls


def test_a_message_in_the_slots_group_is_for_the_slot_whatever_lane_it_names(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    """So sends it a planner of the release that knew no direct lane."""
    cloud.request(wanted)
    (letter,) = cloud.letters
    letter.group_id = wanted.source.slot
    cloud.run()
    record = cloud.record(wanted)
    assert (record.state, record.lane) == ("completed", "slot")
    assert "logs.events" not in cloud.calls


def test_a_task_that_a_release_without_the_lane_has_started_is_followed_to_its_end(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.request(wanted)
    job = cloud.start_job(wanted)
    cloud.put_record(cloud.record(wanted).as_submitted(job.task_id, at=cloud.now))
    cloud.run()
    (event,) = cloud.completed_events()
    assert event.data.task_id == job.task_id
    assert all(job.task_id in each.key for each in event.data.manifest.objects or [])
    assert len(cloud.tasks_of(wanted)) == 1
    assert "logs.events" not in cloud.calls


def test_a_second_message_of_a_completed_export_changes_nothing(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.request(wanted)
    cloud.run()
    record, calls = cloud.record(wanted), len(cloud.calls)
    cloud.request(wanted, is_planned=False)
    cloud.run()
    assert cloud.record(wanted) == record
    assert cloud.calls[calls:] == ["ledger.read", "archive.sizes"]


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_busy_aws_gives_the_message_back_to_the_queue_it_came_from(
    cloud: "Cloud", wanted: ExportRequestedData, request_for: RequestFor
) -> None:
    cloud.unreadable = TransientError("ThrottlingException")
    cloud.request(wanted)
    assert cloud.deliver()["batchItemFailures"]
    assert cloud.given_back_to == [wanted.source.direct_queue_name]
    cloud.unreadable = None
    cloud.run()
    assert cloud.record(wanted).state == "completed"
    cloud.start_job(running_s=600)
    cloud.request(request_for("/slot"))
    assert cloud.deliver()["batchItemFailures"]
    assert cloud.given_back_to[1:] == [wanted.source.queue_name]


def test_a_refusal_fails_the_export_at_once_and_says_what_mends_it(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.unwritable = ExportRefusedError("access_denied", "PutObject: AccessDenied: no")
    cloud.request(wanted)
    assert cloud.run() == 1
    assert cloud.record(wanted).state == "failed"
    (event,) = cloud.failed_events()
    assert (event.data.reason, event.data.will_be_retried) == ("access_denied", False)
    assert "PutObject" in event.data.mend
    (letter,) = cloud.dead_letters
    assert letter.group_id == wanted.source.direct_slot
    assert not cloud.jobs


def test_objects_of_a_try_that_died_are_taken_over_where_they_are_the_same(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.request(wanted)
    cloud.crash = lambda number, side: (
        (cloud.calls[number - 1], side)
        == (
            "ledger.completed",
            "before",
        )
    )
    with pytest.raises(BaseException, match=r"ledger\.completed"):
        cloud.deliver()
    left = [version.version_id for version in cloud.archive]
    assert len(left) == 2
    cloud.crash = lambda _number, _side: False
    cloud.run()
    completed = cloud.record(wanted).completed
    assert completed is not None
    assert [each.version_id for each in completed.manifest.objects or []] == left
    assert len(cloud.archive) == 2


def test_an_object_of_a_try_that_died_is_in_no_manifest_once_there_is_more_to_read(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.pages[LOG_GROUP] = [[Event("web", 1_795_215_600_000, "early")]]
    cloud.request(wanted)
    cloud.crash = lambda number, _side: cloud.calls[number - 1] == "ledger.completed"
    with pytest.raises(BaseException, match=r"ledger\.completed"):
        cloud.deliver()
    cloud.crash = lambda _number, _side: False
    cloud.pages[LOG_GROUP][0].append(Event("web", 1_795_215_600_001, "late"))
    cloud.run()
    before, after = cloud.archive
    assert before.key == after.key
    (event,) = cloud.completed_events()
    assert [each.version_id for each in event.data.manifest.objects or []] == [after.version_id]
    assert gzip.decompress(after.body).count(b"\n") == 2


@pytest.mark.parametrize("remaining_ms", [6_000, 900_000])
def test_who_has_to_wait_for_other_readers_does_so_in_the_queue_where_time_is_short(
    cloud: "Cloud", wanted: ExportRequestedData, remaining_ms: int
) -> None:
    """Or a function of little time would leave all to the slot, whenever a plan has looked."""
    cloud.reading["planner"] = cloud.now
    cloud.warm = cloud.wiring()
    cloud.request(wanted)
    deliveries, began = 0, cloud.now
    while not cloud.completed_events():
        cloud.deliver(remaining_ms=remaining_ms)
        deliveries += 1
    assert [event.data.lane for event in cloud.completed_events()] == ["direct"]
    assert deliveries == (2 if remaining_ms < reads.JOIN.total_seconds() * 1000 else 1)
    assert cloud.now - began >= reads.JOIN
