"""The ways back, each typed as the page has it, after the accident that it is for."""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from devstack.document import Shell, blocks
from devstack.organisation import LogGroup, LogStream, previous_day
from devstack.suite import REGION, TIME_ZONE, Suite
from logferry.checkout import ROOT
from logferry.package import Zip
from logferry_contracts.export import Lane, export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.wire import emit
from logferry_contracts.zones import zone_named

pytestmark = pytest.mark.localstack

DOCUMENT = (ROOT / "docs" / "ways-back.md").read_text()
SETTING, *SECTIONS = DOCUMENT.split("\n## ")
COMMANDS = {
    section.partition("\n")[0]: blocks(section, "bash")
    for section in SECTIONS
    if blocks(section, "bash")
}
PATIENCE_S = 120
EVENT_COUNT = 10


@dataclass(frozen=True)
class Scene:
    """The deployed suite before, in and after an accident.

    Attributes:
        name: A log group that no other accident touches.
        account_id: The source's.
        kept: What an accident has to put back at its end, beside what the reader types.
    """

    suite: Suite
    name: str
    account_id: str

    def put_logs(self, *names: str, lane: Lane = "slot") -> None:
        """Let log groups have events of yesterday.

        Those for the slot are of a class that only a task can export.
        """
        window = previous_day(datetime.now(zone_named(TIME_ZONE)))
        events = [(window.from_ms + n * 1000, f"event {n}") for n in range(EVENT_COUNT)]
        log_class = "INFREQUENT_ACCESS" if lane == "slot" else "STANDARD"
        groups = [
            LogGroup(name, window.from_ms - 1, [LogStream("web/1", events)], log_class)
            for name in names or (self.name,)
        ]
        self.suite.put_logs(self.account_id, groups)

    def plan(self, *, pattern: str | None = None) -> dict[str, Any]:
        """Let yesterday be planned, as its schedule would."""
        return self.suite.invoke_planner(
            self.suite.plan_request("shop", include=[pattern or self.name])
        )

    def records(self, name: str | None = None) -> list[LedgerRecord]:
        """Return a log group's records, by generation."""
        found = [r for r in self.suite.ledger() if r.log_group.name == (name or self.name)]
        return sorted(found, key=lambda record: record.generation)

    def states(self, name: str | None = None) -> list[str]:
        """Return the states of a log group's records, by generation."""
        return [record.state for record in self.records(name)]

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.states(), self.suite.waiting(self.letters))
            time.sleep(0.3)

    def write(self, record: LedgerRecord | None = None, **changes: Any) -> LedgerRecord:
        """Write over a record as an administrator can, or one of a window that nobody planned."""
        document = json.loads(emit(record or self._requested())) | changes
        written = LedgerRecord.model_validate(document)
        self.suite.client("s3").put_object(
            Bucket=self.suite.config.control_bucket, Key=written.key, Body=emit(written).encode()
        )
        return written

    def _requested(self) -> LedgerRecord:
        source = self.suite.source("shop")
        window = previous_day(datetime.now(zone_named(TIME_ZONE)))
        prefix = f"shop{self.name}/2026/11/21/00"
        return LedgerRecord.first(
            requested_at=datetime(2026, 11, 23, 5, tzinfo=UTC),
            export_id=export_id(source, self.name, window, 1),
            generation=1,
            source=source,
            log_group={
                "name": self.name,
                "arn": f"arn:aws:logs:{REGION}:{self.account_id}:log-group:{self.name}",
                "log_group_class": "INFREQUENT_ACCESS",
                "created_ms": window.from_ms - 1,
            },
            window=window,
            destination={"bucket": self.suite.archive_bucket, "prefix": prefix},
            lane="slot",
        )

    @property
    def letters(self) -> str:
        """The queue of what the source's exporter could not do."""
        return self.suite.source("shop").dead_letter_queue_name


type Accident = Callable[[Scene], Iterator[None]]
ACCIDENTS: dict[str, Accident] = {}


