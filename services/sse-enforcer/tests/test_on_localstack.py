"""What moto does not model: encryption in place, copies of locked objects, and the whole service.

moto's UpdateObjectEncryption overwrites the object with the request, and its CopyObject refuses
Object Lock headers without a header that boto3 does not send.
"""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from sse_enforcer import handler
from sse_enforcer.aws import Archive, Removals
from sse_enforcer.errors import AwsError, EncryptionRefusedError, KmsKeyError, RemovalRefusedError
from sse_enforcer.settings import Settings
from sse_enforcer.verdict import Retention, Verdict, differences, is_proven, verdict

pytestmark = pytest.mark.localstack

NOW = datetime.now(UTC)
IN_2099 = datetime(2099, 1, 1, tzinfo=UTC)
RETAINED = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": IN_2099}


@pytest.fixture
def bucket(aws, account):
    name = f"archive-{account}"
    aws("s3").create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        ObjectLockEnabledForBucket=True,
    )
    return name


@pytest.fixture
def s3(aws):
    return aws("s3")


@pytest.fixture
def archive(s3, bucket):
    return Archive(s3, bucket)


@pytest.fixture
def key_arn(aws):
    return aws("kms").create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def objects(objects_in, s3, bucket):
    return objects_in(s3, bucket)


def test_an_object_is_encrypted_in_place(archive, objects, key_arn):
    before = archive.describe("k", objects.put("k", Metadata={"a": "b"}))

    archive.reencrypt(before, key_arn)

    after = archive.describe("k", before.version_id)
    assert verdict(before, key_arn) is Verdict.UPDATE
    assert verdict(after, key_arn) is Verdict.LEAVE
    assert after.bucket_key_enabled
    assert (after.etag, after.checksums) == (before.etag, before.checksums)
    assert objects.read("k") == {before.version_id: b"lines"}


@pytest.mark.parametrize("lock", [RETAINED, {"ObjectLockLegalHoldStatus": "ON"}])
def test_a_locked_object_is_not_encrypted_in_place(archive, objects, key_arn, lock):
    version = archive.describe("k", objects.put("k", **lock))

    with pytest.raises(EncryptionRefusedError):
        archive.reencrypt(version, key_arn)
    assert version.has_lock


def test_a_disabled_key_is_a_key_problem(aws, archive, objects, key_arn):
    version = archive.describe("k", objects.put("k"))
    aws("kms").disable_key(KeyId=key_arn)

    with pytest.raises(KmsKeyError, match="DisabledException"):
        archive.reencrypt(version, key_arn)


def test_a_retained_object_is_copied_with_its_locks(archive, objects, key_arn):
    original = archive.describe("k", objects.put("k", ObjectLockLegalHoldStatus="ON", **RETAINED))

    copy = archive.describe("k", archive.copy(original, key_arn, Retention("GOVERNANCE", IN_2099)))

    assert differences(original, copy, key_arn=key_arn, now=NOW) == []
    assert is_proven(original, copy)
    assert copy.retention == Retention("GOVERNANCE", IN_2099)
    assert copy.legal_hold
    assert objects.read("k") == {original.version_id: b"lines", copy.version_id: b"lines"}


def test_a_copy_is_not_made_over_a_newer_version(archive, objects, key_arn):
    original = archive.describe("k", objects.put("k", b"older"))
    newer = objects.put("k", b"newer")

    with pytest.raises(AwsError, match="PreconditionFailed"):
        archive.copy(original, key_arn, None)
    assert objects.read("k") == {original.version_id: b"older", newer: b"newer"}


def test_a_version_under_governance_is_not_removed(s3, bucket, archive, objects):
    version = archive.describe("k", objects.put("k", **RETAINED))

    with pytest.raises(RemovalRefusedError):
        Removals(s3, bucket).remove(version)
    assert objects.read("k") == {version.version_id: b"lines"}


# The whole service

KEY = "shop-prod/aws/lambda/orders/2026/11/21/00/direct/{}/000000.gz"
STREAMS = ["plain", "100% load test", "a+b&c=d?e#f", "Köln 注文 🛒", "2026-11-21-[$LATEST]0c8f"]


@pytest.fixture
def deliver(aws, account, bucket, key_arn):
    """Return a function that invokes the handler with events ``(key, version id, reason)``."""
    control = f"control-{account}"
    aws("s3").create_bucket(
        Bucket=control, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    aws("ssm").put_parameter(Name="/kms/arn", Value=key_arn, Type="String")
    settings = Settings.from_env(
        {
            "ARCHIVE_BUCKET": bucket,
            "CONTROL_BUCKET": control,
            "TOPIC_ARN": aws("sns").create_topic(Name="log-export-events")["TopicArn"],
            "DEAD_LETTER_QUEUE_URL": aws("sqs").create_queue(QueueName="dead")["QueueUrl"],
            "KMS_KEY_PARAMETER": "/kms/arn",
            "HOLD": "on_creation",
        }
    )
    service = handler.wire(settings, aws)

    def deliver(*created):
        records = [
            {
                "messageId": str(number),
                "body": json.dumps(
                    {
                        "source": "aws.s3",
                        "detail-type": "Object Created",
                        "detail": {
                            "bucket": {"name": bucket},
                            "object": {"key": key, "size": 5, "version-id": version_id},
                            "reason": reason,
                        },
                    }
                ),
                "attributes": {"ApproximateReceiveCount": "1"},
            }
            for number, (key, version_id, reason) in enumerate(created)
        ]
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
        return handler.process(service, {"Records": records}, context)["batchItemFailures"]

    return deliver


@pytest.mark.parametrize("stream", STREAMS)
def test_an_object_of_any_name_is_encrypted_and_held(archive, objects, deliver, key_arn, stream):
    key = KEY.format(stream)
    version_id = objects.put(key)

    assert deliver((key, version_id, "PutObject")) == []
    version = archive.describe(key, version_id)
    assert verdict(version, key_arn) is Verdict.LEAVE
    assert version.legal_hold
    assert objects.read(key) == {version_id: b"lines"}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_retained_object_of_any_name_is_copied_once_and_stays(
    archive, objects, deliver, key_arn, stream
):
    key = KEY.format(stream)
    version_id = objects.put(key, **RETAINED)
    event = (key, version_id, "PutObject")

    assert deliver(event, event) == []
    versions = objects.read(key)
    assert list(versions.values()) == [b"lines", b"lines"]
    current = archive.describe_current(key)
    assert current.version_id != version_id
    assert verdict(current, key_arn) is Verdict.LEAVE
    assert current.legal_hold
    assert current.retention == Retention("GOVERNANCE", IN_2099)


def test_what_s3_cannot_update_is_copied_and_removed(archive, objects, deliver, key_arn):
    key = KEY.format("double encryption")
    version_id = objects.put(key, ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=key_arn)

    assert deliver((key, version_id, "PutObject")) == []
    (copy_id,) = objects.read(key)
    assert copy_id != version_id
    assert deliver((key, copy_id, "CopyObject")) == []
    assert deliver((key, version_id, "PutObject")) == []
    assert objects.read(key) == {copy_id: b"lines"}
    assert archive.describe(key, copy_id).legal_hold


def test_a_write_test_is_removed_and_a_strange_object_is_not(objects, deliver):
    write_test = "shop-prod/aws/lambda/orders/2026/11/21/00/aws-logs-write-test"
    events = [(key, objects.put(key), "PutObject") for key in (write_test, "manual/upload.txt")]

    assert deliver(*events) == []
    assert objects.read(write_test) == {}
    assert list(objects.read("manual/upload.txt").values()) == [b"lines"]
