"""How long `logferry doctor` looks at a hub of a hundred accounts that is deployed on LocalStack.

Each account has a role of its own, and each is tried by the deployed planner's dry run. All is as
it has to be, so that nothing is left out.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import run as run_command
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks import _limits
from devstack import localstack
from devstack.demo import CONFIGURATION, keep_configuration
from devstack.suite import REGION, Suite
from logferry.package import build_zips

ACCOUNTS = 100
HUB_ACCOUNT_ID = "111122223333"
SELDOM = {
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "30",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "60",
}
"""As nothing comes: two hundred pollers, which AWS has elsewhere, would take the machine."""
LIMITS: _limits.Limits = {"doctor.s_per_100_accounts": 60.0, "doctor.not_looked_at": 0.0}


def run() -> dict[str, float]:
    """Print and return how long it took, and how many of the accounts it did not look at.

    Raises:
        RuntimeError: The command has said nothing of what it has found.
    """
    console = Console()
    with TemporaryDirectory(prefix="logferry-bench-") as folder, _hub(Path(folder), console) as hub:
        for command in (("index", "rebuild"), ("doctor",)):
            began_s = time.perf_counter()
            out = _typed(hub, *command, str(Path(folder, CONFIGURATION)), "--json")
            took_s = time.perf_counter() - began_s
    plans = [each for each in json.loads(out) if each["check"] == "plan"]
    looked_at = sum(each["verdict"] == "ok" for each in plans)
    most_s = LIMITS["doctor.s_per_100_accounts"]
    console.print(f"{looked_at} accounts of {ACCOUNTS} looked at in {took_s:.1f} s of {most_s:g}")
    return {
        "doctor.s_per_100_accounts": took_s * 100 / ACCOUNTS,
        "doctor.not_looked_at": float(ACCOUNTS - looked_at),
    }


@contextmanager
def _hub(folder: Path, console: Console) -> Iterator[Suite]:
    """Deploy a hub with its sources into a LocalStack of its own."""
    accounts = {f"account-{n:03}": str(222200000000 + n) for n in range(ACCOUNTS)}
    with ExitStack() as running:
        with console.status("Starting LocalStack and deploying the suite"):
            zips = build_zips(folder / "zips")
            state = folder / "localstack"
            started = running.enter_context(localstack.running(state, settings=SELDOM))
            suite = Suite(started.endpoint, hub_account_id=HUB_ACCOUNT_ID, accounts=accounts)
            suite.deploy(zips)
        keep_configuration(suite.config, folder)
        yield suite


def _typed(suite: Suite, *words: str) -> str:
    """Run the command as its user does, and return what it printed; its exit code is no matter."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": suite.endpoint,
        "AWS_ACCESS_KEY_ID": suite.hub_account_id,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": REGION,
    }
    command = [sys.executable, "-m", "logferry", *words]
    done = run_command(command, check=False, capture_output=True, text=True, env=environment)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    return done.stdout
