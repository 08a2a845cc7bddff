"""Backfills: fed below the daily work, and gone on with wherever they were cut."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from benchmarks.simulation.backfill import (
    Surroundings,
    asked,
    feed_request,
    run_until_ended,
    simulate,
)
from services.planner.tests import fakes
from services.planner.tests.fakes import NOW, World, log_group, plan_request

from devstack.pytest_backends import Backend
from logferry_contracts.backfill import Asked, Fed, backfill_prefix
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import SourceName
from logferry_contracts.wire import emit
from planner import handler
from planner.aws.notes import Backfills
from planner.errors import (
    AwsError,
    BackfillStuckError,
    LedgerUnreadableError,
    PlanRefusedError,
    WorklistDamagedError,
)
from planner.feeding import AHEAD, MOST_S

SMALL, MIDDLE, LARGE = 1_000_000, 300_000_000, 20_000_000_000
SIZES = {"/app/a": SMALL, "/app/b": SMALL, "/app/c": MIDDLE, "/app/large": LARGE}
DATES = ("2026-11-01", "2026-11-02")


@pytest.fixture
def around(world: World) -> Surroundings:
    """The planner, four log groups and a backfill of two dates."""
    world.account.groups = [log_group(name) for name in SIZES]
    world.backfills.wanted = asked(*DATES)
    world.pauses = 12
    return Surroundings(world, SIZES, seed=1, noise=0)


def run(around: Surroundings) -> None:
    """Let everything run to the backfill's end, and what it has asked for as well."""
    world = around.world
    run_until_ended(world, between=lambda: None)
    around.advance(world.now + timedelta(days=30))


def fed(world: World) -> Fed:
    assert world.backfills.now is not None
    return world.backfills.now


def want(world: World, wanted: str) -> None:
    assert world.backfills.wanted is not None
    world.backfills.wanted = world.backfills.wanted.model_copy(update={"wanted": wanted})


def archived(around: Surroundings) -> set[tuple[str, int]]:
    """Return the log groups and starts of the windows that are in the archive, as wholes."""
    return {
        (record.log_group.name, record.window.from_ms)
        for record in around.world.ledger.objects.values()
        if record.state == "completed" and record.parent_export_id is None
    }


def is_whole(around: Surroundings) -> bool:
    """Whether both dates of all log groups are in the archive, and nothing is left under way."""
    states = {record.state for record in around.world.ledger.objects.values()}
    return len(archived(around)) == 2 * len(SIZES) and states == {"completed"}


def test_all_dates_are_archived_and_each_is_told_once(around: Surroundings) -> None:
    run(around)

    world = around.world
    assert is_whole(around)
    assert (fed(world).state, fed(world).dates, fed(world).exports) == ("completed", 2, 8)
    assert [each.data.date for each in world.queues.days] == list(DATES)
    assert [each.data.requested for each in world.topic.published] == [4, 4]
    assert (world.outbox.there, world.worklists()) == ({}, [])


def test_dates_of_which_nothing_is_recorded_have_no_end_to_be_told(around: Surroundings) -> None:
    around.world.account.groups = []
    run(around)

    assert (fed(around.world).state, fed(around.world).dates) == ("completed", 2)
    assert around.world.queues.days == []


def test_a_date_that_is_not_due_is_waited_for(around: Surroundings) -> None:
    world = around.world
    world.backfills.wanted = asked("2026-11-21", "2026-11-22")
    for number in range(40):
        world.run(feed_request(), request_id=f"early-{number}")
        around.advance(world.now)
    assert world.now < datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert (fed(world).state, fed(world).date, fed(world).dates) == ("running", "2026-11-22", 1)

    world.now = datetime(2026, 11, 23, 23, tzinfo=UTC)
    run(around)

    assert is_whole(around)
    assert (fed(world).state, fed(world).dates, fed(world).exports) == ("completed", 2, 8)


def test_no_task_is_longer_than_a_quarter_of_an_hour_and_the_parts_are_one_export(
    around: Surroundings,
) -> None:
    run(around)

    records = around.world.ledger.objects.values()
    large = [record for record in records if record.log_group.name == "/app/large"]
    wholes = [record for record in large if record.parent_export_id is None]
    assert [each.state for each in wholes] == ["completed", "completed"]
    assert all(each.split is not None for each in wholes)
    leaves = [each for each in large if each.split is None]
    assert all((each.estimated_bytes or 0) / 10_000_000 + 10 <= MOST_S for each in leaves)
    assert len(leaves) == 2 * 4


