"""Both lanes at work on what both are asked for, each at any moment of the other."""

import gzip
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from exporter.direct import Event
from exporter.errors import TransientError
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Letter, Plan

type RequestFor = Callable[..., ExportRequestedData]
type NewCloud = Callable[..., "Cloud"]

LOG_GROUP = "/aws/lambda/orders"
HOUR_MS = 3_600_000
FROM_MS = 1_795_215_600_000
EVENTS = [
    Event("web", FROM_MS + hour * HOUR_MS + 1, f"{hour}" + "x" * 4_000) for hour in (1, 8, 15)
]
"""Two of them are as many as the direct lane reads at once."""


def offer(cloud: "Cloud", request_for: RequestFor, **more: object) -> tuple["Letter", "Letter"]:
    """Ask both lanes; return the direct lane's message and the slot's."""
    data = request_for(lane="direct").model_copy(update={"offered": True, **more})
    cloud.request(data)
    cloud.request(data.model_copy(update={"lane": "slot"}), is_planned=False)
    direct, slot = cloud.letters
    return direct, slot


def parts(cloud: "Cloud") -> list[LedgerRecord]:
    """The records that are not of halves again, in the order of time."""
    leaves = [record for record in cloud.records() if record.split is None]
    return sorted(leaves, key=lambda record: record.window.from_ms)


def check_end(cloud: "Cloud", request_for: RequestFor) -> None:
    """One event and one manifest, of parts that together are the window and are there once."""
    assert len({event.model_dump_json() for event in cloud.completed_events()}) == 1
    assert not cloud.failed_events()
    assert not cloud.dead_letters
    whole = cloud.record(request_for())
    assert whole.completed is not None
    done = parts(cloud)
    assert (done[0].window.from_ms, done[-1].window.to_ms) == (
        whole.window.from_ms,
        whole.window.to_ms,
    )
    for before, after in pairwise(done):
        assert before.window.to_ms == after.window.from_ms
    assert all(record.state == "completed" for record in cloud.records())
    assert all(r.completed and r.completed.published_at for r in cloud.records())
    in_parts = [
        (each.key, each.version_id)
        for part in done
        if part.completed is not None
        for each in part.completed.manifest.objects or []
    ]
    in_whole = [(each.key, each.version_id) for each in whole.completed.manifest.objects or []]
    assert sorted(in_parts) == sorted(in_whole)
    assert len(set(in_whole)) == len(in_whole)
    names = [job.name for job in cloud.jobs if job.outcome != "CANCELLED"]
    assert sorted(names) == sorted(part.export_id for part in done if part.submitted is not None)  # type: ignore[type-var]


