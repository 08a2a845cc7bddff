"""An index of tokens rules out no object that has what is searched for."""

import io
import random
from collections.abc import Iterable, Mapping

import pytest
from contracts.tests.retrieving import lines, messages, sealed, searched
from contracts.tests.sealed_archive import START_MS
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts.retrieval.pattern import Pattern
from logferry_contracts.retrieval.token_index import (
    DamagedIndexError,
    Known,
    Pairs,
    TokenIndex,
    Unit,
)
from logferry_contracts.retrieval.tokens import SLOT_BITS, slots

ALIKE = settings(derandomize=True, deadline=None, database=None, max_examples=300)
PARTS = (
    "0123456789",
    "7f3a0c11abcd",
    "Abcdefghij",
    "10",
    "255",
    "1024",
    "2001",
    "dB8",
    "x",
    "é",
    "\u212a",
)
BETWEEN = (".", ":", "-", " ", "=", "")
ODD = st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(BETWEEN)), min_size=1, max_size=9)


def written(
    units: Mapping[Unit, Iterable[int]],
    before: TokenIndex | None = None,
    statements: dict[bytes, list[Unit]] | None = None,
) -> bytes:
    pairs, file = Pairs(), io.BytesIO()
    if before is not None:
        pairs.add_index(before)
    for unit, of in units.items():
        pairs.add(unit, of)
    for sha256, of_it in (statements or {}).items():
        pairs.add_statement(sha256, len(of_it), of_it)
    pairs.write(file)
    pairs.close()
    return file.getvalue()


def read(data: bytes) -> TokenIndex:
    return TokenIndex(lambda begin, count: data[begin : begin + count])


def unit(number: int, objects: int = 1) -> Unit:
    return tuple(bytes([number, n]) * 16 for n in range(objects))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("7f3a0c11-2b34-4c5d-8e9f-0123456789ab", "0123456789AB"),
        ("client 10.0.3.17.", "10.0.3.17"),
        ("10.0.3.17:8080", "10.0.3.17"),
        ("[2001:db8::1]", "2001:DB8::1"),
        ("2026-11-22T06:00:00.000Z GET /orders/12345 controller", ""),
    ],
)
def test_tokens_are_long_ids_and_addresses(text: str, same: str) -> None:
    assert slots(text.encode()) == slots(same.encode())


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("9.10.0.3.17.8 and", "10.0.3.17"),
        ("[::ffff:2001:db8::1%eth0]", "2001:db8::1"),
        ("req-0123456789a-7f3a0c11abcdef", "0123456789a"),
        ("0123456789A", "0123456789a"),
    ],
)
def test_what_is_next_to_an_id_hides_none_of_its_tokens(text: str, id_: str) -> None:
    assert slots(id_.encode())
    assert slots(id_.encode()) <= slots(text.encode())


@ALIKE
@given(parts=ODD, begin=st.integers(0, 8), count=st.integers(1, 9), ignores_case=st.booleans())
def test_whatever_an_id_is_found_in_has_its_tokens(
    *, parts: list[tuple[str, str]], begin: int, count: int, ignores_case: bool
) -> None:
    flat = [each for pair in parts for each in pair]
    begin %= len(parts)
    text = "".join(flat[2 * begin :][: 2 * count - 1])
    message = "".join(flat)
    pattern = Pattern(
        text.swapcase() if ignores_case else text, ignores_case=ignores_case, is_id=True
    )
    whole = f"2026-11-22T06:00:00.000Z {message}\n".encode()
    found = bool(pattern.has(message))
    if pattern.is_quick:
        assert bool(list(pattern.places(whole, 0, len(whole)))) == found
    if found:
        assert slots(pattern.text.encode()) <= slots(whole)


def test_an_id_is_found_whole_alone() -> None:
    archive = sealed(
        {
            "web/000000": lines(
                *((START_MS + n, m) for n, m in enumerate(["a 12", "a 123", "x12", "(12)"]))
            )
        }
    )
    for context in (0, 1):
        found, _ = searched(archive, Pattern("12", is_id=True), context=context)
        assert messages(found) == ["a 12", "(12)"]


@pytest.mark.parametrize("text", ["", "two\nlines", "\\x00"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        Pattern(text, is_id=True)


@pytest.mark.parametrize(("units", "most"), [(1, 0), (1, 3), (3, 40), (40, 60)])
def test_an_index_has_all_pairs_and_few_others(units: int, most: int) -> None:
    drawn = random.Random(units)  # noqa: S311  (no secret)
    of = {unit(n): {drawn.getrandbits(SLOT_BITS) for _ in range(most)} for n in range(units)}
    index = read(written(of))
    for number, one in enumerate(index.units):
        assert all(number in index.having(slot) for slot in of[one])
    assert sum(map(len, index.pairs())) == sum(map(len, of.values()))


def test_slots_that_all_units_have_are_kept_apart() -> None:
    everything = {0, 1, 2, (1 << SLOT_BITS) - 1}
    index = read(written({unit(n): everything for n in range(20)}))
    assert [index.having(slot) for slot in everything] == [set(range(20))] * 4
    assert index.having(3) == set()


def test_the_same_units_give_the_same_bytes_in_whatever_order_they_come() -> None:
    of = {unit(n): {n, 7, 1 << 20} for n in range(9)}
    at_once = written(of)
    first = dict(list(of.items())[5:])
    rest = dict(list(of.items())[:5])
    assert written(rest, read(written(first))) == at_once


def test_a_unit_is_known_by_any_of_its_objects_that_follow_each_other() -> None:
    three = unit(1, 3)
    index = read(written({three: {1}, unit(2): {2}}))
    assert index.number(three[1:]) == index.number(three) == 0
    assert index.number((three[0], three[2])) is None
    assert index.number((*three, unit(2)[0])) is None
    assert index.number(unit(3)) is None


def test_an_index_knows_whose_objects_its_units_are() -> None:
    one, other = bytes([9]) * 32, bytes([8]) * 32
    units = [unit(3), unit(1, 2), unit(2)]
    said = {one: units[:2], other: [units[2], units[0]]}
    data = written({each: {7} for each in units}, statements=said)
    index = read(data)
    assert index.statements == {one: Known(2, (0, 2)), other: Known(2, (1, 2))}
    assert [index.units[n] for n in (0, 2)] == [units[1], units[0]]
    added = read(written({units[2]: {7}}, statements={other: [units[2]]}))
    rest = {each: {7} for each in units[:2]}
    assert written(rest, added, said) == data


def test_an_index_that_is_damaged_or_cut_off_anywhere_rules_out_nothing() -> None:
    of = {unit(n): {n, 7} for n in range(2)}
    data = written(of, statements={bytes(32): list(of)})
    for at in range(len(data)):
        for damaged in (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], data[:at]):
            try:
                index = read(damaged)
                assert index.having(7) == {0, 1}
                assert index.statements == {bytes(32): Known(2, (0, 1))}
            except DamagedIndexError:
                continue
