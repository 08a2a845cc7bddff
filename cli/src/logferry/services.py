"""The services, an entry each: what has a folder in ``services``, a zip and a template has it here.

docs/new-service.md says what else belongs to one, and what checks that it is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from logferry.config import Config, SourceConfig

type Parameters = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service.

    Attributes:
        name: Of its folder, its distribution, its zip, its template and its stack.
        title: Of its permissions in docs/permissions.md.
        aws_services: Of which it makes boto3 clients; its zip has the models of no others.
        stacks: Returns its stacks by their names, without the name that all begin with: the
            parameters of each that not every service has.
        is_per_source: Whether each source has a stack of its own, named ``<name>-<source>``.
        takes: Which parameters its template has of those that not every one needs.
    """

    name: str
    title: str
    aws_services: tuple[str, ...]
    stacks: Callable[[Config], Mapping[str, Parameters]]
    is_per_source: bool = False
    takes: tuple[str, ...] = ("ArchiveBucketName", "TopicArn")

    @property
    def module(self) -> str:
        """Its package, as Python imports it."""
        return self.name.replace("-", "_")

    @property
    def template(self) -> str:
        """The name of its file in ``deploy/``."""
        return f"{self.name}.yaml"


def role_arn_patterns(config: Config) -> str:
    """Return the sources' roles with ``*`` for the account, which leaves few of many."""
    arns = (config.role_arn(source).split(":") for source in config.sources)
    return ",".join(sorted({":".join([*arn[:4], "*", *arn[5:]]) for arn in arns}))


def _planner(config: Config) -> dict[str, Parameters]:
    parameters = {
        "SourceRoleArnPatterns": role_arn_patterns(config),
        "SettleMinutes": str(config.settle_minutes),
        "LookbackDays": str(config.lookback_days),
        "GapHours": str(config.observability.gap_hours),
        "DirectLaneMaxBytes": str(config.direct_lane.planned_bytes),
        "DirectLaneCallsPerSecond": str(config.direct_lane.calls_per_second),
        "Provisioning": config.provisioning,
        "QueueKeyArn": config.queue_key_arn or "",
        "TimeZone": config.time_zone,
        "ExternalId": config.external_id or "",
    }
    return {"planner": parameters}


def _exporters(config: Config) -> dict[str, Parameters]:
    return {f"exporter-{source.slug}": _exporter(config, source) for source in config.sources}


def _exporter(config: Config, source: SourceConfig) -> Parameters:
    return {
        "Profile": source.profile,
        "LowercaseProfile": source.lowercase_profile,
        "SourceAccountId": source.account_id,
        "SourceRoleArn": config.role_arn(source),
        "ScheduleExpression": source.schedule,
        "ScheduleTimeZone": source.schedule_time_zone,
        "ScheduleFlexibleMinutes": str(source.flexible_minutes),
        "ScheduleInput": config.schedule_input(source),
        "ScheduleState": source.state,
        "FunctionTimeout": str(config.exporter.function_timeout_s),
        "VisibilityTimeout": str(config.exporter.visibility_timeout_s),
        "DirectFunctionTimeout": str(config.direct_lane.function_timeout_s),
        "DirectVisibilityTimeout": str(config.direct_lane.visibility_timeout_s),
        "WindowUnit": "day" if source.window_rule is None else source.window_rule.unit,
        "PlanWithinHours": str(config.observability.plan_within_hours),
        "RetryBackoffSeconds": str(config.exporter.retry_backoff_s),
        "SplitAfterHours": str(config.exporter.split_after_hours),
        "DirectLaneMaxBytes": str(config.direct_lane.most_bytes),
        "DirectLaneCallsPerSecond": str(config.direct_lane.calls_per_second),
        "DirectFunctionMemory": str(config.direct_lane.function_memory_mb),
    }


