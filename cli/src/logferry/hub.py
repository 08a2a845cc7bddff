"""The hub's stacks, in the order in which they need each other, and a source account's stack."""

import base64
import fnmatch
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from logferry import drift
from logferry.at_once import at_once
from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config
from logferry.credentials import check_account
from logferry.drift_resource import Clients
from logferry.errors import ConfigError, DeclinedError, DeployError
from logferry.hub_stacks import KEPT, code_key, hub_stacks, names_to_remove, source_account_stack
from logferry.package import Zip
from logferry.services import SERVICES
from logferry.stack import CLIENT_CONFIG, Progress, Proposal, Stack, Stacks, Watch

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

    from logferry.change import Change


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
        zips: Of all services.
        watch: Told what happens, by several threads.
        options: How.

    Raises:
        ConfigError: A pattern of ``only`` fits no stack.
        DeclinedError: ``confirm`` said no.
        DeployError: The credentials are another account's, or a stack could not be changed.
    """
    code = {built.service: built for built in zips}
    steps = _chosen(hub_stacks(config, code), config, options.only)
    check_account(session, config, config.hub_account_id)
    stacks = stacks_of(session, config, watch)
    clients = drift.clients_of(session, config.region)
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    # First, so that who may not list stacks hears of it before anything has changed.
    left_over = [Outcome(name, "left_over") for name in _left_over(stacks, config, options.only)]
    outcomes: list[Outcome] = []
    has_to_wait = False
    changed = _Changed()
    for step in steps:
        if has_to_wait:
            outcomes += [Outcome(stack.name, "not_looked_at") for stack in step]
            continue
        with changed.unless_interrupted(stacks):
            proposals = _propose(stacks, step, dry_run=options.dry_run)
            changed.open = proposals
            proposals = _with_drift(stacks, clients, proposals)
            changing = [each for each in proposals if each.change_set is not None or each.drift]
            if changing and not options.confirm(changing):
                at_once(stacks.discard, changing)
                names = ", ".join(proposal.stack.name for proposal in changing)
                raise DeclinedError(f"not deployed: {names}")
            if options.dry_run:
                at_once(stacks.discard, changing)
            else:
                chosen = {_service(each.stack) for each in changing if each.change_set}
                services = chosen & code.keys()
                at_once(lambda service: _upload(s3, config, code[service], watch), services)
                at_once(partial(changed.carry_out, stacks), changing)
                drifted = [proposal.stack.name for proposal in changing if proposal.drift]
                at_once(lambda name: drift.mend(clients, stacks, name, watch), drifted)
            changed.open = []
        outcomes += [_outcome(proposal, dry_run=options.dry_run) for proposal in proposals]
        # All others need only these two's parameters.
        has_to_wait = options.dry_run and any(
            proposal.is_new and proposal.stack.name.removeprefix(f"{config.name}-") in KEPT
            for proposal in changing
        )
    return outcomes + left_over


@dataclass
class _Changed:
    """What a deployment has changed, to be told should somebody interrupt it.

    Attributes:
        open: What is proposed, and not changed or discarded yet.
        names: The stacks that have been changed.
    """

    open: Sequence[Proposal] = ()
    names: list[str] = field(default_factory=list)
    _begun: set[str] = field(default_factory=set)

    def carry_out(self, stacks: Stacks, proposal: Proposal) -> None:
        """Change a stack."""
        self._begun.add(proposal.stack.name)
        stacks.carry_out(proposal)
        self.names.append(proposal.stack.name)

    @contextmanager
    def unless_interrupted(self, stacks: Stacks) -> Iterator[None]:
        """Leave no proposal behind where somebody interrupts; what had begun has ended by then.

        Raises:
            DeployError: Somebody has; names what was changed before.
        """
        try:
            yield
        except KeyboardInterrupt as error:
            at_once(
                stacks.discard, [each for each in self.open if each.stack.name not in self._begun]
            )
            failed = sorted(self._begun - set(self.names))
            told = f"interrupted; changed: {', '.join(sorted(self.names)) or 'nothing'}"
            if failed:
                told += f"; failed: {', '.join(failed)}"
            raise DeployError(f"{told}; no change set is left. Deploy again to go on") from error


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
    steps = names_to_remove(config)
    _check_patterns([name for step in reversed(steps) for name in step], only)
    chosen = [
        [f"{config.name}-{name}" for name in step if _is_chosen(name, only)] for step in steps
    ]
    check_account(session, config, config.hub_account_id)
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
    """Return the chosen stacks of sources that are not in the configuration any more."""
    per_source = [service for service in SERVICES if service.is_per_source]
    prefixes = tuple(f"{config.name}-{service.name}-" for service in per_source)
    wanted = {f"{config.name}-{name}" for service in per_source for name in service.stacks(config)}
    there = (name for name in stacks.names() if name.startswith(prefixes))
    return [name for name in there if name not in wanted and _fits(name, config, only)]


def _is_chosen(name: str, only: Sequence[str]) -> bool:
    if not only:
        return name not in KEPT
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in only)


def deploy_source_account(
    session: "boto3.Session", config: Config, profile: str, watch: Watch = lambda _: None
) -> Outcome:
    """Make the role in a source's account, which lets the hub in, or mend it.

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
    check_account(session, config, source.account_id)
    stacks = stacks_of(session, config, watch)
    clients = drift.clients_of(session, config.region)
    proposed = [stacks.propose(source_account_stack(config, source))]
    [proposal] = _with_drift(stacks, clients, proposed)
    stacks.carry_out(proposal)
    if proposal.drift:
        drift.mend(clients, stacks, proposal.stack.name, watch)
    return _outcome(proposal, dry_run=False)


def _service(stack: Stack) -> str:
    """Return the service that a stack deploys; the other stacks' names are no services'."""
    return stack.template.removesuffix(".yaml")


def _propose(stacks: Stacks, step: Sequence[Stack], *, dry_run: bool) -> list[Proposal]:
    """Return what would change, or leave nothing behind."""
    proposals: list[Proposal] = []
    try:
        at_once(lambda stack: proposals.append(stacks.propose(stack, dry_run=dry_run)), step)
    except (DeployError, KeyboardInterrupt):
        at_once(stacks.discard, proposals)
        raise
    return sorted(proposals, key=lambda proposal: proposal.stack.name)


def _with_drift(stacks: Stacks, clients: Clients, proposals: Sequence[Proposal]) -> list[Proposal]:
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
    except AWS_ERRORS as error:
        raise DeployError(f"{name} to s3://{bucket}: {error}") from error
    watch(Progress(name, "uploaded", is_final=True))
