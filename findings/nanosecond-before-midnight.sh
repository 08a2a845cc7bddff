#!/usr/bin/env bash
# msgspec, arrow, DuckDB: a line of log that was written before midnight is of the next day
#
# One would guess: a time that has more digits than a library keeps is cut, so that an event stays in its second, and in its day, as
# Python's own `fromisoformat` does it. Container runtimes write nine digits:
# https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
#
# msgspec 0.22.0 and arrow 1.4.0 round to microseconds: the last half of a microsecond of a day belongs to the next day, month or year.
# arrow documents it, msgspec does not: https://jcristharif.com/msgspec/supported-types.html. DuckDB 2.0.1 cuts a TIMESTAMP and rounds a
# TIMESTAMP_MS, so that the last half of a millisecond is the next day's. pydantic 2.14.4, polars 2.1.0 and python-dateutil 4.0.0 cut. Who
# counts the events of a day by one of them, and what is archived of it by another, finds one missing that is not.
#
# Seen, the day that a time is of:
#   2026-11-30T23:59:59.999999999Z
#     30: Python, pydantic, polars, dateutil, DuckDB TIMESTAMP
#     1: msgspec, arrow, DuckDB TIMESTAMP_MS
#   2026-11-30T23:59:59.999500000Z
#     30: Python, pydantic, polars, dateutil, DuckDB TIMESTAMP, msgspec, arrow
#     1: DuckDB TIMESTAMP_MS
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet msgspec==0.22.0 arrow==1.4.0 duckdb==2.0.1 pydantic==2.14.4 polars==2.1.0 python-dateutil==4.0.0

cat > "$folder/seen.py" <<'PYTHON'
"""Reads times with nine digits by some libraries, and tells which day they are of."""
from datetime import datetime
import arrow, dateutil.parser, duckdb, msgspec, polars, pydantic

def by_duckdb(kind):
    return lambda text: duckdb.execute(f"SELECT CAST(rtrim(?, 'Z') AS {kind})", [text]).fetchall()[0][0]

READERS = {
    "Python": datetime.fromisoformat,
    "pydantic": pydantic.TypeAdapter(datetime).validate_python,
    "polars": lambda text: polars.Series([text]).str.to_datetime(time_zone="UTC")[0],
    "dateutil": dateutil.parser.isoparse,
    "DuckDB TIMESTAMP": by_duckdb("TIMESTAMP"),
    "msgspec": lambda text: msgspec.convert(text, datetime),
    "arrow": lambda text: arrow.get(text).datetime,
    "DuckDB TIMESTAMP_MS": by_duckdb("TIMESTAMP_MS"),
}

for text in ("2026-11-30T23:59:59.999999999Z", "2026-11-30T23:59:59.999500000Z"):
    print(text)
    days = {name: read(text).day for name, read in READERS.items()}
    for day in (30, 1):
        print(f"  {day}: {', '.join(name for name in days if days[name] == day)}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected="2026-11-30T23:59:59.999999999Z
  30: Python, pydantic, polars, dateutil, DuckDB TIMESTAMP
  1: msgspec, arrow, DuckDB TIMESTAMP_MS
2026-11-30T23:59:59.999500000Z
  30: Python, pydantic, polars, dateutil, DuckDB TIMESTAMP, msgspec, arrow
  1: DuckDB TIMESTAMP_MS"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
