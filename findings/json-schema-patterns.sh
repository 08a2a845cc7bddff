#!/usr/bin/env bash
# jsonschema and pydantic: the same `pattern` takes other texts in each of them, and neither is JSON Schema's
#
# One would guess: a `pattern` of a JSON Schema means the same wherever it is checked. JSON Schema 2020-12 says that it is a
# regular expression of ECMA-262, where `$` without a flag is the end of the text alone, and `\d` is 0 to 9.
# https://json-schema.org/draft/2020-12/json-schema-core#name-regular-expressions
#
# jsonschema 4.26.0 takes Python's `re`: `^[0-9]{12}$` lets a newline at the end through, and `\d` any script's digits.
# pydantic 2.14.4 takes Rust's `regex`: no newline, but any script's digits. What one of them has let through goes into file
# names, keys and log lines behind the other's back. `[0-9]` is the same in all; of `$` a test with "\n" has to know.
#
# Seen:
#   ^[0-9]{12}$ "111122223333": jsonschema takes it, pydantic takes it
#   ^[0-9]{12}$ "111122223333\n": jsonschema takes it, pydantic refuses it
#   ^\d{12}$ "١١١١٢٢٢٢٣٣٣٣": jsonschema takes it, pydantic takes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jsonschema==4.26.0 pydantic==2.14.4

cat > "$folder/seen.py" <<'PYTHON'
"""Validates texts by one pattern in two libraries."""
import json
from typing import Annotated
from jsonschema import Draft202012Validator
from pydantic import Field, TypeAdapter, ValidationError

def by_pydantic(pattern, text):
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)]).validate_json(json.dumps(text))
    except ValidationError:
        return False
    return True

for pattern, text in (
    ("^[0-9]{12}$", "111122223333"),
    ("^[0-9]{12}$", "111122223333\n"),
    (r"^\d{12}$", "١١١١٢٢٢٢٣٣٣٣"),
):
    verdicts = {
        "jsonschema": Draft202012Validator({"type": "string", "pattern": pattern}).is_valid(text),
        "pydantic": by_pydantic(pattern, text),
    }
    said = ", ".join(f"{name} {'takes' if taken else 'refuses'} it" for name, taken in verdicts.items())
    print(pattern, f"{json.dumps(text, ensure_ascii=False)}: {said}")
PYTHON

found=$(PYTHONUTF8=1 "$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected='^[0-9]{12}$ "111122223333": jsonschema takes it, pydantic takes it
^[0-9]{12}$ "111122223333\n": jsonschema takes it, pydantic refuses it
^\d{12}$ "١١١١٢٢٢٢٣٣٣٣": jsonschema takes it, pydantic takes it'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
