"""Which leaf is the last word on a window: the newest seal's that has one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.verification.chain import Chain, Link
from logferry_contracts.verification.findings import Finding, Note
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.store import Store, Unreadable
from logferry_contracts.window import Window


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
    """The leaves of a chain's later seals, of which there are few, by log group and window."""

    def __init__(self, store: Store, chain: Chain) -> None:
        self._leaves: dict[str, dict[Window, list[Leaf]]] = defaultdict(lambda: defaultdict(list))
        self._unread: list[Window] = []
        for link in chain.links:
            if link.kind == "later" and link.sealed is not None:
                self._read(store, chain, link.sealed)

    def _read(self, store: Store, chain: Chain, sealed: SealedWindows) -> None:
        leaves = Leaves(store, chain.name, sealed)
        try:
            for leaf in leaves:
                name = leaf.name
                self._leaves[name.log_group_name][name.window].append(leaf)
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
        words = self._leaves.get(name.log_group_name, {}).get(name.window, [])
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
        waiting = set(self._leaves if is_day else ())
        for name, group in groupby(leaves, key=lambda leaf: leaf.name.log_group_name):
            waiting.discard(name)
            sealed = list(group)
            yield self._of(name, sealed, covers) if is_day else LogGroupLeaves(name, sealed, [])
        for name in sorted(waiting):
            yield self._of(name, [], covers)

    def _of(self, name: str, sealed: list[Leaf], covers: Window) -> LogGroupLeaves:
        later = {
            window: leaves
            for window, leaves in self._leaves.get(name, {}).items()
            if covers.from_ms <= window.from_ms < covers.to_ms
        }
        first = {leaf.name.window: [leaf] for leaf in sealed}
        words = [first.get(window, []) + later.get(window, []) for window in first | later]
        return LogGroupLeaves(name, sealed, words)
