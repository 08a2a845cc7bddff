from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sse_enforcer.errors import RefusedError
from sse_enforcer.verdict import (
    COPY_LIMIT_BYTES,
    ObjectVersion,
    Retention,
    Verdict,
    check_copyable,
    differences,
    is_proven,
    verdict,
)

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
EARLIER = NOW - timedelta(days=1)
KEY = "arn:aws:kms:eu-west-1:111122223333:key/0123"
OTHER_KEY = "arn:aws:kms:eu-west-1:111122223333:key/4567"

ORIGINAL = ObjectVersion(
    key="k",
    version_id="v1",
    size_bytes=9,
    etag='"e1"',
    encryption="AES256",
    kms_key_arn=None,
    bucket_key_enabled=False,
    storage_class="STANDARD",
    offline=False,
    retention=None,
    legal_hold=False,
    event_hold=False,
    checksums={"CRC64NVME": "AAAA"},
    headers={"ContentType": "application/x-gzip"},
    metadata={"a": "b"},
    missing_metadata=0,
    tag_count=1,
)
COPY = replace(ORIGINAL, version_id="v2", etag='"e2"', encryption="aws:kms", kms_key_arn=KEY)


def differing(original=ORIGINAL, copy=COPY):
    return [text.split(" is ")[0] for text in differences(original, copy, key_arn=KEY, now=NOW)]


@pytest.mark.parametrize(
    ("encryption", "key_arn", "expected"),
    [
        ("aws:kms", KEY, Verdict.LEAVE),
        ("aws:kms", OTHER_KEY, Verdict.UPDATE),
        ("AES256", None, Verdict.UPDATE),
        ("aws:kms:dsse", KEY, Verdict.COPY),
        (None, None, Verdict.COPY),
    ],
)
def test_the_verdict_follows_from_encryption_and_key(encryption, key_arn, expected):
    assert verdict(replace(ORIGINAL, encryption=encryption, kms_key_arn=key_arn), KEY) is expected


def test_a_missing_bucket_key_is_no_reason_to_rewrite():
    assert verdict(replace(COPY, bucket_key_enabled=False), KEY) is Verdict.LEAVE


def test_an_equal_copy_can_stand_in():
    assert differing() == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"size_bytes": 8}, "size"),
        ({"kms_key_arn": OTHER_KEY}, "encryption"),
        ({"encryption": "AES256", "kms_key_arn": None}, "encryption"),
        ({"storage_class": "STANDARD_IA"}, "storage class"),
        ({"headers": {}}, "headers"),
        ({"metadata": {"a": "c"}}, "metadata"),
        ({"tag_count": 0}, "number of tags"),
        ({"checksums": {"CRC64NVME": "AAAB"}}, "CRC64NVME"),
    ],
)
def test_a_copy_that_differs_cannot_stand_in(change, difference):
    assert differing(copy=replace(COPY, **change)) == [difference]


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        (Retention("COMPLIANCE", LATER), []),
        (Retention("COMPLIANCE", LATER - timedelta(milliseconds=1)), ["retention"]),
        (Retention("GOVERNANCE", LATER), ["retention"]),
        (None, ["retention"]),
    ],
)
def test_a_copy_has_the_retention_of_its_original(kept, found):
    original = replace(ORIGINAL, retention=Retention("COMPLIANCE", LATER))

    assert differing(original, replace(COPY, retention=kept)) == found


def test_a_copy_may_be_retained_by_the_buckets_default():
    assert differing(copy=replace(COPY, retention=Retention("GOVERNANCE", LATER))) == []


def test_a_retention_period_that_has_ended_need_not_be_copied():
    assert differing(replace(ORIGINAL, retention=Retention("GOVERNANCE", EARLIER))) == []


def test_a_copy_has_the_legal_hold_of_its_original():
    held = replace(ORIGINAL, legal_hold=True)

    assert differing(held, COPY) == ["legal hold"]
    assert differing(held, replace(COPY, legal_hold=True)) == []


@pytest.mark.parametrize(
    ("checksums", "proven"),
    [
        ({"CRC64NVME": "AAAA"}, True),
        ({"CRC64NVME": "AAAA", "SHA256": "only there"}, True),
        ({"SHA256": "only there"}, False),
        ({"CRC64NVME": "AAAB"}, False),
        ({}, False),
    ],
)
def test_only_a_shared_checksum_proves_equal_content(checksums, proven):
    assert is_proven(ORIGINAL, replace(COPY, checksums=checksums)) is proven


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size_bytes": COPY_LIMIT_BYTES + 1}, "too_large_to_copy"),
        ({"offline": True}, "offline"),
        ({"event_hold": True}, "event_hold"),
        ({"missing_metadata": 1}, "hidden_metadata"),
    ],
)
def test_what_a_copy_cannot_stand_in_for_is_not_copied(change, reason):
    with pytest.raises(RefusedError, match=f"^{reason}: k "):
        check_copyable(replace(ORIGINAL, **change))


def test_an_object_of_exactly_the_limit_is_copied():
    check_copyable(replace(ORIGINAL, size_bytes=COPY_LIMIT_BYTES))


@pytest.mark.parametrize(
    ("change", "locked"),
    [
        ({}, False),
        ({"legal_hold": True}, True),
        ({"event_hold": True}, True),
        ({"retention": Retention("GOVERNANCE", LATER)}, True),
        ({"retention": Retention("GOVERNANCE", NOW)}, False),
    ],
)
def test_holds_and_retention_lock_until_they_end(change, locked):
    assert replace(ORIGINAL, **change).is_locked(NOW) is locked


def test_a_lock_that_has_ended_still_keeps_s3_from_updating():
    assert replace(ORIGINAL, retention=Retention("GOVERNANCE", EARLIER)).has_lock
