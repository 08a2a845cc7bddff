"""Reading the ledger, manifests, inventories and recounts: the statement `ReadTheLedger`."""

import hashlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from logferry_contracts.chain import ChainName
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import (
    in_ledger,
    in_recounts,
    inventories_from,
    inventories_prefix,
    inventory_planned_at,
    recount_key,
    source_prefix,
    split_key,
    starting_at,
    window_of,
)
from logferry_contracts.ledger_object import record_at
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import Manifest, ManifestLocation
from logferry_contracts.recount import Recount
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from logferry_deliveries.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class ListedRecord:
    """A ledger record as a listing shows it.

    Attributes:
        etag: With that of its recount: it changes with either.
    """

    key: str
    window: Window
    export_id: str
    etag: str


@dataclass(frozen=True)
class ListedInventory:
    """An inventory as a listing shows it."""

    key: str
    planned_at_ms: int


class OfLaterMajor:
    """What a later release has written: nothing is wrong with it."""


class Ledger:
    """What the planner, the exporters and the sse-enforcer have written down."""

    def __init__(self, s3: "S3Client", bucket: str, *, has_recounts: bool) -> None:
        """Read from the control bucket ``bucket``, recounts as well where somebody counts."""
        self._s3 = s3
        self.bucket = bucket
        self._has_recounts = has_recounts

    def chains(self) -> list[ChainName]:
        """Return every account and Region that has an inventory: others are not sealed."""
        accounts = self._folders("inventories/")
        regions = (region for account in accounts for region in self._folders(account))
        found = []
        for each in sorted(region.split("/") for region in regions):
            with suppress(ValidationError):  # what somebody has put there is no source
                found.append(ChainName(account_id=each[1], region=each[2]))
        return found

    def windows(self, chain: ChainName, from_ms: int, to_ms: int) -> set[Window]:
        """Return all windows that start in a time."""
        return {each.window for each in self._records(chain, from_ms, to_ms)}

    def records(self, chain: ChainName, from_ms: int, to_ms: int) -> Iterator[ListedRecord]:
        """Yield the records of all windows that start in a time, by their windows' starts."""
        recounts = self._recounts(chain, from_ms) if self._has_recounts else iter(())
        recounted = next(recounts, None)
        for each in self._records(chain, from_ms, to_ms):
            while recounted is not None and recounted[0] < each.key:
                recounted = next(recounts, None)
            if recounted is not None and recounted[0] == each.key:
                yield replace(each, etag=f"{each.etag} {recounted[1]}")
            else:
                yield each

    def _recounts(self, chain: ChainName, from_ms: int) -> Iterator[tuple[str, str]]:
        """Yield the keys of records that have a recount, in their order, each with its ETag."""
        source = _source(chain)
        prefix = in_recounts(source_prefix(source))
        for entry in self._pages(
            Prefix=prefix, StartAfter=in_recounts(starting_at(source, from_ms))
        ):
            yield in_ledger(entry["Key"]), entry["ETag"]

    def _records(self, chain: ChainName, from_ms: int, to_ms: int) -> Iterator[ListedRecord]:
        source = _source(chain)
        for entry in self._pages(
            Prefix=source_prefix(source), StartAfter=starting_at(source, from_ms)
        ):
            prefix, export_id = split_key(entry["Key"])
            try:
                window = window_of(prefix)
            except ValueError:  # what somebody has put there is no record
                continue
            if window.from_ms >= to_ms:
                return
            yield ListedRecord(entry["Key"], window, export_id, entry["ETag"])

    def record(self, key: str) -> LedgerRecord | ContractError | None:
        """Return a record, or what is wrong with it; None when there is none."""
        text = self._read(key)
        if text is None:
            return None
        try:
            return record_at(key, text)
        except ContractError as error:
            return error

    def manifest(self, location: ManifestLocation) -> Manifest | None:
        """Return a manifest that is too long for a record; None when it is not what was written."""
        text = self._read(location.key) if location.bucket == self.bucket else None
        if text is None or hashlib.sha256(text).hexdigest() != location.sha256:
            return None
        try:
            return parse(Manifest, text)
        except ContractError:
            return None

    def recount(self, record: LedgerRecord) -> Recount | ContractError | OfLaterMajor | None:
        """Return what CloudWatch Logs counted of an export, or what is wrong with that.

        None where nobody has tried yet.
        """
        if not self._has_recounts:
            return None
        text = self._read(recount_key(record.source, record.window, record.export_id))
        try:
            return None if text is None else parse(Recount, text)
        except ContractError as error:
            is_later = text is not None and Recount.is_of_later_major(text)
            return OfLaterMajor() if is_later else error

    def inventories(self, chain: ChainName, from_ms: int) -> Iterator[ListedInventory]:
        """Yield the inventories of plans that began to list then or later, oldest first."""
        source = _source(chain)
        prefix = inventories_prefix(source)
        for entry in self._pages(Prefix=prefix, StartAfter=inventories_from(source, from_ms)):
            planned_at_ms = inventory_planned_at(source, entry["Key"])
            if planned_at_ms is not None:
                yield ListedInventory(entry["Key"], planned_at_ms)

    def inventory(self, key: str) -> Iterator[ListedLogGroup | ContractError]:
        """Yield an inventory's lines, or what is wrong with one, a piece of it at a time."""
        with calling("GetObject", key):
            found = self._s3.get_object(Bucket=self.bucket, Key=key)
            with closing(found["Body"]) as body:
                for line in body.iter_lines(chunk_size=64 * 1024):
                    yield _line(line)

    def _read(self, key: str) -> bytes | None:
        with calling("GetObject", key):
            try:
                return self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    return None
                raise

    def _folders(self, prefix: str) -> list[str]:
        with calling("ListObjectsV2", prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/"
            )
            return [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]

    def _pages(self, **which: Any) -> Iterator[Any]:
        with calling("ListObjectsV2", which["Prefix"]):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **which)
            for page in pages:
                yield from page.get("Contents", [])


def _line(text: bytes) -> ListedLogGroup | ContractError:
    try:
        return parse(ListedLogGroup, text)
    except ContractError as error:
        return error


def _source(chain: ChainName) -> SourceName:
    """Return the chain as keys of the ledger need it: they do not say the profile."""
    return SourceName(profile="-", account_id=chain.account_id, region=chain.region)
