"""What the archive has of each source and date, asked with an operator's credentials."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.credentials import check_account
from logferry.errors import CoverageError
from logferry.scheduled import scheduled
from logferry_ledger import coverage
from logferry_ledger.coverage import SourceCoverage
from logferry_ledger.ledger import CLIENT_CONFIG

if TYPE_CHECKING:
    import boto3


def cover(
    session: "boto3.Session",
    config: Config,
    sources: Sequence[SourceConfig],
    *,
    days: int,
    now: datetime,
) -> Iterator[SourceCoverage]:
    """Yield what there is of each source on the last dates.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        sources: Of the configuration.
        days: How many dates, today included.
        now: Aware.

    Raises:
        DeployError: The credentials are another account's.
        CoverageError: AWS refused; names what.
    """
    check_account(session, config, config.hub_account_id)
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    due = [scheduled(config, source) for source in sources]
    try:
        yield from coverage.cover(s3, config.control_bucket, due, days=days, now=now)
    except AWS_ERRORS as error:
        raise CoverageError(": ".join([*getattr(error, "__notes__", []), str(error)])) from error
