"""Each attack on a proof, found by `check-proof` and called what it is; and what is lawful."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from contracts.tests.sealed_archive import AT, HOUR_MS, KEY_ARN, SOURCE, Archive, SealingKey, gz
from contracts.tests.witnessing import Witness, head_of
from tests.attacks.conftest import second_verdict
from tests.attacks.places import Folder

from logferry.command import main
from logferry_contracts.command import main as contracts
from logferry_contracts.day_seal import NextKey, read_envelope
from logferry_contracts.seal_leaf import name_sha256
from logferry_contracts.statement import Waiver
from logferry_contracts.window import Window

NAMES = ("/app/a", "/app/b", "/app/c", "/app/d", "/app/e", "/app/f", "/app/g")
GONE = "/app/gone"
DATE, LATER, HOURLY = "2026-11-21", "2026-11-22", "2026-11-23"
"""The first date has all log groups; on the second one a later seal has a word; the third has
hours."""

type Proof = dict[str, Any]
type Prove = Callable[..., Proof]
type Check = Callable[..., tuple[int, str | None]]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.chdir(tmp_path)
    archive = Archive(Folder(tmp_path / "copy"))
    archive.days(1, NAMES)
    covers = archive.window()
    failed = archive.statement("/app/a", covers, "failed")
    archive.day([failed, *(archive.archived(name, covers) for name in NAMES[1:])], covers)
    archive.later([archive.archived("/app/a", covers, generation=2)], covers)
    day = archive.window()
    hours = [archive.window(HOUR_MS, day.from_ms + n * HOUR_MS) for n in range(24)]
    archive.day([archive.archived(name, hour) for name in NAMES[:3] for hour in hours], day)
    Path("seals.pem").write_text(archive.key.pem)
    return archive


@pytest.fixture
def prove(archive: Archive, capsys: pytest.CaptureFixture[str]) -> Prove:
    def prove(name: str, date: str, *options: str, where: str = "copy") -> Proof:
        assert archive.sequence
        Path("proof.json").unlink(missing_ok=True)
        asked = ["--log-group", name, "--date", date, "-o", "proof.json"]
        with pytest.raises(SystemExit) as ended:
            main(["prove", where, *asked, *options])
        assert ended.value.code == 0, capsys.readouterr().err
        capsys.readouterr()
        found: Proof = json.loads(Path("proof.json").read_text())
        return found

    return prove


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    def check(proof: Proof, *options: str, key: str = "seals.pem") -> tuple[int, str | None]:
        """Return the exit code, and what is wrong."""
        Path("handed.json").write_text(json.dumps(proof))
        code = contracts(["check-proof", "handed.json", "--key", key, "--json", *options])
        answer = json.loads(capsys.readouterr().out)
        if "SECOND_VERIFIER" in os.environ and not options:
            second = second_verdict("proof", Path("handed.json"), "--key", key)
            assert second.returncode == code, f"{answer}\n{second.stdout}{second.stderr}"
        if "error" in answer:
            assert answer["thing"], answer
            assert answer["what"], answer
            assert answer["mend"], answer
        return code, answer.get("error")

    return check


def edited(envelope: str, **changes: Any) -> str:
    """Return a seal's envelope with other words of what it seals, under the signature as it was."""
    read = read_envelope(envelope.encode())
    payload = json.loads(read.payload)
    payload["sealed"] |= changes
    text = json.dumps(payload, separators=(",", ":"), sort_keys=True)
    return replace(read, payload=text.encode()).stored().decode()


def test_what_was_sealed_is_valid(prove, check):
    for name in (*NAMES, GONE):
        for date in (DATE, LATER, HOURLY):
            assert check(prove(name, date)) == (0, None)


def test_a_proof_is_made_out_of_a_bucket_as_of_a_folder(bucket, prove, check, capsys):
    Path("theirs.pem").write_text(bucket.archive.key.pem)
    for name in ("/app/a", GONE):
        proof = prove(name, LATER, "--profile", SOURCE.profile, where=str(bucket.where))
        assert check(proof, key="theirs.pem") == (0, None)


