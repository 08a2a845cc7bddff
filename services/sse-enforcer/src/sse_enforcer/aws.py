"""Every call to AWS.

What may be done to an archived object is in three classes, which need three IAM statements:
`Archive` reads, encrypts and copies; `Holds` places legal holds and can neither lift one nor remove
anything; `Removals` removes versions and can do nothing else.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from logferry_contracts import json_text
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.ledger_key import LEDGER
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import Manifest, ManifestLocation
from logferry_contracts.object_secured import ObjectSecured
from logferry_contracts.wire import emit, parse
from sse_enforcer.archive_key import (
    KeyParameter,
    KeyScheme,
    KmsKey,
    check_key,
    check_value,
    parameter_for,
)
from sse_enforcer.errors import (
    AwsError,
    EncryptionRefusedError,
    EncryptionUnsupportedError,
    KmsKeyError,
    OvertakenError,
    RefusedError,
    RemovalRefusedError,
)
from sse_enforcer.findings import KeyVersions, ListedRecord, ListedUpload, ListedVersion, by_key
from sse_enforcer.parts import Checksum, CopiedPart, Part
from sse_enforcer.report import SCHEDULE_KEY, Place, Report, Schedule
from sse_enforcer.verdict import (
    NULL_VERSION,
    OFFLINE_STORAGE_CLASSES,
    SSE_KMS,
    ObjectVersion,
    Retention,
    copys_encryption,
)

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

CLIENT_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 6}, connect_timeout=5, read_timeout=60
)
"""Every client's: throttles, 5xx and broken connections are tried again for up to 31 s.

The mode is the one without a budget: docs/adr/0029-retries-without-a-budget.md.
"""

BAD_REQUEST = 400
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
    "WebsiteRedirectLocation",
)
LIST_PAGE_LIMIT = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html"""
OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
"""S3's answers to a conditional write that came too late."""

IN_PLACE_REFUSALS: dict[str, type[AwsError]] = {
    "AccessDenied": EncryptionRefusedError,
    "InvalidRequest": EncryptionUnsupportedError,
    "MethodNotAllowed": EncryptionUnsupportedError,
    "NotImplemented": EncryptionUnsupportedError,
}
"""What S3 says when it will not encrypt in place.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html"""

UNREADABLE = ("InvalidRequest", "InvalidArgument", "400")
"""What S3 says of an object under a customer's own key, or of a version id that is none."""

FAILURE_TTL_S = 30
"""Our own: how long a bad key is believed to be bad, so that a burst of objects asks once."""

COPY_CHECKSUMS = ("CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256")
"""What a copy's checksum can be made with; the first where the original's tells nothing."""

DETAIL_LIMIT_CHARACTERS = 1000
"""Our own: enough for a sentence, and no dead letter outgrows SQS's limit by it."""


