"""What a demo that is kept leaves to be tried."""

import re
import shlex
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devstack.demo import (
    CONFIGURATION,
    HUB_ACCOUNT_ID,
    DemoError,
    keep_configuration,
    kept,
    refuse_another,
    to_try,
)
from devstack.localstack import DEFAULT_PORT, HOST, REPOSITORY
from devstack.organisation import previous_day
from devstack.suite import TIME_ZONE, Suite
from logferry.command import _app
from logferry.config import load
from logferry_contracts.zones import zone_named


def test_the_configuration_is_what_was_deployed(tmp_path: Path) -> None:
    suite = Suite(
        "http://127.0.0.1:4566",
        hub_account_id=HUB_ACCOUNT_ID,
        accounts={"alpha": "222233334444", "beta": "333344445555"},
    )
    keep_configuration(suite.config, tmp_path)
    # But for where it was read from.
    assert load(tmp_path / CONFIGURATION).model_dump() == suite.config.model_dump()


class Kept(Suite):
    """A suite in a LocalStack that has some buckets."""

    def __init__(self, *buckets: str) -> None:
        accounts = {"alpha": "222233334444"}
        super().__init__("http://127.0.0.1:4566", hub_account_id=HUB_ACCOUNT_ID, accounts=accounts)
        self.buckets = buckets

    def client(self, service: str, account_id: str | None = None) -> Any:
        assert (service, account_id) == ("s3", None)
        listed = {"Buckets": [{"Name": each} for each in self.buckets]}
        return SimpleNamespace(list_buckets=lambda: listed)


def test_a_second_demo_beside_one_that_was_kept_is_refused_at_once() -> None:
    refuse_another(Kept("somebody-elses"))
    with pytest.raises(DemoError, match="make localstack-down"):
        refuse_another(Kept(Kept().config.archive_bucket))


WINDOW = previous_day(datetime(2026, 11, 23, 1, tzinfo=zone_named(TIME_ZONE)))


def test_commands_are_shown_that_the_command_takes(tmp_path: Path) -> None:
    commands = to_try(tmp_path, WINDOW)
    assert len(commands) == 5
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "logferry"
        assert str(tmp_path / CONFIGURATION) in arguments
        _app(are_listed=False).parse_args(arguments, exit_on_error=False, print_error=False)
    assert "--from 2026-11-22 --to 2026-11-22" in commands[-1]


def test_the_readme_shows_a_search_and_a_fetch_as_the_demo_does() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    shown = re.search(r"<!-- search -->(.*?)<!-- /search -->", readme, re.DOTALL)
    assert shown is not None
    typed = [line.removeprefix("$ ") for line in shown[1].splitlines() if line.startswith("$ ")]
    told = [line.replace("2026-11-22", "yesterday") for line in to_try(Path("build/demo"), WINDOW)]
    endpoint = f"http://{HOST}:{DEFAULT_PORT}"
    first = [line for line in kept(endpoint) if line.startswith(("export ", "source "))]
    assert typed == ["make demo KEEP=1", *first, *told[:2], "wc -l cart.log"]
