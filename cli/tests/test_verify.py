"""The command `logferry verify` beside what the attacks show (tests/attacks)."""

import json
import re
import shutil
import sqlite3
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import boto3
import pytest
from cli.tests.conftest import Run
from cli.tests.copies import Copy, end_at
from contracts.tests.sealed_archive import DAY_MS, SOURCE, START_MS, Archive, SealingKey, gz
from contracts.tests.witnessing import Witness, head_of

from logferry import deployed_archives
from logferry import verify as verifying
from logferry.aws_errors import AWS_ERRORS
from logferry.commands import verification
from logferry.folder_store import FolderStore
from logferry.pace import Pace
from logferry.workers import Threads
from logferry_contracts.verification.findings import SealError
from logferry_contracts.window import Window

CHAIN = f"{SOURCE.account_id}/{SOURCE.region}"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Four dates of two log groups, sealed: 2026-11-21 to 24."""
    archive = Archive(Copy(tmp_path / "copy"))
    archive.days(4)
    return archive


@pytest.fixture
def key(tmp_path: Path, archive: Archive) -> Path:
    path = tmp_path / "seals.pem"
    path.write_text(archive.key.pem)
    return path


@pytest.fixture
def run(logferry: Run, tmp_path: Path, archive: Archive, key: Path) -> Run:
    def verify(*options: str, where: Path = tmp_path / "copy") -> tuple[int, str, str]:
        return logferry("verify", str(where), "--key", str(key), *options)

    return verify


def chain_of(out: str) -> dict[str, Any]:
    [chain] = [line for line in map(json.loads, out.splitlines()) if "verdict" in line]
    return chain


def remove_an_object(tmp_path: Path) -> Path:
    """Remove one of the date 2026-11-22."""
    path = min((tmp_path / "copy" / SOURCE.profile).rglob("2026/11/22/*/*/*/*.gz"))
    path.unlink()
    return path


def test_a_folder_needs_no_aws(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("asked for AWS")

    monkeypatch.setattr(boto3, "Session", refuse)
    code, out, err = run()
    assert (code, err) == (0, "")
    assert re.search(rf"^ {CHAIN} +valid +4 +4 +8 +8 +24 ", out, re.MULTILINE)


def test_a_finding_is_a_line_with_what_to_do(run: Run, tmp_path: Path) -> None:
    path = remove_an_object(tmp_path)
    code, out, _ = run()
    name = path.relative_to(tmp_path / "copy").as_posix()
    assert code == 1
    assert out.splitlines()[0].startswith(f"object_missing  {name}: it is not there. ")
    assert "  invalid  " in out


def test_json_is_a_line_for_each_finding_and_each_chain(run: Run, tmp_path: Path) -> None:
    remove_an_object(tmp_path)
    code, out, _ = run("--json")
    finding, chain = map(json.loads, out.splitlines())
    assert code == 1
    assert set(finding) == {"chain", "finding", "thing", "what", "mend"}
    assert chain == {
        "chain": CHAIN,
        "verdict": "invalid",
        "level": "bytes",
        "seals": 4,
        "newest_at": "2026-11-23T06:31:12.004Z",
        "checked": 4,
        "resumed": 0,
        "leaves": 8,
        "objects": 8,
        "events": 24,
        "stored_bytes": chain["stored_bytes"],
        "errors": {"object_missing": 1},
        "unchecked": 0,
        "disposed": 0,
        "notes": 0,
    }


def test_dates_choose_whose_log_groups_are_looked_at(run: Run, tmp_path: Path) -> None:
    remove_an_object(tmp_path)
    assert run("--from", "2026-11-23")[0] == 0
    assert run("--to", "2026-11-21")[0] == 0
    assert run("--from", "2026-11-22", "--to", "2026-11-22")[0] == 1


def test_the_chain_is_checked_whole_whatever_the_dates(run: Run, tmp_path: Path) -> None:
    (tmp_path / "copy/!seals" / CHAIN / "seals/0000000002.json").unlink()
    code, out, _ = run("--from", "2026-11-24")
    assert (code, "seals_missing" in out) == (1, True)


def test_dates_that_nobody_has_sealed_are_not_valid(run: Run) -> None:
    code, out, _ = run("--from", "2027-01-01", "--json")
    assert code == 3
    assert "there is no seal of 2027-01-01 to the last one" in out


def test_a_profile_is_known_by_its_seals(run: Run) -> None:
    assert run("--profile", SOURCE.profile)[0] == 0
    code, _, err = run("--profile", "other")
    assert (code, "there is not a chain of the profile other in it" in err) == (2, True)


@pytest.mark.parametrize("left", ["nothing", "no seal"])
def test_a_profile_may_be_of_a_chain_whose_seals_are_all_gone(
    run: Run, tmp_path: Path, archive: Archive, left: str
) -> None:
    witness, beside = Witness(), f"222233334444/{SOURCE.region}"
    source = SOURCE.model_copy(update={"account_id": "222233334444"})
    there = Archive(Copy(tmp_path / "copy"), archive.key, source)
    there.days(1)
    (tmp_path / "note").write_bytes(witness.note(head_of(there)))
    (tmp_path / "vkey").write_text(f"{witness.key}\n")
    chain = tmp_path / "copy/!seals" / beside
    shutil.rmtree(chain if left == "nothing" else chain / "seals")

    note = ("--witness", str(tmp_path / "note"), "--witness-key", str(tmp_path / "vkey"))
    code, out, _ = run("--profile", SOURCE.profile, "--json", *note)

    chains = {
        each["chain"]: each["verdict"]
        for each in map(json.loads, out.splitlines())
        if "seals" in each
    }
    assert (code, chains[beside]) == (1, "invalid")


def test_each_chain_of_a_folder_has_its_verdict(run: Run, tmp_path: Path, archive: Archive) -> None:
    source = SOURCE.model_copy(update={"account_id": "222233334444", "profile": "pay"})
    Archive(Copy(tmp_path / "copy"), archive.key, source).days(1)
    remove_an_object(tmp_path)
    code, out, _ = run("--json")
    chains = [line for line in map(json.loads, out.splitlines()) if "verdict" in line]
    assert [(each["chain"], each["verdict"]) for each in chains] == [
        (CHAIN, "invalid"),
        (f"222233334444/{SOURCE.region}", "valid"),
    ]
    assert code == 1
    assert run("--profile", "pay")[0] == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--from", "yesterday"), "--from yesterday: "),
        (("--sample", "0%"), "0%: more than 0% and up to 100%"),
        (("--sample", "101%"), "101%: more than 0% and up to 100%"),
        (("--sample", "half"), "half: more than 0% and up to 100%"),
        (("--level", "atoms"), "atoms"),
        (("--key", "/no/such.pem"), "/no/such.pem: No such file or directory"),
        (("--key", __file__), "no public key in PEM"),
    ],
)
def test_bad_input_is_named(run: Run, options: tuple[str, ...], told: str) -> None:
    code, out, err = run(*options)
    assert (code, told in out + err) == (2, True)


def test_a_folder_that_is_no_archive_is_bad_input(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--json", where=tmp_path)
    assert (code, "there is no !seals/ in it" in err) == (2, True)
    [line] = out.splitlines()
    assert "there is no !seals/ in it" in json.loads(line)["error"]


def test_what_aws_refuses_is_not_called_invalid(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AWS_ERRORS[0]

    monkeypatch.setattr(deployed_archives, "load", refuse)
    assert run(where=tmp_path / "organization.yaml")[0] == 3


def test_a_sample_looks_at_some_log_groups_of_each_seal(
    run: Run, tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.days(1, [f"/many/{number}" for number in range(100)])
    opened = []
    real = FolderStore.open
    monkeypatch.setattr(
        FolderStore,
        "open",
        lambda self, key, version_id: opened.append(key) or real(self, key, version_id),
    )
    monkeypatch.setattr(verification.secrets, "token_hex", lambda _: "a seed")
    assert run("--sample", "20%")[0] == 0
    read = [key for key in opened if key.startswith(f"{SOURCE.profile}/many/")]
    assert 5 < len(read) < 40
    opened.clear()
    monkeypatch.setattr(verification.secrets, "token_hex", lambda _: "another seed")
    assert run("--sample", "20%")[0] == 0
    assert {key for key in opened if "/many/" in key} != set(read)


def test_what_a_later_seal_of_another_date_names_is_known_to_a_check_that_goes_on(
    run: Run, tmp_path: Path, archive: Archive
) -> None:
    first, second = archive.window(from_ms=START_MS), archive.window(from_ms=START_MS + DAY_MS)
    both = Window(from_ms=first.from_ms, to_ms=second.to_ms)
    archive.later([archive.archived("/only/later", second)], both)
    date = ("--from", "2026-11-22", "--to", "2026-11-22")
    resume = (*date, "--resume", str(tmp_path / "progress.jsonl"), "--json")
    for resumed in (0, 1):
        code, out, _ = run(*resume)
        assert (code, chain_of(out)["resumed"], chain_of(out)["errors"]) == (0, resumed, {})


def test_what_was_disposed_of_is_told_by_a_check_that_goes_on(
    run: Run, tmp_path: Path, archive: Archive
) -> None:
    window = archive.window()
    sealed = archive.archived("/erased", window)
    archive.day([sealed], window)
    archive.later([archive.disposed(sealed)], window, reason="disposed")
    for each in sealed.objects or []:
        (tmp_path / "copy" / each.key).unlink()
    resume = ("--resume", str(tmp_path / "progress.jsonl"), "--json")
    for resumed in (0, 5):
        code, out, _ = run(*resume)
        chain = chain_of(out)
        assert (code, chain["disposed"], chain["resumed"]) == (0, 1, resumed)
        assert "Erasure. (PRIVACY-4711)" in out


def test_a_check_goes_on_where_it_was_stopped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume = ("--resume", str(tmp_path / "progress.jsonl"), "--json")
    real, opened = FolderStore.open, list[str]()

    end_at("2026/11/23", KeyboardInterrupt, monkeypatch)
    code, _, err = run(*resume)
    assert (code, err) == (3, "stopped; it goes on with the same command\n")

    def noted(self: FolderStore, key: str, version_id: str | None) -> Any:
        opened.append(key)
        return real(self, key, version_id)

    monkeypatch.setattr(FolderStore, "open", noted)
    code, out, _ = run(*resume)
    assert (code, chain_of(out)["checked"], chain_of(out)["resumed"]) == (0, 4, 2)
    objects = [key for key in opened if key.startswith(SOURCE.profile)]
    assert {"/".join(key.split("/")[3:6]) for key in objects} == {"2026/11/23", "2026/11/24"}


@pytest.mark.parametrize(
    "end",
    [
        KeyboardInterrupt,
        AWS_ERRORS[0],
        ConnectionError,
        BrokenProcessPool,
        sqlite3.OperationalError,
    ],
)
def test_what_was_wrong_counts_more_than_that_a_check_came_to_no_end(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    end_at("2026/11/23", end, monkeypatch)
    assert run()[0] == 3
    remove_an_object(tmp_path)
    code, out, _ = run("--report", str(tmp_path / "report.html"))
    assert (code, "object_missing" in out) == (1, True)
    assert "<strong>Not valid</strong>" in (tmp_path / "report.html").read_text()


def test_a_witnesss_key_without_a_note_checks_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "vkey").write_text(f"{Witness().key}\n")
    code, _, err = run("--witness-key", str(tmp_path / "vkey"))
    assert (code, "none is given: give them with --witness" in err) == (2, True)


def test_a_file_with_two_keys_is_refused(run: Run, tmp_path: Path, archive: Archive) -> None:
    (tmp_path / "both.pem").write_text(SealingKey().pem + archive.key.pem)
    code, _, err = run("--key", str(tmp_path / "both.pem"))
    assert (code, "both.pem: 2 public keys are in it" in err) == (2, True)


def test_what_was_wrong_is_looked_at_again(run: Run, tmp_path: Path) -> None:
    resume = ("--resume", str(tmp_path / "progress.jsonl"), "--json")
    path = remove_an_object(tmp_path)
    assert run(*resume)[0] == 1
    code, out, _ = run(*resume)
    assert (code, chain_of(out)["resumed"]) == (1, 3)
    path.write_bytes(b"other")
    assert run(*resume)[0] == 1


def test_a_seal_that_was_replaced_since_is_not_taken_for_checked(
    run: Run, tmp_path: Path, archive: Archive
) -> None:
    resume = ("--resume", str(tmp_path / "progress.jsonl"), "--json")
    assert run(*resume)[0] == 0
    last = tmp_path / "copy/!seals" / CHAIN / "seals/0000000004.json"
    sealed = archive.windows([], archive.window(from_ms=archive.reached_ms - 86_400_000))
    last.write_bytes(
        archive.signed(archive.next_seal("day", sequence=4, sealed=sealed), SealingKey())
    )
    code, out, _ = run(*resume)
    assert (code, chain_of(out)["resumed"]) == (1, 3)


def test_what_a_terminal_would_obey_is_escaped() -> None:
    found = SealError("shop/\x1b[2J\u202e\r\n", "it is not there")
    assert "shop/\\x1b[2J\\u202e\\r\\n: it is not there" in verifying.line(found)


def test_memory_does_not_grow_with_an_object(run: Run, tmp_path: Path, archive: Archive) -> None:
    window = archive.window()
    export = archive.export("/big", window)
    stated = archive.put(export, window, "stream", gz(range(window.from_ms, window.from_ms + 99)))
    archive.day(
        [archive.statement("/big", window, "archived", exports=[export], objects=[stated])], window
    )
    largest = 0

    class Read:
        def __init__(self, file: Any) -> None:
            self.file = file

        def read(self, amount: int = -1, /) -> bytes:
            nonlocal largest
            assert amount > 0, "the whole of it at once"
            largest = max(largest, amount)
            piece: bytes = self.file.read(amount)
            return piece

        def close(self) -> None:
            self.file.close()

    real = FolderStore.open
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            FolderStore, "open", lambda self, key, version_id: Read(real(self, key, version_id))
        )
        assert run("--level", "events")[0] == 0
    assert 0 < largest <= 1024 * 1024


def test_threads_take_few_things_ahead_and_keep_their_order() -> None:
    threads, taken = Threads(2), list[int]()

    def things() -> Any:
        for number in range(100):
            taken.append(number)
            yield number

    mapped = threads.mapped(lambda number: number * 2, things())
    assert next(mapped) == 0
    assert len(taken) == 5
    assert list(mapped) == [number * 2 for number in range(1, 100)]
    threads.stop()


def test_the_pace_says_how_far_it_is_and_how_long_it_takes() -> None:
    times, told = iter([0.0, 0.5, 10.0, 10.5, 3600.0]), list[str]()
    pace = Pace(1000, watch=told.append, clock=lambda: next(times))
    pace.name = "a chain"
    for _ in range(4):
        pace.add(100)
    assert told == ["a chain: 20 %, about 40 s left", "a chain: 40 %, about 1.5 h left"]
    assert pace.text(600.0) == "a chain: 40 %, about 15 min left"
    assert Pace(0, watch=told.append, clock=lambda: 0.0).text(1.0) == ": 0 %"
