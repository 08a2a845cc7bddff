#!/usr/bin/env bash
# pydantic: a number for a datetime is seconds or milliseconds, by its size, and time runs backwards where that changes
#
# One would guess: a number has one unit, and of two numbers the greater is the later time.
#
# pydantic 2.14.4: up to 20,000,000,000 it is seconds, above it milliseconds, also when the number is written as text; strict
# mode takes no number at all. Of milliseconds, as CloudWatch Logs has them, the first 231 days of 1970 are misread: a backdated
# event becomes one of a year up to 2603. Of seconds, all after 2603. `val_temporal_unit` says which of both they are.
#
# Seen:
#   20000000000: 2603-10-11T11:33:20+00:00
#   20000000001: 1970-08-20T11:33:20.001000+00:00
#   "86400000" (a day in milliseconds): 1972-09-27T00:00:00+00:00
#   86400000 with val_temporal_unit="milliseconds": 1970-01-02T00:00:00+00:00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pydantic==2.14.4

cat > "$folder/seen.py" <<'PYTHON'
"""Reads numbers as datetimes, by the defaults and with the unit said."""
from datetime import datetime
from pydantic import ConfigDict, TypeAdapter

def read(text, **config):
    return TypeAdapter(datetime, config=ConfigDict(**config)).validate_json(text).isoformat()

for text in ("20000000000", "20000000001"):
    print(f"{text}: {read(text)}")
print(f'"86400000" (a day in milliseconds): {read(chr(34) + "86400000" + chr(34))}')
print(f'86400000 with val_temporal_unit="milliseconds": {read("86400000", val_temporal_unit="milliseconds")}')
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected='20000000000: 2603-10-11T11:33:20+00:00
20000000001: 1970-08-20T11:33:20.001000+00:00
"86400000" (a day in milliseconds): 1972-09-27T00:00:00+00:00
86400000 with val_temporal_unit="milliseconds": 1970-01-02T00:00:00+00:00'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
