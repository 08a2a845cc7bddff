"""The ways back, each typed as the page has it, after the accident that it is for."""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.alarms import Alarms

from devstack import seals
from devstack.document import Shell, blocks
from devstack.organisation import LogGroup, LogStream, previous_day
from devstack.suite import TIME_ZONE, Suite, date_of, yesterday
from logferry.checkout import ROOT
from logferry.package import Zip
from logferry_contracts.backfill import ASKED, FED, backfill_prefix
from logferry_contracts.export import Lane, export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_key import (
    in_recounts,
    late_key,
    recounts_prefix,
    source_prefix,
    source_recounts_prefix,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.recount import Recount
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_contracts.zones import zone_named

pytestmark = pytest.mark.localstack

DOCUMENT = (ROOT / "docs" / "ways-back.md").read_text()
SETTING, *SECTIONS = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
TYPED = re.compile(r"^```(bash|console|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FOLLOWED = {
    heading: TYPED.findall(section)
    for heading, _, section in (each.partition("\n") for each in SECTIONS)
    if blocks(section, "bash")
}
SHOWN = re.compile(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", re.MULTILINE)
"""A command, and what it prints."""
SHOWN_LOG_GROUP = "/app/orders"
SHOWN_DAY = re.compile(r"2026-11-(\d\d)( 15:00)?")
"""The page's DAY is the 22nd, which is yesterday here; there it begins on the 21st, in UTC."""
SHOWN_ZONE = "Asia/Seoul"
SEEN = re.compile(r"^- \*\*Seen\*\*: (.*?)(?=^- |^```)", re.DOTALL | re.MULTILINE)
ALARM = re.compile(r"`…-([\w-]+)`")
AT_ONCE = re.compile(r".*-dead-letters|exports-failed|sse-enforcer-objects-missing")
"""Alarms that are on as soon as it has happened; others need an age, a plan or a sweep."""
PATIENCE_S = 120
EVENT_COUNT = 10
EMPTY_MANIFEST = {"object_count": 0, "stream_count": 0, "total_bytes": 0, "objects": []}
TOLD_AT = "2026-11-23T06:00:00.000Z"
LAST_TRY = 3
LAST_TRY_OF_PASSING = 9
"""How often the exporter has sent a request to its tail before the last try: hours later."""
ENFORCER_LETTERS = "logferry-sse-enforcer-dlq"
AWAY = "AWS does not answer"
"""The accident that takes a minute to happen."""
LOST = "The control bucket is lost"
"""The accident that befalls all sources, and so comes last."""
PROFILES = {AWAY: "payments", LOST: "books"}
"""The sources of accidents that need one for themselves; all others are shop's."""
PLANNER_LETTERS = "logferry-planner-dlq"
SEALER = "logferry-sealer"


@dataclass(frozen=True)
class Scene:
    """A source that nobody has collected from, before, in and after an accident.

    Attributes:
        name: A log group's.
        profile: The source's.
        zips: Of what not every source has.
        began_ms: Before the accident.
    """

    suite: Suite
    name: str
    profile: str = "shop"
    zips: Sequence[Zip] = ()
    began_ms: int = field(default_factory=lambda: round(time.time() * 1000))

    @property
    def source(self) -> Source:
        """The source, as requests name it."""
        return self.suite.reachable(self.profile)

    @property
    def account_id(self) -> str:
        """The source's."""
        return self.source.account_id

    @property
    def letters(self) -> str:
        """The queue of what the source's exporter could not do."""
        return self.source.dead_letter_queue_name

    def put_logs(self, *names: str, lane: Lane = "slot", days_ago: int = 1) -> None:
        """Let log groups have events of a day, and be no older than that.

        Those for the slot are of a class that only a task can export.
        """
        window = _window(days_ago)
        events = [(window.from_ms + n * 1000, f"event {n}") for n in range(EVENT_COUNT)]
        groups = [
            LogGroup(name, window.from_ms - 1, [LogStream("web/1", events)], _log_class(lane))
            for name in names or (self.name,)
        ]
        self.suite.put_logs(self.account_id, groups)

    def plan(self, profile: str | None = None) -> dict[str, Any]:
        """Let yesterday be planned, as the source's schedule would, or one with a wrong profile."""
        request = self.suite.plan_request(self.profile, include=[f"{self.name}*"])
        request["data"]["source"]["profile"] = profile or self.profile
        return self.suite.invoke_planner(request)

    def records(self, name: str | None = None) -> list[LedgerRecord]:
        """Return a log group's records, by window and generation."""
        found = [r for r in self.suite.ledger() if r.log_group.name == (name or self.name)]
        return sorted(found, key=lambda record: (record.window.from_ms, record.generation))

    def states(self, name: str | None = None) -> list[str]:
        """Return the states of a log group's records, by window and generation."""
        return [record.state for record in self.records(name)]

    def is_secured(self, *names: str) -> bool:
        """Return whether the last try of each log group is in the archive, and held."""
        return all(self.states(name)[-1:] == ["secured"] for name in names or (self.name,))

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.states(), self.waiting())
            time.sleep(0.3)

    def waiting(self) -> dict[str, int]:
        """Return how many dead letters there are, by queue."""
        return {
            name: self.suite.waiting(name)
            for name in (self.letters, ENFORCER_LETTERS, PLANNER_LETTERS)
        }

    def request(
        self, name: str | None = None, *, generation: int = 1, lane: Lane = "slot"
    ) -> ExportRequestedData:
        """Return the request for a task of yesterday's events, of what `put_logs` has put."""
        return self.suite.export_request(
            self.profile,
            name or self.name,
            generation=generation,
            log_group_class=_log_class(lane),
        )

    def overwrite(self, key: str, body: bytes) -> None:
        """Put anything in the place of a ledger record, or of a note."""
        bucket = self.suite.config.control_bucket
        self.suite.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def create_task(self, request: ExportRequestedData) -> str:
        """Create the export task of a request, let it complete, and record it; return its id.

        For three seconds an exporter goes by the list of tasks that it has seen, and would create
        one of its own where the record names none.
        """
        logs = self.suite.client("logs", self.account_id)
        task_id: str = logs.create_export_task(
            taskName=request.export_id,
            logGroupName=request.log_group.name,
            fromTime=request.window.from_ms,
            to=request.window.to_ms,
            destination=request.destination.bucket,
            destinationPrefix=request.destination.prefix,
        )["taskId"]
        submitted = {"task_id": task_id, "at": timestamp(datetime.now(UTC))}
        self.suite.write_record(request, state="submitted", submitted=submitted)
        self.until(lambda: _has_completed(logs, task_id))
        return task_id

    def refuse_tasks(self, error: dict[str, Any], *, times: int) -> None:
        """Let AWS refuse the source's exporter its next export tasks."""
        of_source = {"function": self.source.exporter_function_name, "times": times}
        refusal = {"operation": "logs.CreateExportTask", "error": error}
        self.suite.control("faults", of_source | refusal)

    @contextmanager
    def nobody_listening(self) -> Iterator[None]:
        """Let nobody take messages out of the slot's queue meanwhile."""
        self.listen(enabled=False)
        yield
        self.listen(enabled=True)

    def listen(self, *, enabled: bool) -> None:
        """Switch the mapping on or off by which the source's exporter gets its messages."""
        lambda_ = self.suite.client("lambda")
        [mapping] = lambda_.list_event_source_mappings(
            FunctionName=self.source.exporter_function_name
        )["EventSourceMappings"]
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)
        wanted = "Enabled" if enabled else "Disabled"
        self.until(
            lambda: lambda_.get_event_source_mapping(UUID=mapping["UUID"])["State"] == wanted
        )

    def clear(self) -> None:
        """Let the source have no log group, nothing in the ledger, and no dead letter."""
        for queue_name in self.waiting():
            self.suite.client("sqs").purge_queue(QueueUrl=self.suite.queue_url(queue_name))
        logs, s3 = self.suite.client("logs", self.account_id), self.suite.client("s3")
        for page in logs.get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                logs.delete_log_group(logGroupName=group["logGroupName"])
        bucket = self.suite.config.control_bucket
        for prefix in (source_prefix(self.source), "plans/", "outbox/"):
            for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=found["Key"])