# Of something else.


def test_another_archives_proof_is_signed_by_another_key(prove, check, tmp_path):
    other = Archive(Folder(tmp_path / "other"))
    other.days(2)
    assert check(prove("/app/a", DATE, where="other")) == (1, "foreign_key")


def test_the_proof_of_another_account_is_passed_off_as_this_ones(prove, check, archive, tmp_path):
    source = SOURCE.model_copy(update={"account_id": "222233334444"})
    Archive(Folder(tmp_path / "other"), archive.key, source).days(2)
    proof = prove("/app/a", DATE, where="other")
    assert check(proof, "--chain", str(archive.chain)) == (1, "other_proof")
    assert check({**proof, "chain": archive.chain.model_dump()}) == (1, "wrong_chain")


def test_the_proof_of_another_date_is_passed_off_as_this_ones(prove, check):
    proof = prove("/app/a", DATE)
    assert check(proof, "--date", LATER) == (1, "other_proof")
    assert check({**proof, "date": LATER}) == (1, "other_date")
    assert check({**proof, "date": "2027-01-01"}) == (1, "other_date")


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_the_proof_of_another_log_group_is_passed_off_as_this_ones(prove, check, place):
    """Its leaves are not in the place of another name, wherever that is."""
    name, other = NAMES[place], NAMES[place - 1]
    proof = prove(name, DATE)
    assert check(proof, "--log-group", other) == (1, "other_proof")
    code, error = check({**proof, "log_group_name": other})
    assert (code, error in {"not_in_the_seal", "not_between", "leaf_left_out"}) == (1, True)


def test_that_a_log_group_was_not_there_is_said_of_one_that_was(prove, check):
    proof = prove(GONE, DATE)
    code, error = check({**proof, "log_group_name": "/app/a"})
    assert (code, error in {"not_between", "leaf_left_out"}) == (1, True)


# Neighbours.


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", [GONE, "/app/b", "/app/c"])
def test_a_neighbour_is_left_out(prove, check, name, side):
    proof = prove(name, DATE)
    [shown] = proof["shown"]
    if side in shown:
        del shown[side]
    else:
        shown[side] = next(shown[each] for each in ("before", "after") if each in shown)
    assert check(proof) == (1, "not_beside")


def test_neighbours_that_are_not_beside_each_other_leave_a_gap_for_a_name(prove, check):
    """Two leaves of the tree, rightly shown each, with the log group's own leaf between them."""
    [there] = prove("/app/b", DATE)["shown"]
    assert {"before", "after"} <= there.keys()
    proof = prove("/app/b", DATE)
    proof["shown"] = [{**there, "leaves": []}]
    assert check(proof) == (1, "not_beside")


def test_a_leaf_is_left_out_and_is_its_own_neighbour(prove, check):
    proof = prove("/app/b", HOURLY)
    [shown] = proof["shown"]
    cut = deepcopy(proof)
    [last] = cut["shown"][0]["leaves"][-1:]
    cut["shown"][0]["leaves"] = shown["leaves"][:-1]
    name_sha256, digest = _hashes(cut, "/app/b", last["statement"])
    own = {"name_sha256": name_sha256, "statement_sha256": digest, "path": last["path"]}
    cut["shown"][0]["after"] = own
    assert check(cut) == (1, "leaf_left_out")


def _hashes(proof: Proof, name: str, statement: str) -> tuple[str, str]:
    salt = json.loads(read_envelope(proof["seals"][0].encode()).payload)["sealed"]["name_salt"]
    return name_sha256(salt, name).hex(), sha256(statement.encode()).hexdigest()


def test_the_neighbours_change_places(prove, check):
    proof = prove("/app/b", DATE)
    [shown] = proof["shown"]
    shown["before"], shown["after"] = shown["after"], shown["before"]
    assert check(proof) == (1, "not_beside")


