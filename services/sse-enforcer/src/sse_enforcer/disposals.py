"""What somebody has had disposed of, as the ledger says: that is never put on hold again.

Whoever removes it lifts its holds first. Where a hold is for every log file, of whichever export,
nothing else tells such an object from one that an attacker has freed. Its key names the log group
and the hour, and from these follow the keys of the records that may have its export.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Lock

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

AROUND = timedelta(days=1)
"""No time zone's clock is a day from UTC."""
UNSEALED = timedelta(hours=1)
"""What is younger is not disposed of yet: its date has to be sealed first."""


class Disposals:
    """Says of objects whether they were disposed of; for several threads at once."""

    def __init__(self, keys: LedgerKeys, control: ControlBucket) -> None:
        """Look into the ledger by these two."""
        self._keys = keys
        self._control = control
        self._lock = Lock()
        self._as_of: datetime | None = None
        self._sources: dict[str, list[SourceName]] = {}
        self._exports: dict[tuple[SourceName, datetime], dict[Window, frozenset[str]]] = {}
        self._disposed: dict[Hour, frozenset[str]] = {}

    def has(self, version: ObjectVersion, now: datetime) -> bool:
        """Return whether an object's export was disposed of, and the object with it.

        A record that nobody can read says nothing: then it is held.

        Args:
            version: The object.
            now: What was read of the ledger at the same time is not read again.

        Raises:
            RetryError: The ledger could not be read.
        """
        age = None if version.last_modified is None else now - version.last_modified
        hour = hour_of(version.key)
        if hour is None or (age is not None and age < UNSEALED):
            return False
        with self._lock:
            if now != self._as_of:
                self._as_of, self._disposed = now, {}
                self._sources.clear()
                self._exports.clear()
            if hour not in self._disposed:
                self._disposed = {hour: frozenset(self._of(hour))}  # keys come in their order
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
        if hour.profile not in self._sources:
            self._sources[hour.profile] = self._keys.sources(hour.profile)
        for source in self._sources[hour.profile]:
            for window, there in self._around(source, hour.starts_at).items():
                for log_group in hour.log_groups:
                    for name in export_ids(source, log_group, window) if there else ():
                        if name in there:
                            yield ledger_key(source, window, name)

    def _around(self, source: SourceName, starts_at: datetime) -> dict[Window, frozenset[str]]:
        if (source, starts_at) not in self._exports:
            from_ms, until_ms = (epoch_ms(starts_at + by) for by in (-AROUND, AROUND))
            self._exports[source, starts_at] = {
                window: self._keys.export_ids(source, window)
                for window in self._keys.windows(source, from_ms, until_ms)
            }
        return self._exports[source, starts_at]


def _is_disposed(record: LedgerRecord, hour: Hour) -> bool:
    return record.disposed is not None and record.destination.prefix == hour.prefix
