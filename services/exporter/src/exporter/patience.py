"""How long an error is waited out, and where, and when it is the end: rules only.

A message that meets an error at the head of its slot holds up all others. So it is tried again
there for a moment, or for some minutes if such errors pass; then at the tail, behind the others,
after pauses that get longer; and in the end the export fails by it, and the next one goes on.
"""

from dataclasses import dataclass
from datetime import timedelta

from exporter.errors import (
    CallRefusedError,
    ExportRefusedError,
    LedgerConflictError,
    SlotBusyError,
    TransientError,
)

AT_THE_HEAD = timedelta(minutes=10)
"""For how long an error that passes is tried again at the head, the first time."""
AT_THE_HEAD_AGAIN = timedelta(minutes=1)
"""The same, once the message comes round again."""
RECEIVES = 3
"""Up to so many, any other error is tried again at the head, within seconds."""
PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3))
"""After which a message that was sent to the tail is tried again; the last one goes on."""
MOST_TRIES = 3
"""At the tail, of an error that nobody knows to pass: over more than three hours."""
MOST_TRIES_OF_PASSING = 9
"""The same, of throttling and outages: over almost a day."""
LONGEST_DAY = timedelta(days=1)
"""For how long errors in waiting for a date's end are tried again."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error as it is told when it is the end.

    Attributes:
        reason: The reason code, such as ``aws_unavailable``.
        message: What was called and what AWS said, such as ``CreateExportTask of
            /aws/lambda/orders: ThrottlingException: Rate exceeded``.
        is_passing: Whether it passes by waiting: throttling, AWS's own faults, the network.
    """

    reason: str
    message: str
    is_passing: bool


def problem_of(error: Exception) -> Problem:
    """Return what an error is when it is the end of an export."""
    message = str(error)
    if isinstance(error, TransientError | LedgerConflictError | SlotBusyError):
        return Problem(reason="aws_unavailable", message=message, is_passing=True)
    if isinstance(error, CallRefusedError | ExportRefusedError):
        return Problem(reason=error.reason, message=message, is_passing=False)
    message = f"{type(error).__name__}: {error}"
    return Problem(reason="unexpected_error", message=message, is_passing=False)


def is_tried_again_at_the_head(
    problem: Problem, *, receive_count: int, lasts: timedelta, tries: int
) -> bool:
    """Return whether to give the message back, although others wait behind it.

    Args:
        problem: What it met.
        receive_count: How often the message was received.
        lasts: For how long it has met nothing but errors.
        tries: How often it was sent to the tail for one.
    """
    if not problem.is_passing:
        return receive_count <= RECEIVES
    return lasts < (AT_THE_HEAD_AGAIN if tries else AT_THE_HEAD)


def pause(problem: Problem, tries: int) -> timedelta | None:
    """Return after how long to try again at the tail, or None when that is the end.

    Args:
        problem: What the message met.
        tries: How often it was sent to the tail for a problem.
    """
    if tries >= (MOST_TRIES_OF_PASSING if problem.is_passing else MOST_TRIES):
        return None
    return PAUSES[min(tries, len(PAUSES) - 1)]
