"""What somebody has had removed is sealed as that, whenever it was; what nobody has is not."""

import hashlib

import pytest
from services.sealer.tests.conftest import ARCHIVE, CONTROL, DAY, FIRST, HOUR, World, day

from logferry_contracts.ledger_record import Disposed, Failed, LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.statement import Statement, Waiver
from logferry_contracts.verification.findings import Disposed as Told

BY = "arn:aws:iam::111122223333:user/privacy"
DATE = "2026-11-21"


@pytest.fixture
def sealed(world: World) -> World:
    """A world whose first date is sealed: two log groups are archived."""
    for name in ("/a", "/b"):
        world.exported(name, day(0))
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    world.look()
    world.check()
    return world


def statement_of(world: World, name: str) -> tuple[Statement, str]:
    """The statement of a log group that is sealed, and its SHA-256."""
    [key] = [each for each in world.statements() if f"statements{name}/" in each]
    body = world.cloud.body(ARCHIVE, key) or b""
    return Statement.model_validate_json(body), hashlib.sha256(body).hexdigest()


def ordered(
    world: World, name: str, statement: str, on: int = 0, **changes: object
) -> LedgerRecord:
    """Say in the ledger that the objects of a sealed statement may go."""
    body = world.cloud.body(CONTROL, world.record(name, day(on)).key)
    record = LedgerRecord.model_validate_json(body or b"")
    disposed = Disposed(
        at=timestamp(world.now), by=BY, reason="Erasure.", ticket="P-1", statement=statement
    )
    return world.keep(record.model_copy(update=changes).as_disposed(disposed))


def remove(world: World, name: str) -> None:
    for key in world.cloud.below(ARCHIVE, f"shop{name}/"):
        world.cloud.objects.pop((ARCHIVE, key))


@pytest.mark.parametrize("is_gone", [False, True], ids=["still there", "gone already"])
def test_it_is_sealed_with_who_and_why_and_the_hashes_of_what_went(
    sealed: World, *, is_gone: bool
) -> None:
    before, digest = statement_of(sealed, "/a")
    ordered(sealed, "/a", digest)
    if is_gone:
        remove(sealed, "/a")

    assert sealed.look()

    [first, later] = sealed.chain()
    assert later.sealed is not None
    assert (later.kind, later.sealed.reason, later.sealed.covers) == ("later", "disposed", day(0))
    [leaf] = sealed.leaves(later)
    assert (leaf.log_group.name, leaf.outcome) == ("/a", "disposed")
    assert (leaf.objects, leaf.leftovers) == (before.objects, before.leftovers)
    assert leaf.waiver == Waiver(by=BY, why="Erasure.", at=timestamp(sealed.now), ticket="P-1")
    remove(sealed, "/a")
    assert [each.split(":")[0] for each in sealed.findings()] == [Told.__name__]
    assert first.sealed is not None
    assert sealed.told() == [1, 2]


def test_it_is_sealed_once(sealed: World) -> None:
    ordered(sealed, "/a", statement_of(sealed, "/a")[1])
    sealed.look()
    remove(sealed, "/a")

    sealed.look()
    sealed.look(seal_from=DATE, seal_to=DATE, log_group_name="/a")

    assert len(sealed.chain()) == 2


@pytest.mark.parametrize("are_notes_lost", [False, True])
def test_a_date_of_long_ago_is_looked_at_where_somebody_asks_for_it(
    sealed: World, *, are_notes_lost: bool
) -> None:
    digest = statement_of(sealed, "/a")[1]
    sealed.now += 40 * DAY
    sealed.look()
    ordered(sealed, "/a", digest)
    remove(sealed, "/a")
    if are_notes_lost:
        for key in sealed.cloud.below(CONTROL, "seals/"):
            sealed.cloud.objects.pop((CONTROL, key))

    assert sealed.look(seal_from=DATE, seal_to=DATE, log_group_name="/a")

    [disposed] = [each for each in sealed.chain() if each.kind == "later"]
    assert sealed.outcomes(disposed) == [("/a", "disposed", None)]


def test_each_date_of_a_span_has_one_further_seal_for_all_its_log_groups(sealed: World) -> None:
    for name in ("/a", "/b"):
        sealed.exported(name, day(1))
    sealed.inventory("/a", "/b", at=FIRST + 2 * DAY + HOUR)
    sealed.now += 40 * DAY
    sealed.look()
    for key in sealed.statements():
        body = sealed.cloud.body(ARCHIVE, key) or b""
        stated = Statement.model_validate_json(body)
        if stated.outcome == "archived":
            on = int(stated.window != day(0))
            ordered(sealed, stated.log_group.name, hashlib.sha256(body).hexdigest(), on)

    assert sealed.look(seal_from=DATE, seal_to="2026-11-22")

    later = [each for each in sealed.chain() if each.kind == "later"]
    assert [each.sealed and each.sealed.covers for each in later] == [day(0), day(1)]
    both = [("/a", "disposed", None), ("/b", "disposed", None)]
    assert [sealed.outcomes(each) for each in later] == [both, both]


@pytest.mark.parametrize("of", ["/b", "nothing"])
def test_an_order_for_what_was_not_sealed_of_it_hides_nothing(
    sealed: World, caplog: pytest.LogCaptureFixture, of: str
) -> None:
    digest = "0" * 64 if of == "nothing" else statement_of(sealed, of)[1]
    ordered(sealed, "/a", digest)
    remove(sealed, "/a")

    assert sealed.look()

    assert len(sealed.chain()) == 1
    assert any("ObjectMissingError" in each for each in sealed.findings())
    assert "a disposal of what was not sealed" in caplog.text


def test_before_a_date_is_sealed_an_order_hides_nothing(world: World) -> None:
    world.exported("/a", day(0))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    ordered(world, "/a", "0" * 64)
    remove(world, "/a")

    world.look()

    (seal,) = world.chain()
    assert world.outcomes(seal) == [("/a", "contradicted", None)]


def test_a_statement_that_somebody_has_removed_holds_up_nobody(sealed: World) -> None:
    digest = statement_of(sealed, "/a")[1]
    [key] = [each for each in sealed.statements() if "statements/a/" in each]
    kept = sealed.cloud.objects.pop((ARCHIVE, key))
    ordered(sealed, "/a", digest)

    assert sealed.look()

    sealed.cloud.objects[ARCHIVE, key] = kept
    assert len(sealed.check()) == 1


def test_what_was_lost_can_be_answered_for_later(sealed: World) -> None:
    digest = statement_of(sealed, "/a")[1]
    remove(sealed, "/a")
    record = LedgerRecord.model_validate_json(
        sealed.cloud.body(CONTROL, sealed.record("/a", day(0)).key) or b""
    )
    failed = Failed(reason="object_missing", message="gone", at=timestamp(sealed.now))
    sealed.keep(record.as_lost(failed))
    sealed.look()
    assert any("ObjectMissingError" in each for each in sealed.findings())

    ordered(sealed, "/a", digest)
    sealed.look()

    assert [each.split(":")[0] for each in sealed.findings()] == [Told.__name__]
    assert [each.kind for each in sealed.chain()] == ["day", "later", "later"]
