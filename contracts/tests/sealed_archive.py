"""A sealed archive in memory: what the exporter and the sealer leave behind, and who attacks it.

`Bucket` is a versioned bucket as far as `verification.store.Store` asks of one. `Archive` writes
into it what is lawful; a test then changes it as an attacker would.
"""

import gzip
import io
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from logferry_contracts.archive import Readable
from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import PAYLOAD_TYPE, DaySeal, NextKey, SealedWindows
from logferry_contracts.dsse import Envelope, pae_sha256
from logferry_contracts.export import Destination, export_id
from logferry_contracts.log_group import log_group_folder
from logferry_contracts.log_line import stamp
from logferry_contracts.measure import measure
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.seal_key import leaves_key, seal_key, statements_prefix
from logferry_contracts.seal_leaf import Leaf, LeafList, place
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.source import SourceName
from logferry_contracts.statement import (
    ARCHIVED,
    DISPOSED,
    Leftover,
    StatedExport,
    StatedLogGroup,
    StatedObject,
    Statement,
    Waiver,
)
from logferry_contracts.verification.chain import Chain, read_chain
from logferry_contracts.verification.findings import Finding, SealError, Tally
from logferry_contracts.verification.objects import Level
from logferry_contracts.verification.store import Missing, Unreadable, Version
from logferry_contracts.verification.verifier import Verifier
from logferry_contracts.window import Window
from logferry_contracts.wire import parse

LEVELS: tuple[Level, ...] = ("seals", "objects", "bytes", "events")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1795215600000
BUCKET = "amzn-s3-demo-log-archive-eu-central-1"
KEY_ARN = "arn:aws:kms:eu-central-1:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab"
AT = "2026-11-23T06:31:12.004Z"
DISPOSAL = Waiver(
    by="arn:aws:iam::999988887777:user/privacy", why="Erasure.", at=AT, ticket="PRIVACY-4711"
)
SOURCE = SourceName(profile="shop-prod", account_id="111122223333", region="eu-central-1")


@dataclass
class Stored:
    """A version, or, without data, a delete marker."""

    version_id: str
    data: bytes | None
    is_held: bool = True


class Bucket:
    """A bucket with versions and holds; the newest version is the last one."""

    def __init__(self) -> None:
        self.keys: dict[str, list[Stored]] = {}
        self.unreadable: set[str] = set()
        """Keys that cannot be read, as if they were in GLACIER."""
        self.opened: Counter[str] = Counter()
        self._ids = count(1)

    def put(self, key: str, data: bytes, *, is_held: bool = True) -> str:
        stored = Stored(f"v{next(self._ids)}", data, is_held)
        self.keys.setdefault(key, []).append(stored)
        return stored.version_id

    def hide(self, key: str) -> None:
        self.keys[key].append(Stored(f"v{next(self._ids)}", None))

    def remove(self, key: str) -> None:
        del self.keys[key]

    def replace(self, key: str, data: bytes) -> None:
        """Change what is stored, as who has all rights and no versions may."""
        self.keys[key][-1].data = data

    def copy_over(self, key: str) -> None:
        """Copy a version onto itself and remove the old one, as the enforcer does."""
        data = self.data(key)
        self.keys[key] = []
        self.put(key, data)

    def data(self, key: str) -> bytes:
        data = self.keys[key][-1].data
        assert data is not None
        return data

    def versions(self, prefix: str) -> Iterator[Version]:
        if prefix in self.unreadable:
            raise Unreadable("AccessDenied")
        for key in sorted(self.keys, key=str.encode):
            if key.startswith(prefix):
                yield from self._versions(key)

    def open(self, key: str, version_id: str | None) -> Readable:
        data = self._version(key, version_id).data
        if data is None:
            raise Missing(key)
        if key in self.unreadable:
            raise Unreadable("it is in GLACIER")
        self.opened[key] += 1
        return io.BytesIO(data)

    def is_held(self, key: str, version_id: str | None) -> bool | None:
        return self._version(key, version_id).is_held

    def _versions(self, key: str) -> Iterator[Version]:
        for back, each in enumerate(reversed(self.keys[key])):
            size_bytes = len(each.data or b"")
            yield Version(key, each.version_id, back == 0, each.data is None, size_bytes)

    def _version(self, key: str, version_id: str | None) -> Stored:
        versions = self.keys.get(key, [])
        found = [e for e in versions if version_id in {None, e.version_id}]
        if not found:
            raise Missing(key)
        return found[-1]


