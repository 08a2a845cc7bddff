"""An AWS in memory for the handler's tests, and the messages it sends.

It keeps what matters here: versions, Object Lock, keys, conditions on writes, and what S3 refuses.
Every call can be made to fail, to be the last one before the function dies, or to find that
something happened just before it.
"""
# ruff: noqa: N803  boto3's own parameter names

import hashlib
import io
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from logferry_contracts.export import export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.object_secured import ObjectSecured
from logferry_contracts.wire import emit, parse
from sse_enforcer import handler
from sse_enforcer.delivery import process
from sse_enforcer.settings import Settings
from sse_enforcer.verdict import ObjectVersion
from sse_enforcer.wiring import wire

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"

ARCHIVE = "archive-bucket"
CONTROL = "control-bucket"
KEY_PARAMETER = "/app/cloudwatch/log/export/s3/kms/arn"
KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/0123-wanted"
OTHER_KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/4567-other"
TASK_ID = "7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10"
PREFIX = "shop-prod/aws/lambda/orders/2026/11/21/00"
LOG_FILE = f"{PREFIX}/{TASK_ID}/stream/000000.gz"
WRITE_TEST = f"{PREFIX}/aws-logs-write-test"
NEXT_YEAR = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
LAST_YEAR = NEXT_YEAR - timedelta(days=730)
JUST_NOW = datetime.now(UTC)


PLAIN = ObjectVersion(
    key="k",
    version_id="v1",
    size_bytes=9,
    etag='"e1"',
    encryption="AES256",
    kms_key_arn=None,
    bucket_key_enabled=False,
    storage_class="STANDARD",
    offline=False,
    retention=None,
    legal_hold=False,
    event_hold=False,
    checksums={"CRC64NVME": "AAAA"},
    headers={"ContentType": "application/x-gzip"},
    metadata={"a": "b"},
    missing_metadata=0,
    tag_count=1,
)


class Cut(BaseException):
    """The function is killed here, as by its timeout; no code of its own sees it."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One object version in S3."""

    id: str
    body: bytes
    etag: str
    encryption: str | None = "AES256"
    kms_key_arn: str | None = None
    bucket_key: bool = False
    checksums: dict[str, str] = field(default_factory=dict)
    checksum_type: str = "FULL_OBJECT"
    headers: dict[str, str] = field(default_factory=lambda: {"ContentType": "application/x-gzip"})
    metadata: dict[str, str] = field(default_factory=dict)
    tag_count: int = 0
    storage_class: str | None = None
    lock_mode: str | None = None
    retain_until: datetime | None = None
    hold: bool = False
    event_hold: bool = False
    size: int | None = None
    part_sizes: tuple[int, ...] = ()
    restore: str | None = None
    customer_key: bool = False
    last_modified: datetime = JUST_NOW
    is_delete_marker: bool = False

    @property
    def is_locked(self) -> bool:
        retained = self.retain_until is not None and self.retain_until > datetime.now(UTC)
        return self.hold or self.event_hold or retained