def test_another_salt_would_make_a_gap_for_any_name(prove, check):
    proof = prove("/app/b", DATE)
    proof["seals"] = [edited(proof["seals"][0], name_salt="ff" * 16), *proof["seals"][1:]]
    assert check(proof) == (1, "forged_seal")


# Leaves and statements.


def test_the_paths_of_two_leaves_are_swapped(prove, check):
    proof = prove("/app/b", HOURLY)
    one, other, *_ = proof["shown"][0]["leaves"]
    one["path"], other["path"] = other["path"], one["path"]
    assert check(proof) == (1, "not_in_the_seal")


def test_two_leaves_are_swapped(prove, check):
    proof = prove("/app/b", HOURLY)
    leaves = proof["shown"][0]["leaves"]
    leaves[0], leaves[1] = leaves[1], leaves[0]
    assert check(proof) == (1, "not_in_the_seal")


def test_a_leaf_is_shown_in_the_place_of_another(prove, check):
    proof = prove("/app/b", DATE)
    proof["shown"][0]["index"] += 1
    code, error = check(proof)
    assert (code, error in {"not_beside", "not_in_the_seal"}) == (1, True)


@pytest.mark.parametrize("cut", ["first", "last", "all"])
def test_a_path_is_truncated(prove, check, cut):
    proof = prove("/app/b", DATE)
    [leaf] = proof["shown"][0]["leaves"]
    leaf["path"] = {"first": leaf["path"][1:], "last": leaf["path"][:-1], "all": []}[cut]
    assert check(proof) == (1, "not_in_the_seal")


def test_a_statement_is_edited(prove, check):
    proof = prove("/app/b", DATE)
    [leaf] = proof["shown"][0]["leaves"]
    leaf["statement"] = leaf["statement"].replace('"events":3', '"events":4')
    assert check(proof) == (1, "not_in_the_seal")


def test_a_statement_that_somebody_has_formatted_anew_is_told_from_forgery(prove, check):
    proof = prove("/app/b", DATE)
    [leaf] = proof["shown"][0]["leaves"]
    leaf["statement"] = json.dumps(json.loads(leaf["statement"]), indent=1)
    assert check(proof) == (1, "reserialised")


def test_the_statement_of_another_date_is_shown(prove, check):
    proof, other = prove("/app/b", DATE), prove("/app/b", LATER)
    proof["shown"][0]["leaves"] = other["shown"][0]["leaves"]
    assert check(proof) == (1, "not_in_the_seal")


# Seals, and what a later one replaces.


def test_a_seal_is_edited(prove, check):
    proof = prove("/app/b", DATE)
    proof["seals"] = [edited(proof["seals"][0], is_late=True), *proof["seals"][1:]]
    assert check(proof) == (1, "forged_seal")


def test_the_later_seal_is_not_shown(prove, check):
    proof = prove("/app/a", LATER)
    del proof["shown"][1]
    assert check(proof) == (1, "seal_left_out")


def test_that_the_later_seal_has_nothing_of_the_log_group_is_said_although_it_has(prove, check):
    proof = prove("/app/a", LATER)
    proof["shown"][1]["leaves"] = []
    assert check(proof) == (1, "not_beside")


def test_the_later_seal_is_taken_out_from_between(prove, check):
    proof = prove("/app/a", LATER)
    del proof["shown"][1]
    del proof["seals"][1]
    assert check(proof) == (1, "wrong_place")


def test_the_later_seal_is_cut_off_from_the_end(prove, check):
    proof = prove("/app/a", LATER)
    del proof["shown"][1]
    del proof["seals"][1:]
    assert check(proof) == (1, "proof_head")


