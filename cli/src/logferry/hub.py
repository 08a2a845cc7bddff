"""The hub's stacks, in the order in which they need each other, and a source account's stack."""

import base64
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import batched
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from logferry import drift
from logferry.config import ArchiveConfig, Config, SourceConfig
from logferry.errors import ConfigError, DeployError
from logferry.package import Zip
from logferry.stack import CLIENT_CONFIG, Change, Progress, Proposal, Stack, Stacks, Watch

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

AT_ONCE = 4
"""Stacks that are deployed side by side."""
ACCOUNTS_PER_PARAMETER = 300
"""A stack parameter's value has room for 4,096 bytes; an account id and its comma take 13.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

KEPT = ("artifacts", "archive")
"""Stacks that are deleted only when they are named: what they retain is of use to no other stack,
and to make them again means to import it."""

type Confirm = Callable[[Sequence[Proposal]], bool]
"""Shown what would change; says whether to go on."""


@dataclass(frozen=True)
class Outcome:
    """What became of a stack.

    Attributes:
        status: ``mended`` where only what the stack had made was not any more as it was;
            ``not_looked_at`` by a dry run, since it needs a stack that is not there yet;
            ``left_over`` by a source that is not in the configuration any more.
    """

    stack_name: str
    status: Literal[
        "changed", "mended", "unchanged", "proposed", "not_looked_at", "left_over", "deleted"
    ]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to deploy a hub.

    Attributes:
        confirm: Asked before each step that would change something.
        only: Patterns of the stacks to deploy, without the name that all begin with, such as
            ``archive`` or ``exporter-*``; none for all stacks.
        dry_run: Change nothing. Looks no further than the first step with a stack that is not
            there yet, since later steps need it.
    """

    confirm: Confirm = lambda _: True
    only: Sequence[str] = ()
    dry_run: bool = False


class DeclinedError(DeployError):
    """Somebody said no to a change. What had been changed before stays."""


def deploy_hub(
    session: "boto3.Session",
    config: Config,
    zips: Sequence[Zip],
    watch: Watch = lambda _: None,
    options: Options = Options(),
) -> list[Outcome]:
    """Bring the hub's stacks to what the templates and the configuration say.

    Args:
        session: With credentials of the hub's account.
        config: What to deploy.
        zips: Of the three services.
        watch: Told what happens, by several threads.
        options: How.

    Raises:
        ConfigError: A pattern of ``only`` fits no stack.
        DeclinedError: ``confirm`` said no.
        DeployError: The credentials are another account's, or a stack could not be changed.
    """
    code = {built.service: built for built in zips}
    steps = _chosen(hub_stacks(config, code), config, options.only)
    _check_account(session, config, config.hub_account_id)
    stacks = stacks_of(session, config, watch)
    clients = drift.clients_of(session, config.region)
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    # First, so that who may not list stacks hears of it before anything has changed.
    left_over = [Outcome(name, "left_over") for name in _left_over(stacks, config, options.only)]
    outcomes: list[Outcome] = []
    has_to_wait = False
    for step in steps:
        if has_to_wait:
            outcomes += [Outcome(stack.name, "not_looked_at") for stack in step]
            continue
        proposals = _with_drift(stacks, clients, _propose(stacks, step, dry_run=options.dry_run))
        changing = [each for each in proposals if each.change_set is not None or each.drift]
        if changing and not options.confirm(changing):
            at_once(stacks.discard, changing)
            names = ", ".join(proposal.stack.name for proposal in changing)
            raise DeclinedError(f"not deployed: {names}")
        if options.dry_run:
            at_once(stacks.discard, changing)
        else:
            services = {_service(each.stack) for each in changing if each.change_set} & code.keys()
            at_once(lambda service: _upload(s3, config, code[service], watch), services)
            at_once(stacks.carry_out, changing)
            drifted = [proposal.stack.name for proposal in changing if proposal.drift]
            at_once(lambda name: drift.mend(clients, stacks, name, watch), drifted)
        outcomes += [_outcome(proposal, dry_run=options.dry_run) for proposal in proposals]
        # All others need only these two's parameters.
        has_to_wait = options.dry_run and any(
            proposal.is_new and proposal.stack.name.removeprefix(f"{config.name}-") in KEPT
            for proposal in changing
        )
    return outcomes + left_over


