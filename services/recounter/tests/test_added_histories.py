"""Histories by chance: what comes in late is counted, sealed as lacking, added, and sealed again.

The recounter's looks and its asking are the real ones. The sealer and the exporter are what they
promise: a seal says how many events the archive has and what was counted last, and who is asked
adds what CloudWatch Logs has by then. That they keep it is their own tests' concern.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from services.recounter.tests.conftest import (
    DAY,
    FROM,
    NOW,
    WINDOW,
    Bucket,
    Killed,
    World,
    busy,
    look,
    record,
)

from logferry_contracts.addendum import Addendum
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.recount import NO, Recount
from logferry_contracts.window import Window
from logferry_deliveries.errors import RetryError
from recounter import due
from recounter.aws.corrections import Corrections, Lacking, Spent
from recounter.aws.requests import Requests
from recounter.correcting import LONGEST_WAIT, Correcting
from recounter.errors import OvertakenError, TooManyDifferError
from recounter.turn import Turn

LARGE = 30_000_000
FEW, MANY = range(30), range(30, 1000)
DAYS = (3, 14)
MOST_BYTES = 200_000_000
"""A day's: of six large ones."""


@dataclass
class Archive:
    """What was archived and sealed, beside a world's CloudWatch and ledger.

    Attributes:
        revisit_share: What a later look may cost.
        events: How many each export has put there.
        sealed: How many the last seal says, and what was counted, by export.
        queue: What the exporter is asked for.
        asked: Each correction that was asked for, by export and witness.
        exported: How many each export has had first.
    """

    world: World
    revisit_share: int
    events: dict[str, int] = field(default_factory=dict)
    sealed: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    queue: list[tuple[str, str]] = field(default_factory=list)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    noted: set[tuple[str, str]] = field(default_factory=set)
    exported: dict[str, int] = field(default_factory=dict)
    spent: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)

    def seal(self) -> None:
        for key in self.world.records:
            recount = self.world.recounts.get(key)
            counted = None if recount is None else recount.recount.events
            self.sealed[key] = self.events[key], counted

    def work(self) -> None:
        """Let the exporter do what it is asked for; again does no harm."""
        for key, recounted_at in self.queue:
            made = self.world.records[key]
            known = made.addenda or []
            if any(each.recounted_at == recounted_at for each in known):
                continue
            if made.log_group.name in self.world.expired:
                continue  # the archive has what CloudWatch Logs has not: nobody can compare them
            there = self.world.counted(made.log_group.name, made.window)
            if there > self.events[key]:
                self.events[key] = there
                at = timestamp(self.world.now)
                done = Addendum(number=len(known) + 1, recounted_at=recounted_at, at=at)
                added = made.model_copy(update={"addenda": [*known, done]})
                self.world.records[key] = added
        self.queue.clear()


class Noted(Corrections):
    """The control bucket in memory, as far as it is about differences."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def lacking(self, since_ms: int) -> list[Lacking]:
        archive = self._archive
        archive.world.call("ListLacking")
        of = ((archive.world.records[key], said) for key, said in archive.sealed.items())
        return [
            Lacking(made.window, made.log_group.name)
            for made, (events, counted) in of
            if counted is not None and counted > events and made.window.from_ms >= since_ms
        ]

    def counted(self, window: Window) -> int:
        return sum(each.window == window for each in self._archive.world.recounts.values())

    def late(self, since_ms: int) -> Iterator[Recount]:
        self._archive.world.call("ListLate")
        notes = list(self._archive.world.late_notes.values())
        yield from (each for each in notes if each.window.from_ms >= since_ms)

    def is_asked(self, recount: Recount, _: datetime) -> bool:
        return (recount.export_id, recount.recount.at) in self._archive.noted

    def note_asked(self, recount: Recount, _: datetime) -> None:
        self._archive.world.call("PutAsked")
        self._archive.noted.add((recount.export_id, recount.recount.at))
        self._archive.world.call("PutAsked done")

    def spent(self, date: str) -> tuple[Spent, str | None]:
        spent = self._archive.spent
        return Spent(date=date, read_bytes=spent[date]), str(spent[date])

    def keep_spent(self, spent: Spent, etag: str | None) -> str:
        self._archive.world.call("PutSpent")
        if str(self._archive.spent[spent.date]) != etag:
            raise OvertakenError("somebody was faster")
        self._archive.spent[spent.date] = spent.read_bytes
        self._archive.world.call("PutSpent done")
        return str(spent.read_bytes)


class Asked(Requests):
    """The exporter's queue in memory."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def ask(self, record: LedgerRecord, recount: Recount, now: datetime) -> None:
        self._archive.world.call("SendMessage")
        request = record.export_id, recount.recount.at
        self._archive.queue.append(request)
        self._archive.asked[request] += 1
        self._archive.read[f"{now:%Y-%m-%d}"] += due.size_bytes(record)
        self._archive.world.call("SendMessage done")


