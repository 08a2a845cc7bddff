"""AWS as this service needs it: the source's log groups, the ledger, the queues and the topic."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import LedgerRecord, ledger_prefix
from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse
from planner.errors import (
    LedgerBusyError,
    LedgerUnreadableError,
    MessagesNotSentError,
    PlanRefusedError,
)
from planner.plan import LogGroups

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import LogGroupTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )
    from mypy_boto3_sts import STSClient

CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=30
)
"""Every client's: throttles, 5xx and broken connections are tried again with backoff."""

SESSION_NAME_CHARACTERS = 64
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""
SESSION_SECONDS = 3600
"""The longest that a role may assume another for; an invocation lasts at most 900.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
"""
LOG_GROUPS_PER_PAGE = 50
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html"""
BATCH_ENTRIES = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"""
BATCH_BYTES = 1_048_576
"""Of all messages of a batch together.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""
RESEND_WAITS_S = (0.2, 0.4, 0.8, 1.6)
"""The waits before the messages that SQS did not take are sent again, each wait once."""
DETAIL_CHARACTERS = 1000
"""Enough of an error for a person, far from a message's limit."""
CREATE_ATTEMPTS = 3
"""How often a record is tried to be created while others are at it."""


class SourceAccounts:
    """The accounts whose logs are collected."""

    def __init__(self, sts: "STSClient") -> None:
        """Assume the sources' roles with ``sts``."""
        self._sts = sts

    def log_groups(self, source: Source) -> LogGroups:
        """Return every log group of a source, of all classes, by name.

        Raises:
            PlanRefusedError: The role cannot be assumed, or may not list log groups.
        """
        pages = (
            self._logs(source)
            .get_paginator("describe_log_groups")
            .paginate(PaginationConfig={"PageSize": LOG_GROUPS_PER_PAGE})
        )
        readable = []
        unreadable = {}
        try:
            for described in (group for page in pages for group in page["logGroups"]):
                try:
                    readable.append(_log_group(described))
                except ContractError as error:
                    unreadable[described["logGroupName"]] = str(error)
        except ClientError as error:
            if _code(error) == "AccessDeniedException":
                raise _refused_role(source, "may not call logs:DescribeLogGroups", error) from error
            raise
        return LogGroups(readable, unreadable)

    def _logs(self, source: Source) -> "CloudWatchLogsClient":
        external_id: dict[str, Any] = (
            {} if source.external_id is None else {"ExternalId": source.external_id}
        )
        try:
            assumed = self._sts.assume_role(
                RoleArn=source.role_arn,
                RoleSessionName=f"logferry-planner-{source.profile}"[:SESSION_NAME_CHARACTERS],
                DurationSeconds=SESSION_SECONDS,
                **external_id,
            )
        except ClientError as error:
            if _code(error) == "AccessDenied":
                raise _refused_role(source, "cannot be assumed", error) from error
            raise
        credentials = assumed["Credentials"]
        return boto3.client(
            "logs",
            region_name=source.region,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=CLIENT_CONFIG,
        )


class Archive:
    """The archive buckets."""

    def __init__(self, s3: "S3Client") -> None:
        """Use ``s3`` for every call."""
        self._s3 = s3

    def check(self, bucket: str, region: str) -> None:
        """Make sure that exports of a Region can go to a bucket, as far as can be seen from here.

        A bucket that denies us the look may still take exports; the exporter will see.

        Raises:
            PlanRefusedError: There is no such bucket, or it is in another Region.
                https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html
        """
        try:
            actual_region = self._s3.head_bucket(Bucket=bucket).get("BucketRegion", region)
        except ClientError as error:
            if _code(error) == "404":  # HEAD answers have no body to name the error
                raise PlanRefusedError("bucket", bucket, "does not exist") from error
            if _code(error) == "403":
                return
            raise
        if actual_region != region:
            raise PlanRefusedError(
                "bucket", bucket, f"is in {actual_region}; exports from {region} cannot go there"
            )


class Ledger:
    """The ledger's records in the control bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._s3 = s3
        self._bucket = bucket

    def records(self, source: Source, window: Window) -> dict[str, LedgerRecord]:
        """Return every record of a window, by export id.

        Raises:
            LedgerUnreadableError: A record breaks its contract.
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=ledger_prefix(source, window)
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        found = (self._read(key) for key in keys)
        return {record.export_id: record for record in found if record is not None}

    def create(self, record: LedgerRecord) -> LedgerRecord:
        """Write a new record, and return the one that is there now.

        That is another one when somebody else was faster: decide again by what it says.

        Raises:
            LedgerUnreadableError: The record that is there breaks its contract.
            LedgerBusyError: Others were writing it all the time.
        """
        for _ in range(CREATE_ATTEMPTS):
            try:
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=record.key,
                    Body=emit(record).encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if _code(error) not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                    raise
            else:
                return record
            there = self._read(record.key)
            if there is not None:  # a conflict is told before the other write is done
                return there
        raise LedgerBusyError(
            f"s3://{self._bucket}/{record.key} was in conflict {CREATE_ATTEMPTS} times"
        )

    def _read(self, key: str) -> LedgerRecord | None:
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            raise
        try:
            return parse(LedgerRecord, body)
        except ContractError as error:
            raise LedgerUnreadableError(f"s3://{self._bucket}/{key} is {error}") from error


