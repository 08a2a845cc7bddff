"""Whatever was done to an archive: what is found was archived, and what could not be is named."""

from functools import partial

import pytest
from contracts.tests.retrieving import (
    NAME,
    archived,
    asked,
    lines,
    messages,
    planned,
    sealed,
    searched,
    window,
)
from contracts.tests.sealed_archive import DAY_MS, START_MS, Archive, Folder, SealingKey

from logferry_contracts.retrieval.pattern import Pattern
from logferry_contracts.retrieval.plan import NOT_YET, UNKNOWN
from logferry_contracts.retrieval.sealed import Seals
from logferry_contracts.retrieval.search import Search
from logferry_contracts.verification.findings import (
    ForeignKeyError,
    LeavesChangedError,
    ObjectChangedError,
    ObjectMissingError,
    SealsMissingError,
    StatementChangedError,
    Unchecked,
)
from logferry_contracts.verification.store import Frozen, Unreadable

TRUE, FORGED = lines((START_MS, "true")), lines((START_MS, "forged"))


@pytest.fixture
def archive() -> Archive:
    return sealed({"web/000000": TRUE})


@pytest.fixture
def key(archive: Archive) -> str:
    [key] = archive.object_keys()
    return key


def test_a_version_over_it_is_not_read(archive: Archive, key: str) -> None:
    archive.bucket.put(key, FORGED)
    found, report = searched(archive)
    assert (messages(found), report.is_whole, report.is_wrong) == (["true"], True, False)


def test_a_delete_marker_over_it_hides_nothing(archive: Archive, key: str) -> None:
    archive.bucket.hide(key)
    found, report = searched(archive)
    assert (messages(found), report.is_whole) == (["true"], True)


def test_a_copy_of_the_enforcer_is_the_same_object(archive: Archive, key: str) -> None:
    archive.bucket.copy_over(key)
    found, report = searched(archive)
    assert (messages(found), report.hashed, report.is_whole) == (["true"], 1, True)


def test_a_copy_is_found_beneath_what_lies_over_it(archive: Archive, key: str) -> None:
    archive.bucket.copy_over(key)
    archive.bucket.put(key, FORGED)
    found, report = searched(archive)
    assert (messages(found), report.is_whole) == (["true"], True)
    assert "lies over it" in report.notes[0].what


@pytest.mark.parametrize("body", [FORGED, TRUE[:-5], b"", TRUE + FORGED])
def test_nothing_of_a_replaced_object_is_found(archive: Archive, key: str, body: bytes) -> None:
    archive.bucket.replace(key, body)
    for store in (archive.bucket, Folder(archive.bucket)):
        found, report = searched(archive, store=_versionless(store))
        assert (found, report.is_wrong, report.objects) == ([], True, 0)
        [finding] = report.findings
        assert isinstance(finding, ObjectChangedError)
        assert finding.thing == key


def _versionless(store: object) -> object:
    """Open a folder as folders are opened: by no version."""
    if not isinstance(store, Folder):
        return store
    opened = store.open

    def open_(key: str, version_id: str | None) -> object:
        del version_id
        return opened(key, None)

    store.open = open_  # type: ignore[method-assign,assignment]
    return store


def test_a_missing_object_is_named_and_the_others_are_searched() -> None:
    archive = sealed({"a/000000": TRUE, "b/000000": TRUE})
    gone = archive.object_keys()[0]
    archive.bucket.remove(gone)
    found, report = searched(archive)
    assert messages(found) == ["true"]
    [finding] = report.findings
    assert isinstance(finding, ObjectMissingError)
    assert finding.thing == gone


def test_what_is_frozen_is_named_by_itself(archive: Archive, key: str) -> None:
    def frozen(*_: object) -> object:
        raise Frozen(f"{key} is in GLACIER")

    plan_first = planned(archive, asked())
    archive.bucket.open = frozen  # type: ignore[method-assign,assignment]

    search = Search(archive.bucket, plan_first, Pattern(""))
    assert list(search) == []
    report = search.report
    assert (report.frozen, report.is_whole, report.is_wrong) == (
        [f"{key} is in GLACIER"],
        False,
        False,
    )


def test_what_cannot_be_read_is_named(archive: Archive, key: str) -> None:
    archive.bucket.unreadable.add(key)
    found, report = searched(archive)
    assert found == []
    assert isinstance(report.findings[0], Unchecked)


def test_an_object_that_was_archived_cut_off_is_searched_and_told() -> None:
    body = lines(*((START_MS + n, f"event {n} {n * 77777:x}") for n in range(5000)))[:-9]
    found, report = searched(sealed({"web/000000": body}), "event 1 ")
    assert len(found) == 1
    assert "nothing after that can be read" in str(report.findings[0])


def test_a_changed_statement_makes_its_window_unknown(archive: Archive) -> None:
    [statement] = archive.statement_keys()
    data = archive.bucket.data(statement)
    archive.bucket.replace(statement, data.replace(b"web/", b"wed/"))
    plan = planned(archive, asked())
    assert [type(each) for each in plan.findings] == [StatementChangedError]
    assert (plan.is_whole, [each.outcome for each in plan.absences.values()]) == (False, [UNKNOWN])