class World:
    """S3, SNS, SQS, SSM and KMS as one, and the enforcer's function connected to them.

    Tests get it as a fixture, and with it everything else in this file that they need.
    """

    ARCHIVE, CONTROL, KEY_PARAMETER = ARCHIVE, CONTROL, KEY_PARAMETER
    KEY_ARN, OTHER_KEY_ARN = KEY_ARN, OTHER_KEY_ARN
    PREFIX, TASK_ID, LOG_FILE, WRITE_TEST = PREFIX, TASK_ID, LOG_FILE, WRITE_TEST
    NEXT_YEAR, LAST_YEAR = NEXT_YEAR, LAST_YEAR
    Cut = Cut

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], list[Version]] = defaultdict(list)
        self.parameters = {KEY_PARAMETER: KEY_ARN}
        self.key_states: dict[str, str] = {}
        """Of keys that are not enabled."""
        self.versioning = "Enabled"
        """Of the archive bucket."""
        self.uploads: dict[str, Upload] = {}
        """Multipart uploads that were neither completed nor aborted."""
        self.pauses: list[int] = []
        """After how many seconds messages were to come back."""
        self.later = timedelta()
        """How far the function's clock is ahead of the machine's."""
        self.published: list[dict[str, Any]] = []
        self.dead_letters: list[tuple[str, dict[str, str]]] = []
        self.events: list[str] = []
        """Bodies of the Object Created events that S3 has sent."""
        self.calls: list[str] = []
        self.cut_after: int | None = None
        """The number of the call after which the function is killed."""
        self.failures: dict[str, list[str]] = {}
        """Error codes by operation, each for one call."""
        self.before: dict[str, Any] = {}
        """What happens once just before an operation."""
        self.spoil: dict[str, Any] = {}
        """What comes out wrong of every copy."""
        self.violations: list[AssertionError] = []
        """What the function did that it never may."""
        self.after_each_call: Callable[[], None] = lambda: None
        self.ids: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.RLock()
        self._settings = Settings.from_env(
            {
                "ARCHIVE_BUCKET": ARCHIVE,
                "CONTROL_BUCKET": CONTROL,
                "TOPIC_ARN": "arn:aws:sns:eu-west-1:111122223333:log-export-events",
                "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/dead",
                "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/created",
            }
        )
        self.restart()

    # The function

    def restart(self, **settings: Any) -> None:
        """Start a new container, with these settings changed."""
        self._settings = self._settings.model_copy(update=settings)
        self._service = wire(self._settings, lambda name: AsAws(name, self))

    def deliver(
        self, *bodies: str, receive_count: int = 1, remaining_ms: int | list[int] = 60_000
    ) -> list[str]:
        """Invoke the function with a batch; return the bodies that go back to the queue."""
        remaining = iter(remaining_ms) if isinstance(remaining_ms, list) else None
        context: Any = SimpleNamespace(
            get_remaining_time_in_millis=lambda: next(remaining) if remaining else remaining_ms
        )
        records = [
            {
                "messageId": str(number),
                "body": body,
                "receiptHandle": f"handle of {number}",
                "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": str(receive_count)},
            }
            for number, body in enumerate(bodies)
        ]
        answer = process(
            self._service, {"Records": records}, context, lambda: datetime.now(UTC) + self.later
        )
        assert not self.violations
        return [bodies[int(str(item["itemIdentifier"]))] for item in answer["batchItemFailures"]]

    # Messages

    def created(
        self,
        key: str,
        version_id: str | None,
        *,
        bucket: str = ARCHIVE,
        size: int = 9,
        reason: str = "PutObject",
    ) -> str:
        """Return an Object Created event as EventBridge sends it."""
        example = json.loads((EXAMPLES / "object-created/1.0/accept/put-object.json").read_text())
        example["detail"]["bucket"]["name"] = bucket
        example["detail"]["object"] |= {"key": key, "size": size}
        example["detail"]["object"].pop("version-id")
        if version_id is not None:
            example["detail"]["object"]["version-id"] = version_id
        example["detail"]["reason"] = reason
        return json.dumps(example)

    def completed(
        self, *keys: str, elsewhere: bool = False, bucket: str = ARCHIVE, state: str = "completed"
    ) -> str:
        """Put a completed export's record into the ledger; return its ExportCompleted event.

        Its manifest names the first version of each key.
        """
        event = json.loads(
            (EXAMPLES / "export-completed/1.0/accept/several-streams.json").read_text()
        )
        record = json.loads((EXAMPLES / "ledger-record/1.0/accept/completed.json").read_text())
        first = [(key, self.at(key)[0]) for key in keys]
        objects = [
            {
                "key": key,
                "version_id": version.id,
                "size_bytes": len(version.body),
                "etag": version.etag.strip('"'),
            }
            for key, version in first
        ]
        manifest = {
            "object_count": len(objects),
            "stream_count": len(objects),
            "total_bytes": sum(len(version.body) for _, version in first),
            "objects": objects,
        }
        data = event["data"]
        data["destination"] = {"bucket": bucket, "prefix": PREFIX}
        data["manifest"] = manifest
        if elsewhere:
            text = json.dumps(manifest).encode()
            self.control_object("manifest/long.json", text)
            del manifest["objects"]
            manifest["location"] = {
                "bucket": CONTROL,
                "key": "manifest/long.json",
                "size_bytes": len(text),
                "sha256": hashlib.sha256(text).hexdigest(),
            }
        record |= {name: data[name] for name in ("export_id", "source", "window", "destination")}
        record["completed"]["manifest"] = manifest
        record["state"] = state
        if state == "secured":
            record["secured"] = {"at": "2026-11-23T07:00:00.000Z"}
        checked = parse(LedgerRecord, json.dumps(record))
        self.control_object(checked.key, emit(checked).encode())
        return emit(parse(ExportCompleted, json.dumps(event)))

    def ledger_state(self) -> tuple[str, int]:
        """Return the state and revision of the one record in the ledger."""
        record = self.ledger_record()
        return record.state, record.revision

    def ledger_record(self) -> LedgerRecord:
        """Return the one record in the ledger."""
        ((version,),) = [
            versions
            for (bucket, key), versions in self.versions.items()
            if bucket == CONTROL and key.startswith("ledger/") and versions
        ]
        return parse(LedgerRecord, version.body)

    def put_ledger_record(self, record: LedgerRecord) -> None:
        """Write a record as others do."""
        self.control_object(record.key, emit(record).encode())

    def next_generation(self) -> None:
        """Ask for the next generation of the one export in the ledger, as the planner does."""
        record = self.ledger_record()
        generation = record.generation + 1
        name = export_id(record.source, record.log_group.name, record.window, generation)
        self.put_ledger_record(
            LedgerRecord.model_validate(
                {
                    **json.loads(emit(record)),
                    "completed": None,
                    "failed": None,
                    "secured": None,
                    "state": "requested",
                    "generation": generation,
                    "export_id": name,
                }
            )
        )

    # What is in the archive, and what was done

    def put(
        self,
        key: str = LOG_FILE,
        body: bytes = b"log lines",
        bucket: str = ARCHIVE,
        **properties: Any,
    ) -> str:
        """Write an object as somebody else does; return its Object Created event."""
        properties.setdefault("checksums", {"CRC64NVME": checksum(body)})
        reason = properties.pop("reason", "PutObject")
        version = Version(id=self._new_id(key), body=body, etag=f'"{self._next("etag")}"')
        self._add(bucket, key, replace(version, **properties), reason)
        return self.events[-1]

    def at(self, key: str = LOG_FILE, bucket: str = ARCHIVE) -> list[Version]:
        """Return the versions of a key, oldest first."""
        return self.versions[bucket, key]

    def only(self, key: str = LOG_FILE) -> Version:
        """Return the one version that a key has."""
        (version,) = self.at(key)
        return version

    def changes(self) -> list[str]:
        """Return the names of all calls that can change an archived object."""
        return [
            name
            for name in self.calls
            if name
            in (
                "update_object_encryption",
                "copy_object",
                "create_multipart_upload",
                "upload_part_copy",
                "complete_multipart_upload",
                "delete_object",
                "put_object_legal_hold",
            )
        ]

    def state(self) -> dict[tuple[str, str], list[Version]]:
        """Return everything in S3, without what may differ between two equal outcomes."""
        return {
            (bucket, key): [replace(version, etag="") for version in versions]
            for (bucket, key), versions in self.versions.items()
            if versions and bucket == ARCHIVE
        }

    # S3

    def head_object(
        self,
        *,
        Bucket: str,
        Key: str,
        ChecksumMode: str | None = None,
        VersionId: str | None = None,
        PartNumber: int | None = None,
    ) -> dict[str, Any]:
        with self._call("head_object"):
            version = self._find(Bucket, Key, VersionId, is_head=True)
            if version.customer_key:
                raise refusal("400", "Bad Request", 400)
            if PartNumber is not None:
                return {"ContentLength": version.part_sizes[PartNumber - 1]}
            assert ChecksumMode == "ENABLED", "without it S3 tells no checksum"
            optional = {
                "ServerSideEncryption": version.encryption,
                "SSEKMSKeyId": version.kms_key_arn,
                "StorageClass": version.storage_class,
                "ObjectLockMode": version.lock_mode,
                "ObjectLockRetainUntilDate": version.retain_until,
                "ObjectLockLegalHoldStatus": "ON" if version.hold else None,
                "ObjectLockEventHold": "ON" if version.event_hold else None,
                "TagCount": version.tag_count or None,
                "Restore": version.restore,
                "BucketKeyEnabled": version.bucket_key or None,
                "ChecksumType": version.checksum_type if version.checksums else None,
            }
            return {
                "VersionId": version.id,
                "ContentLength": len(version.body) if version.size is None else version.size,
                "ETag": version.etag,
                "LastModified": version.last_modified,
                "Metadata": version.metadata,
                **version.headers,
                **{f"Checksum{name}": value for name, value in version.checksums.items()},
                **{name: value for name, value in optional.items() if value is not None},
            }

    def list_objects_v2(
        self, *, Bucket: str, Prefix: str, StartAfter: str = "", Delimiter: str | None = None
    ) -> dict[str, Any]:
        with self._call("list_objects_v2"):
            keys = [
                key
                for (bucket, key), versions in sorted(self.versions.items())
                if bucket == Bucket and key.startswith(Prefix) and key > StartAfter and versions
            ]
            if Delimiter is None:
                return {"Contents": [{"Key": key} for key in keys]}
            rest = [key.removeprefix(Prefix) for key in keys]
            folders = {each.partition(Delimiter)[0] for each in rest if Delimiter in each}
            found = sorted(f"{Prefix}{each}{Delimiter}" for each in folders)
            return {"CommonPrefixes": [{"Prefix": each} for each in found]}

    def update_object_encryption(
        self, *, Bucket: str, Key: str, VersionId: str, ObjectEncryption: dict[str, Any]
    ) -> None:
        with self._call("update_object_encryption"):
            version = self._find(Bucket, Key, VersionId)
            wanted = ObjectEncryption["SSEKMS"]
            if version.encryption not in ("AES256", "aws:kms"):
                raise refusal("InvalidRequest", "source encryption is not supported")
            if version.lock_mode or version.hold or version.event_hold:
                raise refusal("AccessDenied", "protected by S3 Object Lock", 403)
            self._change(
                Bucket,
                Key,
                version,
                encryption="aws:kms",
                kms_key_arn=wanted["KMSKeyArn"],
                bucket_key=wanted["BucketKeyEnabled"],
            )

    def copy_object(
        self, *, Bucket: str, Key: str, CopySource: dict[str, str], **options: Any
    ) -> dict[str, Any]:
        with self._call("copy_object"):
            source = self._find(CopySource["Bucket"], CopySource["Key"], CopySource["VersionId"])
            current = self._find(Bucket, Key, None)
            if options["CopySourceIfMatch"] != source.etag or options["IfMatch"] != current.etag:
                raise refusal("PreconditionFailed", "not the ETag", 412)
            assert options["MetadataDirective"] == options["TaggingDirective"] == "COPY"
            copy = replace(
                self._copy_of(source.body, Key, options),
                checksums={options["ChecksumAlgorithm"]: checksum(source.body)},
                headers=source.headers,
                metadata=source.metadata,
                tag_count=source.tag_count,
                size=source.size,
            )
            self._add(Bucket, Key, replace(copy, **self.spoil), "CopyObject")
            return {"VersionId": copy.id}

    def get_bucket_versioning(self, *, Bucket: str) -> dict[str, Any]:
        with self._call("get_bucket_versioning"):
            return {"Status": self.versioning} if self.versioning else {}

    def get_object_tagging(self, *, Bucket: str, Key: str, VersionId: str) -> dict[str, Any]:
        with self._call("get_object_tagging"):
            count = self._find(Bucket, Key, VersionId).tag_count
            return {"TagSet": [{"Key": f"k{n}", "Value": f"a&b {n}"} for n in range(count)]}

    def create_multipart_upload(self, *, Bucket: str, Key: str, **options: Any) -> dict[str, Any]:
        with self._call("create_multipart_upload"):
            upload_id = self._next("upload")
            self.uploads[upload_id] = Upload(Key, options, {})
            return {"UploadId": upload_id}

    def upload_part_copy(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        PartNumber: int,
        CopySource: dict[str, str],
        CopySourceIfMatch: str,
        CopySourceRange: str | None = None,
    ) -> dict[str, Any]:
        with self._call("upload_part_copy"):
            upload = self._upload(Key, UploadId)
            source = self._find(CopySource["Bucket"], CopySource["Key"], CopySource["VersionId"])
            if CopySourceIfMatch != source.etag:
                raise refusal("PreconditionFailed", "not the ETag", 412)
            first, last = (CopySourceRange or f"bytes=0-{len(source.body) - 1}")[6:].split("-")
            body = source.body[int(first) : int(last) + 1]
            upload.parts[PartNumber] = (f'"{self._next("etag")}"', body)
            return {"CopyPartResult": self._part(upload, PartNumber)}

    def list_parts(self, *, Bucket: str, Key: str, UploadId: str) -> dict[str, Any]:
        with self._call("list_parts"):
            upload = self._upload(Key, UploadId)
            return {
                "Parts": [
                    {"PartNumber": number, "Size": len(body), **self._part(upload, number)}
                    for number, (_, body) in sorted(upload.parts.items())
                ]
            }

    def complete_multipart_upload(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        MultipartUpload: dict[str, Any],
        ChecksumType: str,
        MpuObjectSize: int,
        IfMatch: str,
        **expected: str,
    ) -> dict[str, Any]:
        with self._call("complete_multipart_upload"):
            upload = self._upload(Key, UploadId)
            if self._find(Bucket, Key, None).etag != IfMatch:
                raise refusal("PreconditionFailed", "not the ETag", 412)
            chosen = MultipartUpload["Parts"]
            numbers = [part["PartNumber"] for part in chosen]
            if numbers != sorted(numbers) or any(
                part != {"PartNumber": number, **self._part(upload, number)}
                for number, part in zip(numbers, chosen, strict=True)
            ):
                raise refusal("InvalidPart", "not a part of this upload")
            bodies = [upload.parts[number][1] for number in numbers]
            algorithm, body = upload.options["ChecksumAlgorithm"], b"".join(bodies)
            assert ChecksumType == upload.options["ChecksumType"]
            value = checksum(body) if ChecksumType == "FULL_OBJECT" else of_parts(bodies)
            if len(body) != MpuObjectSize:
                raise refusal("InvalidRequest", "not the size")
            if expected.get(f"Checksum{algorithm}", value) != value:
                raise refusal("BadDigest", "not the checksum")
            options = upload.options
            headers = ("ContentType", "ContentEncoding", "CacheControl")
            copy = replace(
                self._copy_of(body, Key, options),
                checksums={algorithm: value},
                checksum_type=ChecksumType,
                headers={name: options[name] for name in headers if name in options},
                metadata=options["Metadata"],
                tag_count=len(parse_qsl(options.get("Tagging", ""))),
                part_sizes=tuple(map(len, bodies)),
            )
            del self.uploads[UploadId]
            self._add(Bucket, Key, replace(copy, **self.spoil), "CompleteMultipartUpload")
            return {"VersionId": copy.id}

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> None:
        with self._call("abort_multipart_upload"):
            self._upload(Key, UploadId)
            del self.uploads[UploadId]

    def delete_object(self, *, Bucket: str, Key: str, VersionId: str) -> None:
        with self._call("delete_object"):
            found = [each for each in self.versions[Bucket, Key] if each.id == VersionId]
            if any(version.is_locked for version in found):
                raise refusal("AccessDenied", "protected by S3 Object Lock", 403)
            for version in found:
                self.versions[Bucket, Key].remove(version)

    def put_object_legal_hold(
        self, *, Bucket: str, Key: str, VersionId: str, LegalHold: dict[str, str]
    ) -> None:
        with self._call("put_object_legal_hold"):
            assert LegalHold == {"Status": "ON"}
            self._change(Bucket, Key, self._find(Bucket, Key, VersionId), hold=True)

    def get_object(
        self, *, Bucket: str, Key: str, VersionId: str | None = None, Range: str | None = None
    ) -> dict[str, Any]:
        with self._call("get_object"):
            version = self._find(Bucket, Key, VersionId)
            if version.customer_key:
                raise refusal("InvalidRequest", "stored using a form of Server Side Encryption")
            return {"Body": io.BytesIO(version.body), "ETag": version.etag}

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
    ) -> dict[str, Any]:
        with self._call("put_object"):
            assert Bucket == CONTROL, "nothing is ever written over an archived object"
            assert ContentType == "application/json"
            if IfMatch is not None and self._find(Bucket, Key, None).etag != IfMatch:
                raise refusal("PreconditionFailed", "not the ETag", 412)
            if IfNoneMatch is not None and self.versions[Bucket, Key]:
                raise refusal("PreconditionFailed", "is there", 412)
            self.control_object(Key, Body)
            return {"ETag": self.versions[Bucket, Key][-1].etag}

    def control_object(self, key: str, body: bytes) -> None:
        self.versions[CONTROL, key] = [
            Version(id="null", body=body, etag=f'"{hashlib.sha256(body).hexdigest()[:12]}"')
        ]

    # SNS, SQS, SSM, KMS

    def publish(
        self, *, TopicArn: str, Message: str, MessageAttributes: dict[str, dict[str, str]]
    ) -> None:
        with self._call("publish"):
            event = json.loads(Message)
            data = event["data"]
            if event["type"] == ObjectSecured.TYPE:
                version = self._find(data["bucket"], data["key"], data["version_id"])
                announced = (data["kms_key_arn"], data["legal_hold"])
                assert announced == (version.kms_key_arn, "ON" if version.hold else "OFF")
            assert MessageAttributes["type"]["StringValue"] == event["type"]
            self.published.append(event)

    def send_message(
        self, *, QueueUrl: str, MessageBody: str, MessageAttributes: dict[str, dict[str, str]]
    ) -> None:
        with self._call("send_message"):
            attributes = {
                name: attribute["StringValue"] for name, attribute in MessageAttributes.items()
            }
            self.dead_letters.append((MessageBody, attributes))

    def get_parameter(self, *, Name: str, **options: Any) -> dict[str, Any]:
        with self._call("get_parameter"):
            if Name not in self.parameters:
                raise refusal("ParameterNotFound", "")
            return {"Parameter": self._parameter(Name)}

    def get_parameters_by_path(self, *, Path: str, Recursive: bool) -> dict[str, Any]:
        with self._call("get_parameters_by_path"):
            assert Recursive
            below = [name for name in self.parameters if name.startswith(f"{Path}/")]
            return {"Parameters": [self._parameter(name) for name in below]}

    def describe_key(self, *, KeyId: str) -> dict[str, Any]:
        with self._call("describe_key"):
            return {
                "KeyMetadata": {
                    "KeyState": self.key_states.get(KeyId, "Enabled"),
                    "KeySpec": "SYMMETRIC_DEFAULT",
                }
            }

    def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> None:
        with self._call("change_message_visibility"):
            self.pauses.append(VisibilityTimeout)

    # Inside

    def _call(self, name: str) -> "_Call":
        return _Call(self, name)

    def _next(self, name: str) -> str:
        self.ids[name] += 1
        return f"v{self.ids[name]}"

    def _new_id(self, key: str) -> str:
        return self._next(key) if self.versioning == "Enabled" else "null"

    def _parameter(self, name: str) -> dict[str, str]:
        return {"Name": name, "Value": self.parameters[name], "Type": "String"}

    def _copy_of(self, body: bytes, key: str, options: dict[str, Any]) -> Version:
        return Version(
            id=self._new_id(key),
            body=body,
            etag=f'"{self._next("etag")}"',
            encryption=options["ServerSideEncryption"],
            kms_key_arn=options["SSEKMSKeyId"],
            bucket_key=options.get("BucketKeyEnabled", False),
            storage_class=None
            if options["StorageClass"] == "STANDARD"
            else options["StorageClass"],
            lock_mode=options.get("ObjectLockMode"),
            retain_until=options.get("ObjectLockRetainUntilDate"),
            hold=options.get("ObjectLockLegalHoldStatus") == "ON",
        )

    def _upload(self, key: str, upload_id: str) -> "Upload":
        if upload_id not in self.uploads:
            raise refusal("NoSuchUpload", "", 404)
        assert self.uploads[upload_id].key == key
        return self.uploads[upload_id]

    def _part(self, upload: "Upload", number: int) -> dict[str, str]:
        etag, body = upload.parts[number]
        algorithm = upload.options["ChecksumAlgorithm"]
        return {"ETag": etag, f"Checksum{algorithm}": checksum(body)}

    def _find(
        self, bucket: str, key: str, version_id: str | None, *, is_head: bool = False
    ) -> Version:
        versions = self.versions[bucket, key]
        if version_id is None:
            found = versions[-1:]
        else:
            found = [each for each in versions if each.id == version_id]
        code = "404" if is_head else "NoSuchKey"
        if not found:
            raise refusal(code, "", 404)
        if found[0].is_delete_marker:
            raise refusal("405" if version_id else code, "", 405 if version_id else 404)
        return found[0]

    def _change(self, bucket: str, key: str, version: Version, **properties: Any) -> None:
        versions = self.versions[bucket, key]
        versions[versions.index(version)] = replace(version, **properties)

    def _add(self, bucket: str, key: str, version: Version, reason: str) -> None:
        versions = self.versions[bucket, key]
        if version.id == "null":
            versions[:] = [each for each in versions if each.id != "null"]
        versions.append(version)
        self.events.append(
            self.created(key, version.id, bucket=bucket, size=len(version.body), reason=reason)
        )


