"""What a witness has seen is compared with the chain that is there, and each difference named."""

from dataclasses import replace
from hashlib import sha256

import pytest
from contracts.tests.sealed_archive import Archive, SealingKey, errors
from contracts.tests.witnessing import AT_S, Witness, head_of

from logferry_contracts.chain import ChainName
from logferry_contracts.seal_key import seal_key, seals_prefix
from logferry_contracts.signed_note import NoteError, SignedNote
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.chain import follow, read_chain
from logferry_contracts.verification.findings import Finding, Note, Unchecked
from logferry_contracts.verification.witnesses import Witnessed, findings, of_seal
from logferry_contracts.witness import Head

LATER_S = 1_800_000_000


@pytest.fixture
def witness() -> Witness:
    return Witness()


def read(witness: Witness, note: bytes, name: str = "head") -> Witnessed:
    return Witnessed.read(name, note, [witness.key])


def said(archive: Archive, *notes: Witnessed) -> list[Finding]:
    chain = read_chain(archive.bucket, archive.chain, [archive.key.trusted])
    return list(findings(chain, notes))


def test_a_note_of_the_newest_seal_says_until_when_nothing_was_cut_off(
    archive: Archive, witness: Witness
) -> None:
    [note] = said(archive, read(witness, witness.note(head_of(archive))))
    assert isinstance(note, Note)
    assert note.what == (
        "witness.example.com/logferry has seen seal 5 at 2026-11-23T06:32:12.000Z, which is the "
        "newest one that is there"
    )


def test_of_a_seal_that_was_not_listed_no_more_is_said_than_that(
    archive: Archive, witness: Witness
) -> None:
    note = read(witness, witness.note(head_of(archive)))
    chain = read_chain(archive.bucket, archive.chain, [archive.key.trusted])
    listed = replace(chain, links=chain.links[:-1], reach=None)
    [unchecked] = findings(listed, [note])
    assert isinstance(unchecked, Unchecked)
    assert unchecked.why.endswith(
        "has seen seal 5 at 2026-11-23T06:32:12.000Z, which could not be read"
    )


@pytest.mark.parametrize("gone", [1, 3, 5])
def test_seals_that_were_cut_off_from_the_end_are_missed(
    archive: Archive, witness: Witness, gone: int
) -> None:
    note = read(witness, witness.note(head_of(archive)))
    for sequence in range(6 - gone, 6):
        archive.bucket.remove(seal_key(archive.chain, sequence))
    assert errors(said(archive, note)) == [named.CutOffError]


def test_another_seal_in_the_place_of_the_one_that_was_seen_is_a_second_history(
    archive: Archive, witness: Witness
) -> None:
    note = read(witness, witness.note(head_of(archive), LATER_S))
    other = Archive(archive.bucket, archive.key)
    other.sequence, other.previous = 4, sha256(archive.seal(4)).hexdigest()
    archive.bucket.remove(seal_key(archive.chain, 5))
    other.day([], other.window(from_ms=archive.reached_ms))
    assert errors(said(archive, note)) == [named.SecondHistoryError]


def test_a_chain_that_began_anew_is_told_from_one_that_was_cut_off(witness: Witness) -> None:
    before = Archive()
    before.days(5)
    notes = [read(witness, witness.note(head_of(before, n), AT_S - 60)) for n in (1, 5)]
    anew = Archive(key=before.key)
    anew.days(2)
    for note in notes:
        assert errors(said(anew, note)) == [named.BegunAnewError]


def test_a_chain_that_is_longer_than_any_witness_has_seen_is_unchecked_from_there(
    archive: Archive, witness: Witness
) -> None:
    [found] = said(archive, read(witness, witness.note(head_of(archive, 3))))
    assert isinstance(found, Unchecked)
    assert "has seen seal 3" in found.why


def test_a_chain_that_no_note_is_of_is_unchecked(archive: Archive, witness: Witness) -> None:
    other = Head(ChainName(account_id="222233334444", region="eu-central-1"), 9, "0" * 64)
    [found] = said(archive, read(witness, witness.note(other)))
    assert isinstance(found, Unchecked)
    assert "no note is of this chain" in found.why


def test_the_newest_of_several_notes_counts(archive: Archive, witness: Witness) -> None:
    notes = [read(witness, witness.note(head_of(archive, n))) for n in (5, 2, 4)]
    [note] = said(archive, *notes)
    assert isinstance(note, Note)
    assert "has seen seal 5" in note.what


def test_an_older_note_finds_what_was_written_anew_before_it(
    archive: Archive, witness: Witness
) -> None:
    [older, newest] = [read(witness, witness.note(head_of(archive, n), LATER_S)) for n in (2, 5)]
    anew = Archive(archive.bucket, archive.key)
    for sequence in range(1, 6):
        archive.bucket.remove(seal_key(archive.chain, sequence))
    anew.days(5, ["/another"])
    assert errors(said(anew, older, newest)) == [named.SecondHistoryError] * 2


def test_a_witness_that_contradicts_itself_is_named(archive: Archive, witness: Witness) -> None:
    head = head_of(archive)
    notes = [read(witness, witness.note(each)) for each in (head, head._replace(sha256="0" * 64))]
    assert errors(said(archive, *notes)) == [named.TwoHeadsError, named.SecondHistoryError]


def test_a_note_that_another_key_has_signed_is_foreign(archive: Archive, witness: Witness) -> None:
    note = read(witness, Witness(witness.name).note(head_of(archive)))
    found = said(archive, note)
    assert errors(found) == [named.ForeignWitnessError]
    assert isinstance(found[-1], Unchecked)


