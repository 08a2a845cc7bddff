"""What is sent, and given back: the topic, the dead-letter queue, the queue."""

from typing import TYPE_CHECKING

from logferry_contracts.message_attributes import dead_letter_attributes, text_attributes
from logferry_contracts.wire import emit
from logferry_deliveries.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

    from logferry_contracts.day_sealed import DaySealed
    from logferry_contracts.export_failed import ExportFailed
    from logferry_contracts.object_secured import ObjectSecured


class Topic:
    """The topic that other services listen to."""

    def __init__(self, sns: "SNSClient", arn: str) -> None:
        """Publish to the topic ``arn``."""
        self._sns = sns
        self._arn = arn

    def publish(self, event: "DaySealed | ExportFailed | ObjectSecured") -> None:
        """Publish an event, with what filter policies need as attributes."""
        with calling("Publish", event.id):
            self._sns.publish(
                TopicArn=self._arn,
                Message=emit(event),
                MessageAttributes=text_attributes(event.attributes),
            )


class DeadLetters:
    """The queue for what cannot be dealt with."""

    def __init__(self, sqs: "SQSClient", queue_url: str, service: str) -> None:
        """Send to the queue at ``queue_url`` what ``service`` gives up."""
        self._sqs = sqs
        self._queue_url = queue_url
        self._service = service

    def send(self, body: str, *, reason: str, detail: str) -> None:
        """Send a message's body as it came, with the reason as attributes."""
        attributes = dead_letter_attributes(reason=reason, detail=detail, service=self._service)
        with calling("SendMessage", f"a dead letter ({reason})"):
            self._sqs.send_message(
                QueueUrl=self._queue_url, MessageBody=body, MessageAttributes=attributes
            )


class Queue:
    """The queue that the messages come from."""

    def __init__(self, sqs: "SQSClient", queue_url: str | None) -> None:
        """Give messages back to the queue at ``queue_url``; None: in its own time."""
        self._sqs = sqs
        self._queue_url = queue_url

    def give_back(self, receipt_handle: str, pause_s: int) -> None:
        """Let a message be received again after ``pause_s``."""
        if self._queue_url is None:
            return
        with calling("ChangeMessageVisibility", self._queue_url):
            self._sqs.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=pause_s
            )
