"""What `logferry doctor` says of a hub and of a source's account, of each thing that may be wrong.

What is changed in stacks by hand is looked for in test_deploy_on_localstack.py.
"""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from cli.tests.ledgers import backfill_of
from moto import mock_aws

from logferry import __version__, doctor, doctor_looking, doctor_sources, drift
from logferry import plan as planning
from logferry.change import Change, Difference
from logferry.checkout import TEMPLATES
from logferry.command import _app, main
from logferry.commands.console import DONE, FAILED, NOT_WHOLE
from logferry.config import Config, DirectLaneConfig
from logferry.denials import explained
from logferry.doctor import Doctor
from logferry.doctor_finding import WIDTH, Finding, lines
from logferry.doctor_hub import EXECUTIONS_OF_A_SOURCE, EXECUTIONS_OF_ALL, Hub
from logferry.errors import PlanError
from logferry.hub_stacks import hub_stacks, source_account_stack
from logferry.package import Zip
from logferry.services import NAMES
from logferry.source_limits import reads_per_second, tasks_of_others
from logferry.stack import Deployed, Stack
from logferry.template import load_template
from logferry.typed import typed
from logferry_contracts.backfill import ASKED, backfill_prefix
from logferry_contracts.open_exports import whole_key
from logferry_contracts.source import SourceName

FILE = "organization.yaml"
SHOP = "444455556666"
ALARM = "logferry-exporter-shop-queue-age"
DENIED = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}


class World:
    """A hub in which all is as it should be, until somebody breaks something."""

    def __init__(self, config: Config, zips: dict[str, Zip]) -> None:
        self.config = config
        self.stacks = {
            each.name: deployed(each) for step in hub_stacks(config, zips) for each in step
        }
        of_shop = source_account_stack(config, config.source("shop"))
        self.stacks[of_shop.name] = deployed(of_shop)
        self.drift: dict[str, list[Change]] = {}
        self.refused: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.session = boto3.Session(region_name=config.region)

    def client(self, service: str) -> Any:
        return self.session.client(service)  # type: ignore[call-overload]  # any service

    def look(self, **options: Any) -> list[Finding]:
        said: dict[str, Any] = {"now": lambda: datetime.now(UTC), "sources": self.config.sources}
        said |= options
        return list(Doctor(self.session, self.config, file=FILE, **said).findings())

    def wrong(self, **options: Any) -> list[Finding]:
        return [each for each in self.look(**options) if each.verdict == "wrong"]

    def unchecked(self) -> set[str]:
        return {each.check for each in self.look() if each.verdict == "not checked"}

    # As `Stacks`

    def deployed(self, name: str) -> Deployed | None:
        return self.stacks.get(name)

    # As `plan.plan`

    def plan(self, _: object, __: object, request: Any) -> None:
        profile = request.data.source.profile
        assert request.data.dry_run
        self.asked.append(profile)
        if profile in self.refused:
            raise self.refused[profile]


def deployed(wanted: Stack) -> Deployed:
    template = (TEMPLATES / wanted.template).read_text()
    # Of the same release, and not of the same bytes.
    code = f"{wanted.template.removesuffix('.yaml')}/{__version__}-{'0' * 64}.zip"
    parameters = dict(wanted.parameters) | {"CodeKey": code}
    return Deployed(wanted.name, template, parameters, {}, "111122223333", "eu-west-1")


@pytest.fixture
def zips(some_zips: list[Zip]) -> dict[str, Zip]:
    return dict(zip(NAMES, some_zips, strict=True))


@pytest.fixture
def world(
    document: dict[str, Any], zips: dict[str, Zip], monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    topic = f"arn:aws:sns:eu-west-1:{document['hub_account_id']}:alarms"
    config = Config.model_validate(document | {"alarm_action_arn": topic})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", config.region)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", config.hub_account_id)
    with mock_aws():
        world = World(config, zips)
        monkeypatch.setattr(doctor_looking, "stacks_of", lambda *_: world)
        monkeypatch.setattr(drift, "find", lambda _, there: world.drift.get(there.name, []))
        monkeypatch.setattr(planning, "plan", world.plan)
        limits = {"AccountLimit": {"UnreservedConcurrentExecutions": 900}}
        monkeypatch.setattr(Hub, "_limits", lambda _: limits["AccountLimit"])
        monkeypatch.setattr(doctor_sources, "reads_per_second", lambda _: 5.0)
        make_hub(world)
        yield world


