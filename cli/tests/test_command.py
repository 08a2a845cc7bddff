"""The command line: exit codes, what goes to which stream, and help with examples."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from logferry import command, hub
from logferry import status as archived
from logferry.command import main
from logferry.commands import console, deployment, verification
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import load
from logferry.errors import ConfigError, DeployError, PackageError
from logferry.hub import Options, Outcome
from logferry.package import Zip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, some_zips: list[Zip]) -> list[tuple[Any, ...]]:
    """What the command asks for; everything succeeds."""
    made: list[tuple[Any, ...]] = []

    def build_zips(out: Path, **options: Any) -> list[Zip]:
        made.append(("build_zips", out, options))
        return some_zips

    def deploy_hub(*arguments: Any) -> list[Outcome]:
        made.append(("deploy_hub", *arguments))
        return [Outcome("logferry-archive", "changed")]

    def deploy_source_account(*arguments: Any) -> Outcome:
        made.append(("deploy_source_account", *arguments))
        return Outcome("logferry-source", "changed")

    monkeypatch.setattr(deployment, "build_zips", build_zips)
    monkeypatch.setattr(hub, "deploy_hub", deploy_hub)
    monkeypatch.setattr(hub, "deploy_source_account", deploy_source_account)
    return made


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    "name",
    [
        "package",
        "deploy",
        "diff",
        "deploy-source-account",
        "deploy-source-accounts",
        "destroy",
        "plan",
        "status",
        "sweep",
    ],
)
def test_help_has_an_example(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(name, "--help") == DONE
    assert f"logferry {name}" in capsys.readouterr().out.split("Parameters")[0].split("\n", 1)[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploy"],
        ["deploy", "x.yaml", "--arch", "mips"],
        ["package", "--service", "everything"],
        ["deploy-source-account", "x.yaml"],
        ["plan", "x.yaml"],
        ["status", "x.yaml", "--windows", "0"],
        ["undeploy"],
    ],
)
def test_arguments_that_are_wrong_are_bad_input(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(*arguments) == BAD_INPUT
    assert capsys.readouterr().err


def test_json_and_csv_at_once_are_bad_input(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", path, "--json", "--csv") == BAD_INPUT
    assert "--json and --csv: say one of them" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "why"), [("none.yaml", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, why: str
) -> None:
    assert run("status", str(tmp_path / name)) == BAD_INPUT
    err = capsys.readouterr().err
    assert why in err
    assert "Errno" not in err


def test_a_configuration_that_is_wrong_is_bad_input(
    capsys: pytest.CaptureFixture[str], calls: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("region: [Ireland]")
    assert run("deploy", str(path)) == BAD_INPUT
    captured = capsys.readouterr()
    assert "region: Input should be a valid string" in captured.err
    assert captured.out == ""
    assert calls == []


def test_what_looks_like_a_picture_to_a_terminal_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("verify", str(tmp_path / ":key:")) == BAD_INPUT
    assert ":key:" in capsys.readouterr().err


def test_json_has_no_colours_where_there_is_no_terminal_and_is_not_looked_through_for_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = [{"log_group": "/grüße", "count": 1, "is": None}]
    monkeypatch.setattr(console.results, "print_json", None)

    console.show_json(document)

    out = capsys.readouterr().out
    assert json.loads(out) == document
    assert out == json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def test_json_has_colours_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = console.Output(force_terminal=True, color_system="truecolor", soft_wrap=True)
    monkeypatch.setattr(console, "results", output)

    console.show_json({"count": 1})

    assert "\x1b[" in capsys.readouterr().out


def test_who_reads_only_the_beginning_of_json_is_no_failure(path: str) -> None:
    big = "{'told': ['a log group'] * 200_000}"
    code = f"import sys; from logferry.commands import console; console.show_json({big})"
    piped = f'set -o pipefail; "{sys.executable}" -c "{code}" | head -1'
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--nonsense"], ["verify", "none"]])
def test_garbage_is_looked_for_while_a_command_runs_and_after_it(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Only what is imported before is not looked through."""
    seen: list[bool] = []
    monkeypatch.setattr(
        verification, "told_errors", lambda: seen.append(gc.isenabled()) or (OSError, ConfigError)
    )
    frozen = gc.get_freeze_count()

    assert run(*arguments) == BAD_INPUT
    assert seen == [True] * arguments.count("none")
    assert gc.isenabled()
    assert gc.get_freeze_count() <= frozen  # this process is not the command's own


DATES = ["--from", "2026-11-01", "--to", "2026-11-02"]


@pytest.mark.parametrize("name", ["package", "status", "deploy"])
def test_ctrl_c_ends_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deployment, "build_zips", interrupt)
    monkeypatch.setattr(archived, "status", interrupt)
    arguments = [] if name == "package" else [path]
    assert run(name, *arguments) == 128 + signal.SIGINT
    assert "Traceback" not in capsys.readouterr().err


def test_ctrl_c_before_a_command_has_begun_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_app", stop)
    with pytest.raises(SystemExit) as ended:
        main(["status", "organization.yaml"])
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_what_cannot_be_written_is_named_and_is_bad_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "a-file"
    file.touch()
    assert (
        run("package", "--service", "planner", "--out", str(file / "zips"), "--json") == BAD_INPUT
    )
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"].startswith(f"{file}")
    assert "Not a directory" in captured.err


