"""The command that writes what there is of all sources as a page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter

from logferry import coverage as covering
from logferry.commands.console import Json, exit_code, messages
from logferry.commands.whole import whole
from logferry.config import load
from logferry_ledger.coverage_page import page

DAYS = 400


def coverage(
    config: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    days: Annotated[int, whole(1, 4000)] = DAYS,
    as_json: Json = False,
) -> int:
    """Write what there is of each source and date as a page: archived, sealed, failed, missing.

    `logferry coverage organization.yaml -o coverage.html`

    One file that fetches nothing. It goes by counts that are kept, so that it costs a dozen calls a
    source, and one or two for each date that nobody has counted; what has failed or is under way
    is as of now.

    Args:
        config: What is deployed; see deploy/examples.
        output: The file, which is written over.
        profile: Only this source, or those that match, such as `shop-*`; may be given again.
        days: How many dates, today included.
        as_json: Print a JSON array of the sources with how many dates of each state they have.
    """

    def run() -> list[dict[str, Any]]:
        session, now = boto3.Session(), datetime.now(UTC)
        chosen = load(config).chosen(profile)
        with messages.status("Looking"):
            found = [
                each
                for hub, sources in chosen
                for each in covering.cover(session, hub, sources, days=days, now=now)
            ]
        title = ", ".join(dict.fromkeys(hub.archive_bucket for hub, _ in chosen))
        with output.open("w", encoding="utf-8") as file:
            file.writelines(page(found, str(config), title, now=now))
        counts = [{"profile": each.profile, "dates": each.by_state()} for each in found]
        if as_json:
            return counts
        messages.print(f"written: {output}, {output.stat().st_size:,} bytes")
        return []

    return exit_code(run, as_json=as_json)
