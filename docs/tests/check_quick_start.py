"""The quick start, typed as it stands: what it shows is what its commands print."""

import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from devstack.document import Shell, blocks
from devstack.organisation import LogGroup, LogStream
from devstack.suite import REGION, Suite
from logferry.checkout import ROOT

pytestmark = pytest.mark.localstack

DOCUMENT = (ROOT / "docs" / "quick-start.md").read_text()
(
    EXPORTS,
    CONFIGURE,
    DEPLOY,
    DRY_RUN,
    PLAN,
    STATUS,
    READ,
    PROTECTION,
    DESTROY,
    ERASE,
) = blocks(DOCUMENT, "bash")
DEPLOYED, PLANNED, SECURED, EVENTS, PROTECTED, DESTROYED = blocks(DOCUMENT, "text")
SHOWN_DAY = datetime(2026, 11, 22, tzinfo=UTC)
PATIENCE_S = 60
EVENT_COUNT = 20


@pytest.fixture(scope="module")
def day() -> datetime:
    """The newest day that has settled."""
    now = datetime.now(UTC)
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)


@pytest.fixture(scope="module")
def account_id(localstack: str, day: datetime) -> str:
    """An account whose log group has had events for some days."""
    account_id = str(4 * 10**11 + secrets.randbelow(10**11))
    start_ms = round(day.timestamp() * 1000)
    events = [(start_ms + n * 60_000, f"order {n} accepted") for n in range(EVENT_COUNT)]
    stream = LogStream(f"{day:%Y/%m/%d}/[$LATEST]c41d7a80be3f4d21a6b5c4d3e2f10918", events)
    group = LogGroup("/aws/lambda/orders", start_ms - 86_400_000, [stream], "STANDARD")
    Suite(localstack, hub_account_id=account_id, accounts={}).put_logs(account_id, [group])
    return account_id


@pytest.fixture(scope="module")
def typed(
    localstack: str, account_id: str, day: datetime, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Type a block where the reader has cloned; only zips are left in this checkout."""
    clone = tmp_path_factory.mktemp("clone")
    for folder in ("deploy", "examples", ".venv"):
        (clone / folder).symlink_to(ROOT / folder)
    shell = Shell(localstack, clone)
    exports = EXPORTS.replace(f"DAY={SHOWN_DAY:%F}", f"DAY={day:%F}")
    assert exports != EXPORTS
    assert f"AWS_DEFAULT_REGION={REGION}\n" in exports
    assert shell.run(exports + "echo $ACCOUNT", account_id).strip() == account_id
    # A reader types them once, and so asks once.
    exports = re.sub(r"(ACCOUNT=)\$\(.*\)", rf"\g<1>{account_id}", exports)
    return lambda commands: shell.run(exports + commands, account_id)


def as_on(day: datetime, shown: str) -> str:
    """What the document shows, had it been written about another day."""

    def moved(found: re.Match[str]) -> str:
        return f"{datetime.fromisoformat(found[0]).replace(tzinfo=UTC) - SHOWN_DAY + day:%F}"

    return re.sub(r"\d{4}-\d\d-\d\d", moved, shown)


def lines(text: str) -> list[str]:
    """What was printed, without the guesses of bytes and end, which change with the hour."""
    guessed = re.sub(r"(direct  +|estimated bytes +)[\d,]+", r"\1some", text)
    guessed = re.sub(r"(forecast end +)\S+", r"\1soon", guessed)
    return [line.rstrip() for line in guessed.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def deployed(typed: Callable[[str], str]) -> list[str]:
    typed(CONFIGURE)
    # This machine's architecture, for LocalStack; on AWS it is what the functions ask for.
    here = DEPLOY.replace("logferry deploy my.yaml", "logferry deploy my.yaml --arch host")
    assert here != DEPLOY
    return lines(typed(here))


def test_the_quick_start_ends_with_a_days_events_and_leaves_nothing_behind(
    localstack: str,
    account_id: str,
    day: datetime,
    typed: Callable[[str], str],
    deployed: list[str],
) -> None:
    assert deployed == lines(DEPLOYED)
    assert lines(typed(DRY_RUN)) == lines(as_on(day, PLANNED))
    typed(PLAN)

    deadline = time.monotonic() + PATIENCE_S
    while (seen := lines(typed(STATUS))) != lines(as_on(day, SECURED)):
        assert time.monotonic() < deadline, seen

    assert lines(typed(READ)) == lines(as_on(day, EVENTS))
    assert lines(typed(PROTECTION)) == lines(PROTECTED)
    assert lines(typed(DESTROY)) == lines(DESTROYED)

    typed(ERASE)
    suite = Suite(localstack, hub_account_id=account_id, accounts={})
    assert suite.client("s3").list_buckets()["Buckets"] == []
    keys = suite.client("kms").list_keys()["Keys"]
    states = [
        suite.client("kms").describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyState"]
        for each in keys
    ]
    assert states == ["PendingDeletion"] * 2  # the archive's, and the seals'
    left = suite.client("cloudformation").list_stacks()["StackSummaries"]
    assert {stack["StackStatus"] for stack in left} == {"DELETE_COMPLETE"}
