"""Each attack on a chain of seals is found, and named as what it is.

What an attacker may do here is anything: he has all rights in the bucket, but not the key.
"""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest
from contracts.tests.sealed_archive import (
    DAY_MS,
    START_MS,
    Archive,
    SealingKey,
    checked,
    errors,
    rewritten,
    seal_of,
    told,
)

from logferry_contracts.day_seal import PAYLOAD_TYPE
from logferry_contracts.dsse import Envelope
from logferry_contracts.seal_key import seal_key, seals_prefix
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.store import Unreadable, Version


def test_one_seal_that_was_deleted_is_missed(archive: Archive) -> None:
    archive.bucket.remove(seal_key(archive.chain, 3))

    assert errors(checked(archive)) == [named.SealsMissingError, named.GapError]
    assert "seal 3 is missing before seal 4" in told(archive)


def test_what_was_read_before_a_listing_broke_off_is_told(archive: Archive) -> None:
    def broken(prefix: str) -> Iterator[Version]:
        for each in listed(prefix):
            if each.key == seal_key(archive.chain, 4):
                raise Unreadable("reset")
            yield each

    archive.bucket.hide(seal_key(archive.chain, 2))
    listed = archive.bucket.versions
    archive.bucket.versions = broken  # type: ignore[method-assign]

    chain = read_chain(archive.bucket, archive.chain, [archive.key.trusted])

    hidden, unread = chain.findings
    assert isinstance(hidden, named.HiddenError)
    assert unread.thing == seals_prefix(archive.chain)
    assert [each.sequence for each in chain.links] == [1, 2]
    assert chain.reach is None


def test_a_hold_that_was_lifted_is_named_although_the_seal_cannot_be_read(archive: Archive) -> None:
    key = seal_key(archive.chain, 5)
    archive.bucket.keys[key][0].is_held = False
    archive.bucket.unreadable.add(key)

    assert [each.thing for each in checked(archive) if isinstance(each, named.Unread)] == [key]
    assert errors(checked(archive)) == [named.HoldLiftedError]


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


def test_something_huge_in_the_place_of_a_seal_is_not_read_to_its_end(archive: Archive) -> None:
    class Endless:
        def read(self, amount: int = -1, /) -> bytes:
            return bytes(amount)

        def close(self) -> None:
            pass

    archive.bucket.put(seal_key(archive.chain, 6), b"")
    opened = archive.bucket.open
    archive.bucket.open = lambda key, version_id: (  # type: ignore[method-assign]
        Endless() if key == seal_key(archive.chain, 6) else opened(key, version_id)
    )

    assert errors(checked(archive)) == [named.NotASealError]
    assert "it has more than 1048576 bytes" in told(archive)


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
