"""Which changes of a schema a minor version may make: it may add optional fields, and nothing else.

A message that was written by the new version must pass every reader of the old one, and one that
was written by the old version every reader of the new one. Where a finer comparison could allow
more, this one does not: what it refuses is a new major.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from contracts.tests.documents import SCHEMAS, Version, inlined, schema, versions

ANNOTATIONS = {"$schema", "$id", "$comment", "title", "description", "examples"}
"""What a reader does not act on. Not ``format``, which some validators assert."""

_UNORDERED = {"required", "enum"}
_NESTED = {"items", "additionalProperties", "propertyNames"}
_LOWER_BOUNDS = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_UPPER_BOUNDS = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_ABSENT = object()

_OLD_REFUSE = "readers of the old version refuse what the new one may write"
_NEW_REFUSE = "readers of the new version refuse what the old one may have written"
_EITHER_REFUSES = "a reader of one version may refuse what the other writes"
_OLD_MISS = "readers of the old version look for it in vain"


@dataclass(frozen=True)
class Change:
    """One change that a minor version may not make.

    Attributes:
        place: The field, such as ``/data/window/from_ms``; an item of a list is ``items``.
        what: What was done to it.
        why: Whom it breaks.
    """

    place: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.place or '/'}: {self.what}: {self.why}"


def consecutive_minors(message: str, schemas: Path = SCHEMAS) -> list[tuple[Version, Version]]:
    """Return every two versions of one major that follow each other."""
    pairs = pairwise(versions(message, schemas))
    return [(old, new) for old, new in pairs if old[0] == new[0]]


def refusals(schemas: Path = SCHEMAS) -> list[str]:
    """Explain every released version that may not follow the one before it, one text each."""
    return [
        refusal(message, old, new, found)
        for message in sorted(path.name for path in schemas.iterdir() if path.is_dir())
        for old, new in consecutive_minors(message, schemas)
        if (found := breaking_changes(schema(message, old, schemas), schema(message, new, schemas)))
    ]


def refusal(message: str, old: Version, new: Version, changes: list[Change]) -> str:
    """Say what is wrong with a version, and which one its changes would need."""
    needed = _dotted(needed_version(old, changes))
    return "\n".join(
        [
            f"{message} {_dotted(new)} may not follow {_dotted(old)}:",
            *(f"  {change}" for change in changes),
            f"  This would be {message} {needed}: see contracts/VERSIONING.md.",
        ]
    )


def needed_version(old: Version, changes: list[Change]) -> Version:
    """Return the version that a changed schema would need after an old one."""
    return (old[0] + 1, 0) if changes else (old[0], old[1] + 1)


def breaking_changes(old: Any, new: Any) -> list[Change]:
    """Say why ``new`` may not follow ``old`` within a major."""
    return list(_differences(_bare(inlined(old)), _bare(inlined(new)), ""))


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


def _differences(old: Any, new: Any, at: str) -> Iterator[Change]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if old != new:
            yield Change(at, f"was {_shown(old)}, is {_shown(new)}", _EITHER_REFUSES)
        return
    yield from _field_differences(old, new, at)
    for word in sorted((old.keys() | new.keys()) - {"properties"}):
        before, after = old.get(word, _ABSENT), new.get(word, _ABSENT)
        if word in _NESTED:
            yield from _differences(before, after, f"{at}/{word}")
        elif before != after:
            yield from _word_differences(word, before, after, at)


def _field_differences(old: Any, new: Any, at: str) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(before.keys() - after.keys()):
        yield Change(f"{at}/{name}", "the field is gone", _OLD_MISS)
    if isinstance(old.get("additionalProperties"), dict):
        for name in sorted(after.keys() - before.keys()):
            yield Change(f"{at}/{name}", "was data, is a field", _EITHER_REFUSES)
    for name in sorted(before.keys() & after.keys()):
        yield from _differences(before[name], after[name], f"{at}/{name}")


def _word_differences(word: str, before: Any, after: Any, at: str) -> Iterator[Change]:
    if word == "required":
        yield from _required_differences(before, after, at)
    elif word == "enum" and isinstance(before, list) and isinstance(after, list):
        for value in after:
            if value not in before:
                yield Change(at, f"{value!r} is a new value", _OLD_REFUSE)
        for value in before:
            if value not in after:
                yield Change(at, f"{value!r} is no value any more", _NEW_REFUSE)
    else:
        what = f"{word} was {_shown(before)}, is {_shown(after)}"
        yield Change(at, what, _why(word, before, after))


def _required_differences(before: Any, after: Any, at: str) -> Iterator[Change]:
    before, after = ([] if each is _ABSENT else each for each in (before, after))
    for name in after:
        if name not in before:
            yield Change(f"{at}/{name}", "the field is required now", _NEW_REFUSE)
    for name in before:
        if name not in after:
            yield Change(f"{at}/{name}", "the field is required no longer", _OLD_REFUSE)


def _why(word: str, before: Any, after: Any) -> str:
    """Say who refuses what once a word has changed."""
    if word not in _LOWER_BOUNDS | _UPPER_BOUNDS:
        return _EITHER_REFUSES
    if before is _ABSENT or after is _ABSENT:
        is_tighter = before is _ABSENT
    else:
        is_tighter = (after > before) == (word in _LOWER_BOUNDS)
    return _NEW_REFUSE if is_tighter else _OLD_REFUSE


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else repr(value)


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
