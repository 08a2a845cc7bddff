"""Whose the credentials are."""

from typing import TYPE_CHECKING

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config
from logferry.errors import DeployError
from logferry.stack import CLIENT_CONFIG

if TYPE_CHECKING:
    import boto3


def account_of(session: "boto3.Session", config: Config) -> str:
    """Return the id of the account that the credentials are of.

    Raises:
        DeployError: There are none, or they are not valid.
    """
    try:
        sts = session.client("sts", region_name=config.region, config=CLIENT_CONFIG)
        return sts.get_caller_identity()["Account"]
    except AWS_ERRORS as error:
        raise DeployError(f"no credentials: {error}") from error


def check_account(session: "boto3.Session", config: Config, account_id: str) -> None:
    """Make sure that nothing is deployed into a wrong account."""
    try:
        actual = account_of(session, config)
    except DeployError as error:
        raise DeployError(f"account {account_id}: {error}") from error
    if actual != account_id:
        raise DeployError(f"the credentials are of account {actual}, not of {account_id}")
