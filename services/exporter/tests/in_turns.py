"""Threads of which one runs at a time: at each call to AWS another may go on, by a known seed."""

from collections.abc import Callable, Sequence
from random import Random
from threading import Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud


class Killed(BaseException):
    """Another thread of the process has died, and this one with it."""


class InTurns:
    """Does jobs side by side, the same way for the same seed."""

    def __init__(self, cloud: "Cloud", seed: int) -> None:
        self._cloud = cloud
        self._random = Random(seed)  # noqa: S311  (reproducible, and no secret)
        self._ready: list[Lock] = []
        self._killed_by: BaseException | None = None
        cloud.interrupt = lambda _name: self.switch()
        cloud.warm = cloud.wiring(together=self.together, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self._cloud.sleep(seconds)
        self.switch()

    def switch(self) -> None:
        """Let somebody go on, who may be the same."""
        bell = self._wait()
        self._ring()
        bell.acquire()
        if self._killed_by is not None:
            raise Killed

    def together(self, jobs: Sequence[Callable[[], None]]) -> None:
        errors: list[BaseException] = []
        done, left = rung(), len(jobs)

        def work(job: Callable[[], None], bell: Lock) -> None:
            nonlocal left
            bell.acquire()
            try:
                if self._killed_by is None:
                    job()
            except BaseException as error:  # noqa: BLE001  (raised below)
                errors.append(error)
                if not isinstance(error, Exception | Killed):
                    self._killed_by = error
            left -= 1
            if left == 0:
                self._ready.append(done)
            self._ring()

        for job in jobs:
            Thread(target=work, args=[job, self._wait()], daemon=True).start()
        self._ring()
        done.acquire()
        killed_by = self._killed_by
        if not self._ready:  # nobody else is left of the process
            self._killed_by = None
        if killed_by is not None:
            raise killed_by
        if errors:
            raise errors[0]

    def _wait(self) -> Lock:
        bell = rung()
        self._ready.append(bell)
        return bell

    def _ring(self) -> None:
        self._ready.pop(self._random.randrange(len(self._ready))).release()


def rung() -> Lock:
    """Return a bell to wait for."""
    bell = Lock()
    bell.acquire()
    return bell
