"""What is still to decide of each log group in each open window of a run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from logferry_contracts.export import Lane, export_id, tries_there
from logferry_contracts.log_group import LogGroup
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.order import Place
from planner.plan import BACKDATED_MS, FIRST_GENERATION, Candidate, Outcome
from planner.worklist.database import Database

type Step = Literal["recorded", "new", "ready", "offered"]
"""What has to be done next: read the ledger record, see to rules and metrics, decide, or ask the
slot too."""
type Share = Literal["idle", "small", "large"]
"""Of what is ready: what seems to need no export, or the others from one end or the other."""

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
_WITHOUT_ROW = """
SELECT name FROM log_groups
WHERE described IS NOT NULL AND NOT excluded AND NOT EXISTS (
  SELECT 1 FROM exports WHERE exports.from_ms = :from_ms AND exports.name = log_groups.name
)
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
_TAKE_OFFERED = """
SELECT described, from_ms, to_ms, generation, estimated_bytes, seems_empty, size_bytes
FROM exports INDEXED BY exports_by_step
JOIN windows USING (from_ms) JOIN log_groups USING (name)
WHERE step = 'offered'
ORDER BY deadline_ms, from_ms, size_bytes DESC, name LIMIT :limit
"""
_TAKE_OF_READY = """
SELECT described, from_ms, to_ms, generation, estimated_bytes, seems_empty, size_bytes
FROM exports INDEXED BY exports_by_order
JOIN windows USING (from_ms) JOIN log_groups USING (name)
WHERE step = 'ready' AND {which}
ORDER BY deadline_ms, from_ms, size_bytes {order}, name LIMIT :limit
"""
_TAKES = {
    "ready": _TAKE_READY,
    "offered": _TAKE_OFFERED,
    "idle": _TAKE_OF_READY.format(which="kind != 0", order="ASC"),
    "small": _TAKE_OF_READY.format(which="kind = 0 AND estimated_bytes IS NOT NULL", order="ASC"),
    "large": _TAKE_OF_READY.format(which="kind = 0", order="DESC"),
}
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
        slot_s: How long it is expected to keep the export slot busy, if the slot does it.
        is_offered: Whether the slot is still to be asked as well.
    """

    candidate: Candidate
    outcome: Outcome
    reason: str | None = None
    lane: Lane | None = None
    slot_s: float = 0
    is_offered: bool = False


class Rows:
    """The rows of the open windows."""

    def __init__(self, database: Database, source: SourceName) -> None:
        """Read and write ``database``."""
        self._db = database
        self._source = source

    def learn(self, exports: Iterable[tuple[Window, str]]) -> None:
        """Take in which exports the ledger has a record of: of any window, by export id."""
        self._db.write(
            "INSERT OR IGNORE INTO known VALUES (?, ?)",
            ((export_id_, window.from_ms) for window, export_id_ in exports),
        )

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
        self._insert_later(window, *recorded)
        self._insert(window, "excluded", "done", "skipped", "excluded")
        self._insert(window, "TRUE", "new")

    def catch_up(self, *, reread: bool) -> None:
        """Take note of rows that are not decided and that the ledger has a record of by now."""
        step, outcome = ("recorded", None) if reread else ("done", "already_in_ledger")
        self._db.execute(
            f"UPDATE exports SET step = ?, outcome = ? WHERE {_IS_KNOWN_BY_NOW}",  # noqa: S608  (a constant)
            (step, outcome),
        )

    def take(self, step: Step | Share, limit: int) -> list[Row]:
        """Return the next rows of a step, all of one window unless they are ready.

        Ready ones come in the order in which to ask for them, and what is offered to the slot as
        well the largest first.
        """
        rows = self._db.execute(_TAKES.get(step, _TAKE), {"step": step, "limit": limit})
        return [_row(*columns) for columns in rows]

    @property
    def are_left(self) -> bool:
        """Whether something is still to be decided or asked for."""
        return bool(self._db.number("SELECT count(*) FROM exports WHERE step != 'done'"))

    @property
    def done(self) -> int:
        """How many rows of the open windows are decided and asked for."""
        return self._db.number("SELECT count(*) FROM exports WHERE step = 'done'")

    def newest_generation(self, candidate: Candidate) -> int:
        """Return the generation of the newest record there is; of the first one where none is."""
        return max(
            self._tries(candidate.log_group.name, candidate.window), default=FIRST_GENERATION
        )

    def export_id(self, candidate: Candidate) -> str:
        """Return the id that a candidate has as an export."""
        name, window = candidate.log_group.name, candidate.window
        return export_id(self._source, name, window, candidate.generation)

    def renew(self, candidates: Iterable[Candidate]) -> None:
        """Make rows new again, each with its candidate's generation."""
        self._db.write(
            "UPDATE exports SET step = 'new', generation = ? WHERE from_ms = ? AND name = ?",
            ((each.generation, *_key(each)) for each in candidates),
        )

    def place(self, places: Iterable[tuple[Candidate, Place]]) -> None:
        """Make rows ready, with what has been found out about them and where they belong."""
        self._db.write(
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
        self._db.write(
            "UPDATE exports SET step = ?, outcome = ?, reason = ?, lane = ?, slot_s = ? "
            "WHERE from_ms = ? AND name = ?",
            (
                (
                    "offered" if each.is_offered else "done",
                    each.outcome,
                    each.reason,
                    each.lane,
                    each.slot_s,
                    *_key(each.candidate),
                )
                for each in verdicts
            ),
        )

    def close(self, rows: Iterable[Row]) -> None:
        """Take note that the slot was asked too, and nothing is left to do."""
        self._db.write(
            "UPDATE exports SET step = 'done' WHERE from_ms = ? AND name = ?",
            (_key(row.candidate) for row in rows),
        )

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

    def _insert_later(self, window: Window, step: str, outcome: str | None) -> None:
        """Make the rows of log groups whose first record somebody has removed, and no later one.

        They would be exported once more. Nothing is looked for where the ledger has no record.
        """
        of_window = self._db.execute("SELECT 1 FROM known WHERE from_ms = ?", (window.from_ms,))
        if of_window.fetchone() is None:
            return
        names = [name for (name,) in self._db.execute(_WITHOUT_ROW, window.model_dump())]
        self._db.write(
            "INSERT INTO exports (from_ms, name, generation, step, outcome) VALUES (?, ?, ?, ?, ?)",
            (
                (window.from_ms, name, FIRST_GENERATION, step, outcome)
                for name in names
                if any(self._tries(name, window))
            ),
        )

    def _tries(self, name: str, window: Window) -> Iterator[int]:
        """Yield the generations of the records that there are of a log group in a window."""
        there = _Known(self._db)
        return (generation for generation, _ in tries_there(there, self._source, name, window))


@dataclass(frozen=True)
class _Known:
    """The export ids that the ledger has a record of."""

    database: Database

    def __contains__(self, export_id_: object) -> bool:
        found = self.database.execute("SELECT 1 FROM known WHERE export_id = ?", (export_id_,))
        return found.fetchone() is not None


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
