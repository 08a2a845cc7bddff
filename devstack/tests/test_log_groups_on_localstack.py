import time
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.localstack

DAY_MS = 86_400_000
NOW_MS = time.time_ns() // 1_000_000
SIXTY_DAYS_AGO_MS = NOW_MS - 60 * DAY_MS

type Seed = Callable[..., dict[str, int]]


@pytest.fixture
def logs(aws: Callable[..., Any]) -> Any:
    return aws("logs")


def refused(code: str):
    return pytest.raises(ClientError, check=lambda e: e.response["Error"]["Code"] == code)


def names(page: dict[str, Any]) -> list[str]:
    return [group["logGroupName"] for group in page["logGroups"]]


def events_of(logs: Any, group: str) -> list[tuple[int, str]]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    return [(e["timestamp"], e["message"]) for page in pages for e in page["events"]]


@pytest.mark.deep
def test_five_thousand_log_groups_and_their_events_are_made_at_once_and_listed_by_pages(
    seed: Seed, logs: Any
):
    events = [[SIXTY_DAYS_AGO_MS + i, f"message number {i}"] for i in range(20)]
    groups: list[dict[str, Any]] = [
        {"name": f"/app/{i:04}", "streams": [{"name": s, "events": events} for s in ("a", "b")]}
        for i in range(5000)
    ]
    assert seed(*groups) == {"log_groups": 5000, "streams": 10_000, "events": 200_000}
    pages = list(logs.get_paginator("describe_log_groups").paginate())
    assert {len(page["logGroups"]) for page in pages} == {50}
    found = [name for page in pages for name in names(page)]
    assert found == sorted(g["name"] for g in groups)


def test_a_seeded_log_group_has_the_past_that_was_asked_for(seed: Seed, logs: Any, account: str):
    events = [[SIXTY_DAYS_AGO_MS, "first"], [SIXTY_DAYS_AGO_MS + 5, "last ü"]]
    seed(
        {
            "name": "/app",
            "created_ms": SIXTY_DAYS_AGO_MS - DAY_MS,
            "log_group_class": "STANDARD",
            "retention_days": 400,
            "tags": {"team": "a"},
            "streams": [{"name": "web/1", "events": events}],
        }
    )
    arn = f"arn:aws:logs:eu-west-1:{account}:log-group:/app"
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group == {
        "logGroupName": "/app",
        "creationTime": SIXTY_DAYS_AGO_MS - DAY_MS,
        "retentionInDays": 400,
        "metricFilterCount": 0,
        "deletionProtectionEnabled": False,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": 12,
        "logGroupClass": "STANDARD",
    }
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a"}
    (stream,) = logs.describe_log_streams(logGroupName="/app")["logStreams"]
    assert stream["firstEventTimestamp"] == SIXTY_DAYS_AGO_MS
    assert stream["lastEventTimestamp"] == SIXTY_DAYS_AGO_MS + 5
    assert stream["lastIngestionTime"] == SIXTY_DAYS_AGO_MS + 5
    assert stream["creationTime"] == SIXTY_DAYS_AGO_MS
    assert events_of(logs, "/app") == [tuple(event) for event in events]


def test_seeding_twice_adds_events_and_changes_only_what_is_given(seed: Seed, logs: Any):
    seed(
        {
            "name": "/app",
            "created_ms": 1000,
            "retention_days": 7,
            "streams": [{"name": "a", "events": [[NOW_MS - 2, "one"]]}],
        }
    )
    seed({"name": "/app", "streams": [{"name": "a", "events": [[NOW_MS - 1, "two"]]}]})
    assert [message for _, message in events_of(logs, "/app")] == ["one", "two"]
    (group,) = logs.describe_log_groups()["logGroups"]
    assert (group["creationTime"], group["retentionInDays"]) == (1000, 7)


def test_a_seeded_log_group_can_be_written_to_and_deleted(seed: Seed, logs: Any):
    seed({"name": "/app", "streams": [{"name": "a", "events": []}]})
    logs.put_log_events(
        logGroupName="/app",
        logStreamName="a",
        logEvents=[{"timestamp": NOW_MS, "message": "by the API"}],
    )
    assert events_of(logs, "/app") == [(NOW_MS, "by the API")]
    logs.delete_log_group(logGroupName="/app")
    assert logs.describe_log_groups()["logGroups"] == []


def test_a_class_that_does_not_exist_is_not_seeded(seed: Seed):
    with pytest.raises(urllib.error.HTTPError) as answer:
        seed({"name": "/app", "log_group_class": "COLD"})
    with answer.value:
        assert answer.value.code == 400


