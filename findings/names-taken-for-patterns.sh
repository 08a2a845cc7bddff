#!/usr/bin/env bash
# DuckDB, Polars, fsspec: the full name of a file with a bracket in it reads another file
#
# One would guess: who names a file in full is given that file, and a pattern is only what nobody could mean as a name. Archived logs
# have brackets in their names: each log stream of a Lambda function has `[$LATEST]` or the version, `[1]`.
#
# duckdb 2.0.1 (`read_csv`), polars 2.1.0 (`read_csv`), fsspec 2026.9.0 (`cat`): `jobs-[1]/0.csv` is a pattern, and what it finds is
# `jobs-1/0.csv`; its rows are the answer, without a word. Where nothing fits the pattern DuckDB reads the file of that name
# after all, and the other two say that there is none. A list of names is a list of patterns too: DuckDB, given both names, reads
# `jobs-1` twice and `jobs-[1]` never. PyArrow 26.0.1 (`dataset`) takes the name for a name.
#
# Seen:
#   jobs-[1]/0.csv beside jobs-1/0.csv:
#     duckdb: jobs-1
#     polars: jobs-1
#     fsspec: jobs-1
#     pyarrow: jobs-[1]
#     duckdb, both named in a list: jobs-1 jobs-1
#   jobs-[1]/0.csv alone:
#     duckdb: jobs-[1]
#     polars: ComputeError
#     fsspec: FileNotFoundError
#     pyarrow: jobs-[1]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 polars==2.1.0 fsspec==2026.9.0 pyarrow==26.0.1

cat > "$folder/seen.py" <<'PYTHON'
"""Reads a file by its full name with four libraries; each file holds its folder's name."""
import os, sys
from pathlib import Path
import duckdb, fsspec, polars, pyarrow.dataset

NAME, SIBLING = "jobs-[1]/0.csv", "jobs-1/0.csv"

def by_fsspec(name):
    read = fsspec.filesystem("file").cat(name)
    (content,) = read.values() if isinstance(read, dict) else (read,)
    return content.decode().split()[1]

READERS = {
    "duckdb": lambda name: duckdb.execute("SELECT folder FROM read_csv(?)", [name]).fetchall()[0][0],
    "polars": lambda name: polars.read_csv(name)["folder"][0],
    "fsspec": by_fsspec,
    "pyarrow": lambda name: pyarrow.dataset.dataset(name, format="csv").to_table()["folder"][0],
}

def each_reader():
    for library, read in READERS.items():
        try:
            print(f"  {library}: {read(NAME)}")
        except Exception as error:
            print(f"  {library}: {type(error).__name__}")

os.chdir(sys.argv[1])
for name in (NAME, SIBLING):
    Path(name).parent.mkdir()
    Path(name).write_text(f"folder\n{Path(name).parent}\n")
print(f"{NAME} beside {SIBLING}:")
each_reader()
rows = duckdb.execute("SELECT folder FROM read_csv(?) ORDER BY folder", [[NAME, SIBLING]]).fetchall()
print("  duckdb, both named in a list:", *(name for (name,) in rows))
Path(SIBLING).unlink()
print(f"{NAME} alone:")
each_reader()
PYTHON

mkdir "$folder/data"
found=$("$folder/venv/bin/python" "$folder/seen.py" "$folder/data")
echo "$found"
expected='jobs-[1]/0.csv beside jobs-1/0.csv:
  duckdb: jobs-1
  polars: jobs-1
  fsspec: jobs-1
  pyarrow: jobs-[1]
  duckdb, both named in a list: jobs-1 jobs-1
jobs-[1]/0.csv alone:
  duckdb: jobs-[1]
  polars: ComputeError
  fsspec: FileNotFoundError
  pyarrow: jobs-[1]'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
