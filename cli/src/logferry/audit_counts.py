"""Counts of what a check has seen, and lists that keep their first things and count the others."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from logferry_contracts.statement import (
    AMBIGUOUS,
    ARCHIVED,
    KNOWN_OUTCOMES,
    LACKING,
    Statement,
)
from logferry_contracts.verification.chain import Link

UNREAD = "unread"
"""In the place of the outcome of a window whose statement could not be read."""
UNKNOWN = "unknown"
"""In the place of an outcome that this version does not know, of which there may be many."""


def known(outcome: str) -> str:
    """Return an outcome, or `UNKNOWN`."""
    return outcome if outcome in KNOWN_OUTCOMES else UNKNOWN


class Listed[T]:
    """The first of many things.

    Attributes:
        count: How many there were.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.first: list[T] = []
        self.count = 0

    def add(self, thing: T) -> None:
        """Count one, and keep it while there is room."""
        self.count += 1
        if len(self.first) < self._limit:
            self.first.append(thing)

    @property
    def more(self) -> int:
        """How many were not kept."""
        return self.count - len(self.first)


@dataclass
class Counts:
    """What became of windows.

    Attributes:
        log_groups: Different ones, of those whose statements were read.
        outcomes: How many windows have each, or are `UNREAD`.
        by_seals: How many of these windows are counted as the seal of their date counts them,
            since their statements were not read: what a later seal says is not in it.
        objects: Of the archived windows, as are the others.
        pointer_lines: Lines whose content is elsewhere.
        broken_objects: Whose gzip is not complete.
        recounted: Windows that CloudWatch Logs itself has counted as well.
        lacking: Of these, those of which it had more events.
        ambiguous: Those of which the archive has more, such as lines that begin like an event.
    """

    log_groups: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    by_seals: int = 0
    objects: int = 0
    events: int = 0
    stored_bytes: int = 0
    pointer_lines: int = 0
    broken_objects: int = 0
    recounted: int = 0
    lacking: int = 0
    ambiguous: int = 0

    @property
    def windows(self) -> int:
        """How many there are."""
        return self.outcomes.total()

    def add(self, other: "Counts") -> None:
        """Count others' as well; their log groups are taken for different ones."""
        self.outcomes.update(other.outcomes)
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def add_statement(self, statement: Statement | None) -> None:
        """Count a window; None for one that could not be read."""
        self.outcomes[UNREAD if statement is None else known(statement.outcome)] += 1
        if statement is None or statement.outcome != ARCHIVED:
            return
        self.recounted += statement.recount_says is not None
        self.lacking += statement.recount_says == LACKING
        self.ambiguous += statement.recount_says == AMBIGUOUS
        for each in statement.objects or []:
            self.objects += 1
            self.events += each.events
            self.stored_bytes += each.size_bytes
            self.pointer_lines += each.pointer_lines
            self.broken_objects += not each.is_gzip_complete

    def add_seal(self, link: Link) -> None:
        """Count what a seal says that it seals."""
        if link.sealed is None:
            return
        for outcome, count in link.sealed.outcomes.items():
            self.outcomes[known(outcome)] += count
        self.by_seals += sum(link.sealed.outcomes.values())
        self.objects += link.sealed.objects
        self.events += link.sealed.events
        self.stored_bytes += link.sealed.stored_bytes

    def as_json(self) -> dict[str, Any]:
        """Return them as a JSON document."""
        summed = {name: getattr(self, name) for name in _SUMMED}
        return {"windows": self.windows, **summed, "outcomes": dict(sorted(self.outcomes.items()))}


_SUMMED = (
    *("log_groups", "by_seals", "objects", "events", "stored_bytes"),
    *("pointer_lines", "broken_objects", "recounted", "lacking", "ambiguous"),
)


class Monthly:
    """What became of a chain's windows, by the calendar month of their date."""

    def __init__(self) -> None:
        self._months: dict[str, Counts] = {}
        self._bits: dict[str, int] = {}
        self._names: dict[str, int] = {}
        """Log groups, each with a bit for each month that it was seen in."""

    def of(self, link: Link) -> Counts:
        """Return the counts of a seal's month, to be added to."""
        return self._months.setdefault(_month_of(link), Counts())

    def add(self, link: Link, statement: Statement | None) -> None:
        """Count a window of a seal's date; None for one that could not be read."""
        self.of(link).add_statement(statement)
        if statement is not None:
            bit = self._bits.setdefault(_month_of(link), 1 << len(self._bits))
            name = statement.log_group.name
            self._names[name] = self._names.get(name, 0) | bit

    def summed(self) -> tuple[Counts, list[tuple[str, Counts]]]:
        """Return the counts of all months, and those of each."""
        total = Counts()
        for month, counts in self._months.items():
            bit = self._bits.get(month, 0)
            counts.log_groups = sum(bool(months & bit) for months in self._names.values())
            total.add(counts)
        total.log_groups = len(self._names)
        return total, sorted(self._months.items())


def _month_of(link: Link) -> str:
    return link.sealed.date[:7] if link.sealed else ""
