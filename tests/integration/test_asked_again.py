"""What was asked for and has not moved is asked for again by itself, as deployed."""

from datetime import timedelta

import pytest
from tests.alarms import Alarms
from tests.clocks import ahead

pytestmark = pytest.mark.localstack

PROFILE = "beta"
NEXT_DAY = timedelta(hours=21)
"""The daily plan that comes next, an hour early."""


def test_the_next_days_plan_asks_again_for_what_a_purged_queue_has_lost_and_an_alarm_says_so(
    suite, tap, name, plan, records, some_logs, lines
):
    some_logs(PROFILE, name)
    queue_name = suite.source(PROFILE).queue_name
    with suite.busy_slot(PROFILE):
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
