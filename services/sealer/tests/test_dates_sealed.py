"""Dates are sealed in the order of time, whole, each once."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from services.sealer.tests.conftest import (
    ARCHIVE,
    CHAIN,
    CONTROL,
    DAY,
    FIRST,
    HOUR,
    SOURCE,
    TASK,
    World,
    day,
    lines,
)

from logferry_contracts.ledger_record import Half, Waived
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.plan_completed import PlanCompleted, PlanCompletedData
from logferry_contracts.seal_request import SealRequest
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse


def two_log_groups(world: World, number: int = 0) -> None:
    world.exported("/a", day(number))
    world.skipped("/b", day(number))
    world.inventory("/a", "/b", excluded=["/c"], at=FIRST + (number + 1) * DAY + HOUR)


def test_a_date_is_sealed_once_all_of_it_has_ended(world: World) -> None:
    two_log_groups(world)

    assert world.look()

    (seal,) = world.check()
    assert seal.kind == "day"
    assert seal.sealed is not None
    assert (seal.sealed.date, seal.sealed.covers, seal.sealed.time_zone) == (
        "2026-11-21",
        day(0),
        "Etc/UTC",
    )
    assert world.outcomes(seal) == [
        ("/a", "archived", None),
        ("/b", "skipped", "empty"),
        ("/c", "excluded", None),
    ]
    assert (seal.sealed.objects, seal.sealed.events, seal.sealed.profiles) == (1, 2, ["shop"])
    assert world.told() == [1]
    assert world.cloud.dead_letters == []


def test_a_date_that_has_not_ended_is_waited_for(world: World) -> None:
    world.now = FIRST + DAY - HOUR
    world.exported("/a", day(0))
    world.inventory("/a", at=world.now - HOUR)

    assert world.look()

    assert world.check() == []


@pytest.mark.parametrize("keeps", [0, 500])
def test_a_damaged_draft_costs_one_look_and_no_seal(world: World, *, keeps: int) -> None:
    world.exported("/a", day(0))
    world.inventory("/a", "/later", at=FIRST + DAY + HOUR)
    world.record("/later", day(0))
    world.look()
    assert world.check() == []
    [key] = [each for each in world.cloud.below(CONTROL, "seals/") if each.endswith(".sqlite")]
    draft = world.cloud.body(CONTROL, key) or b""
    world.cloud.put(CONTROL, key, draft[:keeps] + b"damaged" * 600)

    world.look()
    world.exported("/later", day(0))
    world.look()
    world.look()

    (seal,) = world.check()
    assert world.outcomes(seal) == [("/a", "archived", None), ("/later", "archived", None)]


@pytest.mark.parametrize("has_objects", [True, False])
def test_what_nobody_has_announced_is_not_sealed_as_archived(
    world: World, *, has_objects: bool
) -> None:
    """Somebody may have written it: its exporter checks that before it announces anything."""
    done = world.exported("/a", day(0), files=None if has_objects else {})
    assert done.completed is not None
    untold = done.completed.model_copy(update={"published_at": None})
    world.keep(done.model_copy(update={"completed": untold}))
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()
    assert world.check() == []
    world.now = FIRST + 5 * DAY
    world.look()
    assert world.outcomes(world.check()[0])[0] == ("/a", "open", "completed")

    world.keep(done)
    world.look()
    assert world.outcomes(world.check()[-1]) == [("/a", "archived", None)]


def test_a_date_settles_before_it_is_sealed(new_world: Callable[..., World]) -> None:
    world = new_world(seal_after=5 * HOUR)
    two_log_groups(world)

    world.look()
    assert world.check() == []
    world.now = FIRST + DAY + 5 * HOUR
    world.look()

    assert len(world.check()) == 1


def test_a_source_without_an_inventory_is_not_sealed(world: World) -> None:
    world.exported("/a", day(0))

    assert world.look()

    assert world.check() == []


def test_a_date_waits_until_its_log_groups_were_listed_after_its_end(world: World) -> None:
    world.exported("/a", day(0))
    world.exported("/a", day(-1))
    world.inventory("/a", at=FIRST + HOUR)

    world.look()
    assert [each.sealed.date for each in world.check() if each.sealed] == ["2026-11-20"]
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()

    assert len(world.check()) == 2


def test_what_no_plan_has_listed_since_is_open_and_not_gone(world: World) -> None:
    two_log_groups(world)
    world.now = FIRST + 2 * DAY + 3 * DAY
    world.look()

    _, unplanned = world.check()
    assert world.outcomes(unplanned) == [
        ("/a", "open", "not_planned"),
        ("/b", "open", "not_planned"),
        ("/c", "excluded", None),
    ]

    two_log_groups(world, 1)
    world.look()
    later = world.check()[-1]
    assert world.outcomes(later) == [("/a", "archived", None), ("/b", "skipped", "empty")]


def test_hours_after_the_last_plan_of_a_date_are_open_and_not_skipped(world: World) -> None:
    hours = [Window.between(FIRST + n * HOUR, FIRST + (n + 1) * HOUR) for n in range(12)]
    for hour in hours:
        world.exported("/a", hour)
    world.inventory("/a", excluded=["/c"], at=FIRST + 12 * HOUR)
    world.now = FIRST + DAY + 3 * DAY

    world.look()

    outcomes = world.outcomes(world.check()[0])
    assert outcomes.count(("/a", "archived", None)) == len(hours)
    assert {each for each in outcomes if each[1] != "archived"} == {
        ("/a", "open", "not_planned"),
        ("/c", "excluded", None),
    }


def test_what_the_last_plan_of_a_date_has_not_listed_any_more_is_gone_and_not_open(
    world: World,
) -> None:
    hours = [Window.between(FIRST + n * HOUR, FIRST + (n + 1) * HOUR) for n in range(12)]
    for hour in hours:
        world.exported("/a", hour)
    for hour in hours[:6]:
        world.exported("/gone", hour)
    world.inventory("/a", "/gone", at=FIRST + 6 * HOUR)
    world.inventory("/a", at=FIRST + 12 * HOUR)
    world.now = FIRST + DAY + 3 * DAY

    world.look()

    outcomes = world.outcomes(world.check()[0])
    assert {each for each in outcomes if each[0] == "/gone"} == {
        ("/gone", "archived", None),
        ("/gone", "skipped", "not_listed"),
    }
    assert ("/a", "open", "not_planned") in outcomes


def test_a_source_that_nobody_has_planned_for_long_is_taken_for_given_up(world: World) -> None:
    two_log_groups(world)
    world.now = FIRST + 42 * DAY

    world.look()

    open_until, given_up = day(36), day(37)
    by_start = {each.sealed.covers: each for each in world.check() if each.sealed is not None}
    assert len(world.outcomes(by_start[open_until])) == len(["/a", "/b", "/c"])
    assert world.outcomes(by_start[given_up]) == []


@pytest.mark.parametrize("state", ["requested", "not planned", "to be tried again"])
def test_an_export_that_has_not_ended_keeps_its_date_waiting_and_is_open_then(
    world: World, state: str
) -> None:
    two_log_groups(world)
    world.inventory("/a", "/b", "/d", at=FIRST + DAY + HOUR, excluded=["/c"])
    if state != "not planned":
        record = world.keep(world.record("/d", day(0)))
    if state == "to be tried again":
        world.failed(record, next_export_id=world.record("/d", day(0), 2).export_id)

    world.look()
    assert world.check() == []
    world.now = FIRST + DAY + 3 * DAY
    world.look()

    reason = {"requested": "requested", "not planned": "not_planned"}.get(state, "task_failed")
    (first, *_) = world.check()
    assert world.outcomes(first)[-1] == ("/d", "open", reason)


def test_a_record_that_somebody_removes_holds_up_nobody(world: World) -> None:
    two_log_groups(world)
    world.inventory("/a", "/b", "/d", at=FIRST + DAY + HOUR, excluded=["/c"])
    removed = world.keep(world.record("/d", day(0)))
    world.look()
    world.cloud.objects.pop((CONTROL, removed.key))
    world.now = FIRST + DAY + 3 * DAY

    world.look()

    (first, *_) = world.check()
    assert world.outcomes(first)[-1] == ("/d", "open", "not_planned")


def test_dates_are_sealed_one_after_the_other_and_none_is_passed_over(world: World) -> None:
    for number in range(4):
        two_log_groups(world, number)
    world.keep(world.record("/late", day(1)))
    world.now = FIRST + 4 * DAY - HOUR

    world.look()
    assert [each.sealed.date for each in world.check() if each.sealed] == ["2026-11-21"]
    world.exported("/late", day(1))
    world.now = FIRST + 4 * DAY + 2 * HOUR
    world.look()

    seals = world.check()
    assert [each.sealed.covers for each in seals if each.sealed] == [day(n) for n in range(4)]
    assert world.told() == [1, 2, 3, 4]


def test_a_date_without_any_log_group_is_sealed(world: World) -> None:
    world.inventory(at=FIRST + DAY + HOUR)

    world.look()

    (seal,) = world.check()
    assert seal.sealed is not None
    assert (seal.sealed.covers, seal.sealed.leaf_count) == (day(0), 0)


def test_a_chain_begins_with_the_newest_date_that_had_ended_at_the_first_inventory(
    world: World,
) -> None:
    for number in (-3, -2, -1, 0):
        world.exported("/a", day(number))
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()

    assert [each.sealed.date for each in world.check() if each.sealed] == ["2026-11-21"]


def test_hourly_windows_tile_their_date(world: World) -> None:
    hours = [Window.between(FIRST + n * HOUR, FIRST + (n + 1) * HOUR) for n in range(24)]
    for hour in hours:
        world.exported("/a", hour)
    world.inventory("/a", excluded=["/c"], at=FIRST + DAY + HOUR)

    world.look()

    (seal,) = world.check()
    leaves = world.leaves(seal)
    assert [each.window for each in leaves if each.log_group.name == "/a"] == hours
    assert [each.window for each in leaves if each.log_group.name == "/c"] == hours
    assert seal.sealed is not None
    assert seal.sealed.covers == day(0)


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        ("America/Santiago", datetime(2026, 9, 6, 4, tzinfo=UTC), 23),
    ],
)
def test_dates_of_23_and_25_hours_join(
    new_world: Callable[..., World], zone: str, start: datetime, hours: int
) -> None:
    world = new_world(time_zone=zone)
    odd = Window.between(start, start + hours * HOUR)
    after = Window.between(odd.end, odd.end + DAY)
    world.exported("/a", odd)
    world.inventory("/a", at=odd.end + HOUR)
    world.exported("/a", after)
    world.inventory("/a", at=after.end + HOUR)
    world.now = after.end + 2 * HOUR

    world.look()

    assert [each.sealed.covers for each in world.check() if each.sealed] == [odd, after]


def test_dates_join_where_the_zone_changes(world: World) -> None:
    world.exported("/a", day(0))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    # From midnight in UTC to midnight in Seoul, and on by Seoul's dates.
    between = Window.between(FIRST + DAY, FIRST + DAY + 15 * HOUR)
    after = Window.between(between.end, between.end + DAY)
    for window in (between, after):
        world.exported("/a", window)
        world.inventory("/a", at=window.end + HOUR)
    world.now = after.end + 2 * HOUR

    assert world.deliver(world.day_event(1, "Asia/Seoul"))

    sealed = [each.sealed for each in world.check() if each.sealed]
    assert [each.covers for each in sealed] == [day(0), between, after]
    assert [each.time_zone for each in sealed] == ["Etc/UTC", "Asia/Seoul", "Asia/Seoul"]


def test_a_window_of_two_dates_is_of_the_date_that_it_begins_on(world: World) -> None:
    long = day(0, 2 * DAY)
    world.exported("/a", long)
    world.inventory("/a", at=long.end + HOUR)
    world.exported("/a", day(2))
    world.inventory("/a", at=day(2).end + HOUR)
    world.now = day(2).end + 2 * HOUR

    world.look()

    assert [each.sealed.covers for each in world.check() if each.sealed] == [long, day(2)]


def test_log_groups_are_stated_however_they_were_dealt_with(world: World) -> None:
    world.inventory("/a", "/f", "/new", "/r", "/w", excluded=["/c"], at=FIRST + DAY + HOUR)
    world.inventory(
        "/a", "/f", "/r", "/w", "/new", at=FIRST + DAY, created_ms=epoch_ms(FIRST + 2 * DAY)
    )
    world.exported("/a", day(0))
    world.failed(world.record("/f", day(0)))
    world.failed(world.record("/r", day(0)), reason="log_group_unreadable")
    waived = Waived(at=timestamp(world.now), by="arn:aws:iam::111122223333:user/x", reason="why")
    world.keep(world.failed(world.record("/w", day(0))).as_waived(waived))
    world.skipped("/deleted", day(0))
    world.cloud.objects.pop((CONTROL, world.cloud.below(CONTROL, "inventories/")[1]))

    world.look()

    (seal,) = world.check()
    assert world.outcomes(seal) == [
        ("/a", "archived", None),
        ("/deleted", "skipped", "empty"),
        ("/f", "failed", "task_failed"),
        ("/new", "skipped", "created_after_window"),
        ("/r", "refused", "log_group_unreadable"),
        ("/w", "waived", "task_failed"),
    ]
    statements = {each.log_group.name: each for each in world.leaves(seal)}
    assert {name: each.detail for name, each in statements.items() if each.detail} == {
        "/f": "no",
        "/r": "no",
    }
    waiver = statements["/w"].waiver
    assert waiver is not None
    assert (waiver.by, waiver.why) == (waived.by, "why")


def test_a_split_export_counts_by_its_whole(world: World) -> None:
    halves = [day(0, DAY / 2), Window.between(FIRST + DAY / 2, FIRST + DAY)]
    parts = [Half(export_id=world.record("/a", each).export_id, window=each) for each in halves]
    whole = world.record("/a", day(0))
    objects = []
    for number, half in enumerate(halves):
        task = TASK.replace("7c1b6a0e", f"{number:08}")
        to_whole: dict[str, Any] = {
            "parent_export_id": whole.export_id,
            "destination": whole.destination,
        }
        record = world.record("/a", half, **to_whole)
        key = f"{record.destination.prefix}/{task}/web/000000.gz"
        objects.append(world.archived(key, lines(half)))
        world.completed(record, objects[-1:], task)
    split = whole.as_submitted(TASK, at=world.now).as_split((parts[0], parts[1]), at=world.now)
    world.completed(split, objects, None)
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()

    (statement,) = world.leaves(world.check()[0])
    assert (statement.window, statement.outcome) == (day(0), "archived")
    assert len(statement.objects or []) == 2
    assert [task[:8] for task in statement.exports[0].task_ids] == ["00000000", "00000001"]
    assert sum(each.events for each in statement.objects or []) == 4


def test_all_tries_of_a_window_are_stated_and_the_last_one_counts(world: World) -> None:
    first = world.record("/a", day(0))
    second = world.record("/a", day(0), 2)
    world.failed(first, next_export_id=second.export_id)
    world.exported("/a", day(0), generation=2)
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()

    (statement,) = world.leaves(world.check()[0])
    assert statement.outcome == "archived"
    assert [each.generation for each in statement.exports] == [1, 2]


def test_what_is_stated_of_an_object_is_what_was_read(world: World) -> None:
    text = lines(day(0), 3) + lines(day(1), 1) + b"more @ptr.$[x]\n"
    world.exported("/a", day(0), files={"s": text})
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()

    (statement,) = world.leaves(world.check()[0])
    (stated,) = statement.objects or []
    body = world.cloud.body(ARCHIVE, stated.key) or b""
    assert (stated.sha256, stated.size_bytes) == (hashlib.sha256(body).hexdigest(), len(body))
    assert (stated.lines, stated.events, stated.events_outside_window) == (5, 4, 1)
    assert (stated.pointer_lines, stated.is_gzip_complete) == (1, True)
    assert (stated.first_ms, stated.last_ms) == (day(0).from_ms, day(1).from_ms)


def test_a_clock_gives_each_chain_its_turn(world: World) -> None:
    world.inventory("/a")

    assert world.look(chain=None)

    (sent,) = world.cloud.sent
    assert parse(SealRequest, sent).data.chain == CHAIN


def test_a_plan_that_was_completed_has_its_source_looked_at(world: World) -> None:
    two_log_groups(world)
    data = PlanCompletedData(
        source=SOURCE, windows=[], found=0, requested=0, already_in_ledger=0, skipped={}
    )

    world.deliver(emit(PlanCompleted.of(data, id="p", source="urn:x", time=world.now)))

    assert len(world.check()) == 1
