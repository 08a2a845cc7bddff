"""What is lawful is called valid, wherever the archive is."""

import gzip

import pytest
from contracts.tests.sealed_archive import DAY_MS, DISPOSAL, SOURCE, Archive, SealingKey, gz

from logferry_contracts.statement import Difference


def test_a_sealed_archive_is_valid_at_every_level(attacked, verify):
    for level in ("seals", "objects", "bytes", "events"):
        answer = verify(attacked, level)
        assert (answer.code, answer.found) == (0, set()), level
        [chain] = answer.chains
        assert (chain["verdict"], chain["level"], chain["seals"]) == ("valid", level, 4)


def test_chains_of_several_accounts_and_regions_are_checked_in_one_run(attacked, verify):
    others = []
    for account_id, region in (("222233334444", SOURCE.region), (SOURCE.account_id, "us-east-1")):
        changes = {"account_id": account_id, "region": region, "profile": f"of-{account_id[0]}"}
        others.append(
            Archive(attacked.place, attacked.archive.key, SOURCE.model_copy(update=changes))
        )
        others[-1].days(2, ["/app/a"])
    chains = sorted(str(each.chain) for each in [attacked.archive, *others])
    answer = verify(attacked)
    assert (answer.code, answer.found) == (0, set())
    assert [(e["chain"], e["verdict"]) for e in answer.chains] == [(e, "valid") for e in chains]

    attacked.place.remove(attacked.place.listed("of-1/")[0])
    answer = verify(attacked)
    assert (answer.code, answer.found) == (1, {"object_missing"})
    verdicts = {e["chain"]: e["verdict"] for e in answer.chains}
    assert [e for e in chains if verdicts[e] != "valid"] == [str(others[1].chain)]


def test_a_copy_that_was_moved_is_valid(folder, verify, tmp_path):
    folder.place.moved(tmp_path / "elsewhere")
    folder.where = tmp_path / "elsewhere"
    assert verify(folder).code == 0


def test_the_copy_of_a_bucket_is_valid(bucket, folder, verify):
    for key in folder.place.listed(""):
        folder.place.remove(key)
    bucket.place.copied(folder.place)
    folder.pinned = bucket.pinned
    assert verify(folder).code == 0


def test_the_enforcers_copies_of_the_same_bytes_are_valid_and_named(bucket, verify):
    for key in bucket.objects:
        bucket.place.copy_over(key)
    answer = verify(bucket)
    assert (answer.code, answer.found) == (0, set())
    assert {each["thing"] for each in answer.about("note")} == set(bucket.objects)


def test_a_copy_that_lies_over_what_was_sealed_is_valid(bucket, verify):
    key = bucket.objects[0]
    bucket.place.put(key, bucket.place.data(key))
    for level in ("objects", "bytes"):
        answer = verify(bucket, level)
        assert (answer.code, answer.found) == (0, set()), level


def test_a_key_that_was_rotated_is_trusted_through_the_one_before(attacked, verify):
    attacked.archive.rotate(SealingKey())
    attacked.archive.days(2)
    attacked.archive.rotate(SealingKey())
    attacked.archive.days(1)
    answer = verify(attacked)
    assert (answer.code, answer.chains[0]["seals"]) == (0, 9)


def test_a_later_seal_has_the_last_word(attacked, verify):
    archive = attacked.archive
    window = archive.window(from_ms=archive.reached_ms - DAY_MS)
    archive.later([archive.archived("/app/a", window, generation=2)], window)
    assert verify(attacked).code == 0


def test_what_was_disposed_of_is_valid_and_told_at_every_level(attacked, verify):
    archive, window = attacked.archive, attacked.archive.window()
    archived = archive.archived("/app/personal", window)
    archive.day([archived], window)
    archive.later([archive.disposed(archived)], window, reason="disposed")
    for each in archived.objects:
        attacked.place.remove(each.key)
    for level in ("seals", "objects", "bytes", "events"):
        answer = verify(attacked, level)
        assert (answer.code, answer.found) == (0, {"disposed"}), level
        [line] = answer.about("disposed")
        assert "/app/personal" in line["thing"]
        assert "PRIVACY-4711" in line["what"]
        assert answer.chains[0]["disposed"] == 1


@pytest.mark.parametrize("said", ["failed", "skipped", "open"])
def test_what_was_disposed_of_stays_so_whatever_is_tried_later(attacked, verify, said):
    archive, window = attacked.archive, attacked.archive.window()
    archived = archive.archived("/app/personal", window)
    archive.day([archived], window)
    archive.later([archive.disposed(archived)], window, reason="disposed")
    archive.later([archive.statement("/app/personal", window, said)], window)
    for each in archived.objects:
        attacked.place.remove(each.key)
    for level in ("seals", "objects", "bytes", "events"):
        answer = verify(attacked, level)
        assert (answer.code, answer.found) == (0, {"disposed"}), level


def test_what_was_exported_anew_with_as_many_events_replaces_what_there_was(attacked, verify):
    archive, window = attacked.archive, attacked.archive.window()
    first = archive.archived("/app/c", window)
    archive.day([first], window)
    archive.later([archive.archived("/app/c", window, generation=2)], window)
    for each in first.objects:
        attacked.place.remove(each.key)
    answer = verify(attacked)
    assert (answer.code, answer.found) == (0, set())
    told = "3 events before, in 1 other objects, which may be gone since 3 were exported anew"
    assert [told in each["what"] for each in answer.about("note")] == [True]


