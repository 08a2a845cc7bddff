"""The same simulation against the deployed exporter on LocalStack: is the model right?

Fifty exports, through the slot alone and through both lanes, with tasks of known durations, once
for real on this machine and once simulated, with the times that LocalStack takes for a call, for a
page of events and for handing a message over.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import batched, pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks import _limits
from benchmarks.simulation.exporter_run import (
    SLOT_MEMORY_MB,
    Function,
    Latencies,
    drain,
    drain_both,
)
from benchmarks.simulation.workload import LogGroup, serial_bound_s
from devstack import localstack
from devstack.organisation import LogGroup as EmulatedLogGroup
from devstack.organisation import LogStream, previous_day
from devstack.suite import Suite
from exporter.waiting import Ended
from logferry.config import Config, DirectLaneConfig, ExporterConfig
from logferry.package import build_zips
from logferry_contracts.export import Destination, Lane, export_id
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup as NamedLogGroup
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

PROFILE = "bench"
ACCOUNT_ID = "222233334444"
HUB_ACCOUNT_ID = "111122223333"
EXPORTS = 50
WARM_UP = 8
FIXED_S = 1.0
"""Of every task: pending, then running."""
BYTES_PER_S = 25_000
MEDIAN_BYTES = 10_000
BYTES_SIGMA = 1.5
MOST_BYTES = 400_000
LINE = "x" * 999
LINE_BYTES = len("2026-11-21T15:00:00.000Z ") + len(LINE) + 1
CALLS_PER_S = 1
"""Of FilterLogEvents: with windows of one page the direct lane would leave the slot nothing."""
DIRECT = DirectLaneConfig(calls_per_second=CALLS_PER_S)
SLOT_TIMEOUT_S = ExporterConfig().function_timeout_s
LOOKS_AT_PAGE = 9
PATIENCE_S = 600
MESSAGES_PER_BATCH = 10
LIMITS: _limits.Limits = {
    "exporter.simulated_over_emulated_makespan.n50": _limits.Between(0.90, 1.10),
    "exporter.simulated_over_emulated_makespan.two_lanes.n50": _limits.Between(0.90, 1.10),
}


class AsShipped(Suite):
    """The suite with the timeouts of a deployment, which devstack's tests have no time for."""

    @property
    def config(self) -> Config:
        """What is deployed."""
        document = super().config.model_dump(mode="json", exclude_none=True)
        lane = {"calls_per_second": CALLS_PER_S}
        return Config.model_validate(document | {"exporter": {}, "direct_lane": lane})


def run() -> dict[str, float]:
    """Print the makespans and return how far they are apart."""
    console = Console()
    groups = _log_groups(WARM_UP + 2 * EXPORTS)
    with _suite(console) as suite:
        suite.put_logs(ACCOUNT_ID, map(_emulated, groups))
        pace = {"pending_s": 0.1, "running_s": FIXED_S - 0.1, "bytes_per_second": BYTES_PER_S}
        suite.control("exports", {"account": ACCOUNT_ID, **pace})
        warm_up, first, second = groups[:WARM_UP], groups[WARM_UP:-EXPORTS], groups[-EXPORTS:]
        with console.status(f"Exporting {len(groups)} log groups on LocalStack"):
            known = _export(suite, warm_up)[1]
            latencies = replace(_latencies(known), page_s=_page_s(suite, warm_up[0]))
            one = _export(suite, first)
            two = _export(suite, _smallest_first(second), are_offers=True)
    in_one, in_two = _as_measured(first, one[1]), _as_measured(_smallest_first(second), two[1])
    slot = _function(SLOT_TIMEOUT_S, SLOT_MEMORY_MB, known)
    one_s = drain(in_one, latencies=latencies, function=slot).makespan_s
    two_s = drain_both(
        in_two,
        least_bytes=0,
        most_bytes=MOST_BYTES * 10,
        latencies=latencies,
        functions={
            "slot": _function(SLOT_TIMEOUT_S, SLOT_MEMORY_MB, [*known, *one[1]]),
            "direct": _function(DIRECT.function_timeout_s, DIRECT.function_memory_mb),
        },
    ).makespan_s
    bound_s = serial_bound_s(in_one)
    shown = {"slot, LocalStack": one[0], "slot, simulated": one_s}
    shown |= {"both lanes, LocalStack": two[0], "both lanes, simulated": two_s}
    console.print(_table(shown, bound_s))
    tasks = sum(record.submitted is not None for record in two[1])
    console.print(
        f"LocalStack took {latencies.call_s * 1000:.0f} ms for a call, "
        f"{latencies.page_s * 1000:.0f} ms for a page and {latencies.hand_off_s * 1000:.0f} ms to "
        f"hand a message over. Of both lanes the slot took {tasks}.",
        style="dim",
    )
    return {
        "exporter.simulated_over_emulated_makespan.n50": one_s / one[0],
        "exporter.simulated_over_emulated_makespan.two_lanes.n50": two_s / two[0],
        "exporter.emulated_makespan_over_serial_bound.n50": one[0] / bound_s,
    }


