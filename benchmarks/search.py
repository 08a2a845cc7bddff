"""`logferry search` and `logferry fetch` beside what reads the same files from a shell, in turns.

Commands are run whole, from the shell's side, with two CPUs: what Python takes to begin counts. An
hour is compared with its date without that, too, as it is most of what an hour takes. The archive
is a folder with one date; `sealed/` has what is in it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.sealed import again, days
from benchmarks.sealed.days import Days
from benchmarks.sealed.took import Took, on_two_cpus, took

OBJECTS, OBJECT_BYTES = 400, 900_000
"""360 MB of three million lines."""
HOURS, HOUR, DATE = 24, ("T09:00", "T10:00"), ("T00:00", "")
ROUNDS = 5
"""Of each command, in turns; ratios are the median of the rounds."""
WORDS = "requestId=7f3a"

MACRO = Path(__file__).parent / "baselines" / "events_0_2_0.sql"
ASKED = """
import duckdb, sys
macro, folder, words = sys.argv[1:]
day = duckdb.connect(config={"threads": 2})
day.execute(open(macro).read())
found = "SELECT count(*) FROM log_events(?) WHERE message ILIKE ?"
print(day.execute(found, [f"{folder}/**/*.gz", f"%{words}%"]).fetchone())
"""
"""The macro as its README has it used."""

LIMITS = {
    "search.text_over_zcat_grep": 0.5,
    "search.text_over_duckdb_macro_0_2": 0.2,
    "fetch.sorted_over_cat": 2.5,
    "search.hour_over_day": 0.15,
    "search.peak_mb": 300.0,
    "fetch.peak_mb": 300.0,
}


def run() -> dict[str, float]:
    """Print how long both take, and their ratios to what the shell's tools take."""
    console = Console()
    with TemporaryDirectory() as scratch, on_two_cpus():
        with console.status(f"Writing {OBJECTS} objects of {OBJECT_BYTES} bytes"):
            made = days.make(Path(scratch) / "day", 1, OBJECTS, OBJECT_BYTES, are_short=True)
            hours = days.make(
                Path(scratch) / "hours", 1, OBJECTS, OBJECT_BYTES, HOURS, are_short=True
            )
        paths = "\n".join(str(path) for path in made.objects[0])
        output = Path(scratch) / "fetched.log"
        grepped, searched, unpacked, fetched, queried = [], [], [], [], []
        whole, hour = [], []
        for number in range(ROUNDS):
            console.print(f"round {number + 1} of {ROUNDS}", style="dim")
            grepped.append(_shell(f"xargs zcat | grep -c {WORDS}", paths))
            searched.append(_logferry(made, "search", WORDS))
            unpacked.append(_shell("xargs zcat > /dev/null", paths))
            fetched.append(_logferry(made, "fetch", "--output", str(output)))
            if output.stat().st_size != made.raw_bytes:
                raise RuntimeError(f"{output} has not the {made.raw_bytes} bytes of all lines")
            output.unlink()
            asked = [sys.executable, "-c", ASKED, str(MACRO), str(made.root), WORDS]
            queried.append(took(asked))
            whole.append(_logferry(hours, "search", WORDS))
            hour.append(_logferry(hours, "search", WORDS, times=HOUR))
        in_one_process = _hour_over_day(hours)
    turns = {
        "zcat | grep -c": grepped,
        "search": searched,
        "zcat": unpacked,
        "fetch": fetched,
        "DuckDB macro of 0.2.0": queried,
        "search of 24 windows": whole,
        "search of one of them": hour,
    }
    console.print(_table(made, turns))
    return {
        "search.text_over_zcat_grep": _over(searched, grepped),
        "search.text_over_zcat_grep.cpu": _cpu_over(searched, grepped),
        "search.text_over_duckdb_macro_0_2": _over(searched, queried),
        "search.text_over_duckdb_macro_0_2.cpu": _cpu_over(searched, queried),
        "search.hour_over_day": in_one_process,
        "search.hour_over_day_start_included": _over(hour, whole),
        "search.hour_over_day_start_included.cpu": _cpu_over(hour, whole),
        "search.peak_mb": max(each.peak_mb for each in searched),
        "fetch.sorted_over_cat": _over(fetched, unpacked),
        "fetch.sorted_over_cat.cpu": _cpu_over(fetched, unpacked),
        "fetch.peak_mb": max(each.peak_mb for each in fetched),
    }


def _shell(command: str, paths: str) -> Took:
    return took(["sh", "-c", command], text=paths)


def _logferry(made: Days, command: str, *arguments: str, times: tuple[str, str] = DATE) -> Took:
    """Run a command over everything that was made, or what of it is between two times."""
    program = Path(sys.executable).with_name("logferry")
    return took([str(program), *_words(made, command, *arguments, times=times)])


def _words(made: Days, command: str, *arguments: str, times: tuple[str, str]) -> list[str]:
    words = [each for each in arguments if each == WORDS]
    options = [each for each in arguments if each != WORDS]
    date = made.dates[0]
    time = ("--from", f"{date}{times[0]}", "--to", f"{date}{times[1]}")
    chosen = ("--log-group", "*", *time, "--key", str(made.key))
    return [command, *words, str(made.root), *chosen, *options]


def _hour_over_day(made: Days) -> float:
    """Return the ratio of both searches, in turns in one process that has begun before."""
    turns = [_words(made, "search", WORDS, times=each) for each in (HOUR, DATE)]
    took_s = again.seconds(turns * ROUNDS)
    return median(hour / day for hour, day in zip(took_s[::2], took_s[1::2], strict=True))


def _over(ours: Sequence[Took], theirs: Sequence[Took]) -> float:
    return median(our.wall_s / their.wall_s for our, their in zip(ours, theirs, strict=True))


def _cpu_over(ours: Sequence[Took], theirs: Sequence[Took]) -> float:
    return median(our.cpu_s / their.cpu_s for our, their in zip(ours, theirs, strict=True))


def _table(made: Days, turns: dict[str, list[Took]]) -> Table:
    table = Table(
        title=f"{made.raw_bytes:,} bytes of lines, {made.stored_bytes:,} stored", box=None
    )
    for column in ("", "s", "CPU s", "peak MB"):
        table.add_column(column, justify="right" if column else "left")
    for name, each in turns.items():
        wall_s, cpu_s = median(e.wall_s for e in each), median(e.cpu_s for e in each)
        peak_mb = max(e.peak_mb for e in each)
        table.add_row(name, f"{wall_s:.2f}", f"{cpu_s:.2f}", f"{peak_mb:.0f}")
    return table
