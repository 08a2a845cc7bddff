"""Every way to spoil a document a little: what a schema and a model might judge differently."""

import json
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from contracts.tests.documents import inlined

ANYTHING: list[Any] = [None, True, 0, 1.5, 10**30, "", "Ä", [], {}]
OTHER_DIGITS = str.maketrans(string.digits, "٠١٢٣٤٥٦٧٨٩")

_LENGTHS = ("minLength", "maxLength")
_ITEMS = ("minItems", "maxItems")
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


@dataclass(frozen=True)
class Rules:
    """What some schemas say about one place of a document.

    Attributes:
        nodes: Every schema node that applies there.
    """

    nodes: list[Any]

    @classmethod
    def of(cls, *schemas: Any) -> "Rules":
        """Return the rules of a whole document."""
        return cls([node for schema in schemas for node in _applied(inlined(schema))])

    def values(self, *keywords: str) -> list[Any]:
        """Return every value that any of the keywords has here."""
        return [node[word] for node in self.nodes for word in keywords if word in node]

    def around(self, *keywords: str) -> list[int]:
        """Return every bound that any of the keywords sets here, and one less and one more."""
        return [bound + step for bound in self.values(*keywords) for step in (-1, 0, 1)]

    def inside(self, name: str | int) -> "Rules":
        """Return the rules of one field, or of one item."""
        children = chain.from_iterable(_children(node, name) for node in self.nodes)
        return Rules([node for child in children for node in _applied(child)])

    def of_names(self) -> "Rules":
        """Return the rules of the fields' names: none, unless the names are data."""
        children = chain.from_iterable(_name_rules(node) for node in self.nodes)
        return Rules([node for child in children for node in _applied(child)])


def _applied(node: Any) -> list[Any]:
    """Return the node, and every node that it puts upon the same place."""
    inner = [child for word in ("allOf", "anyOf", "oneOf") for child in node.get(word, [])]
    inner += [node[word] for word in ("if", "then", "else") if word in node]
    return [node, *chain.from_iterable(_applied(child) for child in inner)]


def _children(node: Any, name: str | int) -> list[Any]:
    if isinstance(name, int):
        return [node["items"]] if "items" in node else []
    if name in node.get("properties", {}):
        return [node["properties"][name]]
    others = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return [child for child in others if isinstance(child, dict)]


def _name_rules(node: Any) -> list[Any]:
    names = [node["propertyNames"]] if "propertyNames" in node else []
    return names + [{"pattern": pattern} for pattern in node.get("patternProperties", {})]


type Put = Callable[[Any], Any]


def mutations(document: Any, rules: Rules) -> Iterator[tuple[str, Any]]:
    """Yield ``(what was done, the spoiled document)`` for every place and every way."""
    return _mutations(document, rules, lambda value: value, "")


def _mutations(value: Any, rules: Rules, put: Put, at: str) -> Iterator[tuple[str, Any]]:
    for odd in _distinct(chain(ANYTHING, _near(value, rules))):
        yield f"{at} = {_shown(odd)}", put(odd)
    if isinstance(value, dict):
        yield from _unknown_and_renamed(value, rules, put, at)
    for name, child in _parts(value):
        yield from _mutations(child, rules.inside(name), _into(value, name, put), f"{at}/{name}")


def _parts(value: Any) -> Iterable[tuple[str | int, Any]]:
    """Return every field of an object, or the first and the last item of a list."""
    if isinstance(value, dict):
        return list(value.items())
    items = list(enumerate(value)) if isinstance(value, list) else []
    return items[:1] + items[1:][-1:]


def _unknown_and_renamed(
    value: dict[str, Any], rules: Rules, put: Put, at: str
) -> Iterator[tuple[str, Any]]:
    unknown: list[Any] = [None, 1, {}]
    for odd in unknown:
        yield f"{at}/unknown = {odd!r}", put({**value, "unknown": odd})
    for name, child in value.items():
        rest = {other: value[other] for other in value if other != name}
        yield f"{at}/{name} dropped", put(rest)
        if rules.of_names().nodes:
            for odd_name in _distinct(_near_text(name, rules.of_names())):
                yield f"{at}/{name} renamed {_shown(odd_name)}", put({**rest, odd_name: child})


def _into(parent: Any, name: str | int, put: Put) -> Put:
    def put_child(new: Any) -> Any:
        changed = parent.copy()
        changed[name] = new
        return put(changed)

    return put_child


def _near(value: Any, rules: Rules) -> Iterator[Any]:
    """Yield what is almost like a value, and what is just inside and just outside its bounds."""
    for known in chain(rules.values("const"), *rules.values("enum")):
        yield from (known, f"{known}x", str(known).swapcase())
    if isinstance(value, bool):
        yield from (not value, int(value), str(value))
    elif isinstance(value, int):
        yield from (value + 1, float(value), str(value), *rules.around(*_LIMITS))
    elif isinstance(value, str):
        yield from ([value], *_near_text(value, rules))
    elif isinstance(value, list):
        yield from (value[::-1], value + value, [*value, None])
        yield from ((value * (length + 1))[:length] for length in rules.around(*_ITEMS))


def _near_text(value: str, rules: Rules) -> Iterator[str]:
    yield from (f"{value}\n", f"\n{value}", f" {value}", f"{value} ", f"{value}\0", value[:-1])
    yield from (value.upper(), value.lower(), value.swapcase(), value.translate(OTHER_DIGITS))
    for length in rules.around(*_LENGTHS):
        yield "a" * length
        yield _stretched(value, length)


def _stretched(value: str, length: int) -> str:
    """Return a text of this length that keeps to the value's pattern, if any does."""
    if length <= len(value):
        return value[: max(length, 0)]
    return value + value[-1:] * (length - len(value))


def _distinct(values: Iterator[Any]) -> list[Any]:
    return list({json.dumps(value): value for value in values}.values())


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({type(value).__name__} of {len(value)})"