def test_a_note_that_was_edited_is_forged(archive: Archive, witness: Witness) -> None:
    stored = witness.note(head_of(archive)).replace(b"\n5\n", b"\n4\n")
    assert errors(said(archive, read(witness, stored))) == [named.ForgedNoteError]


def test_no_byte_of_a_note_can_be_changed_and_the_note_be_believed(
    archive: Archive, witness: Witness
) -> None:
    stored = witness.note(head_of(archive))
    for place in range(len(stored)):
        for byte in {stored[place] ^ 1, stored[place] ^ 0x20, ord("\n"), ord("0"), ord("A")}:
            changed = stored[:place] + bytes([byte]) + stored[place + 1 :]
            if changed == stored:
                continue
            try:
                note = read(witness, changed)
            except NoteError:
                continue
            assert note.fault is not None, changed


def test_without_the_witnesss_key_what_its_note_says_is_compared_but_not_believed(
    archive: Archive, witness: Witness
) -> None:
    note = Witnessed.read("head", witness.note(head_of(archive)), [])
    assert isinstance(said(archive, note)[0], Unchecked)
    archive.bucket.remove(seal_key(archive.chain, 5))
    assert errors(said(archive, note)) == [named.CutOffError]


def test_what_cannot_be_listed_is_not_called_cut_off(archive: Archive, witness: Witness) -> None:
    note = read(witness, witness.note(head_of(archive)))
    archive.bucket.unreadable.add(seals_prefix(archive.chain))
    assert errors(said(archive, note)) == []


def test_a_seal_that_is_there_and_cannot_be_read_is_not_called_cut_off(
    archive: Archive, witness: Witness
) -> None:
    note = read(witness, witness.note(head_of(archive)))
    archive.bucket.unreadable.add(seal_key(archive.chain, 5))
    assert errors(said(archive, note)) == []


# A note beside a proof.


def test_the_note_of_a_seal_says_who_has_seen_it_and_when(
    archive: Archive, witness: Witness
) -> None:
    head = head_of(archive, 3)
    found = of_seal(witness.note(head).decode(), head, [witness.key])
    assert (found.witness, found.head) == (witness.name, head)


def test_the_note_of_another_seal_is_refused(archive: Archive, witness: Witness) -> None:
    seal = head_of(archive, 3)
    elsewhere = ChainName(account_id="222233334444", region="eu-central-1")
    notes = {
        named.OtherHeadError: witness.note(head_of(archive, 4)),
        named.SecondHistoryError: witness.note(seal._replace(sha256="0" * 64)),
        named.ForgedNoteError: witness.note(seal).replace(b"\n3\n", b"\n4\n"),
        named.ForeignWitnessError: Witness().note(seal),
    }
    for kind, note in notes.items():
        with pytest.raises(kind):
            of_seal(note.decode(), seal, [witness.key])
    with pytest.raises(named.OtherHeadError):
        of_seal(witness.note(seal._replace(chain=elsewhere)).decode(), seal, [witness.key])


def test_what_is_no_note_of_a_chain_is_refused(archive: Archive, witness: Witness) -> None:
    text = "example.com/another-log\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    other = SignedNote(text, (witness.line(text, AT_S),)).stored().decode()
    for note in (other, "anything"):
        with pytest.raises(NoteError):
            of_seal(note, head_of(archive), [witness.key])


# Who follows a chain seal by seal.


def test_a_chain_is_followed_seal_by_seal_through_another_key() -> None:
    archive = Archive()
    trusted = [archive.key.trusted]
    archive.days(2)
    archive.rotate(SealingKey())
    archive.days(2)
    last: tuple[int, str | None] = (0, None)
    keys = tuple(trusted)
    for sequence in range(1, 6):
        followed = follow(archive.chain, last, keys, archive.seal(sequence))
        last, keys = (followed.link.sequence, followed.link.sha256), followed.keys
    assert last == head_of(archive)[1:]
    assert keys == (archive.key.trusted,)


@pytest.mark.parametrize(
    ("last", "shown", "kind"),
    [
        (2, 4, named.WrongPlaceError),
        (2, 2, named.WrongPlaceError),
        (0, 2, named.WrongPlaceError),
    ],
)
def test_a_seal_out_of_its_turn_does_not_follow(
    archive: Archive, last: int, shown: int, kind: type[named.SealError]
) -> None:
    held = head_of(archive, last)[1:] if last else (0, None)
    with pytest.raises(kind):
        follow(archive.chain, held, [archive.key.trusted], archive.seal(shown))


def test_a_seal_of_another_history_or_by_another_key_does_not_follow(archive: Archive) -> None:
    keys = [archive.key.trusted]
    with pytest.raises(named.BrokenLinkError):
        follow(archive.chain, (3, "0" * 64), keys, archive.seal(4))
    with pytest.raises(named.ForeignKeyError):
        follow(archive.chain, head_of(archive, 3)[1:], [SealingKey().trusted], archive.seal(4))
    with pytest.raises(named.NotASealError):
        follow(archive.chain, head_of(archive, 3)[1:], keys, b"anything")
    elsewhere = ChainName(account_id="222233334444", region="eu-central-1")
    with pytest.raises(named.WrongChainError):
        follow(elsewhere, head_of(archive, 3)[1:], keys, archive.seal(4))


def test_a_seal_follows_nothing_where_no_key_is_trusted(archive: Archive) -> None:
    with pytest.raises(ValueError, match="no key to check"):
        follow(archive.chain, (0, None), [], archive.seal(1))
