"""CloudWatch Logs Insights on LocalStack, as far as events are counted by it.

LocalStack 4.14's queries are complete at once, whatever was asked. Here:

From documentation
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html,
API_GetQueryResults, API_StopQuery): the states, at most 50 log groups a query, at most 30 queries
at once, times in seconds and inclusive at both ends, `statistics`, that results are partial while
a query runs, and the exceptions. A query is of one class
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html has
which classes it may be of). `@log` is the account id, a colon and the log group's name
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html).

Said by AWS's people: that an end is taken as the very millisecond that its second begins with, and
inclusive (https://github.com/aws/aws-sdk/issues/280, 2022-09-02).

Seen by others: MalformedQueryException for a range that ends before the log group was created, or
before its retention begins.

Unverified, chosen here: a query is looked at twice before it is complete; that log groups of both
classes are refused with InvalidParameterException; that a query is not found after it was
forgotten. What came in less than `LAG_MS` ago no query sees: AWS says only that there is a lag.

Not modelled: any other query than the one that counts, which is refused as malformed; linked
accounts, timeouts.
"""

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localstack_addons.logs.log_groups import class_of
from localstack_addons.logs.metrics import EVENT_OVERHEAD_BYTES
from localstack_addons.refusals import Refusal, refusing

MAX_LOG_GROUPS = 50
MAX_RUNNING = 30
LAG_MS = 1000
LOOKS = 2
DAY_MS = 86_400_000
CLASSES = {"STANDARD", "INFREQUENT_ACCESS"}
COUNT = re.compile(
    r"filter @timestamp >= ([0-9]+) and @timestamp < ([0-9]+)"
    r" \| stats count\(\*\) as ([a-z]+) by @log"
)
_STATES = ("Scheduled", "Running", "Complete")


class InsightsError(Refusal):
    """A refusal of CloudWatch Logs Insights."""


@dataclass
class Query:
    """One query: what it will have found, and how often somebody has looked."""

    rows: list[list[dict[str, str]]]
    statistics: dict[str, float]
    looks: int = 0
    is_stopped: bool = False

    @property
    def status(self) -> str:
        """Its state now."""
        return "Cancelled" if self.is_stopped else _STATES[min(self.looks, LOOKS)]

    @property
    def is_running(self) -> bool:
        """Whether it counts among those that run."""
        return self.status in {"Scheduled", "Running"}


class Queries:
    """The queries of one account and Region."""

    def __init__(self) -> None:
        self._queries: dict[str, Query] = {}

    def start(
        self, groups: Mapping[str, Any], request: Mapping[str, Any], account_id: str, now_ms: int
    ) -> dict[str, str]:
        """StartQuery."""
        if sum(each.is_running for each in self._queries.values()) >= MAX_RUNNING:
            raise InsightsError(
                "LimitExceededException", "Account maximum query concurrency limit of 30 reached."
            )
        chosen = _chosen(groups, request)
        asked = COUNT.fullmatch(request["queryString"])
        if asked is None:
            raise _malformed(f"Not a query that is known here: {request['queryString']}")
        start_ms, end_ms = request["startTime"] * 1000, request["endTime"] * 1000
        for group in chosen:
            _check_range(group, end_ms, now_ms)
        query_id = str(uuid.uuid4())
        self._queries[query_id] = _query(
            chosen,
            (start_ms, end_ms),
            (int(asked[1]), int(asked[2])),
            name=asked[3],
            account_id=account_id,
            now_ms=now_ms,
        )
        return {"queryId": query_id}

    def results(self, query_id: str) -> dict[str, Any]:
        """GetQueryResults."""
        query = self._found(query_id)
        query.looks += 1
        is_complete = query.status == "Complete"
        return {
            "status": query.status,
            "results": query.rows if is_complete else [],
            "statistics": query.statistics if query.looks >= LOOKS else dict(_NOTHING),
        }

    def stop(self, query_id: str) -> dict[str, bool]:
        """StopQuery."""
        query = self._found(query_id)
        if not query.is_running:
            raise InsightsError("InvalidParameterException", "Query already ended")
        query.is_stopped = True
        return {"success": True}

    def _found(self, query_id: str) -> Query:
        if query_id not in self._queries:
            raise InsightsError("ResourceNotFoundException", "Query does not exist.")
        return self._queries[query_id]


