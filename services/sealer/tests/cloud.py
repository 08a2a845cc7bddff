# ruff: noqa: N803  (arguments are called as boto3 calls them)
"""S3, KMS, SNS and SQS in memory, as far as the sealer asks for them: every call can be the last.

S3's rules that matter: versions, conditional writes, delete markers, legal holds at birth.
"""

import base64
import hashlib
import io
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

QUEUE, DEAD_LETTERS = "https://sqs.invalid/sealer", "https://sqs.invalid/sealer-dlq"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Cut(BaseException):
    """The process was killed."""


type SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_ALGORITHMS = (
    ["ECDSA_SHA_256"],
    [
        *("RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512"),
        *("RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512"),
    ],
)
"""On P-256, and of RSA of any length."""


@dataclass
class Version:
    """One version of an object; without a body it is a delete marker."""

    id: str
    body: bytes | None
    written: int
    hold: bool = False


@dataclass
class Cloud:
    """AWS.

    Attributes:
        cut_after: After how many calls the process is killed. None: it is not.
        before_call: Called before each call, with its name and what it is about.
    """

    objects: dict[tuple[str, str], list[Version]] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    dead_letters: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    cut_after: int | None = None
    before_call: Callable[[str, str], None] = lambda *_: None
    lock: Any = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def client(self, name: str) -> Any:
        return {"s3": S3, "kms": Kms, "sns": Sns, "sqs": Sqs}[name](self)

    def called(self, name: str, what: str) -> Any:
        with self.lock:
            if self.cut_after is not None and len(self.calls) >= self.cut_after:
                raise Cut
            self.calls.append((name, what))
        self.before_call(name, what)
        return self.lock

    def put(self, bucket: str, key: str, body: bytes | None, *, hold: bool = False) -> str:
        number = next(self.numbers)
        self.objects.setdefault((bucket, key), []).append(Version(f"v{number}", body, number, hold))
        return f"v{number}"

    def body(self, bucket: str, key: str) -> bytes | None:
        """The current version's content; None where there is none, or a delete marker."""
        versions = self.objects.get((bucket, key), [])
        return versions[-1].body if versions else None

    def below(self, bucket: str, prefix: str) -> list[str]:
        """The keys that begin so, whatever is there."""
        return sorted(
            key for (where, key) in self.objects if where == bucket and key.startswith(prefix)
        )

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)


def refused(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as asked"}}, operation)


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def crc(body: bytes) -> str:
    """What stands for S3's own checksum of an object."""
    return base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()[:8]).decode()


