"""Attacks on the end of a chain, and on the witness: found by what a witness has signed."""

import shutil
from collections.abc import Callable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from contracts.tests.sealed_archive import Archive
from contracts.tests.witnessing import AT_S, Witness, head_of
from tests.attacks.conftest import Answer, Attacked
from tests.attacks.places import Folder

from logferry_contracts.chain import ChainName
from logferry_contracts.signed_note import SignedNote
from logferry_contracts.witness import Head

LATER_S = 1_800_000_000

type Ask = Callable[..., Answer]


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def asking(verify, witness: Witness, tmp_path: Path) -> Ask:
    """Check an archive against notes, by the key of the witness."""

    def asking(attacked: Attacked, *notes: bytes, trusted: Witness = witness) -> Answer:
        key = tmp_path / "witness.vkey"
        key.write_text(f"{trusted.key}\n")
        options = ["--witness-key", str(key)]
        for number, note in enumerate(notes):
            path = tmp_path / f"note-{number}"
            path.write_bytes(note)
            options += ["--witness", str(path)]
        return verify(attacked, "seals", *options)

    return asking


def assert_named(answer: Answer, *findings: str) -> None:
    assert (answer.code, answer.found) == (1, set(findings))
    for line in answer.about(findings[0]):
        assert line["thing"], line
        assert line["what"], line
        assert line["mend"], line


# The end of a chain.


@pytest.mark.parametrize("gone", [1, 3])
def test_the_newest_seals_are_deleted(attacked, asking, witness, gone):
    note = witness.note(head_of(attacked.archive))
    for sequence in range(5 - gone, 5):
        attacked.place.remove(attacked.seal_key(sequence))
    answer = asking(attacked, note)
    assert_named(answer, "cut_off")
    [line] = answer.about("cut_off")
    assert f"the last one is seal {4 - gone}, but witness.example.com" in line["what"]


def test_all_seals_are_deleted(attacked, asking, witness):
    note = witness.note(head_of(attacked.archive))
    for sequence in range(1, 5):
        attacked.place.remove(attacked.seal_key(sequence))
    assert_named(asking(attacked, note), "cut_off", "unchecked")


def test_nothing_is_left_of_a_chain_that_no_configuration_names(folder, asking, witness):
    gone = Head(ChainName(account_id="222233334444", region="eu-central-1"), 7, "0" * 64)
    notes = [witness.note(head_of(folder.archive)), witness.note(gone)]
    answer = asking(folder, *notes)
    assert_named(answer, "cut_off", "unchecked")
    verdicts = {each["chain"]: each["verdict"] for each in answer.chains}
    assert verdicts == {
        "111122223333/eu-central-1": "valid",
        "222233334444/eu-central-1": "invalid",
    }


def test_the_archive_is_rolled_back_to_last_months_copy(folder, asking, witness, tmp_path):
    shutil.copytree(folder.where, tmp_path / "last-month")
    folder.archive.days(30)
    note = witness.note(head_of(folder.archive))
    assert asking(folder, note).code == 0
    folder.place, folder.where = Folder(tmp_path / "last-month"), tmp_path / "last-month"
    assert_named(asking(folder, note), "cut_off")


def test_the_newest_seal_is_written_anew_by_who_has_the_key(attacked, asking, witness):
    archive = attacked.archive
    note = witness.note(head_of(archive), LATER_S)
    attacked.place.remove(attacked.seal_key(4))
    archive.sequence, archive.previous = 3, sha256(archive.seal(3)).hexdigest()
    window = archive.window(from_ms=archive.reached_ms - 24 * 3_600_000)
    archive.day([archive.archived("/app/a", window, generation=2)], window)
    assert_named(asking(attacked, note), "second_history")


def test_the_chain_begins_anew(folder, asking, witness, tmp_path):
    notes = [witness.note(head_of(folder.archive, each), AT_S - 60) for each in (1, 4)]
    folder.archive = anew = Archive(Folder(tmp_path / "anew"), folder.archive.key)
    folder.place, folder.where = anew.bucket, tmp_path / "anew"
    anew.days(2)
    for note in notes:
        assert_named(asking(folder, note), "begun_anew")


# The witness.


def test_the_witness_is_rolled_back(folder, asking, witness):
    answer = asking(folder, witness.note(head_of(folder.archive, 2)))
    assert (answer.code, answer.found) == (3, {"unchecked"})
    [line] = answer.about("unchecked")
    assert "witness.example.com/logferry has seen seal 2 at 2026-11-23T06:32:12" in line["what"]


def test_witness_and_archive_are_rolled_back_and_the_moment_is_told(folder, asking, witness):
    note = witness.note(head_of(folder.archive, 2))
    for sequence in (3, 4):
        folder.place.remove(folder.seal_key(sequence))
    answer = asking(folder, note)
    assert (answer.code, answer.found) == (0, set())
    [line] = answer.about("note")
    assert "has seen seal 2 at 2026-11-23T06:32:12" in line["what"]


def test_an_older_note_hides_nothing_that_a_newer_one_says(folder, asking, witness):
    older, newer = [witness.note(head_of(folder.archive, each)) for each in (2, 4)]
    for sequence in (3, 4):
        folder.place.remove(folder.seal_key(sequence))
    assert_named(asking(folder, newer, older), "cut_off")


def test_the_witnesss_key_is_replaced(folder, asking, witness):
    note = Witness(witness.name).note(head_of(folder.archive))
    assert_named(asking(folder, note), "foreign_witness", "unchecked")


