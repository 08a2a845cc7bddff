"""What is to be known again, kept outside of memory: it may be as much as a chain has windows."""

import hashlib
import sqlite3
import weakref
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any


class Rows:
    """Tables in a file without a name, which is gone when this is; for any thread.

    https://www.sqlite.org/inmemorydb.html
    """

    def __init__(self, tables: str) -> None:
        """Begin with empty ones.

        Args:
            tables: The SQL that makes them.
        """
        self._connection = sqlite3.connect("", autocommit=True, check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        self._lock = Lock()
        self._connection.executescript(tables)

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run a statement, and return its rows."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def put(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each of some rows, which may come one by one."""
        with self._lock:
            self._connection.executemany(sql, rows)


class OnDisk:
    """A set of texts, of which nothing but a hash is kept."""

    def __init__(self) -> None:
        self._rows = Rows("CREATE TABLE known (digest INTEGER PRIMARY KEY)")

    def add(self, text: str) -> None:
        """Take in a text."""
        self._rows.run("INSERT OR IGNORE INTO known VALUES (?)", (_digest(text),))

    def __contains__(self, text: object) -> bool:
        return bool(self._rows.run("SELECT 1 FROM known WHERE digest = ?", (_digest(str(text)),)))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)
