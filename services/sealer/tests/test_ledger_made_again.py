"""After the control bucket was lost, and the ledger made again from what was sealed."""

import pytest
from services.sealer.tests.conftest import (
    ARCHIVE,
    CONTROL,
    DAY,
    FIRST,
    HOUR,
    TASK,
    World,
    day,
    lines,
)

from logferry_contracts.addendum import addendum_folder
from logferry_contracts.ledger_record import Half, LedgerRecord
from logferry_contracts.manifest import ArchivedObject

FAILED_TASK = "11111111-3f5d-4c0a-9b1e-2d8f4a6c9e10"
TASKS = ("22222222-3f5d-4c0a-9b1e-2d8f4a6c9e10", "33333333-3f5d-4c0a-9b1e-2d8f4a6c9e10")


def put(world: World, record: LedgerRecord, folder: str) -> ArchivedObject:
    key = f"{record.destination.prefix}/{folder}/web/000000.gz"
    return world.archived(key, lines(record.window))


@pytest.fixture
def made_again(world: World) -> World:
    """A world whose first date is sealed, and whose ledger knows of no more than one task since.

    Of what was done in halves, with an addendum; and by a second try, after the task of the first.
    """
    whole = world.record("/halves", day(0))
    halves = day(0).halves
    assert halves is not None
    earlier, later = (
        world.record("/halves", each, parent_export_id=whole.export_id) for each in halves
    )
    objects = [put(world, whole, addendum_folder(whole.export_id, 1))]
    for half, task in zip((earlier, later), TASKS, strict=True):
        objects.append(put(world, whole, task))
        world.completed(half, objects[-1:], task)
    objects.sort(key=lambda each: each.key)
    split = whole.as_split(
        (
            Half(export_id=earlier.export_id, window=earlier.window),
            Half(export_id=later.export_id, window=later.window),
        ),
        at=day(0).end,
    )
    world.completed(split, objects, None)
    first = world.record("/tries", day(0))
    second = world.exported("/tries", day(0), generation=2)
    submitted = first.as_submitted(FAILED_TASK, at=first.window.end)
    world.failed(submitted, next_export_id=second.export_id)
    world.inventory("/halves", "/tries", at=FIRST + DAY + HOUR)
    world.look()
    [sealed] = world.check()
    assert [[len(each.task_ids) for each in one.exports] for one in world.leaves(sealed)] == [
        [3],
        [1, 1],
    ]

    for key in world.cloud.below(CONTROL, ""):
        if not key.startswith("inventories/"):
            world.cloud.objects.pop((CONTROL, key))
    world.completed(whole, objects, None)
    world.failed(first, next_export_id=second.export_id)
    world.keep(second)
    world.restart()
    return world


def test_nothing_is_sealed_anew_of_what_is_as_it_was(made_again: World) -> None:
    assert made_again.look()

    assert len(made_again.check()) == 1


@pytest.mark.parametrize("task", [*TASKS, TASK])
def test_what_is_planted_beside_what_was_sealed_is_found(made_again: World, task: str) -> None:
    name = "/tries" if task == TASK else "/halves"
    made_again.look()
    prefix = made_again.record(name, day(0)).destination.prefix

    planted = f"{prefix}/{task}/planted/000000.gz"
    made_again.cloud.put(ARCHIVE, planted, b"planted", hold=True)

    [found] = made_again.findings()
    assert found.startswith(f"ObjectAddedError: {planted}")


def test_what_is_planted_before_the_sealer_looks_is_told_as_well(made_again: World) -> None:
    prefix = made_again.record("/halves", day(0)).destination.prefix
    planted = f"{prefix}/{TASKS[0]}/planted/000000.gz"
    made_again.cloud.put(ARCHIVE, planted, b"planted", hold=True)

    made_again.look()

    [later] = [each for each in made_again.chain() if each.kind == "later"]
    assert made_again.outcomes(later) == [("/halves", "contradicted", None)]
