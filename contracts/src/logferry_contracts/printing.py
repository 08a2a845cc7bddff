"""JSON on the standard output, whose encoding may not have all letters, as a file's on Windows."""

import json
import sys
from collections.abc import Callable
from typing import Any


def json_document(document: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Return a document, indented, so that it is JSON still once it is on the standard output."""
    encoding = sys.stdout.encoding or "utf-8"  # none of what takes text in memory
    is_ascii = not encoding.lower().startswith("utf")
    return json.dumps(document, indent=2, ensure_ascii=is_ascii, default=default)
