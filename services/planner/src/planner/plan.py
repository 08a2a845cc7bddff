"""What becomes of each log group in each window.

Every group of every window gets one decision, and every decision is counted. When in doubt, the
group is exported.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Literal
from zoneinfo import ZoneInfo

from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LEDGER_SCHEMA, LedgerRecord, Skipped
from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import timestamp
from logferry_contracts.plan_completed import PlanCompletedData
from logferry_contracts.plan_request import Selection
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from planner.selection import is_selected
from planner.windows import date_path, epoch_ms

PLANNER_URN = "urn:logferry:planner"
"""The CloudEvents ``source`` of everything the planner sends."""
FIRST_GENERATION = 1
"""Of a window. The exporter asks for the next ones, and after those whoever plans it again."""
PREFIX_LIMIT_BYTES = 900
"""A key has 1,024 bytes; the task id, the stream and the file name need the rest.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""
DELETION_LAG = timedelta(hours=72)
"""AWS: after an event's retention "it typically takes up to 72 hours" until it is deleted.

Until then an export may still save it: a group that keeps events for a day would otherwise never
be exported with a settle time of a day.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""


@dataclass(frozen=True)
class LogGroups:
    """The log groups of a source.

    Attributes:
        readable: In the order of their names.
        unreadable: What keeps a group from being described in a message, by its name. Such a
            group is counted and reported, never silently dropped.
    """

    readable: Sequence[LogGroup]
    unreadable: Mapping[str, str]

    @property
    def found(self) -> int:
        """How many there are."""
        return len(self.readable) + len(self.unreadable)


@dataclass(frozen=True)
class Plan:
    """What one run of the planner is about.

    Attributes:
        bucket: The archive bucket.
        zone: The time zone of the windows, which is that of the archive's folders too.
        selection: None takes every log group.
        is_own_account: Whether the source is in the account that logferry's functions run in.
        now: Aware.
    """

    source: Source
    bucket: str
    zone: ZoneInfo
    selection: Selection | None
    is_own_account: bool
    now: datetime


@dataclass(frozen=True)
class Decision:
    """What becomes of one log group in one window.

    Attributes:
        outcome: ``refused``: it should be exported and cannot be; somebody has to look at it.
        reason: Why it was skipped or refused; otherwise None.
        detail: What exactly is wrong, when refused; otherwise None.
        write: The ledger record to create, before anything is sent; None when there is none.
        send: The ledger record to send as ExportRequested; None when there is none.
    """

    log_group_name: str
    window: Window
    outcome: Literal["requested", "already_in_ledger", "skipped", "refused"]
    reason: str | None = None
    detail: str | None = None
    write: LedgerRecord | None = None
    send: LedgerRecord | None = None


def decide_all(
    plan: Plan, window: Window, log_groups: LogGroups, ledger: Mapping[str, LedgerRecord]
) -> list[Decision]:
    """Return one decision per log group.

    Args:
        plan: The run.
        window: A window that is due.
        log_groups: All of the source.
        ledger: The records that are there for this window, by export id.
    """
    decisions = [
        _decide_by_ledger(plan, window, log_group, ledger) for log_group in log_groups.readable
    ]
    decisions += [
        Decision(name, window, "refused", reason="log_group_unreadable", detail=problem)
        for name, problem in log_groups.unreadable.items()
    ]
    return decisions


def _decide_by_ledger(
    plan: Plan, window: Window, log_group: LogGroup, ledger: Mapping[str, LedgerRecord]
) -> Decision:
    known = _newest_generation(plan, window, log_group.name, ledger)
    if known is None:
        return decide(plan, window, log_group)
    if known.state == "failed":
        # Whoever plans a window again has mended what it failed by, or hopes so.
        again = decide(plan, window, log_group, generation=known.generation + 1)
        if again.outcome == "requested":
            return again
    return decide_known(known)


def _newest_generation(
    plan: Plan, window: Window, log_group_name: str, ledger: Mapping[str, LedgerRecord]
) -> LedgerRecord | None:
    """Return the last record of a window's generations, which follow each other without a gap."""
    newest = None
    for generation in count(FIRST_GENERATION):
        record = ledger.get(export_id(plan.source, log_group_name, window, generation))
        if record is None:
            break
        newest = record
    return newest


