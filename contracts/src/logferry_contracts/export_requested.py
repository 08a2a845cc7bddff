"""ExportRequested: the planner asks a source's exporter for one export."""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from logferry_contracts.export import Destination, ExportId, Generation, Lane
from logferry_contracts.ledger_record import LedgerRecord, Offered
from logferry_contracts.log_group import LogGroup, LogStreamNames
from logferry_contracts.message import CloudEvent, Count, Message, Timestamp
from logferry_contracts.source import Source
from logferry_contracts.window import Window

LOST_AFTER = timedelta(hours=20)
"""So long after it was asked for, what is not in the ledger is asked for again, or waited for no
longer: the message may have gone with its queue. If it has not, once more does no harm."""

_OF_ADDENDA = frozenset({"recounted_at", "streams"})


class ExportRequestedData(Message):
    """One export.

    Attributes:
        estimated_bytes: The events' size as the planner guesses it; 0 when it cannot.
        not_before: The export does not begin before; None lets it begin at once.
        parent_export_id: The export of which this is one half; None when it is no half.
        offered: True when the other lane is asked for it too, and whichever is free first takes
            it; otherwise None.
        recounted_at: What is missing of the export, which is completed, is to be added: at this
            time CloudWatch Logs has counted more events than the archive has. None asks for the
            export itself.
        streams: What is missing of these log streams alone; None: of the whole window.
    """

    export_id: ExportId
    generation: Generation
    source: Source
    log_group: LogGroup
    window: Window
    destination: Destination
    lane: Lane
    estimated_bytes: Count
    not_before: Timestamp | None = None
    parent_export_id: ExportId | None = None
    offered: bool | None = None
    recounted_at: Timestamp | None = None
    streams: LogStreamNames | None = None

    @classmethod
    def of_record(cls, record: LedgerRecord, source: Source) -> Self:
        """Return the request for an export in the ledger.

        Args:
            record: The export's.
            source: The record's source, and how to reach it.
        """
        return cls(
            export_id=record.export_id,
            generation=record.generation,
            source=source,
            log_group=record.log_group,
            window=record.window,
            destination=record.destination,
            lane=record.lane,
            estimated_bytes=record.estimated_bytes or 0,
            not_before=record.not_before,
            parent_export_id=record.parent_export_id,
            offered=None if record.offered is None else True,
        )

    def first_record(self, at: datetime) -> LedgerRecord:
        """Return the first record of the export that is asked for."""
        recorded = {
            "source": self.source.name,
            "estimated_bytes": self.estimated_bytes or None,
            "offered": Offered() if self.offered else None,
        }
        asked = {name: value for name, value in self if name not in _OF_ADDENDA}
        return LedgerRecord.first(requested_at=at, **asked | recorded)


class ExportRequested(CloudEvent):
    """Planner → the source's FIFO queue. ``id`` is the export's id."""

    TYPE: ClassVar[str] = "logferry.export.requested.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:export-requested:1.2"

    type: Literal["logferry.export.requested.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:export-requested:1\.[0-9]+$")]
    data: ExportRequestedData
