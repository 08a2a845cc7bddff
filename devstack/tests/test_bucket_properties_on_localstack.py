import json
from uuid import uuid4

import pytest

pytestmark = pytest.mark.localstack


@pytest.fixture
def bucket(aws, account):
    """A bucket that a stack made, with the properties that LocalStack would drop."""
    name = f"test-{uuid4().hex}"
    key_arn = aws("kms").create_key()["KeyMetadata"]["Arn"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
    properties = {
        "BucketName": name,
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": default}
            ]
        },
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": True},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    }
    resources = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}
    cloudformation = aws("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 0.2}
    )
    return name, key_arn


def test_a_stacks_bucket_encrypts_by_default_under_its_key(aws, bucket):
    name, key_arn = bucket
    put = aws("s3").put_object(Bucket=name, Key="any", Body=b"any")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", key_arn)
    assert put["BucketKeyEnabled"] is True


def test_a_stacks_bucket_blocks_public_access_and_owns_its_objects(aws, bucket):
    s3, (name, _) = aws("s3"), bucket
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    owned = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert (block["BlockPublicAcls"], block["BlockPublicPolicy"]) == (True, True)
    assert owned == [{"ObjectOwnership": "BucketOwnerEnforced"}]
