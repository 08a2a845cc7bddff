"""Fixtures: a LocalStack and the zips for the whole run, and an account for every test.

All processes of a run share them: the first that needs one makes it, under a lock, in a folder of
the run. LocalStack ends with the process that hands out the tests, however that ends; one that
runs tests may come and go.

Tests that use them are marked `localstack`. They fail where LocalStack cannot be had; they are not
skipped. LOGFERRY_LOCALSTACK_URL names one that runs already, on this machine, to be used instead.
"""

import fcntl
import json
import os
import secrets
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from devstack.localstack import LocalStackError, addons_status, start_detached, status, stop
from logferry.package import Zip, build_zips

LOOPBACK = {"127.0.0.1", "::1", "localhost"}

type ClientFactory = Callable[..., Any]
"""`(service, *, account=..., region="eu-west-1") -> boto3 client`"""


class Run:
    """What the processes of one run of pytest have in common: a folder, and the pipe in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lifeline = folder / "lifeline"
        self.localstack = folder / "localstack"

    def begin(self) -> None:
        """Make the folder, and hold what LocalStack's life depends on."""
        self.folder.mkdir()
        os.mkfifo(self.lifeline)
        # Read too: otherwise this would wait for somebody who does.
        self.held = os.open(self.lifeline, os.O_RDWR)

    def end(self) -> None:
        """End LocalStack if one was started."""
        stop(self.localstack)
        os.close(self.held)

    def once(self, name: str, make: Callable[[Path], Any]) -> Any:
        """Return what `make(folder)` returned, in whichever process it was called first."""
        folder, made = self.folder / name, self.folder / f"{name}.json"
        with self.alone(name):
            if not made.exists():
                folder.mkdir(exist_ok=True)
                made.write_text(json.dumps(make(folder), default=str))
        return json.loads(made.read_text())

    def localstack_endpoint(self) -> str:
        """Start LocalStack unless it runs."""
        with self.alone("localstack"):
            found = status(self.localstack)
            if found and not found.ready:
                # Whoever was starting it has died.
                stop(self.localstack)
                found = None
            self.localstack.mkdir(exist_ok=True)
            return (found or start_detached(self.localstack, 0, lifeline=self.lifeline)).endpoint

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """No other process of the run does the same meanwhile."""
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


_RUN = pytest.StashKey[Run]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin the run, in the process that hands out the tests: before any other is started."""
    if not hasattr(session.config, "workerinput"):
        factory = session.config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001  as xdist does
        run = Run(factory.getbasetemp() / "run")
        run.begin()
        session.config.stash[_RUN] = run


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run, in the same process."""
    if run := config.stash.get(_RUN, None):
        run.end()


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What all processes of this run have in common."""
    if not hasattr(pytestconfig, "workerinput"):
        return pytestconfig.stash[_RUN]
    # https://pytest-xdist.readthedocs.io/en/stable/how-to.html#making-session-scoped-fixtures-execute-only-once
    return Run(tmp_path_factory.getbasetemp().parent / "run")


@pytest.fixture(scope="session")
def localstack(run: Run) -> str:
    """The endpoint URL of a LocalStack with the add-ons in."""
    url = os.environ.get("LOGFERRY_LOCALSTACK_URL")
    return checked(url) if url else run.localstack_endpoint()


@pytest.fixture(scope="session")
def free_queue_names(localstack: str) -> Callable[[str], None]:
    """Ends the 60 seconds for which the names of an account's deleted queues cannot be taken."""

    def free(account_id: str) -> None:
        url = f"{localstack}/_devstack/deleted-queues?account={account_id}"
        request = urllib.request.Request(url, method="DELETE")  # noqa: S310  a loopback address
        with urllib.request.urlopen(request):  # noqa: S310
            pass

    return free


@pytest.fixture(scope="session")
def zips(run: Run) -> list[Zip]:
    """The services' zips for this machine, built from this checkout."""
    made = run.once("zips", lambda folder: [asdict(each) for each in build_zips(folder)])
    return [Zip(**{**each, "path": Path(each["path"])}) for each in made]


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
