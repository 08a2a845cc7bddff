"""What a demo that is kept leaves to be tried."""

import shlex
from datetime import datetime
from pathlib import Path

from devstack.demo import CONFIGURATION, HUB_ACCOUNT_ID, keep_configuration, to_try
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
    assert load(tmp_path / CONFIGURATION) == suite.config


def test_three_commands_are_shown_that_the_command_takes(tmp_path: Path) -> None:
    window = previous_day(datetime(2026, 11, 23, 1, tzinfo=zone_named(TIME_ZONE)))
    commands = to_try(tmp_path, window)
    assert len(commands) == 3
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == ".venv/bin/logferry"
        assert str(tmp_path / CONFIGURATION) in arguments
        _app(are_listed=False).parse_args(arguments, exit_on_error=False, print_error=False)
    assert "--from 2026-11-22 --to 2026-11-22" in commands[-1]
