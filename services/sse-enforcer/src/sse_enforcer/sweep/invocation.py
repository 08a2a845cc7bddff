"""One invocation of the sweep's function: how long it may take, what it counts and answers."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from logferry_deliveries.errors import KmsKeyError
from logferry_deliveries.metrics import emit
from sse_enforcer.metrics import KEY_PROBLEM
from sse_enforcer.sweep.passes import sweep
from sse_enforcer.sweep.report import SweepRequest
from sse_enforcer.sweep.slice import Time, Wiring

SWEEP_RESERVE_MS = 120_000
"""No object of a sweep is begun with less time left; its report is stored in it, too."""


def sweep_by(
    wiring: Wiring, request: SweepRequest, remaining_ms: Callable[[], int]
) -> dict[str, Any]:
    """Go on with a sweep, or begin one, by means of ``wiring``."""
    counts: Counter[str] = Counter()
    limit_ms = SWEEP_RESERVE_MS
    if request.limit_s is not None:
        limit_ms = max(limit_ms, remaining_ms() - request.limit_s * 1000)
    limits = Time(
        is_enough=lambda: remaining_ms() > limit_ms,
        is_left=lambda: remaining_ms() > SWEEP_RESERVE_MS,
    )
    try:
        report = sweep(wiring, request, now=datetime.now(UTC), time=limits, counts=counts)
    except KmsKeyError:
        counts[KEY_PROBLEM] += 1
        raise
    finally:
        emit(counts)
    return {"is_due": False} if report is None else report.answer()
