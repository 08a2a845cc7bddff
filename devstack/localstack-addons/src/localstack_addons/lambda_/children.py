"""How a Lambda process comes to be and to its end: by itself, or as a fork of one that is warm."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

RUNTIME_CLIENT = Path(__file__).with_name("runtime.py")
FORK_SERVER = Path(__file__).with_name("fork_server.py")

LIBRARIES = ("boto3", "pydantic", "aws_lambda_powertools.utilities.batch")
"""What takes most of a cold start's time, and does nothing but define while it is imported."""
SHARED_VARIABLES = ("PATH", "LANG", "AWS_EXECUTION_ENV")
"""Of a function's variables those that all functions of a zip have alike.

The libraries read no other while they are imported, but for the home.
"""


@dataclass(frozen=True)
class Program:
    """What a function's process runs.

    Attributes:
        python: The interpreter.
        code: The folder of its unpacked zip.
        layers: Those of its layers, in the order of the configuration.
        libraries: Modules that a process may have imported before it is forked; with none, each
            process is started by itself and imports everything: a real cold start.
    """

    python: str
    handler: str
    code: Path
    layers: tuple[Path, ...] = ()
    libraries: tuple[str, ...] = ()


def libraries_in(code: Path) -> tuple[str, ...]:
    """Which libraries the processes of a zip share: those that it has.

    None where LAMBDA_LOCAL_COLD is in LocalStack's environment.
    """
    if os.environ.get("LAMBDA_LOCAL_COLD"):
        return ()
    return tuple(name for name in LIBRARIES if (code / name.partition(".")[0]).is_dir())


class Child(Protocol):
    """A running process."""

    pid: int
    """Its id, which is its group's id too."""

    def kill(self) -> None:
        """Kill it and what it started, if it has not ended. Does not wait."""

    def wait(self) -> int:
        """Wait for its end, and end what it left; returns its status as `Popen.returncode`."""


def start(program: Program, folder: Path, environment: dict[str, str], log: IO[bytes]) -> Child:
    """Start a process of a program.

    Args:
        program: What it runs.
        folder: The execution environment's, by which the process is recognised in a process list.
        environment: All its variables.
        log: Where its output goes.
    """
    if program.libraries:
        # Otherwise its fork server has died. The next start begins another.
        with contextlib.suppress(OSError):
            return _fork(program, environment, log)
    return Spawned(program, folder, environment, log)


class Spawned:
    """A process that was started by itself."""

    def __init__(
        self, program: Program, folder: Path, environment: dict[str, str], log: IO[bytes]
    ) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._process = subprocess.Popen(
            # The folder is ignored by the runtime client.
            [*_python(program), str(RUNTIME_CLIENT), program.handler, str(folder)],
            cwd=program.code,
            env=environment | {"LAMBDA_LOCAL_LAYERS": _layers(program)},
            # Never written to: its end tells the process that LocalStack is gone.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def kill(self) -> None:
        """As `Child` has it."""
        with self._lock:
            # Once it has been waited for, its id may be another process's.
            if not self._ended:
                os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """As `Child` has it."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            # The children it left. Its id is still its own: it has not been waited for yet.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            with self._process:
                status = self._process.wait()
            self._ended = True
        return status


class Forked:
    """A process that a fork server has forked, and waits for."""

    def __init__(
        self, server: socket.socket, program: Program, environment: dict[str, str], log: IO[bytes]
    ) -> None:
        self._control, control = socket.socketpair()
        self._answers = self._control.makefile("rb")
        # Held open and never written to: its end tells the process that LocalStack is gone.
        stdin, self._life = os.pipe()
        request = {
            "handler": program.handler,
            "folder": str(program.code),
            "environment": environment,
        }
        try:
            with control:
                socket.send_fds(server, [b"+"], [control.fileno(), stdin, log.fileno()])
            self._control.sendall(json.dumps(request).encode() + b"\n")
            self.pid = int(self._answers.readline() or b"0")
            if not self.pid:
                raise ConnectionResetError("the fork server has ended")
        except OSError:
            self._close()
            raise
        finally:
            os.close(stdin)

    def kill(self) -> None:
        """As `Child` has it; the server knows whether the id is still the process's."""
        with contextlib.suppress(OSError):
            self._control.send(b"-")

    def wait(self) -> int:
        """As `Child` has it. A process dies with its fork server, as killed."""
        with contextlib.suppress(ConnectionError):
            status = self._answers.readline()
        self._close()
        return int(status) if status else -signal.SIGKILL

    def _close(self) -> None:
        self._answers.close()
        self._control.close()
        os.close(self._life)


@dataclass(frozen=True)
class _Server:
    process: subprocess.Popen[bytes]
    requests: socket.socket

    def end(self) -> None:
        """End it, and so the processes that it has forked."""
        self.requests.close()
        self.process.kill()
        self.process.wait()


_servers: dict[Program, _Server] = {}
_starting = threading.Lock()


def _fork(program: Program, environment: dict[str, str], log: IO[bytes]) -> Forked:
    shared = replace(program, handler="")
    with _starting:
        if shared not in _servers:
            _servers[shared] = _fork_server(program, environment)
        server = _servers[shared]
    try:
        return Forked(server.requests, program, environment, log)
    except OSError:
        with _starting:
            if _servers.get(shared) is server:
                del _servers[shared]
                server.end()
        raise


def _fork_server(program: Program, environment: dict[str, str]) -> _Server:
    requests, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [
                *(*_python(program), str(FORK_SERVER), str(RUNTIME_CLIENT)),
                *(str(program.code), _layers(program), *program.libraries),
            ],
            cwd=program.code,
            # What libraries read while they are imported is the same for all functions of a zip.
            env={name: environment[name] for name in SHARED_VARIABLES if name in environment}
            | {"HOME": str(program.code)},
            stdin=theirs.fileno(),
            start_new_session=True,
        )
    return _Server(process, requests)


def end_fork_servers() -> None:
    """End all fork servers, and so their processes."""
    with _starting:
        while _servers:
            _servers.popitem()[1].end()


def _python(program: Program) -> list[str]:
    return [program.python, "-I", "-S", "-u"]


def _layers(program: Program) -> str:
    return os.pathsep.join(map(str, program.layers))
