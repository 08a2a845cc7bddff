"""A digest file as CloudTrail writes it for the log files of an hour, signed by a key of ours.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.cloudtrail.endpoint import METADATA

ACCOUNT, REGION, TRAIL = "111122223333", "eu-central-1", "trail"
TRAIL_ARN = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL}"
START, END = "2026-11-21T10:00:00Z", "2026-11-21T11:00:00Z"
_KEY = (
    f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/11/21/"
    f"{ACCOUNT}_CloudTrail-Digest_{REGION}_{TRAIL}_{REGION}_20261121T110000Z.json.gz"
)


def write(root: Path, bucket: str, objects: Iterable[str], key: Path) -> None:
    """Write the digest of objects into their bucket, and the public key into a file."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    logged = [
        {
            "s3Bucket": bucket,
            "s3Object": each,
            "hashValue": _unpacked_sha256(root / each),
            "hashAlgorithm": "SHA-256",
            "newestEventTime": START,
            "oldestEventTime": START,
        }
        for each in objects
    ]
    text = json.dumps(_digest(bucket, logged)).encode()
    signed = f"{END}\n{bucket}/{_KEY}\n{hashlib.sha256(text).hexdigest()}\nnull".encode()
    signature = private.sign(signed, padding.PKCS1v15(), SHA256())
    path = root / _KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(text))
    metadata = {"signature": signature.hex(), "signature-algorithm": "SHA256withRSA"}
    path.with_name(path.name + METADATA).write_text(json.dumps(metadata))
    public = private.public_key()
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _digest(bucket: str, logged: list[dict[str, str]]) -> dict[str, object]:
    return {
        "awsAccountId": ACCOUNT,
        "digestStartTime": START,
        "digestEndTime": END,
        "digestS3Bucket": bucket,
        "digestS3Object": _KEY,
        "digestPublicKeyFingerprint": "0" * 32,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": START,
        "oldestEventTime": START,
        "previousDigestS3Bucket": None,
        "previousDigestS3Object": None,
        "previousDigestHashValue": None,
        "previousDigestHashAlgorithm": None,
        "previousDigestSignature": None,
        "logFiles": logged,
    }


def _unpacked_sha256(path: Path) -> str:
    with gzip.open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