def make_hub(world: World) -> None:
    s3, config = world.client("s3"), world.config
    s3.create_bucket(
        Bucket=config.control_bucket,
        CreateBucketConfiguration={"LocationConstraint": config.region},
    )
    for source in config.sources:
        key = whole_key(config.source_name(source))
        s3.put_object(Bucket=config.control_bucket, Key=key, Body=b"")
    kms = world.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/logferry", TargetKeyId=key_id)
    world.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    world.client("organizations").create_organization(FeatureSet="ALL")


def test_of_a_hub_that_is_as_it_should_be_nothing_is_wrong(world: World) -> None:
    assert world.wrong() == []
    assert world.unchecked() == {"role"}
    assert sorted(world.asked[:2]) == ["Pay_ments", "shop"]


def not_deployed(world: World) -> None:
    del world.stacks["logferry-sealer"]


def of_another_release(world: World) -> None:
    there = world.stacks["logferry-planner"]
    world.stacks["logferry-planner"] = replace(there, template="Resources: {}")


def with_code_of_another_release(world: World) -> None:
    there = world.stacks["logferry-planner"]
    parameters = {**there.parameters, "CodeKey": f"planner/0.1.9-{'0' * 64}.zip"}
    world.stacks["logferry-planner"] = replace(there, parameters=parameters)


def of_other_settings(world: World) -> None:
    there = world.stacks["logferry-planner"]
    parameters = {**there.parameters, "LookbackDays": "3"}
    world.stacks["logferry-planner"] = replace(there, parameters=parameters)


def changed_by_hand(world: World) -> None:
    change = Change(
        drift.MEND,
        "Schedule",
        "AWS::Scheduler::Schedule",
        replaces=False,
        differences=[Difference("State", "DISABLED", "ENABLED")],
    )
    world.drift["logferry-exporter-shop"] = [change]


def key_disabled(world: World) -> None:
    world.client("kms").disable_key(KeyId=key_of(world))


def key_to_be_deleted(world: World) -> None:
    world.client("kms").schedule_key_deletion(KeyId=key_of(world))


def key_of(world: World) -> str:
    arn: str = world.client("kms").describe_key(KeyId="alias/logferry")["KeyMetadata"]["KeyId"]
    return arn


def alarm_silenced(world: World) -> None:
    world.client("cloudwatch").disable_alarm_actions(AlarmNames=[ALARM])


def role_refuses(world: World) -> None:
    world.refused["shop"] = PlanError("refused: may not assume the role")


def not_indexed(world: World) -> None:
    source = world.config.source_name(world.config.source("shop"))
    world.client("s3").delete_object(Bucket=world.config.control_bucket, Key=whole_key(source))


def left_a_backfill(world: World) -> None:
    """Somebody has taken a source out of the configuration while its backfill went on."""
    gone = SourceName(profile="gone", account_id="999988887777", region="eu-west-1")
    world.client("s3").put_object(
        Bucket=world.config.control_bucket,
        Key=f"{backfill_prefix(gone)}{ASKED}",
        Body=backfill_of(gone).encode(),
    )


def damaged_a_backfill(world: World) -> None:
    source = world.config.source_name(world.config.source("shop"))
    world.client("s3").put_object(
        Bucket=world.config.control_bucket, Key=f"{backfill_prefix(source)}{ASKED}", Body=b"{"
    )


