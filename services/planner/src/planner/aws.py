"""The planner's own account: the archive bucket, the ledger, the queues and the topic."""

import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError

from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_key import (
    ledger_prefix,
    source_prefix,
    split_key,
    starting_at,
    windows_of,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import Message
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.plan_continued import PlanContinued
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse
from planner.errors import (
    LedgerBusyError,
    LedgerUnreadableError,
    MessagesNotSentError,
    PlanRefusedError,
)
from planner.provisioning import differing_owner

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

THREADS = 16
"""How many objects are written or read at once; more are no faster, as each call takes CPU time."""
CLIENT_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=THREADS,
)
"""Every client's: throttles, 5xx and broken connections are tried again for up to 31 s.

The mode is the one without a budget: docs/adr/0029-retries-without-a-budget.md.
"""

BATCH_ENTRIES = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"""
BATCH_BYTES = 1_048_576
"""Of all messages of a batch together.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""
RESEND_WAITS_S = (0.2, 0.4, 0.8, 1.6)
"""The waits before the messages that SQS did not take are sent again, each wait once."""
LONGEST_WINDOW_MS = 3 * 86_400_000
"""No window of any zone is longer: a date that is followed by one that its zone left out."""
DETAIL_CHARACTERS = 1000
"""Enough of an error for a person, far from a message's limit."""
CREATE_ATTEMPTS = 3
"""How often a record is tried to be created while others are at it."""
FILE_CHUNK_BYTES = 1_048_576

_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""Somebody else has written the object, or is at it."""
_SENT = ".sent.json"
LATER_MAJOR = re.compile(rb'"schema":\s*"urn:logferry:schema:ledger-record:(?!1\.)[0-9]+\.[0-9]+"')
"""What a record says that a later release has written."""


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


@dataclass(frozen=True)
class DamagedRecord:
    """A ledger record that breaks its contract. It costs its own export, and no other.

    Attributes:
        problem: Which record, and what is wrong with it.
        is_later: Whether it is of a later major, which a later release can read.
    """

    problem: str
    is_later: bool


class Ledger:
    """The ledger's records in the control bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._s3 = s3
        self._bucket = bucket

    def known(self, source: SourceName, windows: Sequence[Window]) -> Iterator[tuple[Window, str]]:
        """Yield the window and the export id of every record of some windows.

        A thousand records cost one call, whatever windows they are of.

        Args:
            source: Whose records.
            windows: In the order of time; what lies between the first and the last is listed.
        """
        window_of = {ledger_prefix(source, window): window for window in windows}
        prefixes = list(window_of)
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=source_prefix(source), StartAfter=prefixes[0]
        )
        for key in (entry["Key"] for page in pages for entry in page.get("Contents", [])):
            prefix, export_id = split_key(key)
            if prefix > prefixes[-1]:
                return
            if prefix in window_of:
                yield window_of[prefix], export_id

    def windows(self, source: SourceName, due: Sequence[Window]) -> list[Window]:
        """Return the windows with records that may overlap some, a thousand a call.

        Args:
            source: Whose records.
            due: In the order of time.
        """
        if not due:
            return []
        from_ms = max(0, due[0].from_ms - LONGEST_WINDOW_MS)
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=source_prefix(source),
            Delimiter="/",
            StartAfter=starting_at(source, from_ms),
        )
        there = (each["Prefix"] for page in pages for each in page.get("CommonPrefixes", []))
        return list(takewhile(lambda each: each.from_ms < due[-1].to_ms, windows_of(there)))

    def read(self, keys: Iterable[str]) -> list[LedgerRecord | DamagedRecord | None]:
        """Return the records of some keys, in their order; None where there is none."""
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(self._read, keys))

    def take_over(self, record: LedgerRecord, mine: LedgerRecord) -> bool:
        """Write a record over another one of its key, unless that has changed since it was read.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        """
        found = self._s3.get_object(Bucket=self._bucket, Key=record.key)
        if parse(LedgerRecord, found["Body"].read()) != record:
            return False
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=mine.key,
                Body=emit(mine).encode(),
                ContentType="application/json",
                IfMatch=found["ETag"],
            )
        except ClientError as error:
            if _code(error) not in _TAKEN:
                raise
            return False
        return True

    def create(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord | DamagedRecord]:
        """Write new records, and return the ones that are there now, in their order.

        One is not the one to write when somebody else was faster: decide again by what it says.

        Raises:
            LedgerBusyError: Others were writing one all the time.
        """
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(self._create, records))

    def _create(self, record: LedgerRecord) -> LedgerRecord | DamagedRecord:
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
                if _code(error) not in _TAKEN:
                    raise
            else:
                return record
            there = self._read(record.key)
            if there is not None:  # a conflict is told before the other write is done
                return there
        raise LedgerBusyError(
            f"s3://{self._bucket}/{record.key} was in conflict {CREATE_ATTEMPTS} times"
        )

    def _read(self, key: str) -> LedgerRecord | DamagedRecord | None:
        try:
            return _read(self._s3, self._bucket, key, LedgerRecord)
        except LedgerUnreadableError as error:
            return DamagedRecord(str(error), is_later=bool(LATER_MAJOR.search(error.body)))


