"""What the service counts, and how CloudWatch hears of it."""

from collections.abc import Mapping

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

ALREADY_RIGHT = "ObjectsAlreadyRight"
UPDATED = "ObjectsUpdated"
COPIED = "ObjectsCopied"
COPIED_BYTES = "BytesCopied"
HELD = "ObjectsHeld"
LEFT_ALONE = "ObjectsLeftAlone"
REPLACED_KEPT = "ReplacedVersionsKept"
WRITE_TESTS_REMOVED = "WriteTestsRemoved"
MISSING = "ObjectsMissing"
REFUSED = "Refused"
KEY_PROBLEM = "KeyProblem"
FINDINGS_OPEN = "SweepFindingsOpen"
SWEEPS_COMPLETED = "SweepsCompleted"
STOOD_IN = "SweepStoodIn"
"""Exports that no event had secured: the events do not reach the sse-enforcer."""


def emit(counts: Mapping[str, int]) -> None:
    """Write an invocation's counts, by metric, as one line; none if there are none."""
    metrics = Metrics()
    for name, value in counts.items():
        unit = MetricUnit.Bytes if name == COPIED_BYTES else MetricUnit.Count
        metrics.add_metric(name, unit, value)
    if counts:
        metrics.flush_metrics()
