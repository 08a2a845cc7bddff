"""The handler with fakes for everything that is AWS."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest

from logferry_contracts.execution_variables import ExecutionVariables
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse
from planner import handler
from planner.errors import MessagesNotSentError, PlanRefusedError, SettingsError
from planner.handler import Wiring, handle, read_request
from planner.plan import LogGroups
from planner.settings import Settings

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SETTINGS = Settings.from_env(
    {
        "AWS_REGION": "ap-northeast-2",
        "CONTROL_BUCKET": "acme-log-control",
        "TOPIC_ARN": "arn:aws:sns:ap-northeast-2:999999999999:log-export-events",
        "DEAD_LETTER_QUEUE_URL": "https://sqs.ap-northeast-2.amazonaws.com/999999999999/dlq",
        "EXTERNAL_ID": "acme-1",
    }
)
# As in the README of aws-logs-export-to-s3, with its placeholders filled in.
EXECUTION_VARIABLES = """
{
	"loggingBucketName" : "acme-s3-app-logs",
	"roleArn"           : "arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole",
	"Prefix"            : "Dev",
	"QueueOptions"      : {
    	"VisibilityTimeout"             : 120,
    	"MessageRetentionPeriod"        : 86400,
    	"KmsMasterKeyId"                : "alias/log-sqs",
    	"KmsDataKeyReusePeriodSeconds"  : 300,
    	"ConsumerOptions" : {
        	"BucketName"   : "dev-s3-logs-collector-lambda",
        	"ObjectKey"    : "Consumer/lambda_function.zip",
        	"LayerArn"     : "arn:aws:lambda:ap-northeast-2:999999999999:layer:CloudWatchLogsExportToS3:1",
        	"BatchSize"    : 10
        }
    }
}
"""  # noqa: E101, E501  (word for word)
DAY_BEFORE_YESTERDAY_IN_SEOUL = Window(from_ms=1_795_186_800_000, to_ms=1_795_273_200_000)


@dataclass(frozen=True)
class Context:
    """What Lambda says about an invocation."""

    function_name: str = "logferry-planner"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:ap-northeast-2:999999999999:function:x"
    aws_request_id: str = "request-1"


def log_group(name: str, **values: object) -> LogGroup:
    return LogGroup.model_validate(
        {
            "name": name,
            "arn": f"arn:aws:logs:ap-northeast-2:111111111111:log-group:{name}",
            "log_group_class": "STANDARD",
            "created_ms": 0,
            **values,
        }
    )


@dataclass
class FakeAccounts:
    groups: LogGroups = field(
        default_factory=lambda: LogGroups([log_group("/app/a"), log_group("/app/b")], {})
    )
    error: Exception | None = None
    asked: list[Source] = field(default_factory=list)

    def log_groups(self, source: Source) -> LogGroups:
        self.asked.append(source)
        if self.error:
            raise self.error
        return self.groups


@dataclass
class FakeArchive:
    error: Exception | None = None

    def check(self, bucket: str, region: str) -> None:
        if self.error:
            raise self.error


@dataclass
class FakeLedger:
    objects: dict[str, LedgerRecord] = field(default_factory=dict)
    before_create: Callable[[LedgerRecord], None] = lambda _record: None
    creates: int = 0

    def records(self, source: Source, window: Window) -> dict[str, LedgerRecord]:
        return {
            record.export_id: record for record in self.objects.values() if record.window == window
        }

    def create(self, record: LedgerRecord) -> LedgerRecord:
        self.creates += 1
        self.before_create(record)
        return self.objects.setdefault(record.key, record)


@dataclass
class FakeQueues:
    sent: list[ExportRequested] = field(default_factory=list)
    missing: bool = False
    error: Exception | None = None

    def url(self, source: Source) -> str:
        if self.missing:
            raise PlanRefusedError("queue", source.queue_name, "does not exist")
        return f"https://sqs/{source.queue_name}"

    def send(self, queue_url: str, events: Sequence[ExportRequested]) -> None:
        if self.error:
            raise self.error
        self.sent += [parse(ExportRequested, emit(event)) for event in events]


@dataclass
class FakeTopic:
    published: list[PlanCompleted] = field(default_factory=list)

    def publish(self, event: PlanCompleted) -> None:
        self.published.append(parse(PlanCompleted, emit(event)))


@dataclass
class FakeDeadLetters:
    letters: list[dict[str, str]] = field(default_factory=list)
    error: Exception | None = None

    def put(self, body: str, *, reason: str, detail: str) -> None:
        if self.error:
            raise self.error
        self.letters.append({"body": body, "reason": reason, "detail": detail})


@dataclass
class World:
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    archive: FakeArchive = field(default_factory=FakeArchive)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    queues: FakeQueues = field(default_factory=FakeQueues)
    topic: FakeTopic = field(default_factory=FakeTopic)
    dead_letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    now: datetime = NOW

    def wiring(self) -> Wiring:
        fakes = {
            name: cast("Any", getattr(self, name))
            for name in ("accounts", "archive", "ledger", "queues", "topic", "dead_letters")
        }
        return Wiring(settings=SETTINGS, clock=lambda: self.now, **fakes)

    def run(self, event: Any, *, request_id: str = "request-1") -> dict[str, Any]:
        answer: dict[str, Any] = handle(event, cast("Any", Context(aws_request_id=request_id)))
        return answer

    @property
    def sent_groups(self) -> list[str]:
        return [event.data.log_group.name for event in self.queues.sent]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    return world


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the handler logs; the metrics go to stdout."""
    stream = StringIO()
    monkeypatch.setattr(handler.logger.registered_handler, "stream", stream)
    return stream