@pytest.mark.parametrize(
    ("break_it", "check", "subject", "mend"),
    [
        (not_deployed, "stack", "logferry-sealer", "logferry deploy FILE --only sealer"),
        (of_another_release, "stack", "logferry-planner", "logferry deploy FILE --only planner"),
        (
            with_code_of_another_release,
            "stack",
            "logferry-planner",
            "logferry deploy FILE --only planner",
        ),
        (of_other_settings, "stack", "logferry-planner", "logferry deploy FILE --only planner"),
        (
            changed_by_hand,
            "resource",
            "logferry-exporter-shop Schedule",
            "logferry deploy FILE --only exporter-shop",
        ),
        (key_disabled, "key", "alias/logferry", "aws kms enable-key "),
        (key_to_be_deleted, "key", "alias/logferry", "aws kms cancel-key-deletion "),
        (alarm_silenced, "alarms", ALARM, "aws cloudwatch enable-alarm-actions "),
        (role_refuses, "plan", "shop", "logferry deploy-source-account FILE --profile shop"),
        (
            left_a_backfill,
            "backfills",
            "gone",
            "logferry backfill FILE --cancel --profile gone",
        ),
        (
            damaged_a_backfill,
            "backfills",
            "shop",
            "logferry backfill FILE --status --profile shop",
        ),
        (not_indexed, "index", "shop", "logferry index rebuild FILE --profile shop"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_wrong_is_named_with_what_mends_it_and_nothing_else_is(
    world: World, break_it: Callable[[World], None], check: str, subject: str, mend: str
) -> None:
    break_it(world)

    [found] = world.wrong()

    assert (found.check, found.subject) == (check, subject)
    assert found.why
    assert found.mend[0].startswith(mend.replace("FILE", FILE))
    program, *words = shlex.split(found.mend[0])
    if program == "logferry":
        _app(are_listed=False).parse_args(words, exit_on_error=False, print_error=False)


def test_a_disabled_key_is_mended_by_the_very_command(world: World) -> None:
    key_to_be_deleted(world)

    [found] = world.wrong()

    assert [command.split()[2] for command in found.mend] == ["cancel-key-deletion", "enable-key"]
    key_id = found.mend[0].split()[-1]
    world.client("kms").cancel_key_deletion(KeyId=key_id)
    world.client("kms").enable_key(KeyId=key_id)
    assert world.wrong() == []


def test_an_alarm_of_alarms_that_is_switched_off_is_told(world: World) -> None:
    """Which AWS leaves out unless it is asked for, and moto has none.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    """
    name = "logferry-archive-at-risk"

    def answer(params: dict[str, Any], **_: object) -> Any:
        off = {"AlarmName": name, "ActionsEnabled": False}
        found = {"CompositeAlarms": [off] if b"CompositeAlarm" in params["body"] else []}
        return AWSResponse("", 200, HTTPHeaders(), None), found

    world.session.events.register("before-call.cloudwatch.DescribeAlarms", answer)

    [found] = world.wrong()
    assert (found.check, found.subject) == ("alarms", name)
    assert found.mend[0].startswith("aws cloudwatch enable-alarm-actions ")


def test_an_alarm_that_is_told_to_nobody_is_a_problem(world: World) -> None:
    world.config = world.config.model_copy(update={"alarm_action_arn": None})
    for name, there in world.stacks.items():
        if "AlarmActionArn" in there.parameters:
            parameters = {**there.parameters, "AlarmActionArn": ""}
            world.stacks[name] = replace(there, parameters=parameters)

    [found] = world.wrong()

    assert (found.check, found.subject) == ("settings", FILE)


def test_a_clock_that_is_off_is_told(world: World) -> None:
    [found] = world.wrong(now=lambda: datetime.now(UTC) + timedelta(minutes=10))

    assert (found.check, found.subject) == ("clock", "this machine")
    assert found.why.startswith("+")


def test_too_few_lambda_functions_at_a_time_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "_limits", lambda _: {"UnreservedConcurrentExecutions": 10})

    [found] = world.wrong()

    assert (found.check, found.subject) == ("concurrency", "eu-west-1")
    assert "10 Lambda functions" in found.why


def test_what_the_credentials_may_not_see_is_not_checked_and_never_guessed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = ClientError(DENIED, "Any")  # type: ignore[arg-type]

    def deny(*_: object) -> None:
        raise denied

    refused = PlanError("logferry-planner: not authorized")
    refused.__cause__ = denied
    world.refused = dict.fromkeys(("shop", "Pay_ments"), refused)
    monkeypatch.setattr(Hub, "_limits", deny)
    monkeypatch.setattr(World, "deployed", deny)
    monkeypatch.setattr(Hub, "_organization", deny)

    assert world.wrong() == []
    assert world.unchecked() == {"stack", "plan", "concurrency", "organisation", "role"}


def test_accounts_of_the_organisation_that_are_no_source_are_named(world: World) -> None:
    made = world.client("organizations").create_account(Email="a@example.com", AccountName="new")
    account_id = made["CreateAccountStatus"]["AccountId"]

    [found] = [each for each in world.look() if each.check == "organisation"]

    assert found.verdict == "ok"
    assert f"{account_id} (new)" in found.why


def test_a_hub_of_no_organisation_has_no_accounts_that_are_left_out(world: World) -> None:
    world.client("organizations").delete_organization()

    [found] = [each for each in world.look() if each.check == "organisation"]

    assert (found.verdict, found.why) == ("ok", "")


def test_a_region_that_an_account_has_not_enabled_is_mended_by_enabling_it(world: World) -> None:
    told = "refused: region eu-west-1 is not enabled in account 444455556666"
    world.refused["shop"] = PlanError(told, reason="refused_region")

    [found] = world.wrong()

    assert found.mend == ("aws account enable-region --region us-east-1 --region-name eu-west-1",)


def source_policy(world: World) -> dict[str, Any]:
    """Return the policy that deploy/source-account.yaml gives the role, for shop."""
    template = load_template((TEMPLATES / "source-account.yaml").read_text())
    values = {
        "AWS::Partition": "aws",
        "AWS::Region": world.config.region,
        "AWS::AccountId": SHOP,
        "AWS::URLSuffix": "amazonaws.com",
        "Name": world.config.name,
        "HubAccountId": world.config.hub_account_id,
        "Profile": "shop",
    }

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "Ref" in value:
            return values[value["Ref"]]
        if "Fn::Sub" in value:
            return re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], value["Fn::Sub"])
        return {name: resolved(each) for name, each in value.items()}

    [policy] = template["Resources"]["Role"]["Properties"]["Policies"]
    document: dict[str, Any] = resolved(policy["PolicyDocument"])
    return document


