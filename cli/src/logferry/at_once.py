"""Work on several things side by side."""

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import forkserver

from logferry.errors import DeployError

AT_ONCE = 4
"""Stacks that are deployed side by side."""
_START = "spawn" if sys.platform == "win32" else "forkserver"


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
        return _mapped(self._pool, self._ahead, work, on)

    def stop(self) -> None:
        """Begin with nothing more, and do not wait for what is under way, which looks for it."""
        self.is_stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)


class Processes:
    """Processes that do the same where threads would wait for each other's Python.

    Work and things are pickled. Without any work no process is begun.
    """

    def __init__(self, workers: int) -> None:
        """Have so many."""
        # Not by a plain fork, which copies locks that other threads hold.
        context = multiprocessing.get_context(_START)
        self._ahead = 2 * workers
        self._pool = ProcessPoolExecutor(workers, context, initializer=_begin)

    def mapped[T, R](self, work: Callable[[T], R], on: Iterable[T], /) -> Iterator[R]:
        """Yield what the work returns of each thing, in order."""
        return _mapped(self._pool, self._ahead, work, on)

    def stop(self) -> None:
        """End them, whatever is under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()


def prepare(modules: list[str]) -> None:
    """Begin to import, beside what follows, what `Processes` will need: it takes half a second."""
    if _START == "forkserver":
        forkserver.set_forkserver_preload(["__main__", *modules])
        forkserver.ensure_running()


def _begin() -> None:
    # Ctrl-C reaches every process; the one that has begun these ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _mapped[T, R](
    pool: Executor, ahead: int, work: Callable[[T], R], on: Iterable[T]
) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    for thing in on:
        waiting.append(pool.submit(work, thing))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
