"""The accounts whose logs are exported, as the roles in them let this service in."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config

from exporter.aws.calls import calling
from exporter.aws.clients import CLIENT_CONFIG, CREATE_CONFIG
from exporter.aws.log_events import decode_pages
from exporter.direct import Event, Slice
from exporter.errors import ExportRefusedError, NotForDirectLaneError, SlotBusyError
from exporter.task import CLOCK_SKEW, Task
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import Source, signed_with

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import ExportTaskTypeDef
    from mypy_boto3_sts import STSClient

SESSION_SECONDS = 3600
"""The longest that a role may assume another for.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
"""
SESSION_RESERVE = timedelta(minutes=10)
"""A session with less left is not used for another invocation's work."""
TASK_PAGES = 10
"""Of 50 tasks each, read at most to find a task by its name."""
_NOT_READABLE = dict.fromkeys(
    (
        # Of other classes than STANDARD.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
        "InvalidOperationException",
        "InvalidParameterException",
        # A role that may not read events may have them exported all the same.
        "AccessDeniedException",
    ),
    NotForDirectLaneError,
)
"""What FilterLogEvents says of log groups that an export task may still be able to export."""
_BUSY = {"LimitExceededException": SlotBusyError}
"""What CreateExportTask says while another task is active."""
_calling = partial(calling, refused=ExportRefusedError)
"""What a source's account refuses is the export's end: nobody but its people can mend it."""


class SourceAccount:
    """The export tasks of one account and Region."""

    def __init__(self, logs: "CloudWatchLogsClient", logs_once: "CloudWatchLogsClient") -> None:
        """Create tasks with ``logs_once``, a client without retries; do all else with ``logs``."""
        decode_pages(logs)
        self._logs = logs
        self._logs_once = logs_once

    def create_task(self, record: LedgerRecord) -> str:
        """Create the export task of an export, named after it, and return the task's id.

        Raises:
            SlotBusyError: Another task is active.
            ExportRefusedError: A person has to mend something first.
            TransientError: AWS did not say whether there is a task now.
        """
        with _calling("CreateExportTask", record.log_group.name, kinds=_BUSY):
            created = self._logs_once.create_export_task(
                taskName=record.export_id,
                logGroupName=record.log_group.name,
                fromTime=record.window.from_ms,
                to=record.window.to_ms,
                destination=record.destination.bucket,
                destinationPrefix=record.destination.prefix,
            )
        return created["taskId"]

    def task(self, task_id: str) -> Task | None:
        """Return a task, or None when AWS does not know it.

        Raises:
            ExportRefusedError: The role may not look.
            TransientError: AWS did not answer.
        """
        with _calling("DescribeExportTasks", task_id):
            found = self._logs.describe_export_tasks(taskId=task_id)["exportTasks"]
        return _task(found[0]) if found else None

    def newest_tasks(self, since: datetime) -> list[Task]:
        """Return the newest tasks, newest first: enough to find one created after ``since``.

        While a task holds the slot, none can be created, so the first page is enough.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/DescribeExportTasks.html
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeExportTasks.html

        Raises:
            ExportRefusedError: The role may not look.
            TransientError: AWS did not answer.
        """
        since_ms = (since - CLOCK_SKEW).timestamp() * 1000
        tasks: list[Task] = []
        with _calling("DescribeExportTasks", "the newest tasks"):
            pages = self._logs.get_paginator("describe_export_tasks").paginate()
            for page in islice(pages, TASK_PAGES):
                found = [_task(described) for described in page["exportTasks"]]
                tasks += found
                if any(
                    task.holds_slot or (task.created_ms or since_ms) < since_ms for task in found
                ):
                    break
        return tasks

    def cancel_task(self, task_id: str) -> None:
        """Ask a task to stop; one that has ended, or is forgotten, stays as it is.

        Raises:
            ExportRefusedError: The role may not cancel.
            TransientError: AWS did not answer.
        """
        errors = self._logs.exceptions
        is_over = (errors.InvalidOperationException, errors.ResourceNotFoundException)
        with _calling("CancelExportTask", task_id), suppress(*is_over):
            self._logs.cancel_export_task(taskId=task_id)

    def log_group_created_ms(self, name: str) -> int | None:
        """Return when the log group of a name was created, or None when there is none.

        AWS sorts by names, so that a name is the first of those that begin with it.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html

        Raises:
            ExportRefusedError: The role may not look.
            TransientError: AWS did not answer.
        """
        with _calling("DescribeLogGroups", name):
            pages = self._logs.get_paginator("describe_log_groups").paginate(
                logGroupNamePrefix=name, PaginationConfig={"MaxItems": 1}
            )
            found = [group for page in pages for group in page["logGroups"]]
        return next(
            (group["creationTime"] for group in found if group["logGroupName"] == name), None
        )

    def events(
        self,
        record: LedgerRecord,
        part: Slice,
        next_token: str | None,
        streams: Sequence[str] = (),
    ) -> tuple[list[Event], str | None]:
        """Return a page of the events in a part of an export's window, and the next page's token.

        A page may be empty and yet not the last, and AWS was seen to give the token of an empty
        page twice, for which botocore's paginator stops: only a page without a token is the last.
        Both ends of FilterLogEvents' range are inclusive, as are those of CreateExportTask's.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

        Args:
            record: The export.
            part: Of its window.
            next_token: Of the part's page before; None for the first page.
            streams: Of these log streams alone, up to 100; of all where there are none.

        Raises:
            NotForDirectLaneError: The log group's events cannot be read in this way.
            ExportRefusedError: A person has to mend something first.
            TransientError: AWS was busy.
        """
        token: dict[str, Any] = {} if next_token is None else {"nextToken": next_token}
        which: dict[str, Any] = {"logStreamNames": list(streams)} if streams else {}
        with _calling("FilterLogEvents", record.log_group.name, kinds=_NOT_READABLE):
            page = self._logs.filter_log_events(
                logGroupName=record.log_group.name,
                startTime=part.start_ms,
                endTime=part.end_ms,
                **which,
                **token,
            )
        return cast("list[Event]", page["events"]), page.get("nextToken")


