"""What one window's counting may cost, did cost, and has found: each step is noted first."""

from collections.abc import Iterable, Mapping, Sequence

from logferry_contracts.insights import Answer
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.recount import NO, Recount, Recounted
from logferry_contracts.window import Window
from recounter import due
from recounter.aws.control import FIRST, Control
from recounter.budget import SCAN, Candidate
from recounter.metrics import CORRECTED, COUNTED, NOT_COUNTED, SCANNED_BYTES
from recounter.note import Charge
from recounter.turn import Turn


class Book:
    """A look at one window: the exports that it has said nothing of yet, and the note of all.

    Attributes:
        todo: Their records, by their ids.
        late_streams: Log streams that have got events since the export, by its id: what is said of
            it names them, whoever counts. None of them where they are too many.
        note: What was spent, and what runs.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (where, of what, and for how much)
        self,
        control: Control,
        window: Window,
        look: int,
        records: Iterable[LedgerRecord],
        turn: Turn,
        share: int,
    ) -> None:
        """Open it, for counting that may cost ``share`` thousandths of the ingestion."""
        self._control = control
        self._window = window
        self._look = look
        self._turn = turn
        self._share = share
        self.todo = {each.export_id: each for each in records}
        self._candidates = {key: due.candidate(each) for key, each in self.todo.items()}
        self.late_streams = dict[str, list[str]]()
        self._allowed = sum(each.allowance(share) for each in self._candidates.values())
        self.note, self._etag = control.note(window, look)

    @property
    def is_first(self) -> bool:
        """Whether nobody has looked at the window before."""
        return self._look == FIRST

    @property
    def left(self) -> int:
        """What may still be spent."""
        return self.note.allowed + self._allowed - self.note.spent

    @property
    def now(self) -> str:
        """The time, as a recount says it."""
        return timestamp(self._turn.clock())

    @property
    def candidates(self) -> list[Candidate]:
        """What no query counts now."""
        counted = {each for charge in self.note.running for each in charge.export_ids}
        return [each for key, each in self._candidates.items() if key not in counted]

    def of(self, charge: Charge) -> list[Candidate]:
        """Return what a query counts."""
        return [self._candidates[each] for each in charge.export_ids if each in self.todo]

    def charge(self, batch: Sequence[Candidate]) -> Charge:
        """Note a query before it is started: whatever becomes of it, it is paid."""
        charge = Charge(
            cost=sum(each.cost for each in batch),
            export_ids=[each.export_id for each in batch],
            at=self.now,
        )
        self._keep(spent=self.note.spent + charge.cost, running=[*self.note.running, charge])
        return charge

    def take_back(self, charge: Charge) -> None:
        """Note that a query was refused, and costs nothing."""
        self._keep(spent=self.note.spent - charge.cost, running=self._without(charge))

    def started(self, charge: Charge, query_id: str) -> None:
        """Note a query's id, by which the next invocation finds it."""
        started = charge.model_copy(update={"query_id": query_id})
        self._keep(running=[*self._without(charge), started])

    def failed(self, charge: Charge, answer: Answer | None = None) -> None:
        """Note that a query was in vain: what it counts is tried again, if the budget lasts."""
        failed = dict(self.note.failed)
        for each in charge.export_ids:
            failed[each] = failed.get(each, 0) + 1
        self._keep(failed=failed, **self._ended(charge, answer))

    def stopped(self, charge: Charge, answer: Answer) -> None:
        """Note that a query was stopped, as it would have cost too much."""
        self._keep(**self._ended(charge, answer))

    def settle(
        self,
        said: Mapping[Candidate, Recounted],
        charge: Charge | None = None,
        answer: Answer | None = None,
    ) -> None:
        """Write recounts, and then note that these exports are done with.

        A crash between the two makes the budget smaller, never larger.

        Args:
            said: What is said of each.
            charge: Of the query that has counted them; None for none.
            answer: That query's.
        """
        allowed = self.note.allowed + self._allowance(said, answer)
        query_id = charge.query_id if charge else None
        recounts = [self._recount(each, recounted, query_id) for each, recounted in said.items()]
        for is_corrected in self._turn.mapped(self._put, recounts):
            self._turn.counts[CORRECTED] += is_corrected
        for each, recounted in said.items():
            del self.todo[each.export_id], self._candidates[each.export_id]
            self._allowed -= each.allowance(self._share)
            self._turn.counts[NOT_COUNTED if recounted.by == NO else COUNTED] += 1
        ended = {} if charge is None else self._ended(charge, answer)
        if said or ended:
            self._keep(allowed=allowed, **ended)

    def give_up(self, candidates: Iterable[Candidate], why: str) -> None:
        """Write that exports are not counted, and why."""
        said = Recounted(by=NO, at=self.now, reason=why)
        self.settle(dict.fromkeys(candidates, said))

    def close(self, listing_sha256: str, filling: Mapping[str, str], *, is_open: bool) -> None:
        """Note that nothing is left of all exports that there are, if that is so.

        Args:
            listing_sha256: Of their ids.
            filling: When exports of what was empty were asked for, that the ledger has not yet.
            is_open: Whether some have not ended.
        """
        is_left = is_open or bool(filling)
        changes = {"filling": dict(filling)} | (
            {} if is_left else {"listing_sha256": listing_sha256}
        )
        if not is_left or self.note.filling != filling:
            self._keep(**changes)

    def _put(self, recount: Recount) -> bool:
        """Write a recount; return whether an earlier look had counted fewer events.

        What is wrong is put right before it is said that this was looked at. Where events came in
        late, and this is no witness of how many there are, they are compared with the archive: so
        they are where fewer were counted than before, as others were deleted since.
        """
        only_more = due.is_same_witness(self.todo[recount.export_id], recount.recount.by)
        is_corrected = not self.is_first and self._control.correct(recount, only_more=only_more)
        if recount.export_id in self.late_streams and (
            only_more
            or recount.recount.events is None
            or due.is_fewer(self._control.recount(recount.window, recount.export_id), recount)
        ):
            self._control.note_late(recount)
        self._control.put(recount, self._look)
        return is_corrected

    def _recount(self, candidate: Candidate, said: Recounted, query_id: str | None) -> Recount:
        record = self.todo[candidate.export_id]
        return Recount.of(
            source=record.source,
            window=record.window,
            export_id=record.export_id,
            recount=said,
            query_id=query_id,
            late_streams=self.late_streams.get(record.export_id) or None,
        )

    def _allowance(self, done: Iterable[Candidate], answer: Answer | None) -> int:
        """Return what counting exports was allowed to cost, by what a query has read of them.

        A guess that was too high would pay for what is tried again.
        """
        if answer is None:
            return sum(each.allowance(self._share) for each in done)
        first = next(iter(done), None)
        return 0 if first is None else first.allowance(self._share, answer.scanned_bytes)

    def _ended(self, charge: Charge, answer: Answer | None) -> dict[str, object]:
        """Return what changes in the note when a query has ended, for what it did cost.

        Of one that nobody saw complete that is not known: it is taken to have cost all of it.
        """
        cost = charge.cost
        if answer is not None:
            self._turn.counts[SCANNED_BYTES] += answer.scanned_bytes
            scanned = SCAN * answer.scanned_bytes
            cost = scanned if answer.status == "Complete" else max(scanned, cost)
        return {
            "running": self._without(charge),
            "spent": self.note.spent + cost - charge.cost,
        }

    def _without(self, charge: Charge) -> list[Charge]:
        return [each for each in self.note.running if each.export_ids != charge.export_ids]

    def _keep(self, **changes: object) -> None:
        self.note = self.note.model_copy(update=changes)
        self._etag = self._control.keep(self._window, self._look, self.note, self._etag)
