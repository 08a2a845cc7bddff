"""ExportCompleted published again from the ledger, for who has missed or lost it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import LedgerError, ReplayError
from logferry.given import dates_given
from logferry.ledger import CLIENT_CONFIG, Ledger, date_of, in_utc
from logferry.workers import READERS
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_key import ledger_key, manifest_key
from logferry_contracts.ledger_record import LedgerRecord, split_task_ids
from logferry_contracts.manifest import ManifestLocation
from logferry_contracts.message_attributes import text_attributes
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_contracts.zones import ZONE_DATA, zone_named

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from rich.console import RenderableType

NO_SUCH_KEY = "NoSuchKey"


@dataclass(frozen=True, kw_only=True)
class Completions:
    """What would be published again of one window of a source.

    Attributes:
        keys: The ledger records.
        object_count: Of all their manifests.
        total_bytes: Of all these objects.
        damaged: What is wrong with each record that cannot be read, and is left out.
    """

    source: SourceName
    window: Window
    keys: list[str]
    object_count: int
    total_bytes: int
    damaged: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "profile": self.source.profile,
            "window": self.window.model_dump(),
            "events": len(self.keys),
            "object_count": self.object_count,
            "total_bytes": self.total_bytes,
            "damaged": self.damaged,
        }


def dates(first: str, last: str) -> tuple[date, date]:
    """Return two dates.

    Raises:
        ConfigError: One is none, or the last is before the first.
    """
    since, until = dates_given(first, last)
    assert since is not None and until is not None  # noqa: S101, PT018  (both were typed)
    return since, until


def find(
    session: "boto3.Session",
    config: Config,
    sources: Sequence[SourceConfig],
    first: date,
    last: date,
) -> Iterator[Completions]:
    """Yield the completed exports of each window that starts on one of some dates.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        sources: Of the configuration.
        first: In each source's time zone.
        last: Inclusive.

    Raises:
        ReplayError: AWS refused; names what.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    ledger = Ledger(s3, config.control_bucket)
    for source in sources:
        name = config.source_name(source)
        zone = zone_named(config.time_zone_of(source))
        try:
            for prefix, window in ledger.windows(name):
                if first <= date_of(window, zone) <= last:
                    found = _completions(ledger, name, prefix, window)
                    if found.keys or found.damaged:
                        yield found
        except AWS_ERRORS as error:
            raise ReplayError(f"{source.profile}: {error}") from error


def publish(
    session: "boto3.Session",
    config: Config,
    found: Sequence[Completions],
    *,
    now: datetime,
    watch: Callable[[int], None],
) -> None:
    """Publish what was found, as the records say it by now.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        found: By `find`.
        now: Aware; when the events are replayed.
        watch: Told after each event how many have been published.

    Raises:
        LedgerError: A ledger record breaks its contract.
        ReplayError: AWS refused; those before have been published.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    sns = session.client("sns", region_name=config.region, config=CLIENT_CONFIG)
    again = _Again(s3, sns, Ledger(s3, config.control_bucket), config.topic_arn, now)
    count = 0
    for each in found:
        try:
            with ThreadPoolExecutor(READERS) as threads:
                for _ in threads.map(again.publish, each.keys):
                    count += 1
                    watch(count)
        except AWS_ERRORS as error:
            raise ReplayError(f"{each.source.profile}: {error}") from error


def table(found: Sequence[Completions]) -> "RenderableType":
    """Return what would be published as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, caption=f"Dates by time zone data {ZONE_DATA}")
    for name in ("source", "window (UTC)"):
        shown.add_column(name, no_wrap=True)
    for name in ("events", "objects", "bytes", "damaged records"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in found:
        numbers = (len(each.keys), each.object_count, each.total_bytes, len(each.damaged))
        shown.add_row(
            each.source.profile, in_utc(each.window), *(f"{number:,}" for number in numbers)
        )
    return shown


@dataclass(frozen=True)
class _Again:
    """Publishes completed exports again."""

    s3: "S3Client"
    sns: "SNSClient"
    ledger: Ledger
    topic_arn: str
    now: datetime

    def publish(self, key: str) -> None:
        record = self.ledger.read(key)
        tasks = split_task_ids(record, lambda window, name: self._half(record.source, window, name))
        event = ExportCompleted.of_record(record, tasks, replayed_at=self.now)
        if event.is_too_long:
            event = event.with_objects_at(self._location(record, event))
        self.sns.publish(
            TopicArn=self.topic_arn,
            Message=emit(event),
            MessageAttributes=text_attributes(event.attributes),
        )

    def _half(self, source: SourceName, window: Window, export_id: str) -> LedgerRecord | None:
        try:
            return self.ledger.read(ledger_key(source, window, export_id))
        except ClientError as error:
            if error.response["Error"]["Code"] == NO_SUCH_KEY:
                return None
            raise

    def _location(self, record: LedgerRecord, event: ExportCompleted) -> ManifestLocation:
        """Return where the list of objects is, and put it there if it is not.

        What an earlier event has named is never overwritten: its checksum would be wrong.
        """
        body = emit(event.data.manifest).encode()
        sha256 = hashlib.sha256(body).hexdigest()
        key = manifest_key(record.source, record.window, record.export_id)
        there = self._body(key)
        if there is None or there != body:
            key = key if there is None else f"{key.removesuffix('.json')}-{sha256[:16]}.json"
            self.s3.put_object(
                Bucket=self.ledger.bucket, Key=key, Body=body, ContentType="application/json"
            )
        return ManifestLocation(
            bucket=self.ledger.bucket, key=key, size_bytes=len(body), sha256=sha256
        )

    def _body(self, key: str) -> bytes | None:
        try:
            return self.s3.get_object(Bucket=self.ledger.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == NO_SUCH_KEY:
                return None
            raise


def _completions(ledger: Ledger, source: SourceName, prefix: str, window: Window) -> Completions:
    read = ledger.records(prefix)
    of_window = [
        (key, record.completed.manifest)
        for key, record in read
        if not isinstance(record, LedgerError)
        # A half is told of by its whole.
        and record.completed is not None
        and not record.is_lost
        and record.disposed is None
        and record.parent_export_id is None
        and record.source == source
    ]
    return Completions(
        source=source,
        window=window,
        keys=[key for key, _ in of_window],
        object_count=sum(manifest.object_count for _, manifest in of_window),
        total_bytes=sum(manifest.total_bytes for _, manifest in of_window),
        damaged=[str(error) for _, error in read if isinstance(error, LedgerError)],
    )
