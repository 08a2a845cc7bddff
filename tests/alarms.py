"""What the deployed alarms read, where CloudWatch would have it from.

Metrics of ours are lines in the functions' logs, in the embedded metric format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
Those of SQS are its queues' attributes.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from devstack.suite import Suite


class Alarms:
    """The alarms of a hub, as they are deployed.

    Attributes:
        since_ms: What was measured before does not count.
    """

    def __init__(self, suite: Suite, *, since_ms: int = 0) -> None:
        self._suite = suite
        self.since_ms = since_ms

    def is_on(self, name: str) -> bool:
        """Return whether the sum of all that an alarm reads is above its limit.

        Args:
            name: Without the hub's, such as ``exports-failed``.
        """
        name = f"{self._suite.name}-{name}"
        cloudwatch = self._suite.client("cloudwatch")
        [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        read = [
            each["MetricStat"]["Metric"]
            for each in alarm.get("Metrics", [])
            if "MetricStat" in each
        ]
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold", name
        measured = sum(self._measured(metric) for metric in read or [alarm])
        return measured > float(alarm["Threshold"])

    def _measured(self, metric: Mapping[str, Any]) -> float:
        dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        if metric["Namespace"] == "AWS/SQS":
            assert metric["MetricName"] == "ApproximateNumberOfMessagesVisible"
            return self._suite.waiting(dimensions["QueueName"])
        return sum(
            sum(document[metric["MetricName"]])
            for document, namespace, name, of in self._emitted()
            if (namespace, name) == (metric["Namespace"], metric["MetricName"]) and of == dimensions
        )

    def _emitted(self) -> Iterator[tuple[dict[str, Any], str, str, dict[str, str]]]:
        """Yield each metric in the logs: the line, namespace, name and dimensions."""
        for line in self._lines():
            document = json.loads(line)
            for directive in document.get("_aws", {}).get("CloudWatchMetrics", []):
                for metric in directive["Metrics"]:
                    for names in directive["Dimensions"]:
                        dimensions = {name: document[name] for name in names}
                        yield document, directive["Namespace"], metric["Name"], dimensions

    def _lines(self) -> Iterator[str]:
        """Yield the lines of the functions' logs that are JSON."""
        logs = self._suite.client("logs")
        groups = logs.get_paginator("describe_log_groups").paginate(
            logGroupNamePrefix="/aws/lambda/"
        )
        for group in [each for page in groups for each in page["logGroups"]]:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"],
                startTime=self.since_ms,
                filterPattern='"CloudWatchMetrics"',
            )
            for page in pages:
                for event in page["events"]:
                    yield from (
                        line for line in event["message"].splitlines() if line.startswith("{")
                    )
