"""Which actions an AWS call needs, on which resources: knows nothing of LocalStack.

For the calls that logferry's functions make, and for what AWS's services do behind them with the
caller's permissions. By operation as in the Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html),
and where that is not enough by the page that is named.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import unquote


class UnknownOperationError(Exception):
    """Nothing is known of an operation: the caller has to refuse it, and to name it."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """An action that a call needs to be allowed.

    Attributes:
        action: As in s3:PutObject.
        resource: Its ARN; `*` for an action that is on none.
        owner: The account of the resource.
        context: Condition keys that the service adds.
        hides: Without it the call goes through, and its answer lacks these headers or members.
    """

    action: str
    resource: str
    owner: str
    context: dict[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Call:
    """An AWS call: `operation` as in s3.PutObject, `parameters` as in boto3."""

    operation: str
    parameters: Mapping[str, Any]
    account_id: str
    region: str


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """What something is encrypted with; `key_arn` None if not by a key of KMS."""

    key_arn: str | None
    bucket_key: bool = False


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket and its default encryption."""

    owner: str
    region: str
    default: Encryption


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object version."""

    encryption: Encryption
    has_tags: bool = False
    has_retention: bool = False
    has_legal_hold: bool = False


class World(Protocol):
    """What there is, as far as permissions depend on it."""

    def bucket(self, name: str) -> Bucket | None:
        """Return a bucket of any account."""
        ...

    def stored_object(self, bucket: str, key: str, version_id: str | None) -> StoredObject | None:
        """Return an object version; the current one for None."""
        ...

    def upload(self, bucket: str, key: str, upload_id: str) -> StoredObject | None:
        """Return what a multipart upload makes."""
        ...

    def key_of(self, resource_arn: str) -> str | None:
        """Return the ARN of the key of a queue or topic."""
        ...

    def key_arn(self, key_id: str, account_id: str, region: str) -> str:
        """Return the ARN of a key by its id, alias or ARN."""
        ...

    def tags(self, resource_arn: str) -> Mapping[str, str]:
        """Return the tags of a queue or function."""
        ...

    def mapped_function(self, mapping_id: str, account_id: str, region: str) -> str | None:
        """Return the ARN of an event source mapping's function."""
        ...


def needs(call: Call, world: World) -> list[Need]:
    """Return all that a call needs.

    Raises:
        UnknownOperationError: It is none of those that are known here.
    """
    if call.operation not in _NEEDS:
        raise UnknownOperationError(call.operation)
    return list(_NEEDS[call.operation](call, world))


# S3


def _object(call: Call, world: World) -> tuple[str, str, Bucket]:
    """Return an object's ARN, its bucket's and the bucket."""
    name = call.parameters["Bucket"]
    # Of a bucket that is not there S3 says so, whoever asks.
    bucket = world.bucket(name) or Bucket(
        owner=call.account_id, region=call.region, default=Encryption(key_arn=None)
    )
    arn = f"arn:aws:s3:::{name}"
    return f"{arn}/{call.parameters.get('Key', '')}", arn, bucket


def _on_bucket(action: str, *parameters: str) -> "_Rule":
    """Make a rule for an action on a bucket, with parameters that are condition keys too."""

    def rule(call: Call, world: World) -> Iterator[Need]:
        _, arn, bucket = _object(call, world)
        context = {
            f"s3:{name.lower()}": str(call.parameters[name])
            for name in parameters
            if call.parameters.get(name) is not None
        }
        yield Need(action=action, resource=arn, owner=bucket.owner, context=context)

    return rule


def _on_object(action: str, versioned: str | None = None) -> "_Rule":
    """Make a rule for an action on an object, which may be another one on a version."""

    def rule(call: Call, world: World) -> Iterator[Need]:
        arn, _, bucket = _object(call, world)
        named = versioned if versioned and call.parameters.get("VersionId") else action
        yield Need(action=named, resource=arn, owner=bucket.owner)

    return rule


