"""AWS as this service needs it: export tasks, the archive, the ledger, the queues and the topic."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import batched, islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

from exporter.direct import Event, Slice
from exporter.errors import (
    ExportRefusedError,
    LedgerConflictError,
    NotForDirectLaneError,
    ObjectsRemovedError,
    SlotBusyError,
    TransientError,
)
from exporter.patience import Problem
from exporter.refusal import reason_of
from exporter.task import CLOCK_SKEW, Task
from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_key import (
    ledger_key,
    ledger_prefix,
    manifest_key,
    source_prefix,
    split_key,
    starting_at,
    windows_of,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Checksum, Manifest, ManifestLocation
from logferry_contracts.message import timestamp
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import ExportTaskTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

CLIENT_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 6}, connect_timeout=5, read_timeout=30
)
"""Every client's but one: throttles, 5xx and broken connections are tried again for up to 31 s.

The mode is the one without a budget: docs/adr/0029-retries-without-a-budget.md.
"""
CREATE_CONFIG = CLIENT_CONFIG.merge(Config(retries={"mode": "legacy", "total_max_attempts": 1}))
"""CreateExportTask's: once. It has no client token, so a second call may make a second task."""

SESSION_NAME_CHARACTERS = 64
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""
SESSION_SECONDS = 3600
"""The longest that a role may assume another for.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
"""
SESSION_RESERVE = timedelta(minutes=10)
"""A session with less left is not used for another invocation's work."""

TASK_PAGES = 10
"""Of 50 tasks each, read at most to find a task by its name."""
MAX_CHECKSUMS = 500
"""Of one export, in key order. Each takes a call, and an export may have more objects than an
invocation has time for. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
HEAD_WORKERS = 8
"""Fewer than the client's ten connections."""
LEDGER_READERS = 8
"""The same."""
DELETED_PER_CALL = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
DEAD_LETTER_REASON = "reason"
"""The attribute that only dead letters have, also when somebody has put one back into a queue."""
TRIES = "tries"
"""The attribute of a message that was sent to the tail: how often that was for an error."""
DETAIL_CHARACTERS = 1000
"""Enough of an error for a person, far from a message's limit."""

_NOT_READABLE_CODES = frozenset(
    {
        # Of other classes than STANDARD.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
        "InvalidOperationException",
        "InvalidParameterException",
        # A role that may not read events may have them exported all the same.
        "AccessDeniedException",
    }
)
"""What FilterLogEvents says of log groups that an export task may still be able to export."""
_TRANSIENT_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "Busy",
        # Somebody else is writing the same object.
        "ConditionalRequestConflict",
        "EC2ThrottledException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "KMS.ThrottlingException",
        "KMSThrottling",
        "KmsThrottled",
        # Of CreateExportTask, it is a busy slot.
        "LimitExceededException",
        "OperationAborted",
        "OperationAbortedException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "RequestTimeoutException",
        # Of an export task, it can only be one of our own name: the next look finds it.
        "ResourceAlreadyExistsException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
"""AWS's spellings of being busy, those that botocore tries again by itself among them."""
_TOO_MANY_REQUESTS = 429
_HTTP_SERVER_ERROR = 500
_BROKEN = (
    BotocoreConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseParserError,
)
"""What is raised of an answer that does not come, or not whole."""


