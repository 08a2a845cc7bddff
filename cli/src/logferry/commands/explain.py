"""The command that tells the story of a log group's date."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import boto3
from cyclopts import Parameter

from logferry import explain as telling
from logferry.commands.console import (
    DONE,
    Json,
    code_of,
    one_or_all,
    results,
    show_json,
    told,
    told_errors,
)
from logferry.config import Config, SourceConfig, load
from logferry.credentials import check_hubs
from logferry.errors import ConfigError
from logferry.given import date_given
from logferry_contracts import json_text

_WHAT = "what to explain"


def explain(  # noqa: PLR0913  (options)
    config: Path,
    /,
    *,
    profile: str | None = None,
    log_group: str | None = None,
    on: Annotated[str | None, Parameter(name="--date")] = None,
    event: str | None = None,
    message: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
    as_json: Json = False,
) -> int:
    """Tell the whole story of a log group's date: each try, what became of it, and what to do.

    `logferry explain organization.yaml --profile shop --log-group /ecs/shop --date 2026-11-21`

    `logferry explain organization.yaml --event 5f611c80d7873b6782f2273cf0d17943`

    `logferry explain organization.yaml --message dead-letter.json`

    By the versions of its ledger records that S3 still has, which is for 90 days after they were
    replaced. Times are UTC. Nothing is changed.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        log_group: Its whole name.
        on: The date, in the source's time zone.
        event: Instead of log group and date: the id of an ExportRequested, ExportCompleted or
            ExportFailed, or the export_id of a dead letter or a line that a service has logged.
            All of a source's ledger is listed for it; --profile is the only source to look at.
        message: Instead of all of these: a file with the body of a dead letter, or of an event; -
            reads it from stdin.
        as_json: Print the story as JSON.
    """
    try:
        session = boto3.Session()
        if message is not None:
            if event is not None:
                raise ConfigError(_WHAT, ["--event and --message: say one of them"])
            event = _of_message(message)
        if event is not None:
            _refuse_with_event(log_group, on)
            hubs = load(config).chosen([] if profile is None else [profile])
            check_hubs(session, hubs)
            asked = [_of_event(session, hubs, event)]
        elif profile is None or log_group is None or on is None:
            raise ConfigError(
                _WHAT, ["give --profile, --log-group and --date, --event or --message"]
            )
        else:
            day = date_given("--date", on)
            hubs = load(config).chosen([profile])
            check_hubs(session, hubs)
            asked = [(hub, each, log_group, day) for hub, sources in hubs for each in sources]
        stories = [
            telling.explain(
                session, hub, source, name, day, file=str(config), now=datetime.now(UTC)
            )
            for hub, source, name, day in asked
        ]
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json:
        show_json(one_or_all([each.as_json() for each in stories]))
    else:
        for story in stories:
            results.print("\n".join(story.lines()))
    return DONE


def _of_message(path: Path) -> str:
    """Return the id of the export that a message is about.

    Raises:
        ConfigError: It is about none.
    """
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    try:
        document = json_text.read(text)
    except ValueError as error:
        raise ConfigError(_WHAT, [f"--message {path}: no JSON: {error}"]) from error
    data = document.get("data") if isinstance(document, dict) else None
    found = data.get("export_id") if isinstance(data, dict) else None
    if not isinstance(found, str):
        kind = document.get("type", "no event") if isinstance(document, dict) else "no event"
        raise ConfigError(
            _WHAT,
            [f"--message {path}: {kind}, which is about no export: its attribute reason says why"],
        )
    return found


def _refuse_with_event(log_group: str | None, on: str | None) -> None:
    """Refuse what an event says already.

    Raises:
        ConfigError: It was given.
    """
    for option, text in (("--log-group", log_group), ("--date", on)):
        if text is not None:
            raise ConfigError(_WHAT, [f"{option} {text}: --event says it"])


def _of_event(
    session: boto3.Session, hubs: list[tuple[Config, list[SourceConfig]]], event: str
) -> tuple[Config, SourceConfig, str, date]:
    """Return of which source, log group and date an event is.

    Raises:
        ConfigError: No source has such an export.
    """
    for hub, sources in hubs:
        for source in sources:
            found = telling.date_of_export(session, hub, source, event)
            if found is not None:
                return (hub, source, *found)
    raise ConfigError(_WHAT, [f"--event {event}: no source's ledger has such an export"])