def plan_request(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "source": {
            "profile": "dev",
            "account_id": "111111111111",
            "region": "eu-west-1",
            "role_arn": "arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole",
        },
        "bucket": "acme-log-archive",
        "window_rule": {"unit": "day", "time_zone": "Europe/Berlin"},
    }
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "urn:acme:schedule",
        "type": "logferry.plan.requested.v1",
        "time": "2026-11-23T06:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:logferry:schema:plan-request:1.0",
        "data": data | changes,
    }


def variables(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(EXECUTION_VARIABLES)
    return event | changes


# --- what is asked


def test_execution_variables_word_for_word_plan_the_day_of_utc_plus_9(world: World) -> None:
    answer = world.run(json.loads(EXECUTION_VARIABLES))

    source = Source(
        profile="Dev",
        account_id="111111111111",
        region="ap-northeast-2",
        role_arn="arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole",
        external_id="acme-1",
    )
    assert world.accounts.asked == [source]
    assert [event.data.window for event in world.queues.sent] == [
        DAY_BEFORE_YESTERDAY_IN_SEOUL,
        DAY_BEFORE_YESTERDAY_IN_SEOUL,
    ]
    assert [event.data.destination.model_dump() for event in world.queues.sent] == [
        {"bucket": "acme-s3-app-logs", "prefix": "Dev/app/a/2026/11/21/00"},
        {"bucket": "acme-s3-app-logs", "prefix": "Dev/app/b/2026/11/21/00"},
    ]
    assert answer["data"]["requested"] == 2
    assert world.dead_letters.letters == []


def test_queue_options_are_answered_with_one_warning(world: World, log: StringIO) -> None:
    world.run(variables())
    (warning,) = logged(log, "WARNING")
    assert "QueueOptions" in warning["message"]
    assert warning["queue_name"] == "log-sqs-dev-collect.fifo"


def test_without_queue_options_nothing_is_warned_of(world: World, log: StringIO) -> None:
    event = variables()
    del event["QueueOptions"]
    world.run(event)
    assert logged(log, "WARNING") == []


def test_a_collect_date_of_execution_variables_is_that_day(world: World) -> None:
    world.run(variables(collectDate="2022-10-20"))
    assert {event.data.destination.prefix[-13:] for event in world.queues.sent} == {"2022/10/20/00"}


def test_a_plan_request_brings_its_own_source_windows_and_selection(world: World) -> None:
    world.run(
        plan_request(
            window_rule={"unit": "hour", "time_zone": "Europe/Berlin", "settle_minutes": 720},
            selection={"exclude": ["*/b"]},
        )
    )
    (event,) = world.queues.sent
    assert event.data.destination.prefix == "dev/app/a/2026/11/22/18"
    assert event.data.window.to_ms - event.data.window.from_ms == 3_600_000
    assert event.data.source.external_id is None


EXAMPLE_PATHS = [
    path
    for message in ("plan-request", "execution-variables")
    for path in sorted((EXAMPLES / message).glob("1.*/accept/*.json"))
]


@pytest.mark.parametrize("path", EXAMPLE_PATHS, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_every_example_of_the_contracts_is_planned(world: World, path: Path) -> None:
    world.now = NOW + timedelta(days=365 * 50)
    answer = world.run(json.loads(path.read_text()))
    assert answer["type"] == "logferry.plan.completed.v1"
    assert answer["data"]["windows"]


def test_both_kinds_of_request_have_examples() -> None:
    assert {path.parts[-4] for path in EXAMPLE_PATHS} == {"plan-request", "execution-variables"}


# --- what cannot be planned


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        ({}, "loggingBucketName: Field required"),
        ([], "Input should be"),
        (None, "Input should be"),
        ("specversion", "Input should be"),
        (variables(Prefix="p" * 33), "Prefix: String should match pattern"),
        (variables(Prefix=None), "null where a value or nothing belongs: Prefix"),
        (variables(collectDate="2026-02-30"), "collectDate"),
        (plan_request(window_rule={"unit": "week", "time_zone": "UTC"}), "data.window_rule.unit"),
        ({"version": "0", "detail-type": "Scheduled Event", "detail": {}}, "roleArn"),
    ],
)
def test_a_request_that_breaks_its_contract_is_dead_lettered_as_it_came(
    world: World,
    log: StringIO,
    capsys: pytest.CaptureFixture[str],
    event: Any,
    detail: str,
) -> None:
    answer = world.run(event)
    (letter,) = world.dead_letters.letters
    assert json.loads(letter["body"]) == event
    assert letter["reason"] == "contract"
    assert detail in letter["detail"]
    assert answer == {
        "status": "dead_lettered",
        "reason": "contract",
        "detail": letter["detail"],
    }
    assert metric(capsys.readouterr().out, "PlansDeadLettered", reason="contract") == 1
    assert [error["reason"] for error in logged(log, "ERROR")] == ["contract"]
    assert world.ledger.creates == 0
    assert world.queues.sent == []
    assert world.topic.published == []


