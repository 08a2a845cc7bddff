"""Each attack on sealed objects is found and named, at the level that promises it."""

from collections.abc import Callable
from typing import Any

import pytest
from contracts.tests.sealed_archive import (
    START_MS,
    Archive,
    checked,
    errors,
    gz,
    told,
)

from logferry_contracts.seal_key import seal_key
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.findings import Finding, SealError
from logferry_contracts.verification.objects import Level
from logferry_contracts.verification.store import Unreadable


def names_it(findings: list[Finding], key: str) -> bool:
    return all(each.thing == key for each in findings if isinstance(each, SealError))


def test_an_object_that_was_deleted_is_missed(archive: Archive, key: str) -> None:
    archive.bucket.remove(key)

    findings = checked(archive, "objects")
    assert errors(findings) == [named.ObjectMissingError]
    assert names_it(findings, key)
    assert checked(archive, "seals") == []


def test_an_object_that_is_hidden_by_a_delete_marker_is_named(archive: Archive, key: str) -> None:
    archive.bucket.hide(key)

    assert errors(checked(archive, "objects")) == [named.HiddenError]


@pytest.mark.parametrize("level", ["objects", "bytes", "events"])
def test_an_object_under_a_new_current_version_is_covered_whatever_its_size(
    archive: Archive, key: str, level: Level
) -> None:
    data = archive.bucket.data(key)
    archive.bucket.put(key, b"another size")
    assert errors(checked(archive, level)) == [named.CoveredError]
    archive.bucket.keys[key].pop()

    archive.bucket.put(key, bytes(len(data)))
    assert errors(checked(archive, level)) == [named.CoveredError]


def test_an_object_that_was_changed_to_another_size_is_named(archive: Archive, key: str) -> None:
    archive.bucket.replace(key, archive.bucket.data(key) + b"\0")

    assert errors(checked(archive, "objects")) == [named.ObjectChangedError]


def test_an_object_that_was_truncated_is_named(archive: Archive, key: str) -> None:
    archive.bucket.replace(key, archive.bucket.data(key)[:-1])

    assert errors(checked(archive, "objects")) == [named.ObjectTruncatedError]


def test_an_object_that_was_changed_byte_for_byte_is_found_from_level_bytes_on(
    archive: Archive, key: str
) -> None:
    data = archive.bucket.data(key)
    archive.bucket.replace(key, bytes([*data[:-1], data[-1] ^ 1]))

    assert checked(archive, "objects") == []
    assert errors(checked(archive, "bytes")) == [named.ObjectChangedError]
    assert errors(checked(archive, "events")) == [named.ObjectChangedError]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda key: key.replace("/000000.gz", "/000001.gz"), id="in its stream"),
        pytest.param(
            lambda key: key.replace("/stream-0/", "/stream-9/"), id="in its task's folder"
        ),
        pytest.param(lambda key: f"{key.rsplit('/', 3)[0]}/mine/s/000000.gz", id="in its window's"),
        pytest.param(lambda key: f"{key.rsplit('/', 3)[0]}/mine.txt", id="beside the tasks"),
        pytest.param(lambda key: f"{key.rsplit('/', 3)[0]}/a/b/mine/s/000000.gz", id="deeper"),
    ],
)
def test_an_object_that_was_added_is_found(
    archive: Archive, key: str, place: Callable[[str], str]
) -> None:
    added = place(key)
    archive.bucket.put(added, gz([START_MS]))

    findings = checked(archive, "objects")
    assert errors(findings) == [named.ObjectAddedError]
    assert names_it(findings, added)


def test_an_object_in_the_folder_of_a_window_that_was_skipped_as_empty_is_found() -> None:
    archive = Archive()
    window = archive.window()
    export = archive.export("/a", window, tasks=0)
    archive.day([archive.statement("/a", window, "skipped", exports=[export])], window)
    archive.bucket.put(f"{export.destination.prefix}/task/s/000000.gz", gz([START_MS]))

    assert errors(checked(archive, "objects")) == [named.ObjectAddedError]


