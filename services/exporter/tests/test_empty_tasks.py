"""A task that is COMPLETED and has written nothing: whether that is so is looked up once.

As two people saw of windows that have events: https://github.com/boto/boto3/issues/1604 (2018-06)
and https://github.com/miztiik/serverless-cloudwatch-logs-exporter/issues/1.
"""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import pytest

from exporter import proof, task
from exporter.direct import Event
from exporter.errors import ExportRefusedError, NotForDirectLaneError, TransientError
from logferry_contracts.export_requested import ExportRequestedData

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]

LOG_GROUP = "/aws/lambda/orders"
FROM_MS, TO_MS = 1_795_215_600_000, 1_795_302_000_000


@pytest.fixture
def empty(cloud: "Cloud", plan: "type[Plan]") -> "Cloud":
    """An export whose tasks write nothing."""
    cloud.plans[LOG_GROUP] = plan(keys=())
    cloud.request()
    return cloud


def at(timestamp_ms: int) -> list[Event]:
    return [Event("web", timestamp_ms, "an event")]


@pytest.mark.parametrize("timestamp_ms", [FROM_MS, TO_MS - 1])
def test_a_window_with_events_is_not_told_as_empty(
    empty: "Cloud", request_for: RequestFor, timestamp_ms: int
) -> None:
    empty.pages[LOG_GROUP] = [[], [], at(timestamp_ms)]
    empty.run()
    assert not empty.completed_events()
    assert [event.data.reason for event in empty.failed_events()] == ["task_empty"] * 3
    assert [event.data.will_be_retried for event in empty.failed_events()] == [True, True, False]
    assert "FilterLogEvents shows events" in empty.failed_events()[-1].data.mend
    (letter,) = empty.dead_letters
    assert letter.reason == "task_empty"
    assert empty.tasks_of()[0].task_id in empty.failed_events()[0].data.message


