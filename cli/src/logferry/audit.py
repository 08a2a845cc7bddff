"""What a check of an archive has seen, counted and kept in tables that a page has room for.

Every table keeps its first rows and counts the others, so that memory stays as it is however long
the archive is. What a page has no room for is written to a file, as it comes.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from logferry.audit_counts import UNKNOWN, UNREAD, Counts, Listed, Monthly, known
from logferry_contracts.chain import ChainName
from logferry_contracts.statement import ARCHIVED, CONTRADICTED, EXCLUDED, SKIPPED, Statement
from logferry_contracts.verification.chain import Chain, Link
from logferry_contracts.verification.findings import (
    Disposed,
    Finding,
    Note,
    SealError,
    Tally,
    Unchecked,
)
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.objects import Level
from logferry_contracts.verification.standing import answered_for
from logferry_contracts.verification.witnesses import Witnessed

CHAIN_ROWS = 1000
"""Accounts and Regions: more than one hub has."""
MONTH_ROWS = 600
"""Of accounts and months: fifty years of one."""
WINDOW_ROWS = 100
"""Of windows with one outcome, and of log groups without an archive."""
FINDING_ROWS = 25
"""Of each kind of error."""
KEY_ROWS = 100
"""Of a chain: as many rotations as nobody makes."""

_DIFFERENCES_TOLD = 3
_REASONS = 200
"""More different ones than there are, so that who makes some up fills no memory."""
_OTHER_REASONS = "others"
_LOG_GROUP_BY_LOG_GROUP = frozenset({SKIPPED, EXCLUDED})
"""Outcomes that a log group has on most dates of its life."""

type Write = Callable[[dict[str, Any]], None]


class NotArchived(NamedTuple):
    """A window that is not in the archive.

    Attributes:
        date: Of its seal.
        window: Both ends, in words.
        told: Who has waived it and why, what differs, or what else is said of it.
    """

    chain: str
    log_group: str
    date: str
    window: str
    outcome: str
    reason: str
    told: str

    @classmethod
    def of(cls, statement: Statement, date: str) -> Self:
        """Return the window of a statement."""
        return cls(
            chain=str(ChainName.of(statement.source)),
            log_group=statement.log_group.name,
            date=date,
            window=span(statement.window.from_ms, statement.window.to_ms),
            outcome=statement.outcome,
            reason=statement.reason or "",
            told=_told(statement),
        )


class Without(NamedTuple):
    """A log group that was skipped or excluded, on one date or many, for one reason."""

    chain: str
    log_group: str
    outcome: str
    reason: str
    windows: int
    first: str
    last: str


class Told(NamedTuple):
    """A finding: what it is about, what is wrong with it, and what to do."""

    chain: str
    thing: str
    what: str
    mend: str


@dataclass
class Kind:
    """Errors of one class.

    Attributes:
        rule: What they mean, in a sentence.
    """

    code: str
    rule: str
    told: Listed[Told] = field(default_factory=lambda: Listed(FINDING_ROWS))


@dataclass
class KeyUse:
    """The seals of a chain that one key has signed, by what they say.

    Attributes:
        named_by: The seal that names it as the next key; None for none.
    """

    key_id: str
    named_by: Link | None
    first: Link
    last: Link
    seals: int = 0


@dataclass
class OfChain:
    """What was seen of one chain.

    Attributes:
        tally: Of what is found of it, as it grows.
        checked: How many seals have dates that were asked for.
        resumed: How many of these an earlier run has found in order.
        first: The first date that was asked for and is sealed; None for none.
        head: The newest seal; None where there is none.
        up_to_ms: The end of what its seals of the kind ``day`` cover; None where there is none.
        late: How many seals say that they were made by hand, of a time before there were seals.
        keys: In the order in which they came.
        is_whole: Whether the check has come to its end.
    """

    name: str
    tally: Tally
    profiles: list[str]
    seals: int
    checked: int
    resumed: int
    first: str | None
    last: str | None
    head: Link | None
    up_to_ms: int | None
    late: int
    keys: Listed[KeyUse]
    counts: Counts = field(default_factory=Counts)
    is_whole: bool = False

    @classmethod
    def of(cls, chain: Chain, checked: Sequence[Link], todo: Sequence[Link], tally: Tally) -> Self:
        """Return what is known before anything is looked at; see `Audit.begin`."""
        dates = sorted(link.sealed.date for link in checked if link.sealed)
        profiles = {name for link in chain.links if link.sealed for name in link.sealed.profiles}
        days = [link.sealed for link in chain.links if link.sealed and link.kind == "day"]
        return cls(
            name=str(chain.name),
            tally=tally,
            profiles=sorted(profiles),
            seals=len(chain.links),
            checked=len(checked),
            resumed=len(checked) - len(todo),
            first=dates[0] if dates else None,
            last=dates[-1] if dates else None,
            head=chain.links[-1] if chain.links else None,
            up_to_ms=max((each.covers.to_ms for each in days), default=None),
            late=sum(each.is_late for each in days),
            keys=_keys(chain.links),
        )


class Findings:
    """What was found, by what it is.

    Attributes:
        tally: Of all of it.
        errors: By code.
        disposed: What somebody answers for that it is gone.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.errors: dict[str, Kind] = {}
        self.disposed: Listed[Told] = Listed(WINDOW_ROWS)
        self.unchecked: Listed[Told] = Listed(WINDOW_ROWS)
        self.notes: Listed[Told] = Listed(FINDING_ROWS)

    def add(self, chain: ChainName, finding: Finding) -> None:
        """Take in one."""
        self.tally.add(finding)
        match finding:
            case SealError():
                kind = Kind(finding.code, _sentences(type(finding).__doc__))
                told = Told(str(chain), finding.thing, finding.what, finding.mend)
                self.errors.setdefault(finding.code, kind).told.add(told)
            case Unchecked():
                self.unchecked.add(Told(str(chain), finding.thing, finding.why, finding.mend))
            case Disposed():
                self.disposed.add(Told(str(chain), finding.thing, finding.what, ""))
            case Note():
                self.notes.add(Told(str(chain), finding.thing, finding.what, ""))


