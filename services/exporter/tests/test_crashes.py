"""The process dies before or after any of its AWS calls, or does its work twice at once.

At the end the archive, the ledger and the events are always those of an undisturbed run.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import pytest

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


def two_exports(cloud: "Cloud", plan: type["Plan"], request_for: RequestFor) -> None:
    cloud.plans["/second"] = plan(outcomes=("CANCELLED", "COMPLETED"))
    cloud.request(request_for("/first"))
    cloud.request(request_for("/second"))


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
    two_exports,
]

scenes = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)


def undisturbed(
    scene: Scene, new_cloud: Callable[..., "Cloud"], plan: type["Plan"], request_for: RequestFor
) -> "Cloud":
    cloud = new_cloud()
    scene(cloud, plan, request_for)
    cloud.run()
    return cloud


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


def crash_points(calls: int) -> Iterator[tuple[int, Literal["before", "after"]]]:
    for number in range(1, calls + 1):
        yield number, "before"
        yield number, "after"


@scenes
def test_a_crash_around_any_call_changes_nothing_in_the_end(
    scene: Scene, new_cloud: Callable[..., "Cloud"], plan: type["Plan"], request_for: RequestFor
) -> None:
    expected = undisturbed(scene, new_cloud, plan, request_for)
    for point in crash_points(len(expected.calls)):
        cloud = new_cloud()
        scene(cloud, plan, request_for)
        cloud.crash = lambda *here, point=point: here == point
        cloud.run()
        check(cloud, expected)


@scenes
@pytest.mark.parametrize("every", [6, 7, 11])  # a failed try makes six calls until it is recorded
def test_a_process_that_dies_again_and_again_gets_there_all_the_same(
    scene: Scene,
    every: int,
    new_cloud: Callable[..., "Cloud"],
    plan: type["Plan"],
    request_for: RequestFor,
) -> None:
    expected = undisturbed(scene, new_cloud, plan, request_for)
    cloud = new_cloud()
    scene(cloud, plan, request_for)
    cloud.crash = lambda number, side: side == "after" and number % every == 0
    cloud.run()
    check(cloud, expected)


@scenes
def test_every_message_may_come_twice(
    scene: Scene, new_cloud: Callable[..., "Cloud"], plan: type["Plan"], request_for: RequestFor
) -> None:
    expected = undisturbed(scene, new_cloud, plan, request_for)
    cloud = new_cloud()
    scene(cloud, plan, request_for)
    for letter in list(cloud.letters):
        cloud.enqueue(letter.body)
    cloud.run()
    check(cloud, expected)


def deliver_again_at(cloud: "Cloud", place: int) -> None:
    """Let a second delivery of the first message run to its end at a call of the first one."""
    second, *_ = cloud.letters
    calls = iter(range(1, 10_000))

    def interrupt(_name: str) -> None:
        if next(calls) == place:
            cloud.interrupt = lambda _name: None
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
    places = len(["read", "look", "create", "submitted", "describe", "list", "completed"]) + 8
    for place in range(1, places):
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
