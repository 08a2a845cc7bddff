"""Each adapter on moto and on LocalStack; what only LocalStack models is in its own file."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ManifestLocation
from logferry_contracts.object_secured import ObjectSecured
from logferry_contracts.wire import ContractError, parse
from logferry_deliveries.errors import AwsError, KmsKeyError, RefusedError
from logferry_deliveries.queues import DeadLetters, Queue, Topic
from sse_enforcer.archive_key import KeyScheme
from sse_enforcer.aws.archive import Archive
from sse_enforcer.aws.control import ControlBucket, Copying
from sse_enforcer.aws.encryption import Encryption
from sse_enforcer.aws.holds import Holds
from sse_enforcer.aws.keys import KmsKeys
from sse_enforcer.aws.removals import Removals
from sse_enforcer.errors import RemovalRefusedError
from sse_enforcer.verdict import differences, is_proven

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
def encryption(s3, bucket):
    return Encryption(s3, bucket)


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

    assert archive.describe("k", version_id).is_under(key_arn)


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
def test_a_copy_keeps_everything_but_the_encryption(objects, archive, encryption, key_arn, key):
    version_id = objects.put(
        key,
        ContentType="application/x-gzip",
        Metadata={"a": "b"},
        Tagging="x=1",
        StorageClass="STANDARD_IA",
        WebsiteRedirectLocation="/elsewhere",
    )
    original = archive.describe(key, version_id)
    copy = archive.describe(key, encryption.copy(original, key_arn, None))

    assert copy.version_id != original.version_id
    assert differences(original, copy, key_arn=key_arn, now=NOW) == []
    assert is_proven(original, copy)
    assert copy.bucket_key_enabled
    assert set(objects.read(key)) == {original.version_id, copy.version_id}


@pytest.mark.parametrize("status", ["Enabled", "Suspended", None])
def test_a_bucket_keeps_versions_only_while_versioning_is_enabled(backend, status):
    s3, name = backend.client("s3"), f"plain-{backend.account_id}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": backend.region})
    if status is not None:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})

    assert Archive(s3, name).keeps_versions() is (status == "Enabled")


def test_a_bucket_that_is_not_there_is_a_failed_call_with_its_name(objects, s3, key_arn, archive):
    version = archive.describe("k", objects.put("k"))

    with pytest.raises(AwsError, match=r"CopyObject of k \(version .*NoSuchBucket"):
        Encryption(s3, "amzn-s3-demo-nowhere").copy(version, key_arn, None)


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
        **{  # type: ignore[arg-type]
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


def test_what_is_being_copied_is_written_down_by_one_at_a_time(control):
    copying = Copying(
        source_version_id="v1", upload_id="u", request_sha256="0" * 64, busy_until=NOW
    )
    assert control.copying("b", "k") is None

    etag = control.take_copying("b", "k", copying, None)
    assert control.copying("b", "k") == (copying, etag)
    assert control.take_copying("b", "k", copying, None) is None
    again = replace(copying, source_version_id="v2")
    assert control.take_copying("b", "k", again, etag)
    assert control.take_copying("b", "k", copying, etag) is None
    assert control.copying("b", "k")[0] == again
    assert control.copying("b", "other") is None


def test_what_is_copied_in_one_call_is_written_down_whatever_was_there(control):
    copying = Copying(source_version_id="v1", upload_id=None, request_sha256=None, busy_until=NOW)

    control.record_copying("b", "k", copying)
    control.record_copying("b", "k", replace(copying, source_version_id="v2"))

    assert control.copying("b", "k")[0].source_version_id == "v2"


# Topic, queue, dead letters, keys


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

    receive.client, receive.url, receive.arn = sqs, url, arn["QueueArn"]  # type: ignore[attr-defined]
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
    DeadLetters(queue.client, queue.url, "sse-enforcer").send(
        "{}", reason="contract", detail="bad\n" * 1000
    )

    body, attributes = queue()
    assert body == "{}"
    assert attributes["reason"] == "contract"
    assert attributes["service"] == "sse-enforcer"
    assert len(attributes["detail"]) == 1000


def test_a_message_is_received_again_when_it_was_asked_for(queue):
    queue.client.send_message(QueueUrl=queue.url, MessageBody="{}")
    [message] = queue.client.receive_message(QueueUrl=queue.url, WaitTimeSeconds=10)["Messages"]

    Queue(queue.client, queue.url).give_back(message["ReceiptHandle"], 0)

    assert queue()[0] == "{}"


def test_a_receipt_that_sqs_does_not_know_is_a_failed_call(queue):
    with pytest.raises(AwsError, match="ChangeMessageVisibility"):
        Queue(queue.client, queue.url).give_back("none", 0)


def keys(backend, ttl_seconds=300, **changes):
    scheme = {"parameter": "/kms/arn", "account_id": backend.account_id, "region": backend.region}
    return KmsKeys(
        backend.client("ssm"), backend.client("kms"), KeyScheme(**scheme | changes), ttl_seconds
    )


@pytest.fixture
def put_parameter(backend):
    ssm = backend.client("ssm")

    def put(value, name="/kms/arn", **options):
        ssm.put_parameter(
            **{"Name": name, "Value": value, "Type": "String", "Overwrite": True} | options
        )

    return put


def test_the_key_is_read_and_believed_for_its_time(backend, key_arn, put_parameter):
    put_parameter(key_arn)
    believed, asked = keys(backend), keys(backend, ttl_seconds=0)
    assert believed.key_arn("k") == asked.key_arn("k") == key_arn

    put_parameter("alias/logs")

    assert believed.key_arn("k") == key_arn
    with pytest.raises(KmsKeyError, match=r"SSM parameter /kms/arn: 'alias/logs' is an alias"):
        asked.key_arn("k")


def test_a_parameter_below_names_the_key_of_a_prefix(backend, key_arn, put_parameter):
    other_arn = backend.client("kms").create_key()["KeyMetadata"]["Arn"]
    put_parameter(key_arn)
    put_parameter(other_arn, "/kms/arn/shop-prod/aws/lambda/orders")
    for number in range(12):  # more than a page
        put_parameter(key_arn, f"/kms/arn/p{number}")
    found = keys(backend)

    assert found.key_arn("shop-prod/aws/lambda/orders/2026/000000.gz") == other_arn
    assert found.key_arn("shop-prod/aws/lambda/000000.gz") == key_arn


def test_a_key_that_cannot_be_used_is_named_until_it_can(backend, key_arn, put_parameter):
    kms, key_id = backend.client("kms"), key_arn.split("/")[1]  # moto takes no ARN here
    found = keys(backend, ttl_seconds=0)

    def fails(text):
        return pytest.raises(KmsKeyError, match=f"SSM parameter /kms/arn.* {text}")

    with fails("is missing: put the ARN"):
        found.key_arn("k")
    put_parameter(key_arn[:-12] + "0" * 12)
    with fails("is a key that does not exist; put"):
        found.key_arn("k")
    put_parameter(key_arn)
    kms.disable_key(KeyId=key_id)
    with fails("is a key in state Disabled; enable it with: aws kms"):
        found.key_arn("k")
    kms.enable_key(KeyId=key_id)
    assert found.key_arn("k") == key_arn
    kms.schedule_key_deletion(KeyId=key_id)
    with fails("is a key in state PendingDeletion; keep it with: aws"):
        found.key_arn("k")


class Denied:
    """An AWS client that may do nothing."""

    def __getattr__(self, operation):
        raise ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, operation
        )


SCHEME = KeyScheme(parameter="/kms/arn", account_id="111122223333", region="eu-west-1")
KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_a_parameter_that_may_not_be_read_is_named_with_what_to_allow():
    with pytest.raises(KmsKeyError, match="/kms/arn may not be read; allow ssm:GetParameter on it"):
        KmsKeys(Denied(), Denied(), SCHEME, 300).key_arn("k")  # type: ignore[arg-type]


def test_a_key_that_may_not_be_looked_at_is_named_with_what_to_allow(world, as_aws):
    world.parameters = {"/kms/arn": KEY_ARN}

    with pytest.raises(KmsKeyError, match="may not be looked at; allow kms:DescribeKey on it"):
        KmsKeys(as_aws("ssm", world), Denied(), SCHEME, 300).key_arn("k")  # type: ignore[arg-type]
