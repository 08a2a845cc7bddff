"""Windows that are too much for one export task: the rules, and what becomes of them."""

from collections.abc import Callable
from copy import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from exporter import split
from exporter.errors import ExportRefusedError, TransientError
from exporter.task import CLOCK_SKEW, Done, Fail, Publish
from logferry_contracts.export import export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import Completed, Failed, Half, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]

LOG_GROUP = "/aws/lambda/orders"
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)

windows = pytest.mark.parametrize(
    "window",
    [
        Window(from_ms=from_ms, to_ms=from_ms + length_ms)
        for from_ms in (0, 1, 1_795_215_600_000, 1_795_215_600_001)
        for length_ms in (2, 3, 4, 5, 3_600_000, 86_399_999, 86_400_000, 86_400_001)
    ],
    ids=str,
)


# -- rules -------------------------------------------------------------------------------------


def record_of(
    request_for: RequestFor, window: Window, created_ms: int = 0, generation: int = 1
) -> LedgerRecord:
    wanted = request_for()
    name = export_id(wanted.source, LOG_GROUP, window, generation)
    log_group = wanted.log_group.model_copy(update={"created_ms": created_ms})
    changes = {"window": window, "generation": generation, "export_id": name}
    return wanted.model_copy(update={**changes, "log_group": log_group}).first_record(NOW)


@windows
def test_the_halves_are_the_window_without_gap_or_overlap(
    request_for: RequestFor, window: Window
) -> None:
    first, second = record_of(request_for, window).window.halves or (window, window)
    assert (first.from_ms, second.to_ms) == (window.from_ms, window.to_ms)
    assert first.to_ms == second.from_ms
    assert abs((first.to_ms - first.from_ms) - (second.to_ms - second.from_ms)) <= 1


def test_a_millisecond_has_no_halves(request_for: RequestFor) -> None:
    assert record_of(request_for, Window(from_ms=7, to_ms=8)).window.halves is None


@pytest.mark.parametrize("created_ms", [50, 160, 300])
def test_a_log_group_that_is_younger_than_some_of_its_events_has_the_same_halves(
    request_for: RequestFor, created_ms: int
) -> None:
    halves = record_of(request_for, Window(from_ms=100, to_ms=200), created_ms).window.halves
    assert halves == (Window(from_ms=100, to_ms=150), Window(from_ms=150, to_ms=200))


def halves_of(request: ExportRequestedData) -> tuple[LedgerRecord, list[LedgerRecord]]:
    """An export that was split, and its halves, both requested."""
    whole = request.first_record(NOW).as_submitted("task-0", at=NOW)
    halves = [
        split.half_request(request, whole, window, 1).first_record(NOW)
        for window in whole.window.halves or ()
    ]
    first, second = (Half(export_id=half.export_id, window=half.window) for half in halves)
    return whole.as_split((first, second), at=NOW), halves


def test_a_parent_is_looked_for_where_it_may_be(request_for: RequestFor) -> None:
    half = record_of(request_for, Window(from_ms=100, to_ms=200))
    assert split.may_be_parent(Window(from_ms=100, to_ms=300), half)
    assert split.may_be_parent(Window(from_ms=0, to_ms=200), half)
    assert not split.may_be_parent(half.window, half)
    assert not split.may_be_parent(Window(from_ms=0, to_ms=199), half)
    assert not split.may_be_parent(Window(from_ms=101, to_ms=300), half)


def test_a_half_is_asked_for_as_an_export_of_its_own(request_for: RequestFor) -> None:
    wanted = request_for().model_copy(update={"estimated_bytes": 1_000})
    whole, halves = halves_of(wanted)
    for half in halves:
        assert half.parent_export_id == whole.export_id
        assert half.destination == whole.destination
        assert half.estimated_bytes == 500
        assert half.generation == 1
    assert len({whole.export_id, *(half.export_id for half in halves)}) == 3
    assert len({whole.key, *(half.key for half in halves)}) == 3


def done(half: LedgerRecord, task_id: str, *streams: str, took_ms: int = 0) -> LedgerRecord:
    objects = [
        ArchivedObject(key=f"p/{task_id}/{each}/000000.gz", version_id="v", size_bytes=5, etag="e")
        for each in streams
    ]
    began_ms = half.window.from_ms
    return half.as_submitted(task_id, at=NOW).as_completed(
        Completed(
            at=timestamp(NOW),
            manifest=Manifest.of(objects),
            task_created_ms=began_ms,
            task_completed_ms=began_ms + took_ms,
        )
    )


