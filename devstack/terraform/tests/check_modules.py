"""The Terraform modules, checked by Terraform's core and the AWS provider's schema, offline."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from cfnlint.decode.cfn_yaml import load as load_template  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError

from logferry.checkout import ROOT, TEMPLATES
from logferry.config import Config, load
from logferry.hub_stacks import code_key, hub_stacks, source_account_stack
from logferry.package import Zip
from logferry.services import NAMES, SERVICES

MODULES = TEMPLATES / "terraform"
HUB = MODULES / "hub"
SOURCE_ACCOUNTS = MODULES / "source-accounts"
EXAMPLE = MODULES / "examples" / "three-accounts"

LEFT_ALONE = {
    "planner.yaml": {"LogRetentionDays"},
    "sse-enforcer.yaml": {
        "ArchiveKeyArn",
        "LogRetentionDays",
        "MaximumConcurrency",
        "MaxMessageAge",
        "MoreArchiveKeyArns",
        "SweepTimeout",
    },
    "sealer.yaml": {"LogRetentionDays", "MaximumConcurrency", "MaxMessageAge"},
    "exporter.yaml": {"LogRetentionDays", "MaxMessageAge"},
    "recounter.yaml": {"LogRetentionDays"},
}
"""Parameters that stay as the templates have them: neither the command nor a module sets them."""
DEPLOYED = {
    *("artifacts.yaml", "archive.yaml", "observability.yaml", "source-account.yaml"),
    *(service.template for service in SERVICES),
}
"""The templates of which the modules make stacks."""

MINIMAL: dict[str, Any] = {
    "region": "eu-central-1",
    "hub_account_id": "111122223333",
    "sources": [{"profile": "shop", "account_id": "444455556666", "schedule": "rate(1 day)"}],
}
EVERYTHING: dict[str, Any] = {
    "name": "other",
    "region": "us-gov-west-1",
    "hub_account_id": "111122223333",
    "organization_id": "o-a1b2c3d4e5",
    "external_id": "between-us",
    "time_zone": "Europe/Berlin",
    "settle_minutes": 60,
    "lookback_days": 30,
    "provisioning": "ENABLED",
    "queue_key_arn": "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/0123-abcd",
    "architecture": "x86_64",
    "alarm_action_arn": "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call",
    "archive": {
        "default_retention": {"mode": "COMPLIANCE", "days": 2557},
        "transition": {"storage_class": "GLACIER_IR", "after_days": 31},
        "signing_key_spec": "RSA_3072",
        "signing_key_arn": "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/45-67",
    },
    "direct_lane": {
        "planned_bytes": 1,
        "most_bytes": 2,
        "calls_per_second": 3,
        "function_timeout_s": 68,
        "visibility_timeout_s": 69,
    },
    "exporter": {
        "function_timeout_s": 60,
        "visibility_timeout_s": 61,
        "retry_backoff_s": 62,
        "split_after_hours": 20,
    },
    "sse_enforcer": {
        "function_timeout_s": 63,
        "visibility_timeout_s": 64,
        "hold": "off",
        "sweep": {
            "state": "DISABLED",
            "every_hours": 65,
            "full_every_days": 66,
            "objects_per_second": 67,
            "reserved_concurrency": False,
        },
    },
    "sealer": {
        "seal_after_hours": 72,
        "open_after_days": 73,
        "look_back_days": 80,
        "former_signing_key_arns": ["arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/89-ab"],
        "function_timeout_s": 75,
        "visibility_timeout_s": 76,
    },
    "recount": {
        "state": "ENABLED",
        "share_permille": 77,
        "revisit_days": [2, 9],
        "revisit_permille": 8,
        "add_mb_per_day": 9,
        "stop_permille": 11,
        "lag_minutes": 12,
        "look_back_days": 78,
        "within_hours": 79,
    },
    "observability": {
        "gap_hours": 70,
        "plan_within_hours": 71,
        "page_action_arn": "arn:aws-us-gov:sns:us-gov-west-1:111122223333:pager",
    },
    "sources": [
        {
            "profile": "Pay_ments",
            "account_id": "555566667777",
            "schedule": "cron(10 3 * * ? *)",
            "schedule_time_zone": "Asia/Seoul",
            "schedule_flexible_minutes": 1440,
            "state": "DISABLED",
            "selection": {
                "include": ["/aws/lambda/*"],
                "exclude": ["/aws/lambda/a&b"],
                "tag_filters": [{"key": "keep"}, {"key": "team", "values": ["pay", ""]}],
                "log_group_classes": ["STANDARD"],
            },
        },
        {
            "profile": "shop",
            "account_id": "444455556666",
            "schedule": "at(2026-11-24T03:10:00)",
            "role_arn": "arn:aws-us-gov:iam::444455556666:role/logs/collect",
            "window_rule": {"unit": "hour", "time_zone": "UTC", "lookback_days": 2},
        },
    ],
}


def zips(config: Config) -> dict[str, Zip]:
    """Zips as far as a deployment looks at them."""
    return {
        service: Zip(service, config.architecture, Path(service), f"{number}" * 64, 1, "1.2.3")
        for number, service in enumerate(NAMES)
    }


def code_keys(config: Config) -> dict[str, str]:
    return {service: code_key(built) for service, built in zips(config).items()}


def variables(config: Config) -> dict[str, Any]:
    """A configuration as the hub's module takes it: a source's profile is its key."""
    document = config.model_dump(mode="json")
    sources = {source.pop("profile"): source for source in document.pop("sources")}
    return {**document, "sources": sources, "code_keys": code_keys(config)}


@pytest.fixture(scope="module")
def everything() -> Config:
    return Config.model_validate(EVERYTHING)


@pytest.fixture(scope="module")
def everything_planned(terraform: Any, everything: Config) -> list[dict[str, Any]]:
    planned: list[dict[str, Any]] = terraform.plan(HUB, variables(everything))
    return planned


@pytest.fixture(scope="module")
def example() -> Config:
    return load(TEMPLATES / "examples" / "organization.yaml")


@pytest.fixture(scope="module")
def example_planned(terraform: Any, example: Config) -> list[dict[str, Any]]:
    planned: list[dict[str, Any]] = terraform.plan(EXAMPLE, {"code_keys": code_keys(example)})
    return planned


def described(parameters: dict[str, str]) -> dict[str, Any]:
    """Parameters without what is of no consequence: the order of accounts, the spelling of JSON."""
    return {
        name: json.loads(value)
        if name == "ScheduleInput"
        else sorted(value.split(","))
        if name.endswith("SourceAccountIds")
        else value
        for name, value in parameters.items()
    }


def planned_stacks(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        values["name"]: (
            values["template_body"],
            described(values["parameters"]),
            values["tags"],
            values["capabilities"],
        )
        for resource in resources
        if resource["type"] == "aws_cloudformation_stack"
        for values in [resource["values"]]
    }


def commands_stacks(config: Config) -> dict[str, Any]:
    return {
        stack.name: (
            (TEMPLATES / stack.template).read_text(),
            described(dict(stack.parameters)),
            stack.tags,
            ["CAPABILITY_NAMED_IAM"],
        )
        for step in hub_stacks(config, zips(config))
        for stack in step
    }


def test_everything_is_formatted(terraform: Any) -> None:
    assert terraform(MODULES, "fmt", "-check", "-recursive", "-diff") == ""


@pytest.mark.parametrize("folder", [HUB, SOURCE_ACCOUNTS, EXAMPLE], ids=lambda path: path.name)
def test_it_is_valid_by_the_providers_schema(terraform: Any, folder: Path) -> None:
    terraform.prepare(folder)
    found = json.loads(terraform(folder, "validate", "-json"))
    assert found["diagnostics"] == []


def test_what_the_provider_does_not_have_is_not_valid(terraform: Any, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "aws_cloudformation_stack" "any" {\n  stack_name = "any"\n}\n'
    )
    terraform.prepare(tmp_path)
    found = json.loads(terraform(tmp_path, "validate", "-json", exit_code=1))
    assert sorted(problem["summary"] for problem in found["diagnostics"]) == [
        "Missing required argument",
        "Unsupported argument",
    ]


@pytest.mark.parametrize("folder", [HUB, SOURCE_ACCOUNTS], ids=lambda path: path.name)
def test_its_own_tests_pass(terraform: Any, folder: Path) -> None:
    terraform.prepare(folder)
    assert ", 0 failed." in terraform(folder, "test", "-no-color")


def test_the_hub_gets_the_stacks_that_the_command_deploys(
    everything_planned: list[dict[str, Any]], everything: Config
) -> None:
    assert planned_stacks(everything_planned) == commands_stacks(everything)


def test_what_is_not_said_is_as_the_command_takes_it(terraform: Any) -> None:
    config = Config.model_validate(MINIMAL)
    (source,) = MINIMAL["sources"]
    said = {"account_id": source["account_id"], "schedule": source["schedule"]}
    document = {**MINIMAL, "sources": {"shop": said}, "code_keys": code_keys(config)}
    assert planned_stacks(terraform.plan(HUB, document)) == commands_stacks(config)


def test_the_example_is_the_commands_example(
    example_planned: list[dict[str, Any]], example: Config
) -> None:
    assert planned_stacks(example_planned) == commands_stacks(example)


def test_source_accounts_get_the_stack_that_the_command_deploys(
    terraform: Any, everything: Config
) -> None:
    config = everything
    resources = terraform.plan(
        SOURCE_ACCOUNTS,
        {
            "name": config.name,
            "hub_account_id": config.hub_account_id,
            "organization_id": config.organization_id,
            "external_id": config.external_id,
            "provisioning": config.provisioning,
            "sources": {
                source.profile: {
                    "account_id": source.account_id,
                    "organizational_unit_id": "ou-ab12-c3d4e5f6",
                }
                for source in config.sources
            },
        },
    )
    (stack_set,) = (r["values"] for r in resources if r["name"] == "source" and "index" not in r)
    overrides = {r["index"]: r["values"]["parameter_overrides"] for r in resources if "index" in r}
    assert overrides.keys() == {"Pay_ments", "shop"}
    for source in config.sources:
        stack = source_account_stack(config, source)
        assert {**stack_set["parameters"], **overrides[source.profile]} == stack.parameters
        assert stack_set["template_body"] == (TEMPLATES / stack.template).read_text()
        assert stack_set["name"] == stack.name


def test_placeholders_reach_the_scheduler_as_it_knows_them(
    everything_planned: list[dict[str, Any]],
) -> None:
    (asked,) = (
        resource["values"]["parameters"]["ScheduleInput"]
        for resource in everything_planned
        if resource.get("index") == "shop" and resource["name"] == "exporter"
    )
    assert '"<aws.scheduler.execution-id>"' in asked
    assert '"<aws.scheduler.scheduled-time>"' in asked


def test_every_parameter_of_a_template_is_set_or_left_alone_on_purpose(
    example_planned: list[dict[str, Any]], everything_planned: list[dict[str, Any]]
) -> None:
    """Of the example's stacks, and of those that a hub has only where it asks for them."""
    asked_for = [each for each in everything_planned if each["name"] == "recounter"]
    texts = {(TEMPLATES / template).read_text(): template for template in DEPLOYED}
    seen = set()
    for values in (resource["values"] for resource in [*example_planned, *asked_for]):
        if "template_body" in values:
            template = texts[values["template_body"]]
            declared = load_template(str(TEMPLATES / template))["Parameters"]
            left_alone = LEFT_ALONE.get(template, set())
            assert declared.keys() - values["parameters"].keys() == left_alone, template
            assert values["parameters"].keys() <= declared.keys(), template
            seen.add(template)
    assert seen == DEPLOYED


