import json
from typing import Any

import pytest

from localstack_addons.s3.policy_limits import BUCKET_POLICY_BYTES, CLOSED_ACCOUNT, check

ACCOUNT = "111122223333"


def exists(account_id: str, kind: str, name: str) -> bool:
    return (account_id, kind, name) in {(ACCOUNT, "role", "one"), (ACCOUNT, "user", "eve")}


def policy(principal: Any, **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Principal": principal, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def verdict(principal: Any) -> str | None:
    return check(policy(principal), BUCKET_POLICY_BYTES, exists)


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": ACCOUNT},
        {"AWS": [ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"]},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role/one"},
        {"AWS": f"arn:aws-us-gov:iam::{ACCOUNT}:role/with/a/path/one"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"},
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/one/session"},
        {"Service": ["logs.eu-west-1.amazonaws.com", "logs.cn-north-1.amazonaws.com.cn"]},
    ],
)
def test_principals_that_can_be_are_taken(principal: Any):
    assert verdict(principal) is None


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "11112222333"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role/nobody"},
        {"AWS": [ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/one"]},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:root/one"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role"},
        {"Service": "logs"},
        {"AWS": CLOSED_ACCOUNT},
        {"AWS": [ACCOUNT, f"arn:aws:iam::{CLOSED_ACCOUNT}:root"]},
    ],
)
def test_one_principal_that_cannot_be_is_one_too_many(principal: Any):
    assert verdict(principal) == "principal"


def test_a_principal_that_is_excepted_has_to_be_there_too():
    document = json.loads(policy("*"))
    statement = document["Statement"]
    statement["NotPrincipal"] = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/nobody"}
    del statement["Principal"]
    assert check(json.dumps(document), BUCKET_POLICY_BYTES, exists) == "principal"


def test_the_limit_counts_no_blanks():
    long = policy("*", Resource=["a" * 100] * 150)
    assert check(json.dumps(json.loads(long), indent=80), BUCKET_POLICY_BYTES, exists) is None
    assert check(policy("*", Resource=["a" * 100] * 200), BUCKET_POLICY_BYTES, exists) == "size"
