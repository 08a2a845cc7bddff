"""What a strategy took: time, calls, memory and money."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

LAMBDA_GB_S = 0.0000166667
"""Dollars; here and below as in eu-west-1 and us-east-1, without any free tier.

https://aws.amazon.com/lambda/pricing/
"""
DOLLARS = {
    "lambda.Invoke": 0.20e-6,
    "sqs.ChangeMessageVisibility": 0.50e-6,
    "sqs.DeleteMessage": 0.50e-6,
    "sqs.ReceiveMessage": 0.50e-6,
    "sqs.SendMessage": 0.50e-6,
    "sns.Publish": 0.50e-6,
    "s3.GetObject": 0.40e-6,
    "s3.HeadObject": 0.40e-6,
    "s3.ListObjectVersions": 5e-6,
    "s3.ListObjectsV2": 5e-6,
    "s3.PutObject": 5e-6,
    "states.StateTransition": 25e-6,
    "cloudwatch.GetMetricData": 10e-6,
}
"""Of one call, or of one metric of GetMetricData. CloudWatch Logs' own calls cost nothing."""


NEVER = inf
"""When a run ends that does not."""


@dataclass
class Usage:
    """What a run took.

    Attributes:
        makespan_s: Until the last export is done; `NEVER` if it never is.
        gb_s: Lambda's seconds times its memory.
        calls: How many of each, such as ``logs.DescribeExportTasks``.
        tasks: How many export tasks each export had.
        announced: Ids of the exports that were announced.
        given_up: How many of each call botocore ended without an answer but an error.
    """

    makespan_s: float = 0.0
    gb_s: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    announced: set[str] = field(default_factory=set)
    given_up: Counter[str] = field(default_factory=Counter)

    @property
    def duplicates(self) -> int:
        """Export tasks beyond the first one of each export."""
        return self.tasks.total() - len(self.tasks)

    @property
    def describe_calls_per_export(self) -> float:
        """DescribeExportTasks calls for each export task's end."""
        return self.calls["logs.DescribeExportTasks"] / len(self.tasks)

    @property
    def dollars(self) -> float:
        """What AWS asks for all of it."""
        return self.gb_s * LAMBDA_GB_S + sum(
            DOLLARS.get(operation, 0.0) * count for operation, count in self.calls.items()
        )


def side_by_side(usages: Iterable[Usage]) -> Usage:
    """Return what lanes take that work at the same time."""
    total = Usage()
    for usage in usages:
        total.makespan_s = max(total.makespan_s, usage.makespan_s)
        total.gb_s += usage.gb_s
        total.calls += usage.calls
        total.tasks += usage.tasks
        total.announced |= usage.announced
        total.given_up += usage.given_up
    return total
