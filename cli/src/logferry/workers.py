"""Threads and processes that work side by side, and take few things ahead.

What processes need is imported once there are any: most that is read is read by threads.
"""

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_TASKS = Path("/proc/self/task")
"""https://man7.org/linux/man-pages/man5/proc_pid_task.5.html"""
_ENDING_S = 10.0
"""More than it takes a thread to see that its processes have ended."""
READERS = 16
"""Objects that are read side by side."""


class Threads:
    """Threads that work on however many things, and take few of them ahead."""

    def __init__(self, workers: int) -> None:
        """Have so many."""
        self._ahead = 2 * workers
        self._pool = ThreadPoolExecutor(workers)
        self.is_stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

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

    def __init__(self, workers: int, context: "BaseContext | None" = None) -> None:
        """Have so many, begun as a context says."""
        from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415  (see above)

        self._ahead = 2 * workers
        self._pool = ProcessPoolExecutor(workers, context or _context(), initializer=_begin)

    @classmethod
    def forked(cls, workers: int) -> Self:
        """Have so many that know what this process knows, where a fork is sound.

        That is on Linux, and while no other thread of this process may hold a lock.
        """
        import multiprocessing  # noqa: PLC0415  (see above)

        is_sound = sys.platform == "linux" and len(list(_TASKS.iterdir())) == 1
        forked = cls(workers, multiprocessing.get_context("fork") if is_sound else None)
        if is_sound:
            # All are begun with the first work: what begins threads after this is too late for
            # them.
            forked._pool.submit(int).result()
        return forked

    def mapped[T, R](self, work: Callable[[T], R], on: Iterable[T], /) -> Iterator[R]:
        """Yield what the work returns of each thing, in order."""
        return _mapped(self._pool, self._ahead, work, on)

    def begin[T, R](self, work: Callable[[T], R], thing: T, /) -> Future[R]:
        """Have work done on one thing, some time."""
        return self._pool.submit(work, thing)

    def stop(self) -> None:
        """End them, whatever is under way."""
        import multiprocessing  # noqa: PLC0415  (see above)

        results = getattr(self._pool, "_result_queue", None)
        manager = getattr(self._pool, "_executor_manager_thread", None)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        # One that was ended while it wrote has left the beginning of a result. Its rest would be
        # waited for as long as somebody may write it, who is only this process by now.
        if results is not None:
            results._writer.close()  # noqa: SLF001  (it has no other name)
        # Python wakes it when it ends itself, and prints an error where it is just ending.
        if manager is not None:
            manager.join(_ENDING_S)


def _context() -> "BaseContext":
    """Return how processes are begun: not by a plain fork, which copies locks of other threads."""
    import multiprocessing  # noqa: PLC0415  (see above)

    main = sys.modules["__main__"]
    if main.__spec__ is None:
        # As `python -m logferry`, of which they import nothing, and not as a script, which they
        # would run again.
        main.__spec__ = find_spec("logferry.__main__")
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["logferry.work"])
    return context


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
