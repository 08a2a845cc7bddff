"""Read a chain of seals: each is there once, trusted at its place, and follows the one before.

The keys to begin with are given from outside. A seal of the kind ``key``, signed by a key that is
trusted, has its next key trusted from there on, and its own no more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import batched, groupby
from typing import NamedTuple, Self

from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import DaySeal, Kind, NextKey, SealedWindows
from logferry_contracts.dsse import Envelope
from logferry_contracts.message import Timestamp
from logferry_contracts.seal_key import seal_key, seals_prefix, sequence_of
from logferry_contracts.signatures import SignatureError, TrustedKey, UnusableKeyError, signers
from logferry_contracts.verification import joining
from logferry_contracts.verification.findings import (
    BrokenLinkError,
    Finding,
    ForeignKeyError,
    ForgedSealError,
    RetiredKeyError,
    SealError,
    SealsMissingError,
    SquattedError,
    TwoHistoriesError,
    Unchecked,
    UnlawfulRotationError,
    WrongChainError,
    WrongPlaceError,
)
from logferry_contracts.verification.places import (
    Candidate,
    Place,
    get_place,
    read_candidate,
    read_place,
)
from logferry_contracts.verification.store import Mapped, Store, Unreadable, Version
from logferry_contracts.verification.stored import unchecked

_GOT_TOGETHER = 16
"""Seals that are got by their numbers at once."""
_READ_TOGETHER = 32


class Link(NamedTuple):
    """One seal of a chain.

    Attributes:
        sha256: Of its envelope as it is stored.
        sealed: None for one of the kind ``key``.
        sealed_at: As it says itself.
        key_id: Of the key that it says it is signed by.
        next_key_id: Of the one that it names, if it is of the kind ``key``; otherwise None.
        is_signed: Whether it is a seal of its place, signed by a key that is trusted there.
    """

    sequence: int
    key: str
    sha256: str
    kind: Kind
    sealed: SealedWindows | None
    sealed_at: Timestamp
    key_id: str
    next_key_id: str | None
    is_signed: bool = False

    @classmethod
    def of(cls, key: str, sequence: int, sha256: str, seal: DaySeal) -> Self:
        """Return a seal that lies in some place.

        Args:
            key: Where it lies.
            sequence: Of that place, whatever it says itself.
            sha256: Of its envelope as it is stored.
            seal: What it says.
        """
        next_key_id = seal.next_key.id if seal.next_key else None
        told = (seal.kind, seal.sealed, seal.sealed_at, seal.key_id, next_key_id)
        return cls(sequence, key, sha256, *told)


@dataclass(frozen=True)
class Chain:
    """The seals of an account and Region that could be read, in their order.

    Attributes:
        reach: The sequence of the last place in which anything lies; None where the places could
            not all be listed.
        findings: All that is not as it should be.
        unread: The sequences of seals that are there and could not be read: what they say is not
            known, and may be what is missed in others.
    """

    name: ChainName
    links: list[Link]
    reach: int | None
    findings: list[Finding]
    unread: Sequence[int] = ()

    def is_known_after(self, sequence: int) -> bool:
        """Whether everything could be read that was sealed after a seal."""
        return self.reach is not None and all(each < sequence for each in self.unread)


def read_chain(
    store: Store,
    name: ChainName,
    keys: Iterable[TrustedKey],
    *,
    mapped: Mapped = map,
    told: Callable[[Link], None] = lambda _: None,
) -> Chain:
    """Read all seals of an account and Region, and tell all that is wrong with them.

    Args:
        store: Where they are.
        name: The chain.
        keys: Those that are trusted because somebody says so who is not the archive. Without any,
            signatures cannot be checked.
        mapped: Reads several seals, such as with threads.
        told: Told each seal once it is read, before those after it are.
    """
    walk = _Walk(name, {key.id: key for key in keys})
    try:
        for place in _some_read(mapped(partial(read_place, store), walk.places(store))):
            walk.step(place)
            if place.candidates:
                told(walk.links[-1])
        reach = walk.reach
    except Unreadable as error:
        walk.findings.append(unchecked(seals_prefix(name), error))
        reach = None
    covering = ((link.sequence, link.kind, link.sealed) for link in walk.links)
    joints = joining.findings(covering, are_all=reach is not None and not walk.unread)
    return Chain(name, walk.links, reach, [*walk.findings, *joints], walk.unread)


def part_of_chain(
    name: ChainName,
    keys: Iterable[TrustedKey],
    stored: Sequence[bytes],
    rotations: Iterable[bytes],
) -> Chain:
    """Check seals that follow each other, without those before the first one.

    Args:
        name: The chain.
        keys: Those that are trusted, be it at the first seal or before.
        stored: The envelopes, one at least.
        rotations: Of the seals of kind ``key`` before them. One that no trusted key has signed says
            nothing.

    Raises:
        SealError: An envelope cannot be read as a seal.
    """
    [first, *others] = [read_candidate(f"seal {n} of the part", e) for n, e in enumerate(stored, 1)]
    walk = _Walk(name, {key.id: key for key in keys}, (first.seal.sequence - 1, None))
    for each in rotations:
        walk.rotate(read_candidate("a rotation", each))
    for sequence, found in enumerate([first, *others], first.seal.sequence):
        walk.step(Place(sequence, seal_key(name, sequence), [found], []))
    return Chain(name, walk.links, walk.reach, walk.findings)


def read_end_of_chain(  # noqa: PLR0913  (each from another place)
    store: Store,
    name: ChainName,
    keys: Iterable[TrustedKey],
    newest: int,
    *,
    is_enough: Callable[[SealedWindows], bool],
    mapped: Mapped = map,
) -> Chain:
    """Read a chain's newest seals, got by their numbers: nothing is listed, and no hold looked at.

    Args:
        store: Where they are.
        name: The chain.
        keys: Those that are trusted at the first seal that is read, or before.
        newest: The number of the last seal; 0 for none.
        is_enough: Whether nothing before a seal of the kind ``day`` is wanted.
        mapped: Reads several seals, such as with threads.
    """
    places: list[Place] = []
    for numbers in batched(range(newest, 0, -1), _GOT_TOGETHER, strict=False):
        got = list(mapped(partial(get_place, store, name), numbers))
        places += got
        seals = [each.seal for place in got for each in place.candidates]
        if any(each.kind == "day" and each.sealed and is_enough(each.sealed) for each in seals):
            break
    walk = _Walk(name, {key.id: key for key in keys}, (newest - len(places), None))
    for place in reversed(places):
        if place.candidates or place.findings:
            walk.step(place)
    return Chain(name, walk.links, walk.reach, walk.findings)


class Followed(NamedTuple):
    """A seal that follows the one before it.

    Attributes:
        keys: Those that are trusted from there on.
    """

    link: Link
    keys: tuple[TrustedKey, ...]


def follow(
    name: ChainName, last: tuple[int, str | None], keys: Iterable[TrustedKey], stored: bytes
) -> Followed:
    """Check that a seal is the next one of a chain, as who reads them one by one does.

    Args:
        name: The chain.
        last: Sequence and SHA-256 of the seal before, ``(0, None)`` before the first one.
        keys: Those that are trusted there, at least one.
        stored: The next seal's envelope.

    Raises:
        SealError: It is not: the first thing that is wrong with it.
        ValueError: No key is trusted, so that any seal would be taken.
    """
    sequence = last[0] + 1
    key = seal_key(name, sequence)
    trusted = {each.id: each for each in keys}
    if not trusted:
        raise ValueError(f"no key to check {key} by")
    walk = _Walk(name, trusted, last)
    walk.step(Place(sequence, key, [read_candidate(key, stored)], []))
    for finding in walk.findings:
        if isinstance(finding, SealError):
            raise finding
    return Followed(walk.links[0], walk.trusted)


class _Walk:
    """Goes along a chain, and knows which keys are trusted where it is."""

    def __init__(
        self,
        name: ChainName,
        keys: dict[str, TrustedKey],
        last: tuple[int, str | None] = (0, None),
    ) -> None:
        self._name = name
        self._trusted = keys
        self._retired: dict[str, TrustedKey] = {}
        self._are_keys_given = bool(keys)
        self._last = last
        """The sequence of the last place, and the digest of what is there if it is a seal."""
        self.links: list[Link] = []
        self.findings: list[Finding] = []
        self.unread: list[int] = []
        """The sequences of places in which a seal may lie that could not be read."""
        if not keys:
            thing, why = f"the signatures of {name}", "no key was given to check them by"
            mend = "Give the public key that the archive's operator has given you"
            self.findings.append(Unchecked(thing, why, mend))

    @property
    def trusted(self) -> tuple[TrustedKey, ...]:
        """The keys that are trusted where it is."""
        return tuple(self._trusted.values())

    @property
    def reach(self) -> int:
        """The sequence of the last place in which something lay."""
        return self._last[0]

    def places(self, store: Store) -> Iterator[tuple[int, list[Version]]]:
        """Yield each sequence and the versions of its key."""
        versions = store.versions(seals_prefix(self._name))
        for key, group in groupby(versions, key=lambda each: each.key):
            try:
                sequence = sequence_of(self._name, key)
            except ValueError:
                self.findings.append(SquattedError(key, "it is not the key of a seal"))
                continue
            yield sequence, list(group)

    def step(self, place: Place) -> None:
        """Check the next place of the chain in which something lies."""
        self.findings += place.findings
        self._check_hole(place.sequence)
        digest = None
        if place.is_unread:
            self.unread.append(place.sequence)
        if place.candidates:
            chosen, signer = self._choose(place)
            digest = chosen.sha256
            self._check_place(place, chosen.seal)
            self._check_link(place, chosen.seal)
            self._check_signature(place.key, chosen, signer)
            link = Link.of(place.key, place.sequence, digest, chosen.seal)
            is_signed = signer is not None and signer.id == chosen.seal.key_id
            is_in_place = chosen.seal.chain == self._name and chosen.seal.sequence == place.sequence
            self.links.append(link._replace(is_signed=is_signed and is_in_place))
        self._last = (place.sequence, digest)

    def rotate(self, found: Candidate) -> None:
        """Trust the key that an earlier seal of the chain names, if it is trusted itself."""
        seal, signer = found.seal, _signed_by(found.envelope, self._trusted)
        is_by = signer is not None and signer.id == seal.key_id
        if seal.chain == self._name and seal.next_key and is_by:
            self._check_signature(seal_key(self._name, seal.sequence), found, signer)

    def _check_hole(self, sequence: int) -> None:
        first, last = self._last[0] + 1, sequence - 1
        if first > last:
            return
        count = last - first + 1
        named = f"seal {first}" if count == 1 else f"{count} seals, {first} to {last},"
        verb = "is" if count == 1 else "are"
        self.findings.append(
            SealsMissingError(f"{self._name}", f"{named} {verb} missing before seal {sequence}")
        )

    def _choose(self, place: Place) -> tuple[Candidate, TrustedKey | None]:
        """Return the seal of a place, and who has signed it."""
        by = [(each, _signed_by(each.envelope, self._trusted)) for each in place.candidates]
        signed = [(each, signer) for each, signer in by if signer is not None]
        if len({each.envelope.payload for each, _ in signed}) > 1:
            told = " and ".join(each.sha256 for each, _ in signed)
            self.findings.append(TwoHistoriesError(place.key, f"two seals are signed: {told}"))
        return (signed or by)[0]

    def _check_place(self, place: Place, seal: DaySeal) -> None:
        if seal.chain != self._name:
            self.findings.append(WrongChainError(place.key, f"it is a seal of {seal.chain}"))
        if seal.sequence != place.sequence:
            told = f"seal {seal.sequence} is in its place"
            self.findings.append(WrongPlaceError(place.key, told))

    def _check_link(self, place: Place, seal: DaySeal) -> None:
        last_sequence, last = self._last
        if place.sequence > 1 and (last_sequence != place.sequence - 1 or last is None):
            return  # what it names cannot be compared, which was told
        if seal.previous_sha256 != last:
            named = seal.previous_sha256 or "none"
            told = f"it names {named} as the seal before, where {last or 'none'} is"
            self.findings.append(BrokenLinkError(place.key, told))

    def _check_signature(self, key: str, found: Candidate, signer: TrustedKey | None) -> None:
        seal = found.seal
        if signer is None or signer.id != seal.key_id:
            if self._are_keys_given:
                self.findings.append(self._not_signed(key, found))
            elif seal.next_key is not None:
                self._next_key(key, seal.next_key)
            return
        if seal.next_key is not None and (following := self._next_key(key, seal.next_key)):
            self._trusted = {each: k for each, k in self._trusted.items() if each != signer.id}
            self._trusted[following.id] = following
            self._retired[signer.id] = signer

    def _not_signed(self, key: str, found: Candidate) -> Finding:
        seal, given = found.seal, ", ".join(self._trusted)
        if self.unread and seal.key_id not in self._trusted and seal.key_id not in self._retired:
            which = f"a seal that could not be read may name: {', '.join(map(str, self.unread))}"
            why = f"it is signed by the key {seal.key_id}, which {which}"
            return Unchecked(key, why, "Make that seal readable, and check again")
        if seal.next_key is not None:
            told = f"it names the key {seal.next_key.id}, and is not signed by {given}"
            return UnlawfulRotationError(key, told)
        if _signed_by(found.envelope, self._retired):
            return RetiredKeyError(key, f"it is signed by {seal.key_id}, which was replaced before")
        if seal.key_id in self._trusted or seal.key_id in self._retired:
            return ForgedSealError(key, f"its signature is not by the key {seal.key_id}")
        return ForeignKeyError(key, f"it is signed by the key {seal.key_id}, not by {given}")

    def _next_key(self, key: str, named: NextKey) -> TrustedKey | None:
        try:
            found = TrustedKey.from_pem(named.pem.encode(), key)
        except UnusableKeyError as error:
            self.findings.append(UnlawfulRotationError(key, str(error)))
            return None
        if found.id != named.id:
            told = f"it names the key {named.id}, and shows {found.id}"
            self.findings.append(UnlawfulRotationError(key, told))
            return None
        return found


def _some_read(places: Iterable[Place]) -> Iterator[Place]:
    """Yield places, several of which are read before the first of them is checked.

    What signatures are checked with stays in the CPU's caches: a tenth less time than in turns.
    """
    read: list[Place] = []
    try:
        for place in places:
            read.append(place)
            if len(read) == _READ_TOGETHER:
                yield from read
                read = []
    except Unreadable:
        yield from read
        raise
    yield from read


def _signed_by(envelope: Envelope, keys: dict[str, TrustedKey]) -> TrustedKey | None:
    try:
        return signers(envelope, keys.values())[0]
    except SignatureError:
        return None
