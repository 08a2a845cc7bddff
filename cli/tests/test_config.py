import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.session import get_session
from pydantic import ValidationError

from logferry.checkout import ROOT
from logferry.config import Config, load
from logferry.errors import ConfigError
from logferry.fields import PARTITIONS
from logferry_contracts.execution_variables import ExecutionVariables
from logferry_contracts.plan_request import PlanRequest
from logferry_contracts.wire import parse

EXAMPLES = sorted((ROOT / "deploy" / "examples").glob("*.yaml"))

REGIONS = [
    (region, partition["partition"])
    for partition in get_session().get_data("endpoints")["partitions"]
    for region in partition["regions"]
]
"""Every Region that botocore knows, with its partition."""


def problems_of(tmp_path: Path, document: Any) -> list[str]:
    path = tmp_path / "organization.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    return caught.value.problems


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_valid(path: Path) -> None:
    assert load(path).sources


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("region", "Ireland", "region: 'Ireland': String should match pattern"),
        ("hub_account_id", 111122223333, "put it into quotes"),
        ("organization_id", "r-1234", "organization_id: 'r-1234'"),
        ("time_zone", "Seoul", "time_zone: 'Seoul': not an IANA time zone"),
        ("settle_minutes", -1, "settle_minutes: -1: Input should be greater than or equal to 0"),
        ("name", "Log-Ferry", "name: 'Log-Ferry'"),
        ("architecture", "arm", "architecture: 'arm'"),
        ("regions", "eu-west-1", "regions: 'eu-west-1': Extra inputs are not permitted"),
        ("sources", [], "sources: List should have at least 1 item"),
        (
            "exporter",
            {"function_timeout_s": 300, "visibility_timeout_s": 200},
            "exporter: visibility_timeout_s 200 is less than function_timeout_s 300",
        ),
        (
            "archive",
            {"transition": {"storage_class": "STANDARD_IA", "after_days": 29}},
            "archive.transition: after_days 29: S3 takes objects into STANDARD_IA after 30 days",
        ),
        (
            "archive",
            {"default_retention": {"mode": "LEGAL_HOLD", "days": 1}},
            "archive.default_retention.mode: 'LEGAL_HOLD'",
        ),
    ],
)
def test_a_wrong_field_is_told_with_its_value_and_its_rule(
    tmp_path: Path, document: dict[str, Any], field: str, value: Any, told: str
) -> None:
    (problem,) = problems_of(tmp_path, document | {field: value})
    assert told in problem


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("profile", "a b", "sources.1.profile: 'a b'"),
        ("account_id", "55556666777", "sources.1.account_id: '55556666777'"),
        ("schedule", "daily", "sources.1.schedule: 'daily': not cron(...), rate(...) or at(...)"),
        ("schedule", "cron(0 3 * * *)", "cron needs 6 fields"),
        ("schedule_time_zone", "KST", "sources.1.schedule_time_zone: 'KST'"),
        ("schedule_flexible_minutes", 1441, "sources.1.schedule_flexible_minutes: 1441"),
        ("role_arn", "arn:aws:iam::999999999999:role/x", "is not in account 555566667777"),
        ("state", "on", "sources.1.state: 'on'"),
        ("selection", {"include": []}, "sources.1.selection.include"),
    ],
)
def test_a_wrong_field_of_a_source_is_told_with_its_place(
    tmp_path: Path, document: dict[str, Any], field: str, value: Any, told: str
) -> None:
    document["sources"][1][field] = value
    (problem,) = problems_of(tmp_path, document)
    assert told in problem


@pytest.mark.parametrize(
    ("recount", "days", "is_refused"),
    [
        ({"state": "ENABLED"}, 31, True),
        ({"state": "ENABLED"}, 32, False),
        ({"state": "ENABLED", "look_back_days": 60}, 61, True),
        ({"state": "ENABLED", "look_back_days": 60}, 62, False),
        ({"state": "ENABLED", "add_mb_per_day": 0}, 31, False),
        ({"state": "DISABLED"}, 1, False),
    ],
)
def test_what_is_added_to_a_date_has_to_be_sealed_still(
    tmp_path: Path,
    document: dict[str, Any],
    recount: dict[str, Any],
    days: int,
    is_refused: bool,  # noqa: FBT001  (a case)
) -> None:
    """Else it is in the archive, and every check says that somebody has put it there."""
    document |= {"recount": recount, "sealer": {"look_back_days": days}}
    if not is_refused:
        assert Config.model_validate(document)
        return
    (problem,) = problems_of(tmp_path, document)
    assert f"sealer.look_back_days {days} is less than {days + 1}" in problem


