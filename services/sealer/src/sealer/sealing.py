"""A chain looked at: the dates that are due are sealed, and what came later to those that are.

Dates are sealed in the order of time, and none is passed over: one that is not complete keeps the
next ones waiting, until it has waited for too long and what has not ended is open.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory

from aws_lambda_powertools import Logger

from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.ledger_key import CONTRADICTED_NOTES, LACKING_NOTES, seal_note_key
from logferry_contracts.message import epoch_ms
from logferry_contracts.seal_key import leaves_key
from logferry_contracts.seal_leaf import Leaf, LeafList
from logferry_contracts.source import SourceName
from logferry_contracts.statement import CONTRADICTED
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from logferry_deliveries.errors import OutOfTimeError
from sealer.aws.calls import THREADS
from sealer.aws.ledger import Ledger, ListedRecord
from sealer.aws.notes import Notes, SealedDate
from sealer.aws.seals import Seals
from sealer.dates import (
    LONGEST_MS,
    DateToSeal,
    date_of,
    first_start,
    is_within,
    longer,
    next_date,
    next_midnight,
    previous_midnight,
)
from sealer.draft import NOT_COUNTED, Draft, LeafRow
from sealer.head import says
from sealer.links import Chain, Links
from sealer.sealed_before import SealedBefore
from sealer.stating import CHANGED, Wanted
from sealer.stock import Stock, listing_sha256
from sealer.turn import Turn

BEFORE_FIRST = timedelta(days=8)
"""How far back from the first inventory the newest date is looked for that had ended by then."""

COMPARED_AT_ONCE = 16 * THREADS

type SealedLists = Callable[[SealedDate], Sequence[str]]
"""Return the SHA-256 of each list of leaves that seals have of a date, the oldest seal's first."""

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Again:
    """What is looked at although nothing shows that it changed.

    Attributes:
        first: The first date. Before the first seal, all from this one on are sealed late.
        last: The last of those that are sealed already, inclusive.
        log_group_name: The only log group of these; None for all.
    """

    first: str
    last: str
    log_group_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sealing:
    """Seals the dates of all chains.

    Attributes:
        time_zone: Whose dates a chain's are, until something says another one.
        seal_after: How long a date has been over before it is sealed.
        open_after: How long it is waited for what has not ended.
        scratch: Where files are for as long as an invocation needs them.
        salt: Returns 16 random bytes in hexadecimal.
    """

    ledger: Ledger
    seals: Seals
    notes: Notes
    links: Links
    stock: Stock
    time_zone: str
    seal_after: timedelta
    open_after: timedelta
    scratch: Path
    salt: Callable[[], str]

    def look(
        self,
        name: ChainName,
        turn: Turn,
        again: Again | None = None,
    ) -> None:
        """Seal what is due of a chain.

        Args:
            name: Which.
            turn: Whose time it takes.
            again: What is looked at besides; None for nothing.

        Raises:
            OutOfTimeError: The next attempt goes on.
            OvertakenError: Another invocation has sealed meanwhile.
            AwsError: A call failed.
        """
        chain = self.links.chain(name, turn)
        while self._seal_next(chain, turn):
            turn.check(f"dates of {name} are still to be sealed")
        self._look_back(chain, turn)
        if again is not None:
            self._look_again(chain, turn, again)
            self._seal_late(chain, turn, again.first)

    # The next date

    def _seal_next(self, chain: Chain, turn: Turn) -> bool:
        """Seal the date after the newest that is sealed; False when it is not due."""
        date = self._next(chain, turn.now)
        if date is None:
            return False
        is_overdue = epoch_ms(turn.now - self.open_after) >= date.covers.to_ms
        with self._draft(chain.name, date) as draft:
            is_listed = self.stock.take_in_inventories(date, draft)
            if is_overdue and not is_listed:
                self.stock.take_in_last_inventory(date, draft)
            listed = self._records(chain, date.covers)
            waiting = self.stock.take(date, draft, listed, turn, Wanted(is_overdue=is_overdue))
            if waiting or not (is_listed or is_overdue):
                logger.info("not sealed yet", date=date.date, waiting=waiting, is_listed=is_listed)
                return False
            self._seal(chain, date, draft, turn, is_late=False)
        return True

    def _next(self, chain: Chain, now: datetime) -> DateToSeal | None:
        """Return the date that is to be sealed next; None when none is due."""
        zone = zone_named(self._zone(chain))
        settled_ms = epoch_ms(now - self.seal_after)
        start_ms = self._start(chain) if chain.day is None else chain.day.covers.to_ms
        if start_ms is None or settled_ms <= start_ms:
            return None
        most_ms = next_midnight(start_ms, zone) + LONGEST_MS
        date = next_date(start_ms, self._windows(chain, start_ms, most_ms), zone)
        return date if date.covers.to_ms <= settled_ms else None

    def _start(self, chain: Chain) -> int | None:
        """Return where a chain begins; None before the first inventory."""
        first = next(self.ledger.inventories(chain.name, 0), None)
        if first is None:
            return None
        least_ms = max(0, first.planned_at_ms - BEFORE_FIRST // timedelta(milliseconds=1))
        windows = self._windows(chain, least_ms, first.planned_at_ms)
        return first_start(windows, first.planned_at_ms, zone_named(self._zone(chain)))

    def _windows(self, chain: Chain, from_ms: int, to_ms: int) -> set[Window]:
        """Return the ledger's windows that start in a time."""
        return self.ledger.windows(chain.name, from_ms, to_ms)

    def _records(
        self, chain: Chain, covers: Window, windows: Container[Window] | None = None
    ) -> Iterator[ListedRecord]:
        """Yield the ledger's records within a time, or of those of its windows that are wanted."""
        listed = self.ledger.records(chain.name, covers.from_ms, covers.to_ms)
        if windows is None:
            return (each for each in listed if is_within(each.window, covers))
        return (each for each in listed if each.window in windows)

    def _zone(self, chain: Chain) -> str:
        before = self.time_zone if chain.day is None else chain.day.time_zone
        return chain.note.time_zone or before

    def _seal(
        self,
        chain: Chain,
        date: DateToSeal,
        draft: Draft,
        turn: Turn,
        *,
        is_late: bool,
    ) -> SealedDate | None:
        sealed = self._sealed(date, draft, draft.leaves(), is_late=is_late)
        # Before, so that whoever comes after a cut knows the leaves that were sealed.
        self.notes.keep_draft(chain.name, date.covers.from_ms, draft.path)
        link = self.links.append(chain, turn, kind="day", sealed=sealed)
        draft.mark_sealed()
        return SealedDate.of(link.seal)

    def _sealed(
        self,
        date: DateToSeal,
        draft: Draft,
        rows: Iterator[LeafRow],
        *,
        is_late: bool,
        reason: str | None = None,
    ) -> SealedWindows:
        """Write the list of some leaves, and return what a seal says of them."""
        leaves = LeafList(draft.name_salt)
        totals, outcomes = Counter[str](), Counter[str]()
        profiles, name = set(), ChainName.of(draft.source)
        path = draft.path.with_name("leaves.jsonl")
        with path.open("wb") as file:
            for row in _noted(self.notes, name, rows):
                file.write(leaves.add(Leaf(statement=row.statement)))
                outcomes[row.outcome] += 1
                profiles.add(row.profile)
                totals.update(objects=row.objects, events=row.events, stored_bytes=row.stored_bytes)
                totals["lacking"] += row.lacking > 0
        self.seals.put_file(leaves_key(name, leaves.sha256), path, leaves.sha256)
        return SealedWindows(
            date=date.date,
            time_zone=date.time_zone,
            covers=date.covers,
            profiles=sorted(profiles),
            is_late=is_late,
            reason=reason,
            name_salt=draft.name_salt,
            leaf_count=leaves.count,
            root_sha256=leaves.root_sha256,
            leaves_sha256=leaves.sha256,
            outcomes=dict(outcomes),
            objects=totals["objects"],
            events=totals["events"],
            stored_bytes=totals["stored_bytes"],
            lacking=totals["lacking"] or None,
        )

    # What came later

    def _look_back(self, chain: Chain, turn: Turn) -> None:
        """Append what the ledger says otherwise now of dates that were sealed not long ago."""
        dates = sorted(chain.note.dates, key=lambda each: each.covers.from_ms)
        lists, looked = self._lists(chain, dates), []
        for each in dates:
            # Before its records are read: what changes meanwhile is looked at once more.
            covers = each.covers
            listed = self.ledger.records(chain.name, covers.from_ms, covers.to_ms)
            shows: str | None = listing_sha256(listed)
            if shows != each.listing_sha256:
                is_whole = self._seal_later(chain, turn, each, lists)
                shows = shows if is_whole else None
            looked.append(each.model_copy(update={"listing_sha256": shows}))
        if looked != dates:
            self.links.keep(chain, looked)

    def _look_again(self, chain: Chain, turn: Turn, again: Again) -> None:
        """Append the same of the dates that are asked for, however long ago they were sealed."""
        days = self.links.days(chain.name)
        dates = [each for each in days if again.first <= each.date <= again.last]
        lists = self._lists(chain, dates)
        for each in dates:
            turn.check(f"{each.date} of {chain.name} is still to be looked at again")
            self._seal_later(chain, turn, each, lists, only=again.log_group_name)

    def _lists(self, chain: Chain, dates: Iterable[SealedDate]) -> SealedLists:
        """Return the lists of dates' leaves; seals are read once, if any of them is asked for."""
        since = min((each.sequence for each in dates), default=0)

        @cache
        def by_start() -> dict[int, list[str]]:
            found = defaultdict[int, list[str]](list)
            for link in self.links.envelopes(chain.name, since):
                if (sealed := link.seal.sealed) is not None:
                    found[sealed.covers.from_ms].append(sealed.leaves_sha256)
            return found

        return lambda date: by_start()[date.covers.from_ms]

    def _seal_later(
        self,
        chain: Chain,
        turn: Turn,
        sealed: SealedDate,
        lists: SealedLists,
        *,
        only: str | None = None,
    ) -> bool:
        """Seal what is said otherwise of a date; nothing where nothing is.

        Returns:
            Whether all its windows are of a time that is sealed, and none is waited for: a recount
            comes without a change of the ledger, and so does what puts right what is contradicted.
        """
        covers = sealed.covers
        recorded = self._windows(chain, covers.from_ms, covers.to_ms)
        within = {each for each in recorded if each.to_ms <= covers.to_ms}
        reached_ms = 0 if chain.day is None else chain.day.covers.to_ms
        joined = frozenset(each for each in recorded - within if each.to_ms <= reached_ms)
        date = date_of(covers, within, zone_named(sealed.time_zone))
        # What has not ended again stays what it was until it has.
        before = SealedBefore(lambda: self._leaves(chain, lists(sealed)))
        wanted = Wanted(
            is_overdue=False,
            only=only,
            is_sealed=before.has,
            last_sealed=before.last,
            is_told=before.tells_of,
        )
        with self._draft(chain.name, date) as draft:
            listed = self._records(chain, covers, within)
            waiting = self.stock.take(date, draft, listed, turn, wanted)
            if joined:
                date = longer(date, joined)
                listed = self._records(chain, covers, within | joined)
                joining = replace(wanted, windows=joined)
                waiting += self.stock.take(date, draft, listed, turn, joining)
            if draft.unsealed() is not None:
                leaves = self._leaves(chain, lists(sealed))
                draft.mark_known(leaves, lambda both: self._same(chain, turn, both))
            self._append_later(chain, turn, sealed, date, draft)
            is_contradicted = any(draft.leaves(outcome=CONTRADICTED))
        return joined == recorded - within and not waiting and not is_contradicted

    def _append_later(
        self, chain: Chain, turn: Turn, sealed: SealedDate, date: DateToSeal, draft: Draft
    ) -> None:
        """Seal what is stated of a date and in no seal yet; nothing where that is nothing."""
        unsealed = draft.unsealed()
        if unsealed is None:
            return
        if unsealed.to_ms <= sealed.covers.to_ms:
            date = replace(date, covers=sealed.covers)
        reason = CHANGED if len(unsealed.reasons) > 1 else min(unsealed.reasons)
        rows = draft.leaves(unsealed=True)
        said = self._sealed(date, draft, rows, is_late=False, reason=reason)
        self.notes.keep_draft(chain.name, date.covers.from_ms, draft.path)
        self.links.append(chain, turn, kind="later", sealed=said)
        draft.mark_sealed()

    def _leaves(self, chain: Chain, lists: Iterable[str]) -> Iterator[Leaf]:
        return (leaf for each in lists for leaf in self.seals.leaves(chain.name, each))

    def _same(
        self, chain: Chain, turn: Turn, both: Iterator[tuple[LeafRow, Leaf]]
    ) -> Iterator[LeafRow]:
        """Yield the leaves of which a seal has the same already."""

        def is_same(row: LeafRow, leaf: Leaf) -> bool:
            if leaf.statement == row.statement:
                return True
            text = self.seals.statement(leaf.name.key(chain.name))
            return text is not None and row.says == says(text)

        with ThreadPoolExecutor(THREADS) as threads:
            for some in batched(both, COMPARED_AT_ONCE, strict=False):
                turn.check(f"what is sealed of {chain.name} is still to be compared")
                found = threads.map(lambda each: is_same(*each), some)
                yield from (row for (row, _), same in zip(some, found, strict=True) if same)

    # The time before the first seal

    def _seal_late(self, chain: Chain, turn: Turn, least: str) -> None:
        """Seal the dates before the first seal, the newest of them first, so that they join."""
        days = self.links.days(chain.name)
        first = min(days, key=lambda each: each.covers.from_ms, default=None)
        while first is not None:
            # What reaches from it into the next one is in none of theirs.
            self._seal_later(chain, turn, first, self._lists(chain, [first]))
            date = self._before(chain, first)
            if date.date < least:
                return
            turn.check(f"dates of {chain.name} are still to be sealed late")
            with self._draft(chain.name, date) as draft:
                listed = self._records(chain, date.covers)
                self.stock.take(date, draft, listed, turn, Wanted(is_overdue=True))
                first = self._seal(chain, date, draft, turn, is_late=True)

    def _before(self, chain: Chain, first: SealedDate) -> DateToSeal:
        """Return the date before the earliest that is sealed."""
        zone, to_ms = zone_named(first.time_zone), first.covers.from_ms
        covers = Window(from_ms=previous_midnight(to_ms, zone), to_ms=to_ms)
        recorded = self._windows(chain, covers.from_ms, covers.to_ms)
        return date_of(covers, [each for each in recorded if is_within(each, covers)], zone)

    @contextmanager
    def _draft(self, name: ChainName, date: DateToSeal) -> Iterator[Draft]:
        """Open the draft of a date, and keep what it has become, whatever ends this."""
        source = SourceName(profile="-", account_id=name.account_id, region=name.region)
        with TemporaryDirectory(dir=self.scratch) as folder:
            path = Path(folder) / "draft.sqlite"
            self.notes.fetch_draft(name, date.covers.from_ms, path)
            try:
                with Draft(path, source, self.salt()) as draft:
                    try:
                        yield draft
                    except OutOfTimeError:
                        self.notes.keep_draft(name, date.covers.from_ms, path)
                        raise
                    self.notes.keep_draft(name, date.covers.from_ms, path)
            except sqlite3.DatabaseError as error:
                if not isinstance(error, sqlite3.OperationalError):  # such as of a full disk
                    logger.warning("a damaged draft is begun anew", date=date.date)
                    path.write_bytes(b"")
                    self.notes.keep_draft(name, date.covers.from_ms, path)
                raise


def _noted(notes: Notes, name: ChainName, rows: Iterable[LeafRow]) -> Iterator[LeafRow]:
    """Yield leaves; note for people what is amiss with which, and what was and is so no more."""
    there = {what: notes.for_people(what, name) for what in _AMISS}
    for row in rows:
        for what, is_amiss_of in _AMISS.items():
            is_amiss = is_amiss_of(row)
            if is_amiss or (there[what] and is_amiss is not None):
                window = Window(from_ms=row.from_ms, to_ms=row.to_ms)
                key = seal_note_key(what, name.account_id, name.region, window, row.name)
                if is_amiss or key in there[what]:
                    notes.note_for_people(key, row.name if is_amiss else "")
        yield row


_AMISS: dict[str, Callable[[LeafRow], bool | None]] = {
    CONTRADICTED_NOTES: lambda row: row.outcome == CONTRADICTED,
    LACKING_NOTES: lambda row: None if row.lacking == NOT_COUNTED else row.lacking > 0,
}
"""Whether a leaf is to be noted as such; None where it says nothing of that, and a note stays."""
