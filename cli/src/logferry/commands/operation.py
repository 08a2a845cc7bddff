"""The commands that ask, look, sweep and publish again, in a hub that is deployed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter
from rich.prompt import Confirm

from logferry import plan as planning
from logferry import replay as replaying
from logferry import sweep as sweeping
from logferry import waive as waiving
from logferry.commands.console import (
    BAD_INPUT,
    DONE,
    FAILED,
    Flag,
    Json,
    agree,
    exit_code,
    messages,
    one_or_all,
    show_json,
    tables,
    told,
    told_errors,
)
from logferry.config import Config, load
from logferry.credentials import check_account, check_hubs
from logferry.errors import PlanError, ReplayError, SweepError, WaiveError
from logferry.given import date_given, words_given
from logferry_contracts.plan_completed import PlanCompletedData


def plan(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: Annotated[tuple[str, ...], Parameter(negative="")],
    first: Annotated[str | None, Parameter(name="--from", show_default=False)] = None,
    last: Annotated[str | None, Parameter(name="--to", show_default=False)] = None,
    log_group: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    dry_run: Flag = False,
    as_json: Json = False,
) -> int:
    """Let the planner plan a source now, such as days that were missed or have failed.

    `logferry plan organization.yaml --profile shop --dry-run`

    `logferry plan organization.yaml --profile shop --from 2026-11-01 --to 2026-11-07`

    `logferry plan organization.yaml --profile shop --from 2026-11-21 --log-group '/ecs/*'`

    Without dates it plans what the source's schedule would. What is in the archive is not asked
    for again; what failed is, when its date is given. Sources are planned one after the other.
    Ctrl-C ends that, says what goes on, and how that is stopped.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration, or a pattern such as `shop-*`; may be given
            again.
        first: The first date, in the source's time zone.
        last: The last date, inclusive; the newest that is due if left out.
        log_group: Only log groups that match, such as `/ecs/*`; may be given again. No DayCompleted
            is told for it, as a date has others.
        dry_run: Show each export that would be asked for, and ask for none.
        as_json: Print what the planner answered as JSON.
    """

    def run() -> list[dict[str, Any]]:
        chosen = load(config).chosen(profile)
        requests = [
            (
                hub,
                source,
                planning.plan_request(
                    hub, source.profile, first=first, last=last, only=log_group, dry_run=dry_run
                ),
            )
            for hub, sources in chosen
            for source in sources
        ]
        session = boto3.Session()
        check_hubs(session, chosen)
        found = []
        for done, (hub, source, request) in enumerate(requests):
            try:
                waits = planning.awaited(session, hub, source, datetime.now(UTC))
                with messages.status(waits or f"The planner plans {source.profile}"):
                    completed = planning.plan(session, hub, request)
            except KeyboardInterrupt as error:
                planned = [each.profile for _, each, _ in requests[:done]]
                told = planning.interrupted(hub, source, planned, dry_run=dry_run)
                raise PlanError(told) from error
            if completed is not None and completed.only and not completed.found:
                patterns = " or ".join(log_group)
                messages.print(f"{source.profile}: no log group matches {patterns}")
            if completed is not None and not completed.windows:
                told = "no window of that time is due yet, so nothing was planned"
                messages.print(f"{source.profile}: {told}")
            if len(requests) > 1 and not as_json:
                found.append({"profile": f"{source.profile}:"})
            found += _planned(completed, as_json=as_json)
            if completed is not None and dry_run and not as_json:
                tables.print(planning.table(completed))
        return found

    return exit_code(run, as_json=as_json)


def _planned(completed: PlanCompletedData | None, *, as_json: bool) -> list[dict[str, Any]]:
    """Return what a planner's answer comes to, as the command prints it."""
    if completed is None:
        return [{"status": "continued", "detail": "PlanCompleted will say how it ended"}]
    if as_json:
        return [completed.model_dump(exclude_none=True)]
    return [{"what": what, "n": n} for what, n in planning.counts(completed).items()]


