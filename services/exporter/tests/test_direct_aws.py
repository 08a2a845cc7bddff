"""The direct lane's calls, on moto and on LocalStack, and its objects beside those of a task."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.stub import Stubber

from exporter import direct, task
from exporter.aws.archive import Archive
from exporter.aws.clients import CLIENT_CONFIG, CREATE_CONFIG
from exporter.aws.source_account import SourceAccount
from exporter.errors import ExportRefusedError, NotForDirectLaneError, TransientError
from exporter.reading import Reading
from exporter.turns import Turn
from logferry_contracts.export import Destination
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.window import Window

if TYPE_CHECKING:
    from devstack.pytest_backends import Backend

type RequestFor = Callable[..., ExportRequestedData]

WHOLE = direct.Slice(0, 2**42)
ALL_SLICES_BYTES = 24 * direct.SLICE_BYTES
KEY = "shop/orders/2026/11/21/00/folder/web/000000.gz"

on_localstack = pytest.mark.parametrize(
    "backend", [pytest.param("localstack", marks=pytest.mark.localstack)], indirect=True
)
"""For what moto does not model: checksums that S3 keeps, classes of log groups, export tasks."""


@pytest.fixture
def bucket(backend: "Backend") -> str:
    name = f"archive-{backend.account_id}"
    s3 = backend.client("s3")
    s3.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": backend.region},
        ObjectLockEnabledForBucket=True,
    )
    return name


@pytest.fixture
def archive(backend: "Backend") -> Archive:
    s3 = backend.client("s3", config=CLIENT_CONFIG)
    return Archive(lambda _region: s3)


@pytest.fixture
def source_account(backend: "Backend") -> SourceAccount:
    return SourceAccount(
        backend.client("logs", config=CLIENT_CONFIG), backend.client("logs", config=CREATE_CONFIG)
    )


@pytest.fixture
def record(request_for: RequestFor) -> LedgerRecord:
    """An export of the day that ends in an hour: log groups of tests are made now."""
    wanted = request_for("/shop/orders", lane="direct").first_record(datetime.now(UTC))
    to_ms = int(datetime.now(UTC).timestamp() * 1000) + 3_600_000
    window = Window(from_ms=to_ms - 86_400_000, to_ms=to_ms)
    return wanted.model_copy(update={"window": window})


def file_of(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def put(archive: Archive, bucket: str, path: Path, body: bytes) -> ArchivedObject:
    return archive.put("eu-west-1", bucket, KEY, file_of(path, body))


# -- the archive -------------------------------------------------------------------------------


@on_localstack
def test_an_object_is_written_as_the_manifest_says(
    backend: "Backend", archive: Archive, bucket: str, tmp_path: Path
) -> None:
    written = put(archive, bucket, tmp_path / "file", b"the log of today")
    found = backend.client("s3").get_object(
        Bucket=bucket, Key=KEY, VersionId=written.version_id, ChecksumMode="ENABLED"
    )
    assert found["Body"].read() == b"the log of today"
    assert found["ETag"] == f'"{written.etag}"'
    assert (written.key, written.size_bytes) == (KEY, 16)
    assert written.checksum is not None
    assert found["ChecksumSHA256"] == written.checksum.value


def test_an_object_is_under_the_buckets_default_key(
    backend: "Backend", archive: Archive, bucket: str, tmp_path: Path
) -> None:
    s3, key_arn = backend.client("s3"), backend.client("kms").create_key()["KeyMetadata"]["Arn"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        },
    )
    put(archive, bucket, tmp_path / "file", b"the log of today")
    assert s3.head_object(Bucket=bucket, Key=KEY)["SSEKMSKeyId"] == key_arn


@on_localstack
def test_an_object_of_an_earlier_try_is_kept_where_it_is_the_same(
    backend: "Backend", archive: Archive, bucket: str, tmp_path: Path
) -> None:
    first = put(archive, bucket, tmp_path / "file", b"the log of today")
    assert put(archive, bucket, tmp_path / "file", b"the log of today") == first
    second = put(archive, bucket, tmp_path / "file", b"and late events")
    assert second.version_id != first.version_id
    versions = backend.client("s3").list_object_versions(Bucket=bucket)["Versions"]
    assert {version["VersionId"]: version["IsLatest"] for version in versions} == {
        second.version_id: True,
        first.version_id: False,
    }


def test_a_bucket_that_is_gone_is_a_refusal(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(ExportRefusedError, match=r"PutObject of .*: NoSuchBucket") as caught:
        put(archive, "no-such-bucket-anywhere", tmp_path / "file", b"x")
    assert caught.value.reason == "bucket_missing"


# -- the events --------------------------------------------------------------------------------


def test_a_log_group_that_is_gone_is_a_refusal(
    source_account: SourceAccount, record: LedgerRecord
) -> None:
    with pytest.raises(ExportRefusedError, match="FilterLogEvents") as caught:
        source_account.events(record, WHOLE, None)
    assert caught.value.reason == "log_group_deleted"


@on_localstack
def test_a_log_group_of_another_class_is_left_to_the_slot(
    backend: "Backend", source_account: SourceAccount, record: LedgerRecord
) -> None:
    backend.client("logs").create_log_group(
        logGroupName=record.log_group.name, logGroupClass="INFREQUENT_ACCESS"
    )
    with pytest.raises(NotForDirectLaneError, match="INFREQUENT_ACCESS"):
        source_account.events(record, WHOLE, None)


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return boto3.client(
        "logs", region_name="eu-west-1", endpoint_url="http://127.0.0.1:9", config=CREATE_CONFIG
    )


@pytest.fixture
def answers(logs: Any) -> Iterator[Stubber]:
    with Stubber(logs) as stubber:
        yield stubber


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("InvalidParameterException", NotForDirectLaneError),
        ("InvalidOperationException", NotForDirectLaneError),
        ("AccessDeniedException", NotForDirectLaneError),
        ("ThrottlingException", TransientError),
        ("ServiceUnavailableException", TransientError),
    ],
)
def test_what_aws_says_decides_who_goes_on(
    logs: Any, answers: Stubber, record: LedgerRecord, code: str, meaning: type[Exception]
) -> None:
    answers.add_client_error("filter_log_events", code)
    with pytest.raises(meaning, match=f"{code}"):
        SourceAccount(logs, logs).events(record, WHOLE, None)


class Answered:
    """CloudWatch Logs, with answers as they come over the wire.

    Attributes:
        asked: What each call asked for.
    """

    def __init__(self, logs: Any, answers: list[tuple[int, bytes]]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answers = iter(answers)
        logs.meta.events.register("before-send.cloudwatch-logs.FilterLogEvents", self._answer)

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.asked.append(json.loads(request.body))  # type: ignore[arg-type]
        status, body = next(self._answers)
        answer = AWSResponse(request.url, status, {"x-amzn-requestid": "1"}, None)  # type: ignore[arg-type]
        answer._content = body  # type: ignore[attr-defined]
        return answer


def page(*events: dict[str, object], **more: object) -> tuple[int, bytes]:
    return 200, json.dumps({"events": events, **more}).encode()


EVENT = {"logStreamName": "web", "timestamp": 1, "message": "x"}


def test_a_part_of_the_window_is_read_page_by_page(logs: Any, record: LedgerRecord) -> None:
    of_aws = {"eventId": "1", "ingestionTime": 2**41}
    answered = Answered(
        logs,
        [page(EVENT | of_aws, nextToken="more", searchedLogStreams=[]), page()],
    )
    account = SourceAccount(logs, logs)
    part = direct.Slice(5, 7)
    assert account.events(record, part, None) == ([direct.Event("web", 1, "x")], "more")
    assert account.events(record, part, "more") == ([], None)
    asked = {"logGroupName": "/shop/orders", "startTime": 5, "endTime": 7}
    assert answered.asked == [asked, asked | {"nextToken": "more"}]


def test_a_part_of_the_window_is_read_of_some_log_streams_alone(
    logs: Any, record: LedgerRecord
) -> None:
    answered = Answered(logs, [page()])
    SourceAccount(logs, logs).events(record, direct.Slice(5, 7), None, ["web"])
    assert [each["logStreamNames"] for each in answered.asked] == [["web"]]


@pytest.mark.parametrize(
    "message",
    ["", "naïve 日本 🚢 \u2028", 'a "quoted"\\ \n\r\n\t\x00\x1b\x7f', "x" * 1_000_000],
    ids=["empty", "beyond_ascii", "controls", "long"],
)
@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "as_it_is"])
def test_a_message_is_read_as_botocore_reads_it(
    logs: Any, record: LedgerRecord, message: str, *, ensure_ascii: bool
) -> None:
    body = json.dumps({"events": [EVENT | {"message": message}]}, ensure_ascii=ensure_ascii)
    Answered(logs, [(200, body.encode())] * 2)
    (by_botocore,) = logs.filter_log_events(logGroupName="/shop/orders")["events"]
    ((read,), _) = SourceAccount(logs, logs).events(record, WHOLE, None)
    assert read.message == by_botocore["message"] == message


@pytest.mark.parametrize(
    "body",
    [
        page(EVENT)[1][:-1],
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"events": null}',
        page({"logStreamName": "web", "timestamp": 1})[1],
        page(EVENT | {"timestamp": "1"})[1],
        page(EVENT)[1].replace(b'"x"', b'"\xff"'),
    ],
)
def test_what_is_no_page_is_asked_for_again_and_never_an_empty_one(
    logs: Any, record: LedgerRecord, body: bytes
) -> None:
    Answered(logs, [(200, body)])
    with pytest.raises(TransientError, match="FilterLogEvents of /shop/orders: ResponseParser"):
        SourceAccount(logs, logs).events(record, WHOLE, None)


def test_a_refusal_is_no_page(logs: Any, record: LedgerRecord) -> None:
    refused = {"__type": "InvalidOperationException", "message": "not this class"}
    Answered(logs, [(400, json.dumps(refused).encode())])
    with pytest.raises(NotForDirectLaneError, match="not this class"):
        SourceAccount(logs, logs).events(record, WHOLE, None)


# -- both lanes --------------------------------------------------------------------------------


def strange_events(window: Window) -> dict[str, list[tuple[int, str]]]:
    """Of streams and messages that are easily got wrong, at and beyond the window's ends."""
    start_ms, end_ms = window.from_ms, window.to_ms
    return {
        "web/1": [
            (start_ms - 1, "before"),
            (start_ms, "first"),
            (end_ms, "last"),
            (end_ms + 1, "after"),
        ],
        "web-1": [(start_ms + 5, "of a stream with the same folder")],
        "2026/11/20/[$LATEST]0123456789abcdef": [(start_ms + n // 7, f"n {n}") for n in range(20)],
        "ü 100%+日本": [(start_ms + 7, "naïve 日本 🚢"), (start_ms + 7, "of the same time")],
        "lines": [
            (start_ms + 1, "one\ntwo\r\n\tthree\n"),
            (start_ms + 2, " "),
            (start_ms + 3, '{"a": "b\\u00fc\\n", "c": null}'),
            (start_ms + 4, "\x1b[31mred\x1b[0m \u2028 end"),
            (start_ms + 999, "2026-11-21T00:00:00.000Z not the time"),
        ],
        "between slices": [
            (part.start_ms + n, f"{part} {n}")
            for part in direct.slices(window, ALL_SLICES_BYTES)[1:]
            for n in (-1, 0, 0, 1)
        ],
        "nothing in the window": [(start_ms - 1, "before")],
        "pages": [(start_ms + 1000 + n // 7, f"event {n}") for n in range(10_050)],
    }


def let_cloudwatch_logs_in(backend: "Backend", bucket: str) -> None:
    service = f'{{"Service": "logs.{backend.region}.amazonaws.com"}}'
    condition = f'{{"StringEquals": {{"aws:SourceAccount": ["{backend.account_id}"]}}}}'
    statements = ", ".join(
        f'{{"Effect": "Allow", "Principal": {service}, "Action": "{action}", '
        f'"Resource": "arn:aws:s3:::{bucket}{objects}", "Condition": {condition}}}'
        for action, objects in (("s3:GetBucketAcl", ""), ("s3:PutObject", "/*"))
    )
    backend.client("s3").put_bucket_policy(
        Bucket=bucket, Policy=f'{{"Version": "2012-10-17", "Statement": [{statements}]}}'
    )


def lines_below(backend: "Backend", bucket: str, folder: str) -> dict[str, bytes]:
    s3 = backend.client("s3")
    found = s3.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]
    return {
        each["Key"].removeprefix(folder): gzip.decompress(
            s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
        )
        for each in found
    }


@pytest.mark.parametrize("estimated_bytes", [0, ALL_SLICES_BYTES], ids=["whole", "sliced"])
@on_localstack
def test_both_lanes_write_the_same_keys_and_the_same_bytes(
    backend: "Backend",
    archive: Archive,
    source_account: SourceAccount,
    bucket: str,
    record: LedgerRecord,
    estimated_bytes: int,
) -> None:
    logs, name = backend.client("logs"), record.log_group.name
    logs.create_log_group(logGroupName=name)
    for stream_name, events in strange_events(record.window).items():
        logs.create_log_stream(logGroupName=name, logStreamName=stream_name)
        for start in range(0, len(events), 10_000):
            logs.put_log_events(
                logGroupName=name,
                logStreamName=stream_name,
                logEvents=[
                    {"timestamp": timestamp_ms, "message": message}
                    for timestamp_ms, message in events[start : start + 10_000]
                ],
            )
    let_cloudwatch_logs_in(backend, bucket)
    record = record.model_copy(
        update={"destination": Destination(bucket=bucket, prefix="shop/orders/2026/11/21/00")}
    )

    task_id = source_account.create_task(record)
    reading = Reading(
        account=source_account,
        archive=archive,
        wait=lambda check_time: check_time(),
        max_bytes=200_000_000,
        until=datetime.now(UTC) + timedelta(minutes=1),
        clock=lambda: datetime.now(UTC),
        turn=Turn(lambda _seconds: None),
        check_time=lambda: None,
    )
    written = reading.objects(record, estimated_bytes)
    while (found := source_account.task(task_id)) is None or found.status != task.COMPLETED:
        assert found is None or found.holds_slot, found

    by_task = lines_below(backend, bucket, task.folder(record, task_id))
    folder = task.folder(record, direct.folder_name(record.export_id))
    directly = lines_below(backend, bucket, folder)
    assert directly == by_task
    assert sorted(each.key for each in written) == [f"{folder}{key}" for key in sorted(directly)]
    assert directly["web-1/000001.gz"].splitlines()[1].endswith(b"Z last")
    assert len(directly["pages/000000.gz"].splitlines()) == 10_050
    assert sorted(directly) == [
        "2026-11-20-[$LATEST]0123456789abcdef/000000.gz",
        "between slices/000000.gz",
        "lines/000000.gz",
        "pages/000000.gz",
        "web-1/000000.gz",
        "web-1/000001.gz",
        "ü 100%+日本/000000.gz",
    ]
