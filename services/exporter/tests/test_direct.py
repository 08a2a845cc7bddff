"""The direct lane's rules, its files on disk, and its way from pages to objects."""

import gzip
import os
import re
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Barrier, Lock
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import direct, task
from exporter.direct import Event, Slice
from exporter.errors import NotForDirectLaneError, TransientError
from exporter.reading import FOLDER_PREFIX, Reading, Together, side_by_side
from exporter.spool import Spool
from exporter.turns import Turn
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.message import from_epoch_ms, timestamp
from logferry_contracts.reads import Budget
from logferry_contracts.window import Window

type RequestFor = Callable[..., ExportRequestedData]

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
DAY_BYTES = 40 * direct.SLICE_BYTES
SLICE_MS = 86_400_000 // 40
"""Of a day that is read in many slices, at least."""
MANY = 50_000
"""Pages: many seconds' work."""


def line(event: Event) -> bytes:
    return direct.lines([event])[event.stream_name]


# -- rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp_ms", "message", "expected"),
    [
        (1_795_215_600_000, "hello", "2026-11-20T23:00:00.000Z hello\n"),
        (1_795_215_600_007, "", "2026-11-20T23:00:00.007Z \n"),
        (0, "a\nb\r\n", "1970-01-01T00:00:00.000Z a\nb\r\n\n"),
        (999, "naïve 日本 🚢", "1970-01-01T00:00:00.999Z naïve 日本 🚢\n"),
    ],
)
def test_a_line_is_a_time_and_a_message(timestamp_ms: int, message: str, expected: str) -> None:
    assert line(Event("stream", timestamp_ms, message)) == expected.encode()


@given(
    st.lists(
        st.builds(
            Event,
            st.sampled_from("abc"),
            st.integers(1_795_215_598_000, 1_795_215_602_000) | st.integers(0, 2**42),
            st.text(st.characters(exclude_categories=["Cs"])),
        )
    )
)
def test_a_page_is_the_lines_of_its_events_by_stream_in_their_order(events: list[Event]) -> None:
    assert direct.lines(events) == {
        name: b"".join(
            f"{timestamp(from_epoch_ms(event.timestamp_ms))} {event.message}\n".encode()
            for event in events
            if event.stream_name == name
        )
        for name in {event.stream_name for event in events}
    }


def test_the_folder_has_the_form_of_a_task_id_and_is_another_one_for_each_generation(
    request_for: RequestFor,
) -> None:
    first, second = (
        direct.folder_name(request_for(generation=generation).export_id) for generation in (1, 2)
    )
    assert re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", first)
    assert first == direct.folder_name(request_for().export_id)
    assert first != second


def test_streams_whose_names_differ_by_a_slash_share_a_folder() -> None:
    names = ["web-1", "2026/11/20/[$LATEST]ab", "web/1", "a:b ü"]
    assert direct.keys("p/folder/", names) == {
        "2026/11/20/[$LATEST]ab": "p/folder/2026-11-20-[$LATEST]ab/000000.gz",
        "a:b ü": "p/folder/a:b ü/000000.gz",
        "web-1": "p/folder/web-1/000000.gz",
        "web/1": "p/folder/web-1/000001.gz",
    }


def test_a_key_that_s3_does_not_take_is_left_to_the_slot() -> None:
    name = "ü" * 500
    room = 1024 - len(f"/{name}/000000.gz".encode())
    assert direct.keys("p" * room + "/", [name])
    with pytest.raises(NotForDirectLaneError, match="too long"):
        direct.keys("p" * (room + 1) + "/", [name])


@pytest.mark.parametrize(("size_bytes", "streams"), [(1001, 1), (1, direct.MAX_STREAMS + 1)])
def test_too_many_bytes_or_streams_are_left_to_the_slot(size_bytes: int, streams: int) -> None:
    direct.check_size(1000, direct.MAX_STREAMS, max_bytes=1000)
    with pytest.raises(NotForDirectLaneError, match="more than"):
        direct.check_size(size_bytes, streams, max_bytes=1000)


