"""The parts of one window, in two threads: while one part ends, the next one is read."""

from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.errand import Errand
from exporter.errors import HalfDamagedError
from logferry_contracts.ledger_record import LedgerRecord

AT_ONCE = 2


@dataclass
class PartByPart:
    """What is left of one window for the direct lane.

    Attributes:
        errand: The whole window's.
        record: The same.
        advance: Takes an export as far as it goes.
    """

    errand: Errand
    record: LedgerRecord
    advance: Callable[[Errand], None]
    _in_hand: set[str] = field(default_factory=set)
    _is_over: bool = False

    def read(self) -> None:
        """Take parts until none is left.

        Raises:
            NotFinishedError: The next invocation has more time for the rest.
        """
        self.errand.delivery.turn.pass_on()
        self.errand.wiring.together([self._take_one_by_one] * AT_ONCE)

    def _take_one_by_one(self) -> None:
        try:
            while not self._is_over:
                self._take_next()
        finally:
            # Nothing is left, or something went wrong: nobody begins another part.
            self._is_over = True

    def _take_next(self) -> None:
        with self.errand.delivery.turn.next() as turn:
            part = None if self._is_over else self._left()
            if part is None:
                self._is_over = True
                return
            self._in_hand.add(part.export_id)
            try:
                self.advance(self.errand.of_part(part, turn))
            finally:
                self._in_hand.discard(part.export_id)

    def _left(self) -> LedgerRecord | None:
        try:
            return self.errand.part(self.record, self._in_hand)
        except HalfDamagedError:
            return None  # the whole is looked at once more, and fails for it
