"""What a service counts, and how CloudWatch hears of it."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


def emit(counts: Mapping[str, int]) -> None:
    """Write an invocation's counts, by metric, as one line; none if there are none.

    A metric whose name begins with ``Bytes``, such as ``BytesCopied``, is of bytes.
    """
    metrics = EphemeralMetrics()  # of this call alone: others may be emitting theirs
    for name, value in counts.items():
        unit = MetricUnit.Bytes if name.startswith("Bytes") else MetricUnit.Count
        metrics.add_metric(name, unit, value)
    if counts:
        metrics.flush_metrics()
