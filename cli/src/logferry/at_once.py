"""Work on several things side by side."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

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
