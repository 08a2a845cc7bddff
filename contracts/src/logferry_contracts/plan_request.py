"""PlanRequest: a schedule asks the planner to plan one source."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from logferry_contracts.log_group import LogGroupClass
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


class TagFilter(Message):
    """A tag that a log group has to have.

    https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_TagFilter.html

    Attributes:
        values: The tag's value is one of these; None takes any.
    """

    key: Annotated[str, Field(min_length=1, max_length=128)]
    values: (
        Annotated[list[Annotated[str, Field(max_length=256)]], Field(min_length=1, max_length=20)]
        | None
    ) = None


class Selection(Message):
    """Which log groups of a source to archive.

    Attributes:
        include: Only groups that match one of these; None takes all.
        exclude: No group that matches one of these, even when included.
        tag_filters: Only groups that match every one of these; None asks for no tag.
        log_group_classes: Only groups of one of these classes; None takes all.
    """

    include: Annotated[list[Glob], Field(min_length=1)] | None = None
    exclude: Annotated[list[Glob], Field(min_length=1)] | None = None
    tag_filters: Annotated[list[TagFilter], Field(min_length=1, max_length=50)] | None = None
    log_group_classes: Annotated[list[LogGroupClass], Field(min_length=1)] | None = None


class PlanRequestData(Message):
    """What to plan.

    Attributes:
        bucket: The archive bucket, in the source's Region.
        collect_date: Plan the windows of this one date of the rule's time zone. Not together
            with the next two. Without any of the three, the windows that are due are planned.
        collect_from: Plan the windows of this date and of those after it; inclusive.
        collect_to: The last date to plan, inclusive; None goes up to the newest due window.
        only: Plan only log groups that match one of these, and end no date; None plans all.
        dry_run: Say what would be planned, and write, send and change nothing.
    """

    source: Source
    bucket: BucketName
    window_rule: WindowRule
    selection: Selection | None = None
    collect_date: Date | None = None
    collect_from: Date | None = None
    collect_to: Date | None = None
    only: Annotated[list[Glob], Field(min_length=1)] | None = None
    dry_run: bool | None = None


class PlanRequest(CloudEvent):
    """Schedule → planner."""

    TYPE: ClassVar[str] = "logferry.plan.requested.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:plan-request:1.2"

    type: Literal["logferry.plan.requested.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:plan-request:1\.[0-9]+$")]
    data: PlanRequestData