def test_a_proof_from_before_the_later_seal_says_up_to_when_it_knows(prove, check, archive, capsys):
    """Nothing in it is wrong: it shows an older seal's word, and that it knows no newer one."""
    proof = prove("/app/a", LATER)
    first = read_envelope(proof["seals"][0].encode())
    del proof["shown"][1]
    del proof["seals"][1:]
    head = head_of(archive, 2)
    older = {**proof, "head": {"sequence": head.sequence, "sha256": head.sha256}}
    assert check(older) == (0, None)
    assert json.loads(first.payload)["sequence"] == 2
    contracts(["check-proof", "handed.json", "--key", "seals.pem"])
    told = capsys.readouterr().out
    assert f"known      up to seal 2 of 2026-11-23T06:31:12.004Z, {head.sha256}" in told


def test_a_proof_from_before_the_later_seal_is_found_by_the_witness(prove, check, archive):
    witness = Witness()
    Path("witness.vkey").write_text(str(witness.key))
    Path("note").write_bytes(witness.note(head_of(archive)))
    proof = prove("/app/a", LATER, "--witness", "note")
    assert check(proof, "--witness-key", "witness.vkey") == (0, None)
    del proof["shown"][1]
    del proof["seals"][1:]
    head = head_of(archive, 2)
    proof["head"] = {"sequence": head.sequence, "sha256": head.sha256}
    assert check(proof, "--witness-key", "witness.vkey") == (1, "other_head")
    del proof["witness_notes"]
    assert check(proof, "--witness-key", "witness.vkey") == (3, None)


def test_a_note_that_another_witness_has_signed_is_no_witness(prove, check, archive):
    witness, other = Witness(), Witness()
    Path("witness.vkey").write_text(str(witness.key))
    Path("note").write_bytes(other.note(head_of(archive)))
    proof = prove("/app/a", LATER, "--witness", "note")
    assert check(proof, "--witness-key", "witness.vkey") == (1, "foreign_witness")


# Keys.


def test_a_proof_is_checked_by_another_key(prove, check):
    Path("other.pem").write_text(SealingKey().pem)
    assert check(prove("/app/a", DATE), key="other.pem") == (1, "foreign_key")


def test_somebody_without_the_key_names_the_next_one_before_it(prove, check, tmp_path):
    """A history of their own, which begins with a rotation that nobody trusted has signed."""
    other = SealingKey()
    theirs = Archive(Folder(tmp_path / "theirs"), other)
    theirs.rotate(SealingKey())
    theirs.days(2, NAMES)
    assert check(prove("/app/a", DATE, where="theirs")) == (1, "foreign_key")


def test_a_key_that_was_rotated_is_trusted_through_the_one_before(prove, check, archive):
    archive.rotate(SealingKey())
    archive.days(1, NAMES)
    Path("new.pem").write_text(archive.key.pem)
    proof = prove("/app/a", "2026-11-24")
    assert check(proof) == (0, None)
    assert check(proof, key="new.pem") == (0, None)
    assert check({**proof, "rotations": []}) == (1, "foreign_key")


def test_a_rotation_that_names_another_key_than_its_signer_says_nothing(prove, check, archive):
    proof = prove("/app/a", DATE)
    other, following = SealingKey(), SealingKey()
    named = NextKey(id=following.trusted.id, arn=KEY_ARN, pem=following.pem)
    odd = archive.next_seal("key", next_key=named, key_id=other.trusted.id, sequence=1)
    rotation = archive.signed(odd).decode()
    assert check({**proof, "rotations": [rotation]}) == (0, None)
    archive.rotate(following)
    archive.days(1, NAMES)
    later = prove("/app/a", "2026-11-24")
    assert check({**later, "rotations": [rotation]}) == (1, "foreign_key")
    assert check({**later, "rotations": [rotation, *later["rotations"]]}) == (0, None)


def test_a_key_that_was_replaced_goes_on_sealing(prove, check, archive):
    old = archive.key
    archive.rotate(SealingKey())
    archive.key = old
    archive.days(1, NAMES)
    assert check(prove("/app/a", DATE)) == (1, "retired_key")


