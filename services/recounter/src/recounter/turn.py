"""One invocation's turn: what time it is, how much is left, and what it counts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from logferry_deliveries.errors import OutOfTimeError


class Mapped(Protocol):
    """What `map` does, or the threads of a pool."""

    def __call__[A, B](self, call: Callable[[A], B], each: Iterable[A], /) -> Iterator[B]:
        """Yield what each call returns, in order."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One invocation.

    Attributes:
        clock: Tells the time.
        has_time: Whether there is enough left to begin something.
        sleep: Waits for so many seconds.
        counts: What was done, by metric.
        mapped: Does many calls of AWS, at once where it is a pool's.
    """

    clock: Callable[[], datetime]
    has_time: Callable[[], bool]
    sleep: Callable[[float], None]
    counts: Counter[str] = field(default_factory=Counter)
    mapped: Mapped = map

    def check(self) -> None:
        """Make sure that there is time to begin something.

        Raises:
            OutOfTimeError: There is none.
        """
        if not self.has_time():
            raise OutOfTimeError("the invocation's time is up")
