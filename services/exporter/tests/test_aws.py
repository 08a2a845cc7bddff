"""The adapters, on moto and on LocalStack, and on answers that neither of them gives."""

import base64
import gzip
import hashlib
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.stub import Stubber

from exporter import handler, task
from exporter.aws import archive as archive_adapter
from exporter.aws.archive import Archive
from exporter.aws.clients import CREATE_CONFIG
from exporter.aws.ledger import Ledger
from exporter.aws.messages import Queue, Topic
from exporter.aws.source_account import SourceAccount, SourceAccounts
from exporter.errors import (
    CallRefusedError,
    ExportRefusedError,
    LedgerConflictError,
    NotAddedError,
    ObjectsRemovedError,
    SlotBusyError,
    TransientError,
)
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_failed import ExportFailed, ExportFailedData
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_key import manifest_key, open_day_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Checksum, Manifest
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

    from devstack.pytest_backends import Backend

type RequestFor = Callable[..., ExportRequestedData]

EXAMPLES = Path(__file__).parents[3] / "contracts/examples"
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)

on_localstack = pytest.mark.parametrize(
    "backend", [pytest.param("localstack", marks=pytest.mark.localstack)], indirect=True
)
"""For what moto does not model: one task at a time, bucket policies."""


@pytest.fixture
def bucket(backend: "Backend") -> str:
    name = f"archive-{backend.account_id}"
    s3 = backend.client("s3")
    s3.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": backend.region},
        ObjectLockEnabledForBucket=True,
    )
    service = {"Service": f"logs.{backend.region}.amazonaws.com"}
    s3.put_bucket_policy(
        Bucket=name,
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": service,
                        "Action": action,
                        "Resource": resource,
                        "Condition": {"StringEquals": {"aws:SourceAccount": [backend.account_id]}},
                    }
                    for action, resource in (
                        ("s3:GetBucketAcl", f"arn:aws:s3:::{name}"),
                        ("s3:PutObject", f"arn:aws:s3:::{name}/*"),
                    )
                ],
            }
        ),
    )
    return name


@pytest.fixture
def record(backend: "Backend", bucket: str, request_for: RequestFor) -> LedgerRecord:
    """An export of a log group of the backend's account that covers the present."""
    wanted = request_for("/shop/orders").first_record(NOW)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return wanted.model_copy(
        update={
            "source": wanted.source.model_copy(
                update={"account_id": backend.account_id, "region": backend.region}
            ),
            "window": wanted.window.model_copy(
                update={"from_ms": now_ms - 3_600_000, "to_ms": now_ms + 3_600_000}
            ),
            "destination": Destination(bucket=bucket, prefix="shop/shop/orders/2026/11/21/00"),
        }
    )


@pytest.fixture
def log_group(backend: "Backend", record: LedgerRecord) -> str:
    logs = backend.client("logs")
    name = record.log_group.name
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="web/1")
    logs.put_log_events(
        logGroupName=name,
        logStreamName="web/1",
        logEvents=[{"timestamp": record.window.from_ms + 60_000, "message": "order 1"}],
    )
    return name


@pytest.fixture
def source_account(
    backend: "Backend", record: LedgerRecord, request_for: RequestFor
) -> SourceAccount:
    source = request_for().source.model_copy(
        update={
            "account_id": backend.account_id,
            "region": backend.region,
            "role_arn": f"arn:aws:iam::{backend.account_id}:role/logferry-source",
            "external_id": "logferry",
        }
    )
    return SourceAccounts(backend.client("sts")).account(source, datetime.now(UTC))


def test_a_log_group_is_found_by_its_whole_name(
    backend: "Backend", log_group: str, source_account: SourceAccount
) -> None:
    backend.client("logs").create_log_group(logGroupName=f"{log_group}/and-more")
    created_ms = source_account.log_group_created_ms(log_group)
    assert created_ms is not None
    assert abs(created_ms - time.time() * 1000) < 3_600_000
    assert source_account.log_group_created_ms(log_group[:-1]) is None


# -- export tasks ------------------------------------------------------------------------------


def test_a_created_task_is_found_by_its_id_and_by_its_name(
    source_account: SourceAccount, record: LedgerRecord, log_group: str
) -> None:
    assert log_group == record.log_group.name
    task_id = source_account.create_task(record)
    found = source_account.task(task_id)
    assert found is not None
    assert found.name == record.export_id
    assert (found.bucket, found.prefix) == (record.destination.bucket, record.destination.prefix)
    listed = source_account.newest_tasks(since=datetime.now(UTC) - timedelta(hours=1))
    assert [(each.task_id, each.name) for each in listed] == [(task_id, record.export_id)]


@pytest.mark.usefixtures("log_group")
@on_localstack
def test_a_second_task_finds_the_slot_busy(
    source_account: SourceAccount, record: LedgerRecord
) -> None:
    source_account.create_task(record)
    with pytest.raises(SlotBusyError, match="LimitExceededException"):
        source_account.create_task(record)


@pytest.mark.usefixtures("log_group")
@on_localstack
def test_a_task_that_is_cancelled_twice_stays_cancelled(
    source_account: SourceAccount, record: LedgerRecord
) -> None:
    task_id = source_account.create_task(record)
    source_account.cancel_task(task_id)
    source_account.cancel_task(task_id)
    found = source_account.task(task_id)
    assert found is not None
    assert found.status in {"PENDING_CANCEL", "CANCELLED"}


@on_localstack
def test_a_task_that_aws_does_not_know_is_none_and_can_be_cancelled(
    source_account: SourceAccount,
) -> None:
    task_id = "00000000-0000-4000-8000-000000000000"
    assert source_account.task(task_id) is None
    source_account.cancel_task(task_id)


def test_a_log_group_that_is_gone_is_a_refusal(
    source_account: SourceAccount, record: LedgerRecord
) -> None:
    with pytest.raises(ExportRefusedError, match="CreateExportTask") as caught:
        source_account.create_task(record)
    assert caught.value.reason == "log_group_deleted"


