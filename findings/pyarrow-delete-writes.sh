#!/usr/bin/env bash
# PyArrow: deleting an object of S3 puts another one
#
# One would guess: `S3FileSystem.delete_file` deletes an object, and a bucket has one object less. S3 has no folders that could be lost with
# their last file.
#
# pyarrow 26.0.1: after the DELETE it puts an empty object of the folder's name, `day/`, where there is none, though other objects are
# in the folder. So does `move`. Where the bucket tells of new objects, somebody is told of one; where it has Object Lock with a default
# retention, what was put there by deleting cannot be removed for years; and who may delete and not put is told of an error, once the
# object is gone. That it be left to the caller is asked for since 2023: https://github.com/apache/arrow/issues/36275
#
# Seen, of moto 5.2.5's S3, with a queue that is told of new objects:
#   there: day/1.gz day/2.gz other/1.gz
#   delete_file day/1.gz: day/ day/2.gz other/1.gz; told of ObjectCreated:Put day/
#   move other/1.gz to day/1.gz: day/ day/1.gz day/2.gz other/; told of ObjectCreated:Copy day/1.gz, ObjectCreated:Put other/
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1 'moto[s3,server,sqs]==5.2.5' boto3==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Deletes and moves objects of a server of moto's on this machine, and tells what is there then."""
import json
from urllib.parse import unquote
import boto3
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
address = "{}:{}".format(*server.get_host_and_port())
client = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
s3, sqs = (boto3.client(service, endpoint_url=f"http://{address}", **client) for service in ("s3", "sqs"))
s3.create_bucket(Bucket="archive")
for key in ("day/1.gz", "day/2.gz", "other/1.gz"):
    s3.put_object(Bucket="archive", Key=key, Body=b"lines")
url = sqs.create_queue(QueueName="created")["QueueUrl"]
queue = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:created", "Events": ["s3:ObjectCreated:*"]}
s3.put_bucket_notification_configuration(
    Bucket="archive", NotificationConfiguration={"QueueConfigurations": [queue]}
)

def there():
    return " ".join(each["Key"] for each in s3.list_objects_v2(Bucket="archive")["Contents"])

def told():
    events = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            for record in json.loads(message["Body"]).get("Records", []):  # S3's test event has none
                events.append(f"{record['eventName']} {unquote(record['s3']['object']['key'])}")
    return ", ".join(sorted(events))

print("there:", there())
assert told() == ""
files = S3FileSystem(
    access_key="none", secret_key="none", region="us-east-1", endpoint_override=address, scheme="http"
)
files.delete_file("archive/day/1.gz")
print(f"delete_file day/1.gz: {there()}; told of {told()}")
files.move("archive/other/1.gz", "archive/day/1.gz")
print(f"move other/1.gz to day/1.gz: {there()}; told of {told()}")
server.stop()
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" 2> "$folder/errors") || { cat "$folder/errors" >&2; exit 1; }
echo "$found"
expected="there: day/1.gz day/2.gz other/1.gz
delete_file day/1.gz: day/ day/2.gz other/1.gz; told of ObjectCreated:Put day/
move other/1.gz to day/1.gz: day/ day/1.gz day/2.gz other/; told of ObjectCreated:Copy day/1.gz, ObjectCreated:Put other/"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