@given(
    from_ms=st.integers(0, 2**41),
    length_ms=st.integers(1, 100) | st.integers(1, 2**33),
    estimated_bytes=st.integers(0, 2**31),
)
@settings(max_examples=50, derandomize=True, database=None)
def test_slices_hold_each_millisecond_of_the_window_once(
    from_ms: int, length_ms: int, estimated_bytes: int
) -> None:
    window = Window(from_ms=from_ms, to_ms=from_ms + length_ms)
    found = direct.slices(window, estimated_bytes)
    assert (found[0].start_ms, found[-1].end_ms) == (from_ms, from_ms + length_ms)
    of_half = direct.slices(window, estimated_bytes, with_end=False)
    assert of_half == [*found[:-1], found[-1]._replace(end_ms=window.to_ms - 1)]
    for some in (found, of_half):
        assert all(part.start_ms <= part.end_ms for part in some)
        assert all(after.start_ms == before.end_ms + 1 for before, after in pairwise(some))


@pytest.mark.parametrize(
    ("estimated_bytes", "count"),
    [
        (0, 1),
        (2 * direct.SLICE_BYTES - 1, 1),
        (2 * direct.SLICE_BYTES, 2),
        (10 * direct.SLICE_BYTES, 9),
        (10**9, 33),
    ],
)
def test_a_window_is_sliced_when_each_slice_has_some_pages(
    record: LedgerRecord, estimated_bytes: int, count: int
) -> None:
    assert len(direct.slices(record.window, estimated_bytes)) == count


# -- files on disk -----------------------------------------------------------------------------


def test_the_lines_of_a_stream_stay_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.add([Event("a", 1, "first"), Event("b", 1, "other"), Event("a", 1, "second")])
    spool.add([])
    spool.add([Event("a", 0, "third")])
    lines = gzip.decompress(spool.compressed("a").read_bytes()).decode().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["first", "second", "third"]
    assert sorted(spool.stream_names) == ["a", "b"]
    assert spool.size_bytes == sum(len(line) + 1 for line in lines) + len(
        line(Event("b", 1, "other"))
    )


def test_the_same_events_give_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    bodies = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        spool = Spool(tmp_path / name)
        for number in range(3):
            spool.add([Event(f"{name}-{number}", 0, ""), Event("a", number, "x" * number)])
        bodies.add(spool.compressed("a").read_bytes())
    assert len(bodies) == 1


def test_a_streams_slices_follow_each_other_in_one_file_whichever_is_read_first(
    tmp_path: Path,
) -> None:
    bodies = set()
    for order in ((0, 1, 2), (2, 0, 1)):
        folder = tmp_path / f"{order}"
        folder.mkdir()
        spool = Spool(folder)
        for number in order:
            spool.add([Event("a", number, "one")], number)
        for number in order:
            spool.add([Event("b", number, "other"), Event("a", number, "two")], number)
        bodies.add(spool.compressed("a").read_bytes())
    (body,) = bodies
    lines = gzip.decompress(body).decode().splitlines()
    assert [line[20:23] + line[24:] for line in lines] == [
        "000 one",
        "000 two",
        "001 one",
        "001 two",
        "002 one",
        "002 two",
    ]


def test_memory_stays_flat_however_much_is_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    page = [Event(f"stream-{number % 50}", number, "x" * 990) for number in range(250)]
    spool.add(page)
    spool.compressed("stream-0")
    tracemalloc.start()
    try:
        for _ in range(40):
            spool.add(page)
        for number in range(50):
            spool.compressed(f"stream-{number}")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert spool.size_bytes > 10_000_000
    assert peak_bytes < 4_000_000


# -- from pages to objects ---------------------------------------------------------------------


