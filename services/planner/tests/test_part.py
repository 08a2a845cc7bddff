"""Plans of some log groups alone: what they ask for, and what they leave to whole plans."""

from io import StringIO

import pytest
from services.planner.tests.fakes import World, log_group, plan_request

from devstack.pytest_backends import Backend
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import parse
from planner.aws.notes import PartNotes

SOURCE = SourceName(profile="dev", account_id="111111111111", region="eu-west-1")
OTHER = SourceName(profile="dev", account_id="111111111111", region="eu-west-2")
DAYS = [Window(from_ms=number * 86_400_000, to_ms=(number + 1) * 86_400_000) for number in range(3)]
DATE = "2026-11-21"


def part(*globs: str, **changes: object) -> dict[str, object]:
    return plan_request(only=list(globs), **changes)


def test_only_what_matches_is_asked_for_and_counted(world: World) -> None:
    world.account.groups = [log_group(name) for name in ("/app/a", "/app/b", "/ecs/shop", "/ecs/x")]

    answer = world.run(part("/ecs/*", "/app/b"))

    data = answer["data"]
    assert sorted(world.sent_groups) == ["/app/b", "/ecs/shop", "/ecs/x"]
    assert (data["found"], data["requested"], data["only"]) == (3, 3, ["/ecs/*", "/app/b"])
    assert len(world.ledger.objects) == 3


def test_the_inventory_has_all_that_there_is_so_that_no_seal_calls_the_rest_excluded(
    world: World,
) -> None:
    world.run(part("/app/a", selection={"exclude": ["/app/b"]}))

    [body] = world.inventories.there.values()
    listed = [parse(ListedLogGroup, line) for line in body.splitlines()]
    assert [(each.log_group.name, each.verdict) for each in listed] == [
        ("/app/a", "selected"),
        ("/app/b", "excluded"),
    ]


def test_what_is_not_selected_is_not_asked_for_by_its_name_either(world: World) -> None:
    answer = world.run(part("/app/b", selection={"exclude": ["/app/b"]}))

    assert answer["data"]["skipped"] == {"excluded": 1}
    assert world.queues.sent == []


def test_a_dry_run_shows_only_what_matches_and_writes_nothing(world: World) -> None:
    answer = world.run(part("/app/a", dry_run=True))

    assert [each["log_group_name"] for each in answer["data"]["planned"]] == ["/app/a"]
    assert (world.ledger.objects, world.part_notes.windows) == ({}, set())


def test_nothing_that_matches_is_said_and_no_fault(world: World) -> None:
    answer = world.run(part("/nothing/*"))

    assert (answer["data"]["found"], answer["data"]["requested"]) == (0, 0)


@pytest.mark.parametrize("changes", [{}, {"collect_date": DATE}], ids=["due", "by_date"])
def test_a_part_of_a_date_ends_no_date(world: World, changes: dict[str, str]) -> None:
    world.run(part("/app/a", **changes))

    assert (world.queues.days, world.day_notes.notes) == ([], {})


def test_a_date_that_is_planned_as_a_whole_afterwards_ends_though_all_else_of_it_is_empty(
    world: World,
) -> None:
    world.account.incoming = {"/app/b": 0}
    world.run(part("/app/a"))
    assert len(world.part_notes.windows) == 1

    answer = world.run(plan_request(), request_id="request-2")

    assert answer["data"]["skipped"] == {"empty": 1}
    assert [event.data.date for event in world.queues.days] == [DATE]
    assert world.part_notes.windows == set()


def test_a_part_of_a_date_that_was_planned_as_a_whole_leaves_it_as_it_is(world: World) -> None:
    world.account.groups = [log_group("/app/a")]
    world.run(plan_request())
    world.account.groups = [log_group("/app/a"), log_group("/app/b")]

    world.run(part("/app/b", collect_date=DATE), request_id="request-2")
    world.run(plan_request(), request_id="request-3")

    assert [event.data.date for event in world.queues.days] == [DATE]
    assert world.part_notes.windows == set()


def test_a_whole_plan_that_is_cut_still_ends_the_date_when_it_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.account.incoming = {"/app/b": 0}
    world.run(part("/app/a"))

    def cut(_event: object) -> None:
        raise OSError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(world.topic, "publish", cut)
        with pytest.raises(OSError, match="cut"):
            world.run(plan_request(), request_id="request-2")
    world.run(plan_request(), request_id="request-2")

    assert {event.data.date for event in world.queues.days} == {DATE}
    assert world.part_notes.windows == set()


def test_a_part_says_nothing_of_plans_that_are_missing_and_has_not_looked_through_the_ledger(
    world: World, log: StringIO
) -> None:
    world.run(part("/app/a"))

    assert "OverdueSeconds" not in log.getvalue()
    assert not any("looked-through" in key for key in world.files.there)


def test_a_part_that_takes_many_invocations_goes_on_as_one(world: World) -> None:
    world.timeout_s = 0.3
    world.account.groups = [log_group(f"/{name}/{n:04}") for name in "ab" for n in range(1000)]

    assert world.run(part("/a/*"))["status"] == "continued"
    answer = world.run_to_the_end(world.continuations.sent.pop())

    assert (answer["data"]["found"], answer["data"]["requested"]) == (1000, 1000)
    assert all(name.startswith("/a/") for name in world.sent_groups)
    assert world.queues.days == []


def test_notes_of_parts_are_one_sources(backend: Backend, bucket: str) -> None:
    notes = PartNotes(backend.client("s3"), bucket)
    notes.put(SOURCE, DAYS)
    notes.put(OTHER, DAYS[:1])

    notes.remove(SOURCE, DAYS[1:2])

    assert notes.there(SOURCE) == [DAYS[0], DAYS[2]]
    assert notes.there(OTHER) == DAYS[:1]
