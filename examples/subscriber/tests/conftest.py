"""A hub with its archive and its topic, of which the tests publish what an exporter would."""

import gzip
import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from devstack.suite import REGION, Suite
from localstack_addons.authorization.evaluation import decisions_from
from logferry.hub import Options, deploy_hub
from logferry.package import Zip
from logferry.services import NAMES
from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_completed import ExportCompleted, ExportCompletedData
from logferry_contracts.ledger_key import manifest_key
from logferry_contracts.manifest import ArchivedObject, Manifest, ManifestLocation
from logferry_contracts.message import timestamp
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

WINDOW = Window(from_ms=1795215600000, to_ms=1795302000000)
TASK_ID = "23db5787-2889-4601-873a-99e4fa09456d"


class Hub:
    """The hub as a subscriber knows it: buckets, a topic, and who may read.

    Attributes:
        account_id: Of the hub.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self.account_id = suite.hub_account_id
        self.endpoint = suite.endpoint
        self.source = suite.source("shop")
        self.archive = suite.parameter("/logferry/archive/bucket")
        self.control = suite.parameter("/logferry/control/bucket")

    def client(self, service: str, account_id: str | None = None) -> Any:
        """Return a client of the hub, or of another account."""
        return self._suite.client(service, account_id)

    def enforce_permissions(self, *account_ids: str) -> None:
        """From now on, refuse what roles of the hub, and of these accounts, are not allowed."""
        for account_id in (self.account_id, *account_ids):
            self._suite.control("authorization", {"account": account_id, "enforced": True})

    def permissions(self, account_id: str) -> dict[str, bool]:
        """Return what an account's roles have asked for, and whether it always was allowed."""
        found: dict[str, bool] = {}
        for each in decisions_from(self._suite.control("authorization")):
            if each.request.account_id == account_id:
                action = each.request.action
                found[action] = found.get(action, True) and each.allowed
        return found

    def archived(self, log_group_name: str, lines: Mapping[str, str]) -> ExportCompleted:
        """Put an export's objects into the archive: the lines of each log stream, by its name."""
        prefix = f"shop{log_group_name}/2026/11/22/00"
        objects = [
            self._put(f"{prefix}/{TASK_ID}/{stream}/000000.gz", gzip.compress(text.encode()))
            for stream, text in lines.items()
        ]
        now = timestamp(datetime.now(UTC))
        data = ExportCompletedData(
            export_id=export_id(self.source, log_group_name, WINDOW, 1),
            generation=1,
            source=self.source,
            log_group_name=log_group_name,
            window=WINDOW,
            destination=Destination(bucket=self.archive, prefix=prefix),
            lane="slot",
            task_id=TASK_ID,
            manifest=Manifest(
                object_count=len(objects),
                stream_count=len(objects),
                total_bytes=sum(each.size_bytes for each in objects),
                objects=objects,
            ),
            requested_at=now,
            completed_at=now,
        )
        return ExportCompleted.of(
            data, id=data.export_id, source="urn:logferry:exporter:shop", time=datetime.now(UTC)
        )

    def with_manifest_elsewhere(self, event: ExportCompleted) -> ExportCompleted:
        """Put an event's list of objects into the control bucket, as for one that is too long."""
        manifest = event.data.manifest
        body = emit(manifest).encode()
        location = ManifestLocation(
            bucket=self.control,
            key=manifest_key(self.source, event.data.window, event.data.export_id),
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )
        self.client("s3").put_object(Bucket=location.bucket, Key=location.key, Body=body)
        short = manifest.model_copy(update={"objects": None, "location": location})
        data = event.data.model_copy(update={"manifest": short})
        return event.model_copy(update={"data": data})

    def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        """Publish a text with the attributes of an event."""
        self.client("sns").publish(
            TopicArn=self._suite.parameter("/logferry/topic/arn"),
            Message=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        )

    def _put(self, key: str, body: bytes) -> ArchivedObject:
        put = self.client("s3").put_object(Bucket=self.archive, Key=key, Body=body)
        return ArchivedObject(
            key=key,
            version_id=put["VersionId"],
            size_bytes=len(body),
            etag=put["ETag"].strip('"'),
        )


@pytest.fixture(scope="module")
def hub(localstack: str) -> Hub:
    """The archive's stack, deployed from its template. No service runs."""
    account_ids = [str((n + 1) * 10**11 + secrets.randbelow(10**11)) for n in range(2)]
    suite = Suite(localstack, hub_account_id=account_ids[0], accounts={"shop": account_ids[1]})
    no_zips = [Zip(service, "x86_64", Path(), "0" * 64, 0, "1.2.3") for service in NAMES]
    session = boto3.Session(
        aws_access_key_id=suite.hub_account_id,  # LocalStack takes the access key for the account
        aws_secret_access_key="any",
        region_name=REGION,
    )
    with suite._as_aws():
        deploy_hub(session, suite.config, no_zips, options=Options(only=["archive"]))
    return Hub(suite)
