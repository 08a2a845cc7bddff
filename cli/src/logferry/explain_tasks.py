"""What CloudWatch Logs says of an export's task, in the source's account."""

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from logferry.config import Config, SourceConfig
from logferry.stack import CLIENT_CONFIG
from logferry_contracts.source import signed_with

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_logs import CloudWatchLogsClient

_REFUSED = ("AccessDenied", "AccessDeniedException", "RegionDisabledException")
"""What says that these credentials may not look, and not that something is wrong with the look."""
_NOT_FOUND = "ResourceNotFoundException"
"""What an unknown task might be called, where AWS's page has no such error, and an empty list."""


class Tasks:
    """Asks for export tasks with the credentials of the source's role, if these may have them."""

    def __init__(self, session: "boto3.Session", config: Config, source: SourceConfig) -> None:
        """Ask nothing yet: a date whose exports had no task needs no role."""
        self._session, self._config, self._source = session, config, source

    def told(self, task_id: str) -> str:
        """Return what AWS says of a task, or why that was not checked; never a guess.

        Raises:
            ClientError: AWS has refused for another reason than who asks.
        """
        try:
            found = self._logs.describe_export_tasks(taskId=task_id)["exportTasks"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _REFUSED:
                return f"not checked: {error}"
            if code != _NOT_FOUND:
                raise
            found = []
        return _told(found[0]) if found else "unknown: nobody has it any more"

    @cached_property
    def _logs(self) -> "CloudWatchLogsClient":
        region, sts = self._config.region, self._client("sts")
        if sts.get_caller_identity()["Account"] == self._source.account_id:
            logs: CloudWatchLogsClient = self._client("logs")
            return logs
        reached = self._config.reached(self._source)
        credentials = sts.assume_role(**reached.assumed_by("explain"))["Credentials"]
        return self._session.client(
            "logs",
            region_name=region,
            config=CLIENT_CONFIG,
            **signed_with(credentials),
        )

    def _client(self, service: str) -> Any:
        return self._session.client(
            service,  # type: ignore[call-overload]  # either of the two
            region_name=self._config.region,
            config=CLIENT_CONFIG,
        )


def _told(task: Any) -> str:
    """Return a task in words: ``RUNNING, begun 2026-11-22 03:10:00``."""
    status, info = task["status"], task.get("executionInfo", {})
    words = f"{status['code']}: {status['message']}" if status.get("message") else status["code"]
    times = (("begun", info.get("creationTime")), ("ended", info.get("completionTime")))
    return ", ".join([words, *(f"{word} {_at(ms)}" for word, ms in times if ms is not None)])


def _at(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
