"""The command that archives a long time of many sources below their daily work."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter

from logferry import backfill as filling
from logferry.commands.console import Flag, Json, agree, exit_code, messages, tables
from logferry.config import Config, SourceConfig, load
from logferry.credentials import check_account
from logferry.errors import BackfillError, ConfigError
from logferry.given import dates_given
from logferry.plan import WAITED
from logferry.typed import typed
from logferry_contracts.backfill import Wanted

AT_ONCE = 8
"""Sources whose forecasts are asked for side by side."""

type Chosen = list[tuple[Config, list[SourceConfig]]]


def backfill(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    first: Annotated[str | None, Parameter(name="--from", show_default=False)] = None,
    last: Annotated[str | None, Parameter(name="--to", show_default=False)] = None,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    log_group: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    status: Flag = False,
    pause: Flag = False,
    resume: Flag = False,
    cancel: Flag = False,
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Archive a long time of many sources, below their daily work, and say how long it takes.

    `logferry backfill organization.yaml --from 2025-01-01 --to 2026-10-31 --dry-run`

    `logferry backfill organization.yaml --status`

    `logferry backfill organization.yaml --pause --profile 'shop-*'`

    The planner feeds it, date by date and a few exports at a time, while an account has nothing
    else to do, so that it goes on without this terminal. A daily window waits for a quarter of an
    hour of it at most. What is in the archive is not asked for again, and what failed is.

    Args:
        config: What is deployed; see deploy/examples.
        first: The first date, in each source's time zone.
        last: The last date, inclusive.
        profile: Only this source, or those that match, such as `shop-*`; may be given again.
        log_group: Only log groups that match, such as `/ecs/*`; may be given again. No DayCompleted
            is told for it, as a date has others.
        status: Show how far backfills are, and when each will have ended.
        pause: Ask for nothing more until it is resumed; what is under way goes on.
        resume: Go on with what was paused.
        cancel: Ask for nothing more; what is under way, and the rest of a log group's date that was
            begun in parts, goes on.
        dry_run: Show what it would come to, and begin nothing.
        yes: Do not ask.
        as_json: Print a JSON array of the sources.
    """

    def run() -> list[dict[str, Any]]:
        wanted: dict[Wanted, bool] = {"pause": pause, "run": resume, "cancel": cancel}
        asked = [name for name, is_asked in wanted.items() if is_asked]
        is_of_one = bool(asked or status)
        if len(asked) + status > 1 or (is_of_one and (first or last or log_group)):
            told = "--status, --pause, --resume and --cancel: say one, and no dates or log groups"
            raise ConfigError("the options", [told])
        wanted_config, session = load(config), boto3.Session()
        if is_of_one:
            return _of_one(session, wanted_config, asked, profile, as_json=as_json)
        chosen = wanted_config.chosen(profile)
        since, until = dates_given(first, last)
        if since is None or until is None:
            raise ConfigError("the dates", ["--from and --to: say both"])
        _refuse_others(session, wanted_config)
        begun = _forecast(session, chosen, (since, until), log_group, is_dry_run=dry_run)
        found = [each for _, each in begun]
        if not as_json:
            tables.print(filling.forecast_table(found, datetime.now(UTC)))
            messages.print(filling.forecast_words(found))
        if not dry_run:
            if not yes:
                agree(
                    f"Begin the backfills of {len(found):,} sources?",
                    refused=BackfillError,
                    otherwise="nothing was begun",
                )
            _begin(session, begun, str(config))
        return [each.as_json() for each in found] if as_json else []

    return exit_code(run, as_json=as_json)


def _refuse_others(session: boto3.Session, config: Config) -> None:
    """Refuse credentials of another account, to which nothing looks as if it were begun."""
    for hub in config.hubs():
        check_account(session, hub, hub.hub_account_id)


def _of_one(
    session: boto3.Session,
    config: Config,
    asked: Sequence[Wanted],
    profiles: Sequence[str],
    *,
    as_json: bool,
) -> list[dict[str, Any]]:
    """Show how far backfills are, once what is asked for is wanted of them."""
    _refuse_others(session, config)
    sources = [
        (backfills, source)
        for backfills in (filling.Backfills(session, hub) for hub in config.hubs())
        for source in backfills.sources()
        if any(fnmatchcase(source.profile, each) for each in profiles or ["*"])
    ]
    if not sources:
        config.chosen(profiles)
    now, found, errors = datetime.now(UTC), [], list[str]()
    for backfills, source in sources:
        try:
            there = backfills.find(source, now)
            is_going = there is not None and there.is_under_way
            if asked and (is_going or profiles):
                there = backfills.want(source, asked[0], now)
        except BackfillError as error:  # of one source, which hides no other, nor keeps it going
            told = f"{error}"
            of = f"{source.profile}: "
            errors.append(told if told.startswith(of) else f"{of}{told}")
            continue
        if there is not None and (is_going or (not asked and there.is_configured)):
            found.append(there)
    if not found and not errors:
        messages.print("no backfill is under way" if asked else "there was no backfill")
    elif not as_json:
        _tell(found)
    if errors:
        raise BackfillError("; ".join(errors))
    return [each.as_json() for each in found] if as_json else []


def _tell(found: Sequence[filling.Backfill]) -> None:
    tables.print(filling.status_table(found))
    for each in found:
        if each.problem is not None:
            messages.print(f"{each.source.profile}: {each.problem}")


def _forecast(
    session: boto3.Session,
    chosen: Chosen,
    span: tuple[date, date],
    only: Sequence[str],
    *,
    is_dry_run: bool,
) -> list[tuple[Config, filling.Begun]]:
    """Return what a time of the sources is expected to come to, with their hubs."""
    begun = []
    for hub, sources in chosen:
        for each in () if is_dry_run else sources:
            filling.Backfills(session, hub).check_free(hub.source_name(each), datetime.now(UTC))
        with (
            messages.status(f"The planner tries some dates; {WAITED}"),
            ThreadPoolExecutor(AT_ONCE) as threads,
        ):
            tried = [
                threads.submit(filling.forecast, session, hub, each, span, only) for each in sources
            ]
            begun += [(hub, each.result()) for each in tried]
    return begun


def _begin(
    session: boto3.Session, begun: Sequence[tuple[Config, filling.Begun]], config: str
) -> None:
    for hub, each in begun:
        filling.Backfills(session, hub).begin(each, datetime.now(UTC))
    messages.print(
        "Begun: the planner feeds it from the next quarter of an hour on, without this terminal. "
        f"How far it is: {typed('backfill', config, '--status')}",
    )
