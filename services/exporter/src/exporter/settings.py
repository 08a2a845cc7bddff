"""The environment variables that this service reads, checked once at cold start."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from logferry_contracts.environment import (
    Artifact,
    Bucket,
    Environment,
    FifoQueueUrl,
    Number,
    TopicArn,
)
from logferry_contracts.source import Profile, Source, SourceName

DEFAULT_DIRECT_LANE_MAX_BYTES = 1_000_000_000
DEFAULT_DIRECT_LANE_CALLS_PER_SECOND = 5
"""FilterLogEvents' lowest quota of any Region.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

_MAX_WAIT_S = 840
"""A minute less than the longest a function may run.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
_MAX_GENERATIONS = 1000
"""The contracts' greatest generation."""

_MAX_RETRY_BACKOFF_S = 900
"""A next generation that is the first of its slot keeps the slot idle while it waits."""
_MAX_SPLIT_AFTER_HOURS = 23
"""AWS ends a task after 24.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html
"""
_MAX_DIRECT_LANE_BYTES = 1_000_000_000
"""At 5 pages a second about 6 of the 15 minutes that a function may run, and twice this, for a
stream's lines and their gzip file, fits in a /tmp of 2 GiB.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-ephemeral-storage.html
"""
_MAX_CALLS_PER_SECOND = 1000
"""More than AWS allows anywhere."""

_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)


class Settings(Environment):
    """Checked settings.

    Attributes:
        control_bucket: Where the ledger is.
        topic_arn: Where ExportCompleted and ExportFailed are published.
        queue_url: The FIFO queue that this function consumes.
        dead_letter_queue_url: Its FIFO dead-letter queue.
        wait_in_invocation_s: How long one invocation waits for export tasks before it gives the
            message back.
        max_generations: How many tries a window has when tasks fail.
        retry_backoff: The pause before the second try; it doubles.
        split_after: The age at which a task is given up.
        direct_lane_max_bytes: How much of a window's events, as lines, uncompressed, is read in
            the direct lane; what has more goes to the slot.
        direct_lane_calls_per_second: Of FilterLogEvents.
        profile: The only one whose messages are worked on; None for any.
        slot: Its account and Region, such as ``111122223333.eu-west-1``; None for any.
        role_arn: Its role; None for any.
        artifact: The zip that this function runs; None when not given.
    """

    control_bucket: Bucket
    topic_arn: TopicArn
    queue_url: FifoQueueUrl
    dead_letter_queue_url: FifoQueueUrl
    wait_in_invocation_s: Annotated[
        int, Number(0, _MAX_WAIT_S), Field(alias="WAIT_IN_INVOCATION_SECONDS")
    ] = 2
    max_generations: Annotated[int, Number(1, _MAX_GENERATIONS)] = 3
    retry_backoff: Annotated[
        timedelta, Number(0, _MAX_RETRY_BACKOFF_S, _SECOND), Field(alias="RETRY_BACKOFF_SECONDS")
    ] = timedelta(seconds=60)
    split_after: Annotated[
        timedelta, Number(1, _MAX_SPLIT_AFTER_HOURS, _HOUR), Field(alias="SPLIT_AFTER_HOURS")
    ] = timedelta(hours=22)
    direct_lane_max_bytes: Annotated[int, Number(1, _MAX_DIRECT_LANE_BYTES)] = (
        DEFAULT_DIRECT_LANE_MAX_BYTES
    )
    direct_lane_calls_per_second: Annotated[int, Number(1, _MAX_CALLS_PER_SECOND)] = (
        DEFAULT_DIRECT_LANE_CALLS_PER_SECOND
    )
    profile: Annotated[Profile | None, Field(description="a profile")] = None
    slot: str | None = None
    role_arn: Annotated[str | None, Field(alias="SOURCE_ROLE_ARN")] = None
    artifact: Artifact | None = None

    def objection(self, source: SourceName) -> str | None:
        """Return why this exporter is not the one for a source, or None when it is.

        What the deployment does not say cannot be compared.
        """
        role_arn = source.role_arn if isinstance(source, Source) else None
        told = {"profile": source.profile, "slot": source.slot, "role": role_arn}
        known = {"profile": self.profile, "slot": self.slot, "role": self.role_arn}
        problems = [
            f"{name} {told[name]}, not {value}"
            for name, value in known.items()
            if value is not None and told[name] not in {value, None}
        ]
        return "; ".join(problems) or None
