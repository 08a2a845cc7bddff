"""What the command takes before it does anything, beside 0.2.0's, in turns.

0.2.0's command is a wheel of `baselines/`, with its contracts, and the packages of today's lock.
The time is the CPU's, of whole processes.
"""

import sys
from statistics import median
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from rich.console import Console
from rich.table import Table

from benchmarks.sealed.took import took
from logferry.checkout import ROOT

ROUNDS = 15
LIMITS = {"cli.start_over_0_2_0": 0.25}
WHEELS = (
    ROOT / "benchmarks" / "baselines" / "logferry-0.2.0-py3-none-any.whl",
    ROOT / "tests/upgrade/release-0.2.0/wheels/logferry_contracts-0.2.0-py3-none-any.whl",
)
NAMES = {"": ["--version"], ".help": ["--help"], ".verify_help": ["verify", "--help"]}


def run() -> dict[str, float]:
    """Print what the starts take, and their ratios to 0.2.0's `--version`."""
    console = Console()
    with TemporaryDirectory() as scratch:
        for wheel in WHEELS:
            ZipFile(wheel).extractall(scratch)
        rounds = []
        with console.status("Starting"):
            for _ in range(1 + ROUNDS):
                before = _cpu_s(["--version"], scratch)
                rounds.append((before, {name: _cpu_s(words) for name, words in NAMES.items()}))
    del rounds[0]  # which has compiled 0.2.0's modules
    table = Table(box=None)
    for column in ("", "CPU ms", "÷"):
        table.add_column(column, justify="right" if column else "left")
    before_ms = median(before for before, _ in rounds) * 1000
    table.add_row("0.2.0: logferry --version", f"{before_ms:.0f}", "1.00")
    over = {name: median(now[name] / before for before, now in rounds) for name in NAMES}
    for name, words in NAMES.items():
        now_ms = median(now[name] for _, now in rounds) * 1000
        table.add_row(f"logferry {' '.join(words)}", f"{now_ms:.0f}", f"{over[name]:.2f}")
    console.print(table)
    return {f"cli.start_over_0_2_0{name}": ratio for name, ratio in over.items()}


def _cpu_s(words: list[str], path: str | None = None) -> float:
    command = [sys.executable, "-m", "logferry", *words]
    return took(command, environment={} if path is None else {"PYTHONPATH": path}).cpu_s
