"""The command that looks whether all is as it should be, before go-live and on any day after."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import boto3
from cyclopts import Parameter

from logferry import doctor as looking
from logferry.commands.console import (
    DONE,
    FAILED,
    NOT_WHOLE,
    Json,
    code_of,
    messages,
    results,
    show_json,
    told,
    told_errors,
)
from logferry.config import load
from logferry.doctor_finding import lines
from logferry.plan import WAITED


def doctor(
    config: Path,
    /,
    *,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    as_json: Json = False,
) -> int:
    """Look whether the hub and its sources are as they should be, and say what mends what is not.

    `logferry doctor organization.yaml`

    `AWS_PROFILE=shop logferry doctor organization.yaml --profile shop`

    Nothing is changed. With credentials of the hub's account it looks at the hub and lets the
    planner try each source; with those of a source's account, at the role there. Exit code 0 when
    all is as it should be, 1 when something is not, 3 when something could not be checked.

    Args:
        config: What is deployed; see deploy/examples.
        profile: Only this source, or those that match, such as `shop-*`; may be given again.
        as_json: Print a JSON array of what was looked at.
    """
    try:
        chosen = load(config).chosen(profile)
        session = boto3.Session()
        with messages.status(f"Looking; {WAITED}"):
            found = [
                finding
                for hub, sources in chosen
                for finding in looking.Doctor(
                    session, hub, sources, str(config), lambda: datetime.now(UTC)
                ).findings()
            ]
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json:
        show_json([each.as_json() for each in found])
    else:
        for line in lines(found):
            results.print(line)
    verdicts = {each.verdict for each in found}
    if "wrong" in verdicts:
        return FAILED
    return NOT_WHOLE if "not checked" in verdicts else DONE
