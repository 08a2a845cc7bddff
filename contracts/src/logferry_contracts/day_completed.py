"""DayCompleted: every export that was planned of a source's date has ended."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.day_planned import DayWindows
from logferry_contracts.export import ReasonCode
from logferry_contracts.message import CloudEvent, Count, Message, Timestamp
from logferry_contracts.plan_request import Date
from logferry_contracts.source import SourceName
from logferry_contracts.window import TimeZone


class DayCompletedData(Message):
    """One date of one source, and what became of it.

    An export is one log group in one window, however often it was tried.

    Attributes:
        date: On the clock of ``time_zone``.
        completed: How many exports are in the archive.
        failed: How many are not, as their last try failed.
        skipped: How many need not run, by reason.
        object_count: How many objects all manifests have.
        total_bytes: The sum of their sizes, compressed.
        completed_at: When the last of the exports ended, or the plan began if that was later.
    """

    source: SourceName
    date: Date
    time_zone: TimeZone
    windows: DayWindows
    completed: Count
    failed: Count
    skipped: dict[ReasonCode, Count]
    object_count: Count
    total_bytes: Count
    completed_at: Timestamp


class DayCompleted(CloudEvent):
    """Exporter → topic. ``id`` is that of the DayPlanned."""

    TYPE: ClassVar[str] = "logferry.day.completed.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:day-completed:1.0"

    type: Literal["logferry.day.completed.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:day-completed:1\.[0-9]+$")]
    data: DayCompletedData

    @property
    def attributes(self) -> dict[str, str]:
        """The SNS message attributes, for filter policies."""
        return {"type": self.type, **self.data.source.attributes}
