"""One account's export slot, simulated: the exporter's own code against others' ways.

Everything runs on a simulated clock, so the numbers do not depend on the machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isinf
from statistics import median
from unittest.mock import patch

from botocore.config import Config
from rich.console import Console
from rich.table import Table

from benchmarks.simulation.exporter_run import (
    BYTES_PER_PAGE,
    Function,
    Latencies,
    drain,
    drain_both,
)
from benchmarks.simulation.others import aws_logs_export_to_s3, fixed_polling
from benchmarks.simulation.outages import Pattern
from benchmarks.simulation.usage import Usage, side_by_side
from benchmarks.simulation.workload import (
    LogGroup,
    active,
    log_groups,
    serial_bound_s,
    two_lane_optimum_s,
)
from exporter import waiting
from exporter.aws.clients import CLIENT_CONFIG, CREATE_CONFIG
from exporter.settings import (
    DEFAULT_DIRECT_LANE_CALLS_PER_SECOND,
    DEFAULT_DIRECT_LANE_MAX_BYTES,
)
from logferry.config import DirectLaneConfig
from planner.plan import LEAST_OFFERED_BYTES

T0_S = (2.0, 10.0, 30.0)
RUNS = {50: 9, 500: 5, 1000: 5, 5000: 1}
"""How many workloads of each size; the tables show medians."""
SHOWN_T0_S = 10.0
"""What the columns beyond the makespan are about."""
CREATE = "logs.CreateExportTask"
OUTAGE_S = (1.0, 3.0)
OUTAGES_EVERY_S = 10.0
"""How long AWS answers with 503 in the throttled hour, and how often that begins."""
RETRIES = {
    "as shipped": CLIENT_CONFIG,
    "standard mode, 5 attempts": Config(retries={"mode": "standard", "total_max_attempts": 5}),
}

LIMITS = {
    "exporter.makespan_over_serial_bound.n500": 1.05,
    "exporter.makespan_over_serial_bound.n5000": 1.05,
    "exporter.makespan_over_all_groups_bound.skip_and_direct.n1000": 0.34,
    "exporter.makespan_over_all_groups_bound.skip_and_direct.n1000.calls10": 0.275,
    "exporter.makespan_over_all_groups_bound.skip_and_direct.n1000.calls25": 0.18,
    "exporter.makespan_over_two_lane_optimum.n1000": 1.13,
    "exporter.makespan_over_two_lane_optimum.n1000.calls25": 1.25,
    "exporter.dollars_per_1000_log_groups.one_lane": 0.02,
    "exporter.dollars_per_1000_log_groups.two_lanes": 0.055,
    "exporter.dollars_per_1000_log_groups.two_lanes.calls10": 0.065,
    "exporter.dollars_per_1000_log_groups.two_lanes.calls25": 0.09,
    "exporter.describe_calls_per_export": 6,
    "exporter.describe_calls_per_export.two_lanes": 6,
    "exporter.duplicate_exports": 0,
    "exporter.given_up_in_throttled_hour": 0,
}
"""What each should not be more than; what is, is told."""

MB = 10**6
WIDTH = 140
SHIPPED = DirectLaneConfig()


@dataclass(frozen=True)
class DirectLane:
    """How the direct lane is set up; by default as it is shipped.

    Attributes:
        planned_bytes: A log group that is guessed to have less may go this way.
        most_bytes: How much is read at once; one that has more is read in parts.
        calls_per_s: Of FilterLogEvents.
        page_s: Until AWS has answered with a page of events.
        timeout_s: The function's.
        memory_mb: The function's; None for what it is given for so many calls.
        look: Of the slot's time, that a look at a task is worth at most, as `waiting.MOST_COST`.
    """

    planned_bytes: int = SHIPPED.planned_bytes
    most_bytes: int = DEFAULT_DIRECT_LANE_MAX_BYTES
    calls_per_s: int = DEFAULT_DIRECT_LANE_CALLS_PER_SECOND
    page_s: float = Latencies.page_s
    timeout_s: int = SHIPPED.function_timeout_s
    memory_mb: int | None = None
    look: float = waiting.MOST_COST


@dataclass(frozen=True)
class Run:
    """One workload drained in one way."""

    groups: Sequence[LogGroup]
    usage: Usage

    @property
    def over_all(self) -> float:
        """Makespan ÷ what the tasks of all log groups take without a pause."""
        return self.usage.makespan_s / serial_bound_s(self.groups)

    def over_optimum(self, calls_per_s: float) -> float:
        """Makespan ÷ the least that both lanes could do with, at so many calls a second."""
        bytes_per_s = calls_per_s * BYTES_PER_PAGE
        return self.usage.makespan_s / two_lane_optimum_s(self.groups, bytes_per_s)

    @property
    def over_active(self) -> float:
        """Makespan ÷ what the tasks of those with events take without a pause."""
        return self.usage.makespan_s / serial_bound_s(active(self.groups))

    @property
    def dollars_per_1000_log_groups(self) -> float:
        """Of all log groups, also the idle ones."""
        return self.usage.dollars / len(self.groups) * 1000

    @property
    def dollars_per_1000_exports(self) -> float:
        """Of those that were exported."""
        return self.usage.dollars / max(len(self.usage.tasks), len(self.usage.announced)) * 1000


type Strategy = Callable[[Sequence[LogGroup], int], Usage]
"""Takes all log groups and the workload's number."""


