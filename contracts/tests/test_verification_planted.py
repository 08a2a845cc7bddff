"""What lies where no statement names anything is found, and what lies there lawfully is not."""

from datetime import datetime

import pytest
from contracts.tests.sealed_archive import (
    Archive,
    checked,
    errors,
    found,
    gz,
)

from logferry_contracts.addendum import addendum_folder
from logferry_contracts.message import epoch_ms
from logferry_contracts.seal_key import chain_prefix
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.findings import Note, Unchecked, Unread
from logferry_contracts.verification.objects import HELD_WITHIN, WRITE_TEST
from logferry_contracts.verification.verifier import Verifier

TASK = "7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10"
DATE = "shop-prod/{}/2026/11/22/{}"


@pytest.mark.parametrize(
    "key",
    [
        DATE.format("app/unknown", "00"),
        DATE.format("app/a", "07"),
        DATE.format("app/a", "24"),
        DATE.format("!/app/a", "00"),
        DATE.format("app/excluded", "00"),
    ],
    ids=["no such log group", "another hour", "no hour", "another log group", "excluded"],
)
def test_a_folder_that_no_statement_names_is_found(archive: Archive, key: str) -> None:
    window = archive.window()
    archive.day([archive.statement("/app/excluded", window, "excluded")], window)
    for number in range(3):
        archive.bucket.put(f"{key}/{TASK}/stream/{number:06d}.gz", gz([1]))

    assert checked(archive, "seals") == []
    for level in ("objects", "bytes", "events"):
        findings = checked(archive, level)
        assert errors(findings) == [named.ObjectAddedError]
        assert f"{key}/{TASK}/: 3 objects of" in str(findings[0])


@pytest.mark.parametrize(
    "key",
    [
        DATE.format("app/a", "00") + f"/{WRITE_TEST}",
        "shop-prod/app/a/2025/01/01/00/task/stream/000000.gz",
        "shop-prod/app/a/2026/12/31/00/task/stream/000000.gz",
        "shop-prod-2/app/a/2026/11/22/00/task/stream/000000.gz",
    ],
    ids=["write test", "before the first seal", "not sealed yet", "of no profile of the chain"],
)
def test_what_nobody_has_sealed_is_not_called_planted(archive: Archive, key: str) -> None:
    archive.bucket.put(key, b"x")

    assert checked(archive, "objects") == []


BELOW = "shop-prod/{}/2026/11/22/00/x/1999/01/01/00/task/stream/000000.gz"


@pytest.mark.parametrize("of", ["app/a", "app/unknown"])
def test_what_hides_below_a_sealed_time_by_a_time_that_is_not_is_found(
    archive: Archive, of: str
) -> None:
    archive.bucket.put(BELOW.format(of), gz([1]))

    assert errors(checked(archive, "objects")) == [named.ObjectAddedError]


def test_a_log_group_whose_name_has_a_date_may_have_what_nobody_has_sealed(
    archive: Archive,
) -> None:
    window = archive.window()
    archive.day([archive.statement("/app/a/2026/11/22/00/x", window, "excluded")], window)
    archive.bucket.put(BELOW.format("app/a"), gz([1]))

    assert checked(archive, "objects") == []


def test_what_is_of_another_layout_is_noted(archive: Archive) -> None:
    archive.bucket.put("shop-prod/readme.txt", b"x")
    archive.bucket.put("shop-prod/app/a/2026/11/99/00/task/stream/000000.gz", b"x")

    findings = checked(archive, "objects")
    assert [type(each) for each in findings] == [Note]
    assert "their keys are of another layout" in str(findings[0])


def test_an_open_window_is_still_being_written(archive: Archive) -> None:
    window = archive.window()
    archive.day([archive.statement("/app/o", window, "open")], window)
    archive.bucket.put("shop-prod/app/o/2026/11/26/00/task/stream/000000.gz", b"x")
    assert checked(archive, "objects") == []

    archive.bucket.put("shop-prod/app/p/2026/11/26/00/task/stream/000000.gz", b"x")
    assert errors(checked(archive, "objects")) == [named.ObjectAddedError]


@pytest.mark.parametrize(
    "name",
    [
        "anything",
        "leaves/anything.jsonl",
        "statements/anything.json",
        "statements/app/a/anything.json",
        "other/0000000001.json",
    ],
)
def test_what_belongs_to_no_seal_is_found_below_their_prefix(archive: Archive, name: str) -> None:
    key = f"{chain_prefix(archive.chain)}{name}"
    archive.bucket.put(key, b"x")

    assert checked(archive, "seals") == []
    [only] = checked(archive, "objects")
    assert isinstance(only, named.SquattedError)
    assert only.thing == key


