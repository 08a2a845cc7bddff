"""How resources of each type are looked at, and mended, by the services that have them."""

import json
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from logferry.drift_functions import FUNCTIONS
from logferry.drift_lifecycle import as_s3_lifecycle, lifecycle_of
from logferry.drift_resource import (
    Clients,
    Kind,
    Resource,
    Values,
    comparable,
    named,
    numbers_in,
    some,
    tags_of,
    texts_of,
)
from logferry.drift_roles import ROLES
from logferry.stack import looks

if TYPE_CHECKING:
    from collections.abc import Callable

_DELETED_RECENTLY = {"AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"}
"""For 60 seconds SQS makes no queue of the name of one that was deleted.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
"""
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
_KEYS_ONE_POLICY = "default"
"""The only name that a key's policy may have.

https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
"""
_SCHEDULE_PROPERTIES = (
    "Description",
    "FlexibleTimeWindow",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "State",
    "Target",
)


def _queue(clients: Clients, url: str) -> Values | None:
    sqs = clients("sqs")
    found = some(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
    return None if found is None else found["Attributes"]


def _put_queue(clients: Clients, resource: Resource) -> None:
    sqs, attributes = clients("sqs"), texts_of(resource.properties, _QUEUE_ATTRIBUTES)
    if _queue(clients, resource.physical_id) is not None:
        # SQS takes this one only for a queue that it makes.
        attributes.pop("FifoQueue", None)
        sqs.set_queue_attributes(QueueUrl=resource.physical_id, Attributes=attributes)
        return
    name = resource.properties["QueueName"]
    for _ in looks(name, time.sleep):
        try:
            sqs.create_queue(QueueName=name, Attributes=attributes, tags=tags_of(resource))
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
    found = some(lambda: clients("sns").get_topic_attributes(TopicArn=arn))
    return None if found is None else found["Attributes"]


def _put_topic(clients: Clients, resource: Resource) -> None:
    sns, properties = clients("sns"), resource.properties
    if _topic(clients, resource.physical_id) is None:
        # SNS refuses it for a topic that is there with other tags.
        sns.create_topic(Name=properties["TopicName"], Tags=properties.get("Tags", []))
    for name, value in texts_of(properties, ("KmsMasterKeyId",)).items():
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
    there = some(lambda: {each["SubscriptionArn"] for p in pages for each in p["Subscriptions"]})
    if arn not in (there or ()):
        return None
    found = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return named(found, _SUBSCRIPTION_ATTRIBUTES)


def _put_subscription(clients: Clients, resource: Resource) -> None:
    for name, value in texts_of(resource.properties, _SUBSCRIPTION_ATTRIBUTES).items():
        clients("sns").set_subscription_attributes(
            SubscriptionArn=resource.physical_id, AttributeName=name, AttributeValue=value
        )


def _rule(clients: Clients, resource: Resource) -> Values | None:
    events, name = clients("events"), resource.properties["Name"]
    found = some(lambda: events.describe_rule(Name=name))
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


def _schedule(clients: Clients, resource: Resource) -> Values | None:
    name = resource.properties["Name"]
    found = some(lambda: clients("scheduler").get_schedule(Name=name))
    return named(found, _SCHEDULE_PROPERTIES)


def _put_schedule(clients: Clients, resource: Resource) -> None:
    scheduler, properties = clients("scheduler"), resource.properties
    said: Values = {name: properties[name] for name in _SCHEDULE_PROPERTIES}
    said["FlexibleTimeWindow"] = numbers_in(said["FlexibleTimeWindow"])
    is_there = _schedule(clients, resource) is not None
    put = scheduler.update_schedule if is_there else scheduler.create_schedule
    put(Name=properties["Name"], **said)


def _bucket(clients: Clients, resource: Resource) -> Values | None:
    s3, bucket = clients("s3"), {"Bucket": resource.physical_id}
    versioning = s3.get_bucket_versioning(**bucket)
    lock = some(lambda: s3.get_object_lock_configuration(**bucket)) or {}
    encryption = some(lambda: s3.get_bucket_encryption(**bucket)) or {}
    access = some(lambda: s3.get_public_access_block(**bucket)) or {}
    ownership = some(lambda: s3.get_bucket_ownership_controls(**bucket)) or {}
    lifecycle = some(lambda: s3.get_bucket_lifecycle_configuration(**bucket)) or {}
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
        "LifecycleConfiguration": lifecycle_of(lifecycle),
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
        "LifecycleConfiguration": ("put_bucket_lifecycle_configuration", as_s3_lifecycle),
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
    found: Values = numbers_in(configuration)
    if "Rule" in found:
        found["Rule"] = {"DefaultRetention": numbers_in(found["Rule"]["DefaultRetention"])}
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
    found = some(lambda: clients("s3").get_bucket_policy(Bucket=bucket))
    return None if found is None else {"PolicyDocument": found["Policy"]}


def _put_bucket_policy(clients: Clients, resource: Resource) -> None:
    policy = json.dumps(resource.properties["PolicyDocument"])
    clients("s3").put_bucket_policy(Bucket=resource.properties["Bucket"], Policy=policy)


def _key(clients: Clients, resource: Resource) -> Values:
    key = {"KeyId": resource.physical_id, "PolicyName": _KEYS_ONE_POLICY}
    return {"KeyPolicy": clients("kms").get_key_policy(**key)["Policy"]}


def _put_key(clients: Clients, resource: Resource) -> None:
    policy = json.dumps(resource.properties["KeyPolicy"])
    key = {"KeyId": resource.physical_id, "PolicyName": _KEYS_ONE_POLICY}
    clients("kms").put_key_policy(**key, Policy=policy)


KINDS = {
    "AWS::KMS::Key": Kind(_key, _put_key, {}),
    "AWS::S3::Bucket": Kind(_bucket, _put_bucket, {}),
    "AWS::SQS::Queue": Kind(
        lambda clients, resource: named(_queue(clients, resource.physical_id), _QUEUE_ATTRIBUTES),
        _put_queue,
        {},
    ),
    "AWS::SNS::Topic": Kind(
        lambda clients, resource: named(_topic(clients, resource.physical_id), ("KmsMasterKeyId",)),
        _put_topic,
        {},
    ),
    **ROLES,
    **FUNCTIONS,
    "AWS::Events::Rule": Kind(_rule, _put_rule, {"State": "ENABLED", "Description": ""}),
    "AWS::S3::BucketPolicy": Kind(_bucket_policy, _put_bucket_policy, {}),
    "AWS::SQS::QueuePolicy": Kind(_queue_policy, _put_queue_policy, {}),
    "AWS::SNS::TopicPolicy": Kind(_topic_policy, _put_topic_policy, {}),
    "AWS::SNS::Subscription": Kind(_subscription, _put_subscription, {}, has_own_id=True),
    "AWS::Scheduler::Schedule": Kind(
        _schedule, _put_schedule, {"ScheduleExpressionTimezone": "UTC"}
    ),
}
"""By the types of resources, in the order in which they need each other; each is a few calls for a
resource that is as it should be."""
