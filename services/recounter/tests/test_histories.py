"""Histories by chance: whatever fails, dies or comes late, what is said is what CloudWatch said."""

import random
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from services.recounter.tests.conftest import (
    DAY,
    FROM,
    WINDOW,
    Killed,
    World,
    busy,
    record,
)
from services.recounter.tests.conftest import look as look_with

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.window import Window
from logferry_deliveries.errors import AwsError, RetryError
from recounter.budget import INGESTION, SCAN

FEW, MANY = range(40), range(40, 1000)


class Fate:
    """What becomes of calls in one history."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  (reproducible, and no secret)
        self.rate = self.random.choice([0, 0.01, 0.05])

    def before(self, call: str) -> None:
        if self.random.random() >= self.rate:
            return
        if self.random.random() < 0.5:
            raise Killed
        if call == "StartQuery":
            raise busy(call)
        raise AwsError(call, "it", "InternalFailure", "not now")

    def status(self, _query_id: str, looks: int) -> str:
        if self.random.random() < self.rate:
            return self.random.choice(["Failed", "Timeout", "Cancelled", "Unknown"])
        return "Complete" if looks > self.random.randint(0, 2) else "Running"


def lived(seed: int) -> tuple[World, int]:
    """A world after a history, and how many thousandths of ingestion it may spend in all."""
    fate = Fate(seed)
    chance, share = fate.random, fate.random.choice([1, 5, 10, 40])
    days: tuple[int, ...] = chance.choice([(), (1,), (1, 2)])
    look = partial(look_with, revisit_days=days, revisit_share=chance.choice([0, 10]))
    world = World(before=fate.before, status=fate.status)
    windows = [WINDOW, Window(from_ms=FROM - DAY, to_ms=FROM)][: chance.randint(1, 2)]
    for n in range(chance.randint(1, 70)):
        events = int(chance.paretovariate(1))
        for window in windows:
            made = record(
                f"/{n}",
                window=window,
                size=100 * min(events, 5000),
                lane=chance.choice(["direct", "direct", "slot"]),
                **chance.choice([{}, {}, {"retention_days": chance.choice([1, 3, 30])}]),
                log_group_class=chance.choice(["STANDARD", "STANDARD", "INFREQUENT_ACCESS"]),
            )
            world.add(made, [window.from_ms + 1] * min(events, 5000))
    if chance.random() < 0.2:
        world.refused = {f"/{chance.randint(0, 70)}": "MalformedQueryException"}
    for _ in range(60):
        with suppress(Killed, RetryError):
            look(world, share=share, seconds=chance.choice([5, 60, 800]))
        world.now += timedelta(minutes=30)
        if chance.random() < 0.1:  # late, after or before its window was counted
            world.add(record(f"/late/{chance.randint(0, 3)}", size=100), [FROM + 2])
        if chance.random() < 0.2:
            chance.choice(list(world.events.values())).append(FROM + 3)
        if chance.random() < 0.05:  # a retention that deletes all of a window, or some of it
            world.shorten(chance.choice(list(world.events)), FROM + chance.choice([0, 2, 3, DAY]))
    world.before = lambda _: None
    world.status = lambda _, __: "Complete"
    for _ in range(3):
        look(world, share=share)
        world.now += timedelta(hours=1)
    return world, share + len(days) * look.keywords["revisit_share"]


def check(seed: int) -> None:
    world, share = lived(seed)
    assert world.recounts.keys() == world.records.keys()
    for key, recount in world.recounts.items():
        said, made = recount.recount, world.records[key]
        if said.events is None:
            continue
        returned = world.found[recount.query_id or f"{recount.window}"][made.log_group.name]
        if made.log_group.name in world.expired:
            # That nobody finds any more what was found, takes nothing back.
            assert returned <= said.events <= had(world, made)
        else:
            assert said.events == returned
    # What came in late is more than a plan had guessed, and was ingested as well.
    sizes = [
        (
            each,
            max(each.estimated_bytes or 0, 100 * had(world, each)),
        )
        for each in world.records.values()
    ]
    allowed = sum(share * INGESTION[each.log_group.log_group_class] * size for each, size in sizes)
    assert SCAN * world.paid_bytes <= allowed
    # A look that was cut off until the next one was due leaves its query: nobody takes the answer.
    last = {window: note for (window, _), (note, _) in sorted(world.notes.items(), key=by_look)}
    assert all(not note.running for note in last.values())


def had(world: World, made: LedgerRecord) -> int:
    """Return how many events CloudWatch has had of a window, with those that are deleted."""
    name, window = made.log_group.name, made.window
    expired = world.expired.get(name, [])
    there = sum(window.from_ms <= each < window.to_ms for each in expired)
    return world.counted(name, window) + there


def by_look(noted: tuple[tuple[Window, int], object]) -> int:
    return noted[0][1]


@pytest.mark.parametrize("seed", FEW)
def test_a_history_ends_with_a_word_on_each_export_and_within_the_budget(seed: int) -> None:
    check(seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", MANY)
def test_and_so_do_many_more(seed: int) -> None:
    check(seed)