class SourceAccounts:
    """The accounts whose logs are exported, by their assumed roles."""

    def __init__(self, sts: "STSClient") -> None:
        """Assume the sources' roles with ``sts``."""
        self._sts = sts
        self._sessions: dict[Source, tuple[SourceAccount, datetime]] = {}

    def account(self, source: Source, now: datetime) -> SourceAccount:
        """Return a source's account, through a session that is still good for a while.

        Raises:
            ExportRefusedError: The role cannot be assumed.
            TransientError: STS did not answer.
        """
        account, expires_at = self._sessions.get(source, (None, now))
        if account is None or expires_at - now < SESSION_RESERVE:
            account, expires_at = self._assume(source)
            self._sessions[source] = account, expires_at
        return account

    def _assume(self, source: Source) -> tuple[SourceAccount, datetime]:
        asked: Any = source.assumed_by("exporter")
        with _calling("AssumeRole", source.role_arn):
            credentials = self._sts.assume_role(**asked, DurationSeconds=SESSION_SECONDS)[
                "Credentials"
            ]

        def logs(config: Config) -> "CloudWatchLogsClient":
            return boto3.client(
                "logs",
                region_name=source.region,
                config=config,
                **signed_with(credentials),
            )

        return SourceAccount(logs(CLIENT_CONFIG), logs(CREATE_CONFIG)), credentials["Expiration"]


def _task(described: "ExportTaskTypeDef") -> Task:
    status = described.get("status", {})
    execution = described.get("executionInfo", {})
    return Task(
        task_id=described["taskId"],
        name=described.get("taskName"),
        bucket=described.get("destination", ""),
        prefix=described.get("destinationPrefix", ""),
        status=status.get("code", ""),
        message=status.get("message", ""),
        created_ms=execution.get("creationTime"),
        completed_ms=execution.get("completionTime"),
    )
