"""`logferry events replay --dry-run` beside 0.2.0's, of the same fortnight of a ledger.

Its windows are counted, as `logferry index rebuild` or an earlier reader leaves them. The endpoint
is a process of its own. What counts is the CPU of the commands, their start included.
"""

from datetime import UTC, datetime, timedelta
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.fleet.asking import (
    DAYS,
    GROUPS,
    MANY_DAYS,
    SOURCES,
    Asked,
    ask,
    cpu_s,
    peak_mb,
    serving,
    unpack_0_2_0,
    write_config,
)

ROUNDS = 3
"""Of ours; 0.2.0 reads each of the records, which takes a minute."""
LIMITS = {
    "replay_dry_run.cpu_over_0_2_0": 0.06,
    f"replay_dry_run.cpu_over_0_2_0.days{MANY_DAYS}": 0.06,
    f"replay_dry_run.mb_over_days{DAYS}.days{MANY_DAYS}": 1.1,
}


def run() -> dict[str, float]:
    """Print what both take, and what ours takes of a ledger of two years."""
    console = Console()
    today = datetime.now(UTC).date()
    dates = ("--from", f"{today - timedelta(days=DAYS)}", "--to", f"{today - timedelta(days=1)}")
    with TemporaryDirectory() as scratch, console.status("Replaying"):
        config = str(write_config(scratch))
        command = ("events", "replay", config, *dates, "--dry-run")
        with serving(DAYS) as url:
            before = ask(url, *command, path=unpack_0_2_0(scratch))
            first, *now = [ask(url, *command) for _ in range(ROUNDS + 1)]
        with serving(MANY_DAYS) as url:
            _, *many = [ask(url, *command) for _ in range(ROUNDS + 1)]
    rows = {
        f"0.2.0, {DAYS} days": [before],
        "not counted yet": [first],
        f"counted, {DAYS} days": now,
        f"counted, {DAYS} of {MANY_DAYS} days": many,
    }
    console.print(_table(rows))
    return {
        "replay_dry_run.cpu_over_0_2_0": median(map(cpu_s, now)) / before.cpu_s,
        f"replay_dry_run.cpu_over_0_2_0.days{MANY_DAYS}": median(map(cpu_s, many)) / before.cpu_s,
        f"replay_dry_run.mb_over_days{DAYS}.days{MANY_DAYS}": median(map(peak_mb, many))
        / median(map(peak_mb, now)),
    }


def _table(rows: dict[str, list[Asked]]) -> Table:
    table = Table(title=f"{SOURCES} sources, {GROUPS} log groups, {DAYS} days", box=None)
    for column in ("", "CPU s", "MB", "calls"):
        table.add_column(column, justify="right" if column else "left")
    for name, asked in rows.items():
        took_s, took_mb = median(map(cpu_s, asked)), median(map(peak_mb, asked))
        table.add_row(name, f"{took_s:.2f}", f"{took_mb:.0f}", f"{asked[-1].calls:,}")
    return table
