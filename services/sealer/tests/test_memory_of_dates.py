"""What sealing a date keeps in memory does not grow with its log groups."""

import functools
import hashlib
import io
import itertools
import os
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from services.sealer.tests.cloud import Body, Cloud, etag, refused
from services.sealer.tests.conftest import (
    CONTROL,
    DAY,
    FIRST,
    HOUR,
    SOURCE,
    World,
    day,
    log_group,
)

from devstack.memory import own_peak_bytes
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import inventory_key, ledger_key
from logferry_contracts.ledger_record import LedgerRecord, Skipped
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.wire import emit

SLACK_BYTES = 1_000_000
"""What threads hold at once, of which ten log groups are not enough to fill all, nor hundreds: 820
KB were seen of 2,000, and of 5,000."""
RESIDENT_SLACK_BYTES = 9 * 1024**2
"""SQLite's cache, which 1,000 log groups do not fill: 77.1 MB were seen of these, 82.0 of 10,000,
82.3 of 20,000."""
PAGE = 50
"""Keys of a listing: of so few that a page of them is not what is measured."""
LONG_BYTES = 16 * 1024
NAME, EXPORT_ID = "/g/name", "e" * 32
AT = epoch_ms(FIRST + DAY + HOUR)
INVENTORY = inventory_key(SOURCE, AT, f"{AT:032x}")


class Lines(io.RawIOBase):
    """An inventory that is written as it is read."""

    def __init__(self, count: int) -> None:
        self._numbers = range(count)

    def iter_lines(self, chunk_size: int) -> Iterator[bytes]:
        assert chunk_size
        line = (
            ListedLogGroup.of(
                source=SOURCE,
                log_group=log_group(NAME),
                verdict="selected",
                planned_at=timestamp(FIRST + DAY + HOUR),
            )
            .line()
            .rstrip()
        )
        for number in self._numbers:
            yield line.replace(NAME.encode(), f"/g/{number:06}".encode())


