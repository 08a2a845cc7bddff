"""What would change in a stack's resources, as CloudFormation tells it, value by value."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ResourceChangeTypeDef

_REPLACES = {"True": True, "Conditional": None}
_EXTERNAL_ID = re.compile(r"external_?id$", re.IGNORECASE)
_EXTERNAL_ID_IN_JSON = re.compile(r'(external_?id\\*"\s*:\s*\\*")[^"\\]*', re.IGNORECASE)
_HIDDEN = "****"
"""As CloudFormation shows a NoEcho parameter."""


@dataclass(frozen=True)
class Difference:
    """A value that would not be what it is. What sources' roles ask for is not shown.

    Attributes:
        name: Of a parameter, or the path of a resource's property, such as
            ``Environment/Variables/HOLD``.
        before: As text; None where there is none, or CloudFormation does not say.
        after: The same.
    """

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """What would happen to one resource.

    Attributes:
        action: ``Add``, ``Modify`` or ``Remove``; ``Mend`` for what is not any more as the stack
            has made it.
        replaces: Whether a new resource takes the place of the old one; None where that shows
            only when it is done.
        differences: Of a resource that is modified, as far as CloudFormation tells.
    """

    action: str
    logical_id: str
    resource_type: str
    replaces: bool | None
    differences: Sequence[Difference] = ()


def change_of(about: "ResourceChangeTypeDef") -> Change:
    """Return what would happen to a resource, of a change set's words about it."""
    return Change(
        action=about["Action"],
        logical_id=about["LogicalResourceId"],
        resource_type=about["ResourceType"],
        replaces=_REPLACES.get(about.get("Replacement", ""), False),
        differences=list(_of_properties(about)) if about["Action"] == "Modify" else (),
    )


def _of_properties(about: "ResourceChangeTypeDef") -> Sequence[Difference]:
    """Return what differs in a resource, in the words of CloudFormation's details.

    Where these leave something out, its contexts have it: all properties before and after.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
    """
    found: dict[str, Difference] = {}
    for target in (detail["Target"] for detail in about.get("Details", [])):
        name = target.get("Path") or target.get("Name") or target.get("Attribute", "")
        name = name.removeprefix("/Properties/")
        before, after = target.get("BeforeValue"), target.get("AfterValue")
        # What is caused by several things has as many details, and not all of them have values.
        if name not in found or before is not None or after is not None:
            found[name] = difference(name, before, after)
    if found:
        return sorted(found.values(), key=lambda each: each.name)
    before_all, after_all = (
        _leaves(json.loads(text).get("Properties") or {}) if text else {}
        for text in (about.get("BeforeContext"), about.get("AfterContext"))
    )
    return differences(before_all, after_all)


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Return what differs between values, by their names."""
    return [
        difference(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def difference(name: str, before: str | None, after: str | None) -> Difference:
    """Return a value's difference, without what sources' roles ask for."""
    return Difference(name, _discreet(name, before), _discreet(name, after))


def _discreet(name: str, value: str | None) -> str | None:
    if value is None or _EXTERNAL_ID.search(name):
        return value and _HIDDEN
    return _EXTERNAL_ID_IN_JSON.sub(rf"\1{_HIDDEN}", value)


def _leaves(value: Any, at: str = "") -> dict[str, str]:
    """Return what a JSON value is made of, by its path."""
    if isinstance(value, list):
        value = {str(number): each for number, each in enumerate(value)}
    if not isinstance(value, dict):
        return {at: value if isinstance(value, str) else json.dumps(value)}
    found: dict[str, str] = {}
    for name, each in value.items():
        found |= _leaves(each, f"{at}/{name}" if at else name)
    return found
