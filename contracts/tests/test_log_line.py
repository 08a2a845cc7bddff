"""What lines begin with is found for many at once as it is line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts.log_line import STAMP_LENGTH, Begun, begins_event, begun

TIMES = [
    "2026-11-22T06:00:00.000Z",
    "2026-11-22T06:59:59.999Z",
    "2026-11-22T19:10:09.010Z",
    "2026-11-22T23:00:00.000Z",
    "2026-11-23T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
]
NO_TIMES = [
    "0999-11-22T06:00:00.000Z",
    "2026-02-30T06:00:00.000Z",
    "2026-11-22T24:00:00.000Z",
    "2026-11-22T29:00:00.000Z",
    "2026-11-22T06:60:00.000Z",
    "2026-11-22T06:00:60.000Z",
    "2026-11-22T06:00:00,000Z",
    "2026-11-22 06:00:00.000Z",
    "2026-11-22T06:00:00.000+",
    "2026-11-22T0\u0661:00:00.000Z",
    "404 not found, for 26 letters",
    "404",
    "\tat Main",
    "Traceback (most recent call last):",
    "{",
    "",
]
LINES = st.builds(
    "{}{}{}".format, st.sampled_from(TIMES), st.just(" "), st.text("ab \r", max_size=3)
)
OTHERS = st.builds("{}{}".format, st.sampled_from(NO_TIMES), st.sampled_from(["", " ", " a"]))
CUT_OFF = st.builds(
    lambda time, at: time[:at], st.sampled_from(TIMES), st.integers(0, STAMP_LENGTH)
)


def one_by_one(text: bytes) -> Begun:
    _, *lines = text.split(b"\n")
    found = [b"\n" + each[: STAMP_LENGTH + 1] for each in lines if begins_event(each, 0)]
    return Begun(len(lines), sorted(found))


@given(st.lists(LINES | OTHERS | CUT_OFF, max_size=12), st.integers(0, 30))
def test_lines_begin_as_they_do_one_by_one(lines: list[str], cut: int) -> None:
    text = "\n".join(["goes on", *lines]).encode()
    text = text[: len(text) - cut]

    assert begun(text) == one_by_one(text)


@pytest.mark.parametrize("other", NO_TIMES)
def test_a_single_line_without_a_time_among_others_is_no_event(other: str) -> None:
    text = "".join(f"\n{each} a" for each in (*TIMES[:3], other, *TIMES[:3])).encode()

    assert begun(text) == one_by_one(text)
    assert len(begun(text).beginnings) == 6
