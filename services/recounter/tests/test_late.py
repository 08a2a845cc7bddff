"""A window is looked at again: what came in late is found, and what it may cost is kept apart."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from services.recounter.tests.conftest import (
    DAY,
    FROM,
    NOW,
    WINDOW,
    Killed,
    World,
    record,
    said,
)
from services.recounter.tests.conftest import look as look_with

from logferry_contracts.window import Window
from recounter.budget import SCAN

SOME = [FROM, FROM + 5]
LATE = FROM + 7
LAG = timedelta(hours=2)
ENDED = NOW - timedelta(days=1) + LAG
look = partial(look_with, revisit_days=(3, 14))


def after(world: World, days: float, *, revisit_share: int = 0) -> Counter[str]:
    """Look so many days after the window's end."""
    world.now = ENDED + timedelta(days=days)
    return look(world, revisit_share=revisit_share)


@pytest.mark.parametrize("lane", ["slot", "direct"])
@pytest.mark.parametrize("late_after", [1.5, 3.5, 13.9])
def test_what_comes_in_late_is_found_by_the_next_look(lane: str, late_after: float) -> None:
    world = World()
    made = world.add(record("/a", lane=lane, size=100), SOME)
    for days in (1, 3, 4, 14, 15):
        if days > late_after and LATE not in world.events["/a"]:
            world.events["/a"].append(LATE)
        after(world, days)
        looked_since = (days >= 14) if late_after > 3 else days >= 3
        assert said(world, made)[1] == (3 if looked_since else 2)


def test_where_nothing_came_since_the_first_word_stays() -> None:
    world = World()
    made = world.add(record("/a", size=100), SOME)
    after(world, 1)
    before = world.recounts[made.export_id]
    assert after(world, 3)["RecountsCorrected"] == 0
    after(world, 14)
    assert world.recounts[made.export_id] is before
    assert {look for _, look in world.looks_at} == {0, 3, 14}


def test_what_has_failed_for_good_keeps_nothing_else_from_being_looked_at_again() -> None:
    """Of what is kept for a week or so, CloudWatch has nothing whole any more after that."""
    world = World(opened={f"{WINDOW.from_ms}-{WINDOW.to_ms}/"})
    made = world.add(record("/a", lane="slot", size=100, retention_days=8), SOME)
    for days in (3, 5):
        world.now = ENDED + timedelta(days=days)
        look_with(world, revisit_days=(3, 5, 14))
        assert said(world, made) == ("filter", len(world.events["/a"]))
        world.events["/a"].append(LATE)
    later = world.add(record("/b", lane="slot", size=100), SOME)
    look_with(world, revisit_days=(3, 5, 14))
    assert {look for of, look in world.looks_at if of == made.export_id} == {0, 3, 5}
    assert {look for of, look in world.looks_at if of == later.export_id} == {0, 5}


def test_each_look_is_made_once_and_one_that_was_missed_not_at_all() -> None:
    world = World()
    world.add(record("/a", lane="slot"), SOME)
    after(world, 1)
    for days in (3, 3.1, 3.2):
        after(world, days)
    assert world.calls.count("FilterLogEvents") == 2
    after(world, 14)
    after(world, 14.5)
    assert world.calls.count("FilterLogEvents") == 3

    other = World()
    other.add(record("/a", lane="slot"), SOME)
    after(other, 1)
    after(other, 14)
    assert {look for _, look in other.looks_at} == {0, 14}


def test_one_invocation_has_one_share_of_the_calls_however_many_windows_it_looks_at() -> None:
    """What is known of the others is good for some seconds: a page takes one."""
    listed = []
    for number in (1, 5):
        world = World()
        for n in range(number):
            window = Window(from_ms=FROM - n * DAY, to_ms=FROM + DAY - n * DAY)
            world.add(record("/a", lane="slot", window=window), SOME)
        look_with(world)
        assert world.calls.count("FilterLogEvents") == number
        listed.append(world.calls.count("ListReading"))
    assert listed[0] == listed[1]


def test_a_window_whose_first_look_never_came_to_its_end_is_looked_at_again() -> None:
    world = World()
    made = world.add(record("/a", lane="slot", size=100), SOME)

    def dies(call: str) -> None:
        if call == "PutRecount done":
            raise Killed

    world.before = dies
    with pytest.raises(Killed):
        after(world, 1)
    world.before = lambda _: None
    assert world.notes == {}
    after(world, 1.5, revisit_share=0)
    world.notes = {
        key: (note.model_copy(update={"listing_sha256": None}), etag)
        for key, (note, etag) in world.notes.items()
    }
    world.events["/a"].append(LATE)
    after(world, 14)
    assert said(world, made) == ("filter", 3)


