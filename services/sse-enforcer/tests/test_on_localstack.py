"""What moto does not model: encryption in place, copies of locked objects and in parts, and the
whole service with S3's own events.

moto's UpdateObjectEncryption overwrites the object with the request, and its CopyObject refuses
Object Lock headers without a header that boto3 does not send.
"""

import json
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from logferry_deliveries.errors import AwsError, KmsKeyError, RefusedError
from sse_enforcer.aws.archive import Archive
from sse_enforcer.aws.encryption import Encryption
from sse_enforcer.aws.removals import Removals
from sse_enforcer.aws.uploads import Uploads
from sse_enforcer.delivery import process
from sse_enforcer.errors import (
    EncryptionRefusedError,
    EncryptionUnsupportedError,
    RemovalRefusedError,
)
from sse_enforcer.parts import MIN_PART_BYTES, checksum_for, cut
from sse_enforcer.settings import Settings
from sse_enforcer.verdict import Retention, differences, is_proven
from sse_enforcer.wiring import wire

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
def encryption(s3, bucket):
    return Encryption(s3, bucket)


@pytest.fixture
def uploads(s3, bucket):
    return Uploads(s3, bucket)


@pytest.fixture
def key_arn(aws):
    return aws("kms").create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def objects(objects_in, s3, bucket):
    return objects_in(s3, bucket)


def test_an_object_is_encrypted_in_place(archive, encryption, objects, key_arn):
    before = archive.describe("k", objects.put("k", Metadata={"a": "b"}))

    encryption.reencrypt(before, key_arn)

    after = archive.describe("k", before.version_id)
    assert not before.is_under(key_arn)
    assert after.is_under(key_arn)
    assert after.bucket_key_enabled
    assert (after.etag, after.checksums) == (before.etag, before.checksums)
    assert objects.read("k") == {before.version_id: b"lines"}


@pytest.mark.parametrize("lock", [RETAINED, {"ObjectLockLegalHoldStatus": "ON"}])
def test_a_locked_object_is_not_encrypted_in_place(archive, encryption, objects, key_arn, lock):
    version = archive.describe("k", objects.put("k", **lock))

    with pytest.raises(EncryptionRefusedError):
        encryption.reencrypt(version, key_arn)
    assert version.has_lock


def test_a_disabled_key_is_a_key_problem(aws, archive, encryption, objects, key_arn):
    version = archive.describe("k", objects.put("k"))
    aws("kms").disable_key(KeyId=key_arn)

    with pytest.raises(KmsKeyError, match="DisabledException"):
        encryption.reencrypt(version, key_arn)


def test_a_retained_object_is_copied_with_its_locks(archive, encryption, objects, key_arn):
    original = archive.describe("k", objects.put("k", ObjectLockLegalHoldStatus="ON", **RETAINED))

    copy = archive.describe(
        "k", encryption.copy(original, key_arn, Retention("GOVERNANCE", IN_2099))
    )

    assert differences(original, copy, key_arn=key_arn, now=NOW) == []
    assert is_proven(original, copy)
    assert copy.retention == Retention("GOVERNANCE", IN_2099)
    assert copy.legal_hold
    assert objects.read("k") == {original.version_id: b"lines", copy.version_id: b"lines"}


def test_a_copy_is_not_made_over_a_newer_version(archive, encryption, objects, key_arn):
    original = archive.describe("k", objects.put("k", b"older"))
    newer = objects.put("k", b"newer")

    with pytest.raises(AwsError, match="PreconditionFailed"):
        encryption.copy(original, key_arn, None)
    assert objects.read("k") == {original.version_id: b"older", newer: b"newer"}


def test_a_version_under_governance_is_not_removed(s3, bucket, archive, objects):
    version = archive.describe("k", objects.put("k", **RETAINED))

    with pytest.raises(RemovalRefusedError):
        Removals(s3, bucket).remove(version)
    assert objects.read("k") == {version.version_id: b"lines"}


def test_an_object_under_two_layers_is_not_encrypted_in_place(
    archive, encryption, objects, key_arn
):
    version_id = objects.put("k", ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=key_arn)

    with pytest.raises(EncryptionUnsupportedError):
        encryption.reencrypt(archive.describe("k", version_id), key_arn)


def test_an_object_under_a_customers_key_is_unreadable(archive, objects):
    customer_key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    version_id = objects.put("k", **customer_key)

    with pytest.raises(RefusedError, match=r"^unreadable: k \(version .*left to those who have"):
        archive.describe("k", version_id)


# Copies in parts

LARGE = MIN_PART_BYTES + 1
TAGGING = "a=b&a%2Fb%3D+c=%C3%BC+%2B%40"


