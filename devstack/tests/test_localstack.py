"""Starting, finding and stopping LocalStack, where none is needed for it."""

import http.server
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Thread

import pytest
import yaml

from devstack import localstack
from devstack.localstack import LocalStackError
from devstack.pytest_localstack import Run, checked


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is there is not asked for: it would not be started."""
    monkeypatch.setattr(localstack, "PYTHON", Path(sys.executable))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def start(state: Path, port: int = 0) -> None:
    with localstack.running(state, port):
        pytest.fail("it was started")


def test_the_environment_names_one_loopback_address_and_the_folders(tmp_path: Path):
    variables = localstack.environment(tmp_path, 4566)
    assert variables["GATEWAY_LISTEN"] == "127.0.0.1:4566"
    assert variables["LOCALSTACK_HOST"] == "127.0.0.1:4566"
    assert variables["FILESYSTEM_ROOT"] == str(tmp_path / "filesystem")
    assert variables["TMPDIR"] == str(tmp_path / "tmp")
    assert variables["HOME"] == str(tmp_path)


def test_docker_has_the_same_settings(tmp_path: Path):
    compose = yaml.safe_load((localstack.REPOSITORY / "docker-compose.localstack.yml").read_text())
    service = compose["services"]["localstack"]
    settings = service["environment"]
    del settings["LOGFERRY_ADDONS"]
    assert settings.items() <= localstack.environment(tmp_path, 4566).items()
    assert service["image"] == "localstack/localstack:4.14.0"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_environment_takes_nothing_over_but_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before = localstack.environment(tmp_path, 4566)
    for name in ("HTTPS_PROXY", "AWS_PROFILE", "LS_LOG", "DEBUG", "TZ"):
        monkeypatch.setenv(name, "/somewhere/else")
    assert localstack.environment(tmp_path, 4566) == before
    assert before["PATH"] == os.environ["PATH"]


def test_a_missing_installation_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(localstack, "FILESYSTEM", tmp_path / "venv" / "filesystem")
    with pytest.raises(LocalStackError, match=f"not installed in {tmp_path}/venv: make install"):
        start(tmp_path)


@pytest.mark.usefixtures("installed")
def test_a_taken_port_is_refused_by_its_number(tmp_path: Path, taken_port: int):
    message = f"port {taken_port} of 127.0.0.1 is taken by another program"
    with pytest.raises(LocalStackError, match=message):
        start(tmp_path, taken_port)


@pytest.mark.usefixtures("installed")
def test_a_localstack_that_runs_already_is_named(tmp_path: Path):
    with running_process("import time; time.sleep(60) # localstack_addons") as process:
        write_state(tmp_path, process.pid)
        message = f"runs already at http://127.0.0.1:1 .process {process.pid}"
        with pytest.raises(LocalStackError, match=message):
            start(tmp_path)
        assert process.poll() is None


@pytest.mark.usefixtures("installed")
def test_one_that_ends_while_it_starts_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho cannot import something >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(localstack, "PYTHON", broken)
    message = "ended while it started:\ncannot import something"
    with pytest.raises(LocalStackError, match=message):
        start(tmp_path / "state")
    assert localstack.status(tmp_path / "state") is None


STAND_IN = """#!{python}
import http.server, json, os, sys, threading
if "--end-with-stdin" in sys.argv:
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
class Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({{"addons": [], "pid": os.getpid()}}).encode())
host, port = os.environ["GATEWAY_LISTEN"].split(":")
http.server.HTTPServer((host, int(port)), Status).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that starts and answers as LocalStack does, in a tenth of the time."""
    program = tmp_path / "stand-in"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(localstack, "PYTHON", program)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_it_is_gone_after_an_exception(tmp_path: Path, error: type[BaseException]):
    pids = []

    def run() -> None:
        with localstack.running(tmp_path) as started:
            assert started.ready
            assert localstack.status(tmp_path) == started
            pids.append(started.pid)
            raise error

    with pytest.raises(error):
        run()
    assert localstack.status(tmp_path) is None
    assert not localstack.command_lines().get(pids[0])


IN_A_PROCESS_THAT_RUNS_TESTS = """
import os
from pathlib import Path
from devstack import localstack
from devstack.pytest_localstack import Run
localstack.PYTHON = Path({program!r})
print(Run(Path({folder!r})).localstack_endpoint(), flush=True)
os._exit(1)
"""


@pytest.mark.usefixtures("stand_in")
def test_the_localstack_of_a_run_is_shared_outlives_who_started_it_and_ends_with_the_run(
    tmp_path: Path,
):
    run = Run(tmp_path / "run")
    run.begin()
    source = IN_A_PROCESS_THAT_RUNS_TESTS.format(
        program=str(localstack.PYTHON), folder=str(run.folder)
    )
    endpoints = {
        subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, check=False
        ).stdout.strip()
        for _ in range(2)
    }
    started = localstack.status(run.localstack)
    assert started
    assert (endpoints, started.ready) == ({started.endpoint}, True)
    os.close(run.held)  # as when the process is killed
    assert localstack._wait_for(lambda: not localstack.command_lines().get(started.pid), 20)


@pytest.mark.usefixtures("stand_in")
def test_what_one_process_of_a_run_has_made_is_not_made_again(tmp_path: Path):
    run = Run(tmp_path / "run")
    run.begin()
    made = [Run(run.folder).once("zips", lambda folder, n=n: [str(folder), n]) for n in range(2)]  # type: ignore[misc]
    run.end()
    assert made == [[str(run.folder / "zips"), 0]] * 2


@pytest.mark.usefixtures("stand_in")
def test_nothing_of_the_run_before_is_kept(tmp_path: Path):
    for _ in range(2):
        with localstack.running(tmp_path):
            left = tmp_path / "data" / "tmp" / "left"
            assert not left.exists()
            left.touch()


@contextmanager
def running_process(source: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", source]) as process:
        # A new process has no command line for a moment.
        while not localstack.command_lines().get(process.pid):
            assert process.poll() is None
        yield process
        process.kill()


def write_state(state: Path, pid: int) -> None:
    content = {"pid": pid, "endpoint": "http://127.0.0.1:1", "started_at": "2026-01-01T00:00:00"}
    (state / "localstack.json").write_text(json.dumps(content))


def test_nothing_runs_where_nothing_was_started(tmp_path: Path):
    assert localstack.status(tmp_path) is None
    assert localstack.stop(tmp_path) is False


def test_a_process_that_is_gone_is_not_running(tmp_path: Path):
    with running_process("import time; time.sleep(60) # localstack_addons") as process:
        process.kill()
    write_state(tmp_path, process.pid)
    assert localstack.status(tmp_path) is None


def test_another_process_that_got_the_id_is_left_alone(tmp_path: Path):
    with running_process("import time; time.sleep(60)") as process:
        write_state(tmp_path, process.pid)
        assert localstack.status(tmp_path) is None
        assert localstack.stop(tmp_path) is False
        assert process.poll() is None


def test_one_that_runs_but_does_not_answer_is_not_ready(tmp_path: Path):
    with running_process("import time; time.sleep(60) # localstack_addons") as process:
        write_state(tmp_path, process.pid)
        found = localstack.status(tmp_path)
        assert found
        assert not found.ready


class Program(http.server.BaseHTTPRequestHandler):
    answer = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], str]]:
    """Answers every GET with the same; the result is the URL."""
    with ExitStack() as servers:

        def serve(answer: bytes) -> str:
            program = type("Program", (Program,), {"answer": answer})
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), program)
            servers.enter_context(server)
            servers.callback(server.shutdown)
            Thread(target=server.serve_forever, args=(0.01,)).start()
            return f"http://127.0.0.1:{server.server_port}"

        yield serve


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"services": {}}'])
def test_another_program_is_not_taken_for_localstack(serve, answer: bytes):
    url = serve(answer)
    assert localstack.addons_status(url) is None
    with pytest.raises(LocalStackError, match="no LocalStack with our add-ons answers"):
        checked(url)


def test_one_that_runs_on_this_machine_can_be_used(serve):
    url = serve(b'{"addons": []}')
    assert checked(url) == url


def test_an_endpoint_that_is_not_on_this_machine_is_refused():
    with pytest.raises(LocalStackError, match="is not on this machine: refused"):
        checked("https://logs.eu-west-1.amazonaws.com")


def test_the_proxies_of_the_environment_are_not_asked(serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", serve(b"the proxy was asked"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert localstack.addons_status(serve(b'{"addons": []}')) == {"addons": []}


def test_processes_are_known_by_their_command_lines():
    with running_process("import time; time.sleep(60) # look for this") as process:
        assert "look for this" in localstack.command_lines()[process.pid]
