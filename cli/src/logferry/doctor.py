"""Whether a hub and its sources are as they should be, before go-live and on any day after.

Nothing is changed. A source is tried by the deployed planner's dry run, which assumes the source's
role and reads there what a plan reads; what is deployed is compared with what its templates say.
What cannot be seen with the credentials that are given is said to be not checked.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from logferry.config import Config, SourceConfig
from logferry.credentials import account_of
from logferry.denials import explained
from logferry.doctor_finding import Finding, looked_at, ok, wrong
from logferry.doctor_hub import Hub
from logferry.doctor_looking import Looking
from logferry.doctor_sources import SourceAccount, Sources
from logferry.errors import DeployError

if TYPE_CHECKING:
    import boto3

AT_ONCE = 8
"""Stacks that are looked at side by side."""
SOURCES_AT_ONCE = 32
"""The same of sources: each plan waits for whoever reads its logs as well (ADR 61), and is one
Lambda function, of the four that the account has room for by each source."""
MOST_SKEW = timedelta(minutes=1)
"""Of this machine's clock: AWS refuses what is signed five minutes off.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

PLANS_NEED = {"stack", "resource", "key"}
"""What else of the hub has to be as it should be, for a plan to show what a source lacks."""

type Looked = tuple["boto3.Session", Config, Sequence[SourceConfig], str, Callable[[], datetime]]
"""What `Looking` goes by."""


@dataclass(frozen=True)
class Doctor(Looking):
    """Looks at a hub, or at a source's account: whose the credentials are."""

    def findings(self) -> Iterator[Finding]:
        """Yield what was found, of the credentials first.

        Nothing else is looked at with credentials of an account that has no part in it.
        """
        try:
            account_id = account_of(self.session, self.config)
        except DeployError as error:
            yield Finding(check="credentials", subject="", verdict="wrong", why=str(error))
            return
        own = [source for source in self.sources if source.account_id == account_id]
        if account_id != self.config.hub_account_id and not own:
            why = f"of no source, nor of the hub, which is {self.config.hub_account_id}"
            yield wrong("credentials", account_id, why)
            return
        yield ok("credentials", account_id)
        for each in self._of(account_id, own):
            yield replace(each, why=explained(self.session, each.why))

    def _of(self, account_id: str, own: Sequence[SourceConfig]) -> Iterator[Finding]:
        """Yield what was found with credentials of an account, in AWS's words."""
        yield from looked_at("clock", "this machine", self._clock)
        if account_id == self.config.hub_account_id:
            yield from self._hub()
        else:
            for source in own:
                yield from SourceAccount(*self._by).findings(source)

    def _hub(self) -> Iterator[Finding]:
        hub = Hub(*self._by)
        found = [*_side_by_side(hub.stack, hub.stacks(), AT_ONCE), *hub.findings()]
        yield from found
        is_whole = not any(each.verdict == "wrong" and each.check in PLANS_NEED for each in found)
        sources = Sources(*self._by, is_hub_whole=is_whole)
        yield from _side_by_side(sources.findings, self.sources, SOURCES_AT_ONCE)
        yield from hub.organization()

    @property
    def _by(self) -> Looked:
        return self.session, self.config, self.sources, self.file, self.now

    def _clock(self) -> Iterator[Finding]:
        answer = self._client("sts").get_caller_identity()
        said = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        off = self.now() - said
        if abs(off) > MOST_SKEW:
            why = f"{off.total_seconds():+.0f} s from AWS's, which refuses what is signed 300 s off"
            yield wrong("clock", "this machine", why, "sudo timedatectl set-ntp true")


def _side_by_side[T](
    look: Callable[[T], list[Finding]], on: Iterable[T], at_once: int
) -> Iterator[Finding]:
    with ThreadPoolExecutor(at_once) as threads:
        for found in threads.map(look, on):
            yield from found
