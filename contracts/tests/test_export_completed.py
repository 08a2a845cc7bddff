"""ExportCompleted as it follows from a ledger record, at first and when it is replayed."""

import json
from bisect import bisect
from datetime import UTC, datetime
from typing import Any

import pytest
from contracts.tests.documents import examples

from logferry_contracts.export_completed import (
    PUBLISHED_BYTES,
    ExportCompleted,
    ExportCompletedData,
)
from logferry_contracts.ledger_record import LedgerRecord, newest_halves, split_task_ids
from logferry_contracts.manifest import ArchivedObject, Manifest, ManifestLocation
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse

RECORDS = {each.reason: each.text for each in examples("accept") if each.message == "ledger-record"}
AT = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


def record(example: str, **changes: Any) -> LedgerRecord:
    return parse(LedgerRecord, json.dumps(json.loads(RECORDS[example]) | changes))


def long_record(objects: int) -> LedgerRecord:
    of = record("completed")
    assert of.completed is not None
    listed = [
        ArchivedObject(key=f"{n:0200}", version_id="v", size_bytes=1, etag="e")
        for n in range(objects)
    ]
    manifest = Manifest(object_count=objects, stream_count=1, total_bytes=objects, objects=listed)
    return of.model_copy(
        update={"completed": of.completed.model_copy(update={"manifest": manifest})}
    )


@pytest.mark.parametrize("example", ["completed", "secured", "completed-by-the-direct-lane"])
def test_an_event_says_what_the_record_says(example: str) -> None:
    of = record(example)
    event = parse(ExportCompleted, emit(ExportCompleted.of_record(of)))

    assert of.completed is not None
    assert (event.id, event.source) == (of.export_id, f"urn:logferry:exporter:{of.source.profile}")
    assert event.data.manifest == of.completed.manifest
    assert event.data.task_id == (of.submitted.task_id if of.submitted else None)
    assert datetime.fromisoformat(event.time) == datetime.fromisoformat(of.completed.at)
    assert "replayed" not in event.attributes


def test_a_replayed_event_differs_in_its_mark_alone() -> None:
    first = ExportCompleted.of_record(record("completed"))
    again = ExportCompleted.of_record(record("completed"), replayed_at=AT)

    assert again.data.replayed_at == "2026-12-01T09:30:00.000Z"
    assert (
        again.model_copy(update={"data": again.data.model_copy(update={"replayed_at": None})})
        == first
    )
    assert again.attributes == first.attributes | {"replayed": "true"}


def test_an_event_that_was_split_names_all_tasks_and_no_single_one() -> None:
    event = ExportCompleted.of_record(record("completed"), ["task-1", "task-2"])

    assert (event.data.task_id, event.data.task_ids) == (None, ["task-1", "task-2"])


def test_a_split_export_is_never_said_to_be_done_by_the_task_that_was_given_up() -> None:
    of = record("completed", split=json.loads(RECORDS["split-in-halves"])["split"])
    assert of.submitted is not None

    data = ExportCompletedData.of_record(of)

    assert (data.task_id, data.task_ids) == (None, None)
    assert ExportCompleted.of_record(of, ["task-1"]).data.task_ids == ["task-1"]


def test_an_event_too_long_for_the_topic_is_published_without_its_list() -> None:
    count = bisect(
        range(2000),
        x=False,
        key=lambda count: ExportCompleted.of_record(long_record(count)).is_too_long,
    )
    longest = ExportCompleted.of_record(long_record(count - 1))
    too_long = ExportCompleted.of_record(long_record(count))
    location = ManifestLocation(bucket="control", key="manifest", size_bytes=1, sha256="0" * 64)

    short = too_long.with_objects_at(location)

    assert len(emit(longest).encode()) <= PUBLISHED_BYTES < len(emit(too_long).encode())
    assert not short.is_too_long
    assert parse(ExportCompleted, emit(short)).data.manifest.location == location
    assert short.data.manifest.object_count == count


@pytest.mark.parametrize(("more_bytes", "is_too_long"), [(0, False), (1, True)])
def test_the_bound_is_exact_to_the_byte(*, more_bytes: int, is_too_long: bool) -> None:
    of = long_record(962)
    room = PUBLISHED_BYTES - len(emit(ExportCompleted.of_record(of)).encode())
    assert of.completed is not None
    first, *others = of.completed.manifest.objects or []
    padded = first.model_copy(update={"version_id": "v" * (1 + room + more_bytes)})
    manifest = of.completed.manifest.model_copy(update={"objects": [padded, *others]})
    completed = of.completed.model_copy(update={"manifest": manifest})
    event = ExportCompleted.of_record(of.model_copy(update={"completed": completed}))

    assert len(emit(event).encode()) == PUBLISHED_BYTES + more_bytes
    assert event.is_too_long == is_too_long


def test_the_tasks_of_a_split_are_those_of_the_newest_halves_however_deep() -> None:
    whole = record("split-in-halves")
    assert whole.split is not None
    first, second = whole.split.halves
    window = second.window
    middle = (window.from_ms + window.to_ms) // 2
    quarters = [
        Window(from_ms=window.from_ms, to_ms=middle),
        Window(from_ms=middle, to_ms=window.to_ms),
    ]
    there = {
        first.export_id: record(
            "failed-with-next-generation",
            window=first.window.model_dump(),
            failed={
                "reason": "task_failed",
                "message": "",
                "at": "2026-11-23T06:00:00Z",
                "next_export_id": "1" * 32,
            },
        ),
        "1" * 32: submitted("task-1", first.window),
        second.export_id: record(
            "split-in-halves",
            window=window.model_dump(),
            split={
                "at": "2026-11-23T06:00:00Z",
                "halves": [
                    {"export_id": digit * 32, "window": quarter.model_dump()}
                    for digit, quarter in zip("23", quarters, strict=True)
                ],
            },
        ),
        "2" * 32: submitted("task-2", quarters[0]),
        "3" * 32: submitted("task-3", quarters[1]),
    }

    def read(of: Window, export_id: str) -> LedgerRecord | None:
        found = there.get(export_id)
        assert found is None or found.window == of
        return found

    assert split_task_ids(whole, read) == ["task-1", "task-2", "task-3"]
    assert [half.window for half in newest_halves(whole, read)] == [first.window, window]
    assert split_task_ids(record("completed"), read) == []


def submitted(task_id: str, window: Window) -> LedgerRecord:
    return record(
        "submitted",
        window=window.model_dump(),
        submitted={"task_id": task_id, "at": "2026-11-23T06:00:00Z"},
    )
