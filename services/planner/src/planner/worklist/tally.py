"""What has become of the rows of a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.activity import DIRECT_BYTES_PER_S, DIRECT_FIXED_S
from planner.plan import Outcome
from planner.retention import FAR_MS
from planner.worklist.database import Database

_KEEP = """
INSERT INTO planned SELECT name, from_ms, outcome, reason, lane, estimated_bytes FROM exports
ORDER BY outcome != 'requested', deadline_ms, from_ms, kind, size_bytes, name
"""


_WORK = """
INSERT INTO work SELECT day,
  sum(CASE lane WHEN 'slot' THEN slot_s ELSE 0 END),
  sum(CASE WHEN lane = 'direct' AND slot_s = 0 THEN direct_s ELSE 0 END),
  sum(CASE lane WHEN 'direct' THEN slot_s ELSE 0 END),
  sum(CASE WHEN lane = 'direct' AND slot_s > 0 THEN direct_s ELSE 0 END)
FROM (
  SELECT from_ms, lane, slot_s, :fixed_s + coalesce(estimated_bytes, 0) / :bytes_per_s AS direct_s
  FROM exports WHERE outcome = 'requested'
) JOIN windows USING (from_ms) GROUP BY day
"""


@dataclass(frozen=True)
class Work:
    """What the exports of one day, or of several, take a lane, in seconds.

    Attributes:
        slot_s: Of what only the slot is asked for.
        direct_s: Of what only the direct lane is asked for.
        shared_slot_s: Of what both are asked for, if the slot did all of it.
        shared_direct_s: The same, if the direct lane did.
    """

    slot_s: float = 0.0
    direct_s: float = 0.0
    shared_slot_s: float = 0.0
    shared_direct_s: float = 0.0


@dataclass(frozen=True)
class Total:
    """What rows of one day have in common.

    Attributes:
        day: Of the window's start, such as ``2026-11-22``.
        estimated_bytes: Of all of them, where there is an estimate.
        slot_s: Seconds of the export slot, if it did all of them that it may.
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
        self._db.execute(_WORK, {"fixed_s": DIRECT_FIXED_S, "bytes_per_s": DIRECT_BYTES_PER_S})
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
    def work(self) -> dict[str, Work]:
        """What the requested exports take, by day."""
        rows = self._db.execute(
            "SELECT day, sum(slot_s), sum(direct_s), sum(shared_slot_s), sum(shared_direct_s) "
            "FROM work GROUP BY day ORDER BY day"
        )
        return {day: Work(*columns) for day, *columns in rows}

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
