"""`logferry status` beside 0.2.0's, in turns, of the same ledger in which nothing is open.

The endpoint is a process of its own. What counts is the CPU of the commands, their start included,
and how often they ask.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.request import urlopen
from zipfile import ZipFile

from rich.console import Console
from rich.table import Table

from benchmarks.cli import WHEELS
from benchmarks.fleet.endpoint import HUB_ACCOUNT_ID, REGION, source
from benchmarks.sealed.took import took
from logferry.checkout import ROOT

SOURCES, DAYS, GROUPS = 20, 14, 200
MANY_DAYS = 730
ROUNDS = 3
LIMIT_CPU_OVER_0_2_0 = 0.06
LIMIT_CALLS_OVER_0_2_0 = 0.02


@dataclass(frozen=True)
class _Asked:
    """What a command took, and how many requests it made."""

    cpu_s: float
    peak_mb: float
    calls: int


def run() -> dict[str, float]:
    """Print what both take, and what ours takes of two years."""
    console = Console()
    with TemporaryDirectory() as scratch:
        for wheel in WHEELS:
            ZipFile(wheel).extractall(f"{scratch}/0.2.0")
        config = Path(scratch) / "fleet.yaml"
        config.write_text(_config())
        with console.status("Looking"):
            with _endpoint(DAYS) as url:
                rounds = [
                    (_status(url, config, f"{scratch}/0.2.0"), _status(url, config))
                    for _ in range(ROUNDS)
                ]
            with _endpoint(MANY_DAYS) as url:
                many = [_status(url, config) for _ in range(ROUNDS)]
    before, now = ([each[of] for each in rounds] for of in (0, 1))
    table = Table(title=f"{SOURCES} sources, {GROUPS} log groups, nothing open", box=None)
    for column in ("", "CPU s", "MB", "calls"):
        table.add_column(column, justify="right" if column else "left")
    rows = {f"0.2.0, {DAYS} days": before, f"{DAYS} days": now, f"{MANY_DAYS} days": many}
    for name, of_it in rows.items():
        cpu_s, peak_mb = (median(map(which, of_it)) for which in (_cpu_s, _peak_mb))
        table.add_row(name, f"{cpu_s:.2f}", f"{peak_mb:.0f}", f"{of_it[-1].calls:,}")
    console.print(table)
    cpu = median(ours.cpu_s / theirs.cpu_s for theirs, ours in rounds)
    cpu_of_many = median(map(_cpu_s, many)) / median(map(_cpu_s, before))
    calls = now[-1].calls / before[-1].calls
    calls_of_many = many[-1].calls / before[-1].calls
    for value, limit in (
        (max(cpu, cpu_of_many), LIMIT_CPU_OVER_0_2_0),
        (max(calls, calls_of_many), LIMIT_CALLS_OVER_0_2_0),
    ):
        if value > limit:
            console.print(f"over 0.2.0's: {value:.3f} > {limit}", style="red")
    return {
        "status.cpu_over_0_2_0": cpu,
        f"status.cpu_over_0_2_0.days{MANY_DAYS}": cpu_of_many,
        "status.calls_over_0_2_0": calls,
        f"status.calls_over_0_2_0.days{MANY_DAYS}": calls_of_many,
    }


def _cpu_s(asked: _Asked) -> float:
    return asked.cpu_s


def _peak_mb(asked: _Asked) -> float:
    return asked.peak_mb


def _config() -> str:
    sources = "\n".join(
        f'  - {{profile: {each.profile}, account_id: "{each.account_id}", schedule: rate(1 day)}}'
        for each in map(source, range(SOURCES))
    )
    hub = f'region: {REGION}\nhub_account_id: "{HUB_ACCOUNT_ID}"\ntime_zone: UTC\n'
    return f"{hub}sources:\n{sources}\n"


def _status(url: str, config: Path, path: str | None = None) -> _Asked:
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
        **({} if path is None else {"PYTHONPATH": path}),
    }
    before = _calls(url)
    done = took([sys.executable, "-m", "logferry", "status", str(config)], environment=environment)
    return _Asked(done.cpu_s, done.peak_mb, _calls(url) - before)


def _calls(url: str) -> int:
    with urlopen(f"{url}/calls") as answer:  # noqa: S310  (of this machine)
        return int(answer.read())


@contextmanager
def _endpoint(days: int) -> Iterator[str]:
    """Serve a hub; yield its address."""
    numbers = map(str, (SOURCES, days, GROUPS))
    command = [sys.executable, "-m", "benchmarks.fleet.endpoint", *numbers]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101  (a pipe)
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()
