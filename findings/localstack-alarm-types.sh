#!/usr/bin/env bash
# LocalStack: DescribeAlarms returns composite alarms to whoever has not asked for them, which AWS does not
#
# One would guess: an emulator leaves composite alarms out where `AlarmTypes` is not given, as AWS does: "only metric alarms are
# returned": https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
#
# localstack-core 4.14.0 (boto3 1.42.54) does not look at `AlarmTypes` at all: every answer has both kinds. A check that asks for its
# composite alarm by name and forgets the parameter passes here, and finds no such alarm on AWS, whatever its state.
#
# Seen, of a metric alarm "queue" and a composite alarm "page":
#   nothing asked: queue, page
#   AlarmNames=page: page
#   AlarmTypes=MetricAlarm: queue, page
#   AlarmTypes=CompositeAlarm: queue, page
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'localstack-core[base-runtime]==4.14.0' cbor2==5.8.0 cryptography==46.0.5 pyopenssl==25.3.0

cat > "$folder/seen.py" <<'PYTHON'
"""Asks a LocalStack on this machine for two alarms, in four ways."""
import contextlib, os, socket, subprocess, sys, time, urllib.request
import boto3

START = ["-m", "localstack.runtime.main"]

@contextlib.contextmanager
def localstack(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    environment = {
        "PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "FILESYSTEM_ROOT": f"{folder}/root", "OVERRIDE_IN_DOCKER": "0",
        "GATEWAY_SERVER": "hypercorn", "GATEWAY_LISTEN": address, "LOCALSTACK_HOST": address, "DNS_ADDRESS": "0",
        "SKIP_SSL_CERT_DOWNLOAD": "1", "DISABLE_EVENTS": "1", "AWS_EC2_METADATA_DISABLED": "true",
    }
    with open(f"{folder}/log", "w") as log:
        running = subprocess.Popen([sys.executable, *START], env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 300
        while True:
            try:
                urllib.request.urlopen(f"http://{address}/_localstack/health", timeout=10).close()
                break
            except OSError:
                if running.poll() is not None or time.monotonic() > until:
                    sys.exit("LocalStack has not started: " + open(f"{folder}/log").read())
                time.sleep(0.5)
        yield lambda service: boto3.client(
            service, region_name="us-east-1", endpoint_url=f"http://{address}",
            aws_access_key_id="test", aws_secret_access_key="test",
        )
    finally:
        running.kill()
        running.wait()

QUEUE = {
    "Namespace": "app", "MetricName": "depth", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
}
with localstack(sys.argv[1]) as client:
    alarms = client("cloudwatch")
    alarms.put_metric_alarm(AlarmName="queue", **QUEUE)
    alarms.put_composite_alarm(AlarmName="page", AlarmRule="ALARM(queue)")
    for asked in ({}, {"AlarmNames": ["page"]}, {"AlarmTypes": ["MetricAlarm"]}, {"AlarmTypes": ["CompositeAlarm"]}):
        answer = alarms.describe_alarms(**asked)
        names = [each["AlarmName"] for kind in ("MetricAlarms", "CompositeAlarms") for each in answer.get(kind, [])]
        how = "".join(f"{name}={value[0]}" for name, value in asked.items()) or "nothing asked"
        print(f"{how}: {', '.join(names)}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" "$folder")
echo "$found"
expected="nothing asked: queue, page
AlarmNames=page: page
AlarmTypes=MetricAlarm: queue, page
AlarmTypes=CompositeAlarm: queue, page"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
