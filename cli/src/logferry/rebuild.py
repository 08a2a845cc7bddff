"""The ledger made again from the statements in the archive, after the control bucket was lost.

A record says no more than its statement does. What was archived counts as announced, so that nobody
hears of it twice, and as not secured, so that the next sweep looks at each object.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from botocore.exceptions import ClientError
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.at_once import Threads
from logferry.bucket_store import BucketStore
from logferry.config import Config, SourceConfig
from logferry.errors import AWS_ERRORS, RebuildError
from logferry.ledger import CLIENT_CONFIG, OVERTAKEN, READERS, in_utc
from logferry_contracts.chain import ChainName
from logferry_contracts.ledger_record import LEDGER_SCHEMA, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.seal_key import StatementName, statements_prefix
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
from logferry_contracts.verification.statements import STATEMENTS
from logferry_contracts.verification.store import Missing, Unreadable
from logferry_contracts.verification.stored import fetch
from logferry_contracts.wire import ContractError, emit, parse

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client
    from rich.console import RenderableType

_PIECE_BYTES = 1024 * 1024
_NOT_THERE = ("404", "NoSuchKey")
_RECORDED = frozenset({ARCHIVED, SKIPPED, FAILED, REFUSED, WAIVED, DISPOSED})
"""Outcomes of which the ledger has a record, where there was an export."""

type State = Literal["made", "there", "without", "left"]


class LeftError(Exception):
    """No record can be made of a window; says why."""


class Rebuilt(NamedTuple):
    """What became of one window of a log group.

    Attributes:
        state: ``made``, or would be; ``there``: the ledger has it; ``without``: it has none of
            these; ``left``: it should have one, and none can be made.
        what: The outcome, or why it is left.
    """

    state: State
    window: str
    what: str


@dataclass(kw_only=True)
class Report:
    """What became of the ledger of an account and Region.

    Attributes:
        without: How many windows have no record, by their outcomes.
        left: Each window that should have one, with why it has not.
    """

    chain: ChainName
    made: int = 0
    there: int = 0
    without: Counter[str] = field(default_factory=Counter)
    left: list[tuple[str, str]] = field(default_factory=list)

    def add(self, found: Rebuilt) -> None:
        """Count a window."""
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
        }


def rebuild(
    session: "boto3.Session",
    config: Config,
    sources: Sequence[SourceConfig],
    *,
    dry_run: bool,
    watch: Callable[[str], None],
) -> Iterator[Report]:
    """Make the records that the ledger lacks. None that is there is changed.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        sources: Of the configuration.
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
            work = _Rebuilding(s3, config, report.chain, dry_run)
            for found in threads.mapped(work.window, work.windows()):
                report.add(found)
                watch(f"{name}: {report.made:,} records")
            yield report
    except (*AWS_ERRORS, Unreadable) as error:
        raise RebuildError(str(error)) from error
    finally:
        threads.stop()


def table(reports: Sequence[Report]) -> "RenderableType":
    """Return what became of the ledgers as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("account and Region", no_wrap=True)
    for name in ("made", "there already", "without a record", "left"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in reports:
        numbers = (each.made, each.there, each.without.total(), len(each.left))
        shown.add_row(str(each.chain), *(f"{number:,}" for number in numbers))
    return shown


def record_of(statement: Statement, objects: Sequence[ArchivedObject]) -> LedgerRecord | None:
    """Return the record that a statement was made of, as far as it tells; None where there is none.

    Args:
        statement: The last one of its log group and window.
        objects: What the archive has of its objects now.

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
                **_ended(statement, at, objects),
            }
        )
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        told = ", ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
        raise LeftError(f"its statement does not tell enough of it: {told}") from error


def _submitted(export: StatedExport) -> dict[str, Any]:
    """Return the section of an export's one task; a split's several are told of by its halves."""
    if export.lane != "slot" or len(export.task_ids) != 1:
        return {}
    return {"submitted": {"task_id": export.task_ids[0], "at": export.requested_at}}


def _ended(statement: Statement, at: str, objects: Sequence[ArchivedObject]) -> dict[str, Any]:
    """Return a record's state and the section that it has then."""
    if statement.outcome == ARCHIVED:
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


class _Rebuilding:
    """Makes the records of one account and Region."""

    def __init__(self, s3: "S3Client", config: Config, chain: ChainName, dry_run: bool) -> None:  # noqa: FBT001  (the command's)
        self._s3 = s3
        self._store = BucketStore(s3, config.archive_bucket)
        self._archive, self._control = config.archive_bucket, config.control_bucket
        self._chain = chain
        self._is_dry_run = dry_run

    def windows(self) -> Iterator[list[StatementName]]:
        """Yield the statements of each log group's windows."""
        prefix = statements_prefix(self._chain)
        names = (
            name
            for key, _ in groupby(self._store.versions(prefix), key=lambda each: each.key)
            if (name := _name(key.removeprefix(prefix))) is not None
        )
        for _, of_window in groupby(names, key=lambda each: each.place):
            yield list(of_window)

    def window(self, names: list[StatementName]) -> Rebuilt:
        """Make the record of a window; called by several threads."""
        thing = f"{names[0].log_group_name} {in_utc(names[0].window)}"
        try:
            statement = self._last(names)
            record = record_of(statement, self._objects(statement))
        except LeftError as error:
            return Rebuilt("left", thing, str(error))
        if record is None:
            return Rebuilt("without", thing, statement.outcome)
        return Rebuilt("made" if self._is_made(record) else "there", thing, statement.outcome)

    def _last(self, names: list[StatementName]) -> Statement:
        """Return the statement that was made last."""
        found = [self._statement(name) for name in names]
        return max(found, key=lambda each: each.stated_at)

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
        """Return the versions that are there of what was archived.

        Raises:
            LeftError: One is not, or is not what was sealed.
        """
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


def _name(below: str) -> StatementName | None:
    try:
        return StatementName.parse(below)
    except ValueError:
        return None
