"""A mapping asks its queue for messages only where there are some.

LocalStack's pollers call ReceiveMessage over HTTP several times a second for each mapping, which
takes most of the time of an emulator that waits. What is said here of a queue is what that call
would find: LocalStack puts messages back into their queues once a second, by itself.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from localstack_addons.sqs.queues import queue_of


def has_none(queue: Any) -> bool:
    """Whether a queue that exists has no message to be received now."""
    return queue is not None and queue.approximate_number_of_messages == 0


def install() -> None:
    """Look before each poll."""
    from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import (  # noqa: PLC0415
        SqsPoller,
    )

    SqsPoller.poll_events = _where_there_are_some(SqsPoller.poll_events)


def _where_there_are_some(poll_events: Callable[[Any], None]) -> Callable[[Any], None]:
    from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import (  # noqa: PLC0415
        EmptyPollResultsException,
    )

    @wraps(poll_events)
    def poll(poller: Any) -> None:
        if has_none(queue_of(poller.source_arn)):
            raise EmptyPollResultsException(service="sqs", source_arn=poller.source_arn)
        poll_events(poller)

    return poll
