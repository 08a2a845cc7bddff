"""S3's UpdateObjectEncryption on LocalStack, which knows the operation's name and no more.

From documentation (https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html): the version, its
ETag, date and metadata stay, no event follows; only to SSE-KMS and from SSE-S3 or SSE-KMS; the key
by its full ARN, of the bucket owner's account; nothing that Object Lock protects; without a version
id the current version; no Bucket Key unless asked for; the errors' codes and messages.

Unverified, chosen here: which error wins where several apply; that a key that does not exist, is
disabled or waits for its deletion is answered as PutObject answers it (KMS.NotFoundException,
KMS.DisabledException, KMS.KMSInvalidStateException); MethodNotAllowed for a delete marker; that a
retention period that has passed protects as well.

Not modelled: permissions and key policies, keys of other accounts in the organisation, Signature
Version 4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localstack_addons.refusals import Refusal, refusing
from localstack_addons.s3.encryption_keys import check_state, state_of

_KEY_ARN = re.compile(r"arn:aws[-a-z0-9]*:kms:[-a-z0-9]+:([0-9]{12}):key/[-a-zA-Z0-9]+")
"""The parameter's own pattern.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html"""


@dataclass(frozen=True)
class Target:
    """The encryption asked for."""

    key_arn: str
    bucket_key_enabled: bool


@dataclass(frozen=True, kw_only=True)
class Source:
    """The object version as it is: how it is encrypted (None: not by S3) and what protects it."""

    encryption: str | None
    has_customer_key: bool
    lock_mode: str | None
    legal_hold: str | None


def target_of(object_encryption: Mapping[str, Any] | None, bucket_owner: str) -> Target:
    """Read `{"SSEKMS": {"KMSKeyArn": "arn:aws:kms:...:key/...", "BucketKeyEnabled": true}}`.

    Raises:
        Refusal: InvalidRequest, or AccessDenied for another account's key.
    """
    wanted = (object_encryption or {}).get("SSEKMS")
    if wanted is None:
        raise Refusal(
            "InvalidRequest",
            "Requests that modify an object encryption configuration require a valid new "
            "encryption type. Valid values are SSEKMS. Modify the request to specify SSE-KMS for "
            "the updated encryption type, and then try again.",
        )
    key_arn = wanted.get("KMSKeyArn") or ""
    _check_key_arn(key_arn, bucket_owner)
    return Target(key_arn, bucket_key_enabled=bool(wanted.get("BucketKeyEnabled")))


def check_source(source: Source) -> None:
    """Refuse what cannot be re-encrypted in place.

    Raises:
        Refusal: InvalidRequest by the object's encryption, AccessDenied by Object Lock.
    """
    if source.has_customer_key or source.encryption == "aws:kms:dsse":
        raise Refusal(
            "InvalidRequest",
            "The UpdateObjectEncryption operation doesn't support source objects with the "
            "encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or "
            "SSE-KMS are supported.",
        )
    if source.encryption is None:
        raise Refusal(
            "InvalidRequest",
            "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. "
            "Only source objects encrypted with SSE-S3 or SSE-KMS are supported.",
        )
    if source.lock_mode or source.legal_hold == "ON":
        raise Refusal(
            "AccessDenied",
            "The encryption type for the specified object can't be updated because that object is "
            "protected by S3 Object Lock. If the object has a governance-mode retention period or "
            "a legal hold, you must first remove the Object Lock status on the object before you "
            "issue your UpdateObjectEncryption request. You can't use the UpdateObjectEncryption "
            "operation with objects that have an Object Lock compliance mode retention period "
            "applied to them.",
            403,
        )


def install() -> None:
    """Give LocalStack's S3 the operation."""
    from localstack.services.s3.provider import S3Provider  # noqa: PLC0415

    S3Provider.update_object_encryption = _update_object_encryption


def _check_key_arn(key_arn: str, bucket_owner: str) -> None:
    if not key_arn:
        raise Refusal(
            "InvalidRequest",
            "Requests that modify an object's encryption type to SSE-KMS require an Amazon Web "
            "Services KMS key Amazon Resource Name (ARN). Modify the request to specify a KMS key "
            "ARN, and then try again.",
        )
    parsed = _KEY_ARN.fullmatch(key_arn)
    if parsed is None:
        raise Refusal(
            "InvalidRequest",
            "Requests that modify an object's encryption type to SSE-KMS require a valid Amazon "
            "Web Services KMS key Amazon Resource Name (ARN). Confirm that you have a correctly "
            "formatted KMS key ARN in your request, and then try again.",
        )
    if parsed[1] != bucket_owner:
        raise Refusal(
            "AccessDenied",
            "The Amazon Web Services KMS key in the request must be owned by the same account as "
            "the bucket. Modify the request to specify a KMS key from the same account, and then "
            "try again.",
            403,
        )


@refusing
def _update_object_encryption(
    provider: Any, context: Any, bucket: str, key: str, **parameters: Any
) -> dict[str, Any]:
    # Private, but how each of the provider's own operations begins.
    _, s3_bucket = provider._get_cross_account_bucket(  # noqa: SLF001
        context, bucket, expected_bucket_owner=parameters.get("expected_bucket_owner")
    )
    target = target_of(parameters.get("object_encryption"), s3_bucket.bucket_account_id)
    version = s3_bucket.get_object(
        key=key, version_id=parameters.get("version_id"), http_method="PUT"
    )
    check_source(_source(version))
    _check_key(target.key_arn, s3_bucket.bucket_region)
    version.encryption = "aws:kms"
    version.kms_key_id = target.key_arn
    version.bucket_key_enabled = target.bucket_key_enabled
    return {}


def _source(version: Any) -> Source:
    return Source(
        encryption=version.encryption,
        has_customer_key=version.sse_key_hash is not None,
        lock_mode=version.lock_mode,
        legal_hold=version.lock_legal_status,
    )


def _check_key(key_arn: str, bucket_region: str) -> None:
    """Refuse a key that cannot encrypt: a key of another Region is none to S3."""
    _, _, _, region, account_id, key_id = key_arn.split(":")
    here = region == bucket_region
    check_state(
        key_arn, state_of(account_id, region, key_id.removeprefix("key/")) if here else None
    )
