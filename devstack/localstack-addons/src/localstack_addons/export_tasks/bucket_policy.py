"""Whether a bucket's policy lets CloudWatch Logs into the bucket.

A small reading of IAM's policy language: what export policies are made of, and nothing more. What
it does not know (a condition key, an operator, a policy variable) counts against the request: it
keeps an Allow from applying and makes a Deny apply, so a policy that passes here has not passed by
accident.

`authorization.evaluation` reads all of the language, and does not stand in for this: it lets
CloudWatch Logs in by the principal `*`, by a statement without an action or with an element that
it does not know, by a negated operator on a key that is not modelled here, by `ForAnyValue:` and by
an ARN of too few parts; a Deny that it does not understand, or that is for the service `*`, it
leaves out.

From documentation: the policy AWS asks for
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html), evaluation,
wildcards, condition operators
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).

Unverified on AWS: `aws:SourceOrgID` in place of `aws:SourceAccount`, a policy that names no source
at all (both accepted here), the exact `aws:SourceArn` (the log group's ARN here), and Allow for the
principal `*` (refused here).
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EXPORT_ACL = "bucket-owner-full-control"
"""The canned ACL CloudWatch Logs sends, by the condition in the policy that AWS asks for."""

type Verdict = bool | None
"""Whether something applies; None where this module cannot say."""

_KNOWN_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}


@dataclass(frozen=True, kw_only=True)
class LogsRequest:
    """What CloudWatch Logs asks of S3 for one log group; `organization_id` None is outside any."""

    action: str
    resource_arn: str
    account_id: str
    region: str
    log_group_name: str
    organization_id: str | None

    @property
    def service_principal(self) -> str:
        """The principal that AWS has its users name."""
        return f"logs.{self.region}.amazonaws.com"


def allows(policy: Mapping[str, Any] | None, request: LogsRequest) -> bool:
    """Whether a statement allows the request and none denies it; no policy allows nothing."""
    statements = _as_list((policy or {}).get("Statement"))
    grants = [s for s in statements if s.get("Effect") == "Allow"]
    denials = [s for s in statements if s.get("Effect") != "Allow"]
    return any(_applies(s, request) is True for s in grants) and all(
        _applies(s, request) is False for s in denials
    )


def _applies(statement: Mapping[str, Any], request: LogsRequest) -> Verdict:
    wildcard_action = functools.partial(_any_like, value=request.action, ignore_case=True)
    wildcard_resource = functools.partial(_any_like, value=request.resource_arn)
    return _all(
        [
            True if statement.keys() <= _KNOWN_ELEMENTS else None,
            _either(
                statement,
                "Principal",
                functools.partial(_names_service, principals=_service_names(request)),
            ),
            _either(statement, "Action", wildcard_action),
            _either(statement, "Resource", wildcard_resource),
            _conditions_hold(statement.get("Condition") or {}, _context(request)),
        ]
    )


def _either(
    statement: Mapping[str, Any], element: str, matches: Callable[[Any], Verdict]
) -> Verdict:
    """The verdict on an element or, turned round, on its Not form."""
    if element in statement:
        return matches(statement[element])
    return _not(matches(statement[f"Not{element}"])) if f"Not{element}" in statement else False


def _service_names(request: LogsRequest) -> set[str]:
    return {"logs.amazonaws.com", request.service_principal}


def _names_service(principal: Any, principals: set[str]) -> Verdict:
    if principal == "*":
        return None
    named = set(_as_list(principal.get("Service")))
    if named & principals:
        return True
    return None if "*" in named or "*" in _as_list(principal.get("AWS")) else False


def _context(request: LogsRequest) -> dict[str, str | None]:
    """The condition keys known here, in lower case; None for what the request does not carry."""
    source = f"arn:aws:logs:{request.region}:{request.account_id}"
    return {
        "aws:sourceaccount": request.account_id,
        "aws:sourcearn": f"{source}:log-group:{request.log_group_name}",
        "aws:sourceorgid": request.organization_id,
        "aws:principalorgid": None,
        "aws:principalisawsservice": "true",
        "aws:principalservicename": request.service_principal,
        "aws:securetransport": "true",
        "s3:x-amz-acl": EXPORT_ACL if request.action == "s3:PutObject" else None,
    }


def _conditions_hold(
    conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str | None]
) -> Verdict:
    return _all(
        [
            _condition_holds(operator, key.lower(), [_text(v) for v in _as_list(wanted)], context)
            for operator, tests in conditions.items()
            for key, wanted in tests.items()
        ]
    )


def _condition_holds(
    operator: str, key: str, wanted: list[str], context: Mapping[str, str | None]
) -> Verdict:
    if key not in context:
        return None
    value = context[key]
    if operator == "Null":
        return (value is None) in [w.lower() == "true" for w in wanted]
    plain = operator.removesuffix("IfExists")
    negated = "Not" in plain
    matches = _OPERATORS.get(plain.replace("Not", ""))
    if matches is None:
        return None
    if value is None:
        return negated or operator.endswith("IfExists")
    found = matches(wanted, value)
    return _not(found) if negated else found


def _any_equal(wanted: Iterable[str], value: str, *, ignore_case: bool = False) -> Verdict:
    fold = str.lower if ignore_case else str
    return _any(None if "${" in w else fold(w) == fold(value) for w in wanted)


def _any_like(wanted: Any, value: str, *, ignore_case: bool = False) -> Verdict:
    return _any(
        None if "${" in w else bool(_wildcard(w, ignore_case=ignore_case).fullmatch(value))
        for w in _as_list(wanted)
    )


def _any_arn_like(wanted: Iterable[str], value: str) -> Verdict:
    """Compare ARNs part by part: only in the last of six may a `*` stand for colons."""
    return _any(_arn_like(w, value) for w in wanted)


def _arn_like(wanted: str, value: str) -> Verdict:
    patterns, parts = wanted.split(":", 5), value.split(":", 5)
    if len(patterns) != len(parts):
        return False
    return _all([_any_like([p], part) for p, part in zip(patterns, parts, strict=True)])


_OPERATORS: dict[str, Callable[[list[str], str], Verdict]] = {
    "StringEquals": _any_equal,
    "StringEqualsIgnoreCase": functools.partial(_any_equal, ignore_case=True),
    "StringLike": _any_like,
    "ArnEquals": _any_arn_like,
    "ArnLike": _any_arn_like,
    "Bool": functools.partial(_any_equal, ignore_case=True),
}
"""By name without `Not` and `IfExists`, which mean the same on all of them."""


@functools.cache
def _wildcard(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    signs = {"*": ".*", "?": "."}
    expression = "".join(signs.get(c, re.escape(c)) for c in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    if False in found:
        return False
    return None if None in found else True


def _any(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    if True in found:
        return True
    return None if None in found else False


def _not(verdict: Verdict) -> Verdict:
    return None if verdict is None else not verdict


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """A condition's value as IAM reads it: JSON's true and false are words too."""
    return str(value).lower() if isinstance(value, bool) else str(value)
