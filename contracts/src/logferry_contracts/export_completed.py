"""ExportCompleted: a log group's window is in the archive."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from logferry_contracts.addendum import Addendum, addendum_folder, split_manifest
from logferry_contracts.export import Destination, ExportId, Generation, Lane, TaskId
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroupName
from logferry_contracts.manifest import Manifest, ManifestLocation
from logferry_contracts.message import CloudEvent, Message, Timestamp, timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

PUBLISHED_BYTES = 240 * 1024
"""Of an event's text; its message attributes and it may have 256 KiB together.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""


class ExportCompletedData(Message):
    """One export and everything it put into the archive.

    Attributes:
        task_id: CloudWatch Logs' id of the export task; None in the direct lane, and where
            there were several.
        task_ids: The export tasks, where the window was split; None where it was not.
        requested_at: When the planner asked for it.
        completed_at: When the exporter had listed every object.
        replayed_at: When it was published again because somebody asked for it; None when it was
            not.
        addendum: Which addendum to the export this is: its manifest has only what was missing of
            it before. None for the export itself.
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
    replayed_at: Timestamp | None = None
    addendum: Annotated[int, Field(ge=1, le=1000)] | None = None

    @classmethod
    def of_record(
        cls,
        record: LedgerRecord,
        split_task_ids: Sequence[str] = (),
        *,
        replayed_at: datetime | None = None,
    ) -> Self:
        """Return what is told of a completed export; the arguments are `ExportCompleted`'s."""
        assert record.completed is not None  # noqa: S101  (only asked of a completed export)
        is_split = record.split is not None or bool(split_task_ids)
        submitted = None if is_split else record.submitted
        return cls(
            export_id=record.export_id,
            generation=record.generation,
            source=record.source,
            log_group_name=record.log_group.name,
            window=record.window,
            destination=record.destination,
            lane=record.lane,
            task_id=None if submitted is None else submitted.task_id,
            task_ids=list(split_task_ids) or None,
            manifest=record.completed.manifest,
            requested_at=record.requested_at,
            completed_at=record.completed.at,
            replayed_at=None if replayed_at is None else timestamp(replayed_at),
        )


class ExportCompleted(CloudEvent):
    """Exporter → topic. ``id`` is the export's id; of an addendum, the name of its folder."""

    TYPE: ClassVar[str] = "logferry.export.completed.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:export-completed:1.2"

    type: Literal["logferry.export.completed.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:export-completed:1\.[0-9]+$")]
    data: ExportCompletedData

    @classmethod
    def of_record(
        cls,
        record: LedgerRecord,
        split_task_ids: Sequence[str] = (),
        *,
        replayed_at: datetime | None = None,
    ) -> Self:
        """Return the event of a completed export. The same record gives the same event.

        What was added to it since is not in its manifest, but in that of an event of its own.

        Args:
            record: The export's, ``completed`` or ``secured``.
            split_task_ids: Of an export that was split, the tasks that did it; otherwise none.
            replayed_at: When it is published again because somebody asked for it.
        """
        whole = ExportCompletedData.of_record(record, split_task_ids, replayed_at=replayed_at)
        own, _ = split_manifest(record.export_id, whole.manifest)
        data = whole.model_copy(update={"manifest": own})
        return cls.of(
            data,
            id=record.export_id,
            source=record.source.exporter_urn,
            time=datetime.fromisoformat(data.completed_at),
        )

    @classmethod
    def of_addendum(
        cls, record: LedgerRecord, addendum: Addendum, *, replayed_at: datetime | None = None
    ) -> Self:
        """Return the event of what was added to a completed export.

        Its manifest has what was added alone. The task of the export did not write that.

        Args:
            record: The export's.
            addendum: One of its addenda.
            replayed_at: As in `of_record`.
        """
        whole = ExportCompletedData.of_record(record, replayed_at=replayed_at)
        _, added = split_manifest(record.export_id, whole.manifest)
        data = whole.model_copy(
            update={
                "manifest": added[addendum.number - 1],
                "task_id": None,
                "completed_at": addendum.at,
                "addendum": addendum.number,
            }
        )
        return cls.of(
            data,
            id=addendum_folder(record.export_id, addendum.number),
            source=record.source.exporter_urn,
            time=datetime.fromisoformat(addendum.at),
        )

    @property
    def is_too_long(self) -> bool:
        """Whether it cannot be published with the list of its objects."""
        return self.data.manifest.objects is not None and (
            len(emit(self).encode()) > PUBLISHED_BYTES
        )

    def with_objects_at(self, location: ManifestLocation) -> Self:
        """Return the event without the list of its objects, which is elsewhere."""
        short = self.data.manifest.model_copy(update={"objects": None, "location": location})
        return self.model_copy(update={"data": self.data.model_copy(update={"manifest": short})})

    @property
    def attributes(self) -> dict[str, str]:
        """The SNS message attributes, for filter policies."""
        return {
            "type": self.type,
            "log_group": self.data.log_group_name,
            **self.data.source.attributes,
            **({} if self.data.replayed_at is None else {"replayed": "true"}),
            **({} if self.data.addendum is None else {"addendum": "true"}),
        }