@dataclass
class Aws:
    """A log group in pages, an archive, and a clock that a page moves on."""

    pages: list[tuple[list[Event], str | None]]
    page_s: float = 0
    put_s: float = 0
    now: datetime = NOW
    slept: list[float] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)
    written: dict[str, bytes] = field(default_factory=dict)

    def events(
        self, _record: LedgerRecord, _part: Slice, next_token: str | None, _streams: Sequence[str]
    ) -> tuple[list[Event], str | None]:
        self.now += timedelta(seconds=self.page_s)
        self.asked.append(next_token)
        return self.pages.pop(0)

    def put(self, _region: str, _bucket: str, key: str, path: Path) -> ArchivedObject:
        self.now += timedelta(seconds=self.put_s)
        self.written[key] = path.read_bytes()
        return ArchivedObject(key=key, version_id="v", size_bytes=1, etag="e")

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.slept.append(seconds)

    def read(self, record: LedgerRecord, *, until_s: float = 60) -> list[ArchivedObject]:
        adapter = cast("Any", self)
        budget = Budget(5)
        return Reading(
            account=adapter,
            archive=adapter,
            wait=lambda check_time: (check_time(), self.sleep(budget.take(self.now) or 0))[1],
            max_bytes=1000,
            until=NOW + timedelta(seconds=until_s),
            clock=lambda: self.now,
            turn=Turn(self.sleep),
            check_time=lambda: None,
        ).objects(record, 0)


@pytest.fixture
def record(request_for: RequestFor) -> LedgerRecord:
    return request_for(lane="direct").first_record(NOW)


def test_all_pages_are_read_the_empty_ones_and_a_repeated_token_too(record: LedgerRecord) -> None:
    aws = Aws([([], "one"), ([], "one"), ([Event("s", 1, "x")], "two"), ([], "three"), ([], None)])
    (written,) = aws.read(record)
    assert aws.asked == [None, "one", "one", "two", "three"]
    assert written.key == f"{task.folder(record, direct.folder_name(record.export_id))}s/000000.gz"
    assert gzip.decompress(aws.written[written.key]) == b"1970-01-01T00:00:00.001Z x\n"


def test_pages_are_asked_for_within_the_budget(record: LedgerRecord) -> None:
    aws = Aws([([], "more"), ([], "more"), ([], None)], page_s=0.05)
    assert aws.read(record) == []
    assert aws.slept == pytest.approx([0, 0.15, 0.15])


def test_nothing_is_written_of_what_is_too_much(record: LedgerRecord) -> None:
    aws = Aws([([Event("s", 1, "x" * 1600)], "more")] * 2)
    with pytest.raises(NotForDirectLaneError, match="more than 3000 bytes"):
        aws.read(record)
    assert aws.written == {}


def test_reading_ends_when_the_time_is_up(record: LedgerRecord) -> None:
    aws = Aws([([], "more")] * 100, page_s=10)
    with pytest.raises(NotForDirectLaneError, match="longer"):
        aws.read(record)
    assert len(aws.asked) == 6


def test_writing_ends_when_the_time_is_up(record: LedgerRecord) -> None:
    aws = Aws([([Event(f"{n}", 1, "x") for n in range(10)], None)], put_s=25)
    with pytest.raises(NotForDirectLaneError, match="longer"):
        aws.read(record)
    assert len(aws.written) == 3


