"""What is counted of a window, by what, and what it may cost."""

from datetime import timedelta
from typing import Any

import pytest
from services.recounter.tests.conftest import (
    DAY,
    FROM,
    NOW,
    WINDOW,
    Killed,
    World,
    busy,
    look,
    record,
    said,
)

from logferry_contracts.ledger_record import Disposed, Waived
from logferry_contracts.message import timestamp
from logferry_contracts.window import Window
from logferry_deliveries.errors import AwsError
from recounter.budget import SCAN

SOME = [FROM, FROM + 5, FROM + DAY - 1, FROM + DAY]
"""Three in the window, and one at its end."""


def test_a_query_counts_what_the_direct_lane_has_read() -> None:
    world = World()
    made, empty = world.add(record("/a", size=300), SOME), world.add(record("/b", size=0))
    counts = look(world)
    assert said(world, made) == ("insights", 3)
    assert said(world, empty) == ("insights", 0)
    assert (counts["Recounted"], counts["RecountQueries"]) == (2, 1)
    assert counts["BytesScannedByRecounts"] == 300


def test_what_is_small_of_a_task_is_read_page_by_page_and_costs_nothing() -> None:
    world = World()
    small = world.add(record("/a", lane="slot"), SOME)
    large = world.add(record("/b", lane="slot", size=30_000_000))
    look(world)
    assert said(world, small) == ("filter", 3)
    assert said(world, large) == ("insights", 0)


def test_fifty_log_groups_of_one_class_share_a_query() -> None:
    world = World()
    for n in range(60):
        world.add(record(f"/s/{n}"))
    for n in range(10):
        world.add(record(f"/i/{n}", log_group_class="INFREQUENT_ACCESS", size=0))
    look(world)
    sizes = sorted(len(names) for names, _ in world.queries.values())
    assert sizes == [10, 10, 50]
    assert all(len({name[:2] for name in names}) == 1 for names, _ in world.queries.values())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"log_group_class": "DELIVERY"}, "log_group_class"),
        ({"created_ms": WINDOW.to_ms}, "before_creation"),
        ({"retention_days": 1}, "expired"),
    ],
)
def test_what_nobody_can_count_is_written_down_and_not_asked_for(
    changes: dict[str, object], why: str
) -> None:
    world = World()
    made = world.add(record("/a", **changes))  # type: ignore[arg-type]  # of several kinds
    assert look(world)["NotRecounted"] == 1
    assert said(world, made) == ("no", why)
    assert "StartQuery" not in world.calls


def test_the_log_group_that_is_refused_is_found_and_the_others_are_counted() -> None:
    world = World(refused={"/17": "MalformedQueryException"})
    made = [world.add(record(f"/{n}"), [FROM]) for n in range(50)]
    look(world)
    assert [said(world, each) for each in made] == [
        ("no", "refused") if n == 17 else ("insights", 1) for n in range(50)
    ]
    assert world.calls.count("StartQuery") <= 13  # two for each halving, and not 50


def test_beyond_the_budget_is_a_sample_by_chance_that_anybody_can_draw_again() -> None:
    worlds = [World(), World()]
    for world in worlds:
        for n in range(200):
            world.add(record(f"/{n}", size=1000), [FROM] * 10)
        look(world, share=5)
    one, other = (
        {key for key, each in world.recounts.items() if each.recount.by == "insights"}
        for world in worlds
    )
    assert one == other
    assert 95 <= len(one) <= 100
    assert {each.recount.reason for each in worlds[0].recounts.values()} == {None, "budget"}
    assert SCAN * worlds[0].paid_bytes <= 5 * 2 * 200 * 1000


def test_at_the_default_all_bytes_are_counted_for_a_hundredth_of_their_ingestion() -> None:
    world = World()
    for n in range(300):
        world.add(record(f"/{n}", size=100 * (n + 1)), [FROM] * (n + 1))
    look(world)
    total = sum(100 * (n + 1) for n in range(300))
    counted = sum(
        world.records[key].estimated_bytes or 0
        for key, each in world.recounts.items()
        if each.recount.by == "insights"
    )
    assert counted >= 0.99 * total
    assert SCAN * world.paid_bytes <= 10 * 2 * total


def test_a_query_that_reads_more_than_there_is_money_for_is_stopped() -> None:
    world = World(status=lambda _, __: "Running", event_bytes=1_000_000)
    made = world.add(record("/a", size=500_000), [FROM] * 3)
    look(world)
    assert len(world.stopped) == 1
    assert said(world, made) == ("no", "budget")


@pytest.mark.parametrize(
    "given_up",
    [
        {"waived": Waived(at=timestamp(NOW), by="arn:a", reason="why")},
        {"disposed": Disposed(at=timestamp(NOW), by="arn:a", reason="why", statement="0" * 64)},
    ],
    ids=lambda each: next(iter(each)),
)
def test_what_somebody_answers_for_is_not_counted(given_up: dict[str, Any]) -> None:
    world = World()
    world.add(record("/a").model_copy(update=given_up), SOME)
    other = world.add(record("/b"), SOME)
    look(world)
    assert world.recounts.keys() == {other.export_id}


