"""The demo as a whole, while the exporters are killed again and again, and what it then shows."""

import io
import json
import os
import re
import subprocess
import sys

import boto3
import pytest
from rich.console import Console

from devstack import localstack
from devstack.demo import CONFIGURATION, HUB_ACCOUNT_ID, Options, run
from devstack.suite import REGION

pytestmark = pytest.mark.localstack

SOME_AT_ANY_HOUR = 5
AS_PRINTED = {**os.environ, "COLUMNS": "80"}


def test_killing_the_exporters_changes_no_figure_and_what_is_printed_to_be_tried_works(tmp_path):
    printed, state = io.StringIO(), tmp_path / "localstack"
    with localstack.running(state) as started:
        options = Options(
            tmp_path, events_per_stream=8, kill_exporter_every=25, keep=True, kept=state
        )
        found = run(options, Console(file=printed, width=120, soft_wrap=True))
        assert found.exporter_kills >= 10
        assert found.problems == []
        assert found.exports_completed == 31
        # A window is guessed smaller the longer ago it ended: later in the day more is read
        # directly.
        assert min(found.exports_by_lane.values()) >= SOME_AT_ANY_HOUR
        assert_only_alarms_are_told_to_nobody(started.endpoint, tmp_path)
        assert_can_be_typed(printed.getvalue().partition("Where to look next:")[2], tmp_path)


def assert_only_alarms_are_told_to_nobody(endpoint, folder):
    """Look at what is kept by the doctor: the demo has no topic, and else is as it should be."""
    as_hub = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": HUB_ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": REGION,
    }
    looked = subprocess.run(
        [sys.executable, "-m", "logferry", "doctor", str(folder / CONFIGURATION), "--json"],
        check=False,
        env=os.environ | as_hub,
        capture_output=True,
        text=True,
    )
    wrong = [each for each in json.loads(looked.stdout) if each["verdict"] == "wrong"]
    assert [each["check"] for each in wrong] == ["settings"], wrong


def assert_can_be_typed(told, folder):
    """Type what the demo has printed, in a shell: each command of ours ends well."""
    lines = [line.strip() for line in told.splitlines()]
    first = [line for line in lines if line.startswith(("export ", "source "))]
    commands = [line for line in lines if line.startswith("logferry ")]
    assert len(first) == 4
    assert len(commands) >= 3
    (folder / ".venv").symlink_to(localstack.REPOSITORY / ".venv")
    for command in commands:
        typed = " && ".join([*first, command])
        done = subprocess.run(
            ["bash", "-c", typed],
            check=False,
            cwd=folder,
            env=AS_PRINTED,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout or done.stderr
    [endpoint] = re.findall(r"AWS_ENDPOINT_URL=(\S+)", told)
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=HUB_ACCOUNT_ID,
        aws_secret_access_key="any",
        region_name="eu-west-1",
    )
    listed = re.findall(r"^ *aws s3 ls --recursive s3://([^/\s]+)/?(\S*)$", told, re.MULTILINE)
    assert len(listed) == 2
    for bucket, prefix in listed:
        assert s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"]
