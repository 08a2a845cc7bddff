"""A source's log groups, by the calls of AWS that somebody with the role may make."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from logferry.errors import RetentionError
from logferry.source_logs import LiveLogGroup, SourceLogs
from logferry_contracts.window import Window
from logferry_ledger.ledger import CLIENT_CONFIG

WINDOW = Window(from_ms=1_800_000, to_ms=3_600_001)
QUERY = "filter @timestamp >= 1800000 and @timestamp < 3600001 | stats count(*) as events by @log"


def client() -> Any:
    return boto3.client(
        "logs",
        region_name="eu-west-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=CLIENT_CONFIG,
    )


@pytest.fixture
def stubbed() -> Iterator[tuple[SourceLogs, Stubber]]:
    logs = client()
    with Stubber(logs) as stub:
        yield SourceLogs(logs, logs, sleep=lambda _: None), stub
        stub.assert_no_pending_responses()


def started(stub: Stubber, *names: str) -> None:
    asked = {"logGroupNames": [*names], "startTime": 1800, "endTime": 3601, "queryString": QUERY}
    stub.add_response("start_query", {"queryId": "q"}, asked)


def answered(stub: Stubber, status: str, rows: dict[str, int], scanned: float = 7.0) -> None:
    results = [
        [{"field": "@log", "value": f"444455556666:{name}"}, {"field": "events", "value": f"{n}"}]
        for name, n in rows.items()
    ]
    answer = {"status": status, "results": results, "statistics": {"bytesScanned": scanned}}
    stub.add_response("get_query_results", answer, {"queryId": "q"})


def test_a_retention_is_set_and_put_back_and_a_name_is_a_whole_one() -> None:
    with mock_aws():
        logs = client()
        for name in ("/a", "/a/b"):
            logs.create_log_group(logGroupName=name)
        account = SourceLogs(logs, logs)
        [before] = [account.log_group("/a")]
        assert before is not None
        assert before.retention_days is None
        account.keep_for("/a", 30)
        assert account.log_group("/a") == LiveLogGroup(
            created_ms=before.created_ms, retention_days=30
        )
        assert account.log_group("/a/b") is not None
        assert account.log_group("/a/") is None
        account.keep_for("/a", None)
        assert account.log_group("/a") == before
        with pytest.raises(RetentionError, match="PutRetentionPolicy of /none"):
            account.keep_for("/none", 30)


def test_events_are_counted_by_pages_up_to_the_end_of_the_window_and_past_empty_ones(
    stubbed: tuple[SourceLogs, Stubber],
) -> None:
    account, stub = stubbed
    asked = {"logGroupName": "/a", "startTime": 1_800_000, "endTime": 3_600_000}
    for token, count, following in ((None, 2, "1"), ("1", 0, "2"), ("2", 1, None)):
        page: dict[str, Any] = {"events": [{"message": "m"}] * count}
        page |= {} if following is None else {"nextToken": following}
        more = {} if token is None else {"nextToken": token}
        stub.add_response("filter_log_events", page, asked | more)
    assert account.filtered("/a", WINDOW) == 3


def test_a_query_is_waited_for_and_who_has_no_row_has_no_event(
    stubbed: tuple[SourceLogs, Stubber],
) -> None:
    account, stub = stubbed
    stub.add_client_error("start_query", "LimitExceededException")
    started(stub, "/a", "/b")
    answered(stub, "Scheduled", {})
    answered(stub, "Running", {"/a": 1})
    answered(stub, "Complete", {"/a": 5})
    assert account.queried(["/a", "/b"], WINDOW, 100) == {"/a": 5, "/b": 0}
    assert account.scanned_bytes == 7


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "Timeout"])
def test_a_query_that_did_not_end_well_counts_nothing(
    stubbed: tuple[SourceLogs, Stubber], status: str
) -> None:
    account, stub = stubbed
    started(stub, "/a")
    answered(stub, status, {"/a": 5})
    with pytest.raises(RetentionError, match=status):
        account.queried(["/a"], WINDOW, 100)


def test_a_query_that_costs_too_much_is_stopped(stubbed: tuple[SourceLogs, Stubber]) -> None:
    account, stub = stubbed
    started(stub, "/a")
    answered(stub, "Running", {"/a": 5}, scanned=101)
    stub.add_response("stop_query", {"success": True}, {"queryId": "q"})
    assert account.queried(["/a"], WINDOW, 100) is None


def test_a_query_that_is_refused_is_named(stubbed: tuple[SourceLogs, Stubber]) -> None:
    account, stub = stubbed
    stub.add_client_error("start_query", "MalformedQueryException", "before its creation")
    with pytest.raises(RetentionError, match=r"StartQuery of /a and others.*before its"):
        account.queried(["/a"], WINDOW, 100)


@pytest.mark.parametrize("policies", [[], [{"policyName": "x"}]])
def test_a_policy_of_the_account_is_found_on_any_page(
    stubbed: tuple[SourceLogs, Stubber], policies: list[dict[str, str]]
) -> None:
    account, stub = stubbed
    asked = {"policyType": "RETENTION_POLICY"}
    stub.add_response("describe_account_policies", {"accountPolicies": [], "nextToken": "1"}, asked)
    following = asked | {"nextToken": "1"}
    stub.add_response("describe_account_policies", {"accountPolicies": policies}, following)
    assert account.has_retention_policy() == bool(policies)


def test_the_clock_is_that_of_aws(stubbed: tuple[SourceLogs, Stubber]) -> None:
    account, stub = stubbed
    headers = {"date": "Sun, 29 Nov 2026 05:00:00 GMT"}
    answer: Any = {"ResponseMetadata": {"HTTPHeaders": headers}, "logGroups": []}
    stub.add_response("describe_log_groups", answer, {"limit": 1})
    assert account.now() == datetime(2026, 11, 29, 5, tzinfo=UTC)