# Objects, and files that are no proofs.


def test_an_object_that_was_changed_is_none_of_the_proof(prove, check, archive):
    key = archive.bucket.listed(f"{SOURCE.profile}/app/b/")[0]
    proof = prove("/app/b", DATE)
    path = Path("copy") / key
    assert check(proof, "--object", str(path)) == (0, None)
    path.write_bytes(path.read_bytes()[:-1])
    assert check(proof, "--object", str(path)) == (1, "other_object")


def test_an_object_that_counts_beside_another_export_is_one_of_the_proof(prove, check, archive):
    """An export anew that has found less replaces nothing: the objects of both have to be there."""
    covers = archive.window()
    more = archive.archived("/app/a", covers, streams=2)
    archive.day([more], covers)
    archive.later([archive.archived("/app/a", covers, generation=2)], covers)
    proof = prove("/app/a", "2026-11-24")
    for each in more.objects:
        assert check(proof, "--object", f"copy/{each.key}") == (0, None)
    assert check(proof) == (0, None)


def test_an_object_that_was_replaced_is_called_that(prove, check, archive, capsys):
    covers = archive.window()
    export = archive.export("/app/a", covers)
    before = archive.put(export, covers, "stream", gz([covers.from_ms], "before"))
    words = {"exports": [export], "objects": [before], "leftovers": []}
    archive.day([archive.statement("/app/a", covers, "archived", **words)], covers)
    archive.later([archive.archived("/app/a", covers, generation=2)], covers)
    path = f"copy/{before.key}"
    assert check(prove("/app/a", "2026-11-24"), "--object", path) == (1, "other_object")
    contracts(["check-proof", "handed.json", "--key", "seals.pem", "--object", path])
    told = f"{path}: it is {before.key}, as seal 5 has it, and counts no more. Ask for an object of"
    assert told in capsys.readouterr().out


def test_a_later_seal_that_reaches_into_the_date_says_nothing_of_the_one_before(
    prove, check, archive
):
    first = archive.window()
    erased = archive.archived("/app/a", first)
    archive.day([erased], first)
    second = archive.window()
    archive.day([archive.archived("/app/a", second)], second)
    between = archive.window(2 * HOUR_MS, second.from_ms - HOUR_MS)
    both = Window(from_ms=first.from_ms, to_ms=between.to_ms)
    archive.later([archive.disposed(erased), archive.archived("/app/a", between)], both)
    assert check(prove("/app/a", "2026-11-25")) == (0, None)


def test_what_only_a_later_version_knows_is_not_whole(prove, check, archive):
    covers = archive.window()
    archive.day([archive.statement("/app/a", covers, "outsourced")], covers)
    assert check(prove("/app/a", "2026-11-24")) == (3, None)


def test_what_contradicts_the_records_is_told(prove, check, archive, capsys):
    covers = archive.window()
    differences = [
        {"what": "size_bytes", "key": "some/key", "recorded": "85", "found": "29"},
        {"what": "ledger_record", "recorded": "here"},
    ]
    archive.day(
        [archive.statement("/app/a", covers, "contradicted", differences=differences)], covers
    )
    assert check(prove("/app/a", "2026-11-24")) == (0, None)
    contracts(["check-proof", "handed.json", "--key", "seals.pem"])
    told = (
        "size_bytes some/key: 85 is recorded, 29 is there, "
        "ledger_record: here is recorded, nothing is there"
    )
    assert told in capsys.readouterr().out


def test_what_was_sealed_late_is_told(prove, check, archive, capsys):
    covers = archive.window()
    archive.day([archive.archived("/app/a", covers)], covers, is_late=True)
    prove("/app/a", "2026-11-24")
    contracts(["check-proof", "proof.json", "--key", "seals.pem"])
    told = "to 2026-11-24T23:00:00.000Z, sealed late: by hand, by what was known then"
    assert told in capsys.readouterr().out


