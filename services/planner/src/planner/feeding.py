"""A plan's exports asked for a few at a time, so that the daily work hardly has to wait for them.

What need not be exported is decided at once. Of the rest the direct lane gets the smallest, for a
minute; the slot gets the largest, one at a time, and only a part of it where a task would take
long: nothing can be put before a task that runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from logferry_contracts.export import export_id
from logferry_contracts.ledger_record import Half, LedgerRecord
from logferry_contracts.window import Window
from planner.activity import DIRECT_BYTES_PER_S, DIRECT_FIXED_S
from planner.asking import intact
from planner.order import Kind, Place, place
from planner.plan import FIRST_GENERATION, STANDARD, Decision, Outcome, Plan, decide
from planner.requesting import EXPORTS_AT_ONCE, Requesting
from planner.worklist.rows import Row, Verdict

MOST_S = 900
"""Of an export that is fed, by its forecast: a daily window waits for one at most."""
AHEAD_S = 60
"""Of what the direct lane is given at a time."""
AHEAD = 30
"""And how many at most."""


@dataclass(frozen=True)
class Room:
    """What may be fed now.

    Attributes:
        slot: Whether the slot has nothing to do.
        direct: How many more exports the direct lane may be asked for.
    """

    slot: bool
    direct: int


@dataclass(frozen=True)
class Feeding:
    """One feed.

    Attributes:
        parts: What has been recorded as parts of long windows, and is still to be sent; the
            earliest first.
    """

    requesting: Requesting
    room: Room
    parts: list[LedgerRecord] = field(default_factory=list)

    def feed(self) -> bool:
        """Ask for as much as there is room for; return whether all of the plan is asked for."""
        worklist = self.requesting.worklist
        while windows := worklist.scope.open_windows():
            for _ in self._steps(windows):
                if not self.requesting.has_time():
                    return False
            if worklist.rows.are_left:
                return False
            worklist.tally.close_windows(keep=False)
        return True

    def _steps(self, windows: Sequence[Window]) -> Iterator[None]:
        yield from self.requesting.prepare(windows)
        self.parts.extend(self._parts_left())
        rows = self.requesting.worklist.rows
        while idle := rows.take("idle", EXPORTS_AT_ONCE):
            self._rule_out(idle)
            yield
        rows.place_unknown()
        if self.room.direct:
            self._feed_direct(rows.take("small", EXPORTS_AT_ONCE))
        if self.room.slot and not self.parts:
            self._feed_slot(rows.take("large", 1))

    def _parts_left(self) -> Iterator[LedgerRecord]:
        """Yield the parts that a feed which was cut may not have noted."""
        for record in self.requesting.left:
            if is_cut(record):
                found = self.requesting.asking.under_way([record])
                yield from (each for each in found if is_unsent(each))
        self.requesting.left.clear()

    def _rule_out(self, rows: Sequence[Row]) -> None:
        """Record what need not be exported; the rest takes its place among what has events."""
        plan, found, ruled_out = self._plan, [], []
        for row, is_empty in self.requesting.looked_into(rows):
            if row.candidate.seems_empty and not is_empty:
                each = replace(row.candidate, seems_empty=False, estimated_bytes=None)
                found.append((each, Place(place(plan, each).deadline_ms, Kind.ACTIVE)))
            else:
                ruled_out.append((row, decide(plan, row.candidate, is_empty=is_empty)))
        self._carry_out(ruled_out)
        self.requesting.worklist.rows.place(found)

    def _feed_direct(self, rows: Sequence[Row]) -> None:
        chosen: list[tuple[Row, Decision]] = []
        all_s = 0.0
        for row in rows:
            seconds = DIRECT_FIXED_S + row.size_bytes / DIRECT_BYTES_PER_S
            most_s = AHEAD_S - all_s if chosen else MOST_S
            if len(chosen) == self.room.direct or seconds > most_s:
                break
            is_readable = row.candidate.log_group.log_group_class == STANDARD
            if is_readable and row.size_bytes < self._plan.direct_lane_max_bytes:
                chosen.append((row, _alone(decide(self._plan, row.candidate, is_empty=False))))
                all_s += seconds
        self._carry_out(chosen)

    def _feed_slot(self, rows: Sequence[Row]) -> None:
        plan = replace(self._plan, direct_lane_max_bytes=0)
        for row in rows:
            decision = decide(plan, row.candidate, is_empty=False)
            requested = decision.send
            if requested is None or not self._is_long(requested):
                self._carry_out([(row, decision)])
                return
            new = set(self.requesting.worklist.scope.new_windows())
            self.requesting.days.note({requested.window}, new=new)
            made, parts = self._made(requested)
            self.parts.extend(parts)
            is_own = made.requested_at == requested.requested_at
            outcome: Outcome = "requested" if is_own else "already_in_ledger"
            self._settle([(row, replace(decision, outcome=outcome))])

    def _carry_out(self, chosen: Sequence[tuple[Row, Decision]]) -> None:
        decisions = self.requesting.carry_out([decision for _, decision in chosen])
        self._settle(zip((row for row, _ in chosen), decisions, strict=True))

    def _settle(self, chosen: Iterator[tuple[Row, Decision]] | list[tuple[Row, Decision]]) -> None:
        fit = self.requesting.fit
        self.requesting.worklist.rows.settle(
            Verdict(
                row.candidate,
                decision.outcome,
                decision.reason,
                decision.lane,
                fit.seconds(row.size_bytes) if decision.lane == "slot" else 0,
            )
            for row, decision in chosen
        )

    def _is_long(self, record: LedgerRecord) -> bool:
        return self.requesting.fit.seconds(record.estimated_bytes or 0) > MOST_S

    def _made(self, record: LedgerRecord) -> tuple[LedgerRecord, list[LedgerRecord]]:
        """Write an export's record, those of its halves first, as long as one would take long.

        Whoever finds a record that says it was split finds its halves.

        Returns:
            The record as it is there, and the parts that are still to be sent.
        """
        asking = self.requesting.asking
        [there] = asking.ledger.read([record.key])
        if there is None:
            halves = record.window.halves if self._is_long(record) else None
            parts = []
            if halves is not None:
                first, second = (self._made(self._half(record, window)) for window in halves)
                parts = [*first[1], *second[1]]
                ids = tuple(
                    Half(export_id=half.export_id, window=half.window)
                    for half in (first[0], second[0])
                )
                record = record.as_split((ids[0], ids[1]), at=self.requesting.clock())
            [there] = asking.ledger.create([record])
            if there == record:
                return record, parts or [record]
        known = intact([there])
        return (known or [record])[0], [each for each in asking.under_way(known) if is_unsent(each)]

    def _half(self, record: LedgerRecord, window: Window) -> LedgerRecord:
        """Return what asks for a half; an earlier try of the window may have had one as well."""
        ledger = self.requesting.asking.ledger
        for generation in count(FIRST_GENERATION):
            half = LedgerRecord.first(
                requested_at=self._plan.now,
                export_id=export_id(record.source, record.log_group.name, window, generation),
                generation=generation,
                source=record.source,
                log_group=record.log_group,
                window=window,
                destination=record.destination,
                lane=record.lane,
                estimated_bytes=(record.estimated_bytes or 0) // 2,
                parent_export_id=record.export_id,
            )
            [there] = ledger.read([half.key])
            if there is None or _is_half_of(there, record):
                return half
        raise AssertionError("generations have no end")

    @property
    def _plan(self) -> Plan:
        return self.requesting.asking.plan


def is_cut(record: LedgerRecord) -> bool:
    """Whether an export was cut into parts that are fed one by one."""
    return record.split is not None and record.offered is None and record.state == "requested"


def is_unsent(record: LedgerRecord) -> bool:
    """Whether a part may still have to be sent."""
    return record.split is None and record.state == "requested"


def _is_half_of(there: object, record: LedgerRecord) -> bool:
    return isinstance(there, LedgerRecord) and there.parent_export_id == record.export_id


def _alone(decision: Decision) -> Decision:
    """Return a decision by which one lane alone is asked."""
    if decision.send is None:
        return decision
    record = decision.send.model_copy(update={"offered": None})
    return replace(decision, write=record, send=record)
