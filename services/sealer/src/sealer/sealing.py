"""A chain looked at: the dates that are due are sealed, and what came later to those that are.

Dates are sealed in the order of time, and none is passed over: one that is not complete keeps the
next ones waiting, until it has waited for too long and what has not ended is open.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aws_lambda_powertools import Logger

from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.message import epoch_ms
from logferry_contracts.seal_key import StatementName, leaves_key
from logferry_contracts.seal_leaf import Leaf, LeafList
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from logferry_deliveries.errors import OutOfTimeError
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
from sealer.draft import Draft, LeafRow
from sealer.head import says
from sealer.links import Chain, Links
from sealer.stating import Wanted
from sealer.stock import Stock, listing_sha256
from sealer.turn import Turn

BEFORE_FIRST = timedelta(days=8)
"""How far back from the first inventory the newest date is looked for that had ended by then."""

REASONS = {
    "archived": "exported_since",
    "contradicted": "found_different",
    "waived": "waived",
    "disposed": "disposed",
}
"""Why leaves replace others, by their outcome."""
CHANGED = "changed_since"

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
        due = self._next(chain, turn.now)
        if due is None:
            return False
        date, listed = due
        is_overdue = epoch_ms(turn.now - self.open_after) >= date.covers.to_ms
        with self._draft(chain.name, date) as draft:
            is_listed = self.stock.take_in_inventories(date, draft)
            waiting = self.stock.take(date, draft, listed, turn, Wanted(is_overdue=is_overdue))
            if waiting or not (is_listed or is_overdue):
                logger.info("not sealed yet", date=date.date, waiting=waiting, is_listed=is_listed)
                return False
            self._seal(chain, date, draft, turn, is_late=False)
        return True

    def _next(self, chain: Chain, now: datetime) -> tuple[DateToSeal, list[ListedRecord]] | None:
        """Return the date that is to be sealed next, with its records; None when none is due."""
        zone = zone_named(self._zone(chain))
        settled_ms = epoch_ms(now - self.seal_after)
        start_ms = self._start(chain) if chain.day is None else chain.day.covers.to_ms
        if start_ms is None or settled_ms <= start_ms:
            return None
        most_ms = next_midnight(start_ms, zone) + LONGEST_MS
        listed = list(self.ledger.records(chain.name, start_ms, most_ms))
        date = next_date(start_ms, [each.window for each in listed], zone)
        listed = [each for each in listed if is_within(each.window, date.covers)]
        return (date, listed) if date.covers.to_ms <= settled_ms else None

    def _start(self, chain: Chain) -> int | None:
        """Return where a chain begins; None before the first inventory."""
        first = next(self.ledger.inventories(chain.name, 0), None)
        if first is None:
            return None
        least_ms = max(0, first.planned_at_ms - BEFORE_FIRST // timedelta(milliseconds=1))
        listed = self.ledger.records(chain.name, least_ms, first.planned_at_ms)
        windows = sorted({each.window for each in listed}, key=lambda each: each.from_ms)
        return first_start(windows, first.planned_at_ms, zone_named(self._zone(chain)))

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
    ) -> None:
        sealed = self._sealed(date, draft, draft.leaves(), is_late=is_late)
        # Before, so that whoever comes after a cut knows the leaves that were sealed.
        self.notes.keep_draft(chain.name, date.covers.from_ms, draft.path)
        self.links.append(chain, turn, kind="day", sealed=sealed)
        draft.mark_sealed()

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
        profiles = set()
        path = draft.path.with_name("leaves.jsonl")
        with path.open("wb") as file:
            for row in rows:
                file.write(leaves.add(Leaf(statement=row.statement)))
                outcomes[row.outcome] += 1
                profiles.add(row.profile)
                totals.update(objects=row.objects, events=row.events, stored_bytes=row.stored_bytes)
        name = ChainName.of(draft.source)
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
        )

    # What came later

    def _look_back(self, chain: Chain, turn: Turn) -> None:
        """Append what the ledger says otherwise now of dates that were sealed not long ago."""
        dates = sorted(chain.note.dates, key=lambda each: each.covers.from_ms)
        looked = []
        for each in dates:
            listed = list(self.ledger.records(chain.name, each.covers.from_ms, each.covers.to_ms))
            shows: str | None = listing_sha256(listed)
            if shows != each.listing_sha256:
                is_whole = self._seal_later(chain, turn, each, listed)
                shows = shows if is_whole else None
            looked.append(each.model_copy(update={"listing_sha256": shows}))
        if looked != dates:
            self.links.keep(chain, looked)

    def _look_again(self, chain: Chain, turn: Turn, again: Again) -> None:
        """Append the same of the dates that are asked for, however long ago they were sealed."""
        for each in self.links.days(chain.name):
            if again.first <= each.date <= again.last:
                turn.check(f"{each.date} of {chain.name} is still to be looked at again")
                covers = each.covers
                listed = list(self.ledger.records(chain.name, covers.from_ms, covers.to_ms))
                self._seal_later(chain, turn, each, listed, only=again.log_group_name)

    def _seal_later(
        self,
        chain: Chain,
        turn: Turn,
        sealed: SealedDate,
        listed: Sequence[ListedRecord],
        *,
        only: str | None = None,
    ) -> bool:
        """Seal what is said otherwise of a date; nothing where nothing is.

        Returns:
            Whether all its windows are of a time that is sealed. Others are waited for.
        """
        over = [each for each in listed if each.window.to_ms > sealed.covers.to_ms]
        within = [each for each in listed if each not in over]
        zone = zone_named(sealed.time_zone)
        date = date_of(sealed.covers, [each.window for each in within], zone)
        # What has not ended again stays what it was until it has.
        wanted = Wanted(is_overdue=False, only=only, is_sealed=self._sealed_before(chain, sealed))
        with self._draft(chain.name, date) as draft:
            self.stock.take(date, draft, within, turn, wanted)
            reached_ms = 0 if chain.day is None else chain.day.covers.to_ms
            joined = [each for each in over if each.window.to_ms <= reached_ms]
            if joined:
                windows = frozenset(each.window for each in joined)
                date = longer(date, windows)
                among = replace(wanted, windows=windows)
                self.stock.take(date, draft, [*within, *joined], turn, among)
            self._append_later(chain, turn, sealed, date, draft)
        return len(joined) == len(over)

    def _append_later(
        self, chain: Chain, turn: Turn, sealed: SealedDate, date: DateToSeal, draft: Draft
    ) -> None:
        """Seal what is stated of a date and in no seal yet; nothing where that is nothing."""
        rows = list(draft.leaves(unsealed=True))
        draft.put_leaves(self._known(chain, sealed, rows))
        rows = list(draft.leaves(unsealed=True))
        if not rows:
            return
        if all(row.to_ms <= sealed.covers.to_ms for row in rows):
            date = replace(date, covers=sealed.covers)
        reasons = {REASONS.get(row.outcome, CHANGED) for row in rows}
        reason = reasons.pop() if len(reasons) == 1 else CHANGED
        said = self._sealed(date, draft, iter(rows), is_late=False, reason=reason)
        self.notes.keep_draft(chain.name, date.covers.from_ms, draft.path)
        self.links.append(chain, turn, kind="later", sealed=said)
        draft.mark_sealed()

    def _sealed_before(self, chain: Chain, date: SealedDate) -> Callable[[StatementName], bool]:
        """Return what tells whether a seal of the date has a statement; reads them when asked."""

        @cache
        def sealed_before() -> frozenset[str]:
            return frozenset(
                leaf.statement
                for link in self.links.envelopes(chain.name, date.sequence)
                if link.seal.sealed is not None
                and link.seal.sealed.covers.from_ms == date.covers.from_ms
                for leaf in self.seals.leaves(chain.name, link.seal.sealed.leaves_sha256)
            )

        return lambda name: str(name) in sealed_before()

    def _known(self, chain: Chain, date: SealedDate, rows: Sequence[LeafRow]) -> Iterator[LeafRow]:
        """Yield the leaves that the date's seals have already, by whatever invocation."""
        if not rows:
            return
        wanted = {(row.name, row.from_ms, row.to_ms): row for row in rows}
        last: dict[tuple[str, int, int], Leaf] = {}
        for link in self.links.envelopes(chain.name, date.sequence):
            sealed = link.seal.sealed
            if sealed is not None and sealed.covers.from_ms == date.covers.from_ms:
                for leaf in self.seals.leaves(chain.name, sealed.leaves_sha256):
                    name = leaf.name
                    place = (name.log_group_name, name.window.from_ms, name.window.to_ms)
                    if place in wanted:
                        last[place] = leaf
        for place, leaf in last.items():
            row = wanted[place]
            if leaf.statement == row.statement:
                yield row.as_sealed(leaf)
                continue
            text = self.seals.statement(leaf.name.key(chain.name))
            if text is not None and row.says == says(text):
                yield row.as_sealed(leaf)

    # The time before the first seal

    def _seal_late(self, chain: Chain, turn: Turn, least: str) -> None:
        """Seal the dates before the first seal, the newest of them first, so that they join."""
        while True:
            self._seal_reaching(chain, turn)
            due = self._before(chain, least)
            if due is None:
                return
            turn.check(f"dates of {chain.name} are still to be sealed late")
            date, listed = due
            with self._draft(chain.name, date) as draft:
                self.stock.take(date, draft, listed, turn, Wanted(is_overdue=True))
                self._seal(chain, date, draft, turn, is_late=True)

    def _seal_reaching(self, chain: Chain, turn: Turn) -> None:
        """Seal what reaches from the earliest date into the next: it is in none of theirs."""
        days = self.links.days(chain.name)
        if days:
            first = min(days, key=lambda each: each.covers.from_ms)
            covers = first.covers
            listed = list(self.ledger.records(chain.name, covers.from_ms, covers.to_ms))
            self._seal_later(chain, turn, first, listed)

    def _before(self, chain: Chain, least: str) -> tuple[DateToSeal, list[ListedRecord]] | None:
        """Return the date before the earliest that is sealed; None when that is `least`'s."""
        days = [
            link.seal.sealed
            for link in self.links.envelopes(chain.name, 1)
            if link.seal.kind == "day" and link.seal.sealed is not None
        ]
        if not days:
            return None
        first = min(days, key=lambda each: each.covers.from_ms)
        zone = zone_named(first.time_zone)
        to_ms = first.covers.from_ms
        from_ms = previous_midnight(to_ms, zone)
        listed = list(self.ledger.records(chain.name, from_ms, to_ms))
        listed = [each for each in listed if each.window.to_ms <= to_ms]
        date = date_of(Window(from_ms=from_ms, to_ms=to_ms), [each.window for each in listed], zone)
        return (date, listed) if date.date >= least else None

    @contextmanager
    def _draft(self, name: ChainName, date: DateToSeal) -> Iterator[Draft]:
        """Open the draft of a date, and keep what it has become, whatever ends this."""
        source = SourceName(profile="-", account_id=name.account_id, region=name.region)
        with TemporaryDirectory(dir=self.scratch) as folder:
            path = Path(folder) / "draft.sqlite"
            self.notes.fetch_draft(name, date.covers.from_ms, path)
            with Draft(path, source, self.salt()) as draft:
                try:
                    yield draft
                except OutOfTimeError:
                    self.notes.keep_draft(name, date.covers.from_ms, path)
                    raise
                self.notes.keep_draft(name, date.covers.from_ms, path)
