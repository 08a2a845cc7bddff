"""What was asked for and has not moved is asked for again by itself, as deployed."""

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from tests.alarms import Alarms

from devstack.clocks import ahead

pytestmark = pytest.mark.localstack

PROFILE = "beta"
NEXT_DAY = timedelta(hours=21)
"""The daily plan that comes next, an hour early."""


@contextmanager
def undelivered(suite, function_name):
    """Let a function get no message: one that it has may be sent again after a purge."""
    functions = suite.client("lambda")
    [mapping] = functions.list_event_source_mappings(FunctionName=function_name)[
        "EventSourceMappings"
    ]

    def settle(state, **change):
        functions.update_event_source_mapping(UUID=mapping["UUID"], **change)
        deadline = time.monotonic() + 30
        while functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] != state:
            assert time.monotonic() < deadline, f"the mapping of {function_name} is not {state}"

    settle("Disabled", Enabled=False)
    try:
        yield
    finally:
        settle("Enabled", Enabled=True)


def take_out(suite, queue_name):
    """Take all messages out of a queue, as if nobody had ever sent them."""
    sqs, url, count = suite.client("sqs"), suite.queue_url(queue_name), 0
    while found := sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"):
        for each in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
            count += 1
    return count


def test_what_a_plan_by_date_sends_again_within_five_minutes_arrives(
    suite, tap, name, plan, records, some_logs
):
    some_logs(PROFILE, name)
    queue_name = suite.source(PROFILE).queue_name
    with undelivered(suite, suite.source(PROFILE).exporter_function_name):
        plan(PROFILE, name)
        # LocalStack's purge forgets what was sent, too, and AWS's promises that nowhere.
        assert take_out(suite, queue_name) >= 1
        plan(PROFILE, name, by_date=True)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"])


def test_the_next_days_plan_asks_again_for_what_a_purged_queue_has_lost_and_an_alarm_says_so(
    suite, tap, name, plan, records, some_logs, lines
):
    some_logs(PROFILE, name)
    queue_name = suite.source(PROFILE).queue_name
    with undelivered(suite, suite.source(PROFILE).exporter_function_name):
        plan(PROFILE, name)
        suite.client("sqs").purge_queue(QueueUrl=suite.queue_url(queue_name))
    assert [r.state for r in records(name)] == ["requested"]
    nothing = f"{name}/nothing"
    assert plan(PROFILE, nothing)["data"]["requested"] == 0
    tap.until(tap.idle)
    assert [r.state for r in records(name)] == ["requested"]

    with ahead(suite.client("lambda"), "logferry-planner", NEXT_DAY):
        plan(PROFILE, nothing)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())
    [completed] = tap.of("export.completed", name)
    assert len(lines(completed["manifest"])) == 20
    assert Alarms(suite).is_on("planner-exports-asked-again")
