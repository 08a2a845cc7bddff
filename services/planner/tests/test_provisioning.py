import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts.execution_variables import ExecutionVariables, QueueOptions
from logferry_contracts.source import Source
from logferry_contracts.wire import parse
from planner.provisioning import (
    CHANGE_CHARACTERS,
    FUNCTION_TIMEOUT_S,
    dead_letter_queue_attributes,
    described_function,
    described_queue,
    differing,
    function_configuration,
    in_words,
    mapping_configuration,
    owner_of,
    queue_attributes,
    with_variables_of,
)

EXAMPLE = (
    Path(__file__).parents[3]
    / "contracts/examples/execution-variables/1.0/accept/queue-options-complete.json"
)
LETTERS_ARN = "arn:aws:sqs:eu-west-1:999999999999:log-sqs-dev-collect-dlq.fifo"
SOURCE = Source(
    profile="Dev",
    account_id="111111111111",
    region="eu-west-1",
    role_arn="arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole",
)


def options(**changes: object) -> QueueOptions:
    found = parse(ExecutionVariables, EXAMPLE.read_bytes()).queue_options
    assert found is not None
    return found.model_copy(update=changes)


def test_the_options_are_the_queues_attributes() -> None:
    asked = options(visibility_timeout=700)
    attributes = queue_attributes(asked, LETTERS_ARN)
    redrive = json.loads(attributes.pop("RedrivePolicy"))
    assert attributes == {
        "VisibilityTimeout": "700",
        "MessageRetentionPeriod": str(asked.message_retention_period),
        "KmsMasterKeyId": asked.kms_master_key_id,
        "KmsDataKeyReusePeriodSeconds": str(asked.kms_data_key_reuse_period_seconds),
    }
    assert redrive == {"deadLetterTargetArn": LETTERS_ARN, "maxReceiveCount": 1000}


def test_dead_letters_are_kept_as_long_as_sqs_can_under_the_same_key() -> None:
    asked = options(message_retention_period=60)
    assert dead_letter_queue_attributes(asked) == {
        "MessageRetentionPeriod": "1209600",
        "KmsMasterKeyId": asked.kms_master_key_id,
        "KmsDataKeyReusePeriodSeconds": str(asked.kms_data_key_reuse_period_seconds),
    }


@given(st.integers(0, 43_200))
def test_no_message_comes_back_while_the_function_may_still_work_on_it(timeout_s: int) -> None:
    attributes = queue_attributes(options(visibility_timeout=timeout_s), LETTERS_ARN)
    assert int(attributes["VisibilityTimeout"]) == max(timeout_s, FUNCTION_TIMEOUT_S)


def test_a_function_has_the_layer_of_the_options_and_runs_the_exporter() -> None:
    asked = options()
    configuration = function_configuration(
        SOURCE, asked, role_arn="arn:aws:iam::9:role/x", variables={"QUEUE_URL": "https://sqs/q"}
    )
    assert configuration["Layers"] == [asked.consumer_options.layer_arn]
    assert configuration["Role"] == "arn:aws:iam::9:role/x"
    assert (configuration["Runtime"], configuration["Handler"], configuration["Timeout"]) == (
        "python3.13",
        "exporter.handler.handle",
        120,
    )
    assert configuration["Environment"] == {"Variables": {"QUEUE_URL": "https://sqs/q"}}


def test_a_mapping_has_the_batch_size_of_the_options_and_takes_partial_answers() -> None:
    asked = options()
    assert mapping_configuration(asked) == {
        "BatchSize": asked.consumer_options.batch_size,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }


def test_a_redrive_policy_is_the_same_however_aws_spells_it() -> None:
    wanted = queue_attributes(options(), LETTERS_ARN)
    spelt = f'{{"maxReceiveCount":"1000","deadLetterTargetArn":"{LETTERS_ARN}"}}'
    assert differing(wanted, described_queue({**wanted, "RedrivePolicy": spelt})) == {}
    other = spelt.replace("1000", "10")
    assert list(differing(wanted, described_queue({**wanted, "RedrivePolicy": other}))) == [
        "RedrivePolicy"
    ]
    assert "RedrivePolicy" in differing(wanted, described_queue({}))


def test_a_function_is_the_same_however_aws_describes_it() -> None:
    wanted = function_configuration(SOURCE, options(), role_arn="r", variables={"A": "1"})
    layers = [{"Arn": arn, "CodeSize": 1} for arn in wanted["Layers"]]
    assert differing(wanted, described_function({**wanted, "Layers": layers, "State": "x"})) == {}
    assert set(differing(wanted, described_function({}))) == set(wanted)


def test_variables_of_others_stay_and_ours_are_what_they_should_be() -> None:
    wanted = function_configuration(SOURCE, options(), role_arn="r", variables={"A": "1", "B": "2"})
    actual = described_function({"Environment": {"Variables": {"B": "9", "C": "3"}}})
    assert with_variables_of(actual, wanted)["Environment"] == {
        "Variables": {"A": "1", "B": "2", "C": "3"}
    }
    assert wanted["Environment"] == {"Variables": {"A": "1", "B": "2"}}


CONFIGURATIONS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


@given(CONFIGURATIONS, CONFIGURATIONS)
def test_what_differs_is_all_it_takes(wanted: dict[str, int], actual: dict[str, int]) -> None:
    changed = differing(wanted, actual)
    assert differing(wanted, {**actual, **changed}) == {}
    for name in changed:
        without = {key: value for key, value in changed.items() if key != name}
        assert differing(wanted, {**actual, **without}) == {name: changed[name]}


def test_a_change_is_said_with_what_there_was_before() -> None:
    assert in_words({"BatchSize": 10, "Timeout": 120}, {"BatchSize": 1}) == (
        "BatchSize 10 (was 1), Timeout 120"
    )


def test_of_variables_only_the_names_are_said() -> None:
    actual = {"Environment": {"Variables": {"A": "1", "TOKEN": "hush"}}}
    changed = {"Environment": {"Variables": {"A": "2", "B": "3", "TOKEN": "hush"}}}
    assert in_words(changed, actual) == "variables A, B"


def test_a_long_change_is_cut_to_what_the_contract_takes() -> None:
    words = in_words({"Description": "x" * 2000}, {})
    assert len(words) == CHANGE_CHARACTERS
    assert words.endswith("x…")


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({"logferry:managed-by": "planner"}, "planner"),
        ({"logferry:managed-by": "terraform"}, "others"),
        ({"aws:cloudformation:stack-name": "logferry-exporter-dev"}, "others"),
        ({"team": "planner"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_tag_says_whose_it_is(tags: dict[str, str], owner: Any) -> None:
    assert owner_of(tags) == owner
