"""How others drain the slot, on the same clock."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.simulation.usage import NEVER, Usage
from benchmarks.simulation.workload import LogGroup

CALL_S = 0.08
TRANSITION_S = 0.06
"""Of a Step Functions standard workflow."""
TRANSITIONS_PER_CREATE = 3
"""Take the next log group, create its task, choose what to do then."""
TRANSITIONS_PER_LOOK = 3
"""Wait, describe the task, choose what to do then."""

BATCH_SIZE = 10
INVOCATION_S = 120
"""Its function's timeout, and its queue's visibility timeout."""
RETENTION_S = 86_400
"""Its queue's."""
NEW_CLIENTS_S = 0.35
"""For the role session and the clients that each of its tries makes, with 128 MB of memory."""
PAUSE_S = 2
MEMORY_GB = 0.125


def fixed_polling(groups: Iterable[LogGroup], *, every_s: float) -> Usage:
    """A Step Functions loop over the log groups that looks at the task at a fixed interval."""
    usage = Usage()
    for group in groups:
        usage.makespan_s += TRANSITIONS_PER_CREATE * TRANSITION_S + CALL_S
        usage.calls["states.StateTransition"] += TRANSITIONS_PER_CREATE
        usage.tasks[group.name] += 1
        ends_s = usage.makespan_s + group.task_s
        while usage.makespan_s < ends_s:
            usage.makespan_s += every_s + TRANSITIONS_PER_LOOK * TRANSITION_S + CALL_S
            usage.calls["states.StateTransition"] += TRANSITIONS_PER_LOOK
            usage.calls["logs.DescribeExportTasks"] += 1
        usage.calls["sns.Publish"] += 1
    return usage


def aws_logs_export_to_s3(groups: Sequence[LogGroup], *, seed: int) -> Usage:
    """Anthunt's aws-logs-export-to-s3, until its queue is empty or has thrown the rest away.

    It takes ten messages of ten message groups, in any order, and creates a task for one after the
    other, trying again every 2 s while the slot is taken. A task that is PENDING counts as done.
    When the invocation's 120 s are over all ten messages come back, and those that were exported
    are exported again.
    """
    rng = random.Random(seed)  # noqa: S311  (reproducible, and no secret)
    usage, queue = Usage(), list(groups)
    now_s = slot_free_s = 0.0
    while queue and now_s < RETENTION_S:
        began_s = now_s
        batch = rng.sample(queue, min(BATCH_SIZE, len(queue)))
        for group in batch:
            now_s = _until_slot_is_free(now_s, slot_free_s, began_s + INVOCATION_S, usage.calls)
            if now_s >= began_s + INVOCATION_S:
                break
            slot_free_s = now_s + group.task_s
            usage.tasks[group.name] += 1
            usage.calls["logs.DescribeExportTasks"] += 1
            now_s += CALL_S + PAUSE_S
        if now_s < began_s + INVOCATION_S:
            queue = [group for group in queue if group not in batch]
        now_s = min(now_s, began_s + INVOCATION_S)
        usage.gb_s += (now_s - began_s) * MEMORY_GB
        usage.calls.update(["lambda.Invoke", "sqs.ReceiveMessage", "sqs.DeleteMessage"])
    usage.makespan_s = NEVER if queue else max(now_s, slot_free_s)
    return usage


def _until_slot_is_free(
    now_s: float, slot_free_s: float, ends_s: float, calls: Counter[str]
) -> float:
    while now_s < ends_s:
        now_s += NEW_CLIENTS_S + CALL_S
        calls["logs.CreateExportTask"] += 1
        if now_s >= slot_free_s:
            break
        now_s += PAUSE_S
    return now_s