def failed(half: LedgerRecord, next_export_id: str | None = None) -> LedgerRecord:
    return half.as_failed(
        Failed(
            reason="task_failed",
            message="It broke.",
            at=timestamp(NOW),
            next_export_id=next_export_id,
        )
    )


def test_an_export_is_merged_when_both_halves_are_in_the_archive(request_for: RequestFor) -> None:
    whole, (first, second) = halves_of(request_for())
    assert split.decide(whole, [first, second]) == Done("its halves have not ended")
    assert split.decide(whole, [done(first, "a"), second]) == Done("its halves have not ended")
    both = [done(first, "a"), done(second, "b")]
    assert split.decide(whole, both) == split.Merge(both)
    secured = [half.as_secured(at=NOW) for half in both]
    assert split.decide(whole, secured) == split.Merge(secured)


def test_an_export_waits_for_a_half_that_the_ledger_does_not_show(request_for: RequestFor) -> None:
    whole, (first, _) = halves_of(request_for())
    assert split.decide(whole, [done(first, "a")]) == Done("its halves have not ended")


def test_an_export_fails_with_the_first_half_that_nobody_tries_again(
    request_for: RequestFor,
) -> None:
    whole, (first, second) = halves_of(request_for())
    retried = failed(first, "0" * 32)
    assert split.decide(whole, [retried, second]) == Done("its halves have not ended")
    step = split.decide(whole, [done(first, "a"), failed(second)])
    assert isinstance(step, Fail)
    assert step.reason == "task_failed"
    assert step.message == (
        f"The half from {second.window.from_ms} to {second.window.to_ms}: It broke."
    )
    assert step.task_id is None


def test_a_failed_export_is_published_first_and_revived_when_both_halves_are_there(
    request_for: RequestFor,
) -> None:
    whole, (first, second) = halves_of(request_for())
    both = [done(first, "a"), done(second, "b")]
    over = failed(whole)
    assert split.decide(over, both) == Publish()
    published = over.as_published(at=NOW)
    assert split.decide(published, both) == split.Revive()
    assert split.decide(published, [both[0], failed(second)]) == Done("failed and published")


def test_the_merged_manifest_has_the_objects_of_both_and_each_stream_once(
    request_for: RequestFor,
) -> None:
    _, (first, second) = halves_of(request_for())
    completed = split.merged(
        [
            done(first, "t1", "both", "only-1", took_ms=10),
            done(second, "t2", "both", took_ms=7),
        ],
        NOW,
    )
    manifest = completed.manifest
    assert (manifest.object_count, manifest.stream_count, manifest.total_bytes) == (3, 2, 15)
    assert [each.key for each in manifest.objects or []] == [
        "p/t1/both/000000.gz",
        "p/t1/only-1/000000.gz",
        "p/t2/both/000000.gz",
    ]
    assert completed.task_created_ms == first.window.from_ms
    assert completed.task_completed_ms == second.window.from_ms + 7


def test_a_half_that_does_not_list_its_objects_is_not_merged(request_for: RequestFor) -> None:
    _, (first, second) = halves_of(request_for())
    half = done(first, "t1")
    assert half.completed is not None
    hidden = half.completed.manifest.model_copy(update={"objects": None})
    half = half.model_copy(
        update={"completed": half.completed.model_copy(update={"manifest": hidden})}
    )
    with pytest.raises(ContractError, match="objects"):
        split.merged([half, done(second, "t2")], NOW)


# -- from the task that is too slow to the one event --------------------------------------------


def split_soon(cloud: "Cloud", plan: "Plan", limit_s: float = 6) -> None:
    """Let tasks of five seconds be too slow, and AWS end those of six."""
    cloud.settings = replace(cloud.settings, split_after=CLOCK_SKEW + timedelta(seconds=5))  # type: ignore[arg-type]
    cloud.task_limit_s = limit_s
    cloud.plans[LOG_GROUP] = plan


def by_state(cloud: "Cloud") -> dict[str, list[LedgerRecord]]:
    found: dict[str, list[LedgerRecord]] = {}
    for record in cloud.records():
        found.setdefault(record.state, []).append(record)
    return found


