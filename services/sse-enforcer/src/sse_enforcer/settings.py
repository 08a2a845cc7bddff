"""The environment variables that this service reads, checked once at cold start."""

from datetime import timedelta
from enum import Enum
from typing import Annotated

from pydantic import Field

from logferry_contracts.environment import (
    Artifact,
    Bucket,
    Environment,
    Number,
    QueueUrl,
    TopicArn,
)
from sse_enforcer.parts import MAX_PART_BYTES, MIN_PART_BYTES
from sse_enforcer.verdict import COPY_LIMIT_BYTES

_LEAST_UPLOAD_HOURS = 24
"""An export task, and whatever it uploads, may take so long.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html
"""
_FOUR_DIGITS = 9999
_FIVE_DIGITS = 99_999
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Hold(Enum):
    """When an object version gets its legal hold."""

    ON_COMPLETION = "on_completion"
    """Once its export is completed: what a failed export leaves behind stays removable."""
    ON_CREATION = "on_creation"
    OFF = "off"


class Settings(Environment):
    """Checked settings.

    Attributes:
        archive_bucket: The only bucket whose objects are touched.
        control_bucket: With the ledger, manifests and replacements.
        topic_arn: Where ObjectSecured is published.
        dead_letter_queue_url: A standard queue.
        queue_url: The queue that this function consumes; None when not given.
        kms_key_parameter: The SSM parameter that holds the key's ARN.
        kms_key_ttl_seconds: How long keys and their ARNs are believed.
        copy_limit_bytes: Larger objects are copied in parts.
        copy_part_bytes: The size of such a part.
        hold: When an object gets its legal hold.
        sweep_every: From the start of one scheduled pass to the next.
        sweep_full_every: After which a pass looks at everything again.
        sweep_objects_per_second: A pass's pace at most.
        sweep_grace: What is younger is left to the messages about it.
        sweep_upload_age: After which a multipart upload is abandoned.
        artifact: The zip that this function runs; None when not given.
    """

    archive_bucket: Bucket
    control_bucket: Bucket
    topic_arn: TopicArn
    dead_letter_queue_url: QueueUrl
    queue_url: Annotated[QueueUrl | None, Field(description="the URL of a standard SQS queue")] = (
        None
    )
    kms_key_parameter: Annotated[
        str,
        Field(
            pattern=r"^(/[A-Za-z0-9_.-]+)+$",
            description="the name of an SSM parameter, from its first slash",
        ),
    ] = "/app/cloudwatch/log/export/s3/kms/arn"
    kms_key_ttl_seconds: Annotated[int, Number(0, _FIVE_DIGITS)] = 300
    copy_limit_bytes: Annotated[int, Number(0, COPY_LIMIT_BYTES)] = COPY_LIMIT_BYTES
    copy_part_bytes: Annotated[int, Number(MIN_PART_BYTES, MAX_PART_BYTES)] = 256 * 1024**2
    hold: Annotated[Hold, Field(description="on_completion, on_creation or off")] = (
        Hold.ON_COMPLETION
    )
    sweep_every: Annotated[
        timedelta, Number(0, _FOUR_DIGITS, _HOUR), Field(alias="SWEEP_EVERY_HOURS")
    ] = timedelta(hours=24)
    sweep_full_every: Annotated[
        timedelta, Number(0, _FOUR_DIGITS, _DAY), Field(alias="SWEEP_FULL_EVERY_DAYS")
    ] = timedelta(days=90)
    sweep_objects_per_second: Annotated[int, Number(1, _FOUR_DIGITS)] = 100
    sweep_grace: Annotated[
        timedelta, Number(0, _FOUR_DIGITS, _MINUTE), Field(alias="SWEEP_GRACE_MINUTES")
    ] = timedelta(minutes=60)
    sweep_upload_age: Annotated[
        timedelta,
        Number(_LEAST_UPLOAD_HOURS, _FOUR_DIGITS, _HOUR),
        Field(alias="SWEEP_UPLOAD_HOURS"),
    ] = timedelta(hours=48)
    artifact: Artifact | None = None

    @property
    def account_id(self) -> str:
        """The account of the topic, which is the archive's and its keys' too."""
        return self.topic_arn.split(":")[4]

    @property
    def region(self) -> str:
        """The Region of the topic, which is the archive's and its keys' too."""
        return self.topic_arn.split(":")[3]
