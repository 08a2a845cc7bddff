"""That the direct lane takes as much memory for three gigabytes as for ten megabytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import pytest

from devstack.memory import own_peak_bytes
from exporter import direct
from exporter.direct import Event, Slice
from exporter.reading import Reading
from exporter.turns import Turn
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.window import Window

MB = 1_000_000
MESSAGE = "x" * 675
EVENTS_PER_PAGE = 1000
PAGE_BYTES = EVENTS_PER_PAGE * (len(MESSAGE) + len("2026-11-21T15:00:00.000Z \n"))
STREAMS = 20
MOST_BYTES = 1_000 * MB
"""That is read at once, as it is shipped."""
SIZES_MB = (10, 300, 3000)
MOST_GROWTH_MB = 16
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@dataclass
class Pages:
    """A log group of so many bytes, evenly spread over the window, and an archive."""

    window: Window
    size_bytes: int
    read_bytes: int = 0

    def events(
        self, _record: LedgerRecord, part: Slice, next_token: str | None, _streams: Sequence[str]
    ) -> tuple[list[Event], str | None]:
        share = (part.end_ms + 1 - part.start_ms) / (self.window.to_ms - self.window.from_ms)
        last = ceil(self.size_bytes * share / PAGE_BYTES)
        page = int(next_token or 1)
        events = [
            Event(f"stream-{number % STREAMS}", part.start_ms, MESSAGE)
            for number in range(EVENTS_PER_PAGE)
        ]
        self.read_bytes += PAGE_BYTES
        return events, None if page >= last else str(page + 1)

    def put(self, _region: str, _bucket: str, key: str, path: Path) -> ArchivedObject:
        return ArchivedObject(key=key, version_id="v", size_bytes=path.stat().st_size, etag="e")


def parts(window: Window, size_bytes: int) -> list[Window]:
    """A window halved until each part is read at once, as both lanes do."""
    if size_bytes <= MOST_BYTES * direct.PART_SHARE:
        return [window]
    first, second = window.halves or pytest.fail("too short")
    return [*parts(first, size_bytes // 2), *parts(second, size_bytes // 2)]


def peak_mb(record: LedgerRecord, size_bytes: int) -> tuple[float, int, int]:
    """Read a window part by part; return what of memory it took, the parts and the bytes."""
    pages = Pages(record.window, size_bytes)
    adapter = cast("Any", pages)
    windows = parts(record.window, size_bytes)
    for window in windows:
        Reading(
            account=adapter,
            archive=adapter,
            wait=lambda check_time: check_time(),
            max_bytes=MOST_BYTES,
            until=NOW + timedelta(minutes=15),
            clock=lambda: NOW,
            turn=Turn(lambda _seconds: None),
            check_time=lambda: None,
        ).objects(record.model_copy(update={"window": window}), size_bytes // len(windows))
    return own_peak_bytes() / 1024**2, len(windows), pages.read_bytes


@pytest.mark.deep
def test_three_gigabytes_take_as_much_memory_as_ten_megabytes(
    record: LedgerRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    took = []
    for size_mb in SIZES_MB:
        # A process for each, of the same start: what one has taken at most it does not give back.
        with get_context("fork").Pool(1) as pool:
            took.append(pool.apply(peak_mb, (record, size_mb * MB)))
    peaks_mb, numbers, read = zip(*took, strict=True)
    assert numbers == (1, 1, 8)
    assert all(each >= size_mb * MB for each, size_mb in zip(read, SIZES_MB, strict=True))
    assert max(peaks_mb) - min(peaks_mb) < MOST_GROWTH_MB, peaks_mb


@pytest.fixture
def record(request_for: Any) -> LedgerRecord:
    made: LedgerRecord = request_for(lane="direct").first_record(NOW)
    return made