def _function(timeout_s: int, memory_mb: int, known: Sequence[LedgerRecord] = ()) -> Function:
    """Return how a function is set up, and what it has learnt of tasks and remembers."""
    in_turn = sorted(known, key=_published_at)
    return Function(
        timeout_s=timeout_s,
        memory_mb=memory_mb,
        settings={"direct_lane_calls_per_second": CALLS_PER_S},
        known=[Ended(record.estimated_bytes or 0, _took_s(record)) for record in in_turn],
    )


def _smallest_first(groups: Sequence[LogGroup]) -> list[LogGroup]:
    return sorted(groups, key=lambda group: group.estimated_bytes)


def _page_s(suite: Suite, group: LogGroup) -> float:
    """Return how long a page of events takes, at the median."""
    logs, took_s = suite.client("logs", ACCOUNT_ID), []
    for _ in range(LOOKS_AT_PAGE):
        began_s = time.perf_counter()
        logs.filter_log_events(logGroupName=group.name)
        took_s.append(time.perf_counter() - began_s)
    return median(took_s)


def _table(makespans_s: dict[str, float], bound_s: float) -> Table:
    table = Table(title=f"{EXPORTS} exports, {bound_s:.0f} s of tasks in the slot", box=None)
    table.add_column("")
    table.add_column("makespan", justify="right")
    table.add_column("÷ bound", justify="right")
    for name, makespan_s in makespans_s.items():
        table.add_row(name, f"{makespan_s:.1f} s", f"{makespan_s / bound_s:.3f}")
    return table


def _as_measured(groups: Sequence[LogGroup], records: Sequence[LedgerRecord]) -> list[LogGroup]:
    """Return the log groups with what their tasks took: LocalStack's own work is in it."""
    took_s = {
        record.log_group.name: _took_s(record) for record in records if record.submitted is not None
    }
    return [replace(group, task_s=took_s.get(group.name, group.task_s)) for group in groups]


def _took_s(record: LedgerRecord) -> float:
    completed = record.completed
    if completed is None or not completed.task_created_ms or not completed.task_completed_ms:
        raise RuntimeError(f"{record.log_group.name} is {record.state}")
    return (completed.task_completed_ms - completed.task_created_ms) / 1000


def _log_groups(count: int) -> list[LogGroup]:
    """Return log groups whose tasks' durations have a heavy tail, in a hundredth of the time."""
    rng = random.Random(1)  # noqa: S311  (reproducible, and no secret)

    def log_group(number: int) -> LogGroup:
        # One line at least: for a task without objects the slot reads, and readers share the calls.
        wanted = min(MEDIAN_BYTES * rng.lognormvariate(0, BYTES_SIGMA), MOST_BYTES)
        size = max(round(wanted / LINE_BYTES), 1) * LINE_BYTES
        return LogGroup(f"/bench/{number}", size, size, FIXED_S + size / BYTES_PER_S)

    return [log_group(number) for number in range(count)]


