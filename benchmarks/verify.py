"""`logferry verify` beside the tools that do a part of the same, on the same files, in turns.

Commands are run whole, from the shell's side, with two CPUs: what Python takes to begin counts. The
archive is a folder. `sealed/` has what is in it.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.sealed import days, years
from benchmarks.sealed.days import Days
from benchmarks.sealed.took import CPUS, Took, on_two_cpus, took
from benchmarks.sealed.years import Years

OBJECTS, OBJECT_BYTES = 64, 17_000_000
"""Of a date: more than 1 GB of lines."""
DATES = 96
"""All of them are hashed, 21 GB as they are stored; the lines of four are counted."""
COUNTED_DATES = 4
ROUNDS = 3
"""Of each command, in turns; ratios are the median of the rounds."""
SEALS, LEAVES = 3650, 500

LIMITS = {
    "verify.bytes_over_openssl_dgst": 1.25,
    "verify.events_over_zcat_wc": 0.7,
    "verify.seals_s_per_1000": 1.0,
    "verify.ten_years_s": 60.0,
    "verify.ten_years_peak_mb": 300.0,
}


@dataclass
class Turns:
    """What verify and another tool took, round by round."""

    ours: list[Took] = field(default_factory=list)
    theirs: list[Took] = field(default_factory=list)

    def over(self, of: Callable[[Took], float]) -> float:
        """Return ours ÷ theirs, the median of the rounds."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return median(of(ours) / of(theirs) for ours, theirs in pairs)


def run() -> dict[str, float]:
    """Print how long checks take, and their ratios to what other tools take."""
    console = Console()
    with TemporaryDirectory() as scratch, on_two_cpus():
        with console.status(f"Writing {OBJECTS} objects of {OBJECT_BYTES} bytes"):
            made = days.make(Path(scratch) / "days", DATES, OBJECTS, OBJECT_BYTES)
        with console.status("Hashing bytes"):
            hashed = _in_turns(made, "bytes", DATES, "openssl dgst -sha256")
        with console.status("Counting events"):
            counted = _in_turns(made, "events", COUNTED_DATES, "sh -c 'zcat \"$@\" | wc -l' -")
        with console.status(f"Writing {SEALS} seals of {LEAVES} leaves"):
            sealed = years.make(Path(scratch) / "years", SEALS, LEAVES)
        with console.status("Checking seals"):
            ten_years = [_verify(sealed, "seals") for _ in range(ROUNDS)]
            one = years.make(Path(scratch) / "one", 1, LEAVES)
            begun = [_verify(one, "seals") for _ in range(ROUNDS)]
    console.print(_turns_table(made, {"openssl dgst": hashed, "zcat | wc": counted}))
    console.print(_years_table(sealed, ten_years, begun))
    wall_s, cpu_s = _medians(ten_years)
    begun_s, begun_cpu_s = _medians(begun)
    return {
        "verify.bytes_over_openssl_dgst": hashed.over(lambda each: each.wall_s),
        "verify.bytes_over_openssl_dgst.cpu": hashed.over(lambda each: each.cpu_s),
        "verify.events_over_zcat_wc": counted.over(lambda each: each.wall_s),
        "verify.events_over_zcat_wc.cpu": counted.over(lambda each: each.cpu_s),
        # Beyond what a check of one seal takes, nearly all of which is Python's start.
        "verify.seals_s_per_1000": (wall_s - begun_s) * 1000 / (SEALS - 1),
        "verify.seals_s_per_1000.cpu": (cpu_s - begun_cpu_s) * 1000 / (SEALS - 1),
        "verify.ten_years_s": wall_s,
        "verify.ten_years_peak_mb": max(each.peak_mb for each in ten_years),
    }


def _in_turns(made: Days, level: str, dates: int, theirs: str) -> Turns:
    """Check so many dates and have another tool read their objects, again and again."""
    paths = [str(path) for some in made.objects[:dates] for path in some]
    each = -(-len(paths) // CPUS)
    others = f"xargs -P {CPUS} -n {each} -s 2000000 {theirs}"
    turns = Turns()
    for _ in range(ROUNDS):
        turns.theirs.append(took(["sh", "-c", others], text="\n".join(paths)))
        turns.ours.append(_verify(made, level, "--to", made.dates[dates - 1]))
    return turns


def _verify(archive: Days | Years, level: str, *options: str) -> Took:
    command = Path(sys.executable).with_name("logferry")
    keys = ("--key", str(archive.key))
    return took([str(command), "verify", str(archive.root), *keys, "--level", level, *options])


def _turns_table(made: Days, turns: dict[str, Turns]) -> Table:
    ratio = made.raw_bytes / made.stored_bytes
    table = Table(
        title=f"{OBJECTS} objects a date: {made.raw_bytes:,} bytes of lines, {ratio:.1f} times as "
        f"many as are stored; {DATES} dates are hashed, of {COUNTED_DATES} events are counted",
        box=None,
    )
    for column in ("", "s", "CPU s", "verify s", "CPU s", "÷", "÷ CPU"):
        table.add_column(column, justify="right" if column else "left")
    for name, each in turns.items():
        cells = [f"{number:.2f}" for took in (each.theirs, each.ours) for number in _medians(took)]
        ratios = (each.over(lambda one: one.wall_s), each.over(lambda one: one.cpu_s))
        table.add_row(name, *cells, *(f"{ratio:.2f}" for ratio in ratios))
    return table


def _years_table(made: Years, ten_years: list[Took], begun: list[Took]) -> Table:
    table = Table(
        title=f"{made.seals:,} seals, {made.leaves:,} leaves, {made.stored_bytes:,} bytes of lists",
        box=None,
    )
    for column in ("", "s", "CPU s", "peak MB"):
        table.add_column(column, justify="right" if column else "left")
    for name, rounds in (("all of them", ten_years), ("one seal", begun)):
        numbers = (*_medians(rounds), max(each.peak_mb for each in rounds))
        table.add_row(name, *(f"{number:.2f}" for number in numbers))
    return table


def _medians(turns: Iterable[Took]) -> tuple[float, float]:
    every = list(turns)
    return median(each.wall_s for each in every), median(each.cpu_s for each in every)
