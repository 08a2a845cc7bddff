"""What other processes do of a check, each with the archive opened for itself."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from logferry.workers import Processes, Threads
from logferry_contracts.chain import ChainName
from logferry_contracts.verification.chain import Chain, Link
from logferry_contracts.verification.findings import Finding
from logferry_contracts.verification.objects import Level, ToLookAt, look_at_each
from logferry_contracts.verification.store import Mapped, Store
from logferry_contracts.verification.verifier import Verifier, is_told

if TYPE_CHECKING:
    from concurrent.futures import Future

WHOLE = 100.0
"""Percent."""

_MANY_LEAVES, _MANY_BYTES = 50_000, 64 * 1024**2
"""What takes one process longer than others take to begin."""
SEALS_TOGETHER = 32
_OBJECTS_TOGETHER, _BYTES_TOGETHER = 16, 32 * 1024**2
_COUNTED_TOGETHER = 2 * 1024**2
"""The same where events are counted, which takes longer: nobody waits long for the last one."""


class Readable(Store, Protocol):
    """A store that can be pickled."""

    @property
    def readers(self) -> int:
        """How many objects are well read side by side by one process."""


@dataclass(frozen=True)
class Sample:
    """A share of the log groups, always the same ones for a seed.

    Attributes:
        percent: How many.
    """

    seed: str
    percent: float

    def __call__(self, log_group_name: str) -> bool:
        """Whether a log group is among them."""
        drawn = hashlib.sha256(f"{self.seed} {log_group_name}".encode()).digest()
        return int.from_bytes(drawn[:8]) / 2**64 * WHOLE < self.percent


def processes(archive: Readable) -> Processes:
    """Return one for each CPU that this one may use.

    A folder is read without threads, so that they may be forks.
    """
    begun = Processes.forked if archive.readers == 1 else Processes
    return begun(os.process_cpu_count() or 1)


def mapped(archive: Readable, threads: Threads) -> Mapped:
    """Return what reads several things of an archive: threads, where there is something to await.

    Where there is not, they only take turns.
    """
    return map if archive.readers == 1 else threads.mapped


def is_much(level: Level, leaves: int, stored_bytes: int) -> bool:
    """Whether processes save more time than they take to begin."""
    if level == "seals":
        return leaves > _MANY_LEAVES
    return level != "objects" and stored_bytes > _MANY_BYTES


def check_seals(
    archive: Store, chain: Chain, sample: Sample, links: Sequence[Link]
) -> list[list[Finding]]:
    """Return what is wrong with what each of some seals has sealed, at the level ``seals``.

    Args:
        archive: Where they are.
        chain: With its seals of the kind ``later``, if with no others.
        sample: The log groups whose statements are looked at where seals tell of any.
        links: The seals.
    """
    verifier = Verifier(archive, chain, "seals", is_sampled=sample)
    return [list(verifier.check(link)) for link in links]


def check_lists(archive: Store, name: ChainName, links: Sequence[Link]) -> list[list[Finding]]:
    """Return the same of seals of which nothing is told: no other seal has a say in it."""
    verifier = Verifier(archive, Chain(name, [], None, []), "seals")
    return [list(verifier.check(link)) for link in links]


class Ahead:
    """Has the lists of a chain's seals checked while the chain is read, at the level ``seals``.

    One process reads the chain; the others would wait for it. Where there is not much to check, and
    of seals that later ones may have a say in, nothing is begun.
    """

    def __init__(
        self,
        processes: Processes,
        archive: Store,
        name: ChainName,
        is_wanted: Callable[[Link], bool],
    ) -> None:
        """Begin with nothing.

        Args:
            processes: That do it.
            archive: Where the chain is.
            name: The chain.
            is_wanted: Whether the list of a seal is to be checked.
        """
        self._processes = processes
        self._check = partial(check_lists, archive, name)
        self._is_wanted = is_wanted
        self._leaves = 0
        self._waiting: list[Link] = []
        self._begun: dict[int, tuple[Future[list[list[Finding]]], int]] = {}

    def take(self, link: Link) -> None:
        """Be told the next seal."""
        if link.sealed is None or is_told(link.sealed) or not self._is_wanted(link):
            return
        self._waiting.append(link)
        self._leaves += link.sealed.leaf_count
        while self._leaves > _MANY_LEAVES and len(self._waiting) >= SEALS_TOGETHER:
            some, self._waiting = (
                self._waiting[:SEALS_TOGETHER],
                self._waiting[SEALS_TOGETHER:],
            )
            found = self._processes.begin(self._check, some)
            self._begun.update({each.sequence: (found, n) for n, each in enumerate(some)})

    def __contains__(self, link: Link) -> bool:
        return link.sequence in self._begun

    def found(self, link: Link) -> list[Finding]:
        """Return what is wrong with what a seal of these has sealed."""
        found, place = self._begun[link.sequence]
        return found.result()[place]


@dataclass(frozen=True)
class Looking:
    """Looks at objects: their holds and their bytes.

    Attributes:
        now_ms: As `Verifier` takes it.
    """

    archive: Readable
    level: Level
    now_ms: int | None

    def by(
        self, processes: Processes, things: Iterable[ToLookAt]
    ) -> Iterator[tuple[int, list[Finding]]]:
        """Yield of each object how many bytes it has and what is wrong with it, in order."""
        most_bytes = _COUNTED_TOGETHER if self.level == "events" else _BYTES_TOGETHER
        for some in processes.mapped(self, _together(things, most_bytes)):
            yield from some

    def __call__(self, things: Sequence[ToLookAt]) -> list[tuple[int, list[Finding]]]:
        """Do so in this process."""
        look = partial(look_at_each, self.archive, self.level, self.now_ms)
        if self.archive.readers == 1:
            found = list(map(look, things))
        else:
            with Threads(min(self.archive.readers, len(things))) as threads:
                found = list(threads.mapped(look, things))
        return list(zip(map(_size_bytes, things), found, strict=True))


def _together(things: Iterable[ToLookAt], most_bytes: int) -> Iterator[list[ToLookAt]]:
    """Yield objects in lists that are worth the way to another process and back."""
    some: list[ToLookAt] = []
    size_bytes = 0
    for each in things:
        some.append(each)
        size_bytes += _size_bytes(each)
        if len(some) == _OBJECTS_TOGETHER or size_bytes > most_bytes:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some


def _size_bytes(thing: ToLookAt) -> int:
    return 0 if isinstance(thing, list) else thing.stated.size_bytes
