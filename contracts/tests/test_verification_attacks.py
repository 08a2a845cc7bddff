"""Each attack on a sealed archive is found, and named as what it is, at the level that promises it.

What an attacker may do here is anything: he has all rights in the bucket, but not the key.
"""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from contracts.tests.sealed_archive import (
    DAY_MS,
    HOUR_MS,
    START_MS,
    Archive,
    Folder,
    SealingKey,
    errors,
    found,
    gz,
    verdict,
)

from logferry_contracts.day_seal import PAYLOAD_TYPE, DaySeal
from logferry_contracts.dsse import Envelope
from logferry_contracts.seal_key import leaves_key, seal_key
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.statement import CONTRADICTED, Difference
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.findings import Finding, SealError
from logferry_contracts.verification.objects import Level
from logferry_contracts.window import Window
from logferry_contracts.wire import parse

LEVELS: tuple[Level, ...] = ("seals", "objects", "bytes", "events")


@pytest.fixture
def archive() -> Archive:
    sealed = Archive()
    sealed.days(5)
    return sealed


def checked(archive: Archive, level: Level = "seals", *keys: SealingKey) -> list[Finding]:
    return found(archive, level, keys=keys or (archive.key,))


def told(archive: Archive, level: Level = "seals", *keys: SealingKey) -> str:
    return "\n".join(str(e) for e in checked(archive, level, *keys) if isinstance(e, SealError))


def seal_of(archive: Archive, sequence: int) -> DaySeal:
    return parse(DaySeal, Envelope.parse(archive.seal(sequence), PAYLOAD_TYPE).payload)


def rewritten(seal: DaySeal, **changes: Any) -> DaySeal:
    return seal.model_copy(update=changes)


def test_nothing_valid_is_called_invalid_at_any_level(archive: Archive) -> None:
    for level in LEVELS:
        assert checked(archive, level) == []


# The chain.


def test_one_seal_that_was_deleted_is_missed(archive: Archive) -> None:
    archive.bucket.remove(seal_key(archive.chain, 3))

    assert errors(checked(archive)) == [named.SealsMissingError, named.GapError]
    assert "seal 3 is missing before seal 4" in told(archive)


def test_two_seals_in_a_row_that_were_deleted_are_two(archive: Archive) -> None:
    for sequence in (2, 3):
        archive.bucket.remove(seal_key(archive.chain, sequence))

    assert errors(checked(archive)) == [named.SealsMissingError, named.GapError]
    assert "2 seals, 2 to 3, are missing before seal 4" in told(archive)
    assert "no seal covers 2026-11-21T23:00:00.000Z to 2026-11-23T23:00:00.000Z" in told(archive)


def test_a_whole_middle_year_that_is_gone_is_counted() -> None:
    archive = Archive()
    for _ in range(400):
        archive.day([], archive.window())
    for sequence in range(20, 385):
        archive.bucket.remove(seal_key(archive.chain, sequence))

    assert "365 seals, 20 to 384, are missing before seal 385" in told(archive)
    assert errors(checked(archive)) == [named.SealsMissingError, named.GapError]


def test_the_beginning_that_was_cut_off_is_missed(archive: Archive) -> None:
    for sequence in (1, 2):
        archive.bucket.remove(seal_key(archive.chain, sequence))

    assert errors(checked(archive)) == [named.SealsMissingError]
    assert "2 seals, 1 to 2, are missing before seal 3" in told(archive)


def test_a_seal_that_is_hidden_by_a_delete_marker_is_named_and_still_read(
    archive: Archive,
) -> None:
    archive.bucket.hide(seal_key(archive.chain, 2))

    assert errors(checked(archive)) == [named.HiddenError]


def test_a_seal_under_a_version_of_somebody_else_is_named_and_still_read(
    archive: Archive,
) -> None:
    archive.bucket.put(seal_key(archive.chain, 2), b"{}")

    assert set(errors(checked(archive))) == {named.CoveredError, named.NotASealError}


