"""The environment variables that this service reads, checked once at cold start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from planner.errors import SettingsError

_DEFAULT_SETTLE_MINUTES = 1440
"""AWS: "Log data can take up to 12 hours to become available for export"; twice that.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html
"""
_DEFAULT_TIME_ZONE = "Asia/Seoul"
"""aws-logs-export-to-s3 exports days of UTC+9."""
_MAX_SETTLE_MINUTES = 20_160
"""PutLogEvents takes no event that is older than 14 days, so a window is final after that.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

_REQUIRED = {
    "AWS_REGION": (r"[a-z]{2,4}(-[a-z]+)+-[0-9]+", "a Region"),
    "CONTROL_BUCKET": (r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket name"),
    "TOPIC_ARN": (
        r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+",
        "the ARN of a standard SNS topic",
    ),
    "DEAD_LETTER_QUEUE_URL": (r"https?://\S+(?<!\.fifo)", "the URL of a standard SQS queue"),
}
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9+=,.@:/_-]{2,1224}")
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""


@dataclass(frozen=True)
class Settings:
    """Checked settings.

    Attributes:
        region: ``AWS_REGION``, the planner's own; the source's too for execution variables.
        control_bucket: ``CONTROL_BUCKET``, where the ledger is.
        topic_arn: ``TOPIC_ARN``, where PlanCompleted is published.
        dead_letter_queue_url: ``DEAD_LETTER_QUEUE_URL``, a standard queue.
        settle: ``SETTLE_MINUTES``, for requests that do not say it themselves.
        time_zone: ``TIME_ZONE``, for execution variables: they cannot say it.
        external_id: ``EXTERNAL_ID``, for execution variables; None when roles ask for none.
    """

    region: str
    control_bucket: str
    topic_arn: str
    dead_letter_queue_url: str
    settle: timedelta
    time_zone: str
    external_id: str | None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as an absent one.

        Raises:
            SettingsError: Variables are missing or malformed; names all of them.
        """
        problems = [
            f"{name} is not {what}: {env.get(name, '')!r}"
            for name, (pattern, what) in _REQUIRED.items()
            if not re.fullmatch(pattern, env.get(name, ""))
        ]
        settle_minutes = env.get("SETTLE_MINUTES") or str(_DEFAULT_SETTLE_MINUTES)
        time_zone = env.get("TIME_ZONE") or _DEFAULT_TIME_ZONE
        external_id = env.get("EXTERNAL_ID") or None
        if not _is_settle(settle_minutes):
            problems.append(
                f"SETTLE_MINUTES is not a number from 0 to {_MAX_SETTLE_MINUTES}: "
                f"{settle_minutes!r}"
            )
        if not _is_time_zone(time_zone):
            problems.append(f"TIME_ZONE is not an IANA time zone: {time_zone!r}")
        if external_id is not None and not _EXTERNAL_ID.fullmatch(external_id):
            problems.append(f"EXTERNAL_ID is not an external id: {external_id!r}")
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            region=env["AWS_REGION"],
            control_bucket=env["CONTROL_BUCKET"],
            topic_arn=env["TOPIC_ARN"],
            dead_letter_queue_url=env["DEAD_LETTER_QUEUE_URL"],
            settle=timedelta(minutes=int(settle_minutes)),
            time_zone=time_zone,
            external_id=external_id,
        )


def _is_settle(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and int(text) <= _MAX_SETTLE_MINUTES


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
