"""The reader has the events that 0.2.0's had, to the byte, wherever its pieces are cut."""

import gzip
import io
from collections.abc import Iterator

import pytest
from benchmarks.baselines import archive_0_2_0
from contracts.tests.corpus import MESSAGES, WITH_CR, messages
from contracts.tests.test_archive import FROM_MS, exported, key, line
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts import archive
from logferry_contracts.archive import ArchiveError, events, events_of_object

AS_BEFORE = settings(derandomize=True, deadline=None, database=None, max_examples=300)
# What CloudWatch Logs does not write, and somebody may put over what it wrote.
_TEXT = st.one_of(
    messages(),
    st.sampled_from(
        ["\n2026-11-22T06:00:00.000Z", "\n2026-02-30T06:00:00.000Z no day", "Z ", "\r\n", ""]
    ),
    st.binary(max_size=9).map(lambda raw: raw.decode("latin-1")),
)
_LINES = st.lists(
    st.one_of(
        st.tuples(st.integers(FROM_MS, FROM_MS + 99_999), _TEXT).map(lambda one: line(*one)), _TEXT
    ),
    max_size=8,
)


def text_of(lines: list[str]) -> bytes:
    return "".join(lines).encode("utf-8", "surrogateescape")


def told(read: Iterator[tuple[int, str, str, str]]) -> tuple[list[tuple[int, str, str, str]], bool]:
    """Return the events up to an error, and whether there was one."""
    found = []
    try:
        for each in read:
            found.append(tuple(each))  # noqa: PERF401  (kept where the rest cannot be read)
    except (ArchiveError, archive_0_2_0.ArchiveError):
        return found, True  # type: ignore[return-value]
    return found, False  # type: ignore[return-value]


def assert_as_before(body: bytes) -> None:
    now = told(events_of_object(key("a"), io.BytesIO(body)))
    before = told(archive_0_2_0.events_of_object(key("a"), io.BytesIO(body)))
    assert now == before


@AS_BEFORE
@given(
    st.sampled_from([1, 2, 3, 7, 26, 27, 100]),
    _LINES,
    st.sampled_from([b"", line(FROM_MS, "first").encode()]),
    st.binary(max_size=3),
)
def test_any_text_is_read_as_before_in_pieces_of_any_size(
    piece_bytes: int, lines: list[str], begin: bytes, end: bytes
) -> None:
    body = gzip.compress(begin + text_of(lines) + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "_UNPACKED_BYTES", piece_bytes)
        assert_as_before(body)


def test_all_that_cloudwatch_logs_takes_is_read_as_before_cut_at_every_byte() -> None:
    short = [text for text in (*MESSAGES, *WITH_CR) if len(text) < 1000]
    text = b"".join(line(FROM_MS + n, each).encode() for n, each in enumerate(short))
    text = text.replace(b"NULL", b"\xff\xc3 \xe2\x82")
    body = gzip.compress(text)
    before = told(archive_0_2_0.events_of_object(key("a"), io.BytesIO(body)))
    assert len(before[0]) == len(short)

    for cut in range(len(text) + 1):
        reading = archive._Reading()
        pieces = iter([text[:cut], text[cut:]])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archive, "_texts", lambda _, pieces=pieces: pieces)
            whole = archive._Whole(key("a"), io.BytesIO())
            found = [tuple(each) for each in (*reading.events(whole), *reading.last())]
        assert found == before[0], cut


@AS_BEFORE
@given(st.lists(_LINES, min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_objects_are_put_together_as_before(
    objects: list[list[str]], are_ended: list[bool]
) -> None:
    files = {
        key("a" if number < 2 else "b", number): text_of(lines).removesuffix(
            b"" if is_ended else b"\n"
        )
        for number, (lines, is_ended) in enumerate(zip(objects, are_ended, strict=False))
    }
    completed, opened = exported({name: gzip.compress(text) for name, text in files.items()})

    assert told(events(completed, opened)) == told(archive_0_2_0.events(completed, opened))