@pytest.mark.usefixtures("log_group")
def test_a_bucket_that_is_missing_is_a_refusal(
    source_account: SourceAccount, record: LedgerRecord
) -> None:
    elsewhere = Destination(bucket="no-such-bucket-anywhere", prefix="p")
    with pytest.raises(ExportRefusedError) as caught:
        source_account.create_task(record.model_copy(update={"destination": elsewhere}))
    assert caught.value.reason == "bucket_missing"


@pytest.mark.usefixtures("log_group")
@on_localstack
def test_a_bucket_that_does_not_let_cloudwatch_logs_in_is_a_refusal(
    backend: "Backend", source_account: SourceAccount, record: LedgerRecord
) -> None:
    backend.client("s3").delete_bucket_policy(Bucket=record.destination.bucket)
    with pytest.raises(ExportRefusedError) as caught:
        source_account.create_task(record)
    assert caught.value.reason == "bucket_policy"


@pytest.mark.usefixtures("log_group")
@on_localstack
def test_a_window_that_ended_before_the_log_group_was_created_is_exported(
    source_account: SourceAccount, record: LedgerRecord
) -> None:
    """With AWS's answer to these times: LocalStack's test_logs_export_tasks.py, 2026-02-05."""
    window = record.window.model_copy(update={"from_ms": 1_611_316_574, "to_ms": 1_642_852_574})
    assert source_account.create_task(record.model_copy(update={"window": window}))


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> "CloudWatchLogsClient":
    """A client that answers only what a test gives it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return boto3.client(
        "logs",
        region_name="eu-west-1",
        endpoint_url="http://127.0.0.1:9",
        config=CREATE_CONFIG,
    )


@pytest.fixture
def answers(logs: "CloudWatchLogsClient") -> Iterator[Stubber]:
    with Stubber(logs) as stubber:
        yield stubber


def plain_record(request_for: RequestFor) -> LedgerRecord:
    return request_for().first_record(NOW)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("ServiceUnavailableException", 503),
        ("OperationAbortedException", 400),
        ("ResourceAlreadyExistsException", 400),
        ("SomethingNew", 500),
    ],
)
def test_what_may_pass_is_tried_again(
    logs: "CloudWatchLogsClient",
    answers: Stubber,
    request_for: RequestFor,
    code: str,
    status: int,
) -> None:
    answers.add_client_error("create_export_task", code, http_status_code=status)
    with pytest.raises(TransientError, match=code):
        SourceAccount(logs, logs).create_task(plain_record(request_for))


def test_an_error_that_nobody_knows_is_no_end_of_the_export(
    logs: "CloudWatchLogsClient", answers: Stubber, request_for: RequestFor
) -> None:
    answers.add_client_error("create_export_task", "SomethingNew")
    with pytest.raises(CallRefusedError, match="SomethingNew"):
        SourceAccount(logs, logs).create_task(plain_record(request_for))


def test_a_broken_connection_leaves_the_outcome_open(
    logs: "CloudWatchLogsClient", request_for: RequestFor
) -> None:
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9"):
        SourceAccount(logs, logs).create_task(plain_record(request_for))


def test_a_busy_slot_costs_one_call(logs: "CloudWatchLogsClient", request_for: RequestFor) -> None:
    sent: list[str] = []

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield b'{"__type": "LimitExceededException", "message": "Resource limit exceeded."}'

    def answer(request: Any, **_: Any) -> Any:
        sent.append(request.url)
        return AWSResponse(request.url, 400, HTTPHeaders(), Raw())

    logs.meta.events.register("before-send.logs.CreateExportTask", answer)
    with pytest.raises(SlotBusyError):
        SourceAccount(logs, logs).create_task(plain_record(request_for))
    assert len(sent) == 1


def test_the_export_asks_for_exactly_its_window(
    logs: "CloudWatchLogsClient", answers: Stubber, request_for: RequestFor
) -> None:
    record = plain_record(request_for)
    answers.add_response(
        "create_export_task",
        {"taskId": "task-1"},
        {
            "taskName": record.export_id,
            "logGroupName": "/aws/lambda/orders",
            "fromTime": record.window.from_ms,
            "to": record.window.to_ms,
            "destination": record.destination.bucket,
            "destinationPrefix": record.destination.prefix,
        },
    )
    assert SourceAccount(logs, logs).create_task(record) == "task-1"


def described(number: int, status: str = "COMPLETED", age_s: float = 0) -> dict[str, Any]:
    return {
        "taskId": f"task-{number}",
        "status": {"code": status},
        "executionInfo": {"creationTime": NOW_MS - int(age_s * 1000)},
    }


def test_a_task_of_somebody_else_without_any_name_can_be_read(
    logs: "CloudWatchLogsClient", answers: Stubber
) -> None:
    answers.add_response("describe_export_tasks", {"exportTasks": [{"taskId": "task-1"}]})
    (found,) = SourceAccount(logs, logs).newest_tasks(NOW)
    assert (found.name, found.bucket, found.status, found.created_ms) == (None, "", "", None)


def test_tasks_are_read_back_to_the_time_that_matters(
    logs: "CloudWatchLogsClient", answers: Stubber
) -> None:
    for number, age_s in enumerate([0, 300, 700]):
        page = {"exportTasks": [described(number, age_s=age_s)], "nextToken": f"after-{number}"}
        answers.add_response("describe_export_tasks", page)
    found = SourceAccount(logs, logs).newest_tasks(NOW - timedelta(seconds=600))
    assert [each.task_id for each in found] == ["task-0", "task-1", "task-2"]


def test_one_page_is_enough_while_a_task_holds_the_slot(
    logs: "CloudWatchLogsClient", answers: Stubber
) -> None:
    page = {"exportTasks": [described(1, "RUNNING")], "nextToken": "more"}
    answers.add_response("describe_export_tasks", page)
    (found,) = SourceAccount(logs, logs).newest_tasks(NOW - timedelta(hours=1))
    assert found.holds_slot


def test_the_search_for_a_task_has_an_end(logs: "CloudWatchLogsClient", answers: Stubber) -> None:
    for number in range(10):
        page = {"exportTasks": [described(number)], "nextToken": f"after-{number}"}
        answers.add_response("describe_export_tasks", page)
    assert len(SourceAccount(logs, logs).newest_tasks(NOW - timedelta(hours=1))) == 10


# -- the sources' roles ------------------------------------------------------------------------


class Sts:
    """AssumeRole, and how it was called."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def assume_role(self, **parameters: Any) -> dict[str, Any]:
        self.calls.append(parameters)
        credentials = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}
        return {"Credentials": credentials | {"Expiration": NOW + timedelta(hours=1)}}