def test_the_place_of_the_next_seal_that_somebody_has_taken_is_named(archive: Archive) -> None:
    archive.bucket.put(seal_key(archive.chain, 6), b"mine")

    assert errors(checked(archive)) == [named.NotASealError]


def test_a_key_among_the_seals_that_is_none_is_named(archive: Archive) -> None:
    archive.bucket.put(seal_key(archive.chain, 2) + ".bak", archive.seal(2))

    assert errors(checked(archive)) == [named.SquattedError]


def test_a_seal_that_was_replaced_by_an_older_one_is_in_the_wrong_place(archive: Archive) -> None:
    archive.bucket.replace(seal_key(archive.chain, 4), archive.seal(2))

    assert set(errors(checked(archive))) == {
        named.WrongPlaceError,
        named.BrokenLinkError,
        named.GapError,
        named.OverlapError,
    }
    assert "seal 2 is in its place" in told(archive)


def test_a_seal_that_was_replaced_by_a_resigned_older_one_breaks_the_link_after_it(
    archive: Archive,
) -> None:
    older = rewritten(
        seal_of(archive, 2), sequence=4, previous_sha256=sha256(archive.seal(3)).hexdigest()
    )
    archive.bucket.replace(seal_key(archive.chain, 4), archive.signed(older))

    assert errors(checked(archive)) == [
        named.BrokenLinkError,
        named.OverlapError,
        named.GapError,
    ]


def test_the_last_seal_that_was_replaced_by_a_resigned_older_one_covers_its_time_twice(
    archive: Archive,
) -> None:
    older = rewritten(
        seal_of(archive, 2), sequence=5, previous_sha256=sha256(archive.seal(4)).hexdigest()
    )
    archive.bucket.replace(seal_key(archive.chain, 5), archive.signed(older))

    assert errors(checked(archive)) == [named.OverlapError]
    assert "seals 2 and 5: both cover 2026-11-21T23:00" in told(archive)


def test_two_histories_are_two_signed_seals_of_one_place(archive: Archive) -> None:
    other = rewritten(seal_of(archive, 5), sealed_at="2026-12-24T00:00:00Z")
    archive.bucket.put(seal_key(archive.chain, 5), archive.signed(other))

    assert errors(checked(archive)) == [named.CoveredError, named.TwoHistoriesError]


def test_a_history_that_was_written_anew_from_a_seal_on_breaks_its_first_link(
    archive: Archive,
) -> None:
    fork = Archive(archive.bucket, archive.key)
    fork.sequence, fork.previous = 3, "ab" * 32
    for sequence in (4, 5):
        archive.bucket.remove(seal_key(archive.chain, sequence))
    fork.reached_ms = START_MS + 3 * DAY_MS
    fork.days(2)

    assert errors(checked(archive)) == [named.BrokenLinkError]


def test_a_seal_of_another_account_or_region_is_of_another_chain(archive: Archive) -> None:
    for changes in ({"account_id": "111122223334"}, {"region": "eu-central-2"}):
        other = Archive(source=archive.source.model_copy(update=changes), key=archive.key)
        other.days(5)
        archive.bucket.replace(seal_key(archive.chain, 5), other.seal(5))

        assert named.WrongChainError in errors(checked(archive))


def test_an_edited_seal_is_signed_by_nobody(archive: Archive) -> None:
    envelope = Envelope.parse(archive.seal(5), PAYLOAD_TYPE)
    edited = rewritten(seal_of(archive, 5), sealed_at="2026-12-24T00:00:00Z")
    forged = edited.envelope(edited.payload(), envelope.signatures[0].sig)
    archive.bucket.replace(seal_key(archive.chain, 5), forged)

    assert errors(checked(archive)) == [named.ForgedSealError]