class Missing:
    """Windows that are not archived, and why.

    Attributes:
        why: How many windows have an outcome for a reason.
        windows: By outcome; but those of `log_groups`.
        log_groups: That were skipped or excluded.
    """

    def __init__(self, write: Write) -> None:
        """Begin with none, and give all that comes to ``write`` as JSON documents."""
        self._write = write
        self._of_chain: dict[tuple[str, str, str], Without] = {}
        self.why: Counter[tuple[str, str]] = Counter()
        self.windows: dict[str, Listed[NotArchived]] = {}
        self.log_groups: Listed[Without] = Listed(WINDOW_ROWS)

    def add(self, statement: Statement, date: str) -> None:
        """Take in the last word on a window of a date."""
        if statement.outcome == ARCHIVED:
            return
        outcome, reason = known(statement.outcome), statement.reason or ""
        is_told = (outcome, reason) in self.why or len(self.why) < _REASONS
        self.why[outcome, reason if is_told else _OTHER_REASONS] += 1
        if statement.outcome in _LOG_GROUP_BY_LOG_GROUP:
            self._add_log_group(statement, date)
            return
        row = NotArchived.of(statement, date)
        self.windows.setdefault(outcome, Listed(WINDOW_ROWS)).add(row)
        self._write(row._asdict())

    def end_chain(self) -> None:
        """Take in that there is no more of a chain."""
        for each in sorted(self._of_chain.values(), key=_those_with_events_first):
            self.log_groups.add(each)
            self._write(each._asdict())
        self._of_chain = {}

    def _add_log_group(self, statement: Statement, date: str) -> None:
        name, outcome, reason = statement.log_group.name, statement.outcome, statement.reason or ""
        chain = str(ChainName.of(statement.source))
        new = Without(chain, name, outcome, reason, 0, date, date)
        old = self._of_chain.get((name, outcome, reason), new)
        first, last = min(old.first, date), max(old.last, date)
        one_more = old._replace(windows=old.windows + 1, first=first, last=last)
        self._of_chain[name, outcome, reason] = one_more