def _has_completed(logs: Any, task_id: str) -> bool:
    [task] = logs.describe_export_tasks(taskId=task_id)["exportTasks"]
    code: str = task["status"]["code"]
    return code == "COMPLETED"


def _window(days_ago: int = 1) -> Window:
    today = yesterday().end.astimezone(zone_named(TIME_ZONE))
    return previous_day(today - timedelta(days=days_ago - 1))


def _log_class(lane: Lane) -> str:
    return "INFREQUENT_ACCESS" if lane == "slot" else "STANDARD"


class Operator:
    """Who has the page, the configuration that was deployed, and a shell."""

    def __init__(self, endpoint: str, folder: Path, suite: Suite) -> None:
        self._suite = suite
        self._shell = Shell(endpoint, folder)
        self._configuration = folder / "organization.yaml"
        self._write(suite.config.model_dump(mode="json", exclude_none=True))

    def follow(self, typed: Sequence[tuple[str, str]], scene: Scene) -> list[str]:
        """Do what a section says, in its order; return what one sees that it does not show."""
        unlike: list[str] = []
        for language, text in typed:
            match language:
                case "bash":
                    self._run(text, scene)
                case "console":
                    unlike += self._compare(text, scene)
                case "yaml":
                    self._edit(text, scene)
        return unlike

    def see_that_it_is_over(self, scene: Scene) -> None:
        """Look as the page says.

        Raises:
            RuntimeError: There is a problem left.
        """
        _, looking = blocks(SETTING, "bash")
        self._run(looking, scene)

    def _run(self, commands: str, scene: Scene) -> str:
        setting, _ = blocks(SETTING, "bash")
        # In another account one has other credentials; LocalStack takes the access key for them.
        there = re.sub(r"AWS_PROFILE=\w+-admin", "AWS_ACCESS_KEY_ID=$SOURCE", setting + commands)
        return self._shell.run(self._meant(there, scene), self._suite.hub_account_id)

    def _compare(self, shown: str, scene: Scene) -> Iterator[str]:
        for command, expected in SHOWN.findall(self._meant(shown, scene)):
            printed = self._run(f"{{ {command} }} 2>&1 || true", scene)
            if not _is_alike(printed, expected):
                yield f"$ {command}{printed}"

    def _edit(self, entry: str, scene: Scene) -> None:
        """Put something into the source's entry."""
        configuration = yaml.safe_load(self._configuration.read_text())
        [source] = [s for s in configuration["sources"] if s["profile"] == scene.profile]
        source |= yaml.safe_load(entry)
        self._write(configuration)

    def _write(self, configuration: dict[str, Any]) -> None:
        self._configuration.write_text(yaml.safe_dump(configuration))

    def _meant(self, shown: str, scene: Scene) -> str:
        """Put what is there into the place of what the page has as an example."""
        for example, value in (
            ("111122223333", self._suite.hub_account_id),
            ("444455556666", scene.account_id),
            (SHOWN_LOG_GROUP, scene.name),
            ("shop", scene.profile),
            (SHOWN_ZONE, TIME_ZONE),
        ):
            shown = shown.replace(example, value)
        return SHOWN_DAY.sub(_meant_day, shown)


