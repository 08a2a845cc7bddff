"""What keeping logs in CloudWatch for less long would save, and where that is safe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.bucket_store import BucketStore
from logferry.config import Config, SourceConfig
from logferry.log_retention import Checked, Kept, Outcome, Verdict, kept_for
from logferry_contracts.chain import ChainName
from logferry_contracts.inventory import SELECTED
from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import epoch_ms
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.sealed import Seals, said_of
from logferry_contracts.seal_key import StatementName
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.statement import Statement
from logferry_contracts.verification.findings import Finding, HoldLiftedError, Note
from logferry_contracts.verification.objects import check_object, compare
from logferry_contracts.verification.standing import Standing, standing
from logferry_contracts.verification.store import Mapped, Store
from logferry_ledger.ledger import CLIENT_CONFIG
from logferry_ledger.markup import visible
from logferry_ledger.plans_and_seals import NEVER_PLANNED, Notes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_IN_ORDER = "the seals are not in order: see what is said of them"


@dataclass(frozen=True)
class Looked:
    """What was found of a source.

    Attributes:
        log_groups: That are kept for longer than they would have to be.
        small: How many more there are that can save too little to be looked at.
        findings: What is wrong with the seals: then nothing is safe.
        problem: Why nothing was looked at; None where it was.
    """

    profile: str
    log_groups: Sequence[Verdict] = ()
    small: int = 0
    findings: Sequence[str] = ()
    problem: str | None = None

    @property
    def saves_dollars(self) -> float:
        """In a month, at most."""
        return sum(each.saves_dollars for each in self.log_groups)

    @property
    def is_failed(self) -> bool:
        """Whether it could not be found out."""
        return bool(self.findings) or self.problem is not None

    def as_json(self) -> dict[str, Any]:
        """Return it as the command prints it."""
        return {
            "profile": self.profile,
            "saves_dollars": round(self.saves_dollars, 2),
            "log_groups": [each.as_json() for each in self.log_groups],
            "too_small": self.small,
            "findings": list(self.findings),
            "problem": self.problem,
        }


@dataclass(frozen=True, kw_only=True)
class _Named(Asked):
    """What is asked of many log groups by their whole names."""

    names: frozenset[str]

    def has_log_group(self, name: str) -> bool:
        return name in self.names


type Said = tuple[StatementName, list[Statement | None]]
"""All that seals have said of a window."""
type Seen = tuple[StatementName, Standing, list[Finding]]
"""What counts of it, and what is amiss with its objects, where these were looked at."""


def _by_seals(said: Said) -> Seen:
    return said[0], standing(said[1]), []


class Looking:
    """Looks at the sources of a hub."""

    def __init__(self, session: boto3.Session, hub: Config, keys: Sequence[TrustedKey]) -> None:
        """Look with these credentials.

        Args:
            session: May read the archive's seals and the control bucket's inventories.
            hub: The sources'.
            keys: By which seals have to be signed; without any that is not checked.
        """
        s3: S3Client = session.client("s3", region_name=hub.region, config=CLIENT_CONFIG)
        self._archive: Store = BucketStore(s3, hub.archive_bucket)
        self._notes = Notes(s3, hub.control_bucket)
        self._hub, self._keys = hub, keys

    def at(self, source: SourceConfig, now: datetime, *, mapped: Mapped = map) -> Looked:
        """Return what was found of a source.

        Raises:
            LedgerError: The newest inventory cannot be read.
            Unreadable: A seal cannot be.
        """
        name, rules = self._hub.source_name(source), self._hub.log_retention
        listed = self._notes.newest_inventory(name, now)
        if listed is None:
            return Looked(source.profile, problem=NEVER_PLANNED)
        longer = [
            each.log_group
            for each in listed
            if each.verdict == SELECTED
            and not rules.excludes(each.log_group.name)
            and rules.is_longer(each.log_group)
        ]
        kept = {
            each.name: Kept(each, rules, epoch_ms(now))
            for each in longer
            if rules.dollars(each) >= rules.min_dollars
        }
        findings = self._take_in(kept, ChainName.of(name), epoch_ms(now), mapped) if kept else []
        found = [each.verdict(source.profile) for each in kept.values()]
        if findings:
            found = [_unsafe(each) for each in found]
        found.sort(key=lambda each: (-each.saves_dollars, each.log_group))
        small = len(longer) - len(kept)
        return Looked(source.profile, found, small, [visible(f"{each}") for each in findings])

    def listed(self, source: SourceConfig, now: datetime) -> list[LogGroup]:
        """Return the log groups that the newest plan has listed to be archived.

        Raises:
            LedgerError: It cannot be read.
        """
        listed = self._notes.newest_inventory(self._hub.source_name(source), now) or []
        return [each.log_group for each in listed if each.verdict == SELECTED]

    def checked(
        self, source: SourceConfig, wanted: Sequence[LogGroup], now: datetime, *, mapped: Mapped
    ) -> tuple[dict[str, Checked], list[Finding]]:
        """Return what seals and objects say of log groups, and what is wrong with the seals.

        Raises:
            Unreadable: A seal cannot be read.
        """
        rules, now_ms = self._hub.log_retention, epoch_ms(now)
        kept = {each.name: Checked(each, rules, now_ms) for each in wanted}
        chain = ChainName.of(self._hub.source_name(source))
        findings = self._take_in(kept, chain, now_ms, mapped, self._by_objects) if kept else []
        return kept, findings

    def _take_in(
        self,
        kept: Mapping[str, Kept],
        chain: ChainName,
        now_ms: int,
        mapped: Mapped,
        look: Callable[[Said], Seen] = _by_seals,
    ) -> list[Finding]:
        """Tell each log group what is said of it, and return what is wrong with the seals."""
        from_ms = min(each.from_ms for each in kept.values())
        asked = _Named(
            log_groups=(), names=frozenset(kept), from_ms=from_ms, to_ms=max(now_ms, from_ms + 1)
        )
        seals = Seals.read(self._archive, chain, self._keys, from_ms, now_ms=now_ms, mapped=mapped)
        findings = list(seals.findings)
        said = said_of(asked, self._archive, seals, findings, mapped=mapped)
        for of, found, amiss in mapped(look, said):
            findings += found.findings
            kept[of.log_group_name].add(of.window, found.statement)
            if amiss:
                told = f"with objects that are not as they were sealed ({visible(f'{amiss[0]}')})"
                kept[of.log_group_name].stop(told, of.window)
        return [each for each in findings if not isinstance(each, Note)]

    def _by_objects(self, said: Said) -> Seen:
        """Look at the objects of a window as well: they have to be there as sealed, and held."""
        of, found, _ = _by_seals(said)
        known = [each for each in said[1] if each is not None]
        are_all = len(known) == len(said[1])
        there, findings = compare(self._archive, found.compared, known, are_all=are_all)
        amiss: list[Finding] = [each for each in findings if not isinstance(each, Note)]
        for each in there:
            key, version_id = each.stated.key, each.version_id
            if version_id != each.stated.version_id:  # only its bytes tell
                amiss += check_object(self._archive, "bytes", None, each)
            if not each.is_disposed and self._archive.is_held(key, version_id) is not True:
                amiss.append(HoldLiftedError(key, f"{version_id} is not on legal hold"))
        return of, found, amiss


def _unsafe(found: Verdict) -> Verdict:
    return Verdict(found.profile, found.log_group, found.kept_days, None, 0.0, _NOT_IN_ORDER)


def outcomes_table(found: Sequence[tuple[str, Sequence[Outcome]]]) -> Table:
    """Return what became of sources' log groups for people."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("profile", "log group"):
        shown.add_column(name, no_wrap=True)
    for name in ("was kept for", "is kept for", "counted"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("")
    for profile, each in ((profile, each) for profile, some in found for each in some):
        days = kept_for(each.former_days), kept_for(each.days)
        counted = f"{each.events:,} events" if each.windows else ""
        shown.add_row(profile, each.log_group, *days, counted, each.why or each.outcome)
    return shown


def table(found: Sequence[Looked]) -> Table:
    """Return it for people: what saves most first, of each source."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("profile", "log group"):
        shown.add_column(name, no_wrap=True)
    for name in ("kept for", "could be", "saves a month"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("counted", justify="right", no_wrap=True)
    shown.add_column("in the way")
    for each in (one for of in found for one in of.log_groups):
        kept = kept_for(each.kept_days)
        could = "" if each.could_be_days is None else f"{each.could_be_days:,} days"
        saves = "" if each.could_be_days is None else f"${each.saves_dollars:,.2f}"
        counted = f"{each.counted:,} of {each.archived:,}"
        shown.add_row(each.profile, each.log_group, kept, could, saves, counted, each.why)
    return shown
