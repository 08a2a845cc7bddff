"""Account-level retention policies: what they say, for which log groups, and from when on."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from services.planner.tests.fakes import log_group

from logferry_contracts.message import epoch_ms
from logferry_contracts.window import Window
from planner.retention import (
    DAY_MS,
    FAR_MS,
    RetentionPolicy,
    Shortening,
    deadline_ms,
    has_passed,
    shortening,
)

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
NOW_MS = epoch_ms(NOW)
HOUR_MS = 3_600_000


def described(
    days: int | str = 30,
    criteria: str | None = None,
    mode: str = "RETROACTIVE",
    hours_ago: float = 1,
) -> dict[str, Any]:
    """A policy as DescribeAccountPolicies gives it, in the words of PutAccountPolicy's page."""
    policy = {
        "policyName": "retention",
        "policyType": "RETENTION_POLICY",
        "policyDocument": json.dumps({"retentionInDays": days, "enforcementMode": mode}),
        "lastUpdatedTime": NOW_MS - round(hours_ago * HOUR_MS),
        "scope": "ALL",
        "accountId": "111111111111",
    }
    return policy if criteria is None else policy | {"selectionCriteria": criteria}


def policy(*args: Any, **kwargs: Any) -> RetentionPolicy:
    return RetentionPolicy.of(described(*args, **kwargs))


def test_a_policy_is_read_as_its_page_writes_it() -> None:
    criteria = 'LogGroupNamePrefix IN ["/aws/lambda/", "/ecs/"]'
    assert policy(90, criteria, "NEW_ONLY") == RetentionPolicy(
        days=90,
        prefixes=("/aws/lambda/", "/ecs/"),
        is_for_new=True,
        updated_ms=NOW_MS - HOUR_MS,
    )
    assert policy("NEVER_EXPIRE").days == math.inf


@pytest.mark.parametrize(
    "changes",
    [
        {"policyDocument": "{"},
        {"policyDocument": "[]"},
        {"policyDocument": json.dumps({"retentionInDays": "soon", "enforcementMode": "NEW_ONLY"})},
        {"policyDocument": json.dumps({"retentionInDays": 30})},
        {"policyDocument": '{"retentionInDays": 1e400, "enforcementMode": "NEW_ONLY"}'},
        {"policyDocument": json.dumps({"retentionInDays": 30, "enforcementMode": "SOMETIMES"})},
        {"selectionCriteria": 'LogGroupName NOT IN ["/app"]'},
    ],
)
def test_a_policy_that_says_what_is_not_known_is_not_guessed_at(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        RetentionPolicy.of(described() | changes)


@pytest.mark.parametrize(
    ("policies", "current", "days"),
    [
        ([policy(30)], 3653, 30),
        ([policy(30)], None, 30),
        ([policy(30)], 30, None),
        ([policy(30)], 7, None),  # it becomes longer
        ([policy(30, hours_ago=25)], 30, None),  # it is in effect already
        ([policy(30), policy(365)], 3653, 365),  # the longest holds
        ([policy(30), policy("NEVER_EXPIRE", hours_ago=99)], None, None),
        ([policy(30, 'LogGroupNamePrefix IN ["/app"]')], None, 30),
        ([policy(30, 'LogGroupNamePrefix IN ["/b", "/c"]')], None, None),
        ([policy(30, mode="NEW_ONLY")], None, None),
        ([], 3653, None),
    ],
)
def test_a_shortening_is_seen_a_day_before(
    policies: list[RetentionPolicy], current: int | None, days: int | None
) -> None:
    found = shortening(log_group("/app/a", retention_days=current), policies, now=NOW)
    expected = None if days is None else Shortening(NOW_MS + 23 * HOUR_MS, days)
    assert found == expected


def test_a_policy_for_new_log_groups_is_for_those_that_were_created_after_it() -> None:
    group = log_group("/app/a", created_ms=NOW_MS)
    assert shortening(group, [policy(30, mode="NEW_ONLY")], now=NOW) is not None


def test_of_two_policies_that_take_effect_one_after_the_other_the_first_shortens() -> None:
    policies = [policy(365, hours_ago=1), policy(30, hours_ago=2)]
    found = shortening(log_group("/app/a"), policies, now=NOW)
    assert found == Shortening(NOW_MS + 22 * HOUR_MS, 30)


@pytest.mark.parametrize(
    ("days_ago", "expires_in_ms"),
    [(400, 23 * HOUR_MS), (31, 23 * HOUR_MS), (30, 23 * HOUR_MS), (20, 10 * DAY_MS)],
)
def test_what_is_older_than_the_new_retention_expires_when_that_takes_effect(
    days_ago: int, expires_in_ms: int
) -> None:
    from_ms = NOW_MS - days_ago * DAY_MS
    window = Window(from_ms=from_ms, to_ms=from_ms + DAY_MS)
    for current in (3653, None):
        group = log_group("/app/a", retention_days=current)
        assert deadline_ms(group, window, [policy(30)], now=NOW) == NOW_MS + expires_in_ms
        assert deadline_ms(group, window, [], now=NOW) >= NOW_MS + 3000 * DAY_MS
    assert deadline_ms(log_group("/app/a"), window, [], now=NOW) == FAR_MS


def test_what_a_policy_let_expire_is_taken_for_deleted_72_hours_after_it_took_effect() -> None:
    window = Window(from_ms=NOW_MS - 400 * DAY_MS, to_ms=NOW_MS - 399 * DAY_MS)
    group = log_group("/app/a", retention_days=30)  # as DescribeLogGroups says once it is in effect
    put = policy(30)
    effective = NOW + timedelta(hours=23)

    def passed(now: datetime) -> bool:
        return has_passed(group, window, [put], now=now)

    assert not passed(effective)
    assert not passed(effective + timedelta(hours=72) - timedelta(milliseconds=1))
    assert passed(effective + timedelta(hours=72))
    elsewhere = policy(30, 'LogGroupNamePrefix IN ["/b"]')
    assert has_passed(group, window, [elsewhere], now=effective)


def test_a_policy_that_takes_effect_this_moment_lies_not_ahead_any_more() -> None:
    group = log_group("/a", retention_days=3653)
    assert shortening(group, [policy(30, hours_ago=24)], now=NOW) is None
    ahead = policy(30, hours_ago=24 - 1 / 3600)
    assert shortening(group, [ahead], now=NOW) == Shortening(NOW_MS + 1000, 30)
