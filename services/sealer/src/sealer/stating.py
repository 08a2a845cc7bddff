"""One log group's window put into words: a statement, written into the archive and read back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger

from logferry_contracts.chain import ChainName
from logferry_contracts.digest import sha256
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import in_recounts, ledger_key
from logferry_contracts.ledger_record import LedgerRecord, key_folders
from logferry_contracts.message import timestamp
from logferry_contracts.recount import Recount, Recounted
from logferry_contracts.seal_key import StatementName
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.source import SourceName
from logferry_contracts.statement import (
    ARCHIVED,
    CONTRADICTED,
    DISPOSED,
    OPEN,
    SKIPPED,
    WAIVED,
    Difference,
    StatedExport,
    StatedLogGroup,
    Statement,
    Waiver,
)
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from sealer.aws.ledger import Ledger, OfLaterMajor
from sealer.aws.notes import MeasuredExport
from sealer.aws.seals import Seals
from sealer.draft import NOT_COUNTED, NOT_LISTED, Group, LeafRow
from sealer.errors import OfflineError, TooLargeError
from sealer.head import says
from sealer.measuring import Measuring
from sealer.metrics import NOTES_DAMAGED, RECOUNTS_DIFFER
from sealer.outcome import Outcome, of_listing, of_tries, stated_exports, stated_log_group
from sealer.turn import Turn

logger = Logger()

REASONS = {
    ARCHIVED: "exported_since",
    CONTRADICTED: "found_different",
    WAIVED: "waived",
    DISPOSED: "disposed",
}
"""Why a leaf replaces another, by its outcome."""
RECOUNTED = "recounted"
CHANGED = "changed_since"

RECORD_UNREADABLE = "record_unreadable"
WAITED_TOO_LONG = "it had not ended when its date was sealed"
RECOUNTS_KEPT = timedelta(days=400)
"""How long the control bucket keeps a recount: it expires then, and nobody has removed it."""
MOST_CHARACTERS = 1024
"""The contract's limit of what is said of a difference."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What became of a group.

    Attributes:
        row: Its leaf; None where it has not ended, and is waited for.
    """

    group: Group
    row: LeafRow | None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a date is stated.

    Attributes:
        is_overdue: Whether what has not ended is open now.
        only: The only log group that is wanted; None for all.
        windows: The only windows that are; None for all.
        is_sealed: Tells whether a seal of the date has a statement already: only of such objects it
            is said that somebody had them removed.
        last_sealed: Returns the leaf that the date's last seal has of a group; None for none.
        is_told: Tells whether a seal of the date has a word on any of the time of a group: that
            nothing is known of it now takes none back.
    """

    is_overdue: bool
    only: str | None = None
    windows: frozenset[Window] | None = None
    is_sealed: Callable[[StatementName], bool] = lambda _: False
    last_sealed: Callable[[Group], Leaf | None] = lambda _: None
    is_told: Callable[[Group], bool] = lambda _: False


