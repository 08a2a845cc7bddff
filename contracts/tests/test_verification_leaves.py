"""Each attack on what seals cover, on their leaves and on statements is found and named."""

import json
from hashlib import sha256
from typing import Any

import pytest
from contracts.tests.sealed_archive import (
    HOUR_MS,
    LEVELS,
    START_MS,
    Archive,
    checked,
    errors,
    leaves_of,
    told,
)

from logferry_contracts.seal_key import leaves_key
from logferry_contracts.seal_leaf import Leaf, LeafList, name_sha256
from logferry_contracts.statement import CONTRADICTED, Difference
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.findings import SealError
from logferry_contracts.window import Window

NAME_SALT = "ab" * 16


def sealed_days(*spans: tuple[float, float]) -> Archive:
    archive = Archive()
    for start, end in spans:
        window = Window(
            from_ms=START_MS + int(start * HOUR_MS), to_ms=START_MS + int(end * HOUR_MS)
        )
        archive.day([archive.archived("/app/a", window)], window)
    return archive


@pytest.mark.parametrize(
    ("spans", "kind", "text"),
    [
        pytest.param(
            [(0, 24), (25, 48)],
            named.GapError,
            "between seals 1 and 2: no seal covers "
            "2026-11-21T23:00:00.000Z to 2026-11-22T00:00:00.000Z",
            id="an hour that is left out",
        ),
        pytest.param(
            [(0, 24), (23, 48)],
            named.OverlapError,
            "seals 1 and 2: both cover 2026-11-21T22:00:00.000Z to 2026-11-21T23:00:00.000Z",
            id="an hour that is sealed twice",
        ),
        pytest.param(
            [(0, 48), (12, 24)],
            named.OverlapError,
            "seals 1 and 2: both cover 2026-11-21T11:00:00.000Z to 2026-11-21T23:00:00.000Z",
            id="within another",
        ),
    ],
)
def test_a_gap_or_an_overlap_is_named_in_times(
    spans: list[tuple[float, float]], kind: type[SealError], text: str
) -> None:
    archive = sealed_days(*spans)

    assert kind in errors(checked(archive))
    assert text in told(archive)


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param([(0, 24), (24, 47), (47, 72)], id="a day of 23 hours"),
        pytest.param([(0, 24), (24, 49), (49, 73)], id="a day of 25 hours"),
        pytest.param([(0, 24), (24, 41), (41, 65)], id="another time zone"),
        pytest.param([(48, 72), (72, 96), (0, 24), (24, 48)], id="earlier dates sealed later"),
    ],
)
def test_days_that_join_are_valid_whatever_their_length_and_order(
    spans: list[tuple[float, float]],
) -> None:
    assert checked(sealed_days(*spans), "events") == []


def test_hours_after_days_and_days_after_hours_are_valid() -> None:
    archive = Archive()
    archive.days(1, ["/app/a"])
    covers = archive.window()
    hours = [archive.window(HOUR_MS, covers.from_ms + n * HOUR_MS) for n in range(24)]
    archive.day([archive.archived("/app/a", each) for each in hours], covers)
    archive.days(1, ["/app/a"])

    assert checked(archive, "events") == []


def test_days_without_any_log_group_are_valid() -> None:
    archive = Archive()
    archive.days(1)
    archive.days(2, [])
    archive.days(1)

    assert checked(archive, "events") == []


def test_a_later_seal_of_what_no_day_covers_is_named(archive: Archive) -> None:
    window = archive.window()
    archive.later([archive.archived("/app/a", window)], window)

    assert errors(checked(archive)) == [named.UncoveredError]


def test_a_list_of_leaves_that_is_gone_is_named(archive: Archive) -> None:
    archive.bucket.remove(leaves_of(archive, 2))

    assert errors(checked(archive)) == [named.LeavesMissingError]


def test_a_leaf_that_was_taken_out_changes_the_list(archive: Archive) -> None:
    key = leaves_of(archive, 2)
    archive.bucket.replace(key, archive.bucket.data(key).split(b"\n", 1)[1])

    assert errors(checked(archive)) == [named.LeavesChangedError]


def test_leaves_that_were_swapped_between_two_dates_change_both_lists(archive: Archive) -> None:
    keys = [leaves_of(archive, sequence) for sequence in (2, 3)]
    one, other = map(archive.bucket.data, keys)
    archive.bucket.replace(keys[0], other)
    archive.bucket.replace(keys[1], one)

    assert errors(checked(archive)) == [named.LeavesChangedError] * 2


