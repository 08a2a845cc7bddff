"""An archive checked against its seals, chain by chain and seal by seal.

The rules are those of `logferry_contracts.verification`. Here is what is checked, by how many
threads, how far it is, and where a check that was stopped goes on.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from itertools import batched
from itertools import chain as chained
from typing import Any, Protocol

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from logferry import work
from logferry.audit import Audit
from logferry.errors import ConfigError
from logferry.folder_store import FolderStore, is_odd
from logferry.pace import Pace
from logferry.resuming import Checked, Progress
from logferry.typed import typed
from logferry.watched import Watched
from logferry.workers import READERS, Processes, Threads
from logferry_contracts.chain import ChainName
from logferry_contracts.message import epoch_ms
from logferry_contracts.seal_key import SEALS
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.verification.chain import Chain, Link, read_chain
from logferry_contracts.verification.findings import (
    Disposed,
    Finding,
    Note,
    SealError,
    SquattedError,
    Tally,
    Unchecked,
    Verdict,
)
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.objects import Level, ToLookAt
from logferry_contracts.verification.statements import read_statement
from logferry_contracts.verification.store import Unreadable
from logferry_contracts.verification.stored import unchecked
from logferry_contracts.verification.verifier import Verifier, is_told
from logferry_contracts.verification.witnesses import Witnessed
from logferry_contracts.verification.witnesses import findings as witnessed_findings
from logferry_ledger.markup import visible

_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%?", re.ASCII)


class Archive(work.Readable, Protocol):
    """A store that knows whose seals it has."""

    def chains(self) -> list[ChainName]:
        """Return the chains that there is anything of, in order."""

    def outside(self) -> Iterator[str]:
        """Yield each key below ``!seals/`` that belongs to no chain."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody wants to have checked.

    Attributes:
        keys: That are trusted; without any, signatures cannot be checked.
        first: The first date whose seals' leaves are checked; None begins with the first seal. The
            chain itself is always checked whole.
        last: Inclusive; None ends with the last seal.
        sample: The percentage of log groups of each seal whose statements and objects are looked
            at.
        witnessed: What witnesses have signed; None where nobody has asked what they say.
        now: Aware; None takes whatever was exported for exported long ago.
    """

    keys: tuple[TrustedKey, ...]
    level: Level
    first: date | None = None
    last: date | None = None
    sample: float = work.WHOLE
    now: datetime | None = None
    witnessed: tuple[Witnessed, ...] | None = None

    @property
    def witnessed_chains(self) -> set[ChainName]:
        """Those that a witness has seen, whether they are there or not."""
        return {each.head.chain for each in self.witnessed or ()}

    def has(self, link: Link) -> bool:
        """Whether the leaves of a seal are to be checked."""
        if link.sealed is None:
            return False
        on = date.fromisoformat(link.sealed.date)
        return (self.first or on) <= on <= (self.last or on)


@dataclass(kw_only=True)
class Report:
    """What was found of one chain.

    Attributes:
        level: How deep was looked.
        seals: How many there are.
        newest_at: When the newest of them was made; None where there is none. Whether others came
            after it, only a witness can say.
        checked: Of how many the leaves were checked; those that an earlier run has found in order
            count too.
        resumed: How many of these an earlier run has found in order.
        counts: What the checked seals of the kind ``day`` say that they seal.
    """

    chain: ChainName
    level: Level
    seals: int
    newest_at: str | None = None
    checked: int = 0
    resumed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    @property
    def verdict(self) -> Verdict:
        """See `Tally.verdict`."""
        return self.tally.verdict

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "chain": str(self.chain),
            "verdict": self.verdict,
            "level": self.level,
            "seals": self.seals,
            "newest_at": self.newest_at,
            "checked": self.checked,
            "resumed": self.resumed,
            **self.counts,
            "errors": dict(sorted(self.tally.errors.items())),
            "unchecked": self.tally.unchecked,
            "disposed": self.tally.disposed,
            "notes": self.tally.notes,
        }


def percentage(text: str) -> float:
    """Return a percentage, such as ``5%``.

    Raises:
        ConfigError: It is none, or nothing, or more than all.
    """
    found = _PERCENTAGE.fullmatch(text)
    percent = float(found[1]) if found else 0
    if not 0 < percent <= work.WHOLE:
        raise ConfigError("--sample", [f"{text}: more than 0% and up to 100%, such as 5%"])
    return percent


def chains_of(
    archive: Archive, profile: str | None, witnessed: Iterable[ChainName] = ()
) -> list[ChainName]:
    """Return the chains that an archive has or should have, or those that may be a profile's.

    A chain of which no seal can be read says of no profile that it is not that: it may be gone.

    Raises:
        ConfigError: There are none.
    """
    try:
        found = sorted({*archive.chains(), *witnessed}, key=str)
    except Unreadable as error:
        raise ConfigError(str(archive), [f"its chains cannot be listed: {error}"]) from error
    if profile is not None:
        said = {name: _profiles(read_chain(archive, name, ())) for name in found}
        found = [name for name in found if not said[name] or profile in said[name]]
    if not found:
        what = "a chain" if profile is None else f"a chain of the profile {profile}"
        raise ConfigError(str(archive), [f"there is not {what} in it"])
    return found


def check(  # noqa: PLR0913  (each from another place)
    archive: Archive,
    names: Sequence[ChainName],
    asked: Asked,
    progress: Progress,
    audit: Audit,
    *,
    processes: Processes,
    tell: Callable[[ChainName, Finding], None],
    watch: Callable[[str], None],
) -> Iterator[Report]:
    """Check chains, one after the other.

    Args:
        archive: Where they are.
        names: Which.
        asked: What of them.
        progress: What was checked before; is told what is checked.
        audit: Told what was seen; findings are told by ``tell`` alone.
        processes: That help where there is much; they are stopped with the check.
        tell: Told each finding at once.
        watch: Told how far it is, in words.
    """
    threads = Threads(READERS)
    mapped = work.mapped(archive, threads)
    try:
        for name in names:
            is_seals = asked.level == "seals" and not progress.is_begun
            is_wanted = asked.has if is_seals else lambda _: False
            ahead = work.Ahead(processes, archive, name, is_wanted)
            chain = read_chain(archive, name, asked.keys, mapped=mapped, told=ahead.take)
            of = _Check(
                archive, chain, asked, progress, audit, threads, processes, ahead, tell, watch
            )
            yield of.run(is_first=name == names[0])
    finally:
        threads.stop()
        processes.stop()


def table(reports: Sequence[Report]) -> RenderableType:
    """Return what was found as a table, a row for each chain."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("chain", "verdict"):
        shown.add_column(name, no_wrap=True)
    numbers = ("seals", "checked", "leaves", "objects", "events", "bytes")
    for name in (*numbers, "errors", "unchecked", "disposed"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in reports:
        counts = [each.seals, each.checked, *each.counts.values()]
        counts += [each.tally.errors.total(), each.tally.unchecked, each.tally.disposed]
        shown.add_row(str(each.chain), each.verdict, *(f"{count:,}" for count in counts))
    return shown


def unwitnessed(reports: Sequence[Report]) -> str:
    """Return what is not known of the end of chains where no witness was asked; else nothing."""
    newest = sorted(each.newest_at for each in reports if each.newest_at)
    if not newest:
        return ""
    when = newest[0] if newest[0] == newest[-1] else f"{newest[0]} to {newest[-1]}"
    told = f"The newest seals are of {when}" if len(newest) > 1 else f"The newest seal is of {when}"
    return f"{told}. Whether any were cut off after that, only a witness can say: --witness."


def line(finding: Finding) -> str:
    """Return a finding as a line for people, its kind first.

    What a terminal would obey is escaped.
    """
    return visible(f"{_kind(finding)}  {finding}")


def finding_as_json(chain: ChainName, finding: Finding) -> dict[str, Any]:
    """Return a finding as a JSON document."""
    document = {"chain": str(chain), "finding": _kind(finding), "thing": finding.thing}
    match finding:
        case SealError():
            return document | {"what": finding.what, "mend": finding.mend}
        case Unchecked():
            return document | {"what": finding.why, "mend": finding.mend}
        case Disposed() | Note():
            return document | {"what": finding.what}


def _kind(finding: Finding) -> str:
    match finding:
        case SealError():
            return finding.code
        case Unchecked():
            return "unchecked"
        case Disposed():
            return "disposed"
        case Note():
            return "note"


def _profiles(chain: Chain) -> set[str]:
    return {name for link in chain.links if link.sealed for name in link.sealed.profiles}


@dataclass(frozen=True)
class _Check:
    """The check of one chain."""

    archive: Archive
    chain: Chain
    asked: Asked
    progress: Progress
    audit: Audit
    threads: Threads
    processes: Processes
    ahead: work.Ahead
    tell: Callable[[ChainName, Finding], None]
    watch: Callable[[str], None]

    def _odd_keys(self) -> Iterator[str]:
        """Yield each key of what is sealed that a folder has at another path."""
        read = partial(read_statement, self.archive, self.chain.name)
        for link in self.chain.links:
            is_by_seal = self.asked.level == "seals"
            if link.sealed is None or (is_by_seal and not is_told(link.sealed)):
                continue  # nothing of it is looked for
            leaves = Leaves(self.archive, self.chain.name, link.sealed)
            for leaf in (each for each in leaves if is_odd(each.statement)):
                yield leaf.name.key(self.chain.name)
                statement = read(leaf).statement
                yield from () if statement is None else statement.object_keys

    def run(self, *, is_first: bool) -> Report:
        """Check it; with the first one, what belongs to no chain is told."""
        links = [link for link in self.chain.links if self.asked.has(link)]
        report = Report(
            chain=self.chain.name,
            level=self.asked.level,
            seals=len(self.chain.links),
            newest_at=self.chain.links[-1].sealed_at if self.chain.links else None,
            checked=len(links),
            counts=_counts(links),
        )
        todo = [link for link in links if self._checked(link) not in self.progress]
        report.resumed = len(links) - len(todo)
        self.audit.begin(self.chain, links, todo, report.tally)
        self._take_in(report, self.chain.findings)
        if isinstance(self.archive, FolderStore):
            self.archive.know(self._odd_keys())
        if self.asked.witnessed is not None:
            self._take_in(report, witnessed_findings(self.chain, self.asked.witnessed))
        self._take_in(report, self._unsealed() if links else [self._nothing()])
        pace = _pace(self.asked.level, todo, self.watch)
        counts = _counts(todo)
        is_much = work.is_much(self.asked.level, counts["leaves"], counts["stored_bytes"])
        verifier = self._verifier(pace, is_much=is_much)
        by_seal = partial(self._found_by_seal, is_much=is_much)
        find = by_seal if self.asked.level == "seals" else partial(self._found, verifier)
        for link, findings in find(todo, pace):
            before = report.tally.told
            self._take_in(report, findings)
            self.audit.checked(link)
            if before == report.tally.told:
                self.progress.add(self._checked(link))
        if self.asked.level != "seals":
            for link in [each for each in links if each not in todo]:
                verifier.learn(link)
            self._take_in(report, self._nothing_drawn(links))
            self._take_in(report, verifier.planted())
            self._take_in(report, _outside(self.archive) if is_first else ())
        self.audit.end()
        return report

    def _verifier(self, pace: Pace, *, is_much: bool) -> Verifier:
        return Verifier(
            Watched(self.archive, self.asked.level, pace, self.threads),
            self.chain,
            self.asked.level,
            mapped=work.mapped(self.archive, self.threads),
            look_at=partial(self._looked_at, pace) if is_much else None,
            is_sampled=self._sample,
            now_ms=self._now_ms,
            seen=self.audit.seen,
        )

    def _found(
        self, verifier: Verifier, todo: list[Link], pace: Pace
    ) -> Iterator[tuple[Link, Iterable[Finding]]]:
        """Yield each seal with what is found in it."""
        for link, findings in verifier.check_each(todo):
            pace.name = f"{self.chain.name}, seal {link.sequence} of {len(self.chain.links)}"
            yield link, findings

    def _found_by_seal(
        self, todo: list[Link], pace: Pace, *, is_much: bool
    ) -> Iterator[tuple[Link, Iterable[Finding]]]:
        """Yield the same at the level ``seals``, several seals side by side."""
        pace.name = str(self.chain.name)
        later = [link for link in self.chain.links if link.kind == "later"]
        chain = replace(self.chain, links=later, findings=[])
        check = partial(work.check_seals, self.archive, chain, self._sample)
        left = (link for link in todo if link not in self.ahead)
        some = batched(left, work.SEALS_TOGETHER, strict=False)
        here = work.mapped(self.archive, self.threads)
        mapped = self.processes.mapped if is_much else here
        found = chained.from_iterable(mapped(check, some))
        for link in todo:
            yield link, self.ahead.found(link) if link in self.ahead else next(found)
            pace.add(1)

    def _looked_at(self, pace: Pace, things: Iterable[ToLookAt]) -> Iterator[list[Finding]]:
        looking = work.Looking(self.archive, self.asked.level, self._now_ms)
        for size_bytes, findings in looking.by(self.processes, things):
            pace.add(size_bytes)
            yield findings

    @cached_property
    def _sample(self) -> work.Sample:
        return work.Sample(f"{self.progress.seed} {self.chain.name}", self.asked.sample)

    @property
    def _now_ms(self) -> int | None:
        return None if self.asked.now is None else epoch_ms(self.asked.now)

    def _take_in(self, report: Report, findings: Iterable[Finding]) -> None:
        for finding in findings:
            report.tally.add(finding)
            self.tell(self.chain.name, finding)

    def _nothing(self) -> Unchecked:
        if not self.chain.links:
            return Unchecked(
                f"the chain {self.chain.name}",
                "there is no seal of it",
                f"Look whether the sealer runs, or ask it to: {typed('seal --help')}",
            )
        dates = f"{self.asked.first or 'the first one'} to {self.asked.last or 'the last one'}"
        told = f"there is no seal of {dates}"
        return Unchecked(f"the chain {self.chain.name}", told, "Give dates that are sealed")

    def _unsealed(self) -> Iterator[Unchecked]:
        """Yield which of the dates that are asked for are before the first seal or after the last.

        Those between are missed by the chain: its seals have to join.
        """
        days = [link.sealed.date for link in self.chain.links if link.sealed is not None]
        first, last = min(days), max(days)
        told = []
        if self.asked.first is not None and str(self.asked.first) < first:
            told.append(f"{self.asked.first} was asked for, and no date before {first} is sealed")
        if self.asked.last is not None and str(self.asked.last) > last:
            told.append(f"{self.asked.last} was asked for, and no date after {last} is sealed")
        for each in told:
            mend = f"Give dates that are sealed, or have these sealed: {typed('seal --help')}"
            yield Unchecked(f"the chain {self.chain.name}", each, mend)

    def _nothing_drawn(self, links: Iterable[Link]) -> list[Finding]:
        """Return what is told where the sample has none of the log groups that there are."""
        sealed = [link.sealed for link in links if link.sealed is not None]
        are_there = False
        try:
            for leaf in chained.from_iterable(
                Leaves(self.archive, self.chain.name, each) for each in sealed
            ):
                if self._sample(leaf.name.log_group_name):
                    return []
                are_there = True
        except Unreadable:
            return []  # the check of that seal has told
        why = f"a sample of {self.asked.sample:g}% has none of its log groups"
        mend = "Check more of them, or all"
        return [Unchecked(f"the objects of {self.chain.name}", why, mend)] if are_there else []

    def _checked(self, link: Link) -> Checked:
        return Checked(
            archive=str(self.archive),
            chain=str(self.chain.name),
            sequence=link.sequence,
            sha256=link.sha256,
            later_sha256=self._newest_later,
        )

    @cached_property
    def _newest_later(self) -> str | None:
        later = [each.sha256 for each in self.chain.links if each.kind == "later"]
        return later[-1] if later else None


def _outside(archive: Archive) -> Iterator[Finding]:
    """Yield what lies below ``!seals/`` and is of no account and Region."""
    try:
        for key in archive.outside():
            yield SquattedError(key, "it belongs to the seals of no account and Region")
    except Unreadable as error:
        yield unchecked(f"what else lies below {SEALS}", error)


def _counts(links: Iterable[Link]) -> dict[str, int]:
    days = [link.sealed for link in links if link.sealed and link.kind == "day"]
    return {
        "leaves": sum(each.leaf_count for each in days),
        "objects": sum(each.objects for each in days),
        "events": sum(each.events for each in days),
        "stored_bytes": sum(each.stored_bytes for each in days),
    }


def _pace(level: Level, links: Sequence[Link], watch: Callable[[str], None]) -> Pace:
    """Return the pace of what takes the most time: seals, objects, or their bytes."""
    counts = _counts(links)
    by_level = {"seals": len(links), "objects": counts["leaves"] + counts["objects"]}
    total = by_level.get(level, counts["stored_bytes"])
    return Pace(total, watch=watch, clock=time.monotonic)
