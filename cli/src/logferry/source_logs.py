"""The log groups of a source, as the role that may shorten them reaches them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.config import Config as ClientConfig

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import RetentionError
from logferry_contracts import insights
from logferry_contracts.insights import Answer
from logferry_contracts.source import signed_with
from logferry_contracts.window import Window
from logferry_ledger.ledger import CLIENT_CONFIG

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_logs import CloudWatchLogsClient

SCAN_DOLLARS = 0.005 / 10**9
"""Of a byte that a query reads: https://aws.amazon.com/cloudwatch/pricing/"""
_ONCE = CLIENT_CONFIG.merge(ClientConfig(retries={"mode": "legacy", "total_max_attempts": 1}))
"""A query whose answer was lost is paid for: it is not started again unseen."""
_LONGEST = timedelta(minutes=65)
"""Queries time out after 60 minutes.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
"""
_LOOK_S = 1.0
_RUNNING = ("Scheduled", "Running", "Unknown")
_PAGE_S = 0.5
"""Between two pages of FilterLogEvents: the exporter needs most of the account's calls."""
_BUSY = ("LimitExceededException", "ThrottlingException")


@dataclass(frozen=True, kw_only=True)
class LiveLogGroup:
    """A log group as CloudWatch Logs has it now.

    Attributes:
        retention_days: None for ever.
    """

    created_ms: int
    retention_days: int | None


class SourceLogs:
    """One source's log groups. Each method raises RetentionError where AWS refuses."""

    def __init__(
        self,
        logs: "CloudWatchLogsClient",
        logs_once: "CloudWatchLogsClient",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start queries with ``logs_once``, a client without retries; do all else with ``logs``."""
        self._logs = logs
        self._logs_once = logs_once
        self._sleep = sleep
        self.scanned_bytes = 0

    def now(self) -> datetime:
        """Return what time it is by AWS's clock, to the second."""
        with _calling("DescribeLogGroups"):
            answer = self._logs.describe_log_groups(limit=1)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    def log_group(self, name: str) -> LiveLogGroup | None:
        """Return a log group; None where there is none of that very name."""
        with _calling("DescribeLogGroups", name):
            pages = self._logs.get_paginator("describe_log_groups").paginate(
                logGroupNamePrefix=name
            )
            for each in (one for page in pages for one in page["logGroups"]):
                if each["logGroupName"] == name:
                    return LiveLogGroup(
                        created_ms=each["creationTime"],
                        retention_days=each.get("retentionInDays"),
                    )
        return None

    def has_retention_policy(self) -> bool:
        """Whether the account has a policy of its own that sets retentions.

        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeAccountPolicies.html
        """
        asked: Any = {"policyType": "RETENTION_POLICY"}
        with _calling("DescribeAccountPolicies"):
            while True:
                page = self._logs.describe_account_policies(**asked)
                if page.get("accountPolicies"):
                    return True
                if "nextToken" not in page:
                    return False
                asked["nextToken"] = page["nextToken"]

    def keep_for(self, name: str, days: int | None) -> None:
        """Let CloudWatch Logs keep a log group for so long; None for ever."""
        if days is None:
            with _calling("DeleteRetentionPolicy", name):
                self._logs.delete_retention_policy(logGroupName=name)
        else:
            with _calling("PutRetentionPolicy", name):
                self._logs.put_retention_policy(logGroupName=name, retentionInDays=days)

    def filtered(self, name: str, window: Window) -> int:
        """Return how many events a window has, read to the last page, which may follow empty ones.

        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
        """
        count, token = 0, dict[str, Any]()
        while True:
            self._sleep(_PAGE_S)
            with _calling("FilterLogEvents", name):
                page = self._logs.filter_log_events(
                    logGroupName=name, startTime=window.from_ms, endTime=window.to_ms - 1, **token
                )
            count += len(page["events"])
            if "nextToken" not in page:
                return count
            token = {"nextToken": page["nextToken"]}

    def queried(
        self, names: Sequence[str], window: Window, most_bytes: int
    ) -> Mapping[str, int] | None:
        """Return how many events each of up to `MOST_LOG_GROUPS` has in ``[from, to)``, by a query.

        Returns:
            None where it was stopped, as it had read more than ``most_bytes``.
        """
        query_id = self._started(names, window)
        deadline = time.monotonic() + _LONGEST.total_seconds()
        while True:
            with _calling("GetQueryResults", names[0]):
                answer = Answer.of(self._logs.get_query_results(queryId=query_id))
            if answer.status not in _RUNNING or time.monotonic() > deadline:
                break
            if answer.scanned_bytes > most_bytes:
                self._stop(query_id)
                return None
            self._sleep(_LOOK_S)
        self.scanned_bytes += answer.scanned_bytes
        if answer.status != "Complete":
            raise RetentionError(f"a query of {names[0]} and others: {answer.status}")
        return insights.counts(answer.rows, names)

    def _stop(self, query_id: str) -> None:
        """Stop a query; one that has ended meanwhile stays as it is."""
        with (
            _calling("StopQuery", query_id),
            suppress(self._logs.exceptions.InvalidParameterException),
        ):
            self._logs.stop_query(queryId=query_id)

    def _started(self, names: Sequence[str], window: Window) -> str:
        start, end = insights.seconds(window)
        deadline = time.monotonic() + _LONGEST.total_seconds()
        while True:
            try:
                return self._logs_once.start_query(
                    logGroupNames=list(names),
                    startTime=start,
                    endTime=end,
                    queryString=insights.text(window),
                )["queryId"]
            except self._logs_once.exceptions.ClientError as error:
                is_busy = error.response["Error"]["Code"] in _BUSY
                if not is_busy or time.monotonic() > deadline:
                    raise RetentionError(f"StartQuery of {names[0]} and others: {error}") from error
            except AWS_ERRORS as error:
                raise RetentionError(f"StartQuery of {names[0]} and others: {error}") from error
            self._sleep(_LOOK_S)


class _calling:  # noqa: N801  (used like a function)
    """Turn what AWS refuses within into a RetentionError that names the call."""

    def __init__(self, operation: str, subject: str | None = None) -> None:
        self._what = operation if subject is None else f"{operation} of {subject}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, AWS_ERRORS):
            raise RetentionError(f"{self._what}: {error}") from error


def reach(session: "boto3.Session", hub: Config, source: SourceConfig) -> SourceLogs:
    """Return a source's log groups, by the role of ``deploy/retention.yaml`` in its account.

    Raises:
        RetentionError: The role cannot be assumed.
    """
    role_arn = f"arn:{hub.partition}:iam::{source.account_id}:role/{hub.name}-retention"
    sts = session.client("sts", region_name=hub.region, config=CLIENT_CONFIG)
    asked: Any = hub.reached(source, role_arn).assumed_by("retention")
    with _calling("AssumeRole", role_arn):
        credentials = sts.assume_role(**asked)["Credentials"]

    def logs(config: ClientConfig) -> "CloudWatchLogsClient":
        return session.client(
            "logs",
            region_name=hub.region,
            config=config,
            **signed_with(credentials),
        )

    return SourceLogs(logs(CLIENT_CONFIG), logs(_ONCE))