def make_role(world: World, document: dict[str, Any] | None = None) -> None:
    iam = world.client("iam")
    iam.create_role(RoleName="logferry-source", AssumeRolePolicyDocument="{}")
    text = json.dumps(document or source_policy(world))
    iam.put_role_policy(RoleName="logferry-source", PolicyName="export", PolicyDocument=text)


PERMISSIONS = [
    ("ReadEvents", "to read what is small directly", "logs:FilterLogEvents"),
    ("Export", "to export by tasks", "logs:CreateExportTask"),
    ("FollowExports", "to export by tasks", "logs:DescribeExportTasks, logs:CancelExportTask"),
    ("WriteToTheArchive", "to export by tasks", "s3:PutObject"),
    ("EncryptInTheArchive", "to export by tasks", "kms:GenerateDataKey, kms:Decrypt"),
    ("FindLogGroups", "to plan", "logs:DescribeLogGroups"),
    ("CountEventsAndFindTags", "to plan", "cloudwatch:GetMetricData, tag:GetResources"),
    ("SeeRetentionPolicies", "to plan", "logs:DescribeAccountPolicies"),
]


@pytest.mark.parametrize(("statement", "lane", "actions"), PERMISSIONS)
def test_what_the_roles_policy_does_not_allow_is_named_lane_by_lane(
    world: World, monkeypatch: pytest.MonkeyPatch, statement: str, lane: str, actions: str
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", SHOP)
    document = source_policy(world)
    document["Statement"] = [each for each in document["Statement"] if each["Sid"] != statement]
    make_role(world, document)

    [found] = world.wrong()

    assert found.check == "role"
    assert found.why == f"{lane}: its policies do not allow {actions}"
    assert found.mend == (f"logferry deploy-source-account {FILE} --profile shop",)


def test_a_role_of_ones_own_is_mended_by_the_statement_that_is_printed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", SHOP)
    changed = {"role_arn": f"arn:aws:iam::{SHOP}:role/team/logferry-source"}
    sources = [each.model_copy(update=changed) for each in world.config.sources]
    world.config = world.config.model_copy(update={"sources": sources})
    document = source_policy(world)
    document["Statement"] = [each for each in document["Statement"] if each["Sid"] != "Export"]
    make_role(world, document)
    shop = [each for each in sources if each.profile == "shop"]

    [found] = world.wrong(sources=shop)
    document["Statement"].append(json.loads(found.mend[0]))
    text = json.dumps(document)
    world.client("iam").put_role_policy(
        RoleName="logferry-source", PolicyName="export", PolicyDocument=text
    )

    assert world.wrong(sources=shop) == []


def test_a_role_whose_policies_may_not_be_read_is_not_checked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", SHOP)
    monkeypatch.setattr(doctor_sources, "policies_of", _refused)

    [found] = [each for each in world.look() if each.check == "role"]

    assert (found.verdict, "AccessDenied" in found.why) == ("not checked", True)


def _refused(*_: object) -> Any:
    raise ClientError(DENIED, "ListRolePolicies")  # type: ignore[arg-type]


def test_in_a_sources_account_its_role_is_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", SHOP)
    make_role(world)
    assert {(each.check, each.verdict) for each in world.look()} == {
        ("credentials", "ok"),
        ("clock", "ok"),
        ("stack", "ok"),
        ("role", "ok"),
        ("tasks", "ok"),
        ("reads", "ok"),
    }

    del world.stacks["logferry-source"]
    [found] = world.wrong()

    assert found.mend == (f"logferry deploy-source-account {FILE} --profile shop",)


@pytest.mark.parametrize(
    ("allowed", "percent", "verdict", "words"),
    [
        (4.0, 100, "wrong", "may be called 4 times a second, which AWS does not raise: set"),
        (25.0, 100, "ok", ""),
        (25.0, 20, "ok", ""),
        (25.0, 19, "wrong", "direct_lane.quota_percent leaves us 4.75: set"),
        (None, 20, "not checked", "names none of FilterLogEvents"),
    ],
)
def test_what_the_direct_lane_may_read_is_compared_with_its_share_of_the_accounts_quota(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    allowed: float | None,
    percent: int,
    verdict: str,
    words: str,
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", SHOP)
    monkeypatch.setattr(doctor_sources, "reads_per_second", lambda _: allowed)
    lane = DirectLaneConfig(quota_percent=percent)
    world.config = world.config.model_copy(update={"direct_lane": lane})

    [found] = [each for each in world.look() if each.check == "reads"]

    assert (found.subject, found.verdict) == ("shop", verdict)
    assert words in found.why


def test_export_tasks_of_others_are_named_and_no_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", SHOP)
    monkeypatch.setattr(doctor_sources, "tasks_of_others", lambda _: ["nightly"])

    [found] = [each for each in world.look() if each.check == "tasks"]

    assert found.verdict == "ok"
    assert found.why.endswith("the slot waits: nightly")


def test_the_tasks_of_others_are_those_that_no_export_is_named_after() -> None:
    logs = boto3.client("logs", region_name="eu-west-1")
    pending = [{"taskId": "1", "taskName": "0" * 32}, {"taskId": "2", "taskName": "nightly"}]
    with Stubber(logs) as stub:
        for status, tasks in (("PENDING", pending), ("RUNNING", [{"taskId": "3"}])):
            answer = {"exportTasks": tasks}
            stub.add_response("describe_export_tasks", answer, {"statusCode": status})
        assert tasks_of_others(logs) == ["nightly", "3"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["CreateLogGroup throttle limit", "FilterLogEvents throttle limit"], 5.0),
        (["CreateLogGroup throttle limit"], None),
    ],
)
def test_the_quota_of_reads_is_known_by_its_operation(
    names: list[str], found: float | None
) -> None:
    quotas = boto3.client("service-quotas", region_name="eu-west-1")
    with Stubber(quotas) as stub:
        answer = {"Quotas": [{"QuotaName": each, "Value": 5.0} for each in names]}
        stub.add_response("list_service_quotas", answer, {"ServiceCode": "logs"})
        assert reads_per_second(quotas) == found