def test_a_seal_by_another_key_is_named_with_both_keys(archive: Archive) -> None:
    stranger = SealingKey()
    seal = rewritten(seal_of(archive, 5), key_id=stranger.trusted.id)
    archive.bucket.replace(seal_key(archive.chain, 5), archive.signed(seal, stranger))

    assert errors(checked(archive)) == [named.ForeignKeyError]
    assert stranger.trusted.id in told(archive)
    assert archive.key.trusted.id in told(archive)


def test_a_seal_by_another_key_that_says_it_is_by_the_trusted_one_is_forged(
    archive: Archive,
) -> None:
    seal = seal_of(archive, 5)
    archive.bucket.replace(seal_key(archive.chain, 5), archive.signed(seal, SealingKey()))

    assert errors(checked(archive)) == [named.ForgedSealError]


def test_a_key_that_the_old_one_names_is_trusted_from_then_on() -> None:
    archive, old, new = Archive(), SealingKey(), SealingKey()
    archive.key = old
    archive.days(2)
    archive.rotate(new)
    archive.days(2)

    assert checked(archive, "events", old) == []
    assert checked(archive, "events", old, new) == []


def test_a_key_that_nobody_names_is_not_trusted() -> None:
    archive, old, new = Archive(), SealingKey(), SealingKey()
    archive.key = old
    archive.days(2)
    archive.key = new
    archive.days(2)

    assert errors(checked(archive, "seals", old)) == [named.ForeignKeyError] * 2
    assert checked(archive, "seals", old, new) == []


def test_a_key_that_names_itself_is_unlawful_and_so_is_what_it_signs() -> None:
    archive, old, new = Archive(), SealingKey(), SealingKey()
    archive.key = old
    archive.days(2)
    archive.key = new
    archive.rotate(new)
    archive.days(1)

    assert errors(checked(archive, "seals", old)) == [
        named.UnlawfulRotationError,
        named.ForeignKeyError,
    ]


def test_a_key_that_was_replaced_signs_no_more() -> None:
    archive, old, new = Archive(), SealingKey(), SealingKey()
    archive.key = old
    archive.days(1)
    archive.rotate(new)
    archive.key = old
    archive.days(1)

    assert errors(checked(archive, "seals", old, new)) == [named.RetiredKeyError]


def test_a_rotation_that_shows_another_key_than_it_names_is_unlawful() -> None:
    archive, old, new = Archive(), SealingKey(), SealingKey()
    archive.key = old
    archive.days(1)
    archive.rotate(new)
    seal = seal_of(archive, 2)
    assert seal.next_key is not None
    named_wrong = seal.next_key.model_copy(update={"id": "ab" * 32})
    wrong = rewritten(seal, next_key=named_wrong)
    archive.bucket.replace(seal_key(archive.chain, 2), archive.signed(wrong, old))

    assert errors(checked(archive, "seals", old)) == [named.UnlawfulRotationError]


@pytest.mark.parametrize(
    "written_anew",
    [
        lambda text: json.dumps(json.loads(text), indent=2),
        lambda text: json.dumps(json.loads(text), separators=(",", ":")),
        lambda text: text + "\n",
    ],
    ids=["indented", "compact", "newline"],
)
def test_a_reserialised_seal_is_told_apart_from_a_forged_one(
    archive: Archive, written_anew: Callable[[str], str]
) -> None:
    stored = archive.seal(5).decode()
    archive.bucket.replace(seal_key(archive.chain, 5), written_anew(stored).encode())

    assert errors(checked(archive)) == [named.ReserialisedError]


def test_a_second_signature_beside_the_first_is_no_seal(archive: Archive) -> None:
    document = json.loads(archive.seal(5))
    document["signatures"] *= 2
    archive.bucket.replace(seal_key(archive.chain, 5), json.dumps(document).encode())

    assert errors(checked(archive)) == [named.NotASealError]


