"""A log group, as DescribeLogGroups describes it."""

from typing import Annotated, Literal

from pydantic import Field

from logferry_contracts.message import EpochMs, Message

LogGroupName = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[.\-_/#A-Za-z0-9]+$")]
LogGroupClass = Literal["STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"]


class LogGroup(Message):
    """One log group at the time it was planned.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html

    Attributes:
        name: ``logGroupName``.
        arn: ``logGroupArn``, without the trailing ``:*``.
        log_group_class: ``logGroupClass``.
        created_ms: ``creationTime``.
        retention_days: ``retentionInDays``; None when events never expire.
        stored_bytes: ``storedBytes``; None when AWS did not say.
    """

    name: LogGroupName
    arn: Annotated[
        str, Field(pattern=r"^arn:aws[a-z-]*:logs:[a-z0-9-]+:[0-9]{12}:log-group:[^:*]+$")
    ]
    log_group_class: LogGroupClass
    created_ms: EpochMs
    retention_days: Annotated[int, Field(ge=1, le=3653)] | None = None
    stored_bytes: Annotated[int, Field(ge=0)] | None = None
