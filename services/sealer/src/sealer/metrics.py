"""What the service counts, and how CloudWatch hears of it."""

from collections.abc import Mapping

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

MEASURED = "ObjectsMeasured"
MEASURED_BYTES = "BytesMeasured"
STATED = "Stated"
SEALED = "DatesSealed"
CONTRADICTED = "Contradicted"
"""Leaves of a seal of which ledger and archive say different things."""
TAMPERED = "SealsTampered"
"""Seals' keys that have not exactly one version."""
DAMAGED = "LedgerRecordsDamaged"
DEAD = "DeadLettered"


def emit(counts: Mapping[str, int]) -> None:
    """Write an invocation's counts, by metric, as one line; none if there are none."""
    metrics = Metrics()
    for name, value in counts.items():
        unit = MetricUnit.Bytes if name == MEASURED_BYTES else MetricUnit.Count
        metrics.add_metric(name, unit, value)
    if counts:
        metrics.flush_metrics()
