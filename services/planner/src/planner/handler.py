"""Lambda entry point: a schedule's request in, PlanCompleted out."""

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.metrics import MetricUnit

from logferry_contracts.execution_variables import ExecutionVariables, QueueOptions
from logferry_contracts.feed_request import FeedRequest
from logferry_contracts.plan_continued import PlanContinued, PlanContinuedData
from logferry_contracts.plan_request import PlanRequest, PlanRequestData
from logferry_contracts.reads import Reads
from logferry_contracts.source import Source
from logferry_contracts.window import WindowRule
from logferry_contracts.wire import ContractError, parse
from planner.aws.archive import Archive
from planner.aws.calls import CLIENT_CONFIG
from planner.aws.infrastructure import Infrastructure
from planner.aws.inventories import Inventories
from planner.aws.ledger import Ledger
from planner.aws.messages import Continuations, DeadLetters, Topic
from planner.aws.notes import (
    Backfills,
    DayNotes,
    OpenNotes,
    Outbox,
    PartNotes,
    PlanFiles,
    ReadingNotes,
)
from planner.aws.queues import ExportQueues
from planner.aws.source_account import SourceAccounts
from planner.backfill import feed_all
from planner.errors import PlanRefusedError
from planner.planning import begin, go_on
from planner.run import account_id
from planner.settings import Settings
from planner.telemetry import count_by_reason, logger, metrics
from planner.wiring import Control, Invocation, Messages, Wiring

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

VALUE_CHARACTERS = 200
"""Enough of a value to recognize it by."""


@dataclass(frozen=True)
class Asked:
    """What an event asks for.

    Attributes:
        queue_options: What the source's exporter is to be made of; None touches nothing.
    """

    request: PlanRequestData
    queue_options: QueueOptions | None = None


@cache
def _wiring() -> Wiring:
    """Build the collaborators once per Lambda environment, not at import."""
    settings = Settings.from_env(os.environ)
    s3 = boto3.client("s3", config=CLIENT_CONFIG)
    sqs = boto3.client("sqs", config=CLIENT_CONFIG)
    functions = boto3.client("lambda", config=CLIENT_CONFIG)
    return Wiring(
        settings=settings,
        accounts=SourceAccounts(
            boto3.client("sts", config=CLIENT_CONFIG),
            reads=lambda source: _reads(ReadingNotes(s3, settings.control_bucket), source),
        ),
        infrastructure=Infrastructure(sqs, functions, s3, settings),
        archive=Archive(s3),
        control=Control(
            ledger=Ledger(s3, settings.control_bucket),
            outbox=Outbox(s3, settings.control_bucket),
            day_notes=DayNotes(s3, settings.control_bucket),
            part_notes=PartNotes(s3, settings.control_bucket),
            open_notes=OpenNotes(s3, settings.control_bucket),
            files=PlanFiles(s3, settings.control_bucket),
            inventories=Inventories(s3, settings.control_bucket),
            backfills=Backfills(s3, settings.control_bucket),
        ),
        messages=Messages(
            queues=ExportQueues(sqs),
            topic=Topic(boto3.client("sns", config=CLIENT_CONFIG), settings.topic_arn),
            continuations=Continuations(functions),
            dead_letters=DeadLetters(sqs, settings.dead_letter_queue_url),
        ),
        clock=lambda: datetime.now(UTC),
        pause=time.sleep,
    )


def _reads(notes: ReadingNotes, source: Source) -> Reads:
    """Return what the planner may take of a source's FilterLogEvents calls."""
    return Reads(
        reader="planner",
        calls_per_second=_wiring().settings.calls_per_second,
        note=partial(notes.put, source),
        seen=partial(notes.seen, source),
        clock=lambda: datetime.now(UTC),
        sleep=time.sleep,
    )


