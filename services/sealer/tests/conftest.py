"""A source whose dates are to be sealed: its archive, its ledger, and its sealer."""

import gzip
import hashlib
import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from services.sealer.tests.cloud import DEAD_LETTERS, QUEUE, Cloud, SigningKey, Version, crc, etag

from logferry_contracts.chain import ChainName
from logferry_contracts.day_completed import DayCompleted, DayCompletedData
from logferry_contracts.day_seal import DaySeal, read_envelope
from logferry_contracts.day_sealed import DaySealed
from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import inventory_key
from logferry_contracts.ledger_record import Completed, Failed, LedgerRecord, Skipped
from logferry_contracts.log_group import LogGroup, log_group_folder
from logferry_contracts.manifest import ArchivedObject, Checksum, Manifest
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.seal_key import leaves_key, seals_prefix, statements_prefix
from logferry_contracts.seal_leaf import Leaf, LeafList
from logferry_contracts.seal_request import SealRequest, SealRequestData
from logferry_contracts.signatures import TrustedKey, signers
from logferry_contracts.source import SourceName
from logferry_contracts.statement import Statement
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.findings import Finding, Note
from logferry_contracts.verification.store import Missing
from logferry_contracts.verification.store import Version as StoredVersion
from logferry_contracts.verification.verifier import Verifier
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from sealer.delivery import process
from sealer.settings import Settings
from sealer.wiring import Service, wire

ARCHIVE, CONTROL = "archive-bucket", "control-bucket"
SOURCE = SourceName(profile="shop", account_id="111122223333", region="eu-west-1")
CHAIN = ChainName.of(SOURCE)
KEY_ARN = "arn:aws:kms:eu-west-1:999988887777:key/signs"
TOPIC_ARN = "arn:aws:sns:eu-west-1:999988887777:log-export-events"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
FIRST = datetime(2026, 11, 21, tzinfo=UTC)
TASK = "7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10"


def day(number: int, length: timedelta = DAY) -> Window:
    """The window of a date, counted from `FIRST`."""
    return Window.between(FIRST + number * DAY, FIRST + number * DAY + length)


def log_group(name: str, **changes: Any) -> LogGroup:
    described = {
        "name": name,
        "arn": f"arn:aws:logs:eu-west-1:111122223333:log-group:{name}",
        "log_group_class": "STANDARD",
        "created_ms": epoch_ms(FIRST - 100 * DAY),
        "retention_days": 30,
        "stored_bytes": 5,
    }
    return LogGroup.model_validate(described | changes)


def lines(window: Window, count: int = 2, text: str = "hello") -> bytes:
    return b"".join(
        f"{timestamp(window.start + timedelta(seconds=number))} {text} {number}\n".encode()
        for number in range(count)
    )