def bound(groups: Sequence[LogGroup], _seed: int) -> Usage:
    """What one slot allows for the active log groups: no moment between their tasks."""
    return Usage(makespan_s=serial_bound_s(active(groups)))


def ours(groups: Sequence[LogGroup], _seed: int) -> Usage:
    """Every log group through the slot, the smallest first, as the planner orders them."""
    return drain(_smallest_first(groups))


def skipping(groups: Sequence[LogGroup], _seed: int) -> Usage:
    """Only the log groups that have events: their metrics say so."""
    usage = drain(_smallest_first(active(groups)))
    usage.calls["cloudwatch.GetMetricData"] += len(groups)
    return usage


def with_direct_lane(lane: DirectLane) -> Strategy:
    """Only those with events, which both lanes share."""

    def two_lanes(groups: Sequence[LogGroup], _seed: int) -> Usage:
        with patch.object(waiting, "MOST_COST", lane.look):
            usage = drain_both(
                _smallest_first(active(groups)),
                least_bytes=LEAST_OFFERED_BYTES,
                most_bytes=lane.planned_bytes,
                latencies=Latencies(page_s=lane.page_s),
                functions={"slot": _slot_beside(lane), "direct": _function(lane)},
            )
        usage.calls["cloudwatch.GetMetricData"] += len(groups)
        return usage

    return two_lanes


def _slot_beside(lane: DirectLane) -> Function:
    return Function(settings={"direct_lane_calls_per_second": lane.calls_per_s})


def _function(lane: DirectLane) -> Function:
    as_shipped = DirectLaneConfig(calls_per_second=lane.calls_per_s)
    return Function(
        timeout_s=lane.timeout_s,
        memory_mb=lane.memory_mb or as_shipped.function_memory_mb,
        settings={
            "direct_lane_max_bytes": lane.most_bytes,
            "direct_lane_calls_per_second": lane.calls_per_s,
        },
    )


def _smallest_first(groups: Sequence[LogGroup]) -> list[LogGroup]:
    return sorted(groups, key=lambda group: group.estimated_bytes)


def polling(every_s: float) -> Strategy:
    """Return others' way: look every so many seconds."""
    return lambda groups, _seed: fixed_polling(groups, every_s=every_s)


BOUND = "bound: active, no pause"
OURS = "logferry"
SKIPPING = "logferry, skipping"
DIRECT = "logferry, skipping, direct lane"
THEIRS = "aws-logs-export-to-s3"
FEWER_LOOKS = 1.0
"""With that even a few long tasks have about as many looks each as many short ones."""
STRATEGIES: dict[str, Strategy] = {
    BOUND: bound,
    OURS: ours,
    SKIPPING: skipping,
    DIRECT: with_direct_lane(DirectLane()),
    THEIRS: lambda groups, seed: aws_logs_export_to_s3(groups, seed=seed),
    "fixed polling, 5 s": polling(5),
    "fixed polling, 30 s": polling(30),
    "fixed polling, 60 s": polling(60),
}
OTHER_LANES = {
    "direct lane: up to 800 MB": DirectLane(planned_bytes=800 * MB),
    "direct lane: pages in 0.35 s": DirectLane(page_s=0.35),
    "direct lane: 1 GB of memory": DirectLane(memory_mb=1024),
    "direct lane: 10 calls a second": DirectLane(calls_per_s=10),
    "direct lane: 25 calls a second": DirectLane(calls_per_s=25),
    "fewer looks": DirectLane(look=FEWER_LOOKS),
    "fewer looks, 10 calls a second": DirectLane(calls_per_s=10, look=FEWER_LOOKS),
    "fewer looks, 25 calls a second": DirectLane(calls_per_s=25, look=FEWER_LOOKS),
}
"""What the direct lane's settings, and AWS, come to: each differs in one thing from the shipped."""


LANES = {DIRECT: DirectLane()} | OTHER_LANES


