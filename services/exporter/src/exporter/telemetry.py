"""The log and the metrics that all of this service writes to."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequestedData

SERVICE = "exporter"
METRICS_NAMESPACE = "logferry"

logger = Logger(service=SERVICE)
metrics = Metrics(namespace=METRICS_NAMESPACE, service=SERVICE)
_measuring = Lock()
"""Windows of one invocation in the direct lane measure side by side."""


def count(name: str) -> None:
    """Add one to a metric."""
    measure(name, MetricUnit.Count, 1)


def measure(name: str, unit: MetricUnit, value: float) -> None:
    """Add a value to a metric."""
    with _measuring:
        metrics.add_metric(name, unit, value)


def emit_metrics(lane: Lane | None) -> None:
    """Emit what was measured since the last time; what is no export has no lane."""
    with _measuring:
        if metrics.metric_set:
            if lane is not None:
                metrics.add_dimension("lane", lane)
            metrics.flush_metrics()


def log_keys(request: ExportRequestedData) -> dict[str, str | int]:
    """Return what log lines carry of one export, and must not of the next."""
    return {
        "export_id": request.export_id,
        "log_group": request.log_group.name,
        "generation": request.generation,
    }


@contextmanager
def about(request: ExportRequestedData) -> Iterator[None]:
    """Let a thread's log lines be about one export, and afterwards about what they were before."""
    keys = log_keys(request)
    known = logger.thread_safe_get_current_keys()
    before = {key: value for key, value in known.items() if key in keys}
    logger.thread_safe_append_keys(**keys)
    try:
        yield
    finally:
        logger.thread_safe_remove_keys(list(keys))
        logger.thread_safe_append_keys(**before)