def test_a_hint_that_names_another_key_than_the_payload_is_no_seal(archive: Archive) -> None:
    document = json.loads(archive.seal(5))
    document["signatures"][0]["keyid"] = "ab" * 32
    archive.bucket.replace(seal_key(archive.chain, 5), json.dumps(document).encode())

    assert errors(checked(archive)) == [named.NotASealError]


def test_a_seal_whose_hold_was_lifted_is_named(archive: Archive) -> None:
    archive.bucket.keys[seal_key(archive.chain, 2)][0].is_held = False

    assert errors(checked(archive)) == [named.HoldLiftedError]


# What the seals cover.


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


# Leaves.


def leaves_of(archive: Archive, sequence: int) -> str:
    sealed = seal_of(archive, sequence).sealed
    assert sealed is not None
    return leaves_key(archive.chain, sealed.leaves_sha256)


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
    sealed = sealed.model_copy(update={"leaves_sha256": digest, **changes})
    archive.write(archive.next_seal("day", sealed=sealed))
    return archive


def test_a_signed_list_that_has_not_the_signed_root_is_named(archive: Archive) -> None:
    line = archive.bucket.data(leaves_of(archive, 2))

    assert named.RootError in errors(checked(resealed(archive, line)))


@pytest.mark.parametrize("names", [("/b", "/a"), ("/a", "/b", "/a")], ids=["order", "twice"])
def test_a_signed_list_out_of_order_is_named(names: tuple[str, ...]) -> None:
    archive = Archive()
    window = archive.window()
    leaves = [archive.write_statement(archive.statement(e, window, "excluded")) for e in names]
    lines = b"".join(leaf.line() for leaf in leaves)

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
        pytest.param([("/a", 0, 13), ("/a", 12, 24)], [named.WindowTwiceError], id="twice"),
        pytest.param([("/a", -1, 24)], [named.WindowTwiceError], id="before"),
        pytest.param([("/a", 0, 25)], [named.WindowTwiceError], id="after"),
        pytest.param([("/a", 0, 24), ("/b", 0, 24)], [], id="all"),
    ],
)
def test_a_log_groups_windows_fill_the_day_and_no_more(
    windows: list[tuple[str, float, float]], kinds: list[type[SealError]]
) -> None:
    assert errors(checked(day_of(*windows))) == kinds


def test_a_later_window_that_overlaps_another_one_is_named() -> None:
    archive = day_of(("/a", 0, 24))
    half = Window(from_ms=START_MS, to_ms=START_MS + 12 * HOUR_MS)
    archive.later([archive.statement("/a", half, "excluded")], half)

    assert errors(checked(archive, "objects")) == [named.WindowTwiceError]


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


# Statements.


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

    assert errors(checked(archive, "events")) == [named.HiddenError, named.CoveredError]


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
        root_sha256=leaf.leaf_sha256,
        outcomes={"excluded": 1},
    )

    assert errors(checked(archive, "objects")) == [named.StatementSwappedError]


