"""The ledger made again from the statements in the archive, after the control bucket was lost.

What counts is what seals say that a pinned key has signed: any other statement may be what a crash
has left, or somebody. A record says no more than its statement does. What was archived counts as
announced, so that nobody hears of it twice, and as not secured, so that the next sweep looks at
each object.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from botocore.exceptions import ClientError
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.bucket_store import BucketStore
from logferry.config import Config, SourceConfig
from logferry.errors import RebuildError
from logferry.rebuilt_tries import tries_before
from logferry.workers import READERS, Threads
from logferry_contracts.addendum import addendum_folders
from logferry_contracts.chain import ChainName
from logferry_contracts.ledger_record import LEDGER_SCHEMA, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.on_disk import OnDisk
from logferry_contracts.open_exports import is_open, note_key
from logferry_contracts.seal_key import StatementName, statements_prefix
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.statement import (
    ARCHIVED,
    CONTRADICTED,
    DISPOSED,
    FAILED,
    REFUSED,
    SKIPPED,
    WAIVED,
    StatedExport,
    StatedObject,
    Statement,
)
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.findings import Finding, Note
from logferry_contracts.verification.last_words import LastWords
from logferry_contracts.verification.leaves import Leaves, check_list
from logferry_contracts.verification.standing import standing
from logferry_contracts.verification.statements import STATEMENTS
from logferry_contracts.verification.store import Mapped, Missing, Unreadable
from logferry_contracts.verification.stored import fetch
from logferry_contracts.wire import ContractError, emit, parse
from logferry_ledger.ledger import CLIENT_CONFIG, OVERTAKEN, in_utc

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client
    from rich.console import RenderableType

_PIECE_BYTES = 1024 * 1024
_NOT_THERE = ("404", "NoSuchKey")
_OF_OBJECTS = frozenset({ARCHIVED, DISPOSED})
_RECORDED = frozenset({ARCHIVED, SKIPPED, FAILED, REFUSED, WAIVED, DISPOSED})
"""Outcomes of which the ledger has a record, where there was an export."""

type State = Literal["made", "there", "without", "left"]


@dataclass(frozen=True, kw_only=True)
class Believed:
    """Whose word counts.

    Attributes:
        keys: That are trusted; only what they have signed is sealed.
        unsealed: Whether also the newest statement counts of a window that no seal has.
    """

    keys: tuple[TrustedKey, ...]
    unsealed: bool = False


class LeftError(Exception):
    """No record can be made of a window; says why."""


class Rebuilt(NamedTuple):
    """What became of one window of a log group.

    Attributes:
        state: ``made``, or would be; ``there``: the ledger has it; ``without``: it has none of
            these; ``left``: it should have one, and none can be made.
        what: The outcome, or why it is left.
        is_sealed: Whether a seal has its statement.
    """

    state: State
    window: str
    what: str
    is_sealed: bool = True


@dataclass(kw_only=True)
class Report:
    """What became of the ledger of an account and Region.

    Attributes:
        without: How many windows have no record, by their outcomes.
        left: Each window that should have one, with why it has not; and what is wrong with seals.
        unsealed: Each window whose record is by a statement that no seal has.
    """

    chain: ChainName
    made: int = 0
    there: int = 0
    without: Counter[str] = field(default_factory=Counter)
    left: list[tuple[str, str]] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)

    def add(self, found: Rebuilt) -> None:
        """Count a window."""
        if found.state == "made" and not found.is_sealed:
            self.unsealed.append(found.window)
        match found.state:
            case "made":
                self.made += 1
            case "there":
                self.there += 1
            case "without":
                self.without[found.what] += 1
            case "left":
                self.left.append((found.window, found.what))

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "chain": str(self.chain),
            "made": self.made,
            "there": self.there,
            "without": dict(sorted(self.without.items())),
            "left": [{"window": window, "why": why} for window, why in self.left],
            "unsealed": self.unsealed,
        }


def rebuild(  # noqa: PLR0913  (each from another place)
    session: "boto3.Session",
    config: Config,
    sources: Sequence[SourceConfig],
    believed: Believed,
    *,
    dry_run: bool,
    watch: Callable[[str], None],
) -> Iterator[Report]:
    """Make the records that the ledger lacks. None that is there is changed.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        sources: Of the configuration.
        believed: Whose word counts.
        dry_run: Only say what would be made.
        watch: Told in words how far it is.

    Raises:
        RebuildError: AWS refused; what was made stays, and the next one goes on.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    threads = Threads(READERS)
    try:
        for name in dict.fromkeys(str(ChainName.of(config.source_name(each))) for each in sources):
            account_id, region = name.split("/")
            report = Report(chain=ChainName(account_id=account_id, region=region))
            work = _Rebuilding(s3, config, report.chain, believed, dry_run)
            for of in (work.sealed(threads.mapped), work.unsealed(report.left)):
                for found in threads.mapped(work.window, of):
                    report.add(found)
                    watch(f"{name}: {report.made:,} records")
            report.left += work.wrong
            yield report
    except (*AWS_ERRORS, Unreadable) as error:
        raise RebuildError(str(error)) from error
    finally:
        threads.stop()