@dataclass(frozen=True, kw_only=True)
class Stating:
    """States the log groups' windows of all chains.

    Attributes:
        salt: Returns 16 random bytes in hexadecimal.
        recount_within: How long after an export was completed it is waited for what CloudWatch
            Logs itself counts; nothing where nobody does.
    """

    ledger: Ledger
    seals: Seals
    measuring: Measuring
    salt: Callable[[], str]
    recount_within: timedelta = timedelta()

    def state(
        self,
        chain: ChainName,
        group: Group,
        before: LeafRow | None,
        turn: Turn,
        wanted: Wanted,
    ) -> Stated:
        """State a group, unless nothing has changed or it is waited for.

        Args:
            chain: Whose it is.
            group: What to state.
            before: What was stated of it; None for nothing.
            turn: Whose time it takes.
            wanted: How.

        Raises:
            OutOfTimeError: Its objects are not read to their end.
        """
        said = self._said(group, before, turn, wanted)
        if said is None:
            return Stated(group=group, row=None)
        statement = Statement.of(
            salt=self.salt(), window=group.window, stated_at=timestamp(turn.now), **said
        )
        text = statement.text()
        digest = says(text)
        if before is not None and before.says == digest:
            return Stated(group=group, row=replace(before, basis=group.basis))
        leaf = Leaf.of(statement, text)
        self.seals.put(leaf.name.key(chain), text)
        row = _row(group, statement, leaf, digest)
        if before is not None and before.is_sealed and self._is_recounted(chain, before, text):
            row = replace(row, reason=RECOUNTED)
        elif before is not None and before.outcome == CONTRADICTED and before.basis == group.basis:
            row = replace(row, reason=CHANGED)  # put right in the archive alone
        turn.counts[RECOUNTS_DIFFER] += row.lacking > 0
        return Stated(group=group, row=row)

    def _is_recounted(self, chain: ChainName, before: LeafRow, text: bytes) -> bool:
        """Whether a statement says nothing else than the one before, but what was counted."""
        sealed = self.seals.statement(Leaf(statement=before.statement).name.key(chain))
        if sealed is None:
            return False
        return says(sealed, without="recount") == says(text, without="recount")

    def measure(self, record: LedgerRecord, turn: Turn) -> MeasuredExport:
        """Return what the archive has of a completed export; as `Measuring.measured`."""
        return self.measuring.measured(record, self._task_ids(record), turn)

    def _said(
        self, group: Group, before: LeafRow | None, turn: Turn, wanted: Wanted
    ) -> dict[str, Any] | None:
        """Return a statement's fields; None where the group is waited for."""
        if not group.keys and group.line is None:
            return _not_listed(group)
        if group.line is not None:
            return _of_listing(parse(ListedLogGroup, group.line), group.window, wanted.is_overdue)
        read = [self.ledger.record(key) for key in group.keys]
        tries = [each for each in read if isinstance(each, LedgerRecord)]
        damaged = [each for each in read if isinstance(each, ContractError)]
        if damaged:
            return self._unreadable(group, tries, damaged)
        if not tries:  # removed since it was listed
            return None
        return self._of_tries(group, before, tries, turn, wanted)

    def _of_tries(
        self,
        group: Group,
        before: LeafRow | None,
        tries: Sequence[LedgerRecord],
        turn: Turn,
        wanted: Wanted,
    ) -> dict[str, Any] | None:
        """Return what is stated by the records of a window, of which the last one counts."""
        last = max(tries, key=lambda each: each.generation)
        exports = self._exports(group, before, tries, wanted)
        fields = {
            "source": last.source,
            "log_group": stated_log_group(last.log_group),
            "exports": exports,
        }
        if (disposed := self._disposed(group, last, wanted)) is not None:
            return fields | disposed
        outcome = of_tries(tries)
        if outcome.outcome == ARCHIVED:
            recount = self._recounted(group, before, last, turn, wanted)
            if recount is None and self._is_awaited(last, turn) and not wanted.is_overdue:
                return None
            try:
                return (
                    fields
                    | self._archived(last, exports[-1].task_ids, turn)
                    | ({"recount": recount} if recount else {})
                )
            except (OfflineError, TooLargeError) as error:
                outcome = Outcome(
                    outcome=OPEN, is_ended=False, reason=error.reason, detail=str(error)
                )
        return _with_outcome(fields, outcome, wanted.is_overdue)

    def _exports(
        self,
        group: Group,
        before: LeafRow | None,
        tries: Sequence[LedgerRecord],
        wanted: Wanted,
    ) -> list[StatedExport]:
        """Return a window's tries as a statement has them.

        A ledger that was made again does not know all tasks: what was sealed of them stays true.
        """
        exports = stated_exports(tries, self._task_ids)
        # What was skipped has had none, and there are many of it.
        had_none = {each.export_id for each in tries if each.state == "skipped"}
        if all(each.own_task_ids or each.export_id in had_none for each in exports):
            return exports
        sealed = self._sealed_before(group, before, wanted)
        known = {each.export_id: each.own_task_ids for each in sealed.exports} if sealed else {}
        return [
            each
            if each.own_task_ids
            else each.model_copy(
                update={"task_ids": [*known.get(each.export_id, ()), *each.task_ids]}
            )
            for each in exports
        ]

    def _disposed(
        self, group: Group, record: LedgerRecord, wanted: Wanted
    ) -> dict[str, Any] | None:
        """Return what is said of objects that somebody had removed; None where it is not that.

        Of what was never sealed as archived it is not: whatever is missing of that is a loss.
        """
        ordered = record.disposed
        if ordered is None:
            return None
        name = StatementName(group.name, group.window, ordered.statement)
        before = self._statement(group, name) if wanted.is_sealed(name) else None
        if before is None or before.outcome != ARCHIVED:
            logger.error("a disposal of what was not sealed", key=record.key, statement=str(name))
            return None
        return {
            "outcome": DISPOSED,
            "objects": before.objects,
            "leftovers": before.leftovers,
            "waiver": Waiver(
                by=ordered.by, why=ordered.reason, at=ordered.at, ticket=ordered.ticket
            ),
        }

    def _statement(self, group: Group, name: StatementName) -> Statement | None:
        """Return a sealed statement; None where it is not there any more as it was sealed."""
        text = self.seals.statement(name.key(ChainName.of(group.source)))
        return parse(Statement, text) if text and sha256(text) == name.sha256 else None

    def _unreadable(
        self, group: Group, tries: Sequence[LedgerRecord], damaged: Sequence[ContractError]
    ) -> dict[str, Any]:
        """Return what is stated where nobody can read what the ledger says."""
        told = [
            Difference(what=RECORD_UNREADABLE, found=str(each)[:MOST_CHARACTERS])
            for each in damaged
        ]
        last = max(tries, key=lambda each: each.generation, default=None)
        return {
            "source": group.source if last is None else last.source,
            "log_group": StatedLogGroup(name=group.name),
            "exports": stated_exports(tries, self._task_ids),
            "outcome": CONTRADICTED,
            "differences": told,
        }

    def _archived(
        self, record: LedgerRecord, task_ids: Sequence[str], turn: Turn
    ) -> dict[str, Any]:
        found = self.measuring.measured(record, task_ids, turn)
        fields: dict[str, Any] = {
            "outcome": ARCHIVED,
            "objects": found.objects,
            "leftovers": found.leftovers,
        }
        if found.differences:
            fields |= {"outcome": CONTRADICTED, "differences": found.differences}
        return fields

    def _recounted(
        self,
        group: Group,
        before: LeafRow | None,
        record: LedgerRecord,
        turn: Turn,
        wanted: Wanted,
    ) -> Recounted | None:
        """Return what CloudWatch Logs counted of an export; None where nobody has tried yet.

        What was sealed of it stays true where nobody counts any more, and where the recount has
        expired, was removed, or cannot be read, which is told: only another takes its place.
        """
        found = self.ledger.recount(record)
        if isinstance(found, Recount):
            return found.recount
        sealed = self._recounted_before(group, before, record, wanted)
        if isinstance(found, OfLaterMajor):
            told = "a recount is of a later release, which alone can read it"
            logger.warning(told, key=in_recounts(record.key))
            return sealed
        kept_since = timestamp(turn.now - RECOUNTS_KEPT)
        is_gone = sealed is not None and bool(self.recount_within) and sealed.at > kept_since
        if found is not None or is_gone:
            turn.counts[NOTES_DAMAGED] += 1
            why = "it was sealed, and is gone" if found is None else str(found)
            logger.error("a recount is damaged", key=in_recounts(record.key), detail=why)
        return sealed

    def _recounted_before(
        self, group: Group, before: LeafRow | None, record: LedgerRecord, wanted: Wanted
    ) -> Recounted | None:
        """Return what the last seal says was counted of the same export; None for nothing."""
        sealed = self._sealed_before(group, before, wanted)
        if sealed is None or not sealed.exports:
            return None
        is_same = sealed.exports[-1].export_id == record.export_id
        return sealed.recount if is_same else None

    def _sealed_before(
        self, group: Group, before: LeafRow | None, wanted: Wanted
    ) -> Statement | None:
        """Return what the last seal says of a window; None for nothing that can be read."""
        if before is not None and before.is_sealed:
            leaf: Leaf | None = Leaf(statement=before.statement)
        else:
            leaf = wanted.last_sealed(group)
        try:
            return None if leaf is None else self._statement(group, leaf.name)
        except ContractError:  # of a later release
            return None

    def _is_awaited(self, record: LedgerRecord, turn: Turn) -> bool:
        """Whether an export is so new that it may still be counted."""
        assert record.completed is not None  # noqa: S101  (only asked of a completed export)
        if not self.recount_within:
            return False  # although the exporter's clock may be ahead of this one
        return record.completed.at > timestamp(turn.now - self.recount_within)

    def _task_ids(self, record: LedgerRecord) -> list[str]:
        """Return what follows the prefix of the destination in the keys of an export's objects."""
        return key_folders(record, lambda window, name: self._half(record.source, window, name))

    def _half(self, source: SourceName, window: Window, export_id: str) -> LedgerRecord | None:
        found = self.ledger.record(ledger_key(source, window, export_id))
        return found if isinstance(found, LedgerRecord) else None