class Folder:
    """A copy of a bucket's newest versions, without versions, holds or delete markers."""

    def __init__(self, bucket: Bucket) -> None:
        self.files = {
            key: versions[-1].data
            for key, versions in bucket.keys.items()
            if versions[-1].data is not None
        }

    def versions(self, prefix: str) -> Iterator[Version]:
        for key in sorted(self.files, key=str.encode):
            if key.startswith(prefix):
                yield Version(key, None, True, False, len(self.files[key]))

    def open(self, key: str, version_id: str | None) -> Readable:
        assert version_id is None
        if key not in self.files:
            raise Missing(key)
        return io.BytesIO(self.files[key])

    def is_held(self, key: str, version_id: str | None) -> bool | None:
        return None


@dataclass(frozen=True)
class SealingKey:
    """A key as KMS has it."""

    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def pem(self) -> str:
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def trusted(self) -> TrustedKey:
        return TrustedKey.from_pem(self.pem.encode(), "key.pem")

    def sign(self, payload: bytes) -> bytes:
        digest = pae_sha256(PAYLOAD_TYPE, payload)
        return self.private.sign(digest, ec.ECDSA(Prehashed(SHA256())))


def gz(at_ms: Iterable[int], message: str = "hello") -> bytes:
    """Return an object as an export task writes it, with an event at each time."""
    lines = b"".join(stamp(each) + f" {message}\n".encode() for each in at_ms)
    return gzip.compress(lines, mtime=0)


