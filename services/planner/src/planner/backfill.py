"""Backfills: a source's dates, planned one by one and fed below its daily work.

What people want is in one note, how far it is in another, see `logferry_contracts.backfill`. A
schedule has all of them fed for as long as an invocation may take, a few exports whenever those
before have ended. So a task that is killed anywhere costs nothing: the next one finds how far it
is, and the ledger says of each export whether it was asked for.
"""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any

from logferry_contracts.backfill import ENDED, PACED_DATES, Asked, Fed
from logferry_contracts.export_requested import LOST_AFTER
from logferry_contracts.ledger_record import Half, LedgerRecord, generations
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import record_key, whole_key
from logferry_contracts.source import Source
from planner.errors import (
    AwsError,
    BackfillStuckError,
    InfrastructureBusyError,
    LedgerBusyError,
    LedgerUnreadableError,
    MessagesNotSentError,
    PlanRefusedError,
    WorklistDamagedError,
)
from planner.feeding import AHEAD, Feeding, Room, is_cut
from planner.run import Run, continued_run, open_run, timer
from planner.telemetry import logger
from planner.telling import file_of_run
from planner.windows import settle_of, windows_of_date, zone_named
from planner.wiring import Invocation, Wiring
from planner.worklist.file import Worklist

PAUSE_S = 5
"""Between two looks whether what was fed has ended."""
REST = timedelta(seconds=15)
"""After a feed that could do nothing, or failed."""
AT_ONCE = 8
"""Sources that are looked at side by side."""
STUCK_AFTER = timedelta(hours=3)
"""For so long the same problem may keep one from going on before somebody hears of it."""
READ_AT_ONCE = 50
WRITTEN_WITHIN = timedelta(minutes=15)
"""A note of an open export whose record is not there is of what somebody is about to write."""
MOST_PARTS = 900
"""After so many feeds of a date its worklists are numbered anew: PlanContinued has 1,000."""
PROBLEM_CHARACTERS = 4096


def feed_all(wiring: Wiring, invocation: Invocation) -> dict[str, Any]:
    """Feed all backfills for as long as this invocation has time.

    Returns:
        ``{"status": "fed", "under_way": 2}``: how many go on.

    Raises:
        Exception: What keeps one of them from going on, for hours or as nobody expects it; all
            others were fed.
    """
    feeder = Feeder(wiring, invocation)
    has_time = timer(invocation)
    while True:
        prefixes = wiring.control.backfills.there()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            under_way = sum(threads.map(feeder.look, prefixes))
        if not under_way or not has_time():
            for error in (*feeder.errors.values(), *feeder.damaged):
                raise error
            return {"status": "fed", "under_way": under_way}
        wiring.pause(PAUSE_S)