def test_a_signed_statement_that_is_none_is_named() -> None:
    archive = Archive()
    leaf = Leaf.of(archive.statement("/a", archive.window(), "excluded"), b"{}")
    archive.bucket.put(leaf.name.key(archive.chain), b"{}")
    resealed(
        archive, leaf.line(), leaf_count=1, root_sha256=leaf.leaf_sha256, outcomes={"excluded": 1}
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


# Objects.

AN_OBJECT = 3
"""Any of the ten that the archive has."""


@pytest.fixture
def key(archive: Archive) -> str:
    return archive.object_keys()[AN_OBJECT]


def names_it(findings: list[Finding], key: str) -> bool:
    return all(each.thing == key for each in findings if isinstance(each, SealError))


def test_an_object_that_was_deleted_is_missed(archive: Archive, key: str) -> None:
    archive.bucket.remove(key)

    findings = checked(archive, "objects")
    assert errors(findings) == [named.ObjectMissingError]
    assert names_it(findings, key)
    assert checked(archive, "seals") == []


def test_an_object_that_is_hidden_by_a_delete_marker_is_named(archive: Archive, key: str) -> None:
    archive.bucket.hide(key)

    assert errors(checked(archive, "objects")) == [named.HiddenError]


@pytest.mark.parametrize("level", ["objects", "bytes", "events"])
def test_an_object_under_a_new_current_version_is_covered_whatever_its_size(
    archive: Archive, key: str, level: Level
) -> None:
    data = archive.bucket.data(key)
    archive.bucket.put(key, b"another size")
    assert errors(checked(archive, level)) == [named.CoveredError]
    archive.bucket.keys[key].pop()

    archive.bucket.put(key, bytes(len(data)))
    assert errors(checked(archive, level)) == [named.CoveredError]


def test_an_object_that_was_changed_to_another_size_is_named(archive: Archive, key: str) -> None:
    archive.bucket.replace(key, archive.bucket.data(key) + b"\0")

    assert errors(checked(archive, "objects")) == [named.ObjectChangedError]


def test_an_object_that_was_truncated_is_named(archive: Archive, key: str) -> None:
    archive.bucket.replace(key, archive.bucket.data(key)[:-1])

    assert errors(checked(archive, "objects")) == [named.ObjectTruncatedError]


def test_an_object_that_was_changed_byte_for_byte_is_found_from_level_bytes_on(
    archive: Archive, key: str
) -> None:
    data = archive.bucket.data(key)
    archive.bucket.replace(key, bytes([*data[:-1], data[-1] ^ 1]))

    assert checked(archive, "objects") == []
    assert errors(checked(archive, "bytes")) == [named.ObjectChangedError]
    assert errors(checked(archive, "events")) == [named.ObjectChangedError]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda key: key.replace("/000000.gz", "/000001.gz"), id="in its stream"),
        pytest.param(
            lambda key: key.replace("/stream-0/", "/stream-9/"), id="in its task's folder"
        ),
        pytest.param(lambda key: f"{key.rsplit('/', 3)[0]}/mine/s/000000.gz", id="in its window's"),
        pytest.param(lambda key: f"{key.rsplit('/', 3)[0]}/mine.txt", id="beside the tasks"),
        pytest.param(lambda key: f"{key.rsplit('/', 3)[0]}/a/b/mine/s/000000.gz", id="deeper"),
    ],
)
def test_an_object_that_was_added_is_found(
    archive: Archive, key: str, place: Callable[[str], str]
) -> None:
    added = place(key)
    archive.bucket.put(added, gz([START_MS]))

    findings = checked(archive, "objects")
    assert errors(findings) == [named.ObjectAddedError]
    assert names_it(findings, added)


def test_an_object_in_the_folder_of_a_window_that_was_skipped_as_empty_is_found() -> None:
    archive = Archive()
    window = archive.window()
    export = archive.export("/a", window, tasks=0)
    archive.day([archive.statement("/a", window, "skipped", exports=[export])], window)
    archive.bucket.put(f"{export.destination.prefix}/task/s/000000.gz", gz([START_MS]))

    assert errors(checked(archive, "objects")) == [named.ObjectAddedError]


def test_an_object_whose_hold_was_lifted_is_named(archive: Archive, key: str) -> None:
    archive.bucket.keys[key][0].is_held = False

    findings = checked(archive, "objects")
    assert errors(findings) == [named.HoldLiftedError]
    assert names_it(findings, key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lines", 4),
        ("events", 2),
        ("first_ms", START_MS + 5),
        ("last_ms", START_MS + 5),
        ("events_outside_window", 1),
        ("pointer_lines", 1),
        ("is_gzip_complete", False),
    ],
)
def test_a_statement_that_says_otherwise_of_its_objects_events_is_found_at_level_events(
    name: str, value: Any
) -> None:
    archive = Archive()
    window = archive.window()
    statement = archive.archived("/a", window)
    assert statement.objects is not None
    wrong = [statement.objects[0].model_copy(update={name: value})]
    archive.day([statement.model_copy(update={"objects": wrong})], window)

    assert checked(archive, "bytes") == []
    assert errors(checked(archive, "events")) == [named.MeasureError]
    assert f"{name}: its statement says {value}" in told(archive, "events")