def destroy_hub(
    session: "boto3.Session",
    config: Config,
    watch: Watch = lambda _: None,
    only: Sequence[str] = (),
    confirm: Callable[[Sequence[str]], bool] = lambda _: True,
) -> list[Outcome]:
    """Delete stacks of the hub, those first that need others.

    The templates retain the buckets and the key, whatever is deleted. The stacks `KEPT` are
    deleted only when ``only`` names them: without them those are left without their policies.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        watch: Told what happens, by several threads.
        only: As in `Options`; none for all stacks but `KEPT`.
        confirm: Shown the names of the stacks; says whether to go on.

    Raises:
        ConfigError: A pattern of ``only`` fits no stack.
        DeclinedError: ``confirm`` said no.
        DeployError: The credentials are another account's, or a stack could not be deleted.
    """
    steps = [
        ["artifacts"],
        ["archive"],
        ["planner", "sse-enforcer"],
        [f"exporter-{source.slug}" for source in config.sources],
        ["observability"],
    ]
    _check_patterns([name for step in steps for name in step], only)
    chosen = [
        [f"{config.name}-{name}" for name in step if _is_chosen(name, only)]
        for step in reversed(steps)
    ]
    _check_account(session, config, config.hub_account_id)
    names = [name for step in chosen for name in step]
    if not confirm(names):
        raise DeclinedError(f"not deleted: {', '.join(names)}")
    stacks = stacks_of(session, config, watch)
    removed: set[str] = set()

    def remove(name: str) -> None:
        if stacks.remove(name):
            removed.add(name)

    for step in chosen:
        at_once(remove, step)
    return [Outcome(name, "deleted" if name in removed else "unchanged") for name in names]


def stacks_of(session: "boto3.Session", config: Config, watch: Watch = lambda _: None) -> Stacks:
    """Return the stacks of the configuration's Region, in the account of the credentials."""
    client = session.client("cloudformation", region_name=config.region, config=CLIENT_CONFIG)
    return Stacks(client, watch)


def _left_over(stacks: Stacks, config: Config, only: Sequence[str]) -> list[str]:
    """Return the chosen exporters' stacks of sources that are not in the configuration any more."""
    prefix = f"{config.name}-exporter-"
    wanted = {f"{prefix}{source.slug}" for source in config.sources}
    there = (name for name in stacks.names() if name.startswith(prefix))
    return [name for name in there if name not in wanted and _fits(name, config, only)]


def _is_chosen(name: str, only: Sequence[str]) -> bool:
    if not only:
        return name not in KEPT
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in only)


def deploy_source_account(
    session: "boto3.Session", config: Config, profile: str, watch: Watch = lambda _: None
) -> Outcome:
    """Make the role in a source's account, which lets the hub in.

    Args:
        session: With credentials of the source's account.
        config: Has the source.
        profile: Of the source.
        watch: Told what happens.

    Raises:
        ConfigError: There is no such source, or it has a role of its own.
        DeployError: The credentials are another account's, or the stack could not be changed.
    """
    source = config.source(profile)
    if source.role_arn is not None:
        raise ConfigError("sources", [f"role_arn: {source.role_arn}: not of logferry's making"])
    _check_account(session, config, source.account_id)
    stacks = stacks_of(session, config, watch)
    proposal = stacks.propose(source_account_stack(config, source))
    stacks.carry_out(proposal)
    return _outcome(proposal, dry_run=False)


def hub_stacks(config: Config, zips: Mapping[str, Zip]) -> list[list[Stack]]:
    """Return the hub's stacks, in steps: each needs only those of the steps before it.

    Whoever reads a message comes before its writer, as a new reader knows what an old writer sends.

    Args:
        config: What to deploy.
        zips: By their services.

    Raises:
        DeployError: A service has no zip.
    """
    artifacts = _stack(config, "artifacts", "artifacts.yaml", {})
    archive = _stack(config, "archive", "archive.yaml", _archive_parameters(config))
    planner = {
        **_function_parameters(config, zips, "planner"),
        "SourceRoleArnPatterns": _role_arn_patterns(config),
        "SettleMinutes": str(config.settle_minutes),
        "LookbackDays": str(config.lookback_days),
        "DirectLaneMaxBytes": str(config.direct_lane.planned_bytes),
        "Provisioning": config.provisioning,
        "QueueKeyArn": config.queue_key_arn or "",
        "TimeZone": config.time_zone,
        "ExternalId": config.external_id or "",
    }
    enforcer = {
        **_function_parameters(config, zips, "sse-enforcer"),
        "FunctionTimeout": str(config.sse_enforcer.function_timeout_s),
        "VisibilityTimeout": str(config.sse_enforcer.visibility_timeout_s),
        "Hold": config.sse_enforcer.hold,
        "SweepState": config.sse_enforcer.sweep.state,
        "SweepEveryHours": str(config.sse_enforcer.sweep.every_hours),
        "SweepFullEveryDays": str(config.sse_enforcer.sweep.full_every_days),
        "SweepObjectsPerSecond": str(config.sse_enforcer.sweep.objects_per_second),
        "SweepReservedConcurrency": "1" if config.sse_enforcer.sweep.reserved_concurrency else "",
    }
    exporter = _function_parameters(config, zips, "exporter")
    return [
        [artifacts],
        [archive],
        [_stack(config, "sse-enforcer", "sse-enforcer.yaml", enforcer)],
        [
            _stack(
                config,
                f"exporter-{source.slug}",
                "exporter.yaml",
                {**exporter, **_exporter_parameters(config, source)},
            )
            for source in config.sources
        ],
        [_stack(config, "planner", "planner.yaml", planner)],
        [_stack(config, "observability", "observability.yaml", _observability_parameters(config))],
    ]


