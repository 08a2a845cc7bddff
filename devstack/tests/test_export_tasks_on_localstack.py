import gzip
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.localstack

REGION = "eu-west-1"
ARCHIVE_ACCOUNT = "999999999999"
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
NOT_GRANTED = (
    "Please check if CloudWatch Logs has been granted permission to perform this operation."
)


class Collection:
    """A log group of the test's own account and an archive bucket of another one."""

    def __init__(self, endpoint: str, account: str, aws: Callable[..., Any]) -> None:
        self.endpoint = endpoint
        self.account = account
        self.logs = aws("logs")
        self.s3 = aws("s3", account=ARCHIVE_ACCOUNT)
        self.group = "/app/web"
        self.bucket = self.new_bucket()
        self.set_policy(self.bucket, account)
        self.logs.create_log_group(logGroupName=self.group)
        self.now_ms = time.time_ns() // 1_000_000

    def new_bucket(self, **parameters: Any) -> str:
        name = f"archive-{uuid.uuid4().hex}"
        where = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=where, **parameters)
        return name

    def set_policy(self, bucket: str, *source_accounts: str) -> None:
        """The three-part policy of the AWS guide, without the part for the caller's role."""
        principal = {"Service": f"logs.{REGION}.amazonaws.com"}
        source = {"aws:SourceAccount": source_accounts}
        acl = {"s3:x-amz-acl": "bucket-owner-full-control"}
        statements = [
            ("s3:GetBucketAcl", f"arn:aws:s3:::{bucket}", source),
            ("s3:PutObject", f"arn:aws:s3:::{bucket}/*", source | acl),
        ]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": principal,
                    "Action": action,
                    "Resource": resource,
                    "Condition": {"StringEquals": condition},
                }
                for action, resource, condition in statements
            ],
        }
        self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    def put(self, stream: str, *messages: str) -> None:
        self.logs.create_log_stream(logGroupName=self.group, logStreamName=stream)
        events = [{"timestamp": self.now_ms + i, "message": m} for i, m in enumerate(messages)]
        self.logs.put_log_events(logGroupName=self.group, logStreamName=stream, logEvents=events)

    def settings(self, **changes: Any) -> Any:
        return post(f"{self.endpoint}/_devstack/exports", {"account": self.account, **changes})

    def create(self, **changes: Any) -> str:
        parameters = {
            "logGroupName": self.group,
            "fromTime": self.now_ms - 60_000,
            "to": self.now_ms + 60_000,
            "destination": self.bucket,
            "destinationPrefix": "p",
        }
        return str(self.logs.create_export_task(**parameters | changes)["taskId"])

    def task(self, task_id: str) -> dict[str, Any]:
        task: dict[str, Any]
        (task,) = self.logs.describe_export_tasks(taskId=task_id)["exportTasks"]
        return task

    def wait(self, task_id: str, *codes: str) -> dict[str, Any]:
        """The task, once its status is one of these."""
        deadline = time.monotonic() + 20
        while (task := self.task(task_id))["status"]["code"] not in (codes or ENDED):
            assert time.monotonic() < deadline, f"still {task['status']}"
            time.sleep(0.02)
        return task

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        get = self.s3.get_object
        return {o["Key"]: get(Bucket=self.bucket, Key=o["Key"])["Body"].read() for o in found}


def post(url: str, document: Any) -> Any:
    body = json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - a loopback address
        return json.load(answer)


def refused(code: str, message: str = ""):
    def fits(error: ClientError) -> bool:
        found = error.response["Error"]
        return found["Code"] == code and message in found["Message"]

    return pytest.raises(ClientError, check=fits)


@pytest.fixture
def collection(localstack: str, account: str, aws: Callable[..., Any]) -> Collection:
    made = Collection(localstack, account, aws)
    made.settings(pending_s=0.05, running_s=0.05, cancel_s=0.05)
    return made