def waive(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: str,
    log_group: str,
    on: Annotated[str, Parameter(name="--date")],
    reason: str,
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Answer for it that a log group's date is not in the archive, and will not be.

    `logferry waive organization.yaml --profile shop --log-group /old --date 2026-11-21
    --reason "Deleted with its application" --dry-run`

    The ledger then says who did, when and why, for each window of the date that failed or was
    skipped, and `logferry status` no longer calls it a problem. What is in the archive, or under
    way, cannot be waived. What is planned again later counts again.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        log_group: Its whole name.
        on: The date, in the source's time zone.
        reason: Why, for whoever will ask; at most 1,024 characters.
        dry_run: Show what would be waived, and write nothing.
        yes: Do not ask.
        as_json: Print a JSON array of the windows.
    """

    def run() -> list[dict[str, Any]]:
        day = date_given("--date", on)
        said = words_given("--reason", "the reason", reason, waiving.LONGEST_REASON)
        session, now = boto3.Session(), datetime.now(UTC)
        chosen = load(config).chosen([profile])
        check_hubs(session, chosen)
        by_hub = [
            (hub, waiving.find(session, hub, source, log_group, day, now=now))
            for hub, sources in chosen
            for source in sources
        ]
        found = [each for _, of_hub in by_hub for each in of_hub]
        if not dry_run and any(each.record.waived is None for each in found):
            if not yes:
                agree(
                    "Answer for it, in your name, that this is not in the archive?",
                    refused=WaiveError,
                    otherwise="nothing was waived",
                    shown=waiving.table(found),
                )
            at = datetime.now(UTC)
            found = [
                each
                for hub, of_hub in by_hub
                for each in waiving.waive(session, hub, of_hub, said, now=at)
            ]
        if not as_json:
            tables.print(waiving.table(found))
        return [each.as_json() for each in found] if as_json else []

    return exit_code(run, as_json=as_json)


def sweep(
    config: Path,
    /,
    *,
    apply: Flag = False,
    full: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
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
        found = [
            _swept_and_asked(each, apply=apply, full=full, yes=yes) for each in load(config).hubs()
        ]
    except told_errors() as error:
        return told(error, BAD_INPUT, as_json=as_json)
    if as_json:
        show_json(one_or_all([answer for _, answer in found]))
    else:
        for report, _ in found:
            tables.print(sweeping.table(report))
    return FAILED if any(report.open_count for report, _ in found) else DONE


def replay(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    first: Annotated[str, Parameter(name="--from")],
    last: Annotated[str, Parameter(name="--to")],
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
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
        chosen = load(config).chosen(profile)
        of_dates = replaying.dates(first, last)
        session = boto3.Session()
        check_hubs(session, chosen)
        by_hub = []
        for hub, sources in chosen:
            with messages.status("Reading the ledger"):
                by_hub.append((hub, list(replaying.find(session, hub, sources, *of_dates))))
        found = [each for _, windows in by_hub for each in windows]
        if not found:
            messages.print(f"nothing to replay: nothing is completed from {first} to {last}")
        elif not as_json:
            tables.print(replaying.table(found))
        if uncounted := sum(not each.is_counted for each in found):
            messages.print(
                f"The records of {uncounted:,} of {len(found):,} windows were read, as nobody had "
                "counted them as they are now.",
            )
        if not dry_run and found:
            if not yes:
                count = sum(each.announced.events for each in found)
                agree(
                    f"Publish {count:,} events again, to all subscribers?",
                    refused=ReplayError,
                    otherwise="nothing was published",
                )
            with messages.status("Publishing") as shown:
                for hub, windows in by_hub:
                    replaying.publish(
                        session,
                        hub,
                        windows,
                        now=datetime.now(UTC),
                        watch=lambda count: shown.update(f"Publishing: {count:,}"),
                    )
        return [each.as_json() for each in found] if as_json else []

    return exit_code(run, as_json=as_json)


def _swept_and_asked(
    hub: Config, *, apply: bool, full: bool, yes: bool
) -> tuple[sweeping.SweepReport, dict[str, Any]]:
    """Look, and mend what is to be mended, if somebody agrees to what would be."""
    report, answer = _swept(hub, dry_run=not (apply and yes), full=full)
    if apply and not yes and report.to_mend_count and _agreed(report):
        return _swept(hub, dry_run=False, full=full)
    return report, answer


def _swept(
    hub: Config, *, dry_run: bool, full: bool
) -> tuple[sweeping.SweepReport, dict[str, Any]]:
    doing = "Looking through the archive" if dry_run else "Mending what is wrong in the archive"
    session = boto3.Session()
    check_account(session, hub, hub.hub_account_id)
    with messages.status(doing) as shown:
        return sweeping.sweep(
            session,
            hub,
            dry_run=dry_run,
            full=full,
            watch=lambda progress: shown.update(f"{doing}: {progress}"),
        )


def _agreed(report: sweeping.SweepReport) -> bool:
    """Show what would be mended, and ask whether to."""
    if not messages.is_terminal:
        raise SweepError("not a terminal, so nobody can be asked: add --yes, or omit --apply")
    messages.print(sweeping.table(report))
    return Confirm.ask(
        f"Mend these {report.to_mend_count:,} findings?", console=messages, default=False
    )
