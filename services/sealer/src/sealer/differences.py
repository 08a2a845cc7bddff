"""What a manifest says of an export's objects, and what of it the archive contradicts: rules only.

An object is what its bytes are. The version that a manifest names is where they were: another
version of the same bytes, such as the sse-enforcer's copy under another key, is the same object.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from logferry_contracts.manifest import ArchivedObject, Checksum
from logferry_contracts.measure import Measured
from logferry_contracts.statement import Difference, Leftover, StatedObject

MISSING = "object_missing"
UNLISTED = "object_unlisted"
HIDDEN = "object_hidden"
OVERLAID = "object_overlaid"
SIZE = "size_bytes"
CHECKSUM = "checksum"


@dataclass(frozen=True, kw_only=True)
class ListedVersion:
    """One entry of ListObjectVersions.

    Attributes:
        size_bytes: None for a delete marker.
    """

    key: str
    version_id: str
    is_latest: bool
    size_bytes: int | None

    @property
    def is_delete_marker(self) -> bool:
        """Whether it hides the versions of its key."""
        return self.size_bytes is None


@dataclass(frozen=True, kw_only=True)
class ReadObject:
    """One version that was read to its end.

    Attributes:
        checksum: The one that S3 keeps with it; None when it keeps none of the whole object.
    """

    key: str
    version_id: str
    etag: str
    checksum: Checksum | None
    measured: Measured

    @property
    def stated(self) -> StatedObject:
        """What a statement says of it."""
        read = self.measured
        return StatedObject(
            key=self.key,
            version_id=self.version_id,
            size_bytes=read.size_bytes,
            sha256=read.sha256,
            lines=read.lines,
            events=read.events,
            first_ms=read.first_ms,
            last_ms=read.last_ms,
            events_outside_window=read.events_outside_window,
            pointer_lines=read.pointer_lines,
            is_gzip_complete=read.is_gzip_complete,
            etag=self.etag,
            checksum=self.checksum,
        )


def missing(archived: ArchivedObject) -> Difference:
    """Return what is told of an object that is not there in any version."""
    return Difference(what=MISSING, key=archived.key, recorded=_version(archived))


def of_object(archived: ArchivedObject, found: ReadObject) -> list[Difference]:
    """Return in what an object differs from what the manifest says of it."""
    told = []
    size = found.measured.size_bytes
    if size != archived.size_bytes:
        told.append((SIZE, str(archived.size_bytes), str(size)))
    if archived.checksum is not None:
        there = _checksum_of(found, archived.checksum.algorithm)
        if there is not None and there != archived.checksum.value:
            told.append((CHECKSUM, archived.checksum.value, there))
    return [
        Difference(what=what, key=archived.key, recorded=recorded, found=there)
        for what, recorded, there in told
    ]


def of_listing(
    versions: Iterable[ListedVersion],
    objects: Mapping[str, ArchivedObject],
    task_folders: tuple[str, ...],
) -> list[Difference]:
    """Return what lies beside or over an export's objects.

    Args:
        versions: All below the prefix of its destination.
        objects: Of its manifest, by their keys.
        task_folders: Of its export tasks, in which nothing else belongs; none in the direct lane:
            what a try that was cut off has left there is in no manifest.
    """
    told = {}
    for each in versions:
        if each.key not in objects:
            if each.key.startswith(task_folders) and not each.is_delete_marker:
                told[UNLISTED, each.key] = f"version {each.version_id}"
        elif each.is_latest and each.is_delete_marker:
            told[HIDDEN, each.key] = f"delete marker {each.version_id}"
    return [Difference(what=what, key=key, found=found) for (what, key), found in told.items()]


def listing_sha256(versions: Iterable[ListedVersion]) -> str:
    """Return the digest of what a listing shows, which whatever is put right changes."""
    shown = sorted(
        f"{each.key} {each.version_id} {each.is_latest} {each.is_delete_marker}\n"
        for each in versions
    )
    digest = hashlib.sha256()
    for each in shown:
        digest.update(each.encode())
    return digest.hexdigest()


def leftovers(
    versions: Iterable[ListedVersion], objects: Mapping[str, ArchivedObject]
) -> list[Leftover]:
    """Return what lies below the prefix of an export and is not its own, such as an earlier try's.

    It is said, so that whatever comes there later is told from it.
    """
    left = [
        Leftover(key=each.key, version_id=each.version_id, size_bytes=each.size_bytes)
        for each in versions
        if each.is_latest and each.size_bytes is not None and each.key not in objects
    ]
    return sorted(left, key=lambda each: each.key)


def overlaid(archived: ArchivedObject, over: ReadObject) -> Difference:
    """Return what is told of an object under a newer version of other bytes."""
    return Difference(
        what=OVERLAID,
        key=archived.key,
        recorded=_version(archived),
        found=f"version {over.version_id} of {over.measured.size_bytes} bytes",
    )


def _version(archived: ArchivedObject) -> str:
    return f"version {archived.version_id} of {archived.size_bytes} bytes"


def _checksum_of(found: ReadObject, algorithm: str) -> str | None:
    """Return an object's checksum by an algorithm: ours where it can be, else S3's."""
    if algorithm == "SHA256":
        return base64.b64encode(bytes.fromhex(found.measured.sha256)).decode()
    is_kept = found.checksum is not None and found.checksum.algorithm == algorithm
    return found.checksum.value if is_kept and found.checksum is not None else None
