"""An object is measured as the reader of events reads it, in pieces of any size."""

import gzip
import hashlib
import io
import itertools
import tracemalloc
from datetime import UTC, datetime
from functools import partial

import pytest
from contracts.tests.corpus import MESSAGES, WITH_CR, messages
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts import gunzip
from logferry_contracts import measure as measure_module
from logferry_contracts.archive import events_of_object
from logferry_contracts.measure import Measured, measure
from logferry_contracts.window import Window

FROM_MS = 1_795_327_200_000
TO_MS = FROM_MS + 3_600_000
WINDOW = Window(from_ms=FROM_MS, to_ms=TO_MS, time_zone="Etc/UTC")


def line(at_ms: int, message: str) -> str:
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z {message}\n"


def measured(text: str | bytes) -> Measured:
    return measure_bytes(gzip.compress(text if isinstance(text, bytes) else text.encode()))


def measure_bytes(body: bytes) -> Measured:
    return measure(lambda: io.BytesIO(body), WINDOW)


def test_the_stored_bytes_are_hashed_and_counted() -> None:
    body = gzip.compress(line(FROM_MS, "a").encode())

    found = measure_bytes(body)

    assert (found.sha256, found.size_bytes) == (hashlib.sha256(body).hexdigest(), len(body))


def test_lines_and_events_are_counted_with_their_earliest_and_latest_time() -> None:
    found = measured(
        line(FROM_MS + 9, "a\nb\n\nc") + line(FROM_MS + 2, "") + line(FROM_MS + 5, "d")
    )

    assert (found.lines, found.events) == (6, 3)
    assert (found.first_ms, found.last_ms) == (FROM_MS + 2, FROM_MS + 9)


def test_what_is_before_the_window_or_not_before_its_end_is_outside() -> None:
    times = (FROM_MS - 1, FROM_MS, TO_MS - 1, TO_MS, TO_MS + 86_400_000)

    found = measured("".join(line(at_ms, "x") for at_ms in times))

    assert (found.events, found.events_outside_window) == (5, 3)
    assert (found.first_ms, found.last_ms) == (FROM_MS - 1, TO_MS + 86_400_000)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00.000Z no such day\n",
        "2026-11-22T24:00:00.000Z no such hour\n",
        "2026-11-22T06:00:00.000Znothing between\n",
        " 2026-11-22T06:00:00.000Z not at the beginning\n",
        "a\r2026-11-22T06:00:00.000Z nor there\n",
    ],
)
def test_a_line_that_begins_without_a_time_is_no_event(text: str) -> None:
    alone, beside = measured(text), measured(line(FROM_MS, "a") + text)

    assert (alone.lines, alone.events, alone.first_ms, alone.last_ms) == (1, 0, None, None)
    assert (beside.lines, beside.events, beside.last_ms) == (2, 1, FROM_MS)


def test_a_last_line_without_its_newline_counts() -> None:
    assert measured(line(FROM_MS, "a") + "b").lines == 2
    assert measured(line(FROM_MS, "")[:-1]).events == 1
    assert measured(line(FROM_MS, "")[:-2]).events == 0  # without the space after the time


def test_an_object_without_lines_has_none() -> None:
    found = measured("")

    assert (found.lines, found.events, found.gzip_fault) == (0, 0, None)


def test_a_line_that_holds_pointers_counts_once() -> None:
    two = '{"a":"@ptr.$[1]","b":"@ptr.$[2]"}'

    found = measured(line(FROM_MS, two) + line(FROM_MS, "@ptr.$(") + line(FROM_MS, "@ptr.$[") * 2)

    assert found.pointer_lines == 3


def test_several_members_and_zeros_after_them_are_whole() -> None:
    members = [gzip.compress(line(FROM_MS, text).encode()) for text in "ab"]

    found = measure_bytes(b"".join(members) + bytes(700))

    assert (found.events, found.gzip_members, found.gzip_fault) == (2, 2, None)
    assert found.is_gzip_complete


# Without a time: the tests' names, which have it in them, are the same in every process.
WHOLE = gzip.compress(line(FROM_MS, "x" * 99).encode(), mtime=0)


@pytest.mark.parametrize(
    ("body", "fault", "members"),
    [
        (b"", "0 bytes", 0),
        (WHOLE[:5], "cut off", 0),
        (WHOLE[:-1], "cut off", 0),
        (WHOLE + WHOLE[:-9], "cut off", 1),
        (WHOLE + WHOLE[:-9] + bytes(4), "cut off", 1),
        (b"Permission Check Successful", "incorrect header check", 0),
        (bytes(30), "incorrect header check", 0),
        (WHOLE + b"garbage", "after member 1: .*incorrect header check", 1),
        (WHOLE[:-8] + b"\xff" * 8, "incorrect data check", 0),
        (WHOLE[:-4] + b"\xff" * 4, "incorrect length check", 0),
        (WHOLE[:10] + b"\xff" * 20, "invalid", 0),
    ],
)
def test_what_is_wrong_with_the_end_is_a_fact(body: bytes, fault: str, members: int) -> None:
    found = measure_bytes(body)

    assert not found.is_gzip_complete
    assert found.gzip_members == members
    with pytest.raises(ValueError, match=fault):
        raise ValueError(found.gzip_fault)
    assert (found.sha256, found.size_bytes) == (hashlib.sha256(body).hexdigest(), len(body))


def test_what_was_unpacked_before_a_fault_is_counted() -> None:
    assert measure_bytes(WHOLE + b"garbage").events == 1
    assert measure_bytes(WHOLE[:-1]).events == 1


