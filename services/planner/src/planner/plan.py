"""What becomes of each log group in each window.

Every group of every window gets one decision, and every decision is counted. When in doubt, the
group is exported.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from logferry_contracts.export import Destination, Lane, export_id
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord, Offered, Skipped
from logferry_contracts.log_group import LogGroup, log_group_folder
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import untold
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from planner.retention import RetentionPolicy, has_passed
from planner.windows import date_path

PLANNER_URN = "urn:logferry:planner"
"""The CloudEvents ``source`` of everything the planner sends."""
FIRST_GENERATION = 1
"""Of a window. The exporter asks for the next ones, and after those whoever plans it again."""
PREFIX_LIMIT_BYTES = 900
"""A key has 1,024 bytes; the task id, the stream and the file name need the rest.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""
BACKDATED_MS = 14 * 86_400_000
"""PutLogEvents takes events that are so old, whenever their log group was created.

Agents create a group with the first events that they send, which are older than it is.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""
CREATED_AFTER_WINDOW = "created_after_window"
RETENTION_PASSED = "retention_passed"
STANDARD = "STANDARD"
"""The log group class whose events can be read one by one, with FilterLogEvents.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
"""

LEAST_OFFERED_BYTES = 8_000_000
"""A window with fewer is read before a task for it would have begun."""

type Outcome = Literal["requested", "already_in_ledger", "skipped", "refused"]


@dataclass(frozen=True)
class Plan:
    """What one run of the planner is about.

    Attributes:
        bucket: The archive bucket.
        zone: The time zone of the windows, which is that of the archive's folders too.
        direct_lane_max_bytes: A window with fewer bytes may go through the direct lane; 0 when
            there is none.
        now: Aware; when the run began, and the same in all its invocations.
        policies: The account's retention policies.
    """

    source: Source
    bucket: str
    zone: ZoneInfo
    direct_lane_max_bytes: int
    now: datetime
    policies: tuple[RetentionPolicy, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One log group in one window, which the ledger does not know.

    Attributes:
        generation: The first one, unless the one before has failed.
        estimated_bytes: The size of the window's events; None when nothing tells.
        seems_empty: Whether metrics know of no event that can be in the window, or the log group
            was created after it, so that it has one at most where an agent sent old events.
    """

    log_group: LogGroup
    window: Window
    generation: int = FIRST_GENERATION
    estimated_bytes: int | None = None
    seems_empty: bool = False


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
    outcome: Outcome
    reason: str | None = None
    detail: str | None = None
    write: LedgerRecord | None = None
    send: LedgerRecord | None = None

    @property
    def is_offered(self) -> bool:
        """Whether it was requested of both lanes."""
        return self.lane == "direct" and self.send is not None and self.send.offered is not None

    @property
    def lane(self) -> Lane | None:
        """Where it was sent to, when it was requested."""
        return self.send.lane if self.outcome == "requested" and self.send else None


