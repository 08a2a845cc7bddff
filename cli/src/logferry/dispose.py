"""Somebody orders that sealed objects are removed from the archive: said in the ledger, and sealed.

Nothing is removed here. The ledger says whose objects may go, by the sealed statement that names
each by its hash; the sealer then seals that, and whoever may lifts their holds and deletes them.
"""

import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from itertools import batched, groupby
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.bucket_store import BucketStore
from logferry.config import Config, SourceConfig
from logferry.errors import DisposeError, SealError
from logferry.plan import REQUESTER
from logferry.seal import Asking, ask
from logferry.waive import waive_command
from logferry.workers import READERS
from logferry_contracts.chain import ChainName
from logferry_contracts.ledger_key import ledger_prefix
from logferry_contracts.ledger_record import Disposed, LedgerRecord, TransitionError
from logferry_contracts.message import timestamp
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.seal_request import SealRequest, SealRequestData
from logferry_contracts.source import SourceName
from logferry_contracts.statement import ARCHIVED, Statement
from logferry_contracts.verification.chain import Chain, read_chain
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.statements import read_statement
from logferry_contracts.verification.store import Unreadable
from logferry_contracts.verification.stored import raise_unread
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from logferry_ledger.errors import LedgerError
from logferry_ledger.ledger import CLIENT_CONFIG, Ledger, date_of, in_utc, last_tries

if TYPE_CHECKING:
    import boto3
    from rich.console import RenderableType

LONGEST_TICKET = 256
"""As a ledger record takes it."""
WRITTEN_AT_ONCE = 4 * READERS

type Try = tuple[str, LedgerRecord]
"""A record, after its key."""
type Name = tuple[str, Window]
"""A log group and one of its windows."""


class Said(NamedTuple):
    """What the ledger says of a window that is disposed of, in less memory than its record."""

    by: str
    reason: str
    ticket: str | None
    at: str
    statement: str

    @classmethod
    def of(cls, record: LedgerRecord) -> "Said | None":
        """Return what a record says of it."""
        said = record.disposed
        if said is None:
            return None
        return cls(said.by, said.reason, said.ticket, said.at, said.statement)


@dataclass(frozen=True, kw_only=True, slots=True)
class Disposable:
    """An archived window of a log group, and the sealed statement of its objects.

    Of a year of 500 log groups there are 182,500: so it has what is told and written, no more.

    Attributes:
        key: Of its record in the ledger.
        statement: SHA-256 of the newest sealed one that says that it is archived.
        date: Of that seal's windows.
        objects: How many were sealed.
        still_there: How many of their keys have a version in the archive.
        disposed: What the ledger says of it already.
    """

    key: str
    chain: ChainName
    profile: str
    log_group: str
    window: Window
    export_id: str
    statement: str
    date: str
    objects: int
    stored_bytes: int
    still_there: int
    disposed: Said | None

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        said = None if self.disposed is None else self.disposed._asdict()
        return {
            "profile": self.profile,
            "log_group": self.log_group,
            "window": self.window.model_dump(),
            "export_id": self.export_id,
            "statement": self.statement,
            "objects": self.objects,
            "stored_bytes": self.stored_bytes,
            "still_there": self.still_there,
            "disposed": said and {name: each for name, each in said.items() if each is not None},
        }