def test_a_session_is_used_again_until_ten_minutes_before_its_end(request_for: RequestFor) -> None:
    sts: Any = Sts()
    accounts, source = SourceAccounts(sts), request_for().source
    first = accounts.account(source, NOW)
    assert accounts.account(source, NOW + timedelta(minutes=49)) is first
    assert accounts.account(source, NOW + timedelta(minutes=51)) is not first
    assert len(sts.calls) == 2


def test_the_role_is_assumed_under_a_name_that_fits(request_for: RequestFor) -> None:
    sts: Any = Sts()
    source = request_for(profile="p" * 32).source
    SourceAccounts(sts).account(source, NOW)
    with_id = source.model_copy(update={"external_id": "shared-secret"})
    SourceAccounts(sts).account(with_id, NOW)
    plain, external = sts.calls
    assert plain == {
        "RoleArn": "arn:aws:iam::111122223333:role/logferry-source",
        "RoleSessionName": f"logferry-exporter-{'p' * 32}",
        "DurationSeconds": 3600,
    }
    assert external == plain | {"ExternalId": "shared-secret"}


def test_a_role_that_cannot_be_assumed_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, request_for: RequestFor
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    sts = boto3.client("sts", region_name="eu-west-1")
    with Stubber(sts) as stubber:
        stubber.add_client_error("assume_role", "AccessDenied", "not authorized")
        with pytest.raises(ExportRefusedError, match=r"AssumeRole of .*: AccessDenied") as caught:
            SourceAccounts(sts).account(request_for().source, NOW)
    assert caught.value.reason == "access_denied"


# -- the archive -------------------------------------------------------------------------------


@pytest.fixture
def archive(backend: "Backend") -> Archive:
    return Archive(lambda region: backend.client("s3", region_name=region))


def put(backend: "Backend", bucket: str, key: str, body: bytes = b"events", **more: Any) -> str:
    version_id: str = backend.client("s3").put_object(Bucket=bucket, Key=key, Body=body, **more)[
        "VersionId"
    ]
    return version_id


def versions(backend: "Backend", bucket: str) -> set[tuple[str, str]]:
    found = backend.client("s3").list_object_versions(Bucket=bucket).get("Versions", [])
    return {(version["Key"], version["VersionId"]) for version in found}


