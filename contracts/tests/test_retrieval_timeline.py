"""What waits for its time is given out in order, from memory and from files."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts.retrieval.timeline import Timeline


class Thing(NamedTuple):
    at_ms: int
    number: int
    size_bytes: int = 10


@settings(derandomize=True, deadline=None, database=None)
@given(
    st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=6),
    st.booleans(),
    st.sampled_from([5, 40, 1000]),
)
def test_it_sorts_whatever_the_memory(
    some: list[list[int]],
    newest_first: bool,  # noqa: FBT001  (given)
    kept_bytes: int,
) -> None:
    timeline = Timeline[Thing](newest_first=newest_first, kept_bytes=kept_bytes)
    number = 0
    things: list[Thing] = []
    given_out: list[Thing] = []
    sign = -1 if newest_first else 1
    for times in some:
        new = [Thing(at_ms, number + n) for n, at_ms in enumerate(times)]
        number += len(new)
        # Nothing comes any more that is before what was given out.
        reached = max((sign * each.at_ms for each in given_out), default=-100)
        new = [each for each in new if sign * each.at_ms >= reached]
        things += new
        timeline.add(new)
        given_out += timeline.until(sign * (reached + 10))
    given_out += timeline.until(None)
    in_time = [sign * each.at_ms for each in given_out]
    assert sorted(given_out) == sorted(things)
    assert in_time == sorted(in_time)


def test_what_happened_at_once_stays_in_its_order() -> None:
    for newest_first in (True, False):
        timeline = Timeline[Thing](newest_first=newest_first, kept_bytes=25)
        timeline.add(Thing(7, n) for n in range(9))
        assert [each.number for each in timeline.until(None)] == list(range(9))
