"""Windows that were skipped as empty: what came in late there is exported after all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from logferry_contracts.export_requested import LOST_AFTER
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.recount import NO, STREAMS, Recount, Recounted
from recounter import due
from recounter.aws.control import Control
from recounter.aws.requests import Requests
from recounter.errors import CannotCountError, UndecidedError
from recounter.late import Late
from recounter.metrics import COUNTED, FOUND, NOT_COUNTED
from recounter.turn import Turn

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Empty:
    """A later look at the empty windows of log groups."""

    control: Control
    requests: Requests
    late: Late
    look: int
    turn: Turn

    def count(self, records: Iterable[LedgerRecord]) -> dict[str, str]:
        """Ask for the export of what is not empty any more, and write down what was found.

        Returns:
            When it was asked, by the ids of those that are not empty.

        Raises:
            OutOfTimeError: The next invocation goes on.
            AwsError: AWS did not answer.
        """
        asked = dict[str, str]()
        for each in records:
            self.turn.check()
            said = self._said(each)
            if said.events:
                # Nothing of it is in the archive: it is an export as any other.
                self.requests.ask_again(each, self.turn.clock())
                asked[each.export_id] = timestamp(self.turn.clock())
                self.turn.counts[FOUND] += 1
                logger.info("not empty any more", export_id=each.export_id, events=said.events)
            self.turn.counts[NOT_COUNTED if said.by == NO else COUNTED] += 1
            recount = Recount.of(
                source=each.source, window=each.window, export_id=each.export_id, recount=said
            )
            self.control.put(recount, self.look)
        return asked

    def ask_again(
        self, records: Iterable[LedgerRecord], asked: Mapping[str, str]
    ) -> dict[str, str]:
        """Ask once more for exports that are not in the ledger long after they were asked for.

        The message may have gone with its queue; that nobody has come to it yet does no harm.

        Returns:
            When each was asked for, the last time.
        """
        now, again = self.turn.clock(), dict(asked)
        for each in records:
            if now - datetime.fromisoformat(asked[each.export_id]) > LOST_AFTER:
                self.requests.ask_again(each, now)
                again[each.export_id] = timestamp(now)
                logger.warning("asked for again, as it has not come", export_id=each.export_id)
        return again

    def _said(self, record: LedgerRecord) -> Recounted:
        at = timestamp(self.turn.clock())
        why = due.objection(record, self.turn.clock())
        if why is not None:
            return Recounted(by=NO, at=at, reason=why)
        assert record.skipped is not None  # noqa: S101  (only asked of what was skipped)
        try:
            events = self.late.all(record.log_group.name, record.skipped.at)
        except UndecidedError:
            return Recounted(by=NO, at=at, reason="streams")
        except CannotCountError as error:
            return Recounted(by=NO, at=at, reason=error.why)
        return Recounted(by=STREAMS, at=at, events=events)
