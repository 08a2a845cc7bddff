"""Whether a proof shows what it says, by nothing but itself and keys that are trusted.

What is checked, in this order:

* its seals follow each other, are signed by keys that are trusted at their places, and end with the
  head that it names;
* it shows leaves of each of them that has windows of the date, and of no others;
* these leaves are in the seal's tree, and all of the log group's: beside them are leaves of others;
* their statements are of the log group and within what the seal covers; those of a ``day`` fill it;
* the witnesses' notes are of the head.

What counts of all that seals say of a window is as `standing` has it: mostly the last word. A later
seal may say something of other dates' windows as well: of these a proof need not have all that was
said, so that it says nothing of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain as chained
from typing import NamedTuple

from logferry_contracts import json_text
from logferry_contracts.canonical_json import NotCanonicalError, canonical_json
from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.merkle import ProofError, check_inclusion
from logferry_contracts.proof import Neighbour, Proof, Shown, ShownLeaf
from logferry_contracts.seal_leaf import leaf_data, name_sha256
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.signed_note import NoteError
from logferry_contracts.statement import Statement
from logferry_contracts.verification.chain import Link, part_of_chain
from logferry_contracts.verification.findings import (
    Disposed,
    ForeignWitnessError,
    ForgedNoteError,
    LeafLeftOutError,
    NotBesideError,
    NotBetweenError,
    Note,
    NotInTheSealError,
    OtherDateError,
    ProofHeadError,
    ReserialisedError,
    SealError,
    SealLeftOutError,
    StatementBrokenError,
    StatementSwappedError,
    Unchecked,
    WindowMissingError,
    WindowOutsideError,
)
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.standing import not_known, standing
from logferry_contracts.verification.witnesses import Witnessed, of_seal
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from logferry_contracts.witness import Head, WitnessKey


class Word(NamedTuple):
    """What a seal says of one window."""

    link: Link
    statement: Statement


@dataclass(frozen=True)
class Proven:
    """What a proof has shown.

    Attributes:
        days: The seals of kind ``day`` of the date.
        words: What counts of each window, in their order, with what was archived before and counts
            beside it; none where the log group has no leaf.
        besides: What was said of the same windows besides, before or later, the first word first.
        notes: What somebody may want to know of the windows.
        head: The newest seal that the proof knows.
        witnessed: Which witnesses have seen the head.
        unchecked: What is not known, such as by whom the seals are signed.
    """

    proof: Proof
    days: list[Link]
    words: list[Word]
    besides: list[Word]
    head: Link
    witnessed: list[Witnessed] = field(default_factory=list)
    notes: list[Disposed | Note] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)


def check(proof: Proof, keys: Iterable[TrustedKey], witnesses: Sequence[WitnessKey] = ()) -> Proven:
    """Check a proof.

    Args:
        proof: What somebody has handed over.
        keys: Those that are trusted because somebody says so who has not handed it over.
        witnesses: Their keys; with any, the head has to be signed by one of them.

    Raises:
        SealError: It does not show what it says: the first thing that is wrong with it.
    """
    name, stored = proof.chain, [each.encode() for each in proof.seals]
    chain = part_of_chain(name, keys, stored, [each.encode() for each in proof.rotations])
    for finding in chain.findings:
        if isinstance(finding, SealError):
            raise finding
    head = chain.links[-1]
    if (head.sequence, head.sha256) != (proof.head.sequence, proof.head.sha256):
        told = f"its seals end with {head.sequence}, {head.sha256}"
        raise ProofHeadError(f"seal {proof.head.sequence}, {proof.head.sha256}", told)
    asked = links_of_date(chain.links, proof.date)
    _check_what_is_shown(proof, chain.links, asked)
    said = [
        Word(link, statement)
        for link, shown in zip(asked, proof.shown, strict=True)
        for statement in _statements(proof, link, shown)
    ]
    proven = Proven(
        proof=proof,
        days=[each for each in asked if each.kind == "day"],
        words=[],
        besides=[],
        head=head,
        unchecked=[each for each in chain.findings if isinstance(each, Unchecked)],
    )
    _weigh(proven, said)
    _check_witnesses(proven, witnesses)
    return proven


def _weigh(proven: Proven, said: Sequence[Word]) -> None:
    """Take in what counts of each window.

    Raises:
        DisposalError: A seal has other objects disposed of than were sealed.
    """
    covered = [link.sealed.covers for link in proven.days if link.sealed is not None]
    by_window: dict[Window, list[Word]] = {}
    for word in sorted(said, key=_place):
        window = word.statement.window
        if any(_overlap(window, each) for each in covered):
            by_window.setdefault(window, []).append(word)
    for words in by_window.values():
        counts = standing([each.statement for each in words])
        for finding in counts.findings:
            if isinstance(finding, SealError):
                raise finding
            if isinstance(finding, Disposed | Note):
                proven.notes.append(finding)
        counting = [each for each in (counts.statement, *counts.also) if each is not None]
        for word in words:
            does_count = any(word.statement is each for each in counting)
            (proven.words if does_count else proven.besides).append(word)
        proven.unchecked.extend(chained.from_iterable(map(not_known, counting)))


def links_of_date(links: Iterable[Link], date: str) -> list[Link]:
    """Return the seals that have a word on the windows of a date."""
    sealing = [(link, link.sealed) for link in links if link.sealed is not None]
    covered = [e.covers for link, e in sealing if link.kind == "day" and e.date == date]
    return [
        link
        for link, sealed in sealing
        if (link.kind == "day" and sealed.date == date)
        or (link.kind == "later" and any(_overlap(sealed.covers, each) for each in covered))
    ]


def _overlap(one: Window, other: Window) -> bool:
    return one.from_ms < other.to_ms and other.from_ms < one.to_ms


def _place(word: Word) -> tuple[int, int]:
    return word.statement.window.from_ms, word.statement.window.to_ms


def _check_what_is_shown(proof: Proof, links: Sequence[Link], asked: Sequence[Link]) -> None:
    """Make sure that no seal that has a word on the date is left out.

    Raises:
        OtherDateError: The seals do not begin with the date's first one.
        SealLeftOutError: One is.
    """
    first = links[0]
    if not asked or asked[0] is not first:
        of = f"of {first.sealed.date}" if first.sealed else "of no date"
        told = f"the first seal of it is {first.sequence}, which is {of}"
        raise OtherDateError(f"the proof of {proof.date}", told)
    wanted = [each.sequence for each in asked]
    shown = [each.sequence for each in proof.shown]
    if wanted != shown:
        numbers = " and ".join(map(str, wanted))
        told = f"leaves are shown of the seals {shown}, where {numbers} have windows of it"
        raise SealLeftOutError(f"the proof of {proof.date}", told)


def _statements(proof: Proof, link: Link, shown: Shown) -> Iterator[Statement]:
    """Yield the statements of one seal, each checked, after the leaves beside them were."""
    sealed = link.sealed
    assert sealed is not None  # noqa: S101  (`links_of_date` has no others)
    tree = _Tree(link, sealed, proof)
    tree.check_neighbours(shown)
    reached, last = sealed.covers.from_ms, (-1, -1)
    for place, leaf in enumerate(shown.leaves, shown.index):
        statement = tree.statement(leaf, place)
        window = statement.window
        edges = (window.from_ms, window.to_ms)
        if edges <= last:
            raise NotBetweenError(tree.thing, f"{span(*edges)} is shown after {span(*last)}")
        if window.from_ms < sealed.covers.from_ms or window.to_ms > sealed.covers.to_ms:
            told = f"{span(*edges)} is not within what the seal covers"
            raise WindowOutsideError(tree.thing, told)
        if link.kind == "day" and window.from_ms > reached:
            raise WindowMissingError(tree.thing, f"there is none for {span(reached, edges[0])}")
        reached, last = max(reached, window.to_ms), edges
        yield statement
    if shown.leaves and link.kind == "day" and reached < sealed.covers.to_ms:
        told = f"there is none for {span(reached, sealed.covers.to_ms)}"
        raise WindowMissingError(tree.thing, told)


class _Tree:
    """The tree of one seal, of which some leaves are shown."""

    def __init__(self, link: Link, sealed: SealedWindows, proof: Proof) -> None:
        self._sealed = sealed
        self._name, self._chain = proof.log_group_name, proof.chain
        self._hashed = name_sha256(sealed.name_salt, self._name)
        self.thing = f"the leaves of {self._name} in {link.key}"

    def check_neighbours(self, shown: Shown) -> None:
        """Make sure that the leaves beside those that are shown are of other log groups."""
        end = shown.index + len(shown.leaves)
        for neighbour, place, is_there in (
            (shown.before, shown.index - 1, shown.index > 0),
            (shown.after, end, end < self._sealed.leaf_count),
        ):
            if (neighbour is not None) != is_there:
                told = "is not shown" if is_there else "is shown, where there is none"
                raise NotBesideError(self.thing, f"the leaf {place} beside them {told}")
            if neighbour is not None:
                self._check_neighbour(neighbour, place, is_before=place < shown.index)

    def _check_neighbour(self, neighbour: Neighbour, place: int, *, is_before: bool) -> None:
        hashed = bytes.fromhex(neighbour.name_sha256)
        try:
            self._check(leaf_data(hashed, neighbour.statement_sha256), place, neighbour.path)
        except ProofError as error:
            raise NotBesideError(self.thing, f"beside them: {error}") from error
        if hashed == self._hashed:
            raise LeafLeftOutError(self.thing, f"the leaf {place} is of it, too")
        if is_before != (hashed < self._hashed):
            side = "before" if is_before else "after"
            told = f"{hashed.hex()} is {side} {self._hashed.hex()}, where its name is"
            raise NotBetweenError(self.thing, told)

    def statement(self, leaf: ShownLeaf, place: int) -> Statement:
        """Return what a leaf says, after it was found to be one."""
        text = leaf.statement.encode()
        try:
            self._check_statement(text, place, leaf)
        except ProofError as error:
            raise self._not_in_the_seal(text, place, leaf, error) from error
        try:
            statement = parse(Statement, text)
        except ContractError as error:
            raise StatementBrokenError(self.thing, str(error)) from error
        said = (ChainName.of(statement.source), statement.log_group.name)
        if said != (self._chain, self._name):
            raise StatementSwappedError(self.thing, f"it is of {said[0]} {said[1]}")
        return statement

    def _not_in_the_seal(
        self, text: bytes, place: int, leaf: ShownLeaf, error: ProofError
    ) -> SealError:
        """Return why a statement is not the leaf, which only now is written anew."""
        try:
            self._check_statement(canonical_json(json_text.read(text)), place, leaf)
        except (ValueError, NotCanonicalError):
            return NotInTheSealError(self.thing, f"the statement of leaf {place}: {error}")
        return ReserialisedError(self.thing, "it is the same JSON, but not the same bytes")

    def _check_statement(self, text: bytes, place: int, leaf: ShownLeaf) -> None:
        self._check(leaf_data(self._hashed, sha256(text).hexdigest()), place, leaf.path)

    def _check(self, data: bytes, place: int, path: Iterable[str]) -> None:
        check_inclusion(
            data,
            index=place,
            size=self._sealed.leaf_count,
            path=[bytes.fromhex(each) for each in path],
            root=bytes.fromhex(self._sealed.root_sha256),
        )


def _check_witnesses(proven: Proven, witnesses: Sequence[WitnessKey]) -> None:
    """Take in who has seen the head.

    Raises:
        SealError: A note is not of the head, or is signed by nobody who is trusted.
    """
    if not witnesses:
        return
    proof, foreign = proven.proof, list[SealError]()
    head = Head(proof.chain, proven.head.sequence, proven.head.sha256)
    for note in proof.witness_notes or []:
        try:
            proven.witnessed.append(of_seal(note, head, witnesses))
        except ForeignWitnessError as error:  # one of another witness, which says nothing here
            foreign.append(error)
        except NoteError as error:
            raise ForgedNoteError(f"a note of {proven.head.key}", str(error)) from error
    if foreign and not proven.witnessed:
        raise foreign[0]
    if not proven.witnessed:
        why = "no witness's note of it is in the proof"
        mend = "Ask the witness for its head, and whoever has made the proof for one of that"
        proven.unchecked.append(Unchecked(f"what was sealed after {proven.head.key}", why, mend))
