"""How resources of each type are looked at, and mended, by the services that have them."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from logferry.stack import looks

type Clients = Callable[[str], Any]
"""Gives the client of a service, in the hub's account and Region."""
type Values = dict[str, Any]
"""Of properties, by their names in a template."""

_GONE = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "NotFound",
    "NotFoundException",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ResourceNotFoundException",
    "ServerSideEncryptionConfigurationNotFoundError",
}
"""Codes for what is not there. That a bucket is gone is an error: nothing brings it back."""
_DELETED_RECENTLY = {"AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"}
"""For 60 seconds SQS makes no queue of the name of one that was deleted.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
"""
_ROOT = re.compile(r"arn:[^:]+:iam::([0-9]{12}):root")
_QUEUE_ATTRIBUTES = (
    "FifoQueue",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MessageRetentionPeriod",
    "RedrivePolicy",
    "VisibilityTimeout",
)
_SUBSCRIPTION_ATTRIBUTES = (
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
)
_MAPPING_PROPERTIES = ("BatchSize", "FunctionResponseTypes", "ScalingConfig")
_SCHEDULE_PROPERTIES = (
    "Description",
    "FlexibleTimeWindow",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "State",
    "Target",
)


@dataclass(frozen=True)
class Resource:
    """A resource of a stack as its template has it.

    Attributes:
        physical_id: CloudFormation's; a queue's is its URL.
        properties: With everything worked out, and with the defaults of its `Kind`.
    """

    logical_id: str
    resource_type: str
    physical_id: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """How resources of a type are looked at and mended.

    Attributes:
        read: Returns what the service has; None where there is no such resource.
        put: Puts what the template says, also where there is nothing unless ``has_own_id``.
        defaults: Of properties that a template leaves out.
        has_own_id: Whether the service gives it an id, which the stack has to know: where it is
            gone, it is taken out of the stack and put into it again.
    """

    read: Callable[[Clients, Resource], Values | None]
    put: Callable[[Clients, Resource], object]
    defaults: Mapping[str, Any]
    has_own_id: bool = False


def comparable(value: Any) -> Any:
    """Return a value in the one of its spellings that compares: services answer in others.

    Numbers and booleans as text, JSON texts read, one thing for a list of one, lists of texts in
    order, an account's id for its ARN.
    """
    if isinstance(value, Mapping):
        return {name: comparable(each) for name, each in value.items()}
    if isinstance(value, list):
        found = [comparable(each) for each in value]
        if len(found) == 1:
            return found[0]
        return sorted(found) if all(isinstance(each, str) for each in found) else found
    if not isinstance(value, str):
        return json.dumps(value)
    if read := _read(value):
        return comparable(read)
    root = _ROOT.fullmatch(value)
    return root[1] if root else value


def _read(text: str) -> Any:
    """Return what a JSON text says, an object or a list; None for any other text."""
    try:
        return json.loads(text) if text.startswith(("{", "[")) else None
    except ValueError:
        return None


def _some[T](answer: Callable[[], T]) -> T | None:
    """Return what a service answers; None where it says that there is nothing."""
    try:
        return answer()
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise


def _named(values: Mapping[str, Any] | None, names: tuple[str, ...]) -> Values | None:
    """Return some of the values, None for those that are not there; None for none at all."""
    return None if values is None else {name: values.get(name) for name in names}


def _texts(properties: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """Return properties as attributes, which are texts."""
    texts = {name: properties[name] for name in names if name in properties}
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in texts.items()
    }


def _numbers(value: Any) -> Any:
    """Return a value with its numbers as such: those of parameters are texts."""
    if isinstance(value, dict):
        return {name: _numbers(each) for name, each in value.items()}
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _tags(resource: Resource) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.properties.get("Tags", [])}