def find(  # noqa: PLR0913, PLR0917  (where, and of what)
    session: "boto3.Session",
    config: Config,
    source: SourceConfig,
    log_groups: Sequence[str],
    first: date,
    last: date,
) -> list[Disposable]:
    """Return what of log groups was sealed as archived on some dates, oldest first.

    In a span of several dates a log group need not be there on each, and what was skipped or waived
    on one is passed over.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        source: Of the configuration.
        log_groups: Their names.
        first: The first date on which windows start, in the source's time zone.
        last: The last one, inclusive.

    Raises:
        DisposeError: One of the windows is not in the archive, or not all of it is sealed yet:
            nobody could say which objects these are. Or a log group has none, or AWS refused.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    try:
        name, zone = config.source_name(source), config.time_zone_of(source)
        ledger, store = Ledger(s3, config.control_bucket), BucketStore(s3, config.archive_bucket)
        found: list[Disposable] = []
        shared: dict[Window, Window] = {}
        with ThreadPoolExecutor(READERS) as readers:
            chain = read_chain(store, ChainName.of(name), (), mapped=readers.map)
            raise_unread(chain.findings)
            for on, windows in _by_date(ledger, name, zone_named(zone), first, last):
                tries = _tries(ledger, windows, log_groups)
                what = f"{source.profile}: {{}} on {on}"
                waive = partial(waive_command, config, source, on)
                wanted = _archived(what, tries, waive, is_one_date=first == last)
                sealed = _sealed(store, chain, [record for _, record in wanted])
                one = partial(_disposable, store, chain.name, shared, what)
                leaves = [sealed[_name_of(record)] for _, record in wanted]
                found += readers.map(one, wanted, leaves)
    except (*AWS_ERRORS, LedgerError, Unreadable) as error:
        raise DisposeError(f"{source.profile}: {error}") from error
    there = {each.log_group for each in found}
    missing = [each for each in log_groups if each not in there]
    if missing:
        when = f"on {first}" if first == last else f"from {first} to {last}"
        told = f"{source.profile}: {', '.join(missing)} {when}"
        raise DisposeError(f"{told}: the ledger has nothing of it in the archive")
    return found


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
        found: By `find`, of one source.
        reason: In their words.
        ticket: Where it was decided; None where nobody says.
        now: Aware.

    Returns:
        What the ledger says now.

    Raises:
        DisposeError: A record was changed meanwhile, or AWS refused; some others are written, and
            the same again goes on.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    sts = session.client("sts", region_name=config.region, config=CLIENT_CONFIG)
    ledger = Ledger(s3, config.control_bucket)
    try:
        by = sts.get_caller_identity()["Arn"]
        said = {"by": by, "reason": reason, "ticket": ticket, "at": timestamp(now)}
        written: list[Disposable] = []
        with ThreadPoolExecutor(READERS) as writers:
            # What fails ends it soon: no more than some are written beside it.
            for some in batched(found, WRITTEN_AT_ONCE, strict=False):
                written += writers.map(lambda each: _written(ledger, each, **said), some)
        ask(session, config, _asking(config, written, now))
    except (*AWS_ERRORS, LedgerError, SealError, TransitionError) as error:
        raise DisposeError(str(error)) from error
    return written


def table(found: Sequence[Disposable]) -> "RenderableType":
    """Return what is disposed of, or may be, as a table: a row for each log group."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("source", "log group", "window (UTC)"):
        shown.add_column(name, no_wrap=True)
    for name in ("windows", "objects", "bytes", "still there"):
        shown.add_column(name, justify="right", no_wrap=True)
    for name in ("disposed of by", "reason", "ticket"):
        shown.add_column(name, no_wrap=True)
    for (profile, log_group, *said), some in _alike(found).items():
        window = Window(
            from_ms=min(each.window.from_ms for each in some),
            to_ms=max(each.window.to_ms for each in some),
        )
        counts = (
            len(some),
            sum(each.objects for each in some),
            sum(each.stored_bytes for each in some),
            sum(each.still_there for each in some),
        )
        shown.add_row(profile, log_group, in_utc(window), *(f"{each:,}" for each in counts), *said)
    return shown


def _alike(found: Iterable[Disposable]) -> dict[tuple[str, ...], list[Disposable]]:
    """Return the windows of each log group of which the same was said, by name and words."""
    some = defaultdict[tuple[str, ...], list[Disposable]](list)
    for each in sorted(found, key=lambda each: each.log_group):
        said = each.disposed
        words = ("", "", "") if said is None else (said.by, said.reason, said.ticket or "")
        some[each.profile, each.log_group, *words].append(each)
    return some


def _by_date(
    ledger: Ledger, source: SourceName, zone: ZoneInfo, first: date, last: date
) -> Iterator[tuple[date, list[str]]]:
    """Yield each date that has windows, with the prefixes of their records."""
    within = ledger.windows_on(source, zone, first, last)
    for on, some in groupby(within, key=lambda window: date_of(window, zone)):
        yield on, [ledger_prefix(source, window) for window in some]


def _tries(ledger: Ledger, prefixes: Iterable[str], log_groups: Sequence[str]) -> list[Try]:
    """Return the last try of each window of log groups."""
    wanted = frozenset(log_groups)
    return [
        each
        for prefix in prefixes
        for name, each in last_tries(ledger.records(prefix)).items()
        if name in wanted
    ]


