"""ExportRequested: the planner asks a source's exporter for one export."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.export import Destination, ExportId, Generation, Lane
from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import CloudEvent, Count, Message, Timestamp
from logferry_contracts.source import Source
from logferry_contracts.window import Window


class ExportRequestedData(Message):
    """One export.

    Attributes:
        estimated_bytes: The events' size as the planner guesses it; 0 when it cannot.
        not_before: The export does not begin before; None lets it begin at once.
        parent_export_id: The export of which this is one half; None when it is no half.
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


class ExportRequested(CloudEvent):
    """Planner → the source's FIFO queue. ``id`` is the export's id."""

    TYPE: ClassVar[str] = "logferry.export.requested.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:export-requested:1.1"

    type: Literal["logferry.export.requested.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:export-requested:1\.[0-9]+$")]
    data: ExportRequestedData
