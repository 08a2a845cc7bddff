"""The handler with fakes for everything that is AWS: what is asked, refused and reported."""

import json
import logging
from collections.abc import Callable, Iterator
from copy import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from services.planner.tests.fakes import NOW, Context, World, log_group, plan_request

from logferry_contracts.environment import SettingsError
from logferry_contracts.execution_variables import ExecutionVariables
from logferry_contracts.plan_completed import InfrastructureChange, PlanCompleted
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse
from planner import handler, requesting
from planner.cloud import UnreadableLogGroup
from planner.errors import PlanRefusedError
from planner.handler import handle, read_request

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"
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
    assert world.account.opened == [source]
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


def test_queue_options_are_provided_for_before_the_queue_is_looked_for(world: World) -> None:
    change = InfrastructureChange(
        resource="queue", name="log-sqs-dev-collect.fifo", change="created"
    )

    def made(_source: Source, _options: object) -> list[InfrastructureChange]:
        world.queues.missing = False
        return [change]

    world.queues.missing = True
    world.infrastructure.ensure = made  # type: ignore[assignment, method-assign]
    answer = world.run(variables())
    assert answer["data"]["infrastructure_changes"] == [change.model_dump()]
    assert world.sent_groups == ["/app/a", "/app/b"]


def test_queue_options_reach_the_infrastructure_word_for_word(world: World) -> None:
    world.run(variables())
    (options,) = world.infrastructure.asked
    assert options.model_dump(by_alias=True) == variables()["QueueOptions"]


def test_without_queue_options_no_infrastructure_is_touched(world: World) -> None:
    event = variables()
    del event["QueueOptions"]
    answer = world.run(event)
    assert world.infrastructure.asked == []
    assert "infrastructure_changes" not in answer["data"]


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
    assert set(world.sent_groups) == {"/app/a"}
    newest = world.queues.sent[-1]
    assert newest.data.destination.prefix == "dev/app/a/2026/11/22/18"
    assert newest.data.window.to_ms - newest.data.window.from_ms == 3_600_000
    assert newest.data.source.external_id is None


EXAMPLE_PATHS = [
    path
    for message in ("plan-request", "execution-variables")
    for path in sorted((EXAMPLES / message).glob("1.*/accept/*.json"))
]