def _read(call: Call, world: World, *, decrypts: bool) -> Iterator[Need]:
    """Yield what reading an object needs.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    arn, bucket_arn, bucket = _object(call, world)
    version_id = call.parameters.get("VersionId")
    action = "s3:GetObjectVersion" if version_id else "s3:GetObject"
    yield Need(action=action, resource=arn, owner=bucket.owner)
    found = world.stored_object(call.parameters["Bucket"], call.parameters["Key"], version_id)
    if found is None:
        # Else a missing object is called forbidden.
        yield Need(action="s3:ListBucket", resource=bucket_arn, owner=bucket.owner)
        return
    # The lock is told only to those who may read it.
    if found.has_retention:
        yield Need(
            action="s3:GetObjectRetention",
            resource=arn,
            owner=bucket.owner,
            hides=("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"),
        )
    if found.has_legal_hold:
        yield Need(
            action="s3:GetObjectLegalHold",
            resource=arn,
            owner=bucket.owner,
            hides=("x-amz-object-lock-legal-hold",),
        )
    if decrypts:
        yield from _through_s3(["kms:Decrypt"], arn, bucket_arn, bucket, found.encryption)


def _get_object(call: Call, world: World) -> Iterator[Need]:
    yield from _read(call, world, decrypts=True)


def _head_object(call: Call, world: World) -> Iterator[Need]:
    # The checksum of an encrypted object is encrypted as well.
    yield from _read(call, world, decrypts=call.parameters.get("ChecksumMode") == "ENABLED")


def _put_object(call: Call, world: World) -> Iterator[Need]:
    arn, bucket_arn, bucket = _object(call, world)
    yield from _write(call, arn, bucket)
    yield from _through_s3(
        ["kms:GenerateDataKey"], arn, bucket_arn, bucket, _asked_for(call, bucket)
    )


def _write(call: Call, arn: str, bucket: Bucket) -> Iterator[Need]:
    """Yield what the headers of a new object need.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    asked = call.parameters
    acl = {"s3:x-amz-acl": asked["ACL"]} if asked.get("ACL") else {}
    yield Need(action="s3:PutObject", resource=arn, owner=bucket.owner, context=acl)
    if asked.get("IfMatch"):
        yield Need(action="s3:GetObject", resource=arn, owner=bucket.owner)
    if asked.get("Tagging"):
        yield Need(action="s3:PutObjectTagging", resource=arn, owner=bucket.owner)
    if asked.get("ObjectLockMode"):
        yield Need(action="s3:PutObjectRetention", resource=arn, owner=bucket.owner)
    if hold := asked.get("ObjectLockLegalHoldStatus"):
        yield Need(
            action="s3:PutObjectLegalHold",
            resource=arn,
            owner=bucket.owner,
            context={"s3:object-lock-legal-hold": hold},
        )


def _asked_for(call: Call, bucket: Bucket) -> Encryption:
    algorithm = call.parameters.get("ServerSideEncryption")
    if algorithm is None:
        return bucket.default
    if algorithm == "AES256":
        return Encryption(key_arn=None)
    return Encryption(
        key_arn=call.parameters.get("SSEKMSKeyId") or bucket.default.key_arn,
        bucket_key=call.parameters.get("BucketKeyEnabled", bucket.default.bucket_key),
    )


def _through_s3(
    actions: list[str], arn: str, bucket_arn: str, bucket: Bucket, encryption: Encryption
) -> Iterator[Need]:
    """Yield what S3 asks of KMS with the permissions of its caller.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    """
    key_arn = encryption.key_arn
    if key_arn is None:
        return
    context = {
        "kms:ViaService": f"s3.{bucket.region}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": bucket_arn if encryption.bucket_key else arn,
    }
    for action in actions:
        yield Need(action=action, resource=key_arn, owner=_account_of(key_arn), context=context)


