"""One window counted: by pages what is small, by queries the rest, as far as the budget goes."""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger

from logferry_contracts import insights
from logferry_contracts.insights import Answer
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.recount import FILTER, INSIGHTS, STREAMS, Recounted
from logferry_contracts.window import Window
from logferry_deliveries.errors import AwsError
from recounter import budget, due
from recounter.aws.source_account import SourceAccount
from recounter.book import Book
from recounter.budget import Candidate
from recounter.errors import BusyError, CannotCountError, OvertakenError, UndecidedError
from recounter.late import Late
from recounter.metrics import QUERIES
from recounter.note import Charge
from recounter.turn import Turn

AT_ONCE = 4
"""Of the 30 queries that an account may run, dashboards included.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
"""
LOOK_S = 1.0
MOST_FAILURES = 2
"""After so many queries in vain an export stays uncounted."""
LONGEST = timedelta(minutes=65)
"""Queries time out after 60 minutes (same page)."""
LONGEST_INVOCATION = timedelta(minutes=15)
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
RUNNING = ("Scheduled", "Running", "Unknown")

logger = Logger()

type Batches = deque[tuple[Candidate, ...]]


@dataclass(frozen=True, kw_only=True)
class Counting:
    """Counts the exports of one window.

    Attributes:
        late: Reads its log groups page by page.
    """

    account: SourceAccount
    window: Window
    book: Book
    turn: Turn
    late: Late

    def count(self) -> None:
        """Count all that the budget reaches, and write down why not of the rest.

        Raises:
            OutOfTimeError: The next invocation goes on.
            OvertakenError: Another one does already.
            AwsError: AWS did not answer.
        """
        self._forget_lost()
        self._refuse()
        self._filter()
        if not self.book.is_first:
            self._by_streams()
        self._query(deque())  # those of an invocation before
        while True:
            self._refuse()
            self._refuse_to_query()
            taken, others = budget.chosen(self.book.candidates, self.book.left)
            if not taken:
                break
            self._query(deque(budget.batches(taken)))
        self.book.give_up(others, "budget")

    def _forget_lost(self) -> None:
        """Take a query as failed of which nobody knows any more whether it was started."""
        for charge in self.book.note.running:
            if charge.query_id is not None:
                continue
            if not self._is_older(charge, LONGEST_INVOCATION):
                raise OvertakenError("another invocation is starting a query")
            self.book.failed(charge)

    # What needs no query

    def _refuse(self) -> None:
        """Give up what nobody can count, or has tried to often enough."""
        now = self.turn.clock()
        refused = defaultdict[str, list[Candidate]](list)
        for each in self.book.candidates:
            has_failed = self.book.note.failed.get(each.export_id, 0) >= MOST_FAILURES
            why = due.objection(self.book.todo[each.export_id], now)
            if has_failed or why is not None:
                refused[why or "failed"].append(each)
        for why, some in refused.items():
            self.book.give_up(some, why)

    def _refuse_to_query(self) -> None:
        for each in self.book.candidates:
            why = due.objection_to_queries(self.book.todo[each.export_id])
            if why is not None:
                self.book.give_up([each], why)

    def _filter(self) -> None:
        for each in self.book.candidates:
            record = self.book.todo[each.export_id]
            if not due.is_filtered(record, is_first=self.book.is_first):
                continue
            if not self.book.is_first and due.is_same_witness(record, FILTER):
                self._see_late(record)
            name, next_page = each.log_group_name, self.late.next_page
            try:
                events = self.account.filtered(name, self.window, next_page)
            except CannotCountError as error:
                self.book.give_up([each], error.why)
            else:
                said = Recounted(by=FILTER, at=self.book.now, events=events)
                self.book.settle({each: said})

    def _by_streams(self) -> None:
        """Count what came in since an export was counted, where the log streams can tell.

        What a query counts already has its streams named by the invocation that takes its answer.
        """
        for record in list(self.book.todo.values()):
            events = self._came_late(record)
            if events is not None:
                said = Recounted(by=STREAMS, at=self.book.now, events=events)
                self.book.settle({due.candidate(record): said})

    def _see_late(self, record: LedgerRecord) -> None:
        """See what came in late of what only the call counts that has read it.

        Where no other had counted it before, that says nothing of what is missing.
        """
        before = self.late.before(record)
        if before is None or before.events is None:
            self._came_late(record)

    def _came_late(self, record: LedgerRecord) -> int | None:
        """Name the log streams that events came into since; return how many there are, if known."""
        is_readable = record.log_group.log_group_class == due.STANDARD
        try:
            found = self.late.since(record, is_readable=is_readable)
        except (UndecidedError, CannotCountError) as error:
            logger.info("left to a query", export_id=record.export_id, why=str(error))
            return None
        if found.is_late:
            self.book.late_streams[record.export_id] = found.streams
        return found.events

    # Queries

    def _query(self, pending: Batches) -> None:
        """Run queries, a few at once, until all have ended."""
        while pending or self.book.note.running:
            self.turn.check()
            is_busy = False
            while pending and len(self.book.note.running) < AT_ONCE and not is_busy:
                is_busy = not self._start(pending)
            for charge in self.book.note.running:
                self._look(charge)
            if self.book.note.running or is_busy:
                self.turn.sleep(LOOK_S)

    def _start(self, pending: Batches) -> bool:
        """Start the next query; False where the account has as many as it may."""
        batch = pending.popleft()
        charge = self.book.charge(batch)
        try:
            query_id = self.account.start([each.log_group_name for each in batch], self.window)
        except BusyError:
            self.book.take_back(charge)
            pending.appendleft(batch)
            return False
        except CannotCountError as error:
            self.book.take_back(charge)
            self._narrow(batch, error.why, pending)
        except AwsError:
            logger.exception("query not started", export_ids=charge.export_ids)
            self.book.failed(charge)
        else:
            self.turn.counts[QUERIES] += 1
            self.book.started(charge, query_id)
        return True

    def _narrow(self, batch: Sequence[Candidate], why: str, pending: Batches) -> None:
        """Find the log group for whose sake a query was refused, and give up that one alone."""
        if len(batch) == 1:
            self.book.give_up(batch, why)
            return
        middle = len(batch) // 2
        pending.extendleft([tuple(batch[middle:]), tuple(batch[:middle])])

    def _look(self, charge: Charge) -> None:
        """Look at a query, and take what it has counted once it is complete."""
        assert charge.query_id is not None  # noqa: S101  (noted when it was started)
        try:
            answer = self.account.answer(charge.query_id)
        except CannotCountError:  # results are kept for some days only
            self.book.failed(charge)
            return
        if answer.status == "Complete":
            self._take(charge, answer)
        elif answer.status not in RUNNING or self._is_older(charge, LONGEST):
            logger.warning("query failed", query_id=charge.query_id, status=answer.status)
            self.book.failed(charge, answer)
        elif budget.is_beyond(answer.scanned_bytes, charge.cost, self.book.left):
            self.account.stop(charge.query_id)
            candidates = self.book.of(charge)
            self.book.stopped(charge, answer)
            self.book.give_up(candidates, "budget")

    def _is_older(self, charge: Charge, age: timedelta) -> bool:
        return timestamp(self.turn.clock() - age) > charge.at

    def _take(self, charge: Charge, answer: Answer) -> None:
        counted = self.book.of(charge)
        found = insights.counts(answer.rows, (each.log_group_name for each in counted))
        # Its answer is as old as the query, whoever takes it, however late.
        said = {
            each: Recounted(by=INSIGHTS, at=charge.at, events=found[each.log_group_name])
            for each in counted
        }
        self.book.settle(said, charge, answer)
