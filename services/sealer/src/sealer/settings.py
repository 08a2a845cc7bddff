"""The environment variables that this service reads, checked once at cold start."""

from datetime import timedelta
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

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_YEAR_DAYS = 366


class Settings(Environment):
    """Checked settings.

    Attributes:
        archive_bucket: Whose objects are measured, and where seals are written.
        control_bucket: With the ledger, the inventories and the sealer's own notes.
        topic_arn: Where DaySealed is published.
        queue_url: The queue that this function consumes.
        dead_letter_queue_url: A standard queue.
        signing_key_arn: The KMS key that signs.
        time_zone: Whose dates a source's seals are of, until one of its dates was completed.
        seal_after: How long a date has been over before it is sealed.
        settle: How long after its end a window is planned.
        open_after: How long a date waits from then on for exports that have not ended: then they
            are open.
        look_back: For how long a sealed date is looked at for truth that came later.
        recount_within: How long after an export was completed its date waits for what CloudWatch
            Logs itself counts; nothing where nobody does.
        artifact: The zip that this function runs; None when not given.
    """

    archive_bucket: Bucket
    control_bucket: Bucket
    topic_arn: TopicArn
    queue_url: QueueUrl
    dead_letter_queue_url: QueueUrl
    signing_key_arn: Annotated[
        str,
        Field(
            pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
            description="the ARN of a KMS key",
        ),
    ]
    time_zone: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9+_/-]{1,64}$", description="the name of an IANA time zone"),
    ] = "UTC"
    seal_after: Annotated[
        timedelta, Number(0, 24 * _YEAR_DAYS, _HOUR), Field(alias="SEAL_AFTER_HOURS")
    ] = timedelta(hours=24)
    settle: Annotated[timedelta, Number(0, 20160, _MINUTE), Field(alias="SETTLE_MINUTES")] = (
        timedelta(hours=24)
    )
    open_after: Annotated[
        timedelta, Number(0, _YEAR_DAYS, _DAY), Field(alias="OPEN_AFTER_DAYS")
    ] = timedelta(days=3)
    look_back: Annotated[timedelta, Number(1, _YEAR_DAYS, _DAY), Field(alias="LOOK_BACK_DAYS")] = (
        timedelta(days=35)
    )
    recount_within: Annotated[
        timedelta, Number(0, 168, _HOUR), Field(alias="RECOUNT_WITHIN_HOURS")
    ] = timedelta()
    artifact: Artifact | None = None
