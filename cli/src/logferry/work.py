"""What other processes do of a check, each with the archive opened for itself."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from logferry.workers import Processes, Threads
from logferry_contracts.verification.chain import Chain, Link
from logferry_contracts.verification.findings import Finding
from logferry_contracts.verification.objects import Level, SealedObject, check_object
from logferry_contracts.verification.store import Mapped, Store
from logferry_contracts.verification.verifier import Verifier

WHOLE = 100.0
"""Percent."""

_MANY_LEAVES, _MANY_BYTES = 50_000, 64 * 1024**2
"""What takes one process longer than others take to begin."""
SEALS_TOGETHER = 8
_OBJECTS_TOGETHER, _BYTES_TOGETHER = 16, 32 * 1024**2


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
        self, processes: Processes, objects: Iterable[SealedObject]
    ) -> Iterator[tuple[int, list[Finding]]]:
        """Yield of each object how many bytes it has and what is wrong with it, in order."""
        for some in processes.mapped(self, _together(objects)):
            yield from some

    def __call__(self, objects: Sequence[SealedObject]) -> list[tuple[int, list[Finding]]]:
        """Do so in this process."""
        look = partial(check_object, self.archive, self.level, self.now_ms)
        if self.archive.readers == 1:
            found = list(map(look, objects))
        else:
            threads = Threads(min(self.archive.readers, len(objects)))
            found = list(threads.mapped(look, objects))
            threads.stop()
        sizes = (each.stated.size_bytes for each in objects)
        return list(zip(sizes, found, strict=True))


def _together(objects: Iterable[SealedObject]) -> Iterator[list[SealedObject]]:
    """Yield objects in lists that are worth the way to another process and back."""
    some: list[SealedObject] = []
    size_bytes = 0
    for each in objects:
        some.append(each)
        size_bytes += each.stated.size_bytes
        if len(some) == _OBJECTS_TOGETHER or size_bytes > _BYTES_TOGETHER:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some
