"""The commands that say how far the archive is, and what needs a person."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter

from logferry import needs as needing
from logferry import status as archived
from logferry.commands.console import (
    DONE,
    FAILED,
    Flag,
    Json,
    code_of,
    messages,
    results,
    show_json,
    tables,
    told,
    told_errors,
)
from logferry.commands.whole import whole
from logferry.config import Config, load
from logferry.errors import ConfigError
from logferry.given import dates_given
from logferry.typed import typed

WATCHED_S = 30
"""Between two looks."""


def status(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    windows: Annotated[int | None, whole(1), Parameter(show_default=False)] = None,
    first: Annotated[str | None, Parameter(name="--from", show_default=False)] = None,
    last: Annotated[str | None, Parameter(name="--to", show_default=False)] = None,
    watch: Flag = False,
    as_json: Json = False,
    as_csv: Annotated[bool, Parameter(name="--csv", negative="", show_default=False)] = False,
) -> int:
    """Show how far the archive is, and what needs a person: until it is mended or waived.

    `logferry status organization.yaml`

    `logferry status organization.yaml --profile 'shop-*' --csv`

    `logferry status organization.yaml --profile shop --from 2026-11-01 --to 2026-11-07`

    Exit code 1 when a source has failed exports that nobody answers for, exports that were asked
    for more than `observability.gap_hours` ago and have not ended, damaged ledger records, a gap
    between its windows, no plans any more, dates that are not sealed, exports that are sealed as
    contradicted, or dead letters. A source
    without log groups to archive is fine, and is said to have none.

    Args:
        config: What is deployed; see deploy/examples.
        profile: Only this source, or those that match, such as `shop-*`; may be given again.
        windows: Show so many windows one by one, from the newest one back.
        first: Show the windows from this date on, in each source's time zone.
        last: Up to this date, inclusive; the newest if left out.
        watch: Look again every half minute, until Ctrl-C.
        as_json: Print a JSON array of the sources.
        as_csv: Print what needs a person as CSV.
    """
    try:
        since, until = dates_given(first, last)
        if windows is not None and since is not None:
            raise ConfigError("the windows", ["--windows and --from: say one of them"])
        if as_json and as_csv:
            raise ConfigError("the output", ["--json and --csv: say one of them"])
        asked = archived.Asked(windows or 0, since, until)
        chosen = load(config).chosen(profile)
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    while True:
        code = _status(chosen, asked, str(config), as_json=as_json, as_csv=as_csv)
        if not watch:
            return code
        time.sleep(WATCHED_S)
        results.clear()


def _status(
    chosen: "Sequence[tuple[Config, list[Any]]]",
    asked: archived.Asked,
    config: str,
    *,
    as_json: bool,
    as_csv: bool,
) -> int:
    """Look at the sources once, print what was found, and return the exit code."""
    now = datetime.now(UTC)
    try:
        session = boto3.Session()
        with messages.status("Looking"):
            found = [
                each
                for hub, sources in chosen
                for each in archived.status(
                    session,
                    hub,
                    sources,
                    newest=asked.newest,
                    dates=(asked.first, asked.last),
                    now=now,
                )
            ]
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    told_of = [(each, needing.needs_of(each, config)) for each in found]
    needs = [need for _, some in told_of for need in some]
    if as_json:
        documents = [
            each.as_json() | {"needs": [need.as_json() for need in some]} for each, some in told_of
        ]
        show_json(documents)
    elif as_csv:
        results.out(needing.as_csv(needs), end="")
    else:
        if asked == archived.Asked():
            results.out("\n".join(needing.summary(told_of)), highlight=False)
        else:
            for each in found:
                tables.print(archived.table(each))
        results.out("\n".join(needing.shown(needs)), highlight=False)
        _say_what_was_read(found, config)
    return FAILED if needs else DONE


def _say_what_was_read(found: Sequence[archived.SourceStatus], config: str) -> None:
    """Say of which sources the whole ledger had to be read, and what makes that unnecessary."""
    unindexed = [each.profile for each in found if not each.open.is_indexed and each.newest]
    if unindexed:
        some = ", ".join(unindexed[:3]) + (" and others" * (len(unindexed) > 3))  # noqa: PLR2004
        messages.print(
            f"The whole ledger of {some} was read, as not all that is open has a note. "
            f"Once: {typed('index rebuild', config)}",
        )
