"""ExportCompleted: a log group's window is in the archive."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.export import Destination, ExportId, Generation, Lane, TaskId
from logferry_contracts.log_group import LogGroupName
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import CloudEvent, Message, Timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window


class ExportCompletedData(Message):
    """One export and everything it put into the archive.

    Attributes:
        task_id: CloudWatch Logs' id of the export task; None in the direct lane, and where
            there were several.
        task_ids: The export tasks, where the window was split; None where it was not.
        requested_at: When the planner asked for it.
        completed_at: When the exporter had listed every object.
    """

    export_id: ExportId
    generation: Generation
    source: SourceName
    log_group_name: LogGroupName
    window: Window
    destination: Destination
    lane: Lane
    task_id: TaskId | None = None
    task_ids: Annotated[list[TaskId], Field(min_length=1)] | None = None
    manifest: Manifest
    requested_at: Timestamp
    completed_at: Timestamp


class ExportCompleted(CloudEvent):
    """Exporter → topic. ``id`` is the export's id."""

    TYPE: ClassVar[str] = "logferry.export.completed.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:export-completed:1.1"

    type: Literal["logferry.export.completed.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:export-completed:1\.[0-9]+$")]
    data: ExportCompletedData

    @property
    def attributes(self) -> dict[str, str]:
        """The SNS message attributes, for filter policies."""
        return {
            "type": self.type,
            "log_group": self.data.log_group_name,
            **self.data.source.attributes,
        }