def _emulated(group: LogGroup) -> EmulatedLogGroup:
    window = _window()
    events = [(window.from_ms + n, LINE) for n in range(group.size_bytes // LINE_BYTES)]
    return EmulatedLogGroup(group.name, window.from_ms - 1, [LogStream("stream", events)])


def _window() -> Window:
    return previous_day(datetime.now(UTC))


@contextmanager
def _suite(console: Console) -> Iterator[Suite]:
    with TemporaryDirectory(prefix="logferry-bench-") as folder, ExitStack() as running:
        with console.status("Starting LocalStack and deploying the suite"):
            zips = build_zips(Path(folder, "zips"))
            started = running.enter_context(localstack.running(Path(folder, "localstack")))
            accounts = {PROFILE: ACCOUNT_ID}
            suite = AsShipped(started.endpoint, hub_account_id=HUB_ACCOUNT_ID, accounts=accounts)
            suite.deploy(zips)
        yield suite


def _export(
    suite: Suite, groups: Sequence[LogGroup], *, are_offers: bool = False
) -> tuple[float, list[LedgerRecord]]:
    """Request log groups and wait for the last one; return how long it took, and the ledger.

    Args:
        suite: The deployed one.
        groups: In the order of the queue; the slot's has the opposite one, where both are asked.
        are_offers: Whether both lanes are asked.
    """
    requests = [_request(suite, group) for group in groups]
    source, sqs = suite.source(PROFILE), suite.client("sqs")
    asked: dict[Lane, list[ExportRequestedData]] = {"slot": requests}
    if are_offers:
        requests = [each.model_copy(update={"offered": True}) for each in requests]
        direct = [each.model_copy(update={"lane": "direct"}) for each in requests]
        for each in direct:
            suite.write_record(each)
        asked = {"direct": direct, "slot": requests[::-1]}
    began_s = time.time()
    for lane, of_lane in asked.items():
        name = source.direct_queue_name if lane == "direct" else source.queue_name
        for batch in batched(of_lane, MESSAGES_PER_BATCH, strict=False):
            entries = [_entry(request) for request in batch]
            sqs.send_message_batch(QueueUrl=suite.queue_url(name), Entries=entries)
    records: list[LedgerRecord] = []
    wanted = {request.export_id for request in requests}
    while len(records) < len(groups):
        if time.time() - began_s > PATIENCE_S:
            raise TimeoutError(f"only {len(records)} of {len(groups)} exports ended")
        time.sleep(1)
        if all(suite.waiting(name) == 0 for name in (source.queue_name, source.direct_queue_name)):
            records = [record for record in suite.ledger() if record.export_id in wanted]
    ends = [datetime.fromisoformat(_published_at(record)).timestamp() for record in records]
    return max(ends) - began_s, records


def _request(suite: Suite, group: LogGroup) -> ExportRequestedData:
    source, window = suite.source(PROFILE), _window()
    return ExportRequestedData(
        export_id=export_id(source, group.name, window, 1),
        generation=1,
        source=Source(
            **source.model_dump(), role_arn=f"arn:aws:iam::{ACCOUNT_ID}:role/logferry-source"
        ),
        log_group=NamedLogGroup(
            name=group.name,
            arn=f"arn:aws:logs:{source.region}:{ACCOUNT_ID}:log-group:{group.name}",
            log_group_class="STANDARD",
            created_ms=window.from_ms - 1,
        ),
        window=window,
        destination=Destination(bucket=suite.archive_bucket, prefix=f"{PROFILE}{group.name}"),
        lane="slot",
        estimated_bytes=group.estimated_bytes,
    )


def _entry(request: ExportRequestedData) -> dict[str, str]:
    event = ExportRequested.of(
        request, id=request.export_id, source="urn:logferry:benchmarks", time=datetime.now(UTC)
    )
    return {
        "Id": request.export_id,
        "MessageBody": emit(event),
        "MessageGroupId": (
            request.source.direct_slot if request.lane == "direct" else request.source.slot
        ),
        "MessageDeduplicationId": request.export_id,
    }


def _latencies(records: Sequence[LedgerRecord]) -> Latencies:
    """Return what the ledger's times say of LocalStack.

    Between a completion and its publication are two calls; between that and the next export's
    first record two as well, and the hand-over.
    """
    ordered = sorted(records, key=_published_at)
    call_s = median(
        _seconds(record.completed.at, _published_at(record)) / 2
        for record in ordered
        if record.completed is not None
    )
    gap_s = median(
        _seconds(_published_at(before), after.requested_at) for before, after in pairwise(ordered)
    )
    return Latencies(call_s=call_s, hand_off_s=gap_s - 2 * call_s, work_s=0, cold_start_s=0)


def _published_at(record: LedgerRecord) -> str:
    if record.completed is None or record.completed.published_at is None:
        raise RuntimeError(f"{record.log_group.name} is {record.state}")
    return record.completed.published_at


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
