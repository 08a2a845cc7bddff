"""Whether an envelope is signed by a key that is trusted. Needs the extra ``verify``.

The keys are given from outside; what an envelope says of its key decides nothing. A signature may
be of any algorithm that a KMS key of its kind signs a SHA-256 digest with:
https://docs.aws.amazon.com/kms/latest/developerguide/asymmetric-key-specs.html
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from logferry_contracts.dsse import Envelope

LEAST_RSA_BITS = 2048

_BEGIN = b"-----BEGIN PUBLIC KEY-----"

_PSS = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
_RSA_PADDINGS = (_PSS, padding.PKCS1v15())
"""``RSASSA_PSS_SHA_256`` and ``RSASSA_PKCS1_V1_5_SHA_256``."""


class SignatureError(ValueError):
    """No trusted key has signed this: it was changed, or made by somebody else."""


class UnusableKeyError(ValueError):
    """A key that was given is none that can be used: whoever checks has to give another file."""


@dataclass(frozen=True)
class TrustedKey:
    """A public key that signatures are believed of.

    Attributes:
        key: On NIST P-256, or of RSA.
        id: SHA-256 of its SubjectPublicKeyInfo in DER, in hexadecimal: of the very bytes that KMS
            answers GetPublicKey with.
    """

    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    id: str

    @classmethod
    def from_pem(cls, pem: bytes, name: str) -> Self:
        """Read a public key.

        Args:
            pem: ``-----BEGIN PUBLIC KEY-----`` and so on.
            name: Of the file, for errors.

        Raises:
            UnusableKeyError: It is not one on P-256, or of RSA with 2,048 bits at least.
        """
        if (count := pem.count(_BEGIN)) > 1:
            # Whichever one is taken, who has given the other one would be told that it is foreign.
            told = f"{name}: {count} public keys are in it: give each as a file of its own"
            raise UnusableKeyError(told)
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UnusableKeyError(f"{name}: no public key in PEM: {error}") from error
        match key:
            case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
                pass
            case rsa.RSAPublicKey() if key.key_size >= LEAST_RSA_BITS:
                pass
            case _:
                raise UnusableKeyError(
                    f"{name}: {type(key).__name__} is neither on P-256 nor of RSA with at least "
                    f"{LEAST_RSA_BITS} bits"
                )
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(key, hashlib.sha256(der).hexdigest())

    @property
    def pem(self) -> bytes:
        """The key as `from_pem` reads it."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def has_signed(self, message: bytes, sig: bytes) -> bool:
        """Whether a signature of a message is by this key."""
        if isinstance(self.key, ec.EllipticCurvePublicKey):
            return _passes(self.key.verify, sig, message, ec.ECDSA(SHA256()))
        return any(_passes(self.key.verify, sig, message, form, SHA256()) for form in _RSA_PADDINGS)


def signers(envelope: Envelope, keys: Iterable[TrustedKey]) -> list[TrustedKey]:
    """Return the keys that have signed an envelope, each once.

    Raises:
        SignatureError: None of them has.
    """
    message, trusted = envelope.signed, list({key.id: key for key in keys}.values())
    found = [
        key
        for key in trusted
        if any(key.has_signed(message, each.sig) for each in envelope.signatures)
    ]
    if not found:
        named = ", ".join(repr(each.keyid) for each in envelope.signatures)
        raise SignatureError(
            f"none of {len(envelope.signatures)} signatures (keyid {named}) is by one of the "
            f"{len(trusted)} keys that are trusted"
        )
    return found


def _passes(verify: Callable[..., None], *signature: Any) -> bool:
    try:
        verify(*signature)
    except InvalidSignature:
        return False
    return True