class SourceAccount:
    """The export tasks of one account and Region."""

    def __init__(self, logs: "CloudWatchLogsClient", logs_once: "CloudWatchLogsClient") -> None:
        """Create tasks with ``logs_once``, a client without retries; do all else with ``logs``."""
        self._logs = logs
        self._logs_once = logs_once

    def create_task(self, record: LedgerRecord) -> str:
        """Create the export task of an export, named after it, and return the task's id.

        Raises:
            SlotBusyError: Another task is active.
            ExportRefusedError: A person has to mend something first.
            TransientError: AWS did not say whether there is a task now.
        """
        with _sorted_errors():
            created = self._logs_once.create_export_task(
                taskName=record.export_id,
                logGroupName=record.log_group.name,
                fromTime=record.window.from_ms,
                to=record.window.to_ms,
                destination=record.destination.bucket,
                destinationPrefix=record.destination.prefix,
            )
        return created["taskId"]

    def task(self, task_id: str) -> Task | None:
        """Return a task, or None when AWS does not know it.

        Raises:
            ExportRefusedError: The role may not look.
            TransientError: AWS did not answer.
        """
        with _sorted_errors():
            found = self._logs.describe_export_tasks(taskId=task_id)["exportTasks"]
        return _task(found[0]) if found else None

    def newest_tasks(self, since: datetime) -> list[Task]:
        """Return the newest tasks, newest first: enough to find one created after ``since``.

        While a task holds the slot, none can be created, so the first page is enough.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/DescribeExportTasks.html
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeExportTasks.html

        Raises:
            ExportRefusedError: The role may not look.
            TransientError: AWS did not answer.
        """
        since_ms = (since - CLOCK_SKEW).timestamp() * 1000
        tasks: list[Task] = []
        with _sorted_errors():
            pages = self._logs.get_paginator("describe_export_tasks").paginate()
            for page in islice(pages, TASK_PAGES):
                found = [_task(described) for described in page["exportTasks"]]
                tasks += found
                if any(
                    task.holds_slot or (task.created_ms or since_ms) < since_ms for task in found
                ):
                    break
        return tasks

    def cancel_task(self, task_id: str) -> None:
        """Ask a task to stop; one that has ended, or is forgotten, stays as it is.

        Raises:
            ExportRefusedError: The role may not cancel.
            TransientError: AWS did not answer.
        """
        errors = self._logs.exceptions
        is_over = (errors.InvalidOperationException, errors.ResourceNotFoundException)
        with _sorted_errors(), suppress(*is_over):
            self._logs.cancel_export_task(taskId=task_id)

    def events(
        self, record: LedgerRecord, part: Slice, next_token: str | None
    ) -> tuple[list[Event], str | None]:
        """Return a page of the events in a part of an export's window, and the next page's token.

        A page may be empty and yet not the last, and AWS was seen to give the token of an empty
        page twice, for which botocore's paginator stops: only a page without a token is the last.
        Both ends of FilterLogEvents' range are inclusive, as are those of CreateExportTask's.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

        Args:
            record: The export.
            part: Of its window.
            next_token: Of the part's page before; None for the first page.

        Raises:
            NotForDirectLaneError: The log group's events cannot be read in this way.
            ExportRefusedError: A person has to mend something first.
            TransientError: AWS was busy.
        """
        token: dict[str, Any] = {} if next_token is None else {"nextToken": next_token}
        with _sorted_errors():
            try:
                page = self._logs.filter_log_events(
                    logGroupName=record.log_group.name,
                    startTime=part.start_ms,
                    endTime=part.end_ms,
                    **token,
                )
            except ClientError as error:
                if _code(error) in _NOT_READABLE_CODES:
                    raise NotForDirectLaneError(str(error)) from error
                raise
        found = [
            Event(event["logStreamName"], event["timestamp"], event["message"])
            for event in page["events"]
        ]
        return found, page.get("nextToken")


class SourceAccounts:
    """The accounts whose logs are exported, by their assumed roles."""

    def __init__(self, sts: "STSClient") -> None:
        """Assume the sources' roles with ``sts``."""
        self._sts = sts
        self._sessions: dict[Source, tuple[SourceAccount, datetime]] = {}

    def account(self, source: Source, now: datetime) -> SourceAccount:
        """Return a source's account, through a session that is still good for a while.

        Raises:
            ExportRefusedError: The role cannot be assumed.
            TransientError: STS did not answer.
        """
        account, expires_at = self._sessions.get(source, (None, now))
        if account is None or expires_at - now < SESSION_RESERVE:
            account, expires_at = self._assume(source)
            self._sessions[source] = account, expires_at
        return account

    def _assume(self, source: Source) -> tuple[SourceAccount, datetime]:
        external_id: dict[str, Any] = (
            {} if source.external_id is None else {"ExternalId": source.external_id}
        )
        with _sorted_errors():
            credentials = self._sts.assume_role(
                RoleArn=source.role_arn,
                RoleSessionName=f"logferry-exporter-{source.profile}"[:SESSION_NAME_CHARACTERS],
                DurationSeconds=SESSION_SECONDS,
                **external_id,
            )["Credentials"]

        def logs(config: Config) -> "CloudWatchLogsClient":
            return boto3.client(
                "logs",
                region_name=source.region,
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
                config=config,
            )

        return SourceAccount(logs(CLIENT_CONFIG), logs(CREATE_CONFIG)), credentials["Expiration"]


