"""Lambda entry point: a schedule's request in, PlanCompleted out."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from logferry_contracts.execution_variables import ExecutionVariables
from logferry_contracts.plan_completed import PlanCompleted, PlanCompletedData
from logferry_contracts.plan_request import PlanRequest, PlanRequestData
from logferry_contracts.source import Source
from logferry_contracts.window import Window, WindowRule
from logferry_contracts.wire import ContractError, emit, parse
from planner.aws import (
    CLIENT_CONFIG,
    Archive,
    DeadLetters,
    ExportQueues,
    Ledger,
    SourceAccounts,
    Topic,
)
from planner.errors import PlanRefusedError
from planner.plan import (
    PLANNER_URN,
    Decision,
    LogGroups,
    Plan,
    decide_all,
    decide_known,
    export_requested,
    run_id,
    summarize,
)
from planner.settings import Settings
from planner.windows import due_windows, zone_named

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_SERVICE = "planner"
_METRICS_NAMESPACE = "logferry"

logger = Logger(service=_SERVICE)
metrics = Metrics(namespace=_METRICS_NAMESPACE, service=_SERVICE)


@dataclass(frozen=True)
class Wiring:
    """What the handler works with."""

    settings: Settings
    accounts: SourceAccounts
    archive: Archive
    ledger: Ledger
    queues: ExportQueues
    topic: Topic
    dead_letters: DeadLetters
    clock: Callable[[], datetime]


@cache
def _wiring() -> Wiring:
    """Build the collaborators once per Lambda environment, not at import."""
    settings = Settings.from_env(os.environ)
    s3 = boto3.client("s3", config=CLIENT_CONFIG)
    sqs = boto3.client("sqs", config=CLIENT_CONFIG)
    return Wiring(
        settings=settings,
        accounts=SourceAccounts(boto3.client("sts", config=CLIENT_CONFIG)),
        archive=Archive(s3),
        ledger=Ledger(s3, settings.control_bucket),
        queues=ExportQueues(sqs),
        topic=Topic(boto3.client("sns", config=CLIENT_CONFIG), settings.topic_arn),
        dead_letters=DeadLetters(sqs, settings.dead_letter_queue_url),
        clock=lambda: datetime.now(UTC),
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handle(event: Any, context: "LambdaContext") -> dict[str, Any]:
    """Plan one source.

    Args:
        event: A PlanRequest ``{"specversion": "1.0", "type": "logferry.plan.requested.v1", ...}``
            or execution variables ``{"loggingBucketName", "roleArn", "Prefix", ...}``.
        context: Its request id is the same when Lambda tries an asynchronous invocation again.

    Returns:
        The PlanCompleted event that was published; or, for a request that was put into the
        dead-letter queue, ``{"status": "dead_lettered", "reason": ..., "detail": ...}``.

    Raises:
        Exception: Anything that may pass: Lambda tries again twice.
            https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    metrics.add_metric("PlansRequested", MetricUnit.Count, 1)
    wiring = _wiring()
    try:
        request = read_request(event, wiring.settings)
    except ContractError as error:
        return _dead_letter(wiring, event, "contract", error)
    logger.append_keys(**request.source.name.model_dump())
    try:
        completed = plan_source(
            wiring,
            request,
            own_account_id=context.invoked_function_arn.split(":")[4],
            request_id=context.aws_request_id,
        )
    except PlanRefusedError as error:
        return _dead_letter(wiring, event, error.reason, error)
    answer: dict[str, Any] = json.loads(emit(completed))
    return answer


def read_request(event: Any, settings: Settings) -> PlanRequestData:
    """Return what is asked, in whichever of its two forms.

    Raises:
        ContractError: The event is neither.
    """
    body = json.dumps(event)
    if isinstance(event, dict) and "specversion" in event:
        return parse(PlanRequest, body).data
    variables = parse(ExecutionVariables, body)
    request = PlanRequestData(
        source=Source(
            profile=variables.prefix,
            account_id=_account_id(variables.role_arn),
            region=settings.region,
            role_arn=variables.role_arn,
            external_id=settings.external_id,
        ),
        bucket=variables.logging_bucket_name,
        window_rule=WindowRule(unit="day", time_zone=settings.time_zone),
        collect_date=variables.collect_date,
    )
    if variables.queue_options is not None:
        logger.warning(
            "QueueOptions are checked and otherwise ignored: queue and exporter must exist",
            queue_name=request.source.queue_name,
            exporter_function_name=request.source.exporter_function_name,
        )
    return request


