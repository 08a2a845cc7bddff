"""Export tasks: which events they take, and what becomes of them."""

from itertools import pairwise

from botocore.exceptions import ClientError

from logferry.acceptance.answer import NotYet, Question, Unanswerable
from logferry.acceptance.bench import ENDED, Bench, Exported, code_of, refusal, words_of
from logferry.acceptance.probe import Probe, Seen

DAY_MS = 86_400_000
AROUND_MS = 600_000
CANCELLING = "PENDING_CANCEL"
TASKS = 4
"""So many newest tasks show an order."""


def _range(bench: Bench) -> Seen:
    group = bench.make_group(bench.run.probe_group("range"))
    window = bench.run.window
    noon_ms = window.from_ms + DAY_MS // 2
    bench.put_events(group, "late", [(noon_ms, "of yesterday, put today")])
    day = bench.export(group, window.from_ms, window.to_ms)
    # When they were put, which was a day ago where the run was resumed.
    streams = bench.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    put_ms = streams[0]["creationTime"]
    today = bench.export(group, put_ms - AROUND_MS, put_ms + AROUND_MS)
    details = {"objects of yesterday": str(len(day.keys)), "of today": str(len(today.keys))}
    if not day.keys and not today.keys:
        raise NotYet("neither export has it: log data may take 12 hours to be there for export")
    if day.keys and today.keys:
        return "by both", details
    return ("by event time" if day.keys else "by ingestion time"), details


def _before_creation(bench: Bench) -> Seen:
    group = bench.make_group(bench.run.probe_group("before-creation"))
    to_ms = bench.run.window.from_ms - 9 * DAY_MS
    refused = refusal(lambda: bench.create_task(group, to_ms - DAY_MS, to_ms))
    return ("accepted" if refused is None else f"refused: {code_of(refused)}"), words_of(refused)


def _empty(bench: Bench) -> Seen:
    group = bench.make_group(bench.run.probe_group("empty"))
    done = bench.export(group, bench.run.window.from_ms, bench.run.window.to_ms)
    return _became(done), {"of an event that can be read": _became(_of_a_new_event(bench, group))}


def _became(done: Exported) -> str:
    return f"{done.status}, {f'{len(done.keys)} objects' if done.keys else 'no object'}"


def _of_a_new_event(bench: Bench, group: str) -> Exported:
    """Export an event as soon as it can be read, which may be hours before it can be exported."""
    logs, window = bench.client("logs"), bench.run.window
    bench.put_events(group, "a", [(window.from_ms, "one")])

    def readable() -> bool | None:
        found = logs.filter_log_events(logGroupName=group, startTime=window.from_ms)
        return bool(found["events"]) or None

    bench.until("the event by FilterLogEvents", readable)
    return bench.export(group, window.from_ms, window.to_ms)


def _second(bench: Bench) -> Seen:
    """Create a task while another one has not ended."""
    group = bench.make_group(bench.run.probe_group("second"))
    first = bench.create_task(group, bench.run.window.from_ms, bench.run.window.to_ms)
    refused = _refusal_of_another(bench, group)
    if refused is None and bench.task(first)["status"]["code"] in ENDED:
        raise Unanswerable("the first task had ended before a second one could be asked for")
    return ("accepted" if refused is None else code_of(refused)), words_of(refused)


def _refusal_of_another(bench: Bench, group: str) -> ClientError | None:
    """Create one more task, and do not wait for its turn."""
    bucket, window = bench.resource("Bucket"), bench.run.window
    return refusal(
        lambda: bench.client("logs").create_export_task(
            logGroupName=group,
            fromTime=window.from_ms,
            to=window.to_ms,
            destination=bucket,
            destinationPrefix=f"exports/{group.strip('/')}",
        )
    )


def _cancel(bench: Bench, group: str) -> str:
    """Create a task and cancel it; return its id."""
    task_id = bench.create_task(group, bench.run.window.from_ms, bench.run.window.to_ms)
    refused = refusal(lambda: bench.client("logs").cancel_export_task(taskId=task_id))
    if refused is not None:
        raise Unanswerable(f"the task had ended before it could be cancelled: {refused}")
    return task_id


