"""Which exports are open, and the keys of their notes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from contracts.tests.documents import examples

from logferry_contracts.export import export_id
from logferry_contracts.ledger_record import Disposed, Failed, LedgerRecord, Waived
from logferry_contracts.open_exports import (
    is_open,
    note_key,
    notes_before,
    open_prefix,
    record_key,
    whole_key,
)
from logferry_contracts.wire import parse

AT = "2026-11-23T00:00:00.000Z"
EXAMPLES = {
    each.reason: parse(LedgerRecord, each.text) for each in examples("accept", "ledger-record")
}
FAILED = Failed(reason="task_failed", message="no", at=AT)


def with_state(state: str) -> LedgerRecord:
    return next(each for each in EXAMPLES.values() if each.state == state and not each.is_lost)


def id_of(record: LedgerRecord, generation: int) -> str:
    return export_id(record.source, record.log_group.name, record.window, generation)


def test_what_is_under_way_is_open() -> None:
    for state in ("requested", "submitted"):
        assert is_open(with_state(state).model_copy(update={"parent_export_id": None}))


def test_what_is_completed_is_open_until_it_is_announced() -> None:
    record = EXAMPLES["secured"]
    assert record.completed is not None
    for published_at, expected in ((None, True), (AT, False)):
        completed = record.completed.model_copy(update={"published_at": published_at})
        assert is_open(record.model_copy(update={"completed": completed})) is expected


def test_a_failure_is_open_unless_a_next_try_was_asked_for() -> None:
    failed = with_state("failed")
    assert is_open(failed.model_copy(update={"failed": FAILED}))
    followed = FAILED.model_copy(update={"next_export_id": "f" * 32})
    assert not is_open(failed.model_copy(update={"failed": followed}))


def test_what_has_lost_what_was_announced_is_open_again_under_another_name() -> None:
    record = EXAMPLES["secured"]
    assert not is_open(record)
    lost = record.as_lost(FAILED)
    assert is_open(lost)
    assert note_key(lost) != note_key(record)
    assert record_key(note_key(lost)) == record_key(note_key(record)) == record.key


def test_what_somebody_answers_for_and_what_need_not_run_is_not_open() -> None:
    failed = with_state("failed").model_copy(update={"failed": FAILED})
    assert not is_open(failed.as_waived(Waived(at=AT, by="arn:aws:iam::1:root", reason="gone")))
    assert not is_open(EXAMPLES["skipped"])
    lost = EXAMPLES["secured"].as_lost(FAILED)
    said = Disposed(at=AT, by="arn:aws:iam::1:root", reason="erasure", statement="0" * 64)
    assert not is_open(lost.as_disposed(said))


def test_a_half_is_not_open_of_itself() -> None:
    assert not is_open(EXAMPLES["half-of-a-window"])


def test_a_next_try_closes_the_notes_of_the_one_before() -> None:
    first = with_state("failed").model_copy(update={"failed": FAILED})
    again = LedgerRecord.first(
        requested_at=datetime(2026, 11, 23, tzinfo=UTC),
        export_id=id_of(first, first.generation + 1),
        generation=first.generation + 1,
        source=first.source,
        log_group=first.log_group,
        window=first.window,
        destination=first.destination,
        lane=first.lane,
    )
    first = first.model_copy(update={"export_id": id_of(first, first.generation)})
    assert note_key(first) in notes_before(again)
    assert [record_key(key) for key in notes_before(again)] == [first.key, first.key]


def test_a_first_try_closes_nothing() -> None:
    assert notes_before(with_state("requested").model_copy(update={"generation": 1})) == []


@pytest.mark.parametrize("reason", sorted(EXAMPLES))
def test_notes_lie_beside_the_ledger_and_after_what_says_that_they_are_whole(reason: str) -> None:
    record = EXAMPLES[reason]
    note = note_key(record)
    assert note.startswith(open_prefix(record.source))
    assert whole_key(record.source) < note
    assert record_key(note) == record.key
    assert Path(note).parent.name == Path(record.key).parent.name