def correct(archive: Archive, *, stop_share: int = 1000) -> None:
    turn = Turn(clock=lambda: archive.world.now, has_time=lambda: True, sleep=lambda _: None)
    Correcting(
        control=Bucket(archive.world),
        corrections=Noted(archive),
        requests=Asked(archive),
        source=record("/a").source,
        most_bytes=MOST_BYTES,
        stop_share=stop_share,
        since=LONGEST_WAIT,
    ).look(turn)


class Fate:
    """What becomes of calls in one history."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  (reproducible, and no secret)
        self.rate = self.random.choice([0, 0.02, 0.1])

    def before(self, call: str) -> None:
        if self.random.random() < self.rate:
            raise Killed if self.random.random() < 0.5 else busy(call)


def born(fate: Fate) -> Archive:
    """A world whose exports have ended, each with what there was."""
    chance = fate.random
    listed_after = timedelta(minutes=chance.choice([0, 50]))
    archive = Archive(World(now=NOW, listed_after=listed_after), chance.choice([0, 10]))
    for n in range(chance.randint(1, 8)):
        size = chance.choice([100, 100, LARGE])
        made = record(f"/{n}", size=size, lane=chance.choice(["slot", "direct"]))
        archive.world.add(made, [FROM + 1] * chance.randint(0, 3))
        there = archive.world.counted(f"/{n}", WINDOW)
        archive.events[made.export_id] = archive.exported[made.export_id] = there
    return archive


def live(archive: Archive, fate: Fate, until: datetime, *, is_late: bool) -> None:
    """Let some days pass, in steps of hours."""
    world, chance = archive.world, fate.random
    shortened = f"/{chance.randrange(len(archive.events))}" if chance.random() < 0.3 else None
    while world.now < until:
        if shortened is not None and is_late and chance.random() < 0.05:
            world.shorten(shortened, FROM + chance.choice([2, 3]))
        if is_late and chance.random() < 0.15:
            for _ in range(chance.choice([1, 1, 5])):
                world.late(f"/{chance.randrange(len(archive.events))}", FROM + 2)
        world.before = fate.before
        for work in (correct, look_at):
            with suppress(Killed, RetryError):
                work(archive)
        world.before = lambda _: None
        if chance.random() < 0.7:
            archive.work()
            archive.seal()
        world.now += timedelta(hours=chance.randint(2, 14))


def look_at(archive: Archive) -> None:
    look(archive.world, revisit_days=DAYS, revisit_share=archive.revisit_share)


def check(seed: int) -> None:
    fate = Fate(seed)
    archive, is_undisturbed = born(fate), not fate.rate
    world = archive.world
    live(archive, fate, NOW + timedelta(days=13), is_late=True)
    live(archive, fate, NOW + timedelta(days=14), is_late=False)
    fate.rate = 0
    for _ in range(8):  # by the last look all is in; each day has bytes for three
        look_at(archive)
        archive.seal()
        correct(archive)
        archive.work()
        archive.seal()
        world.now += timedelta(hours=12)
    for key, (events, counted) in archive.sealed.items():
        made = world.records[key]
        there = world.counted(made.log_group.name, made.window)
        assert events == archive.events[key]
        if made.log_group.name in world.expired:
            assert events >= archive.exported[key]  # nothing is taken out, whoever has it no more
            continue
        assert events == there
        if made.estimated_bytes == LARGE and world.looks_at[key, 14].recount.by == NO:
            continue  # nobody has counted it, which is said
        # What was read by the one lane and counted by no query, no later look is a witness of.
        if counted is not None or made.lane == "slot":
            assert events == counted
        assert len({each.recounted_at for each in made.addenda or ()}) == len(made.addenda or ())
    assert archive.sealed.keys() == world.records.keys()
    assert all(read <= archive.spent[date] <= MOST_BYTES for date, read in archive.read.items())
    if is_undisturbed:
        assert all(times == 1 for times in archive.asked.values())


@pytest.mark.parametrize("seed", FEW)
def test_in_the_end_as_many_events_are_sealed_as_cloudwatch_returned_at_the_last_look(
    seed: int,
) -> None:
    check(seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", MANY)
def test_and_so_it_is_in_many_more(seed: int) -> None:
    check(seed)


def test_where_too_much_differs_nothing_is_asked_for_in_any_look() -> None:
    archive = born(Fate(3))
    look_at(archive)
    for name in list(archive.world.events):
        archive.world.late(name, FROM + 2)
    archive.world.now += timedelta(milliseconds=3 * DAY)
    look_at(archive)
    archive.seal()
    for _ in range(3):
        with pytest.raises(TooManyDifferError):
            correct(archive, stop_share=20)
    assert archive.queue == []
    correct(archive)
    assert archive.queue
