from datetime import timedelta

import pytest

from planner.errors import SettingsError
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
    )


def test_an_empty_variable_counts_as_left_out() -> None:
    empty = {"SETTLE_MINUTES": "", "TIME_ZONE": "", "EXTERNAL_ID": ""}
    assert Settings.from_env(GOOD | empty) == Settings.from_env(GOOD)


def test_every_setting_is_read() -> None:
    settings = Settings.from_env(
        GOOD | {"SETTLE_MINUTES": "0", "TIME_ZONE": "Europe/Berlin", "EXTERNAL_ID": "a-1"}
    )
    assert (settings.settle, settings.time_zone, settings.external_id) == (
        timedelta(),
        "Europe/Berlin",
        "a-1",
    )


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
                "EXTERNAL_ID": "a b",
            }
        )
    assert str(error.value).split("; ") == [
        "AWS_REGION is not a Region: 'Ireland'",
        "CONTROL_BUCKET is not a bucket name: 'A'",
        "TOPIC_ARN is not the ARN of a standard SNS topic: 'log-export-events'",
        "DEAD_LETTER_QUEUE_URL is not the URL of a standard SQS queue: 'https://sqs/1/dlq.fifo'",
        "SETTLE_MINUTES is not a number from 0 to 20160: '-1'",
        "TIME_ZONE is not an IANA time zone: 'Seoul'",
        "EXTERNAL_ID is not an external id: 'a b'",
    ]


def test_everything_that_is_missing_is_named() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({})
    assert all(name in str(error.value) for name in GOOD)


@pytest.mark.parametrize("minutes", ["20161", "1.5", "1 440", "٣", "99999999999"])
def test_a_settle_time_that_is_no_count_of_minutes_is_refused(minutes: str) -> None:
    with pytest.raises(SettingsError, match="SETTLE_MINUTES"):
        Settings.from_env(GOOD | {"SETTLE_MINUTES": minutes})
