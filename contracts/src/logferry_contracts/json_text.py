"""JSON text of which every reader makes the same: no NaN, no Infinity, and each name once.

Parsers differ in what else they take, and in which of two values they keep.
https://www.rfc-editor.org/rfc/rfc8259#section-6
https://www.rfc-editor.org/rfc/rfc7493#section-2.3
"""

import json
from collections import Counter
from typing import Any

_LONGEST = 64
"""Characters of a name in an error."""


def read(text: str | bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        ValueError: It is not JSON, is nested too deeply, or readers would differ about it.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:_LONGEST]!r} is given twice")
    return read


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_each_once, parse_constant=_no_number)
