"""How many calls a second: a sweep must not take S3 and KMS away from everybody else."""

import threading
from collections.abc import Callable


class Pace:
    """Lets one thread at a time go on, evenly spaced."""

    def __init__(
        self, per_second: int, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """Let ``per_second`` go on; ``clock`` counts seconds, from anywhere."""
        self._interval_s = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next_at_s = clock()

    def take(self) -> None:
        """Wait for the caller's turn."""
        with self._lock:
            now_s = self._clock()
            turn_at_s = max(self._next_at_s, now_s)
            self._next_at_s = turn_at_s + self._interval_s
        if turn_at_s > now_s:
            self._sleep(turn_at_s - now_s)
