"""A bucket's lifecycle rules compared: of every template, as S3 takes and answers them."""

from typing import Any

import pytest

from logferry.drift_lifecycle import as_s3_lifecycle, lifecycle_of
from logferry.drift_resource import comparable

RULES = [
    {
        "Id": "uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": "7"},
    },
    {
        "Id": "former-states",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
        "ExpiredObjectDeleteMarker": "true",
    },
    {"Id": "plans", "Status": "Enabled", "Prefix": "plans/", "ExpirationInDays": 30},
    {
        "Id": "large-notes",
        "Status": "Enabled",
        "Prefix": "seals/",
        "ObjectSizeGreaterThan": "512",
        "ExpirationInDays": 400,
    },
    {
        "Id": "empty-notes",
        "Status": "Enabled",
        "Prefix": "seals/",
        "ObjectSizeLessThan": "1",
        "ExpirationInDays": 400,
    },
    {
        "Id": "colder-storage",
        "Status": "Enabled",
        "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": "30"}],
    },
]


def test_what_was_put_is_answered_as_it_was_declared() -> None:
    put = as_s3_lifecycle({"Rules": RULES})
    assert comparable(lifecycle_of(put)) == comparable({"Rules": RULES})


@pytest.mark.parametrize(
    "changes",
    [
        {"Status": "Disabled"},
        {"Expiration": {"Days": 31}},
        {"Expiration": {"Days": 30, "ExpiredObjectDeleteMarker": True}},
        {"Filter": {"Prefix": ""}},
        {"Filter": {"Tag": {"Key": "a", "Value": "b"}}},
        {"Filter": {"And": {"Prefix": "plans/", "ObjectSizeLessThan": 1}}},
        {"Transitions": [{"StorageClass": "GLACIER", "Days": 1}]},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
    ],
)
def test_a_rule_that_was_changed_in_any_way_is_another(changes: dict[str, Any]) -> None:
    declared = {"Rules": [RULES[2]]}
    [rule] = as_s3_lifecycle(declared)["Rules"]
    assert comparable(lifecycle_of({"Rules": [rule | changes]})) != comparable(declared)


def test_a_bucket_without_rules_is_not_as_declared() -> None:
    assert lifecycle_of({}) != {"Rules": RULES}
