#!/usr/bin/env bash
# DuckDB: a folder that is called `stream=web` is what the file's own column `stream` says, without a word
#
# One would guess: what a file says of its rows is what a query of it answers, wherever the file lies. Folders named `key=value` are
# Hive's way to give rows a column that is in no file; log streams may have equals signs in their names, and so may one's folders.
#
# duckdb 2.0.1 (`read_json`, `read_csv`, `read_parquet`): the column of a folder's name takes the place of the file's, in a file that
# is named in full as well, and with `columns` given; `WHERE stream = 'app'` finds nothing. `hive_partitioning = false` keeps to the
# file. PyArrow 26.0.1 (`parquet.read_table`), which makes columns of folders too, and Polars 2.1.0 (`read_parquet`) let the file have
# its say. logferry writes Parquet by DuckDB, from lines in a folder beside the output: it says `hive_partitioning = false`, and a test
# writes into such a folder.
#
# Seen, of a row whose stream is app:
#   plain: duckdb's JSON app, CSV app, Parquet app; pyarrow app; polars app
#   stream=web: duckdb's JSON web, CSV web, Parquet web; pyarrow app; polars app
#   stream=web, hive_partitioning = false: duckdb's JSON app, CSV app, Parquet app
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1

cat > "$folder/seen.py" <<'PYTHON'
"""Writes one row in three formats into two folders, and reads it with three libraries."""
import os, sys
from pathlib import Path
import duckdb, polars, pyarrow.parquet

FORMATS = {
    "JSON": ("day.json", "read_json(?, columns = {'stream': 'VARCHAR'}"),
    "CSV": ("day.csv", "read_csv(?, columns = {'stream': 'VARCHAR'}"),
    "Parquet": ("day.parquet", "read_parquet(?"),
}

def by_duckdb(folder, options=""):
    answers = []
    for format_, (name, function) in FORMATS.items():
        query = f"SELECT stream FROM {function}{options})"
        ((stream,),) = duckdb.execute(query, [str(folder / name)]).fetchall()
        answers.append(f"{format_} {stream}")
    return "duckdb's " + ", ".join(answers)

os.chdir(sys.argv[1])
for folder in map(Path, ("plain", "stream=web")):
    folder.mkdir()
    row = polars.DataFrame({"stream": ["app"]})
    row.write_ndjson(folder / "day.json")
    row.write_csv(folder / "day.csv")
    row.write_parquet(folder / "day.parquet")
    (by_pyarrow,) = pyarrow.parquet.read_table(folder / "day.parquet")["stream"].to_pylist()
    (by_polars,) = polars.read_parquet(folder / "day.parquet")["stream"]
    print(f"{folder}: {by_duckdb(folder)}; pyarrow {by_pyarrow}; polars {by_polars}")
print(f"{folder}, hive_partitioning = false: {by_duckdb(folder, ', hive_partitioning = false')}")
PYTHON

mkdir "$folder/data"
found=$("$folder/venv/bin/python" "$folder/seen.py" "$folder/data")
echo "$found"
expected="plain: duckdb's JSON app, CSV app, Parquet app; pyarrow app; polars app
stream=web: duckdb's JSON web, CSV web, Parquet web; pyarrow app; polars app
stream=web, hive_partitioning = false: duckdb's JSON app, CSV app, Parquet app"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