def _queue(clients: Clients, url: str) -> Values | None:
    sqs = clients("sqs")
    found = _some(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
    return None if found is None else found["Attributes"]


def _put_queue(clients: Clients, resource: Resource) -> None:
    sqs, attributes = clients("sqs"), _texts(resource.properties, _QUEUE_ATTRIBUTES)
    if _queue(clients, resource.physical_id) is not None:
        # SQS takes this one only for a queue that it makes.
        attributes.pop("FifoQueue", None)
        sqs.set_queue_attributes(QueueUrl=resource.physical_id, Attributes=attributes)
        return
    name = resource.properties["QueueName"]
    for _ in looks(name, time.sleep):
        try:
            sqs.create_queue(QueueName=name, Attributes=attributes, tags=_tags(resource))
        except ClientError as error:
            if error.response["Error"]["Code"] not in _DELETED_RECENTLY:
                raise
        else:
            return


def _queue_policy(clients: Clients, resource: Resource) -> Values | None:
    (url,) = resource.properties["Queues"]
    found = _queue(clients, url)
    return {"PolicyDocument": (found or {}).get("Policy")}


def _put_queue_policy(clients: Clients, resource: Resource) -> None:
    (url,) = resource.properties["Queues"]
    policy = json.dumps(resource.properties["PolicyDocument"])
    clients("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def _topic(clients: Clients, arn: str) -> Values | None:
    found = _some(lambda: clients("sns").get_topic_attributes(TopicArn=arn))
    return None if found is None else found["Attributes"]


def _put_topic(clients: Clients, resource: Resource) -> None:
    sns, properties = clients("sns"), resource.properties
    if _topic(clients, resource.physical_id) is None:
        # SNS refuses it for a topic that is there with other tags.
        sns.create_topic(Name=properties["TopicName"], Tags=properties.get("Tags", []))
    for name, value in _texts(properties, ("KmsMasterKeyId",)).items():
        sns.set_topic_attributes(
            TopicArn=resource.physical_id, AttributeName=name, AttributeValue=value
        )


def _topic_policy(clients: Clients, resource: Resource) -> Values | None:
    (arn,) = resource.properties["Topics"]
    return {"PolicyDocument": (_topic(clients, arn) or {}).get("Policy")}


def _put_topic_policy(clients: Clients, resource: Resource) -> None:
    (arn,) = resource.properties["Topics"]
    policy = json.dumps(resource.properties["PolicyDocument"])
    clients("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)


def _subscription(clients: Clients, resource: Resource) -> Values | None:
    # By its topic: one that went with a former topic of that name may still have attributes.
    sns, arn = clients("sns"), resource.physical_id
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(
        TopicArn=resource.properties["TopicArn"]
    )
    there = _some(lambda: {each["SubscriptionArn"] for p in pages for each in p["Subscriptions"]})
    if arn not in (there or ()):
        return None
    found = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return _named(found, _SUBSCRIPTION_ATTRIBUTES)


def _put_subscription(clients: Clients, resource: Resource) -> None:
    for name, value in _texts(resource.properties, _SUBSCRIPTION_ATTRIBUTES).items():
        clients("sns").set_subscription_attributes(
            SubscriptionArn=resource.physical_id, AttributeName=name, AttributeValue=value
        )


def _rule(clients: Clients, resource: Resource) -> Values | None:
    events, name = clients("events"), resource.properties["Name"]
    found = _some(lambda: events.describe_rule(Name=name))
    if found is None:
        return None
    return {
        "EventPattern": found.get("EventPattern"),
        "State": found["State"],
        "Targets": events.list_targets_by_rule(Rule=name)["Targets"],
    }


def _put_rule(clients: Clients, resource: Resource) -> None:
    events, properties = clients("events"), resource.properties
    name = properties["Name"]
    events.put_rule(
        Name=name,
        EventPattern=json.dumps(properties["EventPattern"]),
        State=properties["State"],
        Description=properties["Description"],
    )
    there = {target["Id"] for target in events.list_targets_by_rule(Rule=name)["Targets"]}
    others = there - {target["Id"] for target in properties["Targets"]}
    if others:
        events.remove_targets(Rule=name, Ids=sorted(others))
    events.put_targets(Rule=name, Targets=properties["Targets"])


def _mapping(clients: Clients, resource: Resource) -> Values | None:
    uuid = resource.physical_id
    found = _some(lambda: clients("lambda").get_event_source_mapping(UUID=uuid))
    if found is None:
        return None
    is_off = found["State"] in {"Disabled", "Disabling"}
    return {**{name: found.get(name) for name in _MAPPING_PROPERTIES}, "Enabled": not is_off}


def _put_mapping(clients: Clients, resource: Resource) -> None:
    names = [name for name in _MAPPING_PROPERTIES if name in resource.properties]
    clients("lambda").update_event_source_mapping(
        UUID=resource.physical_id,
        Enabled=resource.properties["Enabled"],
        **{name: _numbers(resource.properties[name]) for name in names},
    )


def _schedule(clients: Clients, resource: Resource) -> Values | None:
    name = resource.properties["Name"]
    found = _some(lambda: clients("scheduler").get_schedule(Name=name))
    return _named(found, _SCHEDULE_PROPERTIES)


def _put_schedule(clients: Clients, resource: Resource) -> None:
    scheduler, properties = clients("scheduler"), resource.properties
    said: Values = {name: properties[name] for name in _SCHEDULE_PROPERTIES}
    said["FlexibleTimeWindow"] = _numbers(said["FlexibleTimeWindow"])
    is_there = _schedule(clients, resource) is not None
    put = scheduler.update_schedule if is_there else scheduler.create_schedule
    put(Name=properties["Name"], **said)


def _bucket(clients: Clients, resource: Resource) -> Values | None:
    s3, bucket = clients("s3"), {"Bucket": resource.physical_id}
    versioning = s3.get_bucket_versioning(**bucket)
    lock = _some(lambda: s3.get_object_lock_configuration(**bucket)) or {}
    encryption = _some(lambda: s3.get_bucket_encryption(**bucket)) or {}
    access = _some(lambda: s3.get_public_access_block(**bucket)) or {}
    ownership = _some(lambda: s3.get_bucket_ownership_controls(**bucket)) or {}
    told = s3.get_bucket_notification_configuration(**bucket)
    rules = encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    return {
        "VersioningConfiguration": {"Status": versioning.get("Status")},
        "ObjectLockConfiguration": lock.get("ObjectLockConfiguration"),
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
                | ({"BucketKeyEnabled": True} if rule.get("BucketKeyEnabled") else {})
                for rule in rules
            ]
        },
        "PublicAccessBlockConfiguration": access.get("PublicAccessBlockConfiguration"),
        "OwnershipControls": ownership.get("OwnershipControls"),
        "NotificationConfiguration": {
            "EventBridgeConfiguration": {"EventBridgeEnabled": "EventBridgeConfiguration" in told}
        },
    }


def _put_bucket(clients: Clients, resource: Resource) -> None:
    s3, properties, bucket = clients("s3"), resource.properties, resource.physical_id
    put: dict[str, tuple[str, Callable[[Any], Values]]] = {
        "VersioningConfiguration": ("put_bucket_versioning", dict),
        "ObjectLockConfiguration": ("put_object_lock_configuration", _lock),
        "BucketEncryption": ("put_bucket_encryption", _encryption),
        "PublicAccessBlockConfiguration": ("put_public_access_block", dict),
        "OwnershipControls": ("put_bucket_ownership_controls", dict),
    }
    names = {"BucketEncryption": "ServerSideEncryptionConfiguration"}
    actual = _bucket(clients, resource) or {}
    for name, (operation, as_s3) in put.items():
        if name in properties and comparable(actual[name]) != comparable(properties[name]):
            value = {names.get(name, name): as_s3(properties[name])}
            getattr(s3, operation)(Bucket=bucket, **value)
    if "NotificationConfiguration" in properties:
        told = s3.get_bucket_notification_configuration(Bucket=bucket)
        told.pop("ResponseMetadata", None)
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={**told, "EventBridgeConfiguration": {}}
        )


