"""How CloudWatch Logs cuts a large stream into objects."""

import gzip
import secrets
from itertools import batched

from logferry.acceptance.answer import NotAsked, NotYet, Question
from logferry.acceptance.bench import Bench
from logferry.acceptance.probe import Probe, Seen

MB = 1_000_000
MESSAGE_BYTES = 50_000
EVENTS_PER_CALL = 20
"""PutLogEvents takes 1,048,576 bytes, 26 of them for each event.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""


def _fill(bench: Bench, group: str) -> None:
    """Put so much into one stream as the run was told to, unless it is there."""
    logs, start_ms = bench.client("logs"), bench.run.window.from_ms
    if logs.describe_log_streams(logGroupName=group)["logStreams"]:
        return
    logs.create_log_stream(logGroupName=group, logStreamName="large")
    for numbers in batched(
        range(bench.run.parts_mb * MB // MESSAGE_BYTES), EVENTS_PER_CALL, strict=False
    ):
        events = [
            # Random digits take half as much in the archive, as logs take a tenth.
            {"timestamp": start_ms + n, "message": secrets.token_hex(MESSAGE_BYTES // 2)}
            for n in numbers
        ]
        logs.put_log_events(logGroupName=group, logStreamName="large", logEvents=events)


def _parts(bench: Bench) -> Seen:
    mb = bench.run.parts_mb
    if not mb:
        raise NotAsked("it needs more data than the rest: --parts-mb 300 puts that in, at $0.60/GB")
    group = bench.make_group(bench.run.probe_group(f"parts-{mb}"))
    _fill(bench, group)
    done = bench.export(group, bench.run.window.from_ms, bench.run.window.to_ms)
    keys = sorted(done.keys)
    if [key.rpartition("/")[2] for key in keys] != [f"{n:06d}.gz" for n in range(len(keys))]:
        return "otherwise", {str(n): key.rpartition("/")[2] for n, key in enumerate(keys)}
    details, found = {}, 0
    for key in keys:
        body = bench.client("s3").get_object(Bucket=bench.resource("Bucket"), Key=key)["Body"]
        content = body.read()
        lines = gzip.decompress(content)
        found += lines.count(b"\n")
        details[key.rpartition("/")[2]] = f"{len(content):,} bytes, {len(lines):,} before gzip"
    if found < mb * MB // MESSAGE_BYTES:
        raise NotYet("the export lacks events: log data may take 12 hours to be there for export")
    if len(keys) == 1:
        raise NotYet(f"one object holds all {mb} MB: ask again with a larger --parts-mb")
    return "numbered from 000000.gz on", details


PROBES = (
    Probe(
        Question(
            name="written-parts",
            question="What are a stream's objects called where there is more than one?",
            expected="numbered from 000000.gz on",
            relies="services/exporter/src/exporter/direct.py",
            means="Readers of the archive meet other names than those of the direct lane; nothing "
            "is lost, as manifests name every object. Report it.",
        ),
        _parts,
    ),
)
