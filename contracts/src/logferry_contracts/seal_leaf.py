"""A seal's list of leaves: a line of canonical JSON for each, in the order of the Merkle tree.

A leaf is a salted hash of its log group's name and the hash of its statement, and leaves are in the
order of these hashes: so a log group's leaves are shown to be all of them, or that there are none,
by the two leaves beside them, which say no name and no content.
"""

import hashlib
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field

from logferry_contracts.digest import sha256
from logferry_contracts.merkle import RootHash
from logferry_contracts.message import Message
from logferry_contracts.seal_key import StatementName
from logferry_contracts.statement import Statement
from logferry_contracts.wire import emit_canonical


class LeafOrderError(ValueError):
    """A leaf does not come after the one before it: sort them by `place`."""


def name_sha256(name_salt: str, log_group_name: str) -> bytes:
    """Return the hash of a log group's name under the salt of one seal.

    Whoever has the salt can try names out, one seal at a time.

    Args:
        name_salt: ``name_salt`` of the seal, 16 bytes in hexadecimal.
        log_group_name: The name.
    """
    return hashlib.sha256(bytes.fromhex(name_salt) + log_group_name.encode()).digest()


def leaf_data(hashed_name: bytes, statement_sha256: str) -> bytes:
    """Return the 64 bytes of the tree's leaf, of which `merkle.leaf_hash` is to be made.

    Args:
        hashed_name: As of `name_sha256`.
        statement_sha256: Of the statement's bytes as they are stored.
    """
    return hashed_name + bytes.fromhex(statement_sha256)


def place(name_salt: str, name: StatementName) -> tuple[bytes, int, int]:
    """Return where a leaf is in the order of the tree of a seal that has this salt."""
    hashed = name_sha256(name_salt, name.log_group_name)
    return hashed, name.window.from_ms, name.window.to_ms


class Leaf(Message):
    """One line of the list.

    Attributes:
        statement: Its key below ``statements/`` of the chain, see `StatementName`.
    """

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
        return cls(statement=str(name))

    @cached_property
    def name(self) -> StatementName:
        """What the statement's key says, which is asked several times.

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

    def __init__(self, name_salt: str) -> None:
        """Begin with none.

        Args:
            name_salt: Of the seal.
        """
        self.count = 0
        self._name_salt = name_salt
        self._root = RootHash()
        self._sha256 = hashlib.sha256()
        self._last: tuple[bytes, int, int] | None = None

    def add(self, leaf: Leaf) -> bytes:
        """Count a leaf, and return its line.

        Raises:
            LeafOrderError: It does not come after the one before, or is the same window again.
        """
        at = place(self._name_salt, leaf.name)
        if self._last is not None and at <= self._last:
            raise LeafOrderError(f"{leaf.statement} does not come after the leaf before it")
        self._last = at
        line = leaf.line()
        self.count_line(line, leaf)
        return line

    def count_line(self, line: bytes, leaf: Leaf) -> None:
        """Count a leaf as it stands in a list that somebody else has written, in any order."""
        self._sha256.update(line)
        name = leaf.name
        hashed = name_sha256(self._name_salt, name.log_group_name)
        self._root.add(leaf_data(hashed, name.sha256))
        self.count += 1

    @property
    def root_sha256(self) -> str:
        """The root of their Merkle tree."""
        return self._root.digest().hex()

    @property
    def sha256(self) -> str:
        """The digest of the list, which is its name."""
        return self._sha256.hexdigest()
