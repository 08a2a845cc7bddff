"""What is sent, and given back: the topic, the dead-letter queue, the queue."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from logferry_contracts.day_sealed import DaySealed
from logferry_contracts.seal_request import SealRequest
from logferry_contracts.wire import emit
from sealer.aws.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

DETAIL_LIMIT_CHARACTERS = 1000
"""Our own: enough for a sentence, and no dead letter outgrows SQS's limit by it."""


class Topic:
    """The topic that other services listen to."""

    def __init__(self, sns: "SNSClient", arn: str) -> None:
        """Publish to the topic ``arn``."""
        self._sns = sns
        self._arn = arn

    def publish(self, event: DaySealed) -> None:
        """Publish an event, with what filter policies need as attributes."""
        with calling("Publish", event.id):
            self._sns.publish(
                TopicArn=self._arn,
                Message=emit(event),
                MessageAttributes=_attributes(event.attributes),
            )


class DeadLetters:
    """The queue for what cannot be dealt with."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        """Send to the queue at ``queue_url``."""
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, body: str, *, reason: str, detail: str) -> None:
        """Send a message's body as it came, with the reason as attributes."""
        # SQS takes no control characters, and an object's key may have some.
        printable = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in detail
        )
        attributes = {
            "reason": reason,
            "detail": printable[:DETAIL_LIMIT_CHARACTERS],
            "service": "sealer",
        }
        with calling("SendMessage", f"a dead letter ({reason})"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                MessageAttributes=_attributes(attributes),
            )


class Queue:
    """The queue that the messages come from, and that each chain's turn is put into."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        """Use the queue at ``queue_url``."""
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, request: SealRequest) -> None:
        """Ask for one chain."""
        with calling("SendMessage", self._queue_url):
            self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=emit(request))

    def give_back(self, receipt_handle: str, pause_s: int) -> None:
        """Let a message be received again after ``pause_s``."""
        with calling("ChangeMessageVisibility", self._queue_url):
            self._sqs.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=pause_s
            )


def _attributes(texts: Mapping[str, str]) -> "dict[str, MessageAttributeValueTypeDef]":
    """Return message attributes as both SNS and SQS take them."""
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
