"""LocalStack on this machine, without Docker: start it, say whether it runs, stop it.

Everything it writes is below one folder, the state folder, and nothing is kept over a restart:

    <state>/localstack.json   the process's id, its endpoint and when it was started
    <state>/localstack.log    what it and the add-ons had to say
    <state>/data/             its files, those of S3 and of the Lambda functions included
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[3]
PYTHON = REPOSITORY / ".venv-localstack" / "bin" / "python"
FILESYSTEM = PYTHON.parents[1] / "filesystem"
"""What LocalStack's folders begin with."""
STATE = REPOSITORY / "build" / "localstack"
HOST = "127.0.0.1"
DEFAULT_PORT = 4566

UNASSIGNED_PORTS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections, from 32,768 on."""

START_LIMIT_S = 120.0
"""The first start on a busy machine compiles all of LocalStack."""
STOP_GRACE_S = 3.0
"""How long LocalStack may take to end by itself. Nothing is kept, so nothing is lost after it."""
POLL_S = 0.05


class LocalStackError(Exception):
    """LocalStack cannot be started or used; the message says what to do."""


@dataclass(frozen=True)
class Running:
    """A LocalStack that was started here.

    Attributes:
        pid: Its process.
        endpoint: Its URL, such as http://127.0.0.1:4566.
        started_at: ISO 8601, in UTC.
    """

    pid: int
    endpoint: str
    started_at: str

    @property
    def ready(self) -> bool:
        """Whether it answers, with all add-ons in."""
        answer = addons_status(self.endpoint)
        return answer is not None and answer["pid"] == self.pid


def environment(data: Path, port: int) -> dict[str, str]:
    """LocalStack's variables. None of this process's own get in, save where programs are.

    `data` is an absolute folder, `port` the one to listen on.
    """
    address = f"{HOST}:{port}"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(data),
        # LocalStack takes local times for UTC in the events it makes.
        "TZ": "UTC",
        "GATEWAY_LISTEN": address,
        "LOCALSTACK_HOST": address,
        # Inside any container LocalStack takes itself for its own image, and /tmp for its to empty.
        "OVERRIDE_IN_DOCKER": "0",
        "FILESYSTEM_ROOT": str(data / "filesystem"),
        "TMPDIR": str(data / "tmp"),
        # Nothing outside this machine is asked for anything.
        "DISABLE_EVENTS": "1",
        "DNS_ADDRESS": "0",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        # LocalStack's clients have no credentials; the SDK would ask EC2 for some.
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": f"{HOST},localhost",
        # Its own calls, such as of a topic to its queues, do not go out by HTTP and in again.
        "IN_MEMORY_CLIENT": "1",
        # Queue URLs that clients other than boto3 can follow: http://127.0.0.1:4566/queue/...
        "SQS_ENDPOINT_STRATEGY": "path",
        # Each SQS call would put CloudWatch metrics, which takes several times its own time.
        "SQS_DISABLE_CLOUDWATCH_METRICS": "1",
        # A key that is not there, or is disabled, is refused, as on AWS.
        "S3_SKIP_KMS_KEY_VALIDATION": "0",
        # A queue's name is free again 60 s after its deletion, as on AWS.
        "SQS_DELAY_RECENTLY_DELETED": "1",
        "LAMBDA_RUNTIME_EXECUTOR": "local",
        # A message waits for the mapping's poller up to these, 1 s and 10 s otherwise.
        "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
        "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.3",
        # An asynchronous invocation that failed is tried again after 1 and 2 s, not minutes.
        "LAMBDA_RETRY_BASE_DELAY": "1",
        "LS_LOG": "warning",
    }


def start_detached(
    state: Path = STATE,
    port: int = DEFAULT_PORT,
    settings: Mapping[str, str] | None = None,
    on_wait: Callable[[], None] = lambda: None,
    lifeline: Path | None = None,
) -> Running:
    """Start a LocalStack that goes on after this process, and wait until it is ready.

    `settings` are more variables for it. `on_wait` is called once a second meanwhile. `lifeline`
    is a named pipe that somebody holds open for writing: LocalStack ends when nobody does any more.

    Raises:
        LocalStackError: it is not installed, runs already, its port is taken, or it failed.
    """
    arguments = [] if lifeline is None else ["--end-with-stdin"]
    with Path(lifeline or os.devnull).open("rb", buffering=0) as stdin:
        process, running = _start(
            state, port or free_port(), settings or {}, arguments, stdin.fileno()
        )
    # Takes note of its end if this process is still there then.
    threading.Thread(target=process.wait, daemon=True).start()
    try:
        _wait_until_ready(process, running, state, on_wait)
    except BaseException:
        stop(state)
        raise
    return running


@contextmanager
def running(
    state: Path, port: int = 0, settings: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A LocalStack for the length of a `with` block; port 0 takes any free one.

    It and every Lambda process are gone afterwards, also when this process is killed.

    Raises:
        LocalStackError: as `start_detached`.
    """
    process, started = _start(
        state, port or free_port(), settings or {}, ["--end-with-stdin"], subprocess.PIPE
    )
    with process:
        try:
            _wait_until_ready(process, started, state, lambda: None)
            yield started
        finally:
            stop(state)


