"""A worklist worked off: each row is decided, recorded and asked for."""

from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from aws_lambda_powertools import Logger

from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.window import Window
from planner.activity import Fit, estimated_bytes, ingested_from, sample_of
from planner.asking import DAMAGED, Asking, damaged, intact
from planner.cloud import DamagedRecord, SourceAccount
from planner.days import Days
from planner.order import Kind, place
from planner.plan import (
    Candidate,
    Decision,
    decide,
    decide_known,
    has_ended,
    is_all_told,
    is_before_creation,
    next_generation,
    taken_over,
)
from planner.retention import FAR_MS
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
SAMPLED_WINDOWS = 5
SAMPLED_EXPORTS = 60
"""Of each of these windows, whose records are read to see how long tasks take. Some are of what was
skipped, or has only just been planned, and tell nothing."""

logger = Logger(service="planner", child=True)


@dataclass(frozen=True)
class Requesting:
    """One invocation's work on a worklist.

    Attributes:
        reread: Whether what the ledger has is read, asked for again where it failed, and sent
            again where it has not ended; otherwise that it is there is mostly enough.
        is_first: Whether nobody has looked through the ledger for this profile yet: then it is
            read for what waits under another one.
        is_dry_run: Nothing is written or sent.
        is_fed: Whether somebody asks for a few at a time: what is under way is left to itself.
        has_time: Whether the invocation has enough time left for another step.
        clock: Gives aware times.
        left: What was found under way and left to itself.
    """

    asking: Asking
    worklist: Worklist
    account: SourceAccount
    days: Days
    reread: bool
    is_first: bool
    is_dry_run: bool
    is_fed: bool
    has_time: Callable[[], bool]
    clock: Callable[[], datetime]
    left: list[LedgerRecord] = field(default_factory=list)

    def steps(self) -> Iterator[None]:
        """Do one step after another, and yield after each, until every row is decided.

        Whoever stops in between can go on with a copy of the worklist at any later time.
        """
        while windows := self.worklist.scope.open_windows():
            yield from self.prepare(windows)
            while rows := self.worklist.rows.take("ready", EXPORTS_AT_ONCE):
                self._request(rows)
                if not self.is_dry_run:  # which is as good as done by now
                    yield
            while rows := self.worklist.rows.take("offered", EXPORTS_AT_ONCE):
                self._offer(rows)
                yield
            self.worklist.tally.close_windows(keep=self.is_dry_run)

    def prepare(self, windows: Sequence[Window]) -> Iterator[None]:
        """Make all rows of the open windows ready that are not decided by then."""
        self.worklist.rows.learn(self.asking.ledger.known(self.asking.plan.source, windows))
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

    @property
    def reads_all(self) -> bool:
        """Whether the ledger's records are read."""
        return self.reread or self.is_first

    def _read_again(self, rows: Sequence[Row]) -> None:
        """Decide rows by what their newest ledger records say, and send what has not ended."""
        newest = [
            replace(row.candidate, generation=self.worklist.rows.newest_generation(row.candidate))
            for row in rows
        ]
        records = self.asking.ledger.read(
            ledger_key(self.asking.plan.source, each.window, self.worklist.rows.export_id(each))
            for each in newest
        )
        verdicts, renewed, under_way, misfiled = [], [], [], []
        left_behind = {each.key for each in self.asking.left_behind(records)}
        for candidate, record in zip(newest, records, strict=True):
            if record is None:  # removed since it was listed
                renewed.append(candidate)
                continue
            if isinstance(record, DamagedRecord):
                if self.reread and not record.is_later:
                    logger.error("exported again", reason=DAMAGED, detail=record.problem)
                    renewed.append(replace(candidate, generation=candidate.generation + 1))
                    continue
                decision = damaged(candidate.log_group.name, candidate.window, record)
                verdicts.append(Verdict(candidate, decision.outcome, decision.reason))
                _log(decision)
                continue
            generation = next_generation(
                self.asking.plan, record, candidate.log_group, by_date=self.reread
            )
            if generation is not None:
                renewed.append(replace(candidate, generation=generation))
                continue
            mine = taken_over(self.asking.plan, record) if record.key in left_behind else None
            if mine is not None:
                misfiled.append((record, mine))
                verdicts.append(Verdict(candidate, "requested", None, mine.lane))
                continue
            is_sent_again = self.reread and not self.is_fed and not is_all_told(record)
            if self.is_fed and not has_ended(record):
                self.left.append(record)
            decision = replace(decide_known(record), send=record if is_sent_again else None)
            verdicts.append(Verdict(candidate, decision.outcome))
            if decision.send is not None:
                under_way.append(decision.send)
            _log(decision)
        if not self.is_dry_run:
            self.days.note(
                {mine.window for _, mine in misfiled} | {each.window for each in under_way}
            )
            self.asking.take_over(misfiled)
            self.asking.send(self.asking.under_way(under_way), again_by=self.days.run_id)
        self.worklist.rows.settle(verdicts)
        self.worklist.rows.renew(renewed)

    def _measure(self, rows: Sequence[Row]) -> None:
        """Ask metrics what came into log groups, so that rows find their place."""
        now = self.clock()
        candidates = [row.candidate for row in rows]
        window = candidates[0].window
        places = {each.log_group.name: place(self.asking.plan, each) for each in candidates}
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
        self.worklist.rows.place((each, place(self.asking.plan, each)) for each in measured)

    def _request(self, rows: Sequence[Row]) -> None:
        """Decide rows, write what is decided into the ledger, and send what is asked for.

        Those that there is no time to look into are left to the next invocation.
        """
        known = list(self.looked_into(rows))
        rows = [row for row, _ in known]
        decisions = [
            decide(self.asking.plan, row.candidate, is_empty=is_empty) for row, is_empty in known
        ]
        if not self.is_dry_run:
            urgent = {
                decision.send.key
                for row, decision in zip(rows, decisions, strict=True)
                if decision.send is not None and self._is_urgent(row, decision)
            }
            decisions = self.carry_out(decisions, urgent)
        for decision in decisions:
            _log(decision)
        self.worklist.rows.settle(
            self._verdict(row, decision) for row, decision in zip(rows, decisions, strict=True)
        )

    def _is_urgent(self, row: Row, decision: Decision) -> bool:
        """Return whether the slot is asked at once too, as retention does not wait."""
        is_soon = place(self.asking.plan, row.candidate).deadline_ms < FAR_MS
        return decision.is_offered and is_soon

    def _offer(self, rows: Sequence[Row]) -> None:
        """Ask the slot too, now that the largest one is known."""
        decisions = (decide(self.asking.plan, row.candidate, is_empty=False) for row in rows)
        self.asking.offer(decision.send for decision in decisions if decision.send is not None)
        self.worklist.rows.close(rows)

    def looked_into(self, rows: Sequence[Row]) -> Iterator[tuple[Row, bool]]:
        """Yield rows, and whether they certainly have no event, without those not looked into.

        A dry run has only this one invocation: when it runs low, what is in doubt is exported.
        """
        with ThreadPoolExecutor(READERS) as threads:
            found = threads.map(self._is_empty, [row.candidate for row in rows])
            for row, is_empty in zip(rows, found, strict=True):
                if is_empty is not None:
                    yield row, is_empty

    def _is_empty(self, candidate: Candidate) -> bool | None:
        """Return whether a window has certainly no event; None when there is no time to see."""
        if not candidate.seems_empty:
            return False
        if not self.has_time():
            return False if self.is_dry_run else None
        return not self.account.has_events(candidate.log_group, candidate.window)

    def carry_out(
        self, decisions: Sequence[Decision], urgent: Container[str] = ()
    ) -> list[Decision]:
        """Note the dates of decisions, record these and send messages; return what holds then."""
        new = set(self.worklist.scope.new_windows())
        self.days.note(
            {each.window for each in decisions if each.send or (each.write and each.window in new)},
            new=new,
        )
        return self.asking.carry_out(decisions, urgent)

    def _verdict(self, row: Row, decision: Decision) -> Verdict:
        return Verdict(
            row.candidate,
            decision.outcome,
            decision.reason,
            decision.lane,
            self.fit.seconds(row.size_bytes)
            if decision.lane == "slot" or decision.is_offered
            else 0,
            is_offered=(
                decision.is_offered and not self.is_dry_run and not self._is_urgent(row, decision)
            ),
        )

    @cached_property
    def fit(self) -> Fit:
        """How long tasks take, by the records of the newest windows that have some."""
        source = self.asking.plan.source
        known = self.worklist.rows.known(SAMPLED_WINDOWS, SAMPLED_EXPORTS)
        keys = [ledger_key(source, window, id_) for window, id_ in known]
        records = intact(self.asking.ledger.read(keys))
        samples = [sample for record in reversed(records) if (sample := sample_of(record))]
        return Fit.of(samples)


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
