"""Queries that count, as the pages of StartQuery, GetQueryResults and StopQuery describe them.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetQueryResults.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StopQuery.html
"""

from types import SimpleNamespace
from typing import Any

import pytest

from localstack_addons.logs.insights import (
    DAY_MS,
    LAG_MS,
    MAX_LOG_GROUPS,
    MAX_RUNNING,
    InsightsError,
    Queries,
)

ACCOUNT = "111122223333"
FROM_S, TO_S = 1_795_215_600, 1_795_302_000
FROM, TO = FROM_S * 1000, TO_S * 1000
NOW = TO + DAY_MS


def group(name: str, *events: tuple[int, str], **changes: Any) -> Any:
    made = [
        SimpleNamespace(timestamp=at, message=text, ingestion_time=changes.get("ingested", at))
        for at, text in events
    ]
    return SimpleNamespace(
        name=name,
        creation_time=changes.get("created", FROM - DAY_MS),
        retention_in_days=changes.get("days"),
        log_group_class=changes.get("log_group_class", "STANDARD"),
        streams={"a": SimpleNamespace(events=made)},
    )


def asked(*names: str, **changes: Any) -> dict[str, Any]:
    query = f"filter @timestamp >= {FROM} and @timestamp < {TO} | stats count(*) as events by @log"
    request = {"startTime": FROM_S, "endTime": TO_S, "queryString": query}
    return {**request, "logGroupNames": list(names), **changes}


def start(queries: Queries, groups: list[Any], **changes: Any) -> str:
    there = {each.name: each for each in groups}
    return queries.start(there, asked(*there, **changes), ACCOUNT, NOW)["queryId"]


def ended(queries: Queries, query_id: str) -> dict[str, Any]:
    while (answer := queries.results(query_id))["status"] in {"Scheduled", "Running"}:
        assert answer["results"] == []  # partial, in whatever part
    return answer


def test_a_query_counts_the_events_of_each_log_group_and_leaves_out_those_without():
    queries = Queries()
    one = group("/a", (FROM, "x"), (TO - 1, "y"))
    other = group("/b", (FROM + 5, "zz"))
    answer = ended(queries, start(queries, [one, other, group("/c")]))
    assert answer["status"] == "Complete"
    assert answer["results"] == [
        [{"field": "@log", "value": f"{ACCOUNT}:/a"}, {"field": "events", "value": "2"}],
        [{"field": "@log", "value": f"{ACCOUNT}:/b"}, {"field": "events", "value": "1"}],
    ]
    assert answer["statistics"]["bytesScanned"] == 3 * 26 + 4


def test_a_query_is_scheduled_then_runs_then_is_complete():
    queries = Queries()
    query_id = start(queries, [group("/a")])
    assert [queries.results(query_id)["status"] for _ in range(3)] == [
        "Running",
        "Complete",
        "Complete",
    ]


def test_both_ends_are_scanned_to_the_millisecond_and_the_filter_cuts():
    """An end is the millisecond that its second begins with: https://github.com/aws/aws-sdk/issues/280"""
    events = [(FROM - 1, "-"), (FROM, "a"), (TO, "-"), (TO + 1, "-")]
    queries = Queries()
    answer = ended(queries, start(queries, [group("/a", *events)]))
    assert answer["statistics"] == {
        "recordsMatched": 1.0,
        "recordsScanned": 2.0,
        "bytesScanned": 2 * 27.0,
    }


def test_what_has_just_come_in_is_not_seen():
    queries = Queries()
    late = group("/a", (FROM, "x"), ingested=NOW - LAG_MS + 1)
    assert ended(queries, start(queries, [late]))["results"] == []


@pytest.mark.parametrize(
    ("groups", "changes", "code"),
    [
        ([group(f"/{n}") for n in range(MAX_LOG_GROUPS + 1)], {}, "InvalidParameterException"),
        (
            [group("/a"), group("/b", log_group_class="INFREQUENT_ACCESS")],
            {},
            "InvalidParameterException",
        ),
        ([group("/a", log_group_class="DELIVERY")], {}, "InvalidParameterException"),
        ([group("/a")], {"logGroupNames": ["/gone"]}, "ResourceNotFoundException"),
        ([group("/a")], {"queryString": "fields @message"}, "MalformedQueryException"),
        ([group("/a", created=TO + 1)], {}, "MalformedQueryException"),
        ([group("/a", days=1)], {"endTime": TO_S - 1}, "MalformedQueryException"),
    ],
)
def test_what_insights_refuses(groups: list[Any], changes: dict[str, Any], code: str):
    with pytest.raises(InsightsError) as refused:
        start(Queries(), groups, **changes)
    assert refused.value.code == code


def test_no_more_than_thirty_queries_run_at_once_and_one_that_is_stopped_makes_room():
    queries = Queries()
    running = [start(queries, [group("/a")]) for _ in range(MAX_RUNNING)]
    with pytest.raises(InsightsError) as refused:
        start(queries, [group("/a")])
    assert refused.value.code == "LimitExceededException"
    assert queries.stop(running[0]) == {"success": True}
    assert queries.results(running[0])["status"] == "Cancelled"
    start(queries, [group("/a")])


def test_a_query_that_has_ended_cannot_be_stopped_and_an_unknown_one_not_be_found():
    queries = Queries()
    query_id = start(queries, [group("/a")])
    ended(queries, query_id)
    for code, wanted in (
        ("InvalidParameterException", query_id),
        ("ResourceNotFoundException", "unknown"),
    ):
        with pytest.raises(InsightsError) as refused:
            queries.stop(wanted)
        assert refused.value.code == code
