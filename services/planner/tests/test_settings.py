from datetime import timedelta

import pytest

from logferry_contracts.environment import SettingsError
from planner.settings import Settings

GOOD = {
    "AWS_REGION": "eu-west-1",
    "CONTROL_BUCKET": "acme-log-control",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:999999999999:log-export-events",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/999999999999/logferry-planner-dlq",
}


def test_what_is_left_out_has_its_default() -> None:
    settings = Settings.from_env(GOOD)
    assert settings == Settings(
        region="eu-west-1",
        control_bucket="acme-log-control",
        topic_arn=GOOD["TOPIC_ARN"],
        dead_letter_queue_url=GOOD["DEAD_LETTER_QUEUE_URL"],
        settle=timedelta(hours=24),
        time_zone="Asia/Seoul",
        external_id=None,
        lookback_days=14,
        direct_lane_max_bytes=1_000_000_000_000,
        exporter_role_arn=None,
        exporter_architecture="arm64",
        artifact=None,
    )


def test_an_empty_variable_counts_as_left_out() -> None:
    names = ("SETTLE_MINUTES", "LOOKBACK_DAYS", "DIRECT_LANE_MAX_BYTES", "TIME_ZONE")
    names += ("EXTERNAL_ID", "EXPORTER_ROLE_ARN", "EXPORTER_ARCHITECTURE")  # type: ignore[assignment]
    empty = dict.fromkeys(names, "")
    assert Settings.from_env(GOOD | empty) == Settings.from_env(GOOD)


def test_every_setting_is_read() -> None:
    settings = Settings.from_env(
        GOOD
        | {
            "SETTLE_MINUTES": "0",
            "LOOKBACK_DAYS": "400",
            "DIRECT_LANE_MAX_BYTES": "0",
            "TIME_ZONE": "Europe/Berlin",
            "EXTERNAL_ID": "a-1",
            "EXPORTER_ROLE_ARN": "arn:aws:iam::999999999999:role/team/exporters",
            "EXPORTER_ARCHITECTURE": "x86_64",
        }
    )
    assert settings.settle == timedelta()
    assert settings.lookback_days == 400
    assert settings.direct_lane_max_bytes == 0
    assert settings.time_zone == "Europe/Berlin"
    assert settings.external_id == "a-1"
    assert settings.exporter_role_arn == "arn:aws:iam::999999999999:role/team/exporters"
    assert settings.exporter_architecture == "x86_64"


def test_one_error_names_every_problem() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env(
            {
                "AWS_REGION": "Ireland",
                "CONTROL_BUCKET": "A",
                "TOPIC_ARN": "log-export-events",
                "DEAD_LETTER_QUEUE_URL": "https://sqs/1/dlq.fifo",
                "SETTLE_MINUTES": "-1",
                "TIME_ZONE": "Seoul",
                "LOOKBACK_DAYS": "0",
                "DIRECT_LANE_MAX_BYTES": "1e6",
                "EXTERNAL_ID": "a b",
                "EXPORTER_ROLE_ARN": "exporters",
                "EXPORTER_ARCHITECTURE": "aarch64",
            }
        )
    assert str(error.value).split("; ") == [
        "AWS_REGION is not a Region: 'Ireland'",
        "CONTROL_BUCKET is not a bucket name: 'A'",
        "TOPIC_ARN is not the ARN of a standard SNS topic: 'log-export-events'",
        "DEAD_LETTER_QUEUE_URL is not the URL of a standard SQS queue: 'https://sqs/1/dlq.fifo'",
        "SETTLE_MINUTES is not a number from 0 to 20160: '-1'",
        "LOOKBACK_DAYS is not a number from 1 to 400: '0'",
        "DIRECT_LANE_MAX_BYTES is not a number from 0 to 1000000000000000: '1e6'",
        "TIME_ZONE is not an IANA time zone: 'Seoul'",
        "EXTERNAL_ID is not an external id: 'a b'",
        "EXPORTER_ROLE_ARN is not the ARN of a role: 'exporters'",
        "EXPORTER_ARCHITECTURE is not arm64 or x86_64: 'aarch64'",
    ]


def test_everything_that_is_missing_is_named() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({})
    assert all(name in str(error.value) for name in GOOD)


@pytest.mark.parametrize("minutes", ["20161", "1.5", "1 440", "٣", "99999999999"])
def test_a_settle_time_that_is_no_count_of_minutes_is_refused(minutes: str) -> None:
    with pytest.raises(SettingsError, match="SETTLE_MINUTES"):
        Settings.from_env(GOOD | {"SETTLE_MINUTES": minutes})