def _copy_object(call: Call, world: World) -> Iterator[Need]:
    """Yield what both ends of a copy need.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    source = _source(call)
    yield from _read(source, world, decrypts=True)
    arn, _, bucket = _object(call, world)
    where = source.parameters
    found = world.stored_object(where["Bucket"], where["Key"], where["VersionId"])
    if found and found.has_tags and call.parameters.get("TaggingDirective") != "REPLACE":
        yield from _GET_TAGS(source, world)
        yield Need(action="s3:PutObjectTagging", resource=arn, owner=bucket.owner)
    yield from _put_object(call, world)


def _source(call: Call) -> Call:
    """Return the call that reads what a copy is made of."""
    named = call.parameters["CopySource"]
    if isinstance(named, Mapping):
        where = dict(named)
    else:
        path, _, version = unquote(named).removeprefix("/").partition("?versionId=")
        bucket, _, key = path.partition("/")
        where = {"Bucket": bucket, "Key": key, "VersionId": version}
    return Call(
        operation="s3.GetObject",
        parameters={"VersionId": None} | where,
        account_id=call.account_id,
        region=call.region,
    )


def _create_upload(call: Call, world: World) -> Iterator[Need]:
    """Yield what the beginning of a multipart upload needs.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
    """
    arn, bucket_arn, bucket = _object(call, world)
    yield from _write(call, arn, bucket)
    yield from _through_s3(
        ["kms:GenerateDataKey", "kms:Decrypt"], arn, bucket_arn, bucket, _asked_for(call, bucket)
    )


def _go_on_with_upload(call: Call, world: World) -> Iterator[Need]:
    """Yield what a part, or the end, of a multipart upload needs.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
    """
    arn, bucket_arn, bucket = _object(call, world)
    yield from _write(call, arn, bucket)
    upload = world.upload(
        call.parameters["Bucket"], call.parameters["Key"], call.parameters["UploadId"]
    )
    if upload:
        yield from _through_s3(["kms:Decrypt"], arn, bucket_arn, bucket, upload.encryption)


def _copy_part(call: Call, world: World) -> Iterator[Need]:
    yield from _read(_source(call), world, decrypts=True)
    yield from _go_on_with_upload(call, world)


def _delete_object(call: Call, world: World) -> Iterator[Need]:
    arn, _, bucket = _object(call, world)
    version = call.parameters.get("VersionId")
    action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
    yield Need(action=action, resource=arn, owner=bucket.owner)
    if call.parameters.get("BypassGovernanceRetention"):
        yield Need(action="s3:BypassGovernanceRetention", resource=arn, owner=bucket.owner)


def _delete_objects(call: Call, world: World) -> Iterator[Need]:
    """Yield what each object needs; AWS would delete those that may be, and say so of the others.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    """
    for each in call.parameters["Delete"]["Objects"]:
        yield from _delete_object(replace(call, parameters={**call.parameters, **each}), world)


def _put_legal_hold(call: Call, world: World) -> Iterator[Need]:
    arn, _, bucket = _object(call, world)
    status = call.parameters["LegalHold"]["Status"]
    yield Need(
        action="s3:PutObjectLegalHold",
        resource=arn,
        owner=bucket.owner,
        context={"s3:object-lock-legal-hold": status},
    )


def _update_encryption(call: Call, world: World) -> Iterator[Need]:
    """Yield what re-encryption in place needs.

    The page names the actions on keys and not on which of the two each is: here those that
    encrypt are on the new one, and those that decrypt on both.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
    """
    arn, bucket_arn, bucket = _object(call, world)
    yield Need(action="s3:UpdateObjectEncryption", resource=arn, owner=bucket.owner)
    found = world.stored_object(
        call.parameters["Bucket"], call.parameters["Key"], call.parameters.get("VersionId")
    )
    wanted = call.parameters["ObjectEncryption"]["SSEKMS"]
    after = Encryption(
        key_arn=wanted["KMSKeyArn"], bucket_key=wanted.get("BucketKeyEnabled", False)
    )
    encrypting = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptTo"]
    yield from _through_s3(encrypting, arn, bucket_arn, bucket, after)
    if found:
        decrypting = ["kms:Decrypt", "kms:ReEncryptFrom"]
        yield from _through_s3(decrypting, arn, bucket_arn, bucket, found.encryption)


# SQS and SNS


def _queue_arn(call: Call) -> str:
    if url := call.parameters.get("QueueUrl"):
        *_, account_id, name = url.split("/")
    else:
        account_id = call.parameters.get("QueueOwnerAWSAccountId") or call.account_id
        name = call.parameters["QueueName"]
    return f"arn:aws:sqs:{call.region}:{account_id}:{name}"


def _on_queue(action: str, *key_actions: str) -> "_Rule":
    """Make a rule for an action on a queue, and for what SQS asks of its key.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    """

    def rule(call: Call, world: World) -> Iterator[Need]:
        arn = _queue_arn(call)
        context = _resource_tags(world.tags(arn))
        yield Need(action=action, resource=arn, owner=_account_of(arn), context=context)
        yield from _through(
            "sqs", "kms:EncryptionContext:aws:sqs:arn", list(key_actions), arn, world
        )

    return rule


def _through(
    service: str, context_key: str, actions: list[str], arn: str, world: World
) -> Iterator[Need]:
    key_arn = world.key_of(arn) if actions else None
    if key_arn is None:
        return
    context = {"kms:ViaService": f"{service}.{arn.split(':')[3]}.amazonaws.com", context_key: arn}
    for action in actions:
        yield Need(action=action, resource=key_arn, owner=_account_of(key_arn), context=context)


def _create_queue(call: Call, _: World) -> Iterator[Need]:
    """Yield what a queue with tags needs.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    """
    arn = _queue_arn(call)
    tags = call.parameters.get("tags") or {}
    context = _request_tags(tags)
    yield Need(action="sqs:CreateQueue", resource=arn, owner=call.account_id, context=context)
    if tags:
        yield Need(action="sqs:TagQueue", resource=arn, owner=call.account_id, context=context)


def _publish(call: Call, world: World) -> Iterator[Need]:
    """Yield what a message needs, and what SNS asks of the topic's key.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    arn = call.parameters["TopicArn"]
    yield Need(action="sns:Publish", resource=arn, owner=_account_of(arn))
    actions = ["kms:GenerateDataKey", "kms:Decrypt"]
    yield from _through("sns", "kms:EncryptionContext:aws:sns:topicArn", actions, arn, world)


