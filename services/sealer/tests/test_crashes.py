"""The sealer dies before any of its calls, or works twice at once: there is one chain then."""

import hashlib
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import batched
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from services.sealer.tests.cloud import Cut
from services.sealer.tests.conftest import DAY, FIRST, HOUR, SOURCE, World, day

from logferry_contracts.day_seal import DaySeal
from logferry_contracts.seal_key import StatementName
from logferry_contracts.seal_leaf import Leaf, LeafList
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from sealer.dates import date_of
from sealer.draft import Draft, LeafRow

type Scene = Callable[[World], list[str]]

MOST_DELIVERIES = 12
NAME_SALT = "00" * 16


def one_date(world: World) -> list[str]:
    record = world.exported("/a", day(0))
    world.exported("/b", day(0))
    world.inventory("/a", "/b", excluded=["/c"], at=FIRST + DAY + HOUR)
    return [world.export_event(record), world.day_event(0), world.asked()]


def two_dates(world: World) -> list[str]:
    messages = one_date(world)
    record = world.exported("/a", day(1))
    world.inventory("/a", at=day(1).end + HOUR)
    world.now = day(1).end + 2 * HOUR
    return [*messages, world.export_event(record), world.day_event(1)]


def truth_that_comes_later(world: World) -> list[str]:
    one_date(world)
    world.failed(world.record("/f", day(0)))
    world.look()
    world.exported("/f", day(0), generation=2)
    return [world.asked()]


def another_key(world: World) -> list[str]:
    one_date(world)
    world.look()
    arn = "arn:aws:kms:eu-west-1:999988887777:key/next"
    world.cloud.keys[arn] = ec.generate_private_key(ec.SECP256R1())
    world.settings["signing_key_arn"] = arn
    world.restart()
    return [world.asked()]


def dates_before_the_first(world: World) -> list[str]:
    one_date(world)
    world.look()
    for number in (-2, -1):
        world.exported("/a", day(number))
    return [world.asked(seal_from="2026-11-19")]


SCENES = [one_date, two_dates, truth_that_comes_later, another_key, dates_before_the_first]
LONG = [two_dates, dates_before_the_first]
"""Scenes of many calls; of none is each cut made every time."""

scenes = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)


def run(world: World, messages: list[str]) -> None:
    """Deliver messages until all are done, by a process that is started again when it dies."""
    waiting = list(messages)
    for _ in range(MOST_DELIVERIES * len(messages)):
        if not waiting:
            return
        message = waiting.pop(0)
        try:
            is_done = world.deliver(message)
        except Cut:
            world.restart()
            is_done = False
        if not is_done:
            waiting.append(message)
    pytest.fail(f"still waiting: {waiting}")


def said(world: World) -> list[Any]:
    """What the chain says, however often it was tried."""
    return [said_of(world, each) for each in world.check()]


def said_of(world: World, seal: DaySeal) -> Any:
    sealed = seal.sealed
    if sealed is None:
        return seal.kind, seal.next_key and seal.next_key.arn
    counted = (sealed.covers, sealed.is_late, sealed.reason, sealed.objects, sealed.events)
    return seal.kind, counted, world.outcomes(seal)


@pytest.mark.parametrize(
    ("scene", "step"),
    [
        *((scene, 15 if scene in LONG else 5) for scene in SCENES),
        *(pytest.param(scene, 1, marks=pytest.mark.deep) for scene in SCENES),
    ],
    ids=lambda each: getattr(each, "__name__", f"every {each}"),
)
def test_a_run_cut_before_any_call_ends_like_one_that_was_not(
    new_world: Callable[..., World], scene: Scene, step: int
) -> None:
    whole = new_world()
    messages = scene(whole)
    before = len(whole.cloud.calls)
    run(whole, messages)
    assert whole.cloud.dead_letters == []

    for number in range(before, len(whole.cloud.calls), step):
        cut = new_world()
        messages = scene(cut)
        cut.cloud.cut_after = number
        run(cut, messages)
        cut.look()

        assert [each[1:] for each in said(cut)] == [each[1:] for each in said(whole)], number
        assert cut.told() == whole.told(), number
        assert cut.cloud.dead_letters == [], number


@scenes
def test_messages_that_come_twice_and_out_of_order_make_the_same_chain(
    new_world: Callable[..., World], scene: Scene
) -> None:
    once, twice = new_world(), new_world()
    run(once, scene(once))
    messages = scene(twice)

    run(twice, [*reversed(messages), *messages])

    assert said(twice) == said(once)
    assert twice.told() == once.told()


