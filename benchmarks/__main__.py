"""The command `python -m benchmarks [NAME...]`: run them, and write build/bench.json."""

import importlib
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from pkgutil import iter_modules

from rich.console import Console
from rich.table import Table

from benchmarks import _limits

FOLDER = Path(__file__).parent
NUMBERS = FOLDER.parent / "build" / "bench.json"


def names() -> list[str]:
    """Return the benchmarks: every module of this folder that can run."""
    return sorted(
        module.name
        for module in iter_modules([str(FOLDER)])
        if not module.ispkg and not module.name.startswith("_")
    )


def run(wanted: Iterable[str], console: Console) -> dict[str, float]:
    """Run benchmarks one after the other and return all their numbers."""
    numbers: dict[str, float] = {}
    for name in wanted:
        console.rule(name)
        began_s = time.perf_counter()
        benchmark = importlib.import_module(f"benchmarks.{name}")
        found: dict[str, float] = benchmark.run()
        _limits.tell(console, found, getattr(benchmark, "LIMITS", {}))
        numbers |= found
        console.print(f"{name} took {time.perf_counter() - began_s:.0f} s", style="dim")
    return numbers


def merge(numbers: dict[str, float], path: Path) -> None:
    """Write numbers into a JSON object, beside those of other names that are there."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | numbers, indent=2, sort_keys=True) + "\n")


def _table(numbers: dict[str, float]) -> Table:
    table = Table("number", title=f"Written to {NUMBERS.relative_to(FOLDER.parent)}")
    table.add_column("value", justify="right")
    for name, value in sorted(numbers.items()):
        table.add_row(name, f"{value:,.4g}")
    return table


def main(arguments: list[str]) -> int:
    """Run what the arguments name; all, when they name nothing."""
    console = Console()
    if unknown := sorted(set(arguments) - set(names())):
        console.print(f"no benchmark {', '.join(unknown)}; there are {', '.join(names())}")
        return 2
    numbers = run(arguments or names(), console)
    merge(numbers, NUMBERS)
    console.print(_table(numbers))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
