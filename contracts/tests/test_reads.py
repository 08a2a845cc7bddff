"""That those who read never make more calls together than one of them may, as they come and go."""

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations, count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts.reads import (
    JOIN,
    KNOWN,
    LIVE,
    LOOK,
    LOOKING_S,
    PLANNED,
    PLANNING_S,
    READERS,
    Budget,
    Reader,
    Reads,
    share,
)

T0 = datetime(2026, 11, 29, tzinfo=UTC)
"""Of the simulated clock."""


@pytest.mark.parametrize("calls", [*range(1, 60), 1000])
def test_shares_are_all_calls_at_most_and_never_grow_by_who_comes(calls: int) -> None:
    sets = [frozenset(some) for n in range(1, 5) for some in combinations(READERS, n)]
    for reading in sets:
        of_each = {each: share(each, reading, calls) for each in READERS if each in reading}
        assert sum(of_each.values()) <= calls + 1e-9
        assert all(each > 0 for each in of_each.values())
        for more in sets:
            if reading < more:
                assert all(share(each, more, calls) <= of_each[each] for each in of_each)


def test_who_reads_alone_has_all_calls_and_the_planner_most_of_them() -> None:
    assert share("planner", frozenset({"planner"}), 5) == 5
    assert share("planner", frozenset({"planner", "direct"}), 5) == 4
    assert share("direct", frozenset({"planner", "direct"}), 25) == 8
    assert share("direct", frozenset({"recounter", "direct"}), 25) == 17


@dataclass
class Run:
    """Some who read at a time, each at once whenever it may, on one clock.

    They go on in the order of time; a call of S3 takes a moment, in which others go on.
    """

    now: datetime = T0
    notes: dict[str, datetime] = field(default_factory=dict)
    calls: list[datetime] = field(default_factory=list)

    def put(self, reader: Reader, body: bytes) -> None:
        self.notes[reader] = self.now.replace(microsecond=0)  # S3 says seconds
        if body:
            del self.notes[reader]

    def seen(self) -> dict[str, datetime]:
        return dict(self.notes)


def most_in(calls: list[datetime], span: timedelta) -> int:
    calls = sorted(calls)
    return max(bisect_left(calls, each + span) - first for first, each in enumerate(calls))


def reads_of(run: Run, reader: Reader, calls_per_second: int) -> Reads:
    return Reads(
        reader=reader,
        calls_per_second=calls_per_second,
        note=run.put,
        seen=run.seen,
        clock=lambda: run.now,
        sleep=lambda _: None,
    )


def reading(run: Run, reader: Reader, calls_per_second: int, until: datetime) -> Iterator[float]:
    """Yield how long one who reads waits, call after call, and then leaves."""
    reads = reads_of(run, reader, calls_per_second)
    yield from calling(run, reads, until)
    yield reads.leaving_s()
    reads.leave()


def calling(run: Run, reads: Reads, until: datetime) -> Iterator[float]:
    """Yield how long one thread of a reader waits, as `Reads.wait` does, call after call."""
    while run.now < until:
        while (pause_s := reads.joining_s()) > 0:
            yield min(pause_s, 1.0)
        taken_s = reads.take_s()
        yield PLANNING_S if taken_s is None else taken_s
        if taken_s is not None:
            run.calls.append(run.now)


def test_who_has_left_is_not_waited_for_and_its_share_is_there_at_once() -> None:
    run = Run()
    work(
        [
            (0, lambda: reading(run, "planner", 5, T0 + timedelta(seconds=2))),
            (4, lambda: reading(run, "direct", 5, T0 + timedelta(seconds=6))),
        ],
        run,
    )
    assert (
        most_in(
            [each for each in run.calls if each >= T0 + timedelta(seconds=3)],
            timedelta(milliseconds=999),
        )
        == 5
    )


def work(runs: list[tuple[float, Callable[[], Iterator[float]]]], run: Run) -> None:
    order = count()
    waiting = [(T0 + timedelta(seconds=at), next(order), make()) for at, make in runs]
    heapq.heapify(waiting)
    while waiting:
        run.now, _, each = heapq.heappop(waiting)
        pause_s = next(each, None)
        if pause_s is not None:
            heapq.heappush(waiting, (run.now + timedelta(seconds=pause_s), next(order), each))


@given(
    calls=st.sampled_from([3, 5, 10, 25]),
    stints=st.lists(
        st.tuples(st.sampled_from(READERS), st.floats(0, 200), st.floats(1, 120)),
        min_size=1,
        max_size=6,
        unique_by=lambda stint: stint[0],
    ),
)
def test_never_more_calls_in_a_second_than_the_account_allows(
    calls: int, stints: list[tuple[Reader, float, float]]
) -> None:
    run = Run()
    work(
        [
            (
                begin,
                lambda reader=reader, end=begin + lasts: reading(  # type: ignore[misc]
                    run, reader, calls, T0 + timedelta(seconds=end)
                ),
            )
            for reader, begin, lasts in stints
        ],
        run,
    )
    if run.calls:
        # Of fewer calls than readers each has a part of one, and all may fall into one second.
        assert most_in(run.calls, timedelta(milliseconds=999)) <= max(calls, len(stints))


