"""How far a long check is, and about how long it will still take."""

import threading
from collections.abc import Callable

_EVERY_S = 1.0
"""Nobody reads it more often."""
_MINUTE_S, _HOUR_S = 60, 3600
_ROUNDED_UP_TO_MINUTES = 90


class Pace:
    """Counts what is done of how much; told from any thread.

    Attributes:
        name: What is under way.
    """

    def __init__(
        self, total: int, *, watch: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        """Begin.

        Args:
            total: About how much there is to do.
            watch: Told in words how far it is, once a second at most.
            clock: Returns seconds that only grow.
        """
        self.name = ""
        self._total = max(total, 1)
        self._done = 0
        self._watch = watch
        self._clock = clock
        self._began = self._told = clock()
        self._lock = threading.Lock()

    def add(self, done: int) -> None:
        """Count what was done."""
        with self._lock:
            self._done += done
            now = self._clock()
            if now - self._told < _EVERY_S:
                return
            self._told = now
            text = self.text(now)
        self._watch(text)

    def text(self, now: float) -> str:
        """Return how far it is, such as ``seal 3 of 9: 25 %, about 4 min left``."""
        share = min(self._done / self._total, 1)
        if not share:
            return f"{self.name}: 0 %"
        left_s = (now - self._began) * (1 - share) / share
        return f"{self.name}: {share:.0%}, about {_in_words(left_s)} left".replace("%", " %")


def _in_words(seconds: float) -> str:
    if seconds < _ROUNDED_UP_TO_MINUTES:
        return f"{seconds:.0f} s"
    if seconds < _ROUNDED_UP_TO_MINUTES * _MINUTE_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
