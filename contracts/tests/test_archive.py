"""What an export put into the archive is read event by event, each once."""

import gzip
import hashlib
import io
import itertools
import json
import re
import tracemalloc
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import (
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.response import StreamingBody
from contracts.tests.corpus import MESSAGES, WITH_CR, messages, stream_names
from contracts.tests.documents import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from localstack_addons.export_tasks import tasks as export_tasks
from logferry_contracts.archive import (
    ArchiveError,
    LogEvent,
    LogFile,
    Open,
    Readable,
    events,
    events_of_object,
    stream_in_key,
    whole_manifest,
)
from logferry_contracts.export_completed import ExportCompleted, ExportCompletedData
from logferry_contracts.manifest import ArchivedObject, Manifest, ManifestLocation
from logferry_contracts.wire import ContractError, emit, parse

EXAMPLES = {each.reason: each.text for each in examples("accept")}
COMPLETED = parse(ExportCompleted, EXAMPLES["several-streams"]).data
FROM_MS, TO_MS = COMPLETED.window.from_ms, COMPLETED.window.to_ms
PREFIX = COMPLETED.destination.prefix
BUCKET = COMPLETED.destination.bucket
TASK = "23db5787-2889-4601-873a-99e4fa09456d"


def line(at_ms: int, message: str) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z {message}\n"


def key(stream: str, number: int = 0) -> str:
    return f"{PREFIX}/{TASK}/{stream}/{number:06d}.gz"


def exported(files: Mapping[str, str | bytes], **changes: Any) -> tuple[ExportCompletedData, Open]:
    """Return the event of these objects, and what opens them."""
    bodies = {
        name: content if isinstance(content, bytes) else gzip.compress(content.encode())
        for name, content in files.items()
    }
    objects = [
        ArchivedObject(key=name, version_id="v1", size_bytes=len(body), etag="e")
        for name, body in bodies.items()
    ]
    manifest = Manifest(
        object_count=len(objects),
        stream_count=1,
        total_bytes=sum(map(len, bodies.values())),
        objects=objects,
    )

    def opened(bucket: str, name: str, version_id: str | None) -> Readable:
        assert (bucket, version_id) == (BUCKET, "v1")
        return io.BytesIO(bodies[name])

    return COMPLETED.model_copy(update={"manifest": manifest, **changes}), opened


def texts(read: Iterator[LogEvent]) -> list[str]:
    return [each.message for each in read]


def test_an_event_has_its_time_its_message_and_its_stream() -> None:
    completed, opened = exported({key("[$LATEST]ab"): line(FROM_MS + 7, "hello  world ")})

    (event,) = events(completed, opened)

    assert event == (FROM_MS + 7, "hello  world ", "[$LATEST]ab", key("[$LATEST]ab"))
    assert event.at == datetime.fromtimestamp(FROM_MS / 1000, UTC).replace(microsecond=7000)


def test_a_message_of_several_lines_is_one_event() -> None:
    trace = 'Traceback:\n  File "x"\n\n2026-13-45T00:00:00.000Z no date\r\n\u2028\x0bend'
    text = line(FROM_MS, trace) + line(FROM_MS + 1, "next\n") + line(FROM_MS + 2, "")
    completed, opened = exported({key("a"): text})

    assert texts(events(completed, opened)) == [trace, "next\n", ""]


def test_a_message_goes_on_in_the_next_object_of_its_stream() -> None:
    completed, opened = exported(
        {key("a", 1): "b\n" + line(FROM_MS, "c"), key("a", 0): line(FROM_MS, "a")}
    )

    assert texts(events(completed, opened)) == ["a\nb", "c"]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({key("a"): "no time\n"}, id="the only object"),
        pytest.param({key("a"): line(FROM_MS, "x"), key("b"): "no time\n"}, id="another stream"),
    ],
)
def test_a_stream_that_does_not_begin_with_a_time_is_told(files: dict[str, str]) -> None:
    completed, opened = exported(files)

    with pytest.raises(ArchiveError, match=r"/[ab]/000000\.gz: its first line has no time"):
        list(events(completed, opened))


def test_an_object_that_the_manifest_names_twice_is_read_once() -> None:
    completed, opened = exported({key("a"): line(FROM_MS, "x")})
    objects = completed.manifest.objects or []
    twice = completed.manifest.model_copy(update={"objects": objects * 2})

    assert texts(events(completed.model_copy(update={"manifest": twice}), opened)) == ["x"]


def test_an_event_on_the_end_of_the_window_is_left_to_the_next() -> None:
    text = line(FROM_MS, "first") + line(TO_MS - 1, "last") + line(TO_MS, "the next day's")
    completed, opened = exported({key("a"): text})

    assert texts(events(completed, opened)) == ["first", "last"]
    assert texts(events(completed, opened, with_end=True))[-1] == "the next day's"


def test_an_event_outside_of_the_window_is_read_too() -> None:
    """AWS's own texts differ on whether a window is of event times or of ingestion times."""
    completed, opened = exported({key("a"): line(FROM_MS - 1, "early") + line(TO_MS + 1, "late")})

    assert texts(events(completed, opened)) == ["early", "late"]


