"""S3's events on EventBridge. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

pytestmark = pytest.mark.localstack

KEY = "logs/web [$LATEST]+ü%20.gz"


@pytest.fixture
def events_of(aws: Callable[..., Any], queue, wait_for) -> Callable[..., list[Any]]:
    """Does something to a new bucket, and returns the events that came of it, oldest first."""

    def events_of(act: Callable[[str], None], expected: int) -> list[Any]:
        bucket, target = f"test-{uuid4().hex}", queue()
        aws("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        aws("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"]}
        aws("events").put_rule(Name="test", EventPattern=json.dumps(pattern))
        aws("events").put_targets(Rule="test", Targets=[{"Id": "queue", "Arn": target.arn}])
        act(bucket)
        found: list[Any] = []

        def enough() -> bool:
            found.extend(json.loads(body) for body in target.take_bodies())
            return len(found) >= expected

        wait_for(enough)
        return sorted(found, key=lambda event: event["detail"]["object"]["sequencer"])

    return events_of


def test_the_event_has_the_key_as_it_is_the_requester_and_the_time(
    aws: Callable[..., Any], account: str, events_of
):
    began = datetime.now(UTC).replace(microsecond=0)
    [event] = events_of(lambda bucket: aws("s3").put_object(Bucket=bucket, Key=KEY), 1)
    detail = event["detail"]
    assert detail["object"]["key"] == KEY
    assert (detail["reason"], detail["requester"]) == ("PutObject", account)
    assert began <= datetime.fromisoformat(event["time"]) <= began + timedelta(minutes=1)


def test_the_sequencer_grows_and_the_reason_is_the_operation(aws: Callable[..., Any], events_of):
    s3 = aws("s3")

    def act(bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="a")
        s3.copy_object(
            Bucket=bucket, Key="a", CopySource=f"{bucket}/a", MetadataDirective="REPLACE"
        )
        upload = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
        part = {"Bucket": bucket, "Key": "a", "UploadId": upload}
        etag = s3.upload_part(**part, PartNumber=1, Body=b"x")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        s3.complete_multipart_upload(**part, MultipartUpload=parts)

    reasons = [event["detail"]["reason"] for event in events_of(act, 3)]
    assert reasons == ["PutObject", "CopyObject", "CompleteMultipartUpload"]
