"""Whatever an adapter calls: what goes wrong is an error of ours that names call and subject.

What AWS answers is made up here, so that each call of a method can be the one that fails.
"""

import inspect
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, IncompleteReadError

from exporter.aws.archive import Archive
from exporter.aws.ledger import Ledger
from exporter.aws.messages import Queue, Topic
from exporter.aws.source_account import SourceAccount, SourceAccounts
from exporter.cloud import LedgerEntry
from exporter.direct import Slice
from exporter.errors import (
    CallRefusedError,
    ExportRefusedError,
    NotAddedError,
    NotForDirectLaneError,
    TransientError,
)
from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.wire import emit, parse

type RequestFor = Callable[..., ExportRequestedData]

ADAPTERS = (Archive, Ledger, Queue, SourceAccount, SourceAccounts, Topic)
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/999988887777/log-sqs-shop-collect.fifo"
QUEUE_ARN = "arn:aws:sqs:eu-west-1:999988887777:log-sqs-shop-collect.fifo"
TOLD = parse(
    DayCompleted,
    Path("contracts/examples/day-completed/1.0/accept/all-in-the-archive.json").read_text(),
)
PLANNED = parse(
    DayPlanned,
    (Path(__file__).parents[3] / "contracts/examples/day-planned/1.0/accept/day.json").read_text(),
)
OBJECT = ArchivedObject(key="p/task-1/a/000000.gz", version_id="v", size_bytes=1, etag="e")
FOLDER = ("eu-west-1", "archive", "p/task-1/")


@dataclass(frozen=True)
class Given:
    """What the methods are called with."""

    adapters: dict[type, Any]
    request: ExportRequestedData
    path: Path

    @property
    def record(self) -> LedgerRecord:
        return self.request.first_record(NOW)

    @property
    def event(self) -> ExportRequested:
        return ExportRequested.of(self.request, id=self.request.export_id, source="urn:x", time=NOW)


@dataclass(frozen=True)
class Method:
    """One method of an adapter.

    Attributes:
        call: Calls it.
        operations: What it calls of AWS.
        denied: What it raises where AWS denies the call; None when that is an answer.
        may_be_denied: What it does without.
    """

    call: Callable[[Any, Given], object]
    operations: tuple[str, ...]
    denied: type[Exception] | None = CallRefusedError
    may_be_denied: tuple[str, ...] = ()


def of_source(call: Callable[[Any, Given], object], operation: str) -> Method:
    return Method(call, (operation,), ExportRefusedError)


def texts(archive: Archive) -> list[bytes]:
    """Read an object; what is answered here is none."""
    with suppress(NotAddedError):
        return list(archive.texts(*FOLDER[:2], OBJECT))
    return []


