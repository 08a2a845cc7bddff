"""PlanRequest: a schedule asks the planner to plan one source."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from logferry_contracts.message import CloudEvent, Message, in_the_calendar
from logferry_contracts.source import BucketName, Source
from logferry_contracts.window import WindowRule

Glob = Annotated[str, Field(min_length=1, max_length=512)]
"""A log group name in which ``*`` and ``?`` stand for any characters, ``/`` included."""

Date = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
    AfterValidator(in_the_calendar),
]
"""A day of the calendar, such as ``2026-11-22``."""


class Selection(Message):
    """Which log groups of a source to archive.

    Attributes:
        include: Only groups that match one of these; None takes all.
        exclude: No group that matches one of these, even when included.
    """

    include: Annotated[list[Glob], Field(min_length=1)] | None = None
    exclude: Annotated[list[Glob], Field(min_length=1)] | None = None


class PlanRequestData(Message):
    """What to plan.

    Attributes:
        bucket: The archive bucket, in the source's Region.
        collect_date: Plan the windows of this one date of the rule's time zone; None plans the
            newest window that is due.
    """

    source: Source
    bucket: BucketName
    window_rule: WindowRule
    selection: Selection | None = None
    collect_date: Date | None = None


class PlanRequest(CloudEvent):
    """Schedule → planner."""

    TYPE: ClassVar[str] = "logferry.plan.requested.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:plan-request:1.0"

    type: Literal["logferry.plan.requested.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:plan-request:1\.[0-9]+$")]
    data: PlanRequestData
