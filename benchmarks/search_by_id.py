"""`logferry search --id` over two years of one source, with an index and without, in turns.

All dates have the objects of the first one, as links: an index has them once for each month, and
the id is in none. How large an index is, is measured of one date, whose objects all differ.
"""

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.sealed import days
from benchmarks.sealed.days import Days
from benchmarks.sealed.took import Took, on_two_cpus, took

DATES, OBJECTS, OBJECT_BYTES = 730, 40, 1_800_000
"""72 MB of lines a date, 52 GB in all."""
ROUNDS = 1
ID = "7f3a0c11-2b34-4c5d-8e9f-0123456789ab"
LIMITS = {
    "search.id_with_index_over_without": 0.02,
    "search.index_over_gz": 0.06,
    "search.two_years_peak_mb": 300.0,
    "index.two_years_peak_mb": 300.0,
}


def run() -> dict[str, float]:
    """Print how long both take, and how large the index is."""
    console = Console()
    with TemporaryDirectory() as scratch, on_two_cpus():
        with console.status(f"Writing {DATES} dates"):
            made = days.make(Path(scratch) / "years", DATES, OBJECTS, OBJECT_BYTES)
        first, all_ = Path(scratch) / "first", Path(scratch) / "all"
        with console.status("Writing the indexes"):
            _logferry(made, "index", "tokens", to=made.dates[0], index=first)
            written = _logferry(made, "index", "tokens", index=all_)
        size_bytes = sum(path.stat().st_size for path in first.rglob("*.tokens"))
        quick, slow = [], []
        for _ in range(ROUNDS):
            quick.append(_logferry(made, "search", ID, "--id", index=all_))
            slow.append(_logferry(made, "search", ID, "--id"))
    console.print(f"index written in {written.cpu_s:.1f} CPU s, {written.wall_s:.1f} s")
    for name, each in (("with the index", quick), ("without", slow)):
        wall_s, cpu_s = median(e.wall_s for e in each), median(e.cpu_s for e in each)
        console.print(f"{name}: {wall_s:.2f} s, {cpu_s:.2f} CPU s, {each[0].peak_mb:.0f} MB")
    return {
        "search.id_with_index_over_without": median(
            ours.wall_s / theirs.wall_s for ours, theirs in zip(quick, slow, strict=True)
        ),
        "search.id_with_index_over_without.cpu": median(
            ours.cpu_s / theirs.cpu_s for ours, theirs in zip(quick, slow, strict=True)
        ),
        "search.index_over_gz": size_bytes / made.stored_bytes,
        "search.two_years_peak_mb": max(each.peak_mb for each in (*quick, *slow)),
        "index.two_years_peak_mb": written.peak_mb,
    }


def _logferry(made: Days, *words: str, to: str | None = None, index: Path | None = None) -> Took:
    """Run a command over all dates, or up to one."""
    program = str(Path(sys.executable).with_name("logferry"))
    command = [each for each in words if not each.startswith("--")]
    options = [each for each in words if each.startswith("--")]
    time = ("--from", f"{made.dates[0]}T00:00", "--to", to or made.dates[-1])
    by_index = () if index is None else ("--index", str(index))
    return took([program, *command, str(made.root), "--log-group", "*", *time, *options, *by_index])
