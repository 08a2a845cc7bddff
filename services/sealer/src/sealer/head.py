"""The seals of a chain as they are stored, and the newest of them: rules only."""

from dataclasses import dataclass

from logferry_contracts import json_text
from logferry_contracts.day_seal import DaySeal, read_envelope
from logferry_contracts.digest import sha256
from logferry_contracts.wire import parse


@dataclass(frozen=True, kw_only=True)
class StoredSeal:
    """A seal as a listing shows it.

    Attributes:
        version_id: Of the version that was written first.
        is_alone: Whether its key has no other version, and no delete marker.
    """

    sequence: int
    key: str
    version_id: str
    is_alone: bool


@dataclass(frozen=True, kw_only=True)
class ReadSeal:
    """A seal that was read.

    Attributes:
        sha256: Of its envelope as it is stored, which the next one names.
        seal: What it says.
    """

    stored: StoredSeal
    sha256: str
    seal: DaySeal


def read(stored: StoredSeal, envelope: bytes) -> ReadSeal:
    """Return what a seal says. Its signature is for the verifier to check.

    Raises:
        EnvelopeError: It is no envelope.
        ContractError: It is no seal.
    """
    seal = parse(DaySeal, read_envelope(envelope).payload)
    return ReadSeal(stored=stored, sha256=sha256(envelope), seal=seal)


def says(statement: bytes, *, without: str | None = None) -> str:
    """Return the digest of what a statement says, whenever and however salted it was written.

    Args:
        statement: Its text.
        without: A field that is left out; None for none.
    """
    fields = json_text.read(statement)
    names = sorted(fields.keys() - _OF_WRITING - {without})
    return sha256("\n".join(f"{name}: {fields[name]!r}" for name in names).encode())


_OF_WRITING = frozenset({"schema", "salt", "stated_at"})
