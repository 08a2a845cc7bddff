"""DSSE by the vector of its specification, and everything that is no envelope."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts.dsse import Envelope, EnvelopeError, Signature, pae, pae_sha256
from logferry_contracts.signatures import (
    SignatureError,
    TrustedKey,
    UnusableKeyError,
    signers,
)

# https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md#test-vectors
TYPE, BODY = "http://example.com/HelloWorld", b"hello world"
PUBLISHED = """{"payload": "aGVsbG8gd29ybGQ=",
 "payloadType": "http://example.com/HelloWorld",
 "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"""  # noqa: E501
X = 46950820868899156662930047687818585632848591499744589407958293238635476079160
Y = 5640078356564379163099075877009565129882514886557779369047442380624545832820

ENVELOPE = {
    "payload": "aGVsbG8gd29ybGQ=",
    "payloadType": TYPE,
    "signatures": [{"sig": "c2ln", "keyid": "k"}],
}


def pem(public):
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def trusted(private):
    return TrustedKey.from_pem(pem(private.public_key()), "key.pem")


def kms_sign(private, payload_type, payload, form=None):
    """Sign as KMS does with MessageType DIGEST."""
    digest = pae_sha256(payload_type, payload)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(digest, ec.ECDSA(Prehashed(SHA256())))
    return private.sign(digest, form, Prehashed(SHA256()))


def enveloped(*sigs, payload=BODY, payload_type=TYPE):
    return Envelope(
        payload_type=payload_type,
        payload=payload,
        signatures=tuple(Signature(sig=sig) for sig in sigs),
    )


@pytest.fixture(scope="module")
def private():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def rsa_private():
    return rsa.generate_private_key(65537, 2048)


# The envelope


def test_the_published_body_is_encoded_as_published():
    assert pae(TYPE, BODY) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae_sha256(TYPE, BODY) == hashlib.sha256(pae(TYPE, BODY)).digest()


@pytest.mark.parametrize("payload_type", ["", "ü"])
def test_lengths_are_those_of_bytes(payload_type):
    named = payload_type.encode()
    assert pae(payload_type, b"") == b"DSSEv1 %d %b 0 " % (len(named), named)


def test_the_published_envelope_is_read_and_its_signature_is_good():
    envelope = Envelope.parse(PUBLISHED, TYPE)
    assert (envelope.payload, envelope.payload_type) == (BODY, TYPE)

    # Theirs is r and s side by side, as KMS never writes it.
    raw = envelope.signatures[0].sig
    der = encode_dss_signature(*(int.from_bytes(half) for half in (raw[:32], raw[32:])))
    published = ec.EllipticCurvePublicNumbers(X, Y, ec.SECP256R1()).public_key()
    key = TrustedKey.from_pem(pem(published), "published.pem")
    assert signers(enveloped(der), [key]) == [key]


def without(name):
    return {each: value for each, value in ENVELOPE.items() if each != name}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "the envelope is no JSON object"),
        (without("payload"), "the envelope has no payload"),
        (without("payloadType"), "the envelope has no payloadType"),
        (without("signatures"), "the envelope has no signatures"),
        (ENVELOPE | {"signatures": []}, "the envelope has no signatures"),
        (ENVELOPE | {"signatures": {}}, "the envelope has no signatures"),
        (ENVELOPE | {"valid": True}, "the envelope has 'valid', which nothing signs"),
        (ENVELOPE | {"payloadType": TYPE + "2"}, "of type 'http://example.com/HelloWorld2', not"),
        (ENVELOPE | {"payloadType": None}, "of type None, not"),
        (ENVELOPE | {"payload": None}, "payload is no text"),
        (ENVELOPE | {"payload": "aGVsbG8gd29ybGQ"}, "payload is no base64"),
        (ENVELOPE | {"payload": "aGVsbG8gd29ybGR="}, "payload is no base64 in its one spelling"),
        (ENVELOPE | {"payload": "aGVs\nbG8gd29ybGQ="}, "payload is no base64"),
        (ENVELOPE | {"payload": "-_-_"}, "payload is no base64"),
        (ENVELOPE | {"payload": "ü==="}, "payload is no base64"),
        (ENVELOPE | {"signatures": ["c2ln"]}, "a signature is no JSON object"),
        (ENVELOPE | {"signatures": [{}]}, "a signature has no sig"),
        (ENVELOPE | {"signatures": [{"sig": ""}]}, "a signature is empty"),
        (ENVELOPE | {"signatures": [{"sig": "c2ln", "keyid": 1}]}, "the keyid 1 is no text"),
        (ENVELOPE | {"signatures": [{"sig": "c2ln", "keyid": None}]}, "keyid None is no text"),
        (ENVELOPE | {"signatures": [{"sig": "c2ln", "cert": "x"}]}, "a signature has 'cert'"),
    ],
)
def test_what_is_no_envelope_of_this_type_is_refused(fields, message):
    with pytest.raises(EnvelopeError, match=message):
        Envelope.parse(json.dumps(fields), TYPE)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        PUBLISHED[:-1],
        PUBLISHED.replace('"payload":', '"payload": "", "payload":'),
        f"{PUBLISHED} {PUBLISHED}",
    ],
)
def test_what_is_no_json_or_says_something_twice_is_refused(text):
    with pytest.raises(EnvelopeError, match="no envelope"):
        Envelope.parse(text, TYPE)


