"""Profile, account, Region, role and queue belong together; where they did not, plans mend it."""

from datetime import timedelta
from typing import Any

import pytest
from services.planner.tests.fakes import World, log_group, plan_request

from logferry_contracts.export import Destination
from logferry_contracts.ledger_record import LedgerRecord

LOOKBACK = {
    "unit": "day",
    "time_zone": "Europe/Berlin",
    "settle_minutes": 1440,
    "lookback_days": 1,
}


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


def plan(world: World, request_id: str = "request-2", **changes: Any) -> dict[str, Any]:
    world.now += timedelta(minutes=10)
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
    answer = plan(world, **({"collect_date": "2026-11-21"} if by_date else {}))

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


@pytest.mark.parametrize("state", ["submitted", "completed"])
def test_what_somebody_has_begun_under_another_profile_is_left_alone(
    world: World, misfiled: list[LedgerRecord], state: str
) -> None:
    for each in misfiled:
        world.ledger.objects[each.key] = each.model_copy(update={"state": state})
    plan(world)
    assert world.queues.sent == []


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
    def cut(_events: Any) -> None:
        raise RuntimeError("cut")

    world.queues.before_send = cut
    with pytest.raises(RuntimeError, match="cut"):
        plan(world)
    world.queues.before_send = lambda _events: None
    plan(world, "request-3")
    assert {event.id for event in world.queues.sent} == {each.export_id for each in misfiled}