class Archive:
    """The archive bucket's objects: read, encrypted, copied. Nothing here removes an object."""

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
            EncryptionUnsupportedError: S3 has no way to do it to this version.
        """
        with _calling("UpdateObjectEncryption", version.name, IN_PLACE_REFUSALS):
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
        request = {
            "CopySourceIfMatch": version.etag,
            "IfMatch": version.etag,
            "MetadataDirective": "COPY",
            "TaggingDirective": "COPY",
            "ChecksumAlgorithm": _copy_checksum(version),
            **_kept(version, key_arn, retention),
        }
        # The one header that S3 does not copy.
        if "WebsiteRedirectLocation" in version.headers:
            request["WebsiteRedirectLocation"] = version.headers["WebsiteRedirectLocation"]
        with _calling("CopyObject", version.name):
            copied = self._s3.copy_object(
                Bucket=self.bucket,
                Key=version.key,
                CopySource=self._source(version),
                **cast("Any", request),
            )
        return copied.get("VersionId", NULL_VERSION)

    def keeps_versions(self) -> bool:
        """Whether a copy becomes a version of its own instead of overwriting another one.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
        """
        with _calling("GetBucketVersioning", self.bucket):
            return self._s3.get_bucket_versioning(Bucket=self.bucket).get("Status") == "Enabled"

    def first_part_bytes(self, version: ObjectVersion) -> int:
        """Return the size of the first part that an object was uploaded in."""
        with _calling("HeadObject", version.name):
            return self._s3.head_object(
                Bucket=self.bucket, Key=version.key, VersionId=version.version_id, PartNumber=1
            )["ContentLength"]

    def upload_request(
        self,
        version: ObjectVersion,
        key_arn: str,
        retention: Retention | None,
        checksum: Checksum,
    ) -> dict[str, Any]:
        """Return what begins a copy in parts that is to be equal to the version."""
        headers = dict(version.headers)
        if "ExpiresString" in headers:
            headers["Expires"] = headers.pop("ExpiresString")
        if version.tag_count:
            headers["Tagging"] = urlencode(self._tags(version))
        return {
            "Bucket": self.bucket,
            "Key": version.key,
            "ChecksumAlgorithm": checksum.algorithm,
            "ChecksumType": checksum.type,
            "Metadata": dict(version.metadata),
            **headers,
            **_kept(version, key_arn, retention),
        }

    def begin_upload(self, request: Mapping[str, Any]) -> str:
        """Begin a multipart upload and return its id.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html
        """
        with _calling("CreateMultipartUpload", request["Key"]):
            return self._s3.create_multipart_upload(**cast("Any", request))["UploadId"]

    def copied_parts(
        self, key: str, upload_id: str, checksum: Checksum
    ) -> dict[int, CopiedPart] | None:
        """Return the parts that S3 has by their numbers, or None when there is no such upload."""
        parts: dict[int, CopiedPart] = {}
        with _calling("ListParts", f"{key} (upload {upload_id})"):
            try:
                for page in self._s3.get_paginator("list_parts").paginate(
                    Bucket=self.bucket, Key=key, UploadId=upload_id
                ):
                    for part in cast("list[dict[str, Any]]", page.get("Parts", [])):
                        parts[part["PartNumber"]] = CopiedPart(
                            part["PartNumber"],
                            part["Size"],
                            part["ETag"],
                            part.get(f"Checksum{checksum.algorithm}"),
                        )
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchUpload":
                    return None
                raise
        return parts

    def copy_part(
        self, version: ObjectVersion, upload_id: str, part: Part, checksum: Checksum
    ) -> CopiedPart:
        """Copy a range of exactly this version; S3 moves the bytes, none of them comes here.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
        """
        which: dict[str, str] = {}
        # S3 takes no range of an object up to 5 MB.
        if part.size_bytes < version.size_bytes:
            which["CopySourceRange"] = f"bytes={part.first}-{part.last}"
        with _calling("UploadPartCopy", f"{version.name}, part {part.number}"):
            result = self._s3.upload_part_copy(
                Bucket=self.bucket,
                Key=version.key,
                UploadId=upload_id,
                PartNumber=part.number,
                CopySource=self._source(version),
                CopySourceIfMatch=version.etag,
                **cast("Any", which),
            )["CopyPartResult"]
        tells = cast("dict[str, Any]", result)
        return CopiedPart(
            part.number,
            part.size_bytes,
            tells["ETag"],
            tells.get(f"Checksum{checksum.algorithm}"),
        )

    def complete_upload(
        self,
        version: ObjectVersion,
        upload_id: str,
        parts: Sequence[CopiedPart],
        checksum: Checksum,
    ) -> str:
        """Make the parts the current version, and return its id.

        Only if the current version's ETag is still this version's; and only if the whole has the
        original's size and, where that is known, its checksum.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
        """
        expected: dict[str, Any] = {}
        if checksum.expected is not None:
            expected[f"Checksum{checksum.algorithm}"] = checksum.expected
        with _calling("CompleteMultipartUpload", version.name):
            return self._s3.complete_multipart_upload(
                Bucket=self.bucket,
                Key=version.key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [cast("Any", _completed(part, checksum)) for part in parts]
                },
                ChecksumType=cast("Any", checksum.type),
                MpuObjectSize=version.size_bytes,
                IfMatch=version.etag,
                **expected,
            ).get("VersionId", NULL_VERSION)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Give an upload up: its parts are removed. One that is gone is all right."""
        with _calling("AbortMultipartUpload", f"{key} (upload {upload_id})"):
            try:
                self._s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchUpload":
                    raise

    def _source(self, version: ObjectVersion) -> "CopySourceTypeDef":
        return {"Bucket": self.bucket, "Key": version.key, "VersionId": version.version_id}

    def _tags(self, version: ObjectVersion) -> list[tuple[str, str]]:
        with _calling("GetObjectTagging", version.name):
            tags = self._s3.get_object_tagging(
                Bucket=self.bucket, Key=version.key, VersionId=version.version_id
            )["TagSet"]
        return [(tag["Key"], tag["Value"]) for tag in tags]

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
                if status == BAD_REQUEST:
                    self._explain(key, which)
                raise
        return _version(key, cast("Mapping[str, Any]", head))

    def _explain(self, key: str, which: Mapping[str, str]) -> None:
        """Ask S3 again in a way that it may give reasons for: HeadObject's answer has no body.

        Raises:
            ClientError: With S3's reason, such as ``KMS.DisabledException``.
            RefusedError: ``unreadable``: nobody can read the version without what we do not have.
        """
        try:
            self._s3.get_object(
                Bucket=self.bucket, Key=key, Range="bytes=0-0", **cast("Any", which)
            )
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code not in UNREADABLE:
                raise
            raise RefusedError(
                "unreadable",
                f"{key} (version {which.get('VersionId', 'current')}): {code}: {message}; an "
                "object under SSE-C is left to those who have its key",
            ) from error


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
        with _calling("DeleteObject", version.name, {"AccessDenied": RemovalRefusedError}):
            self._s3.delete_object(
                Bucket=self._bucket, Key=version.key, VersionId=version.version_id
            )