@given(
    payload=st.binary(max_size=200),
    payload_type=st.text(st.characters(exclude_categories=["Cs"])),
    sigs=st.lists(
        st.tuples(st.binary(min_size=1, max_size=80), st.none() | st.text(max_size=9)), min_size=1
    ),
)
def test_an_envelope_is_read_as_it_was_written(payload, payload_type, sigs):
    envelope = Envelope(
        payload_type=payload_type,
        payload=payload,
        signatures=tuple(Signature(sig=sig, keyid=keyid) for sig, keyid in sigs),
    )

    assert Envelope.parse(envelope.text(), payload_type) == envelope


def test_an_envelope_without_a_signature_is_not_written():
    with pytest.raises(EnvelopeError, match="no signatures"):
        enveloped().text()


# Signatures


def test_what_kms_signs_on_p256_is_by_its_key(private):
    key = trusted(private)
    assert signers(enveloped(kms_sign(private, TYPE, BODY)), [key]) == [key]


@pytest.mark.parametrize(
    "form",
    [padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH), padding.PKCS1v15()],
    ids=["RSASSA_PSS_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256"],
)
def test_what_kms_signs_by_rsa_is_by_its_key(rsa_private, form):
    key = trusted(rsa_private)
    envelope = enveloped(kms_sign(rsa_private, TYPE, BODY, form))

    assert signers(envelope, [key]) == [key]
    with pytest.raises(SignatureError):
        signers(enveloped(*(each.sig for each in envelope.signatures), payload=b"other"), [key])


@given(position=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_a_payload_with_another_bit_is_not_signed(private, position, bit):
    sig = kms_sign(private, TYPE, BODY)
    changed = bytearray(BODY)
    changed[position] ^= 1 << bit

    with pytest.raises(SignatureError):
        signers(enveloped(sig, payload=bytes(changed)), [trusted(private)])


def test_a_signature_is_for_its_type_alone(private):
    sig = kms_sign(private, TYPE, BODY)

    with pytest.raises(SignatureError):
        signers(enveloped(sig, payload_type=f"{TYPE} 11"), [trusted(private)])


def test_nothing_is_signed_by_a_key_that_is_not_trusted(private, rsa_private):
    sig = kms_sign(private, TYPE, BODY)
    others = [trusted(ec.generate_private_key(ec.SECP256R1())), trusted(rsa_private)]

    for keys in ([], others):
        with pytest.raises(
            SignatureError, match=rf"none of 1 signatures .* {len(keys)} keys that are trusted"
        ):
            signers(enveloped(sig), keys)


def test_what_an_envelope_says_of_its_key_decides_nothing(private):
    stranger = ec.generate_private_key(ec.SECP256R1())
    key = trusted(private)
    claimed = Envelope(
        payload_type=TYPE,
        payload=BODY,
        signatures=(Signature(sig=kms_sign(stranger, TYPE, BODY), keyid=key.id),),
    )

    with pytest.raises(SignatureError, match=key.id):
        signers(claimed, [key])


def test_one_signature_of_several_is_enough_and_each_key_counts_once(private, rsa_private):
    key, other = trusted(private), trusted(rsa_private)
    envelope = enveloped(b"garbage", *[kms_sign(private, TYPE, BODY) for _ in range(2)])

    assert signers(envelope, [other, key, trusted(private)]) == [key]


def test_a_signature_that_is_cut_or_of_another_form_is_none(private):
    der = kms_sign(private, TYPE, BODY)
    r, s = decode_dss_signature(der)

    for sig in (
        der[:-1],
        der + b"\0",
        r.to_bytes(32) + s.to_bytes(32),
        b"\0",
        base64.b64encode(der),
    ):
        with pytest.raises(SignatureError):
            signers(enveloped(sig), [trusted(private)])


def test_the_id_of_a_key_is_the_hash_of_what_kms_answers(private):
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert trusted(private).id == hashlib.sha256(der).hexdigest()


def test_a_key_that_is_none_of_ours_is_named():
    private_pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    unusable = {
        b"": "no public key in PEM",
        private_pem: "no public key in PEM",
        pem(ec.generate_private_key(ec.SECP384R1()).public_key()): "is neither on P-256",
        pem(ed25519.Ed25519PrivateKey.generate().public_key()): "is neither on P-256",
        pem(rsa.generate_private_key(65537, 1024).public_key()): "at least 2048 bits",  # noqa: S505
    }
    for content, message in unusable.items():
        with pytest.raises(UnusableKeyError, match=rf"^mine\.pem: .*{message}"):
            TrustedKey.from_pem(content, "mine.pem")
