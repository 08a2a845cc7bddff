"""The environment variables that this service reads, checked once at cold start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Self, cast

from logferry_contracts.zones import zone_named
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
_DEFAULT_LOOKBACK_DAYS = 14
_MAX_LOOKBACK_DAYS = 400
"""As in a PlanRequest."""
_DEFAULT_DIRECT_LANE_MAX_BYTES = 800_000_000
"""Less than the exporters' limit of 1 GB: metrics count bytes when they come, not by their time."""
_MAX_DIRECT_LANE_MAX_BYTES = 1_000_000_000

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
_EXPORTER_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}")

type Architecture = Literal["arm64", "x86_64"]
"""As Lambda names it."""

_DEFAULT_ARCHITECTURE: Architecture = "arm64"


@dataclass(frozen=True)
class Settings:
    """Checked settings.

    Attributes:
        region: ``AWS_REGION``, the planner's own; the source's too for execution variables.
        control_bucket: ``CONTROL_BUCKET``, where the ledger is.
        topic_arn: ``TOPIC_ARN``, where PlanCompleted is published.
        dead_letter_queue_url: ``DEAD_LETTER_QUEUE_URL``, a standard queue.
        settle: ``SETTLE_MINUTES``, for requests that do not say it themselves.
        lookback_days: ``LOOKBACK_DAYS``, for requests that do not say it themselves.
        direct_lane_max_bytes: ``DIRECT_LANE_MAX_BYTES``; windows with fewer bytes of events take
            the direct lane of a source that has one; 0 when none do.
        time_zone: ``TIME_ZONE``, for execution variables: they cannot say it.
        external_id: ``EXTERNAL_ID``, for execution variables; None when roles ask for none.
        exporter_role_arn: ``EXPORTER_ROLE_ARN``, the role of the exporter functions that the
            planner makes where execution variables carry QueueOptions; None when it makes none.
        exporter_architecture: ``EXPORTER_ARCHITECTURE``, what the code of those is built for.
        artifact: ``ARTIFACT``, the key of the zip that this function runs, in short, such as
            ``0.2.0-1a2b3c4d5e6f``; None when not given.
    """

    region: str
    control_bucket: str
    topic_arn: str
    dead_letter_queue_url: str
    settle: timedelta
    lookback_days: int
    direct_lane_max_bytes: int
    time_zone: str
    external_id: str | None
    exporter_role_arn: str | None
    exporter_architecture: Architecture
    artifact: str | None

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
        lookback_days = env.get("LOOKBACK_DAYS") or str(_DEFAULT_LOOKBACK_DAYS)
        max_bytes = env.get("DIRECT_LANE_MAX_BYTES") or str(_DEFAULT_DIRECT_LANE_MAX_BYTES)
        time_zone = env.get("TIME_ZONE") or _DEFAULT_TIME_ZONE
        external_id = env.get("EXTERNAL_ID") or None
        exporter_role_arn = env.get("EXPORTER_ROLE_ARN") or None
        architecture = env.get("EXPORTER_ARCHITECTURE") or _DEFAULT_ARCHITECTURE
        for name, text, least, most in (
            ("SETTLE_MINUTES", settle_minutes, 0, _MAX_SETTLE_MINUTES),
            ("LOOKBACK_DAYS", lookback_days, 1, _MAX_LOOKBACK_DAYS),
            ("DIRECT_LANE_MAX_BYTES", max_bytes, 0, _MAX_DIRECT_LANE_MAX_BYTES),
        ):
            if not _is_number(text, least, most):
                problems.append(f"{name} is not a number from {least} to {most}: {text!r}")
        if not _is_time_zone(time_zone):
            problems.append(f"TIME_ZONE is not an IANA time zone: {time_zone!r}")
        if external_id is not None and not _EXTERNAL_ID.fullmatch(external_id):
            problems.append(f"EXTERNAL_ID is not an external id: {external_id!r}")
        if exporter_role_arn is not None and not _EXPORTER_ROLE_ARN.fullmatch(exporter_role_arn):
            problems.append(f"EXPORTER_ROLE_ARN is not the ARN of a role: {exporter_role_arn!r}")
        if architecture not in {"arm64", "x86_64"}:
            problems.append(f"EXPORTER_ARCHITECTURE is not arm64 or x86_64: {architecture!r}")
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            region=env["AWS_REGION"],
            control_bucket=env["CONTROL_BUCKET"],
            topic_arn=env["TOPIC_ARN"],
            dead_letter_queue_url=env["DEAD_LETTER_QUEUE_URL"],
            settle=timedelta(minutes=int(settle_minutes)),
            lookback_days=int(lookback_days),
            direct_lane_max_bytes=int(max_bytes),
            time_zone=time_zone,
            external_id=external_id,
            exporter_role_arn=exporter_role_arn,
            exporter_architecture=cast("Architecture", architecture),
            artifact=_artifact(env.get("ARTIFACT", "")),
        )


def _is_number(text: str, least: int, most: int) -> bool:
    return re.fullmatch(r"[0-9]{1,12}", text) is not None and least <= int(text) <= most


def _is_time_zone(name: str) -> bool:
    try:
        zone_named(name)
    except ValueError:
        return False
    return True


def _artifact(code_key: str) -> str | None:
    """Return a zip's version and the beginning of its hash; of another key, the key itself."""
    key = re.fullmatch(r"[^/]+/([^/]+-[0-9a-f]{12})[0-9a-f]{52}\.zip", code_key)
    return key[1] if key else code_key or None