class Archive:
    """What exporter and sealer have written, and may go on to write."""

    def __init__(
        self,
        bucket: Bucket | None = None,
        key: SealingKey | None = None,
        source: SourceName = SOURCE,
    ) -> None:
        self.bucket = bucket or Bucket()
        self.key = key or SealingKey()
        self.source = source
        self.chain = ChainName.of(source)
        self.sequence = 0
        self.previous: str | None = None
        self.reached_ms = START_MS
        self._salts = count(1)

    def window(self, length_ms: int = DAY_MS, from_ms: int | None = None) -> Window:
        """Return a window: the next one, unless it is said where it begins."""
        start = self.reached_ms if from_ms is None else from_ms
        return Window(from_ms=start, to_ms=start + length_ms)

    # What the exporter writes.

    def export(
        self, name: str, window: Window, generation: int = 1, tasks: int = 1
    ) -> StatedExport:
        """Return an export of a window, whose objects are still to be written."""
        of = export_id(self.source, name, window, generation)
        path = f"{from_epoch_ms(window.from_ms + HOUR_MS):%Y/%m/%d/%H}"
        prefix = f"{self.source.profile}/{log_group_folder(name)}/{path}"
        return StatedExport(
            export_id=of,
            generation=generation,
            lane="slot",
            destination=Destination(bucket=BUCKET, prefix=prefix),
            task_ids=[
                str(uuid.UUID(hex=sha256(f"{of}{n}".encode()).hexdigest()[:32]))
                for n in range(tasks)
            ],
            requested_at=AT,
            ended_at=AT,
        )

    def put(self, export: StatedExport, window: Window, stream: str, data: bytes) -> StatedObject:
        """Write an object of an export and return what the sealer states of it."""
        key = f"{export.folders[0]}{stream}/000000.gz"
        version_id = self.bucket.put(key, data)
        return self.stated(key, version_id, window, data)

    def stated(self, key: str, version_id: str, window: Window, data: bytes) -> StatedObject:
        found = measure(lambda: io.BytesIO(data), window)
        names = set(StatedObject.model_fields) - {"key", "version_id", "etag", "checksum"}
        measured = {name: getattr(found, name) for name in names}
        return StatedObject(key=key, version_id=version_id, **measured)

    # What the sealer writes.

    def statement(self, name: str, window: Window, outcome: str, **more: Any) -> Statement:
        defaults: dict[str, Any] = {
            "exports": [],
            "reason": "test" if outcome in {"skipped", "refused", "failed"} else None,
        }
        return Statement.of(
            salt=f"{next(self._salts):032x}",
            source=self.source,
            log_group=StatedLogGroup(name=name),
            window=window,
            outcome=outcome,
            stated_at=AT,
            **(defaults | more),
        )

    def archived(
        self,
        name: str,
        window: Window,
        streams: int = 1,
        generation: int = 1,
        leftovers: list[Leftover] | None = [],  # noqa: B006  (it is not changed)
    ) -> Statement:
        """Export a window and return its statement."""
        export = self.export(name, window, generation)
        at_ms = (window.from_ms, window.from_ms + 1, window.to_ms - 1)
        objects = [
            self.put(export, window, f"stream-{n}", gz(at_ms, f"{name} {n}"))
            for n in range(streams)
        ]
        earlier = [self.export(name, window, n) for n in range(1, generation)]
        return self.statement(
            name, window, ARCHIVED, exports=[*earlier, export], objects=objects, leftovers=leftovers
        )

    def disposed(self, of: Statement, **more: Any) -> Statement:
        """Return what is stated once somebody has ordered that a window's objects are removed."""
        return self.statement(
            of.log_group.name,
            of.window,
            DISPOSED,
            **{
                "exports": of.exports,
                "objects": of.objects,
                "leftovers": of.leftovers,
                "waiver": DISPOSAL,
                **more,
            },
        )

    def write_statement(self, statement: Statement) -> Leaf:
        text = statement.text()
        leaf = Leaf.of(statement, text)
        self.bucket.put(leaf.name.key(self.chain), text)
        return leaf

    def windows(
        self, statements: Iterable[Statement], covers: Window, **more: Any
    ) -> SealedWindows:
        """Write statements and their list, and return what a seal says of them."""
        by_leaf = {self.write_statement(each): each for each in statements}
        name_salt = f"{next(self._salts):032x}"
        leaves, lines = LeafList(name_salt), b""
        for leaf in sorted(by_leaf, key=lambda each: place(name_salt, each.name)):
            lines += leaves.add(leaf)
        self.bucket.put(leaves_key(self.chain, leaves.sha256), lines)
        objects = [
            each
            for one in by_leaf.values()
            if one.outcome == ARCHIVED
            for each in one.objects or []
        ]
        said: dict[str, Any] = {
            "date": f"{from_epoch_ms(covers.from_ms + HOUR_MS):%Y-%m-%d}",
            "time_zone": "Europe/Berlin",
            "covers": covers,
            "profiles": [self.source.profile],
            "is_late": False,
            "name_salt": name_salt,
            "leaf_count": leaves.count,
            "root_sha256": leaves.root_sha256,
            "leaves_sha256": leaves.sha256,
            "outcomes": dict(Counter(each.outcome for each in by_leaf.values())),
            "objects": len(objects),
            "events": sum(each.events for each in objects),
            "stored_bytes": sum(each.size_bytes for each in objects),
        }
        return SealedWindows(**(said | more))

    def next_seal(self, kind: str, **more: Any) -> DaySeal:
        """Return what the next seal says."""
        said: dict[str, Any] = {
            "chain": self.chain,
            "sequence": self.sequence + 1,
            "previous_sha256": self.previous,
            "kind": kind,
            "sealed_at": AT,
            "key_id": self.key.trusted.id,
            "key_arn": KEY_ARN,
        }
        return DaySeal.of(**(said | more))

    def signed(self, seal: DaySeal, key: SealingKey | None = None) -> bytes:
        """Return a seal as it is stored."""
        payload = seal.payload()
        return seal.envelope(payload, (key or self.key).sign(payload))

    def write(self, seal: DaySeal, key: SealingKey | None = None) -> str:
        """Write a seal at the end of the chain and return its key."""
        stored = self.signed(seal, key)
        self.sequence = seal.sequence
        self.previous = sha256(stored).hexdigest()
        written = seal_key(self.chain, seal.sequence)
        self.bucket.put(written, stored)
        return written

    def day(self, statements: Iterable[Statement], covers: Window, **more: Any) -> str:
        """Seal a date and return the seal's key."""
        sealed = self.windows(statements, covers, **more)
        self.reached_ms = max(self.reached_ms, covers.to_ms)
        return self.write(self.next_seal("day", sealed=sealed))

    def later(self, statements: Iterable[Statement], covers: Window, **more: Any) -> str:
        sealed = self.windows(statements, covers, **({"reason": "exported_since"} | more))
        return self.write(self.next_seal("later", sealed=sealed))

    def rotate(self, key: SealingKey) -> str:
        named = NextKey(id=key.trusted.id, arn=KEY_ARN, pem=key.pem)
        written = self.write(self.next_seal("key", next_key=named))
        self.key = key
        return written

    def days(self, number: int, names: Iterable[str] = ("/app/a", "/app/b")) -> list[str]:
        """Seal some ordinary dates and return the seals' keys."""
        found = []
        for _ in range(number):
            window = self.window()
            found.append(self.day([self.archived(name, window) for name in names], window))
        return found

    def seal(self, sequence: int) -> bytes:
        return self.bucket.data(seal_key(self.chain, sequence))

    def statement_keys(self) -> list[str]:
        return [key for key in self.bucket.keys if key.startswith(statements_prefix(self.chain))]

    def object_keys(self) -> list[str]:
        return [key for key in self.bucket.keys if not key.startswith("!")]


