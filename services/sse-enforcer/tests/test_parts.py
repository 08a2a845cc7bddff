import pytest

from sse_enforcer.parts import MAX_PARTS, MIN_PART_BYTES, Checksum, Part, checksum_for, cut


def test_an_object_is_cut_without_gap_or_overlap():
    assert cut(10, 4) == [Part(1, 0, 3), Part(2, 4, 7), Part(3, 8, 9)]
    assert cut(8, 4) == [Part(1, 0, 3), Part(2, 4, 7)]
    assert cut(3, 4) == [Part(1, 0, 2)]


@pytest.mark.parametrize("size_bytes", [48 * 1024**4, MAX_PARTS * MIN_PART_BYTES + 1])
def test_parts_grow_where_there_would_be_too_many(size_bytes):
    parts = cut(size_bytes, MIN_PART_BYTES)

    assert len(parts) <= MAX_PARTS
    assert sum(part.size_bytes for part in parts) == size_bytes
    assert {part.size_bytes for part in parts[:-1]} == {parts[0].size_bytes}
    assert parts[0].size_bytes >= MIN_PART_BYTES


@pytest.mark.parametrize(
    ("checksums", "part_checksums", "expected"),
    [
        ({"CRC64NVME": "a"}, {}, Checksum("CRC64NVME", "FULL_OBJECT", "a")),
        ({"CRC32": "a"}, {}, Checksum("CRC32", "FULL_OBJECT", "a")),
        ({"CRC32C": "a"}, {"SHA1": "b-2"}, Checksum("CRC32C", "FULL_OBJECT", "a")),
        ({}, {"SHA256": "b-2"}, Checksum("SHA256", "COMPOSITE")),
        ({}, {"CRC32": "b-2"}, Checksum("CRC32", "COMPOSITE")),
        ({"SHA256": "a"}, {}, Checksum("CRC64NVME", "FULL_OBJECT")),
        ({}, {}, Checksum("CRC64NVME", "FULL_OBJECT")),
    ],
)
def test_the_copy_gets_the_checksum_that_its_original_can_be_compared_by(
    version_of, checksums, part_checksums, expected
):
    original = version_of(checksums=checksums, part_checksums=part_checksums)

    assert checksum_for(original) == expected
