"""Log groups on LocalStack: pages, classes, and a route that makes groups with a past.

LocalStack 4.14 answers DescribeLogGroups with all groups at once and knows one class. Here:

From documentation
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html):
at most 50 groups a page, ASCII order, prefix and pattern (not both), the class filter (one for
INFREQUENT_ACCESS and ESSENTIALS gives both), identifiers; a class is given at creation and kept.
Reading events is for the class STANDARD alone
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html).

Recorded on AWS: the members that are given with a pattern, and a token although the page is the
last (localstack/localstack, tests/aws/services/logs/test_logs_groups.py,
`test_describe_log_groups_with_pattern`, 2026-02-03); that FilterLogEvents refuses a token that it
never gave (test_logs_filter_events.py beside it).

Seen by others, not documented: that FilterLogEvents refuses with InvalidOperationException, which
the API's own list of errors lacks, and its message
(https://github.com/aws/karpenter-provider-aws/pull/9567).

Unverified: that the page after a pattern's token is empty; that GetLogEvents refuses in the same
way, and that ESSENTIALS and DELIVERY are refused as well; that a page's megabyte is reckoned as
that of a batch of PutLogEvents is.

Not modelled: linked accounts (`includeLinkedAccounts` and `accountIdentifiers` are ignored),
deletion protection.
"""

import base64
import binascii
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

from localstack_addons.logs import account_policies
from localstack_addons.refusals import Refusal, refusing

MAX_PAGE = 50
"""Log groups in one page, and the default.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html"""

MAX_EVENTS = 10_000
"""Events in a page of FilterLogEvents, and the default.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""

MAX_EVENTS_BYTES = 1_048_576
"""The events of a page of FilterLogEvents, which are as many as fit into 1 MB (same page)."""

EVENT_BYTES = 26
"""What an event counts for beside its message in UTF-8.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""

MAX_IDENTIFIERS = 50
"""`logGroupIdentifiers` in one request (same page)."""

STANDARD = "STANDARD"
CLASSES = [STANDARD, "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"]
_FOUND_TOGETHER = {"INFREQUENT_ACCESS", "ESSENTIALS"}
_WITH_PATTERN = (
    *("arn", "creationTime", "logGroupArn", "logGroupClass", "logGroupName", "metricFilterCount"),
)

ROUTE = "/_devstack/logs"


class LogsError(Refusal):
    """A refusal of CloudWatch Logs."""


def class_of(group: Any) -> str:
    """The class of one of LocalStack's log groups."""
    return str(getattr(group, "log_group_class", STANDARD))


