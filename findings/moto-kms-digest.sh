#!/usr/bin/env bash
# moto: KMS Sign of a digest signs the digest's digest, which AWS does not
#
# One would guess: an emulator's `Sign` with `MessageType=DIGEST` makes a signature that holds for the message whose SHA-256 the
# digest is, as AWS does, "AWS KMS skips the hashing step": https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
#
# moto 5.2.5: with ECDSA_SHA_256 the digest is hashed once more. The emulator's own `Verify` says that the signature is valid for the
# digest, so that a round trip shows nothing; a verifier outside, which hashes the message once, finds no valid signature. With
# `MessageType=RAW` both agree. A test of a signer against moto shows that it calls Sign, not that anybody could verify it.
#
# Seen, cryptography 50.0.2 verifying with the public key of GetPublicKey:
#   RAW: KMS Verify True, outside over the message True
#   DIGEST: KMS Verify True, outside over the message False, outside over the digest as if it were the message True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'moto[kms]==5.2.5' boto3==1.44.8 cryptography==50.0.2

cat > "$folder/seen.py" <<'PYTHON'
"""Signs a message and its digest in moto's KMS, and verifies both there and outside."""
import hashlib
import boto3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from moto import mock_aws

def outside(public, signature, message):
    try:
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True

with mock_aws():
    kms = boto3.client("kms", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    public = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    message = b"a day is sealed"
    digest = hashlib.sha256(message).digest()
    for kind, signed in (("RAW", message), ("DIGEST", digest)):
        how = {"KeyId": key, "Message": signed, "MessageType": kind, "SigningAlgorithm": "ECDSA_SHA_256"}
        signature = kms.sign(**how)["Signature"]
        there = kms.verify(**how, Signature=signature)["SignatureValid"]
        line = f"{kind}: KMS Verify {there}, outside over the message {outside(public, signature, message)}"
        if kind == "DIGEST":
            line += f", outside over the digest as if it were the message {outside(public, signature, digest)}"
        print(line)
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected='RAW: KMS Verify True, outside over the message True
DIGEST: KMS Verify True, outside over the message False, outside over the digest as if it were the message True'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