def _lock(configuration: Any) -> Values:
    found: Values = _numbers(configuration)
    if "Rule" in found:
        found["Rule"] = {"DefaultRetention": _numbers(found["Rule"]["DefaultRetention"])}
    return found


def _encryption(configuration: Any) -> Values:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": comparable(rule.get("BucketKeyEnabled", False)) == "true",
        }
        for rule in configuration["ServerSideEncryptionConfiguration"]
    ]
    return {"Rules": rules}


def _bucket_policy(clients: Clients, resource: Resource) -> Values | None:
    bucket = resource.properties["Bucket"]
    found = _some(lambda: clients("s3").get_bucket_policy(Bucket=bucket))
    return None if found is None else {"PolicyDocument": found["Policy"]}


def _put_bucket_policy(clients: Clients, resource: Resource) -> None:
    policy = json.dumps(resource.properties["PolicyDocument"])
    clients("s3").put_bucket_policy(Bucket=resource.properties["Bucket"], Policy=policy)


KINDS = {
    "AWS::Events::Rule": Kind(_rule, _put_rule, {"State": "ENABLED", "Description": ""}),
    "AWS::Lambda::EventSourceMapping": Kind(
        _mapping, _put_mapping, {"Enabled": True}, has_own_id=True
    ),
    "AWS::S3::Bucket": Kind(_bucket, _put_bucket, {}),
    "AWS::S3::BucketPolicy": Kind(_bucket_policy, _put_bucket_policy, {}),
    "AWS::SNS::Subscription": Kind(_subscription, _put_subscription, {}, has_own_id=True),
    "AWS::SNS::Topic": Kind(
        lambda clients, resource: _named(
            _topic(clients, resource.physical_id), ("KmsMasterKeyId",)
        ),
        _put_topic,
        {},
    ),
    "AWS::SNS::TopicPolicy": Kind(_topic_policy, _put_topic_policy, {}),
    "AWS::SQS::Queue": Kind(
        lambda clients, resource: _named(_queue(clients, resource.physical_id), _QUEUE_ATTRIBUTES),
        _put_queue,
        {},
    ),
    "AWS::SQS::QueuePolicy": Kind(_queue_policy, _put_queue_policy, {}),
    "AWS::Scheduler::Schedule": Kind(
        _schedule, _put_schedule, {"ScheduleExpressionTimezone": "UTC"}
    ),
}
"""By the types of resources; each is a few calls for a resource that is as it should be."""
