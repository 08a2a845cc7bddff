"""One wrong profile in a request stops no other source, as deployed, whichever way it comes in."""

import json
from datetime import UTC, datetime

import boto3
import pytest

from devstack.suite import REGION
from logferry.errors import PlanError
from logferry.plan import plan as ask_for_plan
from logferry.plan import plan_request
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.message import timestamp
from logferry_contracts.plan_continued import PlanContinued
from logferry_contracts.wire import emit

pytestmark = pytest.mark.localstack

PLANNER_DLQ = "logferry-planner-dlq"


@pytest.fixture
def mixed_up(suite, name):
    """A request for alpha's profile with beta's account and role."""
    request = suite.plan_request("beta", include=[name])
    request["data"]["source"]["profile"] = "alpha"
    return request


@pytest.fixture
def variables(suite):
    """Execution variables with beta's role, and one wrong Prefix."""
    return {
        "loggingBucketName": suite.archive_bucket,
        "roleArn": f"arn:aws:iam::{suite.source('beta').account_id}:role/logferry-source",
        "Prefix": "alpha",
    }


@pytest.fixture
def schedule(suite):
    """Give beta's schedule another input, and its own one back afterwards."""
    scheduler = suite.client("scheduler")
    known = scheduler.get_schedule(Name="logferry-beta")
    kept = ("Name", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow")
    before = {key: known[key] for key in (*kept, "Target", "State")}

    def put(event):
        target = known["Target"] | {"Input": json.dumps(event)}
        scheduler.update_schedule(**before | {"Target": target})

    yield put
    scheduler.update_schedule(**before)


def as_profile(request, profile):
    """Return a request as one for another profile, as 0.2.0 made it."""
    former = request.source.profile
    prefix = request.destination.prefix.replace(f"{former}/", f"{profile}/", 1)
    changes = {
        "source": request.source.model_copy(update={"profile": profile}),
        "destination": request.destination.model_copy(update={"prefix": prefix}),
    }
    return request.model_copy(update=changes)


def of_beta(suite):
    """Return the keys of what the ledger has of beta's account."""
    source = suite.source("beta")
    return {each.key for each in suite.ledger() if each.source.account_id == source.account_id}


def test_one_wrong_prefix_in_a_schedules_variables_is_refused_and_writes_nothing(
    suite, tap, name, some_logs, schedule, variables, letters, records, plan
):
    some_logs("beta", name)
    schedule(variables)
    before = of_beta(suite)
    suite.fire_schedule("beta")
    tap.until(lambda: letters(PLANNER_DLQ) == ["refused_profile"])

    assert of_beta(suite) == before
    assert plan("beta", name)["data"]["requested"] == 1
    tap.until(lambda: [r.state for r in records(name)] == ["secured"])
    [completed] = tap.of("export.completed", name)
    assert completed["source"]["profile"] == "beta"


def test_a_request_for_one_profile_with_the_account_of_another_is_refused_and_writes_nothing(
    suite, name, records, some_logs, letters, mixed_up
):
    some_logs("beta", name)
    answer = suite.invoke_planner(mixed_up)

    assert (answer["status"], answer["reason"]) == ("dead_lettered", "refused_profile")
    assert suite.source("beta").slot in answer["detail"]
    assert records(name) == []
    assert letters(PLANNER_DLQ) == ["refused_profile"]


def test_a_plan_that_the_command_asks_for_by_a_wrong_configuration_is_refused_in_words(
    suite, monkeypatch, letters
):
    """Alpha's profile with beta's account, and its role."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", suite.endpoint)
    session = boto3.Session(
        aws_access_key_id=suite.hub_account_id, aws_secret_access_key="any", region_name=REGION
    )
    [alpha] = [each for each in suite.config.sources if each.profile == "alpha"]
    wrong = alpha.model_copy(update={"account_id": suite.source("beta").account_id})
    config = suite.config.model_copy(update={"sources": [wrong]})
    before = of_beta(suite)

    with pytest.raises(PlanError, match=r"profile alpha of .* cannot be: the queue log-sqs-alpha"):
        ask_for_plan(session, config, plan_request(config, "alpha", dry_run=False))
    assert of_beta(suite) == before
    assert letters(PLANNER_DLQ) == ["refused_profile"]


def test_a_part_of_a_plan_that_was_begun_for_a_wrong_profile_is_refused(
    suite, name, letters, mixed_up
):
    """As 0.2.0 has begun it, before an upgrade."""
    account_id, bucket = suite.source("beta").account_id, suite.config.control_bucket
    key = f"plans/{account_id}/{REGION}/{'0' * 32}/2.sqlite3"
    suite.client("s3").put_object(Bucket=bucket, Key=key, Body=b"")
    data = {
        "request": mixed_up["data"],
        "planned_at": timestamp(datetime.now(UTC)),
        "run_id": "0" * 32,
        "part": 2,
        "worklist": {"bucket": bucket, "key": key},
    }
    event = {"id": f"{'0' * 32}-2", "type": PlanContinued.TYPE, "dataschema": PlanContinued.SCHEMA}
    before = of_beta(suite)

    answer = suite.invoke_planner(mixed_up | event | {"data": data})
    assert (answer["status"], answer["reason"]) == ("dead_lettered", "refused_profile")
    assert of_beta(suite) == before
    assert letters(PLANNER_DLQ) == ["refused_profile"]


@pytest.mark.parametrize("queue", ["alpha", "beta"])
def test_a_message_that_somebody_puts_into_a_queue_is_dead_lettered_unread(
    suite, tap, name, records, letters, request_of, queue
):
    """In either queue: for alpha's profile with beta's account."""
    theirs = as_profile(request_of("beta", name), "alpha")
    event = ExportRequested.of(
        theirs, id=theirs.export_id, source="urn:test", time=datetime.now(UTC)
    )
    suite.client("sqs").send_message(
        QueueUrl=suite.queue_url(suite.source(queue).queue_name),
        MessageBody=emit(event),
        MessageGroupId=theirs.source.slot,
        MessageDeduplicationId=event.id,
    )
    dead = suite.source(queue).dead_letter_queue_name
    tap.until(lambda: letters(dead) == ["wrong_source"])
    assert records(name) == []


def test_what_was_asked_for_under_another_profile_is_taken_over_by_the_sources_own_plan(
    suite, tap, name, plan, records, some_logs, lines, request_of, write, send, letters
):
    """As 0.2.0 has left it: the record says alpha, and alpha's exporter has the message."""
    some_logs("beta", name)
    theirs = as_profile(request_of("beta", name), "alpha")
    write(theirs)
    send(theirs)
    tap.until(lambda: letters(theirs.source.dead_letter_queue_name) == ["wrong_source"])
    assert [each.state for each in records(name)] == ["requested"]

    assert plan("beta", name)["data"]["requested"] == 1
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())
    [completed] = tap.of("export.completed", name)
    assert completed["source"]["profile"] == "beta"
    assert completed["destination"]["prefix"].startswith("beta/")
    assert len(lines(completed["manifest"])) == 20


def test_what_ran_under_a_name_that_the_profile_had_before_is_exported_under_its_own(
    suite, tap, name, plan, records, some_logs, lines, request_of, write
):
    """The former exporter and its queue are deleted, and so is the message."""
    some_logs("beta", name)
    former = as_profile(request_of("beta", name), "former")
    submitted = {
        "task_id": "00000000-0000-4000-8000-000000000000",
        "at": timestamp(datetime.now(UTC)),
    }
    write(former, state="submitted", submitted=submitted)

    assert plan("beta", name)["data"]["requested"] == 1
    tap.until(lambda: [r.state for r in records(name)] == ["submitted", "secured"])
    [completed] = tap.of("export.completed", name)
    assert (completed["source"]["profile"], completed["generation"]) == ("beta", 2)
    assert len(lines(completed["manifest"])) == 20
    assert plan("beta", name, by_date=True)["data"]["requested"] == 0
