"""How CloudWatch Logs Insights counts events: what it is asked, and what its answer says.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from logferry_contracts.window import Window

MOST_LOG_GROUPS = 50
"""Of one query (same page)."""
_COUNT = "events"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What GetQueryResults says.

    Attributes:
        status: Such as ``Running`` or ``Complete``.
        scanned_bytes: So far.
        rows: By the names of their fields; not all of them before it is complete.
    """

    status: str
    scanned_bytes: int
    rows: Sequence[Mapping[str, str]]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return what an SDK's answer says."""
        return cls(
            status=found["status"],
            scanned_bytes=int(found.get("statistics", {}).get("bytesScanned", 0)),
            rows=[{each["field"]: each["value"] for each in row} for row in found["results"]],
        )


def text(window: Window) -> str:
    """Return the query: how many events each log group has in ``[from, to)``."""
    within = f"@timestamp >= {window.from_ms} and @timestamp < {window.to_ms}"
    return f"filter {within} | stats count(*) as {_COUNT} by @log"


def seconds(window: Window) -> tuple[int, int]:
    """Return the query's startTime and endTime, in seconds, within which the filter cuts.

    Both are inclusive, and taken as the very millisecond that they begin with:
    https://github.com/aws/aws-sdk/issues/280
    """
    return window.from_ms // 1000, -(-window.to_ms // 1000)


def counts(rows: Iterable[Mapping[str, str]], names: Iterable[str]) -> dict[str, int]:
    """Return how many events each log group has: one that has none has no row.

    ``@log`` is the account id, a colon and the log group's name:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
    """
    found = {row["@log"].partition(":")[2]: int(row[_COUNT]) for row in rows}
    return {name: found.get(name, 0) for name in names}
