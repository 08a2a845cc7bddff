"""Merkle trees of RFC 6962: one hash for many leaves, and short proofs that a leaf is among them.

The hash of a leaf and that of two subtrees begin with different bytes, so that no subtree can be
passed off as a leaf. https://www.rfc-editor.org/rfc/rfc6962#section-2.1
"""

import hashlib
from collections.abc import Iterable, Sequence

from logferry_contracts.digest import sha256_of_pairs

HASH_BYTES = 32
"""SHA-256."""

_LEAF, _NODE = b"\x00", b"\x01"
_BEGUN_LEAF, _BEGUN_NODE = hashlib.sha256(_LEAF), hashlib.sha256(_NODE)


class ProofError(ValueError):
    """A leaf is not at this place of the tree that has this root: a proof, leaf or root is another.

    Whoever checks an archive must not believe what the leaf says.
    """


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of the tree that has this leaf alone."""
    return hashlib.sha256(_LEAF + leaf).digest()


def leaf_hashes(leaves: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the `leaf_hash` of each of many leaves, given in two parts: faster than one by one."""
    return sha256_of_pairs(_BEGUN_LEAF, leaves)


class RootHash:
    """The root of leaves that come one after the other; it keeps one hash for each power of two."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        """Begin with these leaves."""
        self.size = 0
        self._roots: list[bytes] = []
        """Of the full subtrees so far, the largest and leftmost first."""
        for leaf in leaves:
            self.add(leaf)

    def add(self, leaf: bytes) -> None:
        """Add a leaf at the end."""
        self.add_hash(leaf_hash(leaf))

    def add_hash(self, hashed: bytes) -> None:
        """Add a leaf at the end of which only the `leaf_hash` is at hand."""
        self._add_subtree(hashed, 1)

    def add_hashes(self, hashes: Sequence[bytes]) -> None:
        """Add leaves of which the `leaf_hash` are at hand: faster than one by one."""
        at = 0
        while at < len(hashes):
            # A subtree begins where the size so far is a multiple of its own.
            most = self.size & -self.size or len(hashes)
            self._add_side_by_side(hashes[at : at + most])
            at += most

    def _add_side_by_side(self, hashes: Sequence[bytes]) -> None:
        """Add leaves of no more than the size that a subtree may have here, level by level."""
        level, size = hashes, 1
        alone: list[tuple[bytes, int]] = []
        """The full subtrees that have no neighbour, with their sizes."""
        while level:
            if len(level) % 2:
                alone.append((level[-1], size))
            level, size = _parents(level), 2 * size
        for root, size_of_it in reversed(alone):
            self._add_subtree(root, size_of_it)

    def _add_subtree(self, root: bytes, size: int) -> None:
        """Add a full subtree; its size is a power of two that divides the size so far."""
        self._roots.append(root)
        self.size += size
        # As many subtrees are full now as the size has zeros at its end, but for those within.
        for _ in range((self.size & -self.size).bit_length() - size.bit_length()):
            right = self._roots.pop()
            self._roots.append(_node_hash(self._roots.pop(), right))

    def digest(self) -> bytes:
        """Return the root of the leaves so far; more may be added afterwards."""
        if not self._roots:
            return hashlib.sha256().digest()
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = _node_hash(left, root)
        return root


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from a leaf to the root, the one beside the leaf first.

    https://www.rfc-editor.org/rfc/rfc6962#section-2.1.1

    Args:
        leaf_hashes: `leaf_hash` of every leaf of the tree, in order.
        index: The leaf's place, from 0.

    Raises:
        IndexError: The tree has no such leaf.
    """
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"there is no leaf {index} among {len(leaf_hashes)}")
    path: list[bytes] = []
    level = list(leaf_hashes)
    while len(level) > 1:
        if (index ^ 1) < len(level):
            path.append(level[index ^ 1])
        level = _level_above(level)
        index //= 2
    return path


def check_inclusion(
    leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Make sure that a leaf is at a place of the tree that has this size and root.

    https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2

    Args:
        leaf: The leaf itself, not its hash.
        index: Its place, from 0.
        size: How many leaves the tree has, as trusted as the root: for some leaves, trees of two
            sizes have proofs of the same form.
        path: As of `inclusion_proof`.
        root: As of `RootHash.digest`, from a source that is trusted.

    Raises:
        ProofError: It is not.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} among {size}")
    if any(len(each) != HASH_BYTES for each in path):
        raise ProofError(f"a hash of the proof has not {HASH_BYTES} bytes")
    if len(path) != _path_length(index, size):
        raise ProofError(
            f"leaf {index} of {size} has a proof of {_path_length(index, size)} hashes, "
            f"not of {len(path)}"
        )
    found, last, beside = leaf_hash(leaf), size - 1, iter(path)
    while last > 0:
        if index % 2:
            found = _node_hash(next(beside), found)
        elif index < last:
            found = _node_hash(found, next(beside))
        index, last = index // 2, last // 2
    if found != root:
        raise ProofError(f"the proof leads to {found.hex()}, not to the root {root.hex()}")


def _path_length(index: int, size: int) -> int:
    """Return on how many levels there is a subtree beside the leaf's own."""
    last, length = size - 1, 0
    while last > 0:
        length += index % 2 or index < last
        index, last = index // 2, last // 2
    return length


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    above = _parents(level)
    # The last one of an odd level goes up as it is.
    return [*above, level[-1]] if len(level) % 2 else above


def _parents(level: Sequence[bytes]) -> list[bytes]:
    """Return the hash of each two neighbours; the last one of an odd level has none."""
    return sha256_of_pairs(_BEGUN_NODE, zip(level[::2], level[1::2], strict=False))


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
