"""ExportCompleted published again from the ledger, for who has missed or lost it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import ReplayError
from logferry.given import dates_given
from logferry.workers import READERS, Threads
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_key import ledger_key, ledger_prefix, manifest_key
from logferry_contracts.ledger_record import LedgerRecord, split_task_ids
from logferry_contracts.manifest import ManifestLocation
from logferry_contracts.message_attributes import text_attributes
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_contracts.zones import ZONE_DATA, zone_named
from logferry_ledger.counts import Announced, counts_of, is_announced
from logferry_ledger.errors import LedgerError
from logferry_ledger.ledger import CLIENT_CONFIG, Ledger, in_utc
from logferry_ledger.listing import list_keys_and_etags

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from rich.console import RenderableType

NO_SUCH_KEY = "NoSuchKey"
WINDOWS_AT_ONCE = 4
"""That are counted side by side."""


@dataclass(frozen=True, kw_only=True)
class Completions:
    """What would be published again of one window of a source.

    Attributes:
        announced: How much it is.
        damaged: What is wrong with each record that cannot be read, and is left out.
        is_counted: Whether that was known; otherwise the records were read.
    """

    source: SourceName
    window: Window
    announced: Announced
    damaged: list[str]
    is_counted: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "profile": self.source.profile,
            "window": self.window.model_dump(),
            **self.announced.model_dump(),
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
    list_keys_and_etags(s3)
    ledger, threads = Ledger(s3, config.control_bucket), Threads(WINDOWS_AT_ONCE)
    for source in sources:
        name = config.source_name(source)
        zone = zone_named(config.time_zone_of(source))
        try:
            windows = ledger.windows_on(name, zone, first, last)
            counting = threads.mapped(partial(_completions, ledger, name), windows)
            yield from (each for each in counting if each.announced.events or each.damaged)
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
    """Publish the windows that were found, as their records say it by now.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        found: By `find`.
        now: Aware; when the events are replayed.
        watch: Told after each event how many have been published.

    Raises:
        LedgerError: A ledger record breaks its contract, and did not when it was found.
        ReplayError: AWS refused; those before have been published.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    sns = session.client("sns", region_name=config.region, config=CLIENT_CONFIG)
    again = _Again(s3, sns, Ledger(s3, config.control_bucket), config.topic_arn, now)
    count = 0
    for each in found:
        try:
            with ThreadPoolExecutor(READERS) as threads:
                for _ in threads.map(again.publish, again.records(each)):
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
        numbers = (*each.announced.model_dump().values(), len(each.damaged))
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

    def records(self, found: Completions) -> list[LedgerRecord]:
        """Return what is to be published of a window."""
        read = self.ledger.records(ledger_prefix(found.source, found.window))
        for _, record in read:
            if isinstance(record, LedgerError) and str(record) not in found.damaged:
                raise record
        records = (record for _, record in read if isinstance(record, LedgerRecord))
        return [each for each in records if is_announced(each) and each.source == found.source]

    def publish(self, record: LedgerRecord) -> None:
        tasks = split_task_ids(record, lambda window, name: self._half(record.source, window, name))
        self._publish(record, ExportCompleted.of_record(record, tasks, replayed_at=self.now))
        for each in record.addenda or ():
            added = ExportCompleted.of_addendum(record, each, replayed_at=self.now)
            self._publish(record, added)

    def _publish(self, record: LedgerRecord, event: ExportCompleted) -> None:
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


def _completions(ledger: Ledger, source: SourceName, window: Window) -> Completions:
    counted, is_counted = counts_of(ledger, ledger_prefix(source, window))
    return Completions(
        source=source,
        window=window,
        announced=counted.announced_of(source),
        damaged=counted.damaged,
        is_counted=is_counted,
    )
