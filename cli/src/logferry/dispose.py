"""Somebody orders that sealed objects are removed from the archive: said in the ledger, and sealed.

Nothing is removed here. The ledger says whose objects may go, by the sealed statement that names
each by its hash; the sealer then seals that, and whoever may lifts their holds and deletes them.
"""

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.bucket_store import BucketStore
from logferry.config import Config, SourceConfig
from logferry.errors import DisposeError, LedgerError, SealError
from logferry.ledger import CLIENT_CONFIG, Ledger, in_utc, last_tries_on
from logferry.plan import REQUESTER
from logferry.seal import Asking, ask
from logferry.workers import READERS
from logferry_contracts.chain import ChainName
from logferry_contracts.ledger_record import Disposed, LedgerRecord, TransitionError
from logferry_contracts.message import timestamp
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.seal_request import SealRequest, SealRequestData
from logferry_contracts.statement import ARCHIVED, StatedObject, Statement
from logferry_contracts.verification.chain import Chain, read_chain
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.statements import read_statement
from logferry_contracts.verification.store import Unreadable
from logferry_contracts.window import Window

if TYPE_CHECKING:
    import boto3
    from rich.console import RenderableType

LONGEST_TICKET = 256
"""As a ledger record takes it."""


@dataclass(frozen=True, kw_only=True)
class Disposable:
    """An archived window of a log group, and the sealed statement of its objects.

    Attributes:
        key: Of its record in the ledger.
        leaf: Of the newest seal that says that it is archived.
        date: Of that seal's windows.
        objects: What was sealed.
        still_there: How many of these keys have a version in the archive.
    """

    key: str
    record: LedgerRecord
    leaf: Leaf
    date: str
    objects: tuple[StatedObject, ...]
    still_there: int

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        disposed = self.record.disposed
        return {
            "profile": self.record.source.profile,
            "log_group": self.record.log_group.name,
            "window": self.record.window.model_dump(),
            "export_id": self.record.export_id,
            "statement": self.leaf.name.sha256,
            "objects": len(self.objects),
            "stored_bytes": sum(each.size_bytes for each in self.objects),
            "still_there": self.still_there,
            "disposed": None if disposed is None else disposed.model_dump(exclude_none=True),
        }


def find(
    session: "boto3.Session", config: Config, source: SourceConfig, log_group: str, on: date
) -> list[Disposable]:
    """Return what of a log group was sealed as archived on a date.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        source: Of the configuration.
        log_group: Its name.
        on: The date on which the windows start, in the source's time zone.

    Raises:
        DisposeError: One of its windows is not in the archive, or not sealed yet: nobody could say
            which objects these are. Or AWS refused.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    what = f"{source.profile}: {log_group} on {on}"
    try:
        name, zone = config.source_name(source), config.time_zone_of(source)
        last = list(last_tries_on(Ledger(s3, config.control_bucket), name, zone, log_group, on))
        _check_archived(what, last)
        store = BucketStore(s3, config.archive_bucket)
        with ThreadPoolExecutor(READERS) as readers:
            chain = read_chain(store, ChainName.of(name), (), mapped=readers.map)
        sealed = _sealed(store, chain, [record for _, record in last])
        return [
            _disposable(store, chain.name, what, key, record, sealed[record.window])
            for key, record in last
        ]
    except (*AWS_ERRORS, LedgerError, Unreadable) as error:
        raise DisposeError(f"{source.profile}: {error}") from error


def dispose(  # noqa: PLR0913  (what is said, and of what)
    session: "boto3.Session",
    config: Config,
    found: Sequence[Disposable],
    reason: str,
    ticket: str | None,
    *,
    now: datetime,
) -> list[Disposable]:
    """Write into the ledger who has ordered it, and why, and ask the sealer to seal that.

    Args:
        session: With credentials of the hub's account: of whoever answers for it.
        config: What is deployed.
        found: By `find`.
        reason: In their words.
        ticket: Where it was decided; None where nobody says.
        now: Aware.

    Returns:
        What the ledger says now.

    Raises:
        DisposeError: A record was changed meanwhile, or AWS refused; those before are written, and
            the same again goes on.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    sts = session.client("sts", region_name=config.region, config=CLIENT_CONFIG)
    ledger = Ledger(s3, config.control_bucket)
    try:
        by = sts.get_caller_identity()["Arn"]
        written = [
            _written(ledger, each, by=by, reason=reason, ticket=ticket, at=timestamp(now))
            for each in found
        ]
        for each in {(each.date, each.record.log_group.name): each for each in written}.values():
            ask(session, config, _asking(config, each, now))
    except (*AWS_ERRORS, LedgerError, SealError, TransitionError) as error:
        raise DisposeError(str(error)) from error
    return written