@dataclass(frozen=True, kw_only=True)
class Copying:
    """What is written down before an object is copied.

    Attributes:
        source_version_id: The version that is copied: any other one may be its copy.
        upload_id: The multipart upload that it is copied by; None for a copy in one call.
        request_sha256: Of what began that upload: one begun otherwise is of no use.
        busy_until: When the invocation that copies has ended for sure.
    """

    source_version_id: str
    upload_id: str | None
    request_sha256: str | None
    busy_until: datetime


class ControlBucket:
    """The ledger, the long manifests, and what is known of copies: under way, and made."""

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

    def copying(self, bucket: str, key: str) -> tuple[Copying, str] | None:
        """Return what was last written down about copying an object, and the record's ETag."""
        found = self._read(_copying_key(bucket, key))
        if found is None:
            return None
        fields = json_text.read(found[0])
        fields["busy_until"] = datetime.fromisoformat(fields["busy_until"])
        return Copying(**fields), found[1]

    def record_copying(self, bucket: str, key: str, copying: Copying) -> None:
        """Write down that an object is being copied, whatever was written down before."""
        self._write_copying(bucket, key, copying, {})

    def take_copying(self, bucket: str, key: str, copying: Copying, etag: str | None) -> str | None:
        """Write down that an object is being copied by this invocation and by no other.

        Args:
            bucket: The object's bucket.
            key: Its key.
            copying: What to write down.
            etag: Of the record to replace; None where there must be no record yet.

        Returns:
            The record's new ETag; None when somebody was faster.
        """
        which = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        return self._write_copying(bucket, key, copying, which)

    def _write_copying(
        self, bucket: str, key: str, copying: Copying, which: Mapping[str, str]
    ) -> str | None:
        name = _copying_key(bucket, key)
        fields = asdict(copying) | {"busy_until": copying.busy_until.isoformat()}
        with _calling("PutObject", name):
            try:
                return self._s3.put_object(
                    Bucket=self.bucket,
                    Key=name,
                    Body=json.dumps(fields).encode(),
                    ContentType="application/json",
                    **cast("Any", which),
                )["ETag"]
            except ClientError as error:
                if error.response["Error"]["Code"] in OVERTAKEN:
                    return None
                raise

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

    def publish(self, event: ObjectSecured | ExportFailed) -> None:
        """Publish an event, with what filter policies need as attributes."""
        with _calling("Publish", event.id):
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


class Queue:
    """The queue that the messages come from."""

    def __init__(self, sqs: "SQSClient", queue_url: str | None) -> None:
        """Give messages back to the queue at ``queue_url``; None: in its own time."""
        self._sqs = sqs
        self._queue_url = queue_url

    def give_back(self, receipt_handle: str, pause_s: int) -> None:
        """Let a message be received again after ``pause_s``."""
        if self._queue_url is None:
            return
        with _calling("ChangeMessageVisibility", self._queue_url):
            self._sqs.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=pause_s
            )