def _subscribe(call: Call, _: World) -> Iterator[Need]:
    arn = call.parameters["TopicArn"]
    context = {"sns:Protocol": call.parameters["Protocol"]}
    if endpoint := call.parameters.get("Endpoint"):
        context["sns:Endpoint"] = endpoint
    yield Need(action="sns:Subscribe", resource=arn, owner=_account_of(arn), context=context)


# Lambda


def _function_arn(call: Call) -> str:
    named: str = call.parameters["FunctionName"]
    if named.startswith("arn:"):
        return named
    return f"arn:aws:lambda:{call.region}:{call.account_id}:function:{named}"


def _on_function(action: str) -> "_Rule":
    def rule(call: Call, world: World) -> Iterator[Need]:
        arn = _function_arn(call)
        context = _resource_tags(world.tags(arn))
        yield Need(action=action, resource=arn, owner=_account_of(arn), context=context)

    return rule


def _get_function(call: Call, world: World) -> Iterator[Need]:
    """Yield what a look at a function needs; its tags are for those who may list them.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
    """
    arn = _function_arn(call)
    tags = world.tags(arn)
    context = _resource_tags(tags)
    yield Need(action="lambda:GetFunction", resource=arn, owner=_account_of(arn), context=context)
    if tags:
        yield Need(
            action="lambda:ListTags",
            resource=arn,
            owner=_account_of(arn),
            context=context,
            hides=("Tags",),
        )


def _create_function(call: Call, world: World) -> Iterator[Need]:
    """Yield what a function with tags needs, and its role, code and layers.

    https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    https://docs.aws.amazon.com/lambda/latest/dg/permissions-user-function.html
    """
    arn = _function_arn(call)
    tags = call.parameters.get("Tags") or {}
    context = _request_tags(tags)
    yield Need(action="lambda:CreateFunction", resource=arn, owner=call.account_id, context=context)
    if tags:
        yield Need(
            action="lambda:TagResource", resource=arn, owner=call.account_id, context=context
        )
    yield from _code(call, call.parameters["Code"], world)
    yield from _configuration(call)