def table(reports: Sequence[Report]) -> "RenderableType":
    """Return what became of the ledgers as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("account and Region", no_wrap=True)
    for name in ("made", "of these unsealed", "there already", "without a record", "left"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in reports:
        numbers = (each.made, len(each.unsealed), each.there, each.without.total(), len(each.left))
        shown.add_row(str(each.chain), *(f"{number:,}" for number in numbers))
    return shown


def record_of(
    statement: Statement, objects: Sequence[ArchivedObject], archived: str | None = None
) -> LedgerRecord | None:
    """Return the record that a statement was made of, as far as it tells; None where there is none.

    Args:
        statement: What counts of its log group and window.
        objects: What the archive has of its objects now.
        archived: SHA-256 of the sealed statement whose objects may go, of an outcome disposed.

    Raises:
        LeftError: It does not tell enough.
    """
    if statement.outcome == CONTRADICTED:
        raise LeftError("ledger and archive differed when it was sealed: export it again")
    if statement.outcome not in _RECORDED or not statement.exports:
        return None
    export = statement.exports[-1]
    at = export.ended_at or statement.stated_at
    log_group = statement.log_group.model_dump(exclude_none=True)
    try:
        return LedgerRecord.model_validate(
            {
                "schema": LEDGER_SCHEMA,
                "revision": 1,
                "export_id": export.export_id,
                "generation": export.generation,
                "source": statement.source,
                "log_group": log_group,
                "window": statement.window,
                "destination": export.destination,
                "lane": export.lane,
                "requested_at": export.requested_at,
                **_submitted(export),
                **_added(export, at),
                **_ended(statement, at, objects),
                **_disposed(statement, archived),
            }
        )
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        told = ", ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
        raise LeftError(f"its statement does not tell enough of it: {told}") from error


def _submitted(export: StatedExport) -> dict[str, Any]:
    """Return the section of an export's one task; a split's several are told of by its halves."""
    tasks = export.own_task_ids
    if export.lane != "slot" or len(tasks) != 1:
        return {}
    return {"submitted": {"task_id": tasks[0], "at": export.requested_at}}


def _added(export: StatedExport, at: str) -> dict[str, Any]:
    """Return the section of what was added to an export: when, nobody knows any more."""
    folders = addendum_folders(export.export_id, export.task_ids)
    numbers = range(1, len(folders) + 1)
    told = {"recounted_at": at, "at": at, "published_at": at}
    return {"addenda": [{"number": each, **told} for each in numbers]} if folders else {}


def _ended(statement: Statement, at: str, objects: Sequence[ArchivedObject]) -> dict[str, Any]:
    """Return a record's state and the section that it has then."""
    if statement.outcome in _OF_OBJECTS:
        manifest = Manifest(
            object_count=len(objects),
            stream_count=len({each.key.split("/")[-2] for each in objects}),
            total_bytes=sum(each.size_bytes for each in objects),
            objects=list(objects),
        )
        completed = {"at": at, "manifest": manifest, "published_at": at}
        return {"state": "completed", "completed": completed}
    if statement.outcome == SKIPPED:
        return {"state": "skipped", "skipped": {"reason": statement.reason, "at": at}}
    failed = {
        "reason": statement.reason or statement.outcome,
        "message": statement.detail or "",
        "at": at,
        "published_at": at,
    }
    waiver = statement.waiver
    waived = waiver and {"at": waiver.at, "by": waiver.by, "reason": waiver.why}
    return {"state": "failed", "failed": failed, "waived": waived}


