"""The command ``logferry``: exit code 0 when done, 1 when something failed, 2 for bad input."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cyclopts import App, CycloptsError, Parameter, validators
from rich.console import Console
from rich.prompt import Confirm

from logferry import diff as differing
from logferry import hub
from logferry import plan as planning
from logferry import replay as replaying
from logferry import source_accounts as accounts
from logferry import status as archived
from logferry import sweep as sweeping
from logferry.checkout import BUILD
from logferry.config import Config, load
from logferry.display import Display
from logferry.errors import ConfigError, LogferryError, ReplayError, SweepError
from logferry.package import SERVICES, Architecture, Zip, build_zips
from logferry.stack import Proposal

DONE = 0
FAILED = 1
BAD_INPUT = 2

_TOLD = (LogferryError, BotoCoreError, ClientError)
"""What ends a command with a sentence: AWS's errors name the call and the reason."""

_ZIPS = BUILD / "zips"
_results = Console(highlight=False, soft_wrap=True)
# Whole, also where that is wider than the terminal: names are often told apart by their ends.
_tables = Console(highlight=False, width=1000)
_messages = Console(stderr=True, highlight=False, soft_wrap=True)

app = App(
    name="logferry",
    help="Ferry the CloudWatch Logs of many AWS accounts into one encrypted, locked archive.",
    help_format="markdown",
)

events = App(name="events", help="The events that teams build on.", help_format="markdown")
app.command(events)

