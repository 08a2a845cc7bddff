"""Signatures of RSA keys as KMS makes them of a digest, and none of any other form."""

import hashlib
from dataclasses import dataclass, field

import pytest
from contracts.tests.sealed_archive import Archive, SealingKey, checked
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from logferry_contracts.day_seal import PAYLOAD_TYPE
from logferry_contracts.dsse import pae_sha256
from logferry_contracts.signatures import TrustedKey, UnusableKeyError
from logferry_contracts.verification import findings as named

MESSAGE = b"DSSEv1 4 type 5 hello"
DIGEST = hashlib.sha256(MESSAGE).digest()
PSS = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32)
"""RSASSA_PSS_SHA_256: the mask is of the same hash, the salt as long as the digest.
https://docs.aws.amazon.com/kms/latest/developerguide/asymmetric-key-specs.html"""
PKCS1 = padding.PKCS1v15()
"""RSASSA_PKCS1_V1_5_SHA_256."""


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module", params=[2048, 3072, 4096])
def private(request: pytest.FixtureRequest) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=request.param)


@pytest.mark.parametrize("form", [PSS, PKCS1], ids=["PSS", "PKCS1"])
def test_a_signature_of_the_digest_is_one_of_the_message(
    private: rsa.RSAPrivateKey, form: padding.AsymmetricPadding
) -> None:
    key = TrustedKey.from_pem(pem(private), "key.pem")
    by_digest = private.sign(DIGEST, form, Prehashed(SHA256()))
    by_message = private.sign(MESSAGE, form, SHA256())

    assert key.has_signed(MESSAGE, by_digest)
    assert key.has_signed(MESSAGE, by_message)
    assert not key.has_signed(MESSAGE + b"!", by_digest)
    assert not key.has_signed(MESSAGE, by_digest[:-1] + bytes([by_digest[-1] ^ 1]))
    assert not key.has_signed(DIGEST, by_digest)


def test_no_other_form_is_taken(private: rsa.RSAPrivateKey) -> None:
    key = TrustedKey.from_pem(pem(private), "key.pem")
    long_salt = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=padding.PSS.MAX_LENGTH)
    other_mask = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=32)
    digest = hashlib.sha384(MESSAGE).digest()

    for sig in (
        private.sign(DIGEST, long_salt, Prehashed(SHA256())),
        private.sign(DIGEST, other_mask, Prehashed(SHA256())),
        private.sign(digest, PKCS1, Prehashed(SHA384())),
        b"",
        DIGEST,
    ):
        assert not key.has_signed(MESSAGE, sig)


def test_another_rsa_key_has_not_signed_it(private: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key = TrustedKey.from_pem(pem(other), "key.pem")

    assert not key.has_signed(MESSAGE, private.sign(DIGEST, PSS, Prehashed(SHA256())))


@pytest.mark.parametrize("kind", ["RSA-1024", "P-384", "Ed25519"])
def test_a_key_that_is_too_weak_or_of_another_kind_is_refused(kind: str) -> None:
    weak: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if kind == "RSA-1024":
        weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  (weak)
    elif kind == "P-384":
        weak = ec.generate_private_key(ec.SECP384R1())
    else:
        weak = ed25519.Ed25519PrivateKey.generate()

    with pytest.raises(UnusableKeyError, match="neither on P-256 nor of RSA"):
        TrustedKey.from_pem(pem(weak), "key.pem")


@dataclass(frozen=True)
class RsaKey(SealingKey):
    """A key of RSA, as KMS has it."""

    of_rsa: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    form: padding.AsymmetricPadding = field(default_factory=lambda: PSS)

    @property
    def pem(self) -> str:
        return pem(self.of_rsa).decode()

    def sign(self, payload: bytes) -> bytes:
        return self.of_rsa.sign(pae_sha256(PAYLOAD_TYPE, payload), self.form, Prehashed(SHA256()))


@pytest.mark.parametrize("form", [PSS, PKCS1], ids=["PSS", "PKCS1"])
def test_a_chain_is_sealed_by_a_key_of_rsa(form: padding.AsymmetricPadding) -> None:
    archive = Archive(key=RsaKey(form=form))
    archive.days(2)
    assert checked(archive, "events") == []

    assert named.ForeignKeyError in {type(each) for each in checked(archive, "seals", RsaKey())}


def test_a_chain_goes_from_one_kind_of_key_to_the_other_and_back() -> None:
    first = SealingKey()
    archive = Archive(key=first)
    archive.days(1)
    for key in (RsaKey(), SealingKey(), RsaKey(form=PKCS1)):
        archive.rotate(key)
        archive.days(1)

    assert checked(archive, "seals", first) == []