def _archived(
    what: str, tries: Sequence[Try], waive: Callable[[str], str], *, is_one_date: bool
) -> list[Try]:
    """Return those that are in the archive, where no other may come there yet.

    Args:
        what: Says of which source and date they are; ``{}`` is for the log group.
        tries: The last ones.
        waive: Returns what is typed to waive a log group.
        is_one_date: Whether somebody has named this very date.
    """
    never = [record for _, record in tries if record.completed is None]
    if not is_one_date:
        never = [each for each in never if each.state != "skipped" and each.waived is None]
    if never:
        name = never[0].log_group.name
        its = [each for each in never if each.log_group.name == name]
        states = ", ".join(f"{in_utc(each.window)}: {each.state}" for each in its)
        raise DisposeError(
            f"{what.format(name)}: not in the archive: {states}; what never came there can be "
            f"waived:\n  {waive(name)}"
        )
    return [(key, record) for key, record in tries if record.completed is not None]


def _disposable(  # noqa: PLR0913, PLR0917  (what the ledger says, and what seals do)
    store: BucketStore,
    chain: ChainName,
    shared: dict[Window, Window],
    what: str,
    of: Try,
    sealed: Sequence[tuple[str, Leaf]],
) -> Disposable:
    """Return a window with what the newest seal says that has it as archived.

    What is ``shared`` is kept once for all log groups.
    """
    key, record = of
    for day, leaf in reversed(sealed):
        _, statement, findings = read_statement(store, chain, leaf)
        raise_unread(findings)
        if statement is not None and statement.outcome == ARCHIVED:
            objects = statement.objects or []
            if record.disposed is None:
                is_same = record.export_id in {each.export_id for each in statement.exports[-1:]}
                _refuse_unsealed(record, len(objects) if is_same else 0)
            return Disposable(
                key=key,
                chain=chain,
                profile=sys.intern(record.source.profile),
                log_group=sys.intern(record.log_group.name),
                window=shared.setdefault(record.window, record.window),
                export_id=record.export_id,
                statement=leaf.name.sha256,
                date=day,
                objects=len(objects),
                stored_bytes=sum(each.size_bytes for each in objects),
                still_there=_still_there(store, statement),
                disposed=Said.of(record),
            )
    raise DisposeError(
        f"{what.format(record.log_group.name)}: no seal says yet that {in_utc(record.window)} is "
        "archived, so that nobody could tell which objects are gone lawfully: wait for the seal of "
        "its date"
    )


def _sealed(
    store: BucketStore, chain: Chain, records: Iterable[LedgerRecord]
) -> dict[Name, list[tuple[str, Leaf]]]:
    """Return the leaves that seals have of log groups' windows, each with the seal's date.

    The list of a seal, which has all log groups, is read once for all of them.
    """
    found: dict[Name, list[tuple[str, Leaf]]] = {_name_of(each): [] for each in records}
    starts = {window.from_ms for _, window in found}
    for link in chain.links:
        sealed = link.sealed
        if sealed is None or not any(
            sealed.covers.from_ms <= each < sealed.covers.to_ms for each in starts
        ):
            continue
        leaves = Leaves(store, chain.name, sealed)
        raise_unread(leaves.findings)
        for leaf in leaves:
            name = (leaf.name.log_group_name, leaf.name.window)
            if name in found:
                found[name].append((sealed.date, leaf))
    return found


def _name_of(record: LedgerRecord) -> Name:
    return record.log_group.name, record.window


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
    disposed = Disposed(statement=found.statement, **said)

    def changed(record: LedgerRecord) -> LedgerRecord:
        if record.disposed is not None:
            return record
        _refuse_unsealed(record, found.objects)
        return record.as_disposed(disposed)

    return replace(found, disposed=Said.of(ledger.change(found.key, changed)))


def _refuse_unsealed(record: LedgerRecord, sealed: int) -> None:
    """Refuse what has more objects than are sealed: the others would stay, and nobody tell of it.

    Raises:
        DisposeError: It has, by an addendum or by an export anew.
    """
    done = record.completed
    if done is not None and done.manifest.object_count > sealed:
        raise DisposeError(
            f"{record.source.profile}: {record.log_group.name}: of {in_utc(record.window)} there "
            "is more in the archive than any seal says, which would stay there: wait until the "
            "sealer has looked at its date again"
        )


def _asking(config: Config, found: Sequence[Disposable], now: datetime) -> Asking:
    """Return what is asked of the sealer: to look at these dates again, however old."""
    log_groups = {each.log_group for each in found}
    data = SealRequestData(
        chain=found[0].chain,
        seal_from=min(each.date for each in found),
        seal_to=max(each.date for each in found),
        log_group_name=log_groups.pop() if len(log_groups) == 1 else None,
    )
    request = SealRequest.of(data, id=uuid.uuid4().hex, source=REQUESTER, time=now)
    return Asking(queue_name=f"{config.name}-sealer", request=request)
