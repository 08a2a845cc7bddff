"""`logferry status` beside 0.2.0's, in turns, of the same ledger in which nothing is open.

The endpoint is a process of its own. What counts is the CPU of the commands, their start included,
and how often they ask.
"""

from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.fleet.asking import (
    DAYS,
    GROUPS,
    MANY_DAYS,
    SOURCES,
    ask,
    cpu_s,
    peak_mb,
    serving,
    unpack_0_2_0,
    write_config,
)

ROUNDS = 3
LIMITS = {
    "status.cpu_over_0_2_0": 0.06,
    f"status.cpu_over_0_2_0.days{MANY_DAYS}": 0.06,
    "status.calls_over_0_2_0": 0.02,
    f"status.calls_over_0_2_0.days{MANY_DAYS}": 0.02,
    f"status.mb_over_days{DAYS}.days{MANY_DAYS}": 1.1,
}


def run() -> dict[str, float]:
    """Print what both take, and what ours takes of two years."""
    console = Console()
    with TemporaryDirectory() as scratch:
        release, command = unpack_0_2_0(scratch), ("status", str(write_config(scratch)))
        with console.status("Looking"):
            with serving(DAYS) as url:
                rounds = [
                    (ask(url, *command, path=release), ask(url, *command)) for _ in range(ROUNDS)
                ]
            with serving(MANY_DAYS) as url:
                many = [ask(url, *command) for _ in range(ROUNDS)]
    before, now = ([each[of] for each in rounds] for of in (0, 1))
    table = Table(title=f"{SOURCES} sources, {GROUPS} log groups, nothing open", box=None)
    for column in ("", "CPU s", "MB", "calls"):
        table.add_column(column, justify="right" if column else "left")
    rows = {f"0.2.0, {DAYS} days": before, f"{DAYS} days": now, f"{MANY_DAYS} days": many}
    for name, of_it in rows.items():
        took_s, took_mb = (median(map(which, of_it)) for which in (cpu_s, peak_mb))
        table.add_row(name, f"{took_s:.2f}", f"{took_mb:.0f}", f"{of_it[-1].calls:,}")
    console.print(table)
    cpu = median(ours.cpu_s / theirs.cpu_s for theirs, ours in rounds)
    cpu_of_many = median(map(cpu_s, many)) / median(map(cpu_s, before))
    calls = now[-1].calls / before[-1].calls
    calls_of_many = many[-1].calls / before[-1].calls
    return {
        "status.cpu_over_0_2_0": cpu,
        f"status.cpu_over_0_2_0.days{MANY_DAYS}": cpu_of_many,
        "status.calls_over_0_2_0": calls,
        f"status.calls_over_0_2_0.days{MANY_DAYS}": calls_of_many,
        f"status.mb_over_days{DAYS}.days{MANY_DAYS}": median(map(peak_mb, many))
        / median(map(peak_mb, now)),
    }