class Archive:
    """The archive buckets, each in its source's Region."""

    def __init__(self, s3_in: Callable[[str], "S3Client"]) -> None:
        """Use the client that ``s3_in`` returns for a Region."""
        self._s3_in = s3_in

    def objects(self, region: str, bucket: str, folder: str) -> list[ArchivedObject]:
        """Return the current version of every object below ``folder``.

        Raises:
            ObjectsRemovedError: Some have been removed.
        """
        current = self._current(region, bucket, folder)
        with_checksum = [each for each in current if each.get("ChecksumAlgorithm")]
        checksums = self._checksums(region, bucket, with_checksum[:MAX_CHECKSUMS])
        return [
            ArchivedObject(
                key=version["Key"],
                version_id=version["VersionId"],
                size_bytes=version["Size"],
                etag=version["ETag"].strip('"'),
                checksum=checksums.get(version["Key"]),
            )
            for version in current
        ]

    def sizes(self, region: str, bucket: str, folder: str) -> dict[str, int]:
        """Return the size in bytes of every object below ``folder``, by its key.

        Raises:
            ObjectsRemovedError: Some have been removed.
        """
        return {each["Key"]: each["Size"] for each in self._current(region, bucket, folder)}

    def folders(self, region: str, bucket: str, prefix: str) -> list[str]:
        """Return the names of the folders right below a prefix, which are ids of export tasks."""
        pages = (
            self._s3_in(region)
            .get_paginator("list_object_versions")
            .paginate(Bucket=bucket, Prefix=f"{prefix}/", Delimiter="/")
        )
        found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        return [folder.removeprefix(f"{prefix}/").removesuffix("/") for folder in found]

    def put(self, region: str, bucket: str, key: str, path: Path) -> ArchivedObject:
        """Write an object in one piece, unless an earlier try has written the very same.

        It is encrypted as the bucket has it by default, which is how CloudWatch Logs writes too:
        so both lanes' objects are under the same key, and the exporter need not know which.
        An earlier try's object that differs is left as a former version: it may hold events that
        nobody has any more.

        Raises:
            ExportRefusedError: A person has to mend something first.
            TransientError: S3 was busy, or somebody else is writing the object.
        """
        with path.open("rb") as body:
            sha256 = base64.b64encode(hashlib.file_digest(body, "sha256").digest()).decode()
        write = partial(self._write, region, bucket, key, path, sha256)
        with _sorted_errors():
            try:
                return write(IfNoneMatch="*")
            except ClientError as error:
                if _code(error) != "PreconditionFailed":
                    raise
            there = self._s3_in(region).head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            if there.get("ChecksumSHA256") == sha256:
                return _written(key, path, sha256, there)
            return write()

    def remove(self, region: str, bucket: str, folder: str) -> list[str]:
        """Remove every object version below ``folder``, a task's own.

        Returns:
            What could not be removed because it is locked or held: ``<key>@<version id>: why``.

        Raises:
            TransientError: S3 failed to remove some; trying again does no harm.
        """
        versions: Iterator[ObjectIdentifierTypeDef] = (
            {"Key": version["Key"], "VersionId": version["VersionId"]}
            for version in self._versions(region, bucket, folder)
        )
        left = []
        for some in batched(versions, DELETED_PER_CALL, strict=False):
            answer = self._s3_in(region).delete_objects(
                Bucket=bucket, Delete={"Objects": list(some), "Quiet": True}
            )
            for error in answer.get("Errors", []):
                what = f"{error.get('Key')}@{error.get('VersionId')}: {error.get('Message')}"
                # S3 says so of a version under Object Lock, and where the permission is missing.
                # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
                if error.get("Code") != "AccessDenied":
                    raise TransientError(f"DeleteObjects in {bucket}: {error.get('Code')}: {what}")
                left.append(what)
        return left

    def region_of(self, region: str, bucket: str) -> str | None:
        """Return the Region that a bucket is in, or None when it does not show itself.

        S3 names it to whoever asks, also where it refuses the call: the role may not list the
        archive. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html

        Args:
            region: Where it should be.
            bucket: Its name.
        """
        try:
            return self._s3_in(region).head_bucket(Bucket=bucket).get("BucketRegion")
        except ClientError as error:
            headers = error.response["ResponseMetadata"]["HTTPHeaders"]
            return headers.get("x-amz-bucket-region")

    def _write(
        self, region: str, bucket: str, key: str, path: Path, sha256: str, **condition: Any
    ) -> ArchivedObject:
        with path.open("rb") as body:
            answer = self._s3_in(region).put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType="application/gzip",
                ChecksumSHA256=sha256,
                **condition,
            )
        return _written(key, path, sha256, answer)

    def _checksums(
        self, region: str, bucket: str, versions: Sequence[Any]
    ) -> dict[str, Checksum | None]:
        """Return what S3 keeps of each object, by its key; nothing where that may not be read."""
        read = partial(self._checksum, region, bucket)
        with ThreadPoolExecutor(max_workers=HEAD_WORKERS) as pool:
            try:
                found = list(pool.map(read, versions))
            except ClientError as error:
                if _code(error) != "403":
                    raise
                return {}
        return {version["Key"]: each for version, each in zip(versions, found, strict=True)}

    def _checksum(self, region: str, bucket: str, version: Any) -> Checksum | None:
        head: Mapping[str, Any] = self._s3_in(region).head_object(
            Bucket=bucket,
            Key=version["Key"],
            VersionId=version["VersionId"],
            ChecksumMode="ENABLED",
        )
        for algorithm in version["ChecksumAlgorithm"]:
            value = head.get(f"Checksum{algorithm}")
            if value is not None:
                return Checksum(algorithm=algorithm, value=value)
        return None

    def _current(self, region: str, bucket: str, folder: str) -> list[Any]:
        """Return the current versions below a folder in which nothing has been removed.

        Neither CloudWatch Logs nor any of ours writes a delete marker, so one says that somebody
        has removed an object. Who removes a version by its id leaves none.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html

        Raises:
            ObjectsRemovedError: Something has been.
        """
        current, markers = [], []
        for page in self._pages(region, bucket, folder):
            current += [each for each in page.get("Versions", []) if each["IsLatest"]]
            markers += page.get("DeleteMarkers", [])
        if markers:
            removed = min(markers, key=lambda each: each["LastModified"])
            raise ObjectsRemovedError(
                f"{removed['Key']} was removed on {timestamp(removed['LastModified'])}; "
                f"objects removed below {folder}: {len({each['Key'] for each in markers})}"
            )
        return current

    def _versions(self, region: str, bucket: str, folder: str) -> Iterator[Any]:
        pages = self._pages(region, bucket, folder)
        return (version for page in pages for version in page.get("Versions", []))

    def _pages(self, region: str, bucket: str, folder: str) -> Iterable[Any]:
        paginator = self._s3_in(region).get_paginator("list_object_versions")
        return paginator.paginate(Bucket=bucket, Prefix=folder)


