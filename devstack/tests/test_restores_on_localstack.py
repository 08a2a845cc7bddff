"""What S3 does with objects in GLACIER and DEEP_ARCHIVE, by its documentation."""

import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localstack_addons.s3.restores import ROUTE

pytestmark = pytest.mark.localstack

KEY = "a/000000.gz"


def code_of(call: Callable[..., Any], **how: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**how)
    return str(refused.value.response["Error"]["Code"])


def test_a_restore_is_asked_for_waited_for_and_read(
    aws: Callable[..., Any], localstack: str, account: str
):
    s3, bucket = aws("s3"), f"cold-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put = s3.put_object(Bucket=bucket, Key=KEY, Body=b"cold", StorageClass="DEEP_ARCHIVE")
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"over it")
    which = {"Bucket": bucket, "Key": KEY, "VersionId": put["VersionId"]}

    def restore(**wanted: Any) -> int:
        answer = s3.restore_object(**which, RestoreRequest=wanted)
        return int(answer["ResponseMetadata"]["HTTPStatusCode"])

    tier = {"GlacierJobParameters": {"Tier": "Bulk"}}
    assert code_of(s3.get_object, **which) == "InvalidObjectState"
    assert "Restore" not in s3.head_object(**which)
    assert code_of(restore, Days=2, GlacierJobParameters={"Tier": "Expedited"}) == "InvalidArgument"
    assert restore(Days=2, **tier) == 202
    assert s3.head_object(**which)["Restore"] == 'ongoing-request="true"'
    assert code_of(s3.get_object, **which) == "InvalidObjectState"
    assert code_of(restore, Days=2, **tier) == "RestoreAlreadyInProgress"

    end = f"{localstack}{ROUTE}?account={account}"
    with urllib.request.urlopen(end, data=b""):  # noqa: S310  (loopback)
        assert s3.head_object(**which)["Restore"].startswith('ongoing-request="false", expiry-date')
    assert s3.get_object(**which)["Body"].read() == b"cold"
    before = s3.head_object(**which)["Restore"]
    assert restore(Days=9) == 200
    assert s3.head_object(**which)["Restore"] != before
    assert code_of(s3.restore_object, Bucket=bucket, Key=KEY, RestoreRequest={"Days": 1}) == (
        "InvalidObjectState"
    )
