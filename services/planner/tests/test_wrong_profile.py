"""Profile, account, Region, role and queue belong together; where they did not, plans mend it."""

from datetime import timedelta
from typing import Any

import pytest
from services.planner.tests.fakes import World, log_group, plan_request

from logferry_contracts.export import Destination
from logferry_contracts.ledger_record import Failed, LedgerRecord, Skipped
from logferry_contracts.message import timestamp

LOOKBACK = {
    "unit": "day",
    "time_zone": "Europe/Berlin",
    "settle_minutes": 1440,
    "lookback_days": 1,
}


IS_OF = {"its own": True, "another's": False, "says nothing": None}
"""What another profile's queue says of whose it is."""
A_DAY_LATER = timedelta(hours=24)


def cut(_events: Any) -> None:
    raise RuntimeError("cut")


def tell_all(world: World) -> None:
    """End all exports, and have the ends of their dates told."""
    for record in list(world.ledger.objects.values()):
        skipped = Skipped(reason="empty", at=timestamp(world.now))
        ended = record.model_copy(update={"state": "skipped", "skipped": skipped})
        world.ledger.objects[record.key] = ended
    world.day_notes.notes.clear()
    world.queues.days.clear()


@pytest.fixture
def misfiled(world: World) -> list[LedgerRecord]:
    """A day of two log groups that 0.2.0 has taken under another profile."""
    world.account.groups = [log_group("/app/a"), log_group("/app/b")]
    world.run(plan_request(window_rule=LOOKBACK))
    records = []
    for record in list(world.ledger.objects.values()):
        prefix = record.destination.prefix.replace("dev/", "beta/", 1)
        theirs = record.model_copy(
            update={
                "source": record.source.model_copy(update={"profile": "beta"}),
                "destination": Destination(bucket=record.destination.bucket, prefix=prefix),
            }
        )
        world.ledger.objects[record.key] = theirs
        records.append(theirs)
    world.queues.sent.clear()
    world.queues.days.clear()
    world.files.there.clear()
    world.day_notes.notes.clear()
    return records


def plan(
    world: World,
    request_id: str = "request-2",
    *,
    after: timedelta = timedelta(minutes=10),
    **changes: Any,
) -> dict[str, Any]:
    world.now += after
    return world.run(plan_request(window_rule=LOOKBACK, **changes), request_id=request_id)


def test_a_request_for_the_profile_of_another_source_is_refused_before_anything_is_written(
    world: World,
) -> None:
    world.queues.owner = "222222222222.eu-west-1"
    answer = world.run(plan_request())
    assert (answer["status"], answer["reason"]) == ("dead_lettered", "refused_profile")
    assert world.ledger.objects == {}
    assert world.queues.sent == []


@pytest.mark.parametrize("by_date", [False, True])
def test_what_waits_under_another_profile_is_taken_over_and_asked_for(
    world: World, misfiled: list[LedgerRecord], *, by_date: bool
) -> None:
    answer = plan(world, **({"collect_date": "2026-11-21"} if by_date else {}))  # type: ignore[arg-type]

    assert answer["data"]["requested"] == len(misfiled)
    assert sorted(event.id for event in world.queues.sent) == sorted(
        record.export_id for record in misfiled
    )
    for event in world.queues.sent:
        assert event.data.source.profile == "dev"
        assert event.data.destination.prefix.startswith("dev/")
    for before in misfiled:
        after = world.ledger.objects[before.key]
        assert (after.state, after.source.profile) == ("requested", "dev")
        assert after.revision == before.revision + 1
    assert [event.data.source.profile for event in world.queues.days] == ["dev"]


def test_the_ledger_is_looked_through_once_for_a_profile(
    world: World, misfiled: list[LedgerRecord]
) -> None:
    plan(world)
    world.queues.sent.clear()
    before = world.ledger.reads
    plan(world, "request-3")
    assert (world.ledger.reads, world.queues.sent) == (before, [])


def test_a_dry_run_takes_nothing_over(world: World, misfiled: list[LedgerRecord]) -> None:
    answer = plan(world, dry_run=True)
    assert answer["data"]["requested"] == len(misfiled)
    assert [world.ledger.objects[each.key] for each in misfiled] == misfiled
    assert (world.queues.sent, world.files.there) == ([], {})


@pytest.mark.parametrize("by_date", [False, True])
@pytest.mark.parametrize(
    ("queue", "has_begun"), [("its own", False), ("its own", True), ("says nothing", True)]
)
def test_what_another_profile_goes_on_with_is_left_to_it(
    world: World, misfiled: list[LedgerRecord], queue: str, *, has_begun: bool, by_date: bool
) -> None:
    world.queues.is_others = IS_OF[queue]
    for each in misfiled if has_begun else []:
        world.ledger.objects[each.key] = each.as_submitted("task-1", at=world.now)
    before = dict(world.ledger.objects)
    plan(world, **({"collect_date": "2026-11-21"} if by_date else {}))  # type: ignore[arg-type]
    assert world.queues.sent == []
    assert world.ledger.objects == before


def test_what_waits_where_the_queue_says_nothing_is_taken_over(
    world: World, misfiled: list[LedgerRecord]
) -> None:
    world.queues.is_others = IS_OF["says nothing"]
    plan(world)
    assert {event.id for event in world.queues.sent} == {each.export_id for each in misfiled}