@dataclass(frozen=True)
class LedgerEntry:
    """A ledger record as it was read or written, and the ETag to change it by."""

    record: LedgerRecord
    etag: str


class Ledger:
    """The ledger's records in the control bucket, changed by compare-and-swap only.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._s3 = s3
        self._bucket = bucket

    def read(self, source: SourceName, window: Window, export_id: str) -> LedgerEntry | None:
        """Return a record, or None when there is none.

        Raises:
            ContractError: The record breaks its contract.
        """
        try:
            found = self._s3.get_object(
                Bucket=self._bucket, Key=ledger_key(source, window, export_id)
            )
        except self._s3.exceptions.NoSuchKey:
            return None
        return LedgerEntry(parse(LedgerRecord, found["Body"].read()), found["ETag"])

    def keys(self, source: SourceName, windows: Sequence[Window]) -> list[str]:
        """Return the keys of all records of some windows; a thousand cost one call.

        Args:
            source: Whose records.
            windows: In the order of time; what lies between the first and the last is listed.
        """
        prefixes = [ledger_prefix(source, window) for window in windows]
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=source_prefix(source), StartAfter=prefixes[0]
        )
        found = []
        for key in (each["Key"] for page in pages for each in page.get("Contents", [])):
            prefix, _ = split_key(key)
            if prefix > prefixes[-1]:
                break
            if prefix in prefixes:
                found.append(key)
        return found

    def read_keys(self, keys: Sequence[str]) -> list[tuple[str, LedgerRecord | ContractError]]:
        """Return each key with its record, read side by side.

        In the place of a record that breaks its contract is what is wrong with it.
        """
        with ThreadPoolExecutor(LEDGER_READERS) as readers:
            return list(zip(keys, readers.map(self._read_key, keys), strict=True))

    def _read_key(self, key: str) -> LedgerRecord | ContractError:
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        try:
            return parse(LedgerRecord, body)
        except ContractError as error:
            return error

    def windows(self, source: SourceName, since_ms: int, until_ms: int) -> Iterator[Window]:
        """Yield the windows of a source that have records, by their start: both inclusive."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=source_prefix(source),
            Delimiter="/",
            StartAfter=starting_at(source, max(since_ms, 0)),
        )
        there = (each["Prefix"] for page in pages for each in page.get("CommonPrefixes", []))
        return takewhile(lambda each: each.from_ms <= until_ms, windows_of(there))

    def create(self, record: LedgerRecord) -> LedgerEntry:
        """Write a new record.

        Raises:
            LedgerConflictError: There is one already, or somebody else is writing it.
        """
        return self._put(record, IfNoneMatch="*")

    def replace(self, entry: LedgerEntry, record: LedgerRecord) -> LedgerEntry:
        """Write a record in place of what was read.

        Raises:
            LedgerConflictError: It is not what was read any more.
        """
        return self._put(record, IfMatch=entry.etag)

    def put_manifest(self, record: LedgerRecord, manifest: Manifest) -> ManifestLocation:
        """Write a manifest beside the ledger; the same manifest gives the same object."""
        body = emit(manifest).encode()
        key = manifest_key(record.source, record.window, record.export_id)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
        return ManifestLocation(
            bucket=self._bucket,
            key=key,
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )

    def _put(self, record: LedgerRecord, **condition: Any) -> LedgerEntry:
        try:
            written = self._s3.put_object(
                Bucket=self._bucket,
                Key=record.key,
                Body=emit(record).encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if _code(error) in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise LedgerConflictError(record.key) from error
            raise
        return LedgerEntry(record, written["ETag"])


class Queue:
    """The FIFO queue of the slot, that of the direct lane, and the dead-letter queue of both."""

    def __init__(self, sqs: "SQSClient", queue_url: str, dead_letter_queue_url: str) -> None:
        """Use ``sqs`` for every call."""
        self._sqs = sqs
        self._queue_url = queue_url
        self._dead_letter_queue_url = dead_letter_queue_url

    def send(self, event: ExportRequested, *, asked_by: str) -> None:
        """Put a request at the end of its slot.

        Within 5 minutes the same request because of the same message counts once. Because of
        another message it arrives: the first one may have gone with its queue.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
        """
        self._sqs.send_message(
            QueueUrl=self._queue_url,
            MessageBody=emit(event),
            MessageGroupId=event.data.source.slot,
            MessageDeduplicationId=f"{event.id}-{asked_by}",
        )

    def send_to_the_tail(self, event: ExportRequested, *, instead_of: str, tries: int) -> None:
        """Put a request at the end of its slot that is there already, at the head.

        SQS would drop a second one of the same export within 5 minutes of the first.

        Args:
            event: The request.
            instead_of: The id of the message that is at the head.
            tries: How often that was done for an error.
        """
        self._sqs.send_message(
            QueueUrl=self._queue_url,
            MessageBody=emit(event),
            MessageGroupId=event.data.source.slot,
            MessageDeduplicationId=f"{event.id}.{instead_of}",
            MessageAttributes={TRIES: {"DataType": "Number", "StringValue": str(tries)}},
        )

    @cached_property
    def retention(self) -> timedelta:
        """How long the slot's queue keeps a message."""
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._queue_url, AttributeNames=["MessageRetentionPeriod"]
        )["Attributes"]
        return timedelta(seconds=int(attributes["MessageRetentionPeriod"]))

    def give_back(
        self, queue_arn: str, receipt_handles: Sequence[str], interval_s: int
    ) -> list[str]:
        """Let messages of a batch, at most 10, be received again after ``interval_s``.

        They go back to the queue that they came from, which may be the direct lane's.

        All for the same time, so that the first of them stays the first: SQS hands out nothing of
        a group that is behind an invisible message, but it does hand out what is before it.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagegroupid-property.html

        Returns:
            What SQS did not take, or did not say that it has: those messages come back when the
            queue's own visibility timeout is over, and the batch's others are done with.
        """
        # Both lanes' queues are of one account and Region, so their URLs differ by the name.
        base_url, _, _ = self._queue_url.rpartition("/")
        try:
            answer = self._sqs.change_message_visibility_batch(
                QueueUrl=f"{base_url}/{queue_arn.rpartition(':')[2]}",
                Entries=[
                    {"Id": str(place), "ReceiptHandle": handle, "VisibilityTimeout": interval_s}
                    for place, handle in enumerate(receipt_handles)
                ],
            )
        except (ClientError, *_BROKEN) as error:
            return [str(error)]
        return [f"{entry['Code']} {entry.get('Message')}" for entry in answer.get("Failed", [])]

    def dead_letter(
        self, body: str, *, group_id: str, message_id: str, reason: str, detail: str
    ) -> None:
        """Keep a message as it came, and why it is here."""
        attributes = {
            DEAD_LETTER_REASON: reason,
            "detail": _printable(detail) or reason,
            "service": "exporter",
        }
        self._sqs.send_message(
            QueueUrl=self._dead_letter_queue_url,
            MessageBody=body,
            MessageGroupId=group_id,
            MessageDeduplicationId=message_id,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        )