def test_a_log_group_arrives_in_another_accounts_bucket(collection: Collection):
    collection.put("web/1", "first", "second\n  and more")
    task_id = collection.create(taskName="mine")
    task = collection.wait(task_id)
    assert task["status"] == {"code": "COMPLETED", "message": "Completed successfully"}
    assert (task["taskName"], task["destinationPrefix"]) == ("mine", "p")
    assert task["executionInfo"]["completionTime"] >= task["executionInfo"]["creationTime"]
    objects = collection.objects()
    assert objects.keys() == {"p/aws-logs-write-test", f"p/{task_id}/web-1/000000.gz"}
    assert objects["p/aws-logs-write-test"] == b"Permission Check Successful"
    text = gzip.decompress(objects[f"p/{task_id}/web-1/000000.gz"]).decode()
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(collection.now_ms // 1000))
    assert text.startswith(f"{moment}.{collection.now_ms % 1000:03d}Z first\n")
    assert text.endswith("Z second\n  and more\n")


@pytest.mark.parametrize("stream", ["2026/11/22/[$LATEST]0f", "a b%2F+c", "журнал"])
def test_an_odd_stream_name_becomes_a_key_that_can_be_read(collection: Collection, stream: str):
    collection.put(stream, "m")
    task_id = collection.create()
    collection.wait(task_id, "COMPLETED")
    folder = stream.replace("/", "-")
    assert list(collection.objects(f"p/{task_id}/")) == [f"p/{task_id}/{folder}/000000.gz"]


def test_only_the_range_and_the_prefixed_streams_are_exported(collection: Collection):
    collection.put("web/1", "before", "first", "last", "after")
    collection.put("cron", "before", "first")
    task_id = collection.create(
        fromTime=collection.now_ms + 1, to=collection.now_ms + 2, logStreamNamePrefix="web"
    )
    collection.wait(task_id, "COMPLETED")
    (text,) = collection.objects(f"p/{task_id}/").values()
    lines = gzip.decompress(text).decode().splitlines()
    assert [line[25:] for line in lines] == ["first", "last"]


def test_a_long_stream_arrives_in_parts(collection: Collection):
    collection.settings(part_bytes=2000)
    messages = [f"{i:075}" for i in range(100)]
    collection.put("a", *messages)
    task_id = collection.create()
    collection.wait(task_id, "COMPLETED")
    parts = collection.objects(f"p/{task_id}/")
    assert list(parts) == [f"p/{task_id}/a/{i:06}.gz" for i in range(len(parts))]
    assert len(parts) == 5
    lines = "".join(gzip.decompress(p).decode() for p in parts.values()).splitlines()
    assert [line[25:] for line in lines] == messages


def test_an_infrequent_access_log_group_is_exported(collection: Collection):
    collection.group = "/app/cold"
    collection.logs.create_log_group(
        logGroupName=collection.group, logGroupClass="INFREQUENT_ACCESS"
    )
    collection.put("a", "m")
    task_id = collection.create()
    collection.wait(task_id, "COMPLETED")
    assert len(collection.objects(f"p/{task_id}/")) == 1


def test_a_delivery_log_group_is_refused(collection: Collection):
    collection.logs.create_log_group(logGroupName="/d", logGroupClass="DELIVERY")
    with refused("InvalidParameterException", "DELIVERY"):
        collection.create(logGroupName="/d")


def test_of_twelve_creations_at_once_one_wins(collection: Collection):
    collection.settings(running_s=30)

    def attempt(_: int) -> str:
        try:
            return collection.create()
        except ClientError as error:
            return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(attempt, range(12)))
    refusal = "LimitExceededException: Resource limit exceeded."
    assert outcomes.count(refusal) == 11
    (task_id,) = set(outcomes) - {refusal}
    (task,) = collection.logs.describe_export_tasks()["exportTasks"]
    assert task["taskId"] == task_id


def test_another_account_has_a_place_of_its_own(collection: Collection, aws: Callable[..., Any]):
    collection.settings(running_s=30)
    task_id = collection.create()
    neighbour = "888888888888"
    collection.set_policy(collection.bucket, collection.account, neighbour)
    collection.logs = aws("logs", account=neighbour)
    collection.group = f"/app/{uuid.uuid4()}"
    collection.logs.create_log_group(logGroupName=collection.group)
    assert collection.create(logGroupName=collection.group)
    assert collection.logs.describe_export_tasks(taskId=task_id)["exportTasks"] == []


