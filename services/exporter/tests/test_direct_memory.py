"""That the direct lane takes as much memory for three gigabytes as for ten megabytes.

A window that large is read in parts, over several invocations, some of which are killed.
"""

import gzip
import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest

from devstack.memory import own_peak_bytes
from exporter.direct import Event, Slice
from exporter.wiring import Wiring
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud

MB = 1_000_000
MESSAGE = "x" * 675
EVENTS_PER_PAGE = 1000
PAGE_BYTES = EVENTS_PER_PAGE * (len(MESSAGE) + len("2026-11-21T15:00:00.000Z \n"))
STREAMS = 20
MOST_BYTES = 1_000 * MB
"""That is read at once, as it is shipped."""
SIZES_MB = (10, 300, 3000)
INVOCATION_MS = 400_000
KILLED_AT_PAGES = (700, 1_500, 2_900)
MOST_GROWTH_MB = 16


@dataclass
class Large:
    """A log group of so many bytes, a page of events at each of many moments, and an archive.

    Attributes:
        lines: Of each version of an object.
        pages: That were asked for.
    """

    cloud: "Cloud"
    size_bytes: int
    lines: Counter[str] = field(default_factory=Counter)
    pages: int = 0

    @property
    def page_count(self) -> int:
        return self.size_bytes // PAGE_BYTES + 1

    def wiring(self) -> Wiring:
        wiring = self.cloud.wiring()
        wiring.archive.put = self.put  # type: ignore[method-assign]
        account = cast("Any", wiring.accounts.account(cast("Any", None), self.cloud.now))
        account.events = self.events
        wiring.accounts.account = lambda *_: account  # type: ignore[method-assign]
        return wiring

    def events(
        self, record: LedgerRecord, part: Slice, next_token: str | None, _streams: Sequence[str]
    ) -> tuple[list[Event], str | None]:
        with self.cloud.call("logs.events"):
            self.pages += 1
            first_ms = 1_795_215_600_000
            step_ms = 86_400_000 // self.page_count
            least = -(-(part.start_ms - first_ms) // step_ms)
            most = min((part.end_ms - first_ms) // step_ms, self.page_count - 1)
            page = int(next_token or least)
            if page > most:
                return [], None
            at_ms = first_ms + page * step_ms
            names = [f"stream-{number}" for number in range(STREAMS)]
            found = [Event(names[n % STREAMS], at_ms, MESSAGE) for n in range(EVENTS_PER_PAGE)]
            return found, None if page == most else str(page + 1)

    def put(self, region: str, bucket: str, key: str, path: Path) -> ArchivedObject:
        """Keep what an object is, and not its bytes."""
        with gzip.open(path) as text:
            lines = sum(block.count(b"\n") for block in blocks(text))
        kept = path.with_suffix(".sha256")
        kept.write_bytes(hashlib.sha256(path.read_bytes()).digest())
        archived = self.cloud.wiring().archive.put(region, bucket, key, kept)
        kept.unlink()
        self.lines[archived.version_id] = lines
        return archived


def blocks(text: Any) -> Iterator[bytes]:
    while block := text.read(MB):
        yield block


class Outcome(NamedTuple):
    """What reading a log group took, and what it came to."""

    peak_mb: float
    invocations: int
    kills: int
    parts: int
    pages: int
    lines: int


def read(new_cloud: Callable[..., "Cloud"], request: Any, size_bytes: int) -> Outcome:
    """Read a window with the handler's own code until its message is done with."""
    cloud = new_cloud(direct_lane_max_bytes=MOST_BYTES)
    cloud.checks_versions = False
    large, left = Large(cloud, size_bytes), list(KILLED_AT_PAGES)

    def crash(_number: int, when: str) -> bool:
        is_now = when == "after" and bool(left) and large.pages >= left[0]
        if is_now:
            left.pop(0)
        return is_now

    def deliver(_batch_size: int) -> dict[str, Any]:
        cloud.warm = large.wiring()
        return type(cloud).deliver(cloud, remaining_ms=INVOCATION_MS)

    cloud.crash = crash  # type: ignore[assignment]
    cloud.deliver = deliver  # type: ignore[assignment, method-assign]
    data = request(lane="direct", estimated_bytes=size_bytes)
    cloud.request(data)
    cloud.put_record(cloud.record(data).model_copy(update={"estimated_bytes": size_bytes}))
    invocations = cloud.run()
    (event,) = cloud.completed_events()
    assert event.id == data.export_id
    objects = [(each.key, each.version_id) for each in event.data.manifest.objects or ()]
    assert len(set(objects)) == len(objects)
    lines = sum(large.lines[version_id] for _, version_id in objects)
    leaves = [record for record in cloud.records() if record.split is None]
    assert all(record.lane == "direct" for record in leaves)
    peak_mb, kills = own_peak_bytes() / 1024**2, len(KILLED_AT_PAGES) - len(left)
    return Outcome(peak_mb, invocations, kills, len(leaves), large.pages, lines)


@pytest.mark.deep
@pytest.mark.usefixtures("quiet")
def test_three_gigabytes_take_as_much_memory_as_ten_megabytes_whoever_is_killed(
    new_cloud: Callable[..., "Cloud"],
    request_for: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # Where no other exporter on this machine takes its folders for leftovers.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    took = []
    for size_mb in SIZES_MB:
        # A process for each, of the same start: what one has taken at most it does not give back.
        with get_context("fork").Pool(1) as pool:
            took.append(pool.apply(read, (new_cloud, request_for, size_mb * MB)))
    for each, size_mb in zip(took, SIZES_MB, strict=True):
        # Each event once: none is lost by a kill, and none is in two parts.
        assert each.lines == (size_mb * MB // PAGE_BYTES + 1) * EVENTS_PER_PAGE, took
    assert [(each.kills, each.parts) for each in took] == [(0, 1), (0, 1), (3, 8)], took
    assert took[-1].invocations > len(KILLED_AT_PAGES) + 1, took
    assert took[-1].pages < 2 * took[-1].lines / EVENTS_PER_PAGE, took
    peaks_mb = [each.peak_mb for each in took]
    assert max(peaks_mb) - min(peaks_mb) < MOST_GROWTH_MB, peaks_mb
