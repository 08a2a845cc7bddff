"""The log groups and the windows of a run."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from logferry_contracts.log_group import LogGroup
from logferry_contracts.window import Window
from planner.selection import matches
from planner.worklist.database import Database

MAX_ROWS = 200_000
"""Windows are worked on together, so that there can be an order among them, up to so many rows.

About 20 MB, of the 512 that a Lambda function's /tmp has.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


@dataclass(frozen=True)
class FoundLogGroup:
    """A log group of the source.

    Attributes:
        log_group: None when no message can describe it.
        is_excluded: Whether it is not selected.
        as_far: One that no message can describe, as far as it can be.
    """

    name: str
    log_group: LogGroup | None
    is_excluded: bool = False
    as_far: LogGroup | None = None


class Scope:
    """The log groups, and the windows, some of which are open at a time."""

    def __init__(self, database: Database) -> None:
        """Read and write ``database``."""
        self._db = database

    def add_log_groups(self, found: Iterable[FoundLogGroup]) -> None:
        """Take log groups in, one after another."""
        self._db.write(
            "INSERT OR REPLACE INTO log_groups VALUES (?, ?, ?, ?)",
            (
                (
                    each.name,
                    each.log_group and each.log_group.model_dump_json(exclude_none=True),
                    each.is_excluded,
                    each.as_far and each.as_far.model_dump_json(exclude_none=True),
                )
                for each in found
            ),
        )

    def add_windows(self, windows: Iterable[tuple[Window, str]]) -> None:
        """Take in windows, each with the day that it is of."""
        self._db.write(
            "INSERT INTO windows (from_ms, to_ms, day) VALUES (?, ?, ?)",
            ((window.from_ms, window.to_ms, day) for window, day in windows),
        )

    def keep_only(self, globs: Sequence[str]) -> None:
        """Forget the log groups that match none of these."""
        names = [name for [name] in self._db.execute("SELECT name FROM log_groups")]
        self._db.write(
            "DELETE FROM log_groups WHERE name = ?",
            ((name,) for name in names if not matches(name, globs)),
        )

    def take_for_new(self, windows: Iterable[Window]) -> None:
        """Take these windows for ones that no run has planned as a whole, whatever the ledger has.

        Others than this run's are left alone.
        """
        self._db.write(
            "INSERT INTO parts SELECT from_ms, to_ms FROM windows WHERE from_ms = ? AND to_ms = ?",
            ((window.from_ms, window.to_ms) for window in windows),
        )
        self._db.execute(
            "UPDATE windows SET is_new = 1 WHERE from_ms IN (SELECT from_ms FROM parts)"
        )

    @property
    def taken_for_new(self) -> list[Window]:
        """The windows that were taken for new ones, oldest first."""
        return self._db.windows("from_ms IN (SELECT from_ms FROM parts)")

    @property
    def found(self) -> int:
        """How many log groups there are."""
        return self._db.number("SELECT count(*) FROM log_groups")

    def selected(self) -> Iterator[LogGroup]:
        """Yield the log groups that are selected, by name."""
        rows = self._db.execute(
            "SELECT described FROM log_groups WHERE described IS NOT NULL AND NOT excluded"
        )
        for [described] in rows:
            yield LogGroup.model_validate_json(described)

    def listed(self) -> Iterator[FoundLogGroup]:
        """Yield all log groups, by name as bytes of UTF-8.

        A file of 0.2.0 does not say; it is of a plan that goes on, which lists none.
        """
        rows = self._db.execute(
            "SELECT name, described, excluded, as_far FROM log_groups ORDER BY name"
        )
        for name, *described, excluded, as_far in rows:
            whole, partial = (
                None if text is None else LogGroup.model_validate_json(text)
                for text in (*described, as_far)
            )
            yield FoundLogGroup(name, whole, bool(excluded), partial)

    @property
    def windows(self) -> list[Window]:
        """All windows, oldest first."""
        return self._db.windows("TRUE")

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
        return self._db.windows("state = 'open'")

    def mark_new_windows(self) -> None:
        """Take note of the open windows that no run has planned: the ledger has no record."""
        self._db.execute(
            "UPDATE windows SET is_new = 1 "
            "WHERE state = 'open' AND from_ms NOT IN (SELECT from_ms FROM known)"
        )

    def new_windows(self) -> list[Window]:
        """Return the windows that no run has planned before this one."""
        return self._db.windows("is_new")
