"""Whether a role's policies allow what an exporter and a planner call, as far as they show it.

What a policy leaves open is said to be open: conditions on what is not known here, and what an
organisation or a boundary denies besides. Rules only.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

type Allowed = Literal["allowed", "denied", "unclear"]

_EQUAL = ("StringEquals", "ArnEquals", "ArnLike", "StringLike")
"""Operators that are looked at: a value is one of those that are named, or matches one."""
ANY = "any"
"""In place of a name: whatever it may be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Need:
    """One call that a role has to be allowed.

    Attributes:
        lane: For whom: ``plan``, ``slot`` or ``direct``.
        action: Such as ``logs:FilterLogEvents``.
        resource: An ARN of what is called for; one that ends with `ANY` means all of them.
        context: What conditions may ask of the call, by key.
    """

    lane: str
    action: str
    resource: str
    context: Mapping[str, str]


def needs(  # noqa: PLR0913  (what an ARN is made of)
    *, partition: str, region: str, account_id: str, hub: str, bucket: str, profile: str
) -> list[Need]:
    """Return what a source's role has to be allowed, by deploy/source-account.yaml.

    Args:
        partition: Of the accounts, such as ``aws``.
        region: Of the source and the hub.
        account_id: The source's.
        hub: The account id of the hub.
        bucket: The archive bucket.
        profile: The source's.
    """
    here = {"aws:RequestedRegion": region}
    groups = f"arn:{partition}:logs:{region}:{account_id}:log-group:{ANY}"
    archive = f"arn:{partition}:s3:::{bucket}"
    key = f"arn:{partition}:kms:{region}:{hub}:key/{ANY}"
    encrypted = here | {"kms:EncryptionContext:aws:s3:arn": archive}
    of_lane = {
        "plan": [
            ("logs:DescribeLogGroups", groups, here),
            ("cloudwatch:GetMetricData", "*", here),
            ("tag:GetResources", "*", here),
            ("logs:DescribeAccountPolicies", "*", here),
        ],
        "slot": [
            ("logs:CreateExportTask", groups, here),
            ("logs:DescribeExportTasks", "*", here),
            ("logs:CancelExportTask", "*", here),
            ("s3:PutObject", f"{archive}/{profile}/{ANY}", here),
            ("kms:GenerateDataKey", key, encrypted),
            ("kms:Decrypt", key, encrypted),
        ],
        "direct": [("logs:FilterLogEvents", groups, here)],
    }
    return [
        Need(lane=lane, action=action, resource=resource, context=context)
        for lane, calls in of_lane.items()
        for action, resource, context in calls
    ]


def allowed(documents: Iterable[Mapping[str, Any]], need: Need) -> Allowed:
    """Return what policies say of a call.

    Args:
        documents: All policies of the role.
        need: The call.
    """
    found: set[tuple[str, bool | None]] = set()
    for document in documents:
        for statement in _list(document.get("Statement", [])):
            applies = _applies(statement, need)
            if applies is not False:
                found.add((statement["Effect"], applies))
    if ("Deny", True) in found:
        return "denied"
    if ("Deny", None) in found:
        return "unclear"
    if ("Allow", True) in found:
        return "allowed"
    return "unclear" if ("Allow", None) in found else "denied"


def statement_for(missing: Sequence[Need]) -> dict[str, Any]:
    """Return the statement to add to a role's policy."""
    return {
        "Effect": "Allow",
        "Action": [each.action for each in missing],
        "Resource": sorted({_all(each.resource) for each in missing}),
    }


def _applies(statement: Mapping[str, Any], need: Need) -> bool | None:
    """Return whether a statement is about a call; None where that does not show."""
    actions, resources = statement.get("Action"), statement.get("Resource")
    if actions is None or resources is None:
        return None  # of NotAction and NotResource nothing is said
    named = any(fnmatchcase(need.action.lower(), each.lower()) for each in _list(actions))
    covered = [_covers(each, need.resource) for each in _list(resources)] if named else []
    if True not in covered:
        return None if None in covered else False
    return _holds(statement.get("Condition", {}), need.context)


def _covers(pattern: str, resource: str) -> bool | None:
    """Return whether a resource of a statement has this one; None where it has some of all."""
    if fnmatchcase(resource, pattern) or fnmatchcase(f"{resource}:*", pattern):
        return True
    is_of_all = resource.endswith(ANY) and pattern.startswith(resource.removesuffix(ANY))
    return None if is_of_all else False


def _all(resource: str) -> str:
    return f"{resource.removesuffix(ANY)}*" if resource.endswith(ANY) else resource


def _holds(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool | None:
    """Return whether a condition is met; None where it asks for what is not known."""
    known = {key.lower(): value for key, value in context.items()}
    verdicts: list[bool | None] = []
    for operator, asked in condition.items():
        for key, values in asked.items():
            value = known.get(key.lower())
            if operator not in _EQUAL or value is None:
                verdicts.append(None)
            else:
                verdicts.append(any(fnmatchcase(value, each) for each in _list(values)))
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