def test_stacks_have_the_outputs_that_the_hub_passes_on() -> None:
    used = set(re.findall(r'outputs\["(\w+)"\]', (HUB / "outputs.tf").read_text()))
    templates = [load_template(str(TEMPLATES / template)) for template in DEPLOYED]
    assert used <= {name for template in templates for name in template["Outputs"]}


OF_THE_COMMAND_ALONE = {("log_retention",), ("direct_lane", "quota_percent")}
"""What nothing that is deployed goes by, with all that is in it."""


def probes(
    model: type[BaseModel], at: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each number of a configuration, at its bounds and just beyond."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from probes(annotation, (*at, name))
        for rule in field.metadata if annotation is int else ():
            for kind, beyond in (("ge", -1), ("le", 1)):
                if (bound := getattr(rule, kind, None)) is not None:
                    yield from (((*at, name), value) for value in (bound, bound + beyond))


def with_value(document: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *rest = path
    inner = with_value(document.get(name, {}), tuple(rest), value) if rest else value
    return {**document, name: inner}


def is_accepted(document: dict[str, Any]) -> bool:
    try:
        Config.model_validate(document)
    except ValidationError:
        return False
    return True


def test_schedules_are_taken_as_the_command_takes_them(terraform: Any, tmp_path: Path) -> None:
    parts = tomllib.loads((ROOT / "cli" / "tests" / "schedules.toml").read_text("utf-8"))["part"]
    (pattern,) = re.findall(
        r'can\(regex\((".+"), source\.schedule\)\)', (HUB / "variables.tf").read_text()
    )
    (tmp_path / "main.tf").write_text(
        'variable "schedules" {}\n'
        f'output "taken" {{ value = [for s in var.schedules : s if can(regex({pattern}, s))] }}\n'
    )
    taken = [each for part in parts for each in part["accepted"]]
    # What no pattern sees: AWS refuses it when the stack is made.
    taken += [each for part in parts for each in part.get("refused_beyond_the_pattern", [])]
    refused = [each for part in parts for each in part["refused"]]
    values, plan = tmp_path / "values.tfvars.json", tmp_path / "plan"
    values.write_text(json.dumps({"schedules": [*taken, *refused]}))
    terraform.prepare(tmp_path)
    terraform(tmp_path, "plan", f"-var-file={values}", f"-out={plan}", "-lock=false")
    planned = json.loads(terraform(tmp_path, "show", "-json", str(plan)))["planned_values"]
    assert planned["outputs"]["taken"]["value"] == taken


def test_regions_are_the_commands_and_in_its_partitions(terraform: Any, tmp_path: Path) -> None:
    copy = tmp_path / "deploy"
    shutil.copytree(TEMPLATES, copy)
    base = variables(Config.model_validate(MINIMAL))
    partitions = get_session().get_data("endpoints")["partitions"]
    regions = [region for partition in partitions for region in partition["regions"]]
    runs: dict[str, Any] = {}
    for region in [*regions, "xx-north-1", "eu-west"]:
        document = {**MINIMAL, "region": region}
        runs[region] = {"command": "plan", "variables": {"region": region}}
        if is_accepted(document):
            config = Config.model_validate(document)
            arn = config.role_arn(config.sources[0])
            condition = f'${{output.source_role_arns["shop"] == "{arn}"}}'
            runs[region]["assert"] = {"condition": condition, "error_message": arn}
        else:
            runs[region]["expect_failures"] = ["var.region"]
    (copy / "terraform/hub/tests/regions.tftest.json").write_text(
        json.dumps({"mock_provider": {"aws": {}}, "variables": base, "run": runs})
    )
    terraform.prepare(copy / "terraform/hub")
    passed = terraform(
        copy / "terraform/hub", "test", "-no-color", "-filter=tests/regions.tftest.json"
    )
    assert f"Success! {len(runs)} passed, 0 failed." in passed


def test_numbers_have_the_bounds_that_the_command_gives_them(
    terraform: Any, tmp_path: Path
) -> None:
    copy = tmp_path / "deploy"
    shutil.copytree(TEMPLATES, copy)
    base = variables(Config.model_validate(MINIMAL))
    runs = {}
    for path, value in probes(Config):
        if any(path[: len(each)] == each for each in OF_THE_COMMAND_ALONE):
            continue
        refused = not is_accepted(with_value(MINIMAL, path, value))
        runs["_".join([*path, str(value).replace("-", "minus_")])] = {
            "command": "plan",
            "variables": {path[0]: with_value(base, path, value)[path[0]]},
            **({"expect_failures": [f"var.{path[0]}"]} if refused else {}),
        }
    assert len(runs) > 40
    (copy / "terraform/hub/tests/bounds.tftest.json").write_text(
        json.dumps({"mock_provider": {"aws": {}}, "variables": base, "run": runs})
    )
    terraform.prepare(copy / "terraform/hub")
    passed = terraform(
        copy / "terraform/hub", "test", "-no-color", "-filter=tests/bounds.tftest.json"
    )
    assert f"Success! {len(runs)} passed, 0 failed." in passed
