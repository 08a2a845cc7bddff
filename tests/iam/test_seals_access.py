"""Who writes below the seals, under the roles that are deployed: the sealer alone.

Not among the tests whose calls are judged for the permissions that they need: these are refused.
"""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.sealed_account import Account

pytestmark = pytest.mark.localstack


@pytest.fixture
def suite(suite_apart):
    return suite_apart


@pytest.fixture
def account(suite):
    return Account(suite)


@pytest.fixture
def as_role(suite):
    """Return clients of a role that is deployed, whose calls IAM decides on."""

    def clients(account_id: str, name: str) -> Any:
        region = suite.source("gamma").region
        owner = boto3.Session(account_id, "any", region_name=region)
        arn = f"arn:aws:iam::{account_id}:role/{name}"
        made = owner.client("sts", endpoint_url=suite.endpoint).assume_role(
            RoleArn=arn, RoleSessionName="test"
        )["Credentials"]
        keys = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        session = boto3.Session(*keys, region_name=region)
        return lambda service: session.client(service, endpoint_url=suite.endpoint)

    return clients


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


@pytest.mark.parametrize("name", ["sse-enforcer", "planner", "exporter-gamma"])
def test_no_other_role_of_the_hub_writes_below_the_seals(suite, account, as_role, name):
    s3 = as_role(suite.hub_account_id, f"{suite.name}-{name}")("s3")
    key = f"!seals/{account.chain}/seals/0000000001.json"
    put = {"Bucket": suite.archive_bucket, "Key": key, "Body": b"x"}
    assert refused(s3.put_object, **put) == "AccessDenied"
    account.s3.put_object(**put)  # by the account's own key, which everything is allowed here
    held = {"Bucket": suite.archive_bucket, "Key": key}
    assert refused(s3.delete_object, **held) == "AccessDenied"
    off = {"LegalHold": {"Status": "OFF"}}
    assert refused(s3.put_object_legal_hold, **held, **off) == "AccessDenied"
    account.s3.delete_object(**held)
    note = {"Bucket": account.control, "Key": f"seals/{account.chain}/chain.json", "Body": b"{}"}
    assert refused(s3.put_object, **note) == "AccessDenied"


def test_neither_a_sources_role_nor_its_export_task_writes_below_the_seals(
    suite, account, as_role, some_logs, name
):
    some_logs("gamma", name)
    client = as_role(suite.source("gamma").account_id, f"{suite.name}-source")
    folder = f"!seals/{account.chain}/seals"
    put = {"Bucket": suite.archive_bucket, "Key": f"{folder}/0000000001.json", "Body": b"x"}
    code = refused(client("s3").put_object, **put, ACL="bucket-owner-full-control")
    assert code == "AccessDenied"
    task = {
        "logGroupName": name,
        "fromTime": account.window.from_ms,
        "to": account.window.to_ms - 1,
        "destination": suite.archive_bucket,
        "destinationPrefix": folder,
    }
    with pytest.raises(ClientError, match="PutObject call on the given bucket failed"):
        client("logs").create_export_task(**task)


def test_the_sealer_writes_there_and_can_take_nothing_back(suite, account, as_role):
    s3 = as_role(suite.hub_account_id, f"{suite.name}-sealer")("s3")
    where = {
        "Bucket": suite.archive_bucket,
        "Key": f"!seals/{account.chain}/leaves/{'0' * 64}.jsonl",
    }
    s3.put_object(**where, Body=b"", ObjectLockLegalHoldStatus="ON")
    assert refused(s3.delete_object, **where) == "AccessDenied"
    off = {"LegalHold": {"Status": "OFF"}}
    assert refused(s3.put_object_legal_hold, **where, **off) == "AccessDenied"
    listed = {"Bucket": account.control, "Key": f"inventories/{account.chain}/x", "Body": b""}
    assert refused(s3.put_object, **listed) == "AccessDenied"
    logs = {"Bucket": suite.archive_bucket, "Key": "alpha/app/x", "Body": b""}
    assert refused(s3.put_object, **logs) == "AccessDenied"
