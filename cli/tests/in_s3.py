"""A sealed archive in S3, on moto or LocalStack."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from contracts.tests.retrieving import archived, lines, window
from contracts.tests.sealed_archive import DAY_MS, HOUR_MS, START_MS, Archive, Bucket
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from logferry.config import Config
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.source import SourceName
from logferry_contracts.statement import Statement
from logferry_contracts.window import Window


class InS3(Bucket):
    """A bucket that an archive is written into."""

    def __init__(self, s3: Any, name: str) -> None:
        super().__init__()
        self.s3, self.name = s3, name

    def put(self, key: str, data: bytes, *, is_held: bool = True) -> str:
        version_id: str = self.s3.put_object(Bucket=self.name, Key=key, Body=data)["VersionId"]
        return version_id


class OnMoto(Bucket):
    """A bucket of moto's that an archive is put into past boto3, which takes most of the time."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def put(self, key: str, data: bytes, *, is_held: bool = True) -> str:
        made = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(self.name, key, data)
        return str(made.version_id)


SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")


@contextmanager
def buckets_on_moto(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield the hub's S3, with an empty archive and an empty ledger."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", config.region)
    with mock_aws():
        s3 = boto3.client("s3", region_name=config.region)
        for name in (config.archive_bucket, config.control_bucket):
            make_bucket(s3, name, config.region)
        yield s3


def use_localstack(
    endpoint: str, account: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the command reach an account of LocalStack's."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": config.region,
    }.items():
        monkeypatch.setenv(name, value)


def hub_on_localstack(s3: Any, account: str, document: dict[str, Any], path: Path) -> Config:
    """Write a configuration of a hub in an account, make its buckets, and return it."""
    document["hub_account_id"] = account
    path.write_text(yaml.safe_dump(document))
    config = Config.model_validate(document)
    for name in (config.archive_bucket, config.control_bucket):
        make_bucket(s3, name, config.region)
    return config


def make_bucket(s3: Any, name: str, region: str) -> None:
    """Make a bucket with versions."""
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def three_dates(bucket: Bucket) -> Archive:
    """Seal three dates, each with hours of one log group."""
    archive = Archive(bucket, source=SHOP)
    for day in range(3):
        starts = range(START_MS + day * DAY_MS, START_MS + (day + 1) * DAY_MS, HOUR_MS)
        hours = [Window(from_ms=at, to_ms=at + HOUR_MS) for at in starts]
        statements = [
            archived(archive, hour, {"web/000000": lines((hour.from_ms + 5, "an hour"))})
            for hour in hours
        ]
        archive.day(statements, window(day), time_zone="Etc/UTC")
    return archive


def calls_counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What S3 is asked by the command: the operation, the bucket and the key or prefix."""
    calls: list[tuple[str, str, str]] = []
    session = boto3.Session

    def counting(*how: Any, **more: Any) -> Any:
        made = session(*how, **more)
        made.events.register(
            "provide-client-params.s3",
            lambda params, model, **_: calls.append(
                (model.name, params["Bucket"], params.get("Key") or params.get("Prefix", ""))
            ),
        )
        return made

    monkeypatch.setattr(boto3, "Session", counting)
    return calls


def record_of(archive: Archive, config: Config, hour: Window, name: str = "/app/a") -> LedgerRecord:
    """Export an hour that is not sealed yet and return what the ledger has of it."""
    return recorded(
        archived(archive, hour, {"web/000000": lines((hour.from_ms + 7, "fresh"))}, name), config
    )


def recorded(statement: Statement, config: Config) -> LedgerRecord:
    """Return what the ledger has of an export that a statement is about."""
    [export], [stated] = statement.exports, statement.objects or []
    name, hour = statement.log_group.name, statement.window
    group = LogGroup(
        name=name,
        arn=f"arn:aws:logs:eu-west-1:444455556666:log-group:{name}",
        log_group_class="STANDARD",
        created_ms=0,
    )
    record = LedgerRecord.first(
        requested_at=from_epoch_ms(hour.to_ms),
        export_id=export.export_id,
        generation=1,
        source=SHOP,
        log_group=group,
        window=hour,
        destination=export.destination.model_copy(update={"bucket": config.archive_bucket}),
        lane="slot",
    )
    archived_object = ArchivedObject(
        key=stated.key, version_id=stated.version_id, size_bytes=stated.size_bytes, etag="any"
    )
    manifest = Manifest(
        object_count=1, stream_count=1, total_bytes=stated.size_bytes, objects=[archived_object]
    )
    at = from_epoch_ms(hour.to_ms)
    done = Completed(at=f"{at:%Y-%m-%dT%H:%M:%S.000Z}", manifest=manifest)
    return record.as_submitted(export.task_ids[0], at=at).as_completed(done)


def in_utc(at_ms: int) -> str:
    return f"{from_epoch_ms(at_ms):%Y-%m-%dT%H:%M:%SZ}"
