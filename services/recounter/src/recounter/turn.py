"""One invocation's turn: what time it is, how much is left, and what it counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from logferry_deliveries.errors import OutOfTimeError


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One invocation.

    Attributes:
        clock: Tells the time.
        has_time: Whether there is enough left to begin something.
        sleep: Waits for so many seconds.
        counts: What was done, by metric.
    """

    clock: Callable[[], datetime]
    has_time: Callable[[], bool]
    sleep: Callable[[float], None]
    counts: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Make sure that there is time to begin something.

        Raises:
            OutOfTimeError: There is none.
        """
        if not self.has_time():
            raise OutOfTimeError("the invocation's time is up")