def test_a_proof_that_is_cut_off_is_none(prove, capsys):
    prove("/app/a", DATE)
    text = Path("proof.json").read_text()
    Path("cut.json").write_text(text[: len(text) // 2])
    assert contracts(["check-proof", "cut.json", "--key", "seals.pem"]) == 2
    assert "cut.json: not a valid Proof" in capsys.readouterr().err


# What cannot be proven is not written.


@pytest.mark.parametrize("what", ["statement", "list", "seal"])
def test_no_proof_is_made_of_what_is_damaged(archive, capsys, what):
    below = f"!seals/{archive.chain}/"
    [key, *_] = {
        "statement": archive.bucket.listed(f"{below}statements/app/a"),
        "list": archive.bucket.listed(f"{below}leaves/"),
        "seal": [f"{below}seals/0000000002.json"],
    }[what]
    archive.bucket.remove(key)
    wrong = set()
    for date in (DATE, LATER, HOURLY):
        with pytest.raises(SystemExit) as ended:
            main(["prove", "copy", "--log-group", "/app/a", "--date", date, "-o", f"{date}.json"])
        if ended.value.code:
            wrong.add((ended.value.code, Path(f"{date}.json").exists()))
    assert wrong & {(1, False)}, capsys.readouterr().err


@pytest.mark.parametrize("damaged", ["removed", "overwritten", "another one's"])
def test_a_damaged_seal_is_not_taken_for_a_date_without_one(archive, capsys, damaged):
    """Nor the one before for the newest: what the damaged one says may have the last word."""
    archive.days(1)
    key, beside = (f"!seals/{archive.chain}/seals/{n:010d}.json" for n in (3, 5))
    for place in (key, beside):
        if damaged == "removed":
            archive.bucket.remove(place)
        else:
            data = b"anything" if damaged == "overwritten" else archive.seal(1)
            archive.bucket.replace(place, data)
    asked = ["prove", "copy", "--log-group", "/app/a", "-o", "proof.json"]
    for date in ("2026-11-24", "2026-11-23" if damaged != "removed" else "2026-11-24"):
        with pytest.raises(SystemExit) as ended:
            main([*asked, "--date", date])
        told = capsys.readouterr().err
        assert (ended.value.code, "no proof can be made" in told) == (1, True), told
    assert not Path("proof.json").exists()


def test_a_seal_that_is_gone_from_between_is_named(archive, capsys):
    archive.bucket.remove(f"!seals/{archive.chain}/seals/{3:010d}.json")
    with pytest.raises(SystemExit) as ended:
        main(["prove", "copy", "--log-group", "/app/a", "--date", LATER, "-o", "proof.json"])
    told = f"no proof can be made: {archive.chain}: seal 3 is missing before seal 4"
    assert (ended.value.code, told in capsys.readouterr().err) == (1, True)


def test_a_seal_that_is_gone_from_before_the_date_is_not_needed(prove, check, archive):
    archive.bucket.remove(f"!seals/{archive.chain}/seals/{1:010d}.json")
    assert check(prove("/app/a", LATER)) == (0, None)


def test_what_lies_over_the_newest_seal_keeps_no_proof_from_being_made(bucket, prove, check):
    """The version that was sealed is still there, and `verify` tells of the other one."""
    Path("theirs.pem").write_text(bucket.archive.key.pem)
    bucket.place.put(bucket.seal_key(4), b"anything")
    proof = prove("/app/a", LATER, "--profile", SOURCE.profile, where=str(bucket.where))
    assert proof["head"]["sequence"] == 4
    assert check(proof, key="theirs.pem") == (0, None)


def test_a_seal_of_which_a_delete_marker_alone_is_left_is_not_passed_over(bucket, capsys, tmp_path):
    key, place = bucket.seal_key(4), bucket.place
    place.lift(key)
    [of_it] = place.s3.list_object_versions(Bucket=place.name, Prefix=key)["Versions"]
    place.hide(key)
    place.s3.delete_object(Bucket=place.name, Key=key, VersionId=of_it["VersionId"])
    asked = ["--log-group", "/app/a", "--date", DATE, "-o", str(tmp_path / "proof.json")]
    with pytest.raises(SystemExit) as ended:
        main(["prove", str(bucket.where), *asked])
    told = f"no proof can be made: {key}: delete markers lie over it"
    assert (ended.value.code, told in capsys.readouterr().err) == (1, True)
    assert not (tmp_path / "proof.json").exists()


def test_of_two_accounts_of_one_source_one_is_named(prove, check, archive, capsys):
    source = SOURCE.model_copy(update={"account_id": "222233334444"})
    other = Archive(Folder(Path("copy")), archive.key, source)
    other.days(1, NAMES)
    asked = ["prove", "copy", "--log-group", "/app/a", "--date", DATE, "-o", "proof.json"]
    for options, told in (
        ([], f"{archive.chain}, {other.chain} have seals of {DATE}: say which with --chain"),
        (["--chain", "222233334444"], "222233334444: there is none of it: there is "),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*asked, "--profile", SOURCE.profile, *options])
        assert (ended.value.code, told in capsys.readouterr().err) == (2, True)
    for chain in (archive.chain, other.chain):
        proof = prove("/app/a", DATE, "--chain", str(chain))
        assert check(proof, "--chain", str(chain)) == (0, None)


def test_a_proof_is_never_written_over(archive, capsys):
    Path("proof.json").write_text("of the year before")
    with pytest.raises(SystemExit) as ended:
        main(["prove", "copy", "--log-group", "/app/a", "--date", DATE, "-o", "proof.json"])
    told = "proof.json is there already: name another file"
    assert (ended.value.code, told in capsys.readouterr().err) == (2, True)
    assert Path("proof.json").read_text() == "of the year before"


def test_where_a_proof_cannot_be_written_is_found_before_anything_is_read(archive, capsys):
    for place in archive.bucket.listed(f"!seals/{archive.chain}/seals/"):
        archive.bucket.replace(place, b"anything")
    with pytest.raises(SystemExit) as ended:
        main(["prove", "copy", "--log-group", "/app/a", "--date", DATE, "-o", "no/proof.json"])
    told = "no/proof.json: there is no folder no"
    assert (ended.value.code, told in capsys.readouterr().err) == (2, True)


def test_a_note_that_was_not_checked_is_told(prove, check, archive, capsys):
    Path("note").write_bytes(Witness().note(head_of(archive)))
    assert check(prove("/app/a", DATE, "--witness", "note")) == (0, None)
    contracts(["check-proof", "handed.json", "--key", "seals.pem"])
    told = "  witness    not checked: 1 note of it, which a witness's key checks\n"
    assert told in capsys.readouterr().out


def test_what_a_terminal_would_obey_is_escaped(archive, capsys):
    by = "anna\x1b[2J\n  witness    somebody has seen it"
    waiver = Waiver(by=by, why="\u202ereversed", at=AT)
    covers = archive.window()
    words = {"waiver": waiver, "reason": "log_group_gone"}
    archive.day([archive.statement("/app/a", covers, "waived", **words)], covers)
    with pytest.raises(SystemExit) as ended:
        main(["prove", "copy", "--log-group", "/app/a", "--date", "2026-11-24", "-o", "proof.json"])
    told = capsys.readouterr().out
    assert (ended.value.code, "by anna\\x1b[2J\\n  witness" in told) == (0, True)
    assert not [line for line in told.splitlines() if line.startswith("  witness")]
    assert "\\u202ereversed" in told


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_does_not_have_is_escaped(archive, encoding):
    """Whoever answers for a window writes in their own language, and an exit code says more."""
    waiver = Waiver(by="アンナ", why="\U0001f5d1 und über", at=AT)
    covers = archive.window()
    before = archive.archived("/app/a", covers)
    archive.day([before], covers)
    archive.later([archive.statement("/app/a", covers, "waived", waiver=waiver)], covers)
    elsewhere = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **elsewhere, "PYTHONIOENCODING": encoding}

    def run(module: str, *words: str) -> str:
        command = [sys.executable, "-m", module, *words]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode(encoding)

    asked = ("--log-group", "/app/a", "--date", "2026-11-24", "-o", "proof.json")
    escaped = r"\u30a2\u30f3\u30ca"
    assert escaped in run("logferry", "prove", "copy", *asked)
    assert escaped in run("logferry", "verify", "copy", "--key", "seals.pem")
    checking = ("check-proof", "proof.json", "--key", "seals.pem")
    assert escaped in run("logferry_contracts", *checking)
    for told in (
        run("logferry", "prove", "copy", *asked[:-1], "again.json", "--json"),
        run("logferry_contracts", *checking, "--json"),
    ):
        [window] = json.loads(told)["windows"]
        assert window["waiver"]["why"] == waiver.why