def test_a_list_that_is_hidden_or_covered_is_named_and_still_read(archive: Archive) -> None:
    archive.bucket.hide(leaves_of(archive, 2))
    archive.bucket.put(leaves_of(archive, 3), b"")

    assert errors(checked(archive)) == [named.HiddenError, named.CoveredError]


def resealed(archive: Archive, lines: bytes, **changes: Any) -> Archive:
    """Add a day whose list is these lines, signed as the sealer would never do."""
    window = archive.window()
    sealed = archive.windows([], window)
    digest = sha256(lines).hexdigest()
    archive.bucket.put(leaves_key(archive.chain, digest), lines)
    listed = {"leaves_sha256": digest, "name_salt": NAME_SALT}
    sealed = sealed.model_copy(update=listed | changes)
    archive.write(archive.next_seal("day", sealed=sealed))
    return archive


def root_of(leaf: Leaf) -> str:
    listed = LeafList(NAME_SALT)
    listed.add(leaf)
    return listed.root_sha256


def test_a_signed_list_that_has_not_the_signed_root_is_named(archive: Archive) -> None:
    line = archive.bucket.data(leaves_of(archive, 2))

    assert named.RootError in errors(checked(resealed(archive, line)))


@pytest.mark.parametrize(
    "order", [(1, 0), (0, 1, 0), (0, 0)], ids=["order", "another between", "the same window"]
)
def test_a_signed_list_out_of_order_is_named(order: tuple[int, ...]) -> None:
    archive = Archive()
    window = archive.window()
    names = sorted(("/a", "/b"), key=lambda name: name_sha256(NAME_SALT, name))
    leaves = [
        archive.write_statement(archive.statement(names[place], window, "excluded"))
        for place in order
    ]
    lines = b"".join(leaf.line() for leaf in leaves)

    assert named.LeavesDisorderedError in errors(checked(resealed(archive, lines)))


def test_a_list_in_the_order_of_another_seals_salt_is_named() -> None:
    archive = Archive()
    archive.days(1, [f"/{number}" for number in range(9)])
    lines = archive.bucket.data(leaves_of(archive, 1))

    assert named.LeavesDisorderedError in errors(checked(resealed(archive, lines)))


def day_of(*windows: tuple[str, float, float]) -> Archive:
    archive = Archive()
    covers = archive.window()
    statements = [
        archive.statement(
            name,
            Window(from_ms=START_MS + int(start * HOUR_MS), to_ms=START_MS + int(end * HOUR_MS)),
            "excluded",
        )
        for name, start, end in windows
    ]
    archive.day(statements, covers)
    return archive


@pytest.mark.parametrize(
    ("windows", "kinds"),
    [
        pytest.param([("/a", 0, 12)], [named.WindowMissingError], id="the end"),
        pytest.param([("/a", 12, 24)], [named.WindowMissingError], id="the beginning"),
        pytest.param(
            [("/a", 0, 6), ("/a", 7, 24), ("/b", 0, 24)], [named.WindowMissingError], id="between"
        ),
        pytest.param([("/a", 0, 13), ("/a", 12, 24)], [], id="twice"),
        pytest.param([("/a", -1, 24)], [named.WindowOutsideError], id="before"),
        pytest.param([("/a", 0, 25)], [named.WindowOutsideError], id="after"),
        pytest.param([("/a", 0, 24), ("/b", 0, 24)], [], id="all"),
    ],
)
def test_a_log_groups_windows_fill_the_day_and_no_more(
    windows: list[tuple[str, float, float]], kinds: list[type[SealError]]
) -> None:
    assert errors(checked(day_of(*windows))) == kinds


def test_a_seal_that_counts_otherwise_than_its_statements_is_named() -> None:
    archive = Archive()
    window = archive.window()
    archive.day([archive.archived("/a", window)], window, events=4)

    assert errors(checked(archive, "objects")) == [named.CountsError]
    assert "events: it says 4, its statements have 3" in told(archive, "objects")


def test_a_seal_whose_outcomes_are_not_as_many_as_its_leaves_is_named() -> None:
    archive = Archive()
    window = archive.window()
    archive.day([archive.statement("/a", window, "excluded")], window, outcomes={})

    assert named.CountsError in errors(checked(archive))


