"""S3 objects and their keys."""

from typing import Any

from logferry.acceptance.answer import Question
from logferry.acceptance.bench import Bench, code_of, refusal, words_of
from logferry.acceptance.probe import Probe, Seen

KEPT = ("VersionId", "ETag", "ChecksumSHA256", "ContentLength")
BAD_REQUEST = 400


def _key_arn(bench: Bench, logical_id: str) -> str:
    key_id = bench.resource(logical_id)
    arn: str = bench.client("kms").describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]
    return arn


def _in_place(bench: Bench) -> Seen:
    """Bring an object under another key, and look what has changed."""
    s3, bucket, key = bench.client("s3"), bench.resource("Bucket"), "objects/in-place"
    arn = _key_arn(bench, "Key")
    s3.put_object(Bucket=bucket, Key=key, Body=b"acceptance", ChecksumAlgorithm="SHA256")
    before = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    refused = refusal(
        lambda: s3.update_object_encryption(
            Bucket=bucket,
            Key=key,
            VersionId=before["VersionId"],
            ObjectEncryption={"SSEKMS": {"KMSKeyArn": arn, "BucketKeyEnabled": True}},
        )
    )
    if refused is not None:
        return f"refused: {code_of(refused)}", words_of(refused)
    after = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    changed = [name for name in KEPT if before.get(name) != after.get(name)]
    if after.get("SSEKMSKeyId") != arn:
        return "not under the key", {}
    return ", ".join(["under the key", *(f"another {name}" for name in changed)]), {}


def _disabled_key(bench: Bench) -> Seen:
    """Look at an object whose key is disabled."""
    s3, kms, bucket = bench.client("s3"), bench.client("kms"), bench.resource("Bucket")
    key, arn = "objects/disabled-key", _key_arn(bench, "KeyToDisable")
    kms.enable_key(KeyId=bench.resource("KeyToDisable"))
    s3.put_object(
        Bucket=bucket, Key=key, Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=arn
    )
    kms.disable_key(KeyId=bench.resource("KeyToDisable"))

    def status() -> int | None:
        refused = refusal(lambda: s3.head_object(Bucket=bucket, Key=key))
        return refused.response["ResponseMetadata"]["HTTPStatusCode"] if refused else None

    head: Any = bench.until("a refusal of HeadObject after DisableKey", status)
    got = refusal(lambda: s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0"))
    code = "answered" if got is None else code_of(got)
    return f"HeadObject {head}, GetObject {code}", words_of(got)


PROBES = (
    Probe(
        Question(
            name="object-encrypted-in-place",
            question="What does UpdateObjectEncryption leave as it was?",
            expected="under the key",
            relies="services/sse-enforcer/src/sse_enforcer/aws/encryption.py",
            means="Objects under a wrong key are copied, at the cost of a second version, or a "
            "manifest's ETags do not fit any more. Report it.",
        ),
        _in_place,
    ),
    Probe(
        Question(
            name="object-under-a-disabled-key",
            question="How does S3 refuse an object whose key is disabled?",
            expected=f"HeadObject {BAD_REQUEST}, GetObject KMS.DisabledException",
            relies="services/sse-enforcer/src/sse_enforcer/aws/archive.py",
            means="The enforcer does not say why an object cannot be read, or leaves it alone "
            "instead of trying again. Report it.",
        ),
        _disabled_key,
    ),
)
