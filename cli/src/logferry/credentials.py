"""Whose the credentials are."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.config import Config as ClientConfig
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config
from logferry.errors import DeployError

if TYPE_CHECKING:
    import boto3

CLIENT_CONFIG = ClientConfig(
    connect_timeout=3, read_timeout=10, retries={"mode": "legacy", "total_max_attempts": 3}
)
"""Who is asked first says within half a minute that nobody answers, at once where a connection is
refused: a proxy, a wrong endpoint."""


def account_of(session: "boto3.Session", config: Config) -> str:
    """Return the id of the account that the credentials are of.

    Raises:
        DeployError: There are none, they are not valid or of another partition, or nobody answers.
    """
    try:
        sts = session.client("sts", region_name=config.region, config=CLIENT_CONFIG)
        caller = sts.get_caller_identity()
    except (NoConnectionError, HTTPClientError) as error:
        raise DeployError(f"AWS cannot be reached: {error}") from error
    except AWS_ERRORS as error:
        other = f"; keys of another partition than {config.partition} are not known there"
        told = other if "InvalidClientTokenId" in str(error) else ""
        raise DeployError(f"no credentials: {error}{told}") from error
    partition = caller["Arn"].split(":")[1]
    if partition != config.partition:
        raise DeployError(
            f"the credentials are of partition {partition}, and {config.region} is in "
            f"{config.partition}: no role of the one is assumed in the other"
        )
    return caller["Account"]


def check_account(session: "boto3.Session", config: Config, account_id: str) -> None:
    """Make sure that nothing is deployed into a wrong account."""
    try:
        actual = account_of(session, config)
    except DeployError as error:
        raise DeployError(f"account {account_id}: {error}") from error
    if actual != account_id:
        raise DeployError(f"the credentials are of account {actual}, not of {account_id}")


def check_hubs(session: "boto3.Session", chosen: Iterable[tuple[Config, object]]) -> None:
    """Make sure that the credentials are of the hubs that were chosen, before they are asked.

    Another hub may have functions and queues of the same names.

    Args:
        session: With these credentials.
        chosen: Each hub, with whatever is wanted of it.

    Raises:
        DeployError: They are not, or nobody answers.
    """
    for hub, _ in chosen:
        check_account(session, hub, hub.hub_account_id)
