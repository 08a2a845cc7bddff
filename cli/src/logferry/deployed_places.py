"""The buckets of what is deployed, with the ledger of what no seal covers yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import boto3

from logferry.bucket_store import BucketStore
from logferry.cold import COLD
from logferry.config import Config, SourceConfig, load
from logferry.glacier import Glacier
from logferry.place import Place
from logferry.unsealed import Unsealed
from logferry_contracts.chain import ChainName
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from logferry_ledger.ledger import CLIENT_CONFIG

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def bucket_named(name: str) -> tuple[BucketStore, Glacier]:
    """Return a bucket of which nothing but its name is known: S3 may move anything at any time."""
    s3 = boto3.Session().client("s3", config=CLIENT_CONFIG)
    return BucketStore(s3, name), Glacier(s3, name, timedelta())


def of(path: Path, profile: str | None) -> list[Place]:
    """Return the archive of each hub with its sources' chains.

    Args:
        path: The configuration.
        profile: The only source; None: all.

    Raises:
        ConfigError: It is wrong, or has no such profile.
    """
    session, found = boto3.Session(), []
    for hub, sources in load(path).chosen([] if profile is None else [profile]):
        s3 = session.client("s3", region_name=hub.region, config=CLIENT_CONFIG)
        bucket = BucketStore(s3, hub.archive_bucket)
        by_chain = {ChainName.of(hub.source_name(each)): each for each in sources}
        glacier = Glacier(s3, hub.archive_bucket, _moved_after(hub))
        found.append(Place(bucket, list(by_chain), _Ledger(s3, hub, by_chain), glacier))
    return found


def _moved_after(hub: Config) -> timedelta | None:
    """Return when S3 moves objects to where they have to be restored from; None: it does not."""
    transition = hub.archive.transition
    if transition is None or transition.storage_class not in COLD:
        return None
    return timedelta(days=transition.after_days)


@dataclass(frozen=True)
class _Ledger:
    """The ledger of a hub's sources."""

    s3: "S3Client"
    hub: Config
    sources: dict[ChainName, SourceConfig]

    def zone_of(self, chain: ChainName) -> ZoneInfo | None:
        source = self.sources.get(chain)
        return None if source is None else zone_named(self.hub.time_zone_of(source))

    def add_unsealed(self, plan: Plan, chain: ChainName, times: Iterable[Window]) -> None:
        unsealed = Unsealed(self.s3, self.hub.control_bucket)
        known = self.sources.get(chain)
        # Of an account that was taken out of the configuration: no key of the ledger has a profile.
        there = SourceName(profile="-", account_id=chain.account_id, region=chain.region)
        source = there if known is None else self.hub.source_name(known)
        for time in times:
            unsealed.add(plan, source, time)