def _update_code(call: Call, world: World) -> Iterator[Need]:
    yield from _on_function("lambda:UpdateFunctionCode")(call, world)
    yield from _code(call, call.parameters, world)


def _update_configuration(call: Call, world: World) -> Iterator[Need]:
    yield from _on_function("lambda:UpdateFunctionConfiguration")(call, world)
    yield from _configuration(call)


def _code(call: Call, code: Mapping[str, Any], world: World) -> Iterator[Need]:
    if bucket := code.get("S3Bucket"):
        where = {
            "Bucket": bucket,
            "Key": code["S3Key"],
            "VersionId": code.get("S3ObjectVersion"),
        }
        read = Call(
            operation="s3.GetObject",
            parameters=where,
            account_id=call.account_id,
            region=call.region,
        )
        yield from _get_object(read, world)


def _configuration(call: Call) -> Iterator[Need]:
    if role_arn := call.parameters.get("Role"):
        yield Need(
            action="iam:PassRole",
            resource=role_arn,
            owner=_account_of(role_arn),
            context={"iam:PassedToService": "lambda.amazonaws.com"},
        )
    for layer_arn in call.parameters.get("Layers") or []:
        yield Need(
            action="lambda:GetLayerVersion", resource=layer_arn, owner=_account_of(layer_arn)
        )


def _tag_function(call: Call, world: World) -> Iterator[Need]:
    arn = call.parameters["Resource"]
    context = _request_tags(call.parameters["Tags"]) | _resource_tags(world.tags(arn))
    yield Need(action="lambda:TagResource", resource=arn, owner=_account_of(arn), context=context)


def _create_mapping(call: Call, _: World) -> Iterator[Need]:
    yield Need(
        action="lambda:CreateEventSourceMapping",
        resource="*",
        owner=call.account_id,
        context={"lambda:FunctionArn": _function_arn(call)},
    )


def _update_mapping(call: Call, world: World) -> Iterator[Need]:
    mapping_id = call.parameters["UUID"]
    function_arn = world.mapped_function(mapping_id, call.account_id, call.region)
    yield Need(
        action="lambda:UpdateEventSourceMapping",
        resource=f"arn:aws:lambda:{call.region}:{call.account_id}:event-source-mapping:{mapping_id}",
        owner=call.account_id,
        context={"lambda:FunctionArn": function_arn} if function_arn else {},
    )


# The others


def _assume_role(call: Call, _: World) -> Iterator[Need]:
    arn = call.parameters["RoleArn"]
    context = {"sts:RoleSessionName": call.parameters["RoleSessionName"]}
    if external_id := call.parameters.get("ExternalId"):
        context["sts:ExternalId"] = external_id
    yield Need(action="sts:AssumeRole", resource=arn, owner=_account_of(arn), context=context)


def _log_group_arn(call: Call, name: str) -> str:
    return f"arn:aws:logs:{call.region}:{call.account_id}:log-group:{name}"


def _on_log_group(action: str) -> "_Rule":
    """Make a rule for an action on a log group, or a stream of it; of none, on all of them."""

    def rule(call: Call, _: World) -> Iterator[Need]:
        group = _log_group_arn(call, call.parameters.get("logGroupName", ""))
        stream = call.parameters.get("logStreamName", "")
        yield Need(action=action, resource=f"{group}:log-stream:{stream}", owner=call.account_id)

    return rule


def _start_query(call: Call, _: World) -> Iterator[Need]:
    """Yield a need for each log group that is queried."""
    for name in call.parameters.get("logGroupNames") or [call.parameters.get("logGroupName", "")]:
        group = _log_group_arn(call, name)
        yield Need(action="logs:StartQuery", resource=f"{group}:log-stream:", owner=call.account_id)