def fail_first_look_at_parent(cloud: "Cloud") -> None:
    """Let S3 throttle the first read of a parent that is taken forward once it has been found."""
    errors = iter([TransientError("GetObject: SlowDown")])

    def throttle(name: str) -> None:
        if name == "ledger.read" and cloud.calls[-2:] == ["ledger.windows", "ledger.read"]:
            for error in errors:
                raise error

    cloud.interrupt = throttle


def by_end(cloud: "Cloud") -> list[LedgerRecord]:
    return sorted(
        cloud.records(), key=lambda record: record.completed.at if record.completed else ""
    )


@pytest.mark.parametrize(("running_s", "parts"), [(8, 2), (16, 4)])
def test_a_window_that_is_too_much_is_exported_in_parts_and_announced_as_one(
    cloud: "Cloud", plan: "type[Plan]", running_s: float, parts: int
) -> None:
    split_soon(cloud, plan(running_s=running_s))
    name = cloud.request()
    cloud.run()
    (event,) = cloud.events
    assert event.id == name
    (whole,) = (record for record in cloud.records() if record.parent_export_id is None)
    assert whole.completed is not None
    assert event.model_dump()["data"]["manifest"] == whole.completed.manifest.model_dump()
    exported = [job for job in cloud.jobs if job.outcome == "COMPLETED"]
    assert len(exported) == parts
    edges = [(job.window.from_ms, job.window.to_ms) for job in exported if job.window]
    assert (edges[0][0], edges[-1][1]) == (whole.window.from_ms, whole.window.to_ms)
    assert all(earlier[1] == later[0] for earlier, later in pairwise(edges))
    assert event.model_dump()["data"]["task_ids"] == [job.task_id for job in exported]
    assert event.model_dump()["data"]["task_id"] is None
    assert whole.completed.manifest.object_count == len(cloud.archive) == 3 * parts
    assert whole.completed.manifest.stream_count == 2
    assert not cloud.dead_letters


