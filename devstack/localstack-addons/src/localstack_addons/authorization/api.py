"""IAM enforced in LocalStack: who calls, what there is, and a route to switch it on.

`/_devstack/authorization` takes POST (`{"account": "111122223333", "enforced": true}`), GET (every
decision since, with the policies it was by) and DELETE (forget the decisions). At first no account
has it.

Checked is whoever has the credentials of a role in such an account: a Lambda function, an event
source mapping or the log delivery on its behalf, a schedule, and whoever assumed the role. So is a
service that LocalStack lets write to a resource in one: EventBridge, SNS, CloudWatch Logs, and
Lambda and EventBridge Scheduler when they assume a role. An account's own key, which is its id
here, may do everything.

All accounts are taken for members of one organisation.
"""

import functools
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.chain import HandlerChain
from localstack.http import Request, Response
from localstack.services.edge import ROUTER
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header

from localstack_addons.authorization.actions import (
    Bucket,
    Call,
    Encryption,
    Need,
    StoredObject,
    UnknownOperationError,
    needs,
)
from localstack_addons.export_tasks.tasks import refused_by_bucket

if TYPE_CHECKING:
    # The policy engine is not in LocalStack's image: only who switches this on needs it.
    from localstack_addons.authorization.evaluation import Book, Verdict
    from localstack_addons.authorization.evaluation import Request as AuthorizationRequest

PATH = "/_devstack/authorization"
ORGANIZATION_ID = "o-exampleorgid"
SESSION_KEY_PREFIX = "LSIA"
"""What LocalStack's temporary access keys begin with."""

REFUSALS = {
    "s3": ("AccessDenied", 403),
    "sqs": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "sts": ("AccessDenied", 403),
    "lambda": ("AccessDeniedException", 403),
}
"""AWS's code and HTTP status for a refused request; AccessDeniedException, 400 for the others."""

KEY_REFUSALS = {"sqs": ("KmsAccessDenied", 400), "sns": ("KMSAccessDenied", 400)}
"""The same for what a service asks of KMS, where it has a name of its own.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who calls.

    Attributes:
        name: A role's ARN, or a service such as sns.amazonaws.com.
        session_arn: As AWS names the caller in a refusal; of a service its name.
        source_arn: On whose behalf a service calls, where it says so.
        session_policy: What the role was assumed with; None without one.
    """

    name: str
    session_arn: str
    source_arn: str | None = None
    session_policy: str | None = None

    @property
    def account_id(self) -> str:
        """The account of a role; empty for a service."""
        return self.name.split(":")[4] if self.name.startswith("arn:") else ""


_accounts: set[str] = set()
_book: "Book | None" = None


def install() -> None:
    """Look at every AWS call before it is executed, and serve the control route."""
    handlers.serve_custom_service_request_handlers.append(on_arrival)
    handlers.run_custom_response_handlers.append(on_effect)
    ROUTER.add(PATH, control, methods=["GET", "POST", "DELETE"])


def control(request: Request) -> Response:
    """Answer the control route."""
    global _book  # noqa: PLW0603  made when it is first needed
    if importlib.util.find_spec("ministack") is None:
        return _reply({"message": "the policy engine is not installed (policy-engine.lock)"}, 501)
    from localstack_addons.authorization.evaluation import Book  # noqa: PLC0415

    _book = _book or Book()
    if request.method == "POST":
        asked = json.loads(request.get_data())
        change = _accounts.add if asked["enforced"] else _accounts.discard
        change(asked["account"])
    if request.method == "DELETE":
        _book.forget()
    return _reply({"accounts": sorted(_accounts)} | _book.as_document(), 200)


