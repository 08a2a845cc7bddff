"""The templates as files: what cfn-lint says, and what has to be in them whatever the emulator."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

from devstack.templates import Template, as_list
from logferry.checkout import TEMPLATES
from logferry.config import MAX_SOURCES, MAX_SOURCES_WITHOUT_ORGANIZATION, Config
from logferry.hub_stacks import hub_stacks
from logferry.package import Zip
from logferry.services import NAMES
from logferry.template import Resolved, load_template
from logferry_contracts.log_group import LogGroup
from logferry_deliveries.delivery import MAX_RECEIVES

PATHS = sorted(TEMPLATES.glob("*.yaml"))
ALL = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
PARTITIONS = get_session().get_data("endpoints")["partitions"]
SEALS_NOTES_DAYS = 400
BUCKET_POLICY_BYTES = 20 * 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"""
KEY_POLICY_BYTES = 32 * 1024
"""https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html"""


def resources(path: Path) -> dict[str, dict[str, Any]]:
    template: dict[str, dict[str, dict[str, Any]]] = load_template(path.read_text())
    return template["Resources"]


def test_there_is_a_template_for_each_stack() -> None:
    shared = {"archive", "artifacts", "observability", "reader", "retention", "source-account"}
    assert {path.stem for path in PATHS} == shared | set(NAMES)


@ALL
def test_everything_that_takes_tags_has_them(path: Path) -> None:
    # Here and not above: every process collects this file, and that takes a second.
    from cfnlint.schema.manager import (  # type: ignore[import-untyped]  # noqa: PLC0415
        PROVIDER_SCHEMA_MANAGER,
    )

    without = []
    for logical_id, resource in resources(path).items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
        takes_tags = "Tags" in schema["properties"]
        if takes_tags and "Tags" not in resource["Properties"]:
            without.append(logical_id)
    assert without == []


@ALL
def test_stacks_are_coupled_by_nothing_but_parameters(path: Path) -> None:
    template = load_template(path.read_text())
    assert "Transform" not in template
    assert [r for r in resources(path).values() if r["Type"] == "AWS::CloudFormation::Stack"] == []
    assert [o for o in template.get("Outputs", {}).values() if "Export" in o] == []
    assert "Fn::ImportValue" not in json.dumps(template, default=str)


@ALL
def test_names_have_room_for_the_longest_of_a_hub_and_of_a_source(path: Path) -> None:
    """A role, a function and a schedule take 64 characters.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
    """
    longest = {"Name": "n" * 20, "Profile": "p" * 32, "LowercaseProfile": "p" * 32}
    document = Template(path).document
    arns = {
        each: "arn:aws:any:eu-west-1:111122223333:any/any"
        for each in document["Parameters"]
        if each.endswith("Arn")
    }
    found = Resolved(document, arns | longest).resources.values()
    names = {
        "AWS::IAM::Role": "RoleName",
        "AWS::Lambda::Function": "FunctionName",
        "AWS::Scheduler::Schedule": "Name",
    }
    for each in found:
        if each["Type"] in names:
            assert len(each["Properties"][names[each["Type"]]]) <= 64


@ALL
def test_what_holds_data_outlives_its_stack(path: Path) -> None:
    for logical_id, resource in resources(path).items():
        if resource["Type"] in {"AWS::S3::Bucket", "AWS::KMS::Key"}:
            # Not plain Retain: a first creation that fails would leave its bucket in the way.
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", logical_id
            assert resource["UpdateReplacePolicy"] == "Retain", logical_id


@ALL
def test_nothing_is_allowed_to_everybody_without_a_condition(path: Path) -> None:
    for statement in statements(load_template(path.read_text())["Resources"]):
        if statement.get("Principal") == "*" and statement["Effect"] == "Allow":
            assert "aws:PrincipalOrgID" in json.dumps(statement["Condition"])


@ALL
def test_no_policy_of_a_role_allows_every_action_of_a_service(path: Path) -> None:
    for role in resources(path).values():
        if role["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}:
            for statement in statements(role["Properties"]):
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    assert not action.endswith(":*")


@pytest.mark.parametrize("bucket", ["Archive", "Control"])
def test_buckets_encrypt_by_default_under_the_keys_arn_with_a_bucket_key(bucket: str) -> None:
    properties = resources(TEMPLATES / "archive.yaml")[bucket]["Properties"]
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
    }


