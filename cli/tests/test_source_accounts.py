"""The role in every source's account: the stack set, its operations, where each account stands."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from moto import mock_aws

from logferry import hub
from logferry.account_roles import NOT_A_SOURCE, Result
from logferry.checkout import TEMPLATES
from logferry.command import main
from logferry.commands import console
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.errors import ConfigError, DeclinedError, DeployError
from logferry.source_accounts import deploy_source_accounts
from logferry.stack import Progress
from logferry.stack_set import UNLISTED, Options

REGION = "eu-west-1"
UNIT = "ou-ab12-c3d4e5f6"
SHOP, PAYMENTS, OTHER = "444455556666", "555566667777", "888899990000"
MANAGEMENT = "999900001111"


class FakeStackSets:
    """CloudFormation as far as a service-managed stack set goes: one, in one Region.

    Attributes:
        stack_set: As it was created or updated last; None when there is none.
        instances: By account id, as CloudFormation describes them.
        members: The accounts of each organizational unit.
        failing: Why the stack of an account fails, by the account's id.
        asked: The operations that change something, in order, with what was asked.
        queue: The statuses that an operation has before it ends.
    """

    class exceptions:  # noqa: N801  as clients name it
        class StackSetNotFoundException(ClientError):  # noqa: N818  the same
            pass

    def __init__(self) -> None:
        self.stack_set: dict[str, Any] | None = None
        self.instances: dict[str, dict[str, Any]] = {}
        self.members = {UNIT: [SHOP, PAYMENTS, OTHER]}
        self.failing: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.queue: list[str] = []
        self.errors: dict[str, ClientError] = {}
        self._operations: dict[str, list[dict[str, Any]]] = {}

    def accounts_of(self, operation: str) -> list[str]:
        return [
            account_id
            for name, request in self.asked
            if name == operation
            for account_id in request["DeploymentTargets"]["Accounts"]
        ]

    def describe_stack_set(self, **request: Any) -> dict[str, Any]:
        self._maybe_fail("DescribeStackSet")
        if self.stack_set is None:
            raise self.exceptions.StackSetNotFoundException(
                {"Error": {"Code": "StackSetNotFoundException", "Message": "no"}},
                "DescribeStackSet",
            )
        return {"StackSet": self.stack_set}

    def create_stack_set(self, **request: Any) -> dict[str, Any]:
        self._ask("CreateStackSet", request)
        # CloudFormation describes more than it was told.
        auto_deployment = request["AutoDeployment"] | {"DependsOn": []}
        self.stack_set = request | {"OrganizationalUnitIds": [], "AutoDeployment": auto_deployment}
        return {"StackSetId": "logferry-source:1"}

    def update_stack_set(self, **request: Any) -> dict[str, Any]:
        self._ask("UpdateStackSet", request)
        assert self.stack_set is not None
        self.stack_set |= request
        return self._operation(self.instances)

    def create_stack_instances(self, **request: Any) -> dict[str, Any]:
        self._ask("CreateStackInstances", request)
        assert self.stack_set is not None
        units = request["DeploymentTargets"]["OrganizationalUnitIds"]
        self.stack_set["OrganizationalUnitIds"] = sorted(
            {*self.stack_set["OrganizationalUnitIds"], *units}
        )
        reached = [
            (account_id, unit)
            for unit in units
            for account_id in request["DeploymentTargets"]["Accounts"]
            if account_id in self.members[unit]
        ]
        for account_id, unit in reached:
            self.join(account_id, unit, request["ParameterOverrides"])
        return self._operation(account_id for account_id, _ in reached)

    def update_stack_instances(self, **request: Any) -> dict[str, Any]:
        self._ask("UpdateStackInstances", request)
        (account_id,) = request["DeploymentTargets"]["Accounts"]
        self.instances[account_id]["ParameterOverrides"] = request["ParameterOverrides"]
        return self._operation([account_id])

    def join(self, account_id: str, unit: str = UNIT, overrides: Any = ()) -> None:
        """An account gets its stack, by an operation or since it has joined."""
        self.instances[account_id] = {
            "Account": account_id,
            "OrganizationalUnitId": unit,
            "ParameterOverrides": list(overrides),
            "Status": "CURRENT",
            "StackInstanceStatus": {"DetailedStatus": "SUCCEEDED"},
        }

    def describe_stack_instance(self, **request: Any) -> dict[str, Any]:
        assert request["StackInstanceRegion"] == REGION
        return {"StackInstance": self.instances[request["StackInstanceAccount"]]}

    def describe_stack_set_operation(self, **request: Any) -> dict[str, Any]:
        status = self.queue.pop(0) if self.queue else "SUCCEEDED"
        return {"StackSetOperation": {"Status": status}}

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, f"_{operation}"))

    def _list_stack_instances(self, **request: Any) -> Iterator[dict[str, Any]]:
        assert request["StackInstanceRegion"] == REGION
        for account_id in self.instances:
            yield {"Summaries": [{"Account": account_id}]}

    def _list_stack_set_operation_results(self, **request: Any) -> Iterator[dict[str, Any]]:
        for result in self._operations[request["OperationId"]]:
            yield {"Summaries": [result]}

    def _ask(self, operation: str, request: dict[str, Any]) -> None:
        self.asked.append((operation, request))
        self._maybe_fail(operation)

    def _maybe_fail(self, operation: str) -> None:
        if operation in self.errors:
            raise self.errors[operation]

    def _operation(self, account_ids: Any) -> dict[str, str]:
        results = []
        for account_id in account_ids:
            reason = self.failing.get(account_id)
            result = {"Account": account_id, "Status": "FAILED" if reason else "SUCCEEDED"}
            found = self.instances[account_id]
            found["Status"] = "OUTDATED" if reason else "CURRENT"
            found.pop("StatusReason", None)
            if reason:
                result["StatusReason"] = found["StatusReason"] = reason
            results.append(result)
        operation_id = f"operation-{len(self._operations)}"
        self._operations[operation_id] = results
        return {"OperationId": operation_id}


@pytest.fixture
def fake() -> FakeStackSets:
    return FakeStackSets()


@pytest.fixture
def session(fake: FakeStackSets) -> Any:
    """The management account's."""
    caller = {"Account": MANAGEMENT, "Arn": f"arn:aws:iam::{MANAGEMENT}:root"}
    clients = {
        "cloudformation": fake,
        "sts": SimpleNamespace(get_caller_identity=lambda: caller),
    }
    return SimpleNamespace(client=lambda service, **_: clients[service])


