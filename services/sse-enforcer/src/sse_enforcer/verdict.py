"""What to do with one object version, and whether a copy can stand in for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

SSE_KMS: Final = "aws:kms"
DSSE_KMS: Final = "aws:kms:dsse"
"""Two layers under one key: never less than SSE-KMS, so a version under the right key stays as it
is, and a copy of one under another key has two layers again.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingDSSEncryption.html"""

NULL_VERSION: Final = "null"
"""The version that S3 overwrites instead of keeping, wherever versioning is off or suspended.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/VersioningWorkflows.html"""

UPDATABLE_ENCRYPTIONS = frozenset({"AES256", SSE_KMS})
"""What UpdateObjectEncryption takes as a source.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html"""

COPY_LIMIT_BYTES = 5 * 1024**3
"""CopyObject copies up to 5 GB; above that it takes a multipart copy.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

WRITE_TEST_LIMIT_BYTES = 1024
"""A write-test holds one short sentence; anything longer is somebody's data."""

OFFLINE_STORAGE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Cannot be read, so not copied, before they are restored.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html"""

CLIENT_KEY_METADATA = frozenset({"x-amz-key", "x-amz-key-v2", "x-amz-3"})
"""The metadata in which the S3 Encryption Client keeps an object's own data key.
https://docs.aws.amazon.com/amazon-s3-encryption-client/latest/developerguide/content-metadata.html
"""


@dataclass(frozen=True)
class Retention:
    """An Object Lock retention period.

    Attributes:
        mode: ``GOVERNANCE`` or ``COMPLIANCE``.
        until: When it ends.
    """

    mode: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class ObjectVersion:
    """One version of an object, as HeadObject describes it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html

    Attributes:
        etag: With its quotation marks, as conditions want it.
        encryption: ``ServerSideEncryption``; None where S3 names none.
        kms_key_arn: ``SSEKMSKeyId``.
        bucket_key_enabled: Whether its data key comes from an S3 Bucket Key.
        offline: Whether it must be restored before it can be read.
        retention: Also one that has ended; None when there never was any.
        event_hold: Whether an Object Lock event hold is on.
        checksums: Of the whole object, by algorithm, such as ``{"CRC64NVME": "AAAA..."}``.
        part_checksums: Checksums of its parts' checksums, such as ``{"CRC32": "AAAA...-3"}``.
        last_modified: When it was created; None when nobody said.
        headers: Content headers, such as ``{"ContentType": "application/gzip"}``.
        missing_metadata: How many metadata entries S3 has that it cannot send.
    """

    key: str
    version_id: str
    size_bytes: int
    etag: str
    encryption: str | None
    kms_key_arn: str | None
    bucket_key_enabled: bool
    storage_class: str
    offline: bool
    retention: Retention | None
    legal_hold: bool
    event_hold: bool
    checksums: Mapping[str, str]
    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    missing_metadata: int
    tag_count: int
    part_checksums: Mapping[str, str] = field(default_factory=dict)
    last_modified: datetime | None = None

    @property
    def name(self) -> str:
        """The version in words, for messages."""
        return f"{self.key} (version {self.version_id})"

    @property
    def has_lock(self) -> bool:
        """Whether Object Lock says anything of it, be it of the past: S3 then updates nothing."""
        return self.legal_hold or self.event_hold or self.retention is not None

    def is_locked(self, now: datetime) -> bool:
        """Whether Object Lock forbids to remove it."""
        return self.legal_hold or self.event_hold or self.retention_in_force(now) is not None

    def retention_in_force(self, now: datetime) -> Retention | None:
        """Return the retention period if it has not ended."""
        return self.retention if self.retention and self.retention.until > now else None

    def is_under(self, key_arn: str) -> bool:
        """Whether it is encrypted under a KMS key.

        A missing Bucket Key costs KMS calls, not safety, and is no reason to rewrite anything.
        """
        return self.encryption in (SSE_KMS, DSSE_KMS) and self.kms_key_arn == key_arn


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How an object version is to be.

    Attributes:
        key_arn: The key it is to be under.
        hold: Whether it is to be on legal hold.
        may_copy: False for what may have come about by a copy of ours. It could only be copied
            again because that copy did not help, so the copies would never end.
        unless_disposed: Whether the hold is for whatever lies there, of whichever export: then not
            for what somebody has had disposed of.
        now: The time at which retention periods have ended or not.
    """

    key_arn: str
    hold: bool
    may_copy: bool
    now: datetime
    unless_disposed: bool = False


class Verdict(Enum):
    """What is to be done with a version next."""

    LEAVE = "leave"
    UPDATE = "update in place"
    COPY = "copy"
    COPY_IN_PARTS = "multipart copy"
    HOLD = "hold"
    REMOVE = "remove write-test"
    REPORT = "report"


@dataclass(frozen=True)
class Decision:
    """A verdict, and what to say about it.

    Attributes:
        reason: Why, in a word, such as ``offline``; empty where the verdict says it all.
        detail: The version and what would help, in a sentence.
    """

    verdict: Verdict
    reason: str = ""
    detail: str = ""


