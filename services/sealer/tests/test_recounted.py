"""What CloudWatch Logs itself has counted is waited for, and goes into the statement."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from services.sealer.tests.conftest import CONTROL, DAY, FIRST, HOUR, World, day

from logferry_contracts.addendum import Addendum, addendum_folder
from logferry_contracts.ledger_key import LACKING_NOTES, recount_key, seal_note_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.recount import Recount


def counted(world: World, record: LedgerRecord, **said: Any) -> None:
    """Put an export's recount, as the recounter does."""
    recount = Recount.of(
        source=record.source,
        window=record.window,
        export_id=record.export_id,
        recount={"by": "insights", "at": timestamp(world.now), **said},
    )
    key = recount_key(record.source, record.window, record.export_id)
    world.cloud.put(CONTROL, key, recount.text())


def test_a_date_waits_for_the_recounts_of_its_exports(world: World) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    assert world.check() == []

    counted(world, done, events=2)
    world.look()
    (seal,) = world.check()
    (statement,) = world.leaves(seal)
    assert statement.recount is not None
    assert (statement.recount.by, statement.recount.events) == ("insights", 2)
    assert statement.recount_difference == 0


def test_where_nobody_counts_no_date_waits_whatever_the_clock_of_the_exporter(world: World) -> None:
    done = world.exported("/a", day(0))
    assert done.completed is not None
    ahead = timestamp(world.now + timedelta(minutes=3))
    completed = done.completed.model_copy(update={"at": ahead})
    world.keep(done.model_copy(update={"completed": completed}))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    (_,) = world.check()


def test_what_nobody_has_counted_in_time_is_sealed_without(world: World) -> None:
    world.restart(recount_within=12 * HOUR)
    world.exported("/a", day(0))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.now += 11 * HOUR
    world.look()
    (seal,) = world.check()
    assert [each.recount for each in world.leaves(seal)] == [None]


def test_what_is_counted_after_its_date_was_sealed_gets_into_its_next_seal(world: World) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    world.exported("/b", day(0))
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    world.now += 11 * HOUR
    world.look()
    counted(world, done, events=2)

    for _ in range(2):
        world.look()

    _, later = world.check()
    assert later.sealed is not None
    assert (later.kind, later.sealed.reason) == ("later", "recounted")
    (statement,) = world.leaves(later)
    assert (statement.log_group.name, statement.recount_says) == ("/a", "agrees")


def test_what_a_later_look_has_counted_gets_into_the_next_seal_where_it_is_another_number(
    world: World,
) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    counted(world, done, events=2)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    world.now += 3 * DAY
    counted(world, done, events=4)
    world.look()
    later = world.check()[-1]
    (statement,) = world.leaves(later)
    assert later.sealed is not None
    assert (later.sealed.reason, statement.recount_difference) == ("recounted", 2)
    assert later.sealed.lacking == 1
    first = world.chain()[0].sealed
    assert first is not None
    assert first.lacking is None


def test_who_lacks_events_is_noted_for_people_until_it_is_exported_again(world: World) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    counted(world, done, events=5)
    counted(world, world.exported("/b", day(0)), events=1)
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    world.look()

    key = seal_note_key(LACKING_NOTES, done.source.account_id, done.source.region, day(0), "/a")
    assert [each for each in world.cloud.below(CONTROL, "seals/") if "/lacking/" in each] == [key]
    assert world.cloud.body(CONTROL, key) == b"/a"

    counted(world, world.exported("/a", day(0), generation=2), events=2)
    world.look()
    assert world.cloud.body(CONTROL, key) == b""


@pytest.mark.parametrize("lane", ["slot", "direct"])
def test_what_was_added_is_sealed_with_what_there_was_and_nobody_counts_it_twice(
    world: World, lane: str
) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0), lane=lane)
    counted(world, done, events=3)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    key = seal_note_key(LACKING_NOTES, done.source.account_id, done.source.region, day(0), "/a")
    assert world.cloud.body(CONTROL, key) == b"/a"

    folder = f"{done.destination.prefix}/{addendum_folder(done.export_id, 1)}"
    late = f"{timestamp(day(0).start)} late\n".encode()
    at = timestamp(world.now)
    addendum = Addendum(number=1, recounted_at=at, at=at)
    world.keep(
        done.as_added([world.archived(f"{folder}/agent/000000.gz", late)], addendum).as_told(
            addendum, at=world.now
        )
    )
    world.look()

    later = world.check()[-1]
    assert later.sealed is not None
    assert (later.kind, later.sealed.reason) == ("later", "exported_since")
    (statement,) = world.leaves(later)
    assert (statement.outcome, statement.recount_difference) == ("archived", 0)
    assert world.cloud.body(CONTROL, key) == b""
    assert len(statement.objects or []) == 2
    assert folder.rpartition("/")[2] in statement.exports[-1].task_ids
    assert world.findings() == []


