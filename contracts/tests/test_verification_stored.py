"""Tests of how what is stored is read."""

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from logferry_contracts.archive import Readable
from logferry_contracts.verification.store import Store, Unreadable
from logferry_contracts.verification.stored import hashed

PIECE_BYTES = 16


class Opening:
    """A store that opens one file, whatever is asked for."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def open(self, key: str, version_id: str | None) -> Readable:
        return self.file  # type: ignore[no-any-return]


def store(file: Any) -> Store:
    return Opening(file)  # type: ignore[return-value]


@pytest.mark.parametrize("size_bytes", [0, 1, 15, 16, 17, 48, 50, 100_000])
def test_a_file_and_a_download_of_the_same_bytes_have_one_hash(
    tmp_path: Path, size_bytes: int
) -> None:
    data = bytes(n % 251 for n in range(size_bytes))
    path = tmp_path / "file"
    path.write_bytes(data)
    expected = (sha256(data).hexdigest(), size_bytes)
    assert hashed(store(path.open("rb")), "key", None, PIECE_BYTES) == expected
    assert hashed(store(io.BytesIO(data)), "key", None, PIECE_BYTES) == expected


class Failing(io.RawIOBase):
    """A file on a disk that fails after its first piece."""

    def __init__(self) -> None:
        self._is_first = True

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any, /) -> int:
        if not self._is_first:
            raise OSError(5, "Input/output error")
        self._is_first = False
        place[:PIECE_BYTES] = bytes(PIECE_BYTES)
        return PIECE_BYTES


def test_a_disk_that_fails_leaves_unknown_what_was_not_read() -> None:
    file = io.BufferedReader(Failing(), PIECE_BYTES)
    with pytest.raises(Unreadable, match=r"it broke off: OSError: .*Input/output error"):
        hashed(store(file), "key", None, PIECE_BYTES)
    assert file.closed
