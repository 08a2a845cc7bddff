"""DayPlanned: the planner asks a source's exporter to tell when a date's exports have ended."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.message import CloudEvent, Message
from logferry_contracts.plan_request import Date
from logferry_contracts.source import SourceName
from logferry_contracts.window import TimeZone, Window

DayWindows = Annotated[list[Window], Field(min_length=1, max_length=100)]
"""All windows of one date, oldest first: the day, or its hours."""


class DayPlannedData(Message):
    """One date of one source, whose exports the ledger knows.

    Attributes:
        date: On the clock of ``time_zone``.
    """

    source: SourceName
    date: Date
    time_zone: TimeZone
    windows: DayWindows


class DayPlanned(CloudEvent):
    """Planner → the source's FIFO queue. ``id`` is ``<id of the PlanCompleted>-<date>``."""

    TYPE: ClassVar[str] = "logferry.day.planned.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:day-planned:1.0"

    type: Literal["logferry.day.planned.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:day-planned:1\.[0-9]+$")]
    data: DayPlannedData

    @property
    def group(self) -> str:
        """The FIFO ``MessageGroupId``: one for each date, so that no date waits for another."""
        return self.data.source.day_group(self.data.date)