def _cancelling(bench: Bench) -> Seen:
    """Create a task while another one is being cancelled."""
    group = bench.make_group(bench.run.probe_group("cancelling"))
    task_id = _cancel(bench, group)
    before = bench.task(task_id)["status"]["code"]
    refused = _refusal_of_another(bench, group)
    after = bench.task(task_id)["status"]["code"]
    if before != CANCELLING or (refused is None and after != CANCELLING):
        raise Unanswerable(f"the task was {before}, then {after}: {CANCELLING} was not met")
    return ("accepted" if refused is None else code_of(refused)), words_of(refused)


def _cancelled(bench: Bench) -> Seen:
    """Cancel a task, and follow it to its end."""
    group = bench.make_group(bench.run.probe_group("cancelled"))
    task_id = _cancel(bench, group)
    seen: list[str] = []

    def ended() -> str | None:
        status: str = bench.task(task_id)["status"]["code"]
        if status not in seen:
            seen.append(status)
        return status if status in ENDED else None

    last = bench.until("the cancelled task's end", ended)
    return last, {"states": ", ".join(seen)}


def _order(bench: Bench) -> Seen:
    """List tasks without a filter."""
    group = bench.make_group(bench.run.probe_group("order"))
    for _ in range(TASKS - 1):
        bench.export(group, bench.run.window.from_ms, bench.run.window.to_ms)
    tasks = bench.client("logs").describe_export_tasks()["exportTasks"]
    created = [task["executionInfo"]["creationTime"] for task in tasks if "executionInfo" in task]
    if all(later >= earlier for later, earlier in pairwise(created)):
        return "newest first", {"tasks": str(len(created))}
    if all(later <= earlier for later, earlier in pairwise(created)):
        return "oldest first", {"tasks": str(len(created))}
    return "in no order", {"tasks": str(len(created))}


PROBES = (
    Probe(
        Question(
            name="export-range",
            question="Does CreateExportTask take events by their time, or by when they came in?",
            expected="by event time",
            relies="services/planner/src/planner/plan.py",
            means="An event that comes in after its day is in another day's export, which may have "
            "been skipped as empty: raise settle_minutes, and report it.",
        ),
        _range,
    ),
    Probe(
        Question(
            name="export-before-creation",
            question="Is a window exported that ended before its log group was created?",
            expected="accepted",
            relies="services/planner/src/planner/plan.py",
            means="The first lines of a new log group that are older than it reach the archive by "
            "the direct lane alone: do not set direct_lane.planned_bytes to 0.",
        ),
        _before_creation,
    ),
    Probe(
        Question(
            name="export-empty",
            question="What becomes of an export without events?",
            expected="COMPLETED, no object",
            relies="services/exporter/src/exporter/export.py",
            means="Windows without events are exported again and again, or fail: see the dead "
            "letters, and report it.",
        ),
        _empty,
    ),
    Probe(
        Question(
            name="export-second-task",
            question="What does AWS say to a second task while one is active?",
            expected="LimitExceededException",
            relies="services/exporter/src/exporter/aws/source_account.py",
            means="The exporter takes another refusal for one that a person mends: exports fail "
            "where the slot is busy. Report it.",
        ),
        _second,
    ),
    Probe(
        Question(
            name="export-cancelling",
            question="What does AWS say to a second task while one is being cancelled?",
            expected="LimitExceededException",
            relies="services/exporter/src/exporter/task.py",
            means="Where accepted, nothing is lost: the halves of a window that was cut in two "
            "begin sooner. With another refusal, they become dead letters: report it.",
        ),
        _cancelling,
    ),
    Probe(
        Question(
            name="export-cancelled",
            question="In which state does a cancelled task end?",
            expected="CANCELLED",
            relies="services/exporter/src/exporter/task.py",
            means="The exporter waits for a state that does not come: a split window stays "
            "under way. Report it.",
        ),
        _cancelled,
    ),
    Probe(
        Question(
            name="export-order",
            question="In which order does DescribeExportTasks list tasks?",
            expected="newest first",
            relies="services/exporter/src/exporter/aws/source_account.py",
            means="A task whose creation was not answered may be overlooked, and its window "
            "exported twice: nothing is lost. Report it.",
        ),
        _order,
    ),
)
