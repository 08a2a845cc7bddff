"""What CloudWatch Logs writes: lines, checksums, and what differs by lane."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

from logferry.acceptance.answer import NotYet, Question, Unanswerable
from logferry.acceptance.bench import Bench
from logferry.acceptance.probe import Probe, Seen

MESSAGES = ("plain", "ends in a newline\n", "of two\nlines", "ü \U0001f600")
ADDRESS = "someone@example.com"
EMAIL = "arn:{partition}:dataprotection::aws:data-identifier/EmailAddress"


def _line(at_ms: int, message: str) -> str:
    """Return an event as the direct lane writes it."""
    seconds, milliseconds = divmod(at_ms, 1000)
    return (
        f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z {message}\n"
    )


def _exported(bench: Bench, name: str, events: list[tuple[int, str]]) -> tuple[str, bytes]:
    """Put events into a log group, export them, and return the one object's key and content."""
    group = bench.make_group(bench.run.probe_group(name))
    bench.put_events(group, "a", events)
    done = bench.export(group, bench.run.window.from_ms, bench.run.window.to_ms)
    if not done.keys:
        raise NotYet("the export has no object: log data may take 12 hours to be there for export")
    body = bench.client("s3").get_object(Bucket=bench.resource("Bucket"), Key=done.keys[0])["Body"]
    return done.keys[0], body.read()


def _lines(bench: Bench) -> Seen:
    start_ms = bench.run.window.from_ms
    events = [(start_ms + n, message) for n, message in enumerate(MESSAGES)]
    _, content = _exported(bench, "lines", events)
    text = gzip.decompress(content).decode()
    if text == "".join(_line(*event) for event in events):
        return "the same lines", {}
    return "other lines", {"text": json.dumps(text, ensure_ascii=False)}


def _checksum(bench: Bench) -> Seen:
    key, _ = _exported(bench, "checksum", [(bench.run.window.from_ms, "one")])
    head = bench.client("s3").head_object(
        Bucket=bench.resource("Bucket"), Key=key, ChecksumMode="ENABLED"
    )
    names = sorted(
        name
        for name in head
        if name.startswith("Checksum") and name != "ChecksumType" and "-" not in str(head[name])
    )
    seen = "one of the whole object" if names else "none of the whole object"
    return seen, {"checksums": ", ".join(names), "type": str(head.get("ChecksumType", ""))}


def _masked(bench: Bench) -> Seen:
    group = bench.make_group(bench.run.probe_group("masked"))
    logs = bench.client("logs")
    logs.put_data_protection_policy(
        logGroupIdentifier=group,
        policyDocument=json.dumps(_policy(bench.run.config.partition)),
    )
    at_ms = bench.run.window.from_ms
    bench.put_events(group, "a", [(at_ms, f"mail to {ADDRESS}")])

    def read() -> str | None:
        found: list[dict[str, Any]] = logs.filter_log_events(
            logGroupName=group, startTime=at_ms, endTime=at_ms
        )["events"]
        return found[0]["message"] if found else None

    if ADDRESS in bench.until("the event by FilterLogEvents", read):
        raise Unanswerable("FilterLogEvents shows what the policy masks: nothing is masked here")
    done = bench.export(group, at_ms, at_ms + 1)
    if not done.keys:
        raise NotYet("the export has no object: log data may take 12 hours to be there for export")
    body = bench.client("s3").get_object(Bucket=bench.resource("Bucket"), Key=done.keys[0])["Body"]
    has_it = ADDRESS in gzip.decompress(body.read()).decode()
    return ("masked by the direct lane alone" if has_it else "masked in both lanes"), {}


def _policy(partition: str) -> dict[str, Any]:
    identifier = [EMAIL.format(partition=partition)]
    return {
        "Name": "acceptance",
        "Version": "2021-06-01",
        "Statement": [
            {
                "Sid": "audit",
                "DataIdentifier": identifier,
                "Operation": {"Audit": {"FindingsDestination": {}}},
            },
            {
                "Sid": "mask",
                "DataIdentifier": identifier,
                "Operation": {"Deidentify": {"MaskConfig": {}}},
            },
        ],
    }


PROBES = (
    Probe(
        Question(
            name="written-lines",
            question="How does an export task write a message, such as one that ends in a newline?",
            expected="the same lines",
            relies="services/exporter/src/exporter/direct.py",
            means="The two lanes write the same event differently; readers have to take both. The "
            "details have the text: report it.",
        ),
        _lines,
    ),
    Probe(
        Question(
            name="written-checksum",
            question="Which checksum do objects have that an export task has written?",
            expected="one of the whole object",
            relies="services/sse-enforcer/src/sse_enforcer/verdict.py",
            means="Where such an object cannot be encrypted in place, its copy cannot be proved to "
            "be the same, and both stay. Nothing is lost; report it.",
        ),
        _checksum,
    ),
    Probe(
        Question(
            name="written-masked",
            question="Is data that a data protection policy masks masked in both lanes?",
            expected="masked in both lanes",
            relies="services/exporter/src/exporter/direct_lane.py",
            means="What is masked depends on how much a log group writes: set "
            "direct_lane.planned_bytes to 0, so that everything goes by the slot.",
        ),
        _masked,
    ),
)