def on_log_file(
    version: ObjectVersion,
    wanted: Wanted,
    *,
    copy_limit_bytes: int = COPY_LIMIT_BYTES,
    in_place: bool = True,
) -> Decision:
    """Say what a log file's version needs next: first the key, then the hold.

    Args:
        version: The version.
        wanted: How it is to be.
        copy_limit_bytes: Above this size a copy is made in parts.
        in_place: Whether S3 may update it in place; False once S3 has refused to.
    """
    if version.is_under(wanted.key_arn):
        needs_hold = wanted.hold and not version.legal_hold
        return Decision(Verdict.HOLD if needs_hold else Verdict.LEAVE)
    if CLIENT_KEY_METADATA & version.metadata.keys():
        return _report(
            version,
            "client_side_encrypted",
            "was encrypted by a client, which CloudWatch Logs never does, and is left to whoever "
            "put it there",
        )
    # A retention period that has ended may or may not keep S3 from it: it is tried.
    is_updatable = version.encryption in UPDATABLE_ENCRYPTIONS and not version.is_locked(wanted.now)
    if in_place and is_updatable:
        return Decision(Verdict.UPDATE)
    return _on_copying(version, copy_limit_bytes)


def on_write_test(version: ObjectVersion, now: datetime) -> Decision:
    """Say whether a write-test's version is removed or left."""
    if version.size_bytes > WRITE_TEST_LIMIT_BYTES:
        return Decision(Verdict.LEAVE, "too long")
    if version.version_id == NULL_VERSION:
        return Decision(Verdict.LEAVE, "may be overwritten by something else before it is removed")
    if version.is_locked(now):
        return Decision(Verdict.LEAVE, "locked")
    return Decision(Verdict.REMOVE)


def differences(
    original: ObjectVersion, copy: ObjectVersion, *, key_arn: str, now: datetime
) -> list[str]:
    """Say in what a copy falls short of its original; nothing when it can stand in for it.

    A checksum counts where both have one of the same algorithm. A copy of an original without
    retention may have one, as by the bucket's default; what the original has, the copy has too.
    """
    have_and_want: dict[str, tuple[object, object]] = {
        "size": (copy.size_bytes, original.size_bytes),
        "encryption": (copy.encryption, copys_encryption(original)),
        "key": (copy.kms_key_arn, key_arn),
        "storage class": (copy.storage_class, original.storage_class),
        "headers": (copy.headers, original.headers),
        "metadata": (copy.metadata, original.metadata),
        "number of tags": (copy.tag_count, original.tag_count),
    }
    if original.legal_hold:
        have_and_want["legal hold"] = (copy.legal_hold, True)
    if retention := original.retention_in_force(now):
        have_and_want["retention"] = (copy.retention, retention)
    for algorithm in sorted(original.checksums.keys() & copy.checksums.keys()):
        have_and_want[algorithm] = (copy.checksums[algorithm], original.checksums[algorithm])
    return [
        f"{what} is {have!r} instead of {want!r}"
        for what, (have, want) in have_and_want.items()
        if have != want
    ]


def is_proven(original: ObjectVersion, copy: ObjectVersion) -> bool:
    """Whether checksums show that the content of both is the same.

    Those of the whole object do. A checksum of parts' checksums does too if it is the same: then
    the parts are. If it is not, that says nothing, as the parts may have been cut elsewhere.
    """
    shared = original.checksums.keys() & copy.checksums.keys()
    if shared:
        return all(original.checksums[name] == copy.checksums[name] for name in shared)
    return bool(original.part_checksums.items() & copy.part_checksums.items())


def copys_encryption(original: ObjectVersion) -> str:
    """Return what a copy is encrypted with."""
    return DSSE_KMS if original.encryption == DSSE_KMS else SSE_KMS


def _on_copying(version: ObjectVersion, copy_limit_bytes: int) -> Decision:
    if version.offline:
        return _report(
            version,
            "offline",
            "cannot be encrypted in place, and in storage class "
            f"{version.storage_class} it must be restored before it can be copied",
        )
    if version.event_hold:
        return _report(
            version,
            "event_hold",
            "cannot be encrypted in place while its Object Lock event hold is on, and a copy would "
            "not keep the hold's duration",
        )
    if version.missing_metadata:
        return _report(
            version,
            "hidden_metadata",
            f"cannot be encrypted in place, and {version.missing_metadata} of its metadata entries "
            "cannot be read to compare a copy's",
        )
    # CopyObject makes one whole of what had parts: nothing would prove that the copy is equal.
    only_parts_prove_it = version.part_checksums and not version.checksums
    if version.size_bytes <= copy_limit_bytes and not only_parts_prove_it:
        return Decision(Verdict.COPY)
    if not _is_date(version.headers.get("ExpiresString")):
        return _report(
            version,
            "hidden_metadata",
            "cannot be encrypted in place, and its Expires header, "
            f"{version.headers['ExpiresString']!r}, cannot be given to a copy in parts",
        )
    return Decision(Verdict.COPY_IN_PARTS)


def _is_date(expires: str | None) -> bool:
    """Whether an Expires header can be sent again; so can none."""
    try:
        return expires is None or bool(parsedate_to_datetime(expires))
    except ValueError:
        return False


def _report(version: ObjectVersion, reason: str, why: str) -> Decision:
    return Decision(Verdict.REPORT, reason, f"{version.name} {why}")
