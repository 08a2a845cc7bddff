"""What an operator asks of the deployed suite by the command's own functions."""

from datetime import UTC, datetime

import boto3
import pytest

from devstack.suite import REGION, yesterday
from logferry.plan import plan as ask_for_plan
from logferry.plan import plan_request
from logferry.status import status

pytestmark = pytest.mark.localstack


@pytest.fixture
def session(suite, monkeypatch):
    """The operator's, in the hub's account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", suite.endpoint)
    return boto3.Session(
        aws_access_key_id=suite.hub_account_id, aws_secret_access_key="any", region_name=REGION
    )


def test_a_dry_run_says_what_would_become_of_each_log_group_and_does_nothing(
    suite, session, name, records, some_logs, tap
):
    some_logs("alpha", f"{name}/task")
    some_logs("alpha", f"{name}/direct", lane="direct")
    some_logs("alpha", f"{name}/idle", lane="direct", streams=())

    request = plan_request(suite.config, "alpha", dry_run=True)
    completed = ask_for_plan(session, suite.config, request)

    outcomes = {
        each.log_group_name.removeprefix(f"{name}/"): (each.outcome, each.reason, each.lane)
        for each in completed.planned
        if each.log_group_name.startswith(f"{name}/")
    }
    assert outcomes == {
        "task": ("requested", None, "slot"),
        "direct": ("requested", None, "direct"),
        "idle": ("skipped", "empty", None),
    }
    assert [records(f"{name}/{which}") for which in outcomes] == [[], [], []]
    tap.until(tap.idle)
    published = {event["type"] for event in tap.events}
    told = {event["data"].get("log_group_name") for event in tap.events}
    assert "logferry.plan.completed.v1" not in published
    assert not [each for each in told if each and each.startswith(name)]


def test_the_status_counts_what_the_ledger_has(suite, session, name, plan, records, some_logs, tap):
    some_logs("alpha", name)
    plan("alpha", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"])

    alpha = suite.config.source("alpha")
    [found] = status(session, suite.config, [alpha], newest=1, now=datetime.now(UTC))

    assert found.windows[-1].window == yesterday()
    assert found.windows[-1].states["secured"] >= 1
