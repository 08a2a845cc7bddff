#!/usr/bin/env bash
# MiniStack: FilterLogEvents has one page, and the rest of the events is never seen
#
# One would guess: an emulator that takes `limit` has a `nextToken` where there are more events than that, as AWS does, "the token to use when
# requesting the next set of items": https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html#API_FilterLogEvents_ResponseElements
#
# ministack 1.5.33: the answer to FilterLogEvents has no token, ever; a paginator takes that for the end, and reads 10,000 events of
# any log group, or as many as its pages have. GetLogEvents and DescribeLogStreams go on. A test that compares what was read with what was
# put passes as long as all of it fits on a page, and code that loses a page's rest is told by no test.
#
# Seen, by botocore's paginators, or by forward tokens:
#   12 events, 5 a page: 5 by FilterLogEvents, 12 by GetLogEvents
#   12 log streams, 5 a page: 12 by DescribeLogStreams
#   10001 events, nothing said of pages: 10000 by FilterLogEvents, 10001 by GetLogEvents
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ministack==1.5.33 botocore==1.43.106

cat > "$folder/seen.py" <<'PYTHON'
"""Puts events into a MiniStack on this machine, and reads them in pages."""
import contextlib, os, socket, subprocess, sys, time, urllib.request
import botocore.session

START = ["-c", "from ministack.app import main; main()"]

@contextlib.contextmanager
def ministack(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    environment = {
        "PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": port,
        "IOT_MTLS_ENABLED": "0",
    }
    with open(f"{folder}/log", "w") as log:
        running = subprocess.Popen([sys.executable, *START], env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 300
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=10).close()
                break
            except OSError:
                if running.poll() is not None or time.monotonic() > until:
                    sys.exit("MiniStack has not started: " + open(f"{folder}/log").read())
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.kill()
        running.wait()

def by_paginator(logs, operation, entries, **asked):
    return sum(len(page[entries]) for page in logs.get_paginator(operation).paginate(**asked))

def by_tokens(logs, **asked):
    count, token = 0, None
    while True:
        page = logs.get_log_events(**asked, startFromHead=True, **({"nextToken": token} if token else {}))
        count += len(page["events"])
        if page["nextForwardToken"] == token:
            return count
        token = page["nextForwardToken"]

with ministack(sys.argv[1]) as url:
    logs = botocore.session.get_session().create_client(
        "logs", region_name="us-east-1", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
    )
    at_ms = int(time.time()) * 1000
    for group, count, page in (("/few", 12, 5), ("/many", 10_001, None)):
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="1")
        events = [{"timestamp": at_ms + number, "message": "hello"} for number in range(count)]
        for begin in range(0, count, 5000):
            logs.put_log_events(logGroupName=group, logStreamName="1", logEvents=events[begin : begin + 5000])
        pages = {"PaginationConfig": {"PageSize": page}} if page else {}
        filtered = by_paginator(logs, "filter_log_events", "events", logGroupName=group, **pages)
        got = by_tokens(logs, logGroupName=group, logStreamName="1", **({"limit": page} if page else {}))
        told = f"{page} a page" if page else "nothing said of pages"
        print(f"{count} events, {told}: {filtered} by FilterLogEvents, {got} by GetLogEvents")
        if page:
            for number in range(2, count + 1):
                logs.create_log_stream(logGroupName=group, logStreamName=str(number))
            found = by_paginator(logs, "describe_log_streams", "logStreams", logGroupName=group, **pages)
            print(f"{count} log streams, {told}: {found} by DescribeLogStreams")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" "$folder")
echo "$found"
expected="12 events, 5 a page: 5 by FilterLogEvents, 12 by GetLogEvents
12 log streams, 5 a page: 12 by DescribeLogStreams
10001 events, nothing said of pages: 10000 by FilterLogEvents, 10001 by GetLogEvents"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