def run() -> dict[str, float]:
    """Print the tables and return the numbers."""
    console = Console(width=WIDTH)
    results = {
        (count, t0_s): _runs(STRATEGIES, count, t0_s) for count in (50, 500, 5000) for t0_s in T0_S
    }
    for count in (50, 500, 5000):
        console.print(_table(count, {t0_s: results[count, t0_s] for t0_s in T0_S}))
    strategies: dict[str, Strategy] = {SKIPPING: skipping}
    strategies |= {name: with_direct_lane(lane) for name, lane in LANES.items()}
    two_lanes = _runs(strategies, 1000, SHOWN_T0_S)
    others = {
        t0_s: _runs({DIRECT: STRATEGIES[DIRECT]}, 1000, t0_s) for t0_s in T0_S if t0_s != SHOWN_T0_S
    }
    shown = {f"{DIRECT}, {t0_s:.0f} s a task": runs[DIRECT] for t0_s, runs in others.items()}
    console.print(_lanes_table(two_lanes | shown))
    hour = _throttled_hour()
    console.print(_throttled_table(hour))
    return _numbers(results, two_lanes) | {
        "exporter.given_up_in_throttled_hour": _given_up(hour["as shipped", OUTAGE_S[0]]),
        "exporter.given_up_in_throttled_hour.standard_mode": _given_up(
            hour["standard mode, 5 attempts", OUTAGE_S[0]]
        ),
    }


def _throttled_hour() -> dict[tuple[str, float], Usage]:
    """Drain an hour's work, of both lanes, while AWS is out for moments again and again."""
    groups = [
        group
        for group in active(log_groups(1500, t0_s=SHOWN_T0_S, seed=0))
        if group.size_bytes < SHIPPED.planned_bytes
    ]
    return {
        (name, outage_s): side_by_side(
            drain(_smallest_first(groups), lane=lane, pattern=pattern)
            for lane in ("slot", "direct")
        )
        for name, config in RETRIES.items()
        for outage_s in OUTAGE_S
        for pattern in [
            Pattern(
                outage_s=outage_s,
                every_s=OUTAGES_EVERY_S,
                config=config,
                others={CREATE: CREATE_CONFIG},
            )
        ]
    }


def _given_up(usage: Usage) -> int:
    """Return how many calls ended with an error, but those that may not be made twice."""
    return usage.given_up.total() - usage.given_up[CREATE]


def _throttled_table(hour: dict[tuple[str, float], Usage]) -> Table:
    table = Table(title=f"AWS answers with 503 every {OUTAGES_EVERY_S:.0f} s", box=None)
    for heading in ("retries", "for", "hours", "calls", "given up", "CreateExportTask given up"):
        table.add_column(heading, justify="left" if heading == "retries" else "right")
    for (name, outage_s), usage in hour.items():
        table.add_row(
            name,
            f"{outage_s:.0f} s",
            f"{usage.makespan_s / 3600:.2f}",
            f"{usage.calls.total():,}",
            str(_given_up(usage)),
            str(usage.given_up[CREATE]),
        )
    return table


def _runs(strategies: dict[str, Strategy], count: int, t0_s: float) -> dict[str, list[Run]]:
    """Drain the same workloads in every way."""
    results: dict[str, list[Run]] = {name: [] for name in strategies}
    for seed in range(RUNS[count]):
        groups = log_groups(count, t0_s=t0_s, seed=seed)
        for name, strategy in strategies.items():
            results[name].append(Run(groups, strategy(groups, seed)))
    return results


def _of(runs: Sequence[Run], measure: Callable[[Run], float]) -> float:
    return median(measure(run) for run in runs)


def _table(count: int, results: dict[float, dict[str, list[Run]]]) -> Table:
    table = Table(title=f"{count} log groups, 80 % of them idle: makespan ÷ bound", box=None)
    table.add_column("strategy", no_wrap=True)
    for t0_s in results:
        for which in ("all", "active"):
            table.add_column(f"{t0_s:.0f} s\n{which}", justify="right")
    _add_columns(table)
    for name, shown in results[SHOWN_T0_S].items():
        ratios = [
            _number(_of(of_t0[name], measure), 3)
            for of_t0 in results.values()
            for measure in (lambda run: run.over_all, lambda run: run.over_active)
        ]
        table.add_row(name, *ratios, *_columns(shown))
    table.caption = (
        "2, 10, 30 s: what a task takes without data. all, active: ÷ what the tasks of all log "
        f"groups take without a pause, or of those with events. The rest: {SHOWN_T0_S:.0f} s."
    )
    return table


