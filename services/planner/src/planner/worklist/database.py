"""The file of one run: its tables, and how they are read and written.

What is known of the run is in the file and nowhere else, so that another invocation can go on
with it.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from logferry_contracts.export import export_id
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

CACHE_KIB = 4096
"""What SQLite may keep in memory; the rest is read from the file when it is needed."""

_TABLES = """
CREATE TABLE log_groups (
  name TEXT PRIMARY KEY, described TEXT, excluded INTEGER NOT NULL, as_far TEXT
) WITHOUT ROWID;
CREATE TABLE windows (
  from_ms INTEGER PRIMARY KEY, to_ms INTEGER NOT NULL, day TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', is_new INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE known (export_id TEXT PRIMARY KEY, from_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE exports (
  from_ms INTEGER, name TEXT, generation INTEGER NOT NULL, step TEXT NOT NULL,
  outcome TEXT, reason TEXT,
  deadline_ms INTEGER, kind INTEGER, size_bytes INTEGER,
  estimated_bytes INTEGER, seems_empty INTEGER NOT NULL DEFAULT 0,
  lane TEXT, slot_s REAL,
  PRIMARY KEY (from_ms, name)
) WITHOUT ROWID;
CREATE INDEX exports_by_step ON exports (step, from_ms, name);
CREATE INDEX exports_by_order ON exports (deadline_ms, from_ms, kind, size_bytes, name)
  WHERE step = 'ready';
CREATE TABLE totals (
  day TEXT, outcome TEXT, reason TEXT, exports INTEGER, estimated_bytes INTEGER, slot_s REAL
);
CREATE TABLE planned (
  name TEXT, from_ms INTEGER, outcome TEXT, reason TEXT, lane TEXT, estimated_bytes INTEGER
);
"""
_EXPIRING = """
CREATE TABLE IF NOT EXISTS expiring (exports INTEGER NOT NULL, slot_s REAL NOT NULL)
"""
_WORK = """
CREATE TABLE IF NOT EXISTS work (
  day TEXT, slot_s REAL, direct_s REAL, shared_slot_s REAL, shared_direct_s REAL
)
"""
_PARTS = "CREATE TABLE IF NOT EXISTS parts (from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL)"
_ASKED_AGAIN = "CREATE TABLE IF NOT EXISTS asked_again (exports INTEGER NOT NULL)"


class Database:
    """An open file, which has an SQL function ``export_id(name, from_ms, to_ms, generation)``."""

    def __init__(self, path: Path, source: SourceName) -> None:
        """Open the file, or begin it. It is complete whenever no method runs.

        Raises:
            sqlite3.DatabaseError: It is no such file.
        """
        is_new = not path.exists()
        # A run that is cut goes back to the copy it began with, so that nothing has to be undone.
        self._connection = sqlite3.connect(path, autocommit=True)
        self.close = self._connection.close
        self._source = source
        try:
            self._begin(is_new=is_new)
        except sqlite3.DatabaseError:
            self.close()
            raise

    def _begin(self, *, is_new: bool) -> None:
        self._connection.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;"
            f"PRAGMA cache_size = -{CACHE_KIB};"
        )
        self._connection.create_function("export_id", 4, self._export_id, deterministic=True)
        if is_new:
            self._connection.executescript(_TABLES)
        self._connection.execute(_EXPIRING)  # a file of 0.2.0 has none of these
        self._connection.execute(_PARTS)
        self._connection.execute(_ASKED_AGAIN)
        self._connection.execute(_WORK)

    def execute(self, statement: str, values: Any = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement for each row, all together."""
        self._connection.execute("BEGIN")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")

    def number(self, statement: str) -> int:
        """Return the one number that a statement gives."""
        number: int = self._connection.execute(statement).fetchone()[0]
        return number

    def windows(self, where: str) -> list[Window]:
        """Return some windows, oldest first."""
        rows = self.execute(
            f"SELECT from_ms, to_ms FROM windows WHERE {where} ORDER BY from_ms"  # noqa: S608  (constants)
        )
        return [Window(from_ms=from_ms, to_ms=to_ms) for from_ms, to_ms in rows]

    def _export_id(self, name: str, from_ms: int, to_ms: int, generation: int) -> str:
        return export_id(self._source, name, Window(from_ms=from_ms, to_ms=to_ms), generation)