def test_another_region_has_a_place_of_its_own(collection: Collection, aws: Callable[..., Any]):
    collection.settings(running_s=30)
    collection.create()
    collection.logs = aws("logs", region="us-east-1")
    assert collection.logs.describe_export_tasks()["exportTasks"] == []
    collection.logs.create_log_group(logGroupName=collection.group)
    # Past the place, up to the bucket, which is in the first Region.
    with refused("InvalidParameterException", NOT_GRANTED):
        collection.create()


def test_a_task_goes_through_its_states_and_is_cancelled(collection: Collection):
    collection.settings(pending_s=3, running_s=30, cancel_s=3)
    task_id = collection.create()
    assert collection.task(task_id)["status"] == {"code": "PENDING"}
    collection.wait(task_id, "RUNNING")
    collection.logs.cancel_export_task(taskId=task_id)
    assert collection.task(task_id)["status"]["code"] == "PENDING_CANCEL"
    with refused("InvalidOperationException"):
        collection.logs.cancel_export_task(taskId=task_id)
    task = collection.wait(task_id, "CANCELLED")
    assert "completionTime" in task["executionInfo"]
    assert collection.create()


def test_an_unknown_task_is_found_by_nobody_and_cancelled_by_nobody(collection: Collection):
    task_id = str(uuid.uuid4())
    assert collection.logs.describe_export_tasks(taskId=task_id)["exportTasks"] == []
    with refused("ResourceNotFoundException"):
        collection.logs.cancel_export_task(taskId=task_id)


def test_tasks_are_listed_newest_first_in_pages_and_by_status(collection: Collection):
    collection.settings(pending_s=0, running_s=0)
    task_ids = []
    for _ in range(5):
        task_ids.append(collection.create())
        collection.wait(task_ids[-1], "COMPLETED")
    pages = collection.logs.get_paginator("describe_export_tasks").paginate(
        PaginationConfig={"PageSize": 2}
    )
    listed = [[task["taskId"] for task in page["exportTasks"]] for page in pages]
    newest_first = task_ids[::-1]
    assert listed == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    found = collection.logs.describe_export_tasks(statusCode="FAILED")
    assert found["exportTasks"] == []


def test_more_than_fifty_tasks_a_page_are_refused(collection: Collection):
    with refused("InvalidParameterException", "less than or equal to 50"):
        collection.logs.describe_export_tasks(limit=51)


def test_the_settings_make_a_task_fail_with_part_of_its_objects(collection: Collection):
    collection.settings(fail_pattern="^/app/", fail_count=1)
    for stream in ("a", "b", "c"):
        collection.put(stream, "m")
    failed = collection.create()
    assert collection.wait(failed)["status"]["code"] == "FAILED"
    assert list(collection.objects(f"p/{failed}/")) == [f"p/{failed}/a/000000.gz"]
    again = collection.create()
    collection.wait(again, "COMPLETED")
    assert len(collection.objects(f"p/{again}/")) == 3


def test_a_throughput_makes_bytes_take_time(collection: Collection):
    collection.settings(bytes_per_second=10)
    collection.put("a", "x" * 1000)
    task_id = collection.create()
    collection.wait(task_id, "RUNNING")
    collection.logs.cancel_export_task(taskId=task_id)
    collection.wait(task_id, "CANCELLED")
    assert collection.objects(f"p/{task_id}/") == {}


def test_the_bucket_loses_its_policy_and_the_task_fails(collection: Collection):
    collection.settings(running_s=3)
    collection.put("a", "m")
    task_id = collection.create()
    collection.s3.delete_bucket_policy(Bucket=collection.bucket)
    status = collection.wait(task_id, "FAILED")["status"]
    assert NOT_GRANTED in status["message"]


@pytest.mark.parametrize(
    "changes",
    [
        {"fromTime": 2000, "to": 1999},
        {"taskName": "x" * 513},
        {"logStreamNamePrefix": "a:b"},
        {"destinationPrefix": "x" * 1000},
    ],
)
def test_a_parameter_outside_its_limits_is_refused(collection: Collection, changes: dict[str, Any]):
    with refused("InvalidParameterException"):
        collection.create(**changes)


def test_an_unknown_log_group_is_refused(collection: Collection):
    with refused("ResourceNotFoundException"):
        collection.create(logGroupName="/none")


def test_an_unknown_bucket_is_refused(collection: Collection):
    with refused("InvalidParameterException", "bucket does not exist"):
        collection.create(destination=f"none-{uuid.uuid4().hex}")


