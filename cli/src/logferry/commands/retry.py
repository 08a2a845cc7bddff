"""The command that asks again for what has failed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter

from logferry import retry as asking
from logferry.commands.console import (
    BAD_INPUT,
    Flag,
    Json,
    agree,
    exit_code,
    messages,
    tables,
)
from logferry.commands.console import told as told_of
from logferry.commands.dead_letters import Service, give_back
from logferry.config import Config, SourceConfig, load
from logferry.credentials import check_hubs
from logferry.dead_letters import Chosen
from logferry.errors import ConfigError, RetryError
from logferry.given import dates_given


def retry(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    log_group: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    reason: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    first: Annotated[str | None, Parameter(name="--from", show_default=False)] = None,
    last: Annotated[str | None, Parameter(name="--to", show_default=False)] = None,
    waived: Flag = False,
    dead_letters: Flag = False,
    service: Annotated[
        tuple[Service, ...], Parameter(negative="", show_default=False, show_choices=True)
    ] = (),
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Ask again for what has failed or has been under way for too long, of any age.

    `logferry retry organization.yaml --dry-run`

    `logferry retry organization.yaml --profile 'shop-*' --reason access_denied`

    `logferry retry organization.yaml --dead-letters --service planner --dry-run`

    The planner plans the dates of what is found, so that whatever else of them has failed is asked
    for as well: what is open is shown, and what was waived of these dates counts again. Dates of
    which everything was waived are left alone without --waived. What a dead letter of an exporter
    was about is open in the ledger, and found there: `logferry explain --message` names it.

    With --dead-letters, the letters themselves, of all services: each is given back to whom it was
    for, and then removed. Of an exporter's SQS shows the first ten of a lane; those behind them
    that match are given back as well.

    Args:
        config: What is deployed; see deploy/examples.
        profile: Only this source, or those that match, such as `shop-*`; may be given again.
        log_group: Only log groups that match, such as `/ecs/*`; may be given again.
        reason: Only what failed for this reason, as `logferry status` says it, or letters whose
            reason matches; may be given again.
        first: Only from this date on, in each source's time zone.
        last: Up to this date, inclusive; the newest if left out.
        waived: Also what has failed and somebody answers for: its cause was mended after all.
        dead_letters: Dead letters instead of what is open in the ledger.
        service: Only the dead letters of this service; may be given again.
        dry_run: Show what would be asked for, and ask for nothing.
        yes: Do not ask.
        as_json: Print a JSON array of the dates.
    """
    if dead_letters or service:
        chosen = Chosen(services=service, profiles=profile, reasons=reason, log_groups=log_group)
        if not dead_letters or first is not None or last is not None or waived:
            why = "--service is of --dead-letters, and --from, --to and --waived are not"
            return told_of(ConfigError("what to ask for again", [why]), BAD_INPUT, as_json=as_json)
        return give_back(config, chosen, dry_run=dry_run, yes=yes, as_json=as_json)

    def run() -> list[dict[str, Any]]:
        since, until = dates_given(first, last)
        wanted = asking.Wanted(
            log_groups=log_group, reasons=reason, first=since, last=until, is_waived=waived
        )
        hubs = load(config).chosen(profile)
        return _asked_again(hubs, wanted, dry_run=dry_run, yes=yes, as_json=as_json)

    return exit_code(run, as_json=as_json)


def _asked_again(
    hubs: list[tuple[Config, list[SourceConfig]]],
    wanted: asking.Wanted,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> list[dict[str, Any]]:
    """Show what is open in the ledger, ask, and let the planner plan its dates."""
    session, now = boto3.Session(), datetime.now(UTC)
    check_hubs(session, hubs)
    by_hub = []
    for hub, sources in hubs:
        with messages.status("Looking"):
            by_hub.append((hub, list(asking.find(session, hub, sources, wanted, now=now))))
    found = [each for _, of_hub in by_hub for each in of_hub]
    if not found:
        messages.print("nothing to ask for again")
        return []
    if not as_json:
        tables.print(asking.table(found))
    if dry_run:
        return [each.as_json() for each in found] if as_json else []
    if not yes:
        count = sum(len(each.wanted) + len(each.others) for each in found)
        agree(
            f"Ask again for {count:,} exports?",
            refused=RetryError,
            otherwise="nothing was asked for",
        )
    told = []
    for hub, of_hub in by_hub:
        for each in of_hub:
            what = f"{each.source.profile} from {each.first} to {each.last}"
            with messages.status(f"The planner plans {what}"):
                completed = asking.ask(session, hub, each)
            requested = "the plan goes on by itself"
            if completed is not None:
                requested = f"{completed.requested:,} requested"
            told.append(
                each.as_json() | {"told": requested}
                if as_json
                else {"told": f"{what}: {requested}"}
            )
    return told
