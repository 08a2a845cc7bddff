"""The contracts' files as the tests find them: a new schema or example is tested by being there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).parents[1]
SCHEMAS = CONTRACTS / "schemas"
EXAMPLES = CONTRACTS / "examples"

type Version = tuple[int, int]
"""Major and minor."""


@dataclass(frozen=True)
class Example:
    """One file ``examples/<message>/<version>/<accept or reject>/<reason>.json``."""

    message: str
    version: Version
    reason: str
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)

    def __str__(self) -> str:
        return f"{self.message}-{self.version[0]}.{self.version[1]}-{self.reason}"


def examples(verdict: str) -> list[Example]:
    """Return every example of a verdict, ``accept`` or ``reject``."""
    return [
        Example(path.parts[-4], _version(path.parts[-3]), path.stem, path.read_text("utf-8"))
        for path in sorted(EXAMPLES.glob(f"*/*/{verdict}/*.json"))
    ]


def versions(message: str, schemas: Path = SCHEMAS) -> list[Version]:
    """Return every version of a message's schema, oldest first."""
    return sorted(_version(path.stem) for path in (schemas / message).glob("*.json"))


def schema(message: str, version: Version, schemas: Path = SCHEMAS) -> Any:
    """Return one schema."""
    major, minor = version
    return json.loads((schemas / message / f"{major}.{minor}.json").read_text("utf-8"))


def newest_schema(message: str) -> Any:
    """Return the schema that a message's model is held to."""
    return schema(message, versions(message)[-1])


def inlined(schema: Any) -> Any:
    """Return a schema in which each $ref has become what it refers to."""
    return _inlined(schema, schema.get("$defs", {}))


def _inlined(node: Any, definitions: Any) -> Any:
    if isinstance(node, list):
        return [_inlined(child, definitions) for child in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        node = {**target, **{word: node[word] for word in node if word != "$ref"}}
    return {word: _inlined(child, definitions) for word, child in node.items() if word != "$defs"}


def _version(text: str) -> Version:
    major, minor = text.split(".")
    return int(major), int(minor)
