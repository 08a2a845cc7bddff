"""`logferry verify` beside `aws cloudtrail validate-logs`, of the same bytes at the same endpoint.

Both read every object of a bucket and compare its hash: awscli that of what is unpacked, verify
that of what is stored, its hold, and that nothing else is there. The endpoint is a process of its
own. What counts is the CPU of the commands, their start included.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.cloudtrail import digest
from benchmarks.sealed import days
from benchmarks.sealed.days import Days
from benchmarks.sealed.took import Took, on_two_cpus, took
from logferry.checkout import ROOT
from logferry.config import load

OBJECTS, OBJECT_BYTES, DATES = 128, 8_500_000, 4
"""More than 1 GB of lines, under four dates' keys."""
ROUNDS = 3
LIMITS = {"verify.client_cpu_over_awscli_cloudtrail": 0.35}
AWSCLI = ROOT / ".venv-awscli" / "bin" / "aws"
CONFIG = """\
region: eu-central-1
hub_account_id: "999988887777"
sources: [{profile: shop-prod, account_id: "111122223333", schedule: rate(1 day)}]
"""


def run() -> dict[str, float]:
    """Print how much CPU both take."""
    console = Console()
    with TemporaryDirectory() as scratch, on_two_cpus():
        with console.status("Writing objects"):
            made = days.make(Path(scratch) / "days", DATES, OBJECTS, OBJECT_BYTES)
        with console.status("Hashing them"):
            ours, theirs = _in_turns(made)
    number = sum(map(len, made.objects))
    over = median(ours.cpu_s / aws.cpu_s for ours, aws in zip(ours, theirs, strict=True))
    table = Table(title=f"{number} objects of {made.stored_bytes // OBJECTS:,} bytes", box=None)
    for column in ("", "s", "CPU s", "CPU ms an object"):
        table.add_column(column, justify="right" if column else "left")
    for name, rounds in (("awscli", theirs), ("verify", ours)):
        cpu_s = median(each.cpu_s for each in rounds)
        wall_s = median(each.wall_s for each in rounds)
        table.add_row(name, f"{wall_s:.2f}", f"{cpu_s:.2f}", f"{cpu_s * 1000 / number:.1f}")
    console.print(table)
    return {"verify.client_cpu_over_awscli_cloudtrail": over}


def _in_turns(made: Days) -> tuple[list[Took], list[Took]]:
    config, key = made.root.with_suffix(".yaml"), made.root.with_suffix(".cloudtrail.pem")
    config.write_text(CONFIG)
    [(hub, _)] = load(config).chosen([])
    names = [path.relative_to(made.root).as_posix() for some in made.objects for path in some]
    digest.write(made.root, hub.archive_bucket, names, key)
    ours = [str(Path(sys.executable).with_name("logferry")), "verify", str(config)]
    ours += ["--key", str(made.key), "--level", "bytes"]
    theirs = [str(AWSCLI), "cloudtrail", "validate-logs", "--s3-bucket", hub.archive_bucket]
    theirs += ["--trail-arn", digest.TRAIL_ARN, "--start-time", digest.START]
    theirs += ["--end-time", digest.END]
    rounds: list[tuple[Took, Took]] = []
    for _ in range(ROUNDS):
        with _endpoint(made.root, key) as environment:
            aws = took(theirs, environment=environment)
            rounds.append((took(ours, environment=environment), aws))
    return [ours for ours, _ in rounds], [theirs for _, theirs in rounds]


@contextmanager
def _endpoint(root: Path, key: Path) -> Iterator[dict[str, str]]:
    """Serve a folder as a bucket; yield what clients' environments have to have."""
    command = [sys.executable, "-m", "benchmarks.cloudtrail.endpoint", str(root), str(key)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101  (a pipe)
        port = process.stdout.readline().strip()
        try:
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_DEFAULT_REGION": digest.REGION,
                "NO_PROXY": "127.0.0.1",
            }
        finally:
            process.terminate()  # which would be waited for
