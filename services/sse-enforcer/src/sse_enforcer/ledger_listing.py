"""Which exports of the ledger may be those of an object, as far as keys say; listed once an hour.

No record is removed or made for what is disposed of: it was there before its object was, and so in
each listing that is younger than the object. Only what a record says is read more often. A ledger
that is made again is seen within the hour; what it says to be disposed of may be held until then.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from logferry_contracts.export import tries_there
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.message import epoch_ms
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from sse_enforcer.aws.ledger_keys import LedgerKeys
from sse_enforcer.layout import Hour

HOUR_MS = 3_600_000
EAST_MS, WEST_MS = 14 * HOUR_MS, 12 * HOUR_MS
"""No clock is further ahead of UTC than Kiribati's, and none further behind than Baker Island's.

https://data.iana.org/time-zones/tzdb/etcetera
"""
LISTED_FOR = timedelta(hours=1)
"""For how long a listing counts: what is asked for is older, see `disposals.UNSEALED`."""
WINDOWS_KEPT = 30_000
"""Of all hours together, and lists of them, half a kilobyte each."""
NAMES_KEPT = 100_000
"""Of exports, of all windows together, and lists of them, a tenth of a kilobyte each."""


class LedgerListing:
    """Lists each window of each source at most once an hour, whatever order objects come in."""

    def __init__(self, keys: LedgerKeys) -> None:
        """List by ``keys``."""
        self._keys = keys
        self._listed_at: datetime | None = None
        self._sources: list[SourceName] = []
        """Of whichever profile: no key of the ledger has it."""
        self._windows: dict[tuple[SourceName, datetime], list[Window]] = {}
        self._names: dict[tuple[SourceName, Window], frozenset[str]] = {}

    def records(self, hour: Hour, now: datetime) -> Iterator[str]:
        """Yield the keys of the records that there are of a log group's windows of an hour.

        Raises:
            RetryError: The ledger could not be listed.
        """
        if self._listed_at is None or abs(now - self._listed_at) > LISTED_FOR:
            self._listed_at = now
            self._sources.clear()
            self._windows.clear()
            self._names.clear()
        if not self._sources:
            self._sources = self._keys.sources(hour.profile)
        for place in self._sources:
            source = place.model_copy(update={"profile": hour.profile})
            for window in self._starting(place, hour.starts_at):
                there = self._of_window(place, window)
                for log_group in hour.log_groups:
                    for _, name in tries_there(there, source, log_group, window):
                        yield ledger_key(source, window, name)

    def _starting(self, source: SourceName, shown: datetime) -> list[Window]:
        """Return the windows that some zone's clocks show to start in an hour."""
        place = (source, shown)
        if place not in self._windows:
            shown_ms = epoch_ms(shown)
            self._windows[place] = self._keys.windows(
                source, shown_ms - EAST_MS, shown_ms + HOUR_MS + WEST_MS
            )
            _drop_oldest(self._windows, WINDOWS_KEPT)
        return self._windows[place]

    def _of_window(self, source: SourceName, window: Window) -> frozenset[str]:
        place = (source, window)
        if place not in self._names:
            self._names[place] = self._keys.export_ids(source, window)
            _drop_oldest(self._names, NAMES_KEPT)
        return self._names[place]


def _drop_oldest(kept: dict[Any, Any], at_most: int) -> None:
    """Keep no more than some things and lists of them, but the newest list whole."""
    count = len(kept) + sum(map(len, kept.values()))
    while count > at_most and len(kept) > 1:
        count -= 1 + len(kept.pop(next(iter(kept))))