def test_a_window_that_was_exported_when_it_was_old_is_looked_at_for_what_comes_in_since() -> None:
    """As of a source that was added, or of a log group that an agent has made since."""
    world = World()
    small = world.add(record("/small", lane="slot", size=100), SOME)
    large = world.add(record("/large", lane="slot", size=30_000_000), SOME)
    world.now = ENDED + timedelta(days=9)
    for each in ("/small", "/large"):
        world.late(each, LATE)
    after(world, 14)
    assert said(world, small) == ("filter", 3)
    assert {look for _, look in world.looks_at} == {14}
    assert world.late_notes[large.export_id].late_streams == ["agent"]


def test_without_money_for_it_what_costs_nothing_is_counted_and_the_rest_is_written_down() -> None:
    world = World(undecided={"/large"})
    large = world.add(record("/large", lane="slot", size=30_000_000), SOME)
    small = world.add(record("/small", size=100), SOME)
    after(world, 1)
    started = world.calls.count("StartQuery")
    for name in ("/large", "/small"):
        world.events[name].append(LATE)
    assert after(world, 3)["RecountsCorrected"] == 1
    assert world.calls.count("StartQuery") == started
    assert (said(world, large), said(world, small)) == (("insights", 2), ("filter", 3))
    looked = world.looks_at[large.export_id, 3].recount
    assert (looked.by, looked.reason) == ("no", "budget")


def test_a_look_has_money_of_its_own_and_spends_no_more() -> None:
    world = World(event_bytes=15_000_000, undecided={"/large"})
    made = world.add(record("/large", lane="slot", size=30_000_000), SOME)
    after(world, 1)
    paid = world.paid_bytes
    world.events["/large"].append(LATE)
    after(world, 3, revisit_share=20)
    assert said(world, made) == ("insights", 3)
    assert SCAN * (world.paid_bytes - paid) <= 2 * 20 * 45_000_000


def test_what_the_direct_lane_has_read_is_proved_by_no_later_page() -> None:
    """Its own call counts for nothing but that more has come in."""
    world = World(status=lambda _, __: "Timeout")
    made = world.add(record("/a", size=100), SOME)
    after(world, 1)
    assert said(world, made)[0] == "no"
    after(world, 3)
    assert said(world, made)[0] == "no"
    assert world.looks_at[made.export_id, 3].recount.events == 2


def test_fewer_events_than_before_take_nothing_back() -> None:
    """Somebody has shortened the retention: what the archive lacked it lacks now for good."""
    world = World()
    slot = world.add(record("/slot", lane="slot", size=100), SOME)
    direct = world.add(record("/direct", size=100), SOME)
    after(world, 1)
    for name in ("/slot", "/direct"):
        world.shorten(name, max(SOME))
    after(world, 3)
    assert [each.recount.events for each in world.looks_at.values()] == [2, 2, 1, 1]
    assert (said(world, slot)[1], said(world, direct)[1]) == (2, 2)


@pytest.mark.parametrize("call", ["CorrectRecount", "CorrectRecount done", "PutRecount", "PutNote"])
def test_a_look_that_died_is_made_again_and_loses_nothing(call: str) -> None:
    world = World()
    made = world.add(record("/a", lane="slot"), SOME)
    after(world, 1)
    world.events["/a"].append(LATE)
    deaths = [Killed()]

    def before(name: str) -> None:
        if name == call and deaths:
            raise deaths.pop()

    world.before = before
    with pytest.raises(Killed):
        after(world, 3)
    look(world)
    assert said(world, made) == ("filter", 3)
    assert (made.export_id, 3) in world.looks_at
    note, _ = world.notes[WINDOW, 3]
    assert note.listing_sha256 is not None


def test_an_export_of_meanwhile_is_looked_at_as_well() -> None:
    world = World()
    world.add(record("/a", lane="slot"), SOME)
    after(world, 1)
    after(world, 3)
    again = world.add(record("/b", lane="slot"), SOME)
    after(world, 4)
    assert said(world, again) == ("filter", 2)
    assert (again.export_id, 3) in world.looks_at


def test_windows_of_before_are_listed_as_long_as_they_are_looked_at() -> None:
    world = World()
    world.add(record("/a", lane="slot"), [*SOME, FROM + DAY])
    after(world, 1)
    after(world, 15.9)
    assert {look for _, look in world.looks_at} == {0, 14}