class World:
    """A source whose dates are to be sealed, alone in its cloud or beside others."""

    def __init__(
        self,
        tmp_path: Path,
        *,
        source: SourceName = SOURCE,
        cloud: Cloud | None = None,
        **settings: Any,
    ) -> None:
        self.source, self.chain_name = source, ChainName.of(source)
        self.cloud = cloud or Cloud()
        self.tmp_path = tmp_path
        self.cloud.keys.setdefault(KEY_ARN, ec.generate_private_key(ec.SECP256R1()))
        self.now = FIRST + DAY + 2 * HOUR
        self.settings: dict[str, Any] = {
            "archive_bucket": ARCHIVE,
            "control_bucket": CONTROL,
            "topic_arn": TOPIC_ARN,
            "queue_url": QUEUE,
            "dead_letter_queue_url": DEAD_LETTERS,
            "signing_key_arn": KEY_ARN,
            "time_zone": "Etc/UTC",
            "seal_after": timedelta(0),
            "settle": DAY,
            "open_after": 2 * DAY,
            **settings,
        }
        self.left_s: Callable[[], float] = lambda: 900
        self._salts = itertools.count()
        self.receives = 1
        self.service = self.new_service()

    def new_service(self, **settings: Any) -> Service:
        self.settings |= settings
        return wire(
            Settings(**self.settings),
            self.cloud.client,
            lambda: f"{next(self._salts):032x}",
            self.tmp_path,
        )

    def restart(self, **settings: Any) -> None:
        self.cloud.cut_after = None
        self.service = self.new_service(**settings)

    # What the planner and the exporter write

    def inventory(
        self, *names: str, at: datetime | None = None, excluded: Sequence[str] = (), **changes: Any
    ) -> None:
        planned_at = at or self.now - HOUR
        body = b"".join(
            ListedLogGroup.of(
                source=self.source,
                log_group=log_group(name, **changes),
                verdict="excluded" if name in excluded else "selected",
                planned_at=timestamp(planned_at),
            ).line()
            for name in sorted([*names, *excluded])
        )
        at_ms = epoch_ms(planned_at)
        self.cloud.put(CONTROL, inventory_key(self.source, at_ms, f"{at_ms:032x}"), body)

    def record(
        self, name: str, window: Window, generation: int = 1, **changes: Any
    ) -> LedgerRecord:
        prefix = f"{self.source.profile}/{log_group_folder(name)}/{window.start:%Y/%m/%d/%H}"
        asked: dict[str, Any] = {
            "export_id": export_id(self.source, name, window, generation),
            "generation": generation,
            "source": self.source,
            "log_group": log_group(name),
            "window": window,
            "destination": Destination(bucket=ARCHIVE, prefix=prefix),
            "lane": "slot",
        }
        return LedgerRecord.first(requested_at=window.end, **(asked | changes))

    def keep(self, record: LedgerRecord) -> LedgerRecord:
        self.cloud.put(CONTROL, record.key, emit(record).encode())
        return record

    def archived(self, key: str, text: bytes) -> ArchivedObject:
        """Put an object into the archive."""
        body = gzip.compress(text, mtime=0)
        return ArchivedObject(
            key=key,
            version_id=self.cloud.put(ARCHIVE, key, body, hold=True),
            size_bytes=len(body),
            etag=etag(body).strip('"'),
            checksum=Checksum(algorithm="CRC64NVME", value=crc(body)),
        )

    def completed(
        self, record: LedgerRecord, objects: Sequence[ArchivedObject], task_id: str | None = TASK
    ) -> LedgerRecord:
        """Say in the ledger that an export is in the archive."""
        manifest = Manifest(
            object_count=len(objects),
            stream_count=len(objects),
            total_bytes=sum(each.size_bytes for each in objects),
            objects=list(objects),
        )
        at = record.window.end
        if task_id is not None:
            record = record.as_submitted(task_id, at=at)
        done = record.as_completed(Completed(at=timestamp(at), manifest=manifest))
        return self.keep(done.as_published(at=at))

    def exported(
        self,
        name: str,
        window: Window,
        *,
        generation: int = 1,
        files: Mapping[str, bytes] | None = None,
        **changes: Any,
    ) -> LedgerRecord:
        """Put an export's objects into the archive, and say so in the ledger."""
        record = self.record(name, window, generation, **changes)
        texts = {"web-1": lines(window)} if files is None else files
        folder = f"{record.destination.prefix}/{TASK}"
        objects = [
            self.archived(f"{folder}/{stream}/000000.gz", text)
            for stream, text in sorted(texts.items())
        ]
        return self.completed(record, objects)

    def skipped(self, name: str, window: Window, reason: str = "empty") -> LedgerRecord:
        skipped = Skipped(reason=reason, at=timestamp(window.end))
        record = self.record(name, window)
        return self.keep(record.model_copy(update={"state": "skipped", "skipped": skipped}))

    def failed(self, record: LedgerRecord, **changes: Any) -> LedgerRecord:
        failed = {"reason": "task_failed", "message": "no", "at": timestamp(record.window.end)}
        return self.keep(record.as_failed(Failed.model_validate(failed | changes)))

    # What reaches the sealer

    def asked(self, **data: Any) -> str:
        request = SealRequestData.model_validate({"chain": self.chain_name} | data)
        return emit(SealRequest.of(request, id="clock", source="urn:x", time=self.now))

    def export_event(self, record: LedgerRecord) -> str:
        return emit(ExportCompleted.of_record(record))

    def day_event(self, number: int, time_zone: str = "Etc/UTC") -> str:
        data = DayCompletedData(
            source=self.source,
            date=f"{FIRST + number * DAY:%Y-%m-%d}",
            time_zone=time_zone,
            windows=[day(number)],
            completed=1,
            failed=0,
            skipped={},
            object_count=1,
            total_bytes=1,
            completed_at=timestamp(self.now),
        )
        return emit(DayCompleted.of(data, id="d", source="urn:x", time=self.now))

    def deliver(self, body: str, service: Service | None = None) -> bool:
        """Deliver a message; whether it is done with."""
        record = {
            "messageId": "m",
            "receiptHandle": "r",
            "body": body,
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:999988887777:sealer",
            "awsRegion": "eu-west-1",
        }
        context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: self.left_s() * 1000)
        answer = process(
            service or self.service, {"Records": [record]}, context, clock=lambda: self.now
        )
        return not answer["batchItemFailures"]

    def look(self, **data: Any) -> bool:
        return self.deliver(self.asked(**data))

    # What the sealer has written

    def envelopes(self) -> list[bytes]:
        keys = self.cloud.below(ARCHIVE, seals_prefix(self.chain_name))
        return [self.cloud.objects[ARCHIVE, key][0].body or b"" for key in keys]

    def leaves(self, seal: DaySeal) -> list[Statement]:
        """The statements of a seal by name and window; each is the leaf that the list names."""
        assert seal.sealed is not None
        listed = (
            self.cloud.body(ARCHIVE, leaves_key(self.chain_name, seal.sealed.leaves_sha256)) or b""
        )
        found, together = [], LeafList(seal.sealed.name_salt)
        for line in listed.splitlines():
            leaf = parse(Leaf, line)
            together.add(leaf)
            stored = self.cloud.body(ARCHIVE, leaf.name.key(self.chain_name)) or b""
            found.append(parse(Statement, stored))
            assert Leaf.of(found[-1], stored) == leaf
        assert (together.count, together.root_sha256, together.sha256) == (
            seal.sealed.leaf_count,
            seal.sealed.root_sha256,
            seal.sealed.leaves_sha256,
        )
        assert Counter(each.outcome for each in found) == seal.sealed.outcomes
        return sorted(found, key=lambda each: (each.log_group.name, each.window.from_ms))

    def outcomes(self, seal: DaySeal) -> list[tuple[str, str, str | None]]:
        return [(each.log_group.name, each.outcome, each.reason) for each in self.leaves(seal)]

    def chain(self) -> list[DaySeal]:
        """Make sure that there is one chain, without fork or hole, and return its seals."""
        keys = self.cloud.below(ARCHIVE, seals_prefix(self.chain_name))
        assert all(len(self.cloud.objects[ARCHIVE, key]) == 1 for key in keys)
        assert all(self.cloud.objects[ARCHIVE, key][0].hold for key in keys)
        trusted = trusted_key(self.cloud.keys[KEY_ARN])
        previous, found = None, []
        for number, envelope in enumerate(self.envelopes(), 1):
            signers(read_envelope(envelope), [trusted])
            seal = parse(DaySeal, read_envelope(envelope).payload)
            assert (seal.sequence, seal.previous_sha256) == (number, previous)
            previous = hashlib.sha256(envelope).hexdigest()
            if seal.next_key is not None:
                trusted = TrustedKey.from_pem(seal.next_key.pem.encode(), "the next key")
            if seal.sealed is not None:
                self.leaves(seal)
            found.append(seal)
        return found

    def check(self) -> list[DaySeal]:
        """Make sure that a verifier finds the chain valid to the event, and return its seals."""
        seals = self.chain()
        assert self.findings() == []
        return seals

    def findings(self) -> list[str]:
        """What a verifier finds that is trusted with the first key alone, but for notes."""
        return [
            f"{type(each).__name__}: {each}" for each in self.found() if not isinstance(each, Note)
        ]

    def found(self) -> list[Finding]:
        """The same, and what it notes."""
        store = CloudStore(self.cloud)
        chain = read_chain(store, self.chain_name, [trusted_key(self.cloud.keys[KEY_ARN])])
        verifier = Verifier(store, chain, "events")
        return [*chain.findings, *(each for link in chain.links for each in verifier.check(link))]

    def told(self) -> list[int]:
        """The sequences that were published, each once, in order."""
        told = [parse(DaySealed, json.dumps(each)).data for each in self.cloud.published]
        return sorted({each.sequence for each in told})

    def statements(self) -> list[str]:
        return self.cloud.below(ARCHIVE, statements_prefix(self.chain_name))