METHODS: dict[tuple[type, str], Method] = {
    (SourceAccount, "create_task"): of_source(
        lambda it, given: it.create_task(given.record), "CreateExportTask"
    ),
    (SourceAccount, "task"): of_source(lambda it, _: it.task("task-1"), "DescribeExportTasks"),
    (SourceAccount, "newest_tasks"): of_source(
        lambda it, _: it.newest_tasks(NOW), "DescribeExportTasks"
    ),
    (SourceAccount, "cancel_task"): of_source(
        lambda it, _: it.cancel_task("task-1"), "CancelExportTask"
    ),
    (SourceAccount, "log_group_created_ms"): of_source(
        lambda it, given: it.log_group_created_ms(given.record.log_group.name), "DescribeLogGroups"
    ),
    (SourceAccount, "events"): Method(
        lambda it, given: it.events(given.record, Slice(0, 1), None),
        ("FilterLogEvents",),
        NotForDirectLaneError,
    ),
    (SourceAccounts, "account"): of_source(
        lambda it, given: it.account(given.request.source, NOW), "AssumeRole"
    ),
    (Archive, "objects"): Method(
        lambda it, _: it.objects(*FOLDER),
        ("ListObjectVersions", "HeadObject"),
        may_be_denied=("HeadObject",),
    ),
    (Archive, "sizes"): Method(lambda it, _: it.sizes(*FOLDER), ("ListObjectVersions",)),
    (Archive, "folders"): Method(lambda it, _: it.folders(*FOLDER), ("ListObjectVersions",)),
    (Archive, "put"): Method(
        lambda it, given: it.put(*FOLDER, given.path),
        ("PutObject", "HeadObject", "PutObject"),
        ExportRefusedError,
    ),
    (Archive, "texts"): Method(lambda it, _: texts(it), ("GetObject",)),
    (Archive, "remove"): Method(
        lambda it, _: it.remove(*FOLDER), ("ListObjectVersions", "DeleteObjects")
    ),
    (Archive, "region_of"): Method(
        lambda it, _: it.region_of("eu-west-1", "archive"), ("HeadBucket",), denied=None
    ),
    (Ledger, "read"): Method(
        lambda it, given: it.read(given.record.source, given.record.window, given.record.export_id),
        ("GetObject",),
    ),
    (Ledger, "read_keys"): Method(
        lambda it, given: it.read_keys([given.record.key]), ("GetObject",)
    ),
    (Ledger, "keys"): Method(
        lambda it, given: it.keys(given.record.source, [given.record.window]), ("ListObjectsV2",)
    ),
    (Ledger, "windows"): Method(
        lambda it, given: list(it.windows(given.record.source, 0, 1)), ("ListObjectsV2",)
    ),
    (Ledger, "create"): Method(
        lambda it, given: it.create(given.record),
        ("PutObject", "PutObject"),  # the note that it is open, and the record
    ),
    (Ledger, "replace"): Method(
        lambda it, given: it.replace(LedgerEntry(given.record, "e"), given.record), ("PutObject",)
    ),
    (Ledger, "close_day"): Method(lambda it, _: it.close_day(PLANNED), ("DeleteObject",)),
    (Ledger, "note_reading"): Method(
        lambda it, given: it.note_reading(given.record.source, "direct", b""), ("PutObject",)
    ),
    (Ledger, "reading"): Method(
        lambda it, given: it.reading(given.record.source), ("ListObjectsV2",)
    ),
    (Ledger, "put_manifest"): Method(
        lambda it, given: it.put_manifest(
            given.record, Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])
        ),
        ("PutObject",),
    ),
    (Queue, "send"): Method(
        lambda it, given: it.send(given.event, asked_by="message-1"), ("SendMessage",)
    ),
    (Queue, "send_beside"): Method(
        lambda it, given: it.send_beside(given.event, asked_by="message-1"), ("SendMessage",)
    ),
    (Queue, "send_to_the_tail"): Method(
        lambda it, given: it.send_to_the_tail(given.event, instead_of="message-1", tries=1),
        ("SendMessage",),
    ),
    (Queue, "dead_letter"): Method(
        lambda it, _: it.dead_letter(
            "{}", group_id="g", message_id="m", reason="contract", detail="d"
        ),
        ("SendMessage",),
        # What is refused with the reason is sent once more without.
        denied=None,
    ),
    (Queue, "retention"): Method(lambda it, _: it.retention, ("GetQueueAttributes",)),
    (Queue, "give_back"): Method(
        lambda it, _: it.give_back(QUEUE_ARN, ["handle"], 1),
        ("ChangeMessageVisibilityBatch",),
        denied=None,
    ),
    (Topic, "publish"): Method(lambda it, given: it.publish(TOLD), ("Publish",)),
}
SAID = {(Queue, "give_back")}
"""Says what went wrong instead of raising it."""
PLACES = [
    pytest.param(adapter, name, place, id=f"{adapter.__name__}.{name}-{place}")
    for (adapter, name), method in METHODS.items()
    for place in range(len(method.operations))
]


class Aws:
    """Answers each call, and lets one of them fail."""

    def __init__(self, record: LedgerRecord) -> None:
        self.record = record
        self.operations: list[str] = []
        self.fails_at: int | None = None
        self.is_there_already = False
        self.error: Exception = ClientError({}, "")

    def answer(self, operation: str, _parameters: dict[str, Any]) -> Any:
        self.operations.append(operation)
        if len(self.operations) - 1 == self.fails_at:
            raise self.error
        if self.is_there_already and self.operations == ["PutObject"]:
            raise error_of("PreconditionFailed", "PutObject")
        version = {"Key": "p/task-1/a", "VersionId": "v", "Size": 1, "ETag": '"e"'}
        return {
            "CreateExportTask": {"taskId": "task-1"},
            "DescribeExportTasks": {"exportTasks": []},
            "DescribeLogGroups": {"logGroups": []},
            "FilterLogEvents": {"events": []},
            "AssumeRole": {
                "Credentials": {
                    "AccessKeyId": "a",
                    "SecretAccessKey": "s",
                    "SessionToken": "t",
                    "Expiration": NOW,
                }
            },
            "ListObjectVersions": {
                "Versions": [version | {"IsLatest": True, "ChecksumAlgorithm": ["CRC32"]}]
            },
            "PutObject": {"VersionId": "v", "ETag": '"e"'},
            "GetObject": {"Body": io.BytesIO(emit(self.record).encode()), "ETag": '"e"'},
            "GetQueueAttributes": {"Attributes": {"MessageRetentionPeriod": "60"}},
        }.get(operation, {})


def error_of(code: str, operation: str, status: int = 400) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    return ClientError(
        {"Error": {"Code": code, "Message": "What AWS says."}, "ResponseMetadata": metadata},
        operation,
    )


