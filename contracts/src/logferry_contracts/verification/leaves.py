"""Whether the list of a seal's leaves is the one that was sealed, and leaves no window out."""

from collections.abc import Iterator
from itertools import groupby

from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.seal_key import leaves_key
from logferry_contracts.seal_leaf import Leaf, LeafList, name_sha256
from logferry_contracts.verification.at_once import is_in_order
from logferry_contracts.verification.chain import Link
from logferry_contracts.verification.findings import (
    Finding,
    LeavesChangedError,
    LeavesDisorderedError,
    LeavesMissingError,
    RootError,
    WindowMissingError,
    WindowOutsideError,
)
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.store import Missing, Store, Unreadable
from logferry_contracts.verification.stored import Found, Sort, lines, locate, pieces, unchecked
from logferry_contracts.wire import parse

LEAVES = Sort(LeavesMissingError, LeavesChangedError)

_PIECE_BYTES = 28 * 1024
"""To split more than 30,000 bytes by a text, CPython prepares anew for each leaf."""


class Leaves:
    """The leaves of one seal, read line by line as often as they are wanted.

    Attributes:
        findings: What is wrong with the list.
        are_there: Whether the leaves that were sealed can be read.
        is_in_order: Whether nothing is wrong with it as the list of a day. False: not known yet.
    """

    def __init__(
        self, store: Store, chain: ChainName, sealed: SealedWindows, *, is_day: bool = False
    ) -> None:
        """Look for the list.

        Args:
            store: Where it is.
            chain: Whose it is.
            sealed: What its seal says.
            is_day: Whether to see at once if it is in order as the list of a day.
        """
        self._store = store
        self._key = leaves_key(chain, sealed.leaves_sha256)
        self.is_in_order = is_day and self._is_in_order(sealed)
        if self.is_in_order:
            found = Found(is_there=True, version_id=None, findings=[])
        else:
            found = locate(store, self._key, sealed.leaves_sha256, LEAVES)
        self._version_id = found.version_id
        self.are_there = found.is_there
        self.findings = found.findings

    def _is_in_order(self, sealed: SealedWindows) -> bool:
        try:
            read = pieces(self._store, self._key, piece_bytes=_PIECE_BYTES)
            return is_in_order(read, sealed)
        except (Missing, Unreadable):
            return False

    def __iter__(self) -> Iterator[Leaf]:
        """Yield each leaf, in the order of the list; none where they cannot be read.

        Raises:
            Unreadable: They could, and cannot any more.
        """
        for _, leaf in self.lines():
            yield leaf

    def lines(self) -> Iterator[tuple[bytes, Leaf]]:
        """Yield each line and its leaf, up to one that is none; raises as iterating does."""
        if not self.are_there:
            return
        try:
            for line in lines(self._store, self._key, self._version_id):
                leaf = parse(Leaf, line)
                _ = leaf.name
                yield line, leaf
        except Missing as error:
            raise Unreadable(f"{self._key} is gone since it was looked at") from error
        except ValueError:
            return  # the root tells that there are fewer


def check_list(leaves: Leaves, link: Link, sealed: SealedWindows) -> Iterator[Finding]:
    """Yield what is wrong with a list, by itself and as what its seal says of it."""
    yield from leaves.findings
    if not leaves.are_there or leaves.is_in_order:
        return
    counted = LeafList(sealed.name_salt)
    try:
        for line, leaf in leaves.lines():
            counted.count_line(line, leaf)
        found = (counted.count, counted.root_sha256)
        if found != (sealed.leaf_count, sealed.root_sha256):
            told = f"{found[0]} leaves of the root {found[1]}, of {sealed.leaf_count} of the root "
            yield RootError(link.key, f"its list has {told}{sealed.root_sha256}")
        yield from _windows(leaves, link, sealed)
    except Unreadable as error:
        yield unchecked(f"the leaves of {link.key}", error)


def _windows(leaves: Leaves, link: Link, sealed: SealedWindows) -> Iterator[Finding]:
    last, hashed_last = "", b""
    for name, group in groupby(leaves, key=lambda leaf: leaf.name.log_group_name):
        hashed = name_sha256(sealed.name_salt, name)
        if hashed <= hashed_last:
            yield LeavesDisorderedError(link.key, f"{name} does not come after {last}")
        last, hashed_last = name, hashed
        yield from _of_log_group(name, group, link, sealed)


def _of_log_group(
    name: str, leaves: Iterator[Leaf], link: Link, sealed: SealedWindows
) -> Iterator[Finding]:
    """Yield what is wrong with the windows of one log group.

    Those of a day have to fill the time that it covers; those of a later seal only lie within.
    Windows that were cut in two ways may overlap: their events are in the archive twice.
    """
    covers, thing = sealed.covers, f"{name} in {link.key}"
    reached, last = covers.from_ms, (-1, -1)
    for leaf in leaves:
        window = leaf.name.window
        edges = (window.from_ms, window.to_ms)
        if edges <= last:
            told = f"{span(*edges)} does not come after {span(*last)}"
            yield LeavesDisorderedError(thing, told)
        last = edges
        if window.from_ms < covers.from_ms or window.to_ms > covers.to_ms:
            told = f"{span(window.from_ms, window.to_ms)} is not within what the seal covers"
            yield WindowOutsideError(thing, told)
        if link.kind == "day" and window.from_ms > reached:
            told = f"there is no leaf for {span(reached, window.from_ms)}"
            yield WindowMissingError(thing, told)
        reached = max(reached, window.to_ms)
    if link.kind == "day" and reached < covers.to_ms:
        yield WindowMissingError(thing, f"there is no leaf for {span(reached, covers.to_ms)}")