def test_a_contradiction_is_mended_by_an_export(folder, verify):
    archive, window = folder.archive, folder.archive.window()
    differs = Difference(what="object_missing", key="shop-prod/app/c/x.gz", recorded="1")
    stated = archive.statement("/app/c", window, "contradicted", exports=[], differences=[differs])
    archive.day([stated], window)
    archive.later([archive.statement("/app/c", window, "failed")], window)
    archive.later([archive.archived("/app/c", window)], window)
    for level in ("seals", "objects", "bytes", "events"):
        assert verify(folder, level).code == 0, level


def test_what_a_failed_try_has_left_is_valid(attacked, verify):
    archive, window = attacked.archive, attacked.archive.window()
    failed = archive.export("/app/c", window)
    archive.put(failed, window, "stream", gzip.compress(b"half"))
    second = archive.archived("/app/c", window, generation=2)
    archive.day([second], window)
    assert (verify(attacked).code, len(verify(attacked).about("note"))) == (0, 1)


def test_what_a_try_has_left_that_failed_after_the_seal_is_valid(attacked, verify):
    archive, window = attacked.archive, attacked.archive.window()
    first = archive.archived("/app/c", window)
    archive.day([first], window)
    failed = archive.export("/app/c", window, generation=2)
    archive.put(failed, window, "stream", gzip.compress(b"half"))
    exports = [*first.exports, failed]
    archive.later([archive.statement("/app/c", window, "failed", exports=exports)], window)
    for level in ("seals", "objects", "bytes", "events"):
        answer = verify(attacked, level)
        assert (answer.code, answer.found) == (0, set()), level


@pytest.mark.parametrize("outcome", ["failed", "waived"])
def test_what_lies_where_nothing_was_archived_is_no_log_and_is_told(attacked, verify, outcome):
    """A task that nobody knows of any more may have written it: it is neither error nor record."""
    archive, window = attacked.archive, attacked.archive.window()
    waiver = {"waiver": DISPOSAL} if outcome == "waived" else {}
    export = archive.export("/app/c", window)
    archive.day([archive.statement("/app/c", window, outcome, exports=[export], **waiver)], window)
    folder = f"{export.destination.prefix}/planted/"
    attacked.place.put(f"{folder}stream/000000.gz", gz([window.from_ms]))
    for level in ("objects", "events"):
        answer = verify(attacked, level)
        assert (answer.code, answer.found) == (0, set())
        [note] = answer.about("note")
        assert note["thing"] == folder
        assert note["what"] == "1 object of no export that is sealed as archived"


def test_what_was_archived_and_is_waived_may_go_and_is_told(attacked, verify):
    archive, window = attacked.archive, attacked.archive.window()
    first = archive.archived("/app/c", window)
    archive.day([first], window)
    waived = archive.statement("/app/c", window, "waived", exports=first.exports, waiver=DISPOSAL)
    archive.later([waived], window)
    assert (verify(attacked).code, verify(attacked).found) == (0, {"disposed"})
    for each in first.objects:
        attacked.place.remove(each.key)
    assert (verify(attacked).code, verify(attacked).found) == (0, {"disposed"})


def test_a_contradiction_that_is_waived_is_told_with_who_answers_for_it(attacked, verify):
    archive, window = attacked.archive, attacked.archive.window()
    differs = Difference(what="object_missing", key="shop-prod/app/c/x.gz", recorded="1")
    stated = archive.statement("/app/c", window, "contradicted", exports=[], differences=[differs])
    archive.day([stated], window)
    archive.later([archive.statement("/app/c", window, "waived", waiver=DISPOSAL)], window)
    answer = verify(attacked, "objects")
    assert (answer.code, answer.found) == (0, {"disposed"})
    [line] = answer.about("disposed")
    assert "it was sealed as contradicted, and waived since by" in line["what"]


def test_a_date_without_any_log_group_joins(attacked, verify):
    attacked.archive.day([], attacked.archive.window())
    attacked.archive.days(1)
    assert verify(attacked).code == 0


ODD_NAMES = (
    *("/app", "app", "app/x", "/app/x", "a.b", "#"),
    *("/.", "//", "//app", "///app", "/./app", "/app/", "/app//x", "/app/./x", "app/.", "..."),
)


def test_log_groups_of_odd_names_are_told_apart(attacked, verify):
    attacked.archive.days(2, ODD_NAMES)
    for level in ("seals", "objects", "bytes", "events"):
        answer = verify(attacked, level)
        assert (answer.code, answer.lines) == (0, []), level


def test_an_odd_name_hides_nothing_in_a_folder(folder, verify):
    folder.archive.days(1, ("/app/x", "//app/x"))
    [key] = folder.place.listed("shop-prod/app/x/2026/11/25/")[:1]
    folder.place.put(f"{key.rsplit('/', 3)[0]}/planted/stream/000000.gz", b"x")
    answer = verify(folder, "objects")
    assert (answer.code, answer.found) == (1, {"object_added"})


@pytest.mark.parametrize("name", ["/..", "/app/../x", "../x", f"/{'x' * 300}"])
def test_what_no_folder_can_hold_is_neither_valid_nor_invalid_there(attacked, verify, name):
    attacked.archive.days(1, ("/app", name))
    is_folder = attacked.where.is_dir()
    answer = verify(attacked)
    assert (answer.code, answer.found) == ((3, {"unchecked"}) if is_folder else (0, set()))
    for line in answer.about("unchecked"):
        assert "which no folder has" in line["what"] or "name too long" in line["what"], line