def _lanes_table(results: dict[str, list[Run]]) -> Table:
    table = Table(title="1000 log groups, 10 s a task where not said: two lanes", box=None)
    table.add_column("strategy", no_wrap=True)
    table.add_column("÷ bound\nof all", justify="right")
    table.add_column("÷ optimum of\ntwo lanes", justify="right")
    _add_columns(table)
    for name, runs in results.items():
        lane = LANES.get(name) or (LANES[DIRECT] if name.startswith(DIRECT) else None)
        table.add_row(
            name,
            _number(_of(runs, lambda run: run.over_all), 3),
            "" if lane is None else _number(_over_optimum(runs, lane), 3),
            *_columns(runs),
        )
    return table


def _add_columns(table: Table) -> None:
    for heading in (
        "Describe\nper task",
        "dupli-\ncates",
        "GB-s per\n1,000 groups",
        "$ per 1,000\ngroups",
        "$ per 1,000\nexports",
    ):
        table.add_column(heading, justify="right")


def _columns(runs: Sequence[Run]) -> list[str]:
    if not any(run.usage.calls for run in runs):
        return []
    return [
        _number(_of(runs, lambda run: run.usage.describe_calls_per_export), 1),
        _number(_of(runs, lambda run: run.usage.duplicates), 0),
        _number(_of(runs, _gb_s_per_1000_log_groups), 0),
        _number(_of(runs, lambda run: run.dollars_per_1000_log_groups), 3),
        _number(_of(runs, lambda run: run.dollars_per_1000_exports), 3),
    ]


def _gb_s_per_1000_log_groups(run: Run) -> float:
    return run.usage.gb_s / len(run.groups) * 1000


def _number(value: float, digits: int) -> str:
    return "never" if isinf(value) else f"{value:,.{digits}f}"


def _numbers(
    results: dict[tuple[int, float], dict[str, list[Run]]], two_lanes: dict[str, list[Run]]
) -> dict[str, float]:
    def worst(count: int, name: str, measure: Callable[[Run], float]) -> float:
        return max(_of(results[count, t0_s][name], measure) for t0_s in T0_S)

    numbers = {
        f"exporter.makespan_over_serial_bound.n{count}": worst(
            count, SKIPPING, lambda run: run.over_active
        )
        for count in (50, 500, 5000)
    }
    for name, lane in LANES.items():
        if lane == DirectLane(calls_per_s=lane.calls_per_s):
            calls = "" if name == DIRECT else f".calls{lane.calls_per_s}"
            numbers |= _of_lane(two_lanes[name], lane, calls)
    numbers["exporter.describe_calls_per_export"] = worst(
        500, SKIPPING, lambda run: run.usage.describe_calls_per_export
    )
    numbers["exporter.duplicate_exports"] = sum(
        run.usage.duplicates
        for of_strategies in (*results.values(), two_lanes)
        for name in (OURS, SKIPPING, DIRECT)
        for run in of_strategies.get(name, [])
    )
    numbers["exporter.duplicate_exports.aws_logs_export_to_s3.n50"] = _of(
        results[50, SHOWN_T0_S][THEIRS], lambda run: run.usage.duplicates
    )
    for lanes, name in (("one_lane", SKIPPING), ("two_lanes", DIRECT)):
        numbers |= {
            f"exporter.dollars_per_1000_log_groups.{lanes}": _of(
                two_lanes[name], lambda run: run.dollars_per_1000_log_groups
            ),
            f"exporter.dollars_per_1000_exports.{lanes}": _of(
                two_lanes[name], lambda run: run.dollars_per_1000_exports
            ),
            f"exporter.gb_s_per_1000_log_groups.{lanes}": _of(
                two_lanes[name], _gb_s_per_1000_log_groups
            ),
        }
    return numbers


def _of_lane(runs: Sequence[Run], lane: DirectLane, calls: str) -> dict[str, float]:
    """Return the numbers of two lanes at some calls a second, which the names end in."""
    return {
        f"exporter.makespan_over_all_groups_bound.skip_and_direct.n1000{calls}": _of(
            runs, lambda run: run.over_all
        ),
        f"exporter.makespan_over_two_lane_optimum.n1000{calls}": _over_optimum(runs, lane),
        f"exporter.dollars_per_1000_log_groups.two_lanes{calls}": _of(
            runs, lambda run: run.dollars_per_1000_log_groups
        ),
        f"exporter.describe_calls_per_export.two_lanes{calls}": _of(
            runs, lambda run: run.usage.describe_calls_per_export
        ),
    }


def _over_optimum(runs: Sequence[Run], lane: DirectLane) -> float:
    return _of(runs, lambda run: run.over_optimum(lane.calls_per_s))