def test_what_a_crash_has_left_is_no_plant(archive: Archive) -> None:
    archive.write_statement(archive.archived("/app/never", archive.window()))
    archive.bucket.put(f"{chain_prefix(archive.chain)}leaves/{'0' * 64}.jsonl", b"")

    assert errors(checked(archive, "objects")) == []


def test_what_cannot_be_listed_is_unchecked(archive: Archive) -> None:
    archive.bucket.unreadable.add("shop-prod/")

    assert [type(each) for each in checked(archive, "objects")] == [Unread]


def test_what_was_planted_is_found_although_what_lies_beside_the_seals_cannot_be_listed(
    archive: Archive,
) -> None:
    archive.bucket.put("shop-prod/never/2026/11/21/00/task/stream/000000.gz", b"planted")
    archive.bucket.unreadable.add(chain_prefix(archive.chain))

    findings = checked(archive, "objects")
    assert errors(findings) == [named.ObjectAddedError]
    assert Unread in map(type, findings)


def test_a_date_of_which_a_statement_is_gone_is_not_looked_through(archive: Archive) -> None:
    archive.bucket.remove(archive.statement_keys()[0])

    assert set(errors(checked(archive, "objects"))) == {named.StatementMissingError}


def test_what_was_exported_lately_need_not_be_held_yet(archive: Archive, key: str) -> None:
    archive.bucket.keys[key][-1].is_held = False
    ended_ms = 1795415472004  # `sealed_archive.AT`
    promise_ms = HELD_WITHIN.total_seconds() * 1000

    def at(now_ms: int | None) -> list[named.Finding]:
        chain = read_chain(archive.bucket, archive.chain, [archive.key.trusted])
        verifier = Verifier(archive.bucket, chain, "objects", now_ms=now_ms)
        return [each for link in chain.links for each in verifier.check(link)]

    [early] = at(ended_ms + int(promise_ms) - 1)
    assert isinstance(early, Unchecked)
    assert "is not on legal hold, and need not be yet: its export ended at" in str(early)
    assert "Check it again after 2026-11-25T06:31:12.004Z" in str(early)
    for late in (ended_ms + int(promise_ms), None):
        assert errors(at(late)) == [named.HoldLiftedError]
    assert errors(found(archive, "objects")) == [named.HoldLiftedError]


def test_what_was_added_lately_need_not_be_held_yet_however_old_its_export_is() -> None:
    archive = Archive()
    window = archive.window()
    first = archive.archived("/a", window)
    archive.day([first], window)
    assert first.objects is not None
    [export] = first.exports
    folder = addendum_folder(export.export_id, 1)
    added = export.model_copy(update={"task_ids": [*export.task_ids, folder]})
    data = gz([window.from_ms + 1])
    key = f"{export.destination.prefix}/{folder}/late/000000.gz"
    late = archive.stated(key, archive.bucket.put(key, data, is_held=False), window, data)
    for stated_at in ("2026-11-26T06:00:00.000Z", "2026-12-07T06:00:00.000Z"):
        more = {"exports": [added], "objects": [*first.objects, late], "leftovers": []}
        again = archive.statement("/a", window, "archived", **more)
        archive.later([again.model_copy(update={"stated_at": stated_at})], window)
    chain = read_chain(archive.bucket, archive.chain, [archive.key.trusted])

    def at(now: str) -> list[named.Finding]:
        now_ms = epoch_ms(datetime.fromisoformat(now))
        verifier = Verifier(archive.bucket, chain, "objects", now_ms=now_ms)
        return [each for link in chain.links for each in verifier.check(link)]

    [early] = [each for each in at("2026-11-27T06:00:00Z") if isinstance(each, Unchecked)]
    assert "it was added before 2026-11-26T06:00:00.000Z. Check it again after" in str(early)
    assert errors(at("2026-11-27T06:00:00Z")) == []
    assert errors(at("2026-12-08T06:00:00Z")) == [named.HoldLiftedError]
    archive.bucket.keys[first.objects[0].key][-1].is_held = False
    assert errors(at("2026-11-27T06:00:00Z")) == [named.HoldLiftedError]