def test_what_a_damaged_or_foreign_object_among_the_recounts_says_is_passed_over(
    world: World,
) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    for name in ("!note", f"!3/{done.export_id}", "ffffffff-0000-0000-0000-000000000000"):
        world.cloud.put(CONTROL, recount_key(done.source, day(0), name), b"{}")
    counted(world, done, events=2)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    (seal,) = world.check()
    assert [each.recount_says for each in world.leaves(seal)] == ["agrees"]


def test_a_recount_that_nobody_can_read_costs_its_export_the_witness_and_is_told(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    world.restart(recount_within=12 * HOUR)
    done, other = (world.exported(name, day(0)) for name in ("/a", "/b"))
    key = recount_key(done.source, done.window, done.export_id)
    counted(world, done, events=2)
    body = world.cloud.body(CONTROL, key)
    assert body is not None
    world.cloud.put(CONTROL, key, body[:40])
    counted(world, other, events=2)
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    world.look()
    assert world.check() == []
    assert '"NotesDamaged"' in capsys.readouterr().out
    assert key in [getattr(each, "key", None) for each in caplog.records]

    world.now += 11 * HOUR
    world.look()
    (seal,) = world.check()
    found = {each.log_group.name: each.recount_says for each in world.leaves(seal)}
    assert (found["/b"], found["/a"]) == ("agrees", None)


def test_a_recount_of_a_later_release_is_no_damage_and_is_said_to_be_what_it_is(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    key = recount_key(done.source, done.window, done.export_id)
    counted(world, done, events=2)
    body = world.cloud.body(CONTROL, key)
    assert body is not None
    world.cloud.put(CONTROL, key, body.replace(b"recount:1.", b"recount:2."))
    world.inventory("/a", at=FIRST + DAY + 13 * HOUR)
    world.now += 13 * HOUR
    world.look()
    (seal,) = world.check()
    assert [each.recount for each in world.leaves(seal)] == [None]
    assert '"NotesDamaged"' not in capsys.readouterr().out
    assert "later release" in caplog.text


def test_where_nobody_counts_nothing_is_waited_or_looked_for(world: World) -> None:
    counted(world, world.exported("/a", day(0)), events=2)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    (seal,) = world.check()
    assert [each.recount for each in world.leaves(seal)] == [None]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"events": 5}, ["CloudWatch Logs had 3 events that are not in the archive"]),
        ({"events": 1}, ["ambiguous: the archive has 1 more than CloudWatch Logs counted"]),
        ({"events": 2}, []),
        ({"by": "no", "reason": "budget"}, []),
    ],
)
def test_a_difference_changes_no_outcome_and_whoever_verifies_is_told(
    world: World, said: dict[str, Any], told: list[str]
) -> None:
    world.restart(recount_within=12 * HOUR)
    counted(world, world.exported("/a", day(0)), **said)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    (seal,) = world.check()
    assert world.outcomes(seal) == [("/a", "archived", None)]
    assert seal.sealed is not None
    assert seal.sealed.lacking == (1 if said.get("events") == 5 else None)
    notes = [str(each) for each in world.found() if "CloudWatch" in str(each)]
    assert len(notes) == len(told)
    assert all(text in note for text, note in zip(told, notes, strict=True))


def test_more_events_in_cloudwatch_are_counted_for_the_alarm_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.restart(recount_within=12 * HOUR)
    counted(world, world.exported("/a", day(0)), events=5)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    for _ in range(2):
        world.look()
    out = capsys.readouterr().out
    assert out.count('"RecountsDiffering":[1.0]') == 1


