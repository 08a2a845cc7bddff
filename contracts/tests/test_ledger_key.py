"""Where the records of the ledger are, and what their keys say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts.export import MISSING_TRIES, export_id, tries_there
from logferry_contracts.ledger_key import (
    LEDGER,
    asked_key,
    beside_recounts,
    days_of_looks,
    inventories_from,
    inventories_prefix,
    inventory_key,
    inventory_planned_at,
    late_key,
    ledger_key,
    ledger_prefix,
    looks_prefix,
    manifest_key,
    not_added_key,
    source_prefix,
    split_key,
    starting_at,
    window_of,
    windows_of,
)
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

SOURCE = SourceName(profile="shop-prod", account_id="111122223333", region="eu-central-1")
WINDOW = Window(from_ms=1795215600000, to_ms=1795302000000)
LAST_MS = 253_402_300_799_999

TIMES = st.integers(0, LAST_MS)
WINDOWS = (
    st.tuples(TIMES, TIMES)
    .map(sorted)
    .filter(lambda edges: edges[0] < edges[1])
    .map(lambda edges: Window(from_ms=edges[0], to_ms=edges[1]))
)
EXPORT_IDS = st.text("0123456789abcdef", min_size=32, max_size=32)


def test_records_of_one_source_and_window_lie_together() -> None:
    prefix = ledger_prefix(SOURCE, WINDOW)

    assert prefix == "ledger/111122223333/eu-central-1/001795215600000-001795302000000/"
    assert ledger_key(SOURCE, WINDOW, "ab" * 16) == f"{prefix}{'ab' * 16}.json"
    assert manifest_key(SOURCE, WINDOW, "ab" * 16) == (
        f"manifest/111122223333/eu-central-1/001795215600000-001795302000000/{'ab' * 16}.json"
    )
    assert prefix.startswith(source_prefix(SOURCE))
    assert source_prefix(SOURCE).startswith(LEDGER)


@given(window=WINDOWS, export_id=EXPORT_IDS)
def test_a_key_says_which_export_of_which_window_it_is_of(window: Window, export_id: str) -> None:
    prefix, of_key = split_key(ledger_key(SOURCE, window, export_id))

    assert (window_of(prefix), of_key) == (window, export_id)
    assert ledger_prefix(SOURCE, window_of(prefix)) == prefix


@given(window=WINDOWS, days=st.sets(st.integers(1, 999_999)))
def test_it_is_known_after_how_many_days_looks_were_made(window: Window, days: set[int]) -> None:
    there = [looks_prefix(SOURCE, window, each) for each in days]
    others = [
        key.rpartition("/")[0] + "/"
        for key in (
            asked_key(SOURCE, window, "ab" * 16, "2026-11-26T02:12:00.000Z"),
            not_added_key(SOURCE, window, "ab" * 16, "2026-11-26T02:12:00.000Z"),
            late_key(SOURCE, window, "ab" * 16),
        )
    ]
    assert days_of_looks([*there, *others, f"{beside_recounts(SOURCE, window)}03/"]) == sorted(days)
    assert all(each.startswith(beside_recounts(SOURCE, window)) for each in there)


@given(first=WINDOWS, second=WINDOWS)
def test_keys_are_in_the_order_of_their_windows(first: Window, second: Window) -> None:
    prefixes = [ledger_prefix(SOURCE, window) for window in (first, second)]

    edges = [(window.from_ms, window.to_ms) for window in (first, second)]
    assert (prefixes[0] < prefixes[1]) == (edges[0] < edges[1])
    assert len(prefixes[0]) == len(prefixes[1])


@given(window=WINDOWS, from_ms=TIMES)
def test_a_listing_that_starts_at_a_time_has_the_windows_from_then_on(
    window: Window, from_ms: int
) -> None:
    is_listed = starting_at(SOURCE, from_ms) < ledger_prefix(SOURCE, window)

    assert is_listed == (window.from_ms >= from_ms)


@given(planned_at_ms=TIMES, from_ms=TIMES)
def test_a_listing_that_starts_at_a_time_has_the_inventories_from_then_on(
    planned_at_ms: int, from_ms: int
) -> None:
    key = inventory_key(SOURCE, planned_at_ms, "plan")

    assert key.startswith(inventories_prefix(SOURCE))
    assert (inventories_from(SOURCE, from_ms) < key) == (planned_at_ms >= from_ms)


FOREIGN = [
    *("", "/", "ledger/", source_prefix(SOURCE), ledger_prefix(SOURCE, WINDOW)[:-1]),
    ledger_key(SOURCE, WINDOW, "ab" * 16),
    ledger_prefix(SOURCE, WINDOW) + "\n",
    f"{source_prefix(SOURCE)}notes/",
    f"{source_prefix(SOURCE)}1795215600000-1795302000000/",
    f"{source_prefix(SOURCE)}001795302000000-001795215600000/",  # ends before it starts
    f"{source_prefix(SOURCE)}001795302000000-999999999999999/",  # after the year 9999
    f"{source_prefix(SOURCE)}00179521560000٣-001795302000000/",
]


@pytest.mark.parametrize("prefix", FOREIGN)
def test_what_somebody_else_has_put_there_is_no_window(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"prefix|Window"):
        window_of(prefix)


def test_the_windows_of_a_listing_are_those_that_services_wrote() -> None:
    later = Window(from_ms=WINDOW.to_ms, to_ms=WINDOW.to_ms + 1)
    listed = [ledger_prefix(SOURCE, WINDOW), *FOREIGN, ledger_prefix(SOURCE, later)]

    assert list(windows_of(listed)) == [WINDOW, later]


@pytest.mark.parametrize(
    ("below", "planned_at_ms"),
    [
        ("000001795215600000-x.jsonl", None),
        ("001795215600000-ab12.jsonl", 1_795_215_600_000),
        ("001795215600000-ab12.jsonl.bak", None),
        ("001795215600000-ab12/x.jsonl", None),
        ("old/", None),
        ("", None),
    ],
)
def test_what_is_no_inventory_is_told_by_its_key(below: str, planned_at_ms: int | None) -> None:
    assert inventory_planned_at(SOURCE, f"{inventories_prefix(SOURCE)}{below}") == planned_at_ms


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ((), []),
        ((1, 3), [1, 3]),
        ((2,), [2]),
        ((1, MISSING_TRIES + 2), [1]),
        ((1, 20, 21), [1, 20, 21]),
    ],
)
def test_tries_are_found_past_those_that_somebody_has_removed(
    there: tuple[int, ...], found: list[int]
) -> None:
    window = Window(from_ms=0, to_ms=1)
    names = {export_id(SOURCE, "/app", window, each) for each in there}
    assert [each for each, _ in tries_there(names, SOURCE, "/app", window)] == found
