"""Whatever AWS answers, an error of an adapter names the call and what it was about."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError
from pydantic import Field

from logferry_contracts.day_planned import DayPlanned, DayPlannedData
from logferry_contracts.export import Destination, export_id
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import Message
from logferry_contracts.open_exports import note_key
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from planner.aws.archive import Archive
from planner.aws.calls import calling
from planner.aws.inventories import Inventories
from planner.aws.ledger import Ledger
from planner.aws.messages import Continuations, DeadLetters, Topic
from planner.aws.notes import DayNotes, OpenNotes, Outbox, PlanFiles, ReadingNotes
from planner.aws.queues import ExportQueues
from planner.aws.source_account import SourceAccount, SourceAccounts
from planner.errors import AwsError

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
WINDOW = Window(from_ms=1795215600000, to_ms=1795302000000)
SOURCE = Source(
    profile="dev",
    account_id="111111111111",
    region="eu-west-1",
    role_arn="arn:aws:iam::111111111111:role/logs",
)
RECORD = LedgerRecord.first(
    requested_at=NOW,
    export_id=export_id(SOURCE, "/app/web", WINDOW, 1),
    generation=1,
    source=SOURCE.name,
    log_group=LogGroup(
        name="/app/web",
        arn="arn:aws:logs:eu-west-1:111111111111:log-group:/app/web",
        log_group_class="STANDARD",
        created_ms=0,
    ),
    window=WINDOW,
    destination=Destination(bucket="archive", prefix="dev/app/web"),
    lane="slot",
)
PLANNED = DayPlanned.of(
    DayPlannedData(
        source=SOURCE.name, date="2026-11-21", time_zone="Europe/Berlin", windows=[WINDOW]
    ),
    id="run-2026-11-21",
    source="urn:logferry:planner",
    time=NOW,
)


class Event(Message):
    attributes: dict[str, str] = Field(default_factory=dict)


class _Gone(Exception):  # noqa: N818  (as boto3 names them)
    pass


@dataclass
class Broken:
    """A client of any service, each of whose calls fails."""

    how: Callable[[str], Exception]
    called: list[str] = field(default_factory=list)
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(QueueDoesNotExist=_Gone))

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**_: Any) -> Any:
            self.called.append(operation)
            raise self.how(operation)

        return call

    def get_paginator(self, operation: str) -> Any:
        def paginate(**_: Any) -> Iterator[Any]:
            self.called.append(operation)
            raise self.how(operation)
            yield

        return SimpleNamespace(paginate=paginate)

    def client(self, *_: Any, **__: Any) -> "Broken":
        return self


def refusing(operation: str) -> Exception:
    error: Any = {"Error": {"Code": "SlowDown", "Message": "reduce your rate"}}
    return ClientError(error, operation)


def away(_operation: str) -> Exception:
    return EndpointConnectionError(endpoint_url="https://aws")


def torn(_operation: str) -> Exception:
    return ResponseParserError("Unable to parse response")


def account(client: Any) -> SourceAccount:
    return SourceAccount(client, SOURCE)


CALLS: dict[str, tuple[Callable[[Any, Path], Any], str]] = {
    "Archive.check": (lambda aws, _: Archive(aws).check("archive", "eu-west-1"), "HeadBucket of a"),
    "Ledger.known": (
        lambda aws, _: list(Ledger(aws, "control").known(SOURCE, [WINDOW])),
        "ListObjectsV2 of s3://control/ledger/111111111111/eu-west-1/",
    ),
    "Ledger.windows": (
        lambda aws, _: Ledger(aws, "control").windows(SOURCE, [WINDOW]),
        "ListObjectsV2 of s3://control/ledger/111111111111/eu-west-1/",
    ),
    "Ledger.read": (
        lambda aws, _: Ledger(aws, "control").read([RECORD.key]),
        f"GetObject of s3://control/{RECORD.key}",
    ),
    "Ledger.take_over": (
        lambda aws, _: Ledger(aws, "control").take_over(RECORD, RECORD),
        f"GetObject of s3://control/{RECORD.key}",
    ),
    "Ledger.create": (
        lambda aws, _: Ledger(aws, "control").create([RECORD]),
        f"PutObject of s3://control/{note_key(RECORD)}",
    ),
    "Ledger.is_empty": (
        lambda aws, _: Ledger(aws, "control").is_empty(SOURCE),
        "ListObjectsV2 of s3://control/ledger/111111111111/eu-west-1/",
    ),
    "Ledger.lacking": (
        lambda aws, _: Ledger(aws, "control").lacking(SOURCE),
        "ListObjectsV2 of s3://control/seals/111111111111/eu-west-1/lacking/",
    ),
    "OpenNotes.there": (
        lambda aws, _: OpenNotes(aws, "control").there(SOURCE),
        "ListObjectsV2 of s3://control/open/111111111111/eu-west-1/",
    ),
    "OpenNotes.mark_whole": (
        lambda aws, _: OpenNotes(aws, "control").mark_whole(SOURCE),
        "PutObject of s3://control/open/111111111111/eu-west-1/!whole",
    ),
    "OpenNotes.remove": (
        lambda aws, _: OpenNotes(aws, "control").remove("a"),
        "DeleteObject of s3://control/a",
    ),
    "ReadingNotes.put": (
        lambda aws, _: ReadingNotes(aws, "control").put(SOURCE, "planner", b""),
        "PutObject of s3://control/reading/111111111111/eu-west-1/planner",
    ),
    "ReadingNotes.seen": (
        lambda aws, _: ReadingNotes(aws, "control").seen(SOURCE),
        "ListObjectsV2 of s3://control/reading/111111111111/eu-west-1/",
    ),
    "Outbox.put": (
        lambda aws, _: Outbox(aws, "control").put(SOURCE, ["a"]),
        "PutObject of s3://control/outbox/111111111111/eu-west-1/",
    ),
    "Outbox.notes": (
        lambda aws, _: Outbox(aws, "control").notes(SOURCE),
        "ListObjectsV2 of s3://control/outbox/",
    ),
    "Outbox.read": (lambda aws, _: Outbox(aws, "control").read("a"), "GetObject of s3://control/a"),
    "Outbox.remove": (
        lambda aws, _: Outbox(aws, "control").remove("a"),
        "DeleteObject of s3://control/a",
    ),
    "DayNotes.put": (
        lambda aws, _: DayNotes(aws, "control").put(PLANNED),
        "PutObject of s3://control/plans/111111111111/eu-west-1/days/",
    ),
    "DayNotes.there": (
        lambda aws, _: DayNotes(aws, "control").there(SOURCE),
        "ListObjectsV2 of s3://control/plans/",
    ),
    "DayNotes.read": (
        lambda aws, _: DayNotes(aws, "control").read("a"),
        "GetObject of s3://control/a",
    ),
    "DayNotes.remove": (
        lambda aws, _: DayNotes(aws, "control").remove("a"),
        "DeleteObject of s3://control/a",
    ),
    "PlanFiles.put": (
        lambda aws, path: PlanFiles(aws, "control").put(path, "a"),
        "PutObject of s3://control/a",
    ),
    "PlanFiles.get": (
        lambda aws, path: PlanFiles(aws, "control").get("a", path),
        "GetObject of s3://control/a",
    ),
    "PlanFiles.remove": (
        lambda aws, _: PlanFiles(aws, "control").remove("a"),
        "DeleteObject of s3://control/a",
    ),
    "Inventories.is_there": (
        lambda aws, _: Inventories(aws, "control").is_there(SOURCE, "a", since_ms=0),
        "ListObjectsV2 of s3://control/inventories/111111111111/eu-west-1/",
    ),
    "Inventories.put": (
        lambda aws, path: Inventories(aws, "control").put(path, SOURCE, "a", planned_at_ms=0),
        "PutObject of s3://control/inventories/111111111111/eu-west-1/000000000000000-a.jsonl",
    ),
    "ExportQueues.urls": (
        lambda aws, _: ExportQueues(aws).urls(SOURCE, direct=True),
        "GetQueueUrl of log-sqs-dev-collect.fifo",
    ),
    "ExportQueues.check": (
        lambda aws, _: ExportQueues(aws).check(SOURCE),
        "GetQueueUrl of log-sqs-dev-collect.fifo",
    ),
    "ExportQueues.is_of": (
        lambda aws, _: ExportQueues(aws).is_of(SOURCE),
        "GetQueueUrl of log-sqs-dev-collect.fifo",
    ),
    "ExportQueues.send": (
        lambda aws, _: ExportQueues(aws).send("https://queue", [PLANNED]),
        "SendMessageBatch of https://queue",
    ),
    "Topic.publish": (
        lambda aws, _: Topic(aws, "arn:topic").publish(cast("Any", Event())),
        "Publish of arn:topic",
    ),
    "DeadLetters.put": (
        lambda aws, _: DeadLetters(aws, "https://queue").put("{}", reason="r", detail="d"),
        "SendMessage of https://queue",
    ),
    "Continuations.send": (
        lambda aws, _: Continuations(aws).send("arn:function", cast("Any", Event())),
        "Invoke of arn:function",
    ),
    "SourceAccounts.open": (
        lambda aws, _: SourceAccounts(aws).open(SOURCE),
        "AssumeRole of arn:aws:iam::111111111111:role/logs",
    ),
    "SourceAccount.log_groups": (
        lambda aws, _: list(account(aws).log_groups()),
        "DescribeLogGroups of 111111111111.eu-west-1",
    ),
    "SourceAccount.tagged": (
        lambda aws, _: account(aws).tagged([]),
        "GetResources of 111111111111.eu-west-1",
    ),
}
TOLERANT = {
    "SourceAccount.incoming_log_events",
    "SourceAccount.has_events",
    "SourceAccount.retention_policies",
    "SourceAccounts.leave",
}
"""They never fail: what is not known is exported, and who has not left is waited for."""


def test_no_method_that_calls_aws_is_left_out() -> None:
    adapters = [
        *(Archive, Ledger, Outbox, DayNotes, OpenNotes, PlanFiles, Inventories, ExportQueues),
        *(ReadingNotes, Topic, DeadLetters),
        *(Continuations, SourceAccounts, SourceAccount),
    ]
    methods = {
        f"{adapter.__name__}.{name}"
        for adapter in adapters
        for name, _ in inspect.getmembers(adapter, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == CALLS.keys() | TOLERANT


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    ("how", "told"),
    [
        (refusing, ": SlowDown: reduce your rate"),
        (away, ": EndpointConnectionError: Could not connect to the endpoint URL"),
        (torn, ": ResponseParserError: Unable to parse response"),
    ],
    ids=["refused", "away", "torn"],
)
def test_an_error_names_the_call_its_subject_and_what_aws_said(
    method: str, how: Callable[[str], Exception], told: str, tmp_path: Path
) -> None:
    call, begins = CALLS[method]
    file = tmp_path / "file"
    file.write_bytes(b"")
    aws = Broken(how)

    with pytest.raises(AwsError) as caught:
        call(aws, file)

    assert str(caught.value).startswith(begins)
    assert told in str(caught.value)
    assert aws.called
    assert isinstance(
        caught.value.__cause__, (ClientError, EndpointConnectionError, ResponseParserError)
    )


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), calling("GetObject", "a"):
        1 / 0  # noqa: B018  (an error like any other)