class AsAws:
    """A client of an AWS service that takes and answers no more than its API has."""

    def __init__(self, service: str, aws: object) -> None:
        """Have ``aws`` answer the calls."""
        self._service, self._aws = service, aws

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = operation_of(self._service, method)

        def call(**request: Any) -> Any:
            # boto3 takes this one in pieces, too.
            whole = {"CopySource": "archive-bucket/key"} if "CopySource" in request else {}
            report = ParamValidator().validate(request | whole, operation.input_shape)
            assert not report.has_errors(), report.generate_report()
            answer = getattr(self._aws, method)(**request)
            if answer is not None:
                assert set(answer) <= set(operation.output_shape.members)
            return answer

        return call

    def get_paginator(self, method: str) -> SimpleNamespace:
        def paginate(**request: Any) -> Iterator[Any]:
            request.pop("PaginationConfig", None)  # botocore's own
            yield getattr(self, method)(**request)  # called once somebody looks

        return SimpleNamespace(paginate=paginate)


@cache
def operation_of(service: str, method: str) -> Any:
    """Return the API's own description of what a client's method calls."""
    model = botocore.session.get_session().get_service_model(service)
    (name,) = (each for each in model.operation_names if xform_name(each) == method)
    return model.operation_model(name)


class _Call:
    """One call to AWS, with all that may befall it."""

    def __init__(self, aws: World, name: str) -> None:
        self._aws, self._name = aws, name

    def __enter__(self) -> None:
        aws = self._aws
        if happening := aws.before.pop(self._name, None):
            happening()
        aws._lock.acquire()
        try:
            self._begin()
        except BaseException:
            aws._lock.release()
            raise

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        aws = self._aws
        try:
            if isinstance(error, AssertionError):
                aws.violations.append(error)
            elif error is None:
                aws.after_each_call()
                self._cut()
        finally:
            aws._lock.release()

    def _begin(self) -> None:
        aws = self._aws
        self._cut()
        aws.calls.append(self._name)
        if codes := aws.failures.get(self._name):
            raise refusal(codes.pop(0), "made to fail", 500)

    def _cut(self) -> None:
        cut_after = self._aws.cut_after
        if cut_after is not None and len(self._aws.calls) >= cut_after:
            raise Cut


