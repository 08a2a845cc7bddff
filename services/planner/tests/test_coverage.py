"""The page of each night: which sources schedules ask for, and what comes into the bucket."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devstack.pytest_backends import Backend
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.wire import parse
from planner import coverage_handler
from planner.aws.calls import CLIENT_CONFIG
from planner.aws.schedules import Schedules
from planner.coverage import DAYS, KEY, scheduled, write
from planner.errors import AwsError
from planner.settings import CoverageSettings

SETTINGS = CoverageSettings.from_env(
    {
        "AWS_REGION": "eu-west-1",
        "HUB_NAME": "logferry",
        "CONTROL_BUCKET": "acme-log-control",
        "ARCHIVE_BUCKET": "acme-log-archive",
        "TIME_ZONE": "Europe/Berlin",
        "SETTLE_MINUTES": "60",
    }
)
EXAMPLES = Path(__file__).parents[3] / "contracts/examples"
[EXPORTED] = EXAMPLES.glob("ledger-record/*/accept/secured.json")
RECORD = parse(LedgerRecord, EXPORTED.read_text())


def variables(profile: str = "shop", account: str = "444455556666") -> str:
    role = f"arn:aws:iam::{account}:role/logs"
    return json.dumps({"loggingBucketName": "acme-log-archive", "roleArn": role, "Prefix": profile})


def request(**rule: Any) -> str:
    """Return a request whose id and time EventBridge Scheduler fills in, as templates have it."""
    event = json.loads((EXAMPLES / "plan-request/1.0/accept/day-of-an-account.json").read_text())
    event |= {"id": "<aws.scheduler.execution-id>", "time": "<aws.scheduler.scheduled-time>"}
    event["data"]["window_rule"] |= rule
    return json.dumps(event)


def test_a_source_is_scheduled_by_variables_as_the_planner_is_set() -> None:
    [found] = scheduled([("logferry-shop", variables(), True)], SETTINGS)

    assert (found.name.profile, found.name.account_id) == ("shop", "444455556666")
    assert (found.name.region, found.time_zone, found.unit) == ("eu-west-1", "Europe/Berlin", "day")
    assert (found.settle, found.slack) == (timedelta(hours=1), timedelta(hours=25))
    assert found.is_on


def test_a_request_says_its_own_rule() -> None:
    text = request(unit="hour", time_zone="Asia/Seoul", settle_minutes=5)

    [found] = scheduled([("logferry-shop", text, False)], SETTINGS)

    assert (found.unit, found.time_zone) == ("hour", "Asia/Seoul")
    assert found.settle == timedelta(minutes=5)
    assert not found.is_on


def test_a_source_of_two_schedules_is_one_and_is_on_where_either_is() -> None:
    schedules = [("a", variables(), False), ("b", variables(), True), ("c", variables(), False)]

    [found] = scheduled(schedules, SETTINGS)

    assert found.is_on


@pytest.mark.parametrize(
    "text",
    ["{", "{}", json.dumps({"Prefix": "x"}), '{"specversion": "1.0"}', "[]", "null", '"x"', "1"],
)
def test_a_schedule_that_nobody_can_read_hides_no_source(text: str) -> None:
    found = scheduled([("odd", text, True), ("logferry-shop", variables(), True)], SETTINGS)

    assert [each.name.profile for each in found] == ["shop"]


def test_what_asks_for_no_plan_is_no_source() -> None:
    feed = json.dumps({"specversion": "1.0", "type": "logferry.feed.requested.v1", "data": {}})

    assert scheduled([("logferry-backfill", feed, True)], SETTINGS) == []


class World:
    """A hub's control bucket with one archived window, and its schedules."""

    def __init__(self, backend: Backend, bucket: str) -> None:
        self.s3, self.bucket = backend.client("s3", config=CLIENT_CONFIG), bucket
        self.scheduler = backend.client("scheduler", config=CLIENT_CONFIG)
        self.backend = backend
        body = EXPORTED.read_bytes()
        self.s3.put_object(Bucket=bucket, Key=RECORD.key, Body=body)
        self.name = RECORD.source
        asked = variables(self.name.profile, self.name.account_id)
        self.schedule("logferry-shop", "logferry-planner", asked)

    def schedule(self, name: str, function: str, text: str, state: str = "ENABLED") -> None:
        here = f"{self.backend.region}:{self.backend.account_id}"
        self.scheduler.create_schedule(
            Name=name,
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            State=state,
            Target={
                "Arn": f"arn:aws:lambda:{here}:function:{function}",
                "RoleArn": f"arn:aws:iam::{self.backend.account_id}:role/x",
                "Input": text,
            },
        )

    @property
    def settings(self) -> CoverageSettings:
        region = {"region": self.name.region, "time_zone": "UTC"}
        return SETTINGS.model_copy(update={"control_bucket": self.bucket} | region)

    def page(self) -> dict[str, Any]:
        """Return what the page has for its script."""
        found = self.s3.get_object(Bucket=self.bucket, Key=KEY)
        assert found["ContentType"] == "text/html; charset=utf-8"
        text = found["Body"].read().decode()
        data = text.partition('<script type="application/json" id="data">')[2]
        document: dict[str, Any] = json.loads(data.partition("</script>")[0])
        return document


