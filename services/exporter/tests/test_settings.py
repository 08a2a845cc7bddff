"""The settings, and every way in which they can be wrong."""

from datetime import timedelta

import pytest

from exporter.settings import Settings
from logferry_contracts.environment import SettingsError
from logferry_contracts.source import SourceName

ENV = {
    "CONTROL_BUCKET": "amzn-s3-demo-control",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:999988887777:log-export-events",
    "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/999988887777/log-sqs-shop-collect.fifo",
    "DEAD_LETTER_QUEUE_URL": (
        "https://sqs.eu-west-1.amazonaws.com/999988887777/log-sqs-shop-collect-dlq.fifo"
    ),
}


def test_what_is_optional_has_a_default() -> None:
    settings = Settings.from_env(ENV)
    assert settings.wait_in_invocation_s == 2
    assert settings.max_generations == 3
    assert settings.retry_backoff == timedelta(minutes=1)
    assert settings.split_after == timedelta(hours=22)
    assert settings.direct_lane_max_bytes == 1_000_000_000
    assert settings.direct_lane_calls_per_second == 5


def test_everything_can_be_set() -> None:
    env = ENV | {
        "WAIT_IN_INVOCATION_SECONDS": "0",
        "MAX_GENERATIONS": "1",
        "RETRY_BACKOFF_SECONDS": "0",
        "SPLIT_AFTER_HOURS": "23",
        "DIRECT_LANE_MAX_BYTES": "1",
        "DIRECT_LANE_CALLS_PER_SECOND": "25",
        "PROFILE": "shop",
        "SLOT": "111122223333.eu-west-1",
        "SOURCE_ROLE_ARN": "arn:aws:iam::111122223333:role/logferry-source",
    }
    assert Settings.from_env(env) == Settings(
        control_bucket="amzn-s3-demo-control",
        topic_arn="arn:aws:sns:eu-west-1:999988887777:log-export-events",
        queue_url=ENV["QUEUE_URL"],
        dead_letter_queue_url=ENV["DEAD_LETTER_QUEUE_URL"],
        wait_in_invocation_s=0,
        max_generations=1,
        retry_backoff=timedelta(0),
        split_after=timedelta(hours=23),
        direct_lane_max_bytes=1,
        direct_lane_calls_per_second=25,
        profile="shop",
        slot="111122223333.eu-west-1",
        role_arn="arn:aws:iam::111122223333:role/logferry-source",
        artifact=None,
    )


def test_an_exporter_that_is_not_told_whose_it_is_works_for_anybody() -> None:
    source = SourceName(profile="any", account_id="222233334444", region="eu-west-1")
    assert Settings.from_env(ENV).objection(source) is None


def test_one_error_names_every_problem() -> None:
    env = {"QUEUE_URL": "https://sqs/standard-queue", "MAX_GENERATIONS": "0"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env | {"WAIT_IN_INVOCATION_SECONDS": "soon"})
    for name in (*ENV, "MAX_GENERATIONS", "WAIT_IN_INVOCATION_SECONDS"):
        assert f"{name} is not" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAIT_IN_INVOCATION_SECONDS", "841"),
        ("WAIT_IN_INVOCATION_SECONDS", "-1"),
        ("MAX_GENERATIONS", "1001"),
        ("RETRY_BACKOFF_SECONDS", "901"),
        ("SPLIT_AFTER_HOURS", "0"),
        ("SPLIT_AFTER_HOURS", "24"),
        ("TOPIC_ARN", "arn:aws:sns:eu-west-1:999988887777:topic.fifo"),
        ("CONTROL_BUCKET", ""),
        ("DIRECT_LANE_MAX_BYTES", "1000000001"),
        ("DIRECT_LANE_CALLS_PER_SECOND", "0"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env(ENV | {name: value})
