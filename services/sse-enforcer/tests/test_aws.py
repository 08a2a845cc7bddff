"""Each adapter on moto and on LocalStack; what only LocalStack models is in its own file."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ManifestLocation
from logferry_contracts.object_secured import ObjectSecured
from logferry_contracts.wire import ContractError, parse
from sse_enforcer.aws import (
    Archive,
    ControlBucket,
    DeadLetters,
    Holds,
    KmsKeyParameter,
    Removals,
    Topic,
)
from sse_enforcer.errors import AwsError, KmsKeyError, RefusedError, RemovalRefusedError
from sse_enforcer.verdict import Verdict, differences, is_proven, verdict

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
KEYS = ["plain.gz", "a b/100%/c+d/Köln 注文/[$LATEST]&x=y?.gz"]


def example(message, name):
    return (EXAMPLES / message / "1.0" / "accept" / f"{name}.json").read_text()


@pytest.fixture
def bucket(backend):
    """Return the archive bucket's name; a name is one for all accounts."""
    return f"archive-{backend.account_id}"


@pytest.fixture
def s3(backend, bucket):
    client = backend.client("s3")
    client.create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": backend.region},
        ObjectLockEnabledForBucket=True,
    )
    return client


@pytest.fixture
def objects(objects_in, s3, bucket):
    return objects_in(s3, bucket)


@pytest.fixture
def archive(s3, bucket):
    return Archive(s3, bucket)


@pytest.fixture
def control(s3, bucket):
    return ControlBucket(s3, bucket)


@pytest.fixture
def removals(s3, bucket):
    return Removals(s3, bucket)


@pytest.fixture
def key_arn(backend):
    return backend.client("kms").create_key()["KeyMetadata"]["Arn"]


# Archive


@pytest.mark.parametrize("key", KEYS)
def test_a_version_is_described(objects, archive, key):
    version_id = objects.put(
        key,
        ContentType="application/x-gzip",
        ContentEncoding="gzip",
        Metadata={"a": "b"},
        Tagging="x=1&y=2",
        StorageClass="STANDARD_IA",
    )
    version = archive.describe(key, version_id)

    assert (version.key, version.version_id, version.size_bytes) == (key, version_id, 5)
    assert version.headers == {"ContentType": "application/x-gzip", "ContentEncoding": "gzip"}
    assert (version.metadata, version.tag_count) == ({"a": "b"}, 2)
    assert version.storage_class == "STANDARD_IA"
    assert list(version.checksums) == ["CRC32"]
    assert not version.is_locked(NOW)


def test_a_version_under_the_key_is_described_as_that(objects, archive, key_arn):
    version_id = objects.put("k", ServerSideEncryption="aws:kms", SSEKMSKeyId=key_arn)

    assert verdict(archive.describe("k", version_id), key_arn) is Verdict.LEAVE


def test_locks_are_described(objects, archive):
    until = datetime(2099, 1, 1, tzinfo=UTC)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    version_id = objects.put("k", ObjectLockLegalHoldStatus="ON", **lock)
    version = archive.describe("k", version_id)

    assert version.legal_hold
    assert (version.retention.mode, version.retention.until) == ("GOVERNANCE", until)


def test_a_noncurrent_version_is_described_by_its_id(objects, archive):
    first, second = objects.put("k", b"first"), objects.put("k", b"second one")

    assert archive.describe("k", first).size_bytes == len(b"first")
    assert archive.describe_current("k").version_id == second


def test_what_is_not_there_is_described_as_none(objects, s3, bucket, archive):
    version_id = objects.put("k")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version_id)

    assert archive.describe("k", version_id) is None
    assert archive.describe_current("k") is None


def test_a_delete_marker_is_described_as_none(objects, s3, bucket, archive):
    objects.put("k")
    marker_id = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]

    assert archive.describe("k", marker_id) is None
    assert archive.describe_current("k") is None


@pytest.mark.parametrize("key", KEYS)
def test_a_copy_keeps_everything_but_the_encryption(objects, archive, key_arn, key):
    version_id = objects.put(
        key,
        ContentType="application/x-gzip",
        Metadata={"a": "b"},
        Tagging="x=1",
        StorageClass="STANDARD_IA",
    )
    original = archive.describe(key, version_id)
    copy = archive.describe(key, archive.copy(original, key_arn, None))

    assert copy.version_id != original.version_id
    assert differences(original, copy, key_arn=key_arn, now=NOW) == []
    assert is_proven(original, copy)
    assert copy.bucket_key_enabled
    assert set(objects.read(key)) == {original.version_id, copy.version_id}


def test_a_bucket_that_is_not_there_is_a_failed_call_with_its_name(objects, s3, key_arn, archive):
    version = archive.describe("k", objects.put("k"))

    with pytest.raises(AwsError, match=r"CopyObject of k \(version .*NoSuchBucket"):
        Archive(s3, "amzn-s3-demo-nowhere").copy(version, key_arn, None)


# Holds and removals


def test_a_hold_goes_on_the_very_version(objects, s3, bucket, archive):
    first, second = objects.put("k"), objects.put("k")
    holds = Holds(s3, bucket)

    holds.place(archive.describe("k", first))
    holds.place(archive.describe("k", first))

    assert archive.describe("k", first).legal_hold
    assert not archive.describe("k", second).legal_hold