class KmsKeys:
    """Which KMS key an object is to be under, and whether that key can be used."""

    def __init__(
        self,
        ssm: "SSMClient",
        kms: "KMSClient",
        scheme: KeyScheme,
        ttl_seconds: int,
    ) -> None:
        """Believe the scheme's parameters, and what KMS says of keys, for ``ttl_seconds``."""
        self._ssm = ssm
        self._kms = kms
        self._scheme = scheme
        self._name = scheme.parameter
        self._ttl_seconds = ttl_seconds
        self._believed: dict[str, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def key_arn(self, object_key: str) -> str:
        """Return the ARN of the key that an object is to be under.

        Raises:
            KmsKeyError: There is no such key, or it cannot be used. Says how to mend that.
            AwsError: AWS cannot say at the moment.
        """
        with self._lock:
            parameters = self._believe(self._name, self._parameters)
            parameter = parameter_for(object_key, self._name, parameters)
            check_value(parameter, self._scheme)
            self._believe(parameter.value, lambda: self._check(parameter))
        return parameter.value

    def _believe[T](self, name: str, ask: Callable[[], T]) -> T:
        """Return what ``ask`` says, or raise as it did, without asking again too soon."""
        until_s, answer = self._believed.get(name, (0.0, None))
        if time.monotonic() >= until_s:
            ttl_s = self._ttl_seconds
            try:
                answer = ask()
            except KmsKeyError as error:
                answer, ttl_s = error, min(FAILURE_TTL_S, ttl_s)
            self._believed[name] = (time.monotonic() + ttl_s, answer)
        if isinstance(answer, KmsKeyError):
            # Not the same one again: its traceback would grow with each raise.
            raise KmsKeyError(str(answer)) from answer.__cause__
        return cast("T", answer)

    def _parameters(self) -> dict[str, KeyParameter]:
        """Return the parameter, where there is one, and all below it, by their names.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
        """
        found: list[Any] = []
        with self._reading("GetParameter"):
            try:
                found.append(self._ssm.get_parameter(Name=self._name)["Parameter"])
            except ClientError as error:
                if error.response["Error"]["Code"] != "ParameterNotFound":
                    raise
        with self._reading("GetParametersByPath"):
            pages = self._ssm.get_paginator("get_parameters_by_path")
            for page in pages.paginate(Path=self._name, Recursive=True):
                found.extend(page["Parameters"])
        return {
            each["Name"]: KeyParameter(each["Name"], each["Value"], each["Type"]) for each in found
        }

    def _check(self, parameter: KeyParameter) -> None:
        with _calling("DescribeKey", parameter.value):
            try:
                metadata = self._kms.describe_key(KeyId=parameter.value)["KeyMetadata"]
            except ClientError as error:
                match error.response["Error"]["Code"]:
                    case "NotFoundException":
                        key = None
                    case "AccessDeniedException":
                        raise KmsKeyError(
                            f"SSM parameter {parameter.name}: {parameter.value!r} may not be "
                            "looked at; allow kms:DescribeKey on it"
                        ) from error
                    case _:
                        raise
            else:
                key = KmsKey(metadata["KeyState"], metadata["KeySpec"])
        check_key(parameter, key)

    @contextmanager
    def _reading(self, operation: str) -> Iterator[None]:
        with _calling(operation, self._name):
            try:
                yield
            except ClientError as error:
                if error.response["Error"]["Code"] == "AccessDeniedException":
                    raise KmsKeyError(
                        f"SSM parameter {self._name} may not be read; allow ssm:{operation} on it"
                    ) from error
                raise


class Listing:
    """What is in the archive and in the ledger, page by page. It changes nothing."""

    def __init__(
        self,
        s3: "S3Client",
        archive_bucket: str,
        control_bucket: str,
        page_size: int = LIST_PAGE_LIMIT,
    ) -> None:
        """List these two buckets, at most ``page_size`` entries a call."""
        self._s3 = s3
        self._archive_bucket = archive_bucket
        self._control_bucket = control_bucket
        self._page_size = page_size

    def versions(self, after: Place) -> tuple[list[KeyVersions], Place | None]:
        """Return the next keys with their versions, and where to go on; None at the end.

        A page may end among a key's versions. That key is left to the next call, so that all of
        its versions are seen together; only one that fills a page alone comes in pieces.

        The next page begins after a key that was returned, not after AWS's ``NextKeyMarker``.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html

        Args:
            after: A `Place` whose ``key`` was dealt with, up to its ``version_id`` if there is one.

        Raises:
            AwsError: ``NoProgress`` when nothing of a page is new, which S3 never answers.
        """
        markers = {"KeyMarker": after.key, "VersionIdMarker": after.version_id}
        with _calling("ListObjectVersions", self._archive_bucket):
            page = self._s3.list_object_versions(
                Bucket=self._archive_bucket,
                MaxKeys=self._page_size,
                **cast("Any", {name: value for name, value in markers.items() if value}),
            )
        entries = sorted(
            (
                entry
                for entry in _listed(cast("Mapping[str, Any]", page))
                if _is_after(entry, after)
            ),
            key=lambda entry: entry.key.encode(),
        )
        keys = by_key(entries)
        if not page["IsTruncated"]:
            return keys, None
        if len(keys) > 1:
            return keys[:-1], Place(phase="versions", key=keys[-2].key)
        last_id = page["NextVersionIdMarker"]
        following = Place(phase="versions", key=keys[0].key, version_id=last_id) if keys else after
        if following == after:
            raise AwsError(
                "ListObjectVersions", self._archive_bucket, "NoProgress", f"after {after.key!r}"
            )
        return keys, following

    def ledger(self, after_key: str | None) -> tuple[list[ListedRecord], bool]:
        """Return the next ledger records' keys, with their ages; and whether that is the end."""
        with _calling("ListObjectsV2", self._control_bucket):
            page = self._s3.list_objects_v2(
                Bucket=self._control_bucket,
                Prefix=LEDGER,
                StartAfter=after_key or LEDGER,
                MaxKeys=self._page_size,
            )
        return [
            ListedRecord(each["Key"], each["LastModified"]) for each in page.get("Contents", [])
        ], not page["IsTruncated"]

    def uploads(self) -> list[ListedUpload]:
        """Return every multipart upload to the archive that was neither completed nor aborted.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
        """
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._archive_bucket
        )
        with _calling("ListMultipartUploads", self._archive_bucket):
            return [
                ListedUpload(upload["Key"], upload["UploadId"], upload["Initiated"])
                for page in pages
                for upload in page.get("Uploads", [])
            ]