class Note(Message):
    """Ledger records that may have been written without their messages having been sent.

    Attributes:
        keys: The records' keys.
    """

    keys: list[str]


@dataclass(frozen=True)
class NoteThere:
    """A note in the outbox, or of a date.

    Attributes:
        written_at: By S3's clock.
    """

    key: str
    written_at: datetime

    @property
    def is_sent(self) -> bool:
        """Whether it is of a date that the exporter has been sent."""
        return self.key.endswith(_SENT)


class Outbox:
    """Notes of what is being sent, in the control bucket.

    A note is there before the first of its records is, and until the last of its messages is
    with SQS. So a record that no note names has been sent, without having to be read.
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._s3 = s3
        self._bucket = bucket

    def put(self, source: SourceName, keys: Sequence[str]) -> str:
        """Write a note that nobody else writes, and return its key."""
        key = f"{_outbox(source)}{uuid.uuid4()}.json"
        self._s3.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=emit(Note(keys=list(keys))).encode(),
            ContentType="application/json",
        )
        return key

    def notes(self, source: SourceName) -> list[NoteThere]:
        """Return a source's notes: there are some while it is planned, and after a crash."""
        return _notes(self._s3, self._bucket, _outbox(source))

    def read(self, key: str) -> list[str]:
        """Return the keys of a note's records; none when the note is not there any more."""
        note = _read(self._s3, self._bucket, key, Note)
        return [] if note is None else note.keys

    def remove(self, key: str) -> None:
        """Remove a note whose messages are all with SQS."""
        self._s3.delete_object(Bucket=self._bucket, Key=key)


class DayNotes:
    """Notes of dates whose end is to be told, in the control bucket: each is a DayPlanned.

    There is one until the date is sent, and then another one until its exports are seen to have
    ended: an index of what is open, so that no other record has to be read to find what is stuck.
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._s3 = s3
        self._bucket = bucket

    def put(self, planned: DayPlanned, *, is_sent: bool = False) -> None:
        """Write a note; the same one again makes it a new one."""
        self._s3.put_object(
            Bucket=self._bucket,
            Key=f"{_days(planned.data.source)}{planned.id}{_SENT if is_sent else '.json'}",
            Body=emit(planned).encode(),
            ContentType="application/json",
        )

    def there(self, source: SourceName) -> list[NoteThere]:
        """Return the notes of a source's account and Region."""
        return _notes(self._s3, self._bucket, _days(source))

    def read(self, key: str) -> DayPlanned | None:
        """Return a note; None when it is not there any more.

        Raises:
            LedgerUnreadableError: It breaks its contract.
        """
        return _read(self._s3, self._bucket, key, DayPlanned)

    def remove(self, key: str) -> None:
        """Remove a note that is not needed any more."""
        self._s3.delete_object(Bucket=self._bucket, Key=key)


class PlanFiles:
    """Files of a plan in the control bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._s3 = s3
        self.bucket = bucket

    def put(self, path: Path, key: str) -> None:
        """Keep a file."""
        with path.open("rb") as body:
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str, path: Path) -> bool:
        """Fetch a file into ``path``; False when it is not there any more."""
        try:
            body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return False
            raise
        with path.open("wb") as file:
            for chunk in body.iter_chunks(FILE_CHUNK_BYTES):
                file.write(chunk)
        return True

    def remove(self, key: str) -> None:
        """Remove a file that nobody will ask for."""
        self._s3.delete_object(Bucket=self.bucket, Key=key)


class Continuations:
    """The planner's own function, which goes on with plans that need more than one invocation."""

    def __init__(self, functions: "LambdaClient") -> None:
        """Use ``functions`` for every call."""
        self._functions = functions

    def send(self, function_arn: str, event: PlanContinued) -> None:
        """Have a plan gone on with; Lambda keeps the event until then."""
        self._functions.invoke(
            FunctionName=function_arn, InvocationType="Event", Payload=emit(event).encode()
        )