@pytest.fixture
def world(backend: Backend, bucket: str) -> World:
    return World(backend, bucket)


def test_schedules_that_ask_the_planner_are_read(world: World) -> None:
    world.schedule("logferry-planner-coverage", "logferry-planner-coverage", "{}")
    world.schedule("logferry-off", "logferry-planner", "{}", "DISABLED")
    world.schedule("other-shop", "other-planner", "{}")

    found = list(Schedules(world.scheduler, "logferry").of_the_planner())

    assert sorted((name, is_on) for name, _, is_on in found) == [
        ("logferry-off", False),
        ("logferry-shop", True),
    ]
    assert json.loads({name: text for name, text, _ in found}["logferry-shop"])["Prefix"]


def test_the_page_has_what_was_archived_on_its_date(world: World) -> None:
    now = RECORD.window.end + timedelta(hours=30)
    sources = scheduled(Schedules(world.scheduler, "logferry").of_the_planner(), world.settings)

    write(world.s3, sources, world.settings, now)

    [row] = world.page()["rows"]
    assert row["profile"] == world.name.profile
    assert len(row["cells"]) == DAYS
    days_ago = (now.date() - RECORD.window.start.date()).days
    assert row["cells"][-1 - days_ago] == "a"


def test_the_second_page_goes_by_what_the_first_has_counted(world: World) -> None:
    now = RECORD.window.end + timedelta(days=30)
    sources = scheduled(Schedules(world.scheduler, "logferry").of_the_planner(), world.settings)

    [first] = write(world.s3, sources, world.settings, now)
    [second] = write(world.s3, sources, world.settings, now)

    assert (first.read, second.read) == (1, 0)


def test_what_aws_refuses_writes_no_page(world: World) -> None:
    settings = world.settings.model_copy(update={"control_bucket": f"{world.bucket}-none"})
    sources = scheduled([("logferry-shop", variables(), True)], settings)

    with pytest.raises(AwsError, match="NoSuchBucket"):
        write(world.s3, sources, settings, datetime.now(UTC))


def test_the_function_writes_it_whatever_asks_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_REGION": world.backend.region,
        "HUB_NAME": "logferry",
        "CONTROL_BUCKET": world.bucket,
        "ARCHIVE_BUCKET": "acme-log-archive",
    }.items():
        monkeypatch.setenv(name, value)
    clients = {"s3": world.s3, "scheduler": world.scheduler}
    monkeypatch.setattr(coverage_handler.boto3, "client", lambda service, **_: clients[service])
    context: Any = SimpleNamespace(
        function_name="f",
        memory_limit_in_mb=1,
        invoked_function_arn="arn",
        aws_request_id="id",
    )

    answer = coverage_handler.handle({}, context)

    assert answer == {"status": "written", "sources": 1}
    assert world.page()["rows"]
