"""Which leaves the seals of one date have, read once somebody asks: nothing of it is in memory."""

from collections.abc import Callable, Iterable
from threading import Lock

from logferry_contracts.on_disk import Rows
from logferry_contracts.seal_key import StatementName
from logferry_contracts.seal_leaf import Leaf
from sealer.draft import Group

_TABLES = """
CREATE TABLE every (statement TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE last (
  name TEXT, from_ms INTEGER, to_ms INTEGER, statement TEXT NOT NULL,
  PRIMARY KEY (name, from_ms, to_ms)
) WITHOUT ROWID;
"""


class SealedBefore:
    """The leaves of one date's seals, for any thread."""

    def __init__(self, read: Callable[[], Iterable[Leaf]]) -> None:
        """Begin with nothing.

        Args:
            read: Yields the leaves, the oldest seal's first.
        """
        self._read = read
        self._rows: Rows | None = None
        self._lock = Lock()

    def has(self, name: StatementName) -> bool:
        """Whether any of the seals has a statement."""
        found = self._all().run("SELECT 1 FROM every WHERE statement = ?", (str(name),))
        return bool(found)

    def last(self, group: Group) -> Leaf | None:
        """Return the leaf of the last seal that has one of a log group's window; None for none."""
        found = self._all().run(
            "SELECT statement FROM last WHERE (name, from_ms, to_ms) = (?, ?, ?)",
            (group.name, group.window.from_ms, group.window.to_ms),
        )
        return Leaf(statement=found[0][0]) if found else None

    def tells_of(self, group: Group) -> bool:
        """Whether any of the seals has a word on any of the time of a log group's window."""
        found = self._all().run(
            "SELECT 1 FROM last WHERE name = ? AND from_ms < ? AND to_ms > ? LIMIT 1",
            (group.name, group.window.to_ms, group.window.from_ms),
        )
        return bool(found)

    def _all(self) -> Rows:
        with self._lock:
            if self._rows is None:
                rows = Rows(_TABLES)
                for leaf in self._read():
                    name, statement = leaf.name, leaf.statement
                    rows.run("INSERT OR IGNORE INTO every VALUES (?)", (statement,))
                    rows.run(
                        "INSERT OR REPLACE INTO last VALUES (?, ?, ?, ?)",
                        (name.log_group_name, name.window.from_ms, name.window.to_ms, statement),
                    )
                self._rows = rows
            return self._rows
