"""What a plan says of itself: its log lines and its metrics."""

from collections.abc import Sequence
from datetime import timedelta

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from logferry_contracts.plan_completed import PlanCompletedData
from planner.summary import Summary

SERVICE = "planner"
METRICS_NAMESPACE = "logferry"
OVERDUE = "OverdueSeconds"

logger = Logger(service=SERVICE)
metrics = Metrics(namespace=METRICS_NAMESPACE, service=SERVICE)


def report(completed: PlanCompletedData, summary: Summary, *, dates_asked_again: int) -> None:
    """Tell what a plan has come to."""
    cliff = completed.retention_cliff
    for name, number in {
        "LogGroupsFound": completed.found,
        "ExportsRequested": summary.requested,
        "ExportsAlreadyInLedger": summary.already_in_ledger,
        "ExportsRefused": summary.refused,
        "ForecastSlotSeconds": summary.slot_s,
        "ForecastDirectSeconds": summary.direct_s,
        "SlotOvercommitted": len(summary.overcommitted),
        "ExportsAskedAgain": completed.asked_again or 0,
        "DatesAskedAgain": dates_asked_again,
        "RetentionCliffLogGroups": 0 if cliff is None else cliff.log_groups,
    }.items():
        unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
        metrics.add_metric(name, unit, number)
    for reason, number in summary.skipped.items():
        count_by_reason("ExportsSkipped", reason, number)
    if cliff is not None:
        logger.warning(
            "an account-level policy is about to shorten the retention of log groups",
            **cliff.model_dump(),
        )
    for day, seconds in summary.overcommitted.items():
        logger.warning(
            "a day's windows need more than a day of the export slot", day=day, slot_s=seconds
        )
    told = completed.model_dump(exclude={"source", "windows"}, exclude_none=True)
    logger.info("planned", windows=len(completed.windows), **told)


def count_by_reason(name: str, reason: str, count: int) -> None:
    """Count something under its reason."""
    with single_metric(name, MetricUnit.Count, count, namespace=METRICS_NAMESPACE) as metric:
        metric.add_dimension("service", SERVICE)
        metric.add_dimension("reason", reason)


def report_passed_over(prefixes: Sequence[str]) -> None:
    """Tell which keys of the ledger look like windows that no plan can have come to."""
    for prefix in prefixes:
        logger.error("passed over", reason="no_window_of_a_plan", key=prefix)
    if prefixes:
        metrics.add_metric("LedgerWindowsPassedOver", MetricUnit.Count, len(prefixes))


def report_overdue(profile: str, since_due: timedelta) -> None:
    """Measure how long the oldest window that earlier runs should have planned has been due."""
    seconds = since_due.total_seconds()
    metrics.add_metric(OVERDUE, MetricUnit.Seconds, seconds)
    with single_metric(OVERDUE, MetricUnit.Seconds, seconds, namespace=METRICS_NAMESPACE) as metric:
        metric.add_dimension("service", SERVICE)
        metric.add_dimension("profile", profile)
