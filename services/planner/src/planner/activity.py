"""How much a log group's window holds, as far as metrics tell, and how long its export takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import epoch_ms
from logferry_contracts.window import Window

EARLY = timedelta(hours=2)
"""How far ahead of its ingestion an event's timestamp may be.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""
METRICS_KEPT = timedelta(days=455)
"""Before that, CloudWatch has no data points, which then says nothing.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention
"""
HOUR = timedelta(hours=1)
"""Data points of an hour are kept longest, and any multiple of an hour may be asked for at any age.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html
"""
POINTS_PER_METRIC = 200
"""An answer holds 100,800 data points of 500 metrics before it is continued on a next page.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""
EVENT_BYTES = 250
"""What an event has on average where nothing else is known; the fit makes up for it."""

DEFAULT_FIXED_S = 10.0
"""AWS names no figure but "from a few seconds to a few hours".

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html
"""
DEFAULT_S_PER_BYTE = 1 / 10_000_000
MIN_SAMPLES = 20
"""Fewer tasks than that say less than the default."""
MAX_SAMPLES = 1000
"""The newest; how long tasks take may change."""

_ROUNDS = 40
"""Of refitting; each changes less than the one before."""
_TOLERATED = 1.0
"""How far from its expectation a task may be, relative to that, to be taken at its full weight."""
_SHORTEST_S = 0.1
"""What a task is taken to need at least, so that a deviation can be relative to it."""
_ALIKE = 1e-9
"""Sizes whose relative variance is less than that are one size."""

MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class MetricQuestion:
    """What to ask GetMetricData.

    Attributes:
        start: Inclusive, and a multiple of the period since the epoch.
        end: Exclusive, and the same.
        period_s: Seconds per data point.
    """

    start: datetime
    end: datetime
    period_s: int


def metric_question(since: datetime, until: datetime) -> MetricQuestion | None:
    """Return how to ask for the events that came in during a range, and maybe some around it.

    None when metrics do not go back that far, or the range is empty.
    """
    if until <= since or until - since > METRICS_KEPT:
        return None
    # One point is lost at each end to the rounding.
    hours = -((since - until) // ((POINTS_PER_METRIC - 2) * HOUR))
    period = hours * HOUR
    return MetricQuestion(
        start=_EPOCH + (since - _EPOCH) // period * period,
        end=_EPOCH - (_EPOCH - until) // period * period,
        period_s=hours * 3600,
    )


def ingested_from(window: Window) -> datetime:
    """Return when the first event of a window can have come in; the last may come in any time."""
    return window.start - EARLY


def estimated_bytes(
    log_group: LogGroup, window: Window, incoming_log_events: int | None, *, now: datetime
) -> int | None:
    """Return the size of a window's events, roughly; None when nothing tells.

    Args:
        log_group: Says how much it stores, which may be old news.
        window: Of the log group.
        incoming_log_events: Events that came in from `ingested_from` the window to now; None
            when that is not known.
        now: Aware.
    """
    now_ms = epoch_ms(now)
    window_ms = window.to_ms - window.from_ms
    if incoming_log_events is not None:
        asked_ms = now_ms - window.from_ms + EARLY // MILLISECOND
        return round(incoming_log_events * EVENT_BYTES * _share(window_ms, asked_ms))
    if log_group.stored_bytes is None:
        return None
    stored_ms = now_ms - log_group.created_ms
    if log_group.retention_days is not None:
        stored_ms = min(stored_ms, timedelta(days=log_group.retention_days) // MILLISECOND)
    return round(log_group.stored_bytes * _share(window_ms, stored_ms))


@dataclass(frozen=True)
class Sample:
    """How long an export task took.

    Attributes:
        size_bytes: What had been estimated of its events.
    """

    size_bytes: int
    seconds: float


def sample_of(record: LedgerRecord) -> Sample | None:
    """Return what an export's record tells of export tasks; None when it tells nothing."""
    completed = record.completed
    if completed is None or record.split is not None or record.estimated_bytes is None:
        return None
    if completed.task_created_ms is None or completed.task_completed_ms is None:
        return None
    milliseconds = completed.task_completed_ms - completed.task_created_ms
    return Sample(record.estimated_bytes, milliseconds / 1000) if milliseconds > 0 else None


DIRECT_FIXED_S = 1.0
DIRECT_BYTES_PER_S = 3.5e6
"""How long the direct lane takes, for an export and for its bytes: at five calls a second, which is
AWS's lowest quota, and pages of 0.7 MB."""


@dataclass(frozen=True)
class Fit:
    """How long export tasks take: a fixed time, and a time for each estimated byte.

    Attributes:
        fixed_s: Not negative.
        s_per_byte: Not negative.
    """

    fixed_s: float = DEFAULT_FIXED_S
    s_per_byte: float = DEFAULT_S_PER_BYTE

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Return the fit of samples, the newest last; the default when they are few.

        Least squares of the relative deviations, as tasks of a second and of an hour tell equally
        much. A task that is far off counts less the farther it is off (Huber's weights).
        """
        newest = samples[-MAX_SAMPLES:]
        if len(newest) < MIN_SAMPLES:
            return cls()
        fit = cls()
        for _ in range(_ROUNDS):
            fit = fit._refitted(newest)
        return fit

    def seconds(self, size_bytes: int) -> float:
        """Return how long the export of so many estimated bytes takes."""
        return self.fixed_s + self.s_per_byte * size_bytes

    def _refitted(self, samples: Sequence[Sample]) -> Self:
        """Return the weighted least squares fit, with weights by how far off this one is."""
        total = sum_x = sum_y = sum_xx = sum_xy = 0.0
        for sample in samples:
            expected_s = max(self.seconds(sample.size_bytes), _SHORTEST_S)
            deviation = abs(sample.seconds - expected_s) / expected_s
            weight = min(1.0, _TOLERATED / deviation if deviation else 1.0) / expected_s**2
            total += weight
            sum_x += weight * sample.size_bytes
            sum_y += weight * sample.seconds
            sum_xx += weight * sample.size_bytes**2
            sum_xy += weight * sample.size_bytes * sample.seconds
        spread = total * sum_xx - sum_x**2
        if spread <= _ALIKE * total * sum_xx:  # all of one size: how long a byte takes stays open
            return type(self)(max(0.0, (sum_y - self.s_per_byte * sum_x) / total), self.s_per_byte)
        s_per_byte = (total * sum_xy - sum_x * sum_y) / spread
        fixed_s = (sum_y - s_per_byte * sum_x) / total
        if s_per_byte < 0:
            return type(self)(sum_y / total, 0.0)
        if fixed_s < 0:
            return type(self)(0.0, sum_xy / sum_xx)
        return type(self)(fixed_s, s_per_byte)


def _share(part_ms: int, whole_ms: int) -> float:
    """Return which share of a time another one is: all of it, when it is longer."""
    return min(1.0, part_ms / whole_ms) if whole_ms > 0 else 1.0
