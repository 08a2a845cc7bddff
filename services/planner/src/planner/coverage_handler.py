"""Lambda entry point of the coverage page: apart, as no plan is to import what it takes."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3

from logferry_ledger.ledger import CLIENT_CONFIG as MANY_READERS
from planner.aws.calls import CLIENT_CONFIG
from planner.aws.schedules import Schedules
from planner.coverage import scheduled, write
from planner.settings import CoverageSettings
from planner.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
def handle(_event: Any, _context: "LambdaContext") -> dict[str, Any]:
    """Write the page of what there is of each source and date; whatever asks for it.

    Returns:
        ``{"status": "written", "sources": 2}``.

    Raises:
        Exception: Anything that may pass: Lambda tries again twice.
    """
    settings = CoverageSettings.from_env(os.environ)
    logger.append_keys(artifact=settings.artifact)
    schedules = Schedules(boto3.client("scheduler", config=CLIENT_CONFIG), settings.hub_name)
    found = write(
        boto3.client("s3", config=MANY_READERS),
        scheduled(schedules.of_the_planner(), settings),
        settings,
        datetime.now(UTC),
    )
    read = sum(each.read for each in found)
    logger.info("the coverage page is written", sources=len(found), windows_counted=read)
    return {"status": "written", "sources": len(found)}