@pytest.mark.parametrize("calls", [2, 5, 25])
def test_nor_where_one_of_them_has_a_hundred_threads(calls: int) -> None:
    run, ends = Run(), T0 + timedelta(seconds=150)
    lane = reads_of(run, "direct", calls)
    others: list[tuple[float, Reader]] = [(30, "planner"), (33, "recounter"), (35, "slot")]
    work(
        [
            *[(0, lambda: calling(run, lane, ends))] * 100,
            *((at, lambda each=each: reading(run, each, calls, ends)) for at, each in others),  # type: ignore[misc]
        ],
        run,
    )
    assert most_in(run.calls, timedelta(milliseconds=999)) <= max(calls, 1 + len(others))
    assert len(run.calls) >= 0.9 * calls * 100


def test_who_comes_waits_until_all_others_have_looked_again_and_who_is_alone_does_not() -> None:
    run = Run()
    ends = T0 + timedelta(seconds=100)
    work(
        [
            (0, lambda: reading(run, "direct", 5, ends)),
            (20, lambda: reading(run, "planner", 5, ends)),
        ],
        run,
    )
    assert run.calls[0] == T0

    def between(from_s: float, to_s: float) -> int:
        first, last = (T0 + timedelta(seconds=each) for each in (from_s, to_s))
        return sum(1 for each in run.calls if first <= each < last)

    assert between(0, 20) == pytest.approx(100, abs=2)
    assert between(20 + LOOK.total_seconds(), 20 + JOIN.total_seconds()) == pytest.approx(25, abs=2)
    assert between(65, 95) == pytest.approx(150, abs=3)


def test_the_calls_of_one_who_is_gone_are_the_others_again() -> None:
    run = Run(notes={"planner": T0})
    ends = T0 + LIVE + timedelta(seconds=60)
    work([(0, lambda: reading(run, "direct", 5, ends))], run)
    gone = T0 + LIVE + LOOK
    last = [each for each in run.calls if gone <= each < gone + timedelta(seconds=40)]
    assert len(last) == pytest.approx(200, abs=2)


def test_who_goes_on_within_a_minute_does_not_wait_again() -> None:
    run = Run(notes={"planner": T0, "direct": T0 - timedelta(seconds=60)})
    work([(0, lambda: reading(run, "direct", 5, T0 + timedelta(seconds=2)))], run)
    assert run.calls[0] == T0


def test_without_the_notes_no_call_is_made() -> None:
    class Away(Run):
        def seen(self) -> dict[str, datetime]:
            raise ConnectionError

    run = Away()
    with pytest.raises(ConnectionError):
        work([(0, lambda: reading(run, "direct", 5, T0 + timedelta(seconds=2)))], run)
    assert run.calls == []


# -- one reader's calls ------------------------------------------------------------------------


def test_calls_are_spaced_evenly_and_time_that_passes_counts() -> None:
    budget = Budget(5)
    assert [budget.take(T0) for _ in range(2)] == [0, 0.2]
    assert budget.take(T0 + timedelta(seconds=0.3)) == pytest.approx(0.1)
    assert budget.take(T0 + timedelta(seconds=60)) == 0


def test_a_clock_that_is_set_back_makes_nobody_wait_for_long() -> None:
    budget = Budget(5)
    budget.take(T0)
    assert budget.take(T0 - timedelta(hours=1)) == PLANNED.total_seconds()


def test_no_call_is_planned_too_far_ahead_and_the_next_one_is_when_one_was_made() -> None:
    budget = Budget(1)
    waits = [budget.take(T0) for _ in range(100)]
    assert waits == [*range(17), *[None] * 83]
    assert budget.take(T0 + timedelta(seconds=1)) == PLANNED.total_seconds()
    assert budget.take(T0 + timedelta(seconds=1)) is None


def test_threads_that_take_calls_at_once_wait_for_one_another() -> None:
    budget = Budget(5)
    with ThreadPoolExecutor(4) as pool:
        waits = pool.map(budget.take, [T0] * 4)
    assert sorted(each for each in waits if each is not None) == pytest.approx([0, 0.2, 0.4, 0.6])


def test_who_waits_looks_whether_there_is_time_before_each_second_of_it() -> None:
    run = Run(notes={"planner": T0})
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        run.now += timedelta(seconds=seconds)

    def check_time() -> None:
        if run.now >= T0 + timedelta(seconds=5):
            raise TimeoutError

    reads = Reads(
        reader="direct",
        calls_per_second=5,
        note=run.put,
        seen=run.seen,
        clock=lambda: run.now,
        sleep=sleep,
    )
    with pytest.raises(TimeoutError):
        reads.wait(check_time)
    assert slept == [1, 1, 1, 1, 1]
    run.now = T0 + JOIN
    reads.wait()
    assert slept[5:] == [0]


def test_one_thread_looks_while_the_others_go_on_with_what_they_know_unless_that_is_old() -> None:
    run = Run()
    others_wait_s: list[float] = []

    def seen() -> dict[str, datetime]:
        if len(others_wait_s) == number:
            others_wait_s.append(reads.joining_s())  # of another thread, while this one looks
        return run.seen()

    reads = Reads(
        reader="direct",
        calls_per_second=5,
        note=run.put,
        seen=seen,
        clock=lambda: run.now,
        sleep=lambda _: None,
    )
    for number, after in enumerate((timedelta(0), LOOK, KNOWN)):  # noqa: B007  (for `seen`)
        run.now += after
        assert reads.joining_s() == 0
    assert others_wait_s == [LOOKING_S, 0, LOOKING_S]
