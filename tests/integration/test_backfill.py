"""A backfill from the command to the archive, fed by the deployed planner."""

import time
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
import yaml

from devstack.suite import REGION, date_of, yesterday
from logferry.backfill import Backfills
from logferry.command import main
from logferry.commands.console import DONE

pytestmark = pytest.mark.localstack

PROFILE = "beta"
PATIENCE_S = 120


@pytest.fixture
def organization(suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The suite's configuration as a file, and credentials of the hub."""
    for name, value in {
        "AWS_ENDPOINT_URL": suite.endpoint,
        "AWS_ACCESS_KEY_ID": suite.hub_account_id,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "organization.yaml"
    path.write_text(yaml.safe_dump(suite.config.model_dump(mode="json", exclude_none=True)))
    return str(path)


def test_what_is_asked_for_by_the_command_is_fed_to_both_lanes_and_archived(
    suite, organization, name, records, some_logs, tap
):
    some_logs(PROFILE, f"{name}/task/a", f"{name}/task/b")
    some_logs(PROFILE, f"{name}/direct", lane="direct")
    some_logs(PROFILE, f"{name}/idle", lane="direct", streams=())
    on = str(date_of(yesterday()))
    options = ["--from", on, "--to", on, "--profile", PROFILE, "--log-group", f"{name}/*", "--yes"]
    with pytest.raises(SystemExit) as ended:
        main(["backfill", organization, *options])
    assert ended.value.code == DONE

    suite.fire_schedule("backfill")

    found = _ended(suite)
    assert (found.state, found.problem) == ("completed", None)
    tap.until(
        lambda: (
            [
                [record.state for record in records(f"{name}/{which}")]
                for which in ("task/a", "task/b", "direct", "idle")
            ]
            == [["secured"], ["secured"], ["secured"], ["skipped"]]
        )
    )
    assert {records(f"{name}/{which}")[0].lane for which in ("task/a", "direct")} == {
        "slot",
        "direct",
    }
    assert found.fed.exports == 3


def _ended(suite):
    """Wait for the end of the backfill, and return it."""
    backfills = Backfills(boto3.Session(), suite.config)
    name = suite.config.source_name(suite.config.source(PROFILE))
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = backfills.find(name, datetime.now(UTC))
        if not found.is_under_way:
            return found
        assert time.monotonic() < deadline, found.as_json()
        time.sleep(1)
