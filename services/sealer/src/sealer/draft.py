"""What is known of one date until it is sealed, and of its leaves since: a file of SQLite.

However many log groups there are, it is not in memory. It is worth nothing but time.
"""

import sqlite3
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import astuple, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from logferry_contracts.ledger_key import inventory_planned_at
from logferry_contracts.seal_leaf import Leaf, name_sha256
from logferry_contracts.source import SourceName
from logferry_contracts.statement import CONTRADICTED
from logferry_contracts.window import Window
from sealer.dates import DateToSeal

CACHE_KIB = 4096
"""What SQLite may keep in memory; the rest is read from the file when it is needed."""

NOT_LISTED = "not_listed"
"""What a leaf was stated by that neither ledger nor inventory has anything of."""

NOT_COUNTED = -1
"""What a leaf lacks of which that is not known: what was known before is not taken back."""

_TABLES = """
CREATE TABLE IF NOT EXISTS records (
  export_id TEXT NOT NULL, etag TEXT NOT NULL, key TEXT PRIMARY KEY,
  name TEXT, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, is_half INTEGER NOT NULL,
  profile TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tries ON records (name, from_ms, to_ms);
CREATE TABLE IF NOT EXISTS listed (
  name TEXT PRIMARY KEY, planned_at_ms INTEGER NOT NULL, line TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leaves (
  name TEXT, from_ms INTEGER, to_ms INTEGER, basis TEXT NOT NULL, says TEXT NOT NULL,
  statement TEXT NOT NULL, outcome TEXT NOT NULL,
  profile TEXT NOT NULL, objects INTEGER NOT NULL, events INTEGER NOT NULL,
  stored_bytes INTEGER NOT NULL, reason TEXT NOT NULL, lacking INTEGER NOT NULL,
  is_sealed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (name, from_ms, to_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inventories (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE sealed (
  name TEXT, from_ms INTEGER, to_ms INTEGER, statement TEXT NOT NULL,
  PRIMARY KEY (name, from_ms, to_ms)
) WITHOUT ROWID;
CREATE TEMP TABLE known (
  name TEXT, from_ms INTEGER, to_ms INTEGER, PRIMARY KEY (name, from_ms, to_ms)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class RecordRow:
    """A ledger record, as far as it says which leaf it is of.

    Attributes:
        name: The log group's; None where the record cannot be read, and nobody knows it.
        is_half: Whether it is a part of an export that was split, which alone counts.
        profile: What the source was called; None where the record cannot be read.
    """

    export_id: str
    etag: str
    key: str
    name: str | None
    from_ms: int
    to_ms: int
    is_half: bool
    profile: str | None

    def named(self, name: str) -> "RecordRow":
        """Return it as that of a log group."""
        return replace(self, name=name)


@dataclass(frozen=True)
class LeafRow:
    """A leaf that was stated.

    Attributes:
        basis: What it was stated by: by the same, it need not be looked at again.
        says: See `head.says`.
        statement: Its key below ``statements/``.
        reason: Why it replaces another one, if it does.
        lacking: How many events CloudWatch Logs has that the archive has not; `NOT_COUNTED` where
            nobody has counted what it was stated by.
    """

    name: str
    from_ms: int
    to_ms: int
    basis: str
    says: str
    statement: str
    outcome: str
    profile: str
    objects: int
    events: int
    stored_bytes: int
    reason: str
    lacking: int
    is_sealed: bool = False


@dataclass(frozen=True)
class Unsealed:
    """What no seal has yet.

    Attributes:
        reasons: Of these leaves.
        to_ms: The end of the last of their windows.
    """

    reasons: frozenset[str]
    to_ms: int


@dataclass(frozen=True)
class Group:
    """A log group's window that is to be a leaf.

    Attributes:
        source: Whose it is, where its records do not say it.
        keys: Of its tries' records; empty where the ledger has none.
        line: Of the inventory, where it counts; else None.
    """

    source: SourceName
    name: str
    window: Window
    basis: str
    keys: tuple[str, ...]
    line: str | None


class Draft:
    """An open file. It is complete whenever no method runs."""

    def __init__(self, path: Path, source: SourceName, name_salt: str) -> None:
        """Open the file, or begin it.

        Args:
            path: The file.
            source: Whose date it is.
            name_salt: Of the seal that is made of it now.

        Raises:
            sqlite3.DatabaseError: It is none, or damaged.
        """
        self.path = path
        self.source = source
        self.name_salt = name_salt
        self._connection = sqlite3.connect(path, autocommit=True)
        try:
            self._connection.executescript(
                f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;"
                f"PRAGMA cache_size = -{CACHE_KIB};{_TABLES}"
            )
        except sqlite3.DatabaseError:
            self._connection.close()
            raise
        hashed = partial(name_sha256, name_salt)
        self._connection.create_function("name_sha256", 1, hashed, deterministic=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def has_changed(self, key: str, etag: str) -> bool:
        """Whether a record that the ledger lists is new, or has changed; `forget_unlisted` after.

        Args:
            key: Its own: that of its export may lie in another window's folder as well, as a copy.
            etag: As it is listed.
        """
        self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,))
        found = self._connection.execute(
            "SELECT etag FROM records WHERE key = ?", (key,)
        ).fetchone()
        return bool(found != (etag,))

    def put_records(self, rows: Iterable[RecordRow]) -> None:
        """Take in records that are new or have changed."""
        self._write("records", RecordRow, rows)

    def forget_unlisted(self) -> None:
        """Leave out records that somebody has removed from the ledger: it has listed all others."""
        self._connection.execute("DELETE FROM records WHERE key NOT IN (SELECT key FROM seen)")
        self._connection.execute("DELETE FROM seen")

    def has_inventory(self, key: str) -> bool:
        """Whether an inventory was taken in."""
        found = self._connection.execute("SELECT 1 FROM inventories WHERE key = ?", (key,))
        return found.fetchone() is not None

    def put_inventory(self, key: str, planned_at_ms: int, lines: Iterable[tuple[str, str]]) -> None:
        """Take in an inventory: names with their lines. The newest word on a log group counts."""
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO listed VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
            "planned_at_ms = excluded.planned_at_ms, line = excluded.line "
            "WHERE excluded.planned_at_ms >= planned_at_ms",
            ((name, planned_at_ms, line) for name, line in lines),
        )
        self._connection.execute("INSERT OR IGNORE INTO inventories VALUES (?)", (key,))
        self._connection.execute("COMMIT")

    def unread(self) -> list[RecordRow]:
        """Return the records of which nobody knows the log group."""
        rows = self._connection.execute("SELECT * FROM records WHERE name IS NULL")
        return [RecordRow(*each) for each in rows]

    def names(self) -> Iterator[str]:
        """Yield every log group's name that is known."""
        rows = self._connection.execute(
            "SELECT name FROM listed UNION SELECT name FROM records WHERE name IS NOT NULL"
        )
        return (name for (name,) in rows)

    def due(
        self,
        date: DateToSeal,
        only: str | None = None,
        windows: Container[Window] | None = None,
    ) -> Iterator[Group]:
        """Yield what is not stated yet, was stated by something else, or as contradicted.

        What is contradicted somebody may have put right since, in the archive alone.

        Each log group that is known has leaves for all of the date: where the ledger has nothing of
        it, one for each of the date's windows.

        Args:
            date: The date.
            only: The only log group that is wanted; None for all.
            windows: The only windows that are; None for all.
        """
        names = self._connection.execute(
            "SELECT name FROM listed UNION SELECT name FROM records WHERE name IS NOT NULL"
            " ORDER BY name"
        )
        for (name,) in names:
            if only not in {None, name}:
                continue
            for group in self._groups(name, date):
                if windows is not None and group.window not in windows:
                    continue
                stated = self._connection.execute(
                    "SELECT basis FROM leaves WHERE (name, from_ms, to_ms) = (?, ?, ?)"
                    " AND outcome <> ?",
                    (name, group.window.from_ms, group.window.to_ms, CONTRADICTED),
                ).fetchone()
                if stated != (group.basis,):
                    yield group

    def leaf(self, group: Group) -> LeafRow | None:
        """Return what was stated of a group; None for nothing."""
        found = self._connection.execute(
            "SELECT * FROM leaves WHERE (name, from_ms, to_ms) = (?, ?, ?)",
            (group.name, group.window.from_ms, group.window.to_ms),
        ).fetchone()
        return None if found is None else LeafRow(*found)

    def put_leaves(self, rows: Iterable[LeafRow]) -> None:
        """Take in what was stated."""
        self._write("leaves", LeafRow, rows)

    def leaves(self, *, unsealed: bool = False, outcome: str | None = None) -> Iterator[LeafRow]:
        """Yield the leaves in the order of a seal's tree.

        Args:
            unsealed: Only what no seal has yet.
            outcome: Only what has this one; None for any.
        """
        rows = self._connection.execute(
            "SELECT * FROM leaves WHERE NOT (? AND is_sealed) AND outcome = coalesce(?, outcome)"
            " ORDER BY name_sha256(name), from_ms, to_ms",
            (unsealed, outcome),
        )
        return (LeafRow(*each) for each in rows)

    def unsealed(self) -> Unsealed | None:
        """Return what no seal has yet; None where that is nothing."""
        rows = self._connection.execute(
            "SELECT reason, max(to_ms) FROM leaves WHERE NOT is_sealed GROUP BY reason"
        ).fetchall()
        if not rows:
            return None
        return Unsealed(frozenset(reason for reason, _ in rows), max(end for _, end in rows))

    def mark_sealed(self) -> None:
        """Note that a seal has all leaves."""
        self._connection.execute("UPDATE leaves SET is_sealed = 1")

    def mark_known(
        self,
        sealed: Iterable[Leaf],
        same: Callable[[Iterator[tuple[LeafRow, Leaf]]], Iterable[LeafRow]],
    ) -> None:
        """Note which leaves a seal has already, by whatever invocation.

        Args:
            sealed: The leaves of the date's seals, the oldest seal's first: the last one counts.
            same: Yields those of some leaves of which the seal's says the same, if by another
                statement.
        """
        _fill(self._connection, "sealed", ((*_place(each), each.statement) for each in sealed))
        rows = self._connection.execute(
            "SELECT leaves.*, sealed.statement FROM leaves JOIN sealed"
            " USING (name, from_ms, to_ms) WHERE NOT is_sealed"
        )
        both = ((LeafRow(*row), Leaf(statement=statement)) for *row, statement in rows)
        _fill(
            self._connection,
            "known",
            ((each.name, each.from_ms, each.to_ms) for each in same(both)),
        )
        self._connection.execute(
            "UPDATE leaves SET is_sealed = 1, statement = sealed.statement FROM sealed, known"
            " WHERE (leaves.name, leaves.from_ms, leaves.to_ms)"
            " = (sealed.name, sealed.from_ms, sealed.to_ms)"
            " AND (leaves.name, leaves.from_ms, leaves.to_ms)"
            " = (known.name, known.from_ms, known.to_ms)"
        )

    def _groups(self, name: str, date: DateToSeal) -> Iterator[Group]:
        """Yield what is known of one log group, window by window."""
        tries: dict[Window, list[tuple[str, str]]] = {}
        rows = self._connection.execute(
            "SELECT from_ms, to_ms, key, etag FROM records"
            " WHERE name = ? AND NOT is_half ORDER BY key",
            (name,),
        )
        for from_ms, to_ms, key, etag in rows:
            tries.setdefault(Window(from_ms=from_ms, to_ms=to_ms), []).append((key, etag))
        listed = self._connection.execute(
            "SELECT planned_at_ms, line FROM listed WHERE name = ?", (name,)
        ).fetchone()
        source = self._source_of(name)
        for window in date.tiles(tries):
            if window in tries:
                keys, basis = tuple(key for key, _ in tries[window]), repr(tries[window])
                yield Group(source, name, window, basis, keys, None)
                continue
            # Whoever was not listed after a window's end may be gone since before its start; where
            # nobody has listed anything since, the newest inventory stands.
            is_known = listed is not None and (
                listed[0] >= window.to_ms or listed[0] >= _listed_ms(self._connection, self.source)
            )
            line = listed[1] if is_known else None
            yield Group(source, name, window, line or NOT_LISTED, (), line)

    def _source_of(self, name: str) -> SourceName:
        """Return whose a log group is, as far as its records or others' of the date say."""
        (profile,) = self._connection.execute(
            "SELECT coalesce((SELECT max(profile) FROM records WHERE name = ?),"
            " (SELECT json_extract(line, '$.source.profile') FROM listed WHERE name = ?),"
            " (SELECT max(profile) FROM records), ?)",
            (name, name, self.source.profile),
        ).fetchone()
        return self.source.model_copy(update={"profile": profile})

    def _write(self, table: str, kind: type[Any], rows: Iterable[Any]) -> None:
        marks = ", ".join("?" * len(fields(kind)))
        self._connection.execute("BEGIN")
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {table} VALUES ({marks})",  # noqa: S608  (constants)
            map(astuple, rows),
        )
        self._connection.execute("COMMIT")


def _listed_ms(connection: sqlite3.Connection, source: SourceName) -> int:
    """Return when the newest inventory was made that was taken in; 0 where none was."""
    (key,) = connection.execute("SELECT max(key) FROM inventories").fetchone()
    return inventory_planned_at(source, key or "") or 0


def _fill(connection: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Fill one of the tables that are gone with the connection."""
    connection.execute(f"DELETE FROM {table}")  # noqa: S608  (a constant)
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)  # noqa: S608  (the same)


def _place(leaf: Leaf) -> tuple[str, int, int]:
    name = leaf.name
    return name.log_group_name, name.window.from_ms, name.window.to_ms
