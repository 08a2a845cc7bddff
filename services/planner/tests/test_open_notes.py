"""Notes of open exports that a crash, or an earlier release, has left."""

from datetime import timedelta

import pytest
from services.planner.tests.fakes import NOW, Ledger, OpenNotes, World, plan_request

from logferry_contracts.export import export_id
from logferry_contracts.ledger_record import (
    Completed,
    Failed,
    LedgerRecord,
    Skipped,
    Waived,
)
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import note_key, whole_key
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.open_notes import LEFT_AFTER, Tidying

SOURCE = SourceName(profile="dev", account_id="111111111111", region="eu-west-1")
WINDOW = Window(from_ms=1_795_215_600_000, to_ms=1_795_302_000_000)
LONG_AGO = NOW - LEFT_AFTER - timedelta(seconds=1)
AT = timestamp(NOW)


def record(name: str, generation: int = 1) -> LedgerRecord:
    return LedgerRecord.first(
        requested_at=NOW,
        export_id=export_id(SOURCE, name, WINDOW, generation),
        generation=generation,
        source=SOURCE,
        log_group={
            "name": name,
            "arn": f"arn:aws:logs:eu-west-1:111111111111:log-group:{name}",
            "log_group_class": "STANDARD",
            "created_ms": 0,
        },
        window=WINDOW,
        destination={"bucket": "acme-log-archive", "prefix": f"dev{name}/2026/11/21/00"},
        lane="slot",
    )


def failed(name: str, generation: int = 1) -> LedgerRecord:
    return record(name, generation).as_failed(Failed(reason="task_failed", message="no", at=AT))


def announced(name: str) -> LedgerRecord:
    manifest = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])
    completed = Completed(at=AT, manifest=manifest, published_at=AT)
    return record(name).as_completed(completed)


def noted(*records: LedgerRecord) -> tuple[Tidying, OpenNotes]:
    notes = OpenNotes({whole_key(SOURCE): LONG_AGO})
    notes.notes |= {note_key(each): LONG_AGO for each in records}
    return Tidying(notes, Ledger({each.key: each for each in records}), SOURCE), notes


def test_notes_of_what_is_archived_waived_or_skipped_are_removed_and_open_ones_stay() -> None:
    waived = failed("/waived").as_waived(Waived(at=AT, by="arn:aws:iam::1:root", reason="gone"))
    skipped = record("/skipped").model_copy(
        update={"state": "skipped", "skipped": Skipped(reason="empty", at=AT)}
    )
    still = [record("/requested"), failed("/failed")]
    tidying, notes = noted(announced("/a"), waived, skipped, *still)

    tidying.tidy(NOW)

    assert set(notes.notes) == {whole_key(SOURCE), *map(note_key, still)}


def test_the_note_of_a_failure_goes_once_a_next_try_is_recorded() -> None:
    tidying, notes = noted(failed("/a"), record("/a", 2))

    tidying.tidy(NOW)

    assert set(notes.notes) == {whole_key(SOURCE), note_key(record("/a", 2))}


def test_of_what_was_lost_the_later_note_stays() -> None:
    lost = announced("/a").as_lost(Failed(reason="object_missing", message="no", at=AT))
    tidying, notes = noted(lost)
    notes.notes[note_key(announced("/a"))] = LONG_AGO

    tidying.tidy(NOW)

    assert set(notes.notes) == {whole_key(SOURCE), note_key(lost)}


def test_a_young_note_and_one_without_a_record_stay() -> None:
    tidying, notes = noted(announced("/a"))
    notes.notes[note_key(announced("/a"))] = NOW - LEFT_AFTER
    notes.notes[note_key(record("/not-yet"))] = LONG_AGO

    tidying.tidy(NOW)

    assert len(notes.notes) == 3


def test_of_many_notes_each_day_has_a_share_until_all_were_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("planner.open_notes.AT_ONCE", 2)
    tidying, notes = noted(*(announced(f"/{number}") for number in range(5)))

    left = []
    for day in range(9):
        tidying.tidy(NOW + timedelta(days=day))
        left.append(len(notes.notes) - 1)

    assert left[0] in {3, 4}
    assert left[-1] == 0


@pytest.mark.parametrize("is_new", [True, False])
def test_a_new_source_has_all_notes_from_its_first_plan_on(world: World, *, is_new: bool) -> None:
    if not is_new:
        world.ledger.objects["ledger/111111111111/eu-west-1/any"] = record("/before")

    world.run(plan_request(dry_run=True))
    assert world.open_notes.notes == {}
    world.run(plan_request())

    assert (whole_key(SOURCE) in world.open_notes.notes) == is_new