@dataclass
class Upload:
    """A multipart upload; its parts are (ETag, content) by number."""

    key: str
    options: dict[str, Any]
    parts: dict[int, tuple[str, bytes]]


def checksum(body: bytes) -> str:
    """Return what stands for a checksum of any algorithm."""
    return hashlib.sha256(body).hexdigest()[:12]


def of_parts(bodies: Sequence[bytes]) -> str:
    """Return what stands for a checksum of parts' checksums."""
    return f"{checksum(''.join(map(checksum, bodies)).encode())}-{len(bodies)}"


def refusal(code: str, message: str, status: int = 400) -> ClientError:
    """Return what boto3 raises when AWS says no."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "any",
                "HostId": "any",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "Any",
    )


@dataclass(frozen=True)
class Objects:
    """What others put into a bucket of a real S3 or an emulator, and what is there."""

    s3: Any
    bucket: str

    def put(self, key: str, body: bytes = b"lines", **options: Any) -> str:
        made = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **options)
        return str(made["VersionId"])

    def read(self, key: str) -> dict[str, Any]:
        """Return the bodies of all versions of a key by their ids."""
        listed = self.s3.list_object_versions(Bucket=self.bucket, Prefix=key)
        ids = [version["VersionId"] for version in listed.get("Versions", [])]
        return {
            version_id: self.s3.get_object(Bucket=self.bucket, Key=key, VersionId=version_id)[
                "Body"
            ].read()
            for version_id in ids
        }


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "logferry")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "sse-enforcer")


@pytest.fixture
def world() -> World:
    """Return an empty archive with the function connected to it."""
    return World()


@pytest.fixture(name="of_parts")
def _of_parts() -> Callable[[Sequence[bytes]], str]:
    """Return what makes the checksum of parts' checksums out of the parts' contents."""
    return of_parts


@pytest.fixture
def as_aws() -> type[AsAws]:
    """Return what makes a client of an AWS service out of what stands in for it."""
    return AsAws


@pytest.fixture
def version_of() -> Callable[..., ObjectVersion]:
    """Return what makes an `ObjectVersion`, with these attributes changed."""

    def make(**changes: Any) -> ObjectVersion:
        return replace(PLAIN, **changes)

    return make


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, float]]:
    """Return a function that gives the sums of all metrics emitted since it was last called."""

    def read() -> dict[str, float]:
        sums: defaultdict[str, float] = defaultdict(float)
        for line in capsys.readouterr().out.splitlines():
            entry = json.loads(line)
            for directive in entry.get("_aws", {}).get("CloudWatchMetrics", []):
                assert directive["Namespace"] == "logferry"
                for metric in directive["Metrics"]:
                    sums[metric["Name"]] += sum(entry[metric["Name"]])
        return dict(sums)

    return read


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """Return a function that gives the entries logged so far."""
    stream = io.StringIO()
    monkeypatch.setattr(handler.logger.registered_handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def objects_in() -> type[Objects]:
    """Return what makes the objects of a bucket: ``objects_in(s3_client, bucket_name)``."""
    return Objects
