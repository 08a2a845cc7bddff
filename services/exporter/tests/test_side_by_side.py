"""What one invocation of the direct lane does at once: messages, and the parts of a window."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from services.exporter.tests.in_turns import InTurns
from services.exporter.tests.test_addendum import ask as ask_for_addendum

from exporter.adding import Adding
from exporter.direct import Event
from exporter.errors import TransientError
from exporter.turns import COMPARED_AT_ONCE, Turn
from logferry_contracts.export_requested import ExportRequestedData

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]
type NewCloud = Callable[..., "Cloud"]

FROM_MS = 1_795_215_600_000
HOUR_MS = 3_600_000
LARGE, SMALL = "/large", ("/one", "/two", "/three")
EVENTS = [
    Event("web", FROM_MS + hour * HOUR_MS + 1, f"{hour}" + "x" * 4_000)
    for hour in (1, 4, 8, 15, 20)
]
"""Two of them are as many as the direct lane reads at once."""
SEEDS = [*range(6), *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(6, 120))]


def ask(cloud: "Cloud", request_for: RequestFor) -> list[ExportRequestedData]:
    """Ask for a window in parts and for small ones; both lanes, but for the first small one."""
    cloud.pages[LARGE] = [EVENTS]
    wanted = [
        request_for(name, lane="direct").model_copy(update={"offered": name != SMALL[0] or None})
        for name in (*SMALL, LARGE)
    ]
    for data in wanted:
        cloud.request(data)
    return wanted


def check_end(cloud: "Cloud", wanted: list[ExportRequestedData]) -> None:
    """Each window is told once, of objects that are its own and hold all of its events."""
    assert not cloud.letters
    assert not cloud.dead_letters
    assert not cloud.failed_events()
    events = {event.id: event for event in cloud.completed_events()}
    assert set(events) == {data.export_id for data in wanted}
    assert all(record.state == "completed" for record in cloud.records())
    for event in events.values():
        found = [(each.key, each.version_id) for each in event.data.manifest.objects or []]
        assert found
        assert len(found) == len(set(found))
    parts = [record for record in cloud.records() if record.log_group.name == LARGE]
    leaves = sorted((r.window.from_ms, r.window.to_ms) for r in parts if r.split is None)
    assert [to_ms for _, to_ms in leaves[:-1]] == [from_ms for from_ms, _ in leaves[1:]]
    whole = wanted[-1].window
    assert (leaves[0][0], leaves[-1][1]) == (whole.from_ms, whole.to_ms)


def test_only_the_failing_message_of_a_batch_comes_back(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    wanted = [request_for(name, lane="direct") for name in SMALL]
    for data in wanted:
        cloud.request(data)
    failures = iter([TransientError("S3 is busy")])

    def fail_once(name: str) -> None:
        if name == "archive.put":
            for error in failures:
                raise error

    cloud.interrupt = fail_once
    first, *_ = cloud.letters
    answer = cloud.deliver(batch_size=3)
    assert answer == {"batchItemFailures": [{"itemIdentifier": first.message_id}]}
    assert [cloud.record(data).state for data in wanted] == ["requested", "completed", "completed"]


def test_messages_that_there_is_no_time_for_come_back_at_once_and_are_not_taken(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    wanted = ask(cloud, request_for)
    cloud.interrupt = lambda name: cloud.sleep(30) if name == "logs.events" else None
    answer = cloud.deliver(batch_size=4)
    assert len(answer["batchItemFailures"]) == 3
    assert [cloud.record(data).state for data in wanted] == ["completed"] + ["requested"] * 3
    assert all(cloud.record(data).is_untaken for data in wanted[1:])
    assert all(letter.visible_at <= cloud.now for letter in cloud.letters)


def test_whoever_packs_holds_up_none_of_the_batch(cloud: "Cloud", request_for: RequestFor) -> None:
    for number in range(10):
        cloud.request(request_for(f"/small/{number}", lane="direct"))
    threads = InTurns(cloud, seed=1)

    def pack_last(name: str) -> None:
        tries = 2_000 if name == "archive.put" else 1
        while tries and (name != "archive.put" or cloud.calls.count("logs.events") < 10):
            tries -= 1
            threads.switch()
        assert tries or name != "archive.put", f"{cloud.calls.count('logs.events')} were read"

    cloud.interrupt = pack_last
    cloud.deliver(batch_size=10)
    assert len(cloud.completed_events()) == 10


@pytest.mark.parametrize("seed", range(6))
def test_no_more_windows_of_a_batch_are_compared_at_once_than_memory_has_room_for(
    cloud: "Cloud", request_for: RequestFor, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    wanted = [request_for(f"/late/{number}", lane="direct") for number in range(10)]
    for data in wanted:
        cloud.pages[data.log_group.name] = [[Event("web", data.window.from_ms + 1, "known")]]
        cloud.request(data)
    cloud.run()
    for data in wanted:
        cloud.pages[data.log_group.name][0].append(Event("web", data.window.from_ms + 2, "late"))
        ask_for_addendum(cloud, data)
    under_way, most = 0, 0
    compare = Adding._compare

    def compared(*words: Any) -> None:
        nonlocal under_way, most
        under_way += 1
        most, tries = max(most, under_way), 100
        while tries and under_way <= COMPARED_AT_ONCE:  # as what takes long
            tries -= 1
            threads.switch()
        compare(*words)
        under_way -= 1

    monkeypatch.setattr(Adding, "_compare", compared)
    threads = InTurns(cloud, seed)
    cloud.run(batch_size=10)
    assert most == COMPARED_AT_ONCE
    assert len([each for each in cloud.completed_events() if each.data.addendum]) == 10


@pytest.mark.parametrize("seed", range(6))
def test_windows_that_are_read_side_by_side_end_once_each(
    new_cloud: NewCloud, request_for: RequestFor, seed: int
) -> None:
    cloud = new_cloud()
    wanted = ask(cloud, request_for)
    InTurns(cloud, seed)
    cloud.run(batch_size=4)
    check_end(cloud, wanted)
    assert len({event.model_dump_json() for event in cloud.completed_events()}) == len(wanted)
    assert not cloud.jobs


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("seed", SEEDS)
def test_an_invocation_that_is_killed_while_it_reads_side_by_side_loses_nothing(
    new_cloud: NewCloud, request_for: RequestFor, seed: int
) -> None:
    random = Random(seed)  # noqa: S311  (reproducible, and no secret)
    cloud = new_cloud()
    wanted = ask(cloud, request_for)
    kills = {random.randrange(1, 120): random.choice(["before", "after"]) for _ in range(3)}
    cloud.crash = lambda number, how: kills.get(number) == how
    InTurns(cloud, seed)
    cloud.run(batch_size=4)
    check_end(cloud, wanted)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_slot_takes_parts_while_others_are_read_side_by_side(
    new_cloud: NewCloud, plan: type["Plan"], request_for: RequestFor, seed: int
) -> None:
    """One delivery to the slot at some call of the direct lane, a kill a little later, the rest."""
    random = Random(seed)  # noqa: S311  (reproducible, and no secret)
    cloud = new_cloud()
    cloud.plans[LARGE] = plan(running_s=5)
    wanted = ask(cloud, request_for)
    direct = list(cloud.letters)
    cloud.request(wanted[-1].model_copy(update={"lane": "slot"}), is_planned=False)
    slot = cloud.letters[-1]
    place = random.randrange(1, 100)
    kill = place + random.randrange(5, 60)
    cloud.crash = lambda number, how: (number, how) == (kill, "after")
    threads = InTurns(cloud, seed)

    def come(_name: str) -> None:
        if len(cloud.calls) + 1 == place:
            cloud.interrupt = lambda _name: threads.switch()
            cloud.invoke([slot])
        threads.switch()

    cloud.interrupt = come
    assert direct
    cloud.run(batch_size=4)
    check_end(cloud, wanted)


def test_a_window_is_taken_when_another_nears_its_last_pages_and_read_once_it_has_begun_them() -> (
    None
):
    told: list[str] = []

    def sleep(_seconds: float) -> None:
        told.append("waits")
        steps.pop(0)()

    first = Turn(sleep)
    second = first.next()
    steps = [first.read, first.let_take, first.read_no_more]
    with first, second:
        assert told == ["waits"] * 2
        second.read()
    assert told == ["waits"] * 3


def test_whoever_ends_lets_the_others_go_on() -> None:
    def stuck(_seconds: float) -> None:
        raise AssertionError("somebody waits")

    first = Turn(stuck)
    with first:
        first.read()
    with first.next() as second:
        second.read()
