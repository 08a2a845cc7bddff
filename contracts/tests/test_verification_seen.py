"""What a verifier tells of each window that it has read, beside what it finds."""

from contracts.tests.sealed_archive import Archive, SealingKey

from logferry_contracts.statement import Statement
from logferry_contracts.verification.chain import Link, read_chain
from logferry_contracts.verification.objects import Level
from logferry_contracts.verification.verifier import Verifier


def seen(archive: Archive, level: Level = "objects") -> list[tuple[int, str | None]]:
    """Return the sequence of the seal and the outcome of each window that was told."""
    told: list[tuple[int, str | None]] = []

    def note(link: Link, statement: Statement | None) -> None:
        told.append((link.sequence, None if statement is None else statement.outcome))

    chain = read_chain(archive.bucket, archive.chain, [archive.key.trusted])
    verifier = Verifier(archive.bucket, chain, level, seen=note)
    for link in chain.links:
        list(verifier.check(link))
    return told


def test_the_last_word_on_a_window_is_told_once_with_the_seal_of_its_day() -> None:
    archive = Archive()
    window = archive.window()
    failed = archive.statement("/app/a", window, "failed")
    archive.day([failed, archive.archived("/app/b", window)], window)
    archive.later([archive.archived("/app/a", window, generation=2)], window)
    assert seen(archive) == [(1, "archived"), (1, "archived")]


def test_a_window_that_only_a_later_seal_has_is_told_with_its_day() -> None:
    archive = Archive()
    window = archive.window()
    archive.days(1, ["/app/a"])
    archive.later([archive.archived("/app/late", window)], window)
    assert seen(archive) == [(1, "archived"), (1, "archived")]


def test_a_statement_that_cannot_be_read_is_told_as_none() -> None:
    archive = Archive()
    archive.days(1)
    archive.bucket.remove(archive.statement_keys()[0])
    assert set(seen(archive)) == {(1, None), (1, "archived")}


def test_without_statements_nothing_is_told() -> None:
    archive = Archive()
    archive.days(2)
    assert seen(archive, "seals") == []


def test_a_link_says_who_has_signed_it_and_which_key_comes_next() -> None:
    archive, old, new = Archive(), SealingKey(), SealingKey()
    archive.key = old
    archive.days(1)
    archive.rotate(new)
    archive.days(1)
    links = read_chain(archive.bucket, archive.chain, [old.trusted]).links
    assert [(each.key_id, each.next_key_id) for each in links] == [
        (old.trusted.id, None),
        (old.trusted.id, new.trusted.id),
        (new.trusted.id, None),
    ]