type _Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
type _Flag = Annotated[bool, Parameter(negative="", show_default=False)]
type _Service = Literal["planner", "exporter", "sse-enforcer"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and end the process with its exit code."""
    try:
        code = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        code = BAD_INPUT  # it has been printed
    sys.exit(code or DONE)


@app.command
def package(
    *,
    service: Annotated[tuple[_Service, ...], Parameter(negative="", show_default=False)] = (),
    arch: Architecture | Literal["host"] = "arm64",
    out: Path = _ZIPS,
    as_json: _Json = False,
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
            services=service or SERVICES,
            architecture=arch,
            report=lambda line: _messages.print(line, markup=False),
        )
        return [asdict(built) for built in zips]

    return _exit_code(run, as_json=as_json)


@app.command
def deploy(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    only: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    arch: Architecture | Literal["host"] | None = None,
    dry_run: _Flag = False,
    yes: _Flag = False,
    as_json: _Json = False,
) -> int:
    """Deploy the hub: artifacts, archive, planner, sse-enforcer, an exporter for each source.

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
        with Display(_messages) as display:

            def confirm(proposals: Sequence[Proposal]) -> bool:
                return display.confirm(proposals, ask=not (yes or dry_run))

            options = hub.Options(confirm=confirm, only=only, dry_run=dry_run)
            outcomes = hub.deploy_hub(boto3.Session(), wanted, zips, display.watch, options)
        for outcome in outcomes:
            if outcome.status == "left_over":
                left_over = differing.left_over(wanted, outcome.stack_name)
                _messages.print(left_over.as_text(), markup=False)
        return [asdict(outcome) for outcome in outcomes]

    return _exit_code(run, as_json=as_json)


@app.command
def diff(
    config: Path,
    /,
    *,
    only: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    arch: Architecture | Literal["host"] | None = None,
    templates: _Flag = False,
    as_json: _Json = False,
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
        with Display(_messages) as display:
            found = differing.diff(
                boto3.Session(),
                wanted,
                zips,
                watch=display.watch,
                only=only,
                templates=templates,
            )
    except _TOLD as error:
        return _told(error, BAD_INPUT, as_json=as_json)
    if as_json:
        _results.print_json(json.dumps([each.as_json() for each in found]))
    else:
        for each in found:
            _results.print(each.as_text(), markup=False)
    return DONE if all(each.state == "same" for each in found) else FAILED


@app.command
def deploy_source_account(config: Path, /, *, profile: str, as_json: _Json = False) -> int:
    """Make the role in a source's account by which the hub reaches its logs.

    `AWS_PROFILE=shop-admin logferry deploy-source-account organization.yaml --profile shop`

    For the accounts of an organisation: `logferry deploy-source-accounts`.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        as_json: Print the outcome as JSON.
    """

    def run() -> list[dict[str, Any]]:
        wanted = load(config)
        with Display(_messages) as display:
            outcome = hub.deploy_source_account(boto3.Session(), wanted, profile, display.watch)
        return [asdict(outcome)]

    return _exit_code(run, as_json=as_json)


@app.command
def deploy_source_accounts(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    organizational_unit: Annotated[tuple[str, ...], Parameter(negative="")],
    call_as: accounts.CallAs = "SELF",
    dry_run: _Flag = False,
    yes: _Flag = False,
    as_json: _Json = False,
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
        with Display(_messages) as display:
            options = accounts.Options(
                units=organizational_unit,
                call_as=call_as,
                dry_run=dry_run,
                confirm=lambda lines: display.confirm_lines(lines, ask=not (yes or dry_run)),
                watch=display.watch,
            )
            result = accounts.deploy_source_accounts(boto3.Session(), wanted, options)
    except _TOLD as error:
        return _told(error, _code_of(error), as_json=as_json)
    if as_json:
        _results.print_json(json.dumps(result.as_json()))
    else:
        _results.print(f"{result.stack_set_name}  {result.status}")
        _tables.print(result.table())
    return FAILED if result.is_failed else DONE


@app.command
def destroy(
    config: Path,
    /,
    *,
    only: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    yes: _Flag = False,
    as_json: _Json = False,
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
        with Display(_messages) as display:
            outcomes = hub.destroy_hub(
                boto3.Session(),
                wanted,
                display.watch,
                only,
                lambda names: display.confirm_deletion(names, ask=not yes),
            )
        return [asdict(outcome) for outcome in outcomes]

    return _exit_code(run, as_json=as_json)


@app.command
def plan(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: str,
    first: Annotated[str | None, Parameter(name="--from", show_default=False)] = None,
    last: Annotated[str | None, Parameter(name="--to", show_default=False)] = None,
    dry_run: _Flag = False,
    as_json: _Json = False,
) -> int:
    """Let the planner plan a source now, such as days that were missed or have failed.

    `logferry plan organization.yaml --profile shop --dry-run`

    `logferry plan organization.yaml --profile shop --from 2026-11-01 --to 2026-11-07`

    Without dates it plans what the source's schedule would. What is in the archive is not asked
    for again; what failed is, when its date is given.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        first: The first date, in the source's time zone.
        last: The last date, inclusive; the newest that is due if left out.
        dry_run: Show each export that would be asked for, and ask for none.
        as_json: Print what the planner answered as JSON.
    """

    def run() -> list[dict[str, Any]]:
        wanted = load(config)
        request = planning.plan_request(wanted, profile, first=first, last=last, dry_run=dry_run)
        with _messages.status(f"The planner plans {profile}"):
            completed = planning.plan(boto3.Session(), wanted, request)
        if completed is None:
            return [{"status": "continued", "detail": "PlanCompleted will say how it ended"}]
        if as_json:
            return [completed.model_dump(exclude_none=True)]
        if dry_run:
            _tables.print(planning.table(completed))
        return [{"what": what, "n": n} for what, n in planning.counts(completed).items()]

    return _exit_code(run, as_json=as_json)


@app.command
def status(
    config: Path,
    /,
    *,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    windows: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 3,
    as_json: _Json = False,
) -> int:
    """Show what is in the archive, what is under way, and what is missing.

    `logferry status organization.yaml`

    `logferry status organization.yaml --profile shop --windows 30 --json`

    Exit code 1 when a source has failed exports, damaged ledger records, dead letters, a gap
    between its windows, or exports that were asked for more than `observability.gap_hours` ago and
    have not ended.

    Args:
        config: What is deployed; see deploy/examples.
        profile: Only this source; may be given again.
        windows: How many windows to look at, from the newest one back.
        as_json: Print a JSON array of the sources.
    """
    problems: list[dict[str, str]] = []

    def run() -> list[dict[str, Any]]:
        wanted = load(config)
        sources = [wanted.source(each) for each in profile] or wanted.sources
        found = []
        for each in archived.status(
            boto3.Session(), wanted, sources, newest=windows, now=datetime.now(UTC)
        ):
            found.append(each.as_json())
            problems.extend({"profile": each.profile, "problem": text} for text in each.problems)
            if not as_json:
                _tables.print(archived.table(each))
        return found if as_json else [dict(problem) for problem in problems]

    code = _exit_code(run, as_json=as_json)
    return FAILED if code == DONE and problems else code


@app.command
def sweep(
    config: Path,
    /,
    *,
    apply: _Flag = False,
    full: _Flag = False,
    yes: _Flag = False,
    as_json: _Json = False,
) -> int:
    """Look through the archive for what is not encrypted, held or secured as it has to be.

    `logferry sweep organization.yaml`

    `logferry sweep organization.yaml --full --apply --yes`

    Nothing is changed without `--apply`. Exit code 0 when nothing is left to mend, 1 when
    something is, 2 when it could not be found out. See docs/sweep.md.

    Args:
        config: What is deployed; see deploy/examples.
        apply: Mend what can be mended, after showing it.
        full: Look at every version, not only at what has changed since the last sweep.
        yes: With `--apply`: do not look first, and do not ask.
        as_json: Print the report as JSON.
    """
    try:
        wanted = load(config)
        report, answer = _swept(wanted, dry_run=not (apply and yes), full=full)
        if apply and not yes and report.to_mend_count and _agreed(report):
            report, answer = _swept(wanted, dry_run=False, full=full)
    except _TOLD as error:
        return _told(error, BAD_INPUT, as_json=as_json)
    if as_json:
        _results.print_json(json.dumps(answer))
    else:
        _tables.print(sweeping.table(report))
    return FAILED if report.open_count else DONE


@events.command
def replay(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    first: Annotated[str, Parameter(name="--from")],
    last: Annotated[str, Parameter(name="--to")],
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    dry_run: _Flag = False,
    yes: _Flag = False,
    as_json: _Json = False,
) -> int:
    """Publish ExportCompleted again for what the ledger has of some dates.

    `logferry events replay organization.yaml --from 2026-11-01 --to 2026-11-07 --dry-run`

    `logferry events replay organization.yaml --from 2026-11-21 --to 2026-11-21 --profile shop`

    An event has the id that it had the first time, so that who has seen it knows it again;
    `data.replayed_at`; and the message attribute `replayed`, by which filter policies leave it out.

    Args:
        config: What is deployed; see deploy/examples.
        first: The first date, in each source's time zone.
        last: The last date, inclusive.
        profile: Only this source; may be given again.
        dry_run: Show what would be published, and publish nothing.
        yes: Do not ask.
        as_json: Print a JSON array of the windows with what was published.
    """

    def run() -> list[dict[str, Any]]:
        wanted = load(config)
        of_dates = replaying.dates(first, last)
        sources = [wanted.source(each) for each in profile] or wanted.sources
        session = boto3.Session()
        with _messages.status("Reading the ledger"):
            found = list(replaying.find(session, wanted, sources, *of_dates))
        if not as_json:
            _tables.print(replaying.table(found))
        if not dry_run and found:
            _ask_to_publish(sum(len(each.keys) for each in found), ask=not yes)
            with _messages.status("Publishing") as shown:
                replaying.publish(
                    session,
                    wanted,
                    found,
                    now=datetime.now(UTC),
                    watch=lambda count: shown.update(f"Publishing: {count:,}"),
                )
        return [each.as_json() for each in found] if as_json else []

    return _exit_code(run, as_json=as_json)


def _ask_to_publish(count: int, *, ask: bool) -> None:
    """Ask whether to publish events again.

    Raises:
        ReplayError: Somebody said no, or there is nobody to ask.
    """
    if ask and not _messages.is_terminal:
        raise ReplayError("not a terminal, so nobody can be asked: add --yes or --dry-run")
    question = f"Publish {count:,} events again, to all subscribers?"
    if ask and not Confirm.ask(question, console=_messages, default=False):
        raise ReplayError("nothing was published")


def _swept(
    wanted: Config, *, dry_run: bool, full: bool
) -> tuple[sweeping.SweepReport, dict[str, Any]]:
    doing = "Looking through the archive" if dry_run else "Mending what is wrong in the archive"
    with _messages.status(doing) as shown:
        return sweeping.sweep(
            boto3.Session(),
            wanted,
            dry_run=dry_run,
            full=full,
            watch=lambda progress: shown.update(f"{doing}: {progress}"),
        )


def _agreed(report: sweeping.SweepReport) -> bool:
    """Show what would be mended, and ask whether to."""
    if not _messages.is_terminal:
        raise SweepError("not a terminal, so nobody can be asked: add --yes, or omit --apply")
    _messages.print(sweeping.table(report))
    return Confirm.ask(
        f"Mend these {report.to_mend_count:,} findings?", console=_messages, default=False
    )


def _zips(architecture: Architecture | Literal["host"]) -> list[Zip]:
    with _messages.status("Building the Lambda zips"):
        return build_zips(_ZIPS, architecture=architecture)


def _code_of(error: Exception) -> int:
    return BAD_INPUT if isinstance(error, ConfigError) else FAILED


def _told(error: Exception, code: int, *, as_json: bool) -> int:
    """Print what is wrong, and return the exit code."""
    _messages.print(str(error), style="red", markup=False)
    if as_json:
        _results.print_json(json.dumps({"error": str(error)}))
    return code


def _exit_code(run: Callable[[], list[dict[str, Any]]], *, as_json: bool) -> int:
    """Run a command and print its result, or what is wrong."""
    try:
        result = run()
    except _TOLD as error:
        return _told(error, _code_of(error), as_json=as_json)
    if as_json:
        _results.print_json(json.dumps(result, default=str))
    else:
        for entry in result:
            _results.print("  ".join(str(value) for value in entry.values()), markup=False)
    return DONE