def decide(
    plan: Plan, window: Window, log_group: LogGroup, generation: int = FIRST_GENERATION
) -> Decision:
    """Return the decision for a generation of a window that the ledger does not know."""
    if not is_selected(log_group.name, plan.selection, is_own_account=plan.is_own_account):
        # No record: a wider selection can still ask for this window later.
        return Decision(log_group.name, window, "skipped", reason="excluded")
    prefix = destination_prefix(plan, log_group.name, window)
    if len(prefix.encode()) > PREFIX_LIMIT_BYTES:
        return Decision(
            log_group.name,
            window,
            "refused",
            reason="destination_prefix_too_long",
            detail=f"{len(prefix.encode())} bytes, at most {PREFIX_LIMIT_BYTES}: {prefix}",
        )
    requested = LedgerRecord.model_validate(
        {
            "schema": LEDGER_SCHEMA,
            "revision": 1,
            "state": "requested",
            "export_id": export_id(plan.source, log_group.name, window, generation),
            "generation": generation,
            "source": plan.source.name,
            "log_group": log_group,
            "window": window,
            "destination": Destination(bucket=plan.bucket, prefix=prefix),
            "lane": "slot",
            "requested_at": timestamp(plan.now),
        }
    )
    reason = skip_reason(log_group, window, now=plan.now)
    if reason is None:
        return Decision(log_group.name, window, "requested", write=requested, send=requested)
    skipped = requested.model_copy(
        update={"state": "skipped", "skipped": Skipped(reason=reason, at=timestamp(plan.now))}
    )
    return Decision(log_group.name, window, "skipped", reason=reason, write=skipped)


def decide_known(record: LedgerRecord) -> Decision:
    """Return the decision for a log group that the ledger knows in this window.

    A record may have been written just before a crash, so that its message was never sent. To
    send it again does no harm: the exporter takes every message of an export as one.
    """
    return Decision(
        record.log_group.name,
        record.window,
        "already_in_ledger",
        send=record if record.state == "requested" else None,
    )


def skip_reason(log_group: LogGroup, window: Window, *, now: datetime) -> str | None:
    """Return why a window of a log group need not be exported; None when it has to be."""
    if log_group.log_group_class == "DELIVERY":
        # Kept for a day or two, and export is not offered for it.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
        return "class_unsupported"
    if log_group.created_ms > window.to_ms:
        # CreateExportTask refuses a ``to`` before the group's creation. Events may be older
        # than their group, so a window in which the group was created is exported.
        # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateExportTask.html
        return "created_after_window"
    if log_group.retention_days is not None:
        retention = timedelta(days=log_group.retention_days)
        if window.to_ms <= epoch_ms(now - retention - DELETION_LAG):
            return "retention_passed"
    return None


def destination_prefix(plan: Plan, log_group_name: str, window: Window) -> str:
    """Return where an export's objects go, such as ``dev/aws/lambda/hello/2026/11/22/00``."""
    name = log_group_name.removeprefix("/")
    return f"{plan.source.profile}/{name}/{date_path(window, plan.zone)}"


def export_requested(plan: Plan, record: LedgerRecord) -> ExportRequested:
    """Return the message for a ledger record that says ``requested``."""
    return ExportRequested.of(
        ExportRequestedData(
            export_id=record.export_id,
            generation=record.generation,
            source=plan.source,
            log_group=record.log_group,
            window=record.window,
            destination=record.destination,
            lane=record.lane,
            estimated_bytes=0,
        ),
        id=record.export_id,
        source=PLANNER_URN,
        time=plan.now,
    )


def summarize(
    plan: Plan, windows: Sequence[Window], found: int, decisions: Iterable[Decision]
) -> PlanCompletedData:
    """Count the decisions, so that ``found`` times the windows is the sum of all counts."""
    counts = Counter(decision.reason or decision.outcome for decision in decisions)
    return PlanCompletedData(
        source=plan.source.name,
        windows=list(windows),
        found=found,
        requested=counts.pop("requested", 0),
        already_in_ledger=counts.pop("already_in_ledger", 0),
        skipped=dict(counts),
    )


def run_id(source: Source, windows: Iterable[Window], request_id: str) -> str:
    """Return the PlanCompleted's id: the same when Lambda runs the same invocation again."""
    edges = [f"{window.from_ms}-{window.to_ms}" for window in windows]
    parts = [source.account_id, source.region, *edges, request_id]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