@pytest.mark.parametrize("has_problems", [False, True])
def test_a_reader_that_has_seen_enough_does_not_change_the_exit_code(
    path: str, *, has_problems: bool
) -> None:
    said = "['a']" if has_problems else "[]"
    script = (
        "import sys, logferry.status as s; from types import SimpleNamespace as N;"
        "from logferry.commands.console import tables, results\n"
        f"import logferry.needs as n; n.needs_of = lambda *_: {said}\n"
        "n.summary = lambda _: ['x' * 1000]; n.shown = lambda _: ['z' * 1000]\n"
        "s.status = lambda *_, **__: [N(open=N(is_indexed=True), newest=None)]\n"
        "tables.print('y' * 1_000_000)\n"
        f"from logferry.command import main; main(['status', {path!r}])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"AWS_DEFAULT_REGION": "eu-west-1"},
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(1) == b"y"
        running.stdout.close()
        errors = running.stderr.read()
    assert running.returncode == (FAILED if has_problems else DONE)
    assert errors == b""


def test_what_aws_says_is_told_in_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def deny(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "AnErrorOfTomorrow", "Message": "no"}}, "GetObject")

    monkeypatch.setattr(archived, "status", deny)
    assert run("status", path, "--json") == FAILED
    captured = capsys.readouterr()
    assert "An error occurred (AnErrorOfTomorrow) when calling the GetObject" in captured.err
    assert "AnErrorOfTomorrow" in json.loads(captured.out)["error"]


@pytest.mark.parametrize("code", ["AnErrorOfTomorrow", "AccessDenied", "SlowDown", "ExpiredToken"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["deploy", "{path}", "--yes"],
        ["diff", "{path}"],
        ["deploy-source-account", "{path}", "--profile", "shop"],
        ["destroy", "{path}", "--yes"],
        ["plan", "{path}", "--profile", "shop"],
        ["status", "{path}"],
        ["sweep", "{path}"],
        ["seal", "{path}", "--profile", "shop"],
        ["events", "replay", "{path}", *DATES, "--yes"],
    ],
    ids=lambda value: value[0],
)
def test_whatever_aws_answers_each_command_ends_in_a_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    some_zips: list[Zip],
    arguments: list[str],
    code: str,
) -> None:
    def answer(_self: object, operation: str, _request: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "what AWS says"}}, operation)

    monkeypatch.setattr(deployment, "build_zips", lambda *_, **__: some_zips)
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", answer)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    assert run(*(each.format(path=path) for each in arguments)) in {FAILED, BAD_INPUT}
    told = capsys.readouterr().err
    assert code in told
    assert "Traceback" not in told


def test_a_deployment_prints_what_became_of_each_stack(
    capsys: pytest.CaptureFixture[str], calls: list[tuple[Any, ...]], path: str
) -> None:
    assert run("deploy", path, "--yes") == DONE
    assert capsys.readouterr().out == "logferry-archive  changed\n"
    built, deployed = calls
    assert built[2] == {"architecture": "arm64"}
    options: Options = deployed[-1]
    assert options.only == ()
    assert options.confirm([])


def test_options_reach_the_deployment(calls: list[tuple[Any, ...]], path: str) -> None:
    assert run("deploy", path, "--only", "archive", "--only", "planner", "--arch", "host") == DONE
    built, deployed = calls
    assert built[2] == {"architecture": "host"}
    assert deployed[-1].only == ("archive", "planner")
    assert not deployed[-1].dry_run
    assert run("deploy", path, "--dry-run") == DONE
    assert calls[-1][-1].dry_run


def test_without_a_terminal_nothing_is_changed_unless_told_so(
    calls: list[tuple[Any, ...]], path: str
) -> None:
    assert run("deploy", path) == DONE
    with pytest.raises(DeployError, match="add --yes or --dry-run"):
        calls[-1][-1].confirm([])
    assert run("deploy", path, "--dry-run") == DONE
    assert calls[-1][-1].confirm([])


def test_json_is_all_that_is_printed_to_stdout(
    capsys: pytest.CaptureFixture[str], calls: list[tuple[Any, ...]], path: str
) -> None:
    assert run("deploy-source-account", path, "--profile", "shop", "--json") == DONE
    assert json.loads(capsys.readouterr().out) == [
        {"stack_name": "logferry-source", "status": "changed"}
    ]
    assert calls[-1][2:4] == (load(Path(path)), "shop")


def test_packaging_prints_each_zip(
    capsys: pytest.CaptureFixture[str], calls: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    assert run("package", "--service", "planner", "--out", str(tmp_path), "--json") == DONE
    assert json.loads(capsys.readouterr().out)[0] == {
        "service": "planner",
        "architecture": "x86_64",
        "path": str(tmp_path / "planner-x86_64.zip"),
        "sha256": "0" * 64,
        "size_bytes": 7,
        "version": "1.2.3",
    }
    assert calls[0][1] == tmp_path
    assert calls[0][2]["services"] == ("planner",)
    assert calls[0][2]["architecture"] == "arm64"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DeployError("logferry-archive: ROLLBACK_COMPLETE"), FAILED),
        (PackageError("uv: no such [file]"), FAILED),
        (ConfigError("only", ["x: none of archive"]), BAD_INPUT),
    ],
)
def test_what_went_wrong_is_told_and_the_exit_code_says_whose_turn_it_is(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: int,
) -> None:
    def fail(*_: Sequence[Any], **__: Any) -> None:
        raise error

    monkeypatch.setattr(deployment, "build_zips", fail)
    assert run("package", "--json") == code
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": str(error)}
    assert str(error) in captured.err
