"""Whether IAM allows a request, and a record of what was asked: knows nothing of LocalStack.

What policies mean, an evaluator of policies says that others keep
(https://pypi.org/project/ministack, `ministack.core.iam_evaluator`). Here is how AWS puts a
principal's own policies and a resource's together:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

Not modelled: permissions boundaries, session policies, organisations' policies, grants. The
evaluator takes `s3:ResourceAccount` for the caller's account, and compares ARNs as a whole where
IAM does so part by part.
"""

import functools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack.core.iam_evaluator import (
    EvalContext,
    ParsedStatement,
    combine_resource_policy,
    evaluate,
    evaluate_resource_policy,
    parse_policy_document,
)

ALWAYS_CONSULTED = ("kms:", "sts:AssumeRole")
"""Actions that the resource's policy has to allow within its account too.

https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-trust-policy.html
"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One action on one resource that somebody asks for.

    Attributes:
        principal: A role's ARN, or a service such as sns.amazonaws.com.
        action: As in s3:PutObject.
        resource: Its ARN; `*` for an action that is on none.
        owner: The account of the resource.
        region: Where the request was sent to.
        context: More condition keys, each with its value; what is not there, the request does not
            carry. Save for aws:SecureTransport, which is true: on this machine there is no TLS.
    """

    principal: str
    action: str
    resource: str
    owner: str
    region: str
    context: tuple[tuple[str, str], ...] = ()

    @property
    def account_id(self) -> str:
        """The principal's account; empty for a service."""
        return self.principal.split(":")[4] if self.principal.startswith("arn:") else ""

    @property
    def is_by_service(self) -> bool:
        """Whether a service asks on its own behalf."""
        return not self.account_id


@dataclass(frozen=True)
class Verdict:
    """What came of a request; `denied` if a statement denies it, as opposed to none allowing it."""

    allowed: bool
    denied: bool = False


def decide(request: Request, own: Iterable[str], resource_policy: str | None) -> Verdict:
    """Evaluate a request by the principal's own policies and the resource's.

    `own` are the policy documents of the principal's role, empty for a service. `resource_policy`
    is the document of a bucket, queue, topic or key, or a role's trust policy; None where there is
    none.
    """
    context = _context(request)
    if request.is_by_service:
        found = evaluate_resource_policy(resource_policy, context, service=request.principal)
    else:
        found = combine_resource_policy(
            evaluate(context, [_parsed(document) for document in own]),
            context,
            resource_policy,
            request.owner,
            required=request.action.startswith(ALWAYS_CONSULTED),
        )
    return Verdict(found.decision == "Allow", found.decision == "Deny")


def refusal(request: Request, session_arn: str, verdict: Verdict) -> str:
    """AWS's words for a refused request.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    because = (
        "with an explicit deny"
        if verdict.denied
        else f"because no policy allows the {request.action} action"
    )
    on = "" if request.resource == "*" else f" on resource: {request.resource}"
    return f"User: {session_arn} is not authorized to perform: {request.action}{on} {because}"


@dataclass
class Book:
    """What was asked, and what came of it: each once. Any thread may use it."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _decisions: dict[tuple[Request, str, bool], None] = field(default_factory=dict)
    _unknown: set[str] = field(default_factory=set)
    _own: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _resources: dict[str, str] = field(default_factory=dict)

    def record(
        self,
        request: Request,
        operation: str,
        verdict: Verdict,
        own: Mapping[str, str],
        resource_policy: str | None,
    ) -> None:
        """Take note of a decision, of the operation that asked, and of the policies it is by."""
        with self._lock:
            self._decisions[request, operation, verdict.allowed] = None
            if own:
                self._own[request.principal] = dict(own)
            if resource_policy:
                self._resources[policy_holder(request)] = resource_policy

    def record_unknown(self, operation: str) -> None:
        """Take note of an operation whose actions are not known."""
        with self._lock:
            self._unknown.add(operation)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            for kept in (self._decisions, self._unknown, self._own, self._resources):
                kept.clear()

    def as_document(self) -> dict[str, Any]:
        """All of it, as JSON.

        `{"decisions": [{"principal", "action", ..., "context": {...}, "operation", "allowed"}],
        "unknown": ["s3.PutBucketAcl"], "own": {principal: {policy's name: document}},
        "resources": {ARN: document}}`, documents being texts.
        """
        with self._lock:
            return {
                "decisions": [
                    {
                        **{name: getattr(request, name) for name in _PLAIN},
                        "context": dict(request.context),
                        "operation": operation,
                        "allowed": allowed,
                    }
                    for request, operation, allowed in self._decisions
                ],
                "unknown": sorted(self._unknown),
                "own": {principal: dict(own) for principal, own in self._own.items()},
                "resources": dict(self._resources),
            }


_PLAIN = ("principal", "action", "resource", "owner", "region")


def request_from(document: Mapping[str, Any]) -> Request:
    """Read a decision of a book's document back."""
    context = tuple(sorted(document["context"].items()))
    return Request(**{name: document[name] for name in _PLAIN}, context=context)


def policy_holder(request: Request) -> str:
    """The ARN of what the resource's policy hangs on: the bucket of an object."""
    return (
        request.resource.partition("/")[0]
        if request.resource.startswith("arn:aws:s3:::")
        else request.resource
    )


@functools.lru_cache(maxsize=1000)
def _parsed(document: str) -> list[ParsedStatement]:
    statements: list[ParsedStatement] = parse_policy_document(document)
    return statements


def _context(request: Request) -> EvalContext:
    # The evaluator looks an organisation up that it was not told of.
    keys = {"aws:principalorgid": None} | {k.lower(): v for k, v in request.context}
    return EvalContext(
        # The role's, not the session's: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
        principal_arn="" if request.is_by_service else request.principal,
        principal_type="AssumedRole",
        principal_account=request.account_id,
        action=request.action,
        resource_arn=request.resource,
        region=request.region,
        secure_transport=keys.get("aws:securetransport") != "false",
        service_context=keys,
    )
