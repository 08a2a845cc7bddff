"""A log group, as DescribeLogGroups describes it."""

from typing import Annotated

from pydantic import Field

from logferry_contracts.message import Count, EpochMs, Message

LogGroupName = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[.\-_/#A-Za-z0-9]+$")]
LogGroupClass = Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Z0-9_]*$")]
"""``STANDARD``, ``INFREQUENT_ACCESS``, ``DELIVERY``, ``ESSENTIALS``, or what AWS adds next.

The list is AWS's: a group of a class that is new must still find its way into the ledger.
"""


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
        str,
        Field(
            max_length=2048,
            pattern=r"^arn:aws[a-z-]*:logs:[a-z0-9-]+:[0-9]{12}:log-group:[.\-_/#A-Za-z0-9]+$",
        ),
    ]
    log_group_class: LogGroupClass
    created_ms: EpochMs
    retention_days: Annotated[int, Field(ge=1, le=3653)] | None = None
    stored_bytes: Count | None = None