def test_a_bucket_without_policy_is_refused_even_to_its_own_account(
    collection: Collection, aws: Callable[..., Any]
):
    name = f"own-{uuid.uuid4().hex}"
    aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    with refused("InvalidParameterException", NOT_GRANTED):
        collection.create(destination=name)


def test_a_policy_for_another_account_is_refused(collection: Collection):
    collection.set_policy(collection.bucket, "222222222222")
    with refused("InvalidParameterException", NOT_GRANTED):
        collection.create()


def test_a_bucket_of_another_region_is_refused(collection: Collection, aws: Callable[..., Any]):
    name = f"far-{uuid.uuid4().hex}"
    aws("s3", account=ARCHIVE_ACCOUNT, region="us-east-1").create_bucket(Bucket=name)
    collection.set_policy(name, collection.account)
    with refused("InvalidParameterException", NOT_GRANTED):
        collection.create(destination=name)


def encrypt_by_default(collection: Collection, **rule: Any) -> None:
    collection.s3.put_bucket_encryption(
        Bucket=collection.bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": rule, "BucketKeyEnabled": True}]
        },
    )


def test_the_buckets_default_encryption_is_applied(collection: Collection, aws: Callable[..., Any]):
    kms = aws("kms", account=ARCHIVE_ACCOUNT)
    key_arn = kms.create_key()["KeyMetadata"]["Arn"]
    encrypt_by_default(collection, SSEAlgorithm="aws:kms", KMSMasterKeyID=key_arn)
    collection.put("a", "m")
    task_id = collection.create()
    collection.wait(task_id, "COMPLETED")
    for key in ("p/aws-logs-write-test", f"p/{task_id}/a/000000.gz"):
        head = collection.s3.head_object(Bucket=collection.bucket, Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key_arn)
        assert head["BucketKeyEnabled"]


def test_a_bucket_encrypted_twice_is_refused(collection: Collection):
    encrypt_by_default(collection, SSEAlgorithm="aws:kms:dsse")
    with refused("InvalidParameterException", "DSSE-KMS"):
        collection.create()


def test_a_bucket_with_default_retention_is_exported_to(collection: Collection):
    collection.bucket = collection.new_bucket(ObjectLockEnabledForBucket=True)
    collection.set_policy(collection.bucket, collection.account)
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    collection.s3.put_object_lock_configuration(
        Bucket=collection.bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention},
    )
    collection.put("a", "m")
    task_id = collection.create()
    collection.wait(task_id, "COMPLETED")
    head = collection.s3.head_object(Bucket=collection.bucket, Key=f"p/{task_id}/a/000000.gz")
    assert head["ObjectLockMode"] == "GOVERNANCE"


def test_every_object_is_announced_through_eventbridge(
    collection: Collection, aws: Callable[..., Any]
):
    sqs, events = (aws(service, account=ARCHIVE_ACCOUNT) for service in ("sqs", "events"))
    queue = sqs.create_queue(QueueName=collection.bucket)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [collection.bucket]}}}
    events.put_rule(Name=collection.bucket, EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
    events.put_targets(Rule=collection.bucket, Targets=[target])
    collection.s3.put_bucket_notification_configuration(
        Bucket=collection.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    collection.put("[$LATEST]a", "m")
    task_id = collection.create()
    expected = {"p/aws-logs-write-test", f"p/{task_id}/[$LATEST]a/000000.gz"}
    announced: set[str] = set()
    deadline = time.monotonic() + 20
    while announced != expected:
        assert time.monotonic() < deadline, announced
        received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        bodies = [json.loads(m["Body"]) for m in received.get("Messages", [])]
        announced |= {body["detail"]["object"]["key"] for body in bodies}


def test_the_route_tells_the_settings_and_what_is_wrong_with_a_change(collection: Collection):
    document = collection.settings(history=7)
    assert document["accounts"][collection.account]["history"] == 7
    assert document["default"]["history"] == 1000
    with pytest.raises(urllib.error.HTTPError) as answer:
        collection.settings(speed=7)
    with answer.value:
        assert answer.value.code == 400
        assert json.load(answer.value) == {"error": "There is no setting 'speed'"}
