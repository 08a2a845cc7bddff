"""Gzip is unpacked to the same by ISA-L, zlib and Python's gzip, and found whole by all or none."""

import gzip
import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts import gunzip
from logferry_contracts.gunzip import Gunzip

ALIKE = settings(derandomize=True, deadline=None, database=None, max_examples=200)
TEXTS = st.one_of(
    st.binary(max_size=60),
    st.text("abc \n", max_size=300).map(lambda text: text.encode() * 20),
    st.integers(0, 3000).map(lambda size: b"2026-11-22T06:00:00.000Z hello\n" * (size // 10)),
)
MEMBERS = st.lists(st.tuples(TEXTS, st.integers(0, 9)), min_size=1, max_size=3)
PIECES = st.sampled_from([1, 2, 3, 7, 100, 4096])


def packed(members: list[tuple[bytes, int]]) -> bytes:
    return b"".join(gzip.compress(text, level, mtime=0) for text, level in members)


def unpacked(
    data: bytes, piece_bytes: int, *, by_zlib: bool, at_once: int = 1000
) -> tuple[bytes, int, bool]:
    """Return the text, how many members were whole, and whether all is."""
    unpacking, text = Gunzip(at_once, by_zlib=by_zlib), b""
    for at in range(0, len(data), piece_bytes):
        text += b"".join(unpacking.texts(data[at : at + piece_bytes]))
    return text, unpacking.members, unpacking.fault() is None


def by_python(data: bytes) -> bytes | None:
    """Return what Python's own gzip reads; None where it refuses something."""
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(data)).read() if data else None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return None


def test_isa_l_is_installed_where_tests_run() -> None:
    assert gunzip.HAS_ISAL


@ALIKE
@given(MEMBERS, PIECES, st.integers(0, 700))
def test_all_members_are_read_whatever_zeros_follow(
    members: list[tuple[bytes, int]], piece_bytes: int, zeros: int
) -> None:
    whole = (b"".join(text for text, _ in members), len(members), True)

    for by_zlib in (False, True):
        assert unpacked(packed(members) + bytes(zeros), piece_bytes, by_zlib=by_zlib) == whole


@ALIKE
@given(MEMBERS, PIECES, st.data())
def test_one_that_is_cut_off_gives_the_same_up_to_its_end(
    members: list[tuple[bytes, int]], piece_bytes: int, data: st.DataObject
) -> None:
    whole = packed(members)
    cut = whole[: data.draw(st.integers(0, len(whole)))]

    quick = unpacked(cut, piece_bytes, by_zlib=False)

    assert quick == unpacked(cut, piece_bytes, by_zlib=True)
    assert by_python(cut) == (quick[0] if quick[2] else None)


@ALIKE
@given(MEMBERS, PIECES, st.binary(min_size=1, max_size=30))
def test_what_follows_the_last_member_is_found_by_both(
    members: list[tuple[bytes, int]], piece_bytes: int, garbage: bytes
) -> None:
    followed = packed(members) + garbage

    quick = unpacked(followed, piece_bytes, by_zlib=False)

    assert quick == unpacked(followed, piece_bytes, by_zlib=True)
    assert by_python(followed) == (quick[0] if quick[2] else None)


@ALIKE
@given(MEMBERS, PIECES, st.data())
def test_whatever_byte_is_changed_both_find_it_whole_or_both_do_not(
    members: list[tuple[bytes, int]], piece_bytes: int, data: st.DataObject
) -> None:
    changed = bytearray(packed(members))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    quick = unpacked(bytes(changed), piece_bytes, by_zlib=False)
    exact = unpacked(bytes(changed), piece_bytes, by_zlib=True)

    assert quick[1:] == exact[1:]
    assert quick[0] == exact[0] or not exact[2]


@pytest.mark.parametrize("at_once", [1, 7, 100, 10**6])
@pytest.mark.parametrize("cut", [0, 1, 8, 9, 12, 20])
def test_nothing_is_held_back_however_little_is_unpacked_at_a_time(at_once: int, cut: int) -> None:
    text = b"".join(b"2026-11-22T06:00:00.000Z %d\n" % (n % 7) for n in range(300))
    packed = gzip.compress(text, mtime=0)
    body = packed[: len(packed) - cut]

    quick = unpacked(body, 4096, by_zlib=False, at_once=at_once)

    assert quick == unpacked(body, 4096, by_zlib=True, at_once=at_once)
    assert quick == unpacked(body, 4096, by_zlib=True, at_once=10**6)
    assert quick[0] == text or cut > 8


@pytest.mark.parametrize("flags", [2, 4, 8, 16, 24, 32, 64, 128])
def test_a_header_that_is_not_plain_is_read_as_zlib_reads_it(flags: int) -> None:
    plain = gzip.compress(b"a\n", mtime=0)
    flagged = plain[:3] + bytes([flags]) + plain[4:10] + b"\x02\x00ab\x00c\x00" + plain[10:]

    assert unpacked(flagged, 4096, by_zlib=False) == unpacked(flagged, 4096, by_zlib=True)


def test_zlib_stands_in_where_isa_l_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(name)

    monkeypatch.setattr(gunzip, "igzip_lib", Forbidden())

    assert unpacked(gzip.compress(b"a\n"), 4096, by_zlib=True) == (b"a\n", 1, True)