def _disposed(statement: Statement, archived: str | None) -> dict[str, Any]:
    """Return the section of what may go."""
    waiver = statement.waiver
    if statement.outcome != DISPOSED or waiver is None or archived is None:
        return {}
    said = {"at": waiver.at, "by": waiver.by, "reason": waiver.why, "ticket": waiver.ticket}
    told = {name: value for name, value in said.items() if value is not None}
    return {"disposed": told | {"statement": archived}}


class _Rebuilding:
    """Makes the records of one account and Region."""

    def __init__(
        self,
        s3: "S3Client",
        config: Config,
        chain: ChainName,
        believed: Believed,
        dry_run: bool,  # noqa: FBT001  (the command's)
    ) -> None:
        self._s3 = s3
        self._store = BucketStore(s3, config.archive_bucket)
        self._archive, self._control = config.archive_bucket, config.control_bucket
        self._chain = chain
        self._believed = believed
        self._is_dry_run = dry_run
        self._sealed = OnDisk()
        self.wrong: list[tuple[str, str]] = []
        """What is wrong with seals, so that what they say is not believed."""

    def sealed(self, mapped: Mapped) -> Iterator[list[Leaf]]:
        """Yield all that trusted seals have said of each window, the oldest first."""
        chain = read_chain(self._store, self._chain, self._believed.keys, mapped=mapped)
        self._tell(chain.findings if self._believed.keys else ())
        chain = replace(chain, links=[link for link in chain.links if link.is_signed])
        words = LastWords(self._store, chain)
        for link in chain.links:
            if link.kind != "day" or link.sealed is None:
                continue
            leaves = Leaves(self._store, self._chain, link.sealed)
            self._tell(check_list(leaves, link, link.sealed))
            for group in words.over(leaves, link.sealed.covers, is_day=True):
                for word in group.words:
                    self._sealed.add(_place(word[-1].name))
                    yield word

    def unsealed(self, left: list[tuple[str, str]]) -> Iterator[list[Leaf]]:
        """Yield the statements of each window that no trusted seal has, if these count as well.

        Args:
            left: Is told of them, if they do not.
        """
        prefix = statements_prefix(self._chain)
        names = (
            name
            for key, _ in groupby(self._store.versions(prefix), key=lambda each: each.key)
            if (name := _name(key.removeprefix(prefix))) is not None
        )
        for _, of_window in groupby(names, key=_place):
            found = list(of_window)
            if _place(found[0]) in self._sealed:
                continue
            if self._believed.unsealed:
                yield [Leaf(statement=str(each)) for each in found]
            else:
                left.append(
                    (_thing(found[0]), "no seal that the key has signed has it: --unsealed")
                )

    def window(self, word: list[Leaf]) -> Rebuilt:
        """Make the record of a window; called by several threads."""
        thing, is_sealed = _thing(word[0].name), _place(word[0].name) in self._sealed
        try:
            read = [self._statement(leaf.name) for leaf in word]
            if not is_sealed:
                read.sort(key=lambda each: each.stated_at)
            statement = standing(read).statement or read[-1]
            archived = next(
                (
                    leaf.name.sha256
                    for leaf, each in reversed(list(zip(word, read, strict=True)))
                    if each.outcome == ARCHIVED
                ),
                None,
            )
            record = record_of(statement, self._objects(statement), archived)
        except LeftError as error:
            return Rebuilt("left", thing, str(error))
        if record is None:
            return Rebuilt("without", thing, statement.outcome)
        for each in tries_before(record, statement.exports):
            self._is_made(each)  # cut after these, it is the window that is made again
        state: State = "made" if self._is_made(record) else "there"
        return Rebuilt(state, thing, statement.outcome, is_sealed)

    def _tell(self, findings: Iterable[Finding]) -> None:
        self.wrong += [(each.thing, str(each)) for each in findings if not isinstance(each, Note)]

    def _statement(self, name: StatementName) -> Statement:
        key = name.key(self._chain)
        text, findings = fetch(self._store, key, name.sha256, STATEMENTS)
        if text is None:
            raise LeftError("; ".join(map(str, findings)))
        try:
            return parse(Statement, text)
        except ContractError as error:
            raise LeftError(f"{key}: {error}") from error

    def _objects(self, statement: Statement) -> list[ArchivedObject]:
        """Return the versions that are there of what was archived; of what may go, those sealed.

        Raises:
            LeftError: One is not, or is not what was sealed.
        """
        if statement.outcome == DISPOSED:
            return [_as_sealed(each) for each in statement.objects or []]
        if statement.outcome != ARCHIVED or not statement.exports:
            return []
        listed = self._listed(f"{statement.exports[-1].destination.prefix}/")
        return [self._object(each, listed.get(each.key, [])) for each in statement.objects or []]

    def _listed(self, prefix: str) -> dict[str, list[Any]]:
        listed: dict[str, list[Any]] = {}
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._archive, Prefix=prefix
        )
        for each in (each for page in pages for each in page.get("Versions", [])):
            listed.setdefault(each["Key"], []).append(each)
        return listed

    def _object(self, stated: StatedObject, versions: list[Any]) -> ArchivedObject:
        """Return the version that was sealed, or else another one of the same bytes."""
        versions = [each for each in versions if each["Size"] == stated.size_bytes]
        versions.sort(key=lambda each: each["VersionId"] != stated.version_id)
        for each in versions:
            is_sealed = each["VersionId"] == stated.version_id
            if is_sealed or self._sha256(stated.key, each["VersionId"]) == stated.sha256:
                return ArchivedObject(
                    key=stated.key,
                    version_id=each["VersionId"],
                    size_bytes=each["Size"],
                    etag=each["ETag"].strip('"'),
                    checksum=stated.checksum,
                )
        raise LeftError(f"{stated.key} is not there as it was sealed: export it again")

    def _sha256(self, key: str, version_id: str) -> str | None:
        digest = hashlib.sha256()
        try:
            with closing(self._store.open(key, version_id)) as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
        except Missing:
            return None
        return digest.hexdigest()

    def _is_made(self, record: LedgerRecord) -> bool:
        """Make a record unless it is there; in a dry run only look."""
        if self._is_dry_run:
            return not self._is_there(record.key)
        if is_open(record):
            self._s3.put_object(Bucket=self._control, Key=note_key(record), Body=b"")
        try:
            self._s3.put_object(
                Bucket=self._control,
                Key=record.key,
                Body=emit(record).encode(),
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in OVERTAKEN:
                return False
            raise
        return True

    def _is_there(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self._control, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_THERE:
                return False
            raise
        return True


def _as_sealed(stated: StatedObject) -> ArchivedObject:
    return ArchivedObject(
        key=stated.key,
        version_id=stated.version_id,
        size_bytes=stated.size_bytes,
        etag=stated.etag or stated.sha256,
        checksum=stated.checksum,
    )


def _thing(name: StatementName) -> str:
    return f"{name.log_group_name} {in_utc(name.window)}"


def _place(name: StatementName) -> str:
    return f"{name.log_group_name} {name.window.from_ms} {name.window.to_ms}"


def _name(below: str) -> StatementName | None:
    try:
        return StatementName.parse(below)
    except ValueError:
        return None
