"""Every message there is, by the name of its folder under ``schemas/`` and ``examples/``."""

from collections.abc import Mapping

from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.day_seal import DaySeal
from logferry_contracts.day_sealed import DaySealed
from logferry_contracts.execution_variables import ExecutionVariables
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.feed_request import FeedRequest
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import Message
from logferry_contracts.object_created import ObjectCreated
from logferry_contracts.object_secured import ObjectSecured
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.plan_continued import PlanContinued
from logferry_contracts.plan_request import PlanRequest
from logferry_contracts.proof import Proof
from logferry_contracts.recount import Recount
from logferry_contracts.recount_request import RecountRequest
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.seal_request import SealRequest
from logferry_contracts.statement import Statement

MESSAGES: Mapping[str, type[Message]] = {
    "day-completed": DayCompleted,
    "day-planned": DayPlanned,
    "day-seal": DaySeal,
    "day-sealed": DaySealed,
    "execution-variables": ExecutionVariables,
    "export-completed": ExportCompleted,
    "export-failed": ExportFailed,
    "export-requested": ExportRequested,
    "feed-request": FeedRequest,
    "inventory": ListedLogGroup,
    "ledger-record": LedgerRecord,
    "object-created": ObjectCreated,
    "object-secured": ObjectSecured,
    "plan-completed": PlanCompleted,
    "plan-continued": PlanContinued,
    "plan-request": PlanRequest,
    "proof": Proof,
    "recount": Recount,
    "recount-request": RecountRequest,
    "seal-leaf": Leaf,
    "seal-request": SealRequest,
    "statement": Statement,
}
