"""The same simulation against the deployed exporter on LocalStack: is the model right?

Fifty export tasks of known durations, once for real on this machine and once simulated, with the
times that LocalStack takes for a call and for handing a message over.
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
from benchmarks.simulation.exporter_run import Function, Latencies, drain
from benchmarks.simulation.workload import LogGroup, serial_bound_s
from devstack import localstack
from devstack.organisation import LogGroup as EmulatedLogGroup
from devstack.organisation import LogStream, previous_day
from devstack.suite import Suite
from logferry.package import build_zips
from logferry_contracts.export import Destination, export_id
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
FUNCTION_TIMEOUT_S = 6
"""As devstack deploys the exporter."""
PATIENCE_S = 300
MESSAGES_PER_BATCH = 10
LIMITS: _limits.Limits = {
    "exporter.simulated_over_emulated_makespan.n50": _limits.Between(0.90, 1.10),
}


def run() -> dict[str, float]:
    """Print both makespans and return how far they are apart."""
    console = Console()
    groups = _log_groups(WARM_UP + EXPORTS)
    with _suite(console) as suite:
        suite.put_logs(ACCOUNT_ID, map(_emulated, groups))
        pace = {"pending_s": 0.1, "running_s": FIXED_S - 0.1, "bytes_per_second": BYTES_PER_S}
        suite.control("exports", {"account": ACCOUNT_ID, **pace})
        with console.status(f"Exporting {len(groups)} log groups on LocalStack"):
            latencies = _latencies(_export(suite, groups[:WARM_UP])[1])
            makespan_s, records = _export(suite, groups[WARM_UP:])
    measured = _as_measured(groups[WARM_UP:], records)
    function = Function(timeout_s=FUNCTION_TIMEOUT_S)
    simulated = drain(measured, latencies=latencies, function=function)
    bound_s = serial_bound_s(measured)
    console.print(_table({"LocalStack": makespan_s, "simulated": simulated.makespan_s}, bound_s))
    console.print(
        f"LocalStack took {latencies.call_s * 1000:.0f} ms for a call and "
        f"{latencies.hand_off_s * 1000:.0f} ms to hand a message over.",
        style="dim",
    )
    return {
        "exporter.simulated_over_emulated_makespan.n50": simulated.makespan_s / makespan_s,
        "exporter.emulated_makespan_over_serial_bound.n50": makespan_s / bound_s,
    }


def _table(makespans_s: dict[str, float], bound_s: float) -> Table:
    table = Table(title=f"{EXPORTS} exports, {bound_s:.0f} s of tasks", box=None)
    table.add_column("")
    table.add_column("makespan", justify="right")
    table.add_column("÷ bound", justify="right")
    for name, makespan_s in makespans_s.items():
        table.add_row(name, f"{makespan_s:.1f} s", f"{makespan_s / bound_s:.3f}")
    return table


def _as_measured(groups: Sequence[LogGroup], records: Sequence[LedgerRecord]) -> list[LogGroup]:
    """Return the log groups with what their tasks took: LocalStack's own work is in it."""
    took_s = {record.log_group.name: _took_s(record) for record in records}
    return [replace(group, task_s=took_s[group.name]) for group in groups]


def _took_s(record: LedgerRecord) -> float:
    completed = record.completed
    if completed is None or not completed.task_created_ms or not completed.task_completed_ms:
        raise RuntimeError(f"{record.log_group.name} is {record.state}")
    return (completed.task_completed_ms - completed.task_created_ms) / 1000


def _log_groups(count: int) -> list[LogGroup]:
    """Return log groups whose tasks' durations have a heavy tail, in a hundredth of the time."""
    rng = random.Random(1)  # noqa: S311  (reproducible, and no secret)

    def log_group(number: int) -> LogGroup:
        wanted = min(MEDIAN_BYTES * rng.lognormvariate(0, BYTES_SIGMA), MOST_BYTES)
        size = round(wanted / LINE_BYTES) * LINE_BYTES
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
            suite = Suite(started.endpoint, hub_account_id=HUB_ACCOUNT_ID, accounts=accounts)
            suite.deploy(zips)
        yield suite


def _export(suite: Suite, groups: Sequence[LogGroup]) -> tuple[float, list[LedgerRecord]]:
    """Request log groups and wait for the last one; return how long it took, and the ledger."""
    requests = [_request(suite, group) for group in groups]
    sqs, url = suite.client("sqs"), suite.queue_url(suite.source(PROFILE).queue_name)
    began_s = time.time()
    for batch in batched(requests, MESSAGES_PER_BATCH, strict=False):
        sqs.send_message_batch(QueueUrl=url, Entries=[_entry(request) for request in batch])
    records: list[LedgerRecord] = []
    wanted = {request.export_id for request in requests}
    while len(records) < len(groups):
        if time.time() - began_s > PATIENCE_S:
            raise TimeoutError(f"only {len(records)} of {len(groups)} exports ended")
        time.sleep(1)
        if suite.waiting(suite.source(PROFILE).queue_name) == 0:
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
        "MessageGroupId": request.source.slot,
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
