"""Taking stock of a date: every log group's window of it stated, as far as it has ended."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import batched

from aws_lambda_powertools import Logger

from logferry_contracts.chain import ChainName
from logferry_contracts.export import export_id
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from sealer.aws.calls import THREADS
from sealer.aws.ledger import Ledger, ListedRecord
from sealer.dates import DateToSeal
from sealer.draft import NOT_LISTED, Draft, Group, RecordRow
from sealer.metrics import DAMAGED, STATED
from sealer.stating import Stated, Stating, Wanted
from sealer.turn import Turn

READ_AT_ONCE = 16 * THREADS
GIVEN_UP_AFTER = timedelta(days=35)
"""Without a plan a source's dates are sealed without log groups: such as of a closed account."""
LIKELY_GENERATIONS = range(1, 11)
"""By which the log group of a record is looked for that cannot be read."""

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Stock:
    """Takes stock of the dates of all chains."""

    ledger: Ledger
    stating: Stating

    def take(
        self,
        date: DateToSeal,
        draft: Draft,
        listed: Iterable[ListedRecord],
        turn: Turn,
        wanted: Wanted,
    ) -> int:
        """State what has ended and is not stated yet; return how many log groups' windows have not.

        Args:
            date: The date.
            draft: What is known of it already.
            listed: The ledger's records of its windows.
            turn: Whose time it takes.
            wanted: How it is stated.

        Raises:
            OutOfTimeError: The next attempt goes on.
        """
        self._read(draft, listed, turn)
        chain, waiting = ChainName.of(draft.source), 0

        def state(group: Group) -> Stated:
            before = stated_before[group.name, group.window]
            return self.stating.state(chain, group, before, turn, wanted)

        with ThreadPoolExecutor(THREADS) as threads:
            due = (
                each
                for each in draft.due(date, wanted.only, wanted.windows)
                # Inventories of a date that was sealed are gone with its draft, and later expire.
                if each.basis != NOT_LISTED or not wanted.is_told(each)
            )
            for some in batched(due, THREADS, strict=False):
                turn.check(f"{date.date} of {chain} is still to be stated")
                stated_before = {(each.name, each.window): draft.leaf(each) for each in some}
                stated = list(threads.map(state, some))
                rows = [each.row for each in stated if each.row is not None]
                draft.put_leaves(rows)
                turn.counts[STATED] += len(rows)
                waiting += len(stated) - len(rows)
        return waiting

    def take_in_inventories(self, date: DateToSeal, draft: Draft) -> bool:
        """Take in which log groups were listed; return whether one was made after the date.

        The first one after its end has what was there by then; a later one has more of what was
        made since.
        """
        for each in self.ledger.inventories(ChainName.of(draft.source), date.windows[0].to_ms):
            if not draft.has_inventory(each.key):
                draft.put_inventory(each.key, each.planned_at_ms, self._lines(each.key))
            if each.planned_at_ms >= date.covers.to_ms:
                return True
        return False

    def take_in_last_inventory(self, date: DateToSeal, draft: Draft) -> None:
        """Take in the last inventory before a date since whose windows nobody has made one.

        So that its log groups are not taken for gone. A source without a plan for long is given up.
        """
        since_ms = max(0, date.covers.from_ms - GIVEN_UP_AFTER // timedelta(milliseconds=1))
        last = None
        for each in self.ledger.inventories(ChainName.of(draft.source), since_ms):
            if each.planned_at_ms >= date.windows[0].to_ms:
                return
            last = each
        if last is not None and not draft.has_inventory(last.key):
            draft.put_inventory(last.key, last.planned_at_ms, self._lines(last.key))

    def _lines(self, key: str) -> Iterator[tuple[str, str]]:
        """Yield an inventory's names and lines. A damaged one costs its own log group alone."""
        for line in self.ledger.inventory(key):
            if isinstance(line, ListedLogGroup):
                yield line.log_group.name, line.model_dump_json(by_alias=True, exclude_none=True)
            else:
                logger.error("a line of an inventory is damaged", key=key, detail=str(line))

    def _read(self, draft: Draft, listed: Iterable[ListedRecord], turn: Turn) -> None:
        """Read the records that are new or have changed."""
        changed = (each for each in listed if draft.has_changed(each.key, each.etag))
        with ThreadPoolExecutor(THREADS) as threads:
            for some in batched(changed, READ_AT_ONCE, strict=False):
                turn.check("records of the ledger are still to be read")
                rows = [each for each in threads.map(self._row, some) if each is not None]
                draft.put_records(rows)
        draft.forget_unlisted()
        self._name(draft, turn)

    def _row(self, listed: ListedRecord) -> RecordRow | None:
        record = self.ledger.record(listed.key)
        if record is None:
            return None
        row = RecordRow(
            export_id=listed.export_id,
            etag=listed.etag,
            key=listed.key,
            name=None,
            from_ms=listed.window.from_ms,
            to_ms=listed.window.to_ms,
            is_half=False,
            profile=None,
        )
        if not isinstance(record, LedgerRecord):
            return row
        is_half = record.parent_export_id is not None
        name, profile = record.log_group.name, record.source.profile
        return replace(row, name=name, is_half=is_half, profile=profile)

    def _name(self, draft: Draft, turn: Turn) -> None:
        """Find out by the names of exports of which log groups the unreadable records are."""
        for row in draft.unread():
            name = _log_group_of(row, draft.names(), draft.source)
            if name is None:
                turn.counts[DAMAGED] += 1
                logger.error("nobody knows of which log group a damaged record is", key=row.key)
            else:
                draft.put_records([row.named(name)])


def listing_sha256(listed: Iterable[ListedRecord]) -> str:
    """Return the digest of what a listing of records shows, which changes with each of them."""
    digest = hashlib.sha256()
    for each in listed:
        digest.update(f"{each.key} {each.etag}\n".encode())
    return digest.hexdigest()


def _log_group_of(row: RecordRow, names: Iterable[str], source: SourceName) -> str | None:
    window = Window(from_ms=row.from_ms, to_ms=row.to_ms)
    return next(
        (
            name
            for name in names
            for generation in LIKELY_GENERATIONS
            if export_id(source, name, window, generation) == row.export_id
        ),
        None,
    )
