import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import CycloptsError

from logferry import typed
from logferry.command import _app, main
from logferry.config import Config
from logferry.package import Zip
from logferry.services import NAMES

type Run = Callable[..., tuple[int, str, str]]
"""Runs the command; returns its exit code and what it has printed to stdout and stderr."""

HUB = "111122223333"


_taken: dict[tuple[str, ...], bool] = {}


def _is_taken(words: Sequence[str], folders: Path) -> bool:
    # In which test's folder a file lies changes nothing about a command.
    anywhere = tuple(re.sub(f"^{re.escape(str(folders))}/[^/]+/", "/", word) for word in words)
    if anywhere not in _taken:
        try:
            _app(are_listed=False).parse_args(words, exit_on_error=False, print_error=False)
        except CycloptsError:
            _taken[anywhere] = False
        else:
            _taken[anywhere] = True
    return _taken[anywhere]


@pytest.fixture(autouse=True)
def commands_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever a test has told to be typed is parsed by the command itself."""
    made = typed.words_of

    def parsed(*words: str) -> list[str]:
        told = made(*words)
        taken = _is_taken(told[1:], tmp_path_factory.getbasetemp())
        assert taken, f"{told} is told to be typed, and is not taken"
        return told

    monkeypatch.setattr(typed, "words_of", parsed)


@pytest.fixture
def document() -> dict[str, Any]:
    """A configuration as its YAML says it: a hub with two sources."""
    return {
        "region": "eu-west-1",
        "hub_account_id": HUB,
        "sources": [
            {"profile": "shop", "account_id": "444455556666", "schedule": "rate(1 day)"},
            {
                "profile": "Pay_ments",
                "account_id": "555566667777",
                "schedule": "cron(10 3 * * ? *)",
                "schedule_time_zone": "Asia/Seoul",
            },
        ],
    }


@pytest.fixture
def path(tmp_path: Path, document: dict[str, Any]) -> str:
    """The configuration's file, as the command takes it."""
    path = tmp_path / "organization.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


@pytest.fixture
def config(document: dict[str, Any]) -> Config:
    return Config.model_validate(document)


@pytest.fixture
def logferry(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return run


@pytest.fixture
def some_zips(tmp_path: Path) -> list[Zip]:
    """Zips as far as a deployment looks at them."""
    zips = []
    for number, service in enumerate(NAMES):
        path = tmp_path / f"{service}-x86_64.zip"
        path.write_bytes(service.encode())
        zips.append(Zip(service, "x86_64", path, f"{number}" * 64, len(service), "1.2.3"))
    return zips


@pytest.fixture(scope="session")
def built_zips(zips: list[Zip]) -> dict[str, Zip]:
    """The real zips for this machine, by service."""
    return {built.service: built for built in zips}
