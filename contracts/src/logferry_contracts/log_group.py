"""A log group, as DescribeLogGroups describes it."""

from typing import Annotated

from pydantic import Field

from logferry_contracts.message import Count, EpochMs, Message

WITHOUT_SLASH = "!/"
"""What the folder of a log group begins with whose name begins without a slash.

No name has the character, and S3 takes it as it is in keys.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html#object-key-guidelines
"""

LogGroupName = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[.\-_/#A-Za-z0-9]+$")]
LogStreamName = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^:*]+$")]
MOST_LOG_STREAMS = 100
"""That one call of FilterLogEvents takes.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""
MOST_NAMED_STREAMS = 500
"""In one message: as many as the direct lane exports of a window."""
LogStreamNames = Annotated[list[LogStreamName], Field(min_length=1, max_length=MOST_NAMED_STREAMS)]
LogGroupClass = Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Z0-9_]*$")]
"""``STANDARD``, ``INFREQUENT_ACCESS``, ``DELIVERY``, ``ESSENTIALS``, or what AWS adds next.

The list is AWS's: a group of a class that is new must still find its way into the ledger.
"""


def log_group_folder(name: str) -> str:
    """Return where a log group's exports are below its source's folder, without a slash at its end.

    ``aws/lambda/orders`` for ``/aws/lambda/orders``, ``!/aws/lambda/orders`` for
    ``aws/lambda/orders``: no two log groups share one. Up to 0.2.0 they did. What was exported then
    is where its ledger record says.
    """
    return name[1:] if name.startswith("/") else f"{WITHOUT_SLASH}{name}"


def log_group_of_folder(folder: str) -> str:
    """Return the name of the log group that has a folder, see `log_group_folder`."""
    name = folder.removeprefix(WITHOUT_SLASH)
    return name if name != folder else f"/{folder}"


def stream_in_key(stream_name: str) -> str:
    """Return how a log stream's name stands in keys: CloudWatch Logs writes a slash as a dash.

    There is no way back: ``web/1`` and ``web-1`` share a folder.
    """
    return stream_name.replace("/", "-")


LogGroupArn = Annotated[
    str,
    Field(
        max_length=2048,
        pattern=r"^arn:aws[a-z-]*:logs:[a-z0-9-]+:[0-9]{12}:log-group:[.\-_/#A-Za-z0-9]+$",
    ),
]
RetentionDays = Annotated[int, Field(ge=1, le=3653)]


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
    arn: LogGroupArn
    log_group_class: LogGroupClass
    created_ms: EpochMs
    retention_days: RetentionDays | None = None
    stored_bytes: Count | None = None