_NOTHING = {"recordsMatched": 0.0, "recordsScanned": 0.0, "bytesScanned": 0.0}
_BY_PLACE: dict[tuple[str, str], Queries] = {}


def install() -> None:
    """Take over the three operations."""
    from localstack.services.logs.provider import LogsProvider  # noqa: PLC0415

    LogsProvider.start_query = _operation("StartQuery", "start_query", _start)
    LogsProvider.get_query_results = _operation("GetQueryResults", "get_query_results", _results)
    LogsProvider.stop_query = _operation("StopQuery", "stop_query", _stop)


def _query(  # noqa: PLR0913  (what a query is asked)
    groups: Iterable[Any],
    within: tuple[int, int],
    asked: tuple[int, int],
    *,
    name: str,
    account_id: str,
    now_ms: int,
) -> Query:
    found: Counter[str] = Counter()
    records = scanned = 0
    for group in groups:
        for stream in list(group.streams.values()):
            for event in list(stream.events):
                is_seen = event.ingestion_time <= now_ms - LAG_MS
                if not is_seen or not within[0] <= event.timestamp <= within[1]:
                    continue
                records += 1
                scanned += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
                if asked[0] <= event.timestamp < asked[1]:
                    found[f"{account_id}:{group.name}"] += 1
    rows = [
        [{"field": "@log", "value": log}, {"field": name, "value": str(count)}]
        for log, count in sorted(found.items())
    ]
    statistics = {
        "recordsMatched": float(found.total()),
        "recordsScanned": float(records),
        "bytesScanned": float(scanned),
    }
    return Query(rows=rows, statistics=statistics)


def _chosen(groups: Mapping[str, Any], request: Mapping[str, Any]) -> Sequence[Any]:
    names = request.get("logGroupNames") or [request.get("logGroupName")]
    if len(names) > MAX_LOG_GROUPS:
        raise InsightsError(
            "InvalidParameterException",
            f"1 validation error detected: more than {MAX_LOG_GROUPS} at 'logGroupNames'",
        )
    missing = [name for name in names if name not in groups]
    if missing:
        raise InsightsError("ResourceNotFoundException", f"Log group {missing[0]} does not exist")
    chosen = [groups[name] for name in names]
    classes = {class_of(group) for group in chosen}
    if len(classes) > 1 or not classes <= CLASSES:
        told = f"Log groups of {', '.join(sorted(classes))} cannot be queried together."
        raise InsightsError("InvalidParameterException", told)
    return chosen


def _check_range(group: Any, end_ms: int, now_ms: int) -> None:
    days = group.retention_in_days
    is_expired = days and end_ms < now_ms - int(days) * DAY_MS
    if end_ms < group.creation_time or is_expired:
        raise _malformed(
            "end date and time is either before the log groups creation time or exceeds the log"
            " groups log retention settings"
        )


def _malformed(message: str) -> InsightsError:
    return InsightsError("MalformedQueryException", message)


def _place(context: Any) -> Queries:
    return _BY_PLACE.setdefault((context.account_id, context.region), Queries())


def _start(context: Any, request: Mapping[str, Any]) -> Any:
    from moto.logs.models import logs_backends  # noqa: PLC0415

    groups = dict(logs_backends[context.account_id][context.region].groups)
    now_ms = time.time_ns() // 1_000_000
    return _place(context).start(groups, request, context.account_id, now_ms)


def _results(context: Any, request: Mapping[str, Any]) -> Any:
    return _place(context).results(request["queryId"])


def _stop(context: Any, request: Mapping[str, Any]) -> Any:
    return _place(context).stop(request["queryId"])


def _operation(name: str, method: str, do: Callable[[Any, Mapping[str, Any]], Any]) -> Any:
    from localstack.aws.api import handler  # noqa: PLC0415

    @refusing
    def operation(_provider: Any, context: Any, request: Any) -> Any:
        return do(context, request)

    operation.__name__ = method  # by which LocalStack finds it
    return handler(name, expand=False)(operation)
