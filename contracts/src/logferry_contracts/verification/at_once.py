"""Whether the list of a day's leaves is in order, found for many leaves at once.

Most lists are, and ten years have millions of leaves. Yes is certain: leaf by leaf nothing would be
found either. No may also mean that a list is written otherwise than here.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.log_group import WITHOUT_SLASH
from logferry_contracts.merkle import HASH_BYTES, RootHash, leaf_hash

_BLOCK = 256
"""Leaves that are looked at together: a whole subtree, whatever comes after them."""

_BEGIN, _END = b'{"statement":"', b'"}\n'
_PREFIX = slice(len(_BEGIN))
_FOLDER = slice(len(_BEGIN), -102)
_WINDOW = slice(-102, -69)
_HASH = slice(-69, -5)
_SUFFIX = slice(-5, None)
"""Of a line without its end: `StatementName` after `_BEGIN`."""
_LENGTHS = range(len(_BEGIN) + 102, len(_BEGIN) + 901)
_EDGES = re.compile(rb"/[0-9]{15}-[0-9]{15}/")
_IN_FOLDERS = b"!.-_/#0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""As `Leaf` has it."""


def is_in_order(pieces: Iterable[bytes], sealed: SealedWindows) -> bool:
    """Whether a list is the one that was sealed, and windows fill what the seal covers.

    Args:
        pieces: Of the list.
        sealed: What a seal of the kind ``day`` says of it.
    """
    day, hashed, rest = _Day(sealed), sha256(), b""
    for piece in pieces:
        hashed.update(piece)
        *lines, rest = (rest + piece).split(_END)
        if len(rest) > max(_LENGTHS) or not day.takes(lines):
            return False
    return not rest and day.is_whole() and hashed.hexdigest() == sealed.leaves_sha256


class _Day:
    """The leaves of a day so far, each log group's windows joined from end to end."""

    def __init__(self, sealed: SealedWindows) -> None:
        self._sealed = sealed
        self._begin = b"%015d" % sealed.covers.from_ms
        self._end = b"%015d" % sealed.covers.to_ms
        self._salted = sha256(bytes.fromhex(sealed.name_salt))
        self._root = RootHash()
        self._waiting: list[bytes] = []
        self._reached, self._last = self._end, b""
        """The end of the last window, and the hash of its log group's name."""

    def takes(self, lines: Sequence[bytes]) -> bool:
        """Take lines in, without their ends; return whether nothing is wrong with them."""
        self._waiting += lines
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

    def _is_block_in_order(self, lines: Sequence[bytes]) -> bool:
        hashes = _statement_hashes(lines) if _are_leaves(lines) else None
        if hashes is None:
            return False
        names = self._hashed_names(lines)
        if not self._are_tiled(names, [each[_WINDOW] for each in lines]):
            return False
        pairs = zip(names, hashes, strict=True)
        self._root.add_hashes([leaf_hash(name + statement) for name, statement in pairs])
        return True

    def _hashed_names(self, lines: Sequence[bytes]) -> list[bytes]:
        """Return `seal_leaf.name_sha256` of each leaf."""
        without_slash, found = WITHOUT_SLASH.encode(), []
        for line in lines:
            folder = line[_FOLDER]
            name = folder.removeprefix(without_slash)
            hashed = self._salted.copy()
            hashed.update(name if name != folder else b"/" + folder)
            found.append(hashed.digest())
        return found

    def _are_tiled(self, names: Sequence[bytes], windows: Sequence[bytes]) -> bool:
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


def _are_leaves(lines: Sequence[bytes]) -> bool:
    """Whether lines are written as `Leaf.line` does, but for the statement's hash."""
    lengths = set(map(len, lines))
    return (
        min(lengths) in _LENGTHS
        and max(lengths) in _LENGTHS
        and {each[_PREFIX] for each in lines} == {_BEGIN}
        and {each[_SUFFIX] for each in lines} == {b".json"}
        and all(map(_EDGES.fullmatch, {each[_WINDOW] for each in lines}))
        and not b"".join([each[_FOLDER] for each in lines]).translate(None, _IN_FOLDERS)
    )


def _statement_hashes(lines: Sequence[bytes]) -> list[bytes] | None:
    text = b"".join([each[_HASH] for each in lines])
    try:
        hashes = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None
    if hashes.hex().encode() != text:  # other spellings are none of ours
        return None
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
