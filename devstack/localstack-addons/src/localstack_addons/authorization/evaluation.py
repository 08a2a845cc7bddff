"""Whether IAM allows a request, and a record of what was asked: knows nothing of LocalStack.

What policies mean, an evaluator of policies says that others keep
(https://pypi.org/project/ministack, `ministack.core.iam_evaluator`). Here is how AWS puts a
principal's own policies and a resource's together:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

Not modelled: permissions boundaries, organisations' policies, grants. The evaluator takes
`s3:ResourceAccount` for the caller's account, and compares ARNs as a whole where IAM does so part
by part.
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


def decide(
    request: Request,
    own: Iterable[str],
    resource_policy: str | None,
    session_policy: str | None = None,
) -> Verdict:
    """Evaluate a request by the principal's own policies and the resource's.

    `own` are the policy documents of the principal's role, empty for a service. `resource_policy`
    is the document of a bucket, queue, topic or key, or a role's trust policy; None where there is
    none. `session_policy` is what the role was assumed with; it gives nothing, and takes away what
    it does not allow, also of what a resource's policy gives to the role
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session).
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
    if found.decision == "Allow" and session_policy is not None:
        found = evaluate(context, [_parsed(session_policy)])
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


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What came of a request.

    Attributes:
        operation: The call that needed it, as in s3.PutObject.
        allowed: Whether it was allowed.
        own: The policies of the principal then, by their names.
        resource_policy: The resource's policy then; None without one.
    """

    request: Request
    operation: str
    allowed: bool
    own: tuple[tuple[str, str], ...]
    resource_policy: str | None


@dataclass
class Book:
    """What was asked, and what came of it: each once. Any thread may use it."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _decisions: dict[Decision, None] = field(default_factory=dict)
    _unknown: set[str] = field(default_factory=set)

    def record(self, decision: Decision) -> None:
        """Take note of a decision."""
        with self._lock:
            self._decisions[decision] = None

    def record_unknown(self, operation: str) -> None:
        """Take note of an operation whose actions are not known."""
        with self._lock:
            self._unknown.add(operation)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._decisions.clear()
            self._unknown.clear()

    def as_document(self) -> dict[str, Any]:
        """All of it, as JSON.

        `{"decisions": [{"principal", "action", "resource", "owner", "region", "context": {...},
        "operation", "allowed", "own": {name: 0}, "resource_policy": 1}], "policies": [text, text],
        "unknown": ["s3.PutBucketAcl"]}`: a policy is the number of its text.
        """
        numbers: dict[str, int] = {}
        with self._lock:
            decisions, unknown = list(self._decisions), sorted(self._unknown)
        documents = [_as_document(decision, numbers) for decision in decisions]
        return {"decisions": documents, "policies": list(numbers), "unknown": unknown}


def decisions_from(document: Mapping[str, Any]) -> list[Decision]:
    """Read a book's document back."""
    texts = document["policies"]
    return [
        Decision(
            request=Request(
                **{name: each[name] for name in _PLAIN},
                context=tuple(sorted(each["context"].items())),
            ),
            operation=each["operation"],
            allowed=each["allowed"],
            own=tuple((name, texts[number]) for name, number in each["own"].items()),
            resource_policy=(
                None if each["resource_policy"] is None else texts[each["resource_policy"]]
            ),
        )
        for each in document["decisions"]
    ]


def _as_document(decision: Decision, numbers: dict[str, int]) -> dict[str, Any]:
    def number(text: str) -> int:
        return numbers.setdefault(text, len(numbers))

    request, policy = decision.request, decision.resource_policy
    return {
        **{name: getattr(request, name) for name in _PLAIN},
        "context": dict(request.context),
        "operation": decision.operation,
        "allowed": decision.allowed,
        "own": {name: number(text) for name, text in decision.own},
        "resource_policy": None if policy is None else number(policy),
    }


_PLAIN = ("principal", "action", "resource", "owner", "region")


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
