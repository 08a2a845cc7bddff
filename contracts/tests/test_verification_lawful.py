"""What is lawful is valid, and what cannot be looked at is called neither valid nor invalid."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contracts.tests.sealed_archive import (
    HOUR_MS,
    LEVELS,
    Archive,
    Folder,
    SealingKey,
    checked,
    errors,
    found,
    gz,
    leaves_of,
    verdict,
)

from logferry_contracts.seal_key import seal_key
from logferry_contracts.statement import Difference, Leftover
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.findings import SealError
from logferry_contracts.verification.objects import Level
from logferry_contracts.verification.store import Unreadable, Version


def test_nothing_valid_is_called_invalid_at_any_level(archive: Archive) -> None:
    for level in LEVELS:
        assert checked(archive, level) == []


def test_a_copy_of_the_same_bytes_is_valid_and_named(archive: Archive, key: str) -> None:
    archive.bucket.copy_over(key)

    findings = checked(archive, "bytes")
    assert [type(each) for each in findings] == [named.Note]
    assert "is a copy of the version that was sealed" in str(findings[0])


def test_a_copy_that_is_being_made_is_valid(archive: Archive, key: str) -> None:
    archive.bucket.put(key, archive.bucket.data(key))

    for level in LEVELS:
        assert errors(checked(archive, level)) == []


def test_a_copy_in_a_folder_is_valid(archive: Archive) -> None:
    folder = Folder(archive.bucket)

    for level in LEVELS:
        assert found(archive, level, keys=[archive.key], store=folder) == []


def test_a_copy_in_another_bucket_with_other_versions_is_valid(archive: Archive) -> None:
    moved = Archive()
    for key in archive.bucket.keys:
        moved.bucket.put("before", b"")
        moved.bucket.put(key, archive.bucket.data(key))

    for level in LEVELS:
        findings = found(archive, level, keys=[archive.key], store=moved.bucket)
        assert verdict(findings) == "valid"


def test_what_crashes_have_left_beside_the_seals_is_valid(archive: Archive) -> None:
    window = archive.window()
    archive.windows([archive.archived("/app/a", window), archive.archived("/z", window)], window)

    for level in LEVELS:
        assert checked(archive, level) == []


def test_what_a_failed_try_has_left_is_named_and_valid() -> None:
    archive = Archive()
    window = archive.window()
    failed = archive.export("/a", window)
    archive.put(failed, window, "s", gz([window.from_ms]))
    archive.day([archive.archived("/a", window, generation=2)], window)

    findings = checked(archive, "events")
    assert verdict(findings) == "valid"
    assert [str(each) for each in findings] == [
        f"{failed.folders[0]}: 1 object of no export that is sealed as archived."
    ]


def test_what_cloudwatch_logs_writes_to_see_whether_it_may_is_valid(archive: Archive) -> None:
    key = archive.object_keys()[0]
    archive.bucket.put(f"{key.rsplit('/', 3)[0]}/aws-logs-write-test", b"Permission Check")

    assert checked(archive, "objects") == []


def test_a_log_group_whose_folder_is_in_another_ones_is_valid() -> None:
    archive = Archive()
    window = archive.window()
    outer = archive.archived("/a", window)
    within = archive.archived(f"/a{outer.exports[0].destination.prefix[-14:]}", window)
    assert within.exports[0].destination.prefix.startswith(outer.exports[0].destination.prefix)
    archive.day([outer, within], window)

    assert checked(archive, "events") == []


def test_windows_that_overlap_as_they_were_cut_in_two_ways_are_named_and_valid() -> None:
    archive = Archive()
    covers = archive.window()
    halves = [archive.window(13 * HOUR_MS, covers.from_ms + start * HOUR_MS) for start in (0, 11)]
    archive.day([archive.archived("/a", each) for each in halves], covers)

    [note] = checked(archive, "events")
    assert "the events from 2026-11-21T10:00:00.000Z to 2026-11-21T12:00:00.000Z" in str(note)

    archive.later([archive.archived("/a", covers)], covers)
    findings = checked(archive, "events")
    assert verdict(findings) == "valid"
    assert len(findings) == 2


def test_what_lay_there_when_the_window_was_sealed_is_named_and_valid(archive: Archive) -> None:
    window = archive.window()
    export = archive.export("/a", window)
    key = f"{export.destination.prefix}/somebody/s/000000.gz"
    archive.bucket.put(key, b"before")
    left = Leftover(key=key, version_id="v1", size_bytes=6)
    archive.day([archive.archived("/a", window, leftovers=[left])], window)
    assert verdict(checked(archive, "events")) == "valid"

    archive.bucket.put(key, b"after it")

    assert errors(checked(archive, "objects")) == [named.ObjectAddedError]


def test_what_lies_beside_the_tasks_where_nobody_has_looked_is_named_and_valid() -> None:
    archive = Archive()
    window = archive.window()
    statement = archive.archived("/a", window, leftovers=None)
    archive.day([statement], window)
    archive.bucket.put(f"{statement.exports[0].destination.prefix}/t/s/000000.gz", b"")

    findings = checked(archive, "events")
    assert [type(each) for each in findings] == [named.Note]


def test_an_export_of_an_open_window_that_goes_on_is_valid() -> None:
    archive = Archive()
    window = archive.window()
    export = archive.export("/a", window)
    archive.day([archive.statement("/a", window, "open", exports=[export])], window)
    archive.put(export, window, "s", gz([window.from_ms]))
    archive.put(archive.export("/a", window, 2), window, "s", gz([window.from_ms]))

    assert verdict(checked(archive, "objects")) == "valid"


def test_a_window_that_was_exported_again_after_its_date_was_sealed_is_valid() -> None:
    archive = Archive()
    window = archive.window()
    first = archive.archived("/a", window)
    assert first.objects is not None
    archive.day([first, archive.archived("/b", window)], window)
    archive.bucket.remove(first.objects[0].key)
    assert errors(checked(archive, "objects")) == [named.ObjectMissingError]

    archive.later([archive.archived("/a", window, generation=2)], window)

    [note] = checked(archive, "events")
    assert isinstance(note, named.Note)
    assert "in 1 other objects, which may be gone" in note.what


def test_a_log_group_that_only_a_later_seal_has_is_looked_at() -> None:
    archive = Archive()
    window = archive.window()
    archive.days(1, ["/b"])
    added = [archive.archived(name, window) for name in ("/a", "/c")]
    archive.later(added, window)
    assert checked(archive, "events") == []

    for each in added:
        assert each.objects is not None
        archive.bucket.remove(each.objects[0].key)

    assert errors(checked(archive, "objects")) == [named.ObjectMissingError] * 2


def test_a_renamed_profile_goes_on_with_the_chain(archive: Archive) -> None:
    archive.source = archive.source.model_copy(update={"profile": "shop"})
    archive.days(1)

    assert checked(archive, "events") == []


def test_without_a_key_nothing_is_called_valid(archive: Archive) -> None:
    findings = found(archive, "events", keys=())

    assert verdict(findings) == "unchecked"
    assert errors(findings) == []


def test_without_a_key_what_is_wrong_is_still_found(archive: Archive) -> None:
    archive.bucket.remove(seal_key(archive.chain, 3))

    assert verdict(found(archive, "seals", keys=())) == "invalid"


@pytest.mark.parametrize("which", ["seal", "leaves", "statement", "object", "list"])
def test_what_cannot_be_read_is_unchecked_and_not_invalid(archive: Archive, which: str) -> None:
    an_object = archive.object_keys()[0]
    key = {
        "seal": seal_key(archive.chain, 5),
        "leaves": leaves_of(archive, 2),
        "statement": archive.statement_keys()[0],
        "object": an_object,
        "list": f"{an_object.rsplit('/', 3)[0]}/",
    }[which]
    archive.bucket.unreadable.add(key)

    findings = checked(archive, "events")
    assert verdict(findings) == "unchecked"
    assert len(findings) == 1


def test_objects_under_a_later_seal_that_cannot_be_read_are_unchecked() -> None:
    archive = Archive()
    window = archive.window()
    first = archive.archived("/a", window)
    assert first.objects is not None
    archive.day([first], window)
    archive.bucket.remove(first.objects[0].key)
    archive.later([archive.archived("/a", window, generation=2)], window)
    archive.bucket.unreadable.add(leaves_of(archive, 2))

    assert verdict(checked(archive, "events")) == "unchecked"


def of_a_gap(archive: Archive) -> int:
    archive.days(3)
    return 2


def of_the_date_that_was_sealed_again(archive: Archive) -> int:
    window = archive.window()
    archive.day([archive.statement("/a", window, "failed")], window)
    archive.days(1)
    archive.later([archive.archived("/a", window)], window)
    return 1


def of_the_next_key(archive: Archive) -> int:
    archive.days(1)
    archive.rotate(SealingKey())
    archive.days(1)
    archive.rotate(SealingKey())
    archive.days(1)
    return 2


def of_an_order(archive: Archive) -> int:
    window = archive.window()
    sealed = archive.archived("/a", window)
    archive.day([sealed], window)
    archive.days(1)
    archive.later([archive.disposed(sealed)], window, reason="disposed")
    for each in sealed.objects or []:
        archive.bucket.remove(each.key)
    return 3


def of_what_was_exported_since(archive: Archive) -> int:
    window = archive.window()
    archive.day([archive.statement("/a", window, "skipped")], window)
    archive.later([archive.archived("/a", window), archive.archived("/never", window)], window)
    return 2


def of_what_has_settled_it(archive: Archive) -> int:
    window = archive.window()
    differs = Difference(what="size_bytes", key="a-key", recorded="85", found="29")
    archive.day([archive.statement("/a", window, "contradicted", differences=[differs])], window)
    archive.later([archive.archived("/a", window)], window)
    return 2


@pytest.mark.parametrize(
    "made",
    [
        of_a_gap,
        of_the_date_that_was_sealed_again,
        of_the_next_key,
        of_an_order,
        of_what_was_exported_since,
        of_what_has_settled_it,
    ],
)
@pytest.mark.parametrize("level", LEVELS)
def test_a_seal_that_cannot_be_read_makes_nothing_else_invalid(
    made: Callable[[Archive], int], level: Level
) -> None:
    archive = Archive()
    first = archive.key
    sequence = made(archive)
    assert verdict(checked(archive, level, first)) == "valid"
    archive.bucket.unreadable.add(seal_key(archive.chain, sequence))

    findings = checked(archive, level, first)
    assert errors(findings) == []
    assert verdict(findings) == "unchecked"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("made", [of_an_order, of_what_has_settled_it])
def test_neither_does_a_later_list_that_cannot_be_read(
    made: Callable[[Archive], int], level: Level
) -> None:
    archive = Archive()
    archive.bucket.unreadable.add(leaves_of(archive, made(archive)))

    assert verdict(checked(archive, level)) == "unchecked"


@pytest.mark.parametrize("level", LEVELS)
def test_what_was_sealed_later_may_be_what_the_seals_that_cannot_be_listed_are_of(
    level: Level,
) -> None:
    def broken(prefix: str) -> Iterator[Version]:
        for each in listed(prefix):
            if each.key == seal_key(archive.chain, 3):
                raise Unreadable("reset")
            yield each

    archive = Archive()
    of_an_order(archive)
    listed = archive.bucket.versions
    archive.bucket.versions = broken  # type: ignore[method-assign]

    assert errors(checked(archive, level)) == []


def test_an_outcome_of_a_later_version_is_unchecked() -> None:
    archive = Archive()
    window = archive.window()
    archive.day([archive.statement("/a", window, "counted_elsewhere")], window)

    assert verdict(checked(archive, "objects")) == "unchecked"


def test_a_download_that_breaks_off_is_unchecked(archive: Archive) -> None:
    class Broken:
        def read(self, amount: int = -1, /) -> bytes:
            raise ConnectionError("reset")

        def close(self) -> None:
            pass

    def broken(key: str, version_id: str | None) -> Any:
        return Broken() if key == seen else opened(key, version_id)

    seen, opened = archive.object_keys()[0], archive.bucket.open
    archive.bucket.open = broken  # type: ignore[method-assign]

    for level in ("bytes", "events"):
        findings = checked(archive, level)
        [only] = findings
        assert str(only) == (
            f"{seen}: cannot be read: it broke off: ConnectionError: reset. "
            "Make it readable, and check again."
        )


ATTACKS = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_verification_*.py")]
ON_PROOFS = Path(__file__).parents[2].joinpath("tests/attacks/test_proofs.py").read_text("utf-8")
"""Which calls errors by their codes."""


def every_error() -> Iterator[type[SealError]]:
    waiting = [SealError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        yield kind


@pytest.mark.parametrize("kind", [each for each in every_error() if each is not SealError])
def test_each_error_says_what_to_do_and_has_a_test_of_its_own(
    kind: type[SealError],
) -> None:
    error = kind("thing", "is wrong")

    assert str(error) == f"thing: is wrong. {error.mend}."
    assert error.mend
    assert not error.mend.endswith(".")
    is_named = any(f"named.{kind.__name__}" in text for text in ATTACKS)
    assert is_named or f'"{error.code}"' in ON_PROOFS
    assert error.code == error.code.lower()