class Wide:
    """S3 with a date of many log groups, whose records are made as they are asked for.

    What is written lies in files: memory is left to whoever is measured.

    Attributes:
        reason: By which every log group is skipped.
    """

    def __init__(self, cloud: Cloud, folder: Path, count: int) -> None:
        self.cloud, self.folder, self.count = cloud, folder, count
        self.reason = "empty"
        self.seals: list[str] = []

    def get_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if (Bucket, Key) == (CONTROL, INVENTORY):
            return {"Body": Lines(self.count), "ETag": "i"}
        if Key.startswith("ledger/"):
            return {"Body": Body(self._record(Key)), "ETag": "r"}
        try:
            file = File(self._path(Key))
        except FileNotFoundError:
            raise refused("GetObject", "NoSuchKey") from None
        if file.size_bytes > LONG_BYTES:
            # As it would be from the network.
            return {"Body": file, "ETag": file.etag}
        with file:
            return {"Body": Body(file.read()), "ETag": file.etag}

    def put_object(self, *, Bucket: str, Key: str, Body: Any, **more: Any) -> dict[str, Any]:  # noqa: N803
        assert Bucket
        try:
            file = File(self._path(Key), "xb" if "IfNoneMatch" in more else "wb")
        except FileExistsError:
            raise refused("PutObject", "PreconditionFailed") from None
        with file:
            for piece in [Body] if isinstance(Body, bytes) else iter(lambda: Body.read(10**5), b""):
                file.write(piece)
            written = file.etag
        if "/seals/" in Key:
            self.seals.append(Key)
        return {"VersionId": "v", "ETag": written}

    def get_paginator(self, name: str) -> Any:
        pages = {"list_objects_v2": self._keys, "list_object_versions": self._versions}
        return SimpleNamespace(paginate=pages[name])

    def forget(self, part: str) -> None:
        """Remove what lies at some key."""
        Path(self._path(part)).unlink()

    def _keys(self, *, Prefix: str, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        if Prefix.startswith("inventories/"):
            yield {"Contents": [{"Key": INVENTORY, "ETag": "i"}]}
            return
        if not Prefix.startswith("ledger/"):  # what is noted for people, of which there is nothing
            yield {}
            return
        tag = etag(self.reason.encode())
        for numbers in itertools.batched(range(self.count), PAGE, strict=False):
            yield {
                "Contents": [
                    {"Key": ledger_key(SOURCE, day(0), f"{n:032x}"), "ETag": tag} for n in numbers
                ]
            }

    def _versions(self, *, Prefix: str, KeyMarker: str = "", **_: Any) -> Iterator[Any]:  # noqa: N803
        assert Prefix
        yield {
            "Versions": [
                {"Key": key, "VersionId": "v", "IsLatest": True, "Size": 1, "LastModified": FIRST}
                for key in self.seals
                if key > KeyMarker
            ]
        }

    def _record(self, key: str) -> bytes:
        export_id = key.rpartition("/")[2].removesuffix(".json")
        text = record_skipped_as(self.reason).replace(EXPORT_ID, export_id)
        return text.replace(NAME, f"/g/{int(export_id, 16):06}").encode()

    def _path(self, key: str) -> str:
        """Return the path of a key's file.

        No Path, which interns its parts: of so many, the interpreter's table of what is interned
        grows by megabytes in the one test that happens to fill it.
        """
        return f"{self.folder}/{hashlib.sha256(key.encode()).hexdigest()}"


@functools.cache
def record_skipped_as(reason: str) -> str:
    """Return a record as it is written, of a log group and an export that stand for any."""
    record = LedgerRecord.first(
        requested_at=day(0).end,
        export_id=EXPORT_ID,
        generation=1,
        source=SOURCE,
        log_group=log_group(NAME),
        window=day(0),
        destination={"bucket": "archive-bucket", "prefix": "shop/x/2026/11/21/00"},
        lane="slot",
    )
    skipped = Skipped(reason=reason, at=timestamp(day(0).end))
    return emit(record.model_copy(update={"state": "skipped", "skipped": skipped}))


class File(io.FileIO):
    """A file, as botocore hands out a body."""

    @property
    def size_bytes(self) -> int:
        return os.fstat(self.fileno()).st_size

    @property
    def etag(self) -> str:
        return f'"{os.fstat(self.fileno()).st_mtime_ns}"'

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        return iter(lambda: self.read(size), b"")

    def iter_lines(self, chunk_size: int) -> Iterator[bytes]:
        assert chunk_size
        return (line.rstrip() for line in self)


def peak_of(what: Callable[[], object]) -> int:
    tracemalloc.start()
    what()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def resident_after(what: Callable[[], object]) -> int:
    """Return what the process has had in memory at most, SQLite's part and all."""
    what()
    return own_peak_bytes()


def peaks(
    tmp_path: Path, count: int, peak_of: Callable[[Callable[[], object]], int] = peak_of
) -> dict[str, int]:
    """Seal a date, then all of it once more, and once more by an invocation that has no draft."""
    folder = tmp_path / f"{count}"
    folder.mkdir()
    cloud = Cloud()
    wide = Wide(cloud, folder, count)
    cloud.client = lambda name: wide if name == "s3" else Cloud.client(cloud, name)  # type: ignore[method-assign]
    world = World(tmp_path, cloud=cloud)

    def look() -> None:
        assert world.look()

    found = {"first": peak_of(look)}
    wide.reason = "unknown"
    world.now += timedelta(hours=3)
    found["later"] = peak_of(look)
    wide.forget(f"seals/{world.chain_name}/dates/{day(0).from_ms:015d}.sqlite")
    wide.reason = "empty"
    world.now += timedelta(hours=3)
    found["without a draft"] = peak_of(look)
    assert [key[-7:] for key in wide.seals] == ["01.json", "02.json", "03.json"]
    return found


@pytest.mark.parametrize("count", [250, pytest.param(1_000, marks=pytest.mark.deep)], ids=str)
def test_the_peak_is_the_same_for_ten_log_groups_and_for_many(tmp_path: Path, count: int) -> None:
    peaks(tmp_path, 9)  # what is made once
    few, many = peaks(tmp_path, 10), peaks(tmp_path, count)

    for what, peak in many.items():
        assert peak < few[what] + SLACK_BYTES, what


def _resident(tmp_path: Path, count: int) -> int:
    return max(peaks(tmp_path, count, resident_after).values())


@pytest.mark.deep
def test_a_process_that_seals_10_000_log_groups_is_as_large_as_one_that_seals_1_000(
    tmp_path: Path,
) -> None:
    """As large as Lambda takes it for: tracing each allocation would take an hour."""
    sizes = []
    for count in (1_000, 10_000):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            sizes.append(process.submit(_resident, tmp_path, count).result())

    assert sizes[1] < sizes[0] + RESIDENT_SLACK_BYTES
