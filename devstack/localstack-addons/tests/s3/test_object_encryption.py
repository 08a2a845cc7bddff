from typing import Any

import pytest

from localstack_addons.refusals import Refusal
from localstack_addons.s3.object_encryption import Source, Target, check_source, target_of

OWNER = "111111111111"
KEY_ARN = f"arn:aws:kms:eu-west-1:{OWNER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def refused(code: str, status: int = 400):
    return pytest.raises(Refusal, check=lambda e: (e.code, e.status) == (code, status))


def source(**changes: Any) -> Source:
    members: dict[str, Any] = {
        "encryption": "AES256",
        "has_customer_key": False,
        "lock_mode": None,
        "legal_hold": None,
    }
    return Source(**members | changes)


def test_a_bucket_key_is_off_unless_asked_for():
    assert target_of({"SSEKMS": {"KMSKeyArn": KEY_ARN}}, OWNER) == Target(KEY_ARN, False)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_bucket_key_is_as_asked_for(*, enabled: bool):
    wanted = {"SSEKMS": {"KMSKeyArn": KEY_ARN, "BucketKeyEnabled": enabled}}
    assert target_of(wanted, OWNER) == Target(KEY_ARN, enabled)


@pytest.mark.parametrize("wanted", [None, {}, {"SSES3": {}}])
def test_a_target_other_than_kms_is_refused(wanted: dict[str, Any] | None):
    with refused("InvalidRequest"):
        target_of(wanted, OWNER)


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias/archive",
        f"arn:aws:kms:eu-west-1:{OWNER}:alias/archive",
        f"{KEY_ARN}\n",
        f"arn:aws:s3:eu-west-1:{OWNER}:key/1234abcd",
    ],
)
def test_a_key_named_by_anything_but_its_full_arn_is_refused(key: str | None):
    with refused("InvalidRequest"):
        target_of({"SSEKMS": {"KMSKeyArn": key}}, OWNER)


def test_another_accounts_key_is_refused():
    with refused("AccessDenied", 403):
        target_of({"SSEKMS": {"KMSKeyArn": KEY_ARN}}, "222222222222")


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_an_object_under_s3s_own_or_a_kms_key_can_be_changed(encryption: str):
    check_source(source(encryption=encryption, legal_hold="OFF"))


@pytest.mark.parametrize(
    "changes", [{"encryption": "aws:kms:dsse"}, {"has_customer_key": True}, {"encryption": None}]
)
def test_an_object_encrypted_in_another_way_is_refused(changes: dict[str, Any]):
    with refused("InvalidRequest"):
        check_source(source(**changes))


@pytest.mark.parametrize(
    "changes", [{"lock_mode": "GOVERNANCE"}, {"lock_mode": "COMPLIANCE"}, {"legal_hold": "ON"}]
)
def test_an_object_that_object_lock_protects_is_refused(changes: dict[str, Any]):
    with refused("AccessDenied", 403):
        check_source(source(**changes))
