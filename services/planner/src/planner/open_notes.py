"""The notes of open exports kept few: those that a crash, or an earlier release, has left go.

That one is left costs who reads them one look at its record. So there is no hurry, and in doubt
it stays.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from aws_lambda_powertools import Logger

from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.open_exports import (
    is_open,
    next_export_id,
    note_key,
    record_key,
    whole_key,
)
from logferry_contracts.source import SourceName
from planner.cloud import Ledger, NoteThere, OpenNotes

LEFT_AFTER = timedelta(days=1)
"""A younger note may be of what is being written."""

AT_ONCE = 1000
"""Notes that one run looks at. Of more it takes another share each day."""

logger = Logger(service="planner", child=True)


@dataclass(frozen=True)
class Tidying:
    """The notes of one source, at the beginning of a run."""

    notes: OpenNotes
    ledger: Ledger
    source: SourceName

    def tidy(self, now: datetime) -> None:
        """Remove notes of what is not open any more, and say of a new source that it has all."""
        there = self.notes.there(self.source)
        whole = whole_key(self.source)
        if all(note.key != whole for note in there) and self.ledger.is_empty(self.source):
            self.notes.mark_whole(self.source)
        old = [note for note in there if note.key != whole and note.written_at < now - LEFT_AFTER]
        shares = max(1, ceil(len(old) / AT_ONCE))
        left = self._left(old[now.toordinal() % shares :: shares])
        for key in left:
            self.notes.remove(key)
        if left:
            logger.info("notes of what is not open any more were removed", notes=len(left))

    def _left(self, notes: list[NoteThere]) -> list[str]:
        """Return the keys of notes that no record needs; one without a record may get it yet."""
        records = self.ledger.read(record_key(note.key) for note in notes)
        found = [
            (note.key, record)
            for note, record in zip(notes, records, strict=True)
            if isinstance(record, LedgerRecord)
        ]
        left = [key for key, record in found if not is_open(record) or key != note_key(record)]
        open_still = [(key, record) for key, record in found if key not in left]
        following = self.ledger.read(self._next(record) for _, record in open_still)
        return left + [
            key for (key, _), after in zip(open_still, following, strict=True) if after is not None
        ]

    def _next(self, record: LedgerRecord) -> str:
        """Return the key of the next try's record: once that is there, it counts."""
        return ledger_key(record.source, record.window, next_export_id(record))