def test_a_changed_list_of_leaves_is_named(archive: Archive) -> None:
    [leaves] = [each for each in archive.bucket.keys if each.endswith(".jsonl")]
    archive.bucket.replace(leaves, b"")
    plan = planned(archive, asked())
    assert [type(each) for each in plan.findings] == [LeavesChangedError]


def test_a_seal_that_is_gone_makes_its_time_unknown() -> None:
    archive = Archive()
    keys = archive.days(9)
    archive.bucket.remove(keys[4])
    plan = planned(archive, asked(window(0, 9)))
    assert [type(each) for each in plan.findings] == [SealsMissingError]
    [absence] = plan.absences.values()
    assert (absence.outcome, absence.count) == (UNKNOWN, 1)


@pytest.mark.parametrize(
    "gone", [[1], [8], [1, 2, 4, 8], [4, 12], list(range(1, 16)), list(range(5, 15))]
)
def test_the_newest_seals_are_found_behind_those_that_are_gone(gone: list[int]) -> None:
    archive = Archive()
    keys = archive.days(21, ["/app/a"])
    for sequence in gone:
        archive.bucket.remove(keys[sequence - 1])
    plan = planned(archive, asked(window(20), is_open_ended=True))
    assert (plan.log_groups, plan.absences) == ({"/app/a"}, {})
    assert planned(archive, asked(window(0, 21), is_open_ended=True)).is_wrong


@pytest.mark.parametrize("left", [[64], [40, 41], [20, 50, 64]])
def test_seals_are_found_behind_as_many_gone_as_there_were_dates_since(left: list[int]) -> None:
    archive = Archive()
    keys = archive.days(65, ["/app/a"])
    for number, key in enumerate(keys):
        if number > 1 and number not in left:
            archive.bucket.remove(key)
    now_ms = window(64).to_ms
    read = partial(Seals.read, archive.bucket, archive.chain, [archive.key.trusted], START_MS)
    assert read(now_ms=now_ms).reached_ms == window(left[-1]).to_ms
    assert read(now_ms=window(2).to_ms).reached_ms == window(1).to_ms


def test_none_is_looked_for_after_a_seal_of_yesterday() -> None:
    archive = Archive()
    archive.days(4)
    counted = []
    for now_ms in (None, window(4).to_ms):
        archive.bucket.opened.clear()
        Seals.read(archive.bucket, archive.chain, [], START_MS, now_ms=now_ms)
        counted.append(archive.bucket.opened.total())
    assert counted[0] == counted[1]


def test_a_seal_that_nobody_has_signed_who_is_trusted_is_named(archive: Archive) -> None:
    seals = Seals.read(archive.bucket, archive.chain, [SealingKey().trusted], START_MS)
    assert [type(each) for each in seals.findings] == [ForeignKeyError]
    assert Seals.read(archive.bucket, archive.chain, [], START_MS).findings == []


def test_who_may_not_read_seals_is_told() -> None:
    archive = Archive()
    [seal] = archive.days(1)
    archive.bucket.unreadable.add(seal)
    with pytest.raises(Unreadable):
        Seals.read(archive.bucket, archive.chain, [], START_MS)


def test_a_later_export_is_what_counts_and_a_later_try_that_failed_is_not() -> None:
    archive = sealed({"web/000000": TRUE})
    more = lines((START_MS, "true"), (START_MS + 1, "late"))
    archive.later([archived(archive, window(), {"web/000001": more})], window())
    archive.later([archive.statement(NAME, window(), "failed")], window())
    assert messages(searched(archive)[0]) == ["true", "late"]


def test_what_is_missing_is_said_with_its_reason() -> None:
    archive = Archive()
    statements = [
        archive.statement("/idle", window(), "skipped", reason="empty"),
        archive.statement("/late", window(), "failed", reason="task_failed"),
        archived(archive, window(), {"web/000000": TRUE}),
    ]
    archive.day(statements, window())
    plan = planned(archive, asked(window(0, 2)))
    said = {each.outcome: (each.why, each.is_lawful) for each in plan.absences.values()}
    assert said == {
        "skipped": ("empty", True),
        "failed": ("task_failed", False),
        UNKNOWN: ("nothing says what became of it", False),
    }
    assert not plan.is_whole


def test_a_time_without_an_end_misses_nothing_after_the_last_seal(archive: Archive) -> None:
    wanted = asked(window(0, 9), is_open_ended=True)
    plan = planned(archive, wanted)
    assert [(each.outcome, each.is_lawful) for each in plan.absences.values()] == [(NOT_YET, True)]
    assert plan.is_whole


def test_a_disposed_window_is_said_and_not_searched() -> None:
    archive = Archive()
    statement = archived(archive, window(), {"web/000000": TRUE})
    archive.day([statement], window())
    archive.later([archive.disposed(statement)], window())
    found, report = searched(archive)
    assert (found, report.is_whole) == ([], True)
    [absence] = planned(archive, asked()).absences.values()
    assert absence.outcome == "disposed"
    assert "PRIVACY-4711" in absence.why
    assert DAY_MS
