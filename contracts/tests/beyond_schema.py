"""The rules of the models that JSON Schema cannot say: all of them, and nothing else.

They are written in the schemas' descriptions. A reader in another language has to check them
itself.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+Z)?")


def _ends_before_it_starts(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() >= {"from_ms", "to_ms"}
        and value["from_ms"] >= value["to_ms"]
    )


def _is_not_in_the_calendar(value: Any) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return True
    return False


def _counts_wrong(value: Any) -> bool:
    if not isinstance(value, dict) or not value.keys() >= {"objects", "object_count"}:
        return False
    sizes = [each["size_bytes"] for each in value["objects"]]
    return (len(sizes), sum(sizes)) != (value["object_count"], value["total_bytes"])


RULES: dict[str, Callable[[Any], bool]] = {
    "a window ends after it starts": _ends_before_it_starts,
    "a day is in the calendar": _is_not_in_the_calendar,
    "a manifest counts its objects": _counts_wrong,
}


def broken_rules(document: Any) -> set[str]:
    """Return which of the rules a document breaks that its schema accepts."""
    values = list(_values(document))
    return {name for name, breaks in RULES.items() if any(map(breaks, values))}


def _values(node: Any) -> Iterator[Any]:
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _values(child)
