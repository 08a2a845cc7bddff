"""A seal's list of leaves: a line of canonical JSON for each, in the order of the Merkle tree."""

import hashlib
from typing import Annotated, Self

from pydantic import Field

from logferry_contracts.digest import Sha256, sha256
from logferry_contracts.merkle import RootHash, leaf_hash
from logferry_contracts.message import Message
from logferry_contracts.seal_key import StatementName
from logferry_contracts.statement import Statement
from logferry_contracts.wire import emit_canonical


class LeafOrderError(ValueError):
    """A leaf does not come after the one before it: sort them by `StatementName.place`."""


class Leaf(Message):
    """One line of the list.

    Attributes:
        leaf_sha256: `merkle.leaf_hash` of the statement's bytes as they are stored.
        statement: Its key below ``statements/`` of the chain, see `StatementName`.
    """

    leaf_sha256: Sha256
    statement: Annotated[
        str,
        Field(
            min_length=1,
            max_length=900,
            pattern=r"^[!.\-_/#A-Za-z0-9]*/[0-9]{15}-[0-9]{15}/[0-9a-f]{64}\.json$",
        ),
    ]

    @classmethod
    def of(cls, statement: Statement, text: bytes) -> Self:
        """Return the leaf of a statement.

        Args:
            statement: What it says.
            text: Its bytes as they are stored.
        """
        name = StatementName(statement.log_group.name, statement.window, sha256(text))
        return cls(leaf_sha256=leaf_hash(text).hex(), statement=str(name))

    @property
    def name(self) -> StatementName:
        """What the statement's key says.

        Raises:
            ValueError: It is the key of no statement: its window ends before it starts.
        """
        return StatementName.parse(self.statement)

    def line(self) -> bytes:
        """Return its line of the list, with the newline."""
        return emit_canonical(self) + b"\n"


class LeafList:
    """What a seal says of leaves that come one after the other; it keeps none of them.

    Attributes:
        count: How many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._root = RootHash()
        self._sha256 = hashlib.sha256()
        self._last: StatementName | None = None

    def add(self, leaf: Leaf) -> bytes:
        """Count a leaf, and return its line.

        Raises:
            LeafOrderError: It does not come after the one before, or is the same window again.
        """
        name = leaf.name
        if self._last is not None and name.place <= self._last.place:
            raise LeafOrderError(f"{name} after {self._last}")
        self._last = name
        line = leaf.line()
        self.count_line(line, leaf)
        return line

    def count_line(self, line: bytes, leaf: Leaf) -> None:
        """Count a leaf as it stands in a list that somebody else has written, in any order."""
        self._sha256.update(line)
        self._root.add_hash(bytes.fromhex(leaf.leaf_sha256))
        self.count += 1

    @property
    def root_sha256(self) -> str:
        """The root of their Merkle tree."""
        return self._root.digest().hex()

    @property
    def sha256(self) -> str:
        """The digest of the list, which is its name."""
        return self._sha256.hexdigest()