def body(size_bytes):
    return (b"%015d\n" * (size_bytes // 16 + 1) % tuple(range(size_bytes // 16 + 1)))[:size_bytes]


def upload(s3, bucket, key, *bodies, **options):
    """Upload an object in parts, as somebody else does; return its version id."""
    where = {"Bucket": bucket, "Key": key}
    begun = s3.create_multipart_upload(**where, ChecksumAlgorithm="CRC32", **options)
    where["UploadId"] = begun["UploadId"]
    parts = []
    for number, each in enumerate(bodies, start=1):
        done = s3.upload_part(**where, PartNumber=number, Body=each, ChecksumAlgorithm="CRC32")
        parts.append(
            {"PartNumber": number, "ETag": done["ETag"], "ChecksumCRC32": done["ChecksumCRC32"]}
        )
    return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})["VersionId"]


def copy_in_parts(archive, uploads, original, key_arn, part_bytes=MIN_PART_BYTES):
    checksum, tags = checksum_for(original), archive.tags(original)
    request = uploads.request(original, key_arn, original.retention, checksum, tags)
    upload_id = uploads.begin(request)
    for part in cut(original.size_bytes, part_bytes):
        uploads.copy_part(original, upload_id, part, checksum)
    copied = uploads.parts(original.key, upload_id, checksum)
    return uploads.complete(original, upload_id, list(copied.values()), checksum)


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32", "CRC32C"])
def test_a_copy_in_parts_keeps_everything_but_the_encryption(
    s3, bucket, archive, uploads, objects, key_arn, algorithm
):
    key = "a b/100%/c+d/Köln 注文/[$LATEST]&x=y?.gz"
    objects.put("source", body(LARGE))
    # boto3 computes CRC32 alone without a further library; S3 computes each for a copy.
    version_id = s3.copy_object(
        Bucket=bucket,
        Key=key,
        CopySource={"Bucket": bucket, "Key": "source"},
        ChecksumAlgorithm=algorithm,
        MetadataDirective="REPLACE",
        TaggingDirective="REPLACE",
        ContentType="application/x-gzip",
        ContentEncoding="gzip",
        Expires=IN_2099,
        WebsiteRedirectLocation="/elsewhere",
        Metadata={"a": "b"},
        Tagging=TAGGING,
        StorageClass="STANDARD_IA",
        ObjectLockLegalHoldStatus="ON",
        **RETAINED,
    )["VersionId"]
    original = archive.describe(key, version_id)
    assert list(original.checksums) == [algorithm]

    copy = archive.describe(key, copy_in_parts(archive, uploads, original, key_arn))

    assert differences(original, copy, key_arn=key_arn, now=NOW) == []
    assert is_proven(original, copy)
    assert copy.checksums == original.checksums
    assert copy.bucket_key_enabled
    assert len(original.headers) == 4
    tags = [
        s3.get_object_tagging(Bucket=bucket, Key=key, VersionId=each.version_id)["TagSet"]
        for each in (original, copy)
    ]
    assert tags[0] == tags[1] == [{"Key": "a", "Value": "b"}, {"Key": "a/b= c", "Value": "ü +@"}]
    assert set(objects.read(key).values()) == {body(LARGE)}


def test_what_was_uploaded_in_parts_is_proven_by_a_copy_cut_alike(
    s3, bucket, archive, uploads, key_arn
):
    version_id = upload(s3, bucket, "k", body(LARGE), b"the rest")
    original = archive.describe("k", version_id)
    assert (original.checksums, list(original.part_checksums)) == ({}, ["CRC32"])
    assert archive.first_part_bytes(original) == LARGE

    copy = archive.describe("k", copy_in_parts(archive, uploads, original, key_arn, LARGE))

    assert copy.part_checksums == original.part_checksums
    assert is_proven(original, copy)


def test_a_copy_in_parts_is_not_made_over_a_newer_version(archive, uploads, objects, key_arn):
    original = archive.describe("k", objects.put("k", b"older"))
    newer = objects.put("k", b"newer")

    with pytest.raises(AwsError, match=r"CompleteMultipartUpload of k .*PreconditionFailed"):
        copy_in_parts(archive, uploads, original, key_arn)
    assert objects.read("k") == {original.version_id: b"older", newer: b"newer"}


def test_other_bytes_are_never_put_together(s3, bucket, archive, uploads, objects, key_arn):
    original = archive.describe("k", objects.put("k", b"lines"))
    checksum = checksum_for(original)
    upload_id = uploads.begin(uploads.request(original, key_arn, None, checksum, []))
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"LINES")
    copied = uploads.parts("k", upload_id, checksum)

    with pytest.raises(AwsError, match="BadDigest"):
        uploads.complete(original, upload_id, list(copied.values()), checksum)
    assert objects.read("k") == {original.version_id: b"lines"}


