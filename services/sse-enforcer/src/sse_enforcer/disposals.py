"""What somebody has had disposed of, as the ledger says: that is never put on hold again.

Whoever removes it lifts its holds first. Where a hold is for every log file, of whichever export,
nothing else tells such an object from one that an attacker has freed. Its key names the log group
and the hour, and from these follow the keys of the records that may have its export.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Lock

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.wire import ContractError
from logferry_deliveries.errors import RefusedError
from sse_enforcer.aws.control import ControlBucket
from sse_enforcer.layout import Hour, hour_of
from sse_enforcer.ledger_listing import LedgerListing
from sse_enforcer.verdict import ObjectVersion

UNSEALED = timedelta(hours=1)
"""What is younger is not disposed of yet: its date has to be sealed first. It is
sealed by the run after it, and there is one in three hours (deploy/sealer.yaml).
"""
FRESH = timedelta(minutes=5)
"""For how long what was read of the ledger is not read again.

An order has to be sealed before anybody lifts a hold. Who is faster than this has to lift one that
was placed anew; no object is without a hold for it.
"""
HOURS_KEPT = 100
"""Of how many prefixes it is kept what was disposed of: messages come in no order."""


class Disposals:
    """Says of objects whether they were disposed of; for several threads at once."""

    def __init__(self, listing: LedgerListing, control: ControlBucket) -> None:
        """Look into the ledger by these two."""
        self._listing = listing
        self._control = control
        self._lock = Lock()
        self._as_of: datetime | None = None
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
                self._disposed.clear()
            if hour not in self._disposed:
                self._disposed[hour] = frozenset(self._of(hour, now))
                while len(self._disposed) > HOURS_KEPT:
                    del self._disposed[next(iter(self._disposed))]
            return version.key in self._disposed[hour]

    def _of(self, hour: Hour, now: datetime) -> Iterator[str]:
        """Yield the keys of what was disposed of in an hour's prefix."""
        for key in self._listing.records(hour, now):
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


def _is_disposed(record: LedgerRecord, hour: Hour) -> bool:
    return record.disposed is not None and record.destination.prefix == hour.prefix
