"""ExportFailed: an export ended without its window in the archive."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from logferry_contracts.export import Destination, ExportId, Generation, ReasonCode
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroupName
from logferry_contracts.message import CloudEvent, Message, Timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

LOST = "-lost"
"""What the id of an event ends with that tells of an export that was completed before."""


class ExportFailedData(Message):
    """One export and why it failed.

    Attributes:
        message: What AWS said.
        mend: What somebody has to do about it, in words.
        will_be_retried: Whether a next generation has been asked for already.
    """

    export_id: ExportId
    generation: Generation
    source: SourceName
    log_group_name: LogGroupName
    window: Window
    destination: Destination
    reason: ReasonCode
    message: Annotated[str, Field(max_length=4096)]
    mend: Annotated[str, Field(min_length=1, max_length=4096)]
    will_be_retried: bool
    failed_at: Timestamp


class ExportFailed(CloudEvent):
    """Exporter or sse-enforcer → topic. ``id`` is the export's, with ``-lost`` once announced."""

    TYPE: ClassVar[str] = "logferry.export.failed.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:export-failed:1.0"

    type: Literal["logferry.export.failed.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:export-failed:1\.[0-9]+$")]
    data: ExportFailedData

    @classmethod
    def of_record(cls, record: LedgerRecord, mend: str) -> Self:
        """Return the event of a failed export. The same record gives the same event.

        An export that was announced as completed before has another id: its own is taken.

        Args:
            record: The export's, ``failed``.
            mend: What somebody has to do about it, in words.
        """
        failed = record.failed
        assert failed is not None  # noqa: S101  (only asked of a failed export)
        data = ExportFailedData(
            export_id=record.export_id,
            generation=record.generation,
            source=record.source,
            log_group_name=record.log_group.name,
            window=record.window,
            destination=record.destination,
            reason=failed.reason,
            message=failed.message,
            mend=mend,
            will_be_retried=failed.next_export_id is not None,
            failed_at=failed.at,
        )
        return cls.of(
            data,
            id=f"{record.export_id}{LOST}" if record.is_lost else record.export_id,
            source=record.source.exporter_urn,
            time=datetime.fromisoformat(failed.at),
        )

    @property
    def attributes(self) -> dict[str, str]:
        """The SNS message attributes, for filter policies."""
        return {
            "type": self.type,
            "log_group": self.data.log_group_name,
            **self.data.source.attributes,
        }
