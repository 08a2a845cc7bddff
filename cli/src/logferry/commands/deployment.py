"""The commands that build, compare, deploy and delete."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import boto3
from cyclopts import Parameter

from logferry import diff as differing
from logferry import hub
from logferry import source_accounts as accounts
from logferry.checkout import BUILD
from logferry.commands.console import (
    BAD_INPUT,
    DONE,
    FAILED,
    Flag,
    Json,
    code_of,
    exit_code,
    messages,
    one_or_all,
    results,
    show_json,
    tables,
    told,
    told_errors,
)
from logferry.config import load
from logferry.display import Display
from logferry.fields import Architecture
from logferry.package import Zip, build_zips
from logferry.services import NAMES
from logferry.stack import Proposal
from logferry.stack_set import CallAs, Options

if TYPE_CHECKING:
    type _Service = str
else:
    # So that the one list of services is also what this option offers.
    type _Service = Literal[NAMES]

_ZIPS = BUILD / "zips"


def package(
    *,
    service: Annotated[tuple[_Service, ...], Parameter(negative="", show_default=False)] = (),
    arch: Architecture | Literal["host"] = "arm64",
    out: Path = _ZIPS,
    as_json: Json = False,
) -> int:
    """Build the services' Lambda zips: the same bytes from the same checkout.

    `logferry package`

    `logferry package --service planner --arch host --out /tmp/zips`

    Args:
        service: Only this one; may be given again.
        arch: What Lambda runs them on; `host` for LocalStack on this machine.
        out: The folder for them.
        as_json: Print a JSON array of the zips.
    """

    def run() -> list[dict[str, Any]]:
        zips = build_zips(
            out.resolve(),
            services=service or NAMES,
            architecture=arch,
            report=messages.print,
        )
        return [asdict(built) for built in zips]

    return exit_code(run, as_json=as_json)


def deploy(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    only: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    arch: Architecture | Literal["host"] | None = None,
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Deploy the hub: artifacts, archive, planner, sealer, sse-enforcer, and exporters.

    `logferry deploy organization.yaml --dry-run`

    `logferry deploy organization.yaml --only 'exporter-*' --yes`

    It uses the credentials that the AWS CLI would use, which have to be of the hub's account, and
    AWS_ENDPOINT_URL.

    Args:
        config: What to deploy; see deploy/examples.
        only: Only stacks that match, such as `archive` or `exporter-*`; may be given again.
        arch: Instead of the configuration's architecture; `host` for LocalStack on this machine.
        dry_run: Show what would change, and change nothing.
        yes: Do not ask before a change.
        as_json: Print a JSON array of the stacks and what became of them.
    """

    def run() -> list[dict[str, Any]]:
        wanted = load(config)
        zips = _zips(arch or wanted.architecture)
        with Display(messages) as display:

            def confirm(proposals: Sequence[Proposal]) -> bool:
                return display.confirm(proposals, ask=not (yes or dry_run))

            options = hub.Options(confirm=confirm, only=only, dry_run=dry_run)
            session = boto3.Session()
            outcomes = [
                (each, outcome)
                for each in wanted.hubs()
                for outcome in hub.deploy_hub(session, each, zips, display.watch, options)
            ]
        for each, outcome in outcomes:
            if outcome.status == "left_over":
                left_over = differing.left_over(each, outcome.stack_name)
                messages.print(left_over.as_text())
        return [asdict(outcome) for _, outcome in outcomes]

    return exit_code(run, as_json=as_json)


def diff(
    config: Path,
    /,
    *,
    only: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    arch: Architecture | Literal["host"] | None = None,
    templates: Flag = False,
    as_json: Json = False,
) -> int:
    """Show how what is deployed differs from the configuration, the templates and the zips.

    `logferry diff organization.yaml`

    `logferry diff organization.yaml --only 'exporter-*' --templates`

    Nothing is changed: each stack gets a change set, which is deleted again. Exit code 0 when
    nothing differs, 1 when something does, 2 when it could not be found out.

    Args:
        config: What to compare with; see deploy/examples.
        only: Only stacks that match, such as `archive` or `exporter-*`; may be given again.
        arch: Instead of the configuration's architecture; `host` for LocalStack on this machine.
        templates: Compare the text of the templates as well.
        as_json: Print a JSON array of the stacks, with every value as a whole.
    """
    try:
        wanted = load(config)
        zips = _zips(arch or wanted.architecture)
        with Display(messages) as display:
            options: dict[str, Any] = {"watch": display.watch, "only": only, "templates": templates}
            found = [
                stack
                for each in wanted.hubs()
                for stack in differing.diff(boto3.Session(), each, zips, **options)
            ]
    except told_errors() as error:
        return told(error, BAD_INPUT, as_json=as_json)
    if as_json:
        show_json([each.as_json() for each in found])
    else:
        for each in found:
            results.print(each.as_text())
    return DONE if all(each.state == "same" for each in found) else FAILED