def describe_page(groups: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """A page of DescribeLogGroups: `{"logGroups": [...], "nextToken": "..."}`.

    Args:
        groups: LocalStack's log groups by name.
        request: DescribeLogGroups' parameters.

    Raises:
        LogsError: InvalidParameterException.
    """
    size = _page_size(request.get("limit"))
    after = _name_in(request["nextToken"]) if request.get("nextToken") else ""
    matches = _filter_of(request)
    found = (groups[name] for name in sorted(groups) if name > after and matches(groups[name]))
    page = list(itertools.islice(found, size + 1))
    by_pattern = bool(request.get("logGroupNamePattern"))
    members = _WITH_PATTERN if by_pattern else None
    answer: dict[str, Any] = {"logGroups": [_describe(group, members) for group in page[:size]]}
    if len(page) > size or (by_pattern and page):
        answer["nextToken"] = _token_for(page[:size][-1].name)
    return answer


def page_of(
    events: Sequence[Mapping[str, Any]], limit: int, next_token: str | None
) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """A page of FilterLogEvents' events, and the next one's token.

    Raises:
        LogsError: InvalidParameterException, of a token that names none of the events.
    """
    first = 0
    if next_token:
        after = _name_in(next_token)
        places = (place for place, event in enumerate(events) if event["eventId"] == after)
        first = next(places, -1) + 1
        if not first:
            raise _invalid("The specified nextToken is invalid.")
    page = list(_fitting(events[first : first + limit]))
    more = len(events) > first + len(page)
    return page, _token_for(page[-1]["eventId"]) if more else None


def _fitting(events: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the first event, and those behind it that fit into a page with it."""
    size_bytes = 0
    for number, event in enumerate(events):
        size_bytes += len(event["message"].encode()) + EVENT_BYTES
        if number and size_bytes > MAX_EVENTS_BYTES:
            return
        yield event


def check_readable(group: Any, operation: str) -> None:
    """Refuse to read a log group's events where its class has no such operation.

    Raises:
        LogsError: InvalidOperationException.
    """
    if class_of(group) != STANDARD:
        raise LogsError(
            "InvalidOperationException",
            f"The log group {group.name} is of log-group-class {class_of(group)}. "
            f"{operation} is not supported for this log class.",
        )


def install() -> None:
    """Take over DescribeLogGroups, watch over three more operations, open the route."""
    from localstack.services.edge import ROUTER  # noqa: PLC0415
    from localstack.services.logs.provider import LogsProvider, MotoLogGroup  # noqa: PLC0415

    LogsProvider.describe_log_groups = _describing()
    LogsProvider.create_log_group = _keeping_class(LogsProvider.create_log_group)
    LogsProvider.filter_log_events = _readable_only("FilterLogEvents")
    LogsProvider.get_log_events = _readable_only("GetLogEvents")
    MotoLogGroup.filter_log_events = _paging(MotoLogGroup.filter_log_events)
    ROUTER.add(ROUTE, _seed_route, methods=["POST"])


def _filter_of(request: Mapping[str, Any]) -> Callable[[Any], bool]:
    prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    if prefix and pattern:
        raise _invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    classes = _wanted_classes(request.get("logGroupClass"))
    names = _names_in(request.get("logGroupIdentifiers"))

    def matches(group: Any) -> bool:
        return (
            group.name.startswith(prefix or "")
            and (pattern or "") in group.name
            and (classes is None or class_of(group) in classes)
            and (names is None or group.name in names)
        )

    return matches


def _wanted_classes(wanted: str | None) -> set[str] | None:
    if wanted is None:
        return None
    _check_class(wanted)
    return _FOUND_TOGETHER if wanted in _FOUND_TOGETHER else {wanted}


def _names_in(identifiers: list[str] | None) -> set[str] | None:
    """The names among names and ARNs, with or without the `:*` at an ARN's end."""
    if identifiers is None:
        return None
    if len(identifiers) > MAX_IDENTIFIERS:
        raise _invalid(f"More than {MAX_IDENTIFIERS} log group identifiers were given.")
    return {i.removesuffix(":*").split(":log-group:")[-1] for i in identifiers}


def _describe(group: Any, members: Iterable[str] | None) -> dict[str, Any]:
    found = {
        "logGroupName": group.name,
        "creationTime": group.creation_time,
        "arn": f"{group.arn}:*",
        "logGroupArn": group.arn,
        "logGroupClass": class_of(group),
        "metricFilterCount": 0,
        "deletionProtectionEnabled": False,
        "storedBytes": sum(stream.stored_bytes for stream in list(group.streams.values())),
        **account_policies.described(group),
        "kmsKeyId": group.kms_key_id or None,
    }
    return {
        name: value
        for name, value in found.items()
        if value is not None and (members is None or name in members)
    }


def _page_size(limit: int | None) -> int:
    size = MAX_PAGE if limit is None else limit
    if 1 <= size <= MAX_PAGE:
        return size
    bound = "greater than or equal to 1" if size < 1 else f"less than or equal to {MAX_PAGE}"
    raise _invalid(
        f"1 validation error detected: Value '{size}' at 'limit' failed to satisfy constraint: "
        f"Member must have value {bound}"
    )


def _token_for(name: str) -> str:
    return base64.urlsafe_b64encode(f"after:{name}".encode()).decode()


def _name_in(token: str) -> str:
    try:
        word, _, name = base64.urlsafe_b64decode(token).decode().partition(":")
    except (binascii.Error, ValueError):
        word, name = "", ""
    if word != "after":
        raise _invalid("The specified nextToken is invalid.")
    return name


def _check_class(log_group_class: str) -> None:
    if log_group_class not in CLASSES:
        raise _invalid(
            f"1 validation error detected: Value '{log_group_class}' at 'logGroupClass' failed to "
            f"satisfy constraint: Member must satisfy enum value set: {CLASSES}"
        )


def _invalid(message: str) -> LogsError:
    return LogsError("InvalidParameterException", message)


def _describing() -> Any:
    from localstack.aws.api import handler  # noqa: PLC0415

    @handler("DescribeLogGroups", expand=False)  # type: ignore[untyped-decorator]  # not typed there
    @refusing
    def describe_log_groups(_provider: Any, context: Any, request: Any) -> dict[str, Any]:
        return describe_page(dict(_backend(context.account_id, context.region).groups), request)

    return describe_log_groups


def _keeping_class(create_log_group: Callable[..., None]) -> Callable[..., None]:
    @refusing
    @wraps(create_log_group)
    def create(provider: Any, context: Any, log_group_name: str, **parameters: Any) -> None:
        log_group_class = parameters.get("log_group_class") or STANDARD
        _check_class(log_group_class)
        create_log_group(provider, context, log_group_name, **parameters)
        group = _backend(context.account_id, context.region).groups[log_group_name]
        group.log_group_class = log_group_class

    return create


def _readable_only(operation: str) -> Callable[..., Any]:
    @refusing
    def read(_provider: Any, context: Any, **parameters: Any) -> Any:
        from localstack.services.moto import call_moto  # noqa: PLC0415

        identifier = parameters.get("log_group_name") or parameters.get("log_group_identifier")
        for name in _names_in([identifier] if identifier else []) or ():
            group = _backend(context.account_id, context.region).groups.get(name)
            if group is not None:
                check_readable(group, operation)
        return call_moto(context)

    return read


def _paging(filter_log_events: Callable[..., Any]) -> Callable[..., Any]:
    """Give FilterLogEvents its pages.

    A token that moto does not know is the end to it, and so is its own after a stream with an `@`.
    """

    @refusing
    @wraps(filter_log_events)
    def page(  # noqa: PLR0913, PLR0917  (moto's own)
        group: Any,
        log_group_name: str,
        log_stream_names: list[str],
        start_time: int,
        end_time: int,
        limit: int | None,
        next_token: str | None,
        *rest: Any,
    ) -> Any:
        events, _, streams = filter_log_events(
            group, log_group_name, log_stream_names, start_time, end_time, sys.maxsize, None, *rest
        )
        return (*page_of(events, limit or MAX_EVENTS, next_token), streams)

    return page


def _backend(account_id: str, region: str) -> Any:
    from moto.logs.models import logs_backends  # noqa: PLC0415

    return logs_backends[account_id][region]


def _seed_route(request: Any, **_: Any) -> Any:
    """Make log groups with a past, which PutLogEvents cannot: it takes no event older than 14 days.

    The body is `{"account": "111111111111", "region": "eu-west-1", "log_groups": [{"name": "/app",
    "created_ms": 0, "log_group_class": "STANDARD", "retention_days": 30, "tags": {"team": "a"},
    "streams": [{"name": "web/1", "events": [[0, "a message"]]}]}]}`. Of a group only its name is
    needed; what is given is also set on a group that exists, and events are added. Nothing is sent
    to subscription filters.
    """
    from localstack.http import Response  # noqa: PLC0415

    document = request.get_json(force=True)
    try:
        counts = _seed(document["account"], document["region"], document["log_groups"])
    except LogsError as error:
        return Response.for_json({"error": error.message}, status=400)
    return Response.for_json(counts)


def _seed(account_id: str, region: str, log_groups: list[Mapping[str, Any]]) -> dict[str, int]:
    streams = events = 0
    for wanted in log_groups:
        group = _seeded_group(account_id, region, wanted)
        for stream in wanted.get("streams", []):
            events += _append(group, stream["name"], stream.get("events", []))
            streams += 1
    return {"log_groups": len(log_groups), "streams": streams, "events": events}


def _seeded_group(account_id: str, region: str, wanted: Mapping[str, Any]) -> Any:
    backend, name = _backend(account_id, region), wanted["name"]
    if name not in backend.groups:
        backend.create_log_group(name, {})
    group = backend.groups[name]
    if "log_group_class" in wanted:
        _check_class(wanted["log_group_class"])
        group.log_group_class = wanted["log_group_class"]
    group.creation_time = wanted.get("created_ms", group.creation_time)
    group.retention_in_days = wanted.get("retention_days", group.retention_in_days)
    if wanted.get("tags"):
        _tags(account_id, region).setdefault(group.arn, {}).update(wanted["tags"])
    return group


def _tags(account_id: str, region: str) -> dict[str, dict[str, str]]:
    from localstack.services.logs.models import logs_stores  # noqa: PLC0415

    tags: dict[str, dict[str, str]] = logs_stores[account_id][region].TAGS
    return tags


def _append(group: Any, stream_name: str, events: list[tuple[int, str]]) -> int:
    """Add events to a stream, as ingested at their own time; gives their number."""
    from moto.logs.models import LogEvent  # noqa: PLC0415

    if stream_name not in group.streams:
        group.create_log_stream(stream_name)
    if not events:
        return 0
    stream, now_ms = group.streams[stream_name], time.time_ns() // 1_000_000
    stream.events += [
        LogEvent(min(timestamp_ms, now_ms), {"timestamp": timestamp_ms, "message": message})
        for timestamp_ms, message in events
    ]
    stream.stored_bytes += sum(len(message.encode()) for _, message in events)
    first_ms, last_ms = min(e[0] for e in events), max(e[0] for e in events)
    stream.creation_time = min(stream.creation_time, first_ms)
    stream.last_ingestion_time = max(stream.last_ingestion_time or 0, min(last_ms, now_ms))
    return len(events)
