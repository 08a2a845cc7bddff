"""What still stands after the signing key was in other hands, as docs/for-auditors.md says."""

from hashlib import sha256
from pathlib import Path

from contracts.tests.witnessing import Witness, head_of
from tests.attacks.conftest import Attacked

from logferry_contracts.chain import ChainName


def sealed_anew(attacked: Attacked, kept: int) -> None:
    """Seal the dates after so many anew, as whoever has the key can, with another outcome."""
    archive = attacked.archive
    number = archive.sequence - kept
    for sequence in range(kept + 1, archive.sequence + 1):
        attacked.place.remove(attacked.seal_key(sequence))
    archive.sequence, archive.previous = kept, sha256(archive.seal(kept)).hexdigest()
    archive.reached_ms -= number * 24 * 3_600_000
    for _ in range(number):
        window = archive.window()
        archive.day([archive.statement("/app/a", window, "skipped", reason="empty")], window)


def noted(witness: Witness, folder: Path, note: bytes) -> list[str]:
    """Return the options by which a witness is asked."""
    (folder / "witness.vkey").write_text(str(witness.key))
    (folder / "note").write_bytes(note)
    return ["--witness", str(folder / "note"), "--witness-key", str(folder / "witness.vkey")]


def test_objects_that_are_left_give_away_who_has_sealed_otherwise(folder, verify):
    sealed_anew(folder, kept=2)
    assert verify(folder, "seals").code == 0
    answer = verify(folder, "objects")
    assert (answer.code, answer.found) == (1, {"object_added"})


def test_without_a_witness_nobody_can_tell_who_was_thorough(folder, verify):
    sealed_anew(folder, kept=2)
    for key in folder.objects:
        if "/".join(key.split("/")[3:6]) >= "2026/11/23":
            folder.place.remove(key)
    answer = verify(folder, "events")
    assert (answer.code, answer.found) == (0, set())


def test_what_a_witness_had_seen_before_stands_and_nothing_is_said_of_the_rest(
    folder, verify, tmp_path
):
    witness = Witness()
    note = witness.note(head_of(folder.archive, 2))
    sealed_anew(folder, kept=2)
    answer = verify(folder, "seals", *noted(witness, tmp_path, note))
    assert (answer.code, answer.found) == (3, {"unchecked"})
    [line] = answer.about("unchecked")
    assert f"{witness.name} has seen seal 2 at" in line["what"]


def test_what_a_witness_had_seen_and_is_another_now_is_named(folder, verify, tmp_path):
    witness = Witness()
    note = witness.note(head_of(folder.archive, 3))
    sealed_anew(folder, kept=2)
    answer = verify(folder, "seals", *noted(witness, tmp_path, note))
    assert (answer.code, answer.found) == (1, {"second_history"})


def test_an_earlier_report_has_the_hash_of_the_seal_that_was_there(folder, verify, tmp_path):
    def newest(number: int) -> str:
        """Return the row of the newest seal in one of the reports."""
        page = (tmp_path / f"report-{number}.html").read_text("utf-8")
        return page.partition("SHA-256 of its file")[2].partition("</table>")[0]

    verify(folder, "seals")
    was = sha256(folder.archive.seal(4)).hexdigest()
    sealed_anew(folder, kept=2)
    verify(folder, "seals")
    assert str(ChainName.of(folder.archive.source)) in newest(0)
    assert (was in newest(0), was in newest(1)) == (True, False)