@dataclass(frozen=True)
class Feeder:
    """One invocation's work on all backfills.

    Attributes:
        resting: Until when a backfill is left alone.
        failed: Keys of records that have failed, and need no second look.
        errors: What somebody has to hear of, by the prefix of the backfill's notes.
        damaged: The same, of what was made anew, so that it does not come again.
    """

    wiring: Wiring
    invocation: Invocation
    resting: dict[str, datetime] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    errors: dict[str, Exception] = field(default_factory=dict)
    damaged: list[Exception] = field(default_factory=list)
    completing: Lock = field(default_factory=Lock)

    def look(self, prefix: str) -> bool:
        """Take one backfill a step forward; return whether there is more to do.

        Whatever one meets costs no other one its turn.
        """
        if self.resting.get(prefix, self._now) > self._now:
            return True
        try:
            return self._look(prefix)
        except Exception as error:  # noqa: BLE001  (told once all were looked at)
            logger.exception("a backfill is left out", prefix=prefix, detail=str(error))
            self.resting[prefix] = self._now + REST
            self.errors[prefix] = error
            return False

    def _look(self, prefix: str) -> bool:
        backfills = self.wiring.control.backfills
        asked, found = backfills.asked(prefix), backfills.fed(prefix)
        self.errors.pop(prefix, None)
        if asked is None:
            return False
        known, etag = found or (None, None)
        fed = known if known is not None and known.id == asked.id else _begun(asked, self._now)
        if fed.state in ENDED or (asked.wanted == "pause" and fed.state == "paused"):
            return False
        if self._is_others(fed):
            return True
        since = fed.problem_since
        if since is not None and self._now - datetime.fromisoformat(since) > STUCK_AFTER:
            self.errors[prefix] = BackfillStuckError(f"{prefix}: {fed.problem}")
        if asked.wanted == "run" and self._waits_for_its_date(asked, fed):
            return False  # for hours, through which no invocation has to stay
        return self._step(prefix, asked, fed, etag)

    def _step(self, prefix: str, asked: Asked, fed: Fed, etag: str | None) -> bool:
        """Do what is next, and write down how far it is then."""
        write = self.wiring.control.backfills.write
        if fed.claimed_by != self.invocation.request_id:
            write(prefix, self._claimed(fed), etag)
            return True
        after: list[Callable[[], None]] = []
        try:
            new = self._next(prefix, asked, fed, after)
        except (
            AwsError,
            InfrastructureBusyError,
            LedgerBusyError,
            LedgerUnreadableError,
            MessagesNotSentError,
            PlanRefusedError,
        ) as error:
            logger.exception("a backfill could not go on", prefix=prefix, detail=str(error))
            self.resting[prefix] = self._now + REST
            new = fed.model_copy(update={"problem": str(error)[:PROBLEM_CHARACTERS]})
            if new.problem == fed.problem:
                return True
        if new is None:
            if fed.problem is None:
                return True
            new = fed.model_copy(update={"problem": None})  # it waits for its turn, and no more
        if write(prefix, self._timed(fed, new), etag):
            for each in after:
                each()
        return new.state not in {*ENDED, "paused"}

    def _next(
        self, prefix: str, asked: Asked, fed: Fed, after: list[Callable[[], None]]
    ) -> Fed | None:
        """Return how far it is after one step; None where there was nothing to do.

        Args:
            prefix: Of its notes.
            asked: What is wanted.
            fed: How far it is.
            after: Takes what is to be done once that is written.
        """
        if asked.wanted == "pause":
            return _released(fed, "paused")
        if asked.wanted == "cancel" and not fed.parts:
            plan = fed.plan
            if plan is not None:
                after.append(lambda: self.wiring.control.files.remove(plan.worklist.key))
            return _released(fed, "cancelled")
        room = self._room(asked.request.source, fed)
        if fed.parts and room.slot:
            return self._send_part(asked, fed)
        if asked.wanted == "cancel" or not (room.slot or room.direct):
            return None
        return self._feed_date(prefix, asked, fed, room, after)

    def _waits_for_its_date(self, asked: Asked, fed: Fed) -> bool:
        """Whether a window of the date to begin with is not due: so it would be left out."""
        if fed.plan is not None or fed.parts:
            return False
        request = asked.request
        settled = self._now - settle_of(request, default=self.wiring.settings.settle)
        try:
            zone = zone_named(request.window_rule.time_zone)
        except PlanRefusedError:
            return False  # whoever plans the date says so
        of_date = windows_of_date(request.window_rule.unit, zone, date.fromisoformat(fed.date))
        return any(each.end > settled for each in of_date)

    # --- what is under way

    def _room(self, source: Source, fed: Fed) -> Room:
        """Return what may be fed: nothing into a lane that still has to do something."""
        since, direct = self._now - LOST_AFTER, 0
        control = self.wiring.control
        notes = [
            note
            for note in control.open_notes.there(source.name)
            if note.key != whole_key(source.name)
            and note.written_at > since
            and note.key not in self.failed
        ]
        is_slot_busy = self._is_part_under_way(fed)
        for first in range(0, len(notes), READ_AT_ONCE):
            some = notes[first : first + READ_AT_ONCE]
            records = control.ledger.read(record_key(note.key) for note in some)
            for note, record in zip(some, records, strict=True):
                if record is None:
                    if note.written_at > self._now - WRITTEN_WITHIN:
                        return Room(slot=False, direct=0)
                    continue
                if not isinstance(record, LedgerRecord) or record.state == "failed":
                    self.failed.add(note.key)
                    continue
                if record.state not in {"requested", "submitted"} or is_cut(record):
                    continue
                if record.split is not None or record.is_untaken:  # both lanes may be at it
                    return Room(slot=False, direct=0)
                is_slot_busy |= record.lane == "slot"
                direct += record.lane == "direct"
            if is_slot_busy and direct >= AHEAD:
                break
        # Topped up once most of it is done, so that the lane does not stand still meanwhile.
        return Room(slot=not is_slot_busy, direct=AHEAD - direct if direct <= AHEAD // 3 else 0)

    def _is_part_under_way(self, fed: Fed) -> bool:
        """Whether the part that was sent last is still to be exported, or its next try."""
        ledger = self.wiring.control.ledger
        if fed.part is None or datetime.fromisoformat(fed.at) < self._now - LOST_AFTER:
            return False
        [sent] = ledger.read([fed.part])
        if not isinstance(sent, LedgerRecord):
            return False

        def read(window: Any, name: str) -> LedgerRecord | None:
            key = sent.model_copy(update={"window": window, "export_id": name}).key
            [found] = ledger.read([key])
            return found if isinstance(found, LedgerRecord) else None

        tries = list(generations(Half(export_id=sent.export_id, window=sent.window), read))
        return bool(tries) and tries[-1].state in {"requested", "submitted"}

    # --- what is fed

    def _send_part(self, asked: Asked, fed: Fed) -> Fed:
        """Send the next part of a long window, unless somebody has seen to it."""
        first, *rest = fed.parts
        [record] = self.wiring.control.ledger.read([first])
        if isinstance(record, LedgerRecord) and record.state == "requested":
            run, _ = open_run(self.wiring, _of_date(asked, fed.date), None, self._as(asked))
            run.asking(run.queue_urls()).send([record])
        return fed.model_copy(update={"parts": rest, "part": first, "problem": None})

    def _feed_date(
        self, prefix: str, asked: Asked, fed: Fed, room: Room, after: list[Callable[[], None]]
    ) -> Fed | None:
        """Plan as much of a date as there is room for.

        Where nobody can read its worklist, it is planned anew, as where that is not there any more:
        the ledger says of each export whether it was asked for.
        """
        try:
            return self._feed_some(prefix, asked, fed, room, after)
        except sqlite3.DatabaseError as error:
            if fed.plan is None:
                raise
            key = fed.plan.worklist.key
            told = f"{key}: not a valid worklist: {error}; the date is planned anew"
            logger.exception("a worklist is damaged", prefix=prefix, key=key, detail=str(error))
            after += [
                lambda: self.damaged.append(WorklistDamagedError(told)),
                lambda: self.wiring.control.files.remove(key),
            ]
            return fed.model_copy(update={"plan": None, "is_planned_anew": True})

    def _feed_some(
        self, prefix: str, asked: Asked, fed: Fed, room: Room, after: list[Callable[[], None]]
    ) -> Fed | None:
        source, control, plan = asked.request.source, self.wiring.control, fed.plan
        with file_of_run() as path:
            goes_on = plan is not None and control.files.get(plan.worklist.key, path)
            if plan is not None and not goes_on:
                fed = fed.model_copy(update={"is_planned_anew": True})
            if not goes_on or plan is None:
                run, windows = open_run(
                    self.wiring, _of_date(asked, fed.date), None, self._as(asked)
                )
            with closing(Worklist(path, source)) as worklist:
                if goes_on and plan is not None:
                    run = continued_run(self.wiring, plan, self._as(asked), worklist)
                    run = replace(run, part=run.part if run.part < MOST_PARTS else 1)
                else:
                    run.list_into(worklist, windows)
                return self._fed(prefix, fed, asked, run, worklist, room, after)

    def _fed(  # noqa: PLR0913, PLR0917  (what a feed is about)
        self,
        prefix: str,
        fed: Fed,
        asked: Asked,
        run: Run,
        worklist: Worklist,
        room: Room,
        after: list[Callable[[], None]],
    ) -> Fed | None:
        requesting = run.requesting(worklist, run.queue_urls(), is_fed=True)
        requesting.asking.send_what_is_noted(self._now, worklist.scope.windows)
        feeding = Feeding(requesting, room)
        before = worklist.rows.done
        is_done = feeding.feed()
        parts = list(dict.fromkeys([*fed.parts, *(each.key for each in feeding.parts)]))
        if is_done and not parts:
            with self.completing:
                answer = run.complete_fed(requesting, is_anew=fed.is_planned_anew)
            return _after_date(asked, fed, answer["data"])
        if fed.plan is not None and worklist.rows.done == before and parts == fed.parts:
            self.resting[prefix] = self._now + REST
            return None
        continued = run.put_away(worklist)
        after.append(run.remove_worklist)
        return fed.model_copy(
            update={"plan": continued, "parts": parts, "problem": None, "state": "running"}
        )

    # --- whose it is

    def _is_others(self, fed: Fed) -> bool:
        """Whether another invocation feeds it."""
        if fed.claimed_by in {None, self.invocation.request_id} or fed.claimed_until is None:
            return False
        return datetime.fromisoformat(fed.claimed_until) > self._now

    def _claimed(self, fed: Fed) -> Fed:
        until = self._now + timedelta(milliseconds=self.invocation.remaining_ms())
        claim = {"claimed_by": self.invocation.request_id, "claimed_until": timestamp(until)}
        return self._timed(fed, fed.model_copy(update={**claim, "state": "running"}))

    def _timed(self, before: Fed, fed: Fed) -> Fed:
        """Return how far it is with the time that it took, but for that of a pause."""
        passed = self._now - datetime.fromisoformat(before.at)
        seconds = round(passed.total_seconds()) if before.state == "running" else 0
        update: dict[str, Any] = {"at": timestamp(self._now), "problem_since": None}
        if fed.problem is not None:
            update["problem_since"] = before.problem_since or timestamp(self._now)
        if fed.date == before.date and fed.dates == before.dates:
            update["date_s"] = before.date_s + seconds
        else:
            recent = [*before.recent_s, before.date_s + seconds]
            update |= {"date_s": 0, "recent_s": recent[-PACED_DATES:]}
        return fed.model_copy(update=update)

    def _as(self, asked: Asked) -> Invocation:
        """Return the invocation by the backfill's own name: its plans have the same ids again."""
        return replace(self.invocation, request_id=asked.id)

    @property
    def _now(self) -> datetime:
        return self.wiring.clock()


def _begun(asked: Asked, now: datetime) -> Fed:
    return Fed(
        id=asked.id,
        state="running",
        date=asked.request.collect_from or "",
        parts=[],
        dates=0,
        exports=0,
        estimated_bytes=0,
        date_s=0,
        recent_s=[],
        at=timestamp(now),
    )


def _of_date(asked: Asked, on: str) -> Any:
    """Return the request for one date of a backfill."""
    one = {"collect_from": None, "collect_to": None, "collect_date": on}
    return asked.request.model_copy(update=one)


def _released(fed: Fed, state: str) -> Fed:
    return fed.model_copy(
        update={"state": state, "claimed_by": None, "claimed_until": None, "problem": None}
    )


def _after_date(asked: Asked, fed: Fed, completed: dict[str, Any]) -> Fed:
    """Return how far a backfill is once all of its date is asked for."""
    counted = fed.model_copy(
        update={
            "plan": None,
            "is_planned_anew": False,
            "parts": [],
            "dates": fed.dates + 1,
            "exports": fed.exports + completed["requested"],
            "estimated_bytes": fed.estimated_bytes + (completed.get("estimated_bytes") or 0),
            "problem": None,
        }
    )
    if fed.date == asked.request.collect_to:
        return _released(counted, "completed")
    following = date.fromisoformat(fed.date) + timedelta(days=1)
    return counted.model_copy(update={"date": str(following)})
