"""`logferry retention`: by a role that is deployed by hand alone, with permissions enforced."""

import json
import secrets
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cli.tests.in_s3 import InS3
from contracts.tests.sealed_archive import Archive

from devstack.organisation import LogGroup, LogStream
from devstack.suite import EXTERNAL_ID
from logferry.checkout import ROOT
from logferry.command import main
from logferry.commands.console import DONE, FAILED
from logferry.log_retention import BACKDATED_MS
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import inventory_key
from logferry_contracts.log_group import LogGroup as ListedGroup
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

pytestmark = [pytest.mark.localstack, pytest.mark.deep]

NAMES = ("/late", "/changed", "/safe")
KEEPERS = "log-keepers"


class Held(InS3):
    """A bucket whose objects are put on legal hold, as the sse-enforcer does."""

    def put(self, key, data, *, is_held=True):
        hold = "ON" if is_held else "OFF"
        put = self.s3.put_object(
            Bucket=self.name, Key=key, Body=data, ObjectLockLegalHoldStatus=hold
        )
        return put["VersionId"]


class Kept:
    """A source with log groups that CloudWatch has had for 17 days, and events of 31 days ago."""

    def __init__(self, suite):
        self.suite = suite
        account_id = str(10**11 + secrets.randbelow(10**11))
        self.source = SourceName(profile="kept", account_id=account_id, region=suite.config.region)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        days = [today - timedelta(days=each) for each in (31, 30, 29)]
        self.windows = [Window.between(days[0], days[1]), Window.between(days[1], days[2])]
        self.created_ms = self.windows[0].from_ms + BACKDATED_MS + 1
        self.archive = Archive(Held(suite.client("s3"), suite.archive_bucket), source=self.source)
        for each in self.windows:
            made = [self.archive.archived(name, each) for name in NAMES]
            self.archive.day(made, each, time_zone="Etc/UTC")
        for name in NAMES:
            ends = [at for each in self.windows for at in (each.from_ms, each.to_ms)]
            self.put(
                name, *ends[::2], *(at + 1 for at in ends[::2]), *(at - 1 for at in ends[1::2])
            )
        self._list()
        suite.control("authorization", {"account": account_id, "enforced": True})

    def put(self, name, *at_ms):
        stream = LogStream("web", [(each, "hello") for each in sorted(at_ms)])
        self.suite.put_logs(
            self.source.account_id, [LogGroup(name, self.created_ms, [stream], "STANDARD")]
        )

    def _list(self):
        """Write the inventory of the newest plan."""
        now = datetime.now(UTC)
        lines = b""
        for name in sorted(NAMES):
            arn = f"arn:aws:logs:{self.source.region}:{self.source.account_id}:log-group:{name}"
            log_group = ListedGroup(
                name=name,
                arn=arn,
                log_group_class="STANDARD",
                created_ms=self.created_ms,
                stored_bytes=10**12,
            )
            lines += ListedLogGroup.of(
                source=self.source,
                log_group=log_group,
                verdict="selected",
                planned_at=timestamp(now),
            ).line()
        self.suite.client("s3").put_object(
            Bucket=self.suite.config.control_bucket,
            Key=inventory_key(self.source, epoch_ms(now), secrets.token_hex(16)),
            Body=lines,
        )

    @property
    def logs(self):
        return self.suite.client("logs", self.source.account_id)

    def days(self):
        """For how long each log group is kept; None for ever."""
        found = self.logs.describe_log_groups()["logGroups"]
        return {each["logGroupName"]: each.get("retentionInDays") for each in found}

    def let(self, operator_arn):
        """Deploy what lets somebody set retentions, as docs/costs.md says it."""
        stacks = self.suite.client("cloudformation", self.source.account_id)
        parameters = {
            "HubAccountId": self.suite.hub_account_id,
            "OperatorArns": operator_arn,
            "ExternalId": EXTERNAL_ID,
        }
        stacks.create_stack(
            StackName="logferry-retention",
            TemplateBody=(ROOT / "deploy/retention.yaml").read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )
        stacks.get_waiter("stack_create_complete").wait(StackName="logferry-retention")


def statement(actions, *resources):
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


