"""What is asked of a source's exporter: noted, recorded and sent, so that it survives any crash.

What is asked for is noted in the outbox first, then recorded in the ledger, then sent, and then
the note is removed. However many planners run at once, and wherever one is cut, a record whose
message SQS has not taken is named by a note. For the note is there before the record is, and is
removed by one of three only: by the planner that wrote it, once SQS has taken the messages of all
its records, of those too that another planner created; by any planner that finds all of its
records there and has sent again what still says ``requested``; and by one that has done so when
the note's writer must be dead, so that no more of its records can appear. A record that no note
names has therefore been sent, or needs no message, and nobody has to read it to know.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export import Lane
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord, newest_halves
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.cloud import DamagedRecord, ExportQueues, Ledger, Outbox
from planner.errors import LedgerUnreadableError
from planner.plan import (
    Decision,
    Plan,
    decide_known,
    export_requested,
    has_ended,
    is_all_told,
    lost_tries,
)

WRITER_IS_DEAD_AFTER = timedelta(hours=3)
"""A function runs for at most 15 minutes; on managed instances, for 90.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""
DAMAGED = "ledger_record_damaged"

logger = Logger(service="planner", child=True)


@dataclass(frozen=True)
class Asking:
    """How one run asks its source's exporter for exports.

    Attributes:
        queue_urls: By lane; without the direct lane's when it has no queue.
    """

    plan: Plan
    ledger: Ledger
    outbox: Outbox
    queues: ExportQueues
    queue_urls: dict[Lane, str]

    def carry_out(
        self, decisions: Sequence[Decision], urgent: Container[str] = ()
    ) -> list[Decision]:
        """Record decisions and send messages; return what holds where others were faster.

        Args:
            decisions: In the order in which to send them.
            urgent: Keys of the records that are offered to the slot at once, and first.
        """
        asked = [decision.send.key for decision in decisions if decision.send]
        note = self.outbox.put(self.plan.source, asked) if asked else None
        there = iter(self.ledger.create(each.write for each in decisions if each.write))
        carried_out = [
            _as_it_is(decision, next(there)) if decision.write else decision
            for decision in decisions
        ]
        asked_for = [decision.send for decision in carried_out if decision.send]
        self.offer(record for record in asked_for if record.key in urgent)
        self.send(asked_for)
        if note is not None:
            self.outbox.remove(note)
        return carried_out

    def send(self, records: Iterable[LedgerRecord], *, again_by: str | None = None) -> None:
        """Send what asks for exports; ``again_by`` is the queues'."""
        by_lane: dict[Lane, list[LedgerRecord]] = {}
        for record in records:
            # One whose queue is gone, or not looked for any more, goes through the slot; and so
            # does one that has a task: a release without the direct lane starts one for any.
            is_slots = record.lane not in self.queue_urls or record.submitted is not None
            lane: Lane = "slot" if is_slots else record.lane
            # Whoever the slot alone is asked for does not wait for the direct lane.
            offered = record.offered if lane == record.lane else None
            asked = record.model_copy(update={"lane": lane, "offered": offered})
            by_lane.setdefault(lane, []).append(asked)
        for lane, of_lane in by_lane.items():
            events = [export_requested(self.plan, record) for record in of_lane]
            self.queues.send(self.queue_urls[lane], events, again_by=again_by)

    def offer(self, records: Iterable[LedgerRecord]) -> None:
        """Send to the slot as well what both lanes are asked for.

        Should that be cut short, the direct lane does what the slot has not heard of.
        """
        for_slot = (record.model_copy(update={"lane": "slot"}) for record in records)
        events = [export_requested(self.plan, record) for record in for_slot]
        self.queues.send(self.queue_urls["slot"], events)

    def send_day(self, planned: DayPlanned, *, again_by: str) -> None:
        """Send what has the end of a date told; ``again_by`` is the queues'."""
        self.queues.send(self.queue_urls["slot"], [planned], again_by=again_by)

    def send_what_is_noted(self, now: datetime, windows: Sequence[Window]) -> None:
        """Send what a planner that was cut may have recorded without having sent it.

        A note that somebody has damaged may name any record: those of ``windows`` are sent, and
        the note is left to whoever reads the log.
        """
        for note in self.outbox.notes(self.plan.source):
            is_abandoned = note.written_at < now - WRITER_IS_DEAD_AFTER
            try:
                keys = self.outbox.read(note.key)
            except LedgerUnreadableError as error:
                logger.exception("a note of what was sent is damaged", detail=str(error))
                self._send_waiting(self.recorded(windows))
                continue
            records = [record for record in self.ledger.read(keys) if record is not None]
            count = self._send_waiting(records)
            is_done = len(records) == len(keys) and not self._others(records)
            if is_abandoned or is_done:
                self.outbox.remove(note.key)
            logger.info("what had been noted was sent again", note=note.key, exports=count)

    def recorded(self, windows: Sequence[Window]) -> list[LedgerRecord | DamagedRecord | None]:
        """Return all records of some windows."""
        source = self.plan.source.name
        known = self.ledger.known(source, windows)
        return self.ledger.read([ledger_key(source, window, id_) for window, id_ in known])

    def _send_waiting(self, records: Sequence[LedgerRecord | DamagedRecord | None]) -> int:
        """Send what nothing has been done of; return how much that is."""
        waiting = [each for each in intact(records) if self._is_waiting(each)]
        self.send(waiting)
        return len(waiting)

    def left_behind(
        self, records: Sequence[LedgerRecord | DamagedRecord | None]
    ) -> list[LedgerRecord]:
        """Return those of other profiles that have not ended, and with which nobody goes on.

        Where their queue does not say whose it is, what somebody has begun is left to them.
        """
        is_of = {each: self.queues.is_of(each) for each in self._others(records)}
        gone = {each for each, is_its in is_of.items() if is_its is False}
        silent = {each for each, is_its in is_of.items() if is_its is None}
        return [
            each
            for each in _open(records)
            if each.source in gone or (each.source in silent and each.state == "requested")
        ]

    def take_over(self, exports: Sequence[tuple[LedgerRecord, LedgerRecord]]) -> None:
        """Ask for exports of other profiles, each with what asks for it as this source's."""
        if not exports:
            return
        note = self.outbox.put(self.plan.source, [mine.key for _, mine in exports])
        same = [(theirs, mine) for theirs, mine in exports if theirs.key == mine.key]
        asked = [mine for theirs, mine in same if self.ledger.take_over(theirs, mine)]
        there = self.ledger.create(mine for theirs, mine in exports if theirs.key != mine.key)
        self.send([*asked, *filter(self._is_waiting, intact(there))])
        self.outbox.remove(note)
        others = sorted({theirs.source.profile for theirs, _ in exports})
        logger.warning("taken over from another profile", others=others, exports=len(exports))

    def under_way(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord]:
        """Return the records of the source of which not all is told, and those of their halves."""
        found = []
        for record in records:
            if record.source == self.plan.source.name and not is_all_told(record):
                found += [record, *self.under_way(newest_halves(record, self._half))]
        return found

    def found_lost(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord]:
        """Record once more the next tries that the ledger lacks; return those to be sent.

        Should their messages not be sent, no note in the outbox names them: the note of their date,
        which is open, has them asked for again.
        """
        there = self.ledger.create(lost_tries(self.plan, records))
        return [each for each in intact(there) if self._is_waiting(each)]

    def _half(self, window: Window, export_id: str) -> LedgerRecord | None:
        found = intact(self.ledger.read([ledger_key(self.plan.source, window, export_id)]))
        return found[0] if found else None

    def _is_waiting(self, record: LedgerRecord) -> bool:
        return record.state == "requested" and record.source == self.plan.source.name

    def _others(self, records: Iterable[LedgerRecord | DamagedRecord | None]) -> set[SourceName]:
        """Return the other profiles of the account and Region that have not ended some."""
        return {each.source for each in _open(records)} - {self.plan.source.name}


def damaged(log_group_name: str, window: Window, record: DamagedRecord) -> Decision:
    """Return the decision where a ledger record breaks its contract."""
    return Decision(log_group_name, window, "refused", DAMAGED, record.problem)


def intact(records: Iterable[LedgerRecord | DamagedRecord | None]) -> list[LedgerRecord]:
    """Return the records that can be read, and name the others."""
    readable = []
    for record in records:
        if isinstance(record, LedgerRecord):
            readable.append(record)
        elif record is not None:
            logger.error("left out", reason=DAMAGED, detail=record.problem)
    return readable


def _as_it_is(decision: Decision, there: LedgerRecord | DamagedRecord) -> Decision:
    if isinstance(there, DamagedRecord):
        return damaged(decision.log_group_name, decision.window, there)
    return decision if there == decision.write else decide_known(there)


def _open(records: Iterable[LedgerRecord | DamagedRecord | None]) -> Iterator[LedgerRecord]:
    return (each for each in records if isinstance(each, LedgerRecord) and not has_ended(each))
