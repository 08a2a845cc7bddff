"""Every call to AWS.

What may be done to an archived object is in three classes, which need three IAM statements:
`Archive` reads, encrypts and copies; `Holds` places legal holds and can neither lift one nor remove
anything; `Removals` removes versions and can do nothing else.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import TypeAdapter, ValidationError

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import Manifest, ManifestLocation
from logferry_contracts.object_secured import KeyArn, ObjectSecured
from logferry_contracts.wire import emit, parse
from sse_enforcer.errors import (
    AwsError,
    EncryptionRefusedError,
    KmsKeyError,
    RefusedError,
    RemovalRefusedError,
)
from sse_enforcer.verdict import OFFLINE_STORAGE_CLASSES, SSE_KMS, ObjectVersion, Retention

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopyObjectRequestTypeDef
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

NOT_FOUND = 404
NOT_ALLOWED = 405
"""HeadObject of a version that is a delete marker.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html"""

CONTENT_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "ExpiresString",
)
COPY_CHECKSUMS = ("CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256")
"""What a copy's checksum can be made with; the first where the original's tells nothing."""

DETAIL_LIMIT_CHARACTERS = 1000
"""Our own: enough for a sentence, and no dead letter outgrows SQS's limit by it."""


class Archive:
    """The archive bucket's objects: read, encrypted, copied. Nothing here removes anything."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self.bucket = bucket

    def describe(self, key: str, version_id: str) -> ObjectVersion | None:
        """Return one version, or None when it is not there or is a delete marker."""
        return self._head(key, {"VersionId": version_id})

    def describe_current(self, key: str) -> ObjectVersion | None:
        """Return the current version, or None when there is none or it is a delete marker."""
        return self._head(key, {})

    def reencrypt(self, version: ObjectVersion, key_arn: str) -> None:
        """Encrypt a version in place: it stays the version it is.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html

        Raises:
            EncryptionRefusedError: S3 denies it.
        """
        with _calling("UpdateObjectEncryption", version.name, denied=EncryptionRefusedError):
            self._s3.update_object_encryption(
                Bucket=self.bucket,
                Key=version.key,
                VersionId=version.version_id,
                ObjectEncryption={"SSEKMS": {"KMSKeyArn": key_arn, "BucketKeyEnabled": True}},
            )

    def copy(self, version: ObjectVersion, key_arn: str, retention: Retention | None) -> str:
        """Copy the current version onto its own key, under ``key_arn``; return the new version id.

        The copy is made only if the current version's ETag is still this version's, so that
        nothing newer is covered up and no second worker makes a second copy.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
        """
        request: CopyObjectRequestTypeDef = {
            "Bucket": self.bucket,
            "Key": version.key,
            "CopySource": {
                "Bucket": self.bucket,
                "Key": version.key,
                "VersionId": version.version_id,
            },
            "CopySourceIfMatch": version.etag,
            "IfMatch": version.etag,
            "ServerSideEncryption": SSE_KMS,
            "SSEKMSKeyId": key_arn,
            "BucketKeyEnabled": True,
            "MetadataDirective": "COPY",
            "TaggingDirective": "COPY",
            "StorageClass": cast("Any", version.storage_class),
            "ChecksumAlgorithm": cast("Any", _copy_checksum(version)),
        }
        if retention is not None:
            request["ObjectLockMode"] = cast("Any", retention.mode)
            request["ObjectLockRetainUntilDate"] = retention.until
        if version.legal_hold:
            request["ObjectLockLegalHoldStatus"] = "ON"
        with _calling("CopyObject", version.name):
            return self._s3.copy_object(**request)["VersionId"]

    def _head(self, key: str, which: Mapping[str, str]) -> ObjectVersion | None:
        subject = f"{key} (version {which.get('VersionId', 'current')})"
        with _calling("HeadObject", subject):
            try:
                head = self._s3.head_object(
                    Bucket=self.bucket, Key=key, ChecksumMode="ENABLED", **cast("Any", which)
                )
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status in (NOT_FOUND, NOT_ALLOWED):
                    return None
                raise
        return _version(key, cast("Mapping[str, Any]", head))


class Holds:
    """Places legal holds. It lifts none and removes nothing."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self._bucket = bucket

    def place(self, version: ObjectVersion) -> None:
        """Put a version on legal hold; once more is harmless.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html
        """
        with _calling("PutObjectLegalHold", version.name):
            self._s3.put_object_legal_hold(
                Bucket=self._bucket,
                Key=version.key,
                VersionId=version.version_id,
                LegalHold={"Status": "ON"},
            )