@dataclass
class SlicedAws:
    """A log group in pages of one event, that readers read side by side.

    Where one slice fails, the others have very many pages.
    """

    meet: Barrier
    fails_at: int | None = None
    together: Together = side_by_side
    asked: list[int] = field(default_factory=list)
    others_wait: dict[int, bool] = field(default_factory=dict)
    may_take: Any = field(default_factory=Lock)
    written: dict[str, bytes] = field(default_factory=dict)

    def events(
        self, record: LedgerRecord, part: Slice, next_token: str | None, _streams: Sequence[str]
    ) -> tuple[list[Event], str | None]:
        if next_token is None and len(self.asked) < direct.LEAST_READERS:
            self.asked.append(part.start_ms)
            self.meet.wait(timeout=30)
        else:
            self.asked.append(part.start_ms)
        self.others_wait[part.start_ms] = self.may_take.locked()
        parts = direct.slices(record.window, DAY_BYTES)
        if self.fails_at == parts.index(part):
            raise TransientError("ThrottlingException")
        if self.fails_at is not None:
            return [], None if len(self.asked) > MANY else "more"
        at_ms = int(next_token or part.start_ms)
        is_last = at_ms + SLICE_MS // 4 > part.end_ms
        return [Event("s", at_ms, "x")], None if is_last else str(at_ms + SLICE_MS // 4)

    def put(self, _region: str, _bucket: str, key: str, path: Path) -> ArchivedObject:
        self.written[key] = path.read_bytes()
        return ArchivedObject(key=key, version_id="v", size_bytes=1, etag="e")

    def read(self, record: LedgerRecord, estimated_bytes: int) -> list[ArchivedObject]:
        adapter = cast("Any", self)
        turn = Turn(lambda _seconds: None, self.may_take)
        reading = Reading(
            account=adapter,
            archive=adapter,
            wait=lambda check_time: check_time(),
            max_bytes=2 * DAY_BYTES,
            until=NOW + timedelta(seconds=60),
            clock=lambda: NOW,
            turn=turn,
            together=self.together,
            check_time=lambda: None,
        )
        with turn:
            return reading.objects(record, estimated_bytes)


def test_slices_are_read_at_once_and_written_in_the_order_of_time(record: LedgerRecord) -> None:
    aws = SlicedAws(Barrier(direct.LEAST_READERS))
    aws.read(record, DAY_BYTES)
    (body,) = aws.written.values()
    parts = direct.slices(record.window, DAY_BYTES)
    times = [range(part.start_ms, part.end_ms + 1, SLICE_MS // 4) for part in parts]
    lines = (line(Event("s", ms, "x")) for of_part in times for ms in of_part)
    assert gzip.decompress(body) == b"".join(lines)
    assert set(aws.asked) == {part.start_ms for part in parts}


def test_the_first_slice_that_cannot_be_read_stops_the_others(record: LedgerRecord) -> None:
    aws = SlicedAws(Barrier(direct.LEAST_READERS), fails_at=1)
    with pytest.raises(TransientError, match="Throttling"):
        aws.read(record, DAY_BYTES)
    assert aws.written == {}
    assert len(aws.asked) < MANY


def test_another_window_is_taken_when_no_more_slices_are_left_than_are_read_at_once(
    record: LedgerRecord,
) -> None:
    """What nobody has taken yet, the slot may take."""
    aws = SlicedAws(Barrier(1), together=lambda jobs: jobs[0]())
    aws.read(record, DAY_BYTES)
    begun = [aws.others_wait[part.start_ms] for part in direct.slices(record.window, DAY_BYTES)]
    last = direct.LEAST_READERS + 1
    assert len(begun) > last
    assert begun == [True] * (len(begun) - last) + [False] * last


def test_what_is_known_to_be_too_much_is_not_begun(record: LedgerRecord) -> None:
    aws = SlicedAws(Barrier(1))
    with pytest.raises(NotForDirectLaneError, match="more than"):
        aws.read(record, 2 * DAY_BYTES + 1)
    assert aws.asked == []


def test_no_more_is_read_than_half_of_what_the_disk_has_room_for(
    record: LedgerRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(free=2 * 200)
    monkeypatch.setattr("exporter.reading.shutil.disk_usage", lambda _folder: room)
    aws = Aws([([Event("s", 1, "x" * 200)], None)])
    with pytest.raises(NotForDirectLaneError, match="more than 200 bytes"):
        aws.read(record)


def test_a_full_disk_leaves_the_export_to_the_slot(
    record: LedgerRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "add", full)
    with pytest.raises(NotForDirectLaneError, match="No space left"):
        Aws([([Event("s", 1, "x")], None)]).read(record)


def test_what_a_killed_invocation_left_is_removed_and_nothing_else(
    record: LedgerRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ages_s = {f"{FOLDER_PREFIX}left": 901, f"{FOLDER_PREFIX}of-now": 890, "others": 100_000}
    for name, age_s in ages_s.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.log").write_bytes(b"x")
        changed_s = (tmp_path / name).stat().st_mtime - age_s
        os.utime(tmp_path / name, (changed_s, changed_s))
    Aws([([], None)]).read(record)
    assert {path.name for path in tmp_path.iterdir()} == {f"{FOLDER_PREFIX}of-now", "others"}


def test_nothing_stays_on_disk(
    record: LedgerRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Aws([([Event("s", 1, "x")], None)]).read(record)
    with pytest.raises(NotForDirectLaneError):
        Aws([([Event("s", 1, "x" * 3000)], None)]).read(record)
    assert list(tmp_path.iterdir()) == []