def on_arrival(chain: HandlerChain, context: RequestContext, response: Response) -> None:  # noqa: ARG001  LocalStack's signature
    """An AWS call has come in and is not executed yet.

    Raises:
        CommonServiceException: It is not allowed, or it is not known what it needs.
    """
    context.devstack_hidden = ()
    principal = _principal(context) if _accounts and context.operation else None
    if _book is None or principal is None or _is_never_made(context):
        return
    # Of a service, what counts is whose the resource is, which only the rules tell.
    if principal.account_id and principal.account_id not in _accounts:
        return
    call = Call(
        operation=f"{context.service.service_name}.{context.operation.name}",
        parameters=context.service_request or {},
        account_id=context.account_id,
        region=context.region,
    )
    try:
        found = needs(call, LocalStackWorld())
    except UnknownOperationError as error:
        if not principal.account_id:
            return
        _book.record_unknown(call.operation)
        message = f"it is not known which permissions {call.operation} needs"
        raise CommonServiceException("NotImplemented", message, 501) from error
    for need in found:
        if principal.account_id or need.owner in _accounts:
            _authorize(_book, call, need, principal, context)


def on_effect(chain: HandlerChain, context: RequestContext, response: Response) -> None:  # noqa: ARG001  the same
    """An AWS call has been executed: leave out of the answer what the caller may not know."""
    for name in context.get("devstack_hidden") or ():
        response.headers.pop(name, None)
        if name == "Tags":
            response.set_json(
                {key: value for key, value in response.get_json().items() if key != name}
            )


def _authorize(
    book: "Book", call: Call, need: Need, principal: Principal, context: RequestContext
) -> None:
    from localstack_addons.authorization.evaluation import (  # noqa: PLC0415
        Decision,
        decide,
        policy_holder,
        refusal,
    )

    request = _request(call, need, principal)
    own = {} if request.is_by_service else _policies_of(principal.name)
    policy = _resource_policy(need.action, policy_holder(request))
    verdict: Verdict = decide(request, own.values(), policy, principal.session_policy)
    if principal.session_policy is None:  # else it says nothing of the role's own policies
        book.record(
            Decision(
                request=request,
                operation=call.operation,
                allowed=verdict.allowed,
                own=tuple(own.items()),
                resource_policy=policy,
            )
        )
    if verdict.allowed:
        return
    if need.hides:
        context.devstack_hidden += need.hides
        return
    if call.operation == "logs.CreateExportTask" and not need.action.startswith("logs:"):
        # The caller's permission to write is tried out, as the service's own is.
        told = refused_by_bucket("PutObject")
        raise CommonServiceException(told.code, told.message, 400)
    service = context.service.service_name
    code, status = REFUSALS.get(service, ("AccessDeniedException", 400))
    if need.action.startswith("kms:"):
        code, status = KEY_REFUSALS.get(service, (code, status))
    raise CommonServiceException(code, refusal(request, principal.session_arn, verdict), status)


def _request(call: Call, need: Need, principal: Principal) -> "AuthorizationRequest":
    from localstack_addons.authorization.evaluation import Request  # noqa: PLC0415

    context = dict(need.context)
    if principal.account_id:
        context["aws:PrincipalOrgID"] = ORGANIZATION_ID
    elif principal.source_arn and not need.action.startswith("kms:"):
        # "EventBridge's calls to KMS carry no aws:SourceAccount", nor do the others' here.
        context["aws:SourceArn"] = principal.source_arn
        context["aws:SourceAccount"] = principal.source_arn.split(":")[4]
    return Request(
        principal=principal.name,
        action=need.action,
        resource=need.resource,
        owner=need.owner,
        region=call.region,
        context=tuple(sorted(context.items())),
    )


def _principal(context: RequestContext) -> Principal | None:
    """Who calls; None for an account's own key and LocalStack's own calls."""
    key = extract_access_key_id_from_auth_header(context.request.headers) or ""
    if key.startswith(SESSION_KEY_PREFIX):
        return _session(key, context.account_id)
    told = context.internal_request_params or {}
    if service := told.get("service_principal"):
        region = f".{context.region}" if service == "logs" else ""
        name = f"{service}{region}.amazonaws.com"
        return Principal(name=name, session_arn=name, source_arn=told.get("source_arn"))
    return None