def test_more_than_fifty_log_groups_a_page_are_refused(logs: Any):
    with refused("InvalidParameterException"):
        logs.describe_log_groups(limit=51)


def test_log_groups_are_found_by_prefix_and_by_pattern(logs: Any):
    for name in ("/app/a", "/app/b", "/my/app/a"):
        logs.create_log_group(logGroupName=name)
    by_prefix = logs.describe_log_groups(logGroupNamePrefix="/app")
    assert names(by_prefix) == ["/app/a", "/app/b"]
    by_pattern = logs.describe_log_groups(logGroupNamePattern="app/a")
    assert names(by_pattern) == ["/app/a", "/my/app/a"]
    assert "storedBytes" not in by_pattern["logGroups"][0]
    with refused("InvalidParameterException"):
        logs.describe_log_groups(logGroupNamePrefix="/app", logGroupNamePattern="app")


def test_a_class_is_kept_from_creation_and_found_by_filter(logs: Any):
    for group_class in ("STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"):
        logs.create_log_group(logGroupName=f"/{group_class}", logGroupClass=group_class)
    logs.create_log_group(logGroupName="/none-given")
    found = {g["logGroupName"]: g["logGroupClass"] for g in logs.describe_log_groups()["logGroups"]}
    assert found == {
        "/STANDARD": "STANDARD",
        "/INFREQUENT_ACCESS": "INFREQUENT_ACCESS",
        "/DELIVERY": "DELIVERY",
        "/ESSENTIALS": "ESSENTIALS",
        "/none-given": "STANDARD",
    }
    cold = logs.describe_log_groups(logGroupClass="INFREQUENT_ACCESS")
    assert names(cold) == ["/ESSENTIALS", "/INFREQUENT_ACCESS"]


def test_tags_given_at_creation_are_kept(logs: Any, account: str):
    logs.create_log_group(logGroupName="/app", tags={"team": "a"})
    arn = f"arn:aws:logs:eu-west-1:{account}:log-group:/app"
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a"}


def test_a_log_group_is_not_made_twice_and_keeps_its_class(logs: Any):
    logs.create_log_group(logGroupName="/app", logGroupClass="INFREQUENT_ACCESS")
    with refused("ResourceAlreadyExistsException"):
        logs.create_log_group(logGroupName="/app")
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["logGroupClass"] == "INFREQUENT_ACCESS"


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("filter_log_events", {"logGroupName": "/cold"}),
        ("get_log_events", {"logGroupName": "/cold", "logStreamName": "a"}),
    ],
)
def test_events_of_an_infrequent_access_log_group_are_not_read(
    seed: Seed, logs: Any, operation: str, parameters: dict[str, str]
):
    seed(
        {
            "name": "/cold",
            "log_group_class": "INFREQUENT_ACCESS",
            "streams": [{"name": "a", "events": [[NOW_MS, "m"]]}],
        }
    )
    with refused("InvalidOperationException"):
        getattr(logs, operation)(**parameters)


def test_events_of_a_standard_log_group_are_read_both_ways(seed: Seed, logs: Any):
    seed({"name": "/app", "streams": [{"name": "a", "events": [[NOW_MS, "m"]]}]})
    assert events_of(logs, "/app") == [(NOW_MS, "m")]
    read = logs.get_log_events(logGroupName="/app", logStreamName="a")
    assert [event["message"] for event in read["events"]] == ["m"]


def test_events_of_an_unknown_log_group_are_still_not_found(logs: Any):
    with refused("ResourceNotFoundException"):
        logs.filter_log_events(logGroupName="/none")


def test_a_retention_policy_is_listed_and_not_yet_in_effect(logs):
    logs.create_log_group(logGroupName="/policies/a")
    policy = {
        "policyName": "all",
        "policyType": "RETENTION_POLICY",
        "policyDocument": '{"retentionInDays": 30, "enforcementMode": "RETROACTIVE"}',
        "selectionCriteria": 'LogGroupNamePrefix IN ["/policies/"]',
    }
    logs.put_account_policy(**policy)
    try:
        [found] = logs.describe_account_policies(policyType="RETENTION_POLICY")["accountPolicies"]
        assert policy.items() <= found.items()
        [group] = logs.describe_log_groups(logGroupNamePrefix="/policies/")["logGroups"]
        assert "retentionInDays" not in group
    finally:
        logs.delete_account_policy(policyName="all", policyType="RETENTION_POLICY")
    assert logs.describe_account_policies(policyType="RETENTION_POLICY")["accountPolicies"] == []