# What is lawful.


def test_a_copy_of_the_same_bytes_is_valid_and_named(archive: Archive, key: str) -> None:
    archive.bucket.copy_over(key)

    findings = checked(archive, "bytes")
    assert [type(each) for each in findings] == [named.Note]
    assert "is a copy of the version that was sealed" in str(findings[0])


def test_a_copy_that_is_being_made_is_valid(archive: Archive, key: str) -> None:
    archive.bucket.put(key, archive.bucket.data(key))

    for level in LEVELS:
        assert errors(checked(archive, level)) == []


def test_a_copy_in_a_folder_is_valid(archive: Archive) -> None:
    folder = Folder(archive.bucket)

    for level in LEVELS:
        assert found(archive, level, keys=[archive.key], store=folder) == []


def test_a_copy_in_another_bucket_with_other_versions_is_valid(archive: Archive) -> None:
    moved = Archive()
    for key in archive.bucket.keys:
        moved.bucket.put("before", b"")
        moved.bucket.put(key, archive.bucket.data(key))

    for level in LEVELS:
        findings = found(archive, level, keys=[archive.key], store=moved.bucket)
        assert verdict(findings) == "valid"


def test_what_crashes_have_left_beside_the_seals_is_valid(archive: Archive) -> None:
    window = archive.window()
    archive.windows([archive.archived("/app/a", window), archive.archived("/z", window)], window)

    for level in LEVELS:
        assert checked(archive, level) == []


def test_what_a_failed_try_has_left_is_named_and_valid() -> None:
    archive = Archive()
    window = archive.window()
    failed = archive.export("/a", window)
    archive.put(failed, window, "s", gz([window.from_ms]))
    archive.day([archive.archived("/a", window, generation=2)], window)

    findings = checked(archive, "events")
    assert verdict(findings) == "valid"
    assert [str(each) for each in findings] == [
        f"{failed.folders[0]}: 1 objects, which belong to no export that is sealed as archived."
    ]


def test_what_cloudwatch_logs_writes_to_see_whether_it_may_is_valid(archive: Archive) -> None:
    key = archive.object_keys()[0]
    archive.bucket.put(f"{key.rsplit('/', 3)[0]}/aws-logs-write-test", b"Permission Check")

    assert checked(archive, "objects") == []


def test_a_log_group_whose_folder_is_in_another_ones_is_valid() -> None:
    archive = Archive()
    window = archive.window()
    outer = archive.archived("/a", window)
    within = archive.archived(f"/a{outer.exports[0].destination.prefix[-14:]}", window)
    assert within.exports[0].destination.prefix.startswith(outer.exports[0].destination.prefix)
    archive.day([outer, within], window)

    assert checked(archive, "events") == []


def test_an_export_of_an_open_window_that_goes_on_is_valid() -> None:
    archive = Archive()
    window = archive.window()
    export = archive.export("/a", window)
    archive.day([archive.statement("/a", window, "open", exports=[export])], window)
    archive.put(export, window, "s", gz([window.from_ms]))
    archive.put(archive.export("/a", window, 2), window, "s", gz([window.from_ms]))

    assert verdict(checked(archive, "objects")) == "valid"


def test_a_window_that_was_exported_again_after_its_date_was_sealed_is_valid() -> None:
    archive = Archive()
    window = archive.window()
    first = archive.archived("/a", window)
    assert first.objects is not None
    archive.day([first, archive.archived("/b", window)], window)
    archive.bucket.remove(first.objects[0].key)
    assert errors(checked(archive, "objects")) == [named.ObjectMissingError]

    archive.later([archive.archived("/a", window, generation=2)], window)

    assert checked(archive, "events") == []