def source_account_stack(config: Config, source: SourceConfig) -> Stack:
    """Return the stack of a source's account."""
    parameters = {
        "HubAccountId": config.hub_account_id,
        "Profile": source.profile,
        "LowercaseProfile": source.lowercase_profile,
        "ExternalId": config.external_id or "",
        "OrganizationId": config.organization_id or "",
        "ProvisionedExporter": config.provisioning,
    }
    return _stack(config, "source", "source-account.yaml", parameters)


def _stack(config: Config, name: str, template: str, parameters: Mapping[str, str]) -> Stack:
    return Stack(
        name=f"{config.name}-{name}",
        template=template,
        parameters={"Name": config.name, **parameters},
        tags={"application": config.name},
    )


def _archive_parameters(config: Config) -> dict[str, str]:
    account_ids = [source.account_id for source in config.sources]
    first, *more = (
        ",".join(some) for some in batched(account_ids, ACCOUNTS_PER_PARAMETER, strict=False)
    )
    return {
        "SourceAccountIds": first,
        "MoreSourceAccountIds": ",".join(more),
        "SourceRoleArnPatterns": _role_arn_patterns(config),
        "OrganizationId": config.organization_id or "",
        **_retention_parameters(config.archive),
    }


def _retention_parameters(archive: ArchiveConfig) -> dict[str, str]:
    """Return what keeps objects, and where. Days of what is not wanted are the template's."""
    retention, transition = archive.default_retention, archive.transition
    return {
        "DefaultRetentionMode": retention.mode if retention else "NONE",
        "DefaultRetentionDays": str(retention.days if retention else 1),
        "TransitionStorageClass": transition.storage_class if transition else "NONE",
        "TransitionDays": str(transition.after_days if transition else 30),
    }


def _function_parameters(config: Config, zips: Mapping[str, Zip], service: str) -> dict[str, str]:
    if service not in zips:
        raise DeployError(f"no zip of {service}: build it with logferry package")
    return {
        "CodeKey": code_key(zips[service]),
        "Architecture": zips[service].architecture,
        "AlarmActionArn": config.alarm_action_arn or "",
        "ArtifactBucketName": f"/{config.name}/artifacts/bucket",
        "ArchiveBucketName": f"/{config.name}/archive/bucket",
        "ControlBucketName": f"/{config.name}/control/bucket",
        "KeyArn": f"/{config.name}/kms/key-arn",
        "TopicArn": f"/{config.name}/topic/arn",
    }


def _exporter_parameters(config: Config, source: SourceConfig) -> dict[str, str]:
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
        "GapHours": str(config.observability.gap_hours),
        "PlanWithinHours": str(config.observability.plan_within_hours),
        "RetryBackoffSeconds": str(config.exporter.retry_backoff_s),
        "SplitAfterHours": str(config.exporter.split_after_hours),
        "DirectLaneMaxBytes": str(config.direct_lane.most_bytes),
        "DirectLaneCallsPerSecond": str(config.direct_lane.calls_per_second),
    }


def _observability_parameters(config: Config) -> dict[str, str]:
    is_scheduled = any(source.state == "ENABLED" for source in config.sources)
    return {
        "GapHours": str(config.observability.gap_hours),
        "PlanWithinHours": str(config.observability.plan_within_hours),
        "ScheduleState": "ENABLED" if is_scheduled else "DISABLED",
        "PageActionArn": config.observability.page_action_arn or "",
    }


def _role_arn_patterns(config: Config) -> str:
    """Return the sources' roles with ``*`` for the account, which leaves few of many."""
    arns = (config.role_arn(source).split(":") for source in config.sources)
    return ",".join(sorted({":".join([*arn[:4], "*", *arn[5:]]) for arn in arns}))


def code_key(built: Zip) -> str:
    """Return a zip's key in the artifact bucket: other content has another key."""
    return f"{built.service}/{built.version}-{built.sha256}.zip"


def _service(stack: Stack) -> str:
    """Return the service that a stack deploys; the other stacks' names are no services'."""
    return stack.template.removesuffix(".yaml")


