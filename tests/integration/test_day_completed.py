"""One event when all of a date's exports have ended, on the suite as it is deployed."""

import itertools
from typing import Any

import pytest

pytestmark = pytest.mark.localstack


def days(tap: Any, plan_id: str) -> list[dict[str, Any]]:
    """Return the DayCompleted events of one plan. Other tests plan other log groups of the date."""
    return [
        event
        for event in tap.events
        if event["type"] == "logferry.day.completed.v1" and event["id"].startswith(plan_id)
    ]


def test_a_date_is_announced_once_after_the_last_of_its_exports(suite, tap, name, plan, some_logs):
    some_logs("beta", f"{name}/task")
    some_logs("beta", f"{name}/direct", lane="direct")
    answer = plan("beta", f"{name}/*")
    tap.until(lambda: days(tap, answer["id"]) and tap.idle())

    [event] = days(tap, answer["id"])
    data = event["data"]
    exports = [tap.of("export.completed", f"{name}/{each}")[0] for each in ("task", "direct")]
    assert event["id"] == f"{answer['id']}-{data['date']}"
    assert (data["source"], data["windows"]) == (exports[0]["source"], answer["data"]["windows"])
    assert data["completed_at"] == max(each["completed_at"] for each in exports)
    of_date = [
        record
        for record in suite.ledger()
        if record.source.profile == "beta" and record.window.model_dump() in data["windows"]
    ]
    last = {
        name: list(tries)[-1]
        for name, tries in itertools.groupby(
            sorted(of_date, key=lambda record: (record.log_group.name, record.generation)),
            key=lambda record: record.log_group.name,
        )
    }
    states = [record.state for record in last.values()]
    assert data["completed"] == states.count("completed") + states.count("secured") >= 2
    assert data["failed"] == states.count("failed")
    assert sum(data["skipped"].values()) == states.count("skipped")
