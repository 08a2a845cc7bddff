"""Whether the list of a day's leaves is in order, found for many leaves at once.

Most lists are, and ten years have millions of leaves. Yes is certain: leaf by leaf nothing would be
found either. No may also mean that a list is written otherwise than here.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from operator import lt
from struct import unpack

from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.log_group import WITHOUT_SLASH
from logferry_contracts.merkle import HASH_BYTES, RootHash, leaf_hash

_BLOCK = 256
"""Leaves that are looked at together: a whole subtree, whatever comes after them."""

_BEGIN, _END = b'{"statement":"', b'.json"}\n'
_BETWEEN = _END + _BEGIN
_FOLDER = slice(-97)
_WINDOW = slice(-97, -64)
_HASH = slice(-64, None)
"""Of a leaf: of what its line has between `_BEGIN` and `_END`."""
_SHORTEST, _LONGEST = 97, 900 - len(".json")
_EDGES = re.compile(rb"/[0-9]{15}-[0-9]{15}/")
_IN_LEAVES = b"!.-_/#0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""As `Leaf` has it."""


def is_in_order(pieces: Iterable[bytes], sealed: SealedWindows) -> bool:
    """Whether a list is the one that was sealed, and windows fill what the seal covers.

    Args:
        pieces: Of the list.
        sealed: What a seal of the kind ``day`` says of it.
    """
    day, hashed, rest, is_begun = _Day(sealed), sha256(), _END, False
    for piece in pieces:
        hashed.update(piece)
        *leaves, rest = (rest + piece).split(_BETWEEN)
        if leaves and not is_begun:
            is_begun = leaves.pop(0) == b""  # before the first one is nothing
            if not is_begun:
                return False
        if len(rest) > _LONGEST + len(_BETWEEN) or not day.takes(leaves):
            return False
    is_ended = rest.endswith(_END) and day.takes([rest.removesuffix(_END)])
    return is_ended and day.is_whole() and hashed.hexdigest() == sealed.leaves_sha256


class _Day:
    """The leaves of a day so far, each log group's windows joined from end to end."""

    def __init__(self, sealed: SealedWindows) -> None:
        self._sealed = sealed
        self._begin = b"%015d" % sealed.covers.from_ms
        self._end = b"%015d" % sealed.covers.to_ms
        self._whole = b"/%b-%b/" % (self._begin, self._end)
        self._salt = bytes.fromhex(sealed.name_salt)
        self._root = RootHash()
        self._waiting: list[bytes] = []
        self._reached, self._last = self._end, b""
        """The end of the last window, and the hash of its log group's name."""

    def takes(self, leaves: Sequence[bytes]) -> bool:
        """Take leaves in; return whether nothing is wrong with them."""
        self._waiting += leaves
        while len(self._waiting) >= _BLOCK:
            block, self._waiting = self._waiting[:_BLOCK], self._waiting[_BLOCK:]
            if not self._is_block_in_order(block):
                return False
        return True

    def is_whole(self) -> bool:
        """Return whether these are all leaves, and there are any."""
        if self._waiting and not self._is_block_in_order(self._waiting):
            return False
        found = (self._root.size, self._root.digest().hex(), self._reached)
        said = (self._sealed.leaf_count, self._sealed.root_sha256, self._end)
        return self._root.size > 0 and found == said

    def _is_block_in_order(self, leaves: Sequence[bytes]) -> bool:
        hashes = _statement_hashes(leaves) if _are_written_so(leaves) else None
        if hashes is None:
            return False
        names = self._hashed_names([each[_FOLDER] for each in leaves])
        if not self._are_tiled(names, [each[_WINDOW] for each in leaves]):
            return False
        pairs = zip(names, hashes, strict=True)
        self._root.add_hashes([leaf_hash(name + statement) for name, statement in pairs])
        return True

    def _hashed_names(self, folders: Sequence[bytes]) -> list[bytes]:
        """Return `seal_leaf.name_sha256` of the log group that each folder is of."""
        salt, with_slash, without = self._salt, self._salt + b"/", WITHOUT_SLASH.encode()
        if not any(each.startswith(without) for each in folders):
            return [sha256(with_slash + each).digest() for each in folders]
        named = (
            salt + each.removeprefix(without) if each.startswith(without) else with_slash + each
            for each in folders
        )
        return [sha256(each).digest() for each in named]

    def _are_tiled(self, names: Sequence[bytes], windows: Sequence[bytes]) -> bool:
        if self._reached == self._end and set(windows) == {self._whole}:
            begun, self._last = self._last, names[-1]
            return begun < names[0] and all(map(lt, names, names[1:]))
        return self._are_tiled_one_by_one(names, windows)

    def _are_tiled_one_by_one(self, names: Sequence[bytes], windows: Sequence[bytes]) -> bool:
        begin, end, reached, last = self._begin, self._end, self._reached, self._last
        for name, window in zip(names, windows, strict=True):
            start, to = window[1:16], window[17:32]
            is_new = reached == end
            goes_on = (
                name > last and start == begin if is_new else name == last and start == reached
            )
            if not goes_on or start >= to:
                return False
            reached, last = to, name
        self._reached, self._last = reached, last
        return True


def _are_written_so(leaves: Sequence[bytes]) -> bool:
    """Whether leaves are written as `Leaf` does, but for the statement's hash."""
    return (
        min(map(len, leaves)) >= _SHORTEST
        and max(map(len, leaves)) <= _LONGEST
        and all(map(_EDGES.fullmatch, {each[_WINDOW] for each in leaves}))
        and not b"".join(leaves).translate(None, _IN_LEAVES)
    )


def _statement_hashes(leaves: Sequence[bytes]) -> Sequence[bytes] | None:
    text = b"".join([each[_HASH] for each in leaves])
    try:
        hashes = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None
    if hashes.hex().encode() != text:  # other spellings are none of ours
        return None
    return unpack(f"{HASH_BYTES}s" * len(leaves), hashes)
