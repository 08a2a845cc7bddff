"""Which changes of a schema a minor version may make: it may add optional fields, and nothing else.

A message that was written by the new version must pass every reader of the old one, and one that
was written by the old version every reader of the new one. Where a finer comparison could allow
more, this one does not: what it refuses is a new major.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

from contracts.tests.documents import SCHEMAS, Version, inlined, versions

ANNOTATIONS = {"$schema", "$id", "$comment", "title", "description", "examples"}
"""What a reader does not act on. Not ``format``, which some validators assert."""

_UNORDERED = {"required", "enum"}
_NESTED = {"items", "additionalProperties", "propertyNames"}


def consecutive_minors(message: str, schemas: Path = SCHEMAS) -> list[tuple[Version, Version]]:
    """Return every two versions of one major that follow each other."""
    pairs = pairwise(versions(message, schemas))
    return [(old, new) for old, new in pairs if old[0] == new[0]]


def breaking_changes(old: Any, new: Any) -> list[str]:
    """Say why ``new`` may not follow ``old`` within a major, one ``place: change`` each."""
    return _differences(_bare(inlined(old)), _bare(inlined(new)), "")


def _bare(node: Any) -> Any:
    """Leave out annotations, and the order where there is none."""
    if isinstance(node, list):
        return [_bare(child) for child in node]
    if not isinstance(node, dict):
        return node
    bare: dict[str, Any] = {}
    for word, child in node.items():
        if word == "properties":
            bare[word] = {name: _bare(each) for name, each in child.items()}
        elif word in _UNORDERED:
            bare[word] = sorted(child, key=repr)
        elif word not in ANNOTATIONS:
            bare[word] = _bare(child)
    return bare


def _differences(old: Any, new: Any, at: str) -> list[str]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{at or '/'}: {old!r} became {new!r}"]
    found = _field_differences(old, new, at)
    for word in sorted((old.keys() | new.keys()) - {"properties"}):
        before, after = old.get(word, "nothing"), new.get(word, "nothing")
        if word in _NESTED:
            found += _differences(before, after, f"{at}/{word}")
        elif before != after:
            found.append(f"{at or '/'}: {word} was {before!r}, is {after!r}")
    return found


def _field_differences(old: Any, new: Any, at: str) -> list[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    found = [f"{at}/{name}: is gone" for name in sorted(before.keys() - after.keys())]
    if isinstance(old.get("additionalProperties"), dict):
        added = sorted(after.keys() - before.keys())
        found += [f"{at}/{name}: was data, is a field" for name in added]
    for name in sorted(before.keys() & after.keys()):
        found += _differences(before[name], after[name], f"{at}/{name}")
    return found
