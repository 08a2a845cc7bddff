"""The stacks' environment variables and parameters are the services' settings, bound by bound.

The command's configuration has the templates' bounds too; that Terraform's variables have the
configuration's is seen by ``devstack/terraform/tests/check_modules.py``.
"""

import copy
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError

import exporter.settings
import planner.settings
import recounter.settings
import sealer.settings
import sse_enforcer.settings
from logferry.checkout import TEMPLATES
from logferry.config import Config
from logferry.hub import hub_stacks
from logferry.package import Zip
from logferry.template import load_template
from logferry_contracts.environment import Environment, Number, SettingsError, rule
from logferry_contracts.source import Source
from planner.provisioning import DIRECT_LANE_MAX_BYTES, FUNCTION_TIMEOUT_S, exporter_variables

SETTINGS: dict[str, type[Environment]] = {
    "planner": planner.settings.Settings,
    "planner-coverage": planner.settings.CoverageSettings,
    "exporter": exporter.settings.Settings,
    "sse-enforcer": sse_enforcer.settings.Settings,
    "sealer": sealer.settings.Settings,
    "recounter": recounter.settings.Settings,
}
COVERAGE = "planner.coverage_handler.handle"
"""The handler of a function that reads settings of its own, in the planner's template."""
REQUIRED = {
    "HUB_NAME": "logferry",
    "AWS_REGION": "eu-west-1",
    "ARCHIVE_BUCKET": "acme-log-archive",
    "CONTROL_BUCKET": "acme-log-control",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:999999999999:log-export-events",
    "SIGNING_KEY_ARN": "arn:aws:kms:eu-west-1:999999999999:key/1-2",
    "PROFILE": "shop",
    "SOURCE_ACCOUNT_ID": "111122223333",
    "SOURCE_REGION": "eu-west-1",
    "SOURCE_ROLE_ARN": "arn:aws:iam::111122223333:role/logferry-source",
}
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/999999999999/queue"

FROM_LAMBDA = {"AWS_REGION"}
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
FOR_POWERTOOLS = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
"""https://docs.aws.amazon.com/powertools/python/latest/environment_variables/"""
NEVER_SET = {
    "planner": set[str](),
    "planner-coverage": set[str](),
    "exporter": {"WAIT_IN_INVOCATION_SECONDS", "MAX_GENERATIONS"},
    "sse-enforcer": {
        "KMS_KEY_PARAMETER",
        "KMS_KEY_TTL_SECONDS",
        "COPY_LIMIT_BYTES",
        "COPY_PART_BYTES",
        "SWEEP_GRACE_MINUTES",
        "SWEEP_UPLOAD_HOURS",
    },
    "sealer": set[str](),
    "recounter": set[str](),
}
"""What works everywhere by its default, and somebody may set by hand."""


@functools.cache
def template(service: str) -> dict[str, Any]:
    file = TEMPLATES / f"{service.removesuffix('-coverage')}.yaml"
    loaded: dict[str, Any] = load_template(file.read_text())
    return loaded


def environments(service: str) -> Iterator[dict[str, Any]]:
    """Yield the variables of each of a stack's functions that read these settings."""
    for resource in template(service)["Resources"].values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        if (resource["Properties"]["Handler"] == COVERAGE) == service.endswith("-coverage"):
            yield resource["Properties"]["Environment"]["Variables"]


def settings_of(service: str, **variables: str) -> Environment:
    """Read a service's settings, some of them as given and the others as they have to be."""
    ending = ".fifo" if service == "exporter" else ""
    queues = dict.fromkeys(("QUEUE_URL", "DEAD_LETTER_QUEUE_URL"), f"{QUEUE_URL}{ending}")
    return SETTINGS[service].from_env(REQUIRED | queues | variables)


def is_taken(service: str, name: str, value: object) -> bool:
    try:
        settings_of(service, **{name: str(value)})
    except SettingsError as error:
        assert str(error).startswith(f"{name} is not ")  # noqa: PT017  (of no other variable)
        return False
    return True


@dataclass(frozen=True)
class Told:
    """A variable that is the value of a parameter."""

    service: str
    variable: str
    parameter: str

    @property
    def rules(self) -> dict[str, Any]:
        found: dict[str, Any] = template(self.service)["Parameters"][self.parameter]
        return found

    @property
    def number(self) -> Number | None:
        field = SETTINGS[self.service].variables()[self.variable]
        return next((each for each in field.metadata if isinstance(each, Number)), None)

    def __str__(self) -> str:
        return f"{self.service}-{self.variable}"