def test_the_slot_has_one_task_at_a_time_and_the_direct_lane_a_few(around: Surroundings) -> None:
    world = around.world
    world.account.groups = [log_group(f"/small/{n:03}") for n in range(3 * AHEAD)]
    around.sizes = {f"/small/{n:03}": SMALL for n in range(3 * AHEAD)}

    most = {"slot": 0, "direct": 0}

    def look() -> None:
        for name, lane in around.lanes.items():
            most[name] = max(most[name], len(lane.waiting))
        around.advance(world.now)

    world.at_pause = look
    run_until_ended(world, between=look)

    assert most["slot"] == 1
    assert 10 < most["direct"] <= AHEAD


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.deep)])
def test_a_daily_window_waits_for_one_task_at_most(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    worlds: list[World] = []
    monkeypatch.setattr(handler, "_wiring", lambda: worlds[-1].wiring())  # noqa: PLW0108
    monkeypatch.setattr(World, "__init__", _remembered(World.__init__, worlds))
    daily = [timedelta(minutes=minutes) for minutes in (7, 40)]

    delays, around = simulate(SIZES, dates=DATES, daily=daily, seed=seed)

    assert len(delays.tasks) == 2
    assert max(delays.tasks) <= 1
    assert delays.longest_s <= MOST_S
    assert {each.state for each in around.world.ledger.objects.values()} >= {"completed"}


def _remembered(init: Callable[..., None], worlds: list[World]) -> Callable[..., None]:
    def begun(self: World, **settings: str) -> None:
        init(self, **settings)
        worlds.append(self)

    return begun


def test_nothing_is_fed_while_a_lane_has_daily_work(around: Surroundings) -> None:
    world = around.world
    world.at_pause = lambda: None  # the lanes stand still
    world.run(plan_request())
    before = len(world.queues.sent)
    world.now += timedelta(minutes=1)

    world.run(feed_request(), request_id="tick")

    assert len(world.queues.sent) == before


def test_what_was_asked_for_long_ago_and_never_ends_does_not_keep_it_waiting(
    around: Surroundings,
) -> None:
    world = around.world
    world.run(plan_request())
    around.lanes.clear()  # the queues were purged
    world.now += timedelta(hours=21)

    run_until_ended(world, between=lambda: None)

    assert fed(world).state == "completed"


def test_paused_nothing_more_is_asked_for_and_resumed_it_goes_on(around: Surroundings) -> None:
    world, looks = around.world, count()

    def pause_at_fifth() -> None:
        around.advance(world.now)
        if next(looks) == 5:
            want(world, "pause")

    world.at_pause = pause_at_fifth
    world.run(feed_request(), request_id="tick")
    sent = len(world.queues.sent)
    assert fed(world).state == "paused"
    assert fed(world).claimed_by is None
    world.now += timedelta(days=40)
    world.run(feed_request(), request_id="tick-2")
    assert len(world.queues.sent) == sent

    want(world, "run")
    world.at_pause = lambda: around.advance(world.now)
    run(around)

    assert is_whole(around)
    assert sum(fed(world).recent_s) < timedelta(days=1).total_seconds()


def test_a_worklist_that_expired_during_a_pause_is_made_anew(around: Surroundings) -> None:
    world = around.world
    world.timeout_s = 200
    world.run(feed_request(), request_id="tick")
    assert fed(world).plan is not None
    world.files.there.clear()
    world.now += timedelta(minutes=20)

    run(around)

    assert is_whole(around)


@pytest.mark.parametrize("lost", [{}, None])
def test_the_end_of_a_date_is_told_where_its_worklist_is_lost_once_all_was_asked_for(
    around: Surroundings, lost: dict[str, bytes] | None
) -> None:
    """The last of it are parts, which are sent one after the other while the worklist is kept."""
    world = around.world
    world.timeout_s = 200
    ticks = count()
    while len(world.ledger.objects) < len(SIZES) or not fed(world).parts or fed(world).dates:
        world.run(feed_request(), request_id=f"tick-{next(ticks)}")
        around.advance(world.now + timedelta(minutes=20))
        world.now += timedelta(minutes=20)
    assert fed(world).plan is not None
    if lost is None:
        world.files.there = dict.fromkeys(world.files.there, b"?" * 5000)
    else:
        world.files.there.clear()

    with suppress(WorklistDamagedError):
        run(around)
    run(around)

    assert is_whole(around)
    assert [each.data.date for each in world.queues.days] == list(DATES)


@pytest.mark.parametrize("damage", ["?", "header", "tables"])
def test_a_worklist_that_nobody_can_read_is_made_anew_and_told_once(
    around: Surroundings, damage: str
) -> None:
    world = around.world
    world.timeout_s = 200
    world.run(feed_request(), request_id="tick")
    assert fed(world).plan is not None
    [(key, kept)] = world.files.there.items()
    world.files.there[key] = {
        "?": b"?" * 5000,
        "header": kept[:100],
        "tables": kept[:4096] + b"?" * (len(kept) - 4096),
    }[damage]
    world.now += timedelta(minutes=20)
    with pytest.raises(WorklistDamagedError, match=key):
        world.run(feed_request(), request_id="tock")

    run(around)

    assert is_whole(around)


def test_cancelled_it_ends_once_the_parts_of_what_it_has_begun_are_sent(
    around: Surroundings,
) -> None:
    world = around.world
    world.timeout_s = 300
    world.run(feed_request(), request_id="tick")
    assert fed(world).parts
    want(world, "cancel")
    world.now += timedelta(minutes=20)

    run(around)

    assert fed(world).state == "cancelled"
    assert ("/app/large", 1793487600000) in archived(around)
    assert len(archived(around)) < 2 * len(SIZES)
    assert {each.state for each in world.ledger.objects.values()} == {"completed"}
    assert world.queues.days == []


def test_another_one_begins_where_an_earlier_one_has_ended(around: Surroundings) -> None:
    run(around)
    world = around.world
    world.backfills.wanted = asked("2026-10-01", "2026-10-01", id="0" * 31 + "2")

    run(around)

    assert (fed(world).id[-1], fed(world).dates) == ("2", 1)
    assert len(archived(around)) == 3 * len(SIZES)


def test_what_is_in_the_archive_is_not_asked_for_again(around: Surroundings) -> None:
    run(around)
    world, sent = around.world, len(around.world.queues.sent)
    world.backfills.wanted = asked(*DATES, id="0" * 31 + "2")

    run(around)

    assert len(world.queues.sent) == sent
    assert [each.data.date for each in world.queues.days] == list(DATES)


def test_of_some_log_groups_only_these_are_asked_for_and_no_date_is_told(
    around: Surroundings,
) -> None:
    world = around.world
    data = plan_request(collect_from=DATES[0], collect_to=DATES[1], only=["/app/a"])["data"]
    world.backfills.wanted = Asked.model_validate(
        asked(*DATES).model_dump(by_alias=True, exclude_none=True) | {"request": data}
    )

    run(around)

    assert {name for name, _ in archived(around)} == {"/app/a"}
    assert world.queues.days == []


def test_two_invocations_do_not_feed_one_backfill(around: Surroundings) -> None:
    world = around.world
    world.timeout_s = 200
    world.run(feed_request(), request_id="one")
    claimed = fed(world)
    assert claimed.claimed_by == "one"
    world.now -= timedelta(seconds=150)
    world.timeout_s = 60

    world.run(feed_request(), request_id="other")
    assert fed(world) == claimed

    world.now += timedelta(seconds=150)
    world.run(feed_request(), request_id="other")
    assert fed(world).claimed_by == "other"


def test_a_source_that_cannot_be_planned_says_why_and_goes_on_once_it_can(
    around: Surroundings,
) -> None:
    world = around.world
    world.account.error = PlanRefusedError("role_arn", "arn:x", "cannot be assumed")
    world.run(feed_request(), request_id="tick")

    assert fed(world).problem == "role_arn arn:x cannot be assumed"
    assert world.dead_letters.letters == []
    world.account.error = None
    world.now += timedelta(minutes=20)
    run(around)
    assert is_whole(around)
    assert fed(world).problem is None


def test_a_backfill_that_stands_still_for_hours_is_an_error_of_the_function(
    around: Surroundings,
) -> None:
    world = around.world
    world.account.error = PlanRefusedError("role_arn", "arn:x", "cannot be assumed")
    world.pauses, begun_at = 100, world.now
    for number in count():
        if world.now > begun_at + timedelta(hours=2, minutes=30):
            break
        world.run(feed_request(), request_id=f"tick-{number}")
    world.now += timedelta(hours=1)
    with pytest.raises(BackfillStuckError, match="arn:x cannot be assumed"):
        world.run(feed_request(), request_id="later")
    world.account.error = None
    run(around)
    assert is_whole(around)
    assert (fed(world).problem, fed(world).problem_since) == (None, None)


def test_what_waits_for_its_turn_has_no_problem_any_more(around: Surroundings) -> None:
    world = around.world
    world.account.error = AwsError("DescribeLogGroups", "a", "ThrottlingException", "slow down")
    world.run(feed_request(), request_id="first")
    assert fed(world).problem is not None
    world.account.error = None
    world.run(plan_request())  # daily work: nothing is fed
    world.now += timedelta(minutes=15)
    world.run(feed_request(), request_id="second")
    assert (fed(world).problem, fed(world).problem_since) == (None, None)


@dataclass
class _WithAnother(fakes.Backfills):
    """Two backfills, of which one can only go wrong."""

    error: Exception | None = None

    def there(self) -> list[str]:
        return ["backfill/000000000000/eu-west-1/", *super().there()]

    def asked(self, prefix: str) -> Asked | None:
        if prefix.startswith("backfill/0") and self.error is not None:
            raise self.error
        return None if prefix.startswith("backfill/0") else super().asked(prefix)


@pytest.mark.parametrize(
    "error",
    [LedgerUnreadableError("asked.json is not valid", b"{"), KeyError("what nobody expects")],
)
def test_what_one_backfill_meets_keeps_no_other_from_its_end_and_is_told(
    around: Surroundings, error: Exception
) -> None:
    world = around.world
    world.backfills = _WithAnother(wanted=world.backfills.wanted, error=error)
    ticks = count()
    while world.backfills.now is None or fed(world).state != "completed":
        ends_at = world.now + timedelta(minutes=15)
        with pytest.raises(type(error)):
            world.run(feed_request(), request_id=f"tick-{next(ticks)}")
        while world.now < ends_at:
            world.pause(5)
    assert next(ticks) < 1000
    around.advance(world.now + timedelta(days=30))
    assert is_whole(around)


def test_throttled_it_tries_again_and_loses_nothing(around: Surroundings) -> None:
    world, sends = around.world, count()
    deliver = world.queues.before_send

    def throttled(events: Any) -> None:
        if next(sends) % 3 == 0:
            raise AwsError("SendMessageBatch", "queue", "ThrottlingException", "slow down")
        deliver(events)

    world.queues.before_send = throttled

    run(around)

    assert is_whole(around)


class Cut(BaseException):
    """The function was killed."""


@pytest.mark.parametrize(
    "share", [pytest.param(n, marks=() if n == 3 else pytest.mark.deep) for n in range(8)]
)
def test_killed_at_each_call_it_loses_nothing(around: Surroundings, share: int) -> None:
    """Each share cuts every so many calls, from another one on."""
    world, calls = around.world, count(share)

    def cut(*_: object) -> None:
        if next(calls) % 8 == 7:
            raise Cut

    deliver, create = world.queues.before_send, world.ledger.before_create

    def sending(events: Any) -> None:
        cut()
        deliver(events)
        cut()

    def creating(record: LedgerRecord) -> None:
        cut()
        create(record)

    world.queues.before_send, world.ledger.before_create = sending, creating
    world.backfills.before_write = cut
    put, remove, publish = world.files.put, world.files.remove, world.topic.publish
    world.files.put = lambda *it: (cut(), put(*it))[1]  # type: ignore[method-assign]
    world.files.remove = lambda *it: (cut(), remove(*it))[1]  # type: ignore[method-assign]
    world.topic.publish = lambda *it: (cut(), publish(*it))[1]  # type: ignore[method-assign]
    for tick in range(300):
        try:
            world.run(feed_request(), request_id=f"tick-{tick}")
        except Cut:
            world.now += timedelta(minutes=16)
        around.advance(world.now)
        if world.backfills.now is not None and fed(world).state == "completed":
            break
    around.advance(world.now + timedelta(days=3))

    assert fed(world).state == "completed"
    assert is_whole(around)
    assert {each.data.date for each in world.queues.days} == set(DATES)


def test_a_request_that_breaks_its_contract_is_a_dead_letter(world: World) -> None:
    answer = world.run(feed_request() | {"id": ""})

    assert answer["status"] == "dead_lettered"


def test_without_backfills_an_invocation_ends_at_once(world: World) -> None:
    assert world.run(feed_request()) == {"status": "fed", "under_way": 0}
    assert world.now == NOW


def test_the_notes_are_changed_by_compare_and_swap(backend: Backend, bucket: str) -> None:
    s3 = backend.client("s3")
    notes = Backfills(s3, bucket)
    source = SourceName(profile="dev", account_id="111111111111", region="eu-west-1")
    prefix = backfill_prefix(source)
    body = emit(asked(*DATES)).encode()
    assert (notes.there(), notes.asked(prefix), notes.fed(prefix)) == ([], None, None)
    s3.put_object(Bucket=bucket, Key=f"{prefix}asked.json", Body=body)

    one = Fed(
        id="0" * 31 + "1",
        state="running",
        date=DATES[0],
        parts=[],
        dates=0,
        exports=0,
        estimated_bytes=0,
        date_s=0,
        recent_s=[],
        at="2026-11-23T06:00:00.000Z",
    )
    assert notes.there() == [prefix]
    assert notes.write(prefix, one, None)
    assert not notes.write(prefix, one, None)
    found = notes.fed(prefix)
    assert found is not None
    assert notes.write(prefix, one.model_copy(update={"dates": 1}), found[1])
    assert not notes.write(prefix, one, found[1])
    assert notes.asked(prefix) == asked(*DATES)
