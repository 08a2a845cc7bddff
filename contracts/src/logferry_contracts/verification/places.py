"""What lies in the places of a chain: each key's versions, read as seals."""

from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import PAYLOAD_TYPE, DaySeal, read_envelope
from logferry_contracts.dsse import Envelope, EnvelopeError
from logferry_contracts.seal_key import seal_key
from logferry_contracts.verification.findings import (
    CoveredError,
    Finding,
    HiddenError,
    NotASealError,
    ReserialisedError,
    SealError,
    Unread,
)
from logferry_contracts.verification.store import Missing, Store, Unreadable, Version
from logferry_contracts.verification.stored import lifted, read_whole, unchecked
from logferry_contracts.wire import ContractError, parse

MAX_SEAL_BYTES = 1024 * 1024
"""A seal has some thousand bytes. Nothing longer is taken into memory before it is trusted."""


class Candidate(NamedTuple):
    """A version of a seal's key that can be read as a seal."""

    sha256: str
    envelope: Envelope
    seal: DaySeal


class Place(NamedTuple):
    """What lies in one place of a chain.

    Attributes:
        candidates: What can be read as a seal, the oldest first: that one was there first.
        findings: What is wrong with what lies there, whatever the chain is.
    """

    sequence: int
    key: str
    candidates: list[Candidate]
    findings: list[Finding]

    @property
    def is_unread(self) -> bool:
        """Whether a seal may lie there that could not be read."""
        return not self.candidates and any(isinstance(each, Unread) for each in self.findings)


def read_place(store: Store, place: tuple[int, list[Version]]) -> Place:
    """Read all versions of a seal's key, and look at their holds."""
    sequence, versions = place
    key = versions[0].key
    candidates: list[Candidate] = []
    findings = list(_over(key, versions))
    for version in reversed([each for each in versions if not each.is_delete_marker]):
        of_bytes: list[Finding] = []
        try:
            candidates.append(_read(store, key, version))
        except SealError as error:
            findings.append(error)
            continue
        except (Missing, Unreadable) as error:
            of_bytes.append(unchecked(key, error))
        try:
            findings += lifted(store, key, version.version_id, of_bytes)
        except Missing as error:
            findings.append(unchecked(key, error))
    return Place(sequence, key, candidates, findings)


def get_place(store: Store, name: ChainName, sequence: int) -> Place:
    """Return what is got by a seal's key; where it is not there, nothing."""
    key = seal_key(name, sequence)
    try:
        found = read_candidate(key, read_whole(store, key, None, MAX_SEAL_BYTES))
    except SealError as error:
        return Place(sequence, key, [], [error])
    except Missing:
        return Place(sequence, key, [], [])
    except Unreadable as error:
        return Place(sequence, key, [], [unchecked(key, error)])
    return Place(sequence, key, [found], [])


def _over(key: str, versions: list[Version]) -> Iterator[Finding]:
    """Yield what lies over a seal, or beside it: its key has one version, and no delete marker."""
    markers = [str(each.version_id) for each in versions if each.is_delete_marker]
    others = [str(each.version_id) for each in versions if not each.is_delete_marker]
    if markers:
        yield HiddenError(key, f"delete markers lie over it: {', '.join(markers)}")
    if len(others) > 1:
        yield CoveredError(key, f"it has {len(others)} versions: {', '.join(others)}")


def _read(store: Store, key: str, version: Version) -> Candidate:
    return read_candidate(key, read_whole(store, key, version.version_id, MAX_SEAL_BYTES))


def read_candidate(key: str, stored: bytes) -> Candidate:
    """Read an envelope as a seal.

    Raises:
        SealError: It is none.
    """
    if len(stored) > MAX_SEAL_BYTES:
        raise NotASealError(key, f"it has more than {MAX_SEAL_BYTES} bytes")
    try:
        envelope = read_envelope(stored)
        seal = parse(DaySeal, envelope.payload)
    except EnvelopeError as error:
        kind = ReserialisedError if _is_reserialised(stored) else NotASealError
        raise kind(key, str(error)) from error
    except ContractError as error:
        raise NotASealError(key, str(error)) from error
    if (keyid := envelope.signatures[0].keyid) != seal.key_id:
        told = f"its envelope says the key {keyid}, its payload {seal.key_id}"
        raise NotASealError(key, told)
    return Candidate(sha256(stored).hexdigest(), envelope, seal)


def _is_reserialised(stored: bytes) -> bool:
    """Whether it is an envelope of one signature that somebody has written anew."""
    try:
        return read_envelope(Envelope.parse(stored, PAYLOAD_TYPE).stored()) is not None
    except EnvelopeError:
        return False
