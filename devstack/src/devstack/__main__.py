"""The command `python -m devstack`: the demo; LocalStack up, down and its status."""

import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import Console

from devstack import localstack
from devstack.demo import DIRECTORY, FEWEST_CALLS_BETWEEN_KILLS, DemoError, Options, run
from devstack.localstack import DEFAULT_PORT, STATE, LocalStackError
from logferry.errors import DeployError, PackageError

NOT_RUNNING = 3
"""The exit code of `status` when nothing runs, as init scripts have it."""

INTERRUPTED = 128 + signal.SIGINT
"""The exit code after Ctrl-C, as shells have it."""

app = App(name="devstack", help="AWS on this machine: LocalStack without Docker.")
console = Console(highlight=False, soft_wrap=True)


@app.command
def demo(
    *,
    keep: Annotated[bool, Parameter(negative="")] = False,
    kill_exporter_every: Annotated[
        int | None, Parameter(validator=Number(gte=FEWEST_CALLS_BETWEEN_KILLS))
    ] = None,
    events_per_stream: Annotated[int, Parameter(validator=Number(gte=8))] = 60,
    directory: Path = DIRECTORY,
) -> int:
    """Run the whole suite on this machine, and count what arrived by reading the archive back.

    Exit code 0 only if every event is in the archive, once, encrypted, held and announced.

    Args:
        keep: Leave LocalStack running at the end, to look around in it.
        kill_exporter_every: Kill each exporter's process after every so many of its AWS calls.
        events_per_stream: How many events each log stream gets.
        directory: Where LocalStack's state, the zips and summary.json go.
    """
    options = Options(directory, events_per_stream, kill_exporter_every, keep)
    _end_when_interrupted(None if keep else directory / "localstack")
    try:
        problems = run(options, console).problems
    except (DemoError, LocalStackError, DeployError, PackageError) as error:
        console.print(f"{error}", style="red", markup=False)
        return 1
    for problem in problems:
        console.print(problem, style="red", markup=False)
    return 1 if problems else 0


def _end_when_interrupted(state: Path | None) -> None:
    """End at once on Ctrl-C, and LocalStack with it, if it is to.

    Threads that deploy would ask a LocalStack that has gone for minutes before they gave up.
    """

    def end(*_: object) -> None:
        console.show_cursor()
        if state is not None:
            localstack.stop(state)
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, end)


@app.command
def up(*, port: int = DEFAULT_PORT, state: Path = STATE) -> int:
    """Start LocalStack, and say how to use it.

    Args:
        port: The port to listen on, of 127.0.0.1 only.
        state: The folder for its log and its data.
    """
    found = localstack.status(state)
    if not (found and found.ready):
        console.print("Starting LocalStack ", end="")
        try:
            found = localstack.start_detached(
                state, port, on_wait=lambda: console.print(".", end="")
            )
        except LocalStackError as error:
            console.print(f"\n{error}", style="red", markup=False)
            return 1
        console.print()
    console.print(f"LocalStack runs at {found.endpoint} (process {found.pid}).")
    console.print("Use it with any AWS tool; each 12-digit access key is an account:\n")
    console.print(f"  export AWS_ENDPOINT_URL={found.endpoint}")
    console.print("  export AWS_ACCESS_KEY_ID=111111111111 AWS_SECRET_ACCESS_KEY=any")
    console.print("  export AWS_DEFAULT_REGION=eu-west-1")
    return 0


@app.command
def down(*, state: Path = STATE) -> int:
    """Stop LocalStack and every Lambda function in it; what it held is lost.

    Args:
        state: The folder it was started with.
    """
    stopped = localstack.stop(state)
    console.print("LocalStack is stopped." if stopped else "LocalStack was not running.")
    return 0


@app.command
def status(
    *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False, state: Path = STATE
) -> int:
    """Say whether LocalStack runs: exit code 0 if it is ready, 3 if not.

    Args:
        as_json: Say it as JSON.
        state: The folder it was started with.
    """
    found = localstack.status(state)
    ready = found is not None and found.ready
    if as_json:
        console.print_json(json.dumps({"ready": ready, **(asdict(found) if found else {})}))
    elif found is None:
        console.print("LocalStack is not running.")
    else:
        words = "is ready" if ready else "does not answer (yet)"
        console.print(f"LocalStack {words} at {found.endpoint} (process {found.pid}).")
    return 0 if ready else NOT_RUNNING


if __name__ == "__main__":
    app()