def decide(plan: Plan, candidate: Candidate, *, is_empty: bool) -> Decision:
    """Return the decision for a log group that the ledger does not know in this window.

    Args:
        plan: The run.
        candidate: The group, the window and what is known of their size.
        is_empty: Whether it is certain that the window has no event.
    """
    log_group, window = candidate.log_group, candidate.window
    prefix = destination_prefix(plan, log_group.name, window)
    if len(prefix.encode()) > PREFIX_LIMIT_BYTES:
        return Decision(
            log_group.name,
            window,
            "refused",
            reason="destination_prefix_too_long",
            detail=f"{len(prefix.encode())} bytes, at most {PREFIX_LIMIT_BYTES}: {prefix}",
        )
    # Metrics that knew of no event were wrong if there is one; they know no size either.
    was_wrong = candidate.seems_empty and candidate.estimated_bytes == 0
    estimated_bytes = None if was_wrong else candidate.estimated_bytes
    way = lane(plan, log_group, estimated_bytes)
    is_offered = way == "direct" and (estimated_bytes or 0) >= LEAST_OFFERED_BYTES
    requested = LedgerRecord.first(
        requested_at=plan.now,
        export_id=export_id(plan.source, log_group.name, window, candidate.generation),
        generation=candidate.generation,
        source=plan.source.name,
        log_group=log_group,
        window=window,
        destination=Destination(bucket=plan.bucket, prefix=prefix),
        lane=way,
        estimated_bytes=estimated_bytes,
        offered=Offered() if is_offered else None,
    )
    reason = skip_reason(plan, log_group, window) or ("empty" if is_empty else None)
    if reason is None:
        return Decision(log_group.name, window, "requested", write=requested, send=requested)
    skipped = requested.model_copy(
        update={
            "state": "skipped",
            "skipped": Skipped(reason=reason, at=timestamp(plan.now)),
            "lane": "slot",
            "offered": None,
        }
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


def has_ended(record: LedgerRecord) -> bool:
    """Return whether nothing is left to do for an export, not even to tell of its end.

    Until then its message may have gone with its queue, even while the export's task ran. Whoever
    plans a window again has it sent again.
    """
    outcome = record.outcome
    return record.skipped is not None or (outcome is not None and outcome.published_at is not None)


def is_all_told(record: LedgerRecord) -> bool:
    """Return whether an export has ended, and what was added to it since was told as well."""
    return has_ended(record) and not untold(record)


def next_generation(
    plan: Plan, record: LedgerRecord, log_group: LogGroup, *, by_date: bool
) -> int | None:
    """Return the generation to ask for where this record is the newest one; None for none.

    Whoever plans a date again whose exports failed has mended what they failed by, or hopes so. So
    has who keeps a log group for longer than when its retention had passed: what CloudWatch Logs
    had not deleted by then is still there. A window that cannot be exported any more stays failed,
    and what somebody had removed is not put back. A half whose window is planned by itself has lost
    its whole: it is announced to nobody.

    Up to 0.2.0 what ended before its log group was created was skipped without a look. Every plan
    that reads such a record makes up for that.
    """
    why_skipped = None if record.skipped is None else record.skipped.reason
    was_not_looked_at = why_skipped == CREATED_AFTER_WINDOW
    has_to_be_again = (
        record.state == "failed"
        or record.parent_export_id is not None
        or why_skipped == RETENTION_PASSED
    )
    is_open = was_not_looked_at or (by_date and has_to_be_again and record.disposed is None)
    if not is_open or skip_reason(plan, log_group, record.window) is not None:
        return None
    return record.generation + 1


def taken_over(plan: Plan, record: LedgerRecord) -> LedgerRecord | None:
    """Return what this source asks for where nobody goes on with an export of another profile.

    The export itself while it waits. What somebody has begun writes below the other profile's
    prefix: then the next generation. None where it is left alone: a half goes with its whole.
    """
    prefix = destination_prefix(plan, record.log_group.name, record.window)
    if len(prefix.encode()) > PREFIX_LIMIT_BYTES or record.parent_export_id is not None:
        return None
    source, destination = plan.source.name, Destination(bucket=plan.bucket, prefix=prefix)
    if record.state == "requested":
        return record.as_of(source, destination)
    return _next_try(plan, record, destination, record.lane)


def lost_tries(plan: Plan, records: Iterable[LedgerRecord]) -> list[LedgerRecord]:
    """Return what asks again for the next tries that were asked for, and that the ledger lacks.

    A next try is recorded before the failed one says that there is one: somebody has removed it.

    Args:
        plan: The run.
        records: All of some windows; another profile's are left to that.
    """
    last: dict[tuple[str, Window], LedgerRecord] = {}
    for record in sorted(records, key=lambda record: record.generation):
        if record.source == plan.source.name and record.parent_export_id is None:
            last[record.log_group.name, record.window] = record
    return [
        _next_try(plan, record, record.destination, "slot")
        for record in last.values()
        if record.failed is not None
        and record.failed.next_export_id is not None
        and not (record.waived or record.disposed)
    ]


def _next_try(
    plan: Plan, record: LedgerRecord, destination: Destination, lane: Lane
) -> LedgerRecord:
    source, generation = plan.source.name, record.generation + 1
    return LedgerRecord.first(
        requested_at=plan.now,
        export_id=export_id(source, record.log_group.name, record.window, generation),
        generation=generation,
        source=source,
        log_group=record.log_group,
        window=record.window,
        destination=destination,
        lane=lane,
        estimated_bytes=record.estimated_bytes,
    )


def is_before_creation(log_group: LogGroup, window: Window) -> bool:
    """Return whether a window ended before its log group was created.

    CreateExportTask's page has it refuse such an end; AWS was seen to take it (LocalStack's
    tests/aws/services/logs/test_logs_export_tasks.py, recorded against AWS on 2026-02-05, and
    moto's tests/test_logs/test_export_tasks.py, marked ``aws_verified``: a window of January 1970).
    """
    return window.to_ms < log_group.created_ms


def skip_reason(plan: Plan, log_group: LogGroup, window: Window) -> str | None:
    """Return why a window of a log group need not be exported; None when it may have to be."""
    if log_group.log_group_class == "DELIVERY":
        # Kept for a day or two, and export is not offered for it.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
        return "class_unsupported"
    if window.to_ms < log_group.created_ms - BACKDATED_MS:
        return CREATED_AFTER_WINDOW
    if has_passed(log_group, window, plan.policies, now=plan.now):
        return RETENTION_PASSED
    return None


def lane(plan: Plan, log_group: LogGroup, estimated_bytes: int | None) -> Lane:
    """Return which way a window takes, or may take: ``direct`` is for what has a known size."""
    if log_group.log_group_class != STANDARD or estimated_bytes is None:
        return "slot"
    return "direct" if estimated_bytes < plan.direct_lane_max_bytes else "slot"


def destination_prefix(plan: Plan, log_group_name: str, window: Window) -> str:
    """Return where an export's objects go, such as ``dev/aws/lambda/hello/2026/11/22/00``."""
    folder = log_group_folder(log_group_name)
    return f"{plan.source.profile}/{folder}/{date_path(window, plan.zone)}"


def export_requested(plan: Plan, record: LedgerRecord) -> ExportRequested:
    """Return the message for a ledger record of an export that has not ended."""
    return ExportRequested.of(
        ExportRequestedData.of_record(record, plan.source),
        id=record.export_id,
        source=PLANNER_URN,
        time=plan.now,
    )


def run_id(source: Source, windows: Iterable[Window], request_id: str) -> str:
    """Return the PlanCompleted's id: the same when Lambda runs the same invocation again."""
    edges = [f"{window.from_ms}-{window.to_ms}" for window in windows]
    parts = [source.account_id, source.region, *edges, request_id]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
