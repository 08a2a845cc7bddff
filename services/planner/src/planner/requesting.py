"""A worklist worked off: decides each row, records it, sends it, and survives a crash anywhere.

What is asked for is noted in the outbox first, then recorded in the ledger, then sent, and then
the note is removed. However many planners run at once, and wherever one is cut, a record whose
message SQS has not taken is named by a note. For the note is there before the record is, and is
removed by one of three only: by the planner that wrote it, once SQS has taken the messages of all
its records, of those too that another planner created; by any planner that finds all of its
records there and has sent again what still says ``requested``; and by one that has done so when
the note's writer must be dead, so that no more of its records can appear. A record that no note
names has therefore been sent, or needs no message, and nobody has to read it to know.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain

from aws_lambda_powertools import Logger

from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export import Lane
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord, newest_halves
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.activity import Fit, estimated_bytes, ingested_from, sample_of
from planner.aws.ledger import DamagedRecord, Ledger
from planner.aws.notes import Outbox
from planner.aws.queues import ExportQueues
from planner.aws.source_account import SourceAccount
from planner.days import Days
from planner.order import Kind, place
from planner.plan import (
    Candidate,
    Decision,
    Plan,
    decide,
    decide_known,
    export_requested,
    has_ended,
    is_before_creation,
    next_generation,
    taken_over,
)
from planner.worklist.file import Worklist
from planner.worklist.rows import Row, Verdict

ROWS_AT_ONCE = 500
"""Of a step that asks metrics, which take 500 log groups a call, or reads records.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""
EXPORTS_AT_ONCE = 250
"""That are recorded and sent together: what a crash leaves half done.

A multiple of ten, so that SQS's batches are full.
"""
READERS = 4
"""How many log groups are looked into at once; an account may make 5 to 25 such calls a second.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""
WRITER_IS_DEAD_AFTER = timedelta(hours=3)
"""A function runs for at most 15 minutes; on managed instances, for 90.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""
DAMAGED = "ledger_record_damaged"
SAMPLED_WINDOWS = 5
SAMPLED_EXPORTS = 60
"""Of each of these windows, whose records are read to see how long tasks take. Some are of what was
skipped, or has only just been planned, and tell nothing."""

logger = Logger(service="planner", child=True)


