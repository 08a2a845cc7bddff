#!/usr/bin/env bash
# moto: an export task of CloudWatch Logs writes local time as UTC, no milliseconds, and into a folder that is not the task's
#
# One would guess: an emulator's CreateExportTask leaves what AWS's does, a folder named after the task's id and one line for each event,
# which begins with the event's time in UTC, to the millisecond:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasksConsole.html
#
# moto 5.2.5: each line has the time in the machine's own time zone, with a Z behind it, and .000 for every event's milliseconds. The folder
# is a random id of its own, another one for each log stream. A test that compares what was exported with what was put passes on a
# machine in UTC, with events at whole seconds; a tool that lists the task's folder finds nothing at all.
#
# Seen, of an event 123 ms after a full second:
#   TZ=UTC: the line's time is -0.123 s off
#   TZ=Asia/Tokyo: the line's time is +32399.877 s off
#   folders of two log streams: 2, the task's own among them: no
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'moto[logs,s3]==5.2.5' boto3==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Exports a log group of two streams in moto, and tells what it finds in the bucket."""
import gzip, os, time
from datetime import datetime
import boto3
from moto import mock_aws

AT_MS = int(time.time()) * 1000 - 3_600_000 + 123
client = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
with mock_aws():
    logs, s3 = boto3.client("logs", **client), boto3.client("s3", **client)
    s3.create_bucket(Bucket="archive")
    logs.create_log_group(logGroupName="/app")
    event = {"timestamp": AT_MS, "message": "hello"}
    for stream in ("first", "second"):
        logs.create_log_stream(logGroupName="/app", logStreamName=stream)
        logs.put_log_events(logGroupName="/app", logStreamName=stream, logEvents=[event])
    asked = {"logGroupName": "/app", "fromTime": AT_MS - 1000, "to": AT_MS + 1000}
    task = logs.create_export_task(destination="archive", destinationPrefix="logs", **asked)["taskId"]
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="archive", Prefix="logs/")["Contents"]]
    line = gzip.decompress(s3.get_object(Bucket="archive", Key=keys[0])["Body"].read()).decode()
off_s = datetime.fromisoformat(line.split()[0]).timestamp() - AT_MS / 1000
print(f"TZ={os.environ['TZ']}: the line's time is {off_s:+.3f} s off")
folders = {key.split("/")[1] for key in keys}
if os.environ["TZ"] != "UTC":
    print(f"folders of two log streams: {len(folders)}, the task's own among them: {'yes' if task in folders else 'no'}")
PYTHON

found=$(for zone in UTC Asia/Tokyo; do TZ=$zone "$folder/venv/bin/python" "$folder/seen.py"; done)
echo "$found"
expected="TZ=UTC: the line's time is -0.123 s off
TZ=Asia/Tokyo: the line's time is +32399.877 s off
folders of two log streams: 2, the task's own among them: no"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
