"""How settings are read from environment variables, and what is said of those that are wrong."""

from datetime import timedelta
from typing import Annotated

import pytest
from pydantic import Field

from logferry_contracts.environment import (
    Artifact,
    Bucket,
    Environment,
    FifoQueueUrl,
    Number,
    QueueUrl,
    SettingsError,
    TopicArn,
)
from logferry_contracts.source import ExternalId

MINUTE = timedelta(minutes=1)


class Settings(Environment):
    bucket: Bucket
    topic_arn: TopicArn = "arn:aws:sns:eu-west-1:111122223333:events"
    queue_url: QueueUrl = "https://sqs/1/queue"
    fifo_queue_url: FifoQueueUrl = "https://sqs/1/queue.fifo"
    external_id: Annotated[ExternalId | None, Field(description="an external id")] = None
    calls: Annotated[int, Number(1, 1000)] = 5
    settle: Annotated[timedelta, Number(0, 60, MINUTE), Field(alias="SETTLE_MINUTES")] = MINUTE
    artifact: Artifact | None = None


GOOD = {"BUCKET": "a-bucket"}


def test_what_is_left_out_or_empty_has_its_default_and_what_is_not_known_is_not_read() -> None:
    empty = dict.fromkeys(Settings.variables(), "")
    settings = Settings.from_env(empty | GOOD | {"PATH": "/bin", "calls": "7", "settle": "7"})

    assert settings == Settings.from_env(GOOD)
    assert (settings.bucket, settings.calls, settings.settle) == ("a-bucket", 5, MINUTE)
    assert settings.external_id is settings.artifact is None


def test_a_variable_has_the_name_of_its_setting_or_the_one_that_it_says() -> None:
    settings = Settings.from_env(GOOD | {"CALLS": "7", "SETTLE_MINUTES": "60"})

    assert (settings.calls, settings.settle) == (7, timedelta(hours=1))
    assert list(Settings.variables()) == [
        *("BUCKET", "TOPIC_ARN", "QUEUE_URL", "FIFO_QUEUE_URL", "EXTERNAL_ID"),
        *("CALLS", "SETTLE_MINUTES", "ARTIFACT"),
    ]


@pytest.mark.parametrize("text", ["1", "1000", "007"])
def test_a_number_of_digits_within_its_bounds_is_read(text: str) -> None:
    assert Settings.from_env(GOOD | {"CALLS": text}).calls == int(text)


@pytest.mark.parametrize(
    "text", ["0", "1001", "-1", "+1", " 1", "1 ", "1\n", "1.0", "1e3", "1_0", "٣", "9" * 13, "x"]
)
def test_anything_else_is_no_number(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(GOOD | {"CALLS": text})
    assert str(caught.value) == f"CALLS is not a number from 1 to 1000: {text!r}"


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("BUCKET", "", "a bucket name"),
        ("BUCKET", "A", "a bucket name"),
        ("BUCKET", "s3://a-bucket", "a bucket name"),
        ("BUCKET", "a-bucket\n", "a bucket name"),
        ("TOPIC_ARN", "events", "the ARN of a standard SNS topic"),
        (
            "TOPIC_ARN",
            "arn:aws:sns:eu-west-1:111122223333:events.fifo",
            "the ARN of a standard SNS topic",
        ),
        ("QUEUE_URL", "https://sqs/1/queue.fifo", "the URL of a standard SQS queue"),
        ("QUEUE_URL", "arn:aws:sqs:::queue", "the URL of a standard SQS queue"),
        ("QUEUE_URL", "https://sqs/1/a queue", "the URL of a standard SQS queue"),
        ("FIFO_QUEUE_URL", "https://sqs/1/queue", "the URL of a FIFO queue"),
        ("FIFO_QUEUE_URL", "https://sqs/1/queue.fifo\n", "the URL of a FIFO queue"),
        ("EXTERNAL_ID", "a b", "an external id"),
        ("SETTLE_MINUTES", "61", "a number from 0 to 60"),
    ],
)
def test_a_problem_names_the_variable_what_it_has_to_be_and_its_value(
    name: str, value: str, what: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(GOOD | {name: value})
    assert str(caught.value) == f"{name} is not {what}: {value!r}"


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"CALLS": "many", "SETTLE_MINUTES": "-1"})
    assert str(caught.value).split("; ") == [
        "BUCKET is not a bucket name: ''",
        "CALLS is not a number from 1 to 1000: 'many'",
        "SETTLE_MINUTES is not a number from 0 to 60: '-1'",
    ]


@pytest.mark.parametrize(
    ("key", "artifact"),
    [
        (f"planner/0.2.0-1a2b3c4d5e6f{'0' * 52}.zip", "0.2.0-1a2b3c4d5e6f"),
        (f"sse-enforcer/0.2.0.dev1+b-1a2b3c4d5e6f{'0' * 52}.zip", "0.2.0.dev1+b-1a2b3c4d5e6f"),
        ("by-hand/exporter.zip", "by-hand/exporter.zip"),
        ("", None),
    ],
)
def test_an_artifact_is_its_version_and_the_beginning_of_its_hash(
    key: str, artifact: str | None
) -> None:
    assert Settings.from_env(GOOD | {"ARTIFACT": key}).artifact == artifact
