"""One delivery's turn: what time it is, how much is left, and what it counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from logferry_deliveries.errors import OutOfTimeError


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One delivery of a message.

    Attributes:
        now: When it began.
        has_time: Whether there are so many seconds left to do something in.
        counts: What was done, by metric, also when an error ends it.
    """

    now: datetime
    has_time: Callable[[float], bool]
    counts: Counter[str] = field(default_factory=Counter)

    def check(self, what: str) -> None:
        """Make sure that there is time to begin something.

        Raises:
            OutOfTimeError: There is none; names what is still to be done.
        """
        if not self.has_time(0):
            raise OutOfTimeError(f"the invocation's time is up: {what}")