def test_bytes_that_are_no_text_are_shown_and_stop_nothing() -> None:
    body = gzip.compress(line(FROM_MS, "a").encode()[:-1] + b"\xff\n" + line(FROM_MS, "b").encode())
    completed, opened = exported({key("a"): body})

    assert texts(events(completed, opened)) == ["a\\xff", "b"]


def test_an_object_of_several_gzip_members_is_read_to_its_end() -> None:
    members = [gzip.compress(line(FROM_MS, text).encode()) for text in "ab"]
    completed, opened = exported({key("a"): b"".join(members)})

    assert texts(events(completed, opened)) == ["a", "b"]


def test_an_object_of_another_size_than_the_manifest_says_is_told() -> None:
    completed, _ = exported({key("a"): line(FROM_MS, "short")})
    _, opened = exported({key("a"): line(FROM_MS, "of another length")})

    with pytest.raises(ArchiveError, match=r"a/000000\.gz: \d+ bytes, of \d+ in the manifest"):
        list(events(completed, opened))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(gzip.compress(line(FROM_MS, "x" * 99).encode())[:-9], id="cut off"),
        pytest.param(b"Permission Check Successful", id="no gzip"),
        pytest.param(b"", id="0 bytes"),
        pytest.param(gzip.compress(b"x")[:10] + b"\xff" * 20, id="damaged"),
    ],
)
def test_an_object_that_cannot_be_unpacked_is_told(body: bytes) -> None:
    completed, opened = exported({key("a"): body})

    with pytest.raises(ArchiveError, match=r"a/000000\.gz: "):
        list(events(completed, opened))


def test_one_object_of_0_bytes_is_cut_off_and_not_empty() -> None:
    with pytest.raises(ArchiveError, match=r"a/000000\.gz: 0 bytes"):
        list(events_of_object(key("a"), io.BytesIO()))


def broken(body: bytes, error: Exception) -> Readable:
    """Return a download of which the second half does not come."""

    class Broken(io.BytesIO):
        def read(self, amount: int | None = -1, /) -> bytes:
            if self.tell() < len(body):
                return super().read(amount)
            raise error

    return Broken(body)