class Reports:
    """The sweeps' reports and their schedule, each changed only by compare-and-swap.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Keep them in ``bucket``, the control bucket."""
        self._s3 = s3
        self._bucket = bucket
        self._etags: dict[str, str] = {}

    def schedule(self) -> Schedule:
        """Return the schedule, which is empty before the first pass."""
        text = self._read(SCHEDULE_KEY)
        return Schedule() if text is None else _stored(Schedule, text)

    def report(self, key: str) -> Report | None:
        """Return a pass's report, or None when there is none."""
        text = self._read(key)
        return None if text is None else _stored(Report, text)

    def store_schedule(self, schedule: Schedule) -> None:
        """Write the schedule over the one that was read.

        Raises:
            OvertakenError: Somebody else wrote it meanwhile.
        """
        schedule.revision += 1
        self._write(SCHEDULE_KEY, schedule)

    def store(self, report: Report) -> None:
        """Write a report over the one that was read, or as a new one.

        Raises:
            OvertakenError: Somebody else wrote it meanwhile.
        """
        report.revision += 1
        self._write(report.about.report_key, report)

    def _read(self, key: str) -> bytes | None:
        with _calling("GetObject", key):
            try:
                found = self._s3.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    return None
                raise
            self._etags[key] = found["ETag"]
            return found["Body"].read()

    def _write(self, key: str, content: BaseModel) -> None:
        etag = self._etags.get(key)
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with _calling("PutObject", key):
            try:
                answer = self._s3.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=content.model_dump_json(exclude_none=True).encode(),
                    ContentType="application/json",
                    **cast("Any", condition),
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in OVERTAKEN:
                    raise OvertakenError(f"{key} was written by another invocation") from error
                raise
        self._etags[key] = answer["ETag"]


