#!/usr/bin/env bash
# AWS CLI 1: AWS_ENDPOINT_URL, for every command but `aws sqs`
#
# One would guess: with AWS_ENDPOINT_URL set, every command asks that endpoint. AWS documents the variable for all services.
#
# awscli 1.46.3 with botocore 1.44.8: `aws sns list-topics` asks the endpoint. `aws sqs list-queues` asks
# eu-west-1.queue.amazonaws.com all the same, over the network, with the credentials at hand: a customization of the
# command gives sqs a host name of its own before the variable is looked at. `--endpoint-url` is kept to. boto3 asks the
# endpoint for both.
#
# Seen:
#   sns: POST /
#   sqs: CONNECT eu-west-1.queue.amazonaws.com:443
#   sqs --endpoint-url: POST /
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet awscli==1.46.3 botocore==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Runs a command beside a server that is its endpoint and its proxy, and prints the first line that was asked."""
import os, socket, subprocess, sys
server = socket.create_server(("127.0.0.1", 0))
address = f"http://127.0.0.1:{server.getsockname()[1]}"
environment = {
    "PATH": os.environ["PATH"], "HOME": sys.argv[1], "AWS_DEFAULT_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "1",
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL": address, "HTTPS_PROXY": address, "NO_PROXY": "127.0.0.1",
}
command = [each.replace("ENDPOINT", address) for each in sys.argv[2:]]
running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
server.settimeout(60)
connection, _ = server.accept()
print(*connection.recv(65536).decode("latin-1").split()[:2])
connection.close()
server.close()
running.wait(60)
PYTHON

seen() { "$folder/venv/bin/python" "$folder/seen.py" "$folder" "$folder/venv/bin/aws" "$@"; }
found="sns: $(seen sns list-topics)
sqs: $(seen sqs list-queues)
sqs --endpoint-url: $(seen sqs list-queues --endpoint-url ENDPOINT)"
echo "$found"
expected="sns: POST /
sqs: CONNECT eu-west-1.queue.amazonaws.com:443
sqs --endpoint-url: POST /"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
