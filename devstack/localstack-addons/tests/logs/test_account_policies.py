"""Account-level retention policies, as PutAccountPolicy's page describes them."""

import json
from typing import Any

import pytest

from localstack_addons.logs.account_policies import (
    EFFECTIVE_AFTER_MS,
    MAX_POLICIES,
    AccountPolicies,
    PolicyError,
)

HERE = ("111111111111", "eu-west-1")


def asked(name: str, days: Any, prefix: str | None = None, mode: str = "RETROACTIVE") -> Any:
    criteria = (
        {} if prefix is None else {"selectionCriteria": f'LogGroupNamePrefix IN ["{prefix}"]'}
    )
    return {
        "policyName": name,
        "policyType": "RETENTION_POLICY",
        "policyDocument": json.dumps({"retentionInDays": days, "enforcementMode": mode}),
        **criteria,
    }


def test_the_longest_policy_holds_a_day_after_it_was_put():
    policies = AccountPolicies()
    policies.put(HERE, asked("all", 30), 0)
    policies.put(HERE, asked("app", 365, "/app"), 0)

    def of(name: str, now_ms: int) -> Any:
        return policies.retention_of(HERE, name, 0, now_ms)

    assert of("/app/a", EFFECTIVE_AFTER_MS - 1) is None
    assert of("/app/a", EFFECTIVE_AFTER_MS) == ("app", 365)
    assert of("/other", EFFECTIVE_AFTER_MS) == ("all", 30)
    policies.put(HERE, asked("keep", "NEVER_EXPIRE", "/other"), 0)
    assert of("/other", EFFECTIVE_AFTER_MS) == ("keep", None)
    policies.delete(HERE, asked("all", 30))
    assert of("/third", EFFECTIVE_AFTER_MS) is None


def test_a_policy_for_new_log_groups_leaves_others_alone():
    policies = AccountPolicies()
    policies.put(HERE, asked("new", 30, mode="NEW_ONLY"), 1000)
    later = 1000 + EFFECTIVE_AFTER_MS
    assert policies.retention_of(HERE, "/a", 999, later) is None
    assert policies.retention_of(HERE, "/a", 1000, later) == ("new", 30)


def test_twenty_policies_come_in_pages_and_one_more_is_refused():
    policies = AccountPolicies()
    for number in range(MAX_POLICIES):
        policies.put(HERE, asked(f"p{number:02}", 30), 0)
    found, token = [], {}
    while True:
        page = policies.describe(HERE, {"policyType": "RETENTION_POLICY", **token})
        found += [policy["policyName"] for policy in page["accountPolicies"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert found == [f"p{number:02}" for number in range(MAX_POLICIES)]
    with pytest.raises(PolicyError) as caught:
        policies.put(HERE, asked("more", 30), 0)
    assert caught.value.code == "LimitExceededException"
    assert policies.describe(HERE, {"policyType": "FIELD_INDEX_POLICY"}) == {"accountPolicies": []}


@pytest.mark.parametrize(
    "changes",
    [
        {"policyDocument": json.dumps({"retentionInDays": 7, "enforcementMode": "NEW_ONLY"})},
        {"policyDocument": json.dumps({"retentionInDays": 30})},
        {"selectionCriteria": 'LogGroupName NOT IN ["/a"]'},
        {"policyType": "FIELD_INDEX_POLICY"},
    ],
)
def test_what_the_page_does_not_allow_is_refused(changes: dict[str, str]):
    with pytest.raises(PolicyError, match="not"):
        AccountPolicies().put(HERE, asked("p", 30) | changes, 0)
