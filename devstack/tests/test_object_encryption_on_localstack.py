import base64
import hashlib
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.localstack

REGION = "eu-west-1"
KEY = "a/[$LATEST]b c/000000.gz"
BODY = b"twelve bytes"


class Archive:
    """A bucket with Object Lock that holds one object, and a KMS key beside it."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.s3 = aws("s3")
        self.kms = aws("kms")
        self.bucket = f"archive-{uuid.uuid4().hex}"
        self.s3.create_bucket(
            Bucket=self.bucket,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=True,
        )
        self.key_arn = self.kms.create_key()["KeyMetadata"]["Arn"]
        self.version_id = self.put()

    def put(self, key: str = KEY, **parameters: Any) -> str:
        written = self.s3.put_object(Bucket=self.bucket, Key=key, Body=BODY, **parameters)
        version_id: str = written["VersionId"]
        return version_id

    def head(self, version_id: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.s3.head_object(
            Bucket=self.bucket, Key=KEY, VersionId=version_id or self.version_id
        )
        return found

    def update(self, key_arn: str | None = None, **changes: Any) -> Any:
        kms = {"KMSKeyArn": key_arn or self.key_arn}
        if "BucketKeyEnabled" in changes:
            kms["BucketKeyEnabled"] = changes.pop("BucketKeyEnabled")
        parameters = {
            "Bucket": self.bucket,
            "Key": KEY,
            "ObjectEncryption": {"SSEKMS": kms},
        }
        return self.s3.update_object_encryption(**parameters | changes)


@pytest.fixture
def archive(aws: Callable[..., Any]) -> Archive:
    return Archive(aws)


def refused(code: str, status: int):
    def fits(error: ClientError) -> bool:
        found = error.response
        return (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (
            code,
            status,
        )

    return pytest.raises(ClientError, check=fits)


def test_nothing_but_the_encryption_changes(archive: Archive):
    version_id = archive.put(
        Metadata={"task": "one"},
        ContentType="application/gzip",
        StorageClass="STANDARD_IA",
        Tagging="team=a",
        ChecksumAlgorithm="SHA256",
    )
    before = archive.head(version_id)
    archive.update(BucketKeyEnabled=True)
    after = archive.head(version_id)
    assert after["ServerSideEncryption"] == "aws:kms"
    assert after["SSEKMSKeyId"] == archive.key_arn
    assert after["BucketKeyEnabled"]
    kept = ("ETag", "LastModified", "Metadata", "ContentType", "ContentLength", "StorageClass")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    checked = archive.s3.head_object(Bucket=archive.bucket, Key=KEY, ChecksumMode="ENABLED")
    assert checked["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    tags = archive.s3.get_object_tagging(Bucket=archive.bucket, Key=KEY)["TagSet"]
    assert tags == [{"Key": "team", "Value": "a"}]
    assert archive.s3.get_object(Bucket=archive.bucket, Key=KEY)["Body"].read() == BODY


def test_no_version_is_added(archive: Archive):
    archive.update()
    versions = archive.s3.list_object_versions(Bucket=archive.bucket)["Versions"]
    assert [v["VersionId"] for v in versions] == [archive.version_id]


def test_a_bucket_key_is_off_unless_asked_for(archive: Archive):
    archive.update(BucketKeyEnabled=True)
    archive.update()
    assert not archive.head().get("BucketKeyEnabled", False)


def test_only_the_version_named_is_changed(archive: Archive):
    newer = archive.put()
    archive.update(VersionId=archive.version_id)
    assert archive.head()["ServerSideEncryption"] == "aws:kms"
    assert archive.head(newer)["ServerSideEncryption"] == "AES256"


def test_without_a_version_the_current_one_is_changed(archive: Archive):
    newer = archive.put()
    archive.update()
    assert archive.head()["ServerSideEncryption"] == "AES256"
    assert archive.head(newer)["ServerSideEncryption"] == "aws:kms"


def test_an_object_under_one_kms_key_goes_under_another(archive: Archive):
    other = archive.kms.create_key()["KeyMetadata"]["Arn"]
    archive.update(other)
    archive.update()
    assert archive.head()["SSEKMSKeyId"] == archive.key_arn


def test_an_object_in_a_bucket_without_versions_is_changed(archive: Archive):
    plain = f"plain-{uuid.uuid4().hex}"
    archive.s3.create_bucket(Bucket=plain, CreateBucketConfiguration={"LocationConstraint": REGION})
    archive.s3.put_object(Bucket=plain, Key=KEY, Body=BODY)
    archive.update(Bucket=plain)
    head = archive.s3.head_object(Bucket=plain, Key=KEY)
    assert head["SSEKMSKeyId"] == archive.key_arn
    assert archive.s3.get_object(Bucket=plain, Key=KEY)["Body"].read() == BODY


def test_no_event_is_sent(archive: Archive, aws: Callable[..., Any]):
    sqs, events = aws("sqs"), aws("events")
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [archive.bucket]}}}
    events.put_rule(Name="all", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
    events.put_targets(Rule="all", Targets=[target])
    archive.s3.put_bucket_notification_configuration(
        Bucket=archive.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    archive.update()
    archive.put("afterwards")
    keys: list[str] = []
    deadline = time.monotonic() + 20
    while "afterwards" not in keys:
        assert time.monotonic() < deadline
        received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        bodies = [json.loads(m["Body"]) for m in received.get("Messages", [])]
        keys += [body["detail"]["object"]["key"] for body in bodies]
    assert keys == ["afterwards"]


def test_a_key_named_by_id_or_alias_is_refused(archive: Archive, account: str):
    archive.kms.create_alias(AliasName="alias/archive", TargetKeyId=archive.key_arn)
    alias_arn = f"arn:aws:kms:{REGION}:{account}:alias/archive"
    for name in (archive.key_arn.split("/")[1], alias_arn):
        with refused("InvalidRequest", 400):
            archive.update(name)


def test_a_target_other_than_kms_is_refused(archive: Archive):
    def ask_for_s3s_own_key(params: dict[str, Any], **_: Any) -> None:
        params["body"] = b"<ObjectEncryption><SSE-S3/></ObjectEncryption>"

    # boto3 itself would refuse to say this.
    archive.s3.meta.events.register("before-call.s3.UpdateObjectEncryption", ask_for_s3s_own_key)
    with refused("InvalidRequest", 400):
        archive.update()


def test_another_accounts_key_is_refused(archive: Archive, aws: Callable[..., Any]):
    foreign = aws("kms", account="222222222222").create_key()["KeyMetadata"]["Arn"]
    with refused("AccessDenied", 403):
        archive.update(foreign)


def test_the_bucket_owners_key_is_taken_from_another_caller(
    archive: Archive, aws: Callable[..., Any]
):
    archive.s3 = aws("s3", account="222222222222")
    archive.update()
    assert archive.head()["SSEKMSKeyId"] == archive.key_arn


def test_a_key_that_does_not_exist_is_refused(archive: Archive):
    with refused("KMS.NotFoundException", 400):
        archive.update(f"{archive.key_arn.rpartition('/')[0]}/{uuid.uuid4()}")


def test_a_key_of_another_region_is_refused(archive: Archive, aws: Callable[..., Any]):
    far = aws("kms", region="us-east-1").create_key()["KeyMetadata"]["Arn"]
    with refused("KMS.NotFoundException", 400):
        archive.update(far)


def test_a_disabled_key_is_refused_and_changes_nothing(archive: Archive):
    archive.kms.disable_key(KeyId=archive.key_arn)
    with refused("KMS.DisabledException", 400):
        archive.update()
    assert archive.head()["ServerSideEncryption"] == "AES256"


def test_a_key_waiting_for_its_deletion_is_refused(archive: Archive):
    archive.kms.schedule_key_deletion(KeyId=archive.key_arn, PendingWindowInDays=7)
    with refused("KMS.KMSInvalidStateException", 400):
        archive.update()


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_version_with_a_retention_mode_is_refused(archive: Archive, mode: str):
    until = datetime.now(UTC) + timedelta(days=1)
    archive.put(ObjectLockMode=mode, ObjectLockRetainUntilDate=until)
    with refused("AccessDenied", 403):
        archive.update()


def test_a_version_under_legal_hold_is_refused_until_the_hold_is_off(archive: Archive):
    for status in ("ON", "OFF"):
        archive.s3.put_object_legal_hold(
            Bucket=archive.bucket, Key=KEY, LegalHold={"Status": status}
        )
        if status == "ON":
            with refused("AccessDenied", 403):
                archive.update()
    archive.update()
    assert archive.head()["ServerSideEncryption"] == "aws:kms"


def test_an_object_with_a_customers_key_is_refused(archive: Archive):
    archive.put(SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)
    with refused("InvalidRequest", 400):
        archive.update()


def test_an_object_encrypted_twice_is_refused(archive: Archive):
    archive.put(ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=archive.key_arn)
    with refused("InvalidRequest", 400):
        archive.update()


def test_a_key_or_version_or_bucket_that_is_not_there_is_refused(archive: Archive):
    with refused("NoSuchKey", 404):
        archive.update(Key="other")
    with refused("NoSuchVersion", 404):
        archive.update(VersionId="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    with refused("NoSuchBucket", 404):
        archive.update(Bucket=f"none-{uuid.uuid4().hex}")


def test_a_delete_marker_is_refused(archive: Archive):
    marker = archive.s3.delete_object(Bucket=archive.bucket, Key=KEY)["VersionId"]
    for named in ({}, {"VersionId": marker}):
        with refused("MethodNotAllowed", 405):
            archive.update(**named)


def test_a_bucket_of_an_unexpected_owner_is_refused(archive: Archive):
    with refused("AccessDenied", 403):
        archive.update(ExpectedBucketOwner="222222222222")
