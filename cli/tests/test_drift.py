"""What people have changed behind a stack's back: compared, shown, asked about.

Each type of resource is broken and mended in test_deploy_on_localstack.py.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cli.tests.ledgers import hub_on_moto

from logferry import drift, drift_functions, hub
from logferry.change import Change, Difference
from logferry.checkout import TEMPLATES
from logferry.config import Config
from logferry.display import change_lines
from logferry.drift_kinds import KINDS
from logferry.drift_resource import Resource, comparable
from logferry.drift_roles import ROLES, policies_of
from logferry.errors import DeclinedError
from logferry.hub import Options, deploy_hub
from logferry.hub_stacks import hub_stacks
from logferry.package import Zip
from logferry.services import NAMES
from logferry.stack import Deployed, Proposal, Stack
from logferry.template import load_template

NAME = "logferry-sse-enforcer"
GONE = Change(
    drift.MEND,
    "CompletedExports",
    "AWS::SNS::Subscription",
    replaces=False,
    differences=[Difference("arn:aws:sns:topic:1", None, "as in the template")],
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (600, "600"),
        (True, "true"),
        (["a"], "a"),
        (["b", "a"], ["a", "b"]),
        ('{"a": [1, 2]}', {"a": ["1", "2"]}),
        ({"AWS": "arn:aws-cn:iam::111122223333:root"}, {"AWS": ["111122223333"]}),
        ("[no JSON", "[no JSON"),
    ],
)
def test_what_services_spell_otherwise_is_the_same(one: Any, other: Any) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"), [({"a": "1"}, {"a": "1", "b": "2"}), (None, "a"), (["a", "b"], ["a"])]
)
def test_what_differs_is_not_the_same(one: Any, other: Any) -> None:
    assert comparable(one) != comparable(other)


def test_short_forms_of_a_template_are_read_as_long_ones() -> None:
    assert load_template("a: [!Ref B, !GetAtt C.D, !Sub [x, {y: !If [E, 1, 2]}]]") == {
        "a": [
            {"Ref": "B"},
            {"Fn::GetAtt": ["C", "D"]},
            {"Fn::Sub": ["x", {"y": {"Fn::If": ["E", 1, 2]}}]},
        ]
    }


class Stacks:
    """One stack that is deployed and has nothing to change."""

    def __init__(self, *_: object) -> None:
        pass

    def names(self) -> list[str]:
        return [NAME]

    def propose(self, stack: Stack, *, dry_run: bool = False) -> Proposal:
        return Proposal(stack, None, is_new=False)

    def deployed(self, name: str) -> Deployed:
        return Deployed(name, "Resources: {}", {}, {}, "111122223333", "eu-west-1")

    def discard(self, proposal: Proposal) -> None:
        pass

    def carry_out(self, proposal: Proposal) -> None:
        pass


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stacks that were mended, of one that has lost its subscription."""
    names: list[str] = []
    monkeypatch.setattr(hub, "Stacks", Stacks)
    monkeypatch.setattr(hub, "check_account", lambda *_: None)
    monkeypatch.setattr(drift, "find", lambda *_: [GONE])
    monkeypatch.setattr(drift, "mend", lambda _, __, name, ___: names.append(name))
    return names


@pytest.fixture
def deploy(config: Any, some_zips: list[Zip]) -> Callable[..., Any]:
    session = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s")

    def deploy(**options: Any) -> list[tuple[str, str]]:
        chosen = Options(only=["sse-enforcer"], **options)
        outcomes = deploy_hub(session, config, some_zips, options=chosen)
        return [(outcome.stack_name, outcome.status) for outcome in outcomes]

    return deploy


