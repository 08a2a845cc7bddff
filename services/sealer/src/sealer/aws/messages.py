"""What is sent: a request for each chain's turn."""

from typing import TYPE_CHECKING

from logferry_contracts.wire import emit
from logferry_deliveries.calls import calling
from logferry_deliveries.queues import Queue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from logferry_contracts.seal_request import SealRequest


class TurnQueue(Queue):
    """The queue that the messages come from, and that each chain's turn is put into."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        """Use the queue at ``queue_url``."""
        super().__init__(sqs, queue_url)
        self._sqs = sqs
        self._own_url = queue_url

    def send(self, request: "SealRequest") -> None:
        """Ask for one chain."""
        with calling("SendMessage", self._own_url):
            self._sqs.send_message(QueueUrl=self._own_url, MessageBody=emit(request))