class ExportQueues:
    """The FIFO queues of the sources' exporters, in the planner's account."""

    def __init__(self, sqs: "SQSClient", wait: Callable[[float], None] = time.sleep) -> None:
        """Use ``sqs`` for every call, and ``wait`` between the tries of a batch."""
        self._sqs = sqs
        self._wait = wait

    def url(self, source: Source) -> str:
        """Return the URL of a source's queue.

        Raises:
            PlanRefusedError: There is no such queue.
        """
        try:
            return self._sqs.get_queue_url(QueueName=source.queue_name)["QueueUrl"]
        except self._sqs.exceptions.QueueDoesNotExist as error:
            raise PlanRefusedError("queue", source.queue_name, "does not exist") from error

    def send(self, queue_url: str, events: Sequence[ExportRequested]) -> None:
        """Send messages, in batches; what SQS does not take at first is sent again.

        Raises:
            MessagesNotSentError: SQS did not take some messages; all the others that it could
                take are sent unless it failed through every try.
        """
        faulty = []
        for batch in _batches([_entry(event) for event in events]):
            faulty += self._send_batch(queue_url, batch)
        if faulty:
            raise MessagesNotSentError(f"{queue_url} refuses {_named(faulty)}")

    def _send_batch(
        self, queue_url: str, entries: list["SendMessageBatchRequestEntryTypeDef"]
    ) -> list["BatchResultErrorEntryTypeDef"]:
        """Return the entries that SQS says are our fault: they would fail again."""
        faulty = []
        for wait_s in (0.0, *RESEND_WAITS_S):
            if wait_s:
                self._wait(wait_s)
            answer = self._sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
            failed = answer.get("Failed", [])
            faulty += [entry for entry in failed if entry["SenderFault"]]
            again = {entry["Id"] for entry in failed if not entry["SenderFault"]}
            if not again:
                return faulty
            entries = [entry for entry in entries if entry["Id"] in again]
        raise MessagesNotSentError(f"{queue_url} did not take {_named(failed)}")


class Topic:
    """The topic for events."""

    def __init__(self, sns: "SNSClient", topic_arn: str) -> None:
        """Publish to ``topic_arn``."""
        self._sns = sns
        self._topic_arn = topic_arn

    def publish(self, event: PlanCompleted) -> None:
        """Publish an event, with the attributes that filter policies read."""
        self._sns.publish(
            TopicArn=self._topic_arn,
            Message=emit(event),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in event.attributes.items()
            },
        )


class DeadLetters:
    """The queue of what the planner was asked and cannot do."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        """Send to ``queue_url``, a standard queue."""
        self._sqs = sqs
        self._queue_url = queue_url

    def put(self, body: str, *, reason: str, detail: str) -> None:
        """Keep a request as it came, and why it is here."""
        attributes = {"reason": reason, "detail": _printable(detail), "service": "planner"}
        self._sqs.send_message(
            QueueUrl=self._queue_url,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        )


def _log_group(described: "LogGroupTypeDef") -> LogGroup:
    """Return a log group in the contract's words.

    Raises:
        ContractError: The contract has no words for it, such as for a retention of a century.
    """
    values = {
        "name": described["logGroupName"],
        "arn": described.get("logGroupArn") or described["arn"].removesuffix(":*"),
        "log_group_class": described.get("logGroupClass", "STANDARD"),
        "created_ms": described["creationTime"],
        "retention_days": described.get("retentionInDays"),
        "stored_bytes": described.get("storedBytes"),
    }
    return parse(
        LogGroup,
        json.dumps({name: value for name, value in values.items() if value is not None}),
    )


def _entry(event: ExportRequested) -> "SendMessageBatchRequestEntryTypeDef":
    return {
        "Id": event.id,
        "MessageBody": emit(event),
        "MessageGroupId": event.data.source.slot,
        "MessageDeduplicationId": event.id,
    }


def _batches(
    entries: Sequence["SendMessageBatchRequestEntryTypeDef"],
) -> Iterator[list["SendMessageBatchRequestEntryTypeDef"]]:
    batch: list[SendMessageBatchRequestEntryTypeDef] = []
    batch_bytes = 0
    for entry in entries:
        entry_bytes = len(entry["MessageBody"].encode())
        if batch and (len(batch) == BATCH_ENTRIES or batch_bytes + entry_bytes > BATCH_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(entry)
        batch_bytes += entry_bytes
    if batch:
        yield batch


def _named(failed: Sequence["BatchResultErrorEntryTypeDef"]) -> str:
    return "; ".join(
        f"export {entry['Id']}: {entry['Code']} {entry.get('Message', '')}".rstrip()
        for entry in failed
    )


def _refused_role(source: Source, rule: str, error: ClientError) -> PlanRefusedError:
    return PlanRefusedError("role_arn", source.role_arn, f"{rule}: {error}")


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _printable(text: str) -> str:
    """Return the beginning of a text without the control characters that SQS refuses."""
    return "".join(char if char.isprintable() else " " for char in text)[:DETAIL_CHARACTERS]