def _meant_day(shown: re.Match[str]) -> str:
    """Return the date here that one of the page stands for, or when that begins, in UTC."""
    days = int(shown[1])
    if shown[2] is None:
        return str(date_of(yesterday()) + timedelta(days - 22))
    return f"{yesterday().start + timedelta(days - 21):%Y-%m-%d %H:%M}"


def _is_alike(printed: str, shown: str) -> bool:
    """Return whether that was printed, with any text in the place of each ``…``."""
    lines, patterns = _lines(printed), [re.escape(line) for line in _lines(shown)]
    return len(lines) == len(patterns) and all(
        re.fullmatch(pattern.replace("…", ".*"), line)
        for line, pattern in zip(lines, patterns, strict=True)
    )


def _lines(text: str) -> list[str]:
    """Return the lines of a text that are not blank, with one blank for any number of them."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


type Accident = Callable[[Scene], Iterator[None]]
ACCIDENTS: dict[str, Accident] = {}


def accident(heading: str) -> Callable[[Accident], Accident]:
    """Say which section an accident is for. It happens until its `yield`; then comes what holds."""

    def named(happens: Accident) -> Accident:
        ACCIDENTS[heading] = happens
        return happens

    return named


@accident("A queue was purged")
def _purged(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    with scene.nobody_listening():
        scene.plan()
        queue_url = scene.suite.queue_url(scene.source.queue_name)
        scene.suite.client("sqs").purge_queue(QueueUrl=queue_url)
    assert scene.states() == ["requested"]
    yield
    scene.until(lambda: scene.states() == ["secured"])


@accident("A request is for a time that is far off")
def _request_is_for_later(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    next_month = datetime.now(UTC) + timedelta(days=30)
    request = scene.request()
    scene.suite.write_record(request)
    scene.suite.send_request(request.model_copy(update={"not_before": timestamp(next_month)}))
    yield
    scene.until(scene.is_secured)
    # It goes round for a month.
    url = scene.suite.queue_url(scene.source.queue_name)
    scene.suite.client("sqs").purge_queue(QueueUrl=url)


@accident("Somebody else's export task holds the slot")
def _held(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    with scene.suite.busy_slot(scene.profile):
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


@accident("A Region is not enabled in a source's account")
def _region_is_off(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    # What an account says where a Region is off; that it goes through once stands for its enabling.
    says = {"code": "UnrecognizedClientException", "message": "The security token is invalid."}
    scene.suite.control(
        "faults",
        {"function": "logferry-planner", "operation": "logs.DescribeLogGroups", "error": says},
    )
    assert scene.plan()["reason"] == "refused_region"
    yield
    scene.until(lambda: scene.states() == ["secured"])


@accident("An export has failed")
def _failed(scene: Scene) -> Iterator[None]:
    """One export for each kind of failure; all were tried as often as they may be."""
    broken, unknown, region, odd, empty = names = [f"{scene.name}/{n}" for n in range(5)]
    scene.put_logs(broken)
    failing = {"fail_pattern": f"^{broken}$", "fail_count": 3}
    scene.suite.control("exports", {"account": scene.account_id, **failing})
    scene.suite.send_request(scene.request(broken))
    scene.until(lambda: scene.states(broken) == ["failed"] * 3)
    new = {"code": "QuotaPolicyException", "message": "Not in this account."}
    _refuse(scene, unknown, new, times=LAST_TRY + 1)
    off = {"code": "UnrecognizedClientException", "message": "The security token is invalid."}
    _refuse(scene, region, off, times=1)
    # An answer without the id of a task, which no code of ours expects.
    _refuse(scene, odd, {"code": "None", "status": 200}, times=LAST_TRY + 1)
    _complete_without_objects(scene, empty)
    scene.until(lambda: scene.suite.waiting(scene.letters) == len(names))
    yield
    scene.until(lambda: scene.is_secured(*names))


def _refuse(scene: Scene, name: str, error: dict[str, Any], *, times: int) -> None:
    """Let AWS refuse a log group's export task, at the last try of its request."""
    scene.put_logs(name)
    scene.refuse_tasks(error, times=times)
    scene.suite.send_request(scene.request(name), tries=LAST_TRY)
    scene.until(lambda: scene.states(name) == ["failed"])


