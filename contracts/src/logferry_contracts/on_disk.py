"""What is to be known again, kept outside of memory: it may be as much as a chain has windows."""

import hashlib
import sqlite3
import weakref
from threading import Lock


class OnDisk:
    """A set of texts, of which nothing but a hash is kept."""

    def __init__(self) -> None:
        # A file without a name, which is gone when this is: https://www.sqlite.org/inmemorydb.html
        self._connection = sqlite3.connect("", autocommit=True, check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        self._lock = Lock()
        self._connection.execute("CREATE TABLE known (digest INTEGER PRIMARY KEY)")

    def add(self, text: str) -> None:
        """Take in a text."""
        with self._lock:
            self._connection.execute("INSERT OR IGNORE INTO known VALUES (?)", (_digest(text),))

    def __contains__(self, text: object) -> bool:
        with self._lock:
            rows = self._connection.execute(
                "SELECT 1 FROM known WHERE digest = ?", (_digest(str(text)),)
            )
            return rows.fetchone() is not None


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)