@pytest.mark.parametrize("path", EXAMPLE_PATHS, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_every_example_of_the_contracts_is_planned(world: World, path: Path) -> None:
    world.now = NOW + timedelta(days=60)
    if path.parts[-4] == "execution-variables":
        world.now += timedelta(days=365 * 10)
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
        (variables(Prefix="p" * 33), f"Prefix '{'p' * 33}': String should match pattern"),
        (variables(Prefix="../prd"), "Prefix '../prd': String should match pattern"),
        (variables(Prefix="prd\n"), r"Prefix 'prd\n': String should match pattern"),
        # With it, log-sqs-<Prefix>-collect.fifo has 81 characters, of which SQS takes 80.
        (variables(Prefix="p" * 60), f"Prefix '{'p' * 60}': String should match pattern"),
        (
            plan_request(source=plan_request()["data"]["source"] | {"profile": "a/../b"}),
            "data.source.profile 'a/../b': String should match pattern",
        ),
        (plan_request(collect_from="2026-02-30"), "data.collect_from '2026-02-30': "),
        (variables(Prefix="p" * 5000), f"Prefix '{'p' * 198}: String"),
        (variables(Prefix=None), "null where a value or nothing belongs: Prefix"),
        (variables(collectDate="2026-02-30"), "collectDate"),
        (
            plan_request(window_rule={"unit": "week", "time_zone": "UTC"}),
            "data.window_rule.unit 'week': Input should be 'day' or 'hour'",
        ),
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


def bad_options(world: World) -> None:
    world.infrastructure.error = PlanRefusedError(
        "queue", "log-sqs-dev-collect.fifo", "is no one's"
    )


def closed_role(world: World) -> None:
    world.account.error = PlanRefusedError("role_arn", "arn", "cannot be assumed")


def nothing_broken(_world: World) -> None:
    pass


@pytest.mark.parametrize(
    ("event", "break_it", "reason"),
    [
        (plan_request(), missing_queue, "refused_queue"),
        (plan_request(), missing_bucket, "refused_bucket"),
        (plan_request(), closed_role, "refused_role_arn"),
        (variables(), bad_options, "refused_queue"),
        (
            plan_request(collect_from="2026-11-20", collect_to="2026-11-19"),
            nothing_broken,
            "refused_collect_from",
        ),
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
    world.account.error = ConnectionError("CloudWatch Logs is away")
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


def test_a_dry_run_that_is_refused_leaves_no_dead_letter(world: World) -> None:
    world.queues.missing = True
    answer = world.run(plan_request(dry_run=True))
    assert answer == {
        "status": "refused",
        "reason": "refused_queue",
        "detail": "queue log-sqs-dev-collect.fifo does not exist",
    }
    assert world.dead_letters.letters == []


# --- what is reported


MIXED_GROUPS = [
    log_group("/app/a"),
    log_group("/app/idle"),
    log_group("/app/known"),
    log_group("/app/new", created_ms=1_797_000_000_000),
    log_group("/debug/x"),
    log_group("/edge", log_group_class="DELIVERY"),
    UnreadableLogGroup("/odd", "not a valid LogGroup: retention_days: too long"),
]


def test_the_counts_add_up_and_are_published_and_answered(
    world: World, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    world.account.groups = [log_group("/app/known")]
    world.run(plan_request())
    world.account.groups = MIXED_GROUPS  # type: ignore[assignment]
    world.account.incoming = {"/app/idle": 0}
    capsys.readouterr()
    log.truncate(0)
    log.seek(0)

    answer = world.run(plan_request(selection={"include": ["/app/*", "/edge"]}))

    event = world.topic.published[-1]
    assert answer == json.loads(emit(event))
    data = event.data
    assert (data.found, data.requested, data.already_in_ledger) == (7, 1, 1)
    assert data.skipped == {
        "empty": 1,
        "created_after_window": 1,
        "excluded": 1,
        "class_unsupported": 1,
        "log_group_unreadable": 1,
    }
    assert data.source.profile == "dev"
    output = capsys.readouterr().out
    assert metric(output, "LogGroupsFound") == 7
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


def overdue_hours(output: str, **dimensions: str) -> list[float]:
    """Values of the metric that has these dimensions and no other."""
    return [
        round(line["OverdueSeconds"][0] / 3600, 3)
        for line in lines(output)
        if line.get("_aws", {}).get("CloudWatchMetrics", [{}])[0].get("Dimensions")
        == [["service", *dimensions]]
        and dimensions.items() <= line.items()
        and "OverdueSeconds" in line
    ]


TWO_WEEKS = {"unit": "day", "time_zone": "Europe/Berlin", "lookback_days": 14}


@pytest.mark.parametrize(("days_later", "expected_h"), [(1, 7), (2, 31), (3, 55)])
def test_a_plan_measures_for_how_long_what_runs_before_it_missed_is_overdue(
    world: World, capsys: pytest.CaptureFixture[str], days_later: int, expected_h: float
) -> None:
    world.account.groups = [log_group("/app/a")]
    world.run(plan_request(window_rule=TWO_WEEKS))
    assert overdue_hours(capsys.readouterr().out, profile="dev") == [7]

    world.now += timedelta(days=days_later)
    world.run(plan_request(window_rule=TWO_WEEKS))

    output = capsys.readouterr().out
    assert overdue_hours(output) == overdue_hours(output, profile="dev") == [expected_h]


def test_a_plan_that_finds_everything_planned_says_that_nothing_is_overdue(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.account.groups = [log_group("/app/a")]
    world.run(plan_request(window_rule=TWO_WEEKS))
    capsys.readouterr()
    world.run(plan_request(window_rule=TWO_WEEKS))
    assert overdue_hours(capsys.readouterr().out, profile="dev") == [0]


def test_a_plan_in_parts_measures_once_what_was_overdue_when_it_began(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    three_days = TWO_WEEKS | {"lookback_days": 3}
    world.account.groups = [log_group("/app/first")]
    world.run(plan_request(window_rule=three_days))
    world.account.groups = [log_group(f"/app/{n}") for n in range(600)]
    world.now += timedelta(days=2)
    world.timeout_s = 0.3
    capsys.readouterr()

    answer = world.run(plan_request(window_rule=three_days))

    assert answer["status"] == "continued"
    assert overdue_hours(capsys.readouterr().out) == []
    while world.continuations.sent:
        world.run(world.continuations.sent.pop(0))
    assert overdue_hours(capsys.readouterr().out) == [31]


@pytest.mark.parametrize(
    "request_", [{"dry_run": True}, {"collect_date": "2026-11-20"}], ids=["dry run", "by date"]
)
def test_what_an_operator_asks_for_is_not_taken_for_the_schedules_plan(
    world: World, capsys: pytest.CaptureFixture[str], request_: dict[str, Any]
) -> None:
    world.run(plan_request(**request_))
    assert "OverdueSeconds" not in capsys.readouterr().out


def test_a_source_without_a_log_group_is_never_overdue(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.account.groups = [log_group("/app/a")]
    world.run(plan_request(window_rule=TWO_WEEKS))
    world.now += timedelta(days=3)
    capsys.readouterr()
    world.run(plan_request(window_rule=TWO_WEEKS, selection={"include": ["/other/*"]}))
    assert overdue_hours(capsys.readouterr().out, profile="dev") == [0]


@pytest.fixture
def at_debug() -> Iterator[None]:
    for logger in (handler.logger, requesting.logger):
        logger.setLevel(logging.DEBUG)
    yield
    for logger in (handler.logger, requesting.logger):
        logger.setLevel(logging.INFO)


@pytest.mark.usefixtures("at_debug")
def test_every_decision_is_a_line_at_debug_and_the_summary_one_at_info(
    world: World, log: StringIO
) -> None:
    world.account.groups = [
        log_group("/app/a"),
        log_group("/app/b"),
        log_group("/app/c", log_group_class="DELIVERY"),
    ]
    world.run(plan_request(selection={"exclude": ["*/b"]}))
    assert [
        (line["log_group"], line["message"], line.get("reason")) for line in logged(log, "DEBUG")
    ] == [("/app/a", "requested", None), ("/app/c", "skipped", "class_unsupported")]
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


def test_every_line_names_the_artifact(world: World, log: StringIO) -> None:
    world.settings = replace(world.settings, artifact="0.2.0-1a2b3c4d5e6f")  # type: ignore[arg-type]
    for event in (plan_request(), {}, plan_request()):
        world.run(event)
    assert {line["artifact"] for line in lines(log.getvalue())} == {"0.2.0-1a2b3c4d5e6f"}


def test_a_function_that_is_not_told_its_artifact_logs_none(world: World, log: StringIO) -> None:
    world.run({})
    (error,) = logged(log, "ERROR")
    assert "artifact" not in error


# --- wiring


def test_the_settings_are_read_at_the_first_invocation_and_all_problems_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler._wiring.cache_clear()
    for name in ("CONTROL_BUCKET", "TOPIC_ARN", "DEAD_LETTER_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=r"CONTROL_BUCKET.*TOPIC_ARN.*DEAD_LETTER"):
        handle({}, cast("Any", Context(lambda: 0)))


def test_execution_variables_become_a_request_of_this_region(world: World) -> None:
    without_id = replace(world.settings, external_id=None)  # type: ignore[arg-type]
    request = read_request(variables(), without_id).request
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
