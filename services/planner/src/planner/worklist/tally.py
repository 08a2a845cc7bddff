"""What has become of the rows of a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.plan import Outcome
from planner.retention import FAR_MS
from planner.worklist.database import Database

_KEEP = """
INSERT INTO planned SELECT name, from_ms, outcome, reason, lane, estimated_bytes FROM exports
ORDER BY outcome != 'requested', deadline_ms, from_ms, kind, size_bytes, name
"""


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


class Tally:
    """What is counted of rows before they are forgotten."""

    def __init__(self, database: Database) -> None:
        """Read and write ``database``."""
        self._db = database

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
        """Count a date of earlier runs that was asked for once more, with so many exports."""
        self._db.execute("INSERT INTO asked_again VALUES (?)", (exports,))

    @property
    def asked_again(self) -> int:
        """How many exports of earlier runs were asked for once more."""
        return self._db.number("SELECT coalesce(sum(exports), 0) FROM asked_again")

    @property
    def dates_asked_again(self) -> int:
        """How many dates of earlier runs were asked for once more, for exports or their end."""
        return self._db.number("SELECT count(*) FROM asked_again")