@pytest.mark.parametrize("is_published", [True, False])
def test_what_ended_under_another_profile_is_exported_again_only_if_nobody_was_told(
    world: World, misfiled: list[LedgerRecord], *, is_published: bool
) -> None:
    for each in misfiled:
        ended = each.as_failed(Failed(reason="role", message="", at=timestamp(world.now)))
        if is_published:
            ended = ended.as_published(at=world.now)
        world.ledger.objects[each.key] = ended
    plan(world)
    assert len(world.queues.sent) == (0 if is_published else len(misfiled))


def test_what_was_begun_under_a_profile_that_is_gone_is_exported_as_the_next_generation(
    world: World, misfiled: list[LedgerRecord]
) -> None:
    begun = [each.as_submitted("task-1", at=world.now) for each in misfiled]
    for each in begun:
        world.ledger.objects[each.key] = each
    answer = plan(world)

    assert answer["data"]["requested"] == len(misfiled)
    assert [world.ledger.objects[each.key] for each in begun] == begun
    for event in world.queues.sent:
        record = world.record(event.data.log_group.name)
        assert (event.id, record.generation, record.state) == (record.export_id, 2, "requested")
        assert record.source == event.data.source.name
        assert event.data.destination.prefix.startswith("dev/")
    world.queues.sent.clear()
    plan(world, "request-3", collect_date="2026-11-21")
    assert {event.data.generation for event in world.queues.sent} == {2}


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_profile_that_comes_back_takes_over_what_was_left_in_between(
    world: World, *, is_cut: bool
) -> None:
    """It has looked through the ledger already, so that the dates alone tell."""
    world.run(plan_request(window_rule=LOOKBACK))
    tell_all(world)
    between = plan_request()["data"]["source"] | {"profile": "between"}
    world.queues.is_others = True
    if is_cut:
        world.queues.before_days = cut
        with pytest.raises(RuntimeError, match="cut"):
            plan(world, source=between, after=A_DAY_LATER)
        world.queues.before_days = lambda _events: None
    else:
        plan(world, source=between, after=A_DAY_LATER)
    left = {r.export_id for r in world.ledger.objects.values() if r.source.profile == "between"}
    assert len(left) == 2

    world.queues.is_others = False  # its stack is deleted, and the queue with what was in it
    plan(world, "request-3", after=A_DAY_LATER)
    plan(world, "request-4", after=A_DAY_LATER)
    for export_id in left:
        [record] = [r for r in world.ledger.objects.values() if r.export_id == export_id]
        assert record.source.profile == "dev"
    assert {e.id for e in world.queues.sent if e.data.source.profile == "dev"} >= left
    assert not [note for note, _ in world.day_notes.notes.values() if "between" in note]
    assert "2026-11-22" in [
        e.data.date for e in world.queues.days if e.data.source.profile == "dev"
    ]


def test_a_date_of_another_zone_that_is_taken_over_is_told_by_its_own_windows(world: World) -> None:
    former = plan_request()["data"]["source"] | {"profile": "former"}
    rule = LOOKBACK | {"time_zone": "Asia/Seoul"}
    world.run(plan_request(window_rule=rule, source=former))
    (theirs,) = world.queues.days
    world.queues.days.clear()

    world.now += timedelta(days=30)  # beyond the lookback
    world.run(plan_request(window_rule=LOOKBACK), request_id="request-2")
    (mine,) = [each for each in world.queues.days if each.data.date == theirs.data.date]
    assert mine.data == theirs.data.model_copy(
        update={"source": theirs.data.source.model_copy(update={"profile": "dev"})}
    )


def test_the_outbox_of_another_profile_is_left_to_it_while_it_may_live(
    world: World, misfiled: list[LedgerRecord]
) -> None:
    world.queues.is_others = True
    note = world.outbox.put(misfiled[0].source, [each.key for each in misfiled])
    plan(world)
    assert note in world.outbox.there
    plan(world, "request-3", after=timedelta(hours=4))
    assert world.outbox.there == {}


def test_a_part_of_a_long_plan_for_the_profile_of_another_source_is_refused(world: World) -> None:
    """Such as one of 0.2.0 that goes on after an upgrade."""
    world.timeout_s = 0.3
    world.account.groups = [log_group(f"/app/{number:04}") for number in range(1500)]
    world.run(plan_request())
    [continued] = world.continuations.sent
    before = dict(world.ledger.objects)
    world.queues.sent.clear()

    world.queues.owner = "222222222222.eu-west-1"
    answer = world.run(continued)
    assert (answer["status"], answer["reason"]) == ("dead_lettered", "refused_profile")
    assert (world.ledger.objects, world.queues.sent) == (before, [])


def test_a_record_that_changes_meanwhile_is_left_to_whoever_changed_it(
    world: World, misfiled: list[LedgerRecord]
) -> None:
    begun = misfiled[0].as_submitted("task-1", at=world.now)

    def begin(_record: LedgerRecord) -> None:
        world.ledger.objects[begun.key] = begun

    world.ledger.before_create = begin
    plan(world)
    assert world.ledger.objects[begun.key] == begun
    assert [event.id for event in world.queues.sent] == [misfiled[1].export_id]


def test_a_plan_that_was_cut_while_it_took_over_leaves_nothing_unasked(
    world: World, misfiled: list[LedgerRecord]
) -> None:
    world.queues.before_send = cut
    with pytest.raises(RuntimeError, match="cut"):
        plan(world)
    world.queues.before_send = lambda _events: None
    plan(world, "request-3")
    assert {event.id for event in world.queues.sent} == {each.export_id for each in misfiled}
