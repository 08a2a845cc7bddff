import os
import signal
import subprocess
import sys

import pytest

from devstack import localstack

pytestmark = pytest.mark.localstack

INTERRUPTED = 130


def test_a_demo_that_is_interrupted_leaves_no_process_behind(tmp_path, wait_for):
    state = tmp_path / "localstack"
    demo = subprocess.Popen(
        [sys.executable, "-m", "devstack", "demo", "--directory", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        # As soon as functions run, everything does that could be left over.
        wait_for(lambda: localstack.lambda_processes(state), limit_s=300)
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(30) == INTERRUPTED
    finally:
        demo.kill()
    assert localstack.status(state) is None
    assert localstack.lambda_processes(state) == []
