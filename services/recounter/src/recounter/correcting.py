"""What CloudWatch Logs has more of than the archive: the exporter is asked to add it.

Once for each window and witness, for so many bytes a day, and not at all where so much of a date
differs that the exports themselves have to be looked at first.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aws_lambda_powertools import Logger

from logferry_contracts.export import tries_there
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import epoch_ms
from logferry_contracts.recount import Recount
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_deliveries.errors import OutOfTimeError, RetryError
from recounter import due
from recounter.aws.control import Control
from recounter.aws.corrections import Corrections, Lacking
from recounter.aws.requests import Requests
from recounter.errors import OvertakenError, TooManyDifferError
from recounter.metrics import ASKED, NOT_ADDED
from recounter.turn import Turn

LONGEST_WAIT = timedelta(days=30)
"""How old the start of a window may be: the last look is after 14 days, and each day has a limit of
what is read. The sealer has to look at its date still, to seal what was added."""
LEAST_DIFFERING = 3
"""So many exports of a date have to differ for it to be too many: of a few, one is a large part."""

logger = Logger()


class Due(NamedTuple):
    """An export that something is to be added to, and what a witness says of it."""

    record: LedgerRecord
    recount: Recount


@dataclass(frozen=True, kw_only=True)
class Correcting:
    """Has added what is missing of one source's exports.

    Attributes:
        most_bytes: How much may be read again on a day; nothing is added at 0.
        stop_share: More thousandths of a date's exports that differ are too many.
        since: How old the start of a window may be.
    """

    control: Control
    corrections: Corrections
    requests: Requests
    source: SourceName
    most_bytes: int
    stop_share: int
    since: timedelta

    def look(self, turn: Turn) -> None:
        """Ask for what is missing.

        Raises:
            TooManyDifferError: So much differs that a person has to look; nothing was asked for.
            RetryError: Something could not be asked for; the next invocation goes on.
        """
        if not self.most_bytes:
            return
        since_ms = epoch_ms(turn.clock() - self.since)
        errors: list[RetryError] = []
        lacking = dict.fromkeys(self.corrections.lacking(since_ms))
        late = self._late(since_ms, turn)
        if lacking or late:
            self._check([*(lacking | late)], since_ms)
        for each, found in [*lacking.items(), *late.items()]:
            try:
                turn.check()
                if not self._correct(found or self._due(each, None, turn), turn):
                    break
            except (OutOfTimeError, OvertakenError) as error:
                logger.info("the next invocation goes on", reason=str(error))
                break
            except RetryError as error:  # of one window: the others need not wait for it
                logger.exception("not asked for", log_group=each.log_group_name)
                errors.append(error)
        if errors:
            raise errors[0]

    def _late(self, since_ms: int, turn: Turn) -> dict[Lacking, Due]:
        """Return which windows lack events, as some came in late that no look has counted.

        Those alone that would be asked for now: what nobody can add is told, and would hold back
        the others of its date for as long as it is remembered.
        """
        found = {}
        for recount in self.corrections.late(since_ms):
            if self.corrections.is_asked(recount, turn.clock()):
                continue
            record = self.control.record(recount.window, recount.export_id)
            if record is not None:
                each = Lacking(recount.window, record.log_group.name)
                if (due := self._due(each, recount, turn)) is not None:
                    found[each] = due
        return found

    def _check(self, lacking: Sequence[Lacking], since_ms: int) -> None:
        """Make sure that of no date too many exports differ."""
        differing = Counter(date_of(each.window) for each in lacking)
        counted = Counter[str]()
        for window, _ in self.control.windows(since_ms):
            if date_of(window) in differing:
                counted[date_of(window)] += self.corrections.counted(window)
        counted |= differing  # of a late one nobody need have counted anything before
        stopped = {
            date: f"{differ} of {counted[date]}"
            for date, differ in differing.items()
            if is_too_many(differ, counted[date], self.stop_share)
        }
        if stopped:
            raise TooManyDifferError(stopped)

    def _correct(self, found: Due | None, turn: Turn) -> bool:
        """Ask for what one window lacks, where that is due; return whether there is money left."""
        if found is None:
            return True
        record, recount = found
        if not self._pay(due.read_bytes(record, recount), turn):
            logger.warning("the rest is added tomorrow", most_bytes=self.most_bytes)
            return False
        self.requests.ask(record, recount, turn.clock())
        self.corrections.note_asked(recount, turn.clock())
        turn.counts[ASKED] += 1
        return True

    def _due(self, lacking: Lacking, late: Recount | None, turn: Turn) -> Due | None:
        """Return what is to be added to one window now; None where that is nothing.

        Args:
            lacking: Which.
            late: What a look has said that has seen late events; None where a seal says that it
                lacks some, by its recount.
            turn: This one.
        """
        record = self._record(lacking)
        if record is None:
            return None
        recount = late or self.control.recount(record.window, record.export_id)
        is_of_it = recount is not None and recount.export_id == record.export_id
        if recount is None or not is_of_it or due.is_added(record, recount):
            return None
        why = due.objection_to_adding(record, recount, turn.clock(), self.most_bytes)
        if why is None:
            is_asked = self.corrections.is_asked(recount, turn.clock())
            return None if is_asked else Due(record, recount)
        if late is None:  # the seal tells of it, and the sealer's alarm
            if why == due.LIMIT:
                logger.warning("larger than what is added on a day", export_id=record.export_id)
            else:
                logger.info("not added", export_id=record.export_id, why=why)
        else:
            logger.warning("late events cannot be added", export_id=record.export_id, why=why)
            turn.counts[NOT_ADDED] += self.corrections.note_not_added(recount, why, turn.clock())
        return None

    def _record(self, lacking: Lacking) -> LedgerRecord | None:
        """Return the last try of a log group's window, if it is in the archive, and this source's.

        Of an account's other profile another recounter asks. A try that nobody can read, or that
        somebody has removed, hides no later one.
        """
        window, name = lacking
        last = None
        for _, export_id in tries_there(self.control.there(window), self.source, name, window):
            last = self.control.read(window, export_id)
        if (
            not isinstance(last, LedgerRecord)
            or not due.is_countable(last)
            or last.source != self.source
        ):
            return None
        return last

    def _pay(self, size_bytes: int, turn: Turn) -> bool:
        """Note that an export is read again, before it is; False where the day's bytes are up."""
        date = f"{turn.clock().astimezone(UTC):%Y-%m-%d}"
        spent, etag = self.corrections.spent(date)
        read_bytes = spent.read_bytes + size_bytes
        if read_bytes > self.most_bytes:
            return False
        self.corrections.keep_spent(spent.model_copy(update={"read_bytes": read_bytes}), etag)
        return True


def is_too_many(differing: int, counted: int, share: int) -> bool:
    """Whether so many exports of a date differ that a person has to look.

    Args:
        differing: Of how many CloudWatch Logs has more events.
        counted: Of how many it was asked.
        share: More thousandths are too many.
    """
    return differing >= LEAST_DIFFERING and 1000 * differing > share * counted


def date_of(window: Window) -> str:
    """Return the date that a window begins on, in UTC."""
    return f"{datetime.fromtimestamp(window.from_ms / 1000, UTC):%Y-%m-%d}"
