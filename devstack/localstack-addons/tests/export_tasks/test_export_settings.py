from typing import Any

import pytest

from localstack_addons.export_tasks.settings import SettingsBook, SettingsError

ACCOUNT, OTHER = "111111111111", "222222222222"


def test_an_account_has_the_defaults_until_it_has_its_own():
    book = SettingsBook()
    book.change({"running_s": 7}, ACCOUNT)
    book.change({"running_s": 3, "pending_s": 2})
    assert (book.of(ACCOUNT).running_s, book.of(ACCOUNT).pending_s) == (7, 2)
    assert (book.of(OTHER).running_s, book.of(OTHER).pending_s) == (3, 2)


def test_the_document_tells_defaults_and_differences():
    book = SettingsBook()
    book.change({"history": 5})
    book.change({"running_s": 7}, ACCOUNT)
    document = book.as_document()
    assert document["default"]["history"] == 5
    assert document["accounts"] == {ACCOUNT: {"running_s": 7}}


@pytest.mark.parametrize(
    "changes",
    [
        {"speed": 1},
        {"pending_s": -0.1},
        {"pending_s": "1"},
        {"running_s": True},
        {"part_bytes": 0},
        {"part_bytes": 1.5},
        {"history": 0},
        {"fail_count": -1},
        {"fail_pattern": "("},
        {"fail_pattern": None},
        {"organization_id": 1},
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(changes: dict[str, Any]):
    book = SettingsBook()
    before = book.as_document()
    with pytest.raises(SettingsError):
        book.change({"running_s": 9} | changes)
    assert book.as_document() == before


def test_only_a_log_group_that_the_pattern_finds_fails():
    book = SettingsBook()
    book.change({"fail_pattern": "^/app/"})
    assert book.take_failure(ACCOUNT, "/app/web")
    assert not book.take_failure(ACCOUNT, "/my/app/web")


def test_no_pattern_fails_nothing():
    assert not SettingsBook().take_failure(ACCOUNT, "/app/web")


def test_failures_end_when_they_are_counted_out():
    book = SettingsBook()
    book.change({"fail_pattern": "web", "fail_count": 2}, ACCOUNT)
    assert [book.take_failure(ACCOUNT, "web") for _ in range(3)] == [True, True, False]
    assert book.as_document()["accounts"][ACCOUNT]["fail_count"] == 0


def test_accounts_without_a_count_of_their_own_share_one():
    book = SettingsBook()
    book.change({"fail_pattern": "web", "fail_count": 1})
    assert [book.take_failure(a, "web") for a in (ACCOUNT, OTHER)] == [True, False]


def test_a_count_can_be_taken_back():
    book = SettingsBook()
    book.change({"fail_pattern": "web", "fail_count": 0})
    book.change({"fail_count": None})
    assert book.take_failure(ACCOUNT, "web")