class Audit:
    """Takes in what a check sees, chain after chain. It may be told from several threads.

    Attributes:
        chains: Those that were begun.
        late: How many of their seals were made late.
        totals: Of all of them.
        by_month: Of all of them, by calendar month.
        months: By chain and month, with the month's name.
    """

    def __init__(
        self, level: Level, *, is_whole: bool = True, write: Write = lambda _: None
    ) -> None:
        """Begin with nothing.

        Args:
            level: How deep is looked.
            is_whole: Whether it is at all log groups, and not at a sample.
            write: Is given a JSON document of each thing that a page may have no room for.
        """
        self._are_statements_counted = is_whole and level != "seals"
        self._write = write
        self._lock = threading.Lock()
        self._chain: OfChain | None = None
        self._monthly = Monthly()
        self._seen: Counter[int] = Counter()
        """Windows by the sequence of their day's seal: of those not `checked` yet."""
        self.findings = Findings()
        self.missing = Missing(write)
        self.chains: Listed[OfChain] = Listed(CHAIN_ROWS)
        self.late = 0
        self.totals = Counts()
        self.by_month: dict[str, Counts] = {}
        self.months: Listed[tuple[str, str, Counts]] = Listed(MONTH_ROWS)

    def begin(
        self, chain: Chain, checked: Sequence[Link], todo: Sequence[Link], tally: Tally
    ) -> None:
        """Begin with a chain.

        Args:
            chain: As it was read.
            checked: The seals whose dates are asked for.
            todo: Those of them that no earlier run has found in order.
            tally: Counts what is found of this chain.
        """
        self._chain = OfChain.of(chain, checked, todo, tally)
        self.chains.add(self._chain)
        self.late += self._chain.late
        self._monthly, self._seen = Monthly(), Counter()
        read = {link.sequence for link in todo if self._are_statements_counted}
        for link in checked:
            if link.kind == "day" and link.sequence not in read:
                self._monthly.of(link).add_seal(link)

    def seen(self, link: Link, statement: Statement | None) -> None:
        """Take in what a chain has last said of a window.

        Args:
            link: The seal of the window's day.
            statement: None where it could not be read.
        """
        with self._lock:
            self._seen[link.sequence] += 1
            if self._are_statements_counted:
                self._monthly.add(link, statement)
            if statement is not None and link.sealed is not None:
                self.missing.add(statement, link.sealed.date)

    def checked(self, link: Link) -> None:
        """Take in that a seal was checked: what it has and nobody could read is unread."""
        with self._lock:
            seen = self._seen.pop(link.sequence, 0)
            if link.sealed and link.kind == "day" and self._are_statements_counted:
                unread = max(0, link.sealed.leaf_count - seen)
                self._monthly.of(link).outcomes.update({UNREAD: unread} if unread else {})

    def end(self, *, is_whole: bool = True) -> None:
        """End with the chain under way, if one is.

        Args:
            is_whole: Whether all of it was looked at that was asked for.
        """
        if self._chain is None:
            return
        chain, self._chain = self._chain, None
        chain.is_whole = is_whole
        chain.counts, months = self._monthly.summed()
        self.totals.add(chain.counts)
        for month, counts in months:
            self.months.add((chain.name, month, counts))
            self.by_month.setdefault(month, Counts()).add(counts)
            self._write({"chain": chain.name, "month": month, **counts.as_json()})
        self.missing.end_chain()


@dataclass(frozen=True, kw_only=True)
class About:
    """What was checked, how and when.

    Attributes:
        archives: Buckets or folders.
        profile: None for all.
        first: None for the first date that is sealed.
        last: None for the last one.
        sample: Percent.
        keys: File and id of each key that is trusted.
        witnessed: What witnesses have signed; None where nobody has asked what they say.
        resumed_from: The file that remembers what was in order; None for none.
        command: As it was given.
        began: When, and so on; aware times.
        stopped: Why it came to no end; None where it did.
    """

    archives: Sequence[str]
    profile: str | None
    first: str | None
    last: str | None
    level: Level
    sample: float
    keys: Sequence[tuple[str, str]]
    witnessed: Sequence[Witnessed] | None
    resumed_from: str | None
    command: str
    version: str
    began: datetime
    ended: datetime
    stopped: str | None

    @property
    def is_whole(self) -> bool:
        """Whether all log groups were to be looked at."""
        return self.sample >= 100  # noqa: PLR2004  (percent)


def _keys(links: Iterable[Link]) -> Listed[KeyUse]:
    uses: dict[str, KeyUse] = {}
    named: dict[str, Link] = {}
    for link in links:
        new = KeyUse(link.key_id, named.get(link.key_id), link, link)
        use = uses.setdefault(link.key_id, new)
        use.last = link
        use.seals += 1
        if link.next_key_id is not None:
            named[link.next_key_id] = link
    found = Listed[KeyUse](KEY_ROWS)
    for each in uses.values():
        found.add(each)
    return found


def _told(statement: Statement) -> str:
    """Return what is said of a window that is not archived."""
    parts = [statement.outcome] if known(statement.outcome) == UNKNOWN else []
    if statement.waiver is not None:
        parts.append(answered_for(statement))
    if statement.outcome == CONTRADICTED:
        differences = statement.differences or []
        some = differences[:_DIFFERENCES_TOLD]
        parts += [f"{each.about}: {each.told}" for each in some]
        if len(differences) > _DIFFERENCES_TOLD:
            parts.append(f"and {len(differences) - _DIFFERENCES_TOLD} differences more")
    if statement.detail:
        parts.append(statement.detail)
    return "; ".join(parts)


def _those_with_events_first(each: Without) -> tuple[bool, str, str]:
    """Return where it comes: what had nothing to archive is the least to be asked about."""
    return each.reason == "empty", each.outcome, each.log_group


def _sentences(docstring: str | None) -> str:
    return " ".join((docstring or "").split())
