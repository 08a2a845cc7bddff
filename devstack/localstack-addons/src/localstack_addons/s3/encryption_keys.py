"""KMS keys are asked for wherever S3 and SQS need them, as AWS asks for them.

LocalStack asks for the key of S3's PutObject and GetObject alone, and only where it is told to.
Here HeadObject, a copy's source, a bucket's default key and SQS's SendMessage ask as well.

Recorded on AWS: codes and messages of S3 (localstack/localstack, tests/aws/services/s3/test_s3.py,
`test_s3_sse_validate_kms_key` and `test_s3_sse_validate_kms_key_state`, 2026-02-21).

Unverified, chosen here: that HeadObject refuses as GetObject does (its answer has no body), and so
does a copy of what cannot be read; that SQS passes KMS's codes and messages on as S3 does.

Not modelled: the data key that SQS reuses for a while, so that a queue goes on for some minutes
with a key that was disabled; ReceiveMessage under a key that is gone.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from localstack_addons.refusals import Refusal, refusing

_KEY_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32}")
_AWS_MANAGED = "alias/aws/"


class Place(NamedTuple):
    """Where a key is looked for when its ARN does not say it."""

    account_id: str
    region: str


def check_state(key_arn: str, key_state: str | None) -> None:
    """Refuse a key that cannot be used; `key_state` is KMS's, None for a key that does not exist.

    Raises:
        Refusal: KMS.NotFoundException, KMS.DisabledException or KMS.KMSInvalidStateException.
    """
    if key_state is None:
        raise Refusal("KMS.NotFoundException", f"Key '{key_arn}' does not exist")
    if key_state == "Disabled":
        raise Refusal("KMS.DisabledException", f"{key_arn} is disabled.")
    if key_state != "Enabled":
        state = "pending deletion" if key_state == "PendingDeletion" else key_state
        raise Refusal("KMS.KMSInvalidStateException", f"{key_arn} is {state}.")


def check_usable(key: str, place: Place) -> None:
    """Refuse a key, named by its id, alias or ARN, that cannot be used from `place`.

    Raises:
        Refusal: As `check_state`; KMS.NotFoundException also for a key of another Region.
    """
    account_id, region, name = _parts(key, place)
    if region != place.region:
        raise Refusal("KMS.NotFoundException", f"Invalid arn {region}")
    if name.startswith(_AWS_MANAGED):
        return  # AWS makes these when they are first used
    if name.startswith("alias/"):
        found = _store(account_id, region).aliases.get(name)
        if found is None:
            arn = f"arn:aws:kms:{region}:{account_id}:{name}"
            raise Refusal("KMS.NotFoundException", f"Alias {arn} is not found.")
        name = found.metadata["TargetKeyId"]
    elif not _KEY_ID.fullmatch(name):
        raise Refusal("KMS.NotFoundException", f"Invalid keyId '{name}'")
    key_arn = f"arn:aws:kms:{region}:{account_id}:key/{name}"
    check_state(key_arn, state_of(account_id, region, name))


def state_of(account_id: str, region: str, key_id: str) -> str | None:
    """KMS's state of a key, None where there is none."""
    found = _store(account_id, region).keys.get(key_id)
    return None if found is None else str(found.metadata["KeyState"])


def install() -> None:
    """Have S3 and SQS ask."""
    from localstack.services.s3 import provider as s3  # noqa: PLC0415
    from localstack.services.sqs.provider import SqsProvider  # noqa: PLC0415

    # Without the HTTP call that LocalStack's own makes, of which there is one an object.
    s3.validate_kms_key_id = refusing(_check_for_bucket)
    s3.get_encryption_parameters_from_request_and_bucket = _asking_for_default_key(
        s3.get_encryption_parameters_from_request_and_bucket
    )
    provider = s3.S3Provider
    provider.head_object = _reading(provider.head_object, _of_head)
    provider.copy_object = _reading(provider.copy_object, _of_copy)
    provider.upload_part_copy = _reading(provider.upload_part_copy, _of_copy)
    SqsProvider._put_message = _sending(SqsProvider._put_message)  # noqa: SLF001  no other way in


def _parts(key: str, place: Place) -> tuple[str, str, str]:
    if not key.startswith("arn:"):
        return (*place, key)
    _, _, _, region, account_id, name = key.split(":", 5)
    return account_id, region, name.removeprefix("key/")


def _store(account_id: str, region: str) -> Any:
    from localstack.services.kms.models import kms_stores  # noqa: PLC0415

    return kms_stores[account_id][region]


def _check_for_bucket(kms_key: str, bucket: Any) -> None:
    check_usable(kms_key, Place(bucket.bucket_account_id, bucket.bucket_region))


def _asking_for_default_key(original: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(original)
    def parameters(request: Any, s3_bucket: Any, store: Any) -> Any:
        found = original(request, s3_bucket, store)
        # The key that the request itself names has been asked for already.
        if found.kms_key_id and not request.get("SSEKMSKeyId"):
            _check_for_bucket(found.kms_key_id, s3_bucket)
        return found

    return parameters


def _reading(operation: Callable[..., Any], source: Callable[[Any], Any]) -> Callable[..., Any]:
    """Ask for the key of the object that an operation reads, before it does."""

    @refusing
    @wraps(operation)
    def call(provider: Any, context: Any, request: Any, **rest: Any) -> Any:
        bucket_name, key, version_id = source(request)
        # Private, but how each of the provider's own operations begins.
        _, bucket = provider._get_cross_account_bucket(context, bucket_name)  # noqa: SLF001
        version = _version(bucket, key, version_id)
        if version is not None and version.kms_key_id:
            _check_for_bucket(version.kms_key_id, bucket)
        return operation(provider, context, request, **rest)

    return call


def _version(bucket: Any, key: str, version_id: str | None) -> Any:
    """The version that will be read; None where there is none, which the operation says itself."""
    from localstack.aws.api import ServiceException  # noqa: PLC0415

    try:
        return bucket.get_object(key=key, version_id=version_id)
    except ServiceException:
        return None


def _of_head(request: Any) -> tuple[str, str, str | None]:
    return request["Bucket"], request["Key"], request.get("VersionId")


def _of_copy(request: Any) -> Any:
    from localstack.services.s3 import provider as s3  # noqa: PLC0415

    return s3.extract_bucket_key_version_id_from_copy_source(request["CopySource"])


def _sending(put_message: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(put_message)
    def put(provider: Any, queue: Any, *arguments: Any, **rest: Any) -> Any:
        if key := queue.attributes.get("KmsMasterKeyId"):
            check_usable(key, Place(queue.account_id, queue.region))
        return put_message(provider, queue, *arguments, **rest)

    return put