@dataclass(frozen=True)
class CloudStore:
    """The archive, as a verifier reads it."""

    cloud: Cloud

    def versions(self, prefix: str) -> Iterator[StoredVersion]:
        for key in self.cloud.below(ARCHIVE, prefix):
            versions = self.cloud.objects[ARCHIVE, key]
            for each in reversed(versions):
                size_bytes = len(each.body or b"")
                is_latest, is_marker = each is versions[-1], each.body is None
                yield StoredVersion(key, each.id, is_latest, is_marker, size_bytes)

    def open(self, key: str, version_id: str | None) -> io.BytesIO:
        body = self._version(key, version_id).body
        if body is None:
            raise Missing(key)
        return io.BytesIO(body)

    def is_held(self, key: str, version_id: str | None) -> bool:
        return self._version(key, version_id).hold

    def _version(self, key: str, version_id: str | None) -> Version:
        versions = self.cloud.objects.get((ARCHIVE, key), [])
        found = [each for each in versions if version_id in {None, each.id}]
        if not found:
            raise Missing(key)
        return found[-1]


def trusted_key(key: SigningKey) -> TrustedKey:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return TrustedKey.from_pem(pem, "the key")


@pytest.fixture(autouse=True)
def _metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "logferry")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "sealer")


@pytest.fixture
def new_world(tmp_path: Path) -> Callable[..., World]:
    return lambda **settings: World(tmp_path, **settings)


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    return new_world()
