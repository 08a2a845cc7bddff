"""What notes that the sealer did not write come to: the bucket's policy keeps others from them.

Whoever changes that policy and forges one makes the sealer attest what is not so, and no verifier
that looks at the bytes believes it.
"""

import hashlib

import pytest
from services.sealer.tests.conftest import CHAIN, CONTROL, DAY, FIRST, HOUR, SOURCE, World, day

from logferry_contracts.canonical_json import canonical_json
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.statement import Statement
from sealer.aws.notes import MeasuredExport
from sealer.draft import Draft, LeafRow

MEASURED = f"seals/{CHAIN}/measured/{{}}.json"
DRAFT = f"seals/{CHAIN}/dates/{day(0).from_ms:015d}.sqlite"


@pytest.fixture
def record(world: World) -> LedgerRecord:
    """An export that is archived, and will be sealed."""
    exported = world.exported("/a", day(0))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    return exported


def measured(world: World, record: LedgerRecord) -> tuple[str, MeasuredExport]:
    """The sealer's own note of an export, and its key."""
    world.deliver(world.export_event(record))
    key = MEASURED.format(record.export_id)
    return key, MeasuredExport.model_validate_json(world.cloud.body(CONTROL, key) or b"")


def keep(world: World, key: str, note: MeasuredExport) -> None:
    world.cloud.put(CONTROL, key, note.model_dump_json(exclude_none=True).encode())


def test_false_hashes_are_found_by_whoever_looks_at_the_bytes(
    world: World, record: LedgerRecord
) -> None:
    key, note = measured(world, record)
    false = [each.model_copy(update={"sha256": "0" * 64}) for each in note.objects]
    keep(world, key, note.model_copy(update={"objects": false}))

    world.look()

    assert any("ObjectChangedError" in each for each in world.findings())


def test_objects_that_are_left_out_are_found_by_any_listing(
    world: World, record: LedgerRecord
) -> None:
    key, note = measured(world, record)
    keep(world, key, note.model_copy(update={"objects": []}))

    world.look()

    assert any("ObjectAddedError" in each for each in world.findings())


@pytest.mark.parametrize("sort", ["of another manifest", "no note", "of another release"])
def test_a_note_that_is_not_of_this_export_is_worth_nothing(
    world: World, record: LedgerRecord, sort: str
) -> None:
    key, note = measured(world, record)
    other = hashlib.sha256(canonical_json({})).hexdigest()
    text = {
        "of another manifest": note.model_copy(update={"manifest_sha256": other, "objects": []})
        .model_dump_json(exclude_none=True)
        .encode(),
        "no note": b"x",
        "of another release": b'{"is_complete": true}',
    }[sort]
    world.cloud.put(CONTROL, key, text)

    world.look()

    assert len(world.check()) == 1


def test_a_leaf_that_was_never_stated_is_stated_anew(world: World, record: LedgerRecord) -> None:
    path = world.tmp_path / "forged.sqlite"
    false = Statement.of(
        salt="0" * 32,
        source=SOURCE,
        log_group={"name": "/a"},
        window=day(0),
        outcome="skipped",
        reason="empty",
        exports=[],
        stated_at="2026-11-23T06:31:12.004Z",
    )
    leaf = Leaf.of(false, false.text())
    world.look()
    assert len(world.check()) == 1
    world.exported("/a", day(0), generation=2)
    with Draft(path, SOURCE, "0" * 32) as draft:
        row = LeafRow(
            name="/a",
            from_ms=day(0).from_ms,
            to_ms=day(0).to_ms,
            basis="forged",
            says="forged",
            statement=leaf.statement,
            outcome="skipped",
            profile="shop",
            objects=0,
            events=0,
            stored_bytes=0,
            reason="exported_since",
            lacking=0,
        )
        draft.put_leaves([row])
    world.cloud.put(CONTROL, DRAFT, path.read_bytes())

    world.look()

    assert [each.outcome for each in world.leaves(world.chain()[-1])] == ["archived"]
    assert world.findings() == []