def test_what_the_file_raises_is_left_to_its_opener() -> None:
    class Broken(io.BytesIO):
        def read(self, amount: int | None = -1, /) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        measure(Broken, WINDOW)


class Trickling(io.BytesIO):
    """A download that hands out a few bytes at a time."""

    def read(self, amount: int | None = -1, /) -> bytes:
        return super().read(min(amount or 0, 3))


def test_what_is_counted_of_a_damaged_object_is_the_same_however_it_is_handed_out() -> None:
    body = gzip.compress(b"".join(line(FROM_MS + n, str(n)).encode() for n in range(9000)))
    damaged = body[:-2000] + b"\xff" * 2000

    assert measure(lambda: Trickling(damaged), WINDOW) == measure_bytes(damaged)


@pytest.mark.parametrize("at", [*range(0, 2000, 97), -1, -5])
def test_a_damaged_object_is_what_zlib_makes_of_it_and_a_whole_one_is_opened_once(at: int) -> None:
    body = gzip.compress(b"".join(line(FROM_MS + n, str(n)).encode() for n in range(900)), mtime=0)
    damaged = bytearray(body)
    damaged[at] ^= 16
    opened: list[io.BytesIO] = []

    def opening(data: bytes) -> Measured:
        opened.clear()
        return measure(lambda: opened.append(io.BytesIO(data)) or opened[-1], WINDOW)

    assert opening(body).is_gzip_complete
    assert [each.closed for each in opened] == [True]
    found = opening(bytes(damaged))
    assert [each.closed for each in opened] == [True] * (1 if found.is_gzip_complete else 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure_module, "HAS_ISAL", False)
        patch.setattr(measure_module, "Gunzip", partial(gunzip.Gunzip, by_zlib=True))
        assert opening(bytes(damaged)) == found


def test_an_object_is_measured_alike_wherever_its_text_is_cut() -> None:
    logged = [*MESSAGES[:-1], *WITH_CR, "a @ b $ c @ptr.$[x]", "a\n@ptr.$[x]\n@ptr.$[y]"]
    text = b"".join(line(FROM_MS + n, each).encode() for n, each in enumerate(logged))
    whole = measure_module._Lines(WINDOW)
    whole.add(text)

    for cut in range(len(text)):
        lines = measure_module._Lines(WINDOW)
        lines.add(text[:cut])
        lines.add(text[cut:])
        assert vars(lines) == vars(whole), cut


# What no line of an export has, and pieces cut amid: times, newlines and pointers.
_TEXT = st.one_of(
    messages(),
    st.sampled_from([*MESSAGES, *WITH_CR, "@ptr.$[x]", "a\n@ptr.$[x]\n@ptr.$[y]", "2026-02-29T"]),
)


@settings(derandomize=True, database=None)
@given(
    st.sampled_from([1, 7, 30, 4096]),
    st.lists(st.tuples(st.integers(FROM_MS - 1, TO_MS), _TEXT), max_size=8),
)
def test_any_object_is_measured_as_its_events_are_read(
    piece_bytes: int, logged: list[tuple[int, str]]
) -> None:
    text = "".join(line(at_ms, message) for at_ms, message in logged)
    body = gzip.compress(text.encode(errors="replace"))
    read = list(events_of_object("p/t/s/000000.gz", io.BytesIO(body)))
    lines = gzip.decompress(body).split(b"\n")[:-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure_module, "PIECE_BYTES", piece_bytes)
        patch.setattr(measure_module, "_UNPACKED_BYTES", piece_bytes)
        found = measure_bytes(body)

    times = [each.at_ms for each in read]
    assert (found.lines, found.events) == (len(lines), len(read))
    assert found.pointer_lines == sum(b"@ptr.$[" in each for each in lines)
    assert found.events_outside_window == sum(not FROM_MS <= at < TO_MS for at in times)
    assert (found.first_ms, found.last_ms) == (min(times, default=None), max(times, default=None))


class Made:
    """An object that is made while it is read: one piece over and over."""

    def __init__(self, piece: bytes, times: int) -> None:
        self._pieces = itertools.repeat(piece, times)
        self._rest = b""

    def close(self) -> None:
        pass

    def read(self, amount: int, /) -> bytes:
        self._rest = self._rest or next(self._pieces, b"")
        taken, self._rest = self._rest[:amount], self._rest[amount:]
        return taken


def peak_bytes(made: Made) -> tuple[Measured, int]:
    tracemalloc.start()
    try:
        return measure(lambda: made, WINDOW), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


_EVENTS = gzip.compress(b"".join(line(FROM_MS + n, "x" * 200).encode() for n in range(1000)))


@pytest.mark.parametrize(
    "times", [pytest.param(20), pytest.param(2000, marks=pytest.mark.deep)], ids=str
)
def test_memory_stays_flat_however_many_events_there_are(times: int) -> None:
    found, peak = peak_bytes(Made(_EVENTS, times))

    assert (found.events, found.gzip_members, found.gzip_fault) == (1000 * times, times, None)
    assert peak < 8_000_000


def test_memory_stays_flat_however_long_a_line_is_and_however_little_it_is_packed_to() -> None:
    bomb = gzip.compress(bytes(64_000_000), compresslevel=1)

    found, peak = peak_bytes(Made(bomb, 1))

    assert (found.lines, found.events, found.gzip_fault) == (1, 0, None)
    assert peak < 8_000_000