def accident(heading: str) -> Callable[[Accident], Accident]:
    """Say which section an accident is for. It happens until its `yield`; then comes what holds."""

    def named(happens: Accident) -> Accident:
        ACCIDENTS[heading] = happens
        return happens

    return named


@pytest.fixture(scope="module")
def suite(localstack: str, zips: list[Zip]) -> Suite:
    account_id = str(10**11 + secrets.randbelow(10**11))
    hub_account_id = str(2 * 10**11 + secrets.randbelow(10**11))
    made = Suite(localstack, hub_account_id=hub_account_id, accounts={"shop": account_id})
    made.enforce_permissions()
    made.deploy(zips)
    return made


@pytest.fixture(scope="module")
def typed(
    suite: Suite, localstack: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Type a block in the hub, beside the configuration that was deployed."""
    folder = tmp_path_factory.mktemp("operator")
    configuration = suite.config.model_dump(mode="json", exclude_none=True)
    (folder / "organization.yaml").write_text(yaml.safe_dump(configuration))
    shell = Shell(localstack, folder)
    [setting] = blocks(SETTING, "bash")
    yesterday = (datetime.now(zone_named(TIME_ZONE)) - timedelta(days=1)).date()
    for shown, meant in (
        ("DAY=2026-11-22", f"DAY={yesterday}"),
        ("HUB=111122223333", f"HUB={suite.hub_account_id}"),
        ("SOURCE=444455556666", f"SOURCE={suite.source('shop').account_id}"),
        (f"AWS_DEFAULT_REGION={REGION}", f"AWS_DEFAULT_REGION={REGION}"),
    ):
        assert shown in setting
        setting = setting.replace(shown, meant)

    def run(commands: str) -> str:
        # In another account one has other credentials; LocalStack takes the access key for them.
        there = re.sub(r"AWS_PROFILE=shop-admin", "AWS_ACCESS_KEY_ID=$SOURCE", commands)
        return shell.run(setting + there, suite.hub_account_id)

    return run


@accident("A queue was purged")
def _purged(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    queue_url = scene.suite.queue_url(scene.suite.source("shop").queue_name)
    with scene.suite.busy_slot("shop"):
        scene.plan()
        scene.suite.client("sqs").purge_queue(QueueUrl=queue_url)
    assert scene.states() == ["requested"]
    yield
    scene.until(lambda: scene.states() == ["secured"])


@accident("Somebody else's export task holds the slot")
def _held(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    with scene.suite.busy_slot("shop"):
        scene.plan()
        assert scene.states() == ["requested"]
        yield
        scene.until(lambda: scene.states() == ["secured"])


@accident("The source's role is gone, or trusts somebody else")
def _role_is_gone(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    iam = scene.suite.client("iam", scene.account_id)
    nobody = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}],
    }
    iam.update_assume_role_policy(RoleName="logferry-source", PolicyDocument=json.dumps(nobody))
    assert scene.plan()["status"] == "dead_lettered"
    yield
    scene.until(lambda: scene.states() == ["secured"])


@accident("An export has failed")
def _failed(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    failing = {"fail_pattern": f"^{scene.name}$", "fail_count": 3}
    scene.suite.control("exports", {"account": scene.account_id, **failing})
    scene.plan()
    scene.until(lambda: scene.states() == ["failed"] * 3)
    scene.until(lambda: scene.suite.waiting(scene.letters) == 1)
    yield
    scene.until(lambda: scene.states()[3:] == ["secured"])
    scene.until(lambda: scene.suite.waiting(scene.letters) == 0)


@accident("The archive's key cannot be used")
def _key_is_disabled(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    scene.suite.client("kms").disable_key(KeyId=scene.suite.kms_key_arn)
    # The ledger is under the same key, so nothing is written down, and nothing asked for.
    with pytest.raises(RuntimeError, match=r"KMS\.DisabledException"):
        scene.plan()
    yield
    scene.until(lambda: scene.states() == ["secured"])


@accident("A ledger record is damaged")
def _record_is_damaged(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    scene.plan()
    scene.until(lambda: scene.states() == ["secured"])
    [record] = scene.records()
    whole = {"Bucket": scene.suite.config.control_bucket, "Key": record.key}
    s3 = scene.suite.client("s3")
    body = s3.get_object(**whole)["Body"].read()
    s3.put_object(**whole, Body=body[: len(body) // 2])
    yield
    assert scene.records() == [record]


@accident("An object of an export is gone")
def _object_is_gone(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    key = (
        f"{scene.name.strip('/')}/2026/11/21/00/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10/web/000000.gz"
    )
    gone = {"key": f"shop/{key}", "version_id": "v1", "size_bytes": 9, "etag": "e"}
    manifest = {"object_count": 1, "stream_count": 1, "total_bytes": 9, "objects": [gone]}
    told_at = "2026-11-23T06:00:00.000Z"
    completed = {"at": told_at, "manifest": manifest, "published_at": told_at}
    record = scene.write(state="completed", completed=completed)
    scene.suite.client("sns").publish(
        TopicArn=scene.suite.config.topic_arn,
        Message=emit(ExportCompleted.of_record(record)),
        MessageAttributes={"type": {"DataType": "String", "StringValue": ExportCompleted.TYPE}},
    )
    scene.until(lambda: scene.states() == ["failed"])
    scene.until(lambda: scene.suite.waiting("logferry-sse-enforcer-dlq") == 1)
    yield
    scene.until(lambda: scene.states() == ["failed", "secured"])
    scene.until(lambda: scene.suite.waiting("logferry-sse-enforcer-dlq") == 0)
    scene.until(lambda: scene.suite.waiting("logferry-sse-enforcer") == 0)


@accident("The ledger says what is not so")
def _record_is_false(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    nothing = {"object_count": 0, "stream_count": 0, "total_bytes": 0, "objects": []}
    with scene.suite.busy_slot("shop"):
        scene.plan()
        [record] = scene.records()
        completed = {"at": "2026-11-23T06:00:00.000Z", "manifest": nothing}
        scene.write(record, state="completed", completed=completed)
        scene.until(lambda: scene.states()[0] == "failed")
    scene.until(lambda: scene.states() == ["failed", "secured"])
    scene.until(lambda: scene.suite.waiting(scene.letters) == 1)
    yield
    scene.until(lambda: scene.suite.waiting(scene.letters) == 0)
    assert scene.states() == ["failed", "secured"]


@accident("A topic, queue, rule or setting was changed by hand")
def _topic_is_made_again(scene: Scene) -> Iterator[None]:
    sns, lambda_ = scene.suite.client("sns"), scene.suite.client("lambda")
    topic_arn = scene.suite.parameter("/logferry/topic/arn")
    sns.delete_topic(TopicArn=topic_arn)
    sns.create_topic(Name=topic_arn.rpartition(":")[2])
    slot = scene.suite.source("shop").exporter_function_name
    found = lambda_.list_event_source_mappings(FunctionName=slot)["EventSourceMappings"]
    for mapping in found:
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    scene.put_logs()
    scene.plan()
    assert scene.states() == ["requested"]
    yield
    scene.until(lambda: scene.states() == ["secured"])
    subscribed = sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]
    assert len(subscribed) == 1


def test_the_page_has_a_way_back_from_each_accident_and_no_other() -> None:
    assert list(COMMANDS) == list(ACCIDENTS)


@pytest.mark.parametrize("heading", ACCIDENTS)
def test_the_way_back_heals_it(heading: str, suite: Suite, typed: Callable[[str], str]) -> None:
    name = f"/{heading.lower().replace(' ', '-')[:40].strip('-,')}/{secrets.token_hex(3)}"
    scene = Scene(suite, re.sub(r"[^a-z/0-9-]", "", name), suite.source("shop").account_id)
    happening = ACCIDENTS[heading](scene)
    next(happening)
    for block in COMMANDS[heading]:
        typed(block)
    assert next(happening, None) is None