def test_only_current_objects_below_the_folder_are_listed(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    put(backend, bucket, "p/task-1/[$LATEST] a/000000.gz", b"old")
    current = put(backend, bucket, "p/task-1/[$LATEST] a/000000.gz", b"events")
    put(backend, bucket, "p/task-11/a/000000.gz")
    put(backend, bucket, "p/task-11/gone/000000.gz")
    backend.client("s3").delete_object(Bucket=bucket, Key="p/task-11/gone/000000.gz")
    put(backend, bucket, "p/aws-logs-write-test")
    (found,) = archive.objects(backend.region, bucket, "p/task-1/")
    assert (found.key, found.version_id) == ("p/task-1/[$LATEST] a/000000.gz", current)
    assert found.size_bytes == 6
    assert found.etag == hashlib.md5(b"events", usedforsecurity=False).hexdigest()


def test_an_object_that_was_removed_is_seen_by_its_delete_marker(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    for stream in ("a", "b"):
        put(backend, bucket, f"p/task-1/{stream}/000000.gz")
    backend.client("s3").delete_object(Bucket=bucket, Key="p/task-1/b/000000.gz")
    for look in (archive.objects, archive.sizes):
        with pytest.raises(ObjectsRemovedError, match=r"^p/task-1/b/000000\.gz was removed on "):
            look(backend.region, bucket, "p/task-1/")


def test_the_sizes_of_current_objects_are_listed_by_key(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    put(backend, bucket, "p/task-1/a/000000.gz", b"old")
    put(backend, bucket, "p/task-1/a/000000.gz", b"events")
    assert archive.sizes(backend.region, bucket, "p/task-1/") == {"p/task-1/a/000000.gz": 6}


@on_localstack  # moto does not say which versions have one
def test_the_checksum_that_s3_keeps_of_an_object_is_listed(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    for algorithm in ("CRC32", "SHA256"):
        put(backend, bucket, f"p/task-1/{algorithm}/0.gz", ChecksumAlgorithm=algorithm)
    found = archive.objects(backend.region, bucket, "p/task-1/")
    checksums = {each.checksum.algorithm: each.checksum.value for each in found if each.checksum}
    digest = base64.b64encode(hashlib.sha256(b"events").digest()).decode()
    assert set(checksums) == {"CRC32", "SHA256"}
    assert checksums["SHA256"] == digest


def version_of(name: str, **more: Any) -> dict[str, Any]:
    return {
        "Key": f"p/task-1/{name}",
        "VersionId": "v1",
        "IsLatest": True,
        "Size": 6,
        "ETag": '"e"',
        **more,
    }


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> "S3Client":
    """A client that answers only what a test gives it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return boto3.client("s3", region_name="eu-west-1", endpoint_url="http://127.0.0.1:9")


def test_an_object_without_a_checksum_is_not_asked_for_one(s3: "S3Client") -> None:
    with Stubber(s3) as stubber:
        stubber.add_response("list_object_versions", {"Versions": [version_of("a")]})
        (found,) = Archive(lambda _region: s3).objects("eu-west-1", "archive", "p/task-1/")
    assert found.checksum is None


def test_objects_are_listed_without_checksums_where_those_may_not_be_read(
    s3: "S3Client",
) -> None:
    versions = [version_of(name, ChecksumAlgorithm=["CRC32"]) for name in ("a", "b")]
    with Stubber(s3) as stubber:
        stubber.add_response("list_object_versions", {"Versions": versions})
        for _ in versions:
            stubber.add_client_error("head_object", "403", http_status_code=403)
        found = Archive(lambda _region: s3).objects("eu-west-1", "archive", "p/task-1/")
    assert [each.checksum for each in found] == [None, None]


def test_an_object_that_goes_while_it_is_listed_is_no_object_without_a_checksum(
    s3: "S3Client",
) -> None:
    with Stubber(s3) as stubber:
        versions = [version_of("a", ChecksumAlgorithm=["CRC32"])]
        stubber.add_response("list_object_versions", {"Versions": versions})
        stubber.add_client_error("head_object", "404", http_status_code=404)
        with pytest.raises(CallRefusedError, match="HeadObject of s3://archive/p/task-1/a: 404"):
            Archive(lambda _region: s3).objects("eu-west-1", "archive", "p/task-1/")


def test_only_so_many_objects_are_asked_for_their_checksum(
    s3: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_adapter, "MAX_CHECKSUMS", 1)
    versions = [version_of(name, ChecksumAlgorithm=["CRC32"]) for name in ("a", "b")]
    with Stubber(s3) as stubber:
        stubber.add_response("list_object_versions", {"Versions": versions})
        stubber.add_response("head_object", {"ChecksumCRC32": "AAAAAA=="})
        first, second = Archive(lambda _region: s3).objects("eu-west-1", "archive", "p/task-1/")
    assert first.checksum == Checksum(algorithm="CRC32", value="AAAAAA==")
    assert second.checksum is None


def test_the_folders_below_a_prefix_are_the_ids_of_tasks(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    for key in ("p/task-1/a/0.gz", "p/task-1/b/0.gz", "p/task-2/a/0.gz", "p/aws-logs-write-test"):
        put(backend, bucket, key)
    put(backend, bucket, "p2/task-3/a/0.gz")
    assert archive.folders(backend.region, bucket, "p") == ["task-1", "task-2"]
    assert archive.folders(backend.region, bucket, "nothing") == []


def test_more_objects_than_fit_on_a_page_are_all_listed(
    backend: "Backend", bucket: str, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {f"p/task-1/[$LATEST] {number} 100%+ü/000000.gz" for number in range(5)}
    for key in keys:
        put(backend, bucket, key)

    def small_pages(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = 2

    s3 = backend.client("s3")
    s3.meta.events.register("provide-client-params.s3.ListObjectVersions", small_pages)
    found = Archive(lambda _region: s3).objects(backend.region, bucket, "p/task-1/")
    assert {each.key for each in found} == keys


@on_localstack
@pytest.mark.parametrize(
    ("streams", "page"), [(50, 20), pytest.param(2500, 1000, marks=pytest.mark.deep)]
)
def test_a_manifest_has_all_streams_of_a_lambda_function(
    backend: "Backend", bucket: str, streams: int, page: int
) -> None:
    keys = {f"p/task-1/2026-11-26-[$LATEST]{number:04} a/000000.gz" for number in range(streams)}
    s3 = backend.client("s3")
    s3.meta.events.register(
        "before-parameter-build.s3.ListObjectVersions",
        lambda params, **_: params.setdefault("MaxKeys", page),
    )
    archive = Archive(lambda _region: s3)
    with ThreadPoolExecutor(8) as writers:
        for key in (*keys, "p/task-2/a/000000.gz"):
            writers.submit(s3.put_object, Bucket=bucket, Key=key, Body=b"events")
    found = archive.objects(backend.region, bucket, "p/task-1/")
    assert {each.key for each in found} == keys
    assert len(found) == len(keys)
    assert archive.folders(backend.region, bucket, "p") == ["task-1", "task-2"]
    assert archive.remove(backend.region, bucket, "p/task-1/") == []
    assert archive.objects(backend.region, bucket, "p/task-1/") == []


def test_every_version_of_a_tasks_folder_is_removed_and_no_other(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    put(backend, bucket, "p/task-1/a/000000.gz", b"one")
    put(backend, bucket, "p/task-1/a/000000.gz", b"two")
    put(backend, bucket, "p/task-1/b/000000.gz")
    others = {
        (key, put(backend, bucket, key)) for key in ("p/task-11/a/000000.gz", "p/task-2/a/0.gz")
    }
    assert archive.remove(backend.region, bucket, "p/task-1/") == []
    assert versions(backend, bucket) == others


def test_a_locked_version_is_left_and_named(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    locked = put(
        backend,
        bucket,
        "p/task-1/a/000000.gz",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=datetime.now(UTC) + timedelta(minutes=10),
    )
    put(backend, bucket, "p/task-1/b/000000.gz")
    (left,) = archive.remove(backend.region, bucket, "p/task-1/")
    assert left.startswith("p/task-1/a/000000.gz@")  # moto does not say which version
    assert versions(backend, bucket) == {("p/task-1/a/000000.gz", locked)}


def test_an_error_of_a_removal_that_may_pass_is_tried_again(
    backend: "Backend", bucket: str
) -> None:
    s3 = backend.client("s3")
    listed = {"Versions": [{"Key": "p/task-1/a", "VersionId": "v1"}], "IsTruncated": False}
    error = {"Key": "p/task-1/a", "VersionId": "v1", "Code": "InternalError", "Message": "oops"}
    with Stubber(s3) as stubber:
        stubber.add_response("list_object_versions", listed)
        stubber.add_response("delete_objects", {"Errors": [error]})
        with pytest.raises(TransientError, match="InternalError"):
            Archive(lambda _region: s3).remove(backend.region, bucket, "p/task-1/")


def test_a_bucket_shows_its_region_from_anywhere(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    assert archive.region_of(backend.region, bucket) == backend.region
    assert archive.region_of("eu-north-1", bucket) == backend.region
    assert archive.region_of(backend.region, "no-such-bucket-anywhere") is None


@pytest.mark.parametrize(
    ("headers", "region"), [({"x-amz-bucket-region": "eu-north-1"}, "eu-north-1"), ({}, None)]
)
def test_a_bucket_that_may_not_be_listed_shows_its_region_all_the_same(
    s3: "S3Client", headers: dict[str, str], region: str | None
) -> None:
    with Stubber(s3) as stubber:
        stubber.add_client_error(
            "head_bucket",
            "403",
            http_status_code=403,
            response_meta={"HTTPHeaders": headers},
        )
        assert Archive(lambda _: s3).region_of("eu-west-1", "somebody-elses") == region


# -- the ledger --------------------------------------------------------------------------------


@pytest.fixture
def ledger(backend: "Backend", bucket: str) -> Ledger:
    return Ledger(backend.client("s3"), bucket)


def test_who_reads_a_source_is_known_by_notes_and_when_each_was_written(
    ledger: Ledger, record: LedgerRecord
) -> None:
    began = datetime.now(UTC) - timedelta(seconds=2)  # S3 says seconds
    elsewhere = record.source.model_copy(update={"region": "eu-north-1"})
    ledger.note_reading(record.source, "direct", b"")
    ledger.note_reading(record.source, "slot", b"")
    ledger.note_reading(elsewhere, "planner", b"")

    seen = ledger.reading(record.source)
    assert set(seen) == {"direct", "slot"}
    assert all(began < each < datetime.now(UTC) + timedelta(seconds=2) for each in seen.values())


def test_a_record_is_read_as_it_was_written(ledger: Ledger, record: LedgerRecord) -> None:
    assert ledger.read(record.source, record.window, record.export_id) is None
    written = ledger.create(record)
    assert ledger.read(record.source, record.window, record.export_id) == written
    replaced = ledger.replace(written, record.as_submitted("task-1", at=NOW))
    assert ledger.read(record.source, record.window, record.export_id) == replaced
    assert replaced.record.revision == 2


def test_the_windows_that_have_records_are_found_by_their_start(
    ledger: Ledger, record: LedgerRecord
) -> None:
    edges = [(100, 200), (100, 300), (150, 200), (200, 300), (1_795_215_600_000, 1_795_302_000_000)]
    for from_ms, to_ms in edges:
        window = Window(from_ms=from_ms, to_ms=to_ms)
        for name in (record.export_id, "0" * 32):
            ledger.create(record.model_copy(update={"window": window, "export_id": name}))
    elsewhere = record.source.model_copy(update={"region": "eu-north-1"})
    ledger.create(record.model_copy(update={"source": elsewhere}))

    def found(since_ms: int, until_ms: int) -> list[tuple[int, int]]:
        windows = ledger.windows(record.source, since_ms, until_ms)
        return [(window.from_ms, window.to_ms) for window in windows]

    assert found(-1, 10**13) == edges
    assert found(100, 150) == edges[:3]
    assert found(101, 199) == edges[2:3]
    assert found(1_000, 2_000) == []


def test_the_note_of_an_open_date_is_removed_and_no_other(
    backend: "Backend", bucket: str, ledger: Ledger
) -> None:
    day = (EXAMPLES / "day-planned/1.0/accept/day.json").read_text()
    planned = parse(DayPlanned, day)
    s3 = backend.client("s3")
    keys = [open_day_key(planned.data.source, name) for name in (planned.id, f"{planned.id}-2")]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=day.encode())
    for _ in range(2):  # delivered twice
        ledger.close_day(planned)
    left = s3.list_objects_v2(Bucket=bucket, Prefix="plans/")["Contents"]
    assert [each["Key"] for each in left] == keys[1:]


def test_the_records_of_a_dates_windows_are_found_and_read_and_no_others(
    ledger: Ledger, record: LedgerRecord
) -> None:
    edges = [(100, 200), (200, 300), (200, 250), (300, 400), (400, 500)]
    for number, (from_ms, to_ms) in enumerate(edges):
        window = Window(from_ms=from_ms, to_ms=to_ms)
        for name in (f"{number}" * 32, f"{number}" * 31 + "a"):
            ledger.create(record.model_copy(update={"window": window, "export_id": name}))
    hours = [Window(from_ms=at_ms, to_ms=at_ms + 100) for at_ms in (200, 300)]

    keys = ledger.keys(record.source, hours)
    read = ledger.read_keys(keys)

    assert [key for key, _ in read] == keys
    assert [each.key for _, each in read] == keys
    assert [each.export_id for _, each in read] == [
        "1" * 32,
        "1" * 31 + "a",
        "3" * 32,
        "3" * 31 + "a",
    ]
    assert ledger.keys(record.source, [Window(from_ms=1, to_ms=2)]) == []


def test_a_record_is_created_once(ledger: Ledger, record: LedgerRecord) -> None:
    ledger.create(record)
    with pytest.raises(LedgerConflictError, match=record.export_id):
        ledger.create(record)


def test_a_record_that_changed_meanwhile_is_not_replaced(
    ledger: Ledger, record: LedgerRecord
) -> None:
    seen = ledger.create(record)
    ledger.replace(seen, record.as_submitted("task-1", at=NOW))
    with pytest.raises(LedgerConflictError):
        ledger.replace(seen, record.as_submitted("task-2", at=NOW))
    found = ledger.read(record.source, record.window, record.export_id)
    assert found is not None
    assert found.record.submitted is not None
    assert found.record.submitted.task_id == "task-1"


def test_a_record_that_is_gone_is_not_written_again_by_a_replacement(
    backend: "Backend", bucket: str, ledger: Ledger, record: LedgerRecord
) -> None:
    seen = ledger.create(record)
    backend.client("s3").delete_object(Bucket=bucket, Key=record.key)
    with pytest.raises(Exception, match=r"NoSuchKey|PreconditionFailed|ledger/"):
        ledger.replace(seen, record.as_submitted("task-1", at=NOW))
    assert ledger.read(record.source, record.window, record.export_id) is None


def test_a_record_that_breaks_its_contract_is_not_read(
    backend: "Backend", bucket: str, ledger: Ledger, record: LedgerRecord
) -> None:
    put(backend, bucket, record.key, b'{"state": "odd"}')
    with pytest.raises(ContractError, match="LedgerRecord"):
        ledger.read(record.source, record.window, record.export_id)


def test_a_manifest_is_found_where_its_location_says(
    backend: "Backend", bucket: str, ledger: Ledger, record: LedgerRecord
) -> None:
    manifest = Manifest.of([])
    location = ledger.put_manifest(record, manifest)
    assert location.key == manifest_key(record.source, record.window, record.export_id)
    body = backend.client("s3").get_object(Bucket=location.bucket, Key=location.key)["Body"].read()
    assert parse(Manifest, body) == manifest
    assert location.size_bytes == len(body)
    assert location.sha256 == hashlib.sha256(body).hexdigest()
    assert ledger.put_manifest(record, manifest) == location


# -- the queues and the topic ------------------------------------------------------------------


QUEUE_ARN = "arn:aws:sqs:eu-west-1:999988887777:log-sqs-shop-collect.fifo"
DIRECT_QUEUE_ARN = "arn:aws:sqs:eu-west-1:999988887777:log-sqs-shop-direct.fifo"


class Queues:
    """The exporter's queues and their dead-letter queue, from outside."""

    def __init__(self, backend: "Backend") -> None:
        self.sqs = backend.client("sqs")
        self.url, self.direct_url, self.dead_letter_url = (
            self.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
            for name in (
                "log-sqs-shop-collect.fifo",
                "log-sqs-shop-direct.fifo",
                "log-sqs-shop-collect-dlq.fifo",
            )
        )

    def redrive(self) -> None:
        """Move the dead letters back.

        The destination has to be named: SQS itself knows a source only of what it has moved there.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
        """
        arns = {
            url: self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])[
                "Attributes"
            ]["QueueArn"]
            for url in (self.url, self.dead_letter_url)
        }
        policy = {"deadLetterTargetArn": arns[self.dead_letter_url], "maxReceiveCount": 1000}
        self.sqs.set_queue_attributes(
            QueueUrl=self.url, Attributes={"RedrivePolicy": json.dumps(policy)}
        )
        self.sqs.start_message_move_task(
            SourceArn=arns[self.dead_letter_url], DestinationArn=arns[self.url]
        )

    def make_visible(self, url: str, message: dict[str, Any]) -> None:
        self.sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )

    def receive(self, url: str, wait_s: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait_s,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        return found


@pytest.fixture
def queues(backend: "Backend") -> Queues:
    return Queues(backend)


@pytest.fixture
def queue(queues: Queues) -> Queue:
    return Queue(queues.sqs, queues.url, queues.dead_letter_url)


def event_of(request: ExportRequestedData) -> ExportRequested:
    return ExportRequested.of(
        request, id=request.export_id, source="urn:logferry:exporter:shop", time=NOW
    )


def test_a_request_goes_into_its_slot_once(
    queue: Queue, queues: Queues, request_for: RequestFor
) -> None:
    event = event_of(request_for(generation=2))
    queue.send(event, asked_by="message-1")
    queue.send(event, asked_by="message-1")
    (message,) = queues.receive(queues.url)
    assert parse(ExportRequested, message["Body"]) == event
    assert message["Attributes"]["MessageGroupId"] == "111122223333.eu-west-1"
    assert message["Attributes"]["MessageDeduplicationId"] == f"{event.id}-message-1"


def test_a_request_because_of_another_message_arrives_within_five_minutes(
    queue: Queue, queues: Queues, request_for: RequestFor
) -> None:
    event = event_of(request_for(generation=2))
    for message_id in ("message-1", "message-2"):
        queue.send(event, asked_by=message_id)
    assert len(queues.receive(queues.url)) == 2


def test_a_request_goes_to_the_tail_however_lately_it_was_sent(
    queue: Queue, queues: Queues, request_for: RequestFor
) -> None:
    event = event_of(request_for())
    queue.send(event, asked_by="message-1")
    queue.send(event_of(request_for("/other")), asked_by="message-1")
    for _ in range(2):  # once more after a crash
        queue.send_to_the_tail(event, instead_of="message-1", tries=2)
    received = queues.receive(queues.url)
    bodies = [parse(ExportRequested, message["Body"]).data.log_group.name for message in received]
    assert bodies == ["/aws/lambda/orders", "/other", "/aws/lambda/orders"]
    tries = received[-1]["MessageAttributes"]["tries"]
    assert (tries["DataType"], tries["StringValue"]) == ("Number", "2")


def test_a_message_of_the_direct_lane_goes_back_into_its_own_queue(
    queue: Queue, queues: Queues
) -> None:
    queues.sqs.send_message(
        QueueUrl=queues.direct_url,
        MessageBody="{}",
        MessageGroupId="111122223333.eu-west-1.direct",
        MessageDeduplicationId="1",
    )
    (message,) = queues.receive(queues.direct_url)
    assert queues.receive(queues.direct_url) == []
    assert queue.give_back(DIRECT_QUEUE_ARN, [message["ReceiptHandle"]], 0) == []
    assert len(queues.receive(queues.direct_url)) == 1


def test_messages_given_back_come_again_in_their_order(
    queue: Queue, queues: Queues, request_for: RequestFor
) -> None:
    for name in ("/one", "/two", "/three"):
        queue.send(event_of(request_for(name)), asked_by="message-1")
    received = queues.receive(queues.url)
    bodies = [message["Body"] for message in received]
    assert len(bodies) == 3
    assert queues.receive(queues.url) == []
    assert queue.give_back(QUEUE_ARN, [message["ReceiptHandle"] for message in received], 0) == []
    assert [message["Body"] for message in queues.receive(queues.url)] == bodies


def test_no_message_overtakes_one_that_was_given_back_for_longer(
    queue: Queue, queues: Queues, request_for: RequestFor
) -> None:
    for name in ("/one", "/two"):
        queue.send(event_of(request_for(name)), asked_by="message-1")
    received = queues.receive(queues.url)
    queue.give_back(QUEUE_ARN, [message["ReceiptHandle"] for message in received], 300)
    assert queues.receive(queues.url) == []


def test_a_receipt_handle_that_sqs_does_not_take_is_reported(queue: Queue) -> None:
    (problem,) = queue.give_back(QUEUE_ARN, ["not-a-handle"], 1)
    assert problem


def test_messages_that_cannot_be_given_back_do_not_keep_the_others_from_being_done(
    backend: "Backend", queues: Queues
) -> None:
    sqs = backend.client("sqs")
    with Stubber(sqs) as stubber:
        stubber.add_client_error("change_message_visibility_batch", "AccessDenied", "no")
        (problem,) = Queue(sqs, queues.url, queues.dead_letter_url).give_back(QUEUE_ARN, ["h"], 1)
    assert "AccessDenied" in problem


def test_a_dead_letter_is_the_message_and_why(queue: Queue, queues: Queues) -> None:
    queue.dead_letter(
        "not JSON",
        group_id="111122223333.eu-west-1",
        message_id="message-1",
        reason="contract",
        detail="line one\nline two \x00" + "x" * 2_000,
    )
    (message,) = queues.receive(queues.dead_letter_url)
    assert message["Body"] == "not JSON"
    assert message["Attributes"]["MessageGroupId"] == "111122223333.eu-west-1"
    assert message["Attributes"]["MessageDeduplicationId"] == "message-1"
    attributes = {
        name: value["StringValue"] for name, value in message["MessageAttributes"].items()
    }
    assert attributes["reason"] == "contract"
    assert attributes["service"] == "exporter"
    assert attributes["detail"].startswith("line one line two  xxx")
    assert len(attributes["detail"]) == 1_000


@on_localstack
def test_a_dead_letter_put_back_is_a_new_message_that_says_why_it_was_one(
    backend: "Backend", queue: Queue, queues: Queues
) -> None:
    queue.dead_letter("body", group_id="g", message_id="m", reason="task_failed", detail="why")
    (letter,) = queues.receive(queues.dead_letter_url)
    queues.make_visible(queues.dead_letter_url, letter)
    queues.redrive()
    (message,) = queues.receive(queues.url, wait_s=20)
    assert message["Body"] == "body"
    assert message["Attributes"]["MessageGroupId"] == "g"
    assert message["Attributes"]["SequenceNumber"] != letter["Attributes"]["SequenceNumber"]
    assert message["MessageAttributes"]["reason"]["StringValue"] == "task_failed"
    # It may fail again at once: the second letter must not pass for a duplicate of the first.
    queue.dead_letter(
        "body", group_id="g", message_id=message["MessageId"], reason="again", detail="why"
    )
    (again,) = queues.receive(queues.dead_letter_url)
    assert again["MessageAttributes"]["reason"]["StringValue"] == "again"


def test_a_dead_letter_without_a_detail_says_its_reason(queue: Queue, queues: Queues) -> None:
    queue.dead_letter("{}", group_id="g", message_id="m", reason="task_failed", detail="")
    (message,) = queues.receive(queues.dead_letter_url)
    assert message["MessageAttributes"]["detail"]["StringValue"] == "task_failed"


@on_localstack
def test_a_message_that_is_too_long_with_its_reason_is_kept_without(
    queue: Queue, queues: Queues
) -> None:
    described = queues.sqs.get_queue_attributes(
        QueueUrl=queues.dead_letter_url, AttributeNames=["MaximumMessageSize"]
    )
    longest = "x" * int(described["Attributes"]["MaximumMessageSize"])
    queue.dead_letter(longest, group_id="g", message_id="m", reason="contract", detail="why")
    (message,) = queues.receive(queues.dead_letter_url)
    assert message["Body"] == longest
    assert "MessageAttributes" not in message


def test_a_dead_letter_that_is_refused_also_without_its_reason_is_an_error(
    backend: "Backend", queues: Queues
) -> None:
    sqs = backend.client("sqs")
    queue = Queue(sqs, queues.url, queues.dead_letter_url)
    with Stubber(sqs) as stubber:
        for _ in range(2):
            stubber.add_client_error("send_message", "AccessDenied", "no")
        with pytest.raises(CallRefusedError, match="AccessDenied"):
            queue.dead_letter("{}", group_id="g", message_id="m", reason="contract", detail="why")
        stubber.assert_no_pending_responses()


def test_the_slots_queue_says_how_long_it_keeps_a_message(queues: Queues) -> None:
    queue = Queue(queues.sqs, queues.url, queues.dead_letter_url)
    queues.sqs.set_queue_attributes(
        QueueUrl=queues.url, Attributes={"MessageRetentionPeriod": "86400"}
    )
    assert queue.retention == timedelta(days=1)


def test_an_event_can_be_filtered_by_its_attributes(
    backend: "Backend", queues: Queues, request_for: RequestFor
) -> None:
    sns = backend.client("sns")
    topic_arn = sns.create_topic(Name="log-export-events")["TopicArn"]
    url = queues.sqs.create_queue(QueueName="team")["QueueUrl"]
    arn = queues.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
        Attributes={
            "RawMessageDelivery": "true",
            "FilterPolicy": json.dumps(
                {"type": ["logferry.export.failed.v1"], "log_group": ["/aws/lambda/orders"]}
            ),
        },
    )
    topic = Topic(sns, topic_arn)
    for name in ("/aws/lambda/refunds", "/aws/lambda/orders"):
        topic.publish(failed_event(request_for(name)))
    (message,) = queues.receive(url, wait_s=20)
    assert message["Body"] == emit(failed_event(request_for()))
    assert message["MessageAttributes"]["account_id"]["StringValue"] == "111122223333"


def failed_event(request: ExportRequestedData) -> ExportFailed:
    data = ExportFailedData(
        export_id=request.export_id,
        generation=1,
        source=request.source.name,
        log_group_name=request.log_group.name,
        window=request.window,
        destination=request.destination,
        reason="task_failed",
        message="",
        mend="Nothing.",
        will_be_retried=True,
        failed_at="2026-11-23T06:00:00Z",
    )
    return ExportFailed.of(
        data, id=request.export_id, source="urn:logferry:exporter:shop", time=NOW
    )


# -- all of it together ------------------------------------------------------------------------


class Context:
    """What the handler and its logger read of a Lambda context."""

    function_name = "log-sqs-shop-collect-fifoSQSConsumer"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:eu-west-1:999988887777:function:exporter"
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


@pytest.fixture
def wired(
    backend: "Backend", bucket: str, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The handler, wired to the backend by its environment as in Lambda."""
    topic_arn = backend.client("sns").create_topic(Name="log-export-events")["TopicArn"]
    monkeypatch.setenv("CONTROL_BUCKET", bucket)
    monkeypatch.setenv("TOPIC_ARN", topic_arn)
    monkeypatch.setenv("QUEUE_URL", queues.url)
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queues.dead_letter_url)
    yield
    handler._wiring.cache_clear()
    handler._s3_in.cache_clear()


def as_lambda_record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "eventSourceARN": QUEUE_ARN,
        "attributes": message["Attributes"],
    }


@pytest.mark.usefixtures("wired", "log_group")
@on_localstack
def test_a_message_becomes_objects_a_ledger_record_and_no_dead_letter(
    queue: Queue, queues: Queues, ledger: Ledger, record: LedgerRecord, request_for: RequestFor
) -> None:
    role_arn = f"arn:aws:iam::{record.source.account_id}:role/logferry-source"
    wanted = request_for("/shop/orders")
    source = wanted.source.model_copy(
        update={"account_id": record.source.account_id, "role_arn": role_arn}
    )
    queue.send(
        event_of(
            wanted.model_copy(
                update={
                    "source": source,
                    "window": record.window,
                    "destination": record.destination,
                }
            )
        ),
        asked_by="message-1",
    )
    context: Any = Context()
    for _ in range(30):
        messages = queues.receive(queues.url, wait_s=20)
        answer = handler.handle({"Records": [as_lambda_record(each) for each in messages]}, context)
        if not answer["batchItemFailures"]:
            break
    found = ledger.read(record.source, record.window, record.export_id)
    assert found is not None
    assert found.record.completed is not None
    assert found.record.completed.published_at is not None
    (archived,) = found.record.completed.manifest.objects or []
    assert found.record.submitted is not None
    folder = f"{record.destination.prefix}/{found.record.submitted.task_id}"
    assert archived.key == f"{folder}/web-1/000000.gz"
    assert queues.receive(queues.dead_letter_url) == []


def tasks_run_for(backend: "Backend", seconds: float) -> None:
    """Let the account's next export tasks take so long."""
    asked = urllib.request.Request(  # noqa: S310  (loopback http)
        f"{os.environ['AWS_ENDPOINT_URL']}/_devstack/exports",
        data=json.dumps({"account": backend.account_id, "running_s": seconds}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60):
        pass


@pytest.mark.usefixtures("wired", "log_group")
@on_localstack
def test_a_window_that_is_too_much_is_exported_in_halves_and_announced_as_one(
    backend: "Backend",
    queue: Queue,
    queues: Queues,
    ledger: Ledger,
    record: LedgerRecord,
    request_for: RequestFor,
) -> None:
    wanted = request_for("/shop/orders")
    role_arn = f"arn:aws:iam::{record.source.account_id}:role/logferry-source"
    source = wanted.source.model_copy(
        update={"account_id": record.source.account_id, "role_arn": role_arn}
    )
    (described,) = backend.client("logs").describe_log_groups()["logGroups"]
    log_group = wanted.log_group.model_copy(update={"created_ms": described["creationTime"]})
    window = record.window
    name = export_id(source, wanted.log_group.name, window, 1)
    changes = {"source": source, "window": window, "destination": record.destination}
    identity = {"export_id": name, "log_group": log_group}
    queue.send(event_of(wanted.model_copy(update=changes | identity)), asked_by="message-1")
    backend.client("logs").put_log_events(
        logGroupName="/shop/orders",
        logStreamName="web/1",
        logEvents=[{"timestamp": window.to_ms - 60_000, "message": "order 2"}],
    )
    soon = replace(handler._wiring().settings, split_after=task.CLOCK_SKEW + timedelta(seconds=1))  # type: ignore[arg-type]
    wiring = replace(handler._wiring(), settings=soon)
    context: Any = Context()
    tasks_run_for(backend, 60)
    for _ in range(20):
        messages = queues.receive(queues.url, wait_s=5)
        answer = handler.work(wiring, {"Records": [as_lambda_record(m) for m in messages]}, context)
        tasks_run_for(backend, 0.1)
        kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in kept:
                handle = message["ReceiptHandle"]
                queues.sqs.delete_message(QueueUrl=queues.url, ReceiptHandle=handle)
        found = ledger.read(source, window, name)
        if found is not None and found.record.completed is not None:
            break
    assert found is not None
    assert found.record.completed is not None
    assert found.record.split is not None
    objects = found.record.completed.manifest.objects or []
    s3 = backend.client("s3")
    bodies = [
        s3.get_object(Bucket=record.destination.bucket, Key=each.key)["Body"].read()
        for each in objects
    ]
    lines = [line[25:] for body in bodies for line in gzip.decompress(body).decode().splitlines()]
    assert sorted(lines) == ["order 1", "order 2"]
    listed = s3.list_objects_v2(
        Bucket=record.destination.bucket, Prefix=f"{record.destination.prefix}/"
    )["Contents"]
    there = {each["Key"] for each in listed if not each["Key"].endswith("aws-logs-write-test")}
    assert there == {each.key for each in objects}, "what the cancelled task wrote is gone"
    assert queues.receive(queues.dead_letter_url) == []


# -- what an export has put there, read again --------------------------------------------------

LINES = b"2026-11-21T00:00:00.000Z hello\n" * 5_000


def named(key: str, version_id: str) -> ArchivedObject:
    return ArchivedObject(key=key, version_id=version_id, size_bytes=1, etag="e")


def test_an_object_is_unpacked_by_the_version_of_its_manifest_or_what_has_replaced_it(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    key = "p/task-1/a/000000.gz"
    first = put(backend, bucket, key, gzip.compress(LINES) + gzip.compress(b"and more"))
    put(backend, bucket, key, gzip.compress(b"the copy"))
    texts = archive.texts(backend.region, bucket, named(key, first))
    assert b"".join(texts) == LINES + b"and more"
    backend.client("s3").delete_object(Bucket=bucket, Key=key, VersionId=first)
    assert b"".join(archive.texts(backend.region, bucket, named(key, first))) == b"the copy"


def test_of_an_object_that_is_gone_or_damaged_nobody_can_say_what_is_missing(
    backend: "Backend", bucket: str, archive: Archive
) -> None:
    key = "p/task-1/a/000000.gz"
    cut_off = put(backend, bucket, key, gzip.compress(LINES)[:-9])
    with pytest.raises(NotAddedError, match=r"p/task-1/a/000000\.gz: "):
        list(archive.texts(backend.region, bucket, named(key, cut_off)))
    backend.client("s3").delete_object(Bucket=bucket, Key=key, VersionId=cut_off)
    with pytest.raises(NotAddedError, match=r"p/task-1/a/000000\.gz"):
        list(archive.texts(backend.region, bucket, named(key, cut_off)))
