"""What sealing costs, by the model of docs/costs.md, and how fast the sealer's code reads objects.

How often it asks AWS is the model's. How much one CPU reads is measured here, to compare it with
what the model says of Lambda's.
"""

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from docs.tools import prices
from docs.tools.costs import COMPRESSION, SEALER_BYTES_A_SECOND, SEALER_GB, Account, Sealing
from rich.console import Console
from rich.table import Table

from benchmarks.sealed import days
from benchmarks.sealed.days import Days
from logferry_contracts.measure import measure
from logferry_contracts.window import Window

EXPORTS = 1000
MEDIAN_BYTES = 8_000_000
"""Of an active log group's lines in a day, see simulation/workload.py."""
OBJECTS_EACH = 10
TB = 10**12
MESSAGES_EACH = 3
"""Of SQS for each export that is told of: sent, received, deleted."""
OBJECTS, OBJECT_BYTES, ROUNDS = 8, 4_000_000, 5
LIMITS = {"sealer.dollars_per_1000_exports": 0.03}


class Exports(Account):
    """A source of which each log group is exported, and is as long as the median of the others'."""

    @property
    def active(self) -> int:
        """All of them."""
        return self.log_groups

    @property
    def bytes_a_day(self) -> int:
        """Of lines."""
        return self.log_groups * MEDIAN_BYTES

    @property
    def objects_a_day(self) -> int:
        """In the archive."""
        return self.log_groups * OBJECTS_EACH


def run() -> dict[str, float]:
    """Print what sealing costs, and how much one CPU reads in a second."""
    console = Console()
    with TemporaryDirectory() as scratch, console.status("Measuring objects"):
        made = days.make(Path(scratch) / "days", 1, OBJECTS, OBJECT_BYTES)
        raw_bytes_a_s = made.raw_bytes / median(_measured_s(made) for _ in range(ROUNDS))
    messages = EXPORTS * MESSAGES_EACH * prices.SQS_STANDARD.dollars
    dollars = Sealing.of(Exports(log_groups=EXPORTS)).dollars + messages
    tb_s = TB / COMPRESSION / SEALER_BYTES_A_SECOND
    per_tb = tb_s * SEALER_GB * prices.LAMBDA_GB_S.dollars
    table = Table(title=f"Sealing {EXPORTS:,} exports of {MEDIAN_BYTES:,} bytes", box=None)
    for column in (
        "dollars",
        "and for each TB of lines",
        "MB of lines a CPU second",
        "the model's",
    ):
        table.add_column(column, justify="right")
    modelled = SEALER_BYTES_A_SECOND * COMPRESSION
    rates = (raw_bytes_a_s, modelled)
    table.add_row(f"{dollars:.4f}", f"{per_tb:.2f}", *(f"{rate / 1e6:.0f}" for rate in rates))
    console.print(table)
    return {
        "sealer.dollars_per_1000_exports": dollars,
        "sealer.dollars_per_tb_of_lines": per_tb,
        "sealer.mb_of_lines_per_cpu_s": raw_bytes_a_s / 1e6,
    }


def _measured_s(made: Days) -> float:
    window = Window(from_ms=0, to_ms=1)
    began_s = time.process_time()
    for path in made.objects[0]:
        measure(lambda path=path: path.open("rb"), window)  # type: ignore[misc]
    return time.process_time() - began_s
