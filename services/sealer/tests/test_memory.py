"""What reading an object keeps in memory does not grow with the object."""

import tracemalloc
import zlib
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha512
from multiprocessing import get_context
from types import SimpleNamespace
from typing import Any

import pytest
from services.sealer.tests.conftest import day

from devstack.memory import own_peak_bytes
from sealer.aws.archive import Archive

MB = 1_000_000
SLACK_BYTES = 2 * MB
"""A piece as it is stored and as it is unpacked, twice over."""


class Members:
    """The stream of an object that nobody has stored: the same packed lines, member by member."""

    def __init__(self, size_bytes: int) -> None:
        text = b"".join(
            b"2026-11-21T00:00:%02d.000Z %s\n"
            % (number % 60, sha512(b"%d" % number).hexdigest().encode())
            for number in range(2_000)
        )
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._member = packer.compress(text) + packer.flush()
        self._left = size_bytes // len(self._member)
        self._at = 0

    def read(self, amount: int) -> bytes:
        if not self._left:
            return b""
        piece = self._member[self._at : self._at + amount]
        self._at += len(piece)
        if self._at == len(self._member):
            self._left, self._at = self._left - 1, 0
        return piece

    def close(self) -> None:
        self._left = 0


def measured(size_bytes: int) -> None:
    s3: Any = SimpleNamespace(
        get_object=lambda **_: {"Body": Members(size_bytes), "ETag": '"e"'},
    )
    archive = Archive(s3, "archive-bucket")
    read = archive.measured("key", "v", day(0))
    assert read is not None
    assert read.measured.is_gzip_complete
    assert read.measured.events == read.measured.lines > 0


def peak_of(size_bytes: int) -> int:
    tracemalloc.start()
    measured(size_bytes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def resident_of(size_bytes: int) -> int:
    measured(size_bytes)
    return own_peak_bytes()


def test_the_peak_is_the_same_for_an_object_of_1_mb_and_of_many() -> None:
    peak_of(MB)  # what is made once

    assert peak_of(8 * MB) < peak_of(MB) + SLACK_BYTES


@pytest.mark.deep
def test_a_process_that_reads_1_gb_is_as_large_as_one_that_reads_1_mb() -> None:
    sizes = []
    for size_bytes in (MB, 1_000 * MB):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            sizes.append(process.submit(resident_of, size_bytes).result())

    assert sizes[1] < sizes[0] + 4 * MB
