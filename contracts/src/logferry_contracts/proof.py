"""Proof: what became of one log group on one date, or that it was not there, in one file.

It is to be handed over and checked without the archive: see `verification.proofs`. Nothing in it is
of another log group, but for two salted hashes beside its own leaves.
"""

from typing import Annotated, Self

from pydantic import Field

from logferry_contracts.chain import ChainName, Sequence
from logferry_contracts.digest import Sha256
from logferry_contracts.log_group import LogGroupName
from logferry_contracts.message import Count, Message, Timestamp
from logferry_contracts.plan_request import Date

PROOF_SCHEMA = "urn:logferry:schema:proof:1.0"

StoredText = Annotated[str, Field(min_length=1)]
"""What is stored, whose UTF-8 are the very bytes that are hashed."""

MOST_NOTES = 16
"""Of witnesses on one head."""

Path = Annotated[list[Sha256], Field(max_length=64)]
"""The hashes that lead from a leaf to the root, see `merkle.inclusion_proof`."""


class ShownLeaf(Message):
    """A leaf of the log group, by its statement."""

    statement: StoredText
    path: Path


class Neighbour(Message):
    """A leaf of another log group, by the two hashes that are its data: see `seal_leaf.leaf_data`.

    Attributes:
        name_sha256: See `seal_leaf.name_sha256`.
        statement_sha256: Of the bytes of a statement that has a salt of its own.
    """

    name_sha256: Sha256
    statement_sha256: Sha256
    path: Path


class Shown(Message):
    """All leaves that one seal has of the log group, and the leaves beside them.

    Attributes:
        sequence: Of the seal.
        index: The place of the first of the leaves, from 0; without any, where they would be.
        leaves: One after the other in the tree.
        before: The leaf at the place before ``index``; None where that is 0.
        after: The leaf at the place after the last one; None at the tree's end.
    """

    sequence: Sequence
    index: Count
    leaves: list[ShownLeaf]
    before: Neighbour | None = None
    after: Neighbour | None = None


class ProofHead(Message):
    """The newest seal that was known when the proof was made.

    Attributes:
        sha256: Of its envelope as it is stored.
    """

    sequence: Sequence
    sha256: Sha256


class Proof(Message):
    """A proof of one log group on one date.

    Attributes:
        date: As its seals have it.
        made_at: By the clock of who has made it: for people.
        head: What came after it the proof does not know.
        key_id: `signatures.TrustedKey.id` of the key that says to have signed the head.
        rotations: The envelopes of the seals of kind ``key`` before the first of ``seals``.
        seals: The envelopes from the date's first one up to the head.
        shown: One for each of ``seals`` that has windows of the date, in their order.
        witness_notes: Signed notes of the head, as `witness.Head` has them; None for none.
    """

    proof_schema: Annotated[
        str, Field(alias="schema", pattern=r"^urn:logferry:schema:proof:1\.[0-9]+$")
    ]
    chain: ChainName
    log_group_name: LogGroupName
    date: Date
    made_at: Timestamp
    head: ProofHead
    key_id: Sha256
    rotations: list[StoredText]
    seals: Annotated[list[StoredText], Field(min_length=1)]
    shown: Annotated[list[Shown], Field(min_length=1)]
    witness_notes: (
        Annotated[list[StoredText], Field(min_length=1, max_length=MOST_NOTES)] | None
    ) = None

    @classmethod
    def of(cls, **proof: object) -> Self:
        """Return a proof by the newest schema.

        Args:
            proof: By this model's names.

        Raises:
            ValidationError: It was put together wrongly.
        """
        return cls.model_validate({"schema": PROOF_SCHEMA, **proof})