def test_a_log_group_that_only_a_later_seal_has_is_looked_at() -> None:
    archive = Archive()
    window = archive.window()
    archive.days(1, ["/b"])
    added = [archive.archived(name, window) for name in ("/a", "/c")]
    archive.later(added, window)
    assert checked(archive, "events") == []

    for each in added:
        assert each.objects is not None
        archive.bucket.remove(each.objects[0].key)

    assert errors(checked(archive, "objects")) == [named.ObjectMissingError] * 2


def test_a_renamed_profile_goes_on_with_the_chain(archive: Archive) -> None:
    archive.source = archive.source.model_copy(update={"profile": "shop"})
    archive.days(1)

    assert checked(archive, "events") == []


# What cannot be told.


def test_without_a_key_nothing_is_called_valid(archive: Archive) -> None:
    findings = found(archive, "events", keys=())

    assert verdict(findings) == "unchecked"
    assert errors(findings) == []


def test_without_a_key_what_is_wrong_is_still_found(archive: Archive) -> None:
    archive.bucket.remove(seal_key(archive.chain, 3))

    assert verdict(found(archive, "seals", keys=())) == "invalid"


@pytest.mark.parametrize("which", ["seal", "leaves", "statement", "object", "list"])
def test_what_cannot_be_read_is_unchecked_and_not_invalid(archive: Archive, which: str) -> None:
    an_object = archive.object_keys()[0]
    key = {
        "seal": seal_key(archive.chain, 5),
        "leaves": leaves_of(archive, 2),
        "statement": archive.statement_keys()[0],
        "object": an_object,
        "list": f"{an_object.rsplit('/', 3)[0]}/",
    }[which]
    archive.bucket.unreadable.add(key)

    findings = checked(archive, "events")
    assert verdict(findings) == "unchecked"
    assert len(findings) == 1


def test_objects_under_a_later_seal_that_cannot_be_read_are_unchecked() -> None:
    archive = Archive()
    window = archive.window()
    first = archive.archived("/a", window)
    assert first.objects is not None
    archive.day([first], window)
    archive.bucket.remove(first.objects[0].key)
    archive.later([archive.archived("/a", window, generation=2)], window)
    archive.bucket.unreadable.add(leaves_of(archive, 2))

    assert verdict(checked(archive, "events")) == "unchecked"


def test_an_outcome_of_a_later_version_is_unchecked() -> None:
    archive = Archive()
    window = archive.window()
    archive.day([archive.statement("/a", window, "counted_elsewhere")], window)

    assert verdict(checked(archive, "objects")) == "unchecked"


def test_a_download_that_breaks_off_is_unchecked(archive: Archive) -> None:
    class Broken:
        def read(self, amount: int = -1, /) -> bytes:
            raise ConnectionError("reset")

        def close(self) -> None:
            pass

    def broken(key: str, version_id: str | None) -> Any:
        return Broken() if key == seen else opened(key, version_id)

    seen, opened = archive.object_keys()[0], archive.bucket.open
    archive.bucket.open = broken  # type: ignore[method-assign]

    for level in ("bytes", "events"):
        findings = checked(archive, level)
        [only] = findings
        assert str(only) == (
            f"{seen}: cannot be read: it broke off: ConnectionError: reset. "
            "Make it readable, and check again."
        )


def every_error() -> Iterator[type[SealError]]:
    waiting = [SealError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        yield kind


@pytest.mark.parametrize("kind", [each for each in every_error() if each is not SealError])
def test_each_error_says_what_thing_and_what_to_do_and_has_a_test_of_its_own(
    kind: type[SealError],
) -> None:
    error = kind("thing", "is wrong")

    assert str(error) == f"thing: is wrong. {error.mend}."
    assert error.mend
    assert not error.mend.endswith(".")
    assert f"named.{kind.__name__}" in Path(__file__).read_text("utf-8")
    assert error.code == error.code.lower()
