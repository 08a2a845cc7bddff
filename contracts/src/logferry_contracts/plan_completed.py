"""PlanCompleted: the planner has planned a source's due windows."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.export import Lane, ReasonCode
from logferry_contracts.log_group import LogGroupName
from logferry_contracts.manifest import ObjectKey
from logferry_contracts.message import CloudEvent, Count, Message, Timestamp
from logferry_contracts.plan_request import Glob
from logferry_contracts.source import BucketName, SourceName
from logferry_contracts.window import Window


class InfrastructureChange(Message):
    """One thing that the planner created or mended because of ``QueueOptions``.

    Attributes:
        resource: Such as ``queue``, ``function`` or ``event_source_mapping``.
        name: Its name in AWS.
        change: What was done to it, in words, such as ``created``.
    """

    resource: ReasonCode
    name: Annotated[str, Field(min_length=1, max_length=256)]
    change: Annotated[str, Field(min_length=1, max_length=1024)]


class RetentionCliff(Message):
    """Log groups whose retention an account-level policy is about to make shorter.

    Attributes:
        at: When the first of them becomes shorter; what has expired is deleted within 72 hours.
        log_groups: How many.
        retention_days: Of the one that keeps its events for the shortest.
        exports: Those requested whose events expire within three days, for whichever reason.
        slot_seconds: How long these keep the export slot busy.
    """

    at: Timestamp
    log_groups: Count
    retention_days: Count
    exports: Count
    slot_seconds: Count


ZoneData = Annotated[str, Field(max_length=64, pattern=r"^[0-9]{4}[a-z]+$")]
"""A release of IANA's time zones, such as ``2026f``."""


class PlannedExport(Message):
    """What would become of one log group in one window.

    Attributes:
        outcome: ``requested``, ``already_in_ledger``, ``skipped`` or ``refused``.
        reason: Why it is skipped or refused; None when it is neither.
        lane: None when its events would not be read.
        estimated_bytes: Of its events; None when the planner cannot guess.
    """

    log_group_name: LogGroupName
    window: Window
    outcome: ReasonCode
    reason: ReasonCode | None = None
    lane: Lane | None = None
    estimated_bytes: Count | None = None


class PlannedLocation(Message):
    """Where the list of a dry run is when it is too long for an answer: a JSON array."""

    bucket: BucketName
    key: ObjectKey


class PlanCompletedData(Message):
    """What became of every log group of every window that was planned.

    ``found`` times the number of windows is ``requested`` + ``already_in_ledger`` + the sum of
    ``skipped``: nothing is unaccounted for.

    Attributes:
        windows: The windows that were planned, oldest first; empty when none was due.
        found: Log groups in the source; of those that match ``only``.
        requested: Exports asked for by this plan.
        already_in_ledger: Exports that an earlier plan had asked for or skipped.
        skipped: Exports that need not run, by reason.
        forecast_slot_seconds: How long the source's export slot will be busy; None if unknown.
        forecast_direct_seconds: How long its direct lane will be; None up to 0.2.0.
        forecast_end: When both have done these exports, if they have nothing else to do; None up
            to 0.2.0.
        estimated_bytes: Of the requested exports' events together; None if unknown.
        infrastructure_changes: In the order in which they were made; None when there are none.
        retention_cliff: What an account-level retention policy is about to let expire; None when
            nothing is known of.
        asked_again: Exports of earlier plans that have not ended for long, and whose messages were
            sent again: they may have gone with a queue. None for none.
        lacking: Windows of log groups of which CloudWatch Logs has counted more events than are
            sealed, of any age; None for none.
        only: Log groups that match one of these were planned; None for all.
        zone_data: Which release of IANA's time zones the windows were cut by; None up to 0.2.0.
        dry_run: Nothing was written, sent or changed. Such an event is an answer, never published.
        planned: Of a dry run, in the order of the requests; None when it is at
            ``planned_location``.
    """

    source: SourceName
    windows: list[Window]
    found: Count
    requested: Count
    already_in_ledger: Count
    skipped: dict[ReasonCode, Count]
    forecast_slot_seconds: Count | None = None
    forecast_direct_seconds: Count | None = None
    forecast_end: Timestamp | None = None
    estimated_bytes: Count | None = None
    infrastructure_changes: Annotated[list[InfrastructureChange], Field(min_length=1)] | None = None
    retention_cliff: RetentionCliff | None = None
    asked_again: Count | None = None
    lacking: Count | None = None
    only: Annotated[list[Glob], Field(min_length=1)] | None = None
    zone_data: ZoneData | None = None
    dry_run: bool | None = None
    planned: list[PlannedExport] | None = None
    planned_location: PlannedLocation | None = None


class PlanCompleted(CloudEvent):
    """Planner → topic."""

    TYPE: ClassVar[str] = "logferry.plan.completed.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:plan-completed:1.2"

    type: Literal["logferry.plan.completed.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:plan-completed:1\.[0-9]+$")]
    data: PlanCompletedData

    @property
    def attributes(self) -> dict[str, str]:
        """The SNS message attributes, for filter policies."""
        return {"type": self.type, **self.data.source.attributes}
