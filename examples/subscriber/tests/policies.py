"""IAM policies of templates, and IAM's verdict on a request."""

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from logferry.template import load_template

_NO_VALUE = object()
_OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "StringEquals": lambda expected, actual: expected == actual,
    "StringLike": lambda expected, actual: fnmatchcase(actual, expected),
    "ArnEquals": lambda expected, actual: fnmatchcase(actual, expected),
    "Bool": lambda expected, actual: str(expected).lower() == actual,
}
"""As IAM compares.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""


def resources(path: Path, **given: Any) -> dict[str, Any]:
    """Return a template's resources with the intrinsic functions worked out.

    A resource is known by its logical id, and its ARN by ``<logical id>.Arn``.
    """
    template = load_template(path.read_text())
    defaults = {name: each.get("Default") for name, each in template["Parameters"].items()}
    pseudo = {
        "AWS::Partition": "aws",
        "AWS::Region": "eu-west-1",
        "AWS::AccountId": "111122223333",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NoValue": _NO_VALUE,
    }
    values = {**defaults, **pseudo, **given}
    found: dict[str, Any] = _worked_out(
        template["Resources"], values, template.get("Conditions", {})
    )
    return found


def allowed(policy: Any, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Return whether a policy document allows a request, and no statement of it denies it."""
    effects = {s["Effect"] for s in policy["Statement"] if _applies(s, action, resource, context)}
    return effects == {"Allow"}


def _worked_out(node: Any, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> Any:
    def value(node: Any) -> Any:
        return _worked_out(node, values, conditions)

    def sub(of: Any) -> str:
        text, own = (of, {}) if isinstance(of, str) else (of[0], value(of[1]))
        known = {**values, **own}
        return re.sub(r"\$\{([^}]+)\}", lambda name: str(known.get(name[1], name[1])), text)

    functions: dict[str, Callable[[Any], Any]] = {
        "Ref": lambda of: values.get(of, of),
        "Fn::GetAtt": ".".join,
        "Fn::Sub": sub,
        "Fn::Join": lambda of: of[0].join(value(of[1])),
        "Fn::Split": lambda of: value(of[1]).split(of[0]),
        "Fn::Select": lambda of: value(of[1])[int(of[0])],
        "Fn::If": lambda of: value(of[1] if value(conditions[of[0]]) else of[2]),
        "Fn::Not": lambda of: not value(of[0]),
        "Fn::Equals": lambda of: value(of[0]) == value(of[1]),
    }
    if isinstance(node, list):
        return [found for found in map(value, node) if found is not _NO_VALUE]
    if not isinstance(node, dict):
        return node
    if len(node) == 1 and next(iter(node)) in functions:
        ((name, of),) = node.items()
        return functions[name](of)
    found = {name: value(child) for name, child in node.items()}
    return {name: child for name, child in found.items() if child is not _NO_VALUE}


def _applies(statement: Any, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Return whether a statement is about a request; a key the request lacks makes it not be."""
    return (
        any(fnmatchcase(action, each) for each in _as_list(statement["Action"]))
        and any(fnmatchcase(resource, each) for each in _as_list(statement.get("Resource", "*")))
        and all(
            key in context
            and any(_OPERATORS[operator](each, context[key]) for each in _as_list(expected))
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
