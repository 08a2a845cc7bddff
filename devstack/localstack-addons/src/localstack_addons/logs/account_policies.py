"""Account-level retention policies of CloudWatch Logs, which LocalStack 4.14 does not know.

From documentation
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutAccountPolicy.html,
API_DescribeAccountPolicies, API_DeleteAccountPolicy): the policy's document and its values, the
criteria by prefix, at most 20 policies, that of several the longest holds, that a policy takes
effect 24 hours after it was made or changed, and that DescribeLogGroups then tells its retention
and its name in the place of the log group's own.

Unverified, chosen here: the size of a page; the messages of refusals; what a policy that was
changed had said before is forgotten at once.

Not modelled: other types of policies, dry runs, and that events are deleted.
"""

import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

RETENTION_POLICY = "RETENTION_POLICY"
MAX_POLICIES = 20
PAGE = 10
EFFECTIVE_AFTER_MS = 86_400_000
NEVER = "NEVER_EXPIRE"
DAYS = {
    *(30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
    NEVER,
}
MODES = {"RETROACTIVE", "NEW_ONLY"}
_CRITERIA = re.compile(r"LogGroupNamePrefix IN (\[.*\])")


class PolicyError(Exception):
    """A refusal with AWS's error code: the caller of the API gets it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class AccountPolicies:
    """The retention policies of all accounts and Regions."""

    def __init__(self) -> None:
        self._policies: defaultdict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)

    def put(self, where: tuple[str, str], request: Mapping[str, Any], now_ms: int) -> Any:
        """PutAccountPolicy."""
        _check_type(request)
        name, policies = request["policyName"], self._policies[where]
        document = json.loads(request["policyDocument"])
        days, mode = document.get("retentionInDays"), document.get("enforcementMode")
        if days not in DAYS or mode not in MODES:
            raise _invalid(f"The policy document is not valid: {request['policyDocument']}")
        _prefixes(request.get("selectionCriteria"))
        if name not in policies and len(policies) == MAX_POLICIES:
            raise PolicyError("LimitExceededException", "Resource limit exceeded.")
        made_ms = policies.get(name, {}).get("made_ms", now_ms)
        given = ("policyName", "policyDocument", "policyType", "selectionCriteria")
        policy = {each: request[each] for each in given if request.get(each)}
        policy |= {"lastUpdatedTime": now_ms, "scope": "ALL", "accountId": where[0]}
        policies[name] = policy | {"made_ms": made_ms}
        return {"accountPolicy": policy}

    def describe(self, where: tuple[str, str], request: Mapping[str, Any]) -> dict[str, Any]:
        """A page of DescribeAccountPolicies; of other types there are none."""
        policies = self._policies[where] if request["policyType"] == RETENTION_POLICY else {}
        names = sorted(name for name in policies if request.get("policyName") in {None, name})
        first = int(request.get("nextToken") or 0)
        page = [
            {member: value for member, value in policies[name].items() if member != "made_ms"}
            for name in names[first : first + PAGE]
        ]
        more = {"nextToken": str(first + PAGE)} if len(names) > first + PAGE else {}
        return {"accountPolicies": page, **more}

    def delete(self, where: tuple[str, str], request: Mapping[str, Any]) -> None:
        """DeleteAccountPolicy."""
        _check_type(request)
        if self._policies[where].pop(request["policyName"], None) is None:
            raise PolicyError(
                "ResourceNotFoundException", "The specified account policy does not exist."
            )

    def retention_of(
        self, where: tuple[str, str], name: str, created_ms: int, now_ms: int
    ) -> tuple[str, int | None] | None:
        """The policy that is in effect for a log group, and its days; None when there is none."""
        in_effect = [
            (policy["policyName"], _days(policy))
            for policy in self._policies[where].values()
            if policy["lastUpdatedTime"] + EFFECTIVE_AFTER_MS <= now_ms
            and name.startswith(_prefixes(policy.get("selectionCriteria")))
            and (_is_retroactive(policy) or created_ms >= policy["made_ms"])
        ]
        if not in_effect:
            return None
        longest, days = max(in_effect, key=lambda each: each[1])
        return longest, None if days == math.inf else int(days)


POLICIES = AccountPolicies()


def described(group: Any) -> dict[str, Any]:
    """What DescribeLogGroups says of the retention of one of LocalStack's log groups."""
    _, _, _, region, account_id, *_ = group.arn.split(":")
    now_ms = time.time_ns() // 1_000_000
    policy = POLICIES.retention_of((account_id, region), group.name, group.creation_time, now_ms)
    if policy is None:
        return {"retentionInDays": group.retention_in_days or None}
    return {"retentionPolicyName": policy[0], "retentionInDays": policy[1]}


def install() -> None:
    """Let LocalStack's CloudWatch Logs know the three operations."""
    from localstack.services.logs.provider import LogsProvider  # noqa: PLC0415

    for name, method, do in (
        ("PutAccountPolicy", "put_account_policy", _put_now),
        ("DescribeAccountPolicies", "describe_account_policies", POLICIES.describe),
        ("DeleteAccountPolicy", "delete_account_policy", POLICIES.delete),
    ):
        setattr(LogsProvider, method, _operation(name, method, do))


def _put_now(where: tuple[str, str], request: Mapping[str, Any]) -> Any:
    return POLICIES.put(where, request, time.time_ns() // 1_000_000)


def _operation(name: str, method: str, do: Callable[..., Any]) -> Any:
    from localstack.aws.api import CommonServiceException, handler  # noqa: PLC0415

    def operation(_provider: Any, context: Any, request: Any) -> Any:
        try:
            return do((context.account_id, context.region), request)
        except PolicyError as error:
            raise CommonServiceException(error.code, error.message, status_code=400) from error

    operation.__name__ = method  # by which LocalStack finds it
    return handler(name, expand=False)(operation)


def _check_type(request: Mapping[str, Any]) -> None:
    if request["policyType"] != RETENTION_POLICY:
        raise _invalid(f"Policies of the type {request['policyType']} are not known here.")


def _is_retroactive(policy: Mapping[str, Any]) -> bool:
    return bool(json.loads(policy["policyDocument"])["enforcementMode"] == "RETROACTIVE")


def _days(policy: Mapping[str, Any]) -> float:
    days = json.loads(policy["policyDocument"])["retentionInDays"]
    return math.inf if days == NEVER else int(days)


def _prefixes(criteria: str | None) -> tuple[str, ...]:
    if not criteria:
        return ("",)
    found = _CRITERIA.fullmatch(criteria)
    if found is None:
        raise _invalid(f"The selection criteria are not valid: {criteria}")
    return tuple(json.loads(found[1]))


def _invalid(message: str) -> PolicyError:
    return PolicyError("InvalidParameterException", message)
