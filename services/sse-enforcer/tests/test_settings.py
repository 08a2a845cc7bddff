from datetime import timedelta

import pytest

from logferry_contracts.environment import SettingsError
from sse_enforcer.settings import Hold, Settings

REQUIRED = {
    "ARCHIVE_BUCKET": "archive-bucket",
    "CONTROL_BUCKET": "control-bucket",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:111122223333:log-export-events",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111122223333/dead",
}


def test_what_is_not_said_has_its_default():
    assert Settings.from_env(REQUIRED | {"HOLD": ""}) == Settings(
        archive_bucket="archive-bucket",
        control_bucket="control-bucket",
        topic_arn="arn:aws:sns:eu-west-1:111122223333:log-export-events",
        dead_letter_queue_url="https://sqs.eu-west-1.amazonaws.com/111122223333/dead",
        kms_key_parameter="/app/cloudwatch/log/export/s3/kms/arn",
        queue_url=None,
        kms_key_ttl_seconds=300,
        copy_limit_bytes=5 * 1024**3,
        copy_part_bytes=256 * 1024**2,
        hold=Hold.ON_COMPLETION,
        sweep_every=timedelta(hours=24),
        sweep_full_every=timedelta(days=90),
        sweep_objects_per_second=100,
        sweep_grace=timedelta(minutes=60),
        sweep_upload_age=timedelta(hours=48),
        artifact=None,
    )


def test_what_is_said_counts():
    said = {"KMS_KEY_PARAMETER": "/my/key", "KMS_KEY_TTL_SECONDS": "0", "HOLD": "off"}
    settings = Settings.from_env(REQUIRED | said)

    assert settings.kms_key_parameter == "/my/key"
    assert settings.kms_key_ttl_seconds == 0
    assert settings.hold is Hold.OFF


def test_all_problems_are_named_at_once():
    with pytest.raises(SettingsError) as raised:
        Settings.from_env({"ARCHIVE_BUCKET": "s3://archive", "HOLD": "maybe"})

    named = [problem.split(" ")[0] for problem in str(raised.value).split("; ")]
    assert named == [
        "ARCHIVE_BUCKET",
        "CONTROL_BUCKET",
        "TOPIC_ARN",
        "DEAD_LETTER_QUEUE_URL",
        "HOLD",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOPIC_ARN", REQUIRED["TOPIC_ARN"] + ".fifo"),
        ("DEAD_LETTER_QUEUE_URL", REQUIRED["DEAD_LETTER_QUEUE_URL"] + ".fifo"),
        ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/111122223333/q.fifo"),
        ("KMS_KEY_PARAMETER", "no spaces"),
        ("KMS_KEY_PARAMETER", "/ends/with/a/slash/"),
        ("COPY_LIMIT_BYTES", "5368709121"),
        ("COPY_LIMIT_BYTES", "5 GiB"),
        ("COPY_PART_BYTES", "5242879"),
        ("COPY_PART_BYTES", "5368709121"),
        ("KMS_KEY_TTL_SECONDS", "5 min"),
        ("KMS_KEY_TTL_SECONDS", "-1"),
        ("HOLD", "ON_COMPLETION"),
    ],
)
def test_a_malformed_setting_is_named_with_its_value(name, value):
    with pytest.raises(SettingsError, match=f"^{name} is not .*{value[:5]}"):
        Settings.from_env(REQUIRED | {name: value})