@pytest.fixture(scope="module")
def clients() -> dict[str, Any]:
    """Clients for all tests: what they answer is simulated."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    return {
        name: session.client(name, endpoint_url="http://127.0.0.1:9")  # type: ignore[call-overload]
        for name in ("logs", "s3", "sns", "sqs", "sts")
    }


@pytest.fixture
def given(clients: dict[str, Any], request_for: RequestFor, tmp_path: Path) -> Given:
    logs, s3, sns, sqs, sts = clients.values()
    path = tmp_path / "file"
    path.write_bytes(b"events")
    adapters = {
        SourceAccount: SourceAccount(logs, logs),
        SourceAccounts: SourceAccounts(sts),
        Archive: Archive(lambda _region: s3),
        Ledger: Ledger(s3, "control"),
        Queue: Queue(sqs, QUEUE_URL, QUEUE_URL),
        Topic: Topic(sns, "arn:aws:sns:eu-west-1:999988887777:log-export-events"),
    }
    return Given(adapters, request_for(), path)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, given: Given) -> Aws:
    simulated = Aws(given.record)
    monkeypatch.setattr(
        "botocore.client.BaseClient._make_api_call",
        simulated.answer,
    )
    return simulated


def public(adapter: type) -> set[str]:
    return {name for name, _ in inspect.getmembers_static(adapter) if not name.startswith("_")}


def call(aws: Aws, given: Given, adapter: type, name: str) -> object:
    aws.is_there_already = name == "put"
    return METHODS[adapter, name].call(given.adapters[adapter], given)


def test_no_method_of_an_adapter_is_forgotten() -> None:
    assert set(METHODS) == {(adapter, name) for adapter in ADAPTERS for name in public(adapter)}


@pytest.mark.parametrize(
    ("adapter", "name"), METHODS, ids=lambda each: getattr(each, "__name__", each)
)
def test_no_call_of_a_method_is_forgotten(aws: Aws, given: Given, adapter: type, name: str) -> None:
    call(aws, given, adapter, name)
    assert tuple(aws.operations) == METHODS[adapter, name].operations


PASSING: dict[str, Callable[[str], Exception]] = {
    "throttled": lambda operation: error_of("ThrottlingException", operation),
    "slowed": lambda operation: error_of("SlowDown", operation, 503),
    "broken": lambda operation: error_of("SomethingNew", operation, 500),
    "429": lambda operation: error_of("429", operation, 429),
    "silent": lambda _: ConnectTimeoutError(endpoint_url="https://x"),
    "cut": lambda _: IncompleteReadError(actual_bytes=1, expected_bytes=2),
}


@pytest.mark.parametrize("passing", PASSING)
@pytest.mark.parametrize(("adapter", "name", "place"), PLACES)
def test_what_passes_is_a_transient_error_that_names_call_and_subject(
    aws: Aws, given: Given, adapter: type, name: str, place: int, passing: str
) -> None:
    operation = METHODS[adapter, name].operations[place]
    aws.fails_at, aws.error = place, PASSING[passing](operation)
    if (adapter, name) in SAID:
        assert str(call(aws, given, adapter, name)).startswith(f"['{operation} of ")
        return
    with pytest.raises(TransientError, match=f"^{operation} of .+: .+: "):
        call(aws, given, adapter, name)


@pytest.mark.parametrize(("adapter", "name", "place"), PLACES)
def test_what_is_denied_is_a_refusal_that_names_call_and_subject(
    aws: Aws, given: Given, adapter: type, name: str, place: int
) -> None:
    method = METHODS[adapter, name]
    operation = method.operations[place]
    # An answer to HEAD has no body, and so no code but the status.
    is_head = operation.startswith("Head")
    code, denied, reason = (
        ("403", CallRefusedError, "unknown_refusal")
        if is_head
        else ("AccessDeniedException", method.denied, "access_denied")
    )
    aws.fails_at, aws.error = place, error_of(code, operation, 403)
    if method.denied is None or denied is None or operation in method.may_be_denied:
        call(aws, given, adapter, name)
        return
    with pytest.raises(denied, match=f"^{operation} of .+: {code}: What AWS says.$") as met:
        call(aws, given, adapter, name)
    assert getattr(met.value, "reason", reason) == reason


@pytest.mark.parametrize(("adapter", "name", "place"), PLACES)
def test_a_code_that_nobody_knows_is_no_end_of_an_export(
    aws: Aws, given: Given, adapter: type, name: str, place: int
) -> None:
    method = METHODS[adapter, name]
    operation = method.operations[place]
    aws.fails_at, aws.error = place, error_of("AnErrorOfTomorrow", operation)
    if method.denied is None:
        call(aws, given, adapter, name)
        return
    with pytest.raises(CallRefusedError, match=f"^{operation} of .+: AnErrorOfTomorrow: ") as met:
        call(aws, given, adapter, name)
    assert met.value.reason == "unknown_refusal"
