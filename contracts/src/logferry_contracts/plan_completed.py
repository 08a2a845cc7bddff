"""PlanCompleted: the planner has planned a source's due windows."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.export import ReasonCode
from logferry_contracts.message import CloudEvent, Count, Message
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window


class PlanCompletedData(Message):
    """What became of every log group of every window that was planned.

    ``found`` times the number of windows is ``requested`` + ``already_in_ledger`` + the sum of
    ``skipped``: nothing is unaccounted for.

    Attributes:
        windows: The windows that were planned, oldest first; empty when none was due.
        found: Log groups in the source.
        requested: Exports asked for by this plan.
        already_in_ledger: Exports that an earlier plan had asked for or skipped.
        skipped: Exports that need not run, by reason.
        forecast_slot_seconds: How long the source's export slot will be busy; None if unknown.
    """

    source: SourceName
    windows: list[Window]
    found: Count
    requested: Count
    already_in_ledger: Count
    skipped: dict[ReasonCode, Count]
    forecast_slot_seconds: Count | None = None


class PlanCompleted(CloudEvent):
    """Planner → topic."""

    TYPE: ClassVar[str] = "logferry.plan.completed.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:plan-completed:1.0"

    type: Literal["logferry.plan.completed.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:plan-completed:1\.[0-9]+$")]
    data: PlanCompletedData

    @property
    def attributes(self) -> dict[str, str]:
        """The SNS message attributes, for filter policies."""
        return {"type": self.type, **self.data.source.attributes}
