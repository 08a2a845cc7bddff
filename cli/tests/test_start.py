"""What a command imports before it does anything: its start is paid for each time."""

import subprocess
import sys
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import pytest
from cli.tests.copies import Copy
from contracts.tests.sealed_archive import Archive

from logferry.command import COMMANDS, EVENTS, LEDGER, main

AWS = {"boto3", "botocore", "s3transfer", "logferry.config", "yaml"}
OF_COMMANDS = {"logferry_contracts", "pydantic", "cryptography", "rich.markdown"}
OF_MUCH = {"multiprocessing", "rich.status", "logferry.token_indexes", "duckdb"}
SHOWN = {"cyclopts", "rich"}

PROGRAM = """\
import sys
from logferry.command import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, sep="\\n", file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """Return what a command imports that is done."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], [], ["events", "--help"], ["ledger"]], ids=str
)
def test_no_command_is_imported_to_name_them_all(arguments: list[str]) -> None:
    assert imported(*arguments) & (AWS | OF_COMMANDS) == set()


def test_a_folder_is_checked_without_the_sdk_of_aws(tmp_path: Path) -> None:
    archive = Archive(Copy(tmp_path / "copy"))
    archive.days(1)
    key = tmp_path / "seals.pem"
    key.write_text(archive.key.pem)
    modules = imported("verify", str(tmp_path / "copy"), "--key", str(key))
    assert modules & {*AWS, "urllib.request"} == set()
    assert "logferry.verify" in modules


def test_little_of_a_folder_is_searched_without_what_it_does_not_take(tmp_path: Path) -> None:
    archive = Archive(Copy(tmp_path / "copy"))
    archive.days(1)
    date = ("--from", "2026-11-21", "--to", "2026-11-21")
    modules = imported("search", "", str(tmp_path / "copy"), "--log-group", "*", *date)
    assert modules & {*AWS, *OF_MUCH} == set()
    assert "logferry.search" in modules


def test_what_a_process_does_of_a_check_imports_nothing_that_prints() -> None:
    program = "import sys, logferry.work; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], stdout=-1, text=True, check=True)
    assert set(done.stdout.splitlines()) & (AWS | SHOWN) == set()


@pytest.mark.parametrize(("place", "told"), [*(COMMANDS | EVENTS | LEDGER).items()])
def test_a_command_is_listed_with_the_first_sentence_of_its_help(place: str, told: str) -> None:
    module, _, function = place.partition(":")
    help_text = getdoc(getattr(import_module(f"logferry.commands.{module}"), function))
    assert help_text is not None
    assert told == " ".join(help_text.split("\n\n")[0].split())


@pytest.mark.parametrize(
    ("arguments", "places"), [((), COMMANDS), (("events",), EVENTS), (("ledger",), LEDGER)]
)
def test_the_commands_are_listed_with_what_they_do(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    places: dict[str, str],
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    shown = " ".join(capsys.readouterr().out.replace("\u2502", " ").split())
    for told in places.values():
        assert told in shown