def _not_listed(group: Group) -> dict[str, Any]:
    """Return what is said of a window after whose end nobody has seen the log group."""
    return {
        "source": group.source,
        "log_group": StatedLogGroup(name=group.name),
        "exports": [],
        "outcome": SKIPPED,
        "reason": NOT_LISTED,
    }


def _of_listing(
    listed: ListedLogGroup,
    window: Window,
    is_overdue: bool,  # noqa: FBT001  (of three that differ)
) -> dict[str, Any] | None:
    fields = {
        "source": listed.source,
        "log_group": stated_log_group(listed.log_group),
        "exports": [],
    }
    return _with_outcome(fields, of_listing(listed, window), is_overdue)


def _with_outcome(
    fields: dict[str, Any],
    outcome: Outcome,
    is_overdue: bool,  # noqa: FBT001  (the same)
) -> dict[str, Any] | None:
    if not outcome.is_ended and not is_overdue:
        return None
    said: dict[str, Any] = {
        name: getattr(outcome, name) for name in ("outcome", "reason", "detail", "waiver")
    }
    if not outcome.is_ended:
        said |= {"outcome": OPEN, "detail": outcome.detail or WAITED_TOO_LONG}
    return fields | {name: value for name, value in said.items() if value is not None}


def _row(group: Group, statement: Statement, leaf: Leaf, digest: str) -> LeafRow:
    is_archived = statement.outcome == ARCHIVED
    objects = (statement.objects or []) if is_archived else []
    return LeafRow(
        name=group.name,
        from_ms=group.window.from_ms,
        to_ms=group.window.to_ms,
        basis=group.basis,
        says=digest,
        statement=leaf.statement,
        outcome=statement.outcome,
        profile=statement.source.profile,
        objects=len(objects),
        events=sum(each.events for each in objects),
        stored_bytes=sum(each.size_bytes for each in objects),
        reason=REASONS.get(statement.outcome, CHANGED),
        lacking=_lacking(statement),
    )


def _lacking(statement: Statement) -> int:
    """Return `LeafRow.lacking`: somebody who answers for a window has the last word on it."""
    if statement.outcome in {WAIVED, DISPOSED}:
        return 0
    if statement.outcome != ARCHIVED or statement.recount_difference is None:
        return NOT_COUNTED
    return max(0, statement.recount_difference)
