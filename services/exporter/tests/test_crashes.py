"""The process dies before or after any of its AWS calls, or does its work twice at once.

At the end the archive, the ledger and the events are always those of an undisturbed run.
"""

import itertools
from collections.abc import Callable, Iterator
from copy import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from exporter.direct import MAX_STREAMS, SLICE_BYTES, Event
from exporter.errors import ExportRefusedError
from exporter.task import CLOCK_SKEW
from logferry_contracts.export_requested import ExportRequestedData

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]
type Scene = Callable[["Cloud", type["Plan"], RequestFor], None]

LOG_GROUP = "/aws/lambda/orders"


def small_task(cloud: "Cloud", _plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.request()


def no_ledger_record(cloud: "Cloud", _plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.request(is_planned=False)


def long_task(cloud: "Cloud", plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=45)
    cloud.request()


def slot_taken(cloud: "Cloud", _plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.start_job(running_s=40)
    cloud.request()


def empty_window(cloud: "Cloud", plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.plans[LOG_GROUP] = plan(keys=())
    cloud.pages[LOG_GROUP] = [[], []]
    cloud.request()


def long_manifest(cloud: "Cloud", plan: type["Plan"], _request_for: RequestFor) -> None:
    keys = tuple(f"{number:0500d}/000000.gz" for number in range(400))
    cloud.plans[LOG_GROUP] = plan(keys=keys)
    cloud.request()


def failed_task(cloud: "Cloud", plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED", "COMPLETED"))
    cloud.request()


def failing_tasks(cloud: "Cloud", plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED",))
    cloud.request()


def refused(cloud: "Cloud", plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.plans[LOG_GROUP] = plan(refusal=("bucket_policy", "GetBucketAcl call failed"))
    cloud.request()


def split_window(cloud: "Cloud", plan: type["Plan"], _request_for: RequestFor) -> None:
    """A message that comes back late finds its task ended by AWS, and not by the exporter."""
    cloud.settings = replace(cloud.settings, split_after=CLOCK_SKEW + timedelta(seconds=2))  # type: ignore[arg-type]
    cloud.task_limit_s = 2.5
    cloud.plans[LOG_GROUP] = plan(running_s=2.8)
    cloud.request()


def window_split_twice(cloud: "Cloud", plan: type["Plan"], request_for: RequestFor) -> None:
    split_window(cloud, plan, request_for)
    cloud.plans[LOG_GROUP] = plan(running_s=5.6)


def failed_half(cloud: "Cloud", plan: type["Plan"], request_for: RequestFor) -> None:
    split_window(cloud, plan, request_for)
    outcomes = ("COMPLETED", "FAILED", "COMPLETED", "FAILED", "FAILED", "COMPLETED")
    cloud.plans[LOG_GROUP] = plan(running_s=2.8, outcomes=outcomes)


def mended(cloud: "Cloud", plan: type["Plan"], _request_for: RequestFor) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED", "FAILED", "FAILED", "COMPLETED"))
    cloud.request()


def two_exports(cloud: "Cloud", plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.plans["/second"] = plan(outcomes=("CANCELLED", "COMPLETED"))
    cloud.request(request_for("/first"))
    cloud.request(request_for("/second"))


def direct(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.request(request_for(lane="direct"))


def direct_and_empty(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.pages[LOG_GROUP] = [[], []]
    cloud.request(request_for(lane="direct"))


def direct_in_slices(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.settings = replace(cloud.settings, direct_lane_max_bytes=2 * SLICE_BYTES)  # type: ignore[arg-type]
    cloud.pages[LOG_GROUP] = [
        [Event("web", 1_795_215_600_000, "early"), Event("web", 1_795_302_000_000, "late")]
    ]
    cloud.request(request_for(lane="direct", estimated_bytes=2 * SLICE_BYTES))


def direct_without_record(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.request(request_for(lane="direct"), is_planned=False)


def too_much_for_the_direct_lane(
    cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor
) -> None:
    cloud.settings = replace(cloud.settings, direct_lane_max_bytes=100_000)  # type: ignore[arg-type]
    streams = range(MAX_STREAMS + 1)
    cloud.pages[LOG_GROUP] = [[Event(f"{each}", 1_795_215_600_000, "") for each in streams]]
    cloud.request(request_for(lane="direct"))


def direct_in_parts(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    """The first half is too much as well, so that there are three parts."""
    cloud.pages[LOG_GROUP] = [LARGE]
    cloud.request(request_for(lane="direct"))


def estimated_in_parts(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.pages[LOG_GROUP] = [LARGE]
    cloud.request(request_for(lane="direct", estimated_bytes=20_000))


def offered_to_both_lanes(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    offer(cloud, request_for)


def offered_in_parts(cloud: "Cloud", plan: type["Plan"], request_for: RequestFor) -> None:
    """The slot comes to it while the direct lane reads it."""
    cloud.plans[LOG_GROUP] = plan(running_s=8)
    cloud.pages[LOG_GROUP] = [LARGE]
    offer(cloud, request_for)


def failing_part(cloud: "Cloud", plan: type["Plan"], request_for: RequestFor) -> None:
    offered_in_parts(cloud, plan, request_for)
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED", "COMPLETED"))


def direct_refused(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.unreadable = ExportRefusedError("access_denied", "FilterLogEvents: AccessDenied")
    cloud.request(request_for(lane="direct"))


def direct_beside_the_slot(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.request(request_for("/slot"))
    cloud.request(request_for("/direct", lane="direct"))


def asked_for_in_both_lanes(cloud: "Cloud", _plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.request(request_for(lane="direct"))
    cloud.request(request_for(lane="slot"), is_planned=False)


LARGE = [Event("web", 1_795_215_600_000 + hour * 3_600_000, "x" * 4_000) for hour in (1, 8, 15)]
"""For the direct lane too much at once, of 10,000 bytes: two events are not."""


def offer(cloud: "Cloud", request_for: RequestFor) -> None:
    """Ask both lanes; the ledger has it as the direct lane's until one takes it."""
    data = request_for(lane="direct").model_copy(update={"offered": True})
    cloud.request(data)
    cloud.request(data.model_copy(update={"lane": "slot"}), is_planned=False)


SCENES = [
    small_task,
    no_ledger_record,
    long_task,
    slot_taken,
    empty_window,
    long_manifest,
    failed_task,
    failing_tasks,
    refused,
    split_window,
    window_split_twice,
    failed_half,
    mended,
    two_exports,
    direct,
    direct_and_empty,
    direct_in_slices,
    direct_without_record,
    too_much_for_the_direct_lane,
    direct_in_parts,
    estimated_in_parts,
    offered_to_both_lanes,
    offered_in_parts,
    failing_part,
    direct_refused,
    direct_beside_the_slot,
    asked_for_in_both_lanes,
]

LONG = [
    split_window,
    window_split_twice,
    failed_half,
    mended,
    failing_tasks,
    failing_part,
    direct_in_parts,
    direct_in_slices,
    estimated_in_parts,
    offered_in_parts,
    too_much_for_the_direct_lane,
]
"""Scenes of so many calls that few of their cuts are made every time."""

REDRIVEN = {failed_half, mended}
"""Scenes in which somebody puts the dead letters back at the end."""

scenes = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)


def undisturbed(
    scene: Scene, new_cloud: Callable[..., "Cloud"], plan: type["Plan"], request_for: RequestFor
) -> "Cloud":
    cloud = new_cloud()
    scene(cloud, plan, request_for)
    run(cloud, scene)
    return cloud


def run(cloud: "Cloud", scene: Scene) -> None:
    cloud.run()
    if scene in REDRIVEN:
        assert cloud.dead_letters
        cloud.redrive()
        cloud.run()


def longest_delivery(undisturbed: "Cloud") -> int:
    """The most calls that one delivery made.

    A process that dies after as many gets something recorded, so that the next has fewer to make.
    """
    return max(undisturbed.calls_by_delivery)


def states(cloud: "Cloud") -> dict[str, str]:
    return {
        key: body.split('"state":"')[1].split('"')[0] for key, (body, _) in cloud.ledger.items()
    }


def check(cloud: "Cloud", expected: "Cloud") -> None:
    """Compare the end of a disturbed run with that of an undisturbed one."""
    assert states(cloud) == states(expected)
    names = [job.name for job in cloud.jobs if job.name is not None]
    assert len(names) == len(set(names)), "two tasks for one export"
    assert set(names) == {job.name for job in expected.jobs if job.name is not None}
    check_events(cloud, expected)
    check_archive(cloud, expected)
    assert {letter.reason for letter in cloud.dead_letters} == {
        letter.reason for letter in expected.dead_letters
    }


def check_events(cloud: "Cloud", expected: "Cloud") -> None:
    """An event may come twice, and is the same then."""
    events = {(event.type, event.id): event for event in cloud.events}
    assert set(events) == {(event.type, event.id) for event in expected.events}
    for event in cloud.events:
        assert event == events[event.type, event.id]
    for body, _ in cloud.ledger.values():
        assert '"published_at"' in body


def check_archive(cloud: "Cloud", expected: "Cloud") -> None:
    """The archive holds what completed tasks wrote, once, and no failed task's leftovers."""
    assert len(cloud.archive) == len(expected.archive)
    for job in cloud.jobs:
        if job.outcome != "COMPLETED":
            assert not any(f"/{job.task_id}/" in version.key for version in cloud.archive)


def crash_points(calls: int) -> Iterator[tuple[int, Literal["before", "after", "lost"]]]:
    """Yield where a run is cut: the process is killed, or it does not hear what its call did."""
    yield 1, "before"
    for number in range(1, calls + 1):
        yield number, "after"
        yield number, "lost"


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("scene", "step"),
    [
        # Odd, so that in turns the process is killed and an answer is lost.
        *((scene, 21 if scene in LONG else 7) for scene in SCENES),
        *(pytest.param(scene, 1, marks=pytest.mark.deep) for scene in SCENES),
    ],
    ids=lambda each: getattr(each, "__name__", f"every {each}"),
)
def test_a_cut_after_any_call_changes_nothing_in_the_end(
    scene: Scene,
    step: int,
    new_cloud: Callable[..., "Cloud"],
    plan: type["Plan"],
    request_for: RequestFor,
) -> None:
    expected = undisturbed(scene, new_cloud, plan, request_for)
    for point in itertools.islice(crash_points(len(expected.calls)), None, None, step):
        cloud = new_cloud()
        scene(cloud, plan, request_for)
        cloud.crash = lambda *here, point=point: here == point
        run(cloud, scene)
        check(cloud, expected)


@scenes
@pytest.mark.parametrize("more", [1, *(pytest.param(n, marks=pytest.mark.deep) for n in (0, 5))])
def test_a_process_that_dies_again_and_again_gets_there_all_the_same(
    scene: Scene,
    more: int,
    new_cloud: Callable[..., "Cloud"],
    plan: type["Plan"],
    request_for: RequestFor,
) -> None:
    expected = undisturbed(scene, new_cloud, plan, request_for)
    every = longest_delivery(expected) + more
    cloud = new_cloud()
    scene(cloud, plan, request_for)
    cloud.crash = lambda number, side: side == "after" and number % every == 0
    run(cloud, scene)
    check(cloud, expected)


@scenes
def test_every_message_may_come_twice(
    scene: Scene, new_cloud: Callable[..., "Cloud"], plan: type["Plan"], request_for: RequestFor
) -> None:
    expected = undisturbed(scene, new_cloud, plan, request_for)
    cloud = new_cloud()
    cloud.is_everything_sent_twice = True
    scene(cloud, plan, request_for)
    run(cloud, scene)
    check(cloud, expected)


def deliver_again_at(cloud: "Cloud", place: int, before: Callable[[], None] = lambda: None) -> None:
    """Let a second delivery of the first message run to its end at a call of the first one."""
    second, *_ = cloud.letters
    calls = iter(range(1, 10_000))

    def interrupt(_name: str) -> None:
        if next(calls) == place:
            cloud.interrupt = lambda _name: None
            before()
            cloud.invoke([second])

    cloud.interrupt = interrupt


@pytest.mark.parametrize("wait_s", [0, 20])
def test_two_deliveries_at_once_make_one_export(
    new_cloud: Callable[..., "Cloud"], wait_s: int
) -> None:
    """Whether the second delivery only creates the task (0 s) or finishes the export (20 s).

    Where the first one stands between its look and its creation while the second finishes, both
    create a task, as AWS has no token against it; the one that came too late is cancelled.
    """
    undisturbed = new_cloud(wait_in_invocation_s=wait_s)
    undisturbed.request()
    undisturbed.run()
    for place in range(1, len(undisturbed.calls) + 1):
        cloud = new_cloud(wait_in_invocation_s=wait_s)
        cloud.request()
        deliver_again_at(cloud, place)
        cloud.run()
        record = cloud.record()
        assert record.state == "completed"
        finished = [job for job in cloud.tasks_of() if job.outcome != "CANCELLED"]
        assert len(finished) == 1
        assert record.submitted is not None
        assert record.submitted.task_id == finished[0].task_id
        assert len(cloud.archive) == 3
        assert len({event.model_dump_json() for event in cloud.events}) == 1
        if wait_s == 0:
            assert len(cloud.tasks_of()) == 1


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.deep)])
@pytest.mark.parametrize(
    "scene", [failed_task, failing_tasks, split_window, mended], ids=lambda scene: scene.__name__
)
def test_two_deliveries_at_once_do_what_one_does(
    scene: Scene,
    step: int,
    new_cloud: Callable[..., "Cloud"],
    plan: type["Plan"],
    request_for: RequestFor,
) -> None:
    """At each call of the run, the message in flight is delivered a second time, to its end.

    A task that came too late is cancelled, and what it wrote is in no manifest.
    """
    expected = undisturbed(scene, new_cloud, plan, request_for)
    for place in range(1, len(expected.calls) + 1, step):
        cloud = new_cloud()
        scene(cloud, plan, request_for)

        def interrupt(_name: str, cloud: "Cloud" = cloud, place: int = place) -> None:
            if len(cloud.calls) + 1 == place:
                cloud.interrupt = lambda _name: None
                cloud.invoke(cloud.letters[:1])

        cloud.interrupt = interrupt
        run(cloud, scene)
        assert states(cloud) == states(expected)
        check_events(cloud, expected)
        needed = [job.name for job in cloud.jobs if job.outcome != "CANCELLED"]
        assert len(needed) == len(set(needed)), "two tasks that count for one export"
        assert {v.key.split("/")[-3] for v in cloud.archive} <= set(named_tasks(cloud))


def named_tasks(cloud: "Cloud") -> set[str]:
    """The tasks of completed exports."""
    return {
        record.submitted.task_id
        for record in cloud.records()
        if record.state == "completed" and record.submitted is not None
    }


def test_a_task_that_another_delivery_made_needless_is_cancelled_and_named_in_the_log(
    cloud: "Cloud", capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    cloud.request()
    second = cloud.letters[0]

    def interrupt(name: str) -> None:
        if name == "logs.create_task":
            cloud.interrupt = lambda _name: None
            cloud.invoke([second])

    cloud.interrupt = interrupt
    cloud.run()
    assert [job.outcome for job in cloud.tasks_of()] == ["COMPLETED", "CANCELLED"]
    assert "cancelled a second task" in caplog.text


@pytest.mark.parametrize("late_events", [0, 1])
def test_two_direct_readings_at_once_announce_one_of_them(
    new_cloud: Callable[..., "Cloud"], request_for: RequestFor, late_events: int
) -> None:
    """Whether the second one finds the same events, or one that came late."""
    data = request_for(lane="direct")
    undisturbed = new_cloud()
    undisturbed.request(data)
    undisturbed.run()
    for place in range(1, len(undisturbed.calls) + 1):
        cloud = new_cloud()
        cloud.request(data)
        late = [[Event("web/1", 1_795_215_600_000 + n, "x")] for n in range(2 + late_events)]

        def grow(cloud: "Cloud" = cloud, late: list[list[Event]] = late) -> None:
            cloud.pages[LOG_GROUP] = late

        cloud.pages[LOG_GROUP] = late[:2]
        deliver_again_at(cloud, place, grow)
        cloud.run()
        completed = cloud.record().completed
        assert completed is not None
        assert not cloud.jobs
        assert len({event.model_dump_json() for event in cloud.completed_events()}) == 1
        there = {version.version_id for version in cloud.archive}
        assert {each.version_id for each in completed.manifest.objects or []} <= there
        if not late_events:
            assert len(cloud.archive) == 1
