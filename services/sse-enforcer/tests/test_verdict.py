from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sse_enforcer.verdict import (
    COPY_LIMIT_BYTES,
    ObjectVersion,
    Retention,
    Verdict,
    Wanted,
    differences,
    is_proven,
    on_log_file,
    on_write_test,
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


def on(version, *, hold=False, in_place=True):
    wanted = Wanted(key_arn=KEY, hold=hold, may_copy=True, now=NOW)
    decision = on_log_file(version, wanted, in_place=in_place)
    return decision.reason or decision.verdict


@pytest.mark.parametrize(
    ("encryption", "key_arn", "expected"),
    [
        ("aws:kms", KEY, Verdict.LEAVE),
        ("aws:kms:dsse", KEY, Verdict.LEAVE),
        ("aws:kms", OTHER_KEY, Verdict.UPDATE),
        ("AES256", None, Verdict.UPDATE),
        ("aws:kms:dsse", OTHER_KEY, Verdict.COPY),
        ("aws:fsx", None, Verdict.COPY),
        (None, None, Verdict.COPY),
    ],
)
def test_the_verdict_follows_from_encryption_and_key(encryption, key_arn, expected):
    assert on(replace(ORIGINAL, encryption=encryption, kms_key_arn=key_arn)) is expected


def test_the_hold_comes_after_the_key():
    assert on(ORIGINAL, hold=True) is Verdict.UPDATE
    assert on(COPY, hold=True) is Verdict.HOLD
    assert on(COPY, hold=False) is Verdict.LEAVE
    assert on(replace(COPY, legal_hold=True), hold=True) is Verdict.LEAVE


def test_a_hold_is_never_lifted():
    assert on(replace(COPY, legal_hold=True), hold=False) is Verdict.LEAVE


def test_a_missing_bucket_key_is_no_reason_to_rewrite():
    assert on(replace(COPY, bucket_key_enabled=False)) is Verdict.LEAVE


@pytest.mark.parametrize(
    "lock",
    [{"legal_hold": True}, {"retention": Retention("COMPLIANCE", LATER)}],
    ids=["hold", "retention"],
)
def test_what_is_locked_is_copied(lock):
    assert on(replace(ORIGINAL, **lock)) is Verdict.COPY


def test_a_retention_that_has_ended_is_copied_only_if_s3_refuses_the_update():
    ended = replace(ORIGINAL, retention=Retention("GOVERNANCE", EARLIER))

    assert on(ended) is Verdict.UPDATE
    assert on(ended, in_place=False) is Verdict.COPY


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"size_bytes": COPY_LIMIT_BYTES}, Verdict.COPY),
        ({"size_bytes": COPY_LIMIT_BYTES + 1}, Verdict.COPY_IN_PARTS),
        ({"checksums": {}, "part_checksums": {"CRC32": "AAAA-2"}}, Verdict.COPY_IN_PARTS),
        ({"part_checksums": {"CRC32": "AAAA-2"}}, Verdict.COPY),
        ({"checksums": {}}, Verdict.COPY),
    ],
)
def test_what_is_large_or_known_by_its_parts_only_is_copied_in_parts(change, expected):
    assert on(replace(ORIGINAL, **change), in_place=False) is expected


LARGE = {"size_bytes": COPY_LIMIT_BYTES + 1}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"offline": True}, "offline"),
        ({"event_hold": True}, "event_hold"),
        ({"missing_metadata": 1}, "hidden_metadata"),
        (LARGE | {"headers": {"ExpiresString": "never"}}, "hidden_metadata"),
        ({"metadata": {"x-amz-key-v2": "AQID"}}, "client_side_encrypted"),
        ({"metadata": {"x-amz-3": "AQID"}}, "client_side_encrypted"),
    ],
)
def test_what_a_copy_cannot_stand_in_for_is_reported(change, reason):
    version = replace(ORIGINAL, **change)
    wanted = Wanted(key_arn=KEY, hold=True, may_copy=True, now=NOW)
    decision = on_log_file(version, wanted, in_place=False)

    assert (decision.verdict, decision.reason) == (Verdict.REPORT, reason)
    assert decision.detail.startswith("k (version v1) ")


@pytest.mark.parametrize(
    "change",
    [
        {"offline": True},
        {"missing_metadata": 1},
        LARGE,
        LARGE | {"headers": {"ExpiresString": "never"}},
    ],
)
def test_what_no_copy_can_stand_in_for_is_updated_in_place_where_that_is_possible(change):
    assert on(replace(ORIGINAL, **change)) is Verdict.UPDATE


def test_a_date_of_expiry_is_sent_again():
    headers = {"ExpiresString": "Wed, 21 Oct 2037 07:28:00 GMT"}

    assert on(replace(ORIGINAL, **LARGE, headers=headers), in_place=False) is Verdict.COPY_IN_PARTS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Verdict.REMOVE),
        ({"size_bytes": 1024}, Verdict.REMOVE),
        ({"retention": Retention("GOVERNANCE", EARLIER)}, Verdict.REMOVE),
        ({"size_bytes": 1025}, Verdict.LEAVE),
        ({"version_id": "null"}, Verdict.LEAVE),
        ({"legal_hold": True}, Verdict.LEAVE),
        ({"event_hold": True}, Verdict.LEAVE),
        ({"retention": Retention("GOVERNANCE", LATER)}, Verdict.LEAVE),
    ],
)
def test_a_write_test_is_removed_unless_it_may_be_more_than_one(change, expected):
    assert on_write_test(replace(ORIGINAL, **change), NOW).verdict is expected


def test_an_equal_copy_can_stand_in():
    assert differing() == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"size_bytes": 8}, "size"),
        ({"kms_key_arn": OTHER_KEY}, "key"),
        ({"encryption": "AES256"}, "encryption"),
        ({"encryption": "aws:kms:dsse"}, "encryption"),
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
    ("checksums", "part_checksums", "proven"),
    [
        ({}, {"CRC32": "AAAA-2"}, True),
        ({}, {"CRC32": "AAAA-3"}, False),
        ({}, {"CRC32C": "AAAA-2"}, False),
        ({"CRC64NVME": "AAAB"}, {"CRC32": "AAAA-2"}, False),
    ],
)
def test_the_same_checksum_of_parts_proves_equal_content_too(checksums, part_checksums, proven):
    original = replace(ORIGINAL, checksums=checksums and ORIGINAL.checksums)
    original = replace(original, part_checksums={"CRC32": "AAAA-2"})

    copy = replace(COPY, checksums=checksums, part_checksums=part_checksums)
    assert is_proven(original, copy) is proven


def test_the_copy_of_an_object_under_two_layers_has_two_layers():
    original = replace(ORIGINAL, encryption="aws:kms:dsse", kms_key_arn=OTHER_KEY)

    assert differing(original, COPY) == ["encryption"]
    assert differing(original, replace(COPY, encryption="aws:kms:dsse")) == []


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
