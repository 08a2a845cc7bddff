"""What all messages are worked on with, for as long as the function's environment lives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial

from exporter import day
from exporter.cloud import Archive, Ledger, Queue, SourceAccounts, Topic
from exporter.family import Family
from exporter.reading import Together, side_by_side
from exporter.settings import Settings
from exporter.slot_memory import SlotMemory
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.reads import Reads


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The settings, AWS, the time, and what is remembered from message to message.

    Attributes:
        adding_to: The exports that something is added to just now, each with who does. Messages are
            worked on side by side.
    """

    settings: Settings
    ledger: Ledger
    accounts: SourceAccounts
    archive: Archive
    queue: Queue
    topic: Topic
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    together: Together = side_by_side
    adding_to: dict[str, object] = field(default_factory=dict)

    def reads(self, request: ExportRequestedData) -> Reads:
        """Return what all exports of a lane may take of their account's API quota together."""
        source, lane = request.source, request.lane
        if (source.slot, lane) not in self._reads:
            self._reads[source.slot, lane] = Reads(
                reader=lane,
                calls_per_second=self.settings.direct_lane_calls_per_second,
                note=partial(self.ledger.note_reading, source),
                seen=partial(self.ledger.reading, source),
                clock=self.clock,
                sleep=self.sleep,
            )
        return self._reads[source.slot, lane]

    @cached_property
    def _reads(self) -> dict[tuple[str, Lane], Reads]:
        return {}

    @cached_property
    def family(self) -> Family:
        """The exports in the ledger that belong together."""
        return Family(self.ledger)

    @cached_property
    def erring(self) -> dict[str, datetime]:
        """Since when messages meet nothing but errors, by their ids."""
        return {}

    @cached_property
    def slot(self) -> SlotMemory:
        """The slot's tasks of late."""
        return SlotMemory()

    @cached_property
    def ended(self) -> dict[str, day.Ended]:
        """Exports of dates that are waited for, by the keys of their records."""
        return {}
