#!/usr/bin/env bash
# Powertools: the key of S3's event on EventBridge is decoded, though it never was encoded, and names another object
#
# One would guess: `S3EventBridgeNotificationEvent` gives the key of the object that the event is about. S3's own notifications have
# keys URL-encoded: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html. Events on EventBridge have
# them as they are, as one of AWS's solutions found: https://github.com/aws-solutions-library-samples/guidance-for-medialake-on-aws/pull/21
#
# aws-lambda-powertools 3.37.0 decodes both. A plus sign in a key is a space then, and `%25` a percent sign: the object is not found, or
# it is another one. Of S3's own notifications that is right. moto 5.2.5 sends both as AWS does, so that a test shows it as soon as one of
# its keys has such a character. `detail["object"]["key"]` of the raw event is the key.
#
# Seen, of objects put into moto's S3:
#   jobs-1.gz: notification jobs-1.gz, read as jobs-1.gz; EventBridge jobs-1.gz, read as jobs-1.gz
#   c++.gz: notification c%2B%2B.gz, read as c++.gz; EventBridge c++.gz, read as c  .gz
#   50%25.gz: notification 50%2525.gz, read as 50%25.gz; EventBridge 50%25.gz, read as 50%.gz
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet aws-lambda-powertools==3.37.0 'moto[events,s3,sqs]==5.2.5' boto3==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Puts objects into moto's S3, and reads by Powertools the events that come of them, in two ways."""
import json
import boto3
from aws_lambda_powertools.utilities.data_classes import S3EventBridgeNotificationEvent, S3Event
from moto import mock_aws

WAYS = {
    "notification": lambda event: (event["Records"][0]["s3"]["object"]["key"], S3Event(event).object_key),
    "EventBridge": lambda event: (
        event["detail"]["object"]["key"], S3EventBridgeNotificationEvent(event).detail.object.key
    ),
}

client = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
with mock_aws():
    s3, sqs, events = (boto3.client(service, **client) for service in ("s3", "sqs", "events"))
    s3.create_bucket(Bucket="archive")
    urls = {way: sqs.create_queue(QueueName=way)["QueueUrl"] for way in WAYS}
    arns = {way: f"arn:aws:sqs:us-east-1:123456789012:{way}" for way in WAYS}
    events.put_rule(Name="created", EventPattern=json.dumps({"source": ["aws.s3"]}))
    events.put_targets(Rule="created", Targets=[{"Id": "queue", "Arn": arns["EventBridge"]}])
    queue = {"QueueArn": arns["notification"], "Events": ["s3:ObjectCreated:*"]}
    how = {"QueueConfigurations": [queue], "EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket="archive", NotificationConfiguration=how)
    for key in ("jobs-1.gz", "c++.gz", "50%25.gz"):
        s3.put_object(Bucket="archive", Key=key, Body=b"lines")
        told = []
        for way, keys in WAYS.items():
            messages = sqs.receive_message(QueueUrl=urls[way], MaxNumberOfMessages=10)["Messages"]
            for message in messages:
                sqs.delete_message(QueueUrl=urls[way], ReceiptHandle=message["ReceiptHandle"])
            event = json.loads(messages[-1]["Body"])  # before it may be S3's test event
            told.append("{} {}, read as {}".format(way, *keys(event)))
        print(f"{key}: {'; '.join(told)}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected='jobs-1.gz: notification jobs-1.gz, read as jobs-1.gz; EventBridge jobs-1.gz, read as jobs-1.gz
c++.gz: notification c%2B%2B.gz, read as c++.gz; EventBridge c++.gz, read as c  .gz
50%25.gz: notification 50%2525.gz, read as 50%25.gz; EventBridge 50%25.gz, read as 50%.gz'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
