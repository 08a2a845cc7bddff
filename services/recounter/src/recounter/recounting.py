"""A source looked at: each window whose exports have ended is counted, the oldest first."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import NamedTuple

from aws_lambda_powertools import Logger

from logferry_contracts.digest import sha256
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import epoch_ms
from logferry_contracts.open_exports import next_export_id
from logferry_contracts.reads import Reads
from logferry_contracts.window import Window
from logferry_deliveries.errors import AwsError, OutOfTimeError, RetryError
from recounter import due
from recounter.aws.control import FIRST, Control
from recounter.aws.requests import Requests
from recounter.aws.source_account import SourceAccount
from recounter.book import Book
from recounter.counting import Counting
from recounter.empty import Empty
from recounter.errors import OvertakenError
from recounter.late import Late
from recounter.turn import Turn

LATE = timedelta(days=3)
"""How much later than it is due a window is still looked at again: also one of two days."""

logger = Logger()


class Pages(NamedTuple):
    """The pages of FilterLogEvents that one invocation may read."""

    turn: Turn
    reads: Reads

    def wait(self) -> None:
        """Wait until the next one may be read.

        Raises:
            OutOfTimeError: There is no time for it.
        """
        self.turn.check()
        self.reads.wait()

    def end(self) -> None:
        """Say that no more are read, as far as S3 lets that be said: others take the share."""
        with suppress(AwsError):
            self.reads.leave()


@dataclass(frozen=True, kw_only=True)
class Recounting:
    """Counts the windows of one source.

    Attributes:
        requests: What the source's exporter is asked for.
        reach: Returns the source's account.
        share: How many thousandths of what its ingestion did cost counting may cost.
        lag: How long after its end a window is left alone.
        look_back: How old a window's start may be.
        open_after: How long a window is waited for whose exports have not ended.
        revisit_days: How many days after its end a window is looked at again.
        revisit_share: How many thousandths such a look may cost.
        calls_per_second: Of FilterLogEvents, of all who read the source's logs.
    """

    control: Control
    requests: Requests
    reach: Callable[[], SourceAccount]
    share: int
    lag: timedelta
    look_back: timedelta
    open_after: timedelta
    revisit_days: Sequence[int] = ()
    revisit_share: int = 0
    calls_per_second: int = 5

    def look(self, turn: Turn) -> None:
        """Count what is due.

        Raises:
            RetryError: Something of a window could not be counted; the others were.
        """
        now, pages = turn.clock(), self._pages(turn)
        least = max([self.look_back, *(timedelta(days=each) + LATE for each in self.revisit_days)])
        opened = self.control.open_windows()
        errors: list[RetryError] = []
        for window, export_ids in self.control.windows(epoch_ms(now - least)):
            is_open = self.control.prefix(window) in opened
            if not due.is_due(window, now, self.lag, self.open_after, is_open=is_open):
                continue
            try:
                turn.check()
                self._look(window, export_ids, pages, is_open=is_open)
            except OutOfTimeError as error:
                logger.info("the next invocation goes on", reason=str(error))
                break
            except OvertakenError as error:
                logger.info("left to another invocation", reason=str(error))
            except RetryError as error:
                logger.exception("window not counted", window=window.model_dump())
                errors.append(error)
        pages.end()
        if errors:
            raise errors[0]

    def _look(
        self, window: Window, export_ids: Sequence[str], pages: Pages, *, is_open: bool
    ) -> None:
        """Look at a window for the first time, or again once that was done.

        What is still open of it, such as what has failed and nobody answers for, keeps neither look
        from being made: what has ended of it is counted by the first one by then.
        """
        listing = sha256("\n".join(export_ids).encode())
        for look in self._looks(window, pages.turn):
            if self.control.note(window, look)[0].listing_sha256 == listing:
                continue
            if look == FIRST or is_open or self._was_begun(window, pages.turn):
                book, filling = self._counted(window, look, export_ids, pages)
                book.close(listing, filling, is_open=is_open)

    def _was_begun(self, window: Window, turn: Turn) -> bool:
        """Whether the first look is done with, or as far as it ever comes.

        A window that was exported when it was old already has none.
        """
        note, _ = self.control.note(window, FIRST)
        return note.listing_sha256 is not None or not self._is_young(window, turn)

    def _is_young(self, window: Window, turn: Turn) -> bool:
        return epoch_ms(turn.clock() - self.look_back) <= window.from_ms

    def _looks(self, window: Window, turn: Turn) -> Iterator[int]:
        if self._is_young(window, turn):
            yield FIRST
        again = due.later_look(window, turn.clock(), self.lag, self.revisit_days)
        if again is not None:
            yield again

    def _counted(
        self, window: Window, look: int, export_ids: Sequence[str], pages: Pages
    ) -> tuple[Book, dict[str, str]]:
        """Count what a look has said nothing of yet, and have filled what was empty.

        Returns:
            The look's book, and when exports were asked for that the ledger has not yet.
        """
        turn = pages.turn
        counted = self.control.counted(window, look)
        left = [each for each in export_ids if each not in counted]
        read = turn.mapped(lambda each: self.control.record(window, each), left)
        there = [each for each in read if each is not None]
        records = [each for each in there if due.is_countable(each)]
        share = self.share if look == FIRST else self.revisit_share
        book = Book(self.control, window, look, records, turn, share)
        if records or book.note.running:
            account, late = self._account, self._late(window, pages)
            Counting(account=account, window=window, book=book, turn=turn, late=late).count()
        filling = dict[str, str]()
        if look != FIRST:
            asked = [self.control.record(window, each) for each in book.note.filling]
            empty, unfilled = (
                [
                    each
                    for each in some
                    if each and due.is_empty(each) and next_export_id(each) not in export_ids
                ]
                for some in (there, asked)
            )
            filling = self._fill(empty, unfilled, book, look, pages)
        return book, filling

    def _fill(
        self,
        empty: Sequence[LedgerRecord],
        unfilled: Sequence[LedgerRecord],
        book: Book,
        look: int,
        pages: Pages,
    ) -> dict[str, str]:
        """Have exported what a window that was skipped as empty has by now.

        Args:
            empty: Those of which this look has said nothing yet.
            unfilled: Those for which an export was asked that the ledger has not.
            book: This look.
            look: Which.
            pages: That may be read.
        """
        filling = {each.export_id: book.note.filling[each.export_id] for each in unfilled}
        if empty or unfilled:
            found = Empty(
                control=self.control,
                requests=self.requests,
                late=self._late((*empty, *unfilled)[0].window, pages),
                look=look,
                turn=pages.turn,
            )
            filling = found.ask_again(unfilled, filling) | found.count(empty)
        return filling

    def _late(self, window: Window, pages: Pages) -> Late:
        return Late(
            control=self.control, account=self._account, window=window, next_page=pages.wait
        )

    def _pages(self, turn: Turn) -> Pages:
        reads = Reads(
            reader="recounter",
            calls_per_second=self.calls_per_second,
            note=self.control.note_reading,
            seen=self.control.reading,
            clock=turn.clock,
            sleep=turn.sleep,
        )
        return Pages(turn, reads)

    @cached_property
    def _account(self) -> SourceAccount:
        return self.reach()
