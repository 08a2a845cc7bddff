"""Which objects hold a time, by the seals of a chain and the statements that they name.

Seals are got by their numbers, the newest first, as far back as the time goes, and nothing is
listed: a seal before the one of a date says nothing of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import tee
from typing import Self

from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.seal_key import StatementName, seal_key
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.statement import Statement
from logferry_contracts.verification.chain import Chain, Link, read_end_of_chain
from logferry_contracts.verification.findings import Finding, SealError, Unchecked, Unread
from logferry_contracts.verification.last_words import LastWords
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.standing import standing
from logferry_contracts.verification.statements import Read, read_statement
from logferry_contracts.verification.store import Mapped, Missing, Store
from logferry_contracts.window import Window

_CLOSE = 8
_BEYOND = (*(1 << n for n in range(10, 3, -1)), *range(_CLOSE, 1, -1))
"""How far after the newest seal others are looked for: somebody may have removed those between."""
_FURTHEST = 1024
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Seals:
    """The newest seals of a chain.

    Attributes:
        chain: As much of it as was read.
        findings: What is wrong with them.
    """

    chain: Chain
    findings: list[Finding]

    @classmethod
    def read(  # noqa: PLR0913  (what to read, from when to when, and how)
        cls,
        store: Store,
        name: ChainName,
        keys: Sequence[TrustedKey],
        from_ms: int,
        *,
        now_ms: int | None = None,
        mapped: Mapped = map,
    ) -> Self:
        """Read a chain's seals back to the one of a time.

        Args:
            store: The archive.
            name: The chain.
            keys: Those that are trusted at these seals; without any, no signature is checked.
            from_ms: The time.
            now_ms: When it is. Where the newest seal is of dates before, it is looked whether so
                many seals, and as many more, were removed after it. None: it is of today.
            mapped: Reads several seals, such as with threads.

        Raises:
            Unreadable: Seals cannot be read, such as by somebody who may not.
        """

        def back_from(newest: int) -> Chain:
            return read_end_of_chain(
                store,
                name,
                keys,
                newest,
                # That of the very time may leave the events of its first millisecond to the one
                # before. One that was sealed late comes after those of the dates that follow it.
                is_enough=lambda sealed: not sealed.is_late and sealed.covers.from_ms < from_ms,
                mapped=mapped,
            )

        chain = back_from(newest := _newest(store, name))
        while later := _first_there(store, name, _further(newest, chain, now_ms), mapped):
            chain = back_from(newest := _newest(store, name, later))
        told_anyway = Unread | SealError
        findings = [each for each in chain.findings if keys or isinstance(each, told_anyway)]
        return cls(chain, findings)

    @cached_property
    def days(self) -> list[tuple[Link, SealedWindows]]:
        """The seals of the kind ``day``, in the order of the time that they cover."""
        found = [(e, e.sealed) for e in self.chain.links if e.kind == "day" and e.sealed]
        return sorted(found, key=lambda each: each[1].covers.from_ms)

    @property
    def time_zone(self) -> str | None:
        """The zone of the newest date; None without any."""
        return self.days[-1][1].time_zone if self.days else None

    @property
    def profiles(self) -> set[str]:
        """What the source was called."""
        return {name for _, sealed in self.days for name in sealed.profiles}

    @property
    def reached_ms(self) -> int | None:
        """The end of what they cover; None without any."""
        return max((sealed.covers.to_ms for _, sealed in self.days), default=None)

    def uncovered(self, asked: Asked) -> Iterator[Window]:
        """Yield the time of what was asked for that no seal covers, in order."""
        reached = asked.from_ms
        for covers in (sealed.covers for _, sealed in self.days):
            if reached < covers.from_ms < asked.to_ms:
                yield Window(from_ms=reached, to_ms=covers.from_ms)
            reached = max(reached, covers.to_ms)
        if reached < asked.to_ms:
            yield Window(from_ms=reached, to_ms=asked.to_ms)


def add_sealed(plan: Plan, store: Store, seals: Seals, *, mapped: Mapped = map) -> None:
    """Add to a plan what a chain's seals say of what was asked for.

    Raises:
        Unreadable: A list of leaves was there, and cannot be read any more.
    """
    plan.findings += seals.findings
    chain = seals.chain.name

    def is_wanted(words: list[Leaf]) -> bool:
        return not plan.does_without(chain, [each.name for each in words])

    said = said_of(plan.asked, store, seals, plan.findings, is_wanted=is_wanted, mapped=mapped)
    for of, words in said:
        sha256 = of.sha256 if len(words) == 1 else None
        plan.add_standing(standing(words), of.log_group_name, of.window, sha256)


def said_of(  # noqa: PLR0913  (each from another place)
    asked: Asked,
    store: Store,
    seals: Seals,
    findings: list[Finding],
    *,
    is_wanted: Callable[[list[Leaf]], bool] = lambda _: True,
    mapped: Mapped = map,
) -> Iterator[tuple[StatementName, list[Statement | None]]]:
    """Yield all that a chain's seals have said of each window that was asked for.

    Dates come in the order of time, as do the windows of a log group within one.

    Args:
        asked: Log groups and a time.
        store: The archive.
        seals: The chain's.
        findings: Gets what is wrong with lists and statements.
        is_wanted: Whether the statements of a window have to be read.
        mapped: Reads statements of several windows, such as with threads.

    Raises:
        Unreadable: A list of leaves was there, and cannot be read any more.
    """
    name, last_words = seals.chain.name, LastWords(store, seals.chain)
    read = partial(_read_all, store, name)
    for link, sealed in seals.days:
        if not asked.may_have(sealed.covers):
            continue
        leaves = Leaves(store, name, sealed)
        findings += leaves.findings
        if not last_words.are_known(sealed.covers):
            told = "what a later seal says of it cannot be read"
            findings.append(Unchecked(link.key, told, "Look for it with logferry verify"))
        for found in mapped(read, filter(is_wanted, _wanted(last_words, leaves, sealed, asked))):
            findings += [each for one in found for each in one.findings]
            yield found[0].leaf.name, [each.statement for each in found]


def _read_all(store: Store, chain: ChainName, words: list[Leaf]) -> list[Read]:
    return [read_statement(store, chain, each) for each in words]


def _wanted(
    last_words: LastWords, leaves: Iterable[Leaf], sealed: SealedWindows, asked: Asked
) -> Iterator[list[Leaf]]:
    """Yield all words on each window that was asked for, those of a log group in order."""
    named = (each for each in leaves if asked.has_log_group(each.name.log_group_name))
    for group in last_words.over(named, sealed.covers, is_day=True):
        if asked.has_log_group(group.log_group_name):
            of_time = [each for each in group.words if asked.may_have(each[0].name.window)]
            yield from sorted(of_time, key=lambda each: each[0].name.place)


def _newest(store: Store, name: ChainName, newest: int = 0) -> int:
    """Return the number of the newest seal, from one that is there on; 0 where there is none.

    Raises:
        Unreadable: One is there, and cannot be read.
    """
    while True:
        newest = _last_in_a_row(store, name, newest)
        beyond = _first_there(store, name, (newest + step for step in _BEYOND))
        if beyond is None:
            return newest
        newest = beyond


def _further(newest: int, chain: Chain, now_ms: int | None) -> range:
    """Return the numbers of the seals that a chain has by now, if somebody has removed the next."""
    days = (link.sealed for link in chain.links if link.kind == "day")
    reached_ms = max((sealed.covers.to_ms for sealed in days if sealed), default=None)
    if now_ms is None or reached_ms is None:
        return range(0)
    most = min(2 * (now_ms - reached_ms) // _DAY_MS, _FURTHEST)
    return range(newest + _CLOSE + 1, newest + most + 1)


def _first_there(
    store: Store, name: ChainName, numbers: Iterable[int], mapped: Mapped = map
) -> int | None:
    """Return the first of some numbers of which there is a seal."""
    looked_for, numbers = tee(numbers)
    are_there = mapped(partial(_is_there, store, name), looked_for)
    return next((n for n, is_there in zip(numbers, are_there, strict=False) if is_there), None)


def _last_in_a_row(store: Store, name: ChainName, there: int) -> int:
    """Return the number of a seal that is there, with none after it, from one on."""
    step = 1
    while _is_there(store, name, there + step):
        there, step = there + step, 2 * step
    while step > 1:
        step //= 2
        if _is_there(store, name, there + step):
            there += step
    return there


def _is_there(store: Store, name: ChainName, sequence: int) -> bool:
    try:
        store.open(seal_key(name, sequence), None).close()
    except Missing:
        return False
    return True
