"""``python -m logferry_contracts``: what it prints, and how it ends."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from contracts.tests import frozen_proofs
from contracts.tests.documents import SCHEMAS, Example, examples, newest_schema
from jsonschema import Draft202012Validator

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.command import CUT_SHORT, main
from logferry_contracts.message import CloudEvent

COMPLETED = next(each for each in examples("accept") if each.reason == "several-streams")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(text: str) -> str:
        path = tmp_path / "message.json"
        path.write_text(text)
        return str(path)

    return write


def test_it_lists_every_message_with_its_versions_and_type(run: Any) -> None:
    code, out, _ = run("list")

    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(MESSAGES)
    assert any(
        line.split() == ["object-secured", "1.0", "logferry.object.secured.v1"]
        for line in out.splitlines()
    )


def test_it_lists_the_examples_of_a_message(run: Any) -> None:
    _, out, _ = run("list", "export-failed")

    assert "accept  export-failed/last-generation" in out.splitlines()
    assert "reject  export-failed/no-reason" in out.splitlines()


def test_it_lists_as_json(run: Any) -> None:
    _, out, _ = run("list", "--json")

    by_name = {each["message"]: each for each in json.loads(out)}
    assert by_name["export-completed"]["versions"][0] == "1.0"
    assert by_name["ledger-record"]["type"] is None
    assert "ledger-record/secured" in by_name["ledger-record"]["examples"]["accept"]


def test_it_shows_a_schema_as_it_was_released(run: Any) -> None:
    _, newest, _ = run("show", "export-completed")
    _, first, _ = run("show", "export-completed", "1.0")

    assert json.loads(newest) == newest_schema("export-completed")
    assert first == (SCHEMAS / "export-completed" / "1.0.json").read_text("utf-8")


def test_it_shows_a_schema_for_readers_which_take_fields_of_later_versions(run: Any) -> None:
    _, out, _ = run("show", "export-completed", "1.0", "--reader")
    later = COMPLETED.document
    later["data"]["manifest"]["added_later"] = 1

    assert Draft202012Validator(json.loads(out)).is_valid(later)


@pytest.mark.parametrize("example", examples("accept"), ids=str)
def test_an_example_it_prints_is_valid_by_its_own_judgement(
    run: Any, monkeypatch: pytest.MonkeyPatch, example: Example
) -> None:
    is_named = issubclass(MESSAGES[example.message], CloudEvent)
    is_named |= example.message == "ledger-record"
    _, printed, _ = run("example", example.name)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(printed.encode())))

    code, out, _ = run("validate", "-", *([] if is_named else ["--message", example.message]))

    assert (code, out) == (0, f"-: valid {MESSAGES[example.message].__name__}\n")


def test_a_file_that_is_not_valid_is_told_with_every_problem(run: Any, file: Any) -> None:
    document = COMPLETED.document
    document["data"]["generation"] = 0
    document["data"]["lane"] = "express"
    path = file(json.dumps(document))

    code, out, err = run("validate", path)

    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"{path}: not a valid ExportCompleted",
        "  data.generation: Input should be greater than or equal to 1",
        "  data.lane: Input should be 'slot' or 'direct'",
    ]


def test_each_of_several_files_is_told_as_json(run: Any, file: Any, tmp_path: Path) -> None:
    good = tmp_path / "good.json"
    good.write_text(COMPLETED.text)

    code, out, _ = run("validate", str(good), file("{"), "--json")

    assert code == 1
    assert [(each["valid"], each["reason"]) for each in json.loads(out)] == [
        (True, None),
        (False, "not_json"),
    ]


def test_what_has_no_type_is_told_how_to_be_named(run: Any, file: Any) -> None:
    code, _, err = run("validate", file("{}"))

    assert code == 1
    assert "type: missing" in err
    assert "--message" in err


def test_exactly_means_no_field_that_the_named_schema_lacks(run: Any, file: Any) -> None:
    document = COMPLETED.document
    document["data"]["manifest"]["added_later"] = 1
    path = file(json.dumps(document))

    assert run("validate", path)[0] == 0
    code, _, err = run("validate", path, "--exact")

    assert code == 1
    assert "  data.manifest: Additional properties are not allowed ('added_later'" in err


def test_exactly_means_the_version_that_is_named(run: Any, file: Any) -> None:
    later = next(each for each in examples("accept") if each.name == "plan-completed/dry-run")
    path = file(later.text.replace("plan-completed:1.1", "plan-completed:1.0"))

    assert run("validate", file(later.text), "--exact")[0] == 0
    assert run("validate", file(later.text.replace("-completed:1.1", "-completed:1.0")))[0] == 0
    code, _, err = run("validate", path, "--exact")

    assert code == 1
    assert "  data: Additional properties are not allowed (" in err


def test_a_version_that_this_package_lacks_cannot_be_checked_exactly(run: Any, file: Any) -> None:
    path = file(COMPLETED.text.replace("export-completed:1.0", "export-completed:1.99"))

    assert run("validate", path)[0] == 0
    code, _, err = run("validate", path, "--exact")

    assert code == 1
    assert "schema: 1.99 is newer than this package's 1." in err


@pytest.mark.parametrize(
    "example", {each.message: each for each in examples("reject")}.values(), ids=str
)
def test_a_rejected_example_is_not_valid(run: Any, file: Any, example: Example) -> None:
    assert run("validate", file(example.text), "--message", example.message)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "export-complete"], "no message 'export-complete'; there is export-completed"),
        (["show", "export-completed", "7.0"], "no version of export-completed '7.0'; there is 1.0"),
        (["example", "export-failed/last"], "no example 'export-failed/last'; there is "),
        (["validate", "no-such-file.json"], "no-such-file.json: No such file or directory"),
        (["validate", "--message", "nothing", "-"], "no message 'nothing'; there is "),
    ],
)
def test_wrong_use_is_told_with_what_there_is(run: Any, arguments: list[str], told: str) -> None:
    code, _, err = run(*arguments)

    assert code == 2
    assert err.startswith(f"logferry_contracts: {told}")


def test_without_jsonschema_only_exactly_is_missing(
    run: Any, file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("jsonschema", "logferry_contracts.exact"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    path = file(COMPLETED.text)

    assert run("validate", path)[0] == 0
    code, _, err = run("validate", path, "--exact")

    assert code == 2
    assert "pip install 'logferry-contracts[jsonschema]'" in err


def test_its_help_shows_examples_that_run(
    run: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(frozen_proofs.EXAMPLES / "archived-by-a-later-seal.json", "orders.json")
    shutil.copy(frozen_proofs.KEY, "seals.pem")
    shutil.copy(frozen_proofs.WITNESS_KEY, "witness.vkey")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    told = capsys.readouterr().out
    shown = [
        line.split()[3:]
        for line in told.splitlines()
        if line.startswith("  python -m logferry_contracts ")
        and not {"event.json", "000000.gz"} & set(line.split())
    ]

    assert ended.value.code == 0
    assert len(shown) >= 5
    for arguments in shown:
        assert run(*(each for each in arguments if each != "|"))[0] == 0


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "logferry_contracts", "validate", "-"]
    done = subprocess.run(command, input=COMPLETED.text, capture_output=True, text=True, check=True)

    assert done.stdout == "-: valid ExportCompleted\n"


def test_it_ends_without_a_word_when_its_output_is_not_read() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-u", "-m", "logferry_contracts", "list", "export-completed"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (CUT_SHORT, "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("check-proof", "none.json", "--key", "seals.pem"), "none.json: No such file"),
        (("validate", "none.json"), "none.json: No such file"),
        (("list", "nothing"), "no message 'nothing'"),
    ],
)
def test_who_asks_for_json_is_told_in_json_what_was_used_wrongly(
    words: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--json"]) == 2
    read = capsys.readouterr()
    assert json.loads(read.out)["error"].startswith(told)
    assert read.err.startswith(f"logferry_contracts: {told}")
    assert main(words) == 2
    assert not capsys.readouterr().out


def test_json_is_taken_by_what_has_no_encoding() -> None:
    taken = io.StringIO()
    with contextlib.redirect_stdout(taken):
        assert main(["list", "--json"]) == 0
    assert json.loads(taken.getvalue())