def test_an_upload_that_is_gone_has_no_parts_and_is_aborted_already(
    archive, uploads, objects, key_arn
):
    original = archive.describe("k", objects.put("k"))
    checksum = checksum_for(original)
    upload_id = uploads.begin(uploads.request(original, key_arn, None, checksum, []))
    assert uploads.parts("k", upload_id, checksum) == {}

    uploads.abort("k", upload_id)
    uploads.abort("k", upload_id)

    assert uploads.parts("k", upload_id, checksum) is None


# The whole service, with S3's own events by way of EventBridge and SQS

KEY = "shop-prod/aws/lambda/orders/2026/11/21/00/direct/{}/000000.gz"
STREAMS = [
    "plain",
    "100% load test",
    "a+b&c=d?e#f%2F+%20",
    "Köln 注文 🛒",
    "2026-11-21-[$LATEST]0c8f",
    "x" * (1024 - len(KEY.format(""))),
]
PATIENCE_S = 60


class Stage:
    """An archive whose events reach the function, each of them twice."""

    def __init__(self, aws, account, bucket, key_arn):
        self.s3, self.bucket = aws("s3"), bucket
        self._sqs, events = aws("sqs"), aws("events")
        self._queue_url = self._sqs.create_queue(QueueName="created")["QueueUrl"]
        self._dead_url = self._sqs.create_queue(QueueName="dead")["QueueUrl"]
        queue_arn = self._sqs.get_queue_attributes(
            QueueUrl=self._queue_url, AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"]}
        events.put_rule(Name="created", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="created", Targets=[{"Id": "queue", "Arn": queue_arn}])
        self.s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self.s3.create_bucket(
            Bucket=f"control-{account}",
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
        aws("ssm").put_parameter(Name="/kms/arn", Value=key_arn, Type="String")
        self._service = wire(
            Settings.from_env(
                {
                    "ARCHIVE_BUCKET": bucket,
                    "CONTROL_BUCKET": f"control-{account}",
                    "TOPIC_ARN": aws("sns").create_topic(Name="log-export-events")["TopicArn"],
                    "DEAD_LETTER_QUEUE_URL": self._dead_url,
                    "KMS_KEY_PARAMETER": "/kms/arn",
                    "COPY_LIMIT_BYTES": str(MIN_PART_BYTES),
                    "COPY_PART_BYTES": str(MIN_PART_BYTES),
                }
            ),
            lambda name: self.s3 if name == "s3" else aws(name),
        )
        self.reasons = []

    def allow_no_update_in_place(self):
        """Be a Region where S3 does not have UpdateObjectEncryption."""
        self.s3.meta.events.register(
            "before-call.s3.UpdateObjectEncryption",
            lambda **_: (
                SimpleNamespace(status_code=501),
                {"Error": {"Code": "NotImplemented", "Message": "not here"}},
            ),
        )

    def work(self, count):
        """Deal with this many events, each twice, and see that no others come."""
        done, deadline = 0, time.monotonic() + PATIENCE_S
        while messages := self._receive(wait_s=5 if done < count else 1):
            for _ in range(2):
                context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
                records = [
                    {
                        "messageId": message["MessageId"],
                        "body": message["Body"],
                        "receiptHandle": message["ReceiptHandle"],
                        "attributes": {"ApproximateReceiveCount": "1"},
                    }
                    for message in messages
                ]
                answer = process(self._service, {"Records": records}, context)  # type: ignore[arg-type]
                assert answer == {"batchItemFailures": []}
            done += len(messages)
            assert time.monotonic() < deadline
        assert done == count
        letters = self._sqs.receive_message(
            QueueUrl=self._dead_url, MessageAttributeNames=["reason"], MaxNumberOfMessages=10
        ).get("Messages", [])
        self.reasons = [each["MessageAttributes"]["reason"]["StringValue"] for each in letters]

    def _receive(self, wait_s):
        messages = self._sqs.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s
        ).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(
                QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
        return messages


@pytest.fixture
def stage(aws, account, bucket, key_arn):
    return Stage(aws, account, bucket, key_arn)


def test_objects_of_every_name_and_origin_are_encrypted_in_place(stage, objects, archive, key_arn):
    put = [(KEY.format(stream), objects.put(KEY.format(stream))) for stream in STREAMS]
    copied, in_parts = KEY.format("copied"), KEY.format("in parts")
    source = {"Bucket": stage.bucket, "Key": put[1][0]}
    copy = stage.s3.copy_object(Bucket=stage.bucket, Key=copied, CopySource=source)
    put.append((copied, copy["VersionId"]))
    put.append((in_parts, upload(stage.s3, stage.bucket, in_parts, b"lines")))
    newer = [(key, objects.put(key, b"newer")) for key, _ in put[:2]]

    stage.work(len(put) + len(newer))

    for key, version_id in put + newer:
        assert archive.describe(key, version_id).is_under(key_arn)
    assert [list(objects.read(key).values()) for key, _ in put] == [
        *[[b"newer", b"lines"]] * 2,
        *[[b"lines"]] * (len(put) - 2),
    ]
    assert stage.reasons == []


LOCKS = {
    "governance": RETAINED,
    "compliance": RETAINED | {"ObjectLockMode": "COMPLIANCE"},
    "hold": {"ObjectLockLegalHoldStatus": "ON"},
    "both": RETAINED | {"ObjectLockLegalHoldStatus": "ON"},
}


def test_locked_objects_are_copied_once_with_their_locks_and_stay(stage, objects, archive, key_arn):
    put = {KEY.format(name): objects.put(KEY.format(name), **lock) for name, lock in LOCKS.items()}  # type: ignore[arg-type]

    stage.work(2 * len(put))

    for key, version_id in put.items():
        original, copy = archive.describe(key, version_id), archive.describe_current(key)
        assert not original.is_under(key_arn)
        assert differences(original, copy, key_arn=key_arn, now=NOW) == []
        assert (copy.retention, copy.legal_hold) == (original.retention, original.legal_hold)
        assert list(objects.read(key).values()) == [b"lines", b"lines"]
    assert stage.reasons == []


def test_large_objects_are_copied_in_parts_and_removed_unless_they_are_locked(
    stage, objects, archive, key_arn
):
    stage.allow_no_update_in_place()
    content = body(2 * MIN_PART_BYTES + 3)
    small, large, locked, uploaded = (
        KEY.format(name) for name in ("small", "large", "locked", "uploaded")
    )
    objects.put(small)
    objects.put(large, content, Metadata={"a": "b"}, Tagging=TAGGING)
    objects.put(locked, content, ObjectLockLegalHoldStatus="ON", **RETAINED)
    halves = content[: MIN_PART_BYTES + 2], content[MIN_PART_BYTES + 2 :]
    upload(stage.s3, stage.bucket, uploaded, *halves)

    stage.work(8)

    bodies = [list(objects.read(key).values()) for key in (small, large, locked, uploaded)]
    assert bodies == [[b"lines"], [content], [content, content], [content]]
    for key in (small, large, locked, uploaded):
        assert archive.describe_current(key).is_under(key_arn)
    copy = archive.describe_current(large)
    assert (copy.metadata, copy.tag_count) == ({"a": "b"}, 2)
    assert archive.describe_current(locked).retention == Retention("GOVERNANCE", IN_2099)
    assert "Uploads" not in stage.s3.list_multipart_uploads(Bucket=stage.bucket)
    assert stage.reasons == []


def test_what_is_not_ours_to_change_stays_as_it_is(stage, objects, archive):
    customer_key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    stage.s3.put_object(
        Bucket=stage.bucket, Key=KEY.format("customer's key"), Body=b"lines", **customer_key
    )
    by_client = KEY.format("client's key")
    objects.put(by_client, Metadata={"x-amz-key-v2": "AQID"})
    write_test = "shop-prod/aws/lambda/orders/2026/11/21/00/aws-logs-write-test"
    for key in (write_test, "manual/upload.txt"):
        objects.put(key)

    stage.work(4)

    assert objects.read(write_test) == {}
    assert list(objects.read("manual/upload.txt").values()) == [b"lines"]
    assert archive.describe_current(by_client).encryption == "AES256"
    assert sorted(stage.reasons) == ["client_side_encrypted"] * 2 + ["unreadable"] * 2


@pytest.fixture
def suspended(s3, account):
    """Return a bucket in which versioning was enabled and then suspended."""
    name = f"suspended-{account}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    return name


def test_with_suspended_versioning_nothing_is_overwritten(
    aws, account, suspended, objects_in, key_arn
):
    stage, objects = Stage(aws, account, suspended, key_arn), objects_in(aws("s3"), suspended)
    updatable, other = KEY.format("updatable"), KEY.format("other")
    stage.s3.put_object(Bucket=suspended, Key=updatable, Body=b"lines")
    stage.s3.put_object(
        Bucket=suspended,
        Key=other,
        Body=b"lines",
        ServerSideEncryption="aws:kms:dsse",
    )

    stage.work(2)

    archive = Archive(stage.s3, suspended)
    assert archive.describe(updatable, "null").is_under(key_arn)
    assert not archive.describe(other, "null").is_under(key_arn)
    assert objects.read(other) == {"null": b"lines"}
    assert stage.reasons == ["not_versioned"] * 2
