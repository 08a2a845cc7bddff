"""The deployed sealer: a date of a source is sealed under the roles that are deployed."""

import gzip
import json
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from logferry.bucket_store import BucketStore
from logferry.command import main
from logferry.ledger import Ledger
from logferry_contracts.chain import ChainName
from logferry_contracts.day_sealed import DaySealed
from logferry_contracts.export import Destination, export_id
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import inventory_key
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.seal_request import SealRequest, SealRequestData
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.source import SourceName
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.findings import Note
from logferry_contracts.verification.verifier import Verifier
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse

pytestmark = pytest.mark.localstack

TASK = "7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10"
QUEUE = "logferry-sealer"


class Account:
    """A source of the ledger alone, with a date that has ended."""

    def __init__(self, suite: Any) -> None:
        self.suite, self.s3 = suite, suite.client("s3")
        self.source = SourceName(
            profile="sealed",
            account_id=str(10**11 + secrets.randbelow(10**11)),
            region=suite.source("alpha").region,
        )
        self.chain = ChainName.of(self.source)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.window = Window.between(today - timedelta(days=1), today)
        self.control = suite.parameter(f"/{suite.name}/control/bucket")

    def log_group(self, name: str) -> LogGroup:
        arn = f"arn:aws:logs:{self.source.region}:{self.source.account_id}:log-group:{name}"
        created_ms = self.window.from_ms - 1
        return LogGroup(name=name, arn=arn, log_group_class="STANDARD", created_ms=created_ms)

    def export(self, name: str) -> LedgerRecord:
        """Put an export into the archive and the ledger, as it is once it is secured."""
        prefix = f"sealed{name}/{self.window.start:%Y/%m/%d/%H}"
        key, body = (
            f"{prefix}/{TASK}/web/000000.gz",
            gzip.compress(f"{timestamp(self.window.start)} hello\n".encode()),
        )
        put = self.s3.put_object(
            Bucket=self.suite.archive_bucket, Key=key, Body=body, ObjectLockLegalHoldStatus="ON"
        )
        archived = ArchivedObject(
            key=key,
            version_id=put["VersionId"],
            size_bytes=len(body),
            etag=put["ETag"].strip('"'),
        )
        manifest = Manifest(
            object_count=1, stream_count=1, total_bytes=len(body), objects=[archived]
        )
        at = self.window.end
        record = LedgerRecord.first(
            requested_at=at,
            export_id=export_id(self.source, name, self.window, 1),
            generation=1,
            source=self.source,
            log_group=self.log_group(name),
            window=self.window,
            destination=Destination(bucket=self.suite.archive_bucket, prefix=prefix),
            lane="slot",
        ).as_submitted(TASK, at=at)
        done = record.as_completed(Completed(at=timestamp(at), manifest=manifest))
        self.put(done.key, emit(done.as_published(at=at)).encode())
        return done

    def inventory(self, *names: str, excluded: str) -> None:
        planned_at = datetime.now(UTC)
        lines = (
            ListedLogGroup.of(
                source=self.source,
                log_group=self.log_group(name),
                verdict="excluded" if name == excluded else "selected",
                planned_at=timestamp(planned_at),
            ).line()
            for name in sorted([*names, excluded])
        )
        key = inventory_key(self.source, epoch_ms(planned_at), uuid.uuid4().hex)
        self.put(key, b"".join(lines))

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.control, Key=key, Body=body)

    def ask(self) -> None:
        request = SealRequest.of(
            SealRequestData(chain=self.chain),
            id=uuid.uuid4().hex,
            source="urn:logferry:cli",
            time=datetime.now(UTC),
        )
        self.suite.client("sqs").send_message(
            QueueUrl=self.suite.queue_url(QUEUE), MessageBody=emit(request)
        )

    def sealed(self, tap: Any) -> list[DaySealed]:
        events = [each for each in tap.events if each["type"] == DaySealed.TYPE]
        found = [parse(DaySealed, json.dumps(each)) for each in events]
        return [each for each in found if each.data.chain == self.chain]


@pytest.fixture
def account(suite):
    return Account(suite)


def public_pem(suite):
    arn = suite.parameter(f"/{suite.name}/seals/key-arn")
    der = suite.client("kms").get_public_key(KeyId=arn)["PublicKey"]
    return load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def trusted(suite):
    return TrustedKey.from_pem(public_pem(suite), "the deployed key")