class Removals:
    """Removes versions for good, each by its id. It lifts no hold and bypasses no retention."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self._bucket = bucket

    def remove(self, version: ObjectVersion) -> None:
        """Remove a version; once more is harmless.

        Raises:
            RemovalRefusedError: S3 denies it, as for any version that Object Lock protects.
                https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
        """
        with _calling("DeleteObject", version.name, denied=RemovalRefusedError):
            self._s3.delete_object(
                Bucket=self._bucket, Key=version.key, VersionId=version.version_id
            )


class ControlBucket:
    """The ledger, the long manifests, and which copy stands for which removed version."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self.bucket = bucket

    def ledger_record(self, key: str) -> tuple[LedgerRecord, str] | None:
        """Return a record and its ETag, or None when there is none."""
        found = self._read(key)
        return None if found is None else (parse(LedgerRecord, found[0]), found[1])

    def replace_ledger_record(self, record: LedgerRecord, etag: str) -> bool:
        """Write a record over the one with this ETag; False when somebody was faster.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        """
        with _calling("PutObject", record.key):
            try:
                self._s3.put_object(
                    Bucket=self.bucket,
                    Key=record.key,
                    Body=emit(record).encode(),
                    ContentType="application/json",
                    IfMatch=etag,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in (
                    "PreconditionFailed",
                    "ConditionalRequestConflict",
                ):
                    return False
                raise
        return True

    def manifest(self, location: ManifestLocation) -> Manifest:
        """Return the manifest at a location in this bucket.

        Raises:
            RefusedError: ``manifest``: it is not there, or not what the location says.
            ContractError: It is no manifest.
        """
        found = self._read(location.key)
        if found is None:
            raise RefusedError("manifest", f"there is none at {location.key}")
        text = found[0]
        digest = hashlib.sha256(text).hexdigest()
        if (len(text), digest) != (location.size_bytes, location.sha256):
            raise RefusedError(
                "manifest",
                f"{location.key} has {len(text)} bytes with SHA-256 {digest}, not "
                f"{location.size_bytes} with {location.sha256}",
            )
        return parse(Manifest, text)

    def replacement(self, bucket: str, key: str, version_id: str) -> str | None:
        """Return the id of the verified copy of a version, or None when none was recorded."""
        found = self._read(_replacement_key(bucket, key, version_id))
        return None if found is None else parse(ObjectSecured, found[0]).data.version_id

    def record_replacement(self, version_id: str, event: ObjectSecured) -> None:
        """Write down that ``event`` is about a verified copy of the version ``version_id``."""
        key = _replacement_key(event.data.bucket, event.data.key, version_id)
        with _calling("PutObject", key):
            self._s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=emit(event).encode(),
                ContentType="application/json",
            )

    def _read(self, key: str) -> tuple[bytes, str] | None:
        with _calling("GetObject", key):
            try:
                found = self._s3.get_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    return None
                raise
            return found["Body"].read(), found["ETag"]


class Topic:
    """The topic that other services listen to."""

    def __init__(self, sns: "SNSClient", arn: str) -> None:
        """Publish to the topic ``arn``."""
        self._sns = sns
        self._arn = arn

    def publish(self, event: ObjectSecured) -> None:
        """Publish an event, with what filter policies need as attributes."""
        with _calling("Publish", event.data.key):
            self._sns.publish(
                TopicArn=self._arn,
                Message=emit(event),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in event.attributes.items()
                },
            )


