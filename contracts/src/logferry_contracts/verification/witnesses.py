"""What witnesses have seen of a chain, compared with what is there of it.

A chain proves what lies between its seals, and nothing of what came after the newest one: whoever
takes seals from its end leaves a shorter chain that is as good. A witness's note says how long it
was, and when.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Self

from logferry_contracts.message import timestamp
from logferry_contracts.seal_key import seal_key
from logferry_contracts.signed_note import NoteError, SignedNote
from logferry_contracts.verification.chain import Chain, Link
from logferry_contracts.verification.findings import (
    BegunAnewError,
    CutOffError,
    Finding,
    ForeignWitnessError,
    ForgedNoteError,
    Note,
    OtherHeadError,
    SealError,
    SecondHistoryError,
    TwoHeadsError,
    Unchecked,
)
from logferry_contracts.witness import Head, WitnessKey, cosigners


@dataclass(frozen=True)
class Witnessed:
    """What a note says.

    Attributes:
        name: Of the note, such as its file's.
        head: What is in it, whoever has written it.
        witness: Who has signed it, of those that are trusted; None where none was given.
        at: When; the last one's time where several have.
        fault: Why nothing in it is believed.
    """

    name: str
    head: Head
    witness: str | None = None
    at: datetime | None = None
    fault: SealError | None = None

    @classmethod
    def read(cls, name: str, stored: bytes, keys: Sequence[WitnessKey]) -> Self:
        """Read a note.

        Args:
            name: Of the note, for findings.
            stored: Its bytes.
            keys: Of the witnesses that are trusted; without any, nobody's signature is checked.

        Raises:
            NoteError: It is no note of a chain's head.
        """
        note = SignedNote.parse(stored)
        head = Head.parse(note.text)
        if not keys:
            return cls(name, head)
        try:
            signed = cosigners(note, keys)
        except NoteError as error:
            return cls(name, head, fault=ForgedNoteError(name, str(error)))
        if not signed:
            told = f"it is signed by {_names(note)}, not by {', '.join(map(str, keys))}"
            return cls(name, head, fault=ForeignWitnessError(name, told))
        names = " and ".join(each.name for each in signed)
        at = datetime.fromtimestamp(max(each.at_s for each in signed), UTC)
        return cls(name, head, names, at)

    def __str__(self) -> str:
        return f"{self.witness or self.name} has seen seal {self.head.sequence}{self._when}"

    @property
    def _when(self) -> str:
        return f" at {timestamp(self.at)}" if self.at else ""

    @property
    def rank(self) -> tuple[int, datetime]:
        """By what the newest one of several is found."""
        return self.head.sequence, self.at or datetime.min.replace(tzinfo=UTC)


def of_seal(text: str, seal: Head, keys: Sequence[WitnessKey]) -> Witnessed:
    """Return what a note says that is shown for one seal, as it stands in a proof.

    Args:
        text: The note, with its signatures.
        seal: What it should be of.
        keys: Of the witnesses that are trusted, at least one.

    Raises:
        NoteError: It is no note of a chain's head.
        SealError: A `ForgedNoteError`, `ForeignWitnessError`, `SecondHistoryError` (the witness has
            seen another seal in this place) or `OtherHeadError`.
    """
    name = f"the note of {seal_key(seal.chain, seal.sequence)}"
    found = Witnessed.read(name, text.encode(), keys)
    if found.fault is not None:
        raise found.fault
    if found.head[:2] != seal[:2]:
        told = f"it is of seal {found.head.sequence} of {found.head.chain}"
        raise OtherHeadError(name, told)
    if found.head != seal:
        raise SecondHistoryError(name, _differs(found, seal.sha256))
    return found


def findings(chain: Chain, notes: Iterable[Witnessed]) -> Iterator[Finding]:
    """Yield what notes say against a chain, and up to when anything is known of its end.

    Args:
        chain: As `read_chain` has read it.
        notes: Of any chains.
    """
    mine = [each for each in notes if each.head.chain == chain.name]
    for each in mine:
        if each.fault is not None:
            yield each.fault
        elif each.witness is None:
            why, mend = "no witness's key was given to check it by", "Give the witness's key"
            yield Unchecked(each.name, why, mend)
    believed = [each for each in mine if each.fault is None]
    against = [*_two_heads(chain, believed), *_differences(chain, believed)]
    yield from against
    if chain.links and not against:
        yield _end(chain, chain.links[-1], believed)


def _two_heads(chain: Chain, notes: list[Witnessed]) -> Iterator[SealError]:
    ordered = sorted(notes, key=lambda each: each.head.sequence)
    for sequence, group in groupby(ordered, key=lambda each: each.head.sequence):
        by_digest = {each.head.sha256: each for each in group}
        if len(by_digest) > 1:
            told = " and ".join(f"{name} ({each.name})" for name, each in by_digest.items())
            yield TwoHeadsError(f"seal {sequence} of {chain.name}", f"witnessed are {told}")


def _differences(chain: Chain, notes: list[Witnessed]) -> Iterator[SealError]:
    there = {link.sequence: link for link in chain.links}
    for each in notes:
        head, link = each.head, there.get(each.head.sequence)
        if link is None and (chain.reach is None or head.sequence <= chain.reach):
            continue  # it is missing, or could not be read, which was told
        if link is not None and link.sha256 == head.sha256:
            continue
        first = chain.links[0] if chain.links else None
        if first is not None and _is_newer(first, each):
            told = f"its first seal is of {first.sealed_at}, but {each}"
            yield BegunAnewError(f"{chain.name}", told)
        elif link is None:
            there_is = f"the last one is seal {chain.reach}" if chain.reach else "there is none"
            yield CutOffError(f"{chain.name}", f"{there_is}, but {each}")
        else:
            yield SecondHistoryError(link.key, _differs(each, link.sha256))


def _end(chain: Chain, last: Link, notes: list[Witnessed]) -> Finding:
    """Return up to when it is known that nothing was cut off."""
    thing = f"the end of {chain.name}"
    there_is = f"seal {last.sequence} of {last.sealed_at} is the newest one that is there"
    if not notes:
        why, mend = f"{there_is}, and no note is of this chain", "Give a witness's note of it"
        return Unchecked(thing, why, mend)
    newest = max(notes, key=lambda each: each.rank)
    if newest.head.sequence < last.sequence:
        mend = "Get the witness's newest note; if there is none, ask it why"
        return Unchecked(thing, f"{there_is}, and {newest}", mend)
    if newest.head.sequence > last.sequence:  # it is gone from between, or damaged, or not listed
        why = f"{newest}, which could not be read"
        return Unchecked(thing, why, "Have that seal back, or make it readable, and check again")
    return Note(thing, f"{newest}, which is the newest one that is there")


def _is_newer(first: Link, note: Witnessed) -> bool:
    return note.at is not None and datetime.fromisoformat(first.sealed_at) > note.at


def _differs(note: Witnessed, sha256: str) -> str:
    return f"its SHA-256 is {sha256}, but {note}, which is {note.head.sha256}"


def _names(note: SignedNote) -> str:
    return ", ".join(f"{each.name}+{each.key_id.hex()}" for each in note.signatures)