def missing_queue(world: World) -> None:
    world.queues.missing = True


def missing_bucket(world: World) -> None:
    world.archive.error = PlanRefusedError("bucket", "acme-log-archive", "does not exist")


def closed_role(world: World) -> None:
    world.accounts.error = PlanRefusedError("role_arn", "arn", "cannot be assumed")


def nothing_broken(_world: World) -> None:
    pass


@pytest.mark.parametrize(
    ("event", "break_it", "reason"),
    [
        (plan_request(), missing_queue, "refused_queue"),
        (plan_request(), missing_bucket, "refused_bucket"),
        (plan_request(), closed_role, "refused_role_arn"),
        (
            plan_request(window_rule={"unit": "day", "time_zone": "Europe/Berln"}),
            nothing_broken,
            "refused_time_zone",
        ),
        (plan_request(collect_date="2026-11-23"), nothing_broken, "refused_collect_date"),
        (
            plan_request(source=plan_request()["data"]["source"] | {"account_id": "2" * 12}),
            nothing_broken,
            "refused_role_arn",
        ),
    ],
)
def test_what_only_a_person_can_mend_is_dead_lettered_before_anything_is_written(
    world: World, event: Any, break_it: Callable[[World], None], reason: str
) -> None:
    break_it(world)
    answer = world.run(event)
    (letter,) = world.dead_letters.letters
    assert (answer["status"], answer["reason"]) == ("dead_lettered", reason)
    assert letter["reason"] == reason
    assert json.loads(letter["body"]) == event
    assert world.ledger.objects == {}
    assert world.queues.sent == []
    assert world.topic.published == []


def test_a_dead_letter_that_cannot_be_sent_fails_the_invocation(world: World) -> None:
    world.dead_letters.error = ConnectionError("SQS is away")
    with pytest.raises(ConnectionError):
        world.run({})


def test_an_error_that_may_pass_fails_the_invocation_and_is_not_dead_lettered(
    world: World,
) -> None:
    world.accounts.error = ConnectionError("CloudWatch Logs is away")
    with pytest.raises(ConnectionError):
        world.run(plan_request())
    assert world.dead_letters.letters == []


def test_a_bug_in_what_is_published_is_not_blamed_on_the_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_event: PlanCompleted) -> None:
        raise ContractError("PlanCompleted", ["found: missing"])

    monkeypatch.setattr(world.topic, "publish", broken)
    with pytest.raises(ContractError):
        world.run(plan_request())
    assert world.dead_letters.letters == []


# --- ledger, then message


def test_every_group_has_its_record_before_any_message_goes_out(world: World) -> None:
    def not_sent_yet(_record: LedgerRecord) -> None:
        assert world.queues.sent == []

    world.ledger.before_create = not_sent_yet
    world.run(plan_request())
    assert {record.export_id for record in world.ledger.objects.values()} == {
        event.id for event in world.queues.sent
    }
    assert {record.state for record in world.ledger.objects.values()} == {"requested"}