def test_a_date_is_sealed_and_found_valid_to_the_event(suite, tap, account):
    account.export("/a")
    account.inventory("/a", excluded="/b")
    account.ask()
    tap.until(lambda: account.sealed(tap))

    [event] = account.sealed(tap)
    assert event.data.sealed.outcomes == {"archived": 1, "excluded": 1}
    assert (event.data.sealed.objects, event.data.sealed.events) == (1, 1)
    store = BucketStore(suite.client("s3"), suite.archive_bucket)
    assert store.is_held(event.data.location.key, event.data.location.version_id)
    chain = read_chain(store, account.chain, [trusted(suite)])
    verifier = Verifier(store, chain, "events")
    found = [*chain.findings, *(each for link in chain.links for each in verifier.check(link))]
    assert [str(each) for each in found if not isinstance(each, Note)] == []
    assert len(chain.links) == 1


@pytest.fixture
def command(suite, account, tmp_path, monkeypatch, capsys):
    """Run the operator's command in the hub's account; its configuration has this source alone."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", suite.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", suite.hub_account_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    document = suite.config.model_dump(mode="json", exclude_none=True)
    alone = {"profile": "sealed", "account_id": account.source.account_id}
    document["sources"] = [alone | {"schedule": "rate(1 day)"}]
    path = tmp_path / "organization.yaml"
    path.write_text(yaml.safe_dump(document))

    def command(*words, **options):
        named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with pytest.raises(SystemExit) as ended:
            main([*words, str(path), "--profile", "sealed", *named, "--json"])
        return ended.value.code, capsys.readouterr().out

    return command


def test_the_operator_has_a_date_sealed_checks_it_and_makes_the_ledger_again(
    suite, tap, account, command, tmp_path
):
    done = account.export("/a")
    account.inventory("/a", excluded="/b")
    assert command("seal")[0] == 0
    tap.until(lambda: account.sealed(tap))

    pem = tmp_path / "seals.pem"
    pem.write_bytes(public_pem(suite))
    report = tmp_path / "report.html"
    code, out = command("verify", key=pem, level="events", report=report)
    page = report.read_text("utf-8")
    assert "<strong>Valid</strong>" in page
    assert "of 2 windows of log groups 1 are archived, 1 excluded." in page
    [chain] = [json.loads(line) for line in out.splitlines() if '"verdict"' in line]
    assert (code, chain["verdict"], chain["objects"], chain["events"]) == (0, "valid", 1, 1)

    account.s3.delete_object(Bucket=account.control, Key=done.key)
    code, out = command("ledger", "rebuild", "--yes", key=pem)
    [rebuilt] = json.loads(out)
    # Once the next date has ended in its zone, what is excluded of it is stated and not sealed yet.
    next_date = f"/b {account.window.end:%Y-%m-%d %H:%M} to "
    assert all(each["window"].startswith(next_date) for each in rebuilt["left"])
    assert len(rebuilt["left"]) <= 1
    assert (code, rebuilt["made"]) == (1 if rebuilt["left"] else 0, 1)
    again = Ledger(account.s3, account.control).read(done.key)
    changed = {name for name, value in done if getattr(again, name) != value}
    assert changed <= {"completed", "revision"}
    [was], [now] = done.completed.manifest.objects, again.completed.manifest.objects
    assert now.model_copy(update={"checksum": None}) == was  # S3's, which the sealer has seen
    assert again.completed.published_at == done.completed.at


def test_what_comes_later_is_a_seal_of_its_own(suite, tap, account):
    account.export("/a")
    account.inventory("/a", excluded="/b")
    account.ask()
    tap.until(lambda: account.sealed(tap))
    account.export("/b")
    account.ask()
    tap.until(lambda: len(account.sealed(tap)) > 1)

    later = account.sealed(tap)[1].data
    assert (later.kind, later.sequence, later.sealed.reason) == ("later", 2, "exported_since")


def test_an_export_is_measured_when_it_is_announced(suite, tap, name, plan, some_logs):
    some_logs("alpha", name)
    plan("alpha", name)
    tap.until(lambda: tap.of("export.completed", name))
    [completed] = tap.of("export.completed", name)
    source = completed["source"]
    key = f"seals/{source['account_id']}/{source['region']}/measured/{completed['export_id']}.json"
    control, s3 = suite.parameter(f"/{suite.name}/control/bucket"), suite.client("s3")
    tap.until(lambda: s3.list_objects_v2(Bucket=control, Prefix=key)["KeyCount"])

    read = json.load(s3.get_object(Bucket=control, Key=key)["Body"])
    assert read["is_complete"]
    assert read["differences"] == []
    assert sum(each["events"] for each in read["objects"]) == 20
