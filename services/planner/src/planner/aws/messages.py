"""What the planner tells others, and itself: the topic, its dead letters, the rest of a plan."""

from typing import TYPE_CHECKING

from logferry_contracts.message_attributes import dead_letter_attributes, text_attributes
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.plan_continued import PlanContinued
from logferry_contracts.wire import emit
from planner.aws.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


class Topic:
    """The topic for events."""

    def __init__(self, sns: "SNSClient", topic_arn: str) -> None:
        """Publish to ``topic_arn``."""
        self._sns = sns
        self._topic_arn = topic_arn

    def publish(self, event: PlanCompleted) -> None:
        """Publish an event, with the attributes that filter policies read."""
        message, attributes = emit(event), text_attributes(event.attributes)
        with calling("Publish", self._topic_arn):
            self._sns.publish(
                TopicArn=self._topic_arn, Message=message, MessageAttributes=attributes
            )


class DeadLetters:
    """The queue of what the planner was asked and cannot do."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        """Send to ``queue_url``, a standard queue."""
        self._sqs = sqs
        self._queue_url = queue_url

    def put(self, body: str, *, reason: str, detail: str) -> None:
        """Keep a request as it came, and why it is here."""
        attributes = dead_letter_attributes(reason=reason, detail=detail, service="planner")
        with calling("SendMessage", self._queue_url):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                MessageAttributes=attributes,
            )


class Continuations:
    """The planner's own function, which goes on with plans that need more than one invocation."""

    def __init__(self, functions: "LambdaClient") -> None:
        """Use ``functions`` for every call."""
        self._functions = functions

    def send(self, function_arn: str, event: PlanContinued) -> None:
        """Have a plan gone on with; Lambda keeps the event until then."""
        payload = emit(event).encode()
        with calling("Invoke", function_arn):
            self._functions.invoke(
                FunctionName=function_arn, InvocationType="Event", Payload=payload
            )
