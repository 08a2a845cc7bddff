"""A source looked at: each window whose exports have ended is counted, the oldest first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from aws_lambda_powertools import Logger

from logferry_contracts.digest import sha256
from logferry_contracts.message import epoch_ms
from logferry_contracts.reads import Reads
from logferry_contracts.window import Window
from logferry_deliveries.errors import OutOfTimeError, RetryError
from recounter import due
from recounter.aws.control import FIRST, Control
from recounter.aws.source_account import SourceAccount
from recounter.book import Book
from recounter.counting import Counting
from recounter.errors import OvertakenError
from recounter.turn import Turn

LATE = timedelta(days=3)
"""How much later than it is due a window is still looked at again: also one of two days."""

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Recounting:
    """Counts the windows of one source.

    Attributes:
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
        now = turn.clock()
        least = max([self.look_back, *(timedelta(days=each) + LATE for each in self.revisit_days)])
        opened = self.control.open_windows()
        errors: list[RetryError] = []
        for window, export_ids in self.control.windows(epoch_ms(now - least)):
            is_open = self.control.prefix(window) in opened
            if not due.is_due(window, now, self.lag, self.open_after, is_open=is_open):
                continue
            try:
                turn.check()
                self._look(window, export_ids, turn, is_open=is_open)
            except OutOfTimeError as error:
                logger.info("the next invocation goes on", reason=str(error))
                break
            except OvertakenError as error:
                logger.info("left to another invocation", reason=str(error))
            except RetryError as error:
                logger.exception("window not counted", window=window.model_dump())
                errors.append(error)
        if errors:
            raise errors[0]

    def _look(
        self, window: Window, export_ids: Sequence[str], turn: Turn, *, is_open: bool
    ) -> None:
        """Look at a window for the first time, or again once that was done."""
        listing = sha256("\n".join(export_ids).encode())
        for look in self._looks(window, turn):
            if self.control.note(window, look)[0].listing_sha256 == listing:
                continue
            if look == FIRST or self.control.note(window, FIRST)[0].listing_sha256 is not None:
                book = self._counted(window, look, export_ids, turn)
                if not is_open:
                    book.close(listing)

    def _looks(self, window: Window, turn: Turn) -> Iterator[int]:
        if epoch_ms(turn.clock() - self.look_back) <= window.from_ms:
            yield FIRST
        again = due.later_look(window, turn.clock(), self.revisit_days)
        if again is not None:
            yield again

    def _counted(self, window: Window, look: int, export_ids: Sequence[str], turn: Turn) -> Book:
        """Count what a look has said nothing of yet."""
        counted = self.control.counted(window, look)
        left = [each for each in export_ids if each not in counted]
        read = turn.mapped(lambda each: self.control.record(window, each), left)
        records = [each for each in read if each is not None and due.is_countable(each)]
        share = self.share if look == FIRST else self.revisit_share
        book = Book(self.control, window, look, records, turn, share)
        if records or book.note.running:
            reads = self._reads(turn)
            Counting(
                account=self._account, window=window, book=book, turn=turn, may_read=reads.wait
            ).count()
        return book

    def _reads(self, turn: Turn) -> Reads:
        return Reads(
            reader="recounter",
            calls_per_second=self.calls_per_second,
            note=self.control.note_reading,
            seen=self.control.reading,
            clock=turn.clock,
            sleep=turn.sleep,
        )

    @cached_property
    def _account(self) -> SourceAccount:
        return self.reach()
