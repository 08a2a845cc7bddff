"""The contracts' files as the tests find them: a new schema or example is tested by being there."""

from pathlib import Path
from typing import Any

from logferry_contracts.documents import (
    EXAMPLES,
    SCHEMAS,
    Example,
    Version,
    examples,
    newest_schema,
    schema,
    versions,
)

__all__ = [
    "CONTRACTS",
    "EXAMPLES",
    "SCHEMAS",
    "Example",
    "Version",
    "examples",
    "inlined",
    "newest_schema",
    "schema",
    "versions",
]

CONTRACTS = Path(__file__).parents[1]


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
