"""Check a proof file as somebody who has it was handed it, and say in words what it shows.

Needs the extra ``verify``.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from logferry_contracts.message import timestamp
from logferry_contracts.proof import Proof
from logferry_contracts.signatures import TrustedKey, UnusableKeyError
from logferry_contracts.signed_note import NoteError
from logferry_contracts.statement import ARCHIVED, DISPOSED, StatedObject, Statement
from logferry_contracts.verification.findings import (
    OtherObjectError,
    OtherProofError,
    SealError,
    Unchecked,
)
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.proofs import Proven, Word, check
from logferry_contracts.verification.standing import answered_for
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from logferry_contracts.witness import WitnessKey

_PIECE_BYTES = 1024 * 1024


class BadInputError(Exception):
    """A file that was given is not what it should be: say so, and check nothing."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody has been handed, and what of it is to be checked.

    Attributes:
        proof: The file.
        keys: Files with the public keys that are trusted.
        witness_keys: Files with the keys of the witnesses that are trusted.
        objects: Files that should be objects of the proof.
        chain: Which account and Region it should be of, as ``111122223333/eu-central-1``; None for
            whatever it is of.
        log_group_name: Which log group it should be of.
        date: Which date it should be of.
    """

    proof: Path
    keys: Sequence[Path] = ()
    witness_keys: Sequence[Path] = ()
    objects: Sequence[Path] = ()
    chain: str | None = None
    log_group_name: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class Judged:
    """What became of a proof.

    Attributes:
        proven: None where it is not valid.
        objects: Which object each file is.
        error: What is wrong.
    """

    file: str
    proven: Proven | None
    objects: dict[str, str]
    error: SealError | None = None

    @property
    def verdict(self) -> Literal["valid", "invalid", "unchecked"]:
        """``unchecked`` where nothing is wrong, but not everything could be checked."""
        if self.proven is None or self.error is not None:
            return "invalid"
        return "unchecked" if self.proven.unchecked else "valid"

    def lines(self) -> Iterator[str]:
        """Yield in words what was proven, or what is wrong."""
        verdict = {"valid": "valid", "invalid": "not valid", "unchecked": "not whole"}[self.verdict]
        yield f"{self.file}: {verdict}"
        if self.proven is not None:
            yield from in_words(self.proven)
        for file, key in self.objects.items():
            yield f"  object     {file} is {key}"
        if self.error is not None:
            yield f"  {self.error.code}  {self.error}"

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        document: dict[str, Any] = {"file": self.file, "verdict": self.verdict}
        if self.error is not None:
            what = {"error": self.error.code, "thing": self.error.thing, "what": self.error.what}
            document |= what | {"mend": self.error.mend}
        if self.proven is not None:
            document |= as_json(self.proven) | {"files": self.objects}
        return document


def judge(asked: Asked) -> Judged:
    """Check a proof.

    Raises:
        BadInputError: A file cannot be read, or is not what it should be.
    """
    file = str(asked.proof)
    proof = _proof(asked.proof)
    keys = [_key(each) for each in asked.keys]
    witnesses = [_witness_key(each) for each in asked.witness_keys]
    files = {str(each): _digest(each) for each in asked.objects}
    try:
        _check_asked(proof, asked)
        proven = check(proof, keys, witnesses)
    except SealError as error:
        return Judged(file, None, {}, error)
    found: dict[str, str] = {}
    known = [each for word in proven.words for each in _objects(word.statement)]
    for name, digest in files.items():
        keys_of = [each.key for each in known if each.sha256 == digest]
        if not keys_of:
            return Judged(file, proven, found, _other_object(proven, name, digest, len(known)))
        found[name] = " and ".join(keys_of)
    return Judged(file, proven, found)


def _other_object(proven: Proven, name: str, digest: str, known: int) -> OtherObjectError:
    """Return why a file is none of the objects that count."""
    for word in proven.besides:
        for each in _objects(word.statement):
            if each.sha256 == digest:
                told = f"it is {each.key}, as seal {word.link.sequence} has it, and counts no more"
                return OtherObjectError(name, told, "Ask for an object of what counts")
    told = f"its SHA-256 is {digest}, of none of the {known} objects that are proven"
    return OtherObjectError(name, told)


def _check_asked(proof: Proof, asked: Asked) -> None:
    """Make sure that it is the proof that was asked for.

    Raises:
        OtherProofError: It is of something else.
    """
    for what, wanted, found in (
        ("the account and Region", asked.chain, str(proof.chain)),
        ("the log group", asked.log_group_name, proof.log_group_name),
        ("the date", asked.date, proof.date),
    ):
        if wanted is not None and wanted != found:
            raise OtherProofError(str(asked.proof), f"it is of {what} {found}, not {wanted}")


def _proof(path: Path) -> Proof:
    try:
        return parse(Proof, _bytes(path))
    except ContractError as error:
        raise BadInputError(f"{path}: {error}") from error


def _key(path: Path) -> TrustedKey:
    try:
        return TrustedKey.from_pem(_bytes(path), str(path))
    except UnusableKeyError as error:
        raise BadInputError(str(error)) from error


def _witness_key(path: Path) -> WitnessKey:
    try:
        return WitnessKey.parse(_bytes(path).decode().strip())
    except (NoteError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: {error}") from error


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from error


def _objects(statement: Statement) -> list[StatedObject]:
    return (statement.objects or []) if statement.outcome in {ARCHIVED, DISPOSED} else []


def in_words(proven: Proven) -> Iterator[str]:
    """Yield what was proven."""
    proof = proven.proof
    yield f"  log group  {proof.log_group_name} of {proof.chain}"
    for link in proven.days:
        if (sealed := link.sealed) is not None:
            late = ", sealed late: by hand, by what was known then" if sealed.is_late else ""
            yield f"  date       {proof.date} ({sealed.time_zone}): {_span(sealed.covers)}{late}"
    if not proven.words:
        yield "  absent     no seal of this date has a leaf of this log group"
    for word in proven.words:
        yield from _word_in_words(word.statement.outcome, word)
    for word in proven.besides:
        yield from _word_in_words("also said", word)
    for note in proven.notes:
        yield f"  note       {note}"
    words = [*proven.words, *proven.besides]
    for key in sorted({each.key_id for each in (*proven.days, *(word.link for word in words))}):
        yield f"  sealed by  the key {key}"
    head = proven.head
    yield f"  known      up to seal {head.sequence} of {head.sealed_at}, {head.sha256}"
    yield "             what was sealed after that, this proof does not know"
    yield from _witnessed_in_words(proven)
    for unchecked in proven.unchecked:
        yield f"  unchecked  {unchecked}"


def _witnessed_in_words(proven: Proven) -> Iterator[str]:
    for each in proven.witnessed:
        yield f"  witness    {each}"
    if (notes := proven.proof.witness_notes) and not proven.witnessed:
        told = _count(len(notes), "note")
        yield f"  witness    not checked: {told} of it, which a witness's key checks"


def _word_in_words(label: str, word: Word) -> Iterator[str]:
    statement, link = word.statement, word.link
    objects = _objects(statement)
    told = [] if label == statement.outcome else [statement.outcome]
    told += [f"because {statement.reason}"] if statement.reason else []
    if objects:
        events, size = sum(e.events for e in objects), sum(e.size_bytes for e in objects)
        told.append(f"{_count(len(objects), 'object')}, {_count(events, 'event')}, {size:,} bytes")
    if statement.waiver:
        told.append(f"by {answered_for(statement)}")
    told += [f"{each.about}: {each.told}" for each in statement.differences or []]
    told += [statement.detail] if statement.detail else []
    yield f"  {label:<9}  {_span(statement.window)}: {', '.join(told) or 'no object'}"
    for each in objects:
        yield f"             {each.sha256}  {each.size_bytes}  {each.key}"
    because = f", because {link.sealed.reason}" if link.sealed and link.sealed.reason else ""
    yield f"             in seal {link.sequence} of {link.sealed_at}{because}"


def _span(window: Window) -> str:
    return span(window.from_ms, window.to_ms)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def as_json(proven: Proven) -> dict[str, Any]:
    """Return what was proven as a JSON document."""
    proof, head = proven.proof, proven.head
    return {
        "chain": str(proof.chain),
        "log_group_name": proof.log_group_name,
        "date": proof.date,
        "is_absent": not proven.words,
        "windows": [_word_as_json(each) for each in proven.words],
        "besides": [_word_as_json(each) for each in proven.besides],
        "notes": [{"thing": each.thing, "what": each.what} for each in proven.notes],
        "head": {"sequence": head.sequence, "sha256": head.sha256, "sealed_at": head.sealed_at},
        "witnessed": [
            {"witness": each.witness, "at": timestamp(each.at) if each.at else None}
            for each in proven.witnessed
        ],
        "unchecked": [_unchecked_as_json(each) for each in proven.unchecked],
    }


def _word_as_json(word: Word) -> dict[str, Any]:
    statement, link = word.statement, word.link
    names = {"window", "outcome", "reason", "detail", "differences", "waiver"}
    said = statement.model_dump(mode="json", include=names, exclude_none=True)
    objects = [
        {"key": each.key, "sha256": each.sha256, "size_bytes": each.size_bytes}
        | {"events": each.events}
        for each in _objects(statement)
    ]
    sealed = {"sequence": link.sequence, "sealed_at": link.sealed_at, "key_id": link.key_id}
    return {**said, "objects": objects, "seal": sealed}


def _unchecked_as_json(unchecked: Unchecked) -> dict[str, str]:
    return {"thing": unchecked.thing, "why": unchecked.why, "mend": unchecked.mend}
