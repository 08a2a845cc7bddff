import json
from uuid import uuid4

import pytest

pytestmark = pytest.mark.localstack


def template(bucket, tag, who):
    def policy(action):
        statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": action}
        resource = "*" if action == "kms:*" else f"arn:aws:s3:::{bucket}/*"
        return {"Version": "2012-10-17", "Statement": [{**statement, "Resource": resource}]}

    tags = [{"Key": "any", "Value": tag}]
    resources = {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket, "Tags": tags}},
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy("s3:GetObject")},
        },
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": policy("kms:*")}},
    }
    outputs = {"KeyId": {"Value": {"Ref": "Key"}}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


def test_an_update_puts_the_policies_of_a_stacks_bucket_and_key_over_the_former_ones(aws, account):
    cloudformation, name = aws("cloudformation"), f"test-{uuid4().hex}"
    trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    aws("iam").create_role(RoleName="other", AssumeRolePolicyDocument=document)
    root, other = f"arn:aws:iam::{account}:root", f"arn:aws:iam::{account}:role/other"
    for done, change, tag, who in (
        ("stack_create_complete", cloudformation.create_stack, "one", [root]),
        ("stack_update_complete", cloudformation.update_stack, "two", [root, other]),
    ):
        change(StackName=name, TemplateBody=template(name, tag, who))
        waiter = cloudformation.get_waiter(done)
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1})
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        [output] = stack["Outputs"]
        key = {"KeyId": output["OutputValue"], "PolicyName": "default"}
        policies = [
            aws("s3").get_bucket_policy(Bucket=name)["Policy"],
            aws("kms").get_key_policy(**key)["Policy"],
        ]
        for policy in policies:
            [statement] = json.loads(policy)["Statement"]
            assert statement["Principal"] == {"AWS": who}
