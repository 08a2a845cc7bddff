"""Puts right what LocalStack gets wrong in S3's "Object Created" event on EventBridge.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

import json
from typing import Any
from urllib.parse import unquote

from localstack.services.s3.notifications import EventBridgeNotifier, S3EventNotificationContext

_payload_of_localstack = EventBridgeNotifier._get_event_payload  # noqa: SLF001  no other way in


def install() -> None:
    """Correct every event before it is sent."""
    EventBridgeNotifier._get_event_payload = staticmethod(payload)  # noqa: SLF001  no other way in


def payload(context: S3EventNotificationContext, config_id: str | None = None) -> dict[str, Any]:
    """LocalStack's entry for PutEvents, with its Detail corrected."""
    entry: dict[str, Any] = _payload_of_localstack(context, config_id)
    occurred_us = int(context.event_time.timestamp() * 1_000_000)
    detail = corrected(json.loads(entry["Detail"]), context.caller, occurred_us)
    return entry | {"Detail": json.dumps(detail)}


def corrected(detail: dict[str, Any], requester: str, occurred_us: int) -> dict[str, Any]:
    """The event's `detail` as AWS sends it.

    `requester` is the id of the account that made the request, `occurred_us` when it did, in
    microseconds since 1970.
    """
    # Keys are URL-encoded in S3's own notifications, not in these.
    s3_object = detail["object"] | {"key": unquote(detail["object"]["key"])}
    if "sequencer" in s3_object:
        # Hexadecimal digits that grow from event to event of a key; LocalStack has one constant.
        s3_object["sequencer"] = f"{occurred_us:018X}"
    changes = {"object": s3_object, "requester": requester}
    if "reason" in detail:
        # Of a multipart upload it is the event's whole type, with colons.
        changes["reason"] = detail["reason"].rpartition(":")[2]
    return detail | changes