def test_more_notes_than_a_proof_has_are_refused(archive, capsys):
    Path("notes").mkdir()
    for number in range(17):
        (Path("notes") / str(number)).write_bytes(Witness().note(head_of(archive)))
    asked = ["--log-group", "/app/a", "--date", DATE, "-o", "proof.json", "--witness", "notes"]
    with pytest.raises(SystemExit) as ended:
        main(["prove", "copy", *asked])
    told = "17 notes are of the newest one"
    assert (ended.value.code, told in capsys.readouterr().err) == (2, True)


def test_a_note_that_is_given_twice_is_one(prove, check, archive):
    Path("notes").mkdir()
    note = Witness().note(head_of(archive))
    for number in range(17):
        (Path("notes") / str(number)).write_bytes(note)
    assert len(prove("/app/a", DATE, "--witness", "notes")["witness_notes"]) == 1


def test_a_date_may_be_typed_in_any_way_of_the_standard(prove, check):
    assert check(prove("/app/a", "20261121"), "--date", DATE) == (0, None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--date", "2027-01-01"], "2027-01-01: no seal of 111122223333/eu-central-1 is of this"),
        (["--date", "yesterday"], "yesterday: no date such as 2026-11-21"),
        (["--date", DATE, "--profile", "other"], "there is not a chain of the profile other"),
        (["--date", DATE, "--witness", "seals.pem"], "seals.pem: no note of a chain"),
        (["--date", DATE, "--witness", "older"], "no note is of the newest one"),
        (["--date", DATE, "-o", "no/folder/proof.json"], "json: there is no folder no/folder"),
        (["--date", DATE, "-o", f"{'x' * 300}.json"], "json: File name too long"),
        (["--date", DATE, "--log-group", "/app/*"], "'/app/*': no log group is called so"),
    ],
)
def test_what_was_asked_wrongly_is_named(archive, capsys, options, told):
    Path("older").write_bytes(Witness().note(head_of(archive, 1)))
    output = [] if "-o" in options else ["-o", "proof.json"]
    named = [] if "--log-group" in options else ["--log-group", "/app/a"]
    with pytest.raises(SystemExit) as ended:
        main(["prove", "copy", *named, *options, *output])
    assert (ended.value.code, told in capsys.readouterr().err) == (2, True)


def test_of_several_accounts_one_has_to_be_named(archive, prove, check):
    source = SOURCE.model_copy(update={"account_id": "222233334444", "profile": "shop-dev"})
    Archive(archive.bucket, archive.key, source).days(1)
    with pytest.raises(SystemExit) as ended:
        main(["prove", "copy", "--log-group", "/app/a", "--date", DATE, "-o", "proof.json"])
    assert ended.value.code == 2
    proof = prove("/app/a", DATE, "--profile", "shop-dev")
    assert proof["chain"]["account_id"] == "222233334444"
    assert check(proof) == (0, None)
