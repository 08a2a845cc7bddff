"""What is added is compared in the memory of a function of 256 MB, however short the events are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from devstack.memory import own_peak_bytes
from exporter import comparison, direct
from exporter.adding import Adding
from exporter.direct import Event, Slice
from exporter.reading import Reading
from exporter.turns import Turn
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
PAGE = 10_000
MOST_GROWTH_MB = 50
"""A function that reads was seen to use 150 MB of its 256."""


@dataclass
class Stream:
    """A log stream of short events, of which the archive lacks the last one."""

    from_ms: int
    events_there: int
    written: int = 0

    def events(
        self, _record: LedgerRecord, _part: Slice, next_token: str | None, _streams: Sequence[str]
    ) -> tuple[list[Event], str | None]:
        begin = int(next_token or 0)
        end = min(begin + PAGE, self.events_there)
        some = [Event("web", self.from_ms + n, str(n)) for n in range(begin, end)]
        return some, None if end == self.events_there else str(end)

    def texts(self, _region: str, _bucket: str, _archived: ArchivedObject) -> Iterator[bytes]:
        for some in batched(range(self.events_there - 1), PAGE, strict=False):
            page = [Event("web", self.from_ms + n, str(n)) for n in some]
            yield direct.lines(page)["web"]

    def put(self, _region: str, _bucket: str, key: str, path: Path) -> ArchivedObject:
        self.written += 1
        return ArchivedObject(key=key, version_id="v", size_bytes=path.stat().st_size, etag="e")

    def objects(self, _region: str, _bucket: str, _folder: str) -> list[ArchivedObject]:
        return []


def compare(record: LedgerRecord, events: int) -> tuple[float, int]:
    """Compare a stream of so many events; return by how many MB memory grew, and what was added."""
    before = own_peak_bytes()
    stream: Any = Stream(record.window.from_ms, events)
    Adding(
        reading=Reading(
            account=stream,
            archive=stream,
            wait=lambda check_time: check_time(),
            max_bytes=1,
            until=NOW + timedelta(minutes=15),
            clock=lambda: NOW,
            turn=Turn(lambda _seconds: None),
            check_time=lambda: None,
        )
    ).objects(record)
    return (own_peak_bytes() - before) / 1024**2, stream.written


@pytest.fixture
def record(request_for: Any) -> LedgerRecord:
    made: LedgerRecord = request_for(lane="direct").first_record(NOW)
    key = f"{made.destination.prefix}/{direct.folder_name(made.export_id)}/web/000000.gz"
    there = ArchivedObject(key=key, version_id="v", size_bytes=1, etag="e")
    return made.as_completed(Completed(at=timestamp(NOW), manifest=Manifest.of([there])))


@pytest.mark.deep
def test_however_many_short_events_are_compared_they_fit_into_the_function(
    record: LedgerRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # A process of its own: what one has taken at most it does not give back.
    with get_context("fork").Pool(1) as pool:
        grown_mb, written = pool.apply(compare, (record, 3 * comparison.EVENTS_AT_ONCE))
    assert written == 1
    assert 0 < grown_mb < MOST_GROWTH_MB


def test_more_events_of_a_stream_than_are_remembered_are_compared(
    record: LedgerRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "EVENTS_AT_ONCE", 10)
    assert compare(record, 12)[1] == 1
    assert compare(record, 1200)[1] == 1
