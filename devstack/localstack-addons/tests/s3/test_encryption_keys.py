import pytest

from localstack_addons.refusals import Refusal
from localstack_addons.s3.encryption_keys import Place, check_state, check_usable

HERE = Place("111111111111", "eu-west-1")
KEY_ARN = "arn:aws:kms:eu-west-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def refused(code: str):
    return pytest.raises(Refusal, check=lambda e: (e.code, e.status) == (code, 400))


def test_an_enabled_key_is_taken():
    check_state(KEY_ARN, "Enabled")


@pytest.mark.parametrize(
    ("state", "code", "reason"),
    [
        (None, "KMS.NotFoundException", "does not exist"),
        ("Disabled", "KMS.DisabledException", "is disabled"),
        ("PendingDeletion", "KMS.KMSInvalidStateException", "is pending deletion"),
        ("PendingImport", "KMS.KMSInvalidStateException", "is PendingImport"),
    ],
)
def test_a_key_that_cannot_encrypt_is_refused_as_kms_would(
    state: str | None, code: str, reason: str
):
    with refused(code) as refusal:
        check_state(KEY_ARN, state)
    assert reason in refusal.value.message


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("fake-key-id", "Invalid keyId 'fake-key-id'"),
        (KEY_ARN.replace("eu-west-1", "eu-north-1"), "Invalid arn eu-north-1"),
    ],
)
def test_what_names_no_key_of_the_region_is_refused(key: str, message: str):
    with refused("KMS.NotFoundException") as refusal:
        check_usable(key, HERE)
    assert refusal.value.message == message


@pytest.mark.parametrize(
    "key", ["alias/aws/s3", "arn:aws:kms:eu-west-1:111111111111:alias/aws/sqs"]
)
def test_keys_that_aws_manages_are_always_there(key: str):
    check_usable(key, HERE)
