#!/usr/bin/env bash
# Powertools: a time that one invocation sets for its metrics is that of all later invocations' metrics
#
# One would guess: `Metrics.set_timestamp` is about the metrics that are being collected, as `add_dimension` and `add_metadata` are: all
# of them begin anew once `log_metrics` has flushed, and a function that is told nothing counts at the time that it is.
#
# aws-lambda-powertools 3.37.0: what is flushed takes dimensions and metadata with it, and leaves the time. An execution environment that has once
# counted for yesterday goes on counting there, until it ends: its alarms see nothing of today. Two weeks later CloudWatch drops what it is given:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
# Neither `flush_metrics` nor `clear_metrics` gives it up; a second `set_timestamp`, of now, does. `single_metric` has a time of its own.
#
# Seen, of invocations of one handler, the second of which sets a time and a dimension:
#   1: now, dimensions service
#   2: a day ago, dimensions service, window
#   3: a day ago, dimensions service
#   4, after clear_metrics: a day ago, dimensions service
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet aws-lambda-powertools==3.37.0

cat > "$folder/seen.py" <<'PYTHON'
"""Invokes a handler that counts, and tells of when and of what its metrics are."""
import contextlib, io, json, time
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

DAY_MS = 86_400_000
metrics = Metrics(namespace="app", service="exporter")

@metrics.log_metrics
def handler(event, _context):
    metrics.add_metric(name="Exports", unit=MetricUnit.Count, value=1)
    if "at_ms" in event:
        metrics.set_timestamp(event["at_ms"])
        metrics.add_dimension(name="window", value="made up for")

def invoke(event):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        handler(event, None)
    told = json.loads(printed.getvalue())["_aws"]
    days = round((time.time() * 1000 - told["Timestamp"]) / DAY_MS)
    (dimensions,) = told["CloudWatchMetrics"][0]["Dimensions"]
    return f"{'a day ago' if days == 1 else 'now'}, dimensions {', '.join(sorted(dimensions))}"

print("1:", invoke({}))
print("2:", invoke({"at_ms": int(time.time() * 1000) - DAY_MS}))
print("3:", invoke({}))
metrics.clear_metrics()
print("4, after clear_metrics:", invoke({}))
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected="1: now, dimensions service
2: a day ago, dimensions service, window
3: a day ago, dimensions service
4, after clear_metrics: a day ago, dimensions service"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