@logger.inject_lambda_context(clear_state=True)
def handle(event: Any, context: "LambdaContext") -> dict[str, Any]:
    """Plan one source.

    Args:
        event: A PlanRequest ``{"specversion": "1.0", "type": "logferry.plan.requested.v1", ...}``;
            or execution variables ``{"loggingBucketName", "roleArn", "Prefix", ...}``; or the
            planner's own PlanContinued ``{..., "type": "logferry.plan.continued.v1", ...}``; or a
            FeedRequest ``{..., "type": "logferry.feed.requested.v1", ...}`` for all backfills.
        context: Its request id is the same when Lambda tries an asynchronous invocation again.

    Returns:
        The PlanCompleted event that was published, or that would be after a dry run; or
        ``{"status": ..., ...}`` with the status ``continued`` or ``done_already`` for a part of a
        plan, ``fed`` for backfills, ``dead_lettered`` for a request that was put into the
        dead-letter queue, and ``refused`` for a dry run that cannot be done, the last two with
        ``reason`` and ``detail``.

    Raises:
        Exception: Anything that may pass: Lambda tries again twice.
            https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    wiring = _wiring()
    logger.append_keys(artifact=wiring.settings.artifact)
    invocation = Invocation(
        function_arn=context.invoked_function_arn,
        request_id=context.aws_request_id,
        remaining_ms=context.get_remaining_time_in_millis,
    )
    kind = event.get("type") if isinstance(event, dict) else None
    if kind == FeedRequest.TYPE:
        return _feed(wiring, event, invocation)
    is_continued = kind == PlanContinued.TYPE
    metrics.add_metric(
        "PlanPartsRequested" if is_continued else "PlansRequested", MetricUnit.Count, 1
    )
    try:
        return _plan(wiring, event, invocation, is_continued=is_continued)
    finally:
        wiring.accounts.leave()
        metrics.flush_metrics()


def _feed(wiring: Wiring, event: Any, invocation: Invocation) -> dict[str, Any]:
    try:
        parse(FeedRequest, json.dumps(event))
    except ContractError as error:
        return _dead_letter(wiring, event, "contract", _with_values(error, event))
    try:
        return feed_all(wiring, invocation)
    finally:
        wiring.accounts.leave()
        if metrics.metric_set:  # of dates: to say each time that there are none has its price
            metrics.flush_metrics()


def _plan(
    wiring: Wiring, event: Any, invocation: Invocation, *, is_continued: bool
) -> dict[str, Any]:
    try:
        asked = read_continued(event) if is_continued else read_request(event, wiring.settings)
    except ContractError as error:
        return _dead_letter(wiring, event, "contract", _with_values(error, event))
    logger.append_keys(**asked.request.source.name.model_dump())
    try:
        if isinstance(asked, PlanContinuedData):
            return go_on(wiring, asked, invocation)
        return begin(wiring, asked.request, asked.queue_options, invocation)
    except PlanRefusedError as error:
        if asked.request.dry_run:
            return {"status": "refused", "reason": error.reason, "detail": str(error)}
        return _dead_letter(wiring, event, error.reason, str(error))


def read_continued(event: Any) -> PlanContinuedData:
    """Return how far a plan is.

    Raises:
        ContractError: The event is not valid.
    """
    return parse(PlanContinued, json.dumps(event)).data


def read_request(event: Any, settings: Settings) -> Asked:
    """Return what is asked, in whichever of its two forms.

    Raises:
        ContractError: The event is neither.
    """
    body = json.dumps(event)
    if isinstance(event, dict) and "specversion" in event:
        return Asked(parse(PlanRequest, body).data)
    variables = parse(ExecutionVariables, body)
    return Asked(
        PlanRequestData(
            source=Source(
                profile=variables.prefix,
                account_id=account_id(variables.role_arn),
                region=settings.region,
                role_arn=variables.role_arn,
                external_id=settings.external_id,
            ),
            bucket=variables.logging_bucket_name,
            window_rule=WindowRule(unit="day", time_zone=settings.time_zone),
            collect_date=variables.collect_date,
        ),
        variables.queue_options,
    )


def _with_values(error: ContractError, event: Any) -> str:
    """Return what is wrong with an event, with the values that are.

    Such as ``not a valid ExecutionVariables: Prefix '../prd': String should match pattern ...``.
    """
    problems = []
    for problem in error.problems:
        path, _, rule = problem.partition(": ")
        value = event
        for name in path.split("."):
            value = value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
        shown = "" if value is _ABSENT else f" {value!r}"[:VALUE_CHARACTERS]
        problems.append(f"{path}{shown}: {rule}")
    return f"not a valid {error.message_name}: {'; '.join(problems)}"


def _dead_letter(wiring: Wiring, event: Any, reason: str, detail: str) -> dict[str, Any]:
    """Keep a request that trying again cannot help, and end well so that nobody tries."""
    wiring.messages.dead_letters.put(json.dumps(event), reason=reason, detail=detail)
    logger.error("dead-lettered", reason=reason, detail=detail)
    count_by_reason("PlansDeadLettered", reason, 1)
    return {"status": "dead_lettered", "reason": reason, "detail": detail}


_ABSENT = object()
