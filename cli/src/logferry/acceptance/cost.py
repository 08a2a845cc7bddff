"""What a run can cost at most: everything that it makes, for two hours, at the list price."""

from dataclasses import dataclass

HOURS = 2
"""AWS counts many of these by the hour that has begun."""
MONTH_HOURS = 730


@dataclass(frozen=True)
class Item:
    """What costs something.

    Attributes:
        what: In words, with how many.
        dollars: At most, in us-east-1, without free tiers.
    """

    what: str
    dollars: float


def _monthly(count: int, dollars: float) -> float:
    return count * dollars * HOURS / MONTH_HOURS


ITEMS = (
    Item("4 KMS keys, until their deletion is scheduled", _monthly(4, 1.0)),
    Item("60 alarms' metrics", _monthly(60, 0.10)),
    Item("80 custom metrics", _monthly(80, 0.30)),
    Item("5 MB of logs taken in, stored and exported, with the functions' own", 0.005),
    Item("5,000 calls that write to S3", 0.025),
    Item("20,000 other calls of S3, SQS, SNS and KMS", 0.06),
    Item("2,000 GB-seconds of Lambda", 0.04),
    Item("10,000 metrics read by GetMetricData", 0.10),
)
"""Prices of November 2026, rounded up; twice of what a run was counted to need, and more."""
GB_DOLLARS = 0.60
"""Of a GB that CloudWatch Logs takes in, stores and exports."""


def items(parts_mb: int = 0) -> tuple[Item, ...]:
    """Return what a run costs, with so many MB that are put in to see how a stream is cut."""
    if not parts_mb:
        return ITEMS
    return (*ITEMS, Item(f"{parts_mb} MB of logs more", parts_mb / 1000 * GB_DOLLARS))


def at_most(parts_mb: int = 0) -> float:
    """Return the sum, in dollars."""
    return sum(item.dollars for item in items(parts_mb))
