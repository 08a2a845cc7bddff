"""CloudWatch's metrics of log groups, which LocalStack does not have: counted when asked for.

From documentation
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html):
`IncomingLogEvents` and `IncomingBytes` of a log group, by the time at which events came in; a
period in which none came has no datapoint. The 26 bytes that every event counts besides its
message are documented for PutLogEvents
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html).

Not modelled: statistics other than Sum, the minutes until a datapoint appears.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

NAMESPACE = "AWS/Logs"
EVENT_OVERHEAD_BYTES = 26
_WEIGHTS: dict[str, Callable[[Any], int]] = {
    "IncomingLogEvents": lambda _: 1,
    "IncomingBytes": lambda event: len(event.message.encode()) + EVENT_OVERHEAD_BYTES,
}


def install() -> None:
    """Answer GetMetricData for these metrics; all others are LocalStack's."""
    from localstack.services.cloudwatch.cloudwatch_database_helper import (  # noqa: PLC0415
        CloudwatchDatabase,
    )

    CloudwatchDatabase.get_metric_data_stat = _answering(CloudwatchDatabase.get_metric_data_stat)


def sums(
    events: Iterable[Any], metric_name: str, *, start_s: int, end_s: int, period_s: int
) -> dict[int, int]:
    """The sums of a metric, by the second at which their period starts; none for an empty period.

    Args:
        events: With `ingestion_time` in milliseconds, and `message`.
        metric_name: Such as `IncomingLogEvents`.
        start_s: Since 1970, inclusive; the first period starts here.
        end_s: Exclusive.
        period_s: The length of a period.
    """
    weight = _WEIGHTS[metric_name]
    found: Counter[int] = Counter()
    for event in events:
        at_s = event.ingestion_time // 1000
        if start_s <= at_s < end_s:
            found[at_s - (at_s - start_s) % period_s] += weight(event)
    return dict(sorted(found.items()))


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def get(  # noqa: PLR0913, PLR0917  (LocalStack's own)
        database: Any,
        account_id: str,
        region: str,
        query: Mapping[str, Any],
        start_time: datetime,
        end_time: datetime,
        scan_by: str,
    ) -> Any:
        stat = query["MetricStat"]
        events = _events(account_id, region, stat)
        if not events:
            return original(database, account_id, region, query, start_time, end_time, scan_by)
        found = sums(
            events,
            stat["Metric"]["MetricName"],
            start_s=int(start_time.timestamp()),
            end_s=int(end_time.timestamp()),
            period_s=stat["Period"],
        )
        newest_first = scan_by != "TimestampAscending"
        timestamps = sorted(found, reverse=newest_first)
        return {"timestamps": timestamps, "values": [found[at] for at in timestamps]}

    return get


def _events(account_id: str, region: str, stat: Mapping[str, Any]) -> list[Any]:
    """Every event of the log group that a query is about; none when it is about something else."""
    from moto.logs.models import logs_backends  # noqa: PLC0415

    metric = stat["Metric"]
    dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
    known = metric["Namespace"] == NAMESPACE and metric["MetricName"] in _WEIGHTS
    if not known or stat["Stat"] != "Sum" or dimensions.keys() != {"LogGroupName"}:
        return []
    group = logs_backends[account_id][region].groups.get(dimensions["LogGroupName"])
    if group is None:
        return []
    return [event for stream in list(group.streams.values()) for event in stream.events]