@dataclass(frozen=True)
class Requesting:
    """One invocation's work on a worklist.

    Attributes:
        queue_urls: By lane; without the direct lane's when it has no queue.
        reread: Whether what the ledger has is read, asked for again where it failed, and sent
            again where it has not ended; otherwise that it is there is mostly enough.
        is_first: Whether nobody has looked through the ledger for this profile yet: then it is
            read for what waits under another one.
        is_dry_run: Nothing is written or sent.
        has_time: Whether the invocation has enough time left for another step.
        clock: Gives aware times.
    """

    plan: Plan
    worklist: Worklist
    account: SourceAccount
    ledger: Ledger
    outbox: Outbox
    queues: ExportQueues
    queue_urls: dict[Lane, str]
    days: Days
    reread: bool
    is_first: bool
    is_dry_run: bool
    has_time: Callable[[], bool]
    clock: Callable[[], datetime]

    def steps(self) -> Iterator[None]:
        """Do one step after another, and yield after each, until every row is decided.

        Whoever stops in between can go on with a copy of the worklist at any later time.
        """
        if not self.is_dry_run:
            self._send_what_is_noted()
            self._ask_again()
        while windows := self.worklist.scope.open_windows():
            self.worklist.rows.learn(self.ledger.known(self.plan.source, windows))
            self.worklist.scope.mark_new_windows()
            self.worklist.rows.catch_up(reread=self.reads_all)
            for window in windows:
                self.worklist.rows.fill(window, reread=self.reads_all)
            while rows := self.worklist.rows.take("recorded", ROWS_AT_ONCE):
                self._read_again(rows)
                yield
            while rows := self.worklist.rows.take("new", ROWS_AT_ONCE):
                self._measure(rows)
                yield
            self.worklist.rows.place_unknown()
            while rows := self.worklist.rows.take("ready", EXPORTS_AT_ONCE):
                self._request(rows)
                if not self.is_dry_run:  # which is as good as done by now
                    yield
            self.worklist.tally.close_windows(keep=self.is_dry_run)

    def _send_what_is_noted(self) -> None:
        """Send what a planner that was cut may have recorded without having sent it."""
        for note in self.outbox.notes(self.plan.source):
            keys = self.outbox.read(note.key)
            records = [record for record in self.ledger.read(keys) if record is not None]
            waiting = [each for each in _intact(records) if self._is_waiting(each)]
            self._send(waiting)
            is_abandoned = note.written_at < self.clock() - WRITER_IS_DEAD_AFTER
            is_done = len(records) == len(keys) and not self._others(records)
            if is_abandoned or is_done:
                self.outbox.remove(note.key)
            logger.info("what had been noted was sent again", note=note.key, exports=len(waiting))

    @property
    def reads_all(self) -> bool:
        """Whether the ledger's records are read."""
        return self.reread or self.is_first

    def _is_waiting(self, record: LedgerRecord) -> bool:
        return record.state == "requested" and record.source == self.plan.source.name

    def _others(self, records: Iterable[LedgerRecord | DamagedRecord | None]) -> set[SourceName]:
        """Return the other profiles of the account and Region that have not ended some."""
        return {each.source for each in _open(records)} - {self.plan.source.name}

    def _left_behind(
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

    def _take_over(self, exports: Sequence[tuple[LedgerRecord, LedgerRecord]]) -> None:
        """Ask for exports of other profiles, each with what asks for it as this source's."""
        if not exports:
            return
        note = self.outbox.put(self.plan.source, [mine.key for _, mine in exports])
        same = [(theirs, mine) for theirs, mine in exports if theirs.key == mine.key]
        asked = [mine for theirs, mine in same if self.ledger.take_over(theirs, mine)]
        there = self.ledger.create(mine for theirs, mine in exports if theirs.key != mine.key)
        self._send([*asked, *filter(self._is_waiting, _intact(there))])
        self.outbox.remove(note)
        others = sorted({theirs.source.profile for theirs, _ in exports})
        logger.warning("taken over from another profile", others=others, exports=len(exports))

    def _take_over_date(self, planned: DayPlanned) -> None:
        """Take over what is left of another profile's date."""
        left = self._left_behind(self._recorded(planned))
        exports = [(each, mine) for each in left if (mine := taken_over(self.plan, each))]
        if exports:
            self.days.note_as_own(planned)
            self._take_over(exports)
            self.worklist.tally.count_asked_again(len(exports))

    def _recorded(self, planned: DayPlanned) -> list[LedgerRecord]:
        known = self.ledger.known(self.plan.source, planned.data.windows)
        keys = [ledger_key(self.plan.source, window, id_) for window, id_ in known]
        return _intact(self.ledger.read(keys))

    def _ask_again(self) -> None:
        """Ask once more for what was asked for long ago and has not ended: as by a purged queue.

        Of dates that are open alone: each record is read once for that when all goes well.
        """
        for note_key, planned in self.days.open_for_long(self.clock()):
            if not self.has_time():
                return
            if planned.data.source != self.plan.source.name:
                if self.queues.is_of(planned.data.source) is False:
                    self._take_over_date(planned)
                    self.days.notes.remove(note_key)
                continue
            stuck = self._under_way(self._recorded(planned))
            if not stuck and self.days.is_given_up(planned):
                self.days.notes.remove(note_key)
                continue
            self._send(stuck, again_by=self.days.run_id)
            self.queues.send(self.queue_urls["slot"], [planned], again_by=self.days.run_id)
            self.days.notes.put(planned, is_sent=True)
            self.worklist.tally.count_asked_again(len(stuck))
            logger.warning(
                "asked for again, as it has not ended", day=planned.data.date, exports=len(stuck)
            )

    def _under_way(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord]:
        """Return the records of the source that have not ended, and those of their halves."""
        found = []
        for record in records:
            if record.source == self.plan.source.name and not has_ended(record):
                found += [record, *self._under_way(newest_halves(record, self._half))]
        return found

    def _half(self, window: Window, export_id: str) -> LedgerRecord | None:
        intact = _intact(self.ledger.read([ledger_key(self.plan.source, window, export_id)]))
        return intact[0] if intact else None

    def _read_again(self, rows: Sequence[Row]) -> None:
        """Decide rows by what their newest ledger records say, and send what has not ended."""
        newest = [
            replace(row.candidate, generation=self.worklist.rows.newest_generation(row.candidate))
            for row in rows
        ]
        records = self.ledger.read(
            ledger_key(self.plan.source, each.window, self.worklist.rows.export_id(each))
            for each in newest
        )
        verdicts, renewed, under_way, misfiled = [], [], [], []
        left_behind = {each.key for each in self._left_behind(records)}
        for candidate, record in zip(newest, records, strict=True):
            if record is None:  # removed since it was listed
                renewed.append(candidate)
                continue
            if isinstance(record, DamagedRecord):
                if self.reread and not record.is_later:
                    logger.error("exported again", reason=DAMAGED, detail=record.problem)
                    renewed.append(replace(candidate, generation=candidate.generation + 1))
                    continue
                decision = _damaged(candidate.log_group.name, candidate.window, record)
                verdicts.append(Verdict(candidate, decision.outcome, decision.reason))
                _log(decision)
                continue
            generation = next_generation(
                self.plan, record, candidate.log_group, by_date=self.reread
            )
            if generation is not None:
                renewed.append(replace(candidate, generation=generation))
                continue
            mine = taken_over(self.plan, record) if record.key in left_behind else None
            if mine is not None:
                misfiled.append((record, mine))
                verdicts.append(Verdict(candidate, "requested", None, mine.lane))
                continue
            is_sent_again = self.reread and not has_ended(record)
            decision = replace(decide_known(record), send=record if is_sent_again else None)
            verdicts.append(Verdict(candidate, decision.outcome))
            if decision.send is not None:
                under_way.append(decision.send)
            _log(decision)
        if not self.is_dry_run:
            self.days.note(
                {mine.window for _, mine in misfiled} | {each.window for each in under_way}
            )
            self._take_over(misfiled)
            self._send(self._under_way(under_way), again_by=self.days.run_id)
        self.worklist.rows.settle(verdicts)
        self.worklist.rows.renew(renewed)

    def _measure(self, rows: Sequence[Row]) -> None:
        """Ask metrics what came into log groups, so that rows find their place."""
        now = self.clock()
        candidates = [row.candidate for row in rows]
        window = candidates[0].window
        places = {each.log_group.name: place(self.plan, each) for each in candidates}
        incoming = self.account.incoming_log_events(
            [name for name, place in places.items() if place.kind is not Kind.SKIPPED],
            since=ingested_from(window),
            until=now,
        )
        measured = []
        for each in candidates:
            events = incoming.get(each.log_group.name)
            size_bytes = estimated_bytes(each.log_group, window, events, now=now)
            seems_empty = events == 0 or is_before_creation(each.log_group, window)
            measured.append(replace(each, estimated_bytes=size_bytes, seems_empty=seems_empty))
        self.worklist.rows.place((each, place(self.plan, each)) for each in measured)

    def _request(self, rows: Sequence[Row]) -> None:
        """Decide rows, write what is decided into the ledger, and send what is asked for."""
        empty = self._empty(rows)
        decisions = [
            decide(self.plan, row.candidate, is_empty=number in empty)
            for number, row in enumerate(rows)
        ]
        if not self.is_dry_run:
            decisions = self._carry_out(decisions)
        for decision in decisions:
            _log(decision)
        self.worklist.rows.settle(
            self._verdict(row, decision) for row, decision in zip(rows, decisions, strict=True)
        )

    def _empty(self, rows: Sequence[Row]) -> set[int]:
        """Return the numbers of the rows that certainly have no event.

        A dry run has only this one invocation: when it runs low, what is in doubt is exported.
        """
        seem_empty = [number for number, row in enumerate(rows) if row.candidate.seems_empty]

        def look_into(numbers: Sequence[int]) -> list[int]:
            return [number for number in numbers if self._is_empty(rows[number].candidate)]

        with ThreadPoolExecutor(READERS) as threads:
            shares = (seem_empty[reader::READERS] for reader in range(READERS))
            return set(chain.from_iterable(threads.map(look_into, shares)))

    def _is_empty(self, candidate: Candidate) -> bool:
        if self.is_dry_run and not self.has_time():
            return False
        return not self.account.has_events(candidate.log_group, candidate.window)

    def _carry_out(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Record decisions and send messages; return what holds where others were faster."""
        new = set(self.worklist.scope.new_windows())
        self.days.note(
            {each.window for each in decisions if each.send or (each.write and each.window in new)}
        )
        asked = [decision.send.key for decision in decisions if decision.send]
        note = self.outbox.put(self.plan.source, asked) if asked else None
        there = iter(self.ledger.create(each.write for each in decisions if each.write))
        carried_out = [
            _as_it_is(decision, next(there)) if decision.write else decision
            for decision in decisions
        ]
        self._send(decision.send for decision in carried_out if decision.send)
        if note is not None:
            self.outbox.remove(note)
        return carried_out

    def _send(self, records: Iterable[LedgerRecord], *, again_by: str | None = None) -> None:
        by_lane: dict[Lane, list[LedgerRecord]] = {}
        for record in records:
            # One whose queue is gone, or not looked for any more, goes through the slot; and so
            # does one that has a task: a release without the direct lane starts one for any.
            is_slots = record.lane not in self.queue_urls or record.submitted is not None
            lane: Lane = "slot" if is_slots else record.lane
            by_lane.setdefault(lane, []).append(record.model_copy(update={"lane": lane}))
        for lane, of_lane in by_lane.items():
            events = [export_requested(self.plan, record) for record in of_lane]
            self.queues.send(self.queue_urls[lane], events, again_by=again_by)

    def _verdict(self, row: Row, decision: Decision) -> Verdict:
        return Verdict(
            row.candidate,
            decision.outcome,
            decision.reason,
            decision.lane,
            self._fit.seconds(row.size_bytes) if decision.lane == "slot" else 0,
        )

    @cached_property
    def _fit(self) -> Fit:
        """How long tasks take, by the records of the newest windows that have some."""
        source = self.plan.source
        known = self.worklist.rows.known(SAMPLED_WINDOWS, SAMPLED_EXPORTS)
        keys = [ledger_key(source, window, id_) for window, id_ in known]
        records = _intact(self.ledger.read(keys))
        samples = [sample for record in reversed(records) if (sample := sample_of(record))]
        return Fit.of(samples)


def _as_it_is(decision: Decision, there: LedgerRecord | DamagedRecord) -> Decision:
    if isinstance(there, DamagedRecord):
        return _damaged(decision.log_group_name, decision.window, there)
    return decision if there == decision.write else decide_known(there)


def _damaged(log_group_name: str, window: Window, record: DamagedRecord) -> Decision:
    return Decision(log_group_name, window, "refused", DAMAGED, record.problem)


def _intact(records: Iterable[LedgerRecord | DamagedRecord | None]) -> list[LedgerRecord]:
    """Return the records that can be read, and name the others."""
    intact = []
    for record in records:
        if isinstance(record, LedgerRecord):
            intact.append(record)
        elif record is not None:
            logger.error("left out", reason=DAMAGED, detail=record.problem)
    return intact


def _open(records: Iterable[LedgerRecord | DamagedRecord | None]) -> Iterator[LedgerRecord]:
    return (each for each in records if isinstance(each, LedgerRecord) and not has_ended(each))


def _log(decision: Decision) -> None:
    log = logger.error if decision.outcome == "refused" else logger.debug
    log(
        decision.outcome,
        log_group=decision.log_group_name,
        window=decision.window.model_dump(),
        reason=decision.reason,
        detail=decision.detail,
        lane=decision.lane,
        sent=decision.send is not None,
    )