def test_the_window_is_left_alone_until_its_last_events_are_seen_and_its_exports_have_ended() -> (
    None
):
    world = World(now=NOW - timedelta(days=1))
    world.add(record("/a"))
    look(world)
    assert world.recounts == {}
    world.now, world.opened = NOW, {f"{WINDOW.from_ms}-{WINDOW.to_ms}/"}
    look(world)
    assert world.recounts == {}
    world.now += timedelta(days=2)
    look(world)
    assert len(world.recounts) == 1


def test_a_window_that_is_done_is_not_looked_at_until_it_has_another_export() -> None:
    world = World()
    world.add(record("/a"))
    look(world)
    world.calls.clear()
    look(world)
    assert world.calls == ["ListLedger"]
    other = world.add(record("/b"), [FROM])
    look(world)
    assert said(world, other) == ("insights", 1)


def test_a_failed_query_is_paid_and_its_log_groups_are_tried_as_long_as_the_budget_lasts() -> None:
    world = World(status=lambda query_id, _: "Failed" if query_id == "query-1" else "Complete")
    made = [world.add(record(f"/{n}", size=100), [FROM]) for n in range(60)]
    look(world)
    reasons = [said(world, each) for each in made]
    assert reasons.count(("insights", 1)) >= 10
    assert set(reasons) <= {("insights", 1), ("no", "budget")}
    assert SCAN * world.paid_bytes <= 10 * 2 * 60 * 100


def test_two_queries_in_vain_are_enough() -> None:
    world = World(status=lambda _, __: "Timeout")
    made = world.add(record("/a"))
    look(world, share=100)
    assert said(world, made) == ("no", "failed")
    assert len(world.queries) == 2


def test_an_account_that_is_busy_is_waited_for_and_not_paid() -> None:
    world = World()
    made = world.add(record("/a", size=100), [FROM])
    refusals = [busy("StartQuery")] * 3

    def before(call: str) -> None:
        if call == "StartQuery" and refusals:
            raise refusals.pop()

    world.before = before
    look(world)
    assert said(world, made) == ("insights", 1)
    assert len(world.queries) == 1


def test_a_start_whose_answer_was_lost_is_taken_as_paid() -> None:
    world = World()
    made = world.add(record("/a", size=100), [FROM])

    def before(call: str) -> None:
        if call == "StartQuery done":
            raise AwsError("StartQuery", "/a", "ConnectionClosedError", "")

    world.before = before
    look(world)
    assert said(world, made) == ("no", "budget")
    assert len(world.queries) == 1


def test_what_runs_longer_than_an_invocation_the_next_one_takes() -> None:
    world = World(status=lambda _, looks: "Complete" if looks > 20 else "Running")
    made = world.add(record("/a", size=100), [FROM])
    look(world, seconds=10)
    assert world.recounts == {}
    look(world, seconds=100)
    assert said(world, made) == ("insights", 1)
    assert len(world.queries) == 1


def test_of_two_invocations_at_once_one_counts_and_pays() -> None:
    world = World()
    for n in range(10):
        world.add(record(f"/{n}", size=100), [FROM])
    others = [lambda: look(world)]

    def before(call: str) -> None:
        if call == "StartQuery" and others:
            others.pop()()

    world.before = before
    look(world)
    assert {each.recount.by for each in world.recounts.values()} == {"insights"}
    assert len(world.recounts) == 10
    assert len(world.queries) == 1


def test_a_query_whose_process_died_before_it_was_noted_is_paid_and_not_waited_for() -> None:
    world = World()
    made = world.add(record("/a", size=100), [FROM])

    def before(call: str) -> None:
        if call == "StartQuery done":
            raise Killed

    world.before = before
    with pytest.raises(Killed):
        look(world)
    world.before = lambda _: None
    look(world)
    assert world.recounts == {}  # it may be under way
    world.now += timedelta(hours=1)
    look(world)
    assert said(world, made) == ("no", "budget")
    assert len(world.queries) == 1


def test_a_source_with_many_log_groups_is_counted_by_one_query_for_fifty() -> None:
    world = World()
    for n in range(5000):
        world.add(record(f"/{n}", size=100), [FROM])
    look(world)
    assert {each.recount.by for each in world.recounts.values()} == {"insights"}
    assert len(world.queries) == 100


def test_windows_are_counted_each_for_its_own_budget() -> None:
    world = World()
    next_day = Window(from_ms=WINDOW.from_ms - DAY, to_ms=WINDOW.from_ms)
    made = [world.add(record("/a", window=each), [each.from_ms]) for each in (WINDOW, next_day)]
    look(world)
    assert [said(world, each) for each in made] == [("insights", 1)] * 2
