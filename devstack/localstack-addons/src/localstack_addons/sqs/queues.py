"""What LocalStack's SQS leaves out: a redrive's new messages, and an end to a name's 60 seconds.

A message that StartMessageMoveTask moves is a new one: it has another id, was received by nobody,
and its retention begins anew.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html

A queue's name is free again 60 seconds after the queue was deleted
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html);
LocalStack keeps to that with SQS_DELAY_RECENTLY_DELETED. `DELETE /_devstack/deleted-queues` ends
the wait of all names, or of `?account=111122223333` only, for tests of what comes after it.
"""

import time
from collections.abc import Mapping
from typing import Any

ROUTE = "/_devstack/deleted-queues"
_OF_THE_FORMER_MESSAGE = {"ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"}


def moved(message: Mapping[str, Any], message_id: str, sent_ms: int) -> dict[str, Any]:
    """The message that stands in another queue for `message`, of LocalStack's members."""
    attributes = {
        name: value
        for name, value in message["Attributes"].items()
        if name not in _OF_THE_FORMER_MESSAGE
    }
    attributes["SentTimestamp"] = str(sent_ms)
    return {**message, "MessageId": message_id, "Attributes": attributes}


def queue_of(arn: str) -> Any:
    """LocalStack's own queue of this ARN; None where there is none, or it is no queue's."""
    from localstack.services.sqs.models import sqs_stores  # noqa: PLC0415

    _, _, service, region, account_id, name = (arn.split(":", 5) + [""] * 6)[:6]
    return sqs_stores[account_id][region].queues.get(name) if service == "sqs" else None


def install() -> None:
    """Renew what is moved, and open the route."""
    from localstack.services.edge import ROUTER  # noqa: PLC0415
    from localstack.services.sqs.provider import MessageMoveTaskManager  # noqa: PLC0415

    queue_of = MessageMoveTaskManager._get_queue_by_arn  # noqa: SLF001  no other way in

    def renewing(manager: Any, queue_arn: str) -> Any:
        return _Destination(queue_of(manager, queue_arn))

    MessageMoveTaskManager._get_queue_by_arn = renewing  # noqa: SLF001
    ROUTER.add(ROUTE, _forget_route, methods=["DELETE"])


class _Destination:
    """A queue that a move task may put messages into; all else is the queue's own."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def put(self, message: Mapping[str, Any], **rest: Any) -> Any:
        """Put a message that has been received from another queue."""
        from localstack.services.sqs.utils import generate_message_id  # noqa: PLC0415

        renewed = moved(message, generate_message_id(), int(time.time() * 1000))
        return self._queue.put(message=renewed, **rest)


def _forget_route(request: Any, **_: Any) -> Any:
    from localstack.http import Response  # noqa: PLC0415
    from localstack.services.sqs.models import sqs_stores  # noqa: PLC0415

    count = 0
    account = request.args.get("account")
    for account_id, _region, store in sqs_stores.iter_stores():
        if account not in {None, account_id}:
            continue
        count += len(store.deleted)
        store.deleted.clear()
    return Response.for_json({"names": count})