def test_buckets_give_up_on_abandoned_uploads() -> None:
    properties = resources(TEMPLATES / "archive.yaml")["Archive"]["Properties"]
    rule, _ = properties["LifecycleConfiguration"]["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rule.keys() == {"Id", "Status", "AbortIncompleteMultipartUpload"}  # nothing expires


def test_the_archives_objects_become_cheaper_only_where_that_is_asked_for() -> None:
    # LocalStack drops the property.
    properties = resources(TEMPLATES / "archive.yaml")["Archive"]["Properties"]
    _, rule = properties["LifecycleConfiguration"]["Rules"]
    condition, transition, nothing = rule["Fn::If"]
    assert (condition, nothing) == ("HasTransition", {"Ref": "AWS::NoValue"})
    assert transition == {
        "Id": "colder-storage",
        "Status": "Enabled",
        "Transitions": [
            {
                "StorageClass": {"Ref": "TransitionStorageClass"},
                "TransitionInDays": {"Ref": "TransitionDays"},
            }
        ],
    }


def test_what_the_sealer_notes_for_people_expires_only_once_it_is_taken_back() -> None:
    """Notes have a log group's name, or nothing."""
    properties = resources(TEMPLATES / "archive.yaml")["Control"]["Properties"]
    rules = properties["LifecycleConfiguration"]["Rules"]

    def expires(size_bytes: int) -> bool:
        return any(
            int(each.get("ObjectSizeGreaterThan", -1))
            < size_bytes
            < int(each.get("ObjectSizeLessThan", 1 << 50))
            for each in rules
            if "ExpirationInDays" in each and "seals/".startswith(each.get("Prefix", ""))
        )

    longest = LogGroup.model_json_schema()["properties"]["name"]["maxLength"]
    assert not any(map(expires, range(1, longest + 1)))
    assert all(map(expires, (0, longest + 1, 1 << 30)))


def test_what_of_the_control_bucket_expires_is_needed_by_nobody_any_more() -> None:
    properties = resources(TEMPLATES / "archive.yaml")["Control"]["Properties"]
    rules = properties["LifecycleConfiguration"]["Rules"]
    planner = load_template((TEMPLATES / "planner.yaml").read_text())
    sealer = load_template((TEMPLATES / "sealer.yaml").read_text())
    recounter = load_template((TEMPLATES / "recounter.yaml").read_text())
    assert int(sealer["Parameters"]["LookBackDays"]["MaxValue"]) < SEALS_NOTES_DAYS
    assert {r["Prefix"]: r["ExpirationInDays"] for r in rules if "ExpirationInDays" in r} == {
        "plans/": 30,
        # As far as any plan looks back.
        "inventories/": planner["Parameters"]["LookbackDays"]["MaxValue"],
        # Further than any window is counted.
        "recounts/": recounter["Parameters"]["LookBackDays"]["MaxValue"],
        # Further than any sealed date is looked at.
        "seals/": SEALS_NOTES_DAYS,
    }
    former = "NoncurrentVersionExpiration"
    assert {r.get("Prefix"): r[former]["NoncurrentDays"] for r in rules if former in r} == {
        None: 90,
        # A worklist is put away anew after each feed of a backfill, and only the newest is read.
        "plans/": 1,
        # There are two for each export of each day, and they say nothing that is read again.
        "open/": 1,
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_functions_logs_are_not_kept_for_ever(path: Path) -> None:
    for resource in resources(path).values():
        if resource["Type"] == "AWS::Logs::LogGroup":
            assert resource["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize(
    ("organization_id", "sources"),
    [("o-a1b2c3d4e5", MAX_SOURCES), (None, MAX_SOURCES_WITHOUT_ORGANIZATION)],
)
def test_policies_have_room_for_as_many_sources_as_a_configuration_may_have(
    some_zips: list[Zip], organization_id: str | None, sources: int
) -> None:
    config = Config.model_validate(
        {
            "name": "a-name-of-20-letters",
            "region": "ap-northeast-2",
            "hub_account_id": "111122223333",
            "organization_id": organization_id,
            "sources": [
                {"profile": f"p{n}", "account_id": f"{n:012}", "schedule": "rate(1 day)"}
                for n in range(sources)
            ],
        }
    )
    (archive,) = hub_stacks(config, {z.service: z for z in some_zips})[1]
    assert all(len(value.encode()) <= 4096 for value in archive.parameters.values())
    resolved = Resolved(
        Template(TEMPLATES / archive.template).document, archive.parameters
    ).resources
    bucket_policy, key_policy = (
        json.dumps(with_arns(resolved[name]["Properties"][policy]), separators=(",", ":"))
        for name, policy in (("ArchivePolicy", "PolicyDocument"), ("Key", "KeyPolicy"))
    )
    last = f"{sources - 1:012}"
    assert bucket_policy.count(last) == 2
    assert key_policy.count(last) == 1
    assert len(bucket_policy) < BUCKET_POLICY_BYTES
    assert len(key_policy) < KEY_POLICY_BYTES


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda partition: partition["partition"])
def test_policies_speak_of_their_own_partition(partition: dict[str, Any]) -> None:
    # AWS's other services are called the same everywhere:
    # https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/region-info/lib/default.ts
    others = {f"{name}.amazonaws.com" for name in ("events", "lambda", "scheduler", "sns")}
    services = set()
    name = partition["partition"]
    for template, region in itertools.product(map(Template, PATHS), partition["regions"]):
        given = {
            parameter: f"arn:{name}:any:{region}:111122223333:any/any"
            for parameter in template.document["Parameters"]
            if parameter.endswith("Arn")
        }
        made = json.dumps(Resolved(template.document, given, region=region).resources)
        assert set(re.findall(r"\barn:(aws[a-z-]*):", made)) <= {name}, template.path
        named = re.findall(r'"((?:logs|s3|[a-z]+(?=\.amazonaws))\.[a-z0-9.-]+)"', made)
        here = {f"{service}.{region}.{partition['dnsSuffix']}" for service in ("logs", "s3")}
        assert set(named) <= others | here, template.path
        services |= {service.partition(".")[0] for service in named}
    assert services == {"events", "lambda", "logs", "s3", "scheduler", "sns"}


def test_sweeps_do_not_run_side_by_side_unless_nothing_can_be_reserved() -> None:
    # LocalStack drops the property.
    template = load_template((TEMPLATES / "sse-enforcer.yaml").read_text())
    function = template["Resources"]["SweepFunction"]["Properties"]
    parameter = template["Parameters"]["SweepReservedConcurrency"]
    assert (parameter["Default"], parameter["AllowedValues"]) == ("1", ["1", ""])
    assert function["ReservedConcurrentExecutions"] == {
        "Fn::If": [
            "HasSweepReservedConcurrency",
            {"Ref": "SweepReservedConcurrency"},
            {"Ref": "AWS::NoValue"},
        ]
    }


@pytest.mark.parametrize("service", ["sse-enforcer", "sealer"])
def test_a_queue_tries_as_often_as_its_function_counts(service: str) -> None:
    """The last try that fails is dead-lettered by the function, with the reason."""
    policy = resources(TEMPLATES / f"{service}.yaml")["Queue"]["Properties"]["RedrivePolicy"]
    assert policy["maxReceiveCount"] == MAX_RECEIVES


def test_a_planner_has_room_for_long_plans_and_may_go_on_with_them() -> None:
    # LocalStack drops both properties.
    function = resources(TEMPLATES / "planner.yaml")["Function"]["Properties"]
    assert function["EphemeralStorage"] == {"Size": 2048}
    assert function["RecursiveLoop"] == "Allow"


def test_the_direct_lane_has_a_disk_for_more_than_what_it_reads_at_once() -> None:
    """Three times as much may turn up, once as lines and once as a file, beside another window."""
    # LocalStack drops the property.
    template = load_template((TEMPLATES / "exporter.yaml").read_text())
    function = template["Resources"]["DirectFunction"]["Properties"]
    most_bytes = int(template["Parameters"]["DirectLaneMaxBytes"]["MaxValue"])
    assert function["EphemeralStorage"]["Size"] * 2**20 > 6 * most_bytes


def test_a_planner_makes_only_what_has_the_names_and_bears_the_tag_of_its_own() -> None:
    found = resources(TEMPLATES / "planner.yaml")
    policy, role = found["ProvisioningPolicy"], found["ExporterRole"]
    assert policy["Condition"] == role["Condition"] == "Provisions"
    by_sid = {statement["Sid"]: statement for statement in statements(policy)}
    for sid, tags in {
        "MakeQueues": "RequestTag",
        "MendItsQueues": "ResourceTag",
        "MakeFunctions": "RequestTag",
        "MendItsFunctions": "ResourceTag",
    }.items():
        condition = {f"aws:{tags}/logferry:managed-by": "planner"}
        assert by_sid[sid]["Condition"] == {"StringEquals": condition}, sid
        assert ":log-sqs-*" in by_sid[sid]["Resource"]["Fn::Sub"], sid
    assert by_sid["RunTheExporter"] == {
        "Sid": "RunTheExporter",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": {"Fn::GetAtt": ["ExporterRole", "Arn"]},
        "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
    }
    assert "log-sqs-*-collect-fifoSQSConsumer" in json.dumps(by_sid["MapQueuesToFunctions"])


def test_a_provisioned_exporter_may_do_what_a_deployed_one_may() -> None:
    def actions(resource: dict[str, Any]) -> set[str]:
        return {
            action
            for statement in statements(resource["Properties"]["Policies"])
            for action in as_list(statement["Action"])
        }

    deployed = actions(resources(TEMPLATES / "exporter.yaml")["Role"])
    provisioned = actions(resources(TEMPLATES / "planner.yaml")["ExporterRole"])
    # Its log group has no template to make it.
    assert provisioned == deployed | {"logs:CreateLogGroup"}


def statements(node: Any) -> list[dict[str, Any]]:
    """Every policy statement below ``node``."""
    if isinstance(node, list):
        return [found for item in node for found in statements(item)]
    if not isinstance(node, dict):
        return []
    own = [node] if "Effect" in node else []
    return own + [found for item in node.values() for found in statements(item)]


def with_arns(node: Any) -> Any:
    """Accounts that are principals as S3 and KMS keep them: their ARNs."""
    if isinstance(node, list):
        return [with_arns(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"AWS"}:
        return {"AWS": [f"arn:aws:iam::{principal}:root" for principal in as_list(node["AWS"])]}
    return {name: with_arns(item) for name, item in node.items()}