def der(key: SigningKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Body(io.BytesIO):
    """What botocore's StreamingBody can do."""

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        return iter(lambda: self.read(size), b"")

    def iter_lines(self, chunk_size: int) -> Iterator[bytes]:
        assert chunk_size
        return iter(self.read().splitlines())


class S3:
    """What the sealer asks S3 for."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def get_object(
        self, *, Bucket: str, Key: str, VersionId: str | None = None, ChecksumMode: str = ""
    ) -> dict[str, Any]:
        with self.cloud.called("GetObject", Key):
            versions = self.cloud.objects.get((Bucket, Key), [])
            found = [each for each in versions if VersionId in {None, each.id}]
            body = found[-1].body if found else None
        if body is None:
            raise refused("GetObject", "NoSuchVersion" if VersionId else "NoSuchKey")
        answer: dict[str, Any] = {"Body": Body(body), "ETag": etag(body)}
        if ChecksumMode:
            answer |= {"ChecksumCRC64NVME": crc(body), "ChecksumType": "FULL_OBJECT"}
        return answer

    def put_object(self, *, Bucket: str, Key: str, Body: Any, **more: Any) -> dict[str, Any]:
        body: bytes = Body if isinstance(Body, bytes) else Body.read()
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        assert more.get("ChecksumSHA256", digest) == digest
        with self.cloud.called("PutObject", Key):
            there = self.cloud.body(Bucket, Key)
            if "IfNoneMatch" in more and there is not None:
                raise refused("PutObject", "PreconditionFailed")
            if "IfMatch" in more and (there is None or etag(there) != more["IfMatch"]):
                raise refused("PutObject", "PreconditionFailed")
            hold = more.get("ObjectLockLegalHoldStatus") == "ON"
            version_id = self.cloud.put(Bucket, Key, body, hold=hold)
        return {"VersionId": version_id, "ETag": etag(body)}

    def get_paginator(self, name: str) -> Any:
        pages = {
            "list_objects_v2": self._list_objects,
            "list_object_versions": self._list_versions,
        }
        return SimpleNamespace(paginate=pages[name])

    def _list_objects(
        self, *, Bucket: str, Prefix: str, StartAfter: str = "", Delimiter: str = ""
    ) -> Iterator[dict[str, Any]]:
        with self.cloud.called("ListObjectsV2", Prefix):
            found = {
                key: body
                for key in self.cloud.below(Bucket, Prefix)
                if key > StartAfter and (body := self.cloud.body(Bucket, key)) is not None
            }
        if Delimiter:
            heads = {Prefix + key.removeprefix(Prefix).split(Delimiter)[0] for key in found}
            yield {"CommonPrefixes": [{"Prefix": f"{head}/"} for head in sorted(heads)]}
        else:
            yield {"Contents": [{"Key": key, "ETag": etag(body)} for key, body in found.items()]}

    def _list_versions(
        self, *, Bucket: str, Prefix: str, KeyMarker: str = ""
    ) -> Iterator[dict[str, Any]]:
        page: dict[str, list[Any]] = {"Versions": [], "DeleteMarkers": []}
        with self.cloud.called("ListObjectVersions", Prefix):
            for key in self.cloud.below(Bucket, Prefix):
                versions = self.cloud.objects[Bucket, key] if key > KeyMarker else []
                for version in versions:
                    entry = {
                        "Key": key,
                        "VersionId": version.id,
                        "IsLatest": version is versions[-1],
                        "LastModified": EPOCH + timedelta(seconds=version.written),
                    }
                    if version.body is None:
                        page["DeleteMarkers"].append(entry)
                    else:
                        page["Versions"].append(entry | {"Size": len(version.body)})
        yield page


class Kms:
    """Keys on P-256, and of RSA.

    https://docs.aws.amazon.com/kms/latest/developerguide/asymmetric-key-specs.html
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:
        with self.cloud.called("GetPublicKey", KeyId):
            public = der(self.cloud.keys[KeyId])
            algorithms = _ALGORITHMS[isinstance(self.cloud.keys[KeyId], rsa.RSAPrivateKey)]
        return {"PublicKey": public, "SigningAlgorithms": algorithms}

    def sign(
        self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str
    ) -> dict[str, Any]:
        assert MessageType == "DIGEST"
        key, digest = self.cloud.keys[KeyId], utils.Prehashed(hashes.SHA256())
        with self.cloud.called("Sign", KeyId):
            if isinstance(key, rsa.RSAPrivateKey):
                assert SigningAlgorithm == "RSASSA_PSS_SHA_256"
                form = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
                return {"Signature": key.sign(Message, form, digest)}
            assert SigningAlgorithm == "ECDSA_SHA_256"
            return {"Signature": key.sign(Message, ec.ECDSA(digest))}


class Sns:
    """The topic."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def publish(self, *, TopicArn: str, Message: str, MessageAttributes: Any) -> None:
        with self.cloud.called("Publish", TopicArn):
            self.cloud.published.append(json.loads(Message))


class Sqs:
    """The queue and its dead-letter queue."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def send_message(
        self, *, QueueUrl: str, MessageBody: str, MessageAttributes: Any = None
    ) -> None:
        with self.cloud.called("SendMessage", QueueUrl):
            if QueueUrl == QUEUE:
                self.cloud.sent.append(MessageBody)
                return
            attributes = {name: each["StringValue"] for name, each in MessageAttributes.items()}
            self.cloud.dead_letters.append((MessageBody, attributes))

    def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> None:
        self.cloud.called("ChangeMessageVisibility", str(VisibilityTimeout))
