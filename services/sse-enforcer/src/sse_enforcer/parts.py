"""How an object is cut into the parts of a multipart copy, and what proves the whole."""

from dataclasses import dataclass

from sse_enforcer.verdict import ObjectVersion

MAX_PARTS = 10_000
MIN_PART_BYTES = 5 * 1024**2
MAX_PART_BYTES = 5 * 1024**3
"""All but the last part have at least 5 MiB, none more than 5 GiB, and there are at most 10,000.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""

WHOLE_OBJECT_ALGORITHMS = ("CRC64NVME", "CRC32", "CRC32C")
"""Of these S3 makes a multipart upload's checksum of the whole object out of its parts'.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html"""

OF_PARTS_ALGORITHMS = ("CRC32", "CRC32C", "SHA1", "SHA256")


@dataclass(frozen=True)
class Checksum:
    """What S3 is to compute over a multipart upload.

    Attributes:
        type: ``FULL_OBJECT`` or ``COMPOSITE``.
        expected: The original's checksum of the whole object; None where there is none to expect.
    """

    algorithm: str
    type: str
    expected: str | None = None


@dataclass(frozen=True)
class Part:
    """A range of bytes.

    Attributes:
        number: From 1.
        last: Inclusive.
    """

    number: int
    first: int
    last: int

    @property
    def size_bytes(self) -> int:
        """Its size."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class CopiedPart:
    """A part that S3 has.

    Attributes:
        checksum: By the upload's algorithm; None where S3 tells none.
    """

    number: int
    size_bytes: int
    etag: str
    checksum: str | None


def checksum_for(original: ObjectVersion) -> Checksum:
    """Return what a copy in parts is to have so that it can be compared with its original.

    Where the original has nothing to compare with, the copy gets a checksum all the same.
    """
    for algorithm in WHOLE_OBJECT_ALGORITHMS:
        if algorithm in original.checksums:
            return Checksum(algorithm, "FULL_OBJECT", original.checksums[algorithm])
    for algorithm in OF_PARTS_ALGORITHMS:
        if algorithm in original.part_checksums:
            return Checksum(algorithm, "COMPOSITE")
    return Checksum(WHOLE_OBJECT_ALGORITHMS[0], "FULL_OBJECT")


def cut(size_bytes: int, part_bytes: int) -> list[Part]:
    """Cut an object into parts of ``part_bytes``, or larger ones if there were too many."""
    part_bytes = max(part_bytes, -(-size_bytes // MAX_PARTS))
    starts = range(0, size_bytes, part_bytes)
    return [
        Part(number, first, min(first + part_bytes, size_bytes) - 1)
        for number, first in enumerate(starts, start=1)
    ]