@contextmanager
def _calling(
    operation: str, subject: str, kinds: Mapping[str, type[AwsError]] | None = None
) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code.startswith("KMS."):
            raise KmsKeyError(f"{operation} of {subject}: {code}: {message}") from error
        kind = (kinds or {}).get(code, AwsError)
        raise kind(operation, subject, code, message) from error
    except BotoCoreError as error:
        raise AwsError(operation, subject, type(error).__name__, str(error)) from error


def _stored[M: BaseModel](model: type[M], text: bytes) -> M:
    json_text.read(text)  # refuses what pydantic takes beyond JSON
    return model.model_validate_json(text)


def _listed(page: Mapping[str, Any]) -> Iterator[ListedVersion]:
    for what in ("Versions", "DeleteMarkers"):
        for entry in page.get(what, []):
            yield ListedVersion(
                key=entry["Key"],
                version_id=entry["VersionId"],
                is_latest=entry["IsLatest"],
                is_delete_marker=what == "DeleteMarkers",
                last_modified=entry["LastModified"],
            )


def _is_after(entry: ListedVersion, place: Place) -> bool:
    if place.key is None:
        return True
    # S3 lists keys in the order of their UTF-8 bytes.
    key, done = entry.key.encode(), place.key.encode()
    return key > done or (key == done and place.version_id is not None)


def _replacement_key(bucket: str, key: str, version_id: str) -> str:
    name = hashlib.sha256(f"{bucket}\n{version_id}\n{key}".encode()).hexdigest()
    return f"replaced/{name}.json"


def _copying_key(bucket: str, key: str) -> str:
    return f"copying/{hashlib.sha256(f'{bucket}\n{key}'.encode()).hexdigest()}.json"


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
        offline=(storage_class in OFFLINE_STORAGE_CLASSES or "ArchiveStatus" in head)
        and 'ongoing-request="false"' not in head.get("Restore", ""),
        retention=_retention(head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")),
        legal_hold=head.get("ObjectLockLegalHoldStatus") == "ON",
        event_hold=head.get("ObjectLockEventHold") == "ON",
        checksums=_checksums(head, of_parts=False),
        part_checksums=_checksums(head, of_parts=True),
        headers={name: head[name] for name in CONTENT_HEADERS if name in head},
        metadata=head["Metadata"],
        missing_metadata=head.get("MissingMeta", 0),
        tag_count=head.get("TagCount", 0),
    )


def _retention(mode: str | None, until: datetime | None) -> Retention | None:
    return Retention(mode, until) if mode is not None and until is not None else None


def _checksums(head: Mapping[str, Any], *, of_parts: bool) -> dict[str, str]:
    """Return the checksums of the whole object, or those of its parts' checksums.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    is_composite = head.get("ChecksumType") == "COMPOSITE"
    return {
        name.removeprefix("Checksum"): value
        for name, value in head.items()
        if name.startswith("Checksum")
        and name != "ChecksumType"
        and (is_composite or "-" in value) is of_parts
    }


def _kept(version: ObjectVersion, key_arn: str, retention: Retention | None) -> dict[str, Any]:
    """Return what a copy of either kind has to be told so that it is like its original."""
    encryption = copys_encryption(version)
    request: dict[str, Any] = {
        "ServerSideEncryption": encryption,
        "SSEKMSKeyId": key_arn,
        "StorageClass": version.storage_class,
    }
    # Two layers of encryption take no Bucket Key.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    if encryption == SSE_KMS:
        request["BucketKeyEnabled"] = True
    if retention is not None:
        request["ObjectLockMode"] = retention.mode
        request["ObjectLockRetainUntilDate"] = retention.until
    if version.legal_hold:
        request["ObjectLockLegalHoldStatus"] = "ON"
    return request


def _completed(part: CopiedPart, checksum: Checksum) -> dict[str, Any]:
    completed: dict[str, Any] = {"PartNumber": part.number, "ETag": part.etag}
    if part.checksum is not None:
        completed[f"Checksum{checksum.algorithm}"] = part.checksum
    return completed
