"""The command that tells the story of a log group's date."""

from pathlib import Path
from typing import Annotated

import boto3
from cyclopts import Parameter

from logferry import explain as telling
from logferry.commands.console import DONE, Json, code_of, one_or_all, results, told, told_errors
from logferry.config import load
from logferry.given import date_given


def explain(
    config: Path,
    /,
    *,
    profile: str,
    log_group: str,
    on: Annotated[str, Parameter(name="--date")],
    as_json: Json = False,
) -> int:
    """Tell the whole story of a log group's date: each try, what became of it, and what to do.

    `logferry explain organization.yaml --profile shop --log-group /ecs/shop --date 2026-11-21`

    By the versions of its ledger records that S3 still has, which is for 90 days after they were
    replaced. Times are UTC. Nothing is changed.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        log_group: Its whole name.
        on: The date, in the source's time zone.
        as_json: Print the story as JSON.
    """
    try:
        day = date_given("--date", on)
        session = boto3.Session()
        stories = [
            telling.explain(session, hub, source, log_group, day, file=str(config))
            for hub, sources in load(config).chosen([profile])
            for source in sources
        ]
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json:
        results.print_json(one_or_all([each.as_json() for each in stories]))
    else:
        for story in stories:
            results.print("\n".join(story.lines()), markup=False)
    return DONE
