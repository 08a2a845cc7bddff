"""The manifest: every object that an export put into the archive."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, model_validator

from logferry_contracts.message import MAX_SAFE_INTEGER, Count, Message
from logferry_contracts.source import BucketName

ObjectKey = Annotated[str, Field(min_length=1, max_length=1024)]
ETag = Annotated[str, Field(min_length=1, max_length=256)]
"""Without quotation marks."""
VersionId = Annotated[str, Field(min_length=1, max_length=1024)]


class Checksum(Message):
    """A checksum that S3 keeps with the object.

    Attributes:
        algorithm: As S3 names it, such as ``CRC64NVME``.
        value: As S3 gives it, in base64.
    """

    algorithm: Annotated[str, Field(min_length=1, max_length=32)]
    value: Annotated[str, Field(min_length=1, max_length=128)]


class ArchivedObject(Message):
    """One object version in the archive.

    Attributes:
        etag: Without quotation marks. An opaque token, not an MD5, under SSE-KMS.
        checksum: None when S3 keeps none.
    """

    key: ObjectKey
    version_id: VersionId
    size_bytes: Count
    etag: ETag
    checksum: Checksum | None = None


class ManifestLocation(Message):
    """Where the list of objects is when it is too long for an event.

    Attributes:
        size_bytes: The size of the JSON text there.
        sha256: Its SHA-256 in hexadecimal.
    """

    bucket: BucketName
    key: ObjectKey
    size_bytes: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(Message):
    """What one export put into the archive.

    Attributes:
        object_count: How many objects.
        stream_count: How many log streams had events.
        total_bytes: The sum of the objects' sizes, compressed.
        objects: All of them, in key order; None when they are at ``location``. An export of an
            empty window has none, which is an empty list.
        location: Where the same manifest is with its objects; None when they are here.
    """

    object_count: Count
    stream_count: Count
    total_bytes: Count
    objects: list[ArchivedObject] | None = None
    location: ManifestLocation | None = None

    @classmethod
    def of(cls, objects: Iterable[ArchivedObject]) -> Self:
        """Return the manifest of objects; each log stream has a folder of its own in its task's."""
        ordered = sorted(objects, key=lambda each: each.key)
        return cls(
            object_count=len(ordered),
            stream_count=len({each.key.split("/")[-2] for each in ordered}),
            total_bytes=sum(each.size_bytes for each in ordered),
            objects=ordered,
        )

    @model_validator(mode="after")
    def _objects_are_in_one_place_and_counted(self) -> Self:
        if (self.objects is None) == (self.location is None):
            raise ValueError("objects or location: one of them, not both")
        if self.objects is not None:
            counted = (len(self.objects), sum(each.size_bytes for each in self.objects))
            if counted != (self.object_count, self.total_bytes):
                raise ValueError(f"objects are {counted[0]} of {counted[1]} bytes in all")
        return self
