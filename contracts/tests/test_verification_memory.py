"""What a check keeps in memory grows neither with a date's leaves nor with an object's bytes."""

import io
import tracemalloc
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import pytest
from contracts.tests.sealed_archive import HOUR_MS, START_MS, Archive, Bucket, found, leaves_of

from logferry_contracts.archive import Readable
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.objects import Level
from logferry_contracts.verification.store import Version
from logferry_contracts.verification.verifier import Verifier
from logferry_contracts.wire import parse

SLACK_BYTES = 512 * 1024
"""A piece of a list with its lines, and what Python allocates here and there."""


class Quiet(Bucket):
    """A bucket that does not note what is opened, and has its keys in order once it is asked."""

    @cached_property
    def in_order(self) -> list[str]:
        return sorted(self.keys, key=str.encode)

    def versions(self, prefix: str) -> Iterator[Version]:
        for key in self.in_order:
            if key.startswith(prefix):
                yield from self._versions(key)

    def open(self, key: str, version_id: str | None) -> Readable:
        return io.BytesIO(self.data(key))


def with_leaves(number: int, *, and_later: bool = False) -> Archive:
    """Return an archive of one date; all of its leaves may be in a later seal once more."""
    bucket = Quiet()
    archive = Archive(bucket)
    covers = archive.window()
    names = [f"/app/{n:06d}" for n in range(number)]
    archive.day((archive.statement(name, covers, "excluded") for name in names), covers)
    if and_later:
        archive.later((archive.statement(name, covers, "excluded") for name in names), covers)
    assert len(bucket.in_order) > number
    return archive


def peak_of_check(archive: Archive, level: Level) -> int:
    tracemalloc.start()
    assert found(archive, level, keys=[archive.key]) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("leaves", [1000, pytest.param(2500, marks=pytest.mark.deep)])
@pytest.mark.parametrize("level", ["seals", "objects"])
def test_the_peak_is_the_same_for_ten_leaves_and_for_many(level: Level, leaves: int) -> None:
    few, many = with_leaves(10), with_leaves(leaves)
    peak_of_check(few, level)  # what is made once

    assert peak_of_check(many, level) < peak_of_check(few, level) + SLACK_BYTES


@pytest.mark.parametrize("leaves", [700, pytest.param(1500, marks=pytest.mark.deep)])
def test_the_peak_is_the_same_for_ten_leaves_that_were_sealed_again_and_for_many(
    leaves: int,
) -> None:
    few, many = with_leaves(10, and_later=True), with_leaves(leaves, and_later=True)
    peak_of_check(few, "objects")  # what is made once

    assert peak_of_check(many, "objects") < peak_of_check(few, "objects") + SLACK_BYTES


def test_later_seals_are_read_once_and_not_where_nothing_is_asked_that_they_may_replace() -> None:
    """Not again with each of ten years' dates."""
    archive = Archive()
    archive.days(3)
    covers = archive.window(from_ms=START_MS)
    archive.later([archive.statement("/app/a", covers, "excluded")], covers)
    lists = leaves_of(archive, archive.sequence)
    # Looked for, counted and gone through as its own; and once by what comes before it.
    expected: dict[Level, int] = {"seals": 3, "objects": 6}
    for level, times in expected.items():
        archive.bucket.opened.clear()
        found(archive, level, keys=[archive.key])

        assert archive.bucket.opened[lists] == times, level


class Zeros:
    """An object of gzip that nobody has stored: zeros after a whole member."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes

    def read(self, amount: int = -1, /) -> bytes:
        given = min(amount, self._left)
        self._left -= given
        return bytes(given)

    def close(self) -> None:
        pass


class Large(Bucket):
    """A bucket whose objects are as large as is said, and opened as they are read."""

    size_bytes = 0

    def open(self, key: str, version_id: str | None) -> Readable:
        return super().open(key, version_id) if key[0] == "!" else Zeros(self.size_bytes)

    def versions(self, prefix: str) -> Iterator[Any]:
        for each in super().versions(prefix):
            yield each if each.key[0] == "!" else each._replace(size_bytes=self.size_bytes)


@pytest.mark.parametrize("level", ["bytes", "events"])
def test_the_peak_is_the_same_for_small_objects_and_for_large_ones(level: Level) -> None:
    def peak(size_bytes: int) -> int:
        bucket = Large()
        archive = Archive(bucket)
        window = archive.window()
        statement = archive.archived("/app/a", window)
        assert statement.objects is not None
        large = [statement.objects[0].model_copy(update={"size_bytes": size_bytes})]
        archive.day([statement.model_copy(update={"objects": large})], window)
        bucket.size_bytes = size_bytes
        tracemalloc.start()
        found(archive, level, keys=[archive.key])
        _, found_peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found_peak

    peak(4 * 2**20)

    assert peak(64 * 2**20) < peak(4 * 2**20) + SLACK_BYTES


def test_the_work_is_given_out_bit_by_bit() -> None:
    """Whoever has several threads is not handed a whole date at once."""
    archive = Archive()
    covers = archive.window()
    hours = [archive.window(HOUR_MS, START_MS + n * HOUR_MS) for n in range(24)]
    archive.day((archive.archived(f"/app/{n}", each) for n in range(5) for each in hours), covers)
    taken: list[object] = []

    def counting(work: Any, on: Iterable[Any]) -> Iterator[Any]:
        for each in on:
            taken.append(each)
            yield work(each)

    chain = read_chain(archive.bucket, archive.chain, [archive.key.trusted])
    verifier = Verifier(archive.bucket, chain, "bytes", mapped=counting)
    first, *_ = archive.bucket.data(leaves_of(archive, 1)).splitlines()
    [object_key, *_] = [
        key
        for key in archive.object_keys()
        if key.startswith(f"{archive.source.profile}{parse(Leaf, first).name.log_group_name}/")
    ]
    archive.bucket.replace(object_key, b"changed")
    next(iter(verifier.check(chain.links[0])))

    assert len(taken) < 10
