"""Which records the ledger has, without reading them: the statement `TellMissingFromForbidden`."""

from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from pydantic import ValidationError

from logferry_contracts.ledger_key import (
    LEDGER,
    ledger_prefix,
    source_prefix,
    split_key,
    starting_at,
    windows_of,
)
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_deliveries.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class LedgerKeys:
    """The keys of the ledger's records, as the control bucket lists them."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """List ``bucket``, the control bucket."""
        self._s3 = s3
        self._bucket = bucket

    def sources(self, profile: str) -> list[SourceName]:
        """Return every account and Region that has records, each as if it had this profile."""
        found: list[SourceName] = []
        for account in self._folders(LEDGER):
            for place in self._folders(account):
                _, account_id, region, _ = place.split("/")
                try:
                    name = SourceName(profile=profile, account_id=account_id, region=region)
                except ValidationError:  # somebody else's folder
                    continue
                found.append(name)
        return found

    def windows(self, source: SourceName, from_ms: int, until_ms: int) -> list[Window]:
        """Return the windows with records that start in a time, half-open."""
        after = starting_at(source, max(from_ms, 0))
        listed = windows_of(self._folders(source_prefix(source), after))
        return list(takewhile(lambda window: window.from_ms < until_ms, listed))

    def export_ids(self, source: SourceName, window: Window) -> frozenset[str]:
        """Return the exports of a window that have a record."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=ledger_prefix(source, window)
        )
        with calling("ListObjectsV2", self._bucket):
            return frozenset(
                split_key(each["Key"])[1] for page in pages for each in page.get("Contents", [])
            )

    def _folders(self, prefix: str, after: str = "") -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, StartAfter=after or prefix, Delimiter="/"
        )
        with calling("ListObjectsV2", self._bucket):
            for page in pages:
                yield from (each["Prefix"] for each in page.get("CommonPrefixes", []))
