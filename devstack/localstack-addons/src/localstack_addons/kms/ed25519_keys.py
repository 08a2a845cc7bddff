"""KMS keys on edwards25519, of which LocalStack knows the name alone.

From documentation (https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html,
https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html): a key of the
spec ECC_NIST_EDWARDS25519 signs by ED25519_SHA_512, for which the message has to be RAW, or by
ED25519_PH_SHA_512, for which it has to be a DIGEST. A message has 4,096 bytes at most.

Unverified, chosen here: the texts of refusals.

Not modelled: ED25519_PH_SHA_512, Verify, GenerateDataKeyPair, and that other keys refuse these
algorithms.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from localstack_addons.refusals import Refusal, refusing

KEY_SPEC = "ECC_NIST_EDWARDS25519"
ALGORITHM = "ED25519_SHA_512"
MAX_MESSAGE_BYTES = 4096
_STANDS_IN = "ECC_NIST_P256"
"""What LocalStack takes a key for until it has its own material."""


def check(message: bytes, message_type: str | None, algorithm: str) -> None:
    """Refuse what such a key does not sign.

    Raises:
        Refusal: ValidationException, or InvalidKeyUsageException for another algorithm.
    """
    if algorithm != ALGORITHM:
        raise Refusal("InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key")
    if message_type not in {None, "RAW"}:
        told = f"MessageType {message_type} is not valid for {ALGORITHM}"
        raise Refusal("ValidationException", told)
    if not 0 < len(message) <= MAX_MESSAGE_BYTES:
        raise Refusal("ValidationException", f"a message of {len(message)} bytes")


def install() -> None:
    """Have LocalStack make such keys, and sign by them."""
    from localstack.services.kms.models import KmsCryptoKey, KmsKey  # noqa: PLC0415

    KmsCryptoKey.__init__ = _making(KmsCryptoKey.__init__)
    KmsKey._populate_signing_algorithms = _naming(  # noqa: SLF001  no other way in
        KmsKey._populate_signing_algorithms  # noqa: SLF001
    )
    KmsKey.sign = _signing(KmsKey.sign)


def _making(original: Callable[..., None]) -> Callable[..., None]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    @wraps(original)
    def make(key: Any, key_spec: str, key_material: bytes | None = None) -> None:
        if key_spec != KEY_SPEC:
            original(key, key_spec, key_material)
            return
        original(key, _STANDS_IN)
        key.key_spec = KEY_SPEC
        key._serialize_key(Ed25519PrivateKey.generate())  # noqa: SLF001  no other way in

    return make


def _naming(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def name(key: Any, key_usage: str, key_spec: str) -> None:
        original(key, key_usage, key_spec)
        if key_spec == KEY_SPEC:
            key.metadata["SigningAlgorithms"] = [ALGORITHM, "ED25519_PH_SHA_512"]

    return name


def _signing(original: Callable[..., bytes]) -> Callable[..., bytes]:
    @refusing
    @wraps(original)
    def sign(key: Any, data: bytes, message_type: str | None, algorithm: str) -> bytes:
        if key.metadata["KeySpec"] != KEY_SPEC:
            return original(key, data, message_type, algorithm)
        check(data, message_type, algorithm)
        signature: bytes = key.crypto_key.key.sign(data)
        return signature

    return sign
