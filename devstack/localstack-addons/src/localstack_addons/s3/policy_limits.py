"""Policies of buckets and keys that AWS does not take, and LocalStack does.

From documentation: a bucket's policy has 20 KB at most
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html), a key's 32 KB
(https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html); a role or a user that
a policy names has to exist when the policy is put
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html).

Seen by others, not documented: S3's message for an impossible principal
(https://github.com/MIT-LCP/physionet-build/issues/2094: an account that had been closed).

Unverified: the messages for a policy that is too long; how AWS counts (here: as it is sent, without
the blanks that JSON does not need).

Of all accounts of twelve digits one is closed here: 000000000001.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from localstack_addons.refusals import Refusal, refusing

BUCKET_POLICY_BYTES = 20 * 1024
KEY_POLICY_BYTES = 32 * 1024
CLOSED_ACCOUNT = "000000000001"
_ACCOUNT = re.compile(r"[0-9]{12}")
_PRINCIPAL = re.compile(
    r"arn:aws[-a-z]*:iam::(?P<account>[0-9]{12}):(?P<kind>root|role|user)(/(?P<name>[^*?]+))?"
)
_SESSION = re.compile(r"arn:aws[-a-z]*:sts::[0-9]{12}:(assumed-role|federated-user)/[^*?]+")
_SERVICE = re.compile(r"[-a-z0-9.]+\.amazonaws\.com(\.cn)?|\*")

type Exists = Callable[[str, str, str], bool]
"""`(account id, "role" or "user", name)`: whether IAM has it."""


def check(policy: str, limit_bytes: int, exists: Exists) -> str | None:
    """Say what is wrong with a policy: `size`, `principal`, or None.

    Args:
        policy: The document, as it is sent.
        limit_bytes: Its longest.
        exists: Asks IAM for a role or a user.
    """
    document = json.loads(policy)
    if len(json.dumps(document, separators=(",", ":")).encode()) > limit_bytes:
        return "size"
    possible = all(_is_possible(kind, value, exists) for kind, value in _principals(document))
    return None if possible else "principal"


def install() -> None:
    """Check what PutBucketPolicy, PutKeyPolicy and CreateKey are given."""
    from localstack.services.kms.provider import KmsProvider  # noqa: PLC0415
    from localstack.services.s3.provider import S3Provider  # noqa: PLC0415

    S3Provider.put_bucket_policy = _checking_bucket_policy(S3Provider.put_bucket_policy)
    for name in ("put_key_policy", "create_key"):
        setattr(KmsProvider, name, _checking_key_policy(getattr(KmsProvider, name)))


def _principals(document: Any) -> Iterator[tuple[str, str]]:
    """Every principal with its kind: `("AWS", "111122223333")`."""
    for statement in _as_list(document.get("Statement")):
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element, {})
            for kind, values in ({"AWS": named} if isinstance(named, str) else named).items():
                yield from ((kind, value) for value in _as_list(values))


def _is_possible(kind: str, value: str, exists: Exists) -> bool:
    if kind == "Service":
        return bool(_SERVICE.fullmatch(value))
    if kind != "AWS" or value == "*" or _SESSION.fullmatch(value):
        return True
    if _ACCOUNT.fullmatch(value):
        return value != CLOSED_ACCOUNT
    found = _PRINCIPAL.fullmatch(value)
    if found is None or found["account"] == CLOSED_ACCOUNT:
        return False
    if found["kind"] == "root":
        return found["name"] is None
    return found["name"] is not None and exists(
        found["account"], found["kind"], found["name"].rpartition("/")[2]
    )


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _checking_bucket_policy(operation: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(operation)
    def put(provider: Any, context: Any, bucket: str, policy: str, **rest: Any) -> Any:
        # What is no JSON, or no bucket, LocalStack refuses itself.
        if _is_document(policy):
            messages = {
                "size": "Policy exceeds the maximum allowed document size.",
                "principal": "Invalid principal in policy",
            }
            if wrong := check(policy, BUCKET_POLICY_BYTES, _in_iam):
                raise Refusal("MalformedPolicy", messages[wrong])
        return operation(provider, context, bucket, policy, **rest)

    return put


def _checking_key_policy(operation: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(operation)
    def put(provider: Any, context: Any, request: Any = None, **rest: Any) -> Any:
        policy: str = (request or {}).get("Policy") or ""
        wrong = check(policy, KEY_POLICY_BYTES, _in_iam) if _is_document(policy) else None
        if wrong == "size":
            raise Refusal("LimitExceededException", "The key policy is longer than 32 KB.")
        if wrong:
            raise Refusal(
                "MalformedPolicyDocumentException",
                "Policy contains a statement with one or more invalid principals.",
            )
        return operation(provider, context, request, **rest)

    return put


def _is_document(policy: str) -> bool:
    try:
        return isinstance(json.loads(policy), dict)
    except ValueError:
        return False


def _in_iam(account_id: str, kind: str, name: str) -> bool:
    from moto.iam.models import iam_backends  # noqa: PLC0415

    backend = iam_backends[account_id]["aws"]
    if kind == "user":
        return name in backend.users
    return any(role.name == name for role in list(backend.roles.values()))
