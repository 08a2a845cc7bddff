"""The parts of `make check`, some at once, as most of them wait, and how long each took.

    python -m tools.check --at-once 2 coverage iam-check lint

Each part is a target of the Makefile. What it prints is in ``build/check/<part>.log``. Its last
line is shown, such as how many tests have passed, or all of it if it fails: then no other part is
begun.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

LOGS = Path("build/check")

type Run = Callable[[str, Path], int]


@dataclass(frozen=True)
class Part:
    """A part that has ended.

    Attributes:
        took_s: How long it took; None where another had failed before it began.
        printed: All that it has printed.
    """

    name: str
    log: Path
    code: int
    took_s: float | None
    printed: str = ""

    def __str__(self) -> str:
        """One line for the list."""
        if self.took_s is None:
            return f"  {self.name:24} not begun"
        last = "failed" if self.code else "".join(self.printed.splitlines()[-1:])
        return f"  {self.name:24} {self.took_s:5.0f} s  {last}".rstrip()


def check(names: Sequence[str], at_once: int, logs: Path, run: Run) -> list[Part]:
    """Run parts in their order, ``at_once`` of them, and return what became of each."""
    logs.mkdir(parents=True, exist_ok=True)
    failed = Event()

    def one(name: str) -> Part:
        log = logs / f"{name}.log"
        if failed.is_set():
            return Part(name, log, 0, None)
        began = time.monotonic()
        code = run(name, log)
        part = Part(name, log, code, time.monotonic() - began, log.read_text(errors="replace"))
        if code:
            failed.set()
        print(f"{part}\n{part.printed if code else ''}", end="", flush=True)
        return part

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, names))


def make(name: str, log: Path) -> int:
    """Make a target, and return its exit status."""
    with log.open("wb") as out:
        return subprocess.run(
            ["make", "--no-print-directory", name], stdout=out, stderr=out, check=False
        ).returncode


def main() -> None:
    """Check, print the list, and end with 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--at-once", type=int, default=2)
    given = parser.parse_args()
    ended = check(given.parts, given.at_once, LOGS, make)
    print("\n".join(["", *map(str, ended)]))
    sys.exit(any(part.code for part in ended))


if __name__ == "__main__":
    main()
