"""What an operator asks of the deployed suite by the command's own functions."""

import json
from datetime import UTC, datetime

import boto3
import pytest
import yaml
from tests.sealed_account import Account

from devstack.suite import REGION, yesterday
from logferry.command import main
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


@pytest.fixture
def retry(suite, session, tmp_path, monkeypatch, capsys):
    """Gives dead letters of a service back; returns the exit code and what was printed."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", suite.hub_account_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    path = tmp_path / "organization.yaml"
    path.write_text(yaml.safe_dump(suite.config.model_dump(mode="json", exclude_none=True)))

    def retry(*options):
        with pytest.raises(SystemExit) as ended:
            main(["retry", str(path), "--dead-letters", *options])
        return ended.value.code, capsys.readouterr().out

    return retry


def test_a_plan_that_was_refused_is_asked_for_again_once_its_cause_is_mended(
    suite, session, name, plan, records, some_logs, tap, retry
):
    some_logs("beta", name)
    account_id = suite.source("beta").account_id
    suite.control("limits", {"account": account_id, "region_off": REGION})
    try:
        assert plan("beta", name)["reason"] == "refused_region"
    finally:
        suite.client("account", account_id).enable_region(RegionName=REGION)
    chosen = ("--service", "planner", "--profile", "beta", "--reason", "refused_region")
    code, out = retry(*chosen, "--dry-run", "--json")
    assert code == 0
    assert [(each["reason"], each["profile"]) for each in json.loads(out)] == [
        ("refused_region", "beta")
    ]
    assert records(name) == []

    assert retry(*chosen, "--yes")[0] == 0

    tap.until(lambda: [r.state for r in records(name)] == ["secured"])
    assert json.loads(retry(*chosen, "--dry-run", "--json")[1]) == []


def test_what_the_sealer_has_given_up_is_sealed_once_its_letter_is_given_back(suite, tap, retry):
    account = Account(suite)
    account.export("/a")
    account.inventory("/a", excluded="/b")
    # As SQS leaves it, where the sealer was tried as often as it may be.
    letters = suite.queue_url(f"{suite.name}-sealer-dlq")
    suite.client("sqs").send_message(QueueUrl=letters, MessageBody=account.request())
    tap.until(tap.idle)
    assert account.sealed(tap) == []

    code, out = retry("--service", "sealer", "--yes")

    assert code == 0
    assert "given back: sealer logferry.seal.requested.v1" in out
    tap.until(lambda: account.sealed(tap))
    assert account.sealed(tap)[0].data.sealed.outcomes == {"archived": 1, "excluded": 1}