@functools.lru_cache(maxsize=10_000)
def _session(access_key_id: str, account_id: str) -> Principal:
    from moto.sts.models import sts_backends  # noqa: PLC0415

    found = sts_backends[account_id]["aws"].get_assumed_role_from_access_key(access_key_id)
    if found is None:
        message = "The security token included in the request is invalid."
        raise CommonServiceException("UnrecognizedClientException", message, 403)
    policy = found.policy or None
    return Principal(name=found.role_arn, session_arn=found.arn, session_policy=policy)


def _is_never_made(context: RequestContext) -> bool:
    """Whether AWS would not make this call.

    LocalStack's log delivery creates a function's log group even where it is there.
    """
    if context.operation.name != "CreateLogGroup" or not context.is_internal_call:
        return False
    from moto.logs.models import logs_backends  # noqa: PLC0415

    groups = logs_backends[context.account_id][context.region].groups
    return context.service_request["logGroupName"] in groups


def _policies_of(role_arn: str) -> dict[str, str]:
    """Return a role's policy documents, by their names."""
    role = _role(role_arn)
    if role is None:
        return {}
    managed = {policy.name: policy.document for policy in role.managed_policies.values()}
    return {name: _text(document) for name, document in (role.policies | managed).items()}


def _resource_policy(action: str, arn: str) -> str | None:
    """Return the policy of a bucket, queue, topic or key, or a role's trust policy."""
    service = arn.split(":")[2] if arn.startswith("arn:") else None
    if action == "sts:AssumeRole":
        role = _role(arn)
        return _text(role.assume_role_policy_document) if role else None
    lookup = _RESOURCE_POLICIES.get(service or "")
    policy = lookup(arn) if lookup else None
    return _text(policy) if policy else None


def _role(arn: str) -> Any:
    from moto.iam.models import iam_backends  # noqa: PLC0415

    roles = iam_backends[arn.split(":")[4]]["aws"].get_roles()
    return next((role for role in roles if role.arn == arn), None)


def _bucket_policy(arn: str) -> Any:
    bucket = _bucket(arn.rpartition(":")[2])
    return bucket and bucket.policy


def _queue_policy(arn: str) -> Any:
    queue = _queue(arn)
    return queue and queue.attributes.get("Policy")


def _topic_policy(arn: str) -> Any:
    topic = _topic(arn)
    return topic and topic["attributes"].get("Policy")


def _key_policy(arn: str) -> Any:
    from localstack.services.kms.models import kms_stores  # noqa: PLC0415

    _, _, _, region, account_id, key = arn.split(":")
    found = kms_stores[account_id][region].keys.get(key.removeprefix("key/"))
    return found and found.policy


_RESOURCE_POLICIES = {
    "s3": _bucket_policy,
    "sqs": _queue_policy,
    "sns": _topic_policy,
    "kms": _key_policy,
}