@pytest.mark.parametrize("tasks", [0, 1], ids=["no task", "another one"])
def test_an_object_is_found_beside_sealed_ones_whatever_task_is_said_to_have_written_these(
    tasks: int,
) -> None:
    archive = Archive()
    window = archive.window()
    first = archive.archived("/a", window)
    archive.day([first], window)
    other = archive.export("/a", window, generation=2, tasks=tasks).task_ids
    export = first.exports[-1].model_copy(update={"task_ids": other})
    archive.later([first.model_copy(update={"exports": [export]})], window)
    assert checked(archive, "objects") == []
    archive.bucket.put(f"{first.exports[-1].folders[0]}planted/000000.gz", gz([START_MS]))

    assert errors(checked(archive, "objects")) == [named.ObjectAddedError]


def test_an_object_whose_hold_was_lifted_is_named(archive: Archive, key: str) -> None:
    archive.bucket.keys[key][0].is_held = False

    findings = checked(archive, "objects")
    assert errors(findings) == [named.HoldLiftedError]
    assert names_it(findings, key)


@pytest.mark.parametrize("level", ["bytes", "events"])
def test_a_hold_that_was_lifted_is_named_although_the_object_cannot_be_read(
    archive: Archive, key: str, level: Level
) -> None:
    archive.bucket.keys[key][0].is_held = False
    archive.bucket.unreadable.add(key)

    findings = checked(archive, level)
    assert errors(findings) == [named.HoldLiftedError]
    assert sorted(type(each).__name__ for each in findings) == ["HoldLiftedError", "Unread"]


@pytest.mark.parametrize("level", ["bytes", "events"])
@pytest.mark.parametrize("is_changed", [False, True])
def test_bytes_that_were_changed_are_named_although_nobody_may_see_the_hold(
    archive: Archive, key: str, level: Level, *, is_changed: bool
) -> None:
    def denied(key: str, version_id: str | None) -> bool | None:
        raise Unreadable(f"{key}: AccessDenied")

    if is_changed:
        data = archive.bucket.data(key)
        archive.bucket.replace(key, data[:-1] + bytes([data[-1] ^ 1]))
    archive.bucket.is_held = denied  # type: ignore[method-assign]

    findings = [each for each in checked(archive, level) if each.thing == key]
    assert errors(findings) == [named.ObjectChangedError] * is_changed
    assert next(type(each) for each in findings) is named.Unread
    assert len(findings) == 1 + is_changed


def test_what_can_be_read_neither_itself_nor_in_its_hold_is_told_once(
    archive: Archive, key: str
) -> None:
    def denied(key: str, version_id: str | None) -> bool | None:
        raise Unreadable(f"{key}: AccessDenied")

    seal = seal_key(archive.chain, 1)
    archive.bucket.unreadable |= {key, seal}
    archive.bucket.is_held = denied  # type: ignore[method-assign]

    things = [each.thing for each in checked(archive, "bytes")]
    assert (things.count(key), things.count(seal)) == (1, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lines", 4),
        ("events", 2),
        ("first_ms", START_MS + 5),
        ("last_ms", START_MS + 5),
        ("events_outside_window", 1),
        ("pointer_lines", 1),
        ("is_gzip_complete", False),
    ],
)
def test_a_statement_that_says_otherwise_of_its_objects_events_is_found_at_level_events(
    name: str, value: Any
) -> None:
    archive = Archive()
    window = archive.window()
    statement = archive.archived("/a", window)
    assert statement.objects is not None
    wrong = [statement.objects[0].model_copy(update={name: value})]
    archive.day([statement.model_copy(update={"objects": wrong})], window)

    assert checked(archive, "bytes") == []
    assert errors(checked(archive, "events")) == [named.MeasureError]
    assert f"{name}: its statement says {value}" in told(archive, "events")
