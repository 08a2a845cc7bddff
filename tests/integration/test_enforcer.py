"""The deployed sse-enforcer, by S3's own events: every origin, lock and size of an object."""

from datetime import UTC, datetime

import pytest

pytestmark = pytest.mark.localstack

PREFIX = "alpha/test/2026/11/22/00/direct"
IN_2099 = datetime(2099, 1, 1, tzinfo=UTC)
RETAINED = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": IN_2099}
LOCKS = {
    "free": {},
    "governance": RETAINED,
    "compliance": RETAINED | {"ObjectLockMode": "COMPLIANCE"},
    "hold": {"ObjectLockLegalHoldStatus": "ON"},
}
LIMIT_BYTES = 5 * 1024**2


@pytest.fixture
def small_limit(suite):
    """Let the enforcer take for large what an emulator can carry."""
    functions, name = suite.client("lambda"), "logferry-sse-enforcer"

    def configure(variables):
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    configure(before | {"COPY_LIMIT_BYTES": str(LIMIT_BYTES), "COPY_PART_BYTES": str(LIMIT_BYTES)})
    yield
    configure(before)


def test_objects_of_every_name_lock_and_size_end_under_the_key(suite, tap, small_limit):
    s3, bucket = suite.client("s3"), suite.archive_bucket
    large = bytes(range(256)) * (2 * LIMIT_BYTES // 256 + 1)
    put = {}
    for name, lock in LOCKS.items():
        for size, body in (("small", b"x"), ("large", large)):
            key = f"{PREFIX}/{name} {size} a+b 100% Köln/000000.gz"
            version = s3.put_object(  # type: ignore[arg-type]
                Bucket=bucket, Key=key, Body=body, ServerSideEncryption="AES256", **lock
            )
            put[key] = (version["VersionId"], body, lock)

    def secured():
        return {e["data"]["key"] for e in tap.events if e["type"].startswith("logferry.object.")}

    tap.until(lambda: secured() >= put.keys())
    tap.until(lambda: suite.waiting("logferry-sse-enforcer") == 0)
    for key, (version_id, body, lock) in put.items():
        versions = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
        assert len(versions) == (2 if lock else 1)
        assert version_id in {version["VersionId"] for version in versions}
        current = s3.get_object(Bucket=bucket, Key=key)
        assert current["SSEKMSKeyId"] == suite.kms_key_arn
        assert current["Body"].read() == body
        assert {name: current.get(name) for name in lock} == lock  # type: ignore[attr-defined]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert suite.waiting("logferry-sse-enforcer-dlq") == 0
