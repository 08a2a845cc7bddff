"""More objects than a page of a listing, with keys that a listing has to encode."""

import hashlib
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.wire import emit, parse
from sse_enforcer.settings import Settings
from sse_enforcer.sweep.aws import Listing
from sse_enforcer.sweep.pace import Pace
from sse_enforcer.sweep.passes import sweep
from sse_enforcer.sweep.report import SweepRequest
from sse_enforcer.sweep.slice import Time
from sse_enforcer.wiring import wire, wire_sweep

pytestmark = pytest.mark.localstack

RECORD = (
    Path(__file__).parents[3] / "contracts/examples/ledger-record/1.0/accept/completed.json"
).read_text()
PREFIX = "shop-prod/aws/lambda/orders/2026/11/21/00"
WRITERS = 8
TOMORROW = datetime.now(UTC) + timedelta(days=1)
FOREVER = Time(lambda: True, lambda: True)


@pytest.fixture
def s3(aws):
    return aws("s3")


@pytest.fixture
def key_arn(aws):
    return aws("kms").create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def archive(s3, account, key_arn):
    """An archive whose objects are under the right key from the start, and a control bucket."""
    where = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    name = f"archive-{account}"
    s3.create_bucket(Bucket=f"control-{account}", **where)
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True, **where)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return name


@pytest.fixture
def wiring(aws, s3, account, archive, key_arn, page):
    aws("ssm").put_parameter(Name="/kms/arn", Value=key_arn, Type="String")
    settings = Settings.from_env(
        {
            "ARCHIVE_BUCKET": archive,
            "CONTROL_BUCKET": f"control-{account}",
            "TOPIC_ARN": aws("sns").create_topic(Name="log-export-events")["TopicArn"],
            "DEAD_LETTER_QUEUE_URL": aws("sqs").create_queue(QueueName="dead")["QueueUrl"],
            "KMS_KEY_PARAMETER": "/kms/arn",
        }
    )
    service = wire(settings, aws)
    wiring = wire_sweep(service, s3, Pace(9999, lambda: 0.0, lambda _: None))
    return replace(wiring, listing=Listing(s3, archive, f"control-{account}", page_size=page))


def put_all(s3, archive, keys, unencrypted):
    def put(key):
        plain = {"ServerSideEncryption": "AES256"} if key in unencrypted else {}
        written = s3.put_object(Bucket=archive, Key=key, Body=b"lines", **plain)
        return {
            "key": key,
            "version_id": written["VersionId"],
            "size_bytes": 5,
            "etag": written["ETag"].strip('"'),
        }

    with ThreadPoolExecutor(WRITERS) as writers:
        return list(writers.map(put, keys))


def record_completed(s3, control, archive, objects):
    """Put a completed export's record into the ledger, its manifest beside it."""
    count = len(objects)
    manifest = {"object_count": count, "stream_count": count, "total_bytes": 5 * count}
    whole = json.dumps(manifest | {"objects": objects}).encode()
    s3.put_object(Bucket=control, Key="manifest/many.json", Body=whole)
    location = {"bucket": control, "key": "manifest/many.json", "size_bytes": len(whole)}
    record = json.loads(RECORD)
    record["destination"] = {"bucket": archive, "prefix": PREFIX}
    record["completed"]["manifest"] = manifest | {
        "location": location | {"sha256": hashlib.sha256(whole).hexdigest()}
    }
    checked = parse(LedgerRecord, json.dumps(record))
    s3.put_object(Bucket=control, Key=checked.key, Body=emit(checked).encode())


@pytest.mark.parametrize(
    ("count", "page"), [(50, 20), pytest.param(2500, 1000, marks=pytest.mark.deep)]
)
def test_a_sweep_of_lambdas_streams_finds_and_mends_beyond_the_first_page(
    s3, account, archive, wiring, key_arn, count
):
    keys = [
        f"{PREFIX}/direct/2026-11-21-[$LATEST]{number:04} 100%+ü/000000.gz"
        for number in range(count)
    ]
    unencrypted = {keys[0], keys[count * 3 // 5], keys[-1]}
    objects = put_all(s3, archive, keys, unencrypted)
    record_completed(s3, f"control-{account}", archive, objects)

    report, counts = None, Counter()
    while report is None or not report.is_complete:
        request = {"run": "now", "dry_run": False}
        if report is not None:
            request["report_key"] = report.about.report_key
        report = sweep(
            wiring, SweepRequest.model_validate(request), now=TOMORROW, time=FOREVER, counts=counts
        )

    assert report.listed_versions == count
    assert counts["ObjectsUpdated"] == len(unencrypted)
    assert counts["ObjectsHeld"] == count
    versions = (
        s3.get_paginator("list_object_versions").paginate(Bucket=archive).search("Versions[].Key")
    )
    assert list(versions) == keys
    for key in (*unencrypted, keys[count * 4 // 5]):
        head = s3.head_object(Bucket=archive, Key=key)
        assert (head["SSEKMSKeyId"], head["ObjectLockLegalHoldStatus"]) == (key_arn, "ON")
