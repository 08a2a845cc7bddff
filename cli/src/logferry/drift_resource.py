"""What is alike in how resources of any type are looked at and mended."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

type Clients = Callable[[str], Any]
"""Gives the client of a service, in the hub's account and Region."""
type Values = dict[str, Any]
"""Of properties, by their names in a template."""

_GONE = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucketPolicy",
    "NoSuchEntity",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NotFound",
    "NotFoundException",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ResourceNotFoundException",
    "ServerSideEncryptionConfigurationNotFoundError",
}
"""Codes for what is not there. That a bucket is gone is an error: nothing brings it back."""
_ROOT = re.compile(r"arn:[^:]+:iam::([0-9]{12}):root")


@dataclass(frozen=True)
class Resource:
    """A resource of a stack as its template has it.

    Attributes:
        physical_id: CloudFormation's; a queue's is its URL.
        properties: With everything worked out, and with the defaults of its `Kind`.
    """

    logical_id: str
    resource_type: str
    physical_id: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """How resources of a type are looked at and mended.

    Attributes:
        read: Returns what the service has; None where there is no such resource.
        put: Puts what the template says, also where there is nothing unless ``has_own_id``.
        defaults: Of properties that a template leaves out.
        has_own_id: Whether the service gives it an id, which the stack has to know: where it is
            gone, it is taken out of the stack and put into it again.
    """

    read: Callable[[Clients, Resource], Values | None]
    put: Callable[[Clients, Resource], object]
    defaults: Mapping[str, Any]
    has_own_id: bool = False


def comparable(value: Any) -> Any:
    """Return a value in the one of its spellings that compares: services answer in others.

    Numbers and booleans as text, JSON texts read, one thing for a list of one, lists of texts in
    order, an account's id for its ARN.
    """
    if isinstance(value, Mapping):
        return {name: comparable(each) for name, each in value.items()}
    if isinstance(value, list):
        found = [comparable(each) for each in value]
        if len(found) == 1:
            return found[0]
        return sorted(found) if all(isinstance(each, str) for each in found) else found
    if not isinstance(value, str):
        return json.dumps(value)
    if read := _read(value):
        return comparable(read)
    root = _ROOT.fullmatch(value)
    return root[1] if root else value


def _read(text: str) -> Any:
    """Return what a JSON text says, an object or a list; None for any other text."""
    try:
        return json.loads(text) if text.startswith(("{", "[")) else None
    except ValueError:
        return None


def some[T](answer: Callable[[], T]) -> T | None:
    """Return what a service answers; None where it says that there is nothing."""
    try:
        return answer()
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise


def named(values: Mapping[str, Any] | None, names: tuple[str, ...]) -> Values | None:
    """Return some of the values, None for those that are not there; None for none at all."""
    return None if values is None else {name: values.get(name) for name in names}


def texts_of(properties: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """Return properties as attributes, which are texts."""
    texts = {name: properties[name] for name in names if name in properties}
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in texts.items()
    }


def numbers_in(value: Any) -> Any:
    """Return a value with its numbers as such: those of parameters are texts."""
    if isinstance(value, dict):
        return {name: numbers_in(each) for name, each in value.items()}
    return int(value) if isinstance(value, str) and value.isdigit() else value


def tags_of(resource: Resource) -> dict[str, str]:
    """Return a resource's tags, by their keys."""
    return {tag["Key"]: tag["Value"] for tag in resource.properties.get("Tags", [])}
