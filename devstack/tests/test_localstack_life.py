"""LocalStack comes up, stays on this machine and leaves nothing behind, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from devstack import localstack
from devstack.localstack import Running, lambda_processes, running

pytestmark = pytest.mark.localstack


def devstack(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "devstack", *arguments], capture_output=True, text=True, check=False
    )


def can_connect(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


def own_addresses() -> set[str]:
    """Addresses of this machine other than 127.0.0.1."""
    found = socket.getaddrinfo(socket.gethostname(), None, family=socket.AF_INET)
    others = {str(address[4][0]) for address in found} | {"127.0.0.2", "::1"}
    return others - {"127.0.0.1"}


def start_function(endpoint: str, zipped: Callable[[dict[str, str]], bytes]) -> None:
    """Has a function of its own run for a minute."""
    client = boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="111111111111",
        aws_secret_access_key="any",
        config=Config(proxies={}),
    )
    client.create_function(
        FunctionName="busy",
        Runtime="python3.13",
        Handler="app.handler",
        Role="arn:aws:iam::111111111111:role/any",
        Code={"ZipFile": zipped({"app.py": "import time\ndef handler(*_): time.sleep(60)"})},
        Timeout=60,
    )
    client.get_waiter("function_active_v2").wait(
        FunctionName="busy",
        WaiterConfig={"Delay": 0.1},  # type: ignore[typeddict-item]  # fractions do
    )
    client.invoke(FunctionName="busy", InvocationType="Event")
    client.close()


@pytest.mark.deep
def test_no_lambda_process_survives_localstack_s_death(tmp_path: Path, zipped, wait_for):
    with running(tmp_path) as started:
        assert can_connect("127.0.0.1", port_of(started))
        assert [each for each in own_addresses() if can_connect(each, port_of(started))] == []
        start_function(started.endpoint, zipped)
        wait_for(lambda: lambda_processes(tmp_path))
        os.kill(started.pid, signal.SIGKILL)
        wait_for(lambda: not lambda_processes(tmp_path), limit_s=20)


def port_of(started: Running) -> int:
    return int(started.endpoint.rpartition(":")[2])


@pytest.mark.deep
def test_localstack_ends_with_the_process_that_runs_it(tmp_path: Path, wait_for):
    source = (
        "import sys, time\nfrom pathlib import Path\nfrom devstack.localstack import running\n"
        f"with running(Path({str(tmp_path)!r})) as started:\n"
        "    print(started.pid, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert localstack.command_lines()[pid]
        process.kill()
    wait_for(lambda: not localstack.command_lines().get(pid))


@pytest.mark.deep
def test_the_command_brings_it_up_and_down(tmp_path: Path, zipped, wait_for):
    state = ("--state", str(tmp_path))
    port = str(localstack.free_port())
    up = devstack("up", "--port", port, *state)
    try:
        assert up.returncode == 0, up.stderr
        assert f"export AWS_ENDPOINT_URL=http://127.0.0.1:{port}\n" in up.stdout
        status = json_of(devstack("status", "--json", *state))
        assert (status["ready"], status["endpoint"]) == (True, f"http://127.0.0.1:{port}")
        assert devstack("up", "--port", port, *state).returncode == 0
        second = devstack("up", "--port", port, "--state", str(tmp_path / "second"))
        assert second.returncode == 1
        assert f"taken by another LocalStack (process {status['pid']})" in second.stdout
        start_function(status["endpoint"], zipped)
        wait_for(lambda: lambda_processes(tmp_path))
    finally:
        down = devstack("down", *state)
    assert (down.returncode, down.stdout) == (0, "LocalStack is stopped.\n")
    assert lambda_processes(tmp_path) == []
    assert devstack("down", *state).stdout == "LocalStack was not running.\n"
    status_after = devstack("status", "--json", *state)
    assert (status_after.returncode, json.loads(status_after.stdout)) == (3, {"ready": False})


def json_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_status_names_every_add_on(localstack: str):
    answer = addons(localstack)
    assert answer["version"] == "4.14.0"
    assert set(answer["addons"]) >= {
        "export_tasks.api",
        "faults.api",
        "lambda_.executor",
        "logs.log_groups",
        "s3.object_encryption",
        "s3.events",
        "scheduler.firing",
    }


def addons(url: str) -> dict[str, Any]:
    answer = localstack.addons_status(url)
    assert answer
    return answer
