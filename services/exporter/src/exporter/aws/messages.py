"""The queues and the topic of a source."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from exporter.aws.calls import calling
from exporter.cloud import TRIES
from exporter.errors import CallRefusedError, TransientError
from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.message_attributes import dead_letter_attributes, text_attributes
from logferry_contracts.wire import emit

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef


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
        self._send(
            self._queue_url,
            emit(event),
            MessageGroupId=event.data.source.slot,
            MessageDeduplicationId=f"{event.id}-{asked_by}",
        )

    def send_beside(self, event: ExportRequested, *, asked_by: str) -> None:
        """Put a request into the direct lane's queue, once for each message as `send`."""
        self._send(
            self._beside(event.data.source.direct_queue_name),
            emit(event),
            MessageGroupId=event.data.source.direct_slot,
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
        self._send(
            self._queue_url,
            emit(event),
            MessageGroupId=event.data.source.slot,
            MessageDeduplicationId=f"{event.id}.{instead_of}",
            MessageAttributes={TRIES: {"DataType": "Number", "StringValue": str(tries)}},
        )

    @cached_property
    def retention(self) -> timedelta:
        """How long the slot's queue keeps a message."""
        with calling("GetQueueAttributes", self._queue_url):
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
        queue_url = self._beside(queue_arn.rpartition(":")[2])
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(place), "ReceiptHandle": handle, "VisibilityTimeout": interval_s}
            for place, handle in enumerate(receipt_handles)
        ]
        try:
            with calling("ChangeMessageVisibilityBatch", queue_url):
                answer = self._sqs.change_message_visibility_batch(
                    QueueUrl=queue_url, Entries=entries
                )
        except (TransientError, CallRefusedError) as error:
            return [str(error)]
        return [f"{entry['Code']} {entry.get('Message')}" for entry in answer.get("Failed", [])]

    def dead_letter(
        self, body: str, *, group_id: str, message_id: str, reason: str, detail: str
    ) -> None:
        """Keep a message as it came, and why it is here.

        Without the why where SQS does not take it with that: attributes count for a message's
        size, and so may make too long what SQS has taken without them.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
        """
        attributes = dead_letter_attributes(
            reason=reason, detail=detail or reason, service="exporter"
        )
        send = partial(
            self._send,
            self._dead_letter_queue_url,
            body,
            MessageGroupId=group_id,
            MessageDeduplicationId=message_id,
        )
        try:
            send(MessageAttributes=attributes)
        except CallRefusedError:
            send()

    def _beside(self, name: str) -> str:
        """Return the URL of a lane's queue: both are of one account and Region."""
        base_url, _, _ = self._queue_url.rpartition("/")
        return f"{base_url}/{name}"

    def _send(self, queue_url: str, body: str, **rest: Any) -> None:
        with calling("SendMessage", queue_url):
            self._sqs.send_message(QueueUrl=queue_url, MessageBody=body, **rest)


class Topic:
    """The topic for events."""

    def __init__(self, sns: "SNSClient", topic_arn: str) -> None:
        """Publish to ``topic_arn``."""
        self._sns = sns
        self._topic_arn = topic_arn

    def publish(self, event: ExportCompleted | ExportFailed | DayCompleted) -> None:
        """Publish an event, with the attributes that filter policies read."""
        message = emit(event)
        with calling("Publish", self._topic_arn):
            self._sns.publish(
                TopicArn=self._topic_arn,
                Message=message,
                MessageAttributes=text_attributes(event.attributes),
            )