class Topic:
    """The topic for events."""

    def __init__(self, sns: "SNSClient", topic_arn: str) -> None:
        """Publish to ``topic_arn``."""
        self._sns = sns
        self._topic_arn = topic_arn

    def publish(self, event: ExportCompleted | ExportFailed | DayCompleted) -> None:
        """Publish an event, with the attributes that filter policies read."""
        self._sns.publish(
            TopicArn=self._topic_arn,
            Message=emit(event),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in event.attributes.items()
            },
        )


@contextmanager
def _sorted_errors() -> Iterator[None]:
    """Turn an error of a source's account into what it means for the export."""
    try:
        yield
    except ClientError as error:
        meant = _meaning(error)
        if meant is None:
            raise
        raise meant from error
    except _BROKEN as error:
        raise TransientError(str(error)) from error


def _meaning(error: ClientError) -> Exception | None:
    code, message = _code(error), _words(error)
    if code == "LimitExceededException" and error.operation_name == "CreateExportTask":
        return SlotBusyError(message)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_fault = status >= _HTTP_SERVER_ERROR or status == _TOO_MANY_REQUESTS
    if code in _TRANSIENT_CODES or is_fault:
        return TransientError(message)
    reason = reason_of(code, message)
    return None if reason is None else ExportRefusedError(reason, message)