def test_the_note_is_of_another_chain(folder, asking, witness):
    note = witness.note(head_of(folder.archive))
    other = note.replace(b"111122223333", b"222233334444")
    assert_named(asking(folder, other), "forged_note", "unchecked")
    theirs = Head(ChainName(account_id="222233334444", region="eu-central-1"), 4, "0" * 64)
    assert_named(asking(folder, witness.note(theirs)), "cut_off", "unchecked")


@pytest.mark.parametrize("what", ["sequence", "hash", "time"])
def test_the_text_of_the_note_is_changed(folder, asking, witness, what):
    note = SignedNote.parse(witness.note(head_of(folder.archive)))
    [line] = note.signatures
    other = head_of(folder.archive, 3)
    origin, size, root = note.text.splitlines()
    changed = {
        "sequence": SignedNote(f"{origin}\n3\n{root}\n", note.signatures),
        "hash": SignedNote(f"{origin}\n{size}\n{other.text().splitlines()[2]}\n", note.signatures),
        "time": SignedNote(note.text, (line._replace(value=bytes(8) + line.value[8:]),)),
    }
    assert_named(asking(folder, changed[what].stored()), "forged_note", "unchecked")


@pytest.mark.parametrize("data", [b"anything", None])
def test_a_seal_that_cannot_be_read_is_not_called_the_newest_that_is_there(
    folder, asking, witness, data
):
    """Such as of one that was overwritten, or moved to GLACIER."""
    note = witness.note(head_of(folder.archive))
    key = folder.seal_key(4)
    if data is None:
        (folder.place.root / key).unlink()
        (folder.place.root / key).symlink_to(key.rsplit("/")[-1])  # to itself: it opens nothing
    else:
        folder.place.replace(key, data)
    answer = asking(folder, note)
    assert answer.code == (3 if data is None else 1)
    assert answer.about("note") == []
    [end] = [line for line in answer.about("unchecked") if line["thing"].startswith("the end of")]
    assert "has seen seal 4 at" in end["what"]
    assert "which could not be read" in end["what"]


def test_the_witness_has_signed_two_heads(folder, asking, witness):
    head = head_of(folder.archive)
    notes = [witness.note(each) for each in (head, head._replace(sha256="0" * 64))]
    assert_named(asking(folder, *notes), "two_heads", "second_history")


def test_a_forged_note_beside_a_good_one_is_told(folder, asking, witness):
    good = witness.note(head_of(folder.archive))
    assert_named(asking(folder, good, good.replace(b"\n4\n", b"\n3\n")), "forged_note")


# What is lawful.


def test_what_a_witness_has_seen_as_the_newest_is_valid(attacked, asking, witness):
    answer = asking(attacked, witness.note(head_of(attacked.archive)))
    assert (answer.code, answer.found) == (0, set())
    [line] = answer.about("note")
    assert line["thing"] == f"the end of {attacked.archive.chain}"


def test_without_the_witnesss_key_its_note_makes_nothing_valid(folder, verify, witness, tmp_path):
    (tmp_path / "note").write_bytes(witness.note(head_of(folder.archive)))
    answer = verify(folder, "seals", "--witness", str(tmp_path / "note"))
    assert (answer.code, answer.found) == (3, {"unchecked"})


def test_notes_of_two_witnesses_agree(folder, verify, witness, tmp_path):
    second, options = Witness("other.example.com"), []
    for number, each in enumerate((witness, second)):
        (tmp_path / f"{number}.vkey").write_text(str(each.key))
        (tmp_path / f"{number}.note").write_bytes(each.note(head_of(folder.archive)))
        options += ["--witness", str(tmp_path / f"{number}.note")]
        options += ["--witness-key", str(tmp_path / f"{number}.vkey")]
    assert verify(folder, "seals", *options).code == 0


def test_without_a_witness_the_newest_seals_time_is_told(folder, verify):
    [chain] = verify(folder, "seals").chains
    assert chain["newest_at"] == "2026-11-23T06:31:12.004Z"


# Where notes are.


def test_a_folder_has_the_notes_of_all_chains(folder, verify, witness, tmp_path):
    path = tmp_path / "heads" / str(folder.archive.chain)
    path.parent.mkdir(parents=True)
    path.write_bytes(witness.note(head_of(folder.archive)))
    (tmp_path / "key").write_text(str(witness.key))
    options = ["--witness", str(tmp_path / "heads"), "--witness-key", str(tmp_path / "key")]
    assert verify(folder, "seals", *options).code == 0
    folder.place.remove(folder.seal_key(4))
    assert verify(folder, "seals", *options).found == {"cut_off"}


def test_a_note_is_read_from_a_url(folder, verify, witness, tmp_path):
    note = witness.note(head_of(folder.archive))

    class Serving(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/head" else 404)
            self.end_headers()
            self.wfile.write(note)

        def log_message(self, *_):
            pass

    (tmp_path / "key").write_text(str(witness.key))
    with ThreadingHTTPServer(("127.0.0.1", 0), Serving) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            options = ["--witness-key", str(tmp_path / "key"), "--witness"]
            assert verify(folder, "seals", *options, f"{url}/head").code == 0
            assert verify(folder, "seals", *options, f"{url}/other").code == 2
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("what", ["no file", "no URL", "no note", "no key"])
def test_what_is_no_note_or_key_is_bad_input(folder, verify, witness, tmp_path, what):
    note, key = tmp_path / "note", tmp_path / "key"
    if what == "no URL":
        note = "https://[/head"
    elif what != "no file":
        note.write_bytes(
            b"anything" if what == "no note" else witness.note(head_of(folder.archive))
        )
    key.write_text("anything" if what == "no key" else str(witness.key))
    options = ["--witness", str(note), "--witness-key", str(key)]
    answer = verify(folder, "seals", *options)
    assert (answer.code, answer.lines) == (2, [])