def _names(value: Any) -> Iterator[str]:
    """Yield what a part of a template names: by Ref, Fn::GetAtt or Fn::Sub."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), *_]}:
            yield from re.findall(r"\$\{(\w+)", text)
        case dict():
            for each in value.values():
                yield from _names(each)
        case list():
            for each in value:
                yield from _names(each)


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_others_need_is_mended_before_them(template: Path) -> None:
    """Lambda refuses a mapping of a queue that is not there. IAM does not look at what is named."""
    types = {
        name: resource["Type"]
        for name, resource in load_template(template.read_text())["Resources"].items()
    }
    order = list(KINDS)
    for name, resource in load_template(template.read_text())["Resources"].items():
        if types[name] in KINDS.keys() - ROLES.keys():
            needed = {types[each] for each in _names(resource) if types.get(each) in KINDS}
            for each in needed - {types[name]}:
                assert order.index(each) < order.index(types[name]), name


def test_it_is_shown_before_anybody_is_asked_and_then_mended(
    mended: list[str], deploy: Callable[..., Any]
) -> None:
    shown: list[str] = []

    def confirm(proposals: Sequence[Proposal]) -> bool:
        assert mended == []
        shown.extend(line for proposal in proposals for line in change_lines(proposal))
        return True

    assert deploy(confirm=confirm) == [(NAME, "mended")]
    assert mended == [NAME]
    assert shown == [
        "  ! CompletedExports (AWS::SNS::Subscription): changed behind the stack",
        "      arn:aws:sns:topic:1: (nothing) -> as in the template",
    ]


def test_nothing_is_mended_when_somebody_says_no(
    mended: list[str], deploy: Callable[..., Any]
) -> None:
    with pytest.raises(DeclinedError):
        deploy(confirm=lambda _: False)
    assert mended == []


def test_a_dry_run_only_tells(mended: list[str], deploy: Callable[..., Any]) -> None:
    assert deploy(dry_run=True) == [(NAME, "proposed")]
    assert mended == []


class Sqs:
    """SQS, a moment after a queue was deleted: its name can be taken at the third call."""

    def __init__(self) -> None:
        self.calls = 0

    def get_queue_attributes(self, **_: Any) -> None:
        raise refused("AWS.SimpleQueueService.NonExistentQueue", "GetQueueAttributes")

    def create_queue(self, **_: Any) -> None:
        self.calls += 1
        if self.calls < 3:
            raise refused("AWS.SimpleQueueService.QueueDeletedRecently", "CreateQueue")


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def test_a_queue_that_was_just_deleted_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    sqs = Sqs()
    queue = Resource("Queue", "AWS::SQS::Queue", "url", {"QueueName": "direct.fifo"})
    KINDS["AWS::SQS::Queue"].put(lambda _: sqs, queue)
    assert sqs.calls == 3
    assert len(waited) == 2


class Scheduler:
    """It has a schedule that asks for a plan with another external id."""

    def get_schedule(self, **_: Any) -> dict[str, Any]:
        return {"Target": {"Input": '{"external_id": "the former word"}'}}


def test_what_the_sources_roles_ask_for_is_not_shown() -> None:
    asked = {"Name": "any", "Target": {"Input": '{"external_id": "between us"}'}}
    schedule = Resource("Schedule", "AWS::Scheduler::Schedule", "any", asked)
    (found,) = drift._differences(lambda _: Scheduler(), schedule)
    assert found.before == found.after
    assert "****" in (found.before or "")


class Functions:
    """Lambda, some seconds after a function's role was made: the third try finds it."""

    def __init__(self) -> None:
        self.tries = 0

    def update_function_configuration(self, **_: Any) -> None:
        self.tries += 1
        if self.tries < 3:
            message = "The role defined for the function cannot be assumed by Lambda."
            told: Any = {"Error": {"Code": "InvalidParameterValueException", "Message": message}}
            raise ClientError(told, "UpdateFunctionConfiguration")


def test_a_role_that_was_just_made_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    functions = Functions()
    drift_functions._once_assumable("any", functions.update_function_configuration)
    assert functions.tries == 3
    assert len(waited) == 2


def test_what_a_role_is_given_beside_it_in_its_stack_is_its_own() -> None:
    role = {"RoleName": "planner", "Policies": [{"PolicyName": "own", "PolicyDocument": 1}]}
    beside = {"Roles": ["planner"], "PolicyName": "beside", "PolicyDocument": 2}
    others = {"Roles": ["another"], "PolicyName": "others", "PolicyDocument": 3}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Beside": {"Type": "AWS::IAM::Policy", "Properties": beside},
        "Others": {"Type": "AWS::IAM::Policy", "Properties": others},
    }
    assert policies_of("Role", resources) == {"own": 1, "beside": 2}


def test_code_is_compared_where_its_zip_says_its_hash() -> None:
    sha256 = base64.b64encode(bytes(32)).decode()
    ours = {"S3Bucket": "b", "S3Key": f"planner/0.2.0-{'0' * 64}.zip"}
    other = {"S3Bucket": "b", "S3Key": f"planner/0.2.0-{'1' * 64}.zip"}
    somebodys = {"S3Bucket": "b", "S3Key": "planner.zip"}
    assert drift_functions._code(sha256, ours) == ours
    assert drift_functions._code(sha256, other) == {"Sha256": "0" * 64}
    assert drift_functions._code(sha256, somebodys) == somebodys


def test_a_keys_policy_is_compared_and_put_back_as_its_template_has_it(
    config: Config, monkeypatch: pytest.MonkeyPatch, some_zips: list[Zip]
) -> None:
    """The sealer alone signs by that: whoever takes it out could sign a seal as well."""
    with hub_on_moto(config, monkeypatch) as session:
        zips = dict(zip(NAMES, some_zips, strict=True))
        stacks = [each for step in hub_stacks(config, zips) for each in step]
        [archive] = [each for each in stacks if each.name.endswith("-archive")]
        kms = session.client("kms")
        keys = {name: kms.create_key()["KeyMetadata"]["KeyId"] for name in ("Key", "SigningKey")}
        there = Deployed(
            archive.name,
            (TEMPLATES / archive.template).read_text(),
            archive.parameters,
            keys,
            config.hub_account_id,
            config.region,
        )
        clients = drift.clients_of(session, config.region)

        changed = drift.find(clients, there)
        assert {(each.logical_id, each.differences[0].name) for each in changed} == {
            ("Key", "KeyPolicy"),
            ("SigningKey", "KeyPolicy"),
        }
        drift.mend(clients, SimpleNamespace(deployed=lambda _: there), archive.name, print)  # type: ignore[arg-type]

        assert drift.find(clients, there) == []
        policy = json.loads(
            kms.get_key_policy(KeyId=keys["SigningKey"], PolicyName="default")["Policy"]
        )
        assert [each["Sid"] for each in policy["Statement"]] == [
            "AccountDecidesByItsRolesPolicies",
            "SealerAloneSigns",
        ]
