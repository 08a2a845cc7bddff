"""The log and the metrics that all of this service writes to."""

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from logferry_contracts.export_requested import ExportRequestedData

SERVICE = "exporter"
METRICS_NAMESPACE = "logferry"

logger = Logger(service=SERVICE)
metrics = Metrics(namespace=METRICS_NAMESPACE, service=SERVICE)


def count(name: str) -> None:
    """Add one to a metric."""
    metrics.add_metric(name, MetricUnit.Count, 1)


def log_keys(request: ExportRequestedData) -> dict[str, str | int]:
    """Return what log lines carry of one export, and must not of the next."""
    return {
        "export_id": request.export_id,
        "log_group": request.log_group.name,
        "generation": request.generation,
    }


@contextmanager
def about(request: ExportRequestedData) -> Iterator[None]:
    """Let log lines be about one export, and afterwards about what they were about before."""
    keys = log_keys(request)
    before = {key: value for key, value in logger.get_current_keys().items() if key in keys}
    logger.append_keys(**keys)
    try:
        yield
    finally:
        logger.append_keys(**before)
