"""A fork server: has imported what many processes of a zip would, and forks one for each start.

Started by `children` as `python -I -S -u fork_server.py <runtime.py> <code> <layers> <library>...`,
with the interpreter's standard library and the zip, like the runtime client that each fork becomes.
What is imported before the fork are libraries; the function's own code is imported after it.

Standard input is a socket. Each start is a byte on it with three descriptors: the process's control
socket, its standard input, and where its output goes. The control socket then brings a line of
JSON, `{"handler", "folder", "environment"}`, and takes the process's id as a line, and, when the
process has ended and what it left is gone, its status as `Popen.returncode` has it. Any further
byte, or its end, kills the process. The fork server ends when nobody holds its socket any more.
"""

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
import time
import types
from typing import NoReturn, cast


class Started:
    """A process that was forked here and has not been waited for."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self.control = control

    def kill(self) -> None:
        """End it and what it started. Its id is its own until it is waited for."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def say(self, value: int) -> None:
        """Tell a number to who wanted the process."""
        with contextlib.suppress(OSError):
            self.control.sendall(b"%d\n" % value)


class ForkServer:
    """Forks processes and waits for them, in one thread, so that none is killed by another's id."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._started: dict[int, Started] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)
        self._ends, self._end = socket.socketpair()
        for each in (self._ends, self._end):
            os.set_blocking(each.fileno(), False)
        self._selector.register(self._ends, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._end.fileno(), warn_on_full_buffer=False)

    def serve(self) -> str:
        """Fork what is asked for. Returns in each forked process, with the handler's name."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._ends:
                    self._wait_for_those_that_ended()
                elif key.fileobj is self._requests:
                    if handler := self._fork():
                        return handler
                elif isinstance(key.data, Started):
                    self._kill(key.data)

    def _fork(self) -> str | None:
        message, descriptors, _, _ = socket.recv_fds(self._requests, 1, 3)
        if not message:
            os._exit(0)
        control = socket.socket(fileno=descriptors[0])
        with control.makefile("rb") as lines:
            request = json.loads(lines.readline() or b"null")
        pid = os.fork() if request else None
        if pid == 0:
            self._leave()
            control.close()
            _become(request, *descriptors[1:])
            return cast("str", request["handler"])
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        if pid is None:
            control.close()
            return None
        # Here and in the process itself: whoever comes first, its group is there from now on.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)
        started = self._started[pid] = Started(pid, control)
        self._selector.register(control, selectors.EVENT_READ, started)
        started.say(pid)
        return None

    def _kill(self, started: Started) -> None:
        # It may have been waited for after this round's select, and its control socket be closed.
        if self._started.get(started.pid) is not started:
            return
        started.kill()
        with contextlib.suppress(OSError):
            if started.control.recv(1):
                return
        self._selector.unregister(started.control)

    def _wait_for_those_that_ended(self) -> None:
        self._ends.recv(4096)
        for started in list(self._started.values()):
            if not os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                continue
            # The children it left.
            started.kill()
            _, status = os.waitpid(started.pid, 0)
            del self._started[started.pid]
            with contextlib.suppress(KeyError):
                self._selector.unregister(started.control)
            started.say(os.waitstatus_to_exitcode(status))
            started.control.close()

    def _leave(self) -> None:
        """Give up, in a forked process, everything that is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for each in (self._requests, self._ends, self._end):
            each.close()
        for started in self._started.values():
            started.control.close()


def _become(request: dict[str, object], stdin: int, output: int) -> None:
    """Make this process what a program of its own would be: group, files, folder, variables."""
    os.setpgid(0, 0)
    for descriptor, standard in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, standard)
    for descriptor in (stdin, output):
        os.close(descriptor)
    os.chdir(cast("str", request["folder"]))
    os.environ.clear()
    os.environ.update(cast("dict[str, str]", request["environment"]))
    time.tzset()
    gc.enable()


def _runtime_client(path: str) -> types.ModuleType:
    """Load the runtime client, where the function does not find it."""
    spec = importlib.util.spec_from_file_location("runtime_client", path)
    assert spec  # noqa: S101  for types: a path ending in .py has one
    assert spec.loader  # noqa: S101  the same
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(runtime: str, code: str, layers: str, *libraries: str) -> NoReturn:
    """Import, then fork until nobody wants processes any more; each runs its handler here."""
    requests = socket.socket(fileno=os.dup(0))
    # Until the fork, so that its processes share as much memory as they can.
    gc.disable()
    client = _runtime_client(runtime)
    client.make_importable(code, layers)
    for name in libraries:
        # What cannot be imported here fails in the function, where it is answered.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.freeze()
    client.run(ForkServer(requests).serve())
    raise AssertionError("a runtime client does not return")


if __name__ == "__main__":
    main(*sys.argv[1:])