@pytest.mark.parametrize("key", KEYS)
def test_a_removal_removes_the_very_version(objects, removals, archive, key):
    first, second = objects.put(key), objects.put(key)
    version = archive.describe(key, first)

    removals.remove(version)

    assert set(objects.read(key)) == {second}
    assert archive.describe(key, first) is None


def test_a_version_on_hold_is_not_removed(objects, removals, archive):
    version = archive.describe("k", objects.put("k", ObjectLockLegalHoldStatus="ON"))

    with pytest.raises(RemovalRefusedError):
        removals.remove(version)
    assert set(objects.read("k")) == {version.version_id}


# The control bucket


def test_a_ledger_record_is_replaced_only_if_nobody_was_faster(objects, control):
    record = parse(LedgerRecord, example("ledger-record", "completed"))
    objects.put(record.key, example("ledger-record", "completed").encode())
    read, etag = control.ledger_record(record.key)
    assert read == record

    assert control.replace_ledger_record(record.as_secured(at=NOW), etag)
    assert not control.replace_ledger_record(record.as_published(at=NOW), etag)
    assert control.ledger_record(record.key)[0].state == "secured"


def test_a_record_that_is_not_there_is_none(control):
    assert control.ledger_record("ledger/none.json") is None


def test_a_record_that_breaks_its_contract_is_not_guessed_at(objects, control):
    objects.put("ledger/x.json", b"{}")

    with pytest.raises(ContractError, match="LedgerRecord"):
        control.ledger_record("ledger/x.json")


def manifest_text():
    event = json.loads(example("export-completed", "several-streams"))
    return json.dumps(event["data"]["manifest"]).encode()


def location(text, **changes):
    return ManifestLocation(
        **{
            "bucket": "control-bucket",
            "key": "manifest/x.json",
            "size_bytes": len(text),
            "sha256": hashlib.sha256(text).hexdigest(),
        }
        | changes
    )


def test_a_manifest_is_read(objects, control):
    text = manifest_text()
    objects.put("manifest/x.json", text)

    assert len(control.manifest(location(text)).objects) == 5


@pytest.mark.parametrize(
    "changes", [{"sha256": "0" * 64}, {"size_bytes": 1}, {"key": "manifest/y.json"}]
)
def test_a_manifest_that_is_not_the_announced_one_is_refused(objects, control, changes):
    text = manifest_text()
    objects.put("manifest/x.json", text)

    with pytest.raises(RefusedError, match=r"^manifest: "):
        control.manifest(location(text, **changes))


def test_a_replacement_is_found_by_the_version_that_it_replaced(control):
    event = parse(ObjectSecured, example("object-secured", "copied-and-on-hold"))
    bucket, key = event.data.bucket, event.data.key
    control.record_replacement("old", event)

    assert control.replacement(bucket, key, "old") == event.data.version_id
    assert control.replacement(bucket, key, "older") is None
    assert control.replacement(bucket, key + "x", "old") is None


# Topic, dead letters, key


@pytest.fixture
def queue(backend):
    sqs = backend.client("sqs")
    url = sqs.create_queue(QueueName="received")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]

    def receive():
        (message,) = sqs.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=10
        )["Messages"]
        attributes = message.get("MessageAttributes", {})
        return message["Body"], {
            name: attribute["StringValue"] for name, attribute in attributes.items()
        }

    receive.client, receive.url, receive.arn = sqs, url, arn["QueueArn"]
    return receive


def test_an_event_reaches_the_topics_queues_as_it_is(backend, queue):
    sns = backend.client("sns")
    topic_arn = sns.create_topic(Name="events")["TopicArn"]
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=queue.arn,
        Attributes={
            "RawMessageDelivery": "true",
            "FilterPolicy": json.dumps({"type": ["logferry.object.secured.v1"]}),
        },
    )
    event = parse(ObjectSecured, example("object-secured", "copied-and-on-hold"))

    Topic(sns, topic_arn).publish(event)

    body, attributes = queue()
    assert parse(ObjectSecured, body) == event
    assert attributes["type"] == "logferry.object.secured.v1"


def test_a_dead_letter_is_the_message_with_its_reason(queue):
    DeadLetters(queue.client, queue.url).send("{}", reason="contract", detail="bad\n" * 1000)

    body, attributes = queue()
    assert body == "{}"
    assert attributes["reason"] == "contract"
    assert attributes["service"] == "sse-enforcer"
    assert len(attributes["detail"]) == 1000


def test_the_key_is_read_and_believed_for_its_time(backend, key_arn):
    ssm = backend.client("ssm")
    ssm.put_parameter(Name="/kms/arn", Value=key_arn, Type="String")
    believed, asked = KmsKeyParameter(ssm, "/kms/arn", 300), KmsKeyParameter(ssm, "/kms/arn", 0)
    assert believed.key_arn() == asked.key_arn() == key_arn

    ssm.put_parameter(Name="/kms/arn", Value="alias/logs", Type="String", Overwrite=True)

    assert believed.key_arn() == key_arn
    with pytest.raises(KmsKeyError, match=r"/kms/arn is not the ARN of a KMS key: 'alias/logs'"):
        asked.key_arn()


def test_a_missing_key_parameter_is_named(backend):
    with pytest.raises(KmsKeyError, match="/kms/arn cannot be read"):
        KmsKeyParameter(backend.client("ssm"), "/kms/arn", 300).key_arn()
