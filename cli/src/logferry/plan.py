"""A plan of one source, asked of the deployed planner."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.config import Config as ClientConfig
from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import ConfigError, PlanError
from logferry.given import dates_given
from logferry.typed import typed
from logferry.ways_out import not_over
from logferry_contracts import json_text
from logferry_contracts.ledger_key import reading_prefix
from logferry_contracts.plan_completed import PlanCompleted, PlanCompletedData, PlannedExport
from logferry_contracts.plan_request import PlanRequest
from logferry_contracts.reads import JOIN, LIVE, who_reads
from logferry_contracts.wire import ContractError, emit, parse
from logferry_contracts.zones import zone_named
from logferry_ledger import ledger
from logferry_ledger.ledger import in_utc

if TYPE_CHECKING:
    import boto3
    from rich.console import RenderableType

REQUESTER = "urn:logferry:cli"
PLANNER_SECONDS = 900
"""The longest that a function may run.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
CLIENT_CONFIG = ClientConfig(
    # Asked once and waited for: a second request would be a second plan.
    retries={"mode": "legacy", "total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=PLANNER_SECONDS + 10,
)


MAKING = Lock()
"""Sources are planned by several threads, and a session makes clients for one at a time.

https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions
"""
WAITED = f"a source whose logs are being read is waited for, {JOIN.total_seconds():.0f} s"
"""Whoever reads as well shares the calls with those who do, once they know."""


def plan_request(  # noqa: PLR0913  (what a plan may be told)
    config: Config,
    profile: str,
    *,
    first: str | None = None,
    last: str | None = None,
    only: Sequence[str] = (),
    dry_run: bool,
) -> PlanRequest:
    """Return the request for a plan of a source as it is configured.

    Args:
        config: Has the source.
        profile: Of the source.
        first: The first date to plan, such as ``2026-11-01``; None plans what is due.
        last: The last date, inclusive; None plans up to the newest window that is due.
        only: Globs, of which a log group matches one; empty for all that the source has.
        dry_run: Only say what would be planned.

    Raises:
        ConfigError: There is no such source, a date is none, or not over, or they are reversed.
    """
    source, dates = config.source(profile), dates_given(first, last)
    zone, now = zone_named(config.time_zone_of(source)), datetime.now(UTC)
    for option, day in zip(("--from", "--to"), dates, strict=True):
        wait = None if day is None else not_over(day, zone, now)
        if wait is not None:
            raise ConfigError("the dates", [f"{option} {day}: {wait}"])
    since, until = (None if day is None else str(day) for day in dates)
    asked = {
        "collect_from": since,
        "collect_to": until,
        "only": list(only) or None,
        "dry_run": dry_run or None,
    }
    data = config.plan_request_data(source).model_copy(update=asked)
    event = PlanRequest.of(data, id=uuid.uuid4().hex, source=REQUESTER, time=now)
    try:
        return parse(PlanRequest, emit(event))
    except ContractError as error:
        raise ConfigError("the request", error.problems) from error


def plan(
    session: "boto3.Session", config: Config, request: PlanRequest
) -> PlanCompletedData | None:
    """Let the deployed planner plan, and return what became of it.

    Returns:
        None when the plan takes more than one invocation and goes on by itself: its PlanCompleted
        will say what became of it.

    Raises:
        PlanError: The planner could not be asked, refused, or failed.
    """
    answer = _invoke(session, config, request)
    status = answer.get("status")
    if status == "continued":
        return None
    if status is not None:
        detail = answer.get("detail") or json.dumps(answer)
        raise PlanError(f"{status}: {detail}", reason=answer.get("reason"))
    completed = parse(PlanCompleted, json.dumps(answer)).data
    if completed.planned_location is None:
        return completed
    return completed.model_copy(update={"planned": _planned(session, config, completed)})


def awaited(
    session: "boto3.Session", config: Config, source: SourceConfig, now: datetime
) -> str | None:
    """Return that a source is planned, and for whom that waits and how long; None for nobody.

    Where that cannot be seen nothing is said of it, as the plan itself tells what is wrong.
    """
    name = config.source_name(source)
    try:
        s3 = session.client("s3", region_name=config.region, config=ledger.CLIENT_CONFIG)
        listed = s3.list_objects_v2(Bucket=config.control_bucket, Prefix=reading_prefix(name))
    except AWS_ERRORS:
        return None
    notes = who_reads(name, listed.get("Contents", []))
    others = sorted(
        reader for reader, at in notes.items() if reader != "planner" and now - at < LIVE
    )
    if not others:
        return None
    return (
        f"The planner plans {source.profile}; where it has to read log events, it waits for up to "
        f"{JOIN.seconds} s first, to share the account's calls with: {', '.join(others)}"
    )


def interrupted(
    config: Config, source: SourceConfig, planned: Sequence[str], *, dry_run: bool
) -> str:
    """Return what goes on after Ctrl-C, and how it is stopped.

    Args:
        config: The hub.
        source: The one that was being planned.
        planned: The profiles of those that had been planned before.
        dry_run: Whether nothing was to be asked for.
    """
    if dry_run:
        return "interrupted; a dry run asks for nothing"
    name = config.source_name(source)
    before = f"planned before: {', '.join(planned)}\n" if planned else ""
    emptied = "\n".join(
        f"  aws sqs purge-queue --region {config.region} --queue-url $(aws sqs get-queue-url "
        f"--region {config.region} --queue-name {queue} --query QueueUrl --output text)"
        for queue in (name.queue_name, name.direct_queue_name)
    )
    return (
        f"interrupted; {before}The planner goes on with {source.profile}, and what it asks for is "
        f"exported: {typed('status', config.file, '--profile', source.profile)}\n"
        "To stop that, empty the queues once the planner has ended, after 15 minutes at most:\n"
        f"{emptied}\n"
        "What is under way ends by itself. What was in the queues stays open in the ledger, and "
        "the next plan of the source asks for it again."
    )


def table(completed: PlanCompletedData) -> "RenderableType":
    """Return a dry run's exports as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("window (UTC)", "log group", "outcome", "lane"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("estimated bytes", justify="right", no_wrap=True)
    for export in completed.planned or []:
        shown.add_row(*_row(export))
    return shown


def counts(completed: PlanCompletedData) -> dict[str, Any]:
    """Return what became of a plan in a few numbers."""
    return {
        "windows": len(completed.windows),
        "log groups found": completed.found,
        "requested": completed.requested,
        "already in the ledger": completed.already_in_ledger,
        **_if_known("of earlier plans, asked for again", completed.asked_again),
        **{f"skipped: {reason}": count for reason, count in sorted(completed.skipped.items())},
        **_if_known("estimated bytes", completed.estimated_bytes),
        **_if_known("forecast slot seconds", completed.forecast_slot_seconds),
        **_if_known("forecast direct seconds", completed.forecast_direct_seconds),
        **_if_known("forecast end", completed.forecast_end),
        **_if_known("time zone data", completed.zone_data),
    }


def _if_known(name: str, value: int | str | None) -> dict[str, int | str]:
    return {} if value is None else {name: value}


def _row(export: PlannedExport) -> tuple[str, ...]:
    outcome = export.outcome if export.reason is None else f"{export.outcome}: {export.reason}"
    size = "" if export.estimated_bytes is None else f"{export.estimated_bytes:,}"
    return in_utc(export.window), export.log_group_name, outcome, export.lane or "", size


def _invoke(session: "boto3.Session", config: Config, request: PlanRequest) -> dict[str, Any]:
    function_name = f"{config.name}-planner"
    try:
        with MAKING:
            client = session.client("lambda", region_name=config.region, config=CLIENT_CONFIG)
        answered = client.invoke(FunctionName=function_name, Payload=emit(request).encode())
        payload: dict[str, Any] = json_text.read(answered["Payload"].read())
    except AWS_ERRORS as error:
        raise PlanError(f"{function_name}: {error}") from error
    if "FunctionError" in answered:
        raise PlanError(f"{function_name}: {payload.get('errorMessage', payload)}")
    return payload


def _planned(
    session: "boto3.Session", config: Config, completed: PlanCompletedData
) -> list[PlannedExport]:
    """Read the list that was too long for an answer."""
    location = completed.planned_location
    assert location is not None  # noqa: S101  (the caller has looked)
    try:
        s3 = session.client("s3", region_name=config.region, config=ledger.CLIENT_CONFIG)
        found = s3.get_object(Bucket=location.bucket, Key=location.key)["Body"].read()
    except AWS_ERRORS as error:
        raise PlanError(f"s3://{location.bucket}/{location.key}: {error}") from error
    return [PlannedExport.model_validate(each) for each in json_text.read(found)]