def _propose(stacks: Stacks, step: Sequence[Stack], *, dry_run: bool) -> list[Proposal]:
    """Return what would change, or leave nothing behind."""
    proposals: list[Proposal] = []
    try:
        at_once(lambda stack: proposals.append(stacks.propose(stack, dry_run=dry_run)), step)
    except DeployError:
        at_once(stacks.discard, proposals)
        raise
    return sorted(proposals, key=lambda proposal: proposal.stack.name)


def _with_drift(
    stacks: Stacks, clients: drift.Clients, proposals: Sequence[Proposal]
) -> list[Proposal]:
    """Return what would change, with what is not any more as it was deployed; or leave nothing."""
    found: dict[str, Sequence[Change]] = {}

    def look(proposal: Proposal) -> None:
        if not proposal.is_new and (deployed := stacks.deployed(proposal.stack.name)):
            found[proposal.stack.name] = drift.find(clients, deployed)

    try:
        at_once(look, proposals)
    except DeployError:
        at_once(stacks.discard, proposals)
        raise
    return [replace(each, drift=found.get(each.stack.name, ())) for each in proposals]


def at_once[T](work: Callable[[T], None], on: Iterable[T], workers: int = AT_ONCE) -> None:
    """Do work on several things side by side, all of it whatever fails.

    Raises:
        DeployError: Some failed; names all of them.
    """
    with ThreadPoolExecutor(workers) as pool:
        done = [pool.submit(work, thing) for thing in on]
    errors = [error for future in done if (error := future.exception())]
    unexpected = [error for error in errors if not isinstance(error, DeployError)]
    if unexpected:
        raise unexpected[0]
    if errors:
        raise DeployError("\n".join(map(str, errors)))


def _outcome(proposal: Proposal, *, dry_run: bool) -> Outcome:
    if proposal.change_set is None and not proposal.drift:
        return Outcome(proposal.stack.name, "unchanged")
    if dry_run:
        return Outcome(proposal.stack.name, "proposed")
    return Outcome(proposal.stack.name, "changed" if proposal.change_set else "mended")


def _chosen(steps: list[list[Stack]], config: Config, only: Sequence[str]) -> list[list[Stack]]:
    _check_patterns(
        [stack.name.removeprefix(f"{config.name}-") for step in steps for stack in step], only
    )
    return [[stack for stack in step if _fits(stack.name, config, only)] for step in steps]


def _fits(stack_name: str, config: Config, only: Sequence[str]) -> bool:
    """Return whether a stack fits a pattern, or there is none."""
    patterns = (f"{config.name}-{pattern}" for pattern in only or ["*"])
    return any(fnmatch.fnmatchcase(stack_name, pattern) for pattern in patterns)


def _check_patterns(names: Sequence[str], only: Sequence[str]) -> None:
    wrong = [pattern for pattern in only if not fnmatch.filter(names, pattern)]
    if wrong:
        raise ConfigError("only", [f"{pattern}: none of {', '.join(names)}" for pattern in wrong])


def account_of(session: "boto3.Session", config: Config) -> str:
    """Return the id of the account that the credentials are of.

    Raises:
        DeployError: There are none, or they are not valid.
    """
    try:
        sts = session.client("sts", region_name=config.region, config=CLIENT_CONFIG)
        return sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise DeployError(f"no credentials: {error}") from error


def _check_account(session: "boto3.Session", config: Config, account_id: str) -> None:
    """Make sure that nothing is deployed into a wrong account."""
    try:
        actual = account_of(session, config)
    except DeployError as error:
        raise DeployError(f"account {account_id}: {error}") from error
    if actual != account_id:
        raise DeployError(f"the credentials are of account {actual}, not of {account_id}")


def _upload(s3: "S3Client", config: Config, built: Zip, watch: Watch) -> None:
    """Put a zip into the artifact bucket, unless it is there."""
    bucket = f"{config.name}-artifacts-{config.hub_account_id}-{config.region}"
    name = built.path.name
    try:
        there = s3.list_objects_v2(Bucket=bucket, Prefix=code_key(built)).get("Contents")
        if there:
            watch(Progress(name, "unchanged", is_final=True))
            return
        watch(Progress(name, "uploading"))
        s3.put_object(
            Bucket=bucket,
            Key=code_key(built),
            Body=built.path.read_bytes(),
            ChecksumSHA256=base64.b64encode(bytes.fromhex(built.sha256)).decode(),
        )
    except (BotoCoreError, ClientError) as error:
        raise DeployError(f"{name} to s3://{bucket}: {error}") from error
    watch(Progress(name, "uploaded", is_final=True))