TOLD = sorted(
    {
        Told(service, name, value["Ref"])
        for service in SETTINGS
        for variables in environments(service)
        for name, value in variables.items()
        if isinstance(value, dict)
        and value.get("Ref") in template(service)["Parameters"]
        and name not in FOR_POWERTOOLS
    },
    key=str,
)
EACH = pytest.mark.parametrize("told", TOLD, ids=str)


@pytest.mark.parametrize("service", SETTINGS)
def test_a_service_reads_what_its_stack_tells_it_and_is_told_what_it_reads(service: str) -> None:
    told = [set(variables) for variables in environments(service)]
    read = set(SETTINGS[service].variables())

    for variables in told:
        assert variables - FOR_POWERTOOLS <= read
        assert variables >= FOR_POWERTOOLS
    assert read - FROM_LAMBDA - set().union(*told) == NEVER_SET[service]


@pytest.mark.parametrize("service", SETTINGS)
def test_each_function_is_told_what_it_cannot_do_without(service: str) -> None:
    read = SETTINGS[service].variables()
    required = {name for name, field in read.items() if field.is_required()}

    for variables in environments(service):
        assert required - FROM_LAMBDA <= set(variables)


@pytest.mark.parametrize("service", SETTINGS)
def test_an_error_says_what_a_variable_has_to_be_unless_it_may_be_anything(service: str) -> None:
    known = SETTINGS[service].variables()
    silent = {name for name, field in known.items() if rule(field) == "None"}

    assert silent <= {"SLOT", "SOURCE_ROLE_ARN", "ARTIFACT"}
    assert all(is_taken(service, name, "anything at all") for name in silent)


@pytest.mark.parametrize("service", SETTINGS)
def test_what_no_stack_sets_has_a_default(service: str) -> None:
    known = SETTINGS[service].variables()

    assert not [name for name in NEVER_SET[service] if known[name].is_required()]


@EACH
def test_a_parameter_is_a_number_with_bounds_where_its_setting_is(told: Told) -> None:
    number = told.number
    bounds = None if number is None else (number.least, number.most)
    rules = told.rules

    assert (rules["Type"] == "Number") == (number is not None)
    assert (rules.get("MinValue"), rules.get("MaxValue")) == (bounds or (None, None))


@EACH
def test_a_setting_takes_what_its_parameter_takes_and_nothing_beside(told: Told) -> None:
    rules = told.rules

    def takes(value: object) -> bool:
        return is_taken(told.service, told.variable, value)

    for least in [rules["MinValue"]] if "MinValue" in rules else []:
        assert takes(least)
        assert not takes(least - 1)
    for most in [rules["MaxValue"]] if "MaxValue" in rules else []:
        assert takes(most)
        assert not takes(most + 1)
    for allowed in rules.get("AllowedValues", []):
        assert takes(allowed)
        assert not takes(f"{allowed}x")


def with_lengths(schema: dict[str, Any]) -> str | None:
    """Return the pattern of a setting's text, which has the lengths in itself, if it has one."""
    for text in [schema, *schema.get("anyOf", [])]:
        if "minLength" in text:
            lengths = f"{{{text['minLength']},{text['maxLength']}}}$"
            return str(text["pattern"]).removesuffix("+$") + lengths
        if "pattern" in text:
            return str(text["pattern"])
    return None


@EACH
def test_a_setting_has_the_pattern_of_its_parameter(told: Told) -> None:
    schema = SETTINGS[told.service].model_json_schema()["properties"][told.variable]
    if "AllowedPattern" not in told.rules:
        # What is looked up in Parameter Store cannot have one.
        is_looked_up = told.rules["Type"].startswith("AWS::SSM::Parameter::Value")
        assert is_looked_up or with_lengths(schema) is None
        return
    # A parameter's value is empty where the variable is to count as absent.
    parameters = re.sub(r"^\^\((.*)\)\?\$$", r"^\1$", told.rules["AllowedPattern"])
    assert parameters == with_lengths(schema)


@EACH
def test_a_parameter_has_the_default_of_its_setting(told: Told) -> None:
    default = told.rules.get("Default")
    if default is None or told.rules["Type"].startswith("AWS::SSM::Parameter::Value"):
        return
    assert settings_of(told.service, **{told.variable: str(default)}) == settings_of(told.service)


@pytest.mark.parametrize("service", SETTINGS)
def test_whatever_a_service_can_be_told_by_a_number_is_told_by_a_parameter(service: str) -> None:
    numbers = {
        name
        for name, field in SETTINGS[service].variables().items()
        if any(isinstance(each, Number) for each in field.metadata)
    }
    told = {each.variable for each in TOLD if each.service == service}

    assert numbers - told == numbers & NEVER_SET[service]


