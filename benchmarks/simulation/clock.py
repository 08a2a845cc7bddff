"""Simulated time for code that runs in threads: one of them runs at a time, and nobody waits."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from threading import Lock, Thread

type Job = Callable[[], None]


class Clock:
    """A clock that goes on when somebody lets time pass.

    Attributes:
        now_s: Since the start, in seconds.
    """

    def __init__(self, now_s: float) -> None:
        """Start at a time."""
        self.now_s = now_s
        self._order = count()
        self._sleeping: list[tuple[float, int, Lock]] = []

    def let_pass(self, seconds: float) -> None:
        """Sleep; meanwhile those run whose time comes first."""
        wakes_s = self.now_s + seconds
        if not self._sleeping or wakes_s < self._sleeping[0][0]:
            self.now_s = wakes_s
            return
        bell = self._sleep(wakes_s)
        self._wake_next()
        bell.acquire()

    def side_by_side(self, jobs: Sequence[Job], *, at_once: int) -> None:
        """Do jobs, some at once, begun in this order, and raise the first error."""
        todo, errors, done = iter(jobs), list[BaseException](), _rung()
        working = at_once

        def work(bell: Lock) -> None:
            nonlocal working
            bell.acquire()
            try:
                for job in todo:
                    job()
            except BaseException as error:  # noqa: BLE001  (raised below)
                errors.append(error)
            working -= 1
            if working == 0:
                heappush(self._sleeping, (self.now_s, next(self._order), done))
            self._wake_next()

        for _ in range(at_once):
            Thread(target=work, args=[self._sleep(self.now_s)], daemon=True).start()
        self._wake_next()
        done.acquire()
        if errors:
            raise errors[0]

    def _sleep(self, wakes_s: float) -> Lock:
        bell = _rung()
        heappush(self._sleeping, (wakes_s, next(self._order), bell))
        return bell

    def _wake_next(self) -> None:
        self.now_s, _, bell = heappop(self._sleeping)
        bell.release()


def _rung() -> Lock:
    """Return a bell to wait for."""
    bell = Lock()
    bell.acquire()
    return bell