@scenes
def test_five_sealers_at_once_make_one_chain(new_world: Callable[..., World], scene: Scene) -> None:
    alone, world = new_world(), new_world()
    run(alone, scene(alone))
    messages = scene(world)
    services = [world.new_service() for _ in range(5)]
    barrier = threading.Barrier(len(services))

    def work(service: Any) -> None:
        barrier.wait()
        for message in messages:
            for _ in range(MOST_DELIVERIES):
                if world.deliver(message, service):
                    break

    threads = [threading.Thread(target=work, args=(each,)) for each in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(world, messages)

    assert said(world) == said(alone)
    assert world.told() == alone.told()


def test_one_that_was_overtaken_between_its_list_and_its_seal_begins_again(world: World) -> None:
    messages = one_date(world)
    other = world.new_service()
    is_first = True

    def overtake(name: str, _what: str) -> None:
        nonlocal is_first
        if name == "Sign" and is_first:
            is_first = False
            assert world.deliver(messages[-1], other)

    world.cloud.before_call = overtake

    assert not world.deliver(messages[-1])
    assert world.deliver(messages[-1])
    assert len(world.check()) == 1
    assert ("ChangeMessageVisibility", "1") in world.cloud.calls


def for_calls(world: World, name: str, more: int) -> Callable[[], float]:
    """Return a clock that is up after so many more calls."""
    most = world.cloud.count(name) + more
    return lambda: 900 if world.cloud.count(name) < most else 20


def test_an_export_is_measured_over_as_many_invocations_as_it_takes(world: World) -> None:
    files = {f"web-{number:02}": b"2026-11-21T00:00:00.000Z x\n" for number in range(30)}
    record = world.exported("/a", day(0), files=files)
    message = world.export_event(record)
    attempts = 0
    while True:
        attempts += 1
        world.left_s = for_calls(world, "GetObject", 8)
        if world.deliver(message):
            break

    assert attempts > 3
    reads = [what for name, what in world.cloud.calls if name == "GetObject" and ".gz" in what]
    assert len(reads) == len(set(reads)) == 30


def test_a_date_is_stated_over_as_many_invocations_as_it_takes(world: World) -> None:
    names = [f"/g{number:03}" for number in range(60)]
    for name in names:
        world.skipped(name, day(0))
    world.inventory(*names, at=FIRST + DAY + HOUR)
    attempts = 0
    while True:
        attempts += 1
        world.left_s = for_calls(world, "PutObject", 20)
        if world.look():
            break

    assert attempts > 2
    (seal,) = world.check()
    assert [each.log_group.name for each in world.leaves(seal)] == names
    assert len(world.statements()) == 60


def test_the_largest_object_is_begun_where_there_is_much_time(world: World) -> None:
    record = world.exported("/a", day(0))
    assert record.completed is not None
    [archived] = record.completed.manifest.objects or []
    huge = archived.model_copy(update={"size_bytes": 10**12})
    world.completed(world.record("/a", day(0)), [huge])
    world.left_s = lambda: 700

    assert world.deliver(world.export_event(record))

    assert ("GetObject", archived.key) in world.cloud.calls


def test_an_object_that_no_invocation_can_read_holds_up_no_date(world: World) -> None:
    record = world.exported("/a", day(0))
    world.exported("/b", day(0))
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    [archived] = (record.completed and record.completed.manifest.objects) or []
    world.completed(
        world.record("/a", day(0)), [archived.model_copy(update={"size_bytes": 10**12})]
    )

    def killed(name: str, what: str) -> None:
        if (name, what) == ("GetObject", archived.key):
            raise Cut

    world.cloud.before_call = killed
    for _ in range(3):
        with pytest.raises(Cut):
            world.look()
    world.now = FIRST + 5 * DAY
    assert world.look()

    world.cloud.before_call = lambda *_: None
    first, *_ = world.chain()
    assert world.outcomes(first) == [("/a", "open", "too_large"), ("/b", "archived", None)]
    assert "was begun 3 times" in (world.leaves(first)[0].detail or "")
    world.now += 10 * DAY
    world.look()
    world.look(seal_from="2026-11-21", seal_to="2026-11-21")
    assert [each.outcome for each in world.leaves(world.chain()[-1])] != ["open"]


def test_what_is_begun_is_also_ended(world: World) -> None:
    """An object that would take longer than there is time left is not begun."""
    record = world.exported("/a", day(0))
    world.left_s = lambda: 20 + 1e-9

    assert not world.deliver(world.export_event(record))

    assert not any(".gz" in what for name, what in world.cloud.calls if name == "GetObject")


@pytest.mark.parametrize(
    "log_groups", [pytest.param(1_000), pytest.param(20_000, marks=pytest.mark.deep)], ids=str
)
def test_memory_stays_flat_however_many_leaves_a_date_has(tmp_path: Path, log_groups: int) -> None:
    """What grows is SQLite's file, and the listing of one date's records."""
    window = day(0)
    date = date_of(window, [window], zone_named("Etc/UTC"))
    tracemalloc.start()
    try:
        with Draft(tmp_path / "draft.sqlite", SOURCE, NAME_SALT) as draft:
            rows = (row(f"/g/{number:06}", window) for number in range(log_groups))
            for some in batched(rows, 1000, strict=False):
                draft.put_leaves(some)
            draft.put_inventory("i", window.to_ms, ((each, "{}") for each in names(log_groups)))
            assert sum(1 for _ in draft.due(date)) == log_groups
            leaves = LeafList(NAME_SALT)
            for each in draft.leaves():
                leaves.add(Leaf(statement=each.statement))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert leaves.count == log_groups
    assert peak_bytes < 6_000_000


def names(count: int) -> Iterator[str]:
    return (f"/g/{number:06}" for number in range(count))


def row(name: str, window: Window) -> LeafRow:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return LeafRow(
        name=name,
        from_ms=window.from_ms,
        to_ms=window.to_ms,
        basis="before",
        says=digest,
        statement=str(StatementName(name, window, digest)),
        outcome="archived",
        profile="shop",
        objects=1,
        events=1,
        stored_bytes=1,
        reason="exported_since",
        lacking=0,
    )
