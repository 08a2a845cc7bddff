#!/usr/bin/env bash
# LocalStack: ListObjects ends after a page whose last key has a bracket in it
#
# One would guess: a list goes on until it has every key. `Bucket.objects.all()` of boto3 is such a list, of pages of 1000 keys.
#
# localstack-core 4.14.0 (boto3 1.42.54): boto3 asks for encoded keys, as it always does, and gives the next page's `Marker` as it is.
# LocalStack compares that with keys that it has encoded: "%5B2" sorts before "[1", so that all that is left counts as listed
# already. The answer is an empty page, the last, and no error. ListObjectsV2 is right: its token is encoded as the keys are.
# AWS encodes what it answers, and nothing else: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
#
# Seen, one key on a page:
#   list_objects of jobs-1, jobs-2, jobs-3: jobs-1, jobs-2, jobs-3
#   list_objects of jobs-[1], jobs-[2], jobs-[3]: jobs-[1]
#   list_objects_v2 of jobs-[1], jobs-[2], jobs-[3]: jobs-[1], jobs-[2], jobs-[3]
#   Bucket.objects.all() of jobs-[1], jobs-[2], jobs-[3]: jobs-[1]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'localstack-core[base-runtime]==4.14.0' cbor2==5.8.0 cryptography==46.0.5 pyopenssl==25.3.0

cat > "$folder/seen.py" <<'PYTHON'
"""Puts three objects into a bucket of a LocalStack on this machine, and lists them page by page."""
import contextlib, os, socket, subprocess, sys, time, urllib.request
import boto3

# LocalStack has one folder for the objects of all that run on a machine; this one has its own.
START = ["-c", "import sys; from localstack.services.s3 import provider; from localstack.runtime import main; "
    f"provider.DEFAULT_S3_TMP_DIR = {sys.argv[1] + '/s3'!r}; main.main()"]

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

def listed(s3, operation, bucket):
    pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    return [each["Key"] for page in pages for each in page.get("Contents", [])]

with localstack(sys.argv[1]) as client:
    s3 = client("s3")
    for bucket, keys in (("plain", ["jobs-1", "jobs-2", "jobs-3"]), ("brackets", ["jobs-[1]", "jobs-[2]", "jobs-[3]"])):
        s3.create_bucket(Bucket=bucket)
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
        for operation in ("list_objects",) if bucket == "plain" else ("list_objects", "list_objects_v2"):
            print(f"{operation} of {', '.join(keys)}: {', '.join(listed(s3, operation, bucket))}")
    resource = boto3.resource(
        "s3", region_name="us-east-1", endpoint_url=s3.meta.endpoint_url,
        aws_access_key_id="test", aws_secret_access_key="test",
    )
    all_of_them = [each.key for each in resource.Bucket("brackets").objects.all().page_size(1)]
    print(f"Bucket.objects.all() of {', '.join(keys)}: {', '.join(all_of_them)}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" "$folder")
echo "$found"
expected="list_objects of jobs-1, jobs-2, jobs-3: jobs-1, jobs-2, jobs-3
list_objects of jobs-[1], jobs-[2], jobs-[3]: jobs-[1]
list_objects_v2 of jobs-[1], jobs-[2], jobs-[3]: jobs-[1], jobs-[2], jobs-[3]
Bucket.objects.all() of jobs-[1], jobs-[2], jobs-[3]: jobs-[1]"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