def problem_of(error: Exception) -> Problem:
    """Return what an error is when it is the end of an export, and whether it passes by waiting."""
    meant = (_meaning(error) if isinstance(error, ClientError) else None) or error
    if isinstance(meant, (TransientError, LedgerConflictError, SlotBusyError, *_BROKEN)):
        return Problem(reason="aws_unavailable", message=str(meant), is_passing=True)
    if isinstance(meant, ExportRefusedError):
        return Problem(reason=meant.reason, message=str(meant), is_passing=False)
    if isinstance(meant, ClientError):
        return Problem(reason="unknown_refusal", message=_words(meant), is_passing=False)
    message = f"{type(error).__name__}: {error}"
    return Problem(reason="unexpected_error", message=message, is_passing=False)


def _words(error: ClientError) -> str:
    text = error.response["Error"].get("Message", "")
    return f"{error.operation_name}: {_code(error)}: {text}"


def _written(key: str, path: Path, sha256: str, answer: Mapping[str, Any]) -> ArchivedObject:
    return ArchivedObject(
        key=key,
        version_id=answer["VersionId"],
        size_bytes=path.stat().st_size,
        etag=answer["ETag"].strip('"'),
        checksum=Checksum(algorithm="SHA256", value=sha256),
    )


def _task(described: "ExportTaskTypeDef") -> Task:
    status = described.get("status", {})
    execution = described.get("executionInfo", {})
    return Task(
        task_id=described["taskId"],
        name=described.get("taskName"),
        bucket=described.get("destination", ""),
        prefix=described.get("destinationPrefix", ""),
        status=status.get("code", ""),
        message=status.get("message", ""),
        created_ms=execution.get("creationTime"),
        completed_ms=execution.get("completionTime"),
    )


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _printable(text: str) -> str:
    """Return the beginning of a text without the control characters that SQS refuses."""
    return "".join(char if char.isprintable() else " " for char in text)[:DETAIL_CHARACTERS]