def test_what_becomes_available_within_twelve_hours_is_exported(
    empty: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html"""
    began = empty.now
    while empty.now < began + timedelta(hours=11, minutes=30):
        empty.deliver()
    empty.plans[LOG_GROUP] = plan()
    empty.run()
    (event,) = empty.completed_events()
    assert (event.data.generation, event.data.manifest.object_count) == (3, 3)
    assert empty.jobs[-1].created - began >= 2 * task.EMPTY_PAUSE
    assert not empty.dead_letters


def test_others_are_exported_meanwhile(empty: "Cloud", request_for: RequestFor) -> None:
    empty.request(request_for("/other"))
    began = empty.now
    empty.run()
    assert empty.record(request_for("/other")).state == "completed"
    other = next(job for job in empty.jobs if job.name == request_for("/other").export_id)
    assert other.created - began < timedelta(minutes=1)


@pytest.mark.parametrize("pages", [[[]], [[], [], []], [at(TO_MS)]], ids=["1", "3", "on the end"])
def test_a_window_without_events_is_told_as_empty(
    empty: "Cloud", logged: Callable[[], list[dict[str, Any]]], pages: list[list[Event]]
) -> None:
    """An event on the window's last millisecond is the next window's as well."""
    empty.pages[LOG_GROUP] = pages
    empty.run()
    (event,) = empty.completed_events()
    assert event.data.manifest.object_count == 0
    assert {line["level"] for line in logged()} == {"INFO"}


@pytest.mark.parametrize(
    "error",
    [
        NotForDirectLaneError("FilterLogEvents: AccessDeniedException: no"),
        ExportRefusedError("log_group_deleted", "FilterLogEvents: ResourceNotFoundException: no"),
    ],
)
def test_where_nobody_may_look_the_tasks_word_counts_with_a_warning(
    empty: "Cloud",
    logged: Callable[[], list[dict[str, Any]]],
    emitted: Callable[[str], list[float]],
    error: Exception,
) -> None:
    empty.unreadable = error
    empty.run()
    assert len(empty.completed_events()) == 1
    (warning,) = [line for line in logged() if line["level"] == "WARNING"]
    assert warning["message"] == "nobody saw whether there are events: the task's word counts"
    assert emitted("EmptyUnproven") == [1]


def test_a_class_that_cannot_be_read_is_not_asked(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    data = request_for()
    log_group = data.log_group.model_copy(update={"log_group_class": "INFREQUENT_ACCESS"})
    cloud.plans[LOG_GROUP] = plan(keys=())
    cloud.request(data.model_copy(update={"log_group": log_group}))
    cloud.run()
    assert "logs.events" not in cloud.calls
    assert len(cloud.completed_events()) == 1


@pytest.mark.parametrize("log_group_class", ["STANDARD", "INFREQUENT_ACCESS"])
@pytest.mark.parametrize(
    ("created_ms", "why"),
    [(None, "is not there any more"), (FROM_MS + 1, "was deleted and made again")],
    ids=["gone", "made again"],
)
def test_an_empty_task_of_a_log_group_that_is_gone_is_no_empty_window(
    cloud: "Cloud",
    plan: "type[Plan]",
    request_for: RequestFor,
    log_group_class: str,
    created_ms: int | None,
    why: str,
) -> None:
    """It may have been deleted while the task read it."""
    data = request_for()
    log_group = data.log_group.model_copy(update={"log_group_class": log_group_class})
    cloud.plans[LOG_GROUP] = plan(keys=())
    cloud.pages[LOG_GROUP] = [[]]
    cloud.created_ms[LOG_GROUP] = created_ms
    cloud.request(data.model_copy(update={"log_group": log_group}))
    cloud.run()
    assert not cloud.completed_events()
    (event,) = cloud.failed_events()
    assert (event.data.reason, event.data.will_be_retried) == ("log_group_deleted", False)
    assert why in event.data.message
    assert [letter.reason for letter in cloud.dead_letters] == ["log_group_deleted"]


def test_where_nobody_may_see_log_groups_the_tasks_word_counts(empty: "Cloud") -> None:
    def refuse(name: str) -> None:
        if name == "logs.log_group":
            raise ExportRefusedError("access_denied", "DescribeLogGroups: AccessDeniedException")

    empty.pages[LOG_GROUP] = [[]]
    empty.interrupt = refuse
    empty.run()
    assert [event.data.manifest.object_count for event in empty.completed_events()] == [0]


def test_many_pages_without_an_event_leave_it_open(
    empty: "Cloud", emitted: Callable[[str], list[float]]
) -> None:
    empty.pages[LOG_GROUP] = [[]] * 100
    empty.run()
    assert empty.calls.count("logs.events") == proof.EVENT_PAGES
    assert len(empty.completed_events()) == 1
    assert emitted("EmptyUnproven") == [1]


def test_a_look_does_not_outlast_the_invocation(
    new_cloud: Callable[..., "Cloud"], plan: "type[Plan]"
) -> None:
    cloud = new_cloud(wait_in_invocation_s=2)
    cloud.settings = replace(cloud.settings, direct_lane_calls_per_second=1)  # type: ignore[arg-type]
    cloud.plans[LOG_GROUP] = plan(keys=())
    cloud.pages[LOG_GROUP] = [[]] * 100
    cloud.request()
    while not cloud.completed_events():
        before = cloud.now = max(cloud.now, cloud.letters[0].visible_at)
        cloud.deliver(remaining_ms=20_000)
        assert cloud.now - before < timedelta(seconds=12)


def test_a_throttled_look_is_tried_again(empty: "Cloud") -> None:
    errors = iter([TransientError("ThrottlingException")] * 3)

    def throttle(name: str) -> None:
        if name == "logs.events":
            for error in errors:
                raise error

    empty.pages[LOG_GROUP] = [[]]
    empty.interrupt = throttle
    empty.run()
    assert len(empty.completed_events()) == 1


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.deep)])
def test_a_cut_after_any_call_changes_nothing_in_the_end(
    new_cloud: Callable[..., "Cloud"],
    plan: "type[Plan]",
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    monkeypatch.setattr(task, "EMPTY_PAUSE", timedelta(minutes=1))

    def run(point: tuple[int, str] | None) -> "Cloud":
        cloud = new_cloud()
        cloud.plans[LOG_GROUP] = plan(keys=())
        cloud.crash = lambda *here: here == point
        cloud.request()
        cloud.run()
        return cloud

    points = product(range(1, len(run(None).calls) + 1), ("after", "lost"))
    for point in islice(points, None, None, step):
        cloud = run(point)
        assert [record.state for record in cloud.records()] == ["failed"] * 3
        assert {letter.reason for letter in cloud.dead_letters} == {"task_empty"}
        assert len({job.name for job in cloud.jobs}) == len(cloud.jobs) == 3
        assert not cloud.completed_events()


def test_a_task_with_objects_is_taken_at_its_word(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    assert "logs.events" not in cloud.calls
