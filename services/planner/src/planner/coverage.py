"""The page of what there is of each source and date, written every night into the control bucket.

Which sources there are, their schedules say: as they are deployed, and whether they are on.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError

from logferry_contracts.execution_variables import ExecutionVariables
from logferry_contracts.plan_request import PlanRequest, PlanRequestData
from logferry_contracts.source import SourceName
from logferry_contracts.window import WindowRule
from logferry_contracts.wire import ContractError, parse
from logferry_ledger.coverage import SourceCoverage, cover
from logferry_ledger.coverage_page import page
from logferry_ledger.scheduled import Scheduled
from planner.aws.calls import calling
from planner.run import account_id
from planner.settings import CoverageSettings
from planner.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "coverage/coverage.html"
"""Of the page, in the control bucket. The dashboard's link has it as well."""
DAYS = 400
CONFIG = "organization.yaml"
"""In the commands that the page shows: the hub does not know what the operator's file is called."""


def scheduled(
    schedules: Iterable[tuple[str, str, bool]], settings: CoverageSettings
) -> list[Scheduled]:
    """Return the sources that schedules ask for, each once; what asks for none is left out.

    Args:
        schedules: Name, input, and whether it is enabled.
        settings: What inputs do not say.
    """
    found: dict[tuple[str, str], Scheduled] = {}
    for name, asked, is_on in schedules:
        try:
            source = _source(asked, settings, is_on=is_on)
        except (ContractError, ValidationError, TypeError, ValueError) as error:
            logger.exception("a schedule is left out", schedule=name, detail=str(error))
            continue
        if source is not None:
            place = source.name.account_id, source.name.region
            known = found.get(place)
            is_any_on = source.is_on or (known is not None and known.is_on)
            found[place] = replace(known or source, is_on=is_any_on)
    return sorted(found.values(), key=lambda each: each.name.profile)


def write(
    s3: "S3Client", sources: Iterable[Scheduled], settings: CoverageSettings, now: datetime
) -> list[SourceCoverage]:
    """Write the page, and return what it shows.

    What it counts of windows that nobody has counted is kept as it goes: who is cut off goes on
    there.

    Raises:
        AwsError: AWS refused, or did not answer.
    """
    bucket = settings.control_bucket
    with calling("GetObject", f"s3://{bucket}"):
        found = list(cover(s3, bucket, sources, days=DAYS, now=now))
    text = "".join(page(found, CONFIG, settings.archive_bucket, now=now))
    with calling("PutObject", f"s3://{bucket}/{KEY}"):
        s3.put_object(
            Bucket=bucket, Key=KEY, Body=text.encode(), ContentType="text/html; charset=utf-8"
        )
    return found


def _source(text: str, settings: CoverageSettings, *, is_on: bool) -> Scheduled | None:
    """Return the source that an input asks for; None where it asks for something else.

    Ids and times of an event are still to be filled in, so its data alone is read.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise TypeError(f"no JSON object: {document!r}"[:200])
    if document.get("type", PlanRequest.TYPE) != PlanRequest.TYPE:
        return None
    if "specversion" in document:
        data = PlanRequestData.model_validate(document.get("data"))
        name, rule = data.source.name, data.window_rule
    else:
        variables = parse(ExecutionVariables, text)
        account = account_id(variables.role_arn)
        name = SourceName(profile=variables.prefix, account_id=account, region=settings.region)
        rule = WindowRule(unit="day", time_zone=settings.time_zone)
    own = rule.settle_minutes
    return Scheduled(
        name=name,
        time_zone=rule.time_zone,
        unit=rule.unit,
        settle=settings.settle if own is None else timedelta(minutes=own),
        slack=settings.slack,
        is_on=is_on,
    )
