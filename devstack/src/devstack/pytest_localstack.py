"""Fixtures: a LocalStack and the zips for the whole run, and an account for every test.

Tests that use them are marked `localstack`. They fail where LocalStack cannot be had; they are not
skipped. LOGFERRY_LOCALSTACK_URL names one that runs already, on this machine, to be used instead.
"""

import os
import secrets
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from devstack.localstack import LocalStackError, addons_status, running
from logferry.package import Zip, build_zips

LOOPBACK = {"127.0.0.1", "::1", "localhost"}

type ClientFactory = Callable[..., Any]
"""`(service, *, account=..., region="eu-west-1") -> boto3 client`"""


@pytest.fixture(scope="session")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint URL of a LocalStack with the add-ons in."""
    if url := os.environ.get("LOGFERRY_LOCALSTACK_URL"):
        yield checked(url)
        return
    with running(tmp_path_factory.mktemp("localstack")) as started:
        yield started.endpoint


@pytest.fixture(scope="session")
def free_queue_names(localstack: str) -> Callable[[], None]:
    """Ends the 60 seconds for which the names of deleted queues cannot be taken."""

    def free() -> None:
        url = f"{localstack}/_devstack/deleted-queues"
        request = urllib.request.Request(url, method="DELETE")  # noqa: S310  a loopback address
        with urllib.request.urlopen(request):  # noqa: S310
            pass

    return free


@pytest.fixture(scope="session")
def zips(tmp_path_factory: pytest.TempPathFactory) -> list[Zip]:
    """The services' zips for this machine, built from this checkout."""
    return build_zips(tmp_path_factory.mktemp("zips"))


@pytest.fixture
def account() -> str:
    """The id of an AWS account that no other test uses; LocalStack takes it as access key."""
    return str(10**11 + secrets.randbelow(9 * 10**11))


@pytest.fixture
def aws(localstack: str, account: str) -> Iterator[ClientFactory]:
    """Makes boto3 clients: `aws("logs")`, `aws("s3", account="222222222222", region="eu-north-1")`.

    The test's own account and eu-west-1 are meant where nothing else is said.
    """
    with ExitStack() as clients:

        def client(service: str, *, account: str = account, region: str = "eu-west-1") -> Any:
            made = boto3.client(  # type: ignore[call-overload]  # any service
                service,
                endpoint_url=localstack,
                region_name=region,
                aws_access_key_id=account,
                aws_secret_access_key="any",  # noqa: S106  LocalStack reads only the id
                # {}: not the proxies of the environment.
                config=Config(proxies={}),
            )
            return clients.enter_context(closing(made))

        yield client


def checked(url: str) -> str:
    """The URL, if a LocalStack with the add-ons answers there, on this machine.

    Raises:
        LocalStackError: it is elsewhere, or something else.
    """
    if urlsplit(url).hostname not in LOOPBACK:
        raise LocalStackError(f"LOGFERRY_LOCALSTACK_URL={url} is not on this machine: refused")
    if addons_status(url) is None:
        raise LocalStackError(f"no LocalStack with our add-ons answers at {url}: devstack up")
    return url
