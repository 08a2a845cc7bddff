#!/usr/bin/env bash
# botocore: a client of the standard mode tries nothing again after nine calls that met a 503
#
# One would guess: `retries={"mode": "standard", "total_max_attempts": 5}` gives each call five attempts. A service that was
# out for a while is asked as before once it is back.
#
# botocore 1.44.8: each retry takes 14 of a client's 500 tokens, and a call that succeeds at once gives back 1. Once they are
# used up, calls fail at the first 503, whatever becomes of the service: fourteen good calls buy one more attempt. The `legacy`
# mode has no budget. A client that lives as long as a server, or a Lambda environment, meets nine such calls some day.
#
# Seen:
#   standard, 503: 5 5 5 5 5 5 5 5 4 1 1 1
#   standard, 503 again after ten calls that went well: 2
#   legacy, 503: 5 5 5 5 5 5 5 5 5 5 5 5
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet botocore==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Counts how often a server on this machine is asked by each of some calls, all of one client."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import botocore.endpoint, botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

class Handler(BaseHTTPRequestHandler):
    asked, status = 0, 503
    def do_HEAD(self):
        Handler.asked += 1
        self.send_response(Handler.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

class NoWaits:
    """The pauses between attempts are not what this is about."""
    @staticmethod
    def sleep(_):
        pass

def attempts(client):
    before = Handler.asked
    try:
        client.head_bucket(Bucket="bucket")
    except ClientError:
        pass
    return Handler.asked - before

botocore.endpoint.time = NoWaits
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for mode in ("standard", "legacy"):
    client = botocore.session.get_session().create_client(
        "s3", region_name="eu-west-1", endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"mode": mode, "total_max_attempts": 5}, proxies={}),
    )
    Handler.status = 503
    print(f"{mode}, 503:", *(attempts(client) for _ in range(12)))
    if mode == "standard":
        Handler.status = 200
        assert [attempts(client) for _ in range(10)] == [1] * 10
        Handler.status = 503
        print(f"{mode}, 503 again after ten calls that went well:", attempts(client))
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected="standard, 503: 5 5 5 5 5 5 5 5 4 1 1 1
standard, 503 again after ten calls that went well: 2
legacy, 503: 5 5 5 5 5 5 5 5 5 5 5 5"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