def test_after_a_crash_between_ledger_and_queue_the_next_run_sends(world: World) -> None:
    world.queues.error = MessagesNotSentError("away")
    with pytest.raises(MessagesNotSentError):
        world.run(plan_request())
    assert len(world.ledger.objects) == 2
    assert world.topic.published == []

    world.queues.error = None
    world.now += timedelta(minutes=1)
    answer = world.run(plan_request())
    assert world.sent_groups == ["/app/a", "/app/b"]
    assert (answer["data"]["requested"], answer["data"]["already_in_ledger"]) == (0, 2)


def test_after_a_crash_between_two_records_the_next_run_does_the_rest(world: World) -> None:
    def crash_at_b(record: LedgerRecord) -> None:
        if record.log_group.name == "/app/b":
            raise ConnectionError("S3 is away")

    world.ledger.before_create = crash_at_b
    with pytest.raises(ConnectionError):
        world.run(plan_request())
    assert world.queues.sent == []

    world.ledger.before_create = lambda _record: None
    answer = world.run(plan_request())
    assert world.sent_groups == ["/app/a", "/app/b"]
    assert (answer["data"]["requested"], answer["data"]["already_in_ledger"]) == (1, 1)


def test_a_second_run_sends_nothing_when_the_records_have_moved_on(world: World) -> None:
    world.run(plan_request())
    for key, record in world.ledger.objects.items():
        world.ledger.objects[key] = record.as_submitted("task-1", at=NOW)
    world.queues.sent.clear()
    creates = world.ledger.creates

    answer = world.run(plan_request())

    assert world.queues.sent == []
    assert world.ledger.creates == creates
    assert (answer["data"]["requested"], answer["data"]["already_in_ledger"]) == (0, 2)


def test_a_planner_that_comes_second_in_a_race_goes_by_the_record_that_is_there(
    world: World,
) -> None:
    def another_is_faster(record: LedgerRecord) -> None:
        if record.log_group.name == "/app/a":  # and its exporter has begun
            world.ledger.objects[record.key] = record.as_submitted("task-1", at=NOW)
        else:
            world.ledger.objects[record.key] = record.model_copy(
                update={"requested_at": "2026-11-23T05:59:59.000Z"}
            )

    world.ledger.before_create = another_is_faster
    answer = world.run(plan_request())
    assert world.sent_groups == ["/app/b"]
    assert (answer["data"]["requested"], answer["data"]["already_in_ledger"]) == (0, 2)


def test_foo_bar_and_foobar_are_both_exported(world: World) -> None:
    names = ["/app/foo-bar", "/app/foobar"]
    world.accounts.groups = LogGroups([log_group(name) for name in names], {})
    world.run(plan_request())
    assert world.sent_groups == names
    assert len({event.id for event in world.queues.sent}) == 2


def test_a_skipped_group_is_recorded_once_and_left_alone_after(world: World) -> None:
    world.accounts.groups = LogGroups([log_group("/app/d", log_group_class="DELIVERY")], {})
    first = world.run(plan_request())
    assert first["data"]["skipped"] == {"class_unsupported": 1}
    (record,) = world.ledger.objects.values()
    assert record.state == "skipped"

    second = world.run(plan_request(), request_id="request-2")
    assert second["data"]["already_in_ledger"] == 1
    assert second["data"]["skipped"] == {}
    assert world.ledger.objects[record.key] == record
    assert world.queues.sent == []


def test_own_groups_are_left_out_only_where_the_planner_is_at_home(world: World) -> None:
    own = "/aws/lambda/logferry-planner"
    world.accounts.groups = LogGroups([log_group(own)], {})
    at_home = plan_request()["data"]["source"] | {
        "account_id": "999999999999",
        "role_arn": "arn:aws:iam::999999999999:role/CollectCloudWatchLogsRole",
    }
    assert world.run(plan_request(source=at_home))["data"]["skipped"] == {"excluded": 1}
    assert world.run(plan_request())["data"]["requested"] == 1


# --- what is reported


def mixed_groups() -> LogGroups:
    return LogGroups(
        [
            log_group("/app/a"),
            log_group("/app/known"),
            log_group("/app/new", created_ms=1_795_400_000_000),
            log_group("/debug/x"),
            log_group("/edge", log_group_class="DELIVERY"),
        ],
        {"/odd": "not a valid LogGroup: retention_days: too long"},
    )