def found(
    archive: Archive, level: Level = "events", *, keys: Iterable[SealingKey] = (), store: Any = None
) -> list[Finding]:
    """Check an archive with the keys that are pinned, and return all that is found."""
    store = store or archive.bucket
    trusted = [each.trusted for each in keys]
    chain: Chain = read_chain(store, archive.chain, trusted)
    verifier = Verifier(store, chain, level)
    told = list(chain.findings)
    for link in chain.links:
        told += verifier.check(link)
    return told if level == "seals" else [*told, *verifier.planted()]


def errors(findings: Iterable[Finding]) -> list[type[SealError]]:
    """Return the classes of the errors that were found."""
    return [type(each) for each in findings if isinstance(each, SealError)]


def verdict(findings: Iterable[Finding]) -> str:
    """Return the verdict on what was found."""
    tally = Tally()
    for each in findings:
        tally.add(each)
    return tally.verdict


def checked(archive: Archive, level: Level = "seals", *keys: SealingKey) -> list[Finding]:
    """Check an archive with its own key, or with those that are pinned."""
    return found(archive, level, keys=keys or (archive.key,))


def told(archive: Archive, level: Level = "seals", *keys: SealingKey) -> str:
    """Return what is said of its errors."""
    return "\n".join(str(e) for e in checked(archive, level, *keys) if isinstance(e, SealError))


def seal_of(archive: Archive, sequence: int) -> DaySeal:
    """Return what a seal says."""
    return parse(DaySeal, Envelope.parse(archive.seal(sequence), PAYLOAD_TYPE).payload)


def rewritten(seal: DaySeal, **changes: Any) -> DaySeal:
    """Return a seal that says something else."""
    return seal.model_copy(update=changes)


def leaves_of(archive: Archive, sequence: int) -> str:
    """Return the key of the list of a seal's leaves."""
    sealed = seal_of(archive, sequence).sealed
    assert sealed is not None
    return leaves_key(archive.chain, sealed.leaves_sha256)
