"""Gives a bucket what its template says and LocalStack's CloudFormation leaves out.

Default encryption, the public access block, object ownership and lifecycle rules are among what
4.14 drops without a word, so that nothing in the archive would be encrypted from the start.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html
"""

from typing import Any

from localstack.services.s3.resource_providers.aws_s3_bucket import S3BucketProvider

_create_of_localstack = S3BucketProvider.create


def install() -> None:
    """Complete every bucket that a stack creates."""
    S3BucketProvider.create = create


def create(provider: S3BucketProvider, request: Any) -> Any:
    """Create the bucket as LocalStack does, and add what is missing."""
    made = _create_of_localstack(provider, request)
    s3 = request.aws_client_factory.s3
    for operation, parameters in calls(request.desired_state):
        getattr(s3, operation)(Bucket=request.desired_state["BucketName"], **parameters)
    return made


def calls(properties: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The S3 calls, without their bucket, that bring about what a template's properties say."""
    found: list[tuple[str, dict[str, Any]]] = []
    if encryption := properties.get("BucketEncryption"):
        rules = [_rule(rule) for rule in encryption["ServerSideEncryptionConfiguration"]]
        configuration = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
        found.append(("put_bucket_encryption", configuration))
    for name, operation in (
        ("PublicAccessBlockConfiguration", "put_public_access_block"),
        ("OwnershipControls", "put_bucket_ownership_controls"),
    ):
        if name in properties:
            found.append((operation, {name: properties[name]}))
    if lifecycle := properties.get("LifecycleConfiguration"):
        rules = [_lifecycle_rule(rule) for rule in lifecycle["Rules"]]
        configuration = {"LifecycleConfiguration": {"Rules": rules}}
        found.append(("put_bucket_lifecycle_configuration", configuration))
    return found


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as S3 takes it; CloudFormation has another name for one member."""
    default = rule["ServerSideEncryptionByDefault"]
    return {
        "ApplyServerSideEncryptionByDefault": default,
        "BucketKeyEnabled": _is_true(rule.get("BucketKeyEnabled", False)),
    }


_SIZES = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as S3 takes it, of what our templates have."""
    made: dict[str, Any] = {"ID": rule["Id"], "Status": rule["Status"]}
    prefix = {"Prefix": rule.get("Prefix", "")}
    sizes = {name: int(rule[name]) for name in _SIZES if name in rule}
    made["Filter"] = {"And": prefix | sizes} if sizes else prefix
    for name, member in (
        ("NoncurrentVersionExpiration", "NoncurrentDays"),
        ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
    ):
        if name in rule:
            made[name] = {member: int(rule[name][member])}
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    elif _is_true(rule.get("ExpiredObjectDeleteMarker", False)):
        made["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    if "Transitions" in rule:
        made["Transitions"] = [
            {"StorageClass": each["StorageClass"], "Days": int(each["TransitionInDays"])}
            for each in rule["Transitions"]
        ]
    return made


def _is_true(value: bool | str) -> bool:  # noqa: FBT001  a template's value
    return str(value).lower() == "true"