def plan_source(
    wiring: Wiring, request: PlanRequestData, *, own_account_id: str, request_id: str
) -> PlanCompleted:
    """Plan every due window of a source and publish what became of it.

    All that can be refused is looked at before anything is written.

    Raises:
        PlanRefusedError: The request has to be mended by a person.
    """
    source = request.source
    if _account_id(source.role_arn) != source.account_id:
        raise PlanRefusedError("role_arn", source.role_arn, f"is not in {source.account_id}")
    plan = Plan(
        source=source,
        bucket=request.bucket,
        zone=zone_named(request.window_rule.time_zone),
        selection=request.selection,
        is_own_account=source.account_id == own_account_id,
        now=wiring.clock(),
    )
    windows = due_windows(
        request.window_rule,
        request.collect_date,
        now=plan.now,
        default_settle=wiring.settings.settle,
    )
    queue_url = wiring.queues.url(source)
    wiring.archive.check(request.bucket, source.region)
    log_groups = wiring.accounts.log_groups(source)
    decisions = [
        decision
        for window in windows
        for decision in _plan_window(wiring, plan, window, log_groups, queue_url)
    ]
    completed = PlanCompleted.of(
        summarize(plan, windows, log_groups.found, decisions),
        id=run_id(source, windows, request_id),
        source=PLANNER_URN,
        time=plan.now,
    )
    wiring.topic.publish(completed)
    _report(completed.data, decisions)
    return completed


def _plan_window(
    wiring: Wiring, plan: Plan, window: Window, log_groups: LogGroups, queue_url: str
) -> list[Decision]:
    """Write what is decided into the ledger, then send; a crash in between loses nothing."""
    known = wiring.ledger.records(plan.source, window)
    decisions = [
        _recorded(wiring.ledger, decision)
        for decision in decide_all(plan, window, log_groups, known)
    ]
    wiring.queues.send(
        queue_url, [export_requested(plan, made.send) for made in decisions if made.send]
    )
    return decisions


def _recorded(ledger: Ledger, decision: Decision) -> Decision:
    """Write a decision into the ledger; return what holds when somebody else was faster."""
    if decision.write is None:
        return decision
    there = ledger.create(decision.write)
    return decision if there == decision.write else decide_known(there)


def _report(completed: PlanCompletedData, decisions: list[Decision]) -> None:
    for decision in decisions:
        log = logger.error if decision.outcome == "refused" else logger.debug
        log(
            decision.outcome,
            log_group=decision.log_group_name,
            window=decision.window.model_dump(),
            reason=decision.reason,
            detail=decision.detail,
            sent=decision.send is not None,
        )
    metrics.add_metric("LogGroupsFound", MetricUnit.Count, completed.found)
    metrics.add_metric("ExportsRequested", MetricUnit.Count, completed.requested)
    metrics.add_metric("ExportsAlreadyInLedger", MetricUnit.Count, completed.already_in_ledger)
    metrics.add_metric(
        "ExportsRefused",
        MetricUnit.Count,
        sum(decision.outcome == "refused" for decision in decisions),
    )
    for reason, count in completed.skipped.items():
        _count_by_reason("ExportsSkipped", reason, count)
    logger.info("planned", **completed.model_dump(exclude={"source"}))


def _dead_letter(wiring: Wiring, event: Any, reason: str, error: Exception) -> dict[str, Any]:
    """Keep a request that trying again cannot help, and end well so that nobody tries."""
    wiring.dead_letters.put(json.dumps(event), reason=reason, detail=str(error))
    logger.error("dead-lettered", reason=reason, detail=str(error))
    _count_by_reason("PlansDeadLettered", reason, 1)
    return {"status": "dead_lettered", "reason": reason, "detail": str(error)}


def _count_by_reason(name: str, reason: str, count: int) -> None:
    with single_metric(name, MetricUnit.Count, count, namespace=_METRICS_NAMESPACE) as metric:
        metric.add_dimension("service", _SERVICE)
        metric.add_dimension("reason", reason)


def _account_id(role_arn: str) -> str:
    """Return the account of ``arn:aws:iam::<account>:role/<name>``."""
    return role_arn.split(":")[4]
