"""When a date's exports have ended, and what is told of them: rules."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.day import day_completed, ended, missing_tries
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.wire import emit, parse

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"
TOLD = {"failed": {"published_at": "2026-11-23T08:00:00Z"}}
PLANNED = parse(DayPlanned, (EXAMPLES / "day-planned/1.0/accept/day.json").read_text())


def record(example: str, **changes: Any) -> LedgerRecord:
    [path] = EXAMPLES.glob(f"ledger-record/*/accept/{example}.json")
    document = json.loads(path.read_text())
    for name, values in changes.pop("section", {}).items():
        document[name] |= values
    return parse(LedgerRecord, json.dumps(document | changes))


def group(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(emit(record("requested").log_group))
    return document | {"name": name}


@pytest.mark.parametrize(
    "example",
    ["requested", "submitted", "completed-not-published-yet", "failed-with-next-generation"],
)
def test_an_export_that_is_under_way_or_has_not_been_told_has_not_ended(example: str) -> None:
    assert ended(record(example)) is None


@pytest.mark.parametrize(
    ("example", "outcome"),
    [
        ("completed", "completed"),
        ("secured", "completed"),
        ("skipped", "skipped"),
        ("failed-before-a-task", "failed"),
    ],
)
def test_an_export_that_has_been_told_has_ended(example: str, outcome: str) -> None:
    found = ended(record(example))
    assert found is not None
    assert found.outcome == outcome


def test_a_next_try_that_was_not_listed_is_missing() -> None:
    first = ended(record("failed-with-next-generation", section=TOLD))
    assert first is not None
    assert first.next_export_id is not None
    assert missing_tries([first]) == {first.next_export_id}
    second = ended(record("completed", export_id=first.next_export_id, generation=2))
    assert second is not None
    assert missing_tries([first, second]) == set()


def test_of_several_tries_the_last_one_counts_and_halves_do_not() -> None:
    tries = [
        record("completed", log_group=group("/again"), generation=3),
        record(
            "failed-with-next-generation", section=TOLD, log_group=group("/again"), generation=1
        ),
        record(
            "failed-with-next-generation", section=TOLD, log_group=group("/again"), generation=2
        ),
        record("completed", log_group=group("/split")),
        record("completed", log_group=group("/split"), parent_export_id="0" * 32),
        record("skipped", log_group=group("/idle"), section={"skipped": {"reason": "empty"}}),
        record("skipped", log_group=group("/late"), section={"skipped": {"reason": "empty"}}),
        record("failed-with-next-generation", section=TOLD, log_group=group("/broken")),
    ]
    manifest = tries[0].completed.manifest  # type: ignore[union-attr]

    told = day_completed(PLANNED, [each for each in map(ended, tries) if each]).data

    assert (told.completed, told.failed, told.skipped) == (2, 1, {"empty": 2})
    assert told.object_count == 2 * manifest.object_count
    assert told.total_bytes == 2 * manifest.total_bytes


def test_a_date_is_complete_when_the_last_export_ended() -> None:
    tries = [
        record("completed", section={"completed": {"at": "2026-11-23T07:00:00.5Z"}}),
        record("skipped", log_group=group("/b"), section={"skipped": {"at": PLANNED.time}}),
    ]

    event = day_completed(PLANNED, [each for each in map(ended, tries) if each])

    assert event.data.completed_at == "2026-11-23T07:00:00.500Z"
    assert event.time == event.data.completed_at
    assert (event.id, event.source) == (PLANNED.id, "urn:logferry:exporter:shop-prod")
    assert event.data.windows == PLANNED.data.windows


def test_a_date_of_which_all_had_ended_before_is_complete_when_it_was_planned() -> None:
    old = record("completed", section={"completed": {"at": "2026-11-21T00:00:00Z"}})
    first = ended(old)
    assert first is not None

    assert datetime.fromisoformat(day_completed(PLANNED, [first]).time) == datetime(
        2026, 11, 23, 6, tzinfo=UTC
    )
