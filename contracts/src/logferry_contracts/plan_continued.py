"""PlanContinued: the planner hands a long plan over to its next invocation."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.manifest import ObjectKey
from logferry_contracts.message import CloudEvent, Message, Timestamp
from logferry_contracts.plan_completed import InfrastructureChange
from logferry_contracts.plan_request import PlanRequestData
from logferry_contracts.source import BucketName

RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""The same in all invocations of a plan, and when Lambda tries one of them again."""


class PlanFile(Message):
    """An object of a plan in the control bucket."""

    bucket: BucketName
    key: ObjectKey


class PlanContinuedData(Message):
    """A plan, and how far it is.

    Attributes:
        request: As it was asked for.
        planned_at: When the plan began: the now of its windows and of all its decisions.
        run_id: Also the id of its PlanCompleted.
        part: Which invocation this one is for, counted from 1. It says when to give up.
        worklist: What has been found and what is left to decide; only the planner reads it.
        infrastructure_changes: So far; None when there are none.
    """

    request: PlanRequestData
    planned_at: Timestamp
    run_id: RunId
    part: Annotated[int, Field(ge=2, le=1000)]
    worklist: PlanFile
    infrastructure_changes: Annotated[list[InfrastructureChange], Field(min_length=1)] | None = None


class PlanContinued(CloudEvent):
    """Planner → planner."""

    TYPE: ClassVar[str] = "logferry.plan.continued.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:plan-continued:1.1"

    type: Literal["logferry.plan.continued.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:plan-continued:1\.[0-9]+$")]
    data: PlanContinuedData