def _create_export_task(call: Call, world: World) -> Iterator[Need]:
    """Yield what an export task needs: "credentials that have permission to write" included.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html
    """
    group = _log_group_arn(call, call.parameters["logGroupName"])
    yield Need(action="logs:CreateExportTask", resource=group, owner=call.account_id)
    prefix = call.parameters.get("destinationPrefix") or "exportedlogs"
    put = Call(
        operation="s3.PutObject",
        parameters={
            "Bucket": call.parameters["destination"],
            "Key": f"{prefix}/aws-logs-write-test",
            "ACL": "bucket-owner-full-control",
        },
        account_id=call.account_id,
        region=call.region,
    )
    arn, bucket_arn, bucket = _object(put, world)
    yield from _write(put, arn, bucket)
    actions = ["kms:GenerateDataKey", "kms:Decrypt"]
    yield from _through_s3(actions, arn, bucket_arn, bucket, bucket.default)


def _get_schedule(call: Call, _: World) -> Iterator[Need]:
    group, name = call.parameters.get("GroupName", "default"), call.parameters["Name"]
    yield Need(
        action="scheduler:GetSchedule",
        resource=f"arn:aws:scheduler:{call.region}:{call.account_id}:schedule/{group}/{name}",
        owner=call.account_id,
    )


def _on_parameter(name: str) -> "_Rule":
    def rule(call: Call, _: World) -> Iterator[Need]:
        path = call.parameters[name].removeprefix("/")
        yield Need(
            action=f"ssm:{call.operation.partition('.')[2]}",
            resource=f"arn:aws:ssm:{call.region}:{call.account_id}:parameter/{path}",
            owner=call.account_id,
        )

    return rule


def _on_key(action: str) -> "_Rule":
    """Make a rule for an action on the key that a call names."""

    def rule(call: Call, world: World) -> Iterator[Need]:
        arn = world.key_arn(call.parameters["KeyId"], call.account_id, call.region)
        yield Need(action=action, resource=arn, owner=_account_of(arn))

    return rule


def _on_none(action: str) -> "_Rule":
    """Make a rule for an action that is on no resource."""

    def rule(call: Call, _: World) -> Iterator[Need]:
        yield Need(action=action, resource="*", owner=call.account_id)

    return rule


def _put_metric_data(call: Call, _: World) -> Iterator[Need]:
    context = {"cloudwatch:namespace": call.parameters["Namespace"]}
    action = "cloudwatch:PutMetricData"
    yield Need(action=action, resource="*", owner=call.account_id, context=context)


