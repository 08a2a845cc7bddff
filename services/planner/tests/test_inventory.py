"""Which log groups there are, written down once for each plan."""

import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from services.planner.tests.fakes import NOW, World, log_group, plan_request

from devstack.pytest_backends import Backend
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import inventory_key
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.wire import parse
from planner.aws.inventories import Inventories
from planner.cloud import UnreadableLogGroup

SOURCE = SourceName(profile="dev", account_id="111111111111", region="eu-west-1")
MORE_MIB = 1
"""What thirty times as many log groups may take; all of them would be six times this."""


class Cut(BaseException):
    """The function is gone: nothing catches it, and nothing after it happens."""


def lines(world: World) -> list[ListedLogGroup]:
    [body] = world.inventories.there.values()
    return [parse(ListedLogGroup, line) for line in body.splitlines()]


def test_a_plan_lists_every_log_group_by_name_with_what_became_of_the_selection(
    world: World,
) -> None:
    world.account.groups = [
        log_group("/b", log_group_class="DELIVERY", retention_days=1),
        log_group("/debug/a", stored_bytes=5),
        log_group("/B"),
        UnreadableLogGroup("/odd", "retention_days: too long", log_group("/odd")),
        UnreadableLogGroup("not even a name", "name: bad"),
    ]
    answer = world.run(plan_request(selection={"exclude": ["/debug/*"]}))

    assert [(each.log_group.name, each.verdict) for each in lines(world)] == [
        ("/B", "selected"),
        ("/b", "selected"),
        ("/debug/a", "excluded"),
        ("/odd", "unreadable"),
    ]
    first = lines(world)[1]
    assert first.log_group.log_group_class == "DELIVERY"
    assert (first.source, first.planned_at) == (SOURCE, timestamp(NOW))
    assert list(world.inventories.there) == [inventory_key(SOURCE, epoch_ms(NOW), answer["id"])]


def test_a_source_without_log_groups_has_an_inventory_of_none(world: World) -> None:
    world.account.groups = []
    world.run(plan_request())
    assert list(world.inventories.there.values()) == [b""]


def test_a_dry_run_writes_none(world: World) -> None:
    world.run(plan_request(dry_run=True))
    assert world.inventories.there == {}


def test_it_is_there_before_anything_is_asked_for(world: World) -> None:
    world.ledger.before_create = lambda _: lines(world)  # type: ignore[assignment]
    world.run(plan_request())
    assert len(world.queues.sent) == len(lines(world)) == 2


def test_a_plan_in_many_parts_writes_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.requesting.EXPORTS_AT_ONCE", 1)
    world.account.groups = [log_group(f"/{number}") for number in range(6)]
    world.ledger.spend = lambda _: world.spend(60)
    world.timeout_s = 130

    answer = world.run(plan_request())
    parts = 1
    while world.continuations.sent:
        event = world.continuations.sent.pop(0)
        world.run(event)  # each part's event comes twice
        answer, parts = world.run(event), parts + 1
        world.continuations.sent = world.continuations.sent[:1]

    assert parts > 2
    assert answer["status"] == "done_already"
    assert len(lines(world)) == 6
    assert {event.id for event in world.topic.published} <= {
        key.rpartition("-")[2].removesuffix(".jsonl") for key in world.inventories.there
    }


CALLS = [
    *("accounts.open", "account.log_groups", "queues.check", "queues.urls", "queues.send"),
    *("archive.check", "ledger.windows", "ledger.known", "ledger.create", "topic.publish"),
    *("outbox.put", "outbox.notes", "outbox.remove", "inventories.is_there", "inventories.put"),
    *("day_notes.put", "day_notes.there", "day_notes.read", "day_notes.remove", "files.get"),
    "files.put",
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_plan_that_is_cut_at_any_call_and_tried_again_has_one(
    world: World, call: str, when: str
) -> None:
    owner, _, method = call.partition(".")
    port: Any = getattr(world, {"accounts": "account"}.get(owner, owner))
    real = getattr(port, method)
    cuts = iter([True])

    def cut(*asked: Any, **more: Any) -> Any:
        is_cut = next(cuts, False)
        if is_cut and when == "before":
            raise Cut
        answer = real(*asked, **more)
        if isinstance(answer, Iterator):
            answer = iter(list(answer))
        if is_cut:
            raise Cut
        return answer

    setattr(port, method, cut)
    with pytest.raises(Cut):
        world.run(plan_request())
    told = len(world.topic.published)
    world.spend(3600)  # Lambda tries again, with the same request id
    world.run(plan_request())

    assert next(cuts, None) is None
    assert len(lines(world)) == 2
    assert {len(world.inventories.there) for _ in world.topic.published} == {1}
    assert len(world.topic.published) == told + 1


def test_two_plans_have_one_each(world: World) -> None:
    ids = []
    for number in range(2):
        ids.append(world.run(plan_request(), request_id=f"request-{number}")["id"])
        world.spend(60)
    assert [key.rpartition("-")[2] for key in world.inventories.there] == [
        f"{each}.jsonl" for each in ids
    ]


def peak_mib(world: World, log_groups: int) -> float:
    """Return what a plan of so many takes at most beyond what it begins with."""
    world.inventories.put = lambda *_, **__: None  # type: ignore[method-assign]
    world.account.groups = (log_group(f"/app/{number:06}") for number in range(log_groups))
    world.account.sweeps = 0
    tracemalloc.start()
    try:
        with suppress(Cut):
            world.run(plan_request(collect_date="2026-11-21"))
        return tracemalloc.get_traced_memory()[1] / 1_048_576
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_log_groups(world: World) -> None:
    def stop(*_asked: Any) -> Any:
        raise Cut

    world.outbox.notes = stop  # type: ignore[assignment, method-assign]  # the first call after the inventory
    peak_mib(world, 10)
    assert peak_mib(world, 6000) < peak_mib(world, 200) + MORE_MIB


@pytest.mark.parametrize("backend", ["moto"], indirect=True)
def test_one_is_found_by_its_plan_and_since_when(backend: Backend, tmp_path: Path) -> None:
    s3, bucket = backend.client("s3"), f"control-{backend.account_id}"
    s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": backend.region}
    )
    inventories, file = Inventories(s3, bucket), tmp_path / "file"
    file.write_bytes(b"{}\n")
    inventories.put(file, SOURCE, "plan", planned_at_ms=7000)

    assert inventories.is_there(SOURCE, "plan", since_ms=6999)
    assert inventories.is_there(SOURCE, "plan", since_ms=7000)
    assert not inventories.is_there(SOURCE, "plan", since_ms=7001)
    assert not inventories.is_there(SOURCE, "lan", since_ms=0)
    key = inventory_key(SOURCE, 7000, "plan")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"{}\n"