@pytest.mark.parametrize(
    "error",
    [
        IncompleteReadError(actual_bytes=60, expected_bytes=120),
        FlexibleChecksumError(error_msg="Expected checksum abc did not match"),
        ResponseStreamingError(error="Connection broken: ConnectionResetError"),
        ReadTimeoutError(endpoint_url="https://b.s3.eu-central-1.amazonaws.com/k"),
        TimeoutError("The read operation timed out"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_download_that_broke_is_told_with_its_object_and_cause(error: Exception) -> None:
    """The first four are what a body of boto3's raises: botocore's response.py, httpchecksum.py."""
    body = gzip.compress(line(FROM_MS, "x" * 99).encode())[:-9]
    completed, _ = exported({key("a"): body})
    short, _ = manifest_elsewhere(b"{}")

    for reading in (
        lambda: list(events(completed, lambda *_: broken(body, error))),
        lambda: list(events_of_object(key("a"), broken(body, error))),
        lambda: whole_manifest(short, lambda *_: broken(b"", error)),
    ):
        with pytest.raises(ArchiveError, match=r"a/000000\.gz: cut off after|m\.json: ") as refusal:
            reading()
        assert refusal.value.__cause__ is error
        assert type(error).__name__ in str(refusal.value)


def test_a_body_of_boto3_that_ends_early_is_told() -> None:
    body = gzip.compress(line(FROM_MS, "x" * 99).encode())
    answer = io.BytesIO(body[:-9])

    with pytest.raises(ArchiveError, match="IncompleteReadError"):
        list(events_of_object(key("a"), StreamingBody(answer, len(body))))


def test_what_opening_an_object_raises_is_its_openers() -> None:
    completed, _ = exported({key("a"): line(FROM_MS, "x")})

    def forbidden(*_: Any) -> Readable:
        raise PermissionError("AccessDenied")

    with pytest.raises(PermissionError):
        list(events(completed, forbidden))


def test_every_file_that_was_opened_is_closed() -> None:
    completed, opened = exported({key("a"): line(FROM_MS, "x"), key("b"): "no time\n"})
    files: list[Any] = []

    def remembering(*what: Any) -> Readable:
        file = opened(*what)
        files.append(file)
        return file

    with pytest.raises(ArchiveError):
        list(events(completed, remembering))

    assert [file.closed for file in files] == [True, True]


class Endless:
    """A gzip file of many events that is made while it is read."""

    def __init__(self, events_there: int) -> None:
        text = line(FROM_MS, "x" * 200) * 1000
        piece = gzip.compress(text.encode())
        self.size_bytes = len(piece) * (events_there // 1000)
        self._pieces = itertools.repeat(piece, events_there // 1000)
        self._rest = b""

    def read(self, amount: int = -1, /) -> bytes:
        assert amount > 0
        self._rest = self._rest or next(self._pieces, b"")
        taken, self._rest = self._rest[:amount], self._rest[amount:]
        return taken

    def close(self) -> None:
        pass


def test_memory_stays_flat_however_long_an_object_is() -> None:
    file = Endless(50_000)
    named = ArchivedObject(key=key("a"), version_id="v", size_bytes=file.size_bytes, etag="e")
    manifest = Manifest(
        object_count=1, stream_count=1, total_bytes=file.size_bytes, objects=[named]
    )
    completed = COMPLETED.model_copy(update={"manifest": manifest})

    tracemalloc.start()
    try:
        count = sum(1 for _ in events(completed, lambda *_: file))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 50_000
    assert peak_bytes < 1_000_000  # of more than 11 MB of lines


def manifest_elsewhere(body: bytes, **changes: Any) -> tuple[Manifest, Open]:
    location = ManifestLocation(
        bucket="control",
        key="manifest/m.json",
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    ).model_copy(update=changes)

    def opened(bucket: str, name: str, version_id: str | None) -> Readable:
        assert (bucket, name, version_id) == ("control", "manifest/m.json", None)
        return io.BytesIO(body)

    short = Manifest(object_count=1, stream_count=1, total_bytes=5, location=location)
    return short, opened


def test_a_manifest_that_is_elsewhere_is_read_from_there() -> None:
    whole = COMPLETED.manifest
    short, opened = manifest_elsewhere(emit(whole).encode())

    assert whole_manifest(short, opened) == whole
    assert whole_manifest(whole, opened) == whole


@pytest.mark.parametrize("changes", [{"size_bytes": 7}, {"sha256": "0" * 64}])
def test_a_manifest_that_is_not_the_one_that_was_written_is_refused(changes: Any) -> None:
    short, opened = manifest_elsewhere(emit(COMPLETED.manifest).encode(), **changes)

    with pytest.raises(ArchiveError, match=r"manifest/m\.json: not the \d+ bytes"):
        whole_manifest(short, opened)


def test_a_file_that_is_no_manifest_is_refused() -> None:
    short, opened = manifest_elsewhere(b"{}")

    with pytest.raises(ContractError, match="not a valid Manifest"):
        whole_manifest(short, opened)


def test_a_key_says_which_task_and_stream_an_object_is_of() -> None:
    assert LogFile.of(key("web-1", 12)) == LogFile(PREFIX, TASK, "web-1", 12)
    assert LogFile.of("p/g/2026/11/22/00/direct/a+b%20c/000000.gz").stream == "a+b%20c"


@pytest.mark.parametrize(
    "name", ["p/aws-logs-write-test", "000000.gz", "p/t/s/0.gz", "t/s/000000.gz"]
)
def test_what_is_no_key_of_a_log_file_is_refused(name: str) -> None:
    with pytest.raises(ArchiveError, match="not <prefix>/"):
        LogFile.of(name)


@pytest.mark.parametrize("each", COMPLETED.manifest.objects or [], ids=lambda each: each.key)
def test_the_keys_of_the_contracts_examples_are_read(each: ArchivedObject) -> None:
    assert LogFile.of(each.key).prefix == PREFIX
    assert LogFile.of(each.key).task_id == COMPLETED.task_id


# What no reader can tell apart: a line of a message that begins as an event does.
_TEXT = messages().filter(lambda text: not re.search(r"(?m)^2026-11-22T06:00:00\.000Z ", text))


@settings(derandomize=True, database=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(FROM_MS, TO_MS - 1), _TEXT), max_size=8))
def test_what_an_export_task_writes_is_read_as_it_was(logged: list[tuple[int, str]]) -> None:
    logged += [(FROM_MS, text) for text in (*MESSAGES, *WITH_CR) if "is taken for one" not in text]
    lines = [export_tasks._line(export_tasks.Event(at_ms, text)) for at_ms, text in logged]
    completed, opened = exported({key("a"): gzip.compress(b"".join(lines))})

    read = [(event.at_ms, event.message) for event in events(completed, opened)]

    assert read == logged


def test_one_object_can_be_read_without_its_event() -> None:
    file = io.BytesIO(gzip.compress((line(FROM_MS, "a\nb") + line(TO_MS, "c")).encode()))

    assert texts(events_of_object(key("web-1"), file)) == ["a\nb", "c"]


def test_a_streams_name_is_found_in_keys_with_dashes_for_slashes() -> None:
    assert stream_in_key("web/1/[$LATEST]ü 100%") == "web-1-[$LATEST]ü 100%"
    assert LogFile.of(key(stream_in_key("web/1"))).stream == "web-1"


@settings(derandomize=True, database=None)
@given(stream_names())
def test_every_name_of_a_stream_is_one_folder_of_a_key(name: str) -> None:
    assert LogFile.of(key(stream_in_key(name), 7)) == LogFile(PREFIX, TASK, stream_in_key(name), 7)


def test_an_event_can_be_written_as_json() -> None:
    (event,) = events_of_object(key("a"), io.BytesIO(gzip.compress(line(FROM_MS, "ü").encode())))

    assert json.loads(json.dumps(event._asdict()))["at_ms"] == FROM_MS