class LocalStackWorld:
    """What there is in LocalStack, read in its process."""

    def bucket(self, name: str) -> Bucket | None:
        """Return a bucket of any account."""
        found = _bucket(name)
        if found is None:
            return None
        rule = found.encryption_rule or {}
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        return Bucket(
            owner=found.bucket_account_id,
            region=found.bucket_region,
            default=Encryption(
                key_arn=default.get("KMSMasterKeyID"),
                bucket_key=bool(rule.get("BucketKeyEnabled")),
            ),
        )

    def stored_object(self, bucket: str, key: str, version_id: str | None) -> StoredObject | None:
        """Return an object version; the current one for None."""
        from localstack.services.s3.models import S3Object, s3_stores  # noqa: PLC0415
        from localstack.services.s3.utils import get_unique_key_id  # noqa: PLC0415

        found_bucket = _bucket(bucket)
        if found_bucket is None:
            return None
        wanted = {"version_id": version_id} if version_id and found_bucket.versioning_status else {}
        found = found_bucket.objects.get(key, **wanted)
        if not isinstance(found, S3Object):
            return None
        store = s3_stores[found_bucket.bucket_account_id][found_bucket.bucket_region]
        return StoredObject(
            encryption=_encryption(found),
            has_tags=bool(store.tags.get_tags(get_unique_key_id(bucket, key, found.version_id))),
            has_retention=found.lock_mode is not None,
            has_legal_hold=found.lock_legal_status is not None,
        )

    def upload(self, bucket: str, key: str, upload_id: str) -> StoredObject | None:  # noqa: ARG002  the world's signature
        """Return what a multipart upload makes."""
        found_bucket = _bucket(bucket)
        upload = found_bucket and found_bucket.multiparts.get(upload_id)
        return StoredObject(encryption=_encryption(upload.object)) if upload else None

    def key_of(self, resource_arn: str) -> str | None:
        """Return the ARN of the key of a queue or topic."""
        if resource_arn.split(":")[2] == "sqs":
            queue = _queue(resource_arn)
            key_id = queue and queue.attributes.get("KmsMasterKeyId")
        else:
            topic = _topic(resource_arn)
            key_id = topic and topic["attributes"].get("KmsMasterKeyId")
        _, _, _, region, account_id, _ = resource_arn.split(":")
        return self.key_arn(key_id, account_id, region) if key_id else None

    def key_arn(self, key_id: str, account_id: str, region: str) -> str:
        """Return the ARN of a key by its id, alias or ARN."""
        if key_id.startswith("arn:"):
            return key_id
        from localstack.services.kms.models import kms_stores  # noqa: PLC0415

        alias = kms_stores[account_id][region].aliases.get(key_id)
        key_id = alias.metadata["TargetKeyId"] if alias else key_id
        return f"arn:aws:kms:{region}:{account_id}:key/{key_id}"

    def tags(self, resource_arn: str) -> Mapping[str, str]:
        """Return the tags of a queue or function."""
        from localstack.services.lambda_.invocation.models import lambda_stores  # noqa: PLC0415
        from localstack.services.sqs.models import sqs_stores  # noqa: PLC0415

        _, _, service, region, account_id, _ = resource_arn.split(":", 5)
        stores = {"sqs": sqs_stores, "lambda": lambda_stores}[service]
        return dict(stores[account_id][region].tags.get_tags(resource_arn))

    def mapped_function(self, mapping_id: str, account_id: str, region: str) -> str | None:
        """Return the ARN of an event source mapping's function."""
        from localstack.services.lambda_.invocation.models import lambda_stores  # noqa: PLC0415

        found = lambda_stores[account_id][region].event_source_mappings.get(mapping_id)
        return found and str(found["FunctionArn"])


def _bucket(name: str) -> Any:
    from localstack.constants import AWS_REGION_US_EAST_1, DEFAULT_AWS_ACCOUNT_ID  # noqa: PLC0415
    from localstack.services.s3.models import s3_stores  # noqa: PLC0415

    # Which account owns which bucket is known to every store alike.
    owner = s3_stores[DEFAULT_AWS_ACCOUNT_ID][AWS_REGION_US_EAST_1].global_bucket_map.get(name)
    return owner and s3_stores[owner][AWS_REGION_US_EAST_1].buckets.get(name)


def _queue(arn: str) -> Any:
    from localstack.services.sqs.models import sqs_stores  # noqa: PLC0415

    _, _, _, region, account_id, name = arn.split(":")
    return sqs_stores[account_id][region].queues.get(name)


def _topic(arn: str) -> Any:
    from localstack.services.sns.models import sns_stores  # noqa: PLC0415

    _, _, _, region, account_id, _ = arn.split(":")
    return sns_stores[account_id][region].topics.get(arn)


def _encryption(stored: Any) -> Encryption:
    return Encryption(key_arn=stored.kms_key_id, bucket_key=bool(stored.bucket_key_enabled))


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, sort_keys=True)


def _reply(document: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
