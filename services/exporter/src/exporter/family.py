"""The exports that belong together in the ledger: generations of a window, halves and parents."""

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import partial
from itertools import count

from exporter import split, task
from exporter.cloud import Ledger
from exporter.errors import HalfDamagedError, LedgerConflictError
from logferry_contracts.export import Lane, export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import (
    LedgerRecord,
    generations,
    newest_halves,
    split_task_ids,
)
from logferry_contracts.source import SourceName
from logferry_contracts.window import LONGEST_WINDOW_MS, Window
from logferry_contracts.wire import ContractError

FIRST_GENERATION = 1


class Family:
    """Finds an export's relatives."""

    def __init__(self, ledger: Ledger) -> None:
        """Find them in ``ledger``."""
        self._ledger = ledger

    def other_generations(self, record: LedgerRecord) -> Iterator[LedgerRecord]:
        """Yield what the ledger says of the other tries of the same window."""
        for generation in count(FIRST_GENERATION):
            if generation == record.generation:
                continue
            name = export_id(record.source, record.log_group.name, record.window, generation)
            found = self._ledger.read(record.source, record.window, name)
            if found is not None:
                yield found.record
            elif generation > record.generation:
                return

    def halves(self, record: LedgerRecord) -> list[LedgerRecord]:
        """Return the newest generation of each half of an export that was split.

        Raises:
            HalfDamagedError: The record of one cannot be read, or was removed.
        """
        return newest_halves(record, partial(self._read_half, record.source))

    def part(
        self,
        record: LedgerRecord,
        asked: Lane,
        *,
        is_offer: bool,
        in_hand: Collection[str] = (),
    ) -> LedgerRecord | None:
        """Return what of an export that was split is left for a lane; None for nothing.

        The direct lane takes the earliest part and the slot the latest, so that they meet.

        Args:
            record: The export, or a part of it.
            asked: The lane.
            is_offer: As in `split.is_left`.
            in_hand: Ids of the parts that somebody of this lane is at.

        Raises:
            HalfDamagedError: The record of one cannot be read, or was removed.
        """
        halves = () if record.split is None else record.split.halves
        for half in halves if asked == "direct" else reversed(halves):
            for found in generations(half, partial(self._read_half, record.source)):
                if found.export_id in in_hand:
                    continue
                if split.is_left(found, asked, is_offer=is_offer):
                    return found
                if task.is_under_way(found):
                    left = self.part(found, asked, is_offer=is_offer, in_hand=in_hand)
                    if left is not None:
                        return left
        return None

    def task_ids(self, record: LedgerRecord) -> list[str]:
        """Return the tasks that did an export which was split; none for any other.

        Raises:
            HalfDamagedError: The record of a half cannot be read.
        """
        return split_task_ids(record, partial(self._read, record.source))

    def parent(self, half: LedgerRecord) -> LedgerRecord | None:
        """Return the export of which this is a half, looked for in the windows around.

        None when the ledger has no such export.
        """
        since_ms = half.window.to_ms - LONGEST_WINDOW_MS
        windows = self._ledger.windows(half.source, since_ms, half.window.from_ms)
        # Those of its parent's parents are longer.
        for window in sorted(windows, key=lambda each: each.to_ms - each.from_ms):
            if split.may_be_parent(window, half) and half.parent_export_id is not None:
                found = self._ledger.read(half.source, window, half.parent_export_id)
                if found is not None:
                    return found.record
        return None

    def add_half(
        self, request: ExportRequestedData, record: LedgerRecord, window: Window, at: datetime
    ) -> ExportRequestedData:
        """Write the first record of a half, unless it is there, and return the request for it.

        An earlier generation of the same export may have been split as well: its halves are
        taken, so that this one's are later generations. A damaged record is nobody's.

        Raises:
            LedgerConflictError: Somebody else is writing it.
        """
        for generation in count(FIRST_GENERATION):
            half = split.half_request(request, record, window, generation)
            try:
                self._ledger.create(half.first_record(at))
            except LedgerConflictError:
                try:
                    known = self._read(half.source, window, half.export_id)
                except HalfDamagedError:
                    continue
                if known is None:
                    raise
                if known.parent_export_id != record.export_id:
                    continue
            return half
        raise AssertionError("generations have no end")

    def _read_half(self, source: SourceName, window: Window, name: str) -> LedgerRecord:
        """Read what was there before any record named it."""
        found = self._read(source, window, name)
        if found is None:
            raise HalfDamagedError(f"Export {name}, which is a half of it: its record was removed")
        return found

    def _read(self, source: SourceName, window: Window, name: str) -> LedgerRecord | None:
        try:
            found = self._ledger.read(source, window, name)
        except ContractError as error:
            raise HalfDamagedError(f"Export {name}, which is a half of it: {error}") from error
        return None if found is None else found.record