def _free(_call: Call, _world: World) -> Iterator[Need]:
    """Yield nothing: everybody may.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    yield from ()


def _account_of(arn: str) -> str:
    return arn.split(":")[4]


def _request_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:RequestTag/{name}": value for name, value in tags.items()}


def _resource_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:ResourceTag/{name}": value for name, value in tags.items()}


type _Rule = Callable[[Call, World], Iterator[Need]]

_GET_TAGS = _on_object("s3:GetObjectTagging", "s3:GetObjectVersionTagging")
_SEND = ("kms:GenerateDataKey", "kms:Decrypt")
_NEEDS: dict[str, _Rule] = {
    "s3.AbortMultipartUpload": _on_object("s3:AbortMultipartUpload"),
    "s3.CompleteMultipartUpload": _go_on_with_upload,
    "s3.CopyObject": _copy_object,
    "s3.CreateMultipartUpload": _create_upload,
    "s3.DeleteObject": _delete_object,
    "s3.DeleteObjects": _delete_objects,
    "s3.GetBucketVersioning": _on_bucket("s3:GetBucketVersioning"),
    "s3.GetObject": _get_object,
    "s3.GetObjectLegalHold": _on_object("s3:GetObjectLegalHold"),
    "s3.GetObjectTagging": _GET_TAGS,
    "s3.HeadBucket": _on_bucket("s3:ListBucket"),
    "s3.HeadObject": _head_object,
    "s3.ListMultipartUploads": _on_bucket("s3:ListBucketMultipartUploads", "Prefix"),
    "s3.ListObjectVersions": _on_bucket("s3:ListBucketVersions", "Prefix"),
    "s3.ListObjectsV2": _on_bucket("s3:ListBucket", "Prefix"),
    "s3.ListParts": _on_object("s3:ListMultipartUploadParts"),
    "s3.PutObject": _put_object,
    "s3.PutObjectLegalHold": _put_legal_hold,
    "s3.RestoreObject": _on_object("s3:RestoreObject"),
    "s3.UpdateObjectEncryption": _update_encryption,
    "s3.UploadPart": _go_on_with_upload,
    "s3.UploadPartCopy": _copy_part,
    "sqs.ChangeMessageVisibility": _on_queue("sqs:ChangeMessageVisibility"),
    "sqs.ChangeMessageVisibilityBatch": _on_queue("sqs:ChangeMessageVisibility"),
    "sqs.CreateQueue": _create_queue,
    "sqs.DeleteMessage": _on_queue("sqs:DeleteMessage"),
    "sqs.DeleteMessageBatch": _on_queue("sqs:DeleteMessage"),
    "sqs.GetQueueAttributes": _on_queue("sqs:GetQueueAttributes"),
    "sqs.GetQueueUrl": _on_queue("sqs:GetQueueUrl"),
    "sqs.ListQueueTags": _on_queue("sqs:ListQueueTags"),
    "sqs.ReceiveMessage": _on_queue("sqs:ReceiveMessage", "kms:Decrypt"),
    "sqs.SendMessage": _on_queue("sqs:SendMessage", *_SEND),
    "sqs.SendMessageBatch": _on_queue("sqs:SendMessage", *_SEND),
    "sqs.SetQueueAttributes": _on_queue("sqs:SetQueueAttributes"),
    "sns.Publish": _publish,
    "sns.PublishBatch": _publish,
    "sns.Subscribe": _subscribe,
    "lambda.CreateEventSourceMapping": _create_mapping,
    "lambda.CreateFunction": _create_function,
    "lambda.GetFunction": _get_function,
    "lambda.Invoke": _on_function("lambda:InvokeFunction"),
    "lambda.ListEventSourceMappings": _on_none("lambda:ListEventSourceMappings"),
    "lambda.TagResource": _tag_function,
    "lambda.UpdateEventSourceMapping": _update_mapping,
    "lambda.UpdateFunctionCode": _update_code,
    "lambda.UpdateFunctionConfiguration": _update_configuration,
    "sts.AssumeRole": _assume_role,
    "sts.GetCallerIdentity": _free,
    "logs.CancelExportTask": _on_none("logs:CancelExportTask"),
    "logs.CreateExportTask": _create_export_task,
    "logs.CreateLogGroup": _on_log_group("logs:CreateLogGroup"),
    "logs.CreateLogStream": _on_log_group("logs:CreateLogStream"),
    "logs.DeleteRetentionPolicy": _on_log_group("logs:DeleteRetentionPolicy"),
    "logs.DescribeAccountPolicies": _on_none("logs:DescribeAccountPolicies"),
    "logs.DescribeExportTasks": _on_none("logs:DescribeExportTasks"),
    "logs.DescribeLogGroups": _on_log_group("logs:DescribeLogGroups"),
    "logs.DescribeLogStreams": _on_log_group("logs:DescribeLogStreams"),
    "logs.FilterLogEvents": _on_log_group("logs:FilterLogEvents"),
    "logs.GetQueryResults": _on_log_group("logs:GetQueryResults"),
    "logs.PutLogEvents": _on_log_group("logs:PutLogEvents"),
    "logs.PutRetentionPolicy": _on_log_group("logs:PutRetentionPolicy"),
    "logs.StartQuery": _start_query,
    "logs.StopQuery": _on_none("logs:StopQuery"),
    "cloudwatch.GetMetricData": _on_none("cloudwatch:GetMetricData"),
    "cloudwatch.PutMetricData": _put_metric_data,
    "scheduler.GetSchedule": _get_schedule,
    "scheduler.ListSchedules": _on_none("scheduler:ListSchedules"),
    "resourcegroupstaggingapi.GetResources": _on_none("tag:GetResources"),
    "ssm.GetParameter": _on_parameter("Name"),
    "ssm.GetParametersByPath": _on_parameter("Path"),
    "kms.DescribeKey": _on_key("kms:DescribeKey"),
    "kms.GetPublicKey": _on_key("kms:GetPublicKey"),
    "kms.Sign": _on_key("kms:Sign"),
}
