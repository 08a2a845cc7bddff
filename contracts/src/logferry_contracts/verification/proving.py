"""Make a proof of one log group on one date, out of an archive."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from logferry_contracts.chain import ChainName
from logferry_contracts.merkle import inclusion_proof, leaf_hash
from logferry_contracts.proof import Neighbour, Proof, ProofHead, Shown, ShownLeaf
from logferry_contracts.seal_leaf import Leaf, leaf_data, name_sha256
from logferry_contracts.verification.chain import Chain, Link
from logferry_contracts.verification.findings import (
    Finding,
    NotASealError,
    SealError,
    SealsMissingError,
)
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.proofs import links_of_date
from logferry_contracts.verification.statements import STATEMENTS
from logferry_contracts.verification.store import Store, Unreadable
from logferry_contracts.verification.stored import Sort, fetch

SEALS = Sort(SealsMissingError, NotASealError)


class NotSealedError(LookupError):
    """There is no seal of the date: name another one, or have it sealed."""


def prove(  # noqa: PLR0913  (each from another place)
    store: Store,
    chain: Chain,
    log_group_name: str,
    *,
    date: str,
    made_at: str,
    witness_notes: Sequence[str] = (),
) -> Proof:
    """Return the proof of what became of a log group on a date, or that it was not there.

    It is not checked: see `proofs.check`.

    Args:
        store: The archive.
        chain: Of the account and Region, up to the newest seal.
        log_group_name: The log group.
        date: Such as ``2026-11-22``, as seals have it.
        made_at: When, as a timestamp.
        witness_notes: Notes of the chain's head, with their signatures.

    Raises:
        NotSealedError: There is no seal of the date.
        SealError: Something that the proof needs is not as it was sealed.
        Unreadable: Something cannot be read now.
    """
    asked = links_of_date(chain.links, date)
    if not asked:
        raise NotSealedError(f"{chain.name} has no seal of {date}")
    first, head = asked[0].sequence, chain.links[-1]
    rotations = [each for each in chain.links if each.kind == "key" and each.sequence < first]
    return Proof.of(
        chain=chain.name,
        log_group_name=log_group_name,
        date=date,
        made_at=made_at,
        head=ProofHead(sequence=head.sequence, sha256=head.sha256),
        key_id=head.key_id,
        rotations=[_envelope(store, each) for each in rotations],
        seals=[_envelope(store, each) for each in chain.links if each.sequence >= first],
        shown=[_shown(store, chain.name, each, log_group_name) for each in asked],
        witness_notes=list(witness_notes) or None,
    )


def _envelope(store: Store, link: Link) -> str:
    return _read(*fetch(store, link.key, link.sha256, SEALS))


def _read(text: bytes | None, findings: list[Finding]) -> str:
    if text is None:
        raise _error(findings)
    return text.decode()


def _error(findings: list[Finding]) -> Exception:
    [finding, *_] = findings
    return finding if isinstance(finding, SealError) else Unreadable(str(finding))


@dataclass
class _Run:
    """The leaves of one log group among those of a seal.

    Attributes:
        hashes: Of all leaves.
        before: Name and statement of the last leaf before them, as hashes; None for none.
        after: Of the first leaf after them.
    """

    hashes: list[bytes] = field(default_factory=list)
    before: tuple[bytes, str] | None = None
    own: list[Leaf] = field(default_factory=list)
    after: tuple[bytes, str] | None = None
    index: int = 0

    def add(self, leaf: Leaf, hashed: bytes, wanted: bytes) -> None:
        digest = leaf.name.sha256
        self.hashes.append(leaf_hash(leaf_data(hashed, digest)))
        if hashed < wanted:
            self.before, self.index = (hashed, digest), len(self.hashes)
        elif hashed == wanted:
            self.own.append(leaf)
        elif self.after is None:
            self.after = (hashed, digest)

    def path(self, index: int) -> list[str]:
        return [each.hex() for each in inclusion_proof(self.hashes, index)]

    def neighbour(self, of: tuple[bytes, str] | None, index: int) -> Neighbour | None:
        if of is None:
            return None
        return Neighbour(name_sha256=of[0].hex(), statement_sha256=of[1], path=self.path(index))


def _shown(store: Store, name: ChainName, link: Link, log_group_name: str) -> Shown:
    sealed = link.sealed
    assert sealed is not None  # noqa: S101  (`links_of_date` has no others)
    leaves = Leaves(store, name, sealed)
    if not leaves.are_there:
        raise _error(leaves.findings)
    wanted, run = name_sha256(sealed.name_salt, log_group_name), _Run()
    for leaf in leaves:
        run.add(leaf, name_sha256(sealed.name_salt, leaf.name.log_group_name), wanted)
    shown = [
        ShownLeaf(
            statement=_read(*fetch(store, leaf.name.key(name), leaf.name.sha256, STATEMENTS)),
            path=run.path(index),
        )
        for index, leaf in enumerate(run.own, run.index)
    ]
    return Shown(
        sequence=link.sequence,
        index=run.index,
        leaves=shown,
        before=run.neighbour(run.before, run.index - 1),
        after=run.neighbour(run.after, run.index + len(shown)),
    )
