"""The reader of events beside 0.2.0's, over the same objects, in turns; both give the same events.

The time is the CPU's, of one thread.
"""

import hashlib
import io
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import ModuleType

from rich.console import Console
from rich.table import Table

from benchmarks.baselines import archive_0_2_0
from benchmarks.sealed import days
from logferry_contracts import archive

OBJECTS, OBJECT_BYTES = 8, 4_000_000
ROUNDS = 3
LIMITS = {"reader.over_0_2_0": 0.5}
KEY = "shop/aws/lambda/orders/2026/11/21/00/direct/stream/000000.gz"


def run() -> dict[str, float]:
    """Print how long both readers take, and their ratio."""
    console = Console()
    with TemporaryDirectory() as scratch, console.status("Reading events"):
        made = days.make(Path(scratch) / "days", 1, OBJECTS, OBJECT_BYTES, are_short=True)
        objects = [path.read_bytes() for path in made.objects[0]]
    if _digest(archive, objects[:1]) != _digest(archive_0_2_0, objects[:1]):
        raise RuntimeError("the readers have different events")
    now, before = zip(
        *[(_cpu_s(archive, objects), _cpu_s(archive_0_2_0, objects)) for _ in range(ROUNDS)],
        strict=True,
    )
    over = median(ours / theirs for ours, theirs in zip(now, before, strict=True))
    table = Table(title=f"{made.raw_bytes:,} bytes of lines", box=None)
    for column in ("", "CPU s", "MB/s"):
        table.add_column(column, justify="right" if column else "left")
    for name, taken in (("0.2.0", before), ("now", now)):
        cpu_s = median(taken)
        table.add_row(name, f"{cpu_s:.2f}", f"{made.raw_bytes / cpu_s / 1e6:.0f}")
    console.print(table)
    return {"reader.over_0_2_0": over}


def _cpu_s(reader: ModuleType, objects: list[bytes]) -> float:
    began_s = time.process_time()
    for each in objects:
        for _ in reader.events_of_object(KEY, io.BytesIO(each)):
            pass
    return time.process_time() - began_s


def _digest(reader: ModuleType, objects: list[bytes]) -> str:
    digest = hashlib.sha256()
    for each in objects:
        for event in reader.events_of_object(KEY, io.BytesIO(each)):
            digest.update(repr(tuple(event)).encode())
    return digest.hexdigest()
