"""How much memory a process has had, for tests and benchmarks that say it stays the same."""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def own_peak_bytes() -> int:
    """Return the most memory that this process has had at once, resident.

    Linux's getrusage is not asked: what it says of a process that was spawned is at least what the
    one that began it has had, so that nothing smaller than a test run is ever seen to grow.
    """
    if not _STATUS.exists():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