def test_a_window_that_is_exported_again_is_sealed_again_with_its_own_recount(
    world: World,
) -> None:
    world.restart(recount_within=12 * HOUR)
    counted(world, world.exported("/a", day(0)), events=5)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    again = world.exported("/a", day(0), generation=2)
    world.now += HOUR
    world.look()
    assert len(world.check()) == 1  # what is tried again stays what it was
    counted(world, again, events=2)
    world.now += timedelta(minutes=1)
    world.look()
    later = world.check()[-1]
    (statement,) = world.leaves(later)
    assert (later.kind, statement.recount_difference) == ("later", 0)


def gone(world: World, *records: LedgerRecord) -> None:
    for each in records:
        key = recount_key(each.source, each.window, each.export_id)
        world.cloud.objects.pop((CONTROL, key))


def damaged(world: World, *records: LedgerRecord) -> None:
    for each in records:
        world.cloud.put(CONTROL, recount_key(each.source, each.window, each.export_id), b"{")


def switched_off(world: World, *_: LedgerRecord) -> None:
    world.restart(recount_within=timedelta(0))


def without_notes(world: World, *records: LedgerRecord) -> None:
    gone(world, *records)
    for key in world.cloud.below(CONTROL, "seals/"):
        if "/dates/" in key:
            world.cloud.objects.pop((CONTROL, key))


def seal_again(world: World) -> None:
    """Have the date looked at whole, as an operator does."""
    world.look(seal_from="2026-11-21", seal_to="2026-11-21")


@pytest.mark.parametrize("lose", [gone, damaged, switched_off, without_notes])
@pytest.mark.parametrize("look", [World.look, seal_again])
def test_a_sealed_recount_that_cannot_be_read_any_more_stays_sealed(
    world: World, lose: Callable[..., None], look: Callable[[World], None]
) -> None:
    world.restart(recount_within=12 * HOUR)
    done, other = world.exported("/a", day(0)), world.exported("/b", day(0))
    counted(world, done, events=5)
    counted(world, other, events=2)
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    world.look()
    key = seal_note_key(LACKING_NOTES, done.source.account_id, done.source.region, day(0), "/a")

    lose(world, done, other)
    world.now += DAY
    for _ in range(2):
        look(world)

    assert [each.kind for each in world.check()] == ["day"]
    assert world.cloud.body(CONTROL, key) == b"/a"


@pytest.mark.parametrize(("after", "told"), [(DAY, 1), (401 * DAY, 0)])
def test_a_sealed_recount_that_is_gone_before_it_expires_is_told_once(
    world: World, capsys: pytest.CaptureFixture[str], after: timedelta, told: int
) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    counted(world, done, events=2)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    gone(world, done)
    world.now += after
    for _ in range(2):
        seal_again(world)
    assert capsys.readouterr().out.count('"NotesDamaged":[1.0]') == told


def test_what_changes_after_its_recount_is_gone_is_sealed_with_what_was_counted(
    world: World,
) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    counted(world, done, events=5)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    gone(world, done)
    at = timestamp(world.now)
    late = f"{timestamp(day(0).start)} late\n".encode()
    folder = f"{done.destination.prefix}/{addendum_folder(done.export_id, 1)}"
    addendum = Addendum(number=1, recounted_at=at, at=at)
    added = done.as_added([world.archived(f"{folder}/agent/000000.gz", late)], addendum)
    world.keep(added.as_told(addendum, at=world.now))
    world.look()
    later = world.check()[-1]
    (statement,) = world.leaves(later)
    assert (later.kind, statement.recount_difference) == ("later", 2)


def test_who_lacks_events_is_noted_until_the_next_export_is_counted(world: World) -> None:
    world.restart(recount_within=12 * HOUR)
    done = world.exported("/a", day(0))
    counted(world, done, events=5)
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    key = seal_note_key(LACKING_NOTES, done.source.account_id, done.source.region, day(0), "/a")

    again = world.exported("/a", day(0), generation=2)
    world.now += 13 * HOUR
    world.look()
    (statement,) = world.leaves(world.check()[-1])
    assert (statement.exports[-1].generation, statement.recount) == (2, None)
    assert world.cloud.body(CONTROL, key) == b"/a"

    counted(world, again, events=2)
    world.look()
    assert world.cloud.body(CONTROL, key) == b""
