"""One export and the delivery that asks for it: what every step on it begins with."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

from exporter import direct, task
from exporter.cloud import LedgerEntry, SourceAccount
from exporter.delivery import Delivery
from exporter.errors import (
    LedgerConflictError,
    NotFinishedError,
    TransientError,
    WrongSourceError,
)
from exporter.telemetry import logger
from exporter.turns import Turn
from exporter.wiring import Wiring
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.wire import ContractError

LEDGER_READS = 10
"""How often a record may change under one invocation before it gives up for a while."""


@dataclass(frozen=True)
class Errand:
    """One export and the delivery that asks for it.

    Attributes:
        is_asked: Whether the message itself asks for it; otherwise it is a relative of what does.
    """

    wiring: Wiring
    request: ExportRequestedData
    delivery: Delivery
    is_asked: bool = True

    def now(self) -> datetime:
        """Return the time."""
        return self.wiring.clock()

    def account(self) -> SourceAccount:
        """Return the source's account."""
        return self.wiring.accounts.account(self.request.source, self.now())

    def may_read(self) -> bool:
        """Wait for a turn at FilterLogEvents; False when there is no time for a call.

        Raises:
            NotFinishedError: Others have to make room first, and the next invocation has more time.
        """
        self._check_joined()
        self.wiring.reads(self.request).wait()
        return self.now() < self.delivery.work_until

    def check_time(self) -> None:
        """Make sure that there is time to read the window directly.

        Raises:
            NotFinishedError: The next invocation has more.
        """
        now, delivery = self.now(), self.delivery
        calls_per_second = self.wiring.settings.direct_lane_calls_per_second
        takes = direct.reading_time(self.request.estimated_bytes, calls_per_second)
        if delivery.is_late(now) and (takes is None or now + takes > delivery.work_until):
            raise NotFinishedError(0)
        self._check_joined()

    def _check_joined(self) -> None:
        """Make sure that there is time to wait until others who read have made room.

        Whoever has waited so in a queue need not wait again.
        """
        joining_s = self.wiring.reads(self.request).joining_s()
        if self.now() + timedelta(seconds=joining_s) >= self.delivery.work_until and joining_s > 0:
            raise NotFinishedError(ceil(joining_s))

    def read(self) -> LedgerEntry | None:
        """Return the export's ledger entry, or None when there is none."""
        request = self.request
        return self.wiring.ledger.read(request.source, request.window, request.export_id)

    def read_or_create(self) -> LedgerEntry:
        """Return the export's ledger entry.

        Raises:
            LedgerConflictError: Somebody else is creating it.
            ContractError: The record breaks its contract, or belongs to another export.
            WrongSourceError: Another profile has taken the export over.
        """
        entry = self.read()
        if entry is None:
            # The planner writes it before it sends; should it be gone, the message has it all.
            logger.warning("no ledger record: created from the message")
            return self.wiring.ledger.create(self.request.first_record(self.now()))
        if not task.is_about(entry.record, self.request):
            raise ContractError(
                "ExportRequested", ["data.export_id: the ledger has another export of this id"]
            )
        theirs, ours = entry.record.source.profile, self.request.source.profile
        if theirs != ours:
            raise WrongSourceError(f"asked for profile {ours}; the ledger has it for {theirs}")
        return entry

    def send(self, data: ExportRequestedData) -> None:
        """Send a request to the end of the slot."""
        self.wiring.queue.send(self.requested(data), asked_by=self.delivery.message_id)

    def requested(self, data: ExportRequestedData) -> ExportRequested:
        """Return the message that asks for an export."""
        urn = data.source.exporter_urn
        return ExportRequested.of(data, id=data.export_id, source=urn, time=self.now())

    def of_relative(self, record: LedgerRecord) -> "Errand":
        """Return the same for another export of the ledger, whose message is not here."""
        request = ExportRequestedData.of_record(record, self.request.source)
        delivery = replace(self.delivery, is_redriven=False)
        return Errand(self.wiring, request, delivery, is_asked=False)

    def of_part(self, record: LedgerRecord, turn: Turn | None = None) -> "Errand":
        """Return the same for a part of this export, which the message asks for in its lane."""
        part = self.of_relative(record)
        if turn is not None:
            part = replace(part, delivery=replace(part.delivery, turn=turn))
        asked = {"lane": self.request.lane, "offered": self.request.offered}
        return replace(part, request=part.request.model_copy(update=asked))

    def part(self, record: LedgerRecord, in_hand: Collection[str] = ()) -> LedgerRecord | None:
        """Return what of this export, if it was split, is left for the lane of the message.

        Args:
            record: The export's.
            in_hand: As in `Family.part`.
        """
        if not self.is_asked:
            return None
        lane, is_offer = self.request.lane, bool(self.request.offered)
        return self.wiring.family.part(record, lane, is_offer=is_offer, in_hand=in_hand)


def _nothing() -> None:
    return None


def retry_conflicts[T](do: Callable[[], T], again: Callable[[], T] | None = None) -> T:
    """Do something to a ledger record, once more whenever somebody else has changed it meanwhile.

    Args:
        do: Reads the record and writes it.
        again: Does the rest after a conflict; None: what was done at first.

    Raises:
        TransientError: Others kept changing it.
    """
    for _ in range(LEDGER_READS):
        try:
            return do()
        except LedgerConflictError:
            logger.info("the ledger record was changed by somebody else")
            do = again or do
    raise TransientError(f"the ledger record changed {LEDGER_READS} times")


@dataclass(frozen=True)
class Relative:
    """Another export that has to be taken forward before this one is.

    Attributes:
        errand: The other one's.
        then: What is left to do of this one's step; nothing of this one when it returns None.
    """

    errand: Errand
    then: Callable[[], LedgerEntry | None] = _nothing


@dataclass(frozen=True)
class Parts:
    """What is left of an export that was split, for this lane to take part by part."""

    errand: Errand
    record: LedgerRecord


type After = LedgerEntry | Relative | Parts | None
"""What a step leaves: the ledger entry as it is then, a relative or parts that come first, or None
when all is done."""
