"""The control bucket: the ledger, manifests, and what is known of copies."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from logferry_contracts import json_text
from logferry_contracts.ledger_object import record_at
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import Manifest, ManifestLocation
from logferry_contracts.object_secured import ObjectSecured
from logferry_contracts.open_exports import is_open, note_key
from logferry_contracts.wire import ContractError, emit, parse
from logferry_deliveries.errors import RefusedError
from sse_enforcer.aws.json_objects import IN_ANY_CASE, JsonObjects, if_still

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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
        self._objects = JsonObjects(s3, bucket)
        self.bucket = bucket

    def ledger_record(self, key: str) -> tuple[LedgerRecord, str] | None:
        """Return a record and its ETag, or None when there is none.

        Raises:
            ContractError: It breaks its contract, or is another one's, which somebody has copied.
        """
        found = self._objects.read(key)
        return None if found is None else (record_at(key, found[0]), found[1])

    def replace_ledger_record(self, record: LedgerRecord, etag: str) -> bool:
        """Write a record over the one with this ETag; False when somebody was faster.

        One that is lost by that is noted as open before.
        """
        if record.is_lost:
            self.note_open(record)
        return self._objects.write(record.key, emit(record), if_still(etag)) is not None

    def note_open(self, record: LedgerRecord) -> None:
        """Note that an export is open, if it is, wherever it has a note already."""
        if is_open(record):
            self._objects.write(note_key(record), "", IN_ANY_CASE)

    def manifest(self, location: ManifestLocation) -> Manifest:
        """Return the manifest at a location in this bucket.

        Raises:
            RefusedError: ``manifest``: it is not there, or not what the location says.
            ContractError: It is no manifest.
        """
        found = self._objects.read(location.key)
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
        """Return the id of the verified copy of a version, or None when none was recorded.

        Raises:
            RefusedError: ``note_damaged``: nobody can read what was recorded.
        """
        note = _replacement_key(bucket, key, version_id)
        found = self._objects.read(note)
        try:
            return None if found is None else parse(ObjectSecured, found[0]).data.version_id
        except ContractError as error:
            raise _damaged(note, error) from error

    def record_replacement(self, version_id: str, event: ObjectSecured) -> None:
        """Write down that ``event`` is about a verified copy of the version ``version_id``."""
        key = _replacement_key(event.data.bucket, event.data.key, version_id)
        self._objects.write(key, emit(event), IN_ANY_CASE)

    def copying(self, bucket: str, key: str) -> tuple[Copying, str] | None:
        """Return what was last written down about copying an object, and the record's ETag.

        Raises:
            RefusedError: As `replacement`.
        """
        note = _copying_key(bucket, key)
        found = self._objects.read(note)
        if found is None:
            return None
        try:
            fields = json_text.read(found[0])
            fields["busy_until"] = datetime.fromisoformat(fields["busy_until"])
            return Copying(**fields), found[1]
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(note, error) from error

    def record_copying(self, bucket: str, key: str, copying: Copying) -> None:
        """Write down that an object is being copied, whatever was written down before."""
        self._write_copying(bucket, key, copying, IN_ANY_CASE)

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
        return self._write_copying(bucket, key, copying, if_still(etag))

    def _write_copying(
        self, bucket: str, key: str, copying: Copying, condition: Mapping[str, str]
    ) -> str | None:
        fields = asdict(copying) | {"busy_until": copying.busy_until.isoformat()}
        return self._objects.write(_copying_key(bucket, key), json.dumps(fields), condition)


def _damaged(note: str, error: Exception) -> RefusedError:
    """Return why what a note is about cannot be done: a version may be gone, and its copy held."""
    return RefusedError("note_damaged", f"{note}: {error}: put its former version back")


def _replacement_key(bucket: str, key: str, version_id: str) -> str:
    name = hashlib.sha256(f"{bucket}\n{version_id}\n{key}".encode()).hexdigest()
    return f"replaced/{name}.json"


def _copying_key(bucket: str, key: str) -> str:
    return f"copying/{hashlib.sha256(f'{bucket}\n{key}'.encode()).hexdigest()}.json"
