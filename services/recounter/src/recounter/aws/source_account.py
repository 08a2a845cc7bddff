"""The account whose logs are counted, as the role in it lets this service in."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config

from logferry_contracts import insights
from logferry_contracts.insights import Answer
from logferry_contracts.log_group import MOST_LOG_STREAMS
from logferry_contracts.source import Source, signed_with
from logferry_contracts.window import Window
from logferry_deliveries.calls import CLIENT_CONFIG, calling
from logferry_deliveries.errors import AwsError
from recounter.errors import (
    BusyError,
    CannotCountError,
    GoneError,
    NotAllowedError,
    UndecidedError,
)

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sts import STSClient

START_CONFIG = CLIENT_CONFIG.merge(Config(retries={"mode": "legacy", "total_max_attempts": 1}))
"""A query whose answer was lost is paid for: it is not started again unseen."""

MOST_STREAM_PAGES = 40
"""Of 50 log streams each: 25 calls a second are allowed."""
MOST_PAGES = 100
"""That are read of one export's log streams: about as much as an exporter compares."""

_KINDS: dict[str, type[AwsError]] = {
    "LimitExceededException": BusyError,
    "ThrottlingException": BusyError,
    "MalformedQueryException": CannotCountError,
    "InvalidParameterException": CannotCountError,
    "InvalidOperationException": CannotCountError,
    "ResourceNotFoundException": GoneError,
    "AccessDeniedException": NotAllowedError,
}


class Streams(NamedTuple):
    """Log streams that may have events of a window.

    Attributes:
        written: Those that were written to since a time.
        others: Those that were not.
    """

    written: list[str]
    others: list[str]


class SourceAccount:
    """The events of one account and Region, counted by CloudWatch Logs."""

    def __init__(self, logs: "CloudWatchLogsClient", logs_once: "CloudWatchLogsClient") -> None:
        """Start queries with ``logs_once``, a client without retries; do all else with ``logs``."""
        self._logs = logs
        self._logs_once = logs_once

    def start(self, log_group_names: Sequence[str], window: Window) -> str:
        """Start a query that counts, and return its id.

        Raises:
            BusyError: No query was started: there are too many.
            CannotCountError: No query was started: AWS refuses one of the log groups, or the role.
            AwsError: AWS did not say whether one was.
        """
        start, end = insights.seconds(window)
        with calling("StartQuery", log_group_names[0], _KINDS):
            return self._logs_once.start_query(
                logGroupNames=list(log_group_names),
                startTime=start,
                endTime=end,
                queryString=insights.text(window),
            )["queryId"]

    def answer(self, query_id: str) -> Answer:
        """Return what a query has found so far.

        Raises:
            GoneError: AWS does not know it any more.
            AwsError: AWS did not answer.
        """
        with calling("GetQueryResults", query_id, _KINDS):
            return Answer.of(self._logs.get_query_results(queryId=query_id))

    def stop(self, query_id: str) -> None:
        """Stop a query; one that has ended stays as it is."""
        with calling("StopQuery", query_id, _KINDS):
            try:
                self._logs.stop_query(queryId=query_id)
            except self._logs.exceptions.InvalidParameterException:
                return

    def filtered(self, log_group_name: str, window: Window, next_page: Callable[[], None]) -> int:
        """Return how many events a window has, read to the last page.

        Both ends of the range are inclusive. A page may be empty and yet not the last.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

        Args:
            log_group_name: Of the class STANDARD.
            window: Which events.
            next_page: Called before each page: waits until it may be asked for.

        Raises:
            CannotCountError: The role may not, or the log group is gone.
            AwsError: AWS did not answer.
        """
        pages = self._pages(log_group_name, window, next_page)
        return sum(len(events) for events in pages)

    def streams(self, log_group_name: str, window: Window, since_ms: int) -> Streams:
        """Return the log streams that may have events of a window, by whether some came in since.

        They are listed by their newest event, down to the window's begin: what lies behind has no
        event of it. CloudWatch Logs says both times within an hour, typically.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogStream.html

        Raises:
            UndecidedError: There are more streams than are looked at.
            CannotCountError: The role may not, or the log group is gone.
            AwsError: AWS did not answer.
        """
        found, token = Streams([], []), dict[str, Any]()
        for _ in range(MOST_STREAM_PAGES):
            with calling("DescribeLogStreams", log_group_name, _KINDS):
                page = self._logs.describe_log_streams(
                    logGroupName=log_group_name, orderBy="LastEventTime", descending=True, **token
                )
            streams = page["logStreams"]
            # One whose events are not known yet has neither time.
            newest = [each.get("lastEventTimestamp", window.from_ms) for each in streams]
            for each, newest_ms in zip(streams, newest, strict=True):
                if newest_ms >= window.from_ms:
                    is_since = each.get("lastIngestionTime", since_ms) >= since_ms
                    (found.written if is_since else found.others).append(each["logStreamName"])
            if "nextToken" not in page or min(newest, default=window.from_ms) < window.from_ms:
                return found
            token = {"nextToken": page["nextToken"]}
        raise UndecidedError(f"{log_group_name} has too many log streams")

    def ingested(
        self,
        log_group_name: str,
        window: Window,
        streams: Iterable[str],
        next_page: Callable[[], None],
    ) -> Iterator[tuple[str, int]]:
        """Yield of which of some log streams each event of a window is, and when it came in.

        Args:
            log_group_name: Of the class STANDARD.
            window: Which events.
            streams: Of which log streams.
            next_page: Called before each page: waits until it may be asked for.

        Yields:
            A log stream's name, and milliseconds since 1970.

        Raises:
            UndecidedError: These are more pages than are looked at.
            CannotCountError: The role may not, or the log group is gone.
            AwsError: AWS did not answer.
        """
        left = MOST_PAGES
        for names in batched(streams, MOST_LOG_STREAMS, strict=False):
            for events in self._pages(log_group_name, window, next_page, logStreamNames=names):
                if not left:
                    raise UndecidedError(f"the log streams of {log_group_name} have too many pages")
                left -= 1
                yield from ((each["logStreamName"], each["ingestionTime"]) for each in events)

    def _pages(
        self, log_group_name: str, window: Window, next_page: Callable[[], None], **which: Any
    ) -> Iterator[Any]:
        token = dict[str, Any]()
        while True:
            next_page()
            with calling("FilterLogEvents", log_group_name, _KINDS):
                page = self._logs.filter_log_events(
                    logGroupName=log_group_name,
                    startTime=window.from_ms,
                    endTime=window.to_ms - 1,
                    **which,
                    **token,
                )
            yield page["events"]
            if "nextToken" not in page:
                return
            token = {"nextToken": page["nextToken"]}


def assume(sts: "STSClient", source: Source) -> SourceAccount:
    """Return a source's account, by its role.

    Raises:
        AwsError: The role cannot be assumed.
    """
    asked: Any = source.assumed_by("recounter")
    with calling("AssumeRole", source.role_arn):
        credentials = sts.assume_role(**asked)["Credentials"]

    def logs(config: Config) -> "CloudWatchLogsClient":
        return boto3.client(
            "logs",
            region_name=source.region,
            config=config,
            **signed_with(credentials),
        )

    return SourceAccount(logs(CLIENT_CONFIG), logs(START_CONFIG))
