"""What keeps a hub from coming to rest, or from being whole: to be read when a run fails."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

from devstack import archive
from devstack.suite import REGION, Suite
from logferry_contracts.wire import emit

LAST_LINES = 15
LONGEST_LINE = 600
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SHOWN = ("ApproximateReceiveCount", "MessageGroupId", "SentTimestamp")


def described(suite: Suite, queue_names: Sequence[str], function_names: Sequence[str]) -> str:
    """Return what queues hold and what functions said last, to be read when a run fails."""
    queues = [line for name in queue_names for line in _of_queue(suite, name)]
    functions = [line for name in function_names for line in _of_function(suite, name)]
    return "\n".join([*queues, *functions])


def strays(suite: Suite) -> str:
    """Return what is in the archive that no manifest names, with all records of its log group."""
    ledger = suite.ledger()
    named = {
        (each.key, each.version_id)
        for record in ledger
        if record.completed is not None
        for each in record.completed.manifest.objects or []
    }
    versions = archive.read(suite.client("s3"), suite.archive_bucket)
    lines = []
    for each in versions:
        if (each.key, each.version_id) not in named or not each.legal_hold:
            records = [r for r in ledger if each.key.startswith(f"{r.destination.prefix}/")]
            lines += [str(each), *(f"  {emit(record)}" for record in records)]
    return "\n".join(lines)


def _of_queue(suite: Suite, name: str) -> Iterator[str]:
    counts = suite.client("sqs").get_queue_attributes(
        QueueUrl=suite.queue_url(name), AttributeNames=["All"]
    )["Attributes"]
    kinds = ("", "NotVisible", "Delayed")
    told = [f"{counts[f'ApproximateNumberOfMessages{kind}']} {kind or 'Visible'}" for kind in kinds]
    yield f"{name}: {', '.join(told)}"
    for message in _messages(suite, name):
        attributes = {key: value for key, value in message["Attributes"].items() if key in SHOWN}
        yield f"  {attributes} {message['Body'][:LONGEST_LINE]}"


def _messages(suite: Suite, name: str) -> list[dict[str, Any]]:
    """Return all messages of a queue, also those that somebody works on, and take none.

    https://docs.localstack.cloud/aws/services/sqs/
    """
    where = f"{suite.endpoint}/_aws/sqs/messages/{REGION}/{suite.hub_account_id}/{name}"
    request = urllib.request.Request(  # noqa: S310  (loopback http)
        f"{where}?ShowInvisible=true&ShowDelayed=true", headers={"Accept": "application/json"}
    )
    with _DIRECT.open(request, timeout=60) as answer:
        found = json.load(answer)["ReceiveMessageResponse"]["ReceiveMessageResult"] or {}
    messages = found.get("Message", [])
    return [
        {
            "Body": message["Body"],
            "Attributes": {each["Name"]: each["Value"] for each in message.get("Attribute", [])},
        }
        for message in (messages if isinstance(messages, list) else [messages])
    ]


def _of_function(suite: Suite, name: str) -> Iterator[str]:
    yield f"{name} said last:"
    pages = (
        suite.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=f"/aws/lambda/{name}")
    )
    lines = [line for page in pages for each in page["events"] for line in _lines(each)]
    yield from (f"  {line[:LONGEST_LINE]}" for line in lines[-LAST_LINES:])


def _lines(event: dict[str, Any]) -> list[str]:
    return [line for line in event["message"].splitlines() if "CloudWatchMetrics" not in line]
