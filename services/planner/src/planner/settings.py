"""The environment variables that this service reads, checked once at cold start."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from logferry_contracts import source
from logferry_contracts.environment import (
    Artifact,
    Bucket,
    Environment,
    Number,
    QueueUrl,
    TopicArn,
)
from logferry_contracts.zones import zone_named

_MAX_SETTLE_MINUTES = 20_160
"""PutLogEvents takes no event that is older than 14 days, so a window is final after that.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""
_DEFAULT_SETTLE = timedelta(days=1)
"""AWS: "Log data can take up to 12 hours to become available for export"; twice that.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html
"""
_MAX_LOOKBACK_DAYS = 400
"""As in a PlanRequest."""
_MAX_DIRECT_LANE_MAX_BYTES = 1_000_000_000_000_000
_DEFAULT_DIRECT_LANE_MAX_BYTES = 1_000_000_000_000
"""More than a log group has in a day: the lanes share what there is."""
_MAX_CALLS_PER_SECOND = 1000
"""More than AWS allows anywhere."""
_DEFAULT_TIME_ZONE = "Asia/Seoul"
"""aws-logs-export-to-s3 exports days of UTC+9."""

type Architecture = Literal["arm64", "x86_64"]
"""As Lambda names it."""


def _known(time_zone: str) -> str:
    zone_named(time_zone)
    return time_zone


class Settings(Environment):
    """Checked settings.

    Attributes:
        region: The planner's own; the source's too for execution variables.
        control_bucket: Where the ledger is.
        topic_arn: Where PlanCompleted is published.
        dead_letter_queue_url: A standard queue.
        settle: For requests that do not say it themselves.
        lookback_days: For requests that do not say it themselves.
        calls_per_second: Of FilterLogEvents, of all who read a source's logs.
        direct_lane_max_bytes: Windows with fewer bytes of events may take the direct lane of a
            source that has one; 0 when none do.
        time_zone: For execution variables: they cannot say it.
        external_id: For execution variables; None when roles ask for none.
        exporter_role_arn: The role of the exporter functions that the planner makes where
            execution variables carry QueueOptions; None when it makes none.
        exporter_architecture: What the code of those is built for.
        artifact: The zip that this function runs; None when not given.
    """

    region: Annotated[source.Region, Field(alias="AWS_REGION", description="a Region")]
    control_bucket: Bucket
    topic_arn: TopicArn
    dead_letter_queue_url: QueueUrl
    settle: Annotated[
        timedelta,
        Number(0, _MAX_SETTLE_MINUTES, timedelta(minutes=1)),
        Field(alias="SETTLE_MINUTES"),
    ] = _DEFAULT_SETTLE
    lookback_days: Annotated[int, Number(1, _MAX_LOOKBACK_DAYS)] = 14
    direct_lane_max_bytes: Annotated[int, Number(0, _MAX_DIRECT_LANE_MAX_BYTES)] = (
        _DEFAULT_DIRECT_LANE_MAX_BYTES
    )
    calls_per_second: Annotated[
        int, Number(1, _MAX_CALLS_PER_SECOND), Field(alias="DIRECT_LANE_CALLS_PER_SECOND")
    ] = 5
    time_zone: Annotated[str, Field(description="an IANA time zone"), AfterValidator(_known)] = (
        _DEFAULT_TIME_ZONE
    )
    external_id: Annotated[source.ExternalId | None, Field(description="an external id")] = None
    exporter_role_arn: Annotated[
        Annotated[
            str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}$")
        ]
        | None,
        Field(description="the ARN of a role"),
    ] = None
    exporter_architecture: Annotated[Architecture, Field(description="arm64 or x86_64")] = "arm64"
    artifact: Artifact | None = None


class CoverageSettings(Environment):
    """Checked settings of the function that writes the coverage page.

    Attributes:
        region: Its own; the sources' too where schedules have execution variables.
        hub_name: What the names of the hub's schedules begin with.
        control_bucket: Where the ledger is, and the page.
        archive_bucket: Which archive the page is of.
        settle: For schedules that do not say it themselves.
        slack: For how long a window may be due without having been planned.
        time_zone: For execution variables: they cannot say it.
        artifact: The zip that this function runs; None when not given.
    """

    region: Annotated[source.Region, Field(alias="AWS_REGION", description="a Region")]
    hub_name: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$", description="a hub's name")
    ]
    control_bucket: Bucket
    archive_bucket: Bucket
    settle: Annotated[
        timedelta,
        Number(0, _MAX_SETTLE_MINUTES, timedelta(minutes=1)),
        Field(alias="SETTLE_MINUTES"),
    ] = _DEFAULT_SETTLE
    slack: Annotated[timedelta, Number(1, 8760, timedelta(hours=1)), Field(alias="GAP_HOURS")] = (
        timedelta(hours=25)
    )
    time_zone: Annotated[str, Field(description="an IANA time zone"), AfterValidator(_known)] = (
        _DEFAULT_TIME_ZONE
    )
    artifact: Artifact | None = None