class ExportQueues:
    """The FIFO queues of the sources' exporters, in the planner's account."""

    def __init__(self, sqs: "SQSClient", wait: Callable[[float], None] = time.sleep) -> None:
        """Use ``sqs`` for every call, and ``wait`` between the tries of a batch."""
        self._sqs = sqs
        self._wait = wait

    def urls(self, source: Source, *, direct: bool) -> dict[Lane, str]:
        """Return the URLs of a source's queues, by lane; the direct lane need not have one.

        Args:
            source: Whose queues.
            direct: Whether to look for the direct lane's queue at all.

        Raises:
            PlanRefusedError: There is no queue for the export slot.
        """
        slot_url = self._url(source.queue_name)
        if slot_url is None:
            raise PlanRefusedError("queue", source.queue_name, "does not exist")
        urls: dict[Lane, str] = {"slot": slot_url}
        direct_url = self._url(source.direct_queue_name) if direct else None
        if direct_url is not None:
            urls["direct"] = direct_url
        return urls

    def check(self, source: Source) -> None:
        """Make sure that the queue of a source's profile is its account's and Region's.

        One that is not there, or says nothing, is nobody else's.

        Raises:
            PlanRefusedError: It is another source's: whoever reads it can do nothing for this one.
        """
        url = self._url(source.queue_name)
        tags = {} if url is None else self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
        owner = differing_owner(tags, source)
        if owner is not None:
            rule = f"of {source.slot} cannot be: the queue {source.queue_name} is of {owner}"
            raise PlanRefusedError("profile", source.profile, rule)

    def _url(self, queue_name: str) -> str | None:
        try:
            return self._sqs.get_queue_url(QueueName=queue_name)["QueueUrl"]
        except self._sqs.exceptions.QueueDoesNotExist:
            return None

    def send(
        self,
        queue_url: str,
        events: Sequence[ExportRequested | DayPlanned],
        *,
        again_by: str | None = None,
    ) -> None:
        """Send messages, in batches; what SQS does not take at first is sent again.

        SQS drops what has the deduplication id of a message of the last five minutes, also where
        that one is not in the queue any more, and answers as if it were sent.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html

        Args:
            queue_url: Where to.
            events: What to send.
            again_by: The run that sends them once more, and wants them to arrive; None where one
                that is there already is as good.

        Raises:
            MessagesNotSentError: SQS did not take some messages; all the others that it could
                take are sent unless it failed through every try.
        """
        faulty = []
        for batch in _batches([_entry(event, again_by) for event in events]):
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


def _entry(
    event: ExportRequested | DayPlanned, again_by: str | None
) -> "SendMessageBatchRequestEntryTypeDef":
    return {
        "Id": event.id,
        "MessageBody": emit(event),
        "MessageGroupId": _group(event),
        "MessageDeduplicationId": event.id if again_by is None else f"{event.id}-{again_by}",
    }


def _group(event: ExportRequested | DayPlanned) -> str:
    if isinstance(event, DayPlanned):
        return event.group
    source = event.data.source
    return source.direct_slot if event.data.lane == "direct" else source.slot


def _outbox(source: SourceName) -> str:
    return f"outbox/{source.account_id}/{source.region}/"


def _days(source: SourceName) -> str:
    return f"plans/{source.account_id}/{source.region}/days/"


def _notes(s3: "S3Client", bucket: str, prefix: str) -> list[NoteThere]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [
        NoteThere(entry["Key"], entry["LastModified"])
        for page in pages
        for entry in page.get("Contents", [])
    ]


def _read[M: Message](s3: "S3Client", bucket: str, key: str, message: type[M]) -> M | None:
    """Return what an object says; None when there is none."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if _code(error) == "NoSuchKey":
            return None
        raise
    try:
        return parse(message, body)
    except ContractError as error:
        raise LedgerUnreadableError(f"s3://{bucket}/{key} is {error}", body) from error


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
        f"message {entry['Id']}: {entry['Code']} {entry.get('Message', '')}".rstrip()
        for entry in failed
    )


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _printable(text: str) -> str:
    """Return the beginning of a text without the control characters that SQS refuses."""
    return "".join(char if char.isprintable() else " " for char in text)[:DETAIL_CHARACTERS]
