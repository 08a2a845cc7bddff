"""An archive that tells, while it is read, how much of it was looked at."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from logferry.pace import Pace
from logferry.workers import Threads
from logferry_contracts.archive import Readable
from logferry_contracts.seal_key import SEALS
from logferry_contracts.verification.store import Store, Unreadable, Version

if TYPE_CHECKING:
    from logferry_contracts.verification.objects import Level


class Watched:
    """An archive whose pace is told each thing that is looked at."""

    def __init__(self, archive: Store, level: "Level", pace: Pace, threads: Threads) -> None:
        self._archive = archive
        self._threads = threads
        self._counts_bytes = level in {"bytes", "events"}
        self._counts_things = level == "objects"
        self._pace = pace

    def versions(self, prefix: str) -> Iterable[Version]:
        """See `Store.versions`."""
        return self._archive.versions(prefix)

    def open(self, key: str, version_id: str | None) -> Readable:
        """See `Store.open`."""
        opened = self._archive.open(key, version_id)
        if self._counts_bytes and not key.startswith(SEALS):
            return _WatchedFile(opened, self._pace, self._threads)
        if self._counts_things:
            self._pace.add(1)
        return opened

    def is_held(self, key: str, version_id: str | None) -> bool | None:
        """See `Store.is_held`."""
        held = self._archive.is_held(key, version_id)
        if self._counts_things:
            self._pace.add(1)
        return held


class _WatchedFile:
    def __init__(self, opened: Readable, pace: Pace, threads: Threads) -> None:
        self._opened = opened
        self._pace = pace
        self._threads = threads

    def read(self, amount: int = -1, /) -> bytes:
        if self._threads.is_stopped:
            raise Unreadable("the check was stopped")
        piece = self._opened.read(amount)
        self._pace.add(len(piece))
        return piece

    def close(self) -> None:
        self._opened.close()