def _sse_enforcer(config: Config) -> dict[str, Parameters]:
    settings = config.sse_enforcer
    parameters = {
        "FunctionTimeout": str(settings.function_timeout_s),
        "VisibilityTimeout": str(settings.visibility_timeout_s),
        "Hold": settings.hold,
        "SweepState": settings.sweep.state,
        "SweepEveryHours": str(settings.sweep.every_hours),
        "SweepFullEveryDays": str(settings.sweep.full_every_days),
        "SweepObjectsPerSecond": str(settings.sweep.objects_per_second),
        "SweepReservedConcurrency": "1" if settings.sweep.reserved_concurrency else "",
    }
    return {"sse-enforcer": parameters}


def _sealer(config: Config) -> dict[str, Parameters]:
    settings = config.sealer
    parameters = {
        "TimeZone": config.time_zone,
        "SealAfterHours": str(settings.seal_after_hours),
        "SettleMinutes": str(config.settle_minutes),
        "OpenAfterDays": str(settings.open_after_days),
        "LookBackDays": str(settings.look_back_days),
        "FunctionTimeout": str(settings.function_timeout_s),
        "VisibilityTimeout": str(settings.visibility_timeout_s),
        "SigningKeyArn": f"/{config.name}/seals/key-arn",
        "FormerSigningKeyArns": ",".join(settings.former_signing_key_arns),
        "RecountWithinHours": str(config.recount.waited_hours),
    }
    return {"sealer": parameters}


def _recounters(config: Config) -> dict[str, Parameters]:
    if config.recount.state == "DISABLED":
        return {}
    return {f"recounter-{source.slug}": _recounter(config, source) for source in config.sources}


def _recounter(config: Config, source: SourceConfig) -> Parameters:
    return {
        "Profile": source.profile,
        "LowercaseProfile": source.lowercase_profile,
        "SourceAccountId": source.account_id,
        "SourceRoleArn": config.role_arn(source),
        "ExternalId": config.external_id or "",
        "SharePermille": str(config.recount.share_permille),
        "LookBackDays": str(config.recount.look_back_days),
        "RevisitDays": ",".join(map(str, config.recount.revisit_days)) or "none",
        "RevisitPermille": str(config.recount.revisit_permille),
        "AddMbPerDay": str(config.recount.add_mb_per_day),
        "StopPermille": str(config.recount.stop_permille),
        "LagMinutes": str(config.recount.lag_minutes),
        "OpenAfterDays": str(config.sealer.open_after_days),
        "DirectLaneCallsPerSecond": str(config.direct_lane.calls_per_second),
    }


SERVICES = (
    Service(
        name="planner",
        title="The planner",
        aws_services=(
            "cloudwatch",
            "lambda",
            "logs",
            "resourcegroupstaggingapi",
            "s3",
            "scheduler",
            "sns",
            "sqs",
            "sts",
        ),
        stacks=_planner,
    ),
    Service(
        name="exporter",
        title="A source's exporter and schedule",
        aws_services=("logs", "s3", "sns", "sqs", "sts"),
        stacks=_exporters,
        is_per_source=True,
    ),
    Service(
        name="sse-enforcer",
        title="The sse-enforcer",
        aws_services=("kms", "s3", "sns", "sqs", "ssm"),
        stacks=_sse_enforcer,
    ),
    Service(
        name="recounter",
        title="A source's recounter",
        aws_services=("logs", "s3", "sqs", "sts"),
        stacks=_recounters,
        is_per_source=True,
        takes=(),
    ),
    Service(
        name="sealer",
        title="The sealer",
        aws_services=("kms", "s3", "sns", "sqs"),
        stacks=_sealer,
    ),
)
"""In the order in which messages go through them: they are deployed in the other."""
NAMES = tuple(service.name for service in SERVICES)


def named(name: str) -> Service:
    """Return the service of a name.

    Raises:
        KeyError: There is none.
    """
    return {service.name: service for service in SERVICES}[name]
