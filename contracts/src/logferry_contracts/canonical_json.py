"""JSON with one spelling for each value, so that its bytes can be hashed and signed: RFC 8785.

Whoever checks a hash or a signature takes the bytes as they were stored; nobody writes a value
again to check it. https://www.rfc-editor.org/rfc/rfc8785
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LARGEST_INTEGER = 2**53 - 1
"""Up to this, every reader of JSON has the same integers.
https://www.rfc-editor.org/rfc/rfc7493#section-2.2"""


class NotCanonicalError(ValueError):
    """A value has no canonical JSON that all readers understand alike: a fault of who made it."""


def canonical_json(value: Any) -> bytes:
    """Return a value's canonical JSON, in UTF-8.

    Args:
        value: Out of None, bool, int, str, lists, tuples and mappings with str keys. A float counts
            as the integer that it is equal to; other numbers belong into strings.

    Raises:
        NotCanonicalError: It has something else, an integer beyond `LARGEST_INTEGER`, or text that
            is no Unicode. Says where, such as ``$.objects[2].size_bytes``.
    """
    with _nesting():
        text = json.dumps(_plain(value, "$"), ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _plain(value: Any, at: str) -> Any:
    """Return a value as ``json.dumps`` writes it: each mapping in the order of its names."""
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, at)
        case int() | float():
            return _integer(value, at)
        case Mapping():
            names = [_text(name, f"{at} has a name") for name in value]
            names.sort(key=lambda name: name.encode("utf-16-be"))
            return {name: _plain(value[name], f"{at}.{name}") for name in names}
        case list() | tuple():
            return [_plain(each, f"{at}[{place}]") for place, each in enumerate(value)]
        case _:
            raise NotCanonicalError(f"{at}: {value!r} is no JSON")


def _text(text: Any, at: str) -> str:
    if not isinstance(text, str):
        raise NotCanonicalError(f"{at}: {text!r} is no text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonicalError(f"{at}: {text!r} is no Unicode, {error.reason}") from error
    return text


def _integer(number: float, at: str) -> int:
    if number != number // 1 or abs(number) > LARGEST_INTEGER:
        raise NotCanonicalError(
            f"{at}: {number!r} is no integer from -{LARGEST_INTEGER} to {LARGEST_INTEGER}; write "
            "it as a string"
        )
    return int(number)


@contextmanager
def _nesting() -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise NotCanonicalError("nested too deeply") from error