def deploy_source_account(config: Path, /, *, profile: str, as_json: Json = False) -> int:
    """Make the role in a source's account by which the hub reaches its logs.

    `AWS_PROFILE=shop-admin logferry deploy-source-account organization.yaml --profile shop`

    For the accounts of an organisation: `logferry deploy-source-accounts`.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        as_json: Print the outcome as JSON.
    """

    def run() -> list[dict[str, Any]]:
        chosen, session = load(config).chosen([profile]), boto3.Session()
        with Display(messages) as display:
            return [
                asdict(hub.deploy_source_account(session, each, profile, display.watch))
                for each, _ in chosen
            ]

    return exit_code(run, as_json=as_json)


def deploy_source_accounts(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    organizational_unit: Annotated[tuple[str, ...], Parameter(negative="")],
    call_as: CallAs = "SELF",
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Make that role in every source's account of an organisation, and in those that join later.

    `AWS_PROFILE=management logferry deploy-source-accounts organization.yaml
    --organizational-unit ou-ab12-c3d4e5f6 --dry-run`

    It makes or updates a stack set with the credentials of the organisation's management account,
    and shows each account that has the role, or should have it. Exit code 1 when one has not. See
    docs/source-accounts.md.

    Args:
        config: What is deployed; see deploy/examples.
        organizational_unit: That has the accounts, directly or not; the organisation's root has
            all; may be given again.
        call_as: `DELEGATED_ADMIN` with the credentials of an account that administers stack sets
            for the organisation.
        dry_run: Show what would change, and change nothing.
        yes: Do not ask before a change.
        as_json: Print the stack set and its accounts as JSON.
    """
    try:
        wanted = load(config)
        with Display(messages) as display:
            options = Options(
                units=organizational_unit,
                call_as=call_as,
                dry_run=dry_run,
                confirm=lambda lines: display.confirm_lines(lines, ask=not (yes or dry_run)),
                watch=display.watch,
            )
            found = [
                accounts.deploy_source_accounts(boto3.Session(), each, options)
                for each in wanted.hubs()
            ]
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json:
        show_json(one_or_all([result.as_json() for result in found]))
    else:
        for result in found:
            results.print(f"{result.stack_set_name}  {result.status}")
            tables.print(result.table())
    return FAILED if any(result.is_failed for result in found) else DONE


def destroy(
    config: Path,
    /,
    *,
    only: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Delete the hub's stacks; the buckets, the key and all that is in them stay.

    `logferry destroy organization.yaml --only exporter-shop`

    The stacks `archive` and `artifacts` are deleted only when `--only` names them. A request that
    waits in a queue goes with it; the ledger remembers it: plan its dates again.

    Args:
        config: What is deployed; see deploy/examples.
        only: Only stacks that match, such as `exporter-*`; may be given again.
        yes: Do not ask.
        as_json: Print a JSON array of the stacks and what became of them.
    """

    def run() -> list[dict[str, Any]]:
        wanted = load(config)
        with Display(messages) as display:

            def confirm(names: Sequence[str]) -> bool:
                return display.confirm_deletion(names, ask=not yes)

            session = boto3.Session()
            outcomes = [
                outcome
                for each in wanted.hubs()
                for outcome in hub.destroy_hub(session, each, display.watch, only, confirm)
            ]
        return [asdict(outcome) for outcome in outcomes]

    return exit_code(run, as_json=as_json)


def _zips(architecture: Architecture | Literal["host"]) -> list[Zip]:
    with messages.status("Building the Lambda zips"):
        return build_zips(_ZIPS, architecture=architecture)
