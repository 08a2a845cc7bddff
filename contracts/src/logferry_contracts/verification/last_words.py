"""Which leaf is the last word on a window: the newest seal's that has one."""

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.on_disk import OnDisk, Rows
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.verification.chain import Chain, Link
from logferry_contracts.verification.findings import Finding, Note
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.store import Store, Unreadable
from logferry_contracts.window import Window

_NAMES_AT_ONCE = 500


class LogGroupLeaves(NamedTuple):
    """The leaves of one log group.

    Attributes:
        sealed: Those that the seal itself has.
        words: For each window, all that seals have said of it, the oldest first.
    """

    log_group_name: str
    sealed: list[Leaf]
    words: list[list[Leaf]]

    def overlaps(self, link: Link) -> Iterator[Finding]:
        """Yield where windows overlap, as they may where they were cut in two ways."""
        windows = sorted(
            (word[-1].name.window for word in self.words), key=lambda each: each.from_ms
        )
        for one, other in pairwise(windows):
            if other.from_ms < one.to_ms:
                both = span(other.from_ms, min(one.to_ms, other.to_ms))
                told = f"the events from {both} are in two windows"
                yield Note(f"{self.log_group_name} in {link.key}", told)


class LastWords:
    """The leaves of a chain's later seals by log group and window; they are not in memory."""

    def __init__(self, store: Store, chain: Chain) -> None:
        self._rows = Rows(
            "CREATE TABLE leaves (name TEXT, from_ms INTEGER, to_ms INTEGER, leaf TEXT);"
        )
        self._unread: list[Window] = []
        for link in chain.links:
            if link.kind == "later" and link.sealed is not None:
                self._read(store, chain, link.sealed)
        self._rows.run("CREATE INDEX by_name ON leaves (name, from_ms)")
        self._rows.run("CREATE INDEX by_time ON leaves (from_ms, name)")

    def _read(self, store: Store, chain: Chain, sealed: SealedWindows) -> None:
        leaves = Leaves(store, chain.name, sealed)
        try:
            self._rows.put("INSERT INTO leaves VALUES (?, ?, ?, ?)", map(_row, leaves))
        except Unreadable:
            leaves.are_there = False
        if not leaves.are_there:
            self._unread.append(sealed.covers)  # the check of that seal says why

    def are_known(self, covers: Window) -> bool:
        """Whether every later seal of a time could be read."""
        return not any(e.from_ms < covers.to_ms and covers.from_ms < e.to_ms for e in self._unread)

    def after(self, leaf: Leaf) -> list[Leaf]:
        """Return what later seals have said of its window, the oldest first."""
        name = leaf.name
        rows = self._rows.run(
            "SELECT leaf FROM leaves WHERE (name, from_ms, to_ms) = (?, ?, ?) ORDER BY rowid",
            (name.log_group_name, name.window.from_ms, name.window.to_ms),
        )
        words = [Leaf(statement=text) for (text,) in rows]
        own = max((n for n, each in enumerate(words, 1) if each == leaf), default=0)
        return words[own:]

    def over(
        self, leaves: Iterable[Leaf], covers: Window, *, is_day: bool
    ) -> Iterator[LogGroupLeaves]:
        """Yield each log group with its leaves of a seal and all words on its windows.

        Args:
            leaves: The seal's, in order.
            covers: What the seal covers.
            is_day: Whether it is one of the kind ``day``, which looks after all windows that begin
                in what it covers, also those that only a later seal has.
        """
        seen = OnDisk()
        for name, group in groupby(leaves, key=lambda leaf: leaf.name.log_group_name):
            sealed = list(group)
            if not is_day:
                yield LogGroupLeaves(name, sealed, [])
                continue
            seen.add(name)
            yield self._of(name, sealed, covers)
        for name in self._names(covers) if is_day else ():
            if name not in seen:
                yield self._of(name, [], covers)

    def _names(self, covers: Window) -> Iterator[str]:
        """Yield the log groups of which later seals have windows that begin in a time, in order."""
        name = ""
        while found := self._rows.run(
            "SELECT DISTINCT name FROM leaves WHERE from_ms >= ? AND from_ms < ? AND name > ?"
            " ORDER BY name LIMIT ?",
            (covers.from_ms, covers.to_ms, name, _NAMES_AT_ONCE),
        ):
            for (name,) in found:
                yield name

    def _of(self, name: str, sealed: list[Leaf], covers: Window) -> LogGroupLeaves:
        words = {leaf.name.window: [leaf] for leaf in sealed}
        for (text,) in self._rows.run(
            "SELECT leaf FROM leaves WHERE name = ? AND from_ms >= ? AND from_ms < ?"
            " ORDER BY rowid",
            (name, covers.from_ms, covers.to_ms),
        ):
            leaf = Leaf(statement=text)
            words.setdefault(leaf.name.window, []).append(leaf)
        return LogGroupLeaves(name, sealed, list(words.values()))


def _row(leaf: Leaf) -> tuple[str, int, int, str]:
    name = leaf.name
    return name.log_group_name, name.window.from_ms, name.window.to_ms, leaf.statement