def test_with_an_accounts_credentials_that_has_no_part_in_it_nothing_else_is_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "777788889999")

    [found] = world.look()

    assert (found.check, found.subject, found.verdict) == ("credentials", "777788889999", "wrong")


def test_credentials_of_another_partition_are_no_credentials(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a source in China, for example, which no hub elsewhere reaches."""
    there = {"Account": SHOP, "Arn": f"arn:aws-cn:iam::{SHOP}:user/somebody"}
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *_: there)

    [found] = world.look()

    assert (found.check, found.verdict) == ("credentials", "wrong")
    assert found.why.startswith("the credentials are of partition aws-cn, and eu-west-1 is in aws:")


def test_keys_that_aws_does_not_know_there_may_be_of_another_partition(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        code = {"Code": "InvalidClientTokenId", "Message": "The security token is invalid."}
        raise ClientError({"Error": code}, "GetCallerIdentity")

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)

    [found] = world.look()

    assert found.check == "credentials"
    assert found.why.endswith("keys of another partition than aws are not known there")


def test_only_the_chosen_sources_are_tried(world: World) -> None:
    world.look(sources=[world.config.source("shop")])

    assert world.asked == ["shop"]


def test_the_exit_code_says_what_was_found(
    world: World, path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*options: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(("doctor", path, "--json", *options))
        assert isinstance(ended.value.code, int)
        return ended.value.code

    found = [Finding(check="key", subject="k", verdict="ok")]
    monkeypatch.setattr(Doctor, "findings", lambda _: iter(found))
    assert run() == DONE
    found.append(Finding(check="role", subject="shop", verdict="not checked", why="who knows"))
    assert run() == NOT_WHOLE
    found.append(Finding(check="plan", subject="[shop]", verdict="wrong", why="x", mend=("y",)))
    capsys.readouterr()
    assert run() == FAILED
    assert [each["verdict"] for each in json.loads(capsys.readouterr().out)] == [
        "ok",
        "not checked",
        "wrong",
    ]
    with pytest.raises(SystemExit):
        main(("doctor", path))
    shown = capsys.readouterr().out
    assert all(mark in shown for mark in ("✔", "✘", "?", "[shop]", "$ y"))
    assert "3 looked at: 1 in order, 1 to be mended, 1 not checked" in shown


def test_what_is_shown_fits_a_terminal_and_what_can_be_copied_stays_whole() -> None:
    command = typed("deploy", "/a/file/in/a/folder/that/is/deep.yaml", "--only", "exporter-shop")
    why = f"changed by hand: {', '.join(f'Environment/Variables/VALUE_{n}' for n in range(9))}"
    found = [
        Finding(check="resource", subject="a", verdict="wrong", why=why, mend=(command,)),
        Finding(check="key", subject="k", verdict="ok"),
    ]

    shown = list(map(str, lines(found)))

    of_why = [each for each in shown if "VALUE_" in each]
    assert len(of_why) > 1
    assert all(len(each) <= WIDTH for each in of_why)
    assert " ".join(" ".join(of_why).split()) == why
    assert [each.split("$ ")[1] for each in shown if "$ " in each] == [command]


def test_what_is_to_be_mended_is_not_lost_among_what_a_fleet_has_in_order() -> None:
    found = [
        finding
        for number in range(100)
        for finding in (
            Finding(
                check="plan", subject=f"shop-{number}", verdict="wrong" if number == 50 else "ok"
            ),
            Finding(check="tasks", subject=f"shop-{number}", verdict="ok", why="others' tasks"),
            Finding(check="role", subject=f"shop-{number}", verdict="not checked", why="ask there"),
        )
    ]

    shown = list(map(str, lines(found)))

    assert [each.split()[2:] for each in shown if " plan " in each] == [
        ["99", "in", "order"],
        ["shop-50"],
    ]
    assert sum(" tasks " in each for each in shown) == 100  # what is said of one is no count
    of_roles = [each for each in shown if " role " in each]
    assert len(of_roles) == 6
    assert of_roles[-1].endswith("and 95 more: --json has all")
    assert shown[-1] == "300 looked at: 199 in order, 1 to be mended, 100 not checked"


def test_as_many_executions_are_reckoned_with_as_the_templates_allow() -> None:
    def template(name: str) -> Any:
        return load_template((TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8"))

    lanes = [
        each
        for each in template("exporter")["Resources"].values()
        if each["Type"] == "AWS::Lambda::EventSourceMapping"
    ]
    of_all = [
        template(name)["Parameters"]["MaximumConcurrency"]["Default"]
        for name in ("sse-enforcer", "sealer")
    ]
    a_plan_a_sweep_a_feed_and_a_page = 4
    looks_at_dates = 2
    assert len(lanes) + looks_at_dates == EXECUTIONS_OF_A_SOURCE
    assert sum(of_all) + a_plan_a_sweep_a_feed_and_a_page == EXECUTIONS_OF_ALL


@pytest.mark.deep
def test_a_hundred_accounts_are_looked_at_within_a_minute(
    world: World, zips: dict[str, Zip]
) -> None:
    sources = [
        {"profile": f"s{n}", "account_id": str(200000000000 + n), "schedule": "rate(1 day)"}
        for n in range(100)
    ]
    document = world.config.model_dump(mode="json", exclude_none=True) | {"sources": sources}
    world.config = Config.model_validate(document)
    world.stacks |= {
        each.name: deployed(each) for step in hub_stacks(world.config, zips) for each in step
    }
    s3 = world.client("s3")
    for source in world.config.sources:
        key = whole_key(world.config.source_name(source))
        s3.put_object(Bucket=world.config.control_bucket, Key=key, Body=b"")

    began = time.monotonic()
    found = world.look()

    assert time.monotonic() - began < 60
    assert [each for each in found if each.verdict == "wrong"] == []
    assert {each.subject for each in found if each.check == "plan"} == {
        source["profile"] for source in sources
    }


LINK = "https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1#/authorization-details/"
SAID = f"User: x is not authorized to perform: logs:DescribeLogGroups. Go to {LINK}ab12 for why."
DETAILS: dict[str, Any] = {
    "evaluations": [
        {
            "action": "logs:DescribeLogGroups",
            "resource": "*",
            "context": {},
            "evaluatedEffect": "EXPLICIT_DENY",
            "checks": [
                {
                    "checkType": "SERVICE_CONTROL_POLICY",
                    "evaluatedEffect": "EXPLICIT_DENY",
                    "matchedPolicies": [
                        {
                            "uri": "arn:aws:organizations::1:policy/o-1/p-1",
                            "matchedStatements": [
                                {"sid": "NoLogs", "evaluatedEffect": "EXPLICIT_DENY"}
                            ],
                        }
                    ],
                },
                {"checkType": "PRINCIPAL", "evaluatedEffect": "IMPLICIT_DENY"},
                {"checkType": "RESOURCE", "evaluatedEffect": "NO_IMPACT"},
            ],
        }
    ],
    "policies": [],
    "requestContext": {},
}


class ToolboxSession:
    """A session whose only client knows, or does not, what was denied."""

    def __init__(self, *, may_ask: bool) -> None:
        self.toolbox = boto3.client("iam-toolbox", region_name="us-east-1")  # type: ignore[call-overload]  # newer than its types
        stubber = Stubber(self.toolbox)
        if may_ask:
            asked = {"authorizationId": "ab12"}
            stubber.add_response("get_request_authorization_details", DETAILS, asked)
        else:
            stubber.add_client_error("get_request_authorization_details", "AccessDeniedException")
        stubber.activate()
        self.asked: list[tuple[str, str]] = []

    def client(self, service: str, *, region_name: str, config: object) -> Any:
        del config
        self.asked.append((service, region_name))
        return self.toolbox


def test_a_denial_with_an_id_says_which_policy_has_denied_it() -> None:
    session: Any = ToolboxSession(may_ask=True)

    assert explained(session, SAID) == (
        f"{SAID}; logs:DescribeLogGroups: denied by SERVICE_CONTROL_POLICY "
        "arn:aws:organizations::1:policy/o-1/p-1 (NoLogs); "
        "logs:DescribeLogGroups: allowed by no policy of PRINCIPAL"
    )
    assert session.asked == [("iam-toolbox", "us-east-1")]


def test_a_denial_that_nobody_may_ask_about_is_told_as_it_was() -> None:
    session: Any = ToolboxSession(may_ask=False)

    assert explained(session, SAID) == SAID
    assert explained(session, "not authorized") == "not authorized"


def test_what_a_source_was_denied_is_asked_of_aws(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.refused["shop"] = PlanError(f"refused: {SAID}")
    monkeypatch.setattr(doctor, "explained", lambda _, text: text.replace("Go to", "SCP; go to"))

    [found] = world.wrong()

    assert "SCP; go to" in found.why
