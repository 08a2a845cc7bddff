"""The adapters on an emulation of S3 and KMS that is not ours: it signs and locks for real."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from moto import mock_aws
from services.sealer.tests.conftest import ARCHIVE, CHAIN, CONTROL, DAY, FIRST, HOUR, World, day

from logferry_contracts.day_seal import DaySeal, read_envelope
from logferry_contracts.day_sealed import DaySealed
from logferry_contracts.seal_key import seal_key
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.wire import parse
from sealer.aws.seals import Seals
from sealer.errors import OvertakenError
from sealer.settings import Settings
from sealer.wiring import wire

REGION = "eu-west-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        s3 = boto3.client("s3", region_name=REGION)
        where: Any = {"LocationConstraint": REGION}
        for bucket, lock in ((ARCHIVE, True), (CONTROL, False)):
            s3.create_bucket(
                Bucket=bucket, CreateBucketConfiguration=where, ObjectLockEnabledForBucket=lock
            )
        s3.put_bucket_versioning(Bucket=CONTROL, VersioningConfiguration={"Status": "Enabled"})
        yield lambda name: boto3.client(name, region_name=REGION)


def key_of(aws: Any, spec: str = "ECC_NIST_P256", usage: str = "SIGN_VERIFY") -> str:
    arn: str = aws("kms").create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
    return arn


def trusted(aws: Any, arn: str) -> TrustedKey:
    der = aws("kms").get_public_key(KeyId=arn)["PublicKey"]
    pem = load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return TrustedKey.from_pem(pem, arn)


def fill(aws: Any, world: World) -> None:
    """Put what a world in memory has into the emulation."""
    world.exported("/a", day(0))
    world.inventory("/a", excluded=["/c"], at=FIRST + DAY + HOUR)
    for (bucket, key), versions in world.cloud.objects.items():
        for version in versions:
            aws("s3").put_object(Bucket=bucket, Key=key, Body=version.body)


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [("ECC_NIST_P256", "ECDSA_SHA_256"), ("RSA_2048", "RSASSA_PSS_SHA_256")],
)
def test_a_date_is_sealed_by_a_key_of_kms(
    aws: Any, world: World, tmp_path: Path, spec: str, algorithm: str
) -> None:
    """By moto's own word: it hashes a digest once more, and nobody else takes its signature."""
    fill(aws, world)
    arn = key_of(aws, spec)
    topic_arn = aws("sns").create_topic(Name="events")["TopicArn"]
    queue_url = aws("sqs").create_queue(QueueName="tap")["QueueUrl"]
    attributes = aws("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    aws("sns").subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=attributes["Attributes"]["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
    )
    settings = world.settings | {"signing_key_arn": arn, "topic_arn": topic_arn}
    service = wire(Settings(**settings), aws, lambda: "0" * 32, tmp_path)

    assert world.deliver(world.asked(), service)

    [message] = aws("sqs").receive_message(QueueUrl=queue_url)["Messages"]
    told = parse(DaySealed, message["Body"]).data
    found = aws("s3").get_object(
        Bucket=ARCHIVE, Key=told.location.key, VersionId=told.location.version_id
    )
    assert found["ObjectLockLegalHoldStatus"] == "ON"
    envelope = read_envelope(found["Body"].read())
    assert aws("kms").verify(
        KeyId=arn,
        Message=hashlib.sha256(envelope.signed).digest(),
        MessageType="DIGEST",
        Signature=envelope.signatures[0].sig,
        SigningAlgorithm=algorithm,
    )["SignatureValid"]
    seal = parse(DaySeal, envelope.payload)
    assert seal.sealed is not None
    assert seal.key_id == trusted(aws, arn).id


def test_a_seal_is_written_once(aws: Any) -> None:
    seals = Seals(aws("s3"), ARCHIVE)

    stored = seals.append(CHAIN, 1, b"the first")
    with pytest.raises(OvertakenError):
        seals.append(CHAIN, 1, b"another")

    assert stored.key == seal_key(CHAIN, 1)
    assert seals.read(stored) == b"the first"
    assert [each.is_alone for each in seals.after(CHAIN, 0)] == [True]


def test_what_is_named_for_its_content_may_be_written_twice(aws: Any) -> None:
    seals = Seals(aws("s3"), ARCHIVE)

    for _ in range(2):
        seals.put("!seals/x.json", b"{}")

    versions = aws("s3").list_object_versions(Bucket=ARCHIVE, Prefix="!seals/x")["Versions"]
    assert len(versions) == 1
