"""What to do with one object version, and whether a copy can stand in for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from sse_enforcer.errors import RefusedError

SSE_KMS: Final = "aws:kms"

UPDATABLE_ENCRYPTIONS = frozenset({"AES256", SSE_KMS})
"""What UpdateObjectEncryption takes as a source.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html"""

COPY_LIMIT_BYTES = 5 * 1024**3
"""CopyObject copies up to 5 GB; above that it takes a multipart copy.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

OFFLINE_STORAGE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Cannot be read, so not copied, before they are restored.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html"""


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


class Verdict(Enum):
    """What a version's encryption needs."""

    LEAVE = "leave"
    UPDATE = "update in place"
    COPY = "copy"


def verdict(version: ObjectVersion, key_arn: str) -> Verdict:
    """Say what brings a version under the key.

    A missing Bucket Key costs KMS calls, not safety, and is no reason to rewrite anything.
    """
    if version.encryption == SSE_KMS and version.kms_key_arn == key_arn:
        return Verdict.LEAVE
    return Verdict.UPDATE if version.encryption in UPDATABLE_ENCRYPTIONS else Verdict.COPY


def check_copyable(version: ObjectVersion) -> None:
    """Refuse to copy what a copy cannot stand in for.

    Raises:
        RefusedError: ``too_large_to_copy``, ``offline``, ``event_hold`` or ``hidden_metadata``.
    """
    if version.size_bytes > COPY_LIMIT_BYTES:
        raise RefusedError(
            "too_large_to_copy",
            f"{version.name} cannot be encrypted in place, and CopyObject takes at most "
            f"{COPY_LIMIT_BYTES} bytes, not {version.size_bytes}",
        )
    if version.offline:
        raise RefusedError(
            "offline",
            f"{version.name} cannot be encrypted in place, and in storage class "
            f"{version.storage_class} it must be restored before it can be copied",
        )
    if version.event_hold:
        raise RefusedError(
            "event_hold",
            f"{version.name} cannot be encrypted in place while its Object Lock event hold is on, "
            "and a copy would not keep the hold's duration",
        )
    if version.missing_metadata:
        raise RefusedError(
            "hidden_metadata",
            f"{version.name} cannot be encrypted in place, and {version.missing_metadata} of its "
            "metadata entries cannot be read to compare a copy's",
        )


def differences(
    original: ObjectVersion, copy: ObjectVersion, *, key_arn: str, now: datetime
) -> list[str]:
    """Say in what a copy falls short of its original; nothing when it can stand in for it.

    A checksum counts where both have one of the same algorithm. A copy of an original without
    retention may have one, as by the bucket's default; what the original has, the copy has too.
    """
    have_and_want = {
        "size": (copy.size_bytes, original.size_bytes),
        "encryption": (verdict(copy, key_arn), Verdict.LEAVE),
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
    """Whether a checksum of the whole object shows that the content of both is the same."""
    shared = original.checksums.keys() & copy.checksums.keys()
    return bool(shared) and all(original.checksums[name] == copy.checksums[name] for name in shared)