@pytest.fixture
def keeper(suite):
    """A role of the hub with what docs/costs.md asks for; yields its ARN and credentials."""
    iam, hub = suite.client("iam"), suite.hub_account_id
    archive, control = (
        f"arn:aws:s3:::{each}" for each in (suite.archive_bucket, suite.config.control_bucket)
    )
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{hub}:root"},
        "Action": "sts:AssumeRole",
    }
    made = iam.create_role(
        RoleName=KEEPERS,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    allowed = [
        statement(["s3:GetObject", "s3:GetObjectVersion"], f"{archive}/!seals/*"),
        statement(["s3:ListBucket", "s3:ListBucketVersions"], archive),
        statement(["s3:GetObjectLegalHold"], f"{archive}/*"),
        statement(["s3:ListBucket"], control),
        statement(
            ["s3:GetObject"], *(f"{control}/{each}/*" for each in ("inventories", "ledger", "open"))
        ),
        statement(["s3:GetObject", "s3:PutObject"], f"{control}/retention/*"),
        statement(["kms:Decrypt", "kms:GenerateDataKey"], "*"),
        statement(["sts:AssumeRole"], f"arn:aws:iam::*:role/{suite.name}-retention"),
    ]
    policy = {"Version": "2012-10-17", "Statement": allowed}
    iam.put_role_policy(RoleName=KEEPERS, PolicyName="keep", PolicyDocument=json.dumps(policy))
    session = suite.client("sts").assume_role(RoleArn=made, RoleSessionName="ana")
    yield made, session["Credentials"]
    iam.delete_role_policy(RoleName=KEEPERS, PolicyName="keep")
    iam.delete_role(RoleName=KEEPERS)


def test_what_is_safe_is_shortened_and_put_back_and_nothing_that_has_changed_since(
    suite, keeper, tmp_path, monkeypatch, capsys
):
    kept, (operator_arn, credentials) = Kept(suite), keeper
    document = suite.config.model_dump(mode="json", exclude_none=True)
    document["sources"] = [
        {"profile": "kept", "account_id": kept.source.account_id, "schedule": "rate(1 day)"}
    ]
    document |= {"recount": {"state": "ENABLED"}, "log_retention": {"min_dollars": 0}}
    path, key = tmp_path / "organization.yaml", tmp_path / "seals.pem"
    path.write_text(yaml.safe_dump(document))
    key.write_text(kept.archive.key.pem)
    for name, value in {
        "AWS_ENDPOINT_URL": suite.endpoint,
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "AWS_DEFAULT_REGION": suite.config.region,
    }.items():
        monkeypatch.setenv(name, value)

    def run(*options):
        with pytest.raises(SystemExit) as ended:
            main(["retention", str(path), *options, "--json"])
        out, err = capsys.readouterr()
        told = json.loads(out)
        assert isinstance(told, list), (told, err)
        [found] = told or [{"log_groups": []}]
        return ended.value.code, found

    def outcomes(found):
        return {each["log_group"]: (each["outcome"], each["why"]) for each in found["log_groups"]}

    code, found = run("--key", str(key))
    assert (code, found["problem"], found["findings"]) == (DONE, None, [])
    assert {each["log_group"]: each["could_be_days"] for each in found["log_groups"]} == (
        dict.fromkeys(NAMES, 30)
    )
    apply = ("--apply", "--yes", "--key", str(key))
    code, found = run(*apply)  # nobody has asked for the role so far
    assert (code, found["log_groups"]) == (FAILED, [])
    assert "AssumeRole" in found["problem"]
    assert kept.days() == dict.fromkeys(NAMES)

    kept.let(operator_arn)
    kept.put("/late", kept.windows[0].from_ms + 5)
    kept.logs.put_retention_policy(logGroupName="/changed", retentionInDays=400)
    code, found = run(*apply)
    assert (code, found["problem"]) == (FAILED, None)
    assert outcomes(found) == {
        "/late": ("left", "CloudWatch has 1 more events than the archive"),
        "/changed": ("left", "it is kept for 400 days meanwhile"),
        "/safe": ("set", ""),
    }
    assert kept.days() == {"/late": None, "/changed": 400, "/safe": 30}

    kept.logs.put_retention_policy(logGroupName="/safe", retentionInDays=60)
    code, found = run("--undo", "--yes")
    assert (code, outcomes(found)) == (
        FAILED,
        {"/safe": ("left", "somebody has set 60 days since")},
    )
    kept.logs.put_retention_policy(logGroupName="/safe", retentionInDays=30)
    code, found = run("--undo", "--yes")
    assert (code, outcomes(found)) == (DONE, {"/safe": ("set", "")})
    assert kept.days() == {"/late": None, "/changed": 400, "/safe": None}
    assert run("--undo", "--yes")[1]["log_groups"] == []