def deploy(session: Any, config: Config, **options: Any) -> Result:
    return deploy_source_accounts(
        session,
        config,
        Options(**{"units": [UNIT], "sleep": lambda _: None} | options),  # type: ignore[arg-type]
    )


def overrides(profile: str) -> list[dict[str, str]]:
    return [
        {"ParameterKey": "Profile", "ParameterValue": profile},
        {"ParameterKey": "LowercaseProfile", "ParameterValue": profile.lower()},
    ]


def standing(result: Result) -> dict[str, tuple[str, str, str]]:
    return {each.account_id: (each.profile, each.status, each.detail) for each in result.accounts}


CURRENT = {SHOP: ("shop", "CURRENT", ""), PAYMENTS: ("Pay_ments", "CURRENT", "")}


def test_each_source_gets_the_role_with_its_profile(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    result = deploy(session, config)

    assert (result.status, standing(result), result.is_failed) == ("changed", CURRENT, False)
    (_, created), *added = fake.asked
    assert created["StackSetName"] == "logferry-source"
    assert created["PermissionModel"] == "SERVICE_MANAGED"
    assert created["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": True}
    assert created["ManagedExecution"] == {"Active": True}
    assert created["TemplateBody"] == (TEMPLATES / "source-account.yaml").read_text()
    stack = hub.source_account_stack(config, config.source("Pay_ments"))
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in created["Parameters"]}
    assert parameters == stack.parameters | {"Profile": UNLISTED, "LowercaseProfile": UNLISTED}  # type: ignore[operator]
    targets = {"OrganizationalUnitIds": [UNIT], "AccountFilterType": "INTERSECTION"}
    for account_id, profile in ((SHOP, "shop"), (PAYMENTS, "Pay_ments")):
        (request,) = (
            request
            for name, request in added
            if name == "CreateStackInstances"
            and request["DeploymentTargets"] == targets | {"Accounts": [account_id]}
        )
        assert request["Regions"] == [REGION]
        assert request["ParameterOverrides"] == overrides(profile)
        assert request["OperationPreferences"]["FailureTolerancePercentage"] == 100


