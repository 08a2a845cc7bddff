import json
from uuid import uuid4

import pytest

pytestmark = pytest.mark.localstack

POLICIES = ("Delete", "Retain", "RetainExceptOnCreate")


def test_what_is_retained_except_on_create_is_there_once_its_stack_is_deleted(aws):
    name = f"test-{uuid4().hex}"
    buckets = {policy: f"{name[:40]}-{policy.lower()}" for policy in POLICIES}
    resources = {
        policy: {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": policy,
            "Properties": {"BucketName": bucket},
        }
        for policy, bucket in buckets.items()
    }
    cloudformation = aws("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    soon = {"WaiterConfig": {"Delay": 1}}
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, **soon)

    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, **soon)

    there = {bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]}
    kept = {policy for policy, bucket in buckets.items() if bucket in there}
    assert kept == {"Retain", "RetainExceptOnCreate"}