def test_the_counts_add_up_and_are_published_and_answered(
    world: World, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    world.accounts.groups = LogGroups([log_group("/app/known")], {})
    world.run(plan_request())
    world.accounts.groups = mixed_groups()
    capsys.readouterr()
    log.truncate(0)
    log.seek(0)

    answer = world.run(plan_request(selection={"include": ["/app/*", "/edge"]}))

    event = world.topic.published[-1]
    assert answer == json.loads(emit(event))
    data = event.data
    assert (data.found, data.requested, data.already_in_ledger) == (6, 1, 1)
    assert data.skipped == {
        "created_after_window": 1,
        "excluded": 1,
        "class_unsupported": 1,
        "log_group_unreadable": 1,
    }
    assert data.source.profile == "dev"
    output = capsys.readouterr().out
    assert metric(output, "LogGroupsFound") == 6
    assert metric(output, "ExportsRequested") == 1
    assert metric(output, "ExportsAlreadyInLedger") == 1
    assert metric(output, "ExportsRefused") == 1
    assert metric(output, "ExportsSkipped", reason="excluded") == 1
    assert metric(output, "ExportsSkipped", reason="created_after_window") == 1
    assert [(line["log_group"], line["reason"]) for line in logged(log, "ERROR")] == [
        ("/odd", "log_group_unreadable")
    ]
    (summary,) = logged(log, "INFO")
    assert summary["message"] == "planned"
    assert summary["requested"] == 1
    assert summary["account_id"] == "111111111111"


@pytest.fixture
def at_debug() -> Iterator[None]:
    handler.logger.setLevel(logging.DEBUG)
    yield
    handler.logger.setLevel(logging.INFO)


@pytest.mark.usefixtures("at_debug")
def test_every_decision_is_a_line_at_debug_and_the_summary_one_at_info(
    world: World, log: StringIO
) -> None:
    world.run(plan_request(selection={"exclude": ["*/b"]}))
    assert [
        (line["log_group"], line["message"], line.get("reason")) for line in logged(log, "DEBUG")
    ] == [("/app/a", "requested", None), ("/app/b", "skipped", "excluded")]
    assert len(logged(log, "INFO")) == 1


def test_nothing_due_is_published_too(world: World) -> None:
    event = plan_request(collect_date="2026-11-22")
    answer = world.run(event)
    assert answer["data"]["windows"] == []
    assert answer["data"]["found"] == 2
    assert world.queues.sent == []
    assert len(world.topic.published) == 1


def test_every_due_hour_of_a_collect_date_is_planned_and_counted(world: World) -> None:
    answer = world.run(
        plan_request(
            window_rule={"unit": "hour", "time_zone": "Europe/Berlin"}, collect_date="2026-10-25"
        )
    )
    assert len(answer["data"]["windows"]) == 25
    assert answer["data"]["requested"] == 50
    assert len(world.ledger.objects) == 50
    assert len({event.id for event in world.queues.sent}) == 50


def test_the_same_invocation_tried_again_publishes_the_same_event(world: World) -> None:
    for request_id in ("request-1", "request-1", "request-2"):
        world.run(plan_request(), request_id=request_id)
    first, again, other = (event.id for event in world.topic.published)
    assert first == again
    assert other != first


def test_one_invocation_does_not_log_the_source_of_another(world: World, log: StringIO) -> None:
    world.run(plan_request())
    world.run({})
    (error,) = logged(log, "ERROR")
    assert "account_id" not in error


# --- wiring


def test_the_settings_are_read_at_the_first_invocation_and_all_problems_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler._wiring.cache_clear()
    for name in ("CONTROL_BUCKET", "TOPIC_ARN", "DEAD_LETTER_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=r"CONTROL_BUCKET.*TOPIC_ARN.*DEAD_LETTER"):
        handle({}, cast("Any", Context()))


def test_execution_variables_become_a_request_of_this_region() -> None:
    without_id = replace(SETTINGS, external_id=None)
    request = read_request(variables(), without_id)
    assert request.source.external_id is None
    assert request.source.region == "ap-northeast-2"
    assert request.window_rule.time_zone == "Asia/Seoul"
    assert request.selection is None
    assert parse(ExecutionVariables, EXECUTION_VARIABLES).prefix == request.source.profile


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def logged(log: StringIO, level: str) -> list[dict[str, Any]]:
    return [line for line in lines(log.getvalue()) if line["level"] == level]


def metric(output: str, name: str, **dimensions: str) -> float:
    """Return a metric's value in the one EMF line that has it with these dimensions."""
    (line,) = [
        line
        for line in lines(output)
        if name in line and dimensions.items() <= line.items() and "_aws" in line
    ]
    assert line["service"] == "planner"
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "logferry"
    value: float = line[name][0]
    return value