def test_where_nothing_is_to_change_there_is_no_operation_and_nobody_is_asked(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    deploy(session, config)
    fake.asked.clear()

    def never(_: Any) -> bool:
        raise AssertionError("asked")

    result = deploy(session, config, confirm=never)
    assert (result.status, standing(result), fake.asked) == ("unchanged", CURRENT, [])


def test_what_differs_in_the_stack_set_is_named_and_updated_everywhere(
    fake: FakeStackSets, session: Any, document: dict[str, Any]
) -> None:
    deploy(session, Config.model_validate(document))
    fake.asked.clear()
    shown: list[str] = []

    def agree(lines: Any) -> bool:
        shown.extend(lines)
        return True

    seen: list[Progress] = []
    changed = Config.model_validate(document | {"external_id": "between-us"})
    deploy(session, changed, confirm=agree, watch=seen.append)

    assert shown == ["stack set logferry-source", "  ~ parameter ExternalId"]
    ((name, request),) = fake.asked
    assert name == "UpdateStackSet"
    assert {"ParameterKey": "ExternalId", "ParameterValue": "between-us"} in request["Parameters"]
    assert "DeploymentTargets" not in request  # so that all instances are
    assert [(p.subject, p.status) for p in seen if p.is_final] == [
        (SHOP, "SUCCEEDED"),
        (PAYMENTS, "SUCCEEDED"),
        ("logferry-source", "SUCCEEDED"),
    ]


def test_an_account_that_joined_is_no_source_until_it_is_listed(
    fake: FakeStackSets, session: Any, document: dict[str, Any]
) -> None:
    deploy(session, Config.model_validate(document))
    fake.join(OTHER)
    result = deploy(session, Config.model_validate(document))
    assert standing(result) == CURRENT | {OTHER: (UNLISTED, "CURRENT", NOT_A_SOURCE)}
    assert not result.is_failed

    fake.asked.clear()
    new = {"profile": "new", "account_id": OTHER, "schedule": "rate(1 day)"}
    document["sources"].append(new)
    result = deploy(session, Config.model_validate(document))
    ((name, request),) = fake.asked
    assert name == "UpdateStackInstances"
    assert request["ParameterOverrides"] == overrides("new")
    assert standing(result)[OTHER] == ("new", "CURRENT", "")


def test_an_account_that_is_no_source_any_more_keeps_its_role_and_is_told(
    fake: FakeStackSets, session: Any, document: dict[str, Any]
) -> None:
    deploy(session, Config.model_validate(document))
    fake.asked.clear()
    del document["sources"][1]
    result = deploy(session, Config.model_validate(document))
    assert fake.asked == []
    assert standing(result)[PAYMENTS] == (
        "Pay_ments",
        "CURRENT",
        "no source any more: the role still lets the exporter of Pay_ments in",
    )


def test_an_account_that_fails_is_told_with_its_reason_and_keeps_no_other_from_its_role(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    fake.failing[SHOP] = "ResourceLogicalId:Role, logferry-source already exists"
    seen: list[Progress] = []
    result = deploy(session, config, watch=seen.append)
    assert result.is_failed
    assert standing(result) == CURRENT | {SHOP: ("shop", "OUTDATED", fake.failing[SHOP])}
    assert Progress(SHOP, "FAILED", fake.failing[SHOP], is_final=True) in seen


def test_an_account_that_had_failed_is_tried_again(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    fake.failing[SHOP] = "AccessDenied"
    deploy(session, config)
    fake.asked.clear()
    fake.failing.clear()
    shown: list[str] = []
    result = deploy(session, config, confirm=lambda lines: not shown.extend(lines))
    assert shown[1:] == [f"  ~ {SHOP}  shop, OUTDATED: tried again"]
    assert [name for name, _ in fake.asked] == ["UpdateStackInstances"]
    assert standing(result) == CURRENT


def test_an_update_of_the_stack_set_is_another_try_already(
    fake: FakeStackSets, session: Any, document: dict[str, Any]
) -> None:
    fake.failing[SHOP] = "AccessDenied"
    deploy(session, Config.model_validate(document))
    fake.asked.clear()
    fake.failing.clear()
    document["external_id"] = "between-us"
    result = deploy(session, Config.model_validate(document))
    assert [name for name, _ in fake.asked] == ["UpdateStackSet"]
    assert standing(result) == CURRENT


def test_an_instance_is_changed_in_the_unit_that_made_it_a_target(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    deploy(session, config)
    fake.instances[SHOP] |= {"OrganizationalUnitId": "r-ab12", "ParameterOverrides": []}
    fake.asked.clear()
    deploy(session, config)
    ((_, request),) = fake.asked
    assert request["DeploymentTargets"]["OrganizationalUnitIds"] == ["r-ab12"]


def test_an_inoperable_instance_is_told_with_what_to_do(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    deploy(session, config)
    fake.instances[SHOP] |= {"Status": "INOPERABLE", "StatusReason": "deleting it has failed"}
    fake.asked.clear()
    result = deploy(session, config)
    assert fake.asked == []
    assert result.is_failed
    assert standing(result)[SHOP][1:] == (
        "INOPERABLE",
        "deleting it has failed (delete its instance, retaining the stack, then the stack)",
    )


def test_a_source_in_none_of_the_units_has_no_role_and_is_told(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    fake.members[UNIT].remove(PAYMENTS)
    result = deploy(session, config)
    assert result.is_failed
    profile, status, detail = standing(result)[PAYMENTS]
    assert (profile, status) == ("Pay_ments", "NONE")
    assert "in none of the organizational units" in detail


@pytest.mark.parametrize(
    ("call_as", "asked", "is_failed"),
    [("SELF", [PAYMENTS], False), ("DELEGATED_ADMIN", None, True)],
)
def test_the_management_account_gets_no_role_from_a_stack_set(
    fake: FakeStackSets,
    session: Any,
    document: dict[str, Any],
    call_as: str,
    asked: list[str] | None,
    *,
    is_failed: bool,
) -> None:
    document["sources"][0]["account_id"] = MANAGEMENT
    fake.members[UNIT] = [PAYMENTS]
    result = deploy(session, Config.model_validate(document), call_as=call_as)
    assert result.is_failed is is_failed
    assert "management account" in standing(result)[MANAGEMENT][2]
    if asked:
        assert fake.accounts_of("CreateStackInstances") == asked
        assert "logferry deploy-source-account" in standing(result)[MANAGEMENT][2]


def test_every_call_says_as_whom_it_is_made(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    deploy(session, config, call_as="DELEGATED_ADMIN")
    assert {request["CallAs"] for _, request in fake.asked} == {"DELEGATED_ADMIN"}


def test_a_source_with_a_role_of_its_own_gets_none(
    fake: FakeStackSets, session: Any, document: dict[str, Any]
) -> None:
    role = f"arn:aws:iam::{SHOP}:role/collect"
    document["sources"][0]["role_arn"] = role
    result = deploy(session, Config.model_validate(document))
    assert fake.accounts_of("CreateStackInstances") == [PAYMENTS]
    assert SHOP not in standing(result)
    fake.join(SHOP)
    result = deploy(session, Config.model_validate(document))
    assert standing(result)[SHOP] == (UNLISTED, "CURRENT", f"not used: the source has {role}")


def test_a_unit_that_is_no_target_is_told(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    deploy(session, config)
    result = deploy(session, config, units=[UNIT, "ou-ab12-99999999"])
    assert result.without_effect == ["ou-ab12-99999999"]
    assert deploy(session, config).without_effect == []


def test_operations_are_followed_to_their_end(
    fake: FakeStackSets, session: Any, document: dict[str, Any]
) -> None:
    del document["sources"][1]
    fake.queue = ["QUEUED", "RUNNING", "RUNNING"]
    slept: list[float] = []
    deploy(session, Config.model_validate(document), sleep=slept.append)
    assert (fake.queue, len(slept)) == ([], 3)


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    shown: list[str] = []
    result = deploy(session, config, dry_run=True, confirm=lambda lines: not shown.extend(lines))
    assert fake.asked == []
    assert shown == [
        "stack set logferry-source (new)",
        f"  + {SHOP}  shop",
        f"  + {PAYMENTS}  Pay_ments",
    ]
    assert result.status == "proposed"
    assert {(each.status, each.detail) for each in result.accounts} == {("NONE", "gets the role")}
    assert not result.is_failed


def test_a_no_changes_nothing(fake: FakeStackSets, session: Any, config: Config) -> None:
    with pytest.raises(DeclinedError, match="not deployed: logferry-source"):
        deploy(session, config, confirm=lambda _: False)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("operation", "message", "hint"),
    [
        (
            "CreateStackSet",
            "You must enable organizations access to operate a service managed stack set",
            "aws cloudformation activate-organizations-access",
        ),
        (
            "DescribeStackSet",
            "You must be the management account or delegated admin account of an organization",
            "--call-as DELEGATED_ADMIN",
        ),
        (
            "CreateStackInstances",
            "Another Operation on StackSet arn:aws:cloudformation:x is in progress: 1",
            "when that operation has ended, run this again",
        ),
    ],
)
def test_what_aws_refuses_is_told_with_what_helps(
    fake: FakeStackSets, session: Any, config: Config, operation: str, message: str, hint: str
) -> None:
    error = {"Error": {"Code": "ValidationError", "Message": message}}
    fake.errors[operation] = ClientError(error, operation)  # type: ignore[arg-type]
    with pytest.raises(DeployError) as caught:
        deploy(session, config)
    assert f"{operation}: {message}" in str(caught.value)
    assert hint in str(caught.value)


def test_a_stack_set_that_is_not_of_ours_is_left_alone(
    fake: FakeStackSets, session: Any, config: Config
) -> None:
    fake.stack_set = {"PermissionModel": "SELF_MANAGED"}
    with pytest.raises(DeployError, match="logferry-source: there is a stack set of that name"):
        deploy(session, config)
    assert fake.asked == []


def test_a_unit_that_is_none_and_a_source_called_unlisted_are_bad_input(
    fake: FakeStackSets, session: Any, document: dict[str, Any]
) -> None:
    document["sources"][0]["profile"] = "Unlisted"
    with pytest.raises(ConfigError) as caught:
        deploy(session, Config.model_validate(document), units=["ou-1"])
    assert [problem.split(": ")[1] for problem in caught.value.problems] == ["ou-1", "Unlisted"]
    assert fake.asked == []


@pytest.fixture
def run(session: Any, path: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command with the management account's session; returns its exit code."""
    monkeypatch.setattr(boto3, "Session", lambda: session)

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["deploy-source-accounts", path, *arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def test_the_command_prints_a_table_of_the_accounts(
    fake: FakeStackSets,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--organizational-unit", UNIT, "--yes") == DONE
    fake.join(OTHER)
    capsys.readouterr()
    assert run("--organizational-unit", UNIT) == DONE
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "logferry-source unchanged"
    assert f"{SHOP} shop CURRENT" in lines
    assert f"{OTHER} unlisted CURRENT {NOT_A_SOURCE}" in lines


def test_the_docs_show_what_the_command_prints(
    fake: FakeStackSets,
    run: Callable[..., int],
    document: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str,
) -> None:
    platform = {"profile": "platform", "account_id": "666677778888", "schedule": "rate(1 day)"}
    document["sources"].append(platform)
    Path(path).write_text(yaml.safe_dump(document))
    fake.failing[PAYMENTS] = (
        "ResourceLogicalId:Role, Message:Resource logferry-source already exists"
    )
    fake.join(OTHER)
    monkeypatch.setattr(console.tables, "width", 116)

    assert run("--organizational-unit", UNIT, "--yes") == FAILED

    printed = [line.rstrip() for line in capsys.readouterr().out.strip().splitlines()]
    page = (TEMPLATES.parent / "docs" / "source-accounts.md").read_text()
    shown = page.split("<!-- table -->\n```text\n")[1].split("\n```\n<!-- /table -->")[0]
    assert shown.splitlines() == printed


def test_an_account_that_failed_is_exit_code_1(
    fake: FakeStackSets,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake.failing[SHOP] = "AccessDenied"
    assert run("--organizational-unit", UNIT, "--yes", "--json") == FAILED
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["accounts"][0] == {
        "account_id": SHOP,
        "profile": "shop",
        "status": "OUTDATED",
        "detail": "AccessDenied",
        "is_failed": True,
    }
    assert f"{SHOP}  FAILED" in captured.err


def test_without_a_terminal_nothing_is_made_unless_told_so(
    fake: FakeStackSets,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--organizational-unit", UNIT) == FAILED
    assert "add --yes or --dry-run" in capsys.readouterr().err
    assert run("--organizational-unit", UNIT, "--dry-run") == DONE
    assert fake.asked == []
    assert run() == BAD_INPUT
    assert run("--organizational-unit", "production") == BAD_INPUT


class MotoStackSets:
    """moto's CloudFormation, with what moto 5.2.5 does not model of service-managed stack sets.

    - Accounts of DeploymentTargets are not looked at: every account of a unit becomes an instance.
      Here, an account is alone in a unit below the one that is meant.
    - UpdateStackInstances knows accounts only where self-managed stack sets have them.
    - Overrides stand for all parameters, not for those that they name.
    - AutoDeployment, ManagedExecution and Capabilities are not kept.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeploymentTargets.html
    """

    def __init__(self, client: Any, unit: str, own_units: dict[str, str]) -> None:
        self._client, self._unit, self._own_units = client, unit, own_units
        self._kept: dict[str, Any] = {}
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_stack_set(self, **request: Any) -> Any:
        self._keep("CreateStackSet", request)
        return self._client.create_stack_set(**request)

    def update_stack_set(self, **request: Any) -> Any:
        self._keep("UpdateStackSet", request)
        return self._client.update_stack_set(**request)

    def describe_stack_set(self, **request: Any) -> Any:
        return {"StackSet": self._client.describe_stack_set(**request)["StackSet"] | self._kept}

    def create_stack_instances(self, **request: Any) -> Any:
        self.asked.append("CreateStackInstances")
        account_id = self._account(request)
        request["DeploymentTargets"] = {"OrganizationalUnitIds": [self._own_units[account_id]]}
        named = {each["ParameterKey"] for each in request["ParameterOverrides"]}
        others = self.describe_stack_set(StackSetName=request["StackSetName"])["StackSet"]
        request["ParameterOverrides"] += [
            each for each in others["Parameters"] if each["ParameterKey"] not in named
        ]
        return self._client.create_stack_instances(**request)

    def update_stack_instances(self, **request: Any) -> Any:
        self.asked.append("UpdateStackInstances")
        account_id = self._account(request)
        del request["DeploymentTargets"]
        return self._client.update_stack_instances(**request, Accounts=[account_id])

    def _account(self, request: dict[str, Any]) -> str:
        (account_id,) = request["DeploymentTargets"]["Accounts"]
        assert request["DeploymentTargets"]["AccountFilterType"] == "INTERSECTION"
        assert request["DeploymentTargets"]["OrganizationalUnitIds"] == [self._unit]
        return str(account_id)

    def _keep(self, operation: str, request: dict[str, Any]) -> None:
        self.asked.append(operation)
        self._kept = {name: request[name] for name in ("AutoDeployment", "ManagedExecution")}
        self._kept["Capabilities"] = request["Capabilities"]


def test_roles_are_made_in_the_accounts_of_an_organization(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        session = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s")
        organizations = session.client("organizations", region_name="us-east-1")
        organizations.create_organization(FeatureSet="ALL")
        root = organizations.list_roots()["Roots"][0]["Id"]

        def unit(name: str, parent: str) -> str:
            made = organizations.create_organizational_unit(ParentId=parent, Name=name)
            return str(made["OrganizationalUnit"]["Id"])

        production = unit("production", root)
        own_units = {}
        for source in document["sources"]:
            made = organizations.create_account(
                AccountName=source["profile"], Email=f"{source['profile']}@example.com"
            )
            source["account_id"] = made["CreateAccountStatus"]["AccountId"]
            own_units[source["account_id"]] = unit(source["profile"], production)
            organizations.move_account(
                AccountId=source["account_id"],
                SourceParentId=root,
                DestinationParentId=own_units[source["account_id"]],
            )
        client = session.client("cloudformation", region_name=REGION)
        stack_sets = MotoStackSets(client, production, own_units)
        clients = {
            "cloudformation": stack_sets,
            "sts": session.client("sts", region_name=REGION),
        }
        caller = SimpleNamespace(client=lambda service, **_: clients[service])
        config = Config.model_validate(document)

        assert deploy(caller, config, units=[production]).status == "changed"
        assert stack_sets.asked == ["CreateStackSet", *["CreateStackInstances"] * 2]
        for source in config.sources:
            (statement,) = trust_of(session, source.account_id)
            assert statement["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
            lets_in = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
            exporter = (
                f"arn:aws:iam::111122223333:role/logferry-exporter-{source.lowercase_profile}"
            )
            assert exporter in lets_in

        assert deploy(caller, config, units=[production]).status == "unchanged"
        document["sources"][0]["profile"] = "store"
        document["organization_id"] = "o-a1b2c3d4e5"
        changed = Config.model_validate(document)
        result = deploy(caller, changed, units=[production])
        assert stack_sets.asked[3:] == ["UpdateStackSet", "UpdateStackInstances"]
        assert [(a.profile, a.status) for a in result.accounts] == [
            ("store", "CURRENT"),
            ("Pay_ments", "CURRENT"),
        ]
        assert deploy(caller, changed, units=[production]).status == "unchanged"


def trust_of(session: boto3.Session, account_id: str) -> list[dict[str, Any]]:
    """The statements by which an account's role lets others in."""
    inside = session.client("sts", region_name=REGION).assume_role(
        RoleArn=f"arn:aws:iam::{account_id}:role/any", RoleSessionName="test"
    )["Credentials"]
    iam = session.client(
        "iam",
        aws_access_key_id=inside["AccessKeyId"],
        aws_secret_access_key=inside["SecretAccessKey"],
        aws_session_token=inside["SessionToken"],
    )
    role = iam.get_role(RoleName="logferry-source")["Role"]
    statements: list[dict[str, Any]] = role["AssumeRolePolicyDocument"]["Statement"]  # type: ignore[assignment, index]
    return statements
