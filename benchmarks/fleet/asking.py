"""Commands of ours and of 0.2.0 asked of a fleet's hub on this machine, a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen
from zipfile import ZipFile

from benchmarks.cli import WHEELS
from benchmarks.fleet.endpoint import HUB_ACCOUNT_ID, REGION, source
from benchmarks.sealed.took import took
from logferry.checkout import ROOT

SOURCES, DAYS, GROUPS = 20, 14, 200
MANY_DAYS = 730


@dataclass(frozen=True)
class Asked:
    """What a command took, and how many requests it made."""

    cpu_s: float
    peak_mb: float
    calls: int


def cpu_s(asked: Asked) -> float:
    """Return a command's CPU seconds."""
    return asked.cpu_s


def peak_mb(asked: Asked) -> float:
    """Return a command's most memory."""
    return asked.peak_mb


def unpack_0_2_0(folder: str) -> str:
    """Unpack 0.2.0 into a folder; return what its Python path is."""
    for wheel in WHEELS:
        ZipFile(wheel).extractall(f"{folder}/0.2.0")
    return f"{folder}/0.2.0"


def write_config(folder: str) -> Path:
    """Write the fleet's configuration into a folder."""
    sources = "\n".join(
        f'  - {{profile: {each.profile}, account_id: "{each.account_id}", schedule: rate(1 day)}}'
        for each in map(source, range(SOURCES))
    )
    hub = f'region: {REGION}\nhub_account_id: "{HUB_ACCOUNT_ID}"\ntime_zone: UTC\n'
    path = Path(folder) / "fleet.yaml"
    path.write_text(f"{hub}sources:\n{sources}\n")
    return path


def ask(url: str, *command: str, path: str | None = None) -> Asked:
    """Run `logferry` with a command.

    Args:
        url: Of the hub.
        command: The command with what is given to it.
        path: Where another release's Python is; None for ours.
    """
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
        **({} if path is None else {"PYTHONPATH": path}),
    }
    before = _calls(url)
    done = took([sys.executable, "-m", "logferry", *command], environment=environment)
    return Asked(done.cpu_s, done.peak_mb, _calls(url) - before)


@contextmanager
def serving(days: int) -> Iterator[str]:
    """Serve a hub; yield its address."""
    numbers = map(str, (SOURCES, days, GROUPS))
    command = [sys.executable, "-m", "benchmarks.fleet.endpoint", *numbers]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101  (a pipe)
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()  # which would be waited for


def _calls(url: str) -> int:
    with urlopen(f"{url}/calls") as answer:  # noqa: S310  (of this machine)
        return int(answer.read())
