"""Whether the list of a day's leaves is in order, found for many leaves at once.

Most lists are, and ten years have millions of leaves. Yes is certain: leaf by leaf nothing would be
found either. No may also mean that a list is written otherwise than here.
"""

import re
from binascii import hexlify, unhexlify
from collections.abc import Iterable, Sequence
from hashlib import sha256
from operator import lt
from struct import unpack

from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.digest import sha256_of_each
from logferry_contracts.log_group import log_group_of_folder
from logferry_contracts.merkle import HASH_BYTES, RootHash, leaf_hashes

_BLOCK = 512
"""Leaves that are looked at together, most lists whole: a subtree, whatever comes after them."""

_BEGIN, _END = b'{"statement":"', b'.json"}\n'
_BETWEEN = _END + _BEGIN
_NAME_BYTES = len("/000000000000000-000000000000000/") + 2 * HASH_BYTES
_FOLDER, _NAME = slice(-_NAME_BYTES), slice(-_NAME_BYTES, None)
"""Of a leaf, which is what its line has between `_BEGIN` and `_END`: a log group's folder, and the
window and the hash of its statement."""
_OF_NAME_WINDOW, _OF_NAME_HASH = "33s64x", "33x64s"
"""What `unpack` takes of a name."""
_LONGEST = 900 - len(".json")
_LONGEST_FOLDER = _LONGEST - _NAME_BYTES
_EDGES = re.compile(rb"/[0-9]{15}-[0-9]{15}/")
_MARK = b"!"
_IN_LEAVES = b".-_/#0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""As `Leaf` has it, but for `_MARK`, which few have."""


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
        folders = [each[_FOLDER] for each in leaves]
        text = b"".join([each[_NAME] for each in leaves])
        if len(text) != len(leaves) * _NAME_BYTES:  # one is shorter than any leaf
            return False
        written = unpack(_OF_NAME_HASH * len(leaves), text)
        marks, hashes = _marks(folders), _hashes(written)
        if marks is None or hashes is None:
            return False
        names = self._hashed_names(folders) if marks else self._hashed_names_with_slash(folders)
        if not self._are_tiled(names, text, written):
            return False
        self._root.add_hashes(leaf_hashes(zip(names, hashes, strict=True)))
        return True

    def _hashed_names(self, folders: Sequence[bytes]) -> list[bytes]:
        """Return `seal_leaf.name_sha256` of the log group that each folder is of."""
        names = (log_group_of_folder(each.decode("ascii")) for each in folders)
        return sha256_of_each(sha256(self._salt), map(str.encode, names))

    def _hashed_names_with_slash(self, folders: Sequence[bytes]) -> list[bytes]:
        """Return the same of folders none of which is of a name without a slash: faster."""
        return sha256_of_each(sha256(self._salt + b"/"), folders)

    def _are_tiled(self, names: Sequence[bytes], text: bytes, written: Sequence[bytes]) -> bool:
        """Whether windows join: those of a text of windows and hashes, which are these."""
        are_of_whole_day = text == self._whole + self._whole.join(written)  # as most are
        if are_of_whole_day and self._reached == self._end:
            begun, self._last = self._last, names[-1]
            return begun < names[0] and all(map(lt, names, names[1:]))
        windows = unpack(_OF_NAME_WINDOW * len(names), text)
        is_written_so = all(map(_EDGES.fullmatch, set(windows)))
        return is_written_so and self._are_tiled_one_by_one(names, windows)

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


def _marks(folders: Sequence[bytes]) -> bytes | None:
    """Return each ``!`` of some leaves' folders; None where they are not written as `Leaf` does."""
    others = b"".join(folders).translate(None, _IN_LEAVES)
    is_written_so = max(map(len, folders)) <= _LONGEST_FOLDER and not others.strip(_MARK)
    return others if is_written_so else None


def _hashes(written: Sequence[bytes]) -> Sequence[bytes] | None:
    """Return hashes that are written in hexadecimal; None where one is not as `Leaf` writes it."""
    text = b"".join(written)
    try:
        hashes = unhexlify(text)
    except ValueError:
        return None
    if hexlify(hashes) != text:  # other spellings are none of ours
        return None
    return unpack(f"{HASH_BYTES}s" * len(written), hashes)
