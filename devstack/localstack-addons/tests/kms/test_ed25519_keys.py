import pytest

from localstack_addons.kms.ed25519_keys import check
from localstack_addons.refusals import Refusal


@pytest.mark.parametrize("message_type", [None, "RAW"])
def test_a_message_as_it_is_may_be_signed(message_type: str | None):
    check(b"x" * 4096, message_type, "ED25519_SHA_512")


@pytest.mark.parametrize(
    ("message", "message_type", "algorithm", "code"),
    [
        (b"x", "DIGEST", "ED25519_SHA_512", "ValidationException"),
        (b"x", "RAW", "ECDSA_SHA_256", "InvalidKeyUsageException"),
        (b"x" * 4097, "RAW", "ED25519_SHA_512", "ValidationException"),
        (b"", "RAW", "ED25519_SHA_512", "ValidationException"),
    ],
)
def test_anything_else_is_refused(message: bytes, message_type: str, algorithm: str, code: str):
    with pytest.raises(Refusal) as refused:
        check(message, message_type, algorithm)
    assert refused.value.code == code
