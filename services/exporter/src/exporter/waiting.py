"""When to look at an export task again: rules only.

A task says nothing when it ends, so it has to be looked at. A look that comes 5 % of the task's
age after the last one finds the end at most 5 % late, and a task of a day costs a few hundred.
"""

GROWTH = 0.05
"""The next look, as a part of the task's age."""

PAUSE_FLOOR_S = 0.3
"""Between two looks of one invocation; the smallest tasks take about a second.

Three looks a second leave room in AWS's five DescribeExportTasks a second.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""
BLIND_PAUSE_S = 1.0
"""The same, when the task that is in the way does not show itself."""

INTERVAL_FLOOR_S = 1
INTERVAL_CEILING_S = 300
ERROR_CEILING_S = 60

MAX_RECEIVES = 1000
"""After so many, SQS itself moves a message to the dead-letter queue, and says no reason.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html
"""
RECEIVE_GROWTH = 1.02
"""What each receive adds, so that a slot which others hold again and again, each time with a young
task, does not use the receives up."""
LATE_RECEIVES = 600
LATE_CEILING_S = 3600
"""From the 600th receive on a message waits by the hour: the remaining 400 receives then last
longer than the 14 days that a queue keeps a message at most.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""


def pause_s(age_s: float | None) -> float:
    """Return how many seconds to wait inside an invocation before the next look.

    ``age_s`` is the age of the task that is waited for, None when it cannot be seen.
    """
    return BLIND_PAUSE_S if age_s is None else PAUSE_FLOOR_S + GROWTH * max(age_s, 0)


def interval_s(age_s: float | None, receive_count: int) -> int:
    """Return for how many seconds to give a message back that waits for a task."""
    by_receives = RECEIVE_GROWTH ** min(receive_count, MAX_RECEIVES)
    return _bounded(max(GROWTH * (age_s or 0), by_receives), receive_count, INTERVAL_CEILING_S)


def error_interval_s(receive_count: int) -> int:
    """Return for how many seconds to give a message back after something went wrong."""
    doubled = 2.0 ** min(receive_count - 1, MAX_RECEIVES)
    return _bounded(doubled, receive_count, ERROR_CEILING_S)


def _bounded(seconds: float, receive_count: int, ceiling_s: int) -> int:
    if receive_count >= LATE_RECEIVES:
        ceiling_s = LATE_CEILING_S
    return round(min(max(seconds, INTERVAL_FLOOR_S), ceiling_s))
