"""What is to be read for what was asked, and what of it is not in the archive, and why."""

import pickle
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.streams import Export, Joints, Stream, streams_of
from logferry_contracts.seal_key import StatementName
from logferry_contracts.statement import (
    ARCHIVED,
    DISPOSED,
    EXCLUDED,
    SKIPPED,
    WAIVED,
    Statement,
)
from logferry_contracts.verification.findings import SealError
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.standing import Standing, answered_for
from logferry_contracts.window import Window

if TYPE_CHECKING:
    from logferry_contracts.chain import ChainName
    from logferry_contracts.verification.findings import Finding

UNKNOWN = "unknown"
"""The outcome of what nobody says anything about."""
NOT_YET = "not_yet"
"""The outcome of what comes after all that is known, where nobody has said up to when to look."""

LAWFUL = frozenset({SKIPPED, EXCLUDED, WAIVED, DISPOSED, NOT_YET})
"""Outcomes of what is not in the archive, and need not be."""

_SHOWN = 20
"""Things that are told one by one, of each kind."""


@dataclass
class Absences:
    """Windows of one outcome and reason that are not in the archive.

    Attributes:
        outcome: As statements have it, or `UNKNOWN`.
        why: The reason.
        examples: The first of them, in words.
    """

    outcome: str
    why: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_lawful(self) -> bool:
        """Whether nothing is missed by it."""
        return self.outcome in LAWFUL

    def add(self, example: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(example)


class RulesOut(Protocol):
    """Says what need not be read."""

    def __call__(self, stream: Stream) -> bool:
        """Whether a stream need not."""

    def objects_of(self, chain: "ChainName", statement: StatementName) -> int | None:
        """Return how many objects of a statement need not be, if none has to; otherwise None."""


class Plan:
    """The streams that are to be read, kept outside of memory, and what is missing.

    Attributes:
        asked: What is wanted.
        log_groups: The names that match, of all that there were.
        objects: How many are to be read.
        size_bytes: Of them, as they are stored.
        unsealed: How many of them nobody has hashed yet.
        ruled_out: How many others need not be read, as an index says.
        absences: What is not in the archive, by outcome and reason.
        findings: What is wrong with what says which objects there are.
        by_statements: Of which accounts and Regions statements alone say it: whoever asks may not
            read the seals.
    """

    def __init__(self, asked: Asked, rules_out: RulesOut | None = None) -> None:
        """Begin with nothing.

        Args:
            asked: What is wanted.
            rules_out: Says what need not be read; None: everything has to be.
        """
        self.asked = asked
        self._rules_out = rules_out
        self.log_groups: set[str] = set()
        self.objects = self.size_bytes = self.unsealed = self.ruled_out = 0
        self.absences: dict[tuple[str, str], Absences] = {}
        self.findings: list[Finding] = []
        self.by_statements: list[ChainName] = []
        self._joints = Joints()
        # A file without a name, which is gone when this is: https://www.sqlite.org/inmemorydb.html
        self._streams = sqlite3.connect("", autocommit=True, check_same_thread=False)
        weakref.finalize(self, self._streams.close)
        self._streams.execute("CREATE TABLE streams (first_ms, last_ms, folder, stream)")

    @property
    def is_wrong(self) -> bool:
        """Whether what says which objects there are is not what was sealed."""
        return any(isinstance(each, SealError) for each in self.findings)

    @property
    def is_whole(self) -> bool:
        """Whether all that was asked for is in the archive, or need not be."""
        return not self.findings and all(each.is_lawful for each in self.absences.values())

    @property
    def span(self) -> tuple[int, int]:
        """The time that may have events to be read: inclusive start, exclusive end."""
        [(first_ms, last_ms)] = self._streams.execute(
            "SELECT min(first_ms), max(last_ms) FROM streams"
        )
        if first_ms is None:
            return self.asked.from_ms, self.asked.to_ms
        return max(first_ms, self.asked.from_ms), min(last_ms + 1, self.asked.to_ms)

    def does_without(self, chain: "ChainName", words: Sequence[StatementName]) -> bool:
        """Take in that nothing of a window has to be read, if so, by all that was said of it."""
        if self._rules_out is None or len(words) > 1:
            return False
        objects = self._rules_out.objects_of(chain, words[0])
        if objects is None:
            return False
        self.log_groups.add(words[0].log_group_name)
        self.ruled_out += objects
        return True

    def add_standing(
        self, found: Standing, name: str, window: Window, sha256: str | None = None
    ) -> None:
        """Take in what counts of a window.

        Args:
            found: That.
            name: The log group's.
            window: The window.
            sha256: Of the only statement that there is of it; None: there are several.
        """
        if found.statement is None:
            self.add_absence(UNKNOWN, "its statement cannot be read", name, window)
        for each in (found.statement, *found.also):
            if each is not None:
                self._add_statement(each, sha256)

    def _add_statement(self, statement: Statement, sha256: str | None) -> None:
        if statement.outcome != ARCHIVED:
            self.add_absence(
                statement.outcome, _why(statement), statement.log_group.name, statement.window
            )
        if statement.outcome != DISPOSED and statement.objects is not None:
            is_there = statement.outcome == ARCHIVED
            self.add(Export.of(statement, sha256 if is_there else None))

    def add(self, export: Export) -> None:
        """Take in what a window has put into the archive, those of a log group in order."""
        self.log_groups.add(export.log_group_name)
        self._keep(self._joints.add(export))

    def add_absence(self, outcome: str, why: str, of: "str | ChainName", window: Window) -> None:
        """Take in what is not there, unless it only touches what was asked for.

        Args:
            outcome: As statements have it, or `UNKNOWN`, or `NOT_YET`.
            why: The reason.
            of: A log group's name; or whose whole time it is, log groups being unknown.
            window: The time.
        """
        from_ms = max(window.from_ms, self.asked.from_ms)
        to_ms = min(window.to_ms, self.asked.to_ms)
        if isinstance(of, str):
            self.log_groups.add(of)
        if from_ms < to_ms:
            absence = self.absences.setdefault((outcome, why), Absences(outcome, why))
            absence.add(f"{of} {span(from_ms, to_ms)}")

    def add_unknown(self, of: "str | ChainName", window: Window) -> None:
        """Take in a time of which nothing says what became of it; ``of`` as in `add_absence`."""
        if self.asked.is_open_ended and window.to_ms >= self.asked.to_ms:
            self.add_absence(NOT_YET, "not in the archive yet", of, window)
        else:
            self.add_absence(UNKNOWN, "nothing says what became of it", of, window)

    def finish(self) -> None:
        """Know that this is all."""
        self._keep(self._joints.rest())

    def streams(self, *, newest_first: bool = False) -> Iterator[Stream]:
        """Yield what is to be read, by its first event, or by its last one backwards."""
        order = "last_ms DESC" if newest_first else "first_ms"
        rows = self._streams.execute(f"SELECT stream FROM streams ORDER BY {order}, folder")  # noqa: S608  (ours)
        for (stored,) in rows:
            yield pickle.loads(stored)  # noqa: S301  (ours)

    def _keep(self, exports: Iterable[Export]) -> None:
        for export in exports:
            for each in streams_of(export, self.asked):
                if self._rules_out is not None and self._rules_out(each):
                    self.ruled_out += len(each.pieces)
                    continue
                self.objects += len(each.pieces)
                self.size_bytes += each.size_bytes
                self.unsealed += sum(piece.sha256 is None for piece in each.pieces)
                row = (each.first_ms, each.last_ms, each.pieces[0].key, pickle.dumps(each))
                self._streams.execute("INSERT INTO streams VALUES (?, ?, ?, ?)", row)


def _why(statement: Statement) -> str:
    if statement.waiver is not None:
        return f"by {answered_for(statement)}"
    differences = ", ".join(sorted({each.what for each in statement.differences or []}))
    return statement.reason or differences or statement.outcome
