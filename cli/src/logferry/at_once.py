"""Work on several things side by side."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from logferry.errors import DeployError

AT_ONCE = 4
"""Stacks that are deployed side by side."""


def at_once[T](work: Callable[[T], None], on: Iterable[T], workers: int = AT_ONCE) -> None:
    """Do work on several things side by side, all of it whatever fails.

    Raises:
        DeployError: Some failed; names all of them.
    """
    with ThreadPoolExecutor(workers) as pool:
        done = [pool.submit(work, thing) for thing in on]
    errors = [error for future in done if (error := future.exception())]
    unexpected = [error for error in errors if not isinstance(error, DeployError)]
    if unexpected:
        raise unexpected[0]
    if errors:
        raise DeployError("\n".join(map(str, errors)))


class Threads:
    """Threads that work on however many things, and take few of them ahead."""

    def __init__(self, workers: int) -> None:
        """Have so many."""
        self._ahead = 2 * workers
        self._pool = ThreadPoolExecutor(workers)
        self.is_stopped = False

    def mapped[T, R](self, work: Callable[[T], R], on: Iterable[T], /) -> Iterator[R]:
        """Yield what the work returns of each thing, in order.

        The things may come of another call of this, but no work may call it.
        """
        waiting: deque[Future[R]] = deque()
        for thing in on:
            waiting.append(self._pool.submit(work, thing))
            if len(waiting) > self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def stop(self) -> None:
        """Begin with nothing more, and do not wait for what is under way, which looks for it."""
        self.is_stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)