def test_a_statement_that_was_edited_has_not_its_leafs_hash(archive: Archive) -> None:
    key = archive.statement_keys()[0]
    edited = archive.bucket.data(key).replace(b'"lines":3', b'"lines":4')
    archive.bucket.replace(key, edited)

    assert errors(checked(archive, "objects")) == [named.StatementChangedError]
    assert checked(archive, "seals") == []


def test_a_statement_that_is_gone_is_named(archive: Archive) -> None:
    archive.bucket.remove(archive.statement_keys()[0])

    assert errors(checked(archive, "objects")) == [named.StatementMissingError]


def test_a_statement_that_is_hidden_or_covered_is_named_and_still_read(archive: Archive) -> None:
    hidden, covered, *_ = archive.statement_keys()
    archive.bucket.hide(hidden)
    archive.bucket.put(covered, b"{}")

    assert set(errors(checked(archive, "events"))) == {named.HiddenError, named.CoveredError}


def test_statements_that_were_swapped_are_both_changed(archive: Archive) -> None:
    keys = archive.statement_keys()[:2]
    one, other = map(archive.bucket.data, keys)
    archive.bucket.replace(keys[0], other)
    archive.bucket.replace(keys[1], one)

    assert errors(checked(archive, "objects")) == [named.StatementChangedError] * 2


@pytest.mark.parametrize("what", ["log group", "window", "source", "region"])
def test_a_leaf_with_the_statement_of_another_place_is_named(what: str) -> None:
    archive = Archive()
    window = archive.window()
    other = {
        "log group": archive.statement("/b", window, "excluded"),
        "window": archive.statement("/a", archive.window(HOUR_MS), "excluded"),
        "source": Archive(
            source=archive.source.model_copy(update={"account_id": "999988887777"})
        ).statement("/a", window, "excluded"),
        "region": Archive(
            source=archive.source.model_copy(update={"region": "eu-west-1"})
        ).statement("/a", window, "excluded"),
    }[what]
    text = other.text()
    own = archive.statement("/a", window, "excluded")
    leaf = Leaf.of(own, text)
    archive.bucket.put(leaf.name.key(archive.chain), text)
    resealed(
        archive,
        leaf.line(),
        leaf_count=1,
        root_sha256=root_of(leaf),
        outcomes={"excluded": 1},
    )

    assert errors(checked(archive, "objects")) == [named.StatementSwappedError]


def test_a_signed_statement_that_is_none_is_named() -> None:
    archive = Archive()
    leaf = Leaf.of(archive.statement("/a", archive.window(), "excluded"), b"{}")
    archive.bucket.put(leaf.name.key(archive.chain), b"{}")
    resealed(
        archive, leaf.line(), leaf_count=1, root_sha256=root_of(leaf), outcomes={"excluded": 1}
    )

    assert errors(checked(archive, "objects")) == [named.StatementBrokenError]


def test_a_reserialised_statement_is_told_apart_from_an_edited_one(archive: Archive) -> None:
    key = archive.statement_keys()[0]
    archive.bucket.replace(key, json.dumps(json.loads(archive.bucket.data(key))).encode())

    assert errors(checked(archive, "objects")) == [named.ReserialisedError]


def test_a_contradiction_that_the_sealer_has_found_is_told_at_every_level() -> None:
    archive = Archive()
    window = archive.window()
    differs = Difference(what="size_bytes", key="shop-prod/app/x.gz", recorded="104857", found="29")
    contradicted = archive.statement("/a", window, CONTRADICTED, differences=[differs])
    archive.day([contradicted, archive.archived("/b", window)], window)

    for level in LEVELS:
        assert errors(checked(archive, level)) == [named.ContradictedError]
    assert "shop-prod/app/x.gz: size_bytes: 104857 is recorded, 29 is there" in told(archive)


def test_a_contradiction_is_settled_by_a_later_seal() -> None:
    archive = Archive()
    window = archive.window()
    differs = Difference(what="object_missing")
    archive.day([archive.statement("/a", window, CONTRADICTED, differences=[differs])], window)
    archive.later([archive.archived("/a", window, generation=2)], window)

    for level in LEVELS:
        assert checked(archive, level) == []


def test_a_contradiction_that_a_later_seal_tells_of_is_told_at_every_level() -> None:
    archive = Archive()
    window = archive.window()
    archive.days(1, ["/a"])
    differs = Difference(what="object_missing")
    archive.later([archive.statement("/a", window, CONTRADICTED, differences=[differs])], window)

    for level in LEVELS:
        assert errors(checked(archive, level)) == [named.ContradictedError]
