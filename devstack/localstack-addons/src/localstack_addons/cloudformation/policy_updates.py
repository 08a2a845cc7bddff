"""Updates a stack's bucket policies and the policies of its keys in place, as CloudFormation does.

LocalStack 4.14 replaces a bucket policy when anything of its bucket changes, and then deletes what
it has just put; a key's new policy it leaves out without an error.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucketpolicy.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-kms-key.html
"""

import json
from typing import Any

from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.services.kms.resource_providers.aws_kms_key import KMSKeyProvider
from localstack.services.s3.resource_providers.aws_s3_bucketpolicy import S3BucketPolicyProvider


def install() -> None:
    """Let both have an update, and no bucket policy be replaced."""
    S3BucketPolicyProvider.SCHEMA["createOnlyProperties"] = []
    S3BucketPolicyProvider.update = update_bucket_policy
    KMSKeyProvider.update = update_key


def update_bucket_policy(_: S3BucketPolicyProvider, request: Any) -> Any:
    """Put the policy over the former one."""
    wanted = request.desired_state
    policy = json.dumps(wanted["PolicyDocument"])
    request.aws_client_factory.s3.put_bucket_policy(Bucket=wanted["Bucket"], Policy=policy)
    return _updated(request)


def update_key(_: KMSKeyProvider, request: Any) -> Any:
    """Put the policy over the former one; the key stays."""
    request.aws_client_factory.kms.put_key_policy(
        KeyId=request.previous_state["KeyId"],
        PolicyName="default",
        Policy=json.dumps(request.desired_state["KeyPolicy"]),
    )
    return _updated(request)


def _updated(request: Any) -> Any:
    return ProgressEvent(
        status=OperationStatus.SUCCESS,
        resource_model={**request.previous_state, **request.desired_state},
    )
