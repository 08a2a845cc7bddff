"""A run's log groups and what is still to decide, in a file: as many as there may be.

There is a row for each log group in each window, for as many windows at a time as fit in. What is
known of the run is in the file and nowhere else, so that another invocation can go on with it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from logferry_contracts.export import Lane, export_id
from logferry_contracts.log_group import LogGroup
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.order import Place
from planner.plan import BACKDATED_MS, FIRST_GENERATION, Candidate, Outcome
from planner.retention import FAR_MS

MAX_ROWS = 200_000
"""Windows are worked on together, so that there can be an order among them, up to so many rows.

About 20 MB, of the 512 that a Lambda function's /tmp has.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
CACHE_KIB = 4096
"""What SQLite may keep in memory; the rest is read from the file when it is needed."""

type Step = Literal["recorded", "new", "ready"]
"""What has to be done next: read the ledger record, see to rules and metrics, or decide."""

_TABLES = """
CREATE TABLE log_groups (
  name TEXT PRIMARY KEY, described TEXT, excluded INTEGER NOT NULL
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
_ASKED_AGAIN = "CREATE TABLE IF NOT EXISTS asked_again (exports INTEGER NOT NULL)"
_KEEP = """
INSERT INTO planned SELECT name, from_ms, outcome, reason, lane, estimated_bytes FROM exports
ORDER BY outcome != 'requested', deadline_ms, from_ms, kind, size_bytes, name
"""
_IS_KNOWN = """
export_id(name, :from_ms, :to_ms, :generation) IN (SELECT export_id FROM known)
"""
_IS_KNOWN_ONCE = f"""
{_IS_KNOWN} AND export_id(name, :from_ms, :to_ms, :generation + 1) NOT IN (
  SELECT export_id FROM known
)
"""  # noqa: S608  (a constant)
_IS_BEFORE_CREATION = f"""
described ->> 'created_ms' > :to_ms AND described ->> 'created_ms' <= :to_ms + {BACKDATED_MS}
"""
_IS_KNOWN_BY_NOW = """
step IN ('new', 'ready') AND export_id(
  name, from_ms, (SELECT to_ms FROM windows WHERE windows.from_ms = exports.from_ms), generation
) IN (SELECT export_id FROM known)
"""
_SOME_KNOWN = """
SELECT from_ms, to_ms, export_id FROM (
  SELECT from_ms, export_id,
    dense_rank() OVER (ORDER BY from_ms DESC) AS newest,
    row_number() OVER (PARTITION BY from_ms ORDER BY export_id) AS number
  FROM known
) JOIN windows USING (from_ms)
WHERE newest <= ? AND number <= ? ORDER BY from_ms DESC, export_id
"""
_TAKE = """
SELECT described, from_ms, to_ms, generation, estimated_bytes, seems_empty, size_bytes
FROM exports INDEXED BY exports_by_step
JOIN windows USING (from_ms) JOIN log_groups USING (name)
WHERE step = :step AND from_ms = (SELECT min(from_ms) FROM exports WHERE step = :step)
ORDER BY name LIMIT :limit
"""
_TAKE_READY = """
SELECT described, from_ms, to_ms, generation, estimated_bytes, seems_empty, size_bytes
FROM exports INDEXED BY exports_by_order
JOIN windows USING (from_ms) JOIN log_groups USING (name)
WHERE step = 'ready'
ORDER BY deadline_ms, from_ms, kind, size_bytes, name LIMIT :limit
"""
_MEDIAN = """
SELECT size_bytes FROM exports
WHERE step = 'ready' AND kind = 0 AND estimated_bytes IS NOT NULL
ORDER BY size_bytes LIMIT 1
OFFSET (
  SELECT count(*) / 2 FROM exports
  WHERE step = 'ready' AND kind = 0 AND estimated_bytes IS NOT NULL
)
"""


@dataclass(frozen=True)
class FoundLogGroup:
    """A log group of the source.

    Attributes:
        log_group: None when no message can describe it.
        is_excluded: Whether it is not selected.
    """

    name: str
    log_group: LogGroup | None
    is_excluded: bool = False


@dataclass(frozen=True)
class Row:
    """A candidate, and what is taken for its size.

    Attributes:
        size_bytes: The estimate, or the median of the others' where there is none.
    """

    candidate: Candidate
    size_bytes: int


@dataclass(frozen=True)
class Verdict:
    """What has become of a row.

    Attributes:
        lane: When it was requested; otherwise None.
        slot_s: How long it is expected to keep the export slot busy.
    """

    candidate: Candidate
    outcome: Outcome
    reason: str | None = None
    lane: Lane | None = None
    slot_s: float = 0


@dataclass(frozen=True)
class Total:
    """What rows of one day have in common.

    Attributes:
        day: Of the window's start, such as ``2026-11-22``.
        estimated_bytes: Of all of them, where there is an estimate.
        slot_s: Seconds of the export slot.
    """

    day: str
    outcome: Outcome
    reason: str | None
    exports: int
    estimated_bytes: int
    slot_s: float


class Worklist:
    """The file of one run."""

    def __init__(self, path: Path, source: SourceName) -> None:
        """Open the file, or begin it. It is complete whenever no method runs."""
        is_new = not path.exists()
        self._path = path
        self._source = source
        # A run that is cut goes back to the copy it began with, so that nothing has to be undone.
        self._db = sqlite3.connect(path, autocommit=True)
        self._db.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;"
            f"PRAGMA cache_size = -{CACHE_KIB};"
        )
        self._db.create_function("export_id", 4, self._export_id, deterministic=True)
        if is_new:
            self._db.executescript(_TABLES)
        self._db.execute(_EXPIRING)  # a file of 0.2.0 has none of these
        self._db.execute(_ASKED_AGAIN)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    # --- log groups and windows

    def add_log_groups(self, found: Iterable[FoundLogGroup]) -> None:
        """Take log groups in, one after another."""
        self._write(
            "INSERT OR REPLACE INTO log_groups VALUES (?, ?, ?)",
            (
                (
                    each.name,
                    each.log_group and each.log_group.model_dump_json(exclude_none=True),
                    each.is_excluded,
                )
                for each in found
            ),
        )

    def add_windows(self, windows: Iterable[tuple[Window, str]]) -> None:
        """Take in windows, each with the day that it is of."""
        self._write(
            "INSERT INTO windows (from_ms, to_ms, day) VALUES (?, ?, ?)",
            ((window.from_ms, window.to_ms, day) for window, day in windows),
        )

    @property
    def found(self) -> int:
        """How many log groups there are."""
        return self._number("SELECT count(*) FROM log_groups")

    def selected(self) -> Iterator[LogGroup]:
        """Yield the log groups that are selected, by name."""
        rows = self._db.execute(
            "SELECT described FROM log_groups WHERE described IS NOT NULL AND NOT excluded"
        )
        for [described] in rows:
            yield LogGroup.model_validate_json(described)

    @property
    def windows(self) -> list[Window]:
        """All windows, oldest first."""
        return self._windows("TRUE")

    def open_windows(self) -> list[Window]:
        """Return the windows that are worked on, oldest first; the next ones if there are none.

        Empty when all windows are done with.
        """
        at_once = max(1, MAX_ROWS // max(1, self.found))
        self._db.execute(
            "UPDATE windows SET state = 'open' WHERE from_ms IN ("
            "SELECT from_ms FROM windows WHERE state = 'waiting' "
            "AND NOT EXISTS (SELECT 1 FROM windows WHERE state = 'open') "
            "ORDER BY from_ms LIMIT ?)",
            (at_once,),
        )
        return self._windows("state = 'open'")

    # --- rows

    def learn(self, exports: Iterable[tuple[Window, str]]) -> None:
        """Take in which exports the ledger has a record of: of any window, by export id."""
        self._write(
            "INSERT OR IGNORE INTO known VALUES (?, ?)",
            ((export_id_, window.from_ms) for window, export_id_ in exports),
        )

    def mark_new_windows(self) -> None:
        """Take note of the open windows that no run has planned: the ledger has no record."""
        self._db.execute(
            "UPDATE windows SET is_new = 1 "
            "WHERE state = 'open' AND from_ms NOT IN (SELECT from_ms FROM known)"
        )

    def new_windows(self) -> list[Window]:
        """Return the windows that no run has planned before this one."""
        return self._windows("is_new")

    def known(self, windows: int, exports: int) -> list[tuple[Window, str]]:
        """Return some exports that the ledger has a record of, the newest windows first.

        Export ids are hashes, so that the first ones of a window are any of it.

        Args:
            windows: Of how many windows at most.
            exports: How many of each window at most.
        """
        rows = self._db.execute(_SOME_KNOWN, (windows, exports))
        return [(Window(from_ms=start, to_ms=end), id_) for start, end, id_ in rows]

    def fill(self, window: Window, *, reread: bool) -> None:
        """Make the rows of a window that are not there yet; decide what needs no further look.

        Args:
            window: An open one, whose records in the ledger have been learned.
            reread: Whether what is selected and the ledger has a record of is read, and decided by
                what it says; otherwise that it has one is enough, but where up to 0.2.0 it may
                have been skipped without a look: in the days before its log group's creation.
        """
        recorded = ("recorded", None) if reread else ("done", "already_in_ledger")
        self._insert(window, "described IS NULL", "done", "refused", "log_group_unreadable")
        self._insert(window, f"excluded AND {_IS_KNOWN}", "done", "already_in_ledger")
        self._insert(window, f"{_IS_BEFORE_CREATION} AND {_IS_KNOWN_ONCE}", "recorded")
        self._insert(window, _IS_KNOWN, *recorded)
        self._insert(window, "excluded", "done", "skipped", "excluded")
        self._insert(window, "TRUE", "new")

    def catch_up(self, *, reread: bool) -> None:
        """Take note of rows that are not decided and that the ledger has a record of by now."""
        step, outcome = ("recorded", None) if reread else ("done", "already_in_ledger")
        self._db.execute(
            f"UPDATE exports SET step = ?, outcome = ? WHERE {_IS_KNOWN_BY_NOW}",  # noqa: S608  (a constant)
            (step, outcome),
        )

    def take(self, step: Step, limit: int) -> list[Row]:
        """Return the next rows of a step, all of one window unless they are ready.

        Ready ones come in the order in which to ask for them.
        """
        rows = self._db.execute(
            _TAKE_READY if step == "ready" else _TAKE, {"step": step, "limit": limit}
        )
        return [_row(*columns) for columns in rows]

    def newest_generation(self, candidate: Candidate) -> int:
        """Return the generation of the newest record there is.

        Generations follow each other without a gap.
        """
        generation = FIRST_GENERATION
        while self._is_known(replace(candidate, generation=generation + 1)):
            generation += 1
        return generation

    def export_id(self, candidate: Candidate) -> str:
        """Return the id that a candidate has as an export."""
        name, window = candidate.log_group.name, candidate.window
        return export_id(self._source, name, window, candidate.generation)

    def renew(self, candidates: Iterable[Candidate]) -> None:
        """Make rows new again, each with its candidate's generation."""
        self._write(
            "UPDATE exports SET step = 'new', generation = ? WHERE from_ms = ? AND name = ?",
            ((each.generation, *_key(each)) for each in candidates),
        )

    def place(self, places: Iterable[tuple[Candidate, Place]]) -> None:
        """Make rows ready, with what has been found out about them and where they belong."""
        self._write(
            "UPDATE exports SET step = 'ready', deadline_ms = ?, kind = ?, size_bytes = ?, "
            "estimated_bytes = ?, seems_empty = ? WHERE from_ms = ? AND name = ?",
            (
                (
                    place.deadline_ms,
                    place.kind,
                    each.estimated_bytes,
                    each.estimated_bytes,
                    each.seems_empty,
                    *_key(each),
                )
                for each, place in places
            ),
        )

    def place_unknown(self) -> None:
        """Put ready rows of unknown size into the middle of the others."""
        self._db.execute(
            f"UPDATE exports SET size_bytes = coalesce(({_MEDIAN}), 0) "  # noqa: S608  (a constant)
            "WHERE step = 'ready' AND size_bytes IS NULL"
        )

    def settle(self, verdicts: Iterable[Verdict]) -> None:
        """Take in what has become of rows."""
        self._write(
            "UPDATE exports SET step = 'done', outcome = ?, reason = ?, lane = ?, slot_s = ? "
            "WHERE from_ms = ? AND name = ?",
            (
                (each.outcome, each.reason, each.lane, each.slot_s, *_key(each.candidate))
                for each in verdicts
            ),
        )

    def close_windows(self, *, keep: bool) -> None:
        """Count the rows of the open windows, all of which are decided, and forget them.

        Args:
            keep: Whether `planned` is to tell of them.
        """
        if keep:
            self._db.execute(_KEEP)
        self._db.execute(
            "INSERT INTO totals SELECT day, outcome, reason, count(*), "
            "sum(CASE outcome WHEN 'requested' THEN coalesce(estimated_bytes, 0) ELSE 0 END), "
            "sum(coalesce(slot_s, 0)) "
            "FROM exports JOIN windows USING (from_ms) GROUP BY day, outcome, reason"
        )
        self._db.execute(
            "INSERT INTO expiring SELECT count(*), coalesce(sum(slot_s), 0) FROM exports "
            "WHERE outcome = 'requested' AND deadline_ms < ?",
            (FAR_MS,),
        )
        self._db.execute("DELETE FROM exports")
        self._db.execute("DELETE FROM known")
        self._db.execute("UPDATE windows SET state = 'done' WHERE state = 'open'")

    def planned(self) -> Iterator[dict[str, Any]]:
        """Yield what has become of each row that was kept, in PlanCompleted's words."""
        rows = self._db.execute(
            "SELECT name, from_ms, to_ms, outcome, reason, lane, estimated_bytes "
            "FROM planned JOIN windows USING (from_ms) ORDER BY planned.rowid"
        )
        for name, from_ms, to_ms, outcome, reason, lane, estimated_bytes in rows:
            told = {"reason": reason, "lane": lane, "estimated_bytes": estimated_bytes}
            yield {
                "log_group_name": name,
                "window": {"from_ms": from_ms, "to_ms": to_ms},
                "outcome": outcome,
                **{field: value for field, value in told.items() if value is not None},
            }

    @property
    def totals(self) -> list[Total]:
        """What became of the rows of all windows that are done with, oldest day first."""
        rows = self._db.execute(
            "SELECT day, outcome, reason, sum(exports), sum(estimated_bytes), sum(slot_s) "
            "FROM totals GROUP BY day, outcome, reason ORDER BY day"
        )
        return [Total(*columns) for columns in rows]

    @property
    def expiring(self) -> tuple[int, float]:
        """How many exports were requested whose events expire soon, and their slot seconds."""
        exports, slot_s = self._db.execute(
            "SELECT coalesce(sum(exports), 0), coalesce(sum(slot_s), 0) FROM expiring"
        ).fetchone()
        return exports, slot_s

    def count_asked_again(self, exports: int) -> None:
        """Count exports of earlier runs that were asked for once more."""
        self._db.execute("INSERT INTO asked_again VALUES (?)", (exports,))

    @property
    def asked_again(self) -> int:
        """How many exports of earlier runs were asked for once more."""
        return self._number("SELECT coalesce(sum(exports), 0) FROM asked_again")

    def _insert(
        self, window: Window, where: str, step: str, outcome: str | None = None, *reason: str
    ) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO exports (from_ms, name, generation, step, outcome, reason) "  # noqa: S608  (constants)
            "SELECT :from_ms, name, :generation, :step, :outcome, :reason FROM log_groups "
            f"WHERE {where}",
            {
                **window.model_dump(),
                "generation": FIRST_GENERATION,
                "step": step,
                "outcome": outcome,
                "reason": reason[0] if reason else None,
            },
        )

    def _is_known(self, candidate: Candidate) -> bool:
        found = self._db.execute(
            "SELECT 1 FROM known WHERE export_id = ?", (self.export_id(candidate),)
        )
        return found.fetchone() is not None

    def _export_id(self, name: str, from_ms: int, to_ms: int, generation: int) -> str:
        return export_id(self._source, name, Window(from_ms=from_ms, to_ms=to_ms), generation)

    def _windows(self, where: str) -> list[Window]:
        rows = self._db.execute(
            f"SELECT from_ms, to_ms FROM windows WHERE {where} ORDER BY from_ms"  # noqa: S608  (constants)
        )
        return [Window(from_ms=from_ms, to_ms=to_ms) for from_ms, to_ms in rows]

    def _number(self, statement: str) -> int:
        number: int = self._db.execute(statement).fetchone()[0]
        return number

    def _write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(statement, rows)
        self._db.execute("COMMIT")


def _row(  # noqa: PLR0913, PLR0917  (columns)
    described: str,
    from_ms: int,
    to_ms: int,
    generation: int,
    estimated_bytes: int | None,
    seems_empty: int,
    size_bytes: int | None,
) -> Row:
    candidate = Candidate(
        log_group=LogGroup.model_validate_json(described),
        window=Window(from_ms=from_ms, to_ms=to_ms),
        generation=generation,
        estimated_bytes=estimated_bytes,
        seems_empty=bool(seems_empty),
    )
    return Row(candidate, size_bytes or 0)


def _key(candidate: Candidate) -> tuple[int, str]:
    return candidate.window.from_ms, candidate.log_group.name
