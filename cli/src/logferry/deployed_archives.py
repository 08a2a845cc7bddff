"""The buckets of what is deployed, and whose seals should be in each."""

from collections.abc import Iterator
from pathlib import Path

import boto3

from logferry.bucket_store import BucketStore
from logferry.config import load
from logferry_contracts.chain import ChainName
from logferry_ledger.ledger import CLIENT_CONFIG


def deployed_archives(
    path: Path, profile: str | None
) -> Iterator[tuple[BucketStore, list[ChainName]]]:
    """Yield the archive of each hub with its sources' chains, and all others that it has.

    Args:
        path: The configuration.
        profile: The only source; None: all.

    Raises:
        ConfigError: It is wrong, or has no such profile.
    """
    session = boto3.Session()
    for hub, sources in load(path).chosen([] if profile is None else [profile]):
        s3 = session.client("s3", region_name=hub.region, config=CLIENT_CONFIG)
        holds = hub.sse_enforcer.hold != "off"
        bucket = BucketStore(s3, hub.archive_bucket, are_logs_held=holds)
        names = [ChainName.of(hub.source_name(source)) for source in sources]
        names += [] if profile else bucket.chains()
        yield bucket, sorted(set(names), key=str)