def test_the_lane_that_is_free_first_takes_it_and_the_other_leaves_it_alone(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    offer(cloud, request_for)
    cloud.letters.reverse()
    cloud.run()
    record = cloud.record(request_for())
    assert (record.lane, record.state) == ("slot", "completed")
    assert "logs.events" not in cloud.calls
    check_end(cloud, request_for)


def test_what_the_direct_lane_reads_has_no_task(cloud: "Cloud", request_for: RequestFor) -> None:
    offer(cloud, request_for)
    cloud.run()
    assert cloud.record(request_for()).lane == "direct"
    assert not cloud.jobs
    check_end(cloud, request_for)


def test_a_large_window_is_read_in_parts_and_told_as_one(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.pages[LOG_GROUP] = [EVENTS]
    cloud.request(request_for(lane="direct"))
    cloud.run()
    check_end(cloud, request_for)
    assert len(parts(cloud)) == 2
    bodies = [gzip.decompress(version.body) for version in cloud.archive]
    assert [body.count(b"\n") for body in bodies] == [2, 1]
    (event,) = cloud.completed_events()
    assert (event.data.task_id, event.data.task_ids) == (None, None)


def test_an_event_of_the_millisecond_between_two_parts_is_read_once(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    """Every prefix has it twice otherwise, and the second witness misses one event less."""
    window = request_for().window
    halves = window.halves
    assert halves is not None
    edges_ms = (window.from_ms, halves[0].to_ms, window.to_ms - 1)
    at_edges = [Event("web", at_ms, f"edge {at_ms}") for at_ms in edges_ms]
    cloud.pages[LOG_GROUP] = [sorted([*EVENTS, *at_edges], key=lambda each: each.timestamp_ms)]
    cloud.request(request_for(lane="direct"))
    cloud.run()
    check_end(cloud, request_for)
    assert len(parts(cloud)) == 2
    text = b"".join(gzip.decompress(version.body) for version in cloud.archive)
    assert [text.count(f"edge {at_ms}".encode()) for at_ms in edges_ms] == [1, 1, 1]


def test_a_part_whose_only_event_is_the_next_ones_is_believed_to_be_empty(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    """Of a window that was left unannounced: a part without objects has no event of its own."""
    window = request_for().window
    halves = window.halves
    assert halves is not None
    first_ms = halves[0].to_ms
    events = [Event("web", first_ms + n * HOUR_MS, f"{n}" + "x" * 4_000) for n in range(3)]
    cloud.pages[LOG_GROUP] = [events]
    cloud.request(request_for(lane="direct"))
    cloud.run()
    check_end(cloud, request_for)
    whole = cloud.record(request_for())
    assert whole.completed is not None
    first = next(each for each in parts(cloud) if each.window.to_ms == first_ms)
    assert first.completed is not None
    assert first.completed.manifest.object_count == 0
    untold = whole.completed.model_copy(update={"published_at": None})
    cloud.put_record(whole.model_copy(update={"completed": untold}))
    cloud.request(request_for(lane="direct"))
    cloud.run()
    assert not cloud.dead_letters
    assert cloud.record(request_for()).state == "completed"


def test_the_slot_needs_no_look_for_a_task_of_a_part_that_it_takes_just_now(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    """Also where the message is not received for the first time, as it is not for a second part."""
    cloud.warm = cloud.wiring()
    _, slot = offer(cloud, request_for, estimated_bytes=12_000_000_000)
    cloud.letters = [slot]
    cloud.run()
    check_end(cloud, request_for)
    first, second = [n for n, call in enumerate(cloud.calls) if call == "logs.create_task"]
    found = cloud.calls.index("archive.objects")
    assert "logs.newest_tasks" in cloud.calls[first:found]
    assert "logs.newest_tasks" not in cloud.calls[found:second]


def test_a_look_at_a_parts_task_reads_the_records_on_the_way_to_it_alone(
    new_cloud: NewCloud, request_for: RequestFor
) -> None:
    cloud = new_cloud(wait_in_invocation_s=0)
    _, slot = offer(cloud, request_for, estimated_bytes=12_000_000_000)
    cloud.letters = [slot]
    while not cloud.jobs:
        assert cloud.deliver()["batchItemFailures"]
    before = len(cloud.calls)
    assert cloud.deliver()["batchItemFailures"]
    look = cloud.calls[before : cloud.calls.index("logs.newest_tasks", before)]
    assert look == ["ledger.read"] * 3
    cloud.run()
    check_end(cloud, request_for)


def test_a_task_that_was_listed_as_completed_is_not_asked_for_again(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    """What has completed stays so: the window is told by what AWS has said of its parts' tasks."""
    cloud.warm = cloud.wiring()
    _, slot = offer(cloud, request_for, estimated_bytes=12_000_000_000)
    cloud.letters = [slot]
    cloud.run()
    check_end(cloud, request_for)
    assert len(cloud.jobs) == 2
    assert "logs.task" not in cloud.calls


def test_a_new_environment_asks_for_the_task_that_it_has_not_seen_end(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.warm = cloud.wiring()
    _, slot = offer(cloud, request_for, estimated_bytes=12_000_000_000)
    cloud.letters = [slot]
    cloud.interrupt = dies_at_its_second("archive.objects")
    assert cloud.deliver()["batchItemFailures"]
    cloud.interrupt = lambda _name: None
    cloud.warm = cloud.wiring()
    for job in cloud.jobs[:1]:
        job.is_out_of_the_list = True
    cloud.run()
    check_end(cloud, request_for)
    assert cloud.calls.count("logs.task") == 1


def dies_at_its_second(call: str) -> Callable[[str], None]:
    """Let a call be answered once, and with an error that passes the next time."""
    names = iter([call])

    def interrupt(name: str) -> None:
        if name == call and not next(names, None):
            raise TransientError(name)

    return interrupt


def test_the_slot_looks_for_a_task_of_what_another_delivery_has_taken(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    """In the same environment, within the second: who took it may have created one as well."""
    cloud.warm = cloud.wiring()
    _, slot = offer(cloud, request_for)
    cloud.letters = [slot]
    cloud.interrupt = unavailable("logs.create_task")
    assert cloud.deliver()["batchItemFailures"]
    cloud.interrupt = lambda _name: None
    before = len(cloud.calls)
    cloud.run()
    check_end(cloud, request_for)
    again = cloud.calls[before : cloud.calls.index("logs.create_task", before)]
    assert {"logs.newest_tasks", "archive.folders"} <= set(again)


def unavailable(call: str) -> Callable[[str], None]:
    """Let a call be answered with an error that passes."""

    def interrupt(name: str) -> None:
        if name == call:
            raise TransientError(name)

    return interrupt


@pytest.mark.parametrize("body", ["{}", None], ids=["damaged", "removed"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_part_whose_record_is_lost_has_the_whole_exported_again(
    cloud: "Cloud", request_for: RequestFor, which: int, body: str | None
) -> None:
    cloud.pages[LOG_GROUP] = [EVENTS]
    cloud.request(request_for(lane="direct"))
    cloud.interrupt = lambda name: cloud.sleep(30) if name == "logs.events" else None
    assert cloud.deliver()["batchItemFailures"]
    cloud.interrupt = lambda _name: None
    key = parts(cloud)[which].key
    if body is None:
        del cloud.ledger[key]
    else:
        cloud.ledger[key] = (body, '"1"')
    cloud.run()

    first, second = cloud.record(request_for()), cloud.record(request_for(generation=2))
    assert first.failed is not None
    assert first.failed.reason == "ledger_record_damaged"
    # The whole's, and of a record that is damaged the message of the half itself.
    reasons = {letter.reason for letter in cloud.dead_letters}
    assert reasons - {"contract"} == {"ledger_record_damaged"}
    (event,) = cloud.completed_events()
    assert event.id == second.export_id
    assert second.completed is not None
    assert second.completed.manifest.object_count > 0


def test_the_rest_of_an_invocation_that_is_over_is_read_by_the_next(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.pages[LOG_GROUP] = [EVENTS]
    cloud.request(request_for(lane="direct"))
    cloud.interrupt = lambda name: cloud.sleep(30) if name == "logs.events" else None
    assert cloud.deliver()["batchItemFailures"]
    assert [record.state for record in parts(cloud)] == ["completed", "requested"]
    cloud.run()
    check_end(cloud, request_for)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("running_s", [0.1, pytest.param(60.0, marks=pytest.mark.deep)])
def test_the_slot_may_come_to_it_at_any_call_of_the_direct_lane(
    new_cloud: NewCloud, plan: type["Plan"], request_for: RequestFor, running_s: float
) -> None:
    lanes = set()
    place, is_over = 0, False
    while not is_over:
        place += 1
        cloud = new_cloud()
        cloud.pages[LOG_GROUP] = [EVENTS]
        cloud.plans[LOG_GROUP] = plan(running_s=running_s)
        _, slot = offer(cloud, request_for)
        is_over = not deliver_at(cloud, slot, place)
        check_end(cloud, request_for)
        lanes.add(tuple(part.lane for part in parts(cloud)))
    assert {("slot",), ("direct", "slot"), ("direct", "direct")} <= lanes


@pytest.mark.usefixtures("quiet")
def test_the_direct_lane_may_come_to_it_at_any_call_of_the_slot(
    new_cloud: NewCloud, plan: type["Plan"], request_for: RequestFor
) -> None:
    place, is_over = 0, False
    while not is_over:
        place += 1
        cloud = new_cloud()
        cloud.pages[LOG_GROUP] = [EVENTS]
        cloud.plans[LOG_GROUP] = plan(running_s=60.0)
        direct, _ = offer(cloud, request_for)
        cloud.letters.reverse()
        is_over = not deliver_at(cloud, direct, place)
        check_end(cloud, request_for)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("every", [9, pytest.param(2, marks=pytest.mark.deep)])
def test_both_lanes_may_be_killed_while_they_share_a_window(
    new_cloud: NewCloud, plan: type["Plan"], request_for: RequestFor, every: int
) -> None:
    """The slot comes at some call of the direct lane, and some calls later both die."""
    for place in range(1, 60, every):
        for kill in range(place, place + 24, every):
            cloud = new_cloud()
            cloud.pages[LOG_GROUP] = [EVENTS]
            cloud.plans[LOG_GROUP] = plan(running_s=0.1)
            _, slot = offer(cloud, request_for)
            cloud.crash = lambda number, side, kill=kill: (number, side) == (kill, "after")  # type: ignore[misc]
            deliver_at(cloud, slot, place)
            check_end(cloud, request_for)


def deliver_at(cloud: "Cloud", letter: "Letter", place: int) -> bool:
    """Work the queue off; let a message be worked on at a call of the others' run, too.

    Return whether there was such a call.
    """
    was_there = False

    def interrupt(_name: str) -> None:
        nonlocal was_there
        if len(cloud.calls) + 1 == place:
            was_there = True
            cloud.interrupt = lambda _name: None
            cloud.invoke([letter])

    cloud.interrupt = interrupt
    cloud.run()
    return was_there
