"""Each attack on a sealed archive, found by `logferry verify` and called what it is."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from contracts.tests.sealed_archive import DAY_MS, DISPOSAL, SOURCE, Archive, SealingKey, gz
from tests.attacks.places import Folder

from logferry_contracts.day_seal import read_envelope
from logferry_contracts.statement import Difference
from logferry_contracts.window import Window

LEVELS = ("seals", "objects", "bytes", "events")


def assert_found(verify, attacked, finding, level):
    """An attack is found at a level and the deepest; the one before it promises nothing of it."""
    place = LEVELS.index(level)
    for each in LEVELS[:place][-1:]:
        assert verify(attacked, each).code == 0, f"{each} does not look so deep"
    for each in dict.fromkeys((level, LEVELS[-1])):
        answer = verify(attacked, each)
        assert (answer.code, answer.found) == (1, {finding}), each
        for line in answer.about(finding):
            assert line["thing"], line
            assert line["what"], line
            assert line["mend"], line


# The chain.


def test_two_seals_in_a_row_are_deleted(attacked, verify):
    for sequence in (2, 3):
        attacked.place.remove(attacked.seal_key(sequence))
    answer = verify(attacked, "seals")
    assert answer.code == 1
    assert answer.found == {"seals_missing", "gap"}
    [line] = answer.about("seals_missing")
    assert line["what"] == "2 seals, 2 to 3, are missing before seal 4"


def test_a_whole_year_in_the_middle_is_gone(verify, folder, tmp_path):
    place = Folder(tmp_path / "years")
    folder.archive = archive = Archive(place, folder.archive.key)
    for _ in range(3 * 365):
        archive.day([], archive.window())
    folder.place, folder.where = place, place.root
    for sequence in range(366, 731):
        place.remove(folder.seal_key(sequence))
    answer = verify(folder, "seals")
    [line] = answer.about("seals_missing")
    assert line["what"] == "365 seals, 366 to 730, are missing before seal 731"
    assert (answer.code, answer.found) == (1, {"seals_missing", "gap"})


def test_all_seals_are_deleted(bucket, verify):
    for sequence in range(1, 5):
        bucket.place.remove(bucket.seal_key(sequence))
    answer = verify(bucket, "seals")
    assert (answer.code, answer.found) == (3, {"unchecked"})
    assert answer.lines[0]["what"] == "there is no seal of it"


def test_the_first_seals_are_deleted(folder, verify):
    folder.place.remove(folder.seal_key(1))
    assert verify(folder, "seals").found == {"seals_missing"}


def test_an_older_seal_lies_in_the_place_of_another(folder, verify):
    folder.place.replace(folder.seal_key(3), folder.place.data(folder.seal_key(2)))
    answer = verify(folder, "seals")
    assert (answer.code, answer.found) == (1, {"wrong_place", "broken_link", "gap", "overlap"})


def test_an_older_seal_is_signed_anew_for_the_place_of_another(folder, verify):
    archive = folder.archive
    window = Window(from_ms=archive.reached_ms - 3 * DAY_MS, to_ms=archive.reached_ms - 2 * DAY_MS)
    older = archive.next_seal(
        "day",
        sequence=3,
        previous_sha256=sha256(folder.place.data(folder.seal_key(2))).hexdigest(),
        sealed=archive.windows([], window),
    )
    folder.place.replace(folder.seal_key(3), archive.signed(older))
    answer = verify(folder, "seals")
    assert {line["thing"] for line in answer.about("broken_link")} == {folder.seal_key(4)}
    assert (answer.code, answer.found) == (1, {"broken_link", "gap", "overlap"})


def test_the_last_seal_is_replaced_by_what_another_key_has_signed(folder, verify):
    archive, other = folder.archive, SealingKey()
    sealed = archive.windows([], Window(from_ms=archive.reached_ms, to_ms=archive.reached_ms + 1))
    seal = archive.next_seal("day", sealed=sealed, key_id=other.trusted.id)
    archive.write(seal, other)
    answer = verify(folder, "seals")
    assert (answer.code, answer.found) == (1, {"foreign_key"})


def test_a_seal_is_edited_and_keeps_its_signature(folder, verify):
    key = folder.seal_key(4)
    envelope = read_envelope(folder.place.data(key))
    edited = envelope.payload.replace(b'"is_late":false', b'"is_late":true')
    folder.place.replace(key, replace(envelope, payload=edited).stored())
    answer = verify(folder, "seals")
    assert (answer.code, answer.found) == (1, {"forged_seal"})


def test_there_are_two_histories(bucket, verify):
    archive = bucket.archive
    archive.sequence, archive.previous = (
        3,
        sha256(bucket.place.data(bucket.seal_key(3))).hexdigest(),
    )
    window = Window(from_ms=archive.reached_ms - DAY_MS, to_ms=archive.reached_ms)
    archive.write(archive.next_seal("day", sealed=archive.windows([], window)))
    answer = verify(bucket, "seals")
    assert (answer.code, answer.found) == (1, {"two_histories", "covered"})


def test_a_seal_is_covered_by_bytes_of_no_meaning(bucket, verify):
    bucket.place.put(bucket.seal_key(2), b"anything")
    answer = verify(bucket, "seals")
    assert (answer.code, answer.found) == (1, {"covered", "not_a_seal"})


def test_the_place_of_the_next_seal_is_taken_before_the_sealer_comes(folder, verify):
    folder.place.put(folder.seal_key(5), b"anything")
    folder.place.put(f"{folder.seal_key(5)}.bak", b"anything")
    answer = verify(folder, "seals")
    assert (answer.code, answer.found) == (1, {"not_a_seal", "squatted"})


def test_a_seal_is_hidden_by_a_delete_marker(bucket, verify):
    bucket.place.hide(bucket.seal_key(3))
    assert_found(verify, bucket, "hidden", "seals")


def test_the_hold_of_a_seal_is_lifted(bucket, verify):
    bucket.place.lift(bucket.seal_key(3))
    assert_found(verify, bucket, "hold_lifted", "seals")


def test_somebody_without_the_key_names_the_next_one(folder, verify):
    archive, other = folder.archive, SealingKey()
    lawful, archive.key = archive.key, other
    archive.rotate(other)
    archive.days(1)
    answer = verify(folder, "seals")
    assert (answer.code, answer.found) == (1, {"unlawful_rotation", "foreign_key"})
    folder.pinned = [lawful, other]
    assert verify(folder, "seals").code == 0  # pinned by whoever checks: theirs to answer for


def test_a_key_that_was_replaced_goes_on_sealing(folder, verify):
    archive, old = folder.archive, folder.archive.key
    archive.rotate(SealingKey())
    archive.key = old
    archive.days(1)
    answer = verify(folder, "seals")
    assert (answer.code, answer.found) == (1, {"retired_key"})


def test_a_seal_of_another_account_lies_in_the_chain(folder, verify, tmp_path):
    source = SOURCE.model_copy(update={"account_id": "222233334444"})
    other = Archive(Folder(tmp_path / "other"), folder.archive.key, source)
    other.days(5)
    theirs = folder.seal_key(5).replace(SOURCE.account_id, source.account_id)
    folder.place.put(folder.seal_key(5), other.bucket.data(theirs))
    answer = verify(folder, "seals")
    assert answer.code == 1
    assert "wrong_chain" in answer.found


def test_a_date_was_never_sealed(folder, verify):
    archive = folder.archive
    archive.day([], archive.window(from_ms=archive.reached_ms + DAY_MS))
    assert_found(verify, folder, "gap", "seals")


# Leaves and statements.


def test_a_list_of_leaves_takes_the_place_of_another_dates(folder, verify):
    lists = folder.place.listed(f"!seals/{folder.archive.chain}/leaves/")
    folder.place.replace(lists[0], folder.place.data(lists[1]))
    assert_found(verify, folder, "leaves_changed", "seals")


@pytest.mark.parametrize("kind", ["leaves", "statements"])
def test_leaves_are_exchanged_for_another_sources(folder, verify, tmp_path, kind):
    source = SOURCE.model_copy(update={"account_id": "222233334444"})
    other = Archive(Folder(tmp_path / "other"), folder.archive.key, source)
    other.days(4)
    ours = folder.place.listed(f"!seals/{folder.archive.chain}/{kind}/")
    theirs = other.bucket.listed(f"!seals/{other.chain}/{kind}/")  # type: ignore[attr-defined]
    for key, stranger in zip(ours, theirs, strict=True):
        folder.place.replace(key, other.bucket.data(stranger))
    finding = "leaves_changed" if kind == "leaves" else "statement_changed"
    answer = verify(folder, "objects")
    assert (answer.code, answer.found) == (1, {finding})


def test_a_log_group_is_taken_out_of_a_list(folder, verify):
    key = folder.place.listed(f"!seals/{folder.archive.chain}/leaves/")[0]
    folder.place.replace(key, folder.place.data(key).splitlines(keepends=True)[0])
    assert_found(verify, folder, "leaves_changed", "seals")


def test_a_list_of_leaves_is_deleted(folder, verify):
    key = folder.place.listed(f"!seals/{folder.archive.chain}/leaves/")[0]
    folder.place.remove(key)
    assert_found(verify, folder, "leaves_missing", "seals")


def test_a_statement_is_edited(folder, verify):
    key = folder.statements[0]
    edited = folder.place.data(key).replace(b'"events":3', b'"events":4')
    folder.place.replace(key, edited)
    assert_found(verify, folder, "statement_changed", "objects")


def test_a_statement_is_deleted(folder, verify):
    folder.place.remove(folder.statements[0])
    assert_found(verify, folder, "statement_missing", "objects")


@pytest.mark.parametrize("other", [1, 4], ids=["another date's", "another log group's"])
def test_a_statement_takes_the_place_of_another(folder, verify, other):
    of_first, *others = folder.statements
    folder.place.replace(of_first, folder.place.data(others[other - 1]))
    assert_found(verify, folder, "statement_changed", "objects")


def test_a_statement_lies_hidden_under_a_delete_marker(bucket, verify):
    bucket.place.hide(bucket.statements[0])
    assert_found(verify, bucket, "hidden", "objects")


@pytest.mark.parametrize("sort", ["a seal", "a statement"])
def test_json_that_somebody_has_formatted_anew_is_told_from_forgery(folder, verify, sort):
    key = folder.seal_key(2) if sort == "a seal" else folder.statements[0]
    folder.place.replace(key, json.dumps(json.loads(folder.place.data(key)), indent=2).encode())
    answer = verify(folder)
    assert answer.code == 1
    [line] = answer.about("reserialised")
    assert line["mend"].startswith("Copy the files byte by byte")


# Objects.


def test_an_object_is_changed_and_keeps_its_size(attacked, verify):
    key = attacked.objects[0]
    data = attacked.place.data(key)
    attacked.place.replace(key, data[:-5] + bytes(each ^ 1 for each in data[-5:]))
    assert_found(verify, attacked, "object_changed", "bytes")


def test_an_object_is_truncated(folder, verify):
    key = folder.objects[0]
    folder.place.replace(key, folder.place.data(key)[:29])
    assert_found(verify, folder, "object_truncated", "objects")


def test_an_object_is_deleted(attacked, verify):
    attacked.place.remove(attacked.objects[0])
    assert_found(verify, attacked, "object_missing", "objects")


@pytest.mark.parametrize("where", ["in a task's folder", "beside the tasks' folders"])
def test_an_object_is_added(folder, verify, where):
    key = folder.objects[0]
    beside = key.rsplit("/", 2 if where == "in a task's folder" else 3)[0]
    folder.place.put(f"{beside}/planted/000000.gz", gz([1]))
    assert_found(verify, folder, "object_added", "objects")


@pytest.mark.parametrize("leftovers", [None, []], ids=["open", "closed"])
@pytest.mark.parametrize("tasks", [0, 1], ids=["no task", "another one"])
def test_an_object_is_added_beside_those_of_a_task_that_is_not_named_any_more(
    folder, verify, tasks, leftovers
):
    archive = folder.archive
    window = archive.window()
    first = archive.archived("/app/c", window, leftovers=leftovers)
    archive.day([first], window)
    other = archive.export("/app/c", window, generation=2, tasks=tasks).task_ids
    export = first.exports[-1].model_copy(update={"task_ids": other})
    archive.later([first.model_copy(update={"exports": [export]})], window)
    assert verify(folder).code == 0
    folder.place.put(f"{first.exports[-1].folders[0]}planted/000000.gz", gz([1]))
    assert_found(verify, folder, "object_added", "objects")


@pytest.mark.parametrize("of", ["app/nobody", "!/app/a"])
def test_a_folder_of_a_log_group_that_no_seal_names_is_planted(attacked, verify, of):
    key = f"{SOURCE.profile}/{of}/2026/11/22/00/task/stream/000000.gz"
    attacked.place.put(key, gz([1]))
    assert_found(verify, attacked, "object_added", "objects")


@pytest.mark.parametrize("of", ["app/a", "app/nobody"])
def test_a_folder_of_a_time_that_is_not_sealed_is_planted_below_a_date(attacked, verify, of):
    """Whoever reads the date by its prefix reads it."""
    key = f"{SOURCE.profile}/{of}/2026/11/22/00/x/1999/01/01/00/task/stream/000000.gz"
    attacked.place.put(key, gz([1]))
    assert_found(verify, attacked, "object_added", "objects")


@pytest.mark.parametrize("name", ["aws-logs-write-test", "aws-logs-write-test-2"])
def test_a_log_is_planted_by_the_name_of_what_is_passed_over(attacked, verify, name):
    prefix = attacked.objects[0].rsplit("/", 3)[0]
    attacked.place.put(f"{prefix}/{name}/stream/000000.gz", gz([1]))
    assert_found(verify, attacked, "object_added", "objects")


@pytest.mark.parametrize("of", ["app/a", "app/nobody"])
def test_a_log_is_planted_as_what_tests_whether_a_prefix_can_be_written(attacked, verify, of):
    """CloudWatch Logs writes 27 bytes there."""
    key = f"{SOURCE.profile}/{of}/2026/11/22/00/aws-logs-write-test"
    attacked.place.put(key, b"Permission Check Successful")
    assert verify(attacked).code == 0
    attacked.place.put(key, bytes(1025))
    assert_found(verify, attacked, "object_added", "objects")


@pytest.mark.parametrize("name", ["000000.gz", "task/0.gz", "task/a/b/000000.gz"])
def test_what_is_planted_has_another_layout_than_exports(attacked, verify, name):
    prefix = f"{SOURCE.profile}/app/nobody/2026/11/22/00"
    attacked.place.put(f"{prefix}/aws-logs-write-test", b"Permission Check Successful")
    assert verify(attacked).code == 0
    attacked.place.put(f"{prefix}/{name}", gz([1]))
    assert_found(verify, attacked, "object_added", "objects")


def test_in_a_zone_that_is_not_known_nobody_can_say_what_is_planted(folder, verify):
    """A zone may be newer than what is known of them where an archive is checked."""
    covers = folder.archive.window()
    statements = [folder.archive.archived("/app/a", covers)]
    folder.archive.day(statements, covers, time_zone="Atlantis/Poseidonis")
    folder.place.put(f"{SOURCE.profile}/app/nobody/2026/11/25/00/task/stream/000000.gz", gz([1]))
    answer = verify(folder, "objects")
    assert (answer.code, answer.found) == (3, {"unchecked"})
    [unchecked] = answer.about("unchecked")
    assert "the time zone Atlantis/Poseidonis" in unchecked["thing"]
    assert verify(folder, "seals").code == 0


def test_something_is_planted_at_either_time_of_a_date_that_was_sealed_in_two(folder, verify):
    archive, hours = folder.archive, ("02", "08")
    for _ in hours:
        window = archive.window(DAY_MS // 4)
        archive.day([archive.archived("/app/a", window)], window, date="2026-11-25")
    for hour in hours:
        planted = f"{SOURCE.profile}/app/nobody/2026/11/25/{hour}/task/stream/000000.gz"
        folder.place.put(planted, gz([1]))
        [line] = verify(folder, "objects").about("object_added")
        assert planted.startswith(line["thing"])
        folder.place.remove(planted)


@pytest.mark.parametrize("where", ["{chain}/anything", "anything", "111122223333/x", "x/y/z"])
def test_something_is_planted_among_the_seals(attacked, verify, where):
    key = f"!seals/{where.format(chain=attacked.archive.chain)}"
    attacked.place.put(key, b"x")
    assert_found(verify, attacked, "squatted", "objects")
    [line] = verify(attacked, "objects").about("squatted")
    assert line["thing"] == key


def test_a_folder_is_planted_between_two_runs_of_a_check(folder, verify, tmp_path):
    resume = ("--resume", str(tmp_path / "progress.jsonl"))
    assert verify(folder, "objects", *resume).code == 0
    folder.place.put(f"{SOURCE.profile}/app/nobody/2026/11/22/00/task/stream/000000.gz", gz([1]))
    answer = verify(folder, "objects", *resume)
    assert (answer.chains[0]["resumed"], answer.found) == (4, {"object_added"})


def test_an_object_is_overlaid_by_a_shorter_one(bucket, verify):
    bucket.place.put(bucket.objects[0], b"x" * 29)
    assert_found(verify, bucket, "covered", "objects")


def test_an_object_is_overlaid_by_one_of_its_size(bucket, verify):
    key = bucket.objects[0]
    bucket.place.put(key, b"x" * len(bucket.place.data(key)))
    assert_found(verify, bucket, "covered", "objects")


def test_an_object_is_hidden_by_a_delete_marker(bucket, verify):
    bucket.place.hide(bucket.objects[0])
    assert_found(verify, bucket, "hidden", "objects")


def test_the_hold_of_an_object_is_lifted(bucket, verify):
    bucket.place.lift(bucket.objects[0])
    assert_found(verify, bucket, "hold_lifted", "objects")


def test_what_is_said_of_an_object_is_not_what_it_has(folder, verify):
    archive, window = folder.archive, folder.archive.window()
    told = archive.archived("/app/a", window)
    assert told.objects is not None
    more = told.objects[0].model_copy(update={"events": told.objects[0].events + 1})
    archive.day([told.model_copy(update={"objects": [more]})], window)
    assert_found(verify, folder, "measure", "events")


# What may be removed.


def archived_date(attacked):
    """Seal one more date, whose log group is archived, and return what is stated of it."""
    archive, window = attacked.archive, attacked.archive.window()
    statement = archive.archived("/app/personal", window)
    archive.day([statement], window)
    return statement


def remove(attacked, statement):
    for each in statement.objects:
        attacked.place.remove(each.key)


def test_archived_data_is_deleted_and_nobody_has_ordered_it(attacked, verify):
    remove(attacked, archived_date(attacked))
    assert_found(verify, attacked, "object_missing", "objects")


def test_the_ledger_says_failed_of_what_is_deleted(attacked, verify):
    statement = archived_date(attacked)
    failed = attacked.archive.statement(
        "/app/personal", statement.window, "failed", exports=statement.exports
    )
    attacked.archive.later([failed], statement.window)
    remove(attacked, statement)
    assert_found(verify, attacked, "object_missing", "objects")


def test_a_disposal_names_other_objects_than_are_deleted(attacked, verify):
    statement, archive = archived_date(attacked), attacked.archive
    other = archived_date(attacked)
    archive.later([archive.disposed(statement, objects=other.objects)], statement.window)
    remove(attacked, statement)
    answer = verify(attacked, "objects")
    assert (answer.code, answer.found) == (1, {"disposed", "disposal", "object_missing"})


def test_a_disposal_is_of_another_date_than_is_deleted(attacked, verify):
    statement, archive = archived_date(attacked), attacked.archive
    archive.later([archive.disposed(statement)], statement.window)
    remove(attacked, archived_date(attacked))
    answer = verify(attacked, "objects")
    assert (answer.code, answer.found) == (1, {"disposed", "object_missing"})


@pytest.mark.parametrize(
    ("how", "found", "level"),
    [
        ("another of its size", "object_changed", "bytes"),
        ("a shorter one", "object_added", "objects"),
        ("one beside it", "object_added", "objects"),
    ],
)
def test_a_waiver_hides_no_change_of_what_was_archived(attacked, verify, how, found, level):
    statement, archive = archived_date(attacked), attacked.archive
    failed = archive.export("/app/personal", statement.window, generation=2)
    waived = archive.statement(
        "/app/personal",
        statement.window,
        "waived",
        exports=[*statement.exports, failed],
        waiver=DISPOSAL,
    )
    archive.later([waived], statement.window)
    key = statement.objects[0].key
    data = attacked.place.data(key)
    if how == "one beside it":
        attacked.place.put(key.replace("stream-0", "planted"), b"planted")
    else:
        attacked.place.replace(key, data[:20] if how == "a shorter one" else bytes(len(data)))
    for each in LEVELS[1:]:
        answer = verify(attacked, each)
        is_found = LEVELS.index(each) >= LEVELS.index(level)
        expected = (1, {"disposed", found}) if is_found else (0, {"disposed"})
        assert (answer.code, answer.found) == expected, each


@pytest.mark.parametrize(
    "since", ["exported anew", "disposed of and exported anew", "contradicted"]
)
def test_nothing_takes_the_place_of_what_counts_no_more(attacked, verify, since):
    statement, archive = archived_date(attacked), attacked.archive
    window, exports = statement.window, statement.exports
    if since == "disposed of and exported anew":
        archive.later([archive.disposed(statement)], window)
    if since == "contradicted":
        words = {"contradicted": {"differences": [CONTRADICTED]}, "waived": {"waiver": DISPOSAL}}
        for word, more in words.items():
            said = archive.statement("/app/personal", window, word, exports=exports, **more)  # type: ignore[arg-type]
            archive.later([said], window)
    else:
        archive.later([archive.archived("/app/personal", window, generation=2)], window)
    assert verify(attacked).code == 0
    key = statement.objects[0].key
    attacked.place.replace(key, bytes(len(attacked.place.data(key))))
    assert (verify(attacked, "objects").code, verify(attacked, "bytes").code) == (0, 1)
    assert "object_changed" in verify(attacked, "bytes").found
    remove(attacked, statement)
    assert verify(attacked).code == 0


def test_a_failed_try_opens_no_folder_of_what_was_archived_before_it(attacked, verify):
    statement, archive = archived_date(attacked), attacked.archive
    tries = [*statement.exports, archive.export("/app/personal", statement.window, generation=2)]
    failed = archive.statement("/app/personal", statement.window, "failed", exports=tries)
    archive.later([failed], statement.window)
    key = statement.objects[0].key
    attacked.place.put(key.replace("stream-0", "planted"), b"planted")
    assert_found(verify, attacked, "object_added", "objects")


def test_a_disposal_is_of_what_was_never_sealed(attacked, verify):
    statement, archive = archived_date(attacked), attacked.archive
    window = archive.window()
    never = archive.disposed(statement).model_copy(update={"window": window})
    archive.day([never], window)
    answer = verify(attacked, "objects")
    assert (answer.code, answer.found) == (1, {"disposed", "disposal"})


def test_what_is_deleted_is_exported_anew_without_its_events(attacked, verify):
    archive, statement = attacked.archive, archived_date(attacked)
    again = archive.export("/app/personal", statement.window, generation=2)
    empty = archive.statement(
        "/app/personal",
        statement.window,
        "archived",
        exports=[*statement.exports, again],
        objects=[],
        leftovers=[],
    )
    archive.later([empty], statement.window)
    assert verify(attacked).code == 0
    remove(attacked, statement)
    assert_found(verify, attacked, "object_missing", "objects")


# What is not known here.


def test_an_outcome_of_a_later_version_is_valid_at_no_level(folder, verify):
    archive, window = folder.archive, folder.archive.window()
    archive.day([archive.statement("/app/c", window, "pseudonymised")], window)
    for level in LEVELS:
        answer = verify(folder, level)
        assert (answer.code, answer.found) == (3, {"unchecked"}), level
        [line] = answer.about("unchecked")
        assert "its outcome pseudonymised is none that is known here" in line["what"]


def test_dates_that_no_seal_has_are_not_called_valid(folder, verify):
    """The four that are sealed begin in Vienna, on 2026-11-21."""
    given = {
        ("--from", "2026-11-20"): "no date before 2026-11-21 is sealed",
        ("--to", "2026-12-31"): "no date after 2026-11-24 is sealed",
    }
    for options, told in given.items():
        answer = verify(folder, "seals", *options)
        assert (answer.code, answer.found) == (3, {"unchecked"}), options
        assert [each["what"] for each in answer.about("unchecked")] == [
            f"{options[1]} was asked for, and {told}"
        ]
    assert verify(folder, "seals", "--from", "2026-11-21", "--to", "2026-11-24").code == 0


# The ledger.


CONTRADICTED = Difference(
    what="object_missing", key="shop-prod/app/c/x.gz", recorded="1", found=None
)


def contradicted(attacked):
    """Seal one more date, of a log group where ledger and archive differ, and return its window."""
    archive, window = attacked.archive, attacked.archive.window()
    stated = archive.statement(
        "/app/c", window, "contradicted", exports=[], differences=[CONTRADICTED]
    )
    archive.day([stated], window)
    return window


@pytest.mark.parametrize("outcome", ["skipped", "failed", "excluded", "refused", "open"])
def test_a_contradiction_is_not_taken_back_by_a_ledger_that_says_something_else(
    folder, verify, outcome
):
    window = contradicted(folder)
    for each in (outcome, "open"):
        folder.archive.later([folder.archive.statement("/app/c", window, each)], window)
    assert_found(verify, folder, "contradicted", "seals")


def test_what_mends_a_contradiction_is_deleted(folder, verify):
    window = contradicted(folder)
    folder.archive.later([folder.archive.archived("/app/c", window)], window)
    assert verify(folder).code == 0
    [later] = [
        key
        for key in folder.statements
        if "/app/c/" in key and b'"outcome":"archived"' in folder.place.data(key)
    ]
    folder.place.remove(later)
    for level in LEVELS:
        answer = verify(folder, level)
        assert (answer.code, "statement_missing" in answer.found) == (1, True), level


def test_a_contradiction_is_told_whatever_is_drawn(folder, verify):
    contradicted(folder)
    for level in LEVELS:
        answer = verify(folder, level, "--sample", "0.0001%")
        assert (answer.code, "contradicted" in answer.found) == (1, True), level


@pytest.mark.parametrize("what", ["object_missing", "sha256", "object_unlisted"])
def test_a_ledger_that_says_completed_where_the_archive_differs_is_contradicted(
    folder, verify, what
):
    archive, window = folder.archive, folder.archive.window()
    contradicted = archive.statement(
        "/app/a",
        window,
        "contradicted",
        exports=[archive.export("/app/a", window)],
        differences=[Difference(what=what, key="shop-prod/app/a/x.gz", recorded="1", found=None)],
    )
    archive.day([contradicted, archive.archived("/app/b", window)], window)
    assert_found(verify, folder, "contradicted", "seals")
    [line] = verify(folder, "seals").about("contradicted")
    assert (line["thing"], line["what"][: len(what)]) == ("shop-prod/app/a/x.gz", what)


# What somebody has signed with a key of theirs may say anything: it is refused in words.


def foreign(attacked, of=None):
    """Seal one more date with a key that nobody trusts, and go on with it."""
    archive = attacked.archive
    archive.key = SealingKey()
    window = archive.window()
    statement = archive.archived("/app/z", window)
    if of is not None:
        statement = of(statement)
    archive.day([statement], window)
    return statement


def test_a_foreign_seal_has_a_key_that_no_file_can_have(folder, verify):
    def named(statement):
        [stated] = statement.objects
        key = f"{SOURCE.profile}/a\0b"
        export = statement.exports[0].model_copy(
            update={
                "destination": statement.exports[0].destination.model_copy(update={"prefix": key})
            }
        )
        stated = stated.model_copy(update={"key": f"{key}/\0/000000.gz"})
        return statement.model_copy(update={"objects": [stated], "exports": [export]})

    foreign(folder, named)
    answer = verify(folder)
    assert (answer.code, answer.found) == (1, {"foreign_key", "object_added", "unchecked"})


def test_a_foreign_seal_says_that_an_export_has_ended_at_the_end_of_time(bucket, verify):
    def ended(statement):
        export = statement.exports[0].model_copy(update={"ended_at": "9999-12-31T23:59:59Z"})
        return statement.model_copy(update={"exports": [export]})

    statement = foreign(bucket, ended)
    bucket.place.lift(statement.objects[0].key)
    answer = verify(bucket)
    assert (answer.code, answer.found) == (1, {"foreign_key", "hold_lifted"})


def test_a_foreign_seal_waits_for_the_end_of_time(folder, verify):
    archive = folder.archive
    archive.key, end = SealingKey(), 253_402_300_799_999
    window = Window(from_ms=end - 1, to_ms=end)
    sealed = archive.windows([archive.statement("/app/a", window, "open")], archive.window())
    told = {"covers": window, "time_zone": "Pacific/Kiritimati", "date": "9999-12-31"}
    archive.write(archive.next_seal("day", sealed=sealed.model_copy(update=told)))
    answer = verify(folder)
    assert (answer.code, answer.found) == (1, {"foreign_key", "gap"})


def test_a_foreign_seal_has_objects_disposed_of_that_no_export_has_written(folder, verify):
    archive, day = folder.archive, folder.archive.window()
    archive.key = SealingKey()
    halves = [archive.window(DAY_MS // 2, day.from_ms + n * DAY_MS // 2) for n in range(2)]
    first, second = [archive.archived("/app/z", each) for each in halves]
    archive.day(
        [first, archive.disposed(second, exports=[], objects=first.objects)],
        day,
    )
    answer = verify(folder)
    assert (answer.code, "foreign_key" in answer.found) == (1, True)


# A copy may have more in it than files.


@pytest.mark.parametrize("of", ["an object", "a statement", "a seal"])
def test_a_file_is_a_link_that_leads_round_in_a_circle(folder, verify, of):
    keys = {"an object": folder.objects[0], "a statement": folder.statements[0]}
    path = folder.place.root / keys.get(of, folder.seal_key(4))
    path.unlink()
    path.symlink_to(path)
    assert verify(folder).code != 0


@pytest.mark.parametrize("where", ["shop-prod/loop", "!seals/loop", "!seals/222233334444"])
def test_a_link_that_leads_round_in_a_circle_is_no_chain(folder, verify, where):
    path = folder.place.root / where
    path.symlink_to(path)
    answer = verify(folder)
    assert answer.code == (1 if where.startswith("!") else 0)
    assert len(answer.chains) == 1


# What cannot be found out is neither valid nor invalid.


@pytest.mark.parametrize("options", [(), ("--resume",)], ids=["once", "resumed"])
def test_a_sample_of_nothing_makes_nothing_valid(folder, verify, tmp_path, options):
    resume = [*options, *(str(tmp_path / "progress.jsonl") for _ in options)]
    for _ in range(2):
        answer = verify(folder, "bytes", "--sample", "0.0001%", *resume)
        assert (answer.code, answer.found) == (3, {"unchecked"})
        assert "none of its log groups" in answer.lines[0]["what"]


def test_what_was_in_order_in_one_folder_is_looked_at_in_another(
    folder, verify, tmp_path, monkeypatch
):
    """Both are given by the same relative name."""
    resume = ("--resume", str(tmp_path / "progress.jsonl"))
    monkeypatch.chdir(tmp_path)
    folder.where = folder.where.relative_to(tmp_path)
    assert verify(folder, "bytes", *resume).code == 0
    there = tmp_path / "elsewhere" / folder.where
    there.parent.mkdir()
    folder.place.moved(there)
    monkeypatch.chdir(there.parent)
    assert verify(folder, "bytes", *resume).code == 2


def test_without_a_key_of_ones_own_nothing_is_valid(folder, verify):
    folder.pinned = []
    answer = verify(folder)
    assert (answer.code, answer.found) == (3, {"unchecked"})
    assert "no key was given" in answer.lines[0]["what"]


def test_an_object_in_glacier_is_not_called_valid_where_its_bytes_are_asked_for(bucket, verify):
    s3, key = bucket.place.s3, bucket.objects[0]
    data = bucket.place.data(key)
    bucket.place.remove(key)
    s3.put_object(
        Bucket=bucket.place.name,
        Key=key,
        Body=data,
        StorageClass="DEEP_ARCHIVE",
        ObjectLockLegalHoldStatus="ON",
    )
    answer = verify(bucket, "bytes")
    assert (answer.code, answer.found) == (3, {"unchecked"})
    [line] = answer.about("unchecked")
    assert (line["thing"], "restore it" in line["what"]) == (key, True)


def test_what_is_wrong_counts_more_than_what_is_unknown(folder, verify):
    folder.pinned = []
    folder.place.remove(folder.objects[0])
    answer = verify(folder)
    assert (answer.code, answer.found) == (1, {"unchecked", "object_missing"})


def test_every_inconsistency_is_listed(folder, verify):
    keys = folder.objects
    for key in keys:
        folder.place.remove(key)
    answer = verify(folder)
    assert {each["thing"] for each in answer.about("object_missing")} == set(keys)
    assert answer.chains[0]["errors"] == {"object_missing": len(keys)}
