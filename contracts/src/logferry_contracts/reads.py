"""Who calls FilterLogEvents of one account and Region, and how often each of them may.

The account has one quota for all. Whoever reads keeps a note, which says nothing but when it was
written, and looks at the notes every few seconds: those of late share the calls.

Who is certain to make no more calls may say so by a note that is not empty. Together they never
make more: whoever comes waits until all others have looked again, whoever has
not looked of late does so before its next call, and a note outlives its reader's last call by far.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Literal, get_args

from logferry_contracts.ledger_key import reading_prefix
from logferry_contracts.source import SourceName

type Reader = Literal["planner", "direct", "slot", "recounter"]
READERS: tuple[Reader, ...] = get_args(Reader.__value__)
"""The first that reads has what the others leave: the planner, for minutes, and then the lane."""

READING, LEFT = b"", b"left"
"""What a note is. Lists show its size."""
LOOK = timedelta(seconds=15)
"""How old what is known of the others is when a thread looks again, while the others go on."""
KNOWN = timedelta(seconds=20)
"""How old it may be."""
JOIN = timedelta(seconds=40)
"""How long whoever comes waits for others: they look again, and make the calls that they have
planned by then."""
PLANNED = timedelta(seconds=16)
"""How far ahead a call is planned at most, however many threads wait for theirs."""
PLANNING_S = 0.2
"""After which a thread asks again whose call could not be planned yet."""
RENEW = timedelta(seconds=45)
A_SECOND = timedelta(seconds=1)
"""What the quota is of: so long after its last call one leaves."""
LOOKING_S = 0.05
"""After which those ask again who know too little, and have found another thread looking."""
LIVE = timedelta(seconds=120)
"""How long a note counts. Much longer than a reader leaves it, so that clocks may differ."""


def reading_key(source: SourceName, reader: Reader) -> str:
    """Return the object key of a reader's note."""
    return f"{reading_prefix(source)}{reader}"


def who_reads(source: SourceName, listed: Iterable[Mapping[str, Any]]) -> dict[str, datetime]:
    """Return when each empty note was written, by whose it is.

    Args:
        source: Whose log events are read.
        listed: What ListObjectsV2 says of each object below `reading_prefix`.
    """
    prefix = reading_prefix(source)
    return {
        each["Key"].removeprefix(prefix): each["LastModified"]
        for each in listed
        if each["Size"] == len(READING)
    }


def share(reader: Reader, reading: frozenset[str], calls_per_second: float) -> float:
    """Return how many of the calls are a reader's where these read, itself among them.

    They are whole numbers where there are enough, so that nobody's fall together in a second. With
    each one that comes nobody has more.
    """
    number = len(reading)
    if calls_per_second < number:
        return calls_per_second / number
    first = next(each for each in READERS if each in reading)
    if reader != first:
        return _least(number, calls_per_second)
    return min(
        calls_per_second - (few - 1) * _least(few, calls_per_second) for few in range(1, number + 1)
    )


def _least(number: int, calls_per_second: float) -> float:
    return max(1, calls_per_second // (number + 1)) if number > 1 else calls_per_second


class Budget:
    """Evenly spaced calls."""

    def __init__(self, calls_per_second: float) -> None:
        """Allow so many calls."""
        self.calls_per_second = calls_per_second
        self._next_at = datetime.min.replace(tzinfo=UTC)
        self._lock = Lock()

    def take(self, now: datetime) -> float | None:
        """Take the next call and return how many seconds to wait before it.

        None when it is too far ahead: others have to make theirs first.
        """
        with self._lock:
            wait = max(self._next_at - now, timedelta(0))
            if wait > 2 * PLANNED:  # the clock was set back, for which nobody waits longer
                wait = PLANNED
            if wait > PLANNED:
                return None
            self._next_at = now + wait + timedelta(seconds=1 / self.calls_per_second)
        return wait.total_seconds()


@dataclass(kw_only=True)
class Reads:
    """One reader's calls.

    Attributes:
        reader: Whose calls these are.
        calls_per_second: Of all readers together.
        note: Writes the note of this one anew: an empty one, or else that it has left.
        seen: Returns when each empty note was written, by whose it is.
        clock: Tells the time.
        sleep: Waits for so many seconds.
    """

    reader: Reader
    calls_per_second: float
    note: Callable[[Reader, bytes], None]
    seen: Callable[[], Mapping[str, datetime]]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]

    def __post_init__(self) -> None:
        """Know nothing of others yet."""
        self._budget = Budget(self.calls_per_second)
        self._looked_at = self._joined_at = self._last_at = datetime.min.replace(tzinfo=UTC)
        self._looking = Lock()
        self._is_noted = False

    def leave(self) -> None:
        """Say that this one makes no more calls: others need not wait for it, nor share with it.

        Raises:
            Exception: What the notes raise. The others go on as if this one read for a while.
        """
        if self._is_noted:
            self.sleep(self.leaving_s())
            self.note(self.reader, LEFT)
            self._is_noted = False
            self._looked_at = datetime.min.replace(tzinfo=UTC)

    def leaving_s(self) -> float:
        """Return how long to wait before others may take what this one's last calls have taken."""
        return max((self._last_at + A_SECOND - self.clock()).total_seconds(), 0.0)

    def wait(self, check_time: Callable[[], None] = lambda: None) -> None:
        """Wait until the next call may be made.

        Args:
            check_time: Called before each second's wait; raises where there is no time for it.

        Raises:
            Exception: What the notes raise: without them no call may be made.
        """
        while True:
            pause_s = self.joining_s()
            check_time()
            taken_s = self.take_s() if pause_s == 0 else None
            if taken_s is not None:
                self.sleep(taken_s)
                return
            self.sleep(min(pause_s or PLANNING_S, 1.0))

    def take_s(self) -> float | None:
        """Take the next call of who has joined; return how many seconds to wait before it.

        None when other threads have to make theirs first.
        """
        now = self.clock()
        pause_s = self._budget.take(now)
        if pause_s is not None:
            self._last_at = max(self._last_at, now + timedelta(seconds=pause_s))
        return pause_s

    def joining_s(self) -> float:
        """Return for how many seconds no call may be taken yet; look at the others in time."""
        now = self.clock()
        age = now - self._looked_at
        if not timedelta(0) <= age < LOOK:
            if self._looking.acquire(blocking=False):
                try:
                    self._look(now)
                finally:
                    self._looking.release()
            elif not timedelta(0) <= age < KNOWN:
                return LOOKING_S
        return max(min(self._joined_at - now, JOIN).total_seconds(), 0.0)

    def _look(self, now: datetime) -> None:
        seen = self.seen()
        mine = seen.get(self.reader)
        is_new = mine is None or mine < now - (LIVE - RENEW)
        if is_new or (mine is not None and mine < now - RENEW):
            self.note(self.reader, READING)
            self._is_noted = True
        if is_new:
            # Who has come meanwhile either is seen now, or sees this one.
            seen = self.seen()
        live = {each for each in READERS if each in seen and seen[each] > now - LIVE}
        others = live - {self.reader}
        self._budget.calls_per_second = share(
            self.reader, frozenset({self.reader, *others}), self.calls_per_second
        )
        if is_new and others:
            self._joined_at = self.clock() + JOIN
        self._looked_at = now  # last, as other threads go by it
