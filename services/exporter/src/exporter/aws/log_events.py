"""Pages of FilterLogEvents, decoded as what the direct lane needs of them.

botocore signs, sends and tries again as ever; but its parser takes five times as long for a page as
everything else that becomes of it, since it walks through a model of the answer for each event.
"""

from typing import TYPE_CHECKING, Any

import msgspec
from botocore.parsers import ResponseParserError

from exporter.direct import Event

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

_OK = 200


class _Page(msgspec.Struct):
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html."""

    events: list[Event]
    next_token: str | None = msgspec.field(name="nextToken", default=None)


_PAGES = msgspec.json.Decoder(_Page)


def decode_pages(logs: "CloudWatchLogsClient") -> None:
    """Let a client's FilterLogEvents return events as ``Event``.

    An answer that is cut off, or lacks what an event needs, is an answer that cannot be parsed.
    """
    logs.meta.events.register(
        "before-parse.cloudwatch-logs.FilterLogEvents", _decode, unique_id=__name__
    )


def _decode(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Decode what botocore would have parsed, and leave it nothing to parse."""
    if response_dict["status_code"] != _OK:
        return
    try:
        page = _PAGES.decode(response_dict["body"])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ResponseParserError(f"no page of log events: {error}") from error
    response_dict["body"] = b"{}"
    customized_response_dict |= {"events": page.events, "nextToken": page.next_token}
