"""What somebody has had disposed of, as the ledger says: that is never put on hold again.

Whoever removes it lifts its holds first. Where a hold is for every log file, of whichever export,
nothing else tells such an object from one that an attacker has freed. Its key names the log group
and the hour, and from these follow the keys of the records that may have its export.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from logferry_contracts.export import export_ids
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import epoch_ms
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError
from logferry_deliveries.errors import RefusedError
from sse_enforcer.aws.control import ControlBucket
from sse_enforcer.aws.ledger_keys import LedgerKeys
from sse_enforcer.layout import Hour, hour_of
from sse_enforcer.verdict import ObjectVersion

HOUR_MS = 3_600_000
EAST_MS, WEST_MS = 14 * HOUR_MS, 12 * HOUR_MS
"""No clock is further ahead of UTC than Kiribati's, and none further behind than Baker Island's.

https://data.iana.org/time-zones/tzdb/etcetera
"""
UNSEALED = timedelta(hours=1)
"""What is younger is not disposed of yet: its date has to be sealed first. It is
sealed by the run after it, and there is one in three hours (deploy/sealer.yaml).
"""
FRESH = timedelta(minutes=5)
"""For how long what was read of the ledger is not read again.

An order has to be sealed before anybody lifts a hold. Who is faster than this has to lift one that
was placed anew; no object is without a hold for it.
"""
MISSING = 20
"""After how many tries without a record in a row none is looked for any more.

A try comes after one that has a record. So many are missing only where somebody has removed them,
and what no record says to be disposed of is held.
"""
HOURS_KEPT = 100
"""Of how many prefixes it is kept what was disposed of: messages come in no order."""
STARTS_KEPT = 3
"""Of how many windows' starts the exports are kept, of whatever log group: they are many."""


class Disposals:
    """Says of objects whether they were disposed of; for several threads at once."""

    def __init__(self, keys: LedgerKeys, control: ControlBucket) -> None:
        """Look into the ledger by these two."""
        self._keys = keys
        self._control = control
        self._lock = Lock()
        self._as_of: datetime | None = None
        self._sources: list[SourceName] = []
        """Of whichever profile: no key of the ledger has it."""
        self._exports: dict[datetime, dict[SourceName, dict[Window, frozenset[str]]]] = {}
        self._disposed: dict[Hour, frozenset[str]] = {}

    def has(self, version: ObjectVersion, now: datetime, *, may_be_new: bool) -> bool:
        """Return whether an object's export was disposed of, and the object with it.

        A record that nobody can read says nothing: then it is held.

        Args:
            version: The object.
            now: What was read of the ledger shortly before is not read again.
            may_be_new: Whether it is as old as its version says; what a copy is of is older.

        Raises:
            RetryError: The ledger could not be read.
        """
        age = None if version.last_modified is None else now - version.last_modified
        hour = hour_of(version.key)
        if hour is None or (may_be_new and age is not None and age < UNSEALED):
            return False
        with self._lock:
            if self._as_of is None or abs(now - self._as_of) > FRESH:
                self._as_of = now
                self._sources.clear()
                self._exports.clear()
                self._disposed.clear()
            if hour not in self._disposed:
                self._disposed[hour] = frozenset(self._of(hour))
                _drop_oldest(self._disposed, HOURS_KEPT)
            return version.key in self._disposed[hour]

    def _of(self, hour: Hour) -> Iterator[str]:
        """Yield the keys of what was disposed of in an hour's prefix."""
        for key in self._records(hour):
            try:
                found = self._control.ledger_record(key)
                if found is not None and _is_disposed(found[0], hour):
                    yield from self._objects(found[0])
            except (ContractError, RefusedError):
                continue

    def _objects(self, record: LedgerRecord) -> Iterator[str]:
        manifest = None if record.completed is None else record.completed.manifest
        if manifest is not None and manifest.location is not None:
            manifest = self._control.manifest(manifest.location)
        if manifest is not None:
            yield from (each.key for each in manifest.objects or ())

    def _records(self, hour: Hour) -> Iterator[str]:
        """Yield the keys of the records that there are of a log group's windows of an hour."""
        for place, windows in self._starting(hour).items():
            source = place.model_copy(update={"profile": hour.profile})
            for window, there in windows.items():
                for log_group in hour.log_groups:
                    for name in _among(there, export_ids(source, log_group, window)):
                        yield ledger_key(source, window, name)

    def _starting(self, hour: Hour) -> dict[SourceName, dict[Window, frozenset[str]]]:
        """Return the exports of each window that some zone's clocks show to start in an hour."""
        if not self._sources:
            self._sources = self._keys.sources(hour.profile)
        known = self._exports.setdefault(hour.starts_at, {})
        _drop_oldest(self._exports, STARTS_KEPT)
        shown_ms = epoch_ms(hour.starts_at)
        for source in self._sources:
            if source not in known:
                known[source] = {
                    window: self._keys.export_ids(source, window)
                    for window in self._keys.windows(
                        source, shown_ms - EAST_MS, shown_ms + HOUR_MS + WEST_MS
                    )
                }
        return known


def _among(there: frozenset[str], names: Iterable[str]) -> Iterator[str]:
    """Yield the names that are there."""
    left, missing = len(there), 0
    for name in names:
        if not left or missing == MISSING:
            return
        if name in there:
            left, missing = left - 1, 0
            yield name
        else:
            missing += 1


def _drop_oldest(kept: dict[Any, Any], at_most: int) -> None:
    while len(kept) > at_most:
        del kept[next(iter(kept))]


def _is_disposed(record: LedgerRecord, hour: Hour) -> bool:
    return record.disposed is not None and record.destination.prefix == hour.prefix
