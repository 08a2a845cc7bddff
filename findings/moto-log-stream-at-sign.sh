#!/usr/bin/env bash
# moto: lists of CloudWatch Logs end after the page whose last log stream has an at sign in its name
#
# One would guess: paging goes on until there is nothing left, whatever log streams are named. AWS keeps only `:` and `*` out of
# their names: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html
#
# moto 5.2.5: the token of the next page is log group, log stream and event, with `@` between them. Where the stream's own name has one,
# moto cannot take its token apart again, and answers it with an empty page, the last: no error, and the rest is never seen.
# FilterLogEvents and DescribeLogStreams are alike in this. A test that compares what was read with what was put fails, or
# passes, by how many events fit onto a page.
#
# Seen, one on a page:
#   api-1, api-2, api-3: 3 of 3 events by FilterLogEvents, 3 of 3 streams by DescribeLogStreams
#   api@1, api@2, api@3: 1 of 3 events by FilterLogEvents, 1 of 3 streams by DescribeLogStreams
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'moto[logs]==5.2.5' boto3==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Puts an event into each of some log streams of moto, and reads all of them page by page."""
import time
import boto3
from moto import mock_aws

AT_MS = int(time.time()) * 1000
ONE_ON_A_PAGE = {"logGroupName": "/app", "PaginationConfig": {"PageSize": 1}}

def listed(logs, operation, entries):
    return sum(len(page[entries]) for page in logs.get_paginator(operation).paginate(**ONE_ON_A_PAGE))

for streams in (["api-1", "api-2", "api-3"], ["api@1", "api@2", "api@3"]):
    with mock_aws():
        logs = boto3.client(
            "logs", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )
        logs.create_log_group(logGroupName="/app")
        for number, stream in enumerate(streams):
            logs.create_log_stream(logGroupName="/app", logStreamName=stream)
            event = {"timestamp": AT_MS + number, "message": "hello"}
            logs.put_log_events(logGroupName="/app", logStreamName=stream, logEvents=[event])
        events = listed(logs, "filter_log_events", "events")
        found = listed(logs, "describe_log_streams", "logStreams")
    print(f"{', '.join(streams)}: {events} of 3 events by FilterLogEvents, {found} of 3 streams by DescribeLogStreams")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected="api-1, api-2, api-3: 3 of 3 events by FilterLogEvents, 3 of 3 streams by DescribeLogStreams
api@1, api@2, api@3: 1 of 3 events by FilterLogEvents, 1 of 3 streams by DescribeLogStreams"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
