import pytest

from logferry_deliveries.errors import KmsKeyError
from sse_enforcer.archive_key import (
    KeyParameter,
    KeyScheme,
    KmsKey,
    check_key,
    check_value,
    parameter_for,
)

BASE = "/kms/arn"
ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SCHEME = KeyScheme(parameter=BASE, account_id="111122223333", region="eu-west-1")
ENABLED = KmsKey("Enabled", "SYMMETRIC_DEFAULT")


def named(*names):
    return {name: KeyParameter(name, ARN) for name in names}


@pytest.mark.parametrize(
    ("object_key", "name"),
    [
        ("shop/app/2026/000000.gz", f"{BASE}/shop/app"),
        ("shop/app2/2026/000000.gz", f"{BASE}/shop"),
        ("shop/app", f"{BASE}/shop"),
        ("shop/app/", f"{BASE}/shop/app"),
        ("shop", BASE),
        ("other/shop/app/000000.gz", BASE),
        ("", BASE),
    ],
)
def test_the_longest_prefix_of_whole_folders_names_the_key(object_key, name):
    parameters = named(BASE, f"{BASE}/shop", f"{BASE}/shop/app")

    assert parameter_for(object_key, BASE, parameters).name == name


@pytest.mark.parametrize(
    ("object_key", "name"),
    [
        ("shop/!/app/db/000000.gz", f"{BASE}/shop./app"),
        ("shop/!/other/000000.gz", f"{BASE}/shop/other"),
        ("shop/!/else/000000.gz", f"{BASE}/shop"),
        ("shop/app/db/000000.gz", f"{BASE}/shop/app"),
        ("bank/!/app/000000.gz", f"{BASE}/bank."),
        ("bank/app/000000.gz", BASE),
        ("!/app/000000.gz", BASE),
    ],
)
def test_what_is_below_an_exclamation_mark_has_parameters_of_its_own_and_then_as_ever(
    object_key, name
):
    """SSM takes letters, digits, ``.``, ``-`` and ``_`` in the parts of a name.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
    """
    parameters = named(
        BASE,
        *(f"{BASE}/shop", f"{BASE}/shop/app", f"{BASE}/shop./app", f"{BASE}/shop/other"),
        f"{BASE}/bank.",
    )

    assert parameter_for(object_key, BASE, parameters).name == name


def test_a_missing_parameter_is_named_unless_the_objects_prefix_has_its_own():
    parameters = named(f"{BASE}/shop")

    assert parameter_for("shop/x", BASE, parameters).name == f"{BASE}/shop"
    with pytest.raises(KmsKeyError, match=r"SSM parameter /kms/arn is missing: put the ARN"):
        parameter_for("bank/x", BASE, parameters)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("alias/logs", "is an alias, .*; put the ARN that .* describe-key --key-id alias/logs "),
        (ARN.replace("key/", "alias/"), "is an alias, .*; put the ARN that this prints"),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", "is a key id, .*; put the ARN that this prints"),
        ("mrk-1234abcd12ab34cd56ef1234567890ab", "is a key id, .*; put the ARN that this prints"),
        (f"{ARN} ", "is not the ARN of a KMS key; put one such as arn:aws:kms:"),
        (f"{ARN}\n", "is not the ARN of a KMS key; put one such as arn:aws:kms:"),
        ("", "is not the ARN of a KMS key; put one such as arn:aws:kms:"),
        (
            ARN.replace("eu-west-1", "us-east-1"),
            "is a key in us-east-1, and .* is in eu-west-1; put the ARN of a key in eu-west-1",
        ),
        (
            ARN.replace("111122223333", "999999999999"),
            "is a key of account 999999999999, .* 111122223333; put the ARN of a key of 1111",
        ),
    ],
)
def test_a_value_that_s3_would_not_take_is_named_with_what_to_do(value, problem):
    with pytest.raises(KmsKeyError, match=f"^SSM parameter /kms/arn/shop: '.*' {problem}"):
        check_value(KeyParameter(f"{BASE}/shop", value), SCHEME)


def test_a_secret_parameter_is_not_read():
    with pytest.raises(KmsKeyError, match="is a SecureString; make it a String"):
        check_value(KeyParameter(BASE, "AQICAHh...", "SecureString"), SCHEME)


def test_the_arn_of_a_key_in_place_is_taken():
    check_value(KeyParameter(BASE, ARN), SCHEME)
    check_key(KeyParameter(BASE, ARN), ENABLED)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (None, "is a key that does not exist; put the ARN of one that does"),
        (
            KmsKey("Disabled", "SYMMETRIC_DEFAULT"),
            f"is a key in state Disabled; enable it with: aws kms enable-key --key-id {ARN}",
        ),
        (
            KmsKey("PendingDeletion", "SYMMETRIC_DEFAULT"),
            "is a key in state PendingDeletion; keep it with: aws kms cancel-key-deletion",
        ),
        (
            KmsKey("Unavailable", "SYMMETRIC_DEFAULT"),
            "is a key in state Unavailable; put the ARN of a key that is enabled",
        ),
        (
            KmsKey("Enabled", "RSA_2048"),
            "is a key of spec RSA_2048; put the ARN of a symmetric",
        ),
    ],
)
def test_a_key_that_cannot_encrypt_is_named_with_what_to_do(key, problem):
    with pytest.raises(KmsKeyError, match=f"^SSM parameter /kms/arn: '{ARN}' {problem}"):
        check_key(KeyParameter(BASE, ARN), key)
