"""What holds of each command: how it ends where something is missing, wrong or stopped."""

import os
import socket
from pathlib import Path
from typing import Any, get_args

import boto3
import pytest
from botocore.client import BaseClient
from cli.tests.conftest import Run

from logferry import command
from logferry.commands import acceptance, deployment
from logferry.commands.console import BAD_INPUT, DONE, STOPPED
from logferry.config import Config
from logferry.credentials import account_of
from logferry.errors import DeployError
from logferry.package import Zip

OF_SHOP = ("--profile", "shop")
DATES = ("--from", "2026-11-01", "--to", "2026-11-02")
OF_ONE_DATE = (*OF_SHOP, "--log-group", "/a", "--date", "2026-11-01")
REASON = ("--reason", "gone", "--yes")
COMMANDS: dict[str, tuple[str, ...]] = {
    "package": ("--out", "{out}"),
    "deploy": ("{config}", "--yes"),
    "diff": ("{config}",),
    "deploy-source-account": ("{config}", *OF_SHOP),
    "deploy-source-accounts": ("{config}", "--organizational-unit", "ou-ab12-c3d4e5f6", "--yes"),
    "destroy": ("{config}", "--yes"),
    "plan": ("{config}", *OF_SHOP, *DATES),
    "backfill": ("{config}", *DATES, "--yes"),
    "status": ("{config}", *DATES),
    "coverage": ("{config}", "-o", "{out}"),
    "explain": ("{config}", *OF_ONE_DATE),
    "retry": ("{config}", *DATES, "--yes"),
    "doctor": ("{config}",),
    "waive": ("{config}", *OF_ONE_DATE, *REASON),
    "sweep": ("{config}",),
    "retention": ("{config}",),
    "dispose": ("{config}", *OF_ONE_DATE, *REASON),
    "seal": ("{config}", *OF_SHOP, *DATES),
    "verify": ("{config}", *DATES, "--report", "{out}"),
    "prove": ("{config}", *OF_ONE_DATE, "-o", "{out}"),
    "search": ("word", "{config}", "--log-group", "/a", *DATES),
    "fetch": ("{config}", "--log-group", "/a", *DATES, "-o", "{out}"),
    "thaw": ("{config}", "--log-group", "/a", *DATES, "--yes"),
    "acceptance": ("--account", "111122223333", "--region", "eu-west-1", "--yes"),
    "events replay": ("{config}", *DATES, "--yes"),
    "ledger rebuild": ("{config}", "--unsealed", "--yes"),
    "index rebuild": ("{config}",),
    "index tokens": ("{config}", "--log-group", "/a", *DATES, "--index", "{out}"),
}
OF_AWS = [name for name in COMMANDS if name != "package"]
DATED = [name for name in COMMANDS if {"--date", "--from"} & set(COMMANDS[name])]
SPANS = [name for name in COMMANDS if "--to" in COMMANDS[name]]


@pytest.fixture
def arguments(
    path: str, tmp_path: Path, some_zips: list[Zip], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Returns what is typed for a command, with its own values for some options."""
    for module in (deployment, acceptance):
        monkeypatch.setattr(module, "build_zips", lambda *_, **__: some_zips)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    def typed(name: str, out: Path = tmp_path / "out", **options: str) -> list[str]:
        words = [*name.split(), *(each.format(config=path, out=out) for each in COMMANDS[name])]
        for option, value in options.items():
            words[words.index(f"--{option}") + 1] = value
        return words

    return typed


def test_each_command_is_here() -> None:
    places = {"": command.COMMANDS, "events ": command.EVENTS}
    places |= {"ledger ": command.LEDGER, "index ": command.INDEX}
    assert set(COMMANDS) == {
        prefix + place.partition(":")[2].replace("_", "-")
        for prefix, commands in places.items()
        for place in commands
    }


@pytest.mark.parametrize("name", OF_AWS)
def test_a_profile_that_nobody_has_is_told(
    arguments: Any, logferry: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, os.devnull)
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-it")
    code, _, said = logferry(*arguments(name))
    assert code not in {DONE, STOPPED}
    assert "The config profile (nobody-has-it) could not be found" in " ".join(said.split())
    assert "Traceback" not in said


@pytest.mark.parametrize("name", OF_AWS)
def test_ctrl_c_ends_it_without_a_traceback(
    arguments: Any, logferry: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BaseClient, "_make_api_call", stop)
    code, _, said = logferry(*arguments(name))
    assert code != DONE
    assert "Traceback" not in said


@pytest.mark.parametrize("name", DATED)
def test_a_date_that_is_none_is_bad_input(arguments: Any, logferry: Run, name: str) -> None:
    option = "date" if "--date" in COMMANDS[name] else "from"
    code, _, said = logferry(*arguments(name, **{option: "2026-11-31"}))
    assert code == BAD_INPUT
    assert "2026-11-31" in said


@pytest.mark.parametrize("name", SPANS)
def test_dates_that_are_reversed_are_bad_input(arguments: Any, logferry: Run, name: str) -> None:
    code, _, said = logferry(*arguments(name, to="2026-10-31"))
    assert code == BAD_INPUT
    assert "2026-10-31" in said


def test_an_endpoint_at_which_nobody_answers_is_told_as_that_within_seconds(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as of a LocalStack that was stopped: it is no fault of the credentials."""
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", waited.append)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b")
        with pytest.raises(DeployError, match=r"^AWS cannot be reached: "):
            account_of(session, config)
    assert 1 < len(waited) < 5
    assert sum(waited) < 10


def whole_numbers(name: str) -> list[str]:
    """Returns the options of a command that are whole numbers."""
    app = command._app(are_listed=False)
    for word in name.split():
        app = app[word]
    options = app.assemble_argument_collection()
    return [each.name for each in options if int in {each.hint, *get_args(each.hint)}]


@pytest.mark.parametrize("text", ["0.5", "1.5", "2.0", "1e3", "many"])
def test_what_is_no_whole_number_is_bad_input(arguments: Any, logferry: Run, text: str) -> None:
    """None is rounded to one."""
    tried = [(name, option) for name in COMMANDS for option in whole_numbers(name)]
    assert {("coverage", "--days"), ("search", "--limit"), ("thaw", "--days")} <= set(tried)
    for name, option in tried:
        code, _, said = logferry(*arguments(name), option, text)
        assert code == BAD_INPUT
        assert f"{text} is no whole number" in " ".join(said.split())
