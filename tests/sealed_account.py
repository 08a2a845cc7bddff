"""A source that is in the ledger and the archive alone, with a date that is to be sealed."""

import gzip
import json
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from logferry.bucket_store import BucketStore
from logferry_contracts.chain import ChainName
from logferry_contracts.day_sealed import DaySealed
from logferry_contracts.export import Destination, export_id
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import inventory_key
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.seal_key import seals_prefix
from logferry_contracts.seal_request import SealRequest, SealRequestData
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.source import SourceName
from logferry_contracts.verification.chain import Chain, read_chain
from logferry_contracts.verification.findings import Note
from logferry_contracts.verification.verifier import Verifier
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse

TASK = "7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10"


class Account:
    """A source of the ledger alone, with a date that has ended."""

    def __init__(self, suite: Any) -> None:
        self.suite, self.s3 = suite, suite.client("s3")
        account_id = str(10**11 + secrets.randbelow(10**11))
        self.source = SourceName(
            # Its own: another test's objects would lie over what this one's have sealed and held.
            profile=f"sealed-{account_id}",
            account_id=account_id,
            region=suite.config.region,
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
        prefix = f"{self.source.profile}{name}/{self.window.start:%Y/%m/%d/%H}"
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

    def request(self) -> str:
        """What the sealer is asked by to look at this chain."""
        request = SealRequest.of(
            SealRequestData(chain=self.chain),
            id=uuid.uuid4().hex,
            source="urn:logferry:cli",
            time=datetime.now(UTC),
        )
        return emit(request)

    def ask(self) -> None:
        self.suite.client("sqs").send_message(
            QueueUrl=self.suite.queue_url(f"{self.suite.name}-sealer"), MessageBody=self.request()
        )

    def is_left_for_later(self) -> bool:
        """Return whether the sealer has looked at the date and noted what it knows of it."""
        prefix = f"seals/{self.chain}/dates/"
        return "Contents" in self.s3.list_objects_v2(Bucket=self.control, Prefix=prefix)

    def checked(self) -> Chain:
        """Make sure that there is one valid chain, without fork or hole, and return it."""
        store = BucketStore(self.s3, self.suite.archive_bucket)
        versions = list(store.versions(seals_prefix(self.chain)))
        assert len({each.key for each in versions}) == len(versions)
        chain = read_chain(store, self.chain, [trusted(self.suite)])
        verifier = Verifier(store, chain, "events")
        found = [*chain.findings, *(each for link in chain.links for each in verifier.check(link))]
        found += verifier.planted()
        assert [str(each) for each in found if not isinstance(each, Note)] == []
        assert [link.sequence for link in chain.links] == list(range(1, len(chain.links) + 1))
        return chain

    def sealed(self, tap: Any) -> list[DaySealed]:
        events = [each for each in tap.events if each["type"] == DaySealed.TYPE]
        found = [parse(DaySealed, json.dumps(each)) for each in events]
        return [each for each in found if each.data.chain == self.chain]


def public_pem(suite: Any) -> bytes:
    """The public key of the deployed signing key."""
    arn = suite.parameter(f"/{suite.name}/seals/key-arn")
    der = suite.client("kms").get_public_key(KeyId=arn)["PublicKey"]
    return load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def trusted(suite: Any) -> TrustedKey:
    """The same, as a verifier trusts it."""
    return TrustedKey.from_pem(public_pem(suite), "the deployed key")
