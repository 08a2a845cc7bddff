"""Work on several things side by side."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

from logferry.errors import DeployError

AT_ONCE = 4
"""Stacks that are deployed side by side."""


def at_once[T](work: Callable[[T], None], on: Iterable[T], workers: int = AT_ONCE) -> None:
    """Do work on several things side by side, all of it whatever fails.

    After Ctrl-C what has begun is ended, and nothing more is begun.

    Raises:
        DeployError: Some failed; names all of them.
    """
    with ThreadPoolExecutor(workers) as pool:
        done = [pool.submit(work, thing) for thing in on]
        try:
            wait(done)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    errors = [error for future in done if (error := future.exception())]
    unexpected = [error for error in errors if not isinstance(error, DeployError)]
    if unexpected:
        raise unexpected[0]
    if errors:
        raise DeployError("\n".join(map(str, errors)))
