"""S3's events on EventBridge: how they spell keys, and what they say of CloudWatch Logs' writes."""

import json
from typing import Any

from logferry.acceptance.answer import Question
from logferry.acceptance.bench import Bench
from logferry.acceptance.probe import Probe, Seen

KEYS = (
    "events/plain",
    "events/[$LATEST]",
    "events/a b",
    "events/a+b",
    "events/100%25",
    "events/ü",
)
"""One that would be another key if it were decoded, and one that would be if it were encoded."""
REASONS = ("PutObject", "CompleteMultipartUpload")


def _received(bench: Bench, wanted: int, prefix: str) -> list[dict[str, Any]]:
    """Return what the events of a prefix say, once there are so many of them."""
    sqs, url = bench.client("sqs"), bench.resource("Events")
    found: dict[str, dict[str, Any]] = {}

    def look() -> list[dict[str, Any]] | None:
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            found[message["MessageId"]] = detail
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        ours = [each for each in found.values() if each["object"]["key"].startswith(prefix)]
        return ours if len(ours) >= wanted else None

    return bench.until(f"{wanted} events of S3", look)


def _keys(bench: Bench) -> Seen:
    s3, bucket = bench.client("s3"), bench.resource("Bucket")
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    seen = {each["object"]["key"] for each in _received(bench, len(KEYS), "events")}
    other = sorted(seen - set(KEYS))
    details = {str(number): key for number, key in enumerate(other)}
    return ("otherwise" if other else "as they are"), details


def _reason(bench: Bench) -> Seen:
    group = bench.make_group(bench.run.probe_group("reason"))
    bench.put_events(group, "a", [(bench.run.window.from_ms, "one")])
    done = bench.export(group, bench.run.window.from_ms, bench.run.window.to_ms)
    # CloudWatch Logs tries the bucket before, so that there is an event without an object, too.
    of_it = _received(bench, max(1, len(done.keys)), f"exports/{group.strip('/')}/")
    reasons = sorted({str(each.get("reason")) for each in of_it})
    seen = "one of the two" if set(reasons) <= set(REASONS) else "another one"
    return seen, {"reasons": ", ".join(reasons)}


PROBES = (
    Probe(
        Question(
            name="event-keys",
            question="How do S3's events on EventBridge spell keys with [$], spaces, + and %?",
            expected="as they are",
            relies="contracts/src/logferry_contracts/object_created.py",
            means="Such objects are secured by the completion of their export and by the sweep, "
            "not by their event: leave the sweep enabled, and hold at on_completion. Report it.",
        ),
        _keys,
    ),
    Probe(
        Question(
            name="event-reason",
            question="Which reason do the events of CloudWatch Logs' writes have?",
            expected="one of the two",
            relies="contracts/src/logferry_contracts/object_created.py",
            means="Nothing is lost, as the rule lets every reason through. Report it.",
        ),
        _reason,
    ),
)
