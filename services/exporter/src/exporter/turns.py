"""Whose turn it is to read, of the windows that one invocation has in the direct lane.

At the end of a window not all calls that are allowed are used: its last pages come one by one, its
objects are packed and sent, and the ledger is written. And before a window can be read it has to be
taken. So whoever is about to begin its last pages lets the next one be taken, and whoever has begun
them lets that one read. No more are taken than are read soon: what is not taken, the slot may take.
What is compared with the archive is in memory, which has room for some.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, Semaphore
from types import TracebackType
from typing import Self

LOOK_S = 0.05
"""How often whoever waits looks whether it is its turn."""
COMPARED_AT_ONCE = 4
"""Windows, each of which remembers `comparison.EVENTS_AT_ONCE` then."""


class Turn:
    """One window's turn: to be taken, then to be read, until it is done with."""

    def __init__(
        self,
        sleep: Callable[[float], None],
        may_take: Lock | None = None,
        may_read: Lock | None = None,
        may_compare: Semaphore | None = None,
    ) -> None:
        """Wait by ``sleep``, for those who have the same locks."""
        self._sleep = sleep
        self._may_take, self._taking = may_take or Lock(), ExitStack()
        self._may_read, self._reading = may_read or Lock(), ExitStack()
        self._may_compare = may_compare or Semaphore(COMPARED_AT_ONCE)

    def next(self) -> "Turn":
        """Return the turn of another window of the same invocation."""
        return Turn(self._sleep, self._may_take, self._may_read, self._may_compare)

    def __enter__(self) -> Self:
        """Wait until a window may be taken."""
        self._wait_for(self._may_take, self._taking)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let all others go on."""
        self.pass_on()

    def read(self) -> None:
        """Wait until the window may be read."""
        self._wait_for(self._may_read, self._reading)

    def let_take(self) -> None:
        """Let the next one be taken, as it is read soon; again does no harm."""
        self._taking.close()

    def read_no_more(self) -> None:
        """Let the next one be read, as no part of this one is left to begin; again does no harm."""
        self.pass_on()

    def pass_on(self) -> None:
        """Let the next ones be taken and read."""
        self._reading.close()
        self._taking.close()

    @contextmanager
    def comparing(self) -> Iterator[None]:
        """Wait until the window may be compared, and let another one be at the end."""
        with ExitStack() as held:
            self._wait_for(self._may_compare, held)
            yield

    def _wait_for(self, lock: Lock | Semaphore, held: ExitStack) -> None:
        while not lock.acquire(blocking=False):
            self._sleep(LOOK_S)
        held.callback(lock.release)
