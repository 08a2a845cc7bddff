"""A bucket's lifecycle rules, as templates have them and as S3 has them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-rule.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
"""

from collections.abc import Mapping
from typing import Any

from logferry.drift_resource import Values, comparable, numbers_in

_SAME = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
"""What both call by one name."""

_SIZES = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")
"""What S3 has within a filter, and a template beside the prefix."""

_OTHERWISE = ("ID", "Filter", "Prefix", "Expiration", "Transitions")
"""What S3 has otherwise than a template."""


def lifecycle_of(answer: Mapping[str, Any]) -> Values:
    """Return what S3 answers as a template has it; what no template of ours has as it is."""
    return {"Rules": [_rule_of(rule) for rule in answer.get("Rules", [])]}


def as_s3_lifecycle(configuration: Any) -> Values:
    """Return a template's ``LifecycleConfiguration`` as S3 takes it."""
    return {"Rules": [_as_s3_rule(numbers_in(rule)) for rule in configuration["Rules"]]}


def _rule_of(rule: Mapping[str, Any]) -> Values:
    found = {name: value for name, value in rule.items() if name not in _OTHERWISE}
    found["Id"] = rule.get("ID")
    expiration = dict(rule.get("Expiration", {}))
    if "Days" in expiration:
        found["ExpirationInDays"] = expiration.pop("Days")
    found |= expiration
    narrowed = dict(rule.get("Filter", {}))
    both = dict(narrowed.get("And", {}))
    if both and both.keys() <= {"Prefix", *_SIZES}:
        narrowed = {name: each for name, each in narrowed.items() if name != "And"} | both
    prefix = narrowed.pop("Prefix", "") or rule.get("Prefix", "")
    found |= {name: narrowed.pop(name) for name in _SIZES if name in narrowed}
    if prefix:
        found["Prefix"] = prefix
    if narrowed:
        found["Filter"] = narrowed
    if "Transitions" in rule:
        found["Transitions"] = [
            {"StorageClass": each["StorageClass"], "TransitionInDays": each.get("Days")}
            for each in rule["Transitions"]
        ]
    return found


def _as_s3_rule(rule: Values) -> Values:
    prefix = {"Prefix": rule.get("Prefix", "")}
    sizes = {name: int(rule[name]) for name in _SIZES if name in rule}
    made: Values = {"ID": rule["Id"], "Filter": {"And": prefix | sizes} if sizes else prefix}
    made |= {name: rule[name] for name in _SAME if name in rule}
    expiration: Values = {}
    if "ExpirationInDays" in rule:
        expiration["Days"] = rule["ExpirationInDays"]
    if comparable(rule.get("ExpiredObjectDeleteMarker", False)) == "true":
        expiration["ExpiredObjectDeleteMarker"] = True
    if expiration:
        made["Expiration"] = expiration
    if "Transitions" in rule:
        made["Transitions"] = [
            {"StorageClass": each["StorageClass"], "Days": int(each["TransitionInDays"])}
            for each in rule["Transitions"]
        ]
    return made
