"""The queues of the sources' exporters, in the planner's account."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.source import SLOT_TAG, Source, SourceName
from logferry_contracts.wire import emit
from planner.aws.calls import calling
from planner.errors import MessagesNotSentError, PlanRefusedError
from planner.provisioning import differing_owner

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

BATCH_ENTRIES = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"""
BATCH_BYTES = 1_048_576
"""Of all messages of a batch together.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""
RESEND_WAITS_S = (0.2, 0.4, 0.8, 1.6)
"""The waits before the messages that SQS did not take are sent again, each wait once."""


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
        tags = {} if url is None else self._tags(url)
        owner = differing_owner(tags, source)
        if owner is not None:
            rule = f"of {source.slot} cannot be: the queue {source.queue_name} is of {owner}"
            raise PlanRefusedError("profile", source.profile, rule)

    def is_of(self, source: SourceName) -> bool | None:
        """Return whether a source's queue is that source's; None where it does not say.

        One that is not there is nobody's.
        """
        url = self._url(source.queue_name)
        if url is None:
            return False
        tags = self._tags(url)
        if differing_owner(tags, source) is not None:
            return False
        return True if SLOT_TAG in tags else None

    def _tags(self, url: str) -> Mapping[str, str]:
        with calling("ListQueueTags", url):
            return self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})

    def _url(self, queue_name: str) -> str | None:
        with calling("GetQueueUrl", queue_name):
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
            with calling("SendMessageBatch", queue_url):
                answer = self._sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
            failed = answer.get("Failed", [])
            faulty += [entry for entry in failed if entry["SenderFault"]]
            again = {entry["Id"] for entry in failed if not entry["SenderFault"]}
            if not again:
                return faulty
            entries = [entry for entry in entries if entry["Id"] in again]
        raise MessagesNotSentError(f"{queue_url} did not take {_named(failed)}")


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