PROVISIONED = exporter_variables(
    Source(
        profile="dev",
        account_id="111122223333",
        region="eu-west-1",
        role_arn="arn:aws:iam::111122223333:role/logs",
    ),
    planner.settings.Settings.from_env(REQUIRED | {"DEAD_LETTER_QUEUE_URL": QUEUE_URL}),
    queue_url=f"{QUEUE_URL}.fifo",
    dead_letter_queue_url=f"{QUEUE_URL}-dlq.fifo",
)
"""Of an exporter that the planner makes, by the rules of its schedule's QueueOptions."""
LEFT_TO_DEFAULTS = NEVER_SET["exporter"] | {
    "ARTIFACT",
    "DIRECT_LANE_CALLS_PER_SECOND",
    "RETRY_BACKOFF_SECONDS",
    "SPLIT_AFTER_HOURS",
}
"""What QueueOptions have no words for."""


def test_an_exporter_that_the_planner_makes_reads_all_that_it_is_told() -> None:
    read = exporter.settings.Settings.variables()

    assert set(PROVISIONED) - FOR_POWERTOOLS == set(read) - LEFT_TO_DEFAULTS
    assert not [name for name in LEFT_TO_DEFAULTS if read[name].is_required()]
    assert {name: PROVISIONED[name] for name in FOR_POWERTOOLS & set(PROVISIONED)} == {
        name: variables[name]
        for variables in environments("exporter")
        for name in FOR_POWERTOOLS & set(PROVISIONED)
    }


def test_an_exporter_that_the_planner_makes_takes_every_value_that_it_is_told() -> None:
    told = exporter.settings.Settings.from_env(PROVISIONED)

    assert isinstance(told, exporter.settings.Settings)
    assert told.direct_lane_max_bytes == DIRECT_LANE_MAX_BYTES
    assert (told.profile, told.slot) == ("dev", "111122223333.eu-west-1")
    assert told.wait_in_invocation_s < FUNCTION_TIMEOUT_S


@pytest.mark.parametrize("name", ["CONTROL_BUCKET", "TOPIC_ARN"])
def test_what_the_planner_hands_on_has_the_rules_of_the_exporters_setting(name: str) -> None:
    takes, told = (
        with_lengths(settings.model_json_schema()["properties"][name])
        for settings in (exporter.settings.Settings, planner.settings.Settings)
    )
    assert takes == told is not None


def numbers(model: type[BaseModel], *at: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Yield each number of a configuration that has two bounds, and these."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from numbers(field.annotation, *at, name)
        least = [each.ge for each in field.metadata if isinstance(each, Ge)]
        most = [each.le for each in field.metadata if isinstance(each, Le)]
        if field.annotation is int and least and most:
            yield (*at, name), int(str(least[0])), int(str(most[0]))


def with_number(document: dict[str, Any], path: tuple[str, ...], value: int) -> Config:
    """Return a configuration one of whose numbers is this."""
    document = copy.deepcopy(document) | {"recount": {"state": "ENABLED"}}
    part = document
    for name in path[:-1]:
        part = part.setdefault(name, {})
    part[path[-1]] = value
    return Config.model_validate(document)


def two_configs(
    document: dict[str, Any], path: tuple[str, ...], least: int, most: int
) -> list[Config]:
    """Return two configurations that differ in one number."""
    try:
        return [with_number(document, path, value) for value in (least + 1, least + 2)]
    except ValidationError:  # too little beside another number
        return [with_number(document, path, value) for value in (most - 1, most)]


def parameters(config: Config, zips: list[Zip]) -> dict[tuple[str, str], str]:
    """Return the parameters of all stacks of a hub, by template and name."""
    phases = hub_stacks(config, {each.service: each for each in zips})
    stacks = [stack for phase in phases for stack in phase]
    return {
        (stack.template, name): text for stack in stacks for name, text in stack.parameters.items()
    }


def test_a_number_of_the_configuration_has_the_bounds_of_the_parameter_that_it_becomes(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    seen = set()
    for path, least, most in numbers(Config):
        configs = two_configs(document, path, least, most)
        one, other = (parameters(config, some_zips) for config in configs)
        for file, name in {key for key in one if one[key] != other[key]}:
            rules = template(file.removesuffix(".yaml"))["Parameters"][name]
            seen.add((file.removesuffix(".yaml"), name))
            assert (rules.get("MinValue"), rules.get("MaxValue")) == (least, most), name
    told = {(each.service, each.parameter) for each in TOLD if each.number is not None}
    assert {(service.removesuffix("-coverage"), name) for service, name in told} <= seen
