"""A list that is found in order as a whole is one in which nothing is found line by line."""

import re
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise

import pytest
from contracts.tests.sealed_archive import DAY_MS, HOUR_MS, START_MS, Archive, checked
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.seal_key import StatementName, leaves_key
from logferry_contracts.seal_leaf import Leaf, LeafList, place
from logferry_contracts.verification.at_once import is_in_order
from logferry_contracts.verification.chain import Link
from logferry_contracts.verification.findings import Finding
from logferry_contracts.verification.leaves import Leaves, check_list
from logferry_contracts.window import Window

SALT = "5e" * 16
COVERS = Window(from_ms=START_MS, to_ms=START_MS + DAY_MS)
EACH_LIST = settings(derandomize=True, deadline=None, database=None, max_examples=150)

HOURS = st.sampled_from([[0, 24], [0, 12, 24], [0, 5, 6, 24], [*range(25)]])
OTHER_HOURS = st.sampled_from([[0, 23], [1, 24], [0, 25], [0, 6, 5, 24], [0, 0, 24], [24, 24]])
NAMES = st.sampled_from(["/aws/lambda/a", "/a", "a", "!", "a/b", "/", "/a/b", "/a#_.-B9"])
DAYS = st.dictionaries(NAMES, HOURS | OTHER_HOURS, max_size=6)


@dataclass(frozen=True)
class Listed:
    """A list, and what its seal says of it."""

    text: bytes
    sealed: SealedWindows

    def found(self) -> list[Finding]:
        """Return what is found line by line."""
        archive = Archive()
        archive.bucket.put(leaves_key(archive.chain, self.sealed.leaves_sha256), self.text)
        seal = archive.next_seal("day", sealed=self.sealed)
        link = Link.of("seal", 1, "0" * 64, seal)
        leaves = Leaves(archive.bucket, archive.chain, self.sealed)
        return list(check_list(leaves, link, self.sealed))

    def is_in_order(self, piece_bytes: int = 64 * 1024) -> bool:
        text = self.text
        pieces = (text[at : at + piece_bytes] for at in range(0, len(text), piece_bytes))
        return is_in_order(pieces, self.sealed)


def listed(leaves: list[Leaf]) -> Listed:
    counted = LeafList(SALT)
    for leaf in leaves:
        counted.count_line(leaf.line(), leaf)
    text = b"".join(leaf.line() for leaf in leaves)
    return Listed(text, sealed(text, counted.count, counted.root_sha256))


def sealed(text: bytes, count: int, root_sha256: str) -> SealedWindows:
    return SealedWindows(
        date="2026-11-21",
        time_zone="Etc/UTC",
        covers=COVERS,
        profiles=["shop-prod"],
        is_late=False,
        name_salt=SALT,
        leaf_count=count,
        root_sha256=root_sha256,
        leaves_sha256=sha256(text).hexdigest(),
        outcomes={"skipped": count},
        objects=0,
        events=0,
        stored_bytes=0,
    )


def leaves_of_day(hours: dict[str, list[int]], *, are_sorted: bool = True) -> list[Leaf]:
    names = [
        StatementName(
            name,
            Window(from_ms=START_MS + start * HOUR_MS, to_ms=START_MS + end * HOUR_MS),
            sha256(f"{name} {start}".encode()).hexdigest(),
        )
        for name, edges in hours.items()
        for start, end in pairwise(edges)
        if start < end
    ]
    if are_sorted:
        names.sort(key=lambda each: place(SALT, each))
    return [Leaf(statement=str(each)) for each in names]


@EACH_LIST
@given(st.dictionaries(NAMES, HOURS, min_size=1, max_size=6))
def test_what_the_sealer_writes_of_a_day_is_in_order_as_a_whole(
    hours: dict[str, list[int]],
) -> None:
    written = listed(leaves_of_day(hours))

    assert written.is_in_order()
    assert written.found() == []


@EACH_LIST
@given(DAYS, st.sampled_from(["in order", "as they come"]), st.integers(0, 2))
def test_what_is_in_order_as_a_whole_is_so_line_by_line(
    hours: dict[str, list[int]], order: str, twice: int
) -> None:
    leaves = leaves_of_day(hours, are_sorted=order == "in order")
    written = listed(leaves + leaves[:twice])

    assert not written.is_in_order() or written.found() == []


@EACH_LIST
@given(
    st.dictionaries(NAMES, HOURS, min_size=1, max_size=3),
    st.data(),
    st.binary(max_size=2),
    st.integers(0, 2),
)
def test_a_list_that_is_changed_anywhere_is_not_in_order_as_a_whole(
    hours: dict[str, list[int]], data: st.DataObject, put: bytes, removed: int
) -> None:
    written = listed(leaves_of_day(hours))
    at = data.draw(st.integers(0, len(written.text)))
    text = written.text[:at] + put + written.text[at + removed :]

    changed = replace(written, text=text)
    is_same = text == written.text
    assert changed.is_in_order() == is_same

    resealed = replace(
        changed, sealed=sealed(text, written.sealed.leaf_count, written.sealed.root_sha256)
    )
    assert resealed.is_in_order() == is_same


@pytest.mark.parametrize("field", ["leaf_count", "root_sha256", "name_salt"])
def test_a_list_of_which_its_seal_says_something_else_is_not_in_order(field: str) -> None:
    written = listed(leaves_of_day({"/a": [0, 24], "/b": [0, 24]}))
    other = {"leaf_count": 3, "root_sha256": "0" * 64, "name_salt": "0" * 32}[field]

    changed = replace(written, sealed=written.sealed.model_copy(update={field: other}))

    assert not changed.is_in_order()
    assert changed.found()


@pytest.mark.parametrize("edges", [[0, 24], [0, 5, 24]])
@pytest.mark.parametrize("between", [b"_", b"0", b"/"])
def test_windows_that_no_leaf_has_are_not_in_order(edges: list[int], between: bytes) -> None:
    written = listed(leaves_of_day({"/a": edges}))
    found = re.search(rb"/[0-9]{15}-", written.text)
    assert found
    text = written.text[: found.end() - 1] + between + written.text[found.end() :]

    resealed = sealed(text, written.sealed.leaf_count, written.sealed.root_sha256)

    assert not Listed(text, resealed).is_in_order()


def test_an_empty_list_is_left_to_be_read_line_by_line() -> None:
    written = listed([])

    assert not written.is_in_order()
    assert written.found() == []


def test_ordinary_dates_are_read_once_and_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive()
    archive.days(3, ["/a", "/b", "c"])
    monkeypatch.setattr(Leaves, "lines", lambda *_: pytest.fail("line by line"))

    assert checked(archive) == []
    lists = {key: times for key, times in archive.bucket.opened.items() if "/leaves/" in key}
    assert set(lists.values()) == {1}
    assert len(lists) == 3


@pytest.mark.parametrize(
    ("number", "piece_bytes"),
    [(20, 1), (383, 97), (384, 97), (385, 97), (385, 1000), (900, 1000), (900, 10**6)],
)
def test_a_long_list_is_found_in_order_block_by_block(number: int, piece_bytes: int) -> None:
    hours = {f"/app/{n}": [0, 24] if n % 3 else [0, 5, 24] for n in range(number)}
    written = listed(leaves_of_day(hours))

    assert written.is_in_order(piece_bytes)
    lines = written.text.splitlines(keepends=True)
    for at in (0, len(lines) // 2, len(lines) - 1):
        one_less = b"".join(lines[:at] + lines[at + 1 :])
        assert not replace(written, text=one_less).is_in_order(piece_bytes)
