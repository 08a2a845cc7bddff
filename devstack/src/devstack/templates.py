"""The CloudFormation templates, and what their intrinsic functions come to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from logferry.template import Resolved, TemplateLoader


class _Written(dict[Any, Any]):
    """A mapping of a template that knows on which of its lines it begins, counted from 0."""

    line: int


class _Loader(TemplateLoader):
    """Reads a template whose mappings know their lines."""


def _written(loader: _Loader, node: yaml.MappingNode) -> _Written:
    found = _Written(loader.construct_mapping(node, deep=True))
    found.line = node.start_mark.line
    return found


_Loader.add_constructor("tag:yaml.org,2002:map", _written)


class Template:
    """One template, read.

    Attributes:
        path: Of its file.
        document: As YAML has it, ``!Sub x`` as ``{"Fn::Sub": "x"}``.
    """

    def __init__(self, path: Path) -> None:
        """Read it."""
        self.path = path
        text = path.read_text(encoding="utf-8")
        self.document: dict[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506  a safe one
        self._lines = text.splitlines()

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Its resources, as they are written."""
        resources: dict[str, dict[str, Any]] = self.document["Resources"]
        return resources

    def comment(self, node: _Written) -> str:
        """Return the comment right above a part of it, in one line; empty where there is none."""
        last = node.line - 1
        first = last
        while self._lines[first].lstrip().startswith("#"):
            first -= 1
        return " ".join(line.lstrip(" #") for line in self._lines[first + 1 : last + 1])


@dataclass(frozen=True)
class Policy:
    """One policy document of a template.

    Attributes:
        logical_id: Of the resource that it is a part of.
        kind: ``identity``, ``trust`` or ``resource``.
        document: Worked out.
        comments: What the template says above a statement, by its Sid.
    """

    logical_id: str
    kind: str
    document: dict[str, Any]
    comments: Mapping[str, str]

    @property
    def statements(self) -> list[dict[str, Any]]:
        """Its statements."""
        statements: list[dict[str, Any]] = self.document["Statement"]
        return statements


def policies(template: Template, resolved: Resolved) -> Iterator[Policy]:
    """Yield every policy document of a template: of roles, buckets, keys, queues and topics."""
    for logical_id, resource in resolved.resources.items():
        is_identity = resource["Type"].startswith("AWS::IAM::")
        for keys, document in _documents(resource["Properties"]):
            written = template.resources[logical_id]["Properties"]
            for key in keys:
                written = written[key]
            is_trust = keys[-1] == "AssumeRolePolicyDocument"
            yield Policy(
                logical_id,
                "trust" if is_trust else "identity" if is_identity else "resource",
                document,
                {
                    statement.get("Sid", ""): template.comment(statement)
                    for statement in _statements(written["Statement"])
                },
            )


def _statements(node: Any) -> Iterator[_Written]:
    """Yield statements as they are written, those of an Fn::If included."""
    if isinstance(node, list):
        for item in node:
            yield from _statements(item)
    elif isinstance(node, _Written):
        if "Effect" in node:
            yield node
        else:
            yield from _statements(list(node.values()))
    elif isinstance(node, dict):  # a function in its short form
        yield from _statements(list(node.values()))


def _documents(node: Any, *keys: Any) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield what has statements below a part of a template, with the way to it."""
    if isinstance(node, dict):
        if "Statement" in node:
            yield keys, node
        else:
            for key, item in node.items():
                yield from _documents(item, *keys, key)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _documents(item, *keys, index)


def as_list(value: Any) -> list[Any]:
    """Return a list: policies have one thing, or a list of things."""
    return value if isinstance(value, list) else [value]
