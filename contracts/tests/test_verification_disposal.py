"""What somebody has ordered to be removed is told and not missed; what nobody has is missed."""

from collections.abc import Iterable

import pytest
from contracts.tests.sealed_archive import DAY_MS, DISPOSAL, LEVELS, Archive, checked, errors, gz

from logferry_contracts.statement import Leftover, StatedObject, Statement
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.findings import Disposed, Finding, Note, Tally

type Sealed = tuple[Archive, Statement, Statement]


@pytest.fixture
def sealed() -> Sealed:
    """Two dates of a log group, and what is stated of them."""
    archive = Archive()
    dates = []
    for _ in range(2):
        window = archive.window()
        dates.append(archive.archived("/app/a", window, streams=2))
        archive.day([dates[-1], archive.archived("/app/b", window)], window)
    return archive, dates[0], dates[1]


def objects(statement: Statement) -> list[StatedObject]:
    assert statement.objects
    return statement.objects


def remove(archive: Archive, statement: Statement) -> None:
    for each in objects(statement):
        archive.bucket.remove(each.key)


def kinds(found: Iterable[Finding]) -> set[type]:
    return {type(each) for each in found}


def test_what_was_disposed_of_is_told_at_every_level_and_missed_at_none(sealed: Sealed) -> None:
    archive, first, _ = sealed
    archive.later([archive.disposed(first)], first.window, reason="disposed")
    remove(archive, first)

    for level in LEVELS:
        [only] = checked(archive, level)
        assert isinstance(only, Disposed)
        assert str(only) == (
            "/app/a, 2026-11-20T23:00:00.000Z to 2026-11-21T23:00:00.000Z: 2 objects are "
            "disposed of by "
            f"{DISPOSAL.by} at {DISPOSAL.at}: Erasure. (PRIVACY-4711)."
        )


def test_it_is_counted_by_itself_and_leaves_the_archive_valid() -> None:
    tally = Tally()
    tally.add(Disposed("/app/a", "told"))

    assert (tally.disposed, tally.notes, tally.verdict) == (1, 0, "valid")


@pytest.mark.parametrize("how", ["nothing is removed", "a hold is lifted", "one is hidden"])
def test_what_may_go_and_is_still_there_is_noted(sealed: Sealed, how: str) -> None:
    archive, first, _ = sealed
    archive.later([archive.disposed(first)], first.window)
    key = objects(first)[0].key
    if how == "a hold is lifted":
        archive.bucket.keys[key][-1].is_held = False
    if how == "one is hidden":
        archive.bucket.hide(key)

    found = checked(archive, "events")
    assert kinds(found) == {Disposed, Note}
    assert "2 of 2 objects that may go are still there" in str(found)


def test_what_is_gone_without_an_order_is_missing(sealed: Sealed) -> None:
    archive, first, _ = sealed
    remove(archive, first)

    assert kinds(checked(archive, "objects")) == {named.ObjectMissingError}


def test_an_order_for_one_date_is_none_for_another(sealed: Sealed) -> None:
    archive, first, second = sealed
    archive.later([archive.disposed(first)], first.window)
    remove(archive, second)

    assert kinds(checked(archive, "objects")) == {Disposed, Note, named.ObjectMissingError}


def test_an_order_that_names_other_objects_hides_nothing(sealed: Sealed) -> None:
    archive, first, second = sealed
    archive.later([archive.disposed(first, objects=second.objects)], first.window)
    remove(archive, first)

    found = checked(archive, "objects")
    assert kinds(found) == {Disposed, named.DisposalError, named.ObjectMissingError}
    assert "it names other objects than were sealed, by 4" in str(found)


def test_an_order_for_a_part_of_what_was_sealed_is_none(sealed: Sealed) -> None:
    archive, first, _ = sealed
    archive.later([archive.disposed(first, objects=objects(first)[:1])], first.window)
    remove(archive, first)

    assert named.DisposalError in kinds(checked(archive, "objects"))
    assert named.ObjectMissingError in kinds(checked(archive, "objects"))


def test_what_no_seal_has_as_archived_cannot_be_disposed_of(sealed: Sealed) -> None:
    archive, first, _ = sealed
    window = archive.window()
    never = archive.disposed(first).model_copy(update={"window": window})
    archive.day([never], window)

    assert "no seal before says that it was archived" in str(checked(archive, "objects"))
    assert errors(checked(archive, "objects")) == [named.DisposalError]


def test_what_takes_the_place_of_what_was_disposed_of_is_found(sealed: Sealed) -> None:
    archive, first, _ = sealed
    archive.later([archive.disposed(first)], first.window)
    remove(archive, first)
    key = objects(first)[0].key
    archive.bucket.put(key, b"x")
    archive.bucket.put(f"{key}.more", b"x")

    assert kinds(checked(archive, "objects")) - {Note} == {Disposed, named.ObjectAddedError}


def test_what_tries_that_failed_have_left_may_stay(sealed: Sealed) -> None:
    archive, _, _ = sealed
    window = archive.window()
    export = archive.export("/app/c", window)
    left = archive.put(export, window, "stream", gz([window.from_ms]))
    leftover = Leftover(key=left.key, version_id=left.version_id, size_bytes=left.size_bytes)
    archived = archive.archived("/app/c", window, generation=2, leftovers=[leftover])
    archive.day([archived], window)
    archive.later([archive.disposed(archived)], window)
    remove(archive, archived)

    assert kinds(checked(archive, "objects")) == {Disposed, Note}


@pytest.mark.parametrize("outcome", ["failed", "skipped", "open", "excluded"])
def test_a_later_word_that_nobody_answers_for_takes_nothing_back(
    sealed: Sealed, outcome: str
) -> None:
    archive, first, _ = sealed
    later = archive.statement("/app/a", first.window, outcome, exports=first.exports, reason="lost")
    archive.later([later], first.window)
    assert kinds(checked(archive, "objects")) == {Note}
    remove(archive, first)

    assert kinds(checked(archive, "objects")) == {Note, named.ObjectMissingError}


def test_what_was_archived_and_is_waived_is_told_as_well(sealed: Sealed) -> None:
    archive, first, _ = sealed
    later = archive.statement("/app/a", first.window, "waived", waiver=DISPOSAL)
    archive.later([later], first.window)
    remove(archive, first)

    [only] = checked(archive, "objects")
    assert isinstance(only, Disposed)
    assert "sealed as archived, and waived since by" in str(only)


def test_what_is_exported_once_more_after_a_failed_try_has_the_last_word(sealed: Sealed) -> None:
    archive, first, _ = sealed
    remove(archive, first)
    again = archive.archived("/app/a", first.window, streams=2, generation=2)
    archive.later([again], first.window)

    assert errors(checked(archive, "events")) == []
    assert archive.reached_ms == first.window.from_ms + 2 * DAY_MS