class DeadLetters:
    """The queue for what cannot be dealt with."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        """Send to the queue at ``queue_url``."""
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, body: str, *, reason: str, detail: str) -> None:
        """Send a message's body as it came, with the reason as attributes."""
        # SQS takes no control characters, and an object's key may have some.
        printable = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in detail
        )
        attributes = {
            "reason": reason,
            "detail": printable[:DETAIL_LIMIT_CHARACTERS],
            "service": "sse-enforcer",
        }
        with _calling("SendMessage", f"a dead letter ({reason})"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )


class KmsKeyParameter:
    """The SSM parameter that names the archive's key."""

    def __init__(self, ssm: "SSMClient", name: str, ttl_seconds: int) -> None:
        """Believe the parameter ``name`` for ``ttl_seconds``."""
        self._provider = SSMProvider(boto3_client=ssm)
        self._name = name
        self._ttl_seconds = ttl_seconds
        self._rule = TypeAdapter[str](KeyArn)

    def key_arn(self) -> str:
        """Return the key's ARN.

        Raises:
            KmsKeyError: It cannot be read or is not the ARN of a key: S3 takes neither a key id
                nor an alias for UpdateObjectEncryption, and HeadObject answers with an ARN.
        """
        try:
            value = self._provider.get(self._name, max_age=self._ttl_seconds)
        except GetParameterError as error:
            raise KmsKeyError(f"SSM parameter {self._name} cannot be read: {error}") from error
        try:
            return self._rule.validate_python(value)
        except ValidationError as error:
            raise KmsKeyError(
                f"SSM parameter {self._name} is not the ARN of a KMS key: {value!r}"
            ) from error


@contextmanager
def _calling(operation: str, subject: str, denied: type[AwsError] = AwsError) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code.startswith("KMS."):
            raise KmsKeyError(f"{operation} of {subject}: {code}: {message}") from error
        kind = denied if code == "AccessDenied" else AwsError
        raise kind(operation, subject, code, message) from error
    except BotoCoreError as error:
        raise AwsError(operation, subject, type(error).__name__, str(error)) from error


def _replacement_key(bucket: str, key: str, version_id: str) -> str:
    name = hashlib.sha256(f"{bucket}\n{version_id}\n{key}".encode()).hexdigest()
    return f"replaced/{name}.json"


def _copy_checksum(version: ObjectVersion) -> str:
    return next((name for name in COPY_CHECKSUMS if name in version.checksums), COPY_CHECKSUMS[0])


def _version(key: str, head: Mapping[str, Any]) -> ObjectVersion:
    storage_class = head.get("StorageClass", "STANDARD")
    return ObjectVersion(
        key=key,
        version_id=head.get("VersionId", "null"),
        size_bytes=head["ContentLength"],
        etag=head["ETag"],
        encryption=head.get("ServerSideEncryption"),
        kms_key_arn=head.get("SSEKMSKeyId"),
        bucket_key_enabled=head.get("BucketKeyEnabled", False),
        storage_class=storage_class,
        offline=storage_class in OFFLINE_STORAGE_CLASSES or "ArchiveStatus" in head,
        retention=_retention(head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")),
        legal_hold=head.get("ObjectLockLegalHoldStatus") == "ON",
        event_hold=head.get("ObjectLockEventHold") == "ON",
        checksums=_checksums(head),
        headers={name: head[name] for name in CONTENT_HEADERS if name in head},
        metadata=head["Metadata"],
        missing_metadata=head.get("MissingMeta", 0),
        tag_count=head.get("TagCount", 0),
    )


def _retention(mode: str | None, until: datetime | None) -> Retention | None:
    return Retention(mode, until) if mode is not None and until is not None else None


def _checksums(head: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums of the whole object: one of its parts' checksums is no use here.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    if head.get("ChecksumType") == "COMPOSITE":
        return {}
    return {
        name.removeprefix("Checksum"): value
        for name, value in head.items()
        if name.startswith("Checksum") and name != "ChecksumType" and "-" not in value
    }
