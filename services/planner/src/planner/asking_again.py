"""What was asked for long ago and has not ended: by a purged queue, say, or one made anew."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.ledger_record import LedgerRecord
from planner.asking import Asking, intact
from planner.days import Days
from planner.plan import taken_over
from planner.worklist.tally import Tally

logger = Logger(service="planner", child=True)


@dataclass(frozen=True)
class AskingAgain:
    """How one run asks once more for what earlier ones have asked for.

    Of dates that are open alone: each record is read once for that when all goes well.
    """

    asking: Asking
    days: Days
    tally: Tally

    def ask(self, now: datetime, *, has_time: Callable[[], bool]) -> None:
        """Ask for what has not ended of each date, and for the date's end."""
        for note_key, planned in self.days.open_for_long(now):
            if not has_time():
                return
            if planned.data.source != self.asking.plan.source.name:
                if self.asking.queues.is_of(planned.data.source) is False:
                    self._take_over_date(planned)
                    self.days.notes.remove(note_key)
                continue
            records = self._recorded(planned)
            stuck = self.asking.under_way(records) + self.asking.found_lost(records)
            if not stuck and self.days.is_given_up(planned):
                self.days.notes.remove(note_key)
                continue
            self.asking.send(stuck, again_by=self.days.run_id)
            self.asking.send_day(planned, again_by=self.days.run_id)
            self.days.notes.put(planned, is_sent=True)
            self.tally.count_asked_again(len(stuck))
            logger.warning(
                "asked for again, as it has not ended", day=planned.data.date, exports=len(stuck)
            )

    def _take_over_date(self, planned: DayPlanned) -> None:
        """Take over what is left of another profile's date."""
        left = self.asking.left_behind(self._recorded(planned))
        exports = [(each, mine) for each in left if (mine := taken_over(self.asking.plan, each))]
        if exports:
            self.days.note_as_own(planned)
            self.asking.take_over(exports)
            self.tally.count_asked_again(len(exports))

    def _recorded(self, planned: DayPlanned) -> list[LedgerRecord]:
        return intact(self.asking.recorded(planned.data.windows))
