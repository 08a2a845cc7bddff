"""The life of a ledger record."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from contracts.tests.documents import examples

from logferry_contracts.export import export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import (
    LEDGER_SCHEMA,
    Completed,
    Failed,
    Half,
    LedgerRecord,
    Offered,
    TransitionError,
    Waived,
    key_folders,
)
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse

AT = datetime(2026, 11, 23, 6, 30, 0, 250_000, tzinfo=UTC)
RECORDS = {
    each.reason: parse(LedgerRecord, each.text)
    for each in examples("accept")
    if each.message == "ledger-record"
}
IN_STATE = {
    "requested": RECORDS["requested"],
    "submitted": RECORDS["submitted"],
    "completed": RECORDS["completed-not-published-yet"],
    "secured": RECORDS["secured"],
    "skipped": RECORDS["skipped"],
    "failed": RECORDS["failed-with-next-generation"],
}
COMPLETED = RECORDS["completed"].completed
FAILED = RECORDS["failed-before-a-task"].failed
assert COMPLETED is not None
assert FAILED is not None


def _as_completed(record: LedgerRecord, completed: Completed = COMPLETED) -> LedgerRecord:
    return record.as_completed(completed)


def _as_failed(record: LedgerRecord, failed: Failed = FAILED) -> LedgerRecord:
    return record.as_failed(failed)


MOVES: dict[str, Callable[[LedgerRecord], LedgerRecord]] = {
    "submitted": lambda record: record.as_submitted("task-1", at=AT),
    "completed": _as_completed,
    "secured": lambda record: record.as_secured(at=AT),
    "failed": _as_failed,
}
LEGAL = {
    ("requested", "submitted"),
    ("requested", "completed"),
    ("requested", "failed"),
    ("submitted", "completed"),
    ("submitted", "failed"),
    ("completed", "secured"),
    ("completed", "failed"),
    ("secured", "failed"),
}
ILLEGAL = {(old, new) for old in IN_STATE for new in MOVES} - LEGAL


@pytest.mark.parametrize(("old", "new"), sorted(LEGAL))
def test_a_record_goes_on_to_its_next_state(old: str, new: str) -> None:
    record = MOVES[new](IN_STATE[old])

    assert record.state == new
    assert parse(LedgerRecord, emit(record)) == record


@pytest.mark.parametrize(("old", "new"), sorted(ILLEGAL))
def test_a_record_never_goes_back_or_sideways(old: str, new: str) -> None:
    with pytest.raises(
        TransitionError, match=f"{IN_STATE[old].export_id} is {old}, not to be {new}"
    ):
        MOVES[new](IN_STATE[old])


@pytest.mark.parametrize(("old", "new"), sorted(LEGAL))
def test_each_change_has_a_greater_revision_and_leaves_the_old_record_as_it_was(
    old: str, new: str
) -> None:
    before = IN_STATE[old].model_copy(deep=True)

    after = MOVES[new](IN_STATE[old])

    assert after.revision == before.revision + 1
    assert IN_STATE[old] == before


@pytest.mark.parametrize(("old", "new"), sorted(LEGAL))
def test_a_change_keeps_what_was_known(old: str, new: str) -> None:
    before = json.loads(emit(IN_STATE[old]))
    after = json.loads(emit(MOVES[new](IN_STATE[old])))

    untrue = {"completed", "secured"} if new == "failed" else set()
    kept = before.keys() - {"schema", "state", "revision"} - untrue
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


@pytest.mark.parametrize("old", ["completed", "secured"])
def test_what_was_completed_and_was_not_says_nothing_of_objects_any_more(old: str) -> None:
    record = IN_STATE[old].as_failed(FAILED)  # type: ignore[arg-type]

    assert (record.completed, record.secured) == (None, None)


@pytest.mark.parametrize("old", ["completed", "secured"])
def test_what_was_lost_keeps_what_was_announced_and_has_a_failure_to_announce(old: str) -> None:
    record = IN_STATE[old].as_lost(FAILED)  # type: ignore[arg-type]

    assert record.completed == IN_STATE[old].completed
    assert record.outcome == FAILED
    assert parse(LedgerRecord, emit(record)) == record
    published = record.as_published(at=AT)
    assert published.completed == record.completed
    assert published.failed is not None
    assert published.failed.published_at == "2026-11-23T06:30:00.250Z"


@pytest.mark.parametrize("old", ["requested", "submitted", "skipped", "failed"])
def test_nothing_is_lost_that_has_not_been_in_the_archive(old: str) -> None:
    with pytest.raises(TransitionError, match=f"is {old}, not to be lost"):
        IN_STATE[old].as_lost(FAILED)  # type: ignore[arg-type]


def test_the_event_of_a_completed_export_is_recorded_although_it_was_lost_since() -> None:
    announced = IN_STATE["completed"]

    record = announced.as_lost(FAILED).as_published(at=AT, outcome=announced.outcome)  # type: ignore[arg-type]

    assert record.completed is not None
    assert record.completed.published_at == "2026-11-23T06:30:00.250Z"
    assert record.failed == FAILED


def test_what_was_announced_before_it_was_lost_has_another_id_then() -> None:
    lost = IN_STATE["secured"].as_lost(FAILED)  # type: ignore[arg-type]

    completed, failed = ExportCompleted.of_record(lost), ExportFailed.of_record(lost, "Plan again.")

    assert (completed.source, completed.id) == (failed.source, lost.export_id)
    assert failed.id == f"{lost.export_id}-lost"
    assert parse(ExportFailed, emit(failed)) == failed


def test_a_submitted_record_knows_its_task() -> None:
    record = RECORDS["requested"].as_submitted("task-1", at=AT)

    assert record.submitted is not None
    assert (record.submitted.task_id, record.submitted.at) == ("task-1", "2026-11-23T06:30:00.250Z")


def test_a_secured_record_knows_since_when() -> None:
    record = IN_STATE["completed"].as_secured(at=AT)

    assert record.secured is not None
    assert record.secured.at == "2026-11-23T06:30:00.250Z"


@pytest.mark.parametrize(
    ("state", "section"),
    [("completed", "completed"), ("secured", "completed"), ("failed", "failed")],
)
def test_a_publication_is_written_down_without_a_change_of_state(state: str, section: str) -> None:
    record = IN_STATE[state]

    published = record.as_published(at=AT)

    assert (published.state, published.revision) == (state, record.revision + 1)
    assert getattr(published, section).published_at == "2026-11-23T06:30:00.250Z"
    assert parse(LedgerRecord, emit(published)) == published


@pytest.mark.parametrize("state", ["requested", "submitted", "skipped"])
def test_there_is_nothing_to_publish_before_the_end(state: str) -> None:
    with pytest.raises(TransitionError, match=f"nothing to publish when {state}"):
        IN_STATE[state].as_published(at=AT)


def test_a_state_without_its_section_is_refused() -> None:
    document = json.loads(emit(RECORDS["secured"]))
    del document["secured"], document["completed"]

    with pytest.raises(ContractError, match="state secured without completed, secured"):
        parse(LedgerRecord, json.dumps(document))


def test_a_record_knows_its_own_key() -> None:
    record = RECORDS["requested"]

    assert record.key == ledger_key(record.source, record.window, record.export_id)


def test_a_change_is_written_by_the_newest_schema_whichever_the_record_was_read_by() -> None:
    old = IN_STATE["submitted"]
    assert old.record_schema != LEDGER_SCHEMA

    assert MOVES["completed"](old).record_schema == LEDGER_SCHEMA


def _halves(record: LedgerRecord) -> tuple[Half, Half]:
    window = record.window
    middle_ms = (window.from_ms + window.to_ms) // 2
    return (
        Half(export_id="0" * 32, window=Window(from_ms=window.from_ms, to_ms=middle_ms)),
        Half(export_id="1" * 32, window=Window(from_ms=middle_ms, to_ms=window.to_ms)),
    )


def test_only_an_export_under_way_is_split_and_stays_in_its_state() -> None:
    record = IN_STATE["submitted"].as_split(_halves(IN_STATE["submitted"]), at=AT)

    assert record.state == "submitted"
    assert record.split is not None
    assert record.split.at == "2026-11-23T06:30:00.250Z"
    assert parse(LedgerRecord, emit(record)) == record
    waiting = IN_STATE["requested"].as_split(_halves(IN_STATE["requested"]), at=AT)
    assert (waiting.state, waiting.split) == ("requested", record.split)
    for state in IN_STATE.keys() - {"requested", "submitted"}:
        with pytest.raises(TransitionError, match=f"is {state}, not to be split"):
            IN_STATE[state].as_split(_halves(IN_STATE[state]), at=AT)


def test_what_both_lanes_are_asked_for_is_taken_by_one_of_them() -> None:
    offered = RECORDS["offered-to-both-lanes"]
    assert offered.is_untaken
    taken = offered.as_taken("slot", at=AT)
    assert (taken.lane, taken.is_untaken) == ("slot", False)
    assert taken.offered == Offered(taken_at="2026-11-23T06:30:00.250Z")
    assert parse(LedgerRecord, emit(taken)) == taken
    in_parts = offered.as_split(_halves(offered), at=AT)
    for record in (taken, in_parts, *IN_STATE.values()):
        with pytest.raises(TransitionError, match="is not to be taken"):
            record.as_taken("direct", at=AT)
    assert offered.as_lane("slot").offered is None


def test_an_export_is_found_below_the_ids_of_its_tasks_or_its_own_where_it_had_none() -> None:
    whole = RECORDS["read-in-parts"]
    assert whole.split is not None
    first, second = whole.split.halves
    halves = {
        half.export_id: whole.model_copy(update={**dict(half), "split": None})
        for half in (first, second)
    }
    halves[second.export_id] = halves[second.export_id].as_submitted("task-2", at=AT)

    found = key_folders(whole, lambda _window, name: halves.get(name))

    assert found == ["0b1e1fd3-a9b2-4c70-a0f4-d3b4c5c6d7e8", "task-2"]


def test_only_an_export_that_has_not_begun_changes_its_lane() -> None:
    assert IN_STATE["requested"].as_lane("direct").lane == "direct"
    for state in IN_STATE.keys() - {"requested"}:
        with pytest.raises(TransitionError, match=f"is {state}, not to change lane"):
            IN_STATE[state].as_lane("direct")


def test_only_a_failed_export_is_asked_for_again_after_all() -> None:
    failed = IN_STATE["failed"]

    record = failed.as_asked_again("0" * 32)

    assert record.failed is not None
    assert failed.failed is not None
    assert record.failed == failed.failed.model_copy(update={"next_export_id": "0" * 32})
    assert (record.revision, record.record_schema) == (failed.revision + 1, LEDGER_SCHEMA)
    assert parse(LedgerRecord, emit(record)) == record
    for state in IN_STATE.keys() - {"failed"}:
        with pytest.raises(TransitionError, match=f"is {state}, not to be asked again"):
            IN_STATE[state].as_asked_again("0" * 32)


def test_the_next_generation_of_a_failed_split_has_its_halves_and_begins_anew() -> None:
    split = RECORDS["split-in-halves"]
    failed = split.as_failed(FAILED).as_published(at=AT)  # type: ignore[arg-type]

    revived = failed.as_revived(at=AT)

    assert (revived.state, revived.revision, revived.failed) == ("submitted", 1, None)
    assert (revived.split, revived.submitted) == (split.split, split.submitted)
    assert revived.generation == split.generation + 1
    assert revived.export_id == export_id(
        split.source, split.log_group.name, split.window, revived.generation
    )
    assert revived.requested_at == "2026-11-23T06:30:00.250Z"
    assert parse(LedgerRecord, emit(revived)) == revived
    for record in (split, IN_STATE["failed"]):
        with pytest.raises(TransitionError, match=f"is {record.state}, not to be revived"):
            record.as_revived(at=AT)


def test_only_what_is_not_in_the_archive_is_waived_and_a_revived_split_is_not() -> None:
    waived = Waived(
        at="2026-12-01T09:30:00.000Z", by="arn:aws:iam::999900001111:user/ana", reason="Gone."
    )
    for state in ("failed", "skipped"):
        record = IN_STATE[state].as_waived(waived)
        assert (record.state, record.waived) == (state, waived)
        assert parse(LedgerRecord, emit(record)) == record
    for state in IN_STATE.keys() - {"failed", "skipped"}:
        with pytest.raises(TransitionError, match=f"is {state}, not to be waived"):
            IN_STATE[state].as_waived(waived)
    split = RECORDS["split-in-halves"].as_failed(FAILED).as_waived(waived)  # type: ignore[arg-type]
    assert split.as_revived(at=AT).waived is None