def status(state: Path = STATE) -> Running | None:
    """The LocalStack that was started with this state folder, if its process is there."""
    try:
        found = Running(**json.loads(_state_file(state).read_text()))
    except FileNotFoundError:
        return None
    # The id may have been given to another process since.
    return found if "localstack_addons" in command_lines().get(found.pid, "") else None


def stop(state: Path = STATE) -> bool:
    """End LocalStack and its Lambda processes; True if it ran."""
    found = status(state)
    if found:
        os.kill(found.pid, signal.SIGTERM)
        if not _wait_for(lambda: status(state) is None, STOP_GRACE_S):
            os.killpg(found.pid, signal.SIGKILL)
            _wait_for(lambda: status(state) is None, STOP_GRACE_S)
    # They end by themselves when LocalStack does; only one that is stuck would not.
    if not _wait_for(lambda: not lambda_processes(state), STOP_GRACE_S):
        for pid in lambda_processes(state):
            os.killpg(pid, signal.SIGKILL)
    _state_file(state).unlink(missing_ok=True)
    return found is not None


def lambda_processes(state: Path) -> list[int]:
    """The ids of the Lambda processes of this state folder's LocalStack."""
    folder = str(_data(state))
    return [
        pid
        for pid, command in command_lines().items()
        if "localstack_addons/lambda_/" in command and folder in command
    ]


def command_lines() -> dict[int, str]:
    """Every process's command line by its id; one that has ended has none."""
    if sys.platform != "linux":
        listing = subprocess.run(
            ["ps", "-A", "-ww", "-o", "pid=,command="], check=True, capture_output=True, text=True
        )
        rows = (line.split(maxsplit=1) for line in listing.stdout.splitlines())
        return {int(row[0]): row[1] for row in rows if len(row) > 1}
    lines = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it ended meanwhile
            lines[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return lines


def free_port() -> int:
    """A port that nothing listens on and that no connection is given meanwhile.

    Those that the system would choose are also those it gives to outgoing connections.
    """
    return next(port for port in random.sample(UNASSIGNED_PORTS, 100) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def addons_status(endpoint: str) -> dict[str, Any] | None:
    """What the add-ons say of themselves, `{"addons", "pid", "version"}`; None if nothing does."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{endpoint}/_devstack/status", timeout=2) as response:
            answer = json.load(response)
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) and "addons" in answer else None


def _start(
    state: Path, port: int, settings: Mapping[str, str], arguments: list[str], stdin: int
) -> tuple[subprocess.Popen[bytes], Running]:
    if not FILESYSTEM.exists():
        raise LocalStackError(f"LocalStack is not installed in {FILESYSTEM.parent}: make install")
    if found := status(state):
        raise LocalStackError(
            f"LocalStack runs already at {found.endpoint} (process {found.pid}): devstack down"
        )
    _refuse_taken(port)
    data = _data(state)
    shutil.rmtree(data, ignore_errors=True)
    (data / "tmp").mkdir(parents=True)
    shutil.copytree(FILESYSTEM, data / "filesystem")
    with _log(state).open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, "-m", "localstack_addons", *arguments],
            env={**environment(data, port), **settings},
            cwd=data,
            stdin=stdin,
            stdout=log,
            stderr=log,
            # Ctrl-C is for whoever started it, who then stops it.
            start_new_session=True,
        )
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    started = Running(process.pid, f"http://{HOST}:{port}", started_at)
    _state_file(state).write_text(json.dumps(asdict(started)))
    return process, started


def _wait_until_ready(
    process: subprocess.Popen[bytes], started: Running, state: Path, on_wait: Callable[[], None]
) -> None:
    began = told = time.monotonic()
    # It goes on without a word when its port was taken meanwhile, so ask who answers.
    while not started.ready:
        if process.poll() is not None:
            raise LocalStackError(f"LocalStack ended while it started:\n{_end_of_log(state)}")
        if time.monotonic() - began > START_LIMIT_S:
            raise LocalStackError(
                f"LocalStack was not ready after {START_LIMIT_S:.0f} s:\n{_end_of_log(state)}"
            )
        if time.monotonic() - told > 1:
            told = time.monotonic()
            on_wait()
        time.sleep(POLL_S)


def _refuse_taken(port: int) -> None:
    if not _is_free(port):
        other = addons_status(f"http://{HOST}:{port}")
        owner = f"another LocalStack (process {other['pid']})" if other else "another program"
        message = f"port {port} of {HOST} is taken by {owner}: stop it or choose another --port"
        raise LocalStackError(message)


def _wait_for(condition: Callable[[], bool], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _state_file(state: Path) -> Path:
    return state / "localstack.json"


def _log(state: Path) -> Path:
    return state / "localstack.log"


def _data(state: Path) -> Path:
    return state.resolve() / "data"


def _end_of_log(state: Path) -> str:
    return "\n".join(_log(state).read_text(errors="replace").splitlines()[-20:])
