#!/usr/bin/env bash
# botocore: a client of AWS Organizations changes what the session's later clients try again
#
# One would guess: what a client tries again is for its service, its configuration and nothing else to say.
#
# botocore 1.44.8, retry mode "legacy": its rules are read once for a session, from one file, with rules of its own for some
# services. Those of Organizations have the name of a common rule, HTTP status 429, and are merged into that very rule, which all
# services share. A client that is made after one of Organizations, by the same session, gives up at its first 429; one that was
# made before it does not. The modes "standard" and "adaptive" have no such file.
#
# Seen, attempts of Lambda's ListFunctions that is answered with 429:
#   alone: 5
#   after sqs: 5
#   after organizations: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet botocore==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Counts what a client of Lambda sends before it gives up; nothing leaves the process."""
import time
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

time.sleep = lambda _seconds: None
HEADERS = {"x-amzn-errortype": "TooManyRequestsException", "content-type": "application/json"}

class Body:
    def stream(self, **_):
        yield b'{"message": "Rate exceeded"}'

def attempts(before):
    session = botocore.session.Session()
    session.set_credentials("any", "any")
    made = {"region_name": "us-east-1", "config": Config(retries={"mode": "legacy"})}
    for service in before:
        session.create_client(service, **made)
    client, sent = session.create_client("lambda", **made), []

    def answer(request, **_):
        sent.append(request)
        return AWSResponse(request.url, 429, HEADERS, Body())

    client.meta.events.register("before-send.lambda", answer)
    try:
        client.list_functions()
    except ClientError:
        return len(sent)

for before in ([], ["sqs"], ["organizations"]):
    print(f"{'after ' + before[0] if before else 'alone'}: {attempts(before)}")
PYTHON

cat > "$folder/expected" <<'TEXT'
alone: 5
after sqs: 5
after organizations: 1
TEXT
"$folder/venv/bin/python" "$folder/seen.py" > "$folder/seen"
diff "$folder/expected" "$folder/seen"
