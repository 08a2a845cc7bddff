"""The README's commands, run as they stand: a team of another account gets its events."""

import json
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.subscriber.tests.conftest import WINDOW, Hub

from devstack.document import Shell, blocks
from devstack.suite import REGION
from logferry.checkout import LOCK
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.wire import emit

# Its package alone takes its time; the tests of count_lines.py run always.
pytestmark = [pytest.mark.localstack, pytest.mark.deep]

SUBSCRIBER = Path(__file__).parents[1]
ROOT = SUBSCRIBER.parents[1]
README = (SUBSCRIBER / "README.md").read_text()
ACCOUNTS, BUILD, READER, SUBSCRIBE = blocks(README, "bash")
TEAM = str(3 * 10**11 + secrets.randbelow(10**11))
PATIENCE_S = 60
ORDERS = "/aws/lambda/orders"


def line(second: int, message: str) -> str:
    return f"2026-11-21T15:00:{second:02d}.000Z {message}\n"


TWO_STREAMS = {
    "web-1": line(0, "one") + line(1, "two\nlines"),
    "[$LATEST]ü 100%": line(2, "in another stream"),
}


@pytest.fixture(scope="module")
def outputs(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the last of the README's commands prints, all of them having been run."""
    # A checkout as far as the commands see it, so that nothing is left in this one.
    here = tmp_path_factory.mktemp("checkout") / "examples" / "subscriber"
    shutil.copytree(SUBSCRIBER, here, ignore=shutil.ignore_patterns("build", "tests"))
    for folder in ("contracts", "deploy"):
        (here.parents[1] / folder).symlink_to(ROOT / folder)
    given = {
        "HUB": hub.account_id,
        "TEAM": TEAM,
        "SOURCE": hub.source.account_id,
        "AWS_DEFAULT_REGION": REGION,
    }
    accounts = ACCOUNTS
    for name, value in given.items():
        accounts, replaced = re.subn(rf"\b{name}=\S+", f"{name}={value}", accounts)
        assert replaced == 1

    uses_this_python = {
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CONSTRAINT": str(LOCK),
    }
    shell = Shell(hub.endpoint, here, uses_this_python)

    def run(commands: str, account_id: str) -> str:
        return shell.run(accounts + commands, account_id)

    run(BUILD, TEAM)
    run(READER, hub.account_id)
    printed = run(SUBSCRIBE, TEAM)
    yield dict(line.split() for line in printed.splitlines())
    hub.client("cloudformation", TEAM).delete_stack(StackName="line-counter")


class Counts:
    """The bucket that the function writes to."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def of(self, event: ExportCompleted) -> dict[str, Any]:
        """Return what has been counted of an event, once it has."""
        where = {"Bucket": self._bucket, "Key": f"{event.id}.json"}
        patience = {"Delay": 1, "MaxAttempts": PATIENCE_S}
        self._s3.get_waiter("object_exists").wait(**where, WaiterConfig=patience)
        counted: dict[str, Any] = json.load(self._s3.get_object(**where)["Body"])
        return counted

    def ids(self) -> set[str]:
        """Return which events have been counted so far."""
        listed = self._s3.list_objects_v2(Bucket=self._bucket)["Contents"]
        return {found["Key"].removesuffix(".json") for found in listed}


@pytest.fixture
def counts(hub: Hub, outputs: dict[str, str]) -> Counts:
    return Counts(hub.client("s3", TEAM), outputs["CountsBucketName"])


@pytest.fixture
def dead_letters(hub: Hub, outputs: dict[str, str]) -> Callable[[int], list[dict[str, Any]]]:
    """Wait for so many dead letters, and take them."""
    sqs, url = hub.client("sqs", TEAM), outputs["DeadLetterQueueUrl"]

    def take(count: int) -> list[dict[str, Any]]:
        got: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(got) < count:
            assert time.monotonic() < deadline, got
            for letter in sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                WaitTimeSeconds=1,
            ).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
                got.append(letter)
        return got

    return take


def changed(event: ExportCompleted, **fields: Any) -> str:
    return json.dumps({**json.loads(emit(event)), **fields})


def test_a_stranger_counts_the_lines_of_its_own_log_groups_and_of_no_others(
    hub: Hub, counts: Counts
) -> None:
    mine = hub.archived(ORDERS, TWO_STREAMS)
    other = hub.archived("/ecs/checkout", TWO_STREAMS)
    somebody_elses = {**mine.attributes, "account_id": TEAM}

    hub.publish(emit(other), other.attributes)
    hub.publish(changed(mine, id="another account's"), somebody_elses)
    hub.publish(emit(mine), mine.attributes)

    assert counts.of(mine) == {
        "log_group": ORDERS,
        **WINDOW.model_dump(),
        "events": 3,
        "lines": 4,
    }
    assert counts.ids() == {mine.id}


def test_an_event_that_comes_twice_counts_once_and_one_of_a_later_minor_counts_too(
    hub: Hub, counts: Counts
) -> None:
    again = hub.archived(ORDERS, TWO_STREAMS)
    later = hub.archived("/aws/lambda/later", TWO_STREAMS)
    of_1_9 = changed(
        later, dataschema="urn:logferry:schema:export-completed:1.9", added_later={"x": None}
    )

    hub.publish(emit(again), again.attributes)
    hub.publish(of_1_9, later.attributes)

    assert counts.of(later)["lines"] == counts.of(again)["lines"] == 4
    assert len(counts.ids()) == 2


def test_a_manifest_that_is_too_long_for_an_event_is_read_from_the_control_bucket(
    hub: Hub, counts: Counts
) -> None:
    long = hub.with_manifest_elsewhere(hub.archived("/aws/lambda/long", TWO_STREAMS))

    hub.publish(emit(long), long.attributes)

    assert counts.of(long)["events"] == 3


def test_what_cannot_be_read_is_a_dead_letter_with_its_reason(
    hub: Hub, dead_letters: Callable[[int], list[dict[str, Any]]]
) -> None:
    event = hub.archived("/aws/lambda/broken", TWO_STREAMS)
    bodies = {
        "unknown_major": changed(event, type="logferry.export.completed.v2"),
        "not_json": emit(event)[:-5],
        "contract": changed(event, id=""),
    }

    for body in bodies.values():
        hub.publish(body, event.attributes)

    got = {
        letter["MessageAttributes"]["reason"]["StringValue"]: letter for letter in dead_letters(3)
    }
    assert {reason: letter["Body"] for reason, letter in got.items()} == bodies
    detail = got["contract"]["MessageAttributes"]["detail"]["StringValue"]
    assert detail == ("not a valid ExportCompleted: id: String should have at least 1 character")