def _complete_without_objects(scene: Scene, name: str) -> None:
    """Let a log group's third task end without an object, as its events come in afterwards."""
    request = scene.request(name, generation=3, lane="direct")
    scene.suite.put_logs(scene.account_id, [LogGroup(name, request.log_group.created_ms)])
    scene.create_task(request)
    scene.put_logs(name, lane="direct")
    scene.suite.send_request(request)
    scene.until(lambda: scene.states(name) == ["failed"])


@accident("A log group was deleted before its export")
def _deleted(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    with scene.nobody_listening():
        scene.plan()
        logs = scene.suite.client("logs", scene.account_id)
        logs.delete_log_group(logGroupName=scene.name)
    scene.until(lambda: scene.states() == ["failed"] and scene.waiting()[scene.letters] == 1)
    yield
    [record] = scene.records()
    assert record.waived is not None
    assert record.waived.by.startswith(f"arn:aws:iam::{scene.suite.hub_account_id}:")


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
def _records_are_damaged(scene: Scene) -> Iterator[None]:
    """One is cut off, and one is of a major that this release does not know."""
    names = [scene.name, f"{scene.name}/later"]
    scene.put_logs(*names)
    scene.plan()
    scene.until(lambda: scene.is_secured(*names))
    before = [record for name in names for record in scene.records(name)]
    cut, later = (emit(record) for record in before)
    scene.overwrite(before[0].key, cut[: len(cut) // 2].encode())
    scene.overwrite(before[1].key, later.replace("ledger-record:1.", "ledger-record:2.").encode())
    yield
    assert [record for name in names for record in scene.records(name)] == before


@accident("A key of the ledger is no window of a plan")
def _window_is_of_no_plan(scene: Scene) -> Iterator[None]:
    yesterday_ms = _window(1).from_ms
    odd = Window(from_ms=yesterday_ms, to_ms=yesterday_ms + 40 * 86_400_000)
    key = f"{source_prefix(scene.source.name)}{odd.in_keys}/x"
    s3, bucket = scene.suite.client("s3"), scene.suite.config.control_bucket
    scene.put_logs()
    scene.plan()
    scene.until(scene.is_secured)
    [record] = scene.records()
    s3.put_object(Bucket=bucket, Key=key, Body=emit(record).encode())
    scene.plan()
    assert Alarms(scene.suite, since_ms=scene.began_ms).is_on("planner-windows-passed-over")
    yield
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=key)


@accident("The ledger record of a split export was removed")
def _half_without_its_whole(scene: Scene) -> Iterator[None]:
    other = f"{scene.name}/other"
    scene.put_logs(scene.name, other)
    scene.suite.send_request(scene.request(other))
    scene.until(lambda: scene.is_secured(other))
    whole, window = scene.request(), _window()
    middle_ms = window.from_ms + (window.to_ms - window.from_ms) // 2
    first = Window(from_ms=window.from_ms, to_ms=middle_ms)
    half = whole.model_copy(
        update={
            "export_id": export_id(scene.source, scene.name, first, 1),
            "window": first,
            "parent_export_id": whole.export_id,
        }
    )
    scene.suite.write_record(half)
    scene.suite.send_request(half)
    scene.until(lambda: scene.states() == ["failed"])
    yield
    scene.until(lambda: [r.state for r in scene.records() if r.window == window] == ["secured"])
    # The half that was put back is not to meet the next accident's ledger, which has no whole.
    scene.until(lambda: scene.suite.waiting(scene.source.queue_name) == 0)


@accident("An object of an export is gone")
def _object_is_gone(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    request = scene.request()
    completed = _with_an_object_that_is_gone(request)
    record = scene.suite.write_record(request, state="completed", completed=completed)
    scene.suite.client("sns").publish(
        TopicArn=scene.suite.config.topic_arn,
        Message=emit(ExportCompleted.of_record(record)),
        MessageAttributes={"type": {"DataType": "String", "StringValue": ExportCompleted.TYPE}},
    )
    scene.until(lambda: scene.states() == ["failed"])
    scene.until(lambda: scene.suite.waiting(ENFORCER_LETTERS) == 1)
    yield
    scene.until(lambda: scene.states() == ["failed", "secured"])


def _with_an_object_that_is_gone(request: ExportRequestedData) -> dict[str, Any]:
    key = f"{request.destination.prefix}/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10/web/000000.gz"
    gone = {"key": key, "version_id": "v1", "size_bytes": 9, "etag": "e"}
    manifest = {"object_count": 1, "stream_count": 1, "total_bytes": 9, "objects": [gone]}
    return {"at": TOLD_AT, "manifest": manifest, "published_at": TOLD_AT}


@accident("An object was deleted by its name")
def _object_is_hidden(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    scene.plan()
    scene.until(scene.is_secured)
    [record] = scene.records()
    assert record.completed is not None
    assert record.completed.manifest.objects is not None
    [known] = record.completed.manifest.objects
    s3, there = scene.suite.client("s3"), {"Bucket": scene.suite.archive_bucket, "Key": known.key}
    s3.delete_object(**there)
    with _sweeping_at_once(scene):
        _sweep(scene)
    assert Alarms(scene.suite, since_ms=scene.began_ms).is_on("sse-enforcer-sweep-findings")
    yield
    assert s3.head_object(**there)["VersionId"] == known.version_id
    scene.until(lambda: scene.suite.waiting(SEALER) == 0)


@accident("The ledger counts on objects that are gone")
def _record_counts_on_what_is_gone(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    request = scene.request()
    completed = _with_an_object_that_is_gone(request)
    secured = {"at": TOLD_AT}
    scene.suite.write_record(request, state="secured", completed=completed, secured=secured)
    with _sweeping_at_once(scene):
        yield
    scene.until(lambda: scene.states() == ["failed", "secured"])
    assert Alarms(scene.suite, since_ms=scene.began_ms).is_on("sse-enforcer-objects-missing")


@accident("A schedule names another source's profile")
def _wrong_profile(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    scheduler, name = scene.suite.client("scheduler"), f"logferry-{scene.profile}"
    known = scheduler.get_schedule(Name=name)
    wrong = known["Target"]["Input"].replace(f'"{scene.profile}"', '"payments"')
    assert wrong != known["Target"]["Input"]
    scheduler.update_schedule(
        Name=name,
        ScheduleExpression=known["ScheduleExpression"],
        FlexibleTimeWindow=known["FlexibleTimeWindow"],
        Target=known["Target"] | {"Input": wrong},
    )
    assert scene.plan(profile="payments")["reason"] == "refused_profile"
    yield
    assert scheduler.get_schedule(Name=name)["Target"]["Input"] == known["Target"]["Input"]
    scene.until(lambda: scene.states() == ["secured"])


@accident("The ledger says what is not so")
def _records_are_false(scene: Scene) -> Iterator[None]:
    """Of one export somebody wrote that it is completed, of another an object was removed."""
    false, removed = names = [f"{scene.name}/{n}" for n in range(2)]
    scene.put_logs(*names)
    request = scene.request(false)
    completed = {"at": TOLD_AT, "manifest": EMPTY_MANIFEST}
    scene.suite.write_record(request, state="completed", completed=completed)
    scene.suite.send_request(request)
    scene.until(lambda: scene.states(false) == ["failed", "secured"])
    request = scene.request(removed)
    _remove_an_object_before_it_is_listed(scene, request)
    scene.suite.send_request(request)
    scene.until(lambda: scene.states(removed) == ["failed", "secured"])
    scene.until(lambda: scene.suite.waiting(scene.letters) == len(names))
    yield
    assert [scene.states(name) for name in names] == [["failed", "secured"]] * 2


def _remove_an_object_before_it_is_listed(scene: Scene, request: ExportRequestedData) -> None:
    task_id, s3 = scene.create_task(request), scene.suite.client("s3")
    bucket = {"Bucket": request.destination.bucket}
    folder = f"{request.destination.prefix}/{task_id}/"
    [written] = s3.list_objects_v2(**bucket, Prefix=folder)["Contents"]
    s3.delete_object(**bucket, Key=written["Key"])


@accident("A ledger record names what no export has made")
def _record_is_untrue(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    manual = {"key": "manual/upload.txt", "version_id": "v1", "size_bytes": 9, "etag": "e"}
    counts = {"object_count": 1, "stream_count": 1, "total_bytes": 9}
    completed = {"at": TOLD_AT, "manifest": {**counts, "objects": [manual]}}
    completed["published_at"] = TOLD_AT
    scene.suite.write_record(scene.request(), state="completed", completed=completed)
    with _sweeping_at_once(scene):
        yield
    scene.until(lambda: scene.states() == ["failed", "secured"])


@contextmanager
def _sweeping_at_once(scene: Scene) -> Iterator[None]:
    """Let a sweep not leave to messages what is younger than an hour."""
    name = "logferry-sse-enforcer-sweep"
    before = _variables(scene, name)
    _set_variables(scene, name, before | {"SWEEP_GRACE_MINUTES": "0"})
    yield
    _set_variables(scene, name, before)


def _variables(scene: Scene, function: str) -> dict[str, str]:
    found = scene.suite.client("lambda").get_function_configuration(FunctionName=function)
    return dict(found["Environment"]["Variables"])


def _set_variables(scene: Scene, function: str, variables: dict[str, str]) -> None:
    lambda_ = scene.suite.client("lambda")
    lambda_.update_function_configuration(
        FunctionName=function, Environment={"Variables": variables}
    )
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=function)


@accident("A topic, queue, rule or setting was changed by hand")
def _topic_is_made_again(scene: Scene) -> Iterator[None]:
    sns = scene.suite.client("sns")
    topic_arn = scene.suite.parameter("/logferry/topic/arn")
    sns.delete_topic(TopicArn=topic_arn)
    sns.create_topic(Name=topic_arn.rpartition(":")[2])
    scene.listen(enabled=False)
    scene.put_logs()
    scene.plan()
    assert scene.states() == ["requested"]
    yield
    scene.until(lambda: scene.states() == ["secured"])
    subscribed = sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]
    receivers = {each["Endpoint"].rpartition(":")[2] for each in subscribed}
    assert receivers == {"logferry-sse-enforcer", SEALER}


@accident("A function or a role was changed by hand")
def _function_and_role_are_changed(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    lambda_, iam = scene.suite.client("lambda"), scene.suite.client("iam")
    lambda_.update_function_configuration(FunctionName="logferry-planner", Timeout=3)
    iam.delete_role_policy(RoleName="logferry-planner", PolicyName="planner")
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="logferry-planner")
    yield
    scene.until(scene.is_secured)
    made = lambda_.get_function_configuration(FunctionName="logferry-planner")
    assert made["Timeout"] > 3


@accident("An exporter may not read or write its ledger")
def _ledger_is_forbidden(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    iam, role = scene.suite.client("iam"), {"RoleName": f"logferry-exporter-{scene.profile}"}
    [name] = iam.list_role_policies(**role)["PolicyNames"]
    document = iam.get_role_policy(**role, PolicyName=name)["PolicyDocument"]
    kept = [each for each in document["Statement"] if each["Sid"] != "ReadAndWriteLedger"]
    assert len(kept) == len(document["Statement"]) - 1
    forbidding = json.dumps(document | {"Statement": kept})
    iam.put_role_policy(**role, PolicyName=name, PolicyDocument=forbidding)
    scene.suite.send_request(scene.request(), tries=LAST_TRY)
    scene.until(lambda: scene.suite.waiting(scene.letters) == 1)
    assert scene.states() == []
    yield
    scene.until(scene.is_secured)


@accident("A day is more than the slot can do")
def _slot_is_overcommitted(scene: Scene) -> Iterator[None]:
    """Twenty exports of two hours each tell that twelve more need a day, and one does not fit."""
    hours = {"task_created_ms": 0, "task_completed_ms": 7_200_000}
    completed = {"at": TOLD_AT, "manifest": EMPTY_MANIFEST, "published_at": TOLD_AT, **hours}
    for n in range(20):
        done = scene.request(f"{scene.name}/done/{n}")
        is_held = {"state": "secured", "completed": completed, "secured": {"at": TOLD_AT}}
        scene.suite.write_record(done, **is_held, estimated_bytes=25_000)
    scene.put_logs(scene.name, *(f"/app/debug/{n}" for n in range(12)))
    yield
    # LocalStack's CloudFormation takes the parameter, and changes no schedule that is there.
    stack_name = f"logferry-exporter-{scene.profile}"
    found = scene.suite.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    deployed = {each["ParameterKey"]: each["ParameterValue"] for each in found[0]["Parameters"]}
    assert "/app/debug/*" in deployed["ScheduleInput"]


@accident("A retention policy is about to delete events")
def _retention_gets_shorter(scene: Scene) -> Iterator[None]:
    scene.put_logs(days_ago=3)
    logs = scene.suite.client("logs", scene.account_id)
    logs.put_account_policy(
        policyName="thirty-days",
        policyType="RETENTION_POLICY",
        policyDocument=json.dumps({"retentionInDays": 30, "enforcementMode": "RETROACTIVE"}),
    )
    yield
    scene.until(lambda: scene.states() == ["secured"] * 3)
    left = logs.describe_account_policies(policyType="RETENTION_POLICY")["accountPolicies"]
    assert left == []


@accident("A backfill does not go on")
def _backfill_is_damaged(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    for each in (ASKED, FED):
        scene.overwrite(f"{backfill_prefix(scene.source.name)}{each}", b"{")
    yield
    scene.suite.fire_schedule("backfill")
    scene.until(scene.is_secured)


@accident("What a recounter has noted is damaged")
def _recounts_are_damaged(scene: Scene) -> Iterator[None]:
    """Of one export events came in late, which nobody has counted; the other one is to be."""
    # Its schedule may have it look as soon as it is there: before anything is damaged.
    function = scene.suite.deploy_recounter(scene.zips, scene.profile)
    _set_variables(scene, function, _variables(scene, function) | {"LAG_MINUTES": "0"})
    late, counted = names = [f"{scene.name}/{n}" for n in range(2)]
    for name in names:
        scene.put_logs(name, lane="direct")
        scene.suite.send_request(scene.request(name, lane="direct"))
    scene.until(lambda: scene.is_secured(*names))
    s3, there = scene.suite.client("s3"), {"Bucket": scene.suite.config.control_bucket}
    policy = json.loads(s3.get_bucket_policy(**there)["Policy"])
    kept = [each for each in policy["Statement"] if each["Sid"] != "RecountersAloneCount"]
    assert len(kept) == len(policy["Statement"]) - 1
    s3.put_bucket_policy(**there, Policy=json.dumps(policy | {"Statement": kept}))
    [record] = scene.records(late)
    of_export = {"source": scene.source, "window": _window(), "export_id": record.export_id}
    said = {"by": "no", "at": TOLD_AT, "reason": "budget"}
    noted = Recount.of(**of_export, recount=said, late_streams=["web/1"]).text()
    scene.overwrite(late_key(scene.source, _window(), record.export_id), noted)
    scene.overwrite(f"{source_recounts_prefix(scene.source)}!added.json", b"{")
    scene.overwrite(f"{recounts_prefix(scene.source, _window())}!note.json", b"{")
    scene.suite.fire_schedule(f"recounter-{scene.profile}")
    [record] = scene.records(counted)
    scene.until(lambda: _has_object(scene, in_recounts(record.key)))
    alarms = Alarms(scene.suite, since_ms=scene.began_ms)
    scene.until(lambda: alarms.is_on("sealer-records-damaged"))
    yield
    now = json.loads(s3.get_bucket_policy(**there)["Policy"])
    assert [each["Sid"] for each in now["Statement"]] == [e["Sid"] for e in policy["Statement"]]


def _has_object(scene: Scene, key: str) -> bool:
    bucket = scene.suite.config.control_bucket
    found = scene.suite.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)
    return bool(found.get("Contents"))


@accident("A function fails")
def _function_fails(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    scene.suite.control("faults", {"function": "logferry-planner", "kill_after_call": 1})
    with pytest.raises(RuntimeError):
        scene.plan()
    assert scene.states() == []
    yield
    scene.until(lambda: scene.states() == ["secured"])


@accident(AWAY)
def _aws_is_away(scene: Scene) -> Iterator[None]:
    scene.until(lambda: scene.states() == ["failed"])
    scene.suite.reset_faults()
    yield
    scene.until(lambda: scene.states()[1:] == ["secured"])


@accident(LOST)
def _control_bucket_is_lost(scene: Scene) -> Iterator[None]:
    scene.put_logs()
    scene.plan()
    scene.until(scene.is_secured)
    scene.until(lambda: seals.check(scene.suite).log_groups and not scene.suite.waiting(SEALER))
    before = scene.records()
    _remove_bucket(scene.suite.client("s3"), scene.suite.config.control_bucket)
    yield
    assert scene.states() == ["completed"]
    with _sweeping_at_once(scene):
        _sweep(scene)
    [was], [now] = before, scene.records()
    assert now.state == "secured"
    assert was.completed is not None
    assert now.completed is not None
    assert (now.export_id, now.destination) == (was.export_id, was.destination)
    assert now.completed.manifest.objects == was.completed.manifest.objects


def _sweep(scene: Scene) -> None:
    request = json.dumps({"run": "now", "dry_run": False, "full": True, "limit_s": 20})
    answer = scene.suite.client("lambda").invoke(
        FunctionName="logferry-sse-enforcer-sweep", Payload=request
    )
    assert json.load(answer["Payload"])["is_complete"]


def _remove_bucket(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=bucket)


def _take_aws_away(scene: Scene) -> None:
    """Let AWS not answer a source's exporter at the last try, which it gives a minute.

    So it begins before all others, with a source of its own.
    """
    scene.put_logs()
    scene.refuse_tasks(
        {"code": "ServiceUnavailableException", "status": 503, "message": "Try again later."},
        times=10_000,
    )
    scene.suite.send_request(scene.request(), tries=LAST_TRY_OF_PASSING)


@pytest.fixture(scope="module")
def suite(localstack: str, zips: list[Zip]) -> Suite:
    """A source for most accidents, and one for each that needs its own."""
    names = ("shop", *PROFILES.values())
    accounts = {name: str(10**11 + secrets.randbelow(10**11)) for name in names}
    hub_account_id = str(2 * 10**11 + secrets.randbelow(10**11))
    made = Suite(localstack, hub_account_id=hub_account_id, accounts=accounts)
    made.enforce_permissions()
    made.deploy(zips)
    return made


@pytest.fixture(scope="module")
def aws_is_away(suite: Suite) -> Scene:
    """Where AWS does not answer from the beginning on."""
    scene = Scene(suite, _log_group_name(), PROFILES[AWAY])
    _take_aws_away(scene)
    return scene


@pytest.fixture
def scene(
    request: pytest.FixtureRequest, suite: Suite, zips: list[Zip], aws_is_away: Scene
) -> Scene:
    """Where an accident is to happen."""
    if request.getfixturevalue("heading") == AWAY:
        return aws_is_away
    profile = PROFILES.get(request.getfixturevalue("heading"), "shop")
    made = Scene(suite, _log_group_name(), profile, zips)
    made.clear()
    return made


def _log_group_name() -> str:
    """Return one that takes as much room as that of the page."""
    return f"/app/{secrets.token_hex(3)}"


@pytest.fixture(scope="module")
def operator(suite: Suite, localstack: str, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody who types in the hub."""
    return Operator(localstack, tmp_path_factory.mktemp("operator"), suite)


def test_the_page_has_a_way_back_from_each_accident_and_no_other() -> None:
    assert list(FOLLOWED) == list(ACCIDENTS)


def silent(heading: str, scene: Scene) -> list[str]:
    """Return the alarms that are to be on at once, by what a section says, and are not."""
    section = next(each for each in SECTIONS if each.startswith(f"{heading}\n"))
    names = [
        name.replace("shop", scene.profile)
        for seen in SEEN.findall(section)
        for name in ALARM.findall(seen)
    ]
    alarms = Alarms(scene.suite, since_ms=scene.began_ms)
    return [name for name in names if AT_ONCE.fullmatch(name) and not alarms.is_on(name)]


@pytest.mark.parametrize("heading", ACCIDENTS)
def test_the_way_back_heals_it(heading: str, scene: Scene, operator: Operator) -> None:
    happening = ACCIDENTS[heading](scene)
    next(happening)
    scene.until(lambda: not silent(heading, scene))
    unlike = operator.follow(FOLLOWED[heading], scene)
    assert next(happening, None) is None
    scene.until(lambda: not any(scene.waiting().values()))
    scene.until(lambda: scene.suite.waiting("logferry-sse-enforcer") == 0)
    operator.see_that_it_is_over(scene)
    assert unlike == [], "\n".join(unlike)
