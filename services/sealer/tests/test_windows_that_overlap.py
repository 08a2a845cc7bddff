"""Whatever the ledger has of a sealed time is in some seal, however its windows were cut."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from services.sealer.tests.conftest import DAY, FIRST, HOUR, World, day

from logferry_contracts.window import Window

SEOUL = 15 * HOUR
"""After midnight in UTC, the next date begins there."""


def sealed_windows(world: World) -> set[tuple[str, Window]]:
    """All leaves of a chain that a verifier finds valid."""
    return {
        (leaf.log_group.name, leaf.window) for seal in world.check() for leaf in world.leaves(seal)
    }


def seoul(number: int) -> Window:
    return Window.between(
        FIRST + number * DAY - DAY + SEOUL, FIRST + number * DAY - DAY + SEOUL + DAY
    )


def hour(number: int) -> Window:
    return Window.between(FIRST + number * HOUR, FIRST + (number + 1) * HOUR)


def run(world: World, until: timedelta) -> None:
    """Seal whatever is due, day by day, as the clock has it."""
    end = FIRST + until
    while world.now < end:
        world.inventory("/a", at=world.now - HOUR)
        world.look()
        world.now += DAY / 2


def test_windows_of_the_zone_before_are_sealed_with_those_of_the_zone_after(world: World) -> None:
    recorded = [("/a", day(0)), ("/a", day(1)), ("/b", day(2)), ("/a", seoul(3)), ("/a", seoul(4))]
    for name, window in recorded:
        world.exported(name, window)
    world.now = FIRST + DAY + 2 * HOUR
    world.deliver(world.day_event(0))
    world.look()
    world.deliver(world.day_event(3, "Asia/Seoul"))

    run(world, 9 * DAY)

    assert set(recorded) <= sealed_windows(world)


def test_a_window_that_comes_later_and_reaches_into_the_next_date_is_sealed(world: World) -> None:
    for number in range(3):
        world.exported("/a", day(number))
    run(world, 5 * DAY)
    across = Window.between(FIRST + DAY / 2, FIRST + DAY + DAY / 2)
    world.exported("/late", across)

    run(world, 8 * DAY)

    assert ("/late", across) in sealed_windows(world)
    later = [each for each in world.check() if each.kind == "later" and each.sealed]
    assert [each.sealed.covers for each in later if each.sealed] == [
        Window.between(FIRST, across.end)
    ]


def test_a_window_that_reaches_past_what_is_sealed_waits_for_that(world: World) -> None:
    world.exported("/a", day(0))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    across = Window.between(FIRST + DAY / 2, FIRST + 2 * DAY + DAY / 2)
    world.exported("/late", across)
    world.look()
    assert ("/late", across) not in sealed_windows(world)

    for number in (1, 2):
        world.exported("/a", day(number))
    run(world, 8 * DAY)

    assert ("/late", across) in sealed_windows(world)


def test_windows_of_a_day_and_of_hours_are_sealed_beside_each_other(world: World) -> None:
    recorded = [("/a", day(0)), ("/a", day(1)), *(("/a", hour(each)) for each in range(44, 72))]
    for name, window in recorded:
        world.exported(name, window)

    run(world, 8 * DAY)

    # Hours that lie in a day of the same log group are its day's: they are there once.
    known = {(name, window) for name, window in recorded if window.from_ms >= day(2).from_ms}
    assert known | {("/a", day(0)), ("/a", day(1))} <= sealed_windows(world)


def test_windows_of_before_the_first_seal_that_reach_into_it_are_sealed_late(world: World) -> None:
    recorded = [("/a", day(-3)), ("/b", seoul(-1)), ("/a", day(-1)), ("/b", seoul(0))]
    for name, window in recorded:
        world.exported(name, window)
    world.exported("/a", day(0))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()

    world.look(seal_from="2026-11-17")

    # The newest date that had ended begins with the oldest of its windows.
    assert set(recorded) <= sealed_windows(world)


@pytest.mark.parametrize("days", [10, 3000])
def test_a_record_of_a_window_that_no_plan_makes_holds_up_no_date(
    new_world: Callable[..., World], days: int
) -> None:
    world = new_world()
    for number in range(3):
        world.exported("/a", day(number))
    world.exported("/x", day(0, days * DAY))

    run(world, 6 * DAY)

    covers = [each.sealed.covers for each in world.check() if each.sealed]
    assert covers[:3] == [day(0), day(1), day(2)]
