#!/usr/bin/env bash
# DuckDB: a folder with a backslash in its name is left out by a pattern, without a word
#
# One would guess: on Linux, where a backslash is a character like any other, `*/*.csv` names the files of every folder, as in
# a shell. A copy of a bucket has such folders: names of Lambda's log streams, and keys of Windows' tools, have backslashes.
#
# duckdb 2.0.1: the pattern takes the backslash for a separator, does not find the folder and says nothing; a query over the
# pattern is answered of fewer rows. The same file is read when it is named in full.
#
# Seen:
#   files: back\slash/day.csv plain/day.csv
#   found by DuckDB's pattern: plain/day.csv
#   rows by the pattern: 1
#   rows of back\slash/day.csv, named in full: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1
mkdir -p "$folder/data/plain" "$folder/data/back\\slash"
for each in plain "back\\slash"; do printf 'line\nhello\n' > "$folder/data/$each/day.csv"; done

cat > "$folder/seen.py" <<'PYTHON'
"""Asks DuckDB for files by a pattern, and for one by its name."""
import os, sys
from pathlib import Path
import duckdb

os.chdir(sys.argv[1])
pattern, name = "*/*.csv", r"back\slash/day.csv"
print("files:", *sorted(map(str, Path().glob(pattern))))
by_pattern = duckdb.execute("SELECT file FROM glob(?) ORDER BY file", [pattern]).fetchall()
print("found by DuckDB's pattern:", *(file for (file,) in by_pattern))
print("rows by the pattern:", duckdb.execute("SELECT count(*) FROM read_csv(?)", [pattern]).fetchone()[0])
print(f"rows of {name}, named in full:", duckdb.execute("SELECT count(*) FROM read_csv(?)", [name]).fetchone()[0])
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" "$folder/data")
echo "$found"
expected='files: back\slash/day.csv plain/day.csv
found by DuckDB'"'"'s pattern: plain/day.csv
rows by the pattern: 1
rows of back\slash/day.csv, named in full: 1'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