def table(found: Sequence[Disposable]) -> "RenderableType":
    """Return what is disposed of, or may be, as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("source", "log group", "window (UTC)"):
        shown.add_column(name, no_wrap=True)
    for name in ("objects", "bytes", "still there"):
        shown.add_column(name, justify="right", no_wrap=True)
    for name in ("disposed of by", "reason", "ticket"):
        shown.add_column(name, no_wrap=True)
    for each in found:
        record, disposed = each.record, each.record.disposed
        counts = (len(each.objects), sum(e.size_bytes for e in each.objects), each.still_there)
        said = ("", "", "")
        if disposed is not None:
            said = (disposed.by, disposed.reason, disposed.ticket or "")
        shown.add_row(
            record.source.profile,
            record.log_group.name,
            in_utc(record.window),
            *(f"{count:,}" for count in counts),
            *said,
        )
    return shown


def _check_archived(what: str, last: Sequence[tuple[str, LedgerRecord]]) -> None:
    if not last:
        raise DisposeError(f"{what}: the ledger has nothing of it")
    never = [record for _, record in last if record.completed is None]
    if never:
        states = ", ".join(f"{in_utc(each.window)}: {each.state}" for each in never)
        raise DisposeError(
            f"{what}: not in the archive: {states}; what never came there can be waived: "
            "logferry waive"
        )


def _disposable(  # noqa: PLR0913, PLR0917  (what the ledger says, and what seals do)
    store: BucketStore,
    chain: ChainName,
    what: str,
    key: str,
    record: LedgerRecord,
    sealed: Sequence[tuple[str, Leaf]],
) -> Disposable:
    """Return a window with what the newest seal says that has it as archived."""
    for day, leaf in reversed(sealed):
        statement = read_statement(store, chain, leaf).statement
        if statement is not None and statement.outcome == ARCHIVED:
            return Disposable(
                key=key,
                record=record,
                leaf=leaf,
                date=day,
                objects=tuple(statement.objects or ()),
                still_there=_still_there(store, statement),
            )
    raise DisposeError(
        f"{what}: no seal says yet that {in_utc(record.window)} is archived, so that nobody could "
        "tell which objects are gone lawfully: wait for the seal of its date"
    )


def _sealed(
    store: BucketStore, chain: Chain, records: Sequence[LedgerRecord]
) -> dict[Window, list[tuple[str, Leaf]]]:
    """Return the leaves that seals have of a log group's windows, each with the seal's date.

    The list of a seal, which has all log groups, is read once for all windows.
    """
    found: dict[Window, list[tuple[str, Leaf]]] = {each.window: [] for each in records}
    names = {each.log_group.name for each in records}
    for link in chain.links:
        sealed = link.sealed
        if sealed is None or not any(
            sealed.covers.from_ms <= each.from_ms < sealed.covers.to_ms for each in found
        ):
            continue
        for leaf in Leaves(store, chain.name, sealed):
            if leaf.name.log_group_name in names and leaf.name.window in found:
                found[leaf.name.window].append((sealed.date, leaf))
    return found


def _still_there(store: BucketStore, statement: Statement) -> int:
    prefixes = {export.destination.prefix for export in statement.exports}
    there = {
        version.key
        for prefix in prefixes
        for version in store.versions(f"{prefix}/")
        if not version.is_delete_marker
    }
    return sum(each.key in there for each in statement.objects or [])


def _written(ledger: Ledger, found: Disposable, **said: Any) -> Disposable:
    """Return it as disposed of; what somebody has ordered already stays as they said it."""
    disposed = Disposed(statement=found.leaf.name.sha256, **said)
    record = ledger.change(
        found.key, lambda record: record if record.disposed else record.as_disposed(disposed)
    )
    return replace(found, record=record)


def _asking(config: Config, found: Disposable, now: datetime) -> Asking:
    """Return what is asked of the sealer: to look at the log group's date again, however old."""
    data = SealRequestData(
        chain=ChainName.of(found.record.source),
        seal_from=found.date,
        seal_to=found.date,
        log_group_name=found.record.log_group.name,
    )
    request = SealRequest.of(data, id=uuid.uuid4().hex, source=REQUESTER, time=now)
    return Asking(queue_name=f"{config.name}-sealer", request=request)
