"""The command that says what keeping logs in CloudWatch for less long would save."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import boto3
from cyclopts import Parameter

from logferry import retention as keeping
from logferry.commands.console import (
    DONE,
    FAILED,
    Json,
    code_of,
    messages,
    results,
    tables,
    told,
    told_errors,
)
from logferry.config import Config, SourceConfig, load
from logferry.retention import Looked, Looking
from logferry.trusted import trusted_keys
from logferry.workers import READERS, Threads
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.verification.store import Unreadable


def retention(
    config: Path,
    /,
    *,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    key: Annotated[tuple[Path, ...], Parameter(negative="", show_default=False)] = (),
    as_json: Json = False,
) -> int:
    """Say which log groups CloudWatch could keep for less long, and what that would save.

    `logferry retention organization.yaml --key seals.pem`

    Nothing is changed. Of each log group that is kept for longer than `log_retention.min_days`, the
    seals are asked for all of the time that CloudWatch still has: it could be kept for less long
    where every window of it is archived, or had no event. That is what logferry itself has seen:
    nobody has counted again in CloudWatch, and no object is looked at, which `logferry verify`
    does. Exit code 1 where that could not be found out, such as when seals are not in order.

    Args:
        config: What is deployed; see deploy/examples.
        profile: Only this source, or those that match, such as `shop-*`; may be given again.
        key: A public key in PEM by which seals have to be signed; may be given again.
        as_json: Print a JSON array of the sources.
    """
    try:
        keys = trusted_keys(key)
        found = _looked(load(config).chosen(profile), keys)
    except Unreadable as error:
        return told(error, FAILED, as_json=as_json)
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json:
        results.print_json(json.dumps([each.as_json() for each in found]))
    else:
        _show(found, are_signed=bool(keys))
    return FAILED if any(each.is_failed for each in found) else DONE


def _looked(
    chosen: Sequence[tuple[Config, list[SourceConfig]]], keys: Sequence[TrustedKey]
) -> list[Looked]:
    session, now, threads = boto3.Session(), datetime.now(UTC), Threads(READERS)
    found = []
    try:
        for hub, sources in chosen:
            looking = Looking(session, hub, keys)
            for source in sources:
                with messages.status(f"Reading the seals of {source.profile}"):
                    found.append(looking.at(source, now, mapped=threads.mapped))
    finally:
        threads.stop()
    return found


def _show(found: Sequence[Looked], *, are_signed: bool) -> None:
    if any(each.log_groups for each in found):
        tables.print(keeping.table(found))
    for each in found:
        if each.problem is not None:
            messages.print(f"{each.profile}: {each.problem}", style="red", markup=False)
        for finding in each.findings:
            messages.print(f"{each.profile}: {finding}", style="red", markup=False)
        if each.small:
            small = f"{each.small:,} more can save too little to be looked at (log_retention)"
            results.print(f"{each.profile}: {small}", markup=False)
    saves = sum(each.saves_dollars for each in found)
    results.print(f"At most ${saves:,.2f} a month. Nothing was changed.", markup=False)
    if not are_signed:
        messages.print("Whether a key that you trust has signed the seals was not checked: --key.")
