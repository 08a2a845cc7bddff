"""What a command takes, with all processes that it begins."""

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from resource import struct_rusage
from tempfile import TemporaryFile

CPUS = 2
_PR_SET_CHILD_SUBREAPER = 36
"""https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html"""
_UNUSUAL = {"PYTHONDONTWRITEBYTECODE"}
"""Variables by which each command would be compiled each time, as it is on nobody's machine."""


@dataclass(frozen=True)
class Took:
    """What a command took.

    Attributes:
        cpu_s: Of all its processes.
        peak_mb: At most: the first process's, and for each CPU that of the largest one.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float


@contextmanager
def on_two_cpus() -> Iterator[None]:
    """Let this process, and those that it begins, have two CPUs."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:CPUS])
    yield
    os.sched_setaffinity(0, allowed)


def took(
    command: Sequence[str], *, text: str = "", environment: Mapping[str, str] | None = None
) -> Took:
    """Run a command to its end, whatever it prints, and let Python keep what it has compiled.

    Args:
        command: With its arguments.
        text: What it reads.
        environment: What is beside this process's own variables.

    Raises:
        RuntimeError: It failed.
    """
    # Those whose parents have ended become children of this process.
    known = _children()
    own = {name: value for name, value in os.environ.items() if name not in _UNUSUAL}
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.perf_counter()
    with TemporaryFile("w+") as given, TemporaryFile("w+") as printed:
        given.write(text)
        given.seek(0)
        process = subprocess.Popen(
            command, env={**own, **(environment or {})}, stdin=given, stdout=printed
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            printed.seek(0)
            raise RuntimeError(f"{command[:3]} ended with {process.returncode}: {printed.read()}")
    usages = [usage, *_of_orphans(known)]
    cpu_s = sum(each.ru_utime + each.ru_stime for each in usages)
    largest_mb = max(each.ru_maxrss for each in usages) / 1024
    return Took(wall_s, cpu_s, usage.ru_maxrss / 1024 + CPUS * largest_mb)


def _of_orphans(known: set[int]) -> Iterator[struct_rusage]:
    """Yield what each took that has outlived its parent and was no child here before."""
    while orphans := _children() - known:
        for pid in orphans:
            _, _, usage = os.wait4(pid, 0)
            yield usage


def _children() -> set[int]:
    """Return the process ids of this process's children.

    https://man7.org/linux/man-pages/man5/proc_tid_children.5.html
    """
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended since
            found.update(map(int, (task / "children").read_text().split()))
    return found
