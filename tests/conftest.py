"""The suite, deployed once for all tests across services, and a queue that hears everything."""

import gzip
import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.deployed import PROFILES_APART, deployed

from devstack.organisation import LogGroup, LogStream
from devstack.suite import Suite, date_of, yesterday
from logferry.package import Zip
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord

SCHEMAS = {
    schema["$id"]: Draft202012Validator(schema)
    for path in Path(__file__).parents[1].glob("contracts/schemas/*/*.json")
    for schema in [json.loads(path.read_text())]
}
PROFILES = ("alpha", "beta")
PATIENCE_S = 90


@pytest.fixture(scope="session")
def suite(localstack: str, zips: list[Zip]) -> Suite:
    """The suite with two sources, deployed from the templates and the real zips.

    Tests share it: each has log groups of its own name, and plans only those. The conftest above
    sees to it that one process runs all of them.
    """
    return deployed(localstack, zips, *PROFILES)


@pytest.fixture(scope="session")
def suite_apart(localstack: str, zips: list[Zip]) -> Suite:
    """A suite for tests that kill its functions, or whose calls are refused, deployed once as well.

    Another process may run those of the other suite meanwhile, on the same LocalStack.
    """
    return deployed(localstack, zips, *PROFILES_APART, name="apart")


class Tap:
    """Everything the topic publishes, each message checked against the schema that it names."""

    def __init__(self, suite: Suite, queue_url: str) -> None:
        self._suite = suite
        self._queue_url = queue_url
        self.events: list[dict[str, Any]] = []

    def until(self, condition: Callable[[], object]) -> None:
        """Take in events until a condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self._take_in()
            assert time.monotonic() < deadline, [
                (event["type"], event["data"].get("log_group_name")) for event in self.events
            ]

    def idle(self) -> bool:
        """Return whether nothing has come in the last second: what was published is here."""
        return not self._take_in()

    def of(self, noun_and_participle: str, log_group_name: str) -> list[dict[str, Any]]:
        """Return the data of a kind of event about one log group, such as ``export.completed``."""
        return [
            event["data"]
            for event in self.events
            if event["type"] == f"logferry.{noun_and_participle}.v1"
            and event["data"]["log_group_name"] == log_group_name
        ]

    def _take_in(self) -> bool:
        bodies = list(self._suite.receive(self._queue_url))
        for event in map(json.loads, bodies):
            SCHEMAS[event["dataschema"]].validate(event)
            self.events.append(event)
        return bool(bodies)


@pytest.fixture
def tap(suite: Suite) -> Iterator[Tap]:
    """A queue that is subscribed to every event from now on."""
    queue_name = f"tap-{secrets.token_hex(6)}"
    yield Tap(suite, suite.subscribe(queue_name))
    suite.unsubscribe(queue_name)


_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A log group name that no other test uses."""
    return f"/test/{next(_numbers)}-{secrets.token_hex(4)}"


@pytest.fixture
def some_logs(suite: Suite) -> Callable[..., None]:
    """Put ten events of the previous day into each stream of a source's log groups.

    They are of a class that can only be exported by a task, unless they are for the direct lane.
    """

    def put(
        profile: str,
        *names: str,
        streams: tuple[str, ...] = ("web/1", "[$LATEST]ü 100%"),
        lane: Lane = "slot",
    ) -> None:
        window = yesterday()
        events = [(window.from_ms + n * 1000, f"{profile} event {n}") for n in range(10)]
        groups = [
            LogGroup(
                name,
                window.from_ms - 1,
                [LogStream(stream, events) for stream in streams],
                "INFREQUENT_ACCESS" if lane == "slot" else "STANDARD",
            )
            for name in names
        ]
        suite.put_logs(suite.source(profile).account_id, groups)

    return put


@pytest.fixture
def lines(suite: Suite) -> Callable[[dict[str, Any]], list[str]]:
    """Read every line of the objects in a manifest."""

    def read(manifest: dict[str, Any]) -> list[str]:
        s3 = suite.client("s3")
        bodies = [
            s3.get_object(
                Bucket=suite.archive_bucket, Key=found["key"], VersionId=found["version_id"]
            )["Body"].read()
            for found in manifest["objects"]
        ]
        return [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]

    return read


@pytest.fixture
def plan(suite: Suite) -> Callable[..., dict[str, Any]]:
    """Plan the previous day of the log groups that match a pattern; return the planner's answer.

    By its date, it is planned again where it has failed.
    """

    def invoke(profile: str, pattern: str, *, by_date: bool = False) -> dict[str, Any]:
        date = str(date_of(yesterday())) if by_date else None
        request = suite.plan_request(profile, include=[pattern], collect_date=date)
        return suite.invoke_planner(request)

    return invoke


@pytest.fixture
def records(suite: Suite) -> Callable[[str], list[LedgerRecord]]:
    """The ledger's records of one log group, by generation."""

    def read(log_group_name: str) -> list[LedgerRecord]:
        found = [r for r in suite.ledger() if r.log_group.name == log_group_name]
        return sorted(found, key=lambda record: record.generation)

    return read


@pytest.fixture
def request_of(suite: Suite) -> Callable[..., ExportRequestedData]:
    """The request for the previous day of a log group, as the planner sends it."""
    return suite.export_request


@pytest.fixture
def write(suite: Suite) -> Callable[..., LedgerRecord]:
    """Write a ledger record, as an administrator can."""
    return suite.write_record


@pytest.fixture
def send(suite: Suite) -> Callable[[ExportRequestedData], None]:
    """Send a request to its lane."""
    return suite.send_request


@pytest.fixture
def letters(suite: Suite) -> Iterator[Callable[[str], list[str]]]:
    """Take dead letters out of a queue; return their reasons."""

    def take(queue_name: str) -> list[str]:
        sqs, url = suite.client("sqs"), suite.queue_url(queue_name)
        found = sqs.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=20, MaxNumberOfMessages=10
        ).get("Messages", [])
        for letter in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
        return [letter["MessageAttributes"]["reason"]["StringValue"] for letter in found]

    yield take
    for profile in PROFILES:
        url = suite.queue_url(suite.source(profile).dead_letter_queue_name)
        suite.client("sqs").purge_queue(QueueUrl=url)


@pytest.fixture
def dead_letter(suite: Suite) -> Callable[[str, str], dict[str, Any]]:
    """Take the dead letter that has a text in it out of a queue, and what others have left."""

    def take(queue_name: str, text: str) -> dict[str, Any]:
        sqs, url = suite.client("sqs"), suite.queue_url(queue_name)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            letters: list[dict[str, Any]] = sqs.receive_message(
                QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=20
            ).get("Messages", [])
            for letter in letters:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
                if text in letter["Body"]:
                    return letter
        raise AssertionError(f"{queue_name} has no letter with {text}")

    return take