def test_every_problem_is_told_at_once(tmp_path: Path, document: dict[str, Any]) -> None:
    del document["region"]
    document["sources"][0]["schedule"] = "daily"
    assert len(problems_of(tmp_path, document)) == 2


def test_a_missing_field_is_told(tmp_path: Path, document: dict[str, Any]) -> None:
    del document["hub_account_id"]
    assert problems_of(tmp_path, document) == ["hub_account_id: is missing"]


def test_two_sources_of_one_account_are_refused_because_they_share_a_slot(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    document["sources"][1]["account_id"] = document["sources"][0]["account_id"]
    (problem,) = problems_of(tmp_path, document)
    assert "account_id 444455556666 is there 2 times" in problem


@pytest.mark.parametrize("profile", ["SHOP", "shop"])
def test_profiles_with_the_same_names_of_queues_and_stacks_are_refused(
    tmp_path: Path, document: dict[str, Any], profile: str
) -> None:
    document["sources"][1]["profile"] = profile
    (problem,) = problems_of(tmp_path, document)
    assert "profile shop is there 2 times" in problem


def test_profiles_that_differ_in_an_underscore_would_share_a_stack(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    document["sources"][0]["profile"] = "pay-ments"
    (problem,) = problems_of(tmp_path, document)
    assert "profile pay-ments is there 2 times" in problem


def test_many_sources_need_an_organization(tmp_path: Path, document: dict[str, Any]) -> None:
    document["sources"] = [
        {"profile": f"p{n}", "account_id": f"{n:012}", "schedule": "rate(1 day)"}
        for n in range(201)
    ]
    (problem,) = problems_of(tmp_path, document)
    assert "without organization_id" in problem
    assert len(Config.model_validate(document | {"organization_id": "o-a1b2c3d4e5"}).sources) == 201


def test_a_selection_too_long_for_a_stack_parameter_is_refused(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    document["sources"][0]["selection"] = {"include": [f"/app/{n:04}/*" for n in range(400)]}
    (problem,) = problems_of(tmp_path, document)
    assert "the selection of shop is too long" in problem


@pytest.mark.parametrize("text", ["a: [", "\x00", "- 1\n- 2", ""])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    assert problems_of(tmp_path, text)


def test_an_empty_file_is_told_to_be_empty(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "# nothing yet\n") == [
        "it is empty: begin with deploy/examples/organization.yaml"
    ]


@pytest.mark.parametrize(
    "value", ["a: b", "@team", "`x`", "%1", "*all", "!x", "|x", "'it' is", '"it" is']
)
def test_a_value_that_yaml_takes_otherwise_is_told_to_be_quoted(tmp_path: Path, value: str) -> None:
    [problem] = problems_of(tmp_path, f"region: eu-west-1\nexternal_id: {value}\n")
    assert "line 2" in problem
    assert "put a value into quotes" in problem


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2026-13-45", "this is no timestamp, as YAML takes it for without quotes: month must be"),
        ("!!timestamp x", "this is no timestamp"),
        ("!!int abc", "this is no int"),
        ("!!bool abc", "this is no bool"),
        ("9" * 5000, "this is no int"),
        ("[" * 3000 + "]" * 3000, "it has brackets in brackets without end"),
    ],
)
def test_a_value_that_nothing_can_be_made_of_is_told(tmp_path: Path, value: str, told: str) -> None:
    [problem] = problems_of(tmp_path, f"region: eu-west-1\nexternal_id: {value}\n")
    assert told in problem


@pytest.mark.parametrize("name", ["min_dollars", "dollars_per_gb_month", "count_dollars"])
def test_dollars_have_an_end(tmp_path: Path, document: dict[str, Any], name: str) -> None:
    document["log_retention"] = {"min_days": 30, name: float("inf")}
    [problem] = problems_of(tmp_path, yaml.safe_dump(document))
    assert problem.startswith(f"log_retention.{name}: ")


@pytest.mark.parametrize("value", ["111122223333", "2026-11-21", "1.5", "yes"])
def test_what_yaml_does_not_take_for_text_is_told_to_be_quoted(
    tmp_path: Path, document: dict[str, Any], value: str
) -> None:
    del document["hub_account_id"]
    text = f"hub_account_id: {value}\n{yaml.safe_dump(document)}"
    [problem] = problems_of(tmp_path, text)
    assert problem.startswith("hub_account_id: ")
    assert problem.endswith("; put it into quotes")


def test_a_key_that_is_given_twice_is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text(f"{yaml.safe_dump(document)}\nname: one\nname: another\n")

    with pytest.raises(ConfigError, match="'name' more than once"):
        load(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml")


def test_a_plain_source_is_planned_by_execution_variables(config: Config) -> None:
    variables = parse(ExecutionVariables, config.schedule_input(config.source("shop")))
    assert variables.logging_bucket_name == "logferry-archive-111122223333-eu-west-1"
    assert variables.role_arn == "arn:aws:iam::444455556666:role/logferry-source"
    assert variables.prefix == "shop"
    assert variables.queue_options is None


def test_a_source_with_a_selection_is_planned_by_a_plan_request(document: dict[str, Any]) -> None:
    document["external_id"] = "between-us"
    document["sources"][0]["selection"] = {"exclude": ["/debug/*"]}
    config = Config.model_validate(document)
    text = config.schedule_input(config.source("shop"))
    # What EventBridge Scheduler puts into the places that it fills in.
    filled = text.replace("<aws.scheduler.execution-id>", "d32c5kddcf5bb8c3").replace(
        "<aws.scheduler.scheduled-time>", "2026-11-22T18:59:43Z"
    )
    request = parse(PlanRequest, filled).data
    assert request.selection is not None
    assert request.selection.exclude == ["/debug/*"]
    assert request.source.external_id == "between-us"
    assert request.source.role_arn == "arn:aws:iam::444455556666:role/logferry-source"
    assert request.window_rule.model_dump(exclude_none=True) == {
        "unit": "day",
        "time_zone": "Asia/Seoul",
    }
    assert set(json.loads(text)) == set(json.loads(filled))


@pytest.mark.parametrize(("region", "partition"), REGIONS)
def test_a_region_has_the_arns_of_its_partition_or_is_refused_by_name(
    tmp_path: Path, document: dict[str, Any], region: str, partition: str
) -> None:
    document["region"] = region
    if partition in PARTITIONS:
        config = Config.model_validate(document)
        assert config.role_arn(config.sources[0]).startswith(f"arn:{partition}:iam::")
        assert config.topic_arn.startswith(f"arn:{partition}:sns:{region}:")
    else:
        (problem,) = problems_of(tmp_path, document)
        assert f"region: '{region}': in partition {partition}, of which it is not" in problem


@pytest.mark.parametrize("region", ["xx-north-1", "eu-west", "eu-west-1\n"])
def test_a_region_of_no_partition_is_refused(document: dict[str, Any], region: str) -> None:
    with pytest.raises(ValidationError, match="region"):
        Config.model_validate(document | {"region": region})


def test_arns_of_another_partition_are_told_at_once(document: dict[str, Any]) -> None:
    arns = {
        "queue_key_arn": "arn:aws:kms:cn-north-1:111122223333:key/0123-abcd",
        "alarm_action_arn": "arn:aws:sns:cn-north-1:111122223333:on-call",
        "observability": {"page_action_arn": "arn:aws:sns:cn-north-1:111122223333:pager"},
        "archive": {"signing_key_arn": "arn:aws:kms:cn-north-1:111122223333:key/4567-abcd"},
        "sealer": {"former_signing_key_arns": ["arn:aws:kms:cn-north-1:111122223333:key/89-ab"]},
    }
    document["sources"][0]["role_arn"] = "arn:aws:iam::444455556666:role/logs"
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(document | {"region": "cn-north-1"} | arns)
    assert str(caught.value).count("is not in partition aws-cn, which cn-north-1 is in") == 6


def test_an_unknown_profile_is_told_with_the_known_ones(config: Config) -> None:
    with pytest.raises(ConfigError, match="none of shop, Pay_ments"):
        config.source("Shop")


def test_more_may_be_planned_for_the_direct_lane_than_it_reads_at_once(
    document: dict[str, Any],
) -> None:
    document["direct_lane"] = {"planned_bytes": 8, "most_bytes": 7}
    assert Config.model_validate(document).direct_lane.planned_bytes == 8


def test_the_pager_and_the_services_alarms_are_not_the_same(document: dict[str, Any]) -> None:
    arn = "arn:aws:sns:eu-west-1:111122223333:on-call"
    document |= {"alarm_action_arn": arn, "observability": {"page_action_arn": arn}}
    with pytest.raises(ValidationError, match="page_action_arn is alarm_action_arn"):
        Config.model_validate(document)
    document["observability"]["page_action_arn"] += "-pager"
    assert Config.model_validate(document).observability.page_action_arn == f"{arn}-pager"
