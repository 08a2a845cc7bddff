"""The dates of which a run asks for something: it has their end told.

Each is noted in the control bucket before anything of it is recorded, as what the exporter is to be
sent once the run has sent all of its requests. So the message is sent however often the run is
cut: when it is tried again, or by the first run that finds the note of one that must be dead.

The note then stays as one of a date that is open, until the exporter has told its end. So what a
queue has lost is found without a person, and nothing else has to be read.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from aws_lambda_powertools import Logger

from logferry_contracts.day_planned import DayPlanned, DayPlannedData
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window, WindowRule
from planner.cloud import DayNotes, ExportQueues, PartNotes
from planner.errors import LedgerUnreadableError
from planner.plan import PLANNER_URN
from planner.windows import as_recorded, day_of, windows_of_date, zone_named

RUN_IS_DEAD_AFTER = timedelta(hours=12)
"""A run has that many hours since it last noted the date, in all of its invocations. The next run
of a daily schedule comes later."""
OPEN_FOR_LONG = timedelta(hours=20)
"""After that an export that has not ended is asked for again. Less than a day, so that the next run
of a daily schedule does so; what has only been waiting for its turn is then there twice."""

TOLD_WITHIN = timedelta(days=14)
"""As long as queues keep messages. The end of a date that was first asked for before is not asked
for again: it is in the dead-letter queue, or an exporter tells it and does not remove its note.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

logger = Logger(service="planner", child=True)


@dataclass(frozen=True)
class Days:
    """The dates of one run.

    Attributes:
        recorded: The windows that the ledger has of the time that is planned and the days before.
        due_until_ms: The end of the newest window that is due. A date that ends later has windows
            that are still to be planned, and whoever plans the last of them has its end told.
        planned_at: When the run began.
        is_part: Whether the run plans some log groups alone, so that no date ends with it.
        is_noted_last: Whether somebody else remembers the run until all of a date is asked for,
            which may take days: then a note from before would have the end told too early.
    """

    notes: DayNotes
    parts: PartNotes
    source: SourceName
    rule: WindowRule
    run_id: str
    planned_at: datetime
    recorded: Sequence[Window]
    due_until_ms: int
    is_part: bool
    is_noted_last: bool = False
    _noted: set[str] = field(default_factory=set)
    _parts_noted: set[Window] = field(default_factory=set)

    def note(self, windows: Collection[Window], *, new: Collection[Window] = ()) -> None:
        """Note the dates of windows of which something is about to be recorded or sent.

        Of a part, note which windows are new instead: whoever plans them as a whole takes them for
        new ones, though the ledger has records of them.
        """
        if self.is_part:
            self._note_part({each for each in windows if each in new})
            return
        if not self.is_noted_last:
            self.note_dates(windows)

    def note_dates(self, windows: Collection[Window]) -> None:
        """Note the dates of windows."""
        zone = zone_named(self.rule.time_zone)
        for day in sorted({day_of(window, zone) for window in windows} - self._noted):
            self._noted.add(day)
            of_rule = windows_of_date(self.rule.unit, zone, date.fromisoformat(day))
            whole = [
                each for each in as_recorded(of_rule, self.recorded) if day_of(each, zone) == day
            ]
            if whole and whole[-1].to_ms <= self.due_until_ms:
                data = DayPlannedData(
                    source=self.source, date=day, time_zone=self.rule.time_zone, windows=whole
                )
                self.notes.put(self._planned(data))

    def _note_part(self, windows: set[Window]) -> None:
        unnoted = sorted(windows - self._parts_noted, key=lambda each: each.from_ms)
        self.parts.put(self.source, unnoted)
        self._parts_noted.update(unnoted)

    def note_as_own(self, planned: DayPlanned) -> None:
        """Note another profile's date, of the windows that it had there."""
        data = planned.data.model_copy(update={"source": self.source})
        self._noted.add(data.date)
        self.notes.put(self._planned(data))

    def send(self, queues: ExportQueues, queue_url: str, now: datetime) -> None:
        """Send what this run has noted, and what one has that must be dead."""
        for note in self.notes.there(self.source):
            if note.is_sent:
                continue
            is_own = note.planned_id.startswith(f"{self.run_id}-")
            if is_own or note.written_at < now - RUN_IS_DEAD_AFTER:
                planned = self._read(note.key)
                if planned is None:
                    continue
                is_sources = planned.data.source == self.source
                if is_sources or queues.is_of(planned.data.source) is False:
                    # Before it is sent, so that the exporter finds what it is to remove.
                    self.notes.put(planned, is_sent=True)
                    if is_sources:
                        queues.send(queue_url, [planned])
                    self.notes.remove(note.key)

    def open_for_long(self, now: datetime) -> Iterator[tuple[str, DayPlanned]]:
        """Yield the dates that were sent long ago and not told since, with their notes.

        Those of other profiles of the same account and Region as well.
        """
        notes = self.notes.there(self.source)
        to_be_sent = {note.planned_id for note in notes if not note.is_sent}
        for note in notes:
            is_open = note.is_sent and note.planned_id not in to_be_sent
            if is_open and note.written_at < now - OPEN_FOR_LONG:
                planned = self._read(note.key)
                if planned is not None:
                    yield note.key, planned

    def is_given_up(self, planned: DayPlanned) -> bool:
        """Return whether the end of a date is not asked for any more."""
        return datetime.fromisoformat(planned.time) < self.planned_at - TOLD_WITHIN

    def _read(self, key: str) -> DayPlanned | None:
        """Return a note; None when it is not there any more, or is damaged."""
        try:
            return self.notes.read(key)
        except LedgerUnreadableError as error:
            logger.exception("a note of a date is left out", reason="damaged", detail=str(error))
            return None

    def _planned(self, data: DayPlannedData) -> DayPlanned:
        return DayPlanned.of(
            data, id=f"{self.run_id}-{data.date}", source=PLANNER_URN, time=self.planned_at
        )