def test_parts_that_were_cut_before_any_task_and_are_asked_for_one_by_one_end_as_one_export(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    wanted = request_for().model_copy(update={"lane": "slot"})
    whole, halves = _cut(wanted)
    first, quarters = _cut(_part(wanted, halves[0], whole))
    parts = [*quarters, halves[1]]
    for record in (*parts, first.model_copy(update={"parent_export_id": whole.export_id}), whole):
        cloud.put_record(record)
    for half, parent in zip(parts, (first, first, whole), strict=True):
        assert not cloud.events
        cloud.request(_part(wanted, half, parent), is_planned=False)
        cloud.run()

    (event,) = cloud.events
    assert event.id == whole.export_id
    assert [job.window for job in cloud.jobs] == [each.window for each in parts]
    assert {record.state for record in cloud.records()} == {"completed"}
    assert not cloud.dead_letters


def _cut(request: ExportRequestedData) -> tuple[LedgerRecord, list[LedgerRecord]]:
    """Return the record of an export that has halves and no task, and those of the halves."""
    whole = request.first_record(NOW)
    halves = [
        _part(request, record_of(lambda: request, window), whole).first_record(NOW)
        for window in whole.window.halves or ()
    ]
    first, second = (Half(export_id=half.export_id, window=half.window) for half in halves)
    return whole.as_split((first, second), at=NOW), halves


def _part(
    request: ExportRequestedData, half: LedgerRecord, parent: LedgerRecord
) -> ExportRequestedData:
    return request.model_copy(
        update={
            "export_id": half.export_id,
            "window": half.window,
            "parent_export_id": parent.export_id,
        }
    )


def test_halves_are_seen_to_and_announce_nothing(cloud: "Cloud", plan: "type[Plan]") -> None:
    split_soon(cloud, plan(running_s=8))
    cloud.request()
    cloud.run()
    for half in cloud.records():
        assert half.state == "completed"
        assert half.completed is not None
        assert half.completed.published_at is not None
    assert len(cloud.events) == 1


def test_what_is_logged_of_a_parent_carries_its_name_and_the_halfs_lines_go_on_with_theirs(
    cloud: "Cloud", plan: "type[Plan]", logged: Callable[[], list[dict[str, Any]]]
) -> None:
    split_soon(cloud, plan(running_s=8))
    whole = cloud.request()
    cloud.run()
    told = [
        (line["message"], line["export_id"])
        for line in logged()
        if line["message"] in {"completed", "published"}
    ]
    first, second = (record.export_id for record in by_end(cloud) if record.parent_export_id)
    assert told == [
        ("completed", first),
        ("published", first),
        ("completed", second),
        ("completed", whole),
        ("published", whole),
        ("published", second),
    ]


def test_an_error_with_a_parent_is_logged_of_the_half_whose_message_it_is(
    cloud: "Cloud", plan: "type[Plan]", logged: Callable[[], list[dict[str, Any]]]
) -> None:
    split_soon(cloud, plan(running_s=8))
    cloud.request()
    fail_first_look_at_parent(cloud)
    cloud.run()
    (met,) = [line for line in logged() if line["message"] == "met an error"]
    first, *_ = (record.export_id for record in by_end(cloud) if record.parent_export_id)
    assert met["export_id"] == first


def test_a_halfs_task_is_measured_although_its_parent_meets_an_error(
    cloud: "Cloud", plan: "type[Plan]", emitted: Callable[[str], list[float]]
) -> None:
    split_soon(cloud, plan(running_s=8))
    cloud.request()
    fail_first_look_at_parent(cloud)
    cloud.run()
    assert len(emitted("SlotBusySeconds")) == len(cloud.jobs) == 3


def test_the_message_of_a_split_export_is_done_with_when_both_halves_are_asked_for(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    split_soon(cloud, plan(running_s=8))
    cloud.request()
    while cloud.record().split is None:
        cloud.deliver()
    assert len(cloud.letters) == 2
    assert cloud.record().state == "submitted"
    assert len(by_state(cloud)["requested"]) == 2


def test_a_task_of_22_hours_is_cancelled_and_none_before(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=30 * 3600)
    cloud.request()
    cloud.run()
    first = cloud.jobs[0]
    assert first.outcome == "CANCELLED"
    age = first.ends - first.created
    assert timedelta(hours=22) - CLOCK_SKEW <= age < timedelta(hours=23)
    assert [job.outcome for job in cloud.jobs[1:]] == ["COMPLETED", "COMPLETED"]
    assert not any(f"/{first.task_id}/" in version.key for version in cloud.archive)
    assert len(cloud.completed_events()) == 1
    assert not cloud.failed_events()


def test_a_task_that_is_being_cancelled_is_waited_for(cloud: "Cloud", plan: "type[Plan]") -> None:
    cloud.settings = replace(cloud.settings, split_after=CLOCK_SKEW + timedelta(seconds=20))  # type: ignore[arg-type]
    cloud.plans[LOG_GROUP] = plan(running_s=35)
    cloud.cancel_s = 30
    cloud.request()
    cloud.run()
    first = cloud.jobs[0]
    assert cloud.calls.count("logs.cancel_task") == 1
    assert cloud.jobs[1].created >= first.ends
    assert len(cloud.completed_events()) == 1


def test_a_window_is_split_as_well_when_it_was_aws_that_ended_the_task(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=30 * 3600)
    cloud.request()

    def refuse(name: str) -> None:
        if name == "logs.cancel_task":
            raise ExportRefusedError("access_denied", "CancelExportTask: AccessDenied")

    cloud.interrupt = refuse
    cloud.run()
    assert [job.outcome for job in cloud.jobs] == ["FAILED", "COMPLETED", "COMPLETED"]
    assert cloud.jobs[0].ends - cloud.jobs[0].created == timedelta(hours=24)
    assert len(cloud.completed_events()) == 1
    assert not cloud.failed_events()


@pytest.mark.parametrize("outcome", ["FAILED", "CANCELLED"])
def test_a_task_that_broke_early_is_tried_again_and_not_split(
    cloud: "Cloud", plan: "type[Plan]", outcome: str
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=3600, outcomes=(outcome, "COMPLETED"))
    cloud.request()
    cloud.run()
    assert len(cloud.jobs) == 2
    assert cloud.record().split is None


def test_a_task_that_completes_while_it_is_cancelled_completes_the_export(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    split_soon(cloud, plan(running_s=8), limit_s=60)
    cloud.request()

    def too_late(name: str) -> None:
        if name == "logs.cancel_task":
            cloud.now += timedelta(seconds=10)

    cloud.interrupt = too_late
    cloud.run()
    assert len(cloud.jobs) == 1
    assert cloud.record().state == "completed"
    assert cloud.record().split is None


def test_a_millisecond_that_is_too_much_fails_with_a_reason_of_its_own(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    whole = request_for()
    window = Window(from_ms=whole.window.from_ms, to_ms=whole.window.from_ms + 1)
    data = whole.model_copy(update={"window": window})
    split_soon(cloud, plan(running_s=8 * 86_400_000))
    cloud.request(data)
    cloud.run()
    assert "logs.cancel_task" not in cloud.calls
    (event,) = cloud.failed_events()
    assert event.data.reason == "window_indivisible"
    assert [letter.reason for letter in cloud.dead_letters] == ["window_indivisible"]


# -- halves that fail --------------------------------------------------------------------------

HALF_FAILS = ("COMPLETED", "FAILED", "COMPLETED", "FAILED", "FAILED", "COMPLETED")
"""The whole, which is too slow, the first half, the second, the first half again and again."""


def test_a_half_that_fails_once_is_tried_again_and_nobody_hears_of_it(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    split_soon(cloud, plan(running_s=8, outcomes=("COMPLETED", "FAILED", "COMPLETED")))
    cloud.request()
    cloud.run()
    assert len(cloud.completed_events()) == 1
    assert not cloud.failed_events()
    assert cloud.record().state == "completed"


def test_a_half_that_fails_for_good_fails_the_whole_with_its_reason(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    split_soon(cloud, plan(running_s=8, outcomes=HALF_FAILS))
    name = cloud.request()
    cloud.run()
    (event,) = cloud.events
    assert event.id == name
    assert cloud.failed_events()[0].data.reason == "task_failed"
    assert not cloud.failed_events()[0].data.will_be_retried
    (letter,) = cloud.dead_letters
    assert name in letter.body, "the half's message, which names its parent"
    assert f'"id":"{name}"' not in letter.body
    assert cloud.record().state == "failed"


def test_a_mended_half_completes_the_whole_as_its_next_generation_without_the_other_half_again(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    split_soon(cloud, plan(running_s=8, outcomes=HALF_FAILS))
    cloud.request()
    cloud.run()
    tasks_before = len(cloud.jobs)
    cloud.redrive()
    cloud.run()
    assert len(cloud.jobs) == tasks_before + 1
    first, second = cloud.record(), cloud.record(request_for(generation=2))
    assert first.failed is not None
    assert first.failed.next_export_id == second.export_id
    assert second.split == first.split
    (event,) = cloud.completed_events()
    assert event.id == second.export_id
    assert event.data.manifest.object_count == len(cloud.archive) == 6
    assert not cloud.dead_letters


def test_a_mended_half_leaves_a_window_alone_that_was_planned_again_as_a_whole(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    split_soon(cloud, plan(running_s=8, outcomes=HALF_FAILS))
    cloud.request()
    cloud.run()
    planned = request_for(generation=2)
    cloud.put_record(planned.first_record(cloud.now))
    cloud.redrive()
    cloud.run()
    assert cloud.record(planned).state == "requested"
    assert cloud.record().state == "failed"
    assert not cloud.completed_events()


def test_a_window_that_is_split_again_gets_halves_of_its_own(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    split_soon(cloud, plan(running_s=8, outcomes=HALF_FAILS[:4]))
    cloud.request()
    cloud.run()
    cloud.plans[LOG_GROUP] = plan(running_s=8)
    planned = request_for(generation=2)
    cloud.request(planned)
    cloud.run()
    assert cloud.record(planned).state == "completed"
    old, new = (cloud.record(data).split for data in (request_for(), planned))
    assert old is not None
    assert new is not None
    assert not {half.export_id for half in old.halves} & {half.export_id for half in new.halves}


def test_halves_that_a_release_without_splitting_has_exported_complete_the_whole_when_it_is_asked(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    """That release does not know what a half is part of, and forgets it when it writes."""
    split_soon(cloud, plan(running_s=8))
    name = cloud.request()
    while cloud.record().split is None:
        cloud.deliver()
    cloud.letters.clear()
    for half in by_state(cloud)["requested"]:
        alone = half.model_copy(update={"parent_export_id": None})
        cloud.put_record(alone)
        cloud.request(ExportRequestedData.of_record(alone, request_for().source), is_planned=False)
    cloud.run()
    assert len(cloud.events) == 2
    assert cloud.record().state == "submitted"

    cloud.request(is_planned=False)
    cloud.run()
    whole = cloud.completed_events()[-1]
    assert whole.id == name
    assert whole.data.manifest.object_count == len(cloud.archive) == 6


def test_a_half_whose_parent_the_ledger_does_not_know_fails_and_is_dead_lettered(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    orphan = request_for().model_copy(update={"parent_export_id": "0" * 32})
    cloud.request(orphan, is_planned=False)
    cloud.run()
    (letter,) = cloud.dead_letters
    assert letter.reason == "parent_unknown"
    assert "0" * 32 in letter.detail
    record = cloud.record(orphan)
    assert (record.state, record.completed) == ("failed", None)
    assert not cloud.events  # nobody hears of halves
    assert len(cloud.archive) == 3


def test_a_half_that_has_failed_for_its_parent_holds_up_no_date(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request(request_for().model_copy(update={"parent_export_id": "0" * 32}))
    cloud.run()
    cloud.request_day()
    cloud.run()
    assert len(cloud.day_events()) == 1


def test_a_half_put_back_completes_the_whole_when_its_parent_is_known_again(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=25 * 3600)
    name = cloud.request()
    whole_is_known = {"is": True}

    def forget(call: str) -> None:
        if call != "ledger.windows" or not whole_is_known["is"]:
            return
        halves_done = sum(
            each.parent_export_id is not None and each.state == "completed"
            for each in cloud.records()
        )
        if halves_done:
            whole_is_known["is"] = False
            cloud.forgotten = {
                key: cloud.ledger.pop(key) for key in list(cloud.ledger) if name in key
            }

    cloud.interrupt = forget
    cloud.run()
    assert {letter.reason for letter in cloud.dead_letters} == {"parent_unknown"}
    cloud.ledger.update(cloud.forgotten)
    cloud.redrive()
    cloud.run()
    (event,) = cloud.completed_events()
    assert event.id == name
    assert not cloud.dead_letters


# -- halves of which the ledger tells nothing ----------------------------------------------------

DAMAGED = ("{}", '{"schema": ', '{"schema": "urn:x:ledger-record:2.0"}')


def lose_half(cloud: "Cloud", body: str | None, *, is_done: bool) -> None:
    """Damage or remove a half's record while the other half has its whole looked for.

    Args:
        cloud: Where a window is exported in halves.
        body: What is in the record's place then; None for nothing.
        is_done: Whether it is the half whose message is done with; else nobody has begun with it.
    """
    lost: list[str] = []

    def lose(call: str) -> None:
        if lost or call != "ledger.windows":
            return
        state = "completed" if is_done else "requested"
        halves = [each for each in cloud.records() if each.parent_export_id and each.split is None]
        for half in (each for each in halves if each.state == state):
            if is_done and (half.completed is None or half.completed.published_at is None):
                continue
            lost.append(half.key)
            del cloud.ledger[half.key]
            if body is not None:
                cloud.ledger[half.key] = (body, '"damaged"')
            return

    cloud.interrupt = lose


@pytest.mark.parametrize(
    ("body", "is_done"),
    [*((body, is_done) for body in DAMAGED for is_done in (False, True)), (None, True)],
)
def test_a_half_whose_record_is_lost_fails_the_whole_which_its_next_generation_exports(
    cloud: "Cloud",
    plan: "type[Plan]",
    request_for: RequestFor,
    body: str | None,
    is_done: bool,  # noqa: FBT001
) -> None:
    split_soon(cloud, plan(running_s=8))
    name = cloud.request()
    lose_half(cloud, body, is_done=is_done)
    cloud.run()
    (failed,) = cloud.failed_events()
    assert failed.id == name
    assert (failed.data.reason, failed.data.will_be_retried) == ("ledger_record_damaged", True)
    assert "ledger_record_damaged" in {letter.reason for letter in cloud.dead_letters}
    (event,) = cloud.completed_events()
    assert event.id == cloud.record(request_for(generation=2)).export_id
    assert event.data.manifest.object_count == 6


def test_a_damaged_half_denies_what_was_recorded_and_not_announced(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    split_soon(cloud, plan(running_s=8))
    cloud.request()
    cloud.run()
    whole = cloud.record()
    assert whole.completed is not None
    untold = whole.completed.model_copy(update={"published_at": None})
    half = next(each for each in cloud.records() if each.parent_export_id)
    cloud.put_record(whole.model_copy(update={"completed": untold}))
    cloud.ledger[half.key] = ("{}", '"damaged"')
    cloud.request(is_planned=False)
    cloud.run()
    (failed,) = cloud.failed_events()
    assert failed.data.reason == "not_as_recorded"
    assert half.export_id in failed.data.message
    assert cloud.record(request_for(generation=2)).state == "completed"


def test_a_half_that_finds_its_own_record_damaged_lets_the_whole_be_exported_again(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    """No other half is left that would look for the whole."""
    split_soon(cloud, plan(running_s=8))
    cloud.request()
    cloud.run()
    whole, halves = cloud.record(), [each for each in cloud.records() if each.parent_export_id]
    cloud.put_record(whole.model_copy(update={"state": "submitted", "completed": None}))
    half = halves[0]
    cloud.ledger[half.key] = ("{}", '"damaged"')
    asked = ExportRequestedData.of_record(half, request_for().source)
    cloud.request(asked, is_planned=False)
    cloud.run()
    (failed,) = cloud.failed_events()
    assert failed.data.reason == "ledger_record_damaged"
    assert cloud.record(request_for(generation=2)).state == "completed"


# -- both halves at once -----------------------------------------------------------------------


def test_both_halves_may_end_at_once(
    new_cloud: Callable[..., "Cloud"], request_for: RequestFor
) -> None:
    """While one delivery works on a half, another one takes the other half to its end."""
    for place in range(1, 20):
        cloud = new_cloud()
        whole, halves = halves_of(request_for())
        cloud.put_record(whole)
        for half in halves:
            data = ExportRequestedData.of_record(half, request_for().source)
            job = cloud.start_job(data, running_s=0.0)
            cloud.request(data, is_planned=False)
            cloud.put_record(half.as_submitted(job.task_id, at=cloud.now))
        calls = iter(range(1, 1_000))

        def interrupt(
            _name: str, cloud: "Cloud" = cloud, calls: Any = calls, place: int = place
        ) -> None:
            if next(calls) == place:
                cloud.interrupt = lambda _name: None
                cloud.invoke([cloud.letters[1]])

        cloud.interrupt = interrupt
        cloud.run()
        assert len({event.model_dump_json() for event in cloud.events}) == 1
        (event, *_) = cloud.completed_events()
        assert event.id == whole.export_id
        assert event.data.manifest.object_count == 6
        assert {record.state for record in cloud.records()} == {"completed"}


# -- a half whose record cannot be read ----------------------------------------------------------


def damage(cloud: "Cloud", half: LedgerRecord) -> None:
    """Cut a half's record off, as by an edit that went wrong."""
    body, etag = cloud.ledger[half.key]
    cloud.ledger[half.key] = (body[: len(body) // 2], etag)


def check_exported_again(cloud: "Cloud", first: LedgerRecord, second: LedgerRecord) -> None:
    """The first generation failed for its half, a person is told, and the second is whole."""
    assert first.failed is not None
    assert (first.failed.reason, first.failed.next_export_id) == (
        "ledger_record_damaged",
        second.export_id,
    )
    assert [letter.reason for letter in cloud.dead_letters if letter.reason != "contract"] == [
        "ledger_record_damaged"
    ]
    (event,) = cloud.completed_events()
    assert event.id == second.export_id
    assert second.completed is not None
    assert second.completed.manifest.object_count > 0


@pytest.mark.parametrize(("which", "state"), [(0, "requested"), (1, "requested"), (0, "completed")])
def test_a_half_whose_record_is_damaged_has_the_whole_exported_again(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor, which: int, state: str
) -> None:
    split_soon(cloud, plan(running_s=8))
    cloud.request()

    def halves() -> list[LedgerRecord]:
        found = [each for each in cloud.records() if each.parent_export_id is not None]
        return sorted(found, key=lambda each: each.window.from_ms)

    while len(halves()) < 2 or halves()[which].state != state:
        cloud.deliver()
    damage(cloud, halves()[which])
    cloud.run()
    cloud.request(is_planned=False)  # a plan asks again for what has not ended
    cloud.run()

    check_exported_again(cloud, cloud.record(), cloud.record(request_for(generation=2)))
